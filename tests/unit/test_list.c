/* Tests of the intrusive list. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/list.h"

struct item {
    int id;
    struct list node;
};

static struct item items[6];

/* The ids from front to back as a number; the same backwards must agree. */
static long order(const struct list *l)
{
    long forward = 0, backward = 0, digit = 1;

    LIST_EACH (node, (struct list *)(uintptr_t)l) {
        forward = forward * 10 + container_of(node, struct item, node)->id;
    }
    for (const struct list *node = l->prev; node != l; node = node->prev) {
        backward += digit * container_of((struct list *)(uintptr_t)node, struct item, node)->id;
        digit *= 10;
    }
    assert_int_equal(forward, backward);
    return forward;
}

static int setup(void **state)
{
    (void)state;
    for (int i = 0; i < 6; i++) {
        items[i].id = i;
        list_init(&items[i].node);
    }
    return 0;
}

static void test_push_and_pop(void **state)
{
    struct list l = LIST_INIT(l);

    (void)state;
    assert_true(list_empty(&l));
    assert_null(list_pop_front(&l));
    list_push_back(&l, &items[2].node);
    list_push_back(&l, &items[3].node);
    list_push_front(&l, &items[1].node);
    assert_int_equal(order(&l), 123);
    assert_true(list_linked(&items[1].node));
    assert_ptr_equal(list_pop_front(&l), &items[1].node);
    assert_false(list_linked(&items[1].node));
    assert_int_equal(order(&l), 23);
}

static void test_remove(void **state)
{
    struct list l = LIST_INIT(l);

    (void)state;
    for (int i = 1; i < 5; i++)
        list_push_back(&l, &items[i].node);
    list_remove(&items[3].node);
    assert_int_equal(order(&l), 124);
    list_remove(&items[3].node); /* harmless */
    assert_int_equal(order(&l), 124);
    list_remove(&items[1].node);
    list_remove(&items[4].node);
    assert_int_equal(order(&l), 2);
    list_remove(&items[2].node);
    assert_true(list_empty(&l));
}

static void test_splice(void **state)
{
    struct list a = LIST_INIT(a);
    struct list b = LIST_INIT(b);

    (void)state;
    list_splice_back(&a, &b);
    assert_true(list_empty(&a));
    list_push_back(&b, &items[1].node);
    list_push_back(&b, &items[2].node);
    list_splice_back(&a, &b);
    assert_true(list_empty(&b));
    assert_int_equal(order(&a), 12);
    list_push_back(&b, &items[3].node);
    list_splice_back(&a, &b);
    list_splice_back(&a, &b);
    assert_int_equal(order(&a), 123);
}

static void test_each_safe(void **state)
{
    struct list l = LIST_INIT(l);
    struct list other = LIST_INIT(other);

    (void)state;
    for (int i = 1; i < 6; i++)
        list_push_back(&l, &items[i].node);
    LIST_EACH_SAFE (node, &l) {
        if (container_of(node, struct item, node)->id % 2 == 1) {
            list_remove(node);
            list_push_back(&other, node);
        }
    }
    assert_int_equal(order(&l), 24);
    assert_int_equal(order(&other), 135);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_push_and_pop, setup),
        cmocka_unit_test_setup(test_remove, setup),
        cmocka_unit_test_setup(test_splice, setup),
        cmocka_unit_test_setup(test_each_safe, setup),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
