/* The nth call of the platform and the nth allocation of a library fail, for every n: nothing crashes or leaks, what
 * could go on goes on, and the next client is served. */
#include "harm.h"

#define CLIENTS 4

static struct client *clients[CLIENTS];

/* A little of everything: bodies both ways, trailers, keep-alive, an early end, a slow answer. */
static void begin(int kind, const struct sim_options *options)
{
    (void)kind;
    core_world(options);
    for (unsigned i = 0; i < CLIENTS; i++)
        clients[i] = client_new(FRONT_PORT);
    client_ask(clients[0], &(struct ask){.query = "n=300"});
    client_ask(clients[0], &(struct ask){.query = "n=5&l=0&t=1"});
    client_ask(clients[1],
               &(struct ask){.query = "n=40&l=0&u=30", .framing = ASK_CHUNKED, .body = 200, .trailers = "A: b\r\n"});
    client_ask(clients[2], &(struct ask){.query = "n=900&p=300&q=2&i=1", .framing = ASK_LENGTH, .body = 80});
    client_ask(clients[3], &(struct ask){.query = "n=30&d=4&l=0", .http10 = true});
}

static bool all_well(void)
{
    for (unsigned i = 0; i < CLIENTS; i++)
        for (unsigned n = 0; n < clients[i]->reader.asked; n++) {
            const struct response *response = &clients[i]->reader.responses[n];

            if (!response->complete || response->status != 200)
                return false;
        }
    return true;
}

static const struct harm harm = {begin, all_well, NULL, harm_check_alive, 40};

static void every_call_fails(void **state)
{
    (void)state;
    harm_every_call(&harm);
}

static void every_allocation_fails(void **state)
{
    (void)state;
    harm_every_allocation(&harm, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_call_fails),
        cmocka_unit_test(every_allocation_fails),
    };

    return CORE_RUN(tests);
}
