/* ctest: label=quick timeout=60
 *
 * The index of the hash tables against a plain list, from empty to full and back, with tags that
 * crowd together: things are found before, while and after the table doubles, and never more than
 * there are.  Negative controls, tried by hand: a table that doubles without moving what is in it,
 * and one that forgets how many it holds, both fail here. */
#include "../../core/base/slots.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

enum { THINGS = 5000, STEPS = 200000 };

static uint64_t seed = 20261123;

static uint32_t draw(void)
{
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(seed >> 32);
}

static uint32_t tags[THINGS + 1]; /* by reference */
static bool there[THINGS + 1];

static bool is_found(const struct bl_slots *slots, uint32_t ref)
{
    uint32_t at = bl_slots_home(slots, tags[ref]), found;

    while ((found = bl_slots_next(slots, tags[ref], &at)) != 0)
        if (found == ref)
            return true;
    return false;
}

static void check(const struct bl_slots *slots, uint32_t n)
{
    uint32_t taken = 0;

    for (uint32_t ref = 1; ref <= THINGS; ref++)
        assert_int_equal(is_found(slots, ref), there[ref]);
    for (uint64_t i = 0; i <= slots->mask; i++)
        taken += slots->v[i].ref != 0;
    assert_int_equal(taken, n);
}

static void a_table_holds_what_was_put(void **state)
{
    struct bl_slots slots;
    uint32_t n = 0, most = 0, first_mask, want;

    (void)state;
    assert_true(bl_slots_init(&slots, 16 * THINGS));
    first_mask = slots.mask;
    for (uint32_t ref = 1; ref <= THINGS; ref++)
        tags[ref] = draw() % 4 ? draw() : draw() & 0xffff0000u; /* one home of four is shared */
    for (uint32_t i = 0; i < STEPS; i++) {
        uint32_t ref = 1 + draw() % THINGS;

        want = i / (STEPS / 4) % 2 ? 0 : 3; /* it fills, empties, fills, empties */
        if (there[ref] == (draw() % 4 < want))
            continue;
        if (there[ref])
            bl_slots_remove(&slots, tags[ref], ref);
        else
            bl_slots_put(&slots, tags[ref], ref);
        there[ref] = !there[ref];
        n = there[ref] ? n + 1 : n - 1;
        most = n > most ? n : most;
        if (i % 5000 == 0)
            check(&slots, n);
    }
    check(&slots, n);
    assert_true(slots.mask > first_mask);
    assert_true(slots.mask < 8 * most); /* it was never larger than it had to be */
    for (uint32_t ref = 1; ref <= THINGS; ref++)
        if (!there[ref])
            bl_slots_put(&slots, tags[ref], ref);
    memset(there, 1, sizeof there);
    check(&slots, THINGS);
    for (uint32_t ref = 1; ref <= THINGS; ref++)
        bl_slots_blank(&slots, tags[ref], ref);
    memset(there, 0, sizeof there);
    check(&slots, 0);
    bl_slots_release(&slots);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_table_holds_what_was_put),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
