/* ctest: label=quick timeout=30
 *
 * What of a reply is not read: here each gap is shown as `_`. */
#include "../../core/match/gaps.h"
#include "guarded.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static const char *const rows[][2] = {
    {"", ""},
    {"550", "550"},
    {"550 no such user", "550 no such user"},
    /* addresses */
    {"550 <joe@spam.example>: no", "550 <_>: no"},
    {"550 joe@spam.example... no", "550 _... no"},
    {"@", "_"},
    {"a@b c@d", "_ _"},
    /* codes of further lines */
    {"550-5.1.1 a 550 5.1.1 b", "550-5.1.1 a _ b"},
    {"550-a 550-b 550 c", "550-a _b _c"},
    {"550 a 550 b", "550 a 550 b"},
    /* ids */
    {"451 try later k2x7qdvznup0", "451 try later _"},
    {"451 try later (k2x7qdvznup0) please", "451 try later (_) please"},
    {"421 a640c23a62f3a-b3b70f2a1c4si123456666b.123 - gsmtp", "421 _ - gsmtp"},
    {"id 123e4567ab-e89b-12d3-a456-426614174000.", "id _."},
    {"[BN8NAM11FT066.eop-nam11.prod.example]", "[_.eop-nam11.prod.example]"},
    {"550-5.1.1 a1b2c3d4e5f6 550 5.1.1 f6e5d4c3b2a1", "550-5.1.1 _ _ _"},
    {"<a1b2c3d4e5f6@x.example>", "<_>"},
    {"4bLmcz0Qwwz1: a1b2c3d4e5f6", "_: _"},
    /* none: too short, no turns, other things than letters and figures */
    {"k2x7qd a1b2c3d4e", "k2x7qd a1b2c3d4e"},
    {"abcdefghijklmnop 12345678901234567890", "abcdefghijklmnop 12345678901234567890"},
    {"smtputf8 8bitmime server0123456789 0123456789abcdef",
     "smtputf8 8bitmime server0123456789 0123456789abcdef"},
    {"error 0x800ccc0fa1 0X800CCC0FA1", "error 0x800ccc0fa1 0X800CCC0FA1"},
    {"[S3150] (TSS04) CS01 5.7.26 192.0.2.101", "[S3150] (TSS04) CS01 5.7.26 192.0.2.101"},
    {"\xc3\xa4"
     "1b2c3d4e5\xff"
     "6f7g8h9",
     "\xc3\xa4"
     "1b2c3d4e5\xff"
     "6f7g8h9"},
};

static void show(bl_slice text, char *out)
{
    struct bl_gap gaps[BL_GAPS_MAX];
    uint32_t n = bl_gaps_find(text, gaps);

    for (uint32_t i = 0; i <= n; i++) {
        uint32_t begin = bl_piece_begin(gaps, i), end = bl_piece_end(gaps, n, i, text.n);

        if (i)
            *out++ = '_';
        assert_true(i == 0 || gaps[i - 1].at < gaps[i - 1].end);
        memcpy(out, text.p + begin, end - begin);
        out += end - begin;
    }
    *out = '\0';
}

static void gaps_are_as_shown(void **state)
{
    char out[256];

    (void)state;
    for (size_t i = 0; i < BL_COUNT(rows); i++) {
        show(guarded_bytes(rows[i][0], strlen(rows[i][0])), out);
        assert_string_equal(out, rows[i][1]);
    }
}

/* 32 bytes are looked at together, the next 22 further (with 32 this fails). */
static void ids_are_found_wherever_they_stand(void **state)
{
    char text[400], word[200];

    (void)state;
    for (size_t at = 0; at < 150; at++)
        for (size_t n = 9; n < 160; n += n < 14 ? 1 : 7) {
            struct bl_gap gaps[BL_GAPS_MAX];
            uint32_t found;

            memset(word, 'a', n);
            memcpy(word + n - 3, "1b2", 3); /* figures at its end alone */
            memset(text, ' ', sizeof text);
            memcpy(text + at, word, n);
            found = bl_gaps_find(guarded_bytes(text, at + n + 30), gaps);
            assert_int_equal(found, n >= 10);
            assert_true(n < 10 || (gaps[0].at == at && gaps[0].end == at + n));
        }
}

static void of_more_gaps_the_rest_is_read(void **state)
{
    char text[512] = "", out[512];
    size_t n = 0;

    (void)state;
    for (int i = 0; i < BL_GAPS_MAX + 4; i++)
        n += (size_t)snprintf(text + n, sizeof text - n, "a%d@b ", i % 10);
    show((bl_slice){text, n}, out);
    assert_string_equal(out, "_ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ a6@b a7@b a8@b a9@b ");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gaps_are_as_shown),
        cmocka_unit_test(ids_are_found_wherever_they_stand),
        cmocka_unit_test(of_more_gaps_the_rest_is_read),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
