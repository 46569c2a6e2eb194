/* Fuzzes the PROXY protocol: the same bytes whole, one by one, and in two pieces must say the same. */
#include "net/proxy_protocol.h"

#include "base/addr.h"

#define CHECK(condition)                                                                                               \
    do {                                                                                                               \
        if (!(condition))                                                                                              \
            __builtin_trap();                                                                                          \
    } while (0)

struct reading {
    struct proxy_header header;
    enum proxy_result result;
    size_t used;
};

static void read_all(struct reading *r, const uint8_t *in, size_t len, size_t first, size_t piece)
{
    size_t next = first;

    proxy_header_init(&r->header);
    r->result = PROXY_MORE;
    r->used = 0;
    while (r->used < len && r->result == PROXY_MORE) {
        size_t give = min_size(next, len - r->used), used;

        r->result = proxy_header_feed(&r->header, in + r->used, give, &used);
        CHECK(used <= give && (used == give || r->result != PROXY_MORE));
        r->used += used;
        next = piece;
    }
}

static void check_same(const struct reading *a, const struct reading *b)
{
    CHECK(a->result == b->result && a->used == b->used);
    CHECK(a->header.has_client == b->header.has_client && a->header.reason == b->header.reason);
    if (a->result != PROXY_DONE || !a->header.has_client || a->header.client.family == PORT_UNIX)
        return;
    CHECK(addr_eq(&a->header.client, &b->header.client) && addr_eq(&a->header.local, &b->header.local));
}

int LLVMFuzzerTestOneInput(const uint8_t *in, size_t len);
int LLVMFuzzerTestOneInput(const uint8_t *in, size_t len)
{
    static struct reading whole, bytes, halves;
    enum proxy_result guess = proxy_header_guess(in, len);

    read_all(&whole, in, len, len, len);
    read_all(&bytes, in, len, 1, 1);
    read_all(&halves, in, len, 1 + len / 2, len);
    check_same(&whole, &bytes);
    check_same(&whole, &halves);
    CHECK(guess == PROXY_BAD ? whole.result == PROXY_BAD : true);
    CHECK(guess == PROXY_MORE ? whole.result == PROXY_MORE : true);
    CHECK((whole.result == PROXY_BAD) == (whole.header.reason != NULL));
    if (whole.result == PROXY_DONE && whole.header.has_client)
        CHECK(whole.header.client.family == whole.header.local.family && whole.header.client.family != PORT_NONE);
    return 0;
}
