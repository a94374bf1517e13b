/* ctest: label=quick timeout=20 */
/* Tables: where they begin, what they hold, who hears of them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "bounceline/alloc.h"

static size_t told_bytes, told;

static void tell(void *p, size_t bytes)
{
    assert_int_equal((uintptr_t)p % BL_LARGE_PAGE, 0);
    assert_int_equal(bytes % BL_LARGE_PAGE, 0);
    told_bytes = bytes;
    told++;
}

static void check_table(size_t count, size_t bytes, size_t align)
{
    unsigned char *table = bl_table_new(count, bytes), other = 0;

    assert_non_null(table);
    assert_int_equal((uintptr_t)table % align, 0);
    for (size_t i = 0; i < count * bytes; i++)
        other |= table[i];
    assert_int_equal(other, 0);
    table[count * bytes - 1] = 1; /* ASan: ours to the last byte */
    bl_table_free(table);
}

static void a_table_is_zeroed_and_aligned(void **state)
{
    (void)state;
    for (size_t count = 1; count < 200; count += 7)
        check_table(count, 24, 64);
    check_table(BL_TABLE_LARGE, 1, BL_LARGE_PAGE);
    check_table(3 * BL_LARGE_PAGE / 8 + 1, 8, BL_LARGE_PAGE);
}

static void who_asks_hears_of_large_ones(void **state)
{
    (void)state;
    bl_table_set_large(tell);
    check_table(BL_TABLE_LARGE - 1, 1, 64);
    assert_int_equal(told, 0);
    check_table(BL_LARGE_PAGE + 1, 1, BL_LARGE_PAGE);
    assert_int_equal(told, 1);
    assert_int_equal(told_bytes, 2 * BL_LARGE_PAGE);
    bl_table_set_large(NULL);
    check_table(BL_LARGE_PAGE, 1, BL_LARGE_PAGE);
    assert_int_equal(told, 1);
}

static bool never(void *arg, size_t bytes)
{
    (void)arg, (void)bytes;
    return false;
}

static void what_cannot_be_is_null(void **state)
{
    (void)state;
    assert_null(bl_table_new(SIZE_MAX / 4, 8));
    assert_null(bl_table_new(SIZE_MAX / 8, 8)); /* nor with what stands around it */
    bl_alloc_set_hook(never, NULL);
    assert_null(bl_table_new(1, 1));
    bl_alloc_set_hook(NULL, NULL);
    bl_table_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_table_is_zeroed_and_aligned),
        cmocka_unit_test(who_asks_hears_of_large_ones),
        cmocka_unit_test(what_cannot_be_is_null),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
