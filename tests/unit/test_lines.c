/* ctest: label=quick timeout=30 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "bounceline/lines.h"
#include "guarded.h"

static void ends_are_found_in_order(void **state)
{
    static const char text[] = "one\n\nthree\nno end";
    uint32_t ends[8];
    bl_slice in = guarded(text);

    (void)state;
    assert_int_equal(bl_lines_find(in.p, in.n, ends, 8), 3);
    assert_int_equal(ends[0], 3);
    assert_int_equal(ends[1], 4);
    assert_int_equal(ends[2], 10);
    assert_int_equal(bl_lines_find(in.p, 0, ends, 8), 0);
}

static void a_full_array_stops_at_its_last_place(void **state)
{
    char bytes[500];
    uint32_t ends[301];

    (void)state;
    memset(bytes, '\n', sizeof bytes);
    for (size_t cap = 0; cap <= 300; cap++) {
        bl_slice in = guarded_bytes(bytes, sizeof bytes);

        ends[cap] = 0xDEAD;
        assert_int_equal(bl_lines_find(in.p, in.n, ends, cap), cap);
        assert_int_equal(ends[cap], 0xDEAD);
        for (size_t i = 0; i < cap; i++)
            assert_int_equal(ends[i], i);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ends_are_found_in_order),
        cmocka_unit_test(a_full_array_stops_at_its_last_place),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
