/* ctest: label=quick timeout=120
 *
 * The vector kernel against its scalar twin, at every offset and length, and chopped against whole.
 *
 * Negative control: the comparison is shown a result with one end moved, and must see it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "bounceline/lines.h"
#include "guarded.h"

enum { MANY = 1024 };

static uint64_t seed = 1;

static uint32_t draw(uint32_t below)
{
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(seed >> 33) % below;
}

static void noise(char *bytes, size_t n, uint32_t one_in)
{
    for (size_t i = 0; i < n; i++)
        bytes[i] = draw(one_in) ? (char)(draw(254) + 11) : '\n';
}

static bool same(const uint32_t *a, size_t a_n, const uint32_t *b, size_t b_n)
{
    return a_n == b_n && memcmp(a, b, a_n * sizeof *a) == 0;
}

static void check(bl_slice in, size_t cap)
{
    uint32_t fast[MANY + 1], slow[MANY + 1];
    size_t fast_n, slow_n;

    fast[cap] = slow[cap] = 0xDEADBEEF; /* one behind the last is nobody's */
    fast_n = bl_lines_find(in.p, in.n, fast, cap);
    slow_n = bl_lines_find_scalar(in.p, in.n, slow, cap);
    assert_true(same(fast, fast_n, slow, slow_n));
    assert_int_equal(fast[cap], 0xDEADBEEF);
}

static void vector_and_scalar_agree_at_every_offset_and_length(void **state)
{
    char bytes[64 + 330];

    (void)state;
    for (uint32_t one_in = 1; one_in <= 200; one_in = one_in * 3 + 1) {
        noise(bytes, sizeof bytes, one_in);
        for (size_t offset = 0; offset < 64; offset++) {
            /* the end lies at an unmapped page, the beginning at every alignment */
            bl_slice in = guarded_bytes(bytes + offset, 330 - offset % 7);

            for (size_t n = 0; n <= in.n; n += n < 140 ? 1 : 13)
                check(bl_slice_drop(in, in.n - n), MANY);
        }
    }
}

static void they_agree_at_every_cap(void **state)
{
    char bytes[600];

    (void)state;
    for (int round = 0; round < 20; round++) {
        bl_slice in;

        noise(bytes, sizeof bytes, 1 + draw(6));
        in = guarded_bytes(bytes, sizeof bytes);
        for (size_t cap = 0; cap < 200; cap++)
            check(in, cap);
    }
}

/* However a buffer is cut, and however small the array, the same ends come out. */
static void chopped_and_whole_agree(void **state)
{
    static char bytes[50000];
    static uint32_t whole[50000], pieces[50000];

    (void)state;
    for (int round = 0; round < 40; round++) {
        size_t whole_n, pieces_n = 0, at = 0;

        noise(bytes, sizeof bytes, 1 + draw(300));
        whole_n = bl_lines_find_scalar(bytes, sizeof bytes, whole, sizeof bytes);
        while (at < sizeof bytes) {
            size_t n = 1 + draw(700), cap = 1 + draw(9), found;

            n = n < sizeof bytes - at ? n : sizeof bytes - at;
            found = bl_lines_find(bytes + at, n, pieces + pieces_n, cap);
            for (size_t i = 0; i < found; i++)
                pieces[pieces_n + i] += (uint32_t)at;
            at = found == cap ? pieces[pieces_n + found - 1] + 1 : at + n;
            pieces_n += found;
        }
        assert_true(same(whole, whole_n, pieces, pieces_n));
        if (whole_n) { /* the control */
            pieces[draw((uint32_t)whole_n)]++;
            assert_false(same(whole, whole_n, pieces, pieces_n));
            assert_false(same(whole, whole_n, whole, whole_n - 1));
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(vector_and_scalar_agree_at_every_offset_and_length),
        cmocka_unit_test(they_agree_at_every_cap),
        cmocka_unit_test(chopped_and_whole_agree),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
