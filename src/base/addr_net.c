/* Networks of addresses: an address and how many of its bits count. */
#include "base/addr.h"

/* The bits of byte i that count. */
static uint8_t mask_of(unsigned bits, unsigned i)
{
    unsigned low = 8 * (i + 1);

    if (bits >= low)
        return 0xff;
    return (uint8_t)(bits + 8 <= low ? 0 : 0xffU << (low - bits));
}

bool addr_net_parse(struct text t, struct addr_net *net)
{
    size_t slash = text_find(t, '/', 0);
    struct addr_net parsed;
    uint64_t bits;

    if (!addr_parse(text_first(t, slash), &parsed.addr))
        return false;
    bits = parsed.addr.family == PORT_IPV6 ? 128 : 32;
    if (slash < t.len && !text_to_u64(text_skip(t, slash + 1), bits, &bits))
        return false;
    parsed.bits = (uint8_t)bits;
    for (unsigned i = 0; i < sizeof(parsed.addr.ip); i++)
        parsed.addr.ip[i] &= mask_of(parsed.bits, i);
    *net = parsed;
    return true;
}

bool addr_net_has(const struct addr_net *net, const struct port_addr *addr)
{
    if (net->addr.family != addr->family)
        return false;
    for (unsigned i = 0; i < sizeof(addr->ip) && 8 * i < net->bits; i++)
        if ((addr->ip[i] & mask_of(net->bits, i)) != net->addr.ip[i])
            return false;
    return true;
}
