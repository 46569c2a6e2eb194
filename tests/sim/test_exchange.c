/* Requests and responses in all shapes, through the whole core: what a client sends reaches the origin, what the origin
 * answers reaches the client, or is visibly cut. */
#include "core.h"

static void plain_get(void **state)
{
    struct origin *origin = core_world(NULL);
    struct client *c = client_new(FRONT_PORT);
    uint32_t id = client_ask(c, &(struct ask){.query = "n=1000"});

    (void)state;
    core_start(core_plain, NULL);
    core_run(1000);
    assert_int_equal(client_response(c, 0)->status, 200);
    assert_int_equal(client_response(c, 0)->body, 1000);
    assert_true(client_response(c, 0)->complete);
    assert_int_equal(origin_request(origin, id)->tries, 1);
    core_end();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(plain_get),
    };

    return CORE_RUN(tests);
}
