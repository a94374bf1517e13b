/* ctest: label=quick timeout=60
 *
 * The windows against what they mean, at every length and at an unmapped page.  The AVX2 make is
 * compiled elsewhere; test_block_model.c compares what it reads with what this one reads.
 *
 * Negative control: the mask of another byte differs. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../core/base/window.h"
#include "guarded.h"

static uint64_t seed = 7;

static uint32_t draw(uint32_t below)
{
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(seed >> 33) % below;
}

static void noise(char *bytes, size_t n)
{
    static const char some[] = " :[]\",>/aZ09@`{\x7f\x80\xff";

    for (size_t i = 0; i < n; i++)
        bytes[i] = draw(3) ? some[draw(sizeof some - 1)] : (char)draw(256);
}

static void masks_say_where_a_byte_stands(void **state)
{
    char bytes[80];

    (void)state;
    for (int round = 0; round < 300; round++) {
        noise(bytes, sizeof bytes);
        for (size_t n = 0; n < sizeof bytes; n++) {
            bl_slice in = guarded_bytes(bytes, n);
            struct bl_window w = bl_window_open(in);
            uint64_t inside = n < BL_WINDOW ? bl_window_below(n) : bl_window_below(BL_WINDOW);

            assert_true((bl_window_mask(&w, ' ') & inside) == bl_window_mask_scalar(in, ' '));
            assert_true((bl_window_mask(&w, '"') & inside) == bl_window_mask_scalar(in, '"'));
            assert_true((bl_window_alnum(&w) & (uint32_t)inside) == bl_window_alnum_scalar(in));
            assert_true((bl_window_digits(&w) & (uint32_t)inside) == bl_window_digits_scalar(in));
            if (n && in.p[0] == ' ')
                assert_true((bl_window_mask(&w, ':') & inside) != bl_window_mask_scalar(in, ' '));
        }
    }
}

static void finding_is_what_memchr_finds(void **state)
{
    char bytes[200];

    (void)state;
    for (int round = 0; round < 400; round++) {
        size_t n = draw(sizeof bytes), a, b;
        bl_slice in;

        noise(bytes, n);
        in = guarded_bytes(bytes, n);
        a = bl_slice_find_byte(in, ':');
        b = bl_slice_find_byte(in, '"');
        assert_int_equal(bl_window_find(in, ':'), a);
        assert_int_equal(bl_window_find2(in, ':', '"'), a < b ? a : b);
    }
}

static void words_end_where_blanks_stand(void **state)
{
    char bytes[200];

    (void)state;
    for (int round = 0; round < 400; round++) {
        size_t n = draw(sizeof bytes);
        struct bl_words words;
        bl_slice in;

        noise(bytes, n);
        in = guarded_bytes(bytes, n);
        words = bl_words_begin(in);
        for (size_t i = 0; i < n; i++)
            if (in.p[i] == ' ')
                assert_int_equal(bl_words_end(&words), i);
        assert_int_equal(bl_words_end(&words), n);
        assert_int_equal(bl_words_end(&words), n);
    }
}

static void sameness_is_what_memcmp_says(void **state)
{
    char bytes[100] = {0}, other[100];

    (void)state;
    for (size_t n = 0; n < sizeof bytes; n++) {
        bl_slice a, b;

        noise(bytes, n);
        a = guarded_bytes(bytes, n);
        b = guarded_bytes(bytes, n);
        assert_true(bl_bytes_same(a.p, b.p, n));
        assert_true(bl_window_starts(a, b.p, n, 0, 0));
        for (size_t i = 0; i < n; i++) {
            memcpy(other, bytes, n);
            other[i] ^= 1;
            a = guarded_bytes(bytes, n); /* only sixteen of them live at a time */
            b = guarded_bytes(other, n);
            assert_false(bl_bytes_same(a.p, b.p, n));
            assert_true(bl_window_starts(a, b.p, n, i, 1)); /* the gap hides it */
            assert_int_equal(bl_window_starts(a, b.p, n, i / 2, i - i / 2), false);
        }
        if (n)
            assert_false(bl_window_starts(bl_slice_head(a, n - 1), bytes, n, 0, 0));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(masks_say_where_a_byte_stands),
        cmocka_unit_test(finding_is_what_memchr_finds),
        cmocka_unit_test(words_end_where_blanks_stand),
        cmocka_unit_test(sameness_is_what_memcmp_says),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
