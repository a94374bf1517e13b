/* ctest: label=quick timeout=60 threads */
/* Negative control: with the release in bl_ring_put made relaxed, the tsan preset reports the race
 * on the items' contents in two_threads_hand_over_every_item_once_and_in_order. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <uv.h>

#include <cmocka.h>

#include "bounceline/ring.h"
#include "bounceline/slice.h"

static void it_is_empty_then_full_then_empty(void **state)
{
    struct bl_ring ring;
    int item[4];

    (void)state;
    assert_int_equal(bl_ring_init(&ring, 4), BL_OK);
    for (int round = 0; round < 3; round++) {
        assert_true(bl_ring_empty(&ring));
        assert_null(bl_ring_take(&ring));
        for (int i = 0; i < 4; i++)
            assert_true(bl_ring_put(&ring, &item[i]));
        assert_false(bl_ring_put(&ring, &item[0]));
        assert_false(bl_ring_empty(&ring));
        for (int i = 0; i < 4; i++)
            assert_ptr_equal(bl_ring_take(&ring), &item[i]);
    }
    bl_ring_release(&ring);
}

static void indices_wrap_around(void **state)
{
    struct bl_ring ring;
    int a, b;

    (void)state;
    assert_int_equal(bl_ring_init(&ring, 2), BL_OK);
    atomic_store(&ring.head, SIZE_MAX);
    atomic_store(&ring.tail, SIZE_MAX);
    ring.seen_head = ring.seen_tail = SIZE_MAX;
    assert_true(bl_ring_put(&ring, &a));
    assert_true(bl_ring_put(&ring, &b));
    assert_false(bl_ring_put(&ring, &b));
    assert_ptr_equal(bl_ring_take(&ring), &a);
    assert_ptr_equal(bl_ring_take(&ring), &b);
    assert_null(bl_ring_take(&ring));
    bl_ring_release(&ring);
}

enum { ITEMS = 200000 };

struct shared {
    struct bl_ring ring;
    int *items; /* plain memory on purpose: the ring has to publish it */
};

static void produce(void *arg)
{
    struct shared *s = arg;

    for (int i = 0; i < ITEMS; i++) {
        s->items[i] = i;
        while (!bl_ring_put(&s->ring, &s->items[i]))
            uv_sleep(0);
    }
}

static void two_threads_hand_over_every_item_once_and_in_order(void **state)
{
    struct shared s;
    uv_thread_t producer;

    (void)state;
    s.items = calloc(ITEMS, sizeof *s.items);
    assert_non_null(s.items);
    assert_int_equal(bl_ring_init(&s.ring, 64), BL_OK);
    assert_int_equal(uv_thread_create(&producer, produce, &s), 0);
    for (int i = 0; i < ITEMS;) {
        int *item = bl_ring_take(&s.ring);

        if (!item) {
            uv_sleep(0);
            continue;
        }
        if (*item != i)
            fail_msg("item %d instead of %d", *item, i);
        i++;
    }
    uv_thread_join(&producer);
    assert_null(bl_ring_take(&s.ring));
    bl_ring_release(&s.ring);
    free(s.items);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_is_empty_then_full_then_empty),
        cmocka_unit_test(indices_wrap_around),
        cmocka_unit_test(two_threads_hand_over_every_item_once_and_in_order),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
