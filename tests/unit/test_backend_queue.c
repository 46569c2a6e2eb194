/* Tests of the fair queue: order within a client, turns between clients, leaving at any place. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "proxy/backend_queue.h"

#define CLIENTS 4
#define EACH 1000

struct request {
    struct backend_wait wait;
    unsigned client, number;
};

static struct backend_queue queue, other;
static struct list clients[CLIENTS];
static struct request requests[CLIENTS][EACH];

static int setup(void **state)
{
    (void)state;
    backend_queue_init(&queue);
    backend_queue_init(&other);
    for (unsigned c = 0; c < CLIENTS; c++) {
        list_init(&clients[c]);
        for (unsigned n = 0; n < EACH; n++) {
            backend_wait_init(&requests[c][n].wait, &clients[c]);
            requests[c][n].client = c;
            requests[c][n].number = n;
        }
    }
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    assert_int_equal(queue.length, 0);
    assert_true(list_empty(&queue.turns));
    assert_true(list_empty(&other.turns));
    for (unsigned c = 0; c < CLIENTS; c++)
        assert_true(list_empty(&clients[c]));
    return 0;
}

/* Serves the next `count` (all that are there, at most) and writes them as "a0 b0 ". */
static const char *served(struct backend_queue *from, unsigned count)
{
    static char text[8000];
    size_t used = 0;
    struct backend_wait *wait;

    text[0] = '\0';
    while (count-- > 0 && (wait = backend_queue_first(from)) != NULL) {
        const struct request *r = container_of(wait, struct request, wait);

        backend_queue_served(wait);
        assert_null(wait->queue);
        used += (size_t)snprintf(text + used, sizeof(text) - used, "%c%u ", 'a' + (char)r->client, r->number);
    }
    return text;
}

static void push(unsigned client, unsigned from, unsigned to)
{
    for (unsigned n = from; n <= to; n++)
        backend_queue_push(&queue, &requests[client][n].wait);
}

static void test_turns(void **state)
{
    (void)state;
    push(0, 0, 3);
    push(1, 0, 1);
    push(2, 0, 0);
    assert_int_equal(queue.length, 7);
    assert_string_equal(served(&queue, 99), "a0 b0 c0 a1 b1 a2 a3 ");
}

/* A thousand requests of one client: another's first is next but one, also when it comes late. */
static void test_nobody_starves(void **state)
{
    (void)state;
    push(0, 0, EACH - 1);
    push(1, 0, 0);
    assert_string_equal(served(&queue, 2), "a0 b0 ");
    push(2, 0, 1);
    push(1, 1, 1);
    assert_string_equal(served(&queue, 5), "a1 c0 b1 a2 c1 ");
    served(&queue, EACH);
}

static void test_first(void **state)
{
    (void)state;
    push(0, 0, 2);
    push(1, 0, 0);
    backend_queue_push_first(&queue, &requests[1][9].wait); /* it leads before its client's leader */
    backend_queue_push_first(&queue, &requests[2][9].wait);
    assert_string_equal(served(&queue, 99), "c9 b9 a0 b0 a1 a2 ");
}

static void test_leaving(void **state)
{
    (void)state;
    push(0, 0, 3);
    push(1, 0, 2);
    backend_queue_leave(&requests[0][0].wait); /* the next takes its place */
    backend_queue_leave(&requests[0][2].wait); /* in the middle */
    backend_queue_leave(&requests[1][2].wait); /* at the end */
    backend_queue_leave(&requests[1][2].wait); /* harmless */
    assert_int_equal(queue.length, 4);
    assert_string_equal(served(&queue, 99), "a1 b0 a3 b1 ");
    push(0, 0, 0);
    backend_queue_leave(&requests[0][0].wait);
    assert_null(backend_queue_first(&queue));
}

/* A client waits at two backends: each has its own turns. */
static void test_two_queues(void **state)
{
    (void)state;
    push(0, 0, 1);
    backend_queue_push(&other, &requests[0][5].wait);
    backend_queue_push(&other, &requests[0][6].wait);
    push(0, 2, 2);
    assert_string_equal(served(&other, 99), "a5 a6 ");
    assert_string_equal(served(&queue, 99), "a0 a1 a2 ");
}

/* HTTP/1.1 clients have one request each. */
static void test_without_client(void **state)
{
    (void)state;
    for (unsigned c = 0; c < CLIENTS; c++) {
        backend_wait_init(&requests[c][0].wait, NULL);
        push(c, 0, 0);
    }
    push(0, 1, 2);
    assert_string_equal(served(&queue, 99), "a0 b0 c0 d0 a1 a2 ");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_turns, setup, teardown),
        cmocka_unit_test_setup_teardown(test_nobody_starves, setup, teardown),
        cmocka_unit_test_setup_teardown(test_first, setup, teardown),
        cmocka_unit_test_setup_teardown(test_leaving, setup, teardown),
        cmocka_unit_test_setup_teardown(test_two_queues, setup, teardown),
        cmocka_unit_test_setup_teardown(test_without_client, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
