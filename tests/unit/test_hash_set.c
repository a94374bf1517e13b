/* ctest: label=quick timeout=60
 *
 * Hashes come and go as in a plain array; many of them have their home in the last slot, so that
 * runs reach over the table's end.  Fails when a removed one leaves a hole, and when what stands
 * behind it moves up without regard to its home. */
#include "bounceline/hash_set.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

enum { HASHES = 300, STEPS = 200000, LAST_SLOT = 1023 };

static uint64_t seed = 20261123;

static size_t draw(size_t n)
{
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (size_t)(seed >> 33) % n;
}

/* Different ones, `spread` homes of them. */
static uint64_t hash_of(size_t i, size_t spread)
{
    return (uint64_t)(i + 1) << 32 | (LAST_SLOT - i % spread);
}

static void come_and_go(size_t spread)
{
    struct bl_hash_set set;
    bool in[HASHES] = {false};
    size_t n = 0;

    bl_hash_set_init(&set, HASHES);
    for (size_t step = 0; step < STEPS; step++) {
        size_t i = draw(HASHES);

        assert_int_equal(bl_hash_set_has(&set, hash_of(i, spread)), in[i]);
        if (draw(2)) {
            bl_hash_set_add(&set, hash_of(i, spread));
            n += !in[i];
            in[i] = true;
        } else {
            bl_hash_set_remove(&set, hash_of(i, spread));
            n -= in[i];
            in[i] = false;
        }
        assert_int_equal(set.n, n);
    }
    assert_false(set.full);
    bl_hash_set_release(&set);
}

static void hashes_come_and_go_as_in_an_array(void **state)
{
    (void)state;
    come_and_go(1);
    come_and_go(8);
    come_and_go(HASHES);
}

static void a_full_set_has_room_again_when_one_goes(void **state)
{
    struct bl_hash_set set;

    (void)state;
    bl_hash_set_init(&set, 768); /* three quarters of the first table: it would have to grow */
    for (uint64_t i = 1; i <= 768; i++)
        bl_hash_set_add(&set, i);
    assert_false(set.full);
    bl_hash_set_add(&set, 800);
    assert_true(set.full);
    assert_false(bl_hash_set_has(&set, 800));
    bl_hash_set_remove(&set, 5);
    bl_hash_set_add(&set, 800);
    assert_false(set.full);
    assert_true(bl_hash_set_has(&set, 800));
    assert_int_equal(set.n, 768);
    bl_hash_set_release(&set);
}

static void nothing_is_removed_from_an_empty_set(void **state)
{
    struct bl_hash_set set;

    (void)state;
    bl_hash_set_init(&set, 10);
    bl_hash_set_remove(&set, 1);
    assert_int_equal(set.n, 0);
    bl_hash_set_add(&set, 0);
    assert_true(bl_hash_set_has(&set, 1)); /* 0 and 1 are one */
    bl_hash_set_remove(&set, 1);
    assert_false(bl_hash_set_has(&set, 0));
    bl_hash_set_release(&set);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hashes_come_and_go_as_in_an_array),
        cmocka_unit_test(a_full_set_has_room_again_when_one_goes),
        cmocka_unit_test(nothing_is_removed_from_an_empty_set),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
