/* ctest: label=quick
 *
 * One name for a domain that is not ASCII. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "bounceline/domain.h"
#include "guarded.h"

static const struct {
    const char *name, *in, *want; /* want NULL: keeps its bytes */
} domains[] = {
    {"a label of UTF-8", "почта.example", "xn--80a1acny.example"},
    {"upper case", "ПОЧТА.example", "xn--80a1acny.example"},
    {"beside an A-label", "xn--80a1acny.почта.example", "xn--80a1acny.xn--80a1acny.example"},
    {"letter and accent are one letter", "cafe\xcc\x81.example", "xn--caf-dma.example"},
    {"sharp s is a letter of its own", "faß.example", "xn--fa-hia.example"},
    {"wide letters are letters", "ｅｘａｍｐｌｅ.com", "example.com"},
    {"an ideographic full stop", "почта。example", "xn--80a1acny.example"},
    {"an underscore", "_x.почта.example", "_x.xn--80a1acny.example"},
    {"a dot at the end", "почта.example.", "xn--80a1acny.example."},
    {"a wide at sign is none", "a＠b.почта.example", NULL},
    {"a wide blank is none",
     "a\xe3\x80\x80"
     "b.почта.example",
     NULL},
    {"nothing but a soft hyphen", "\xc2\xad", NULL},
    {"a symbol", "❤.example", NULL},
    {"two directions of writing",
     "\xd7\x90"
     "a.example",
     NULL},
    {"a hyphen at the end", "почта-.example", NULL},
    {"an A-label that is none", "xn--a.почта.example", NULL},
    {"in brackets", "[почта]", NULL},
    {"no UTF-8", "m\xfcller.example", NULL},
    {"cut in a letter", "m\xc3", NULL},
    {"a surrogate", "\xed\xa0\x80.example", NULL},
};

static void every_spelling_has_one_name_or_keeps_its_bytes(void **state)
{
    (void)state;
    for (size_t i = 0; i < BL_COUNT(domains); i++) {
        char out[BL_DOMAIN_MAX];
        size_t n = 99;
        bool ok = bl_domain_to_ascii(guarded(domains[i].in), out, &n);

        print_message("%s\n", domains[i].name);
        assert_int_equal(ok, domains[i].want != NULL);
        if (!ok) {
            assert_int_equal(n, 99);
            continue;
        }
        assert_int_equal(n, strlen(domains[i].want));
        assert_memory_equal(out, domains[i].want, n);
    }
}

/* 63 bytes are the most of a label, 255 of a name; in and out. */
static void what_is_too_long_keeps_its_bytes(void **state)
{
    char in[2 * BL_DOMAIN_MAX], out[BL_DOMAIN_MAX];
    size_t n;

    (void)state;
    for (size_t letters = 1; letters <= BL_DOMAIN_MAX; letters++) {
        memset(in, 'x', letters);
        memcpy(in, "é", 2);
        assert_int_equal(bl_domain_to_ascii(guarded_bytes(in, letters > 2 ? letters : 2), out, &n),
                         letters <= 57);
    }
    for (size_t labels = 1; labels <= BL_DOMAIN_MAX / 3; labels++) { /* é. is xn--9ca. */
        for (size_t i = 0; i < labels; i++)
            memcpy(in + 3 * i, "é.", 3);
        assert_int_equal(bl_domain_to_ascii(guarded_bytes(in, 3 * labels - 1), out, &n),
                         8 * labels - 1 <= 253);
    }
    memset(in, 'x', sizeof in);
    assert_false(bl_domain_to_ascii(guarded_bytes(in, BL_DOMAIN_MAX + 1), out, &n));
    assert_false(bl_domain_to_ascii(guarded_bytes("é.com\0x", 8), out, &n));
    assert_false(bl_domain_to_ascii((bl_slice){0}, out, &n));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_spelling_has_one_name_or_keeps_its_bytes),
        cmocka_unit_test(what_is_too_long_keeps_its_bytes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
