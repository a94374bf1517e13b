/* ctest: label=quick
 *
 * Shapes: the same sentence about others is the same text, and nothing that belongs to somebody is
 * left in it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "bounceline/shape.h"
#include "guarded.h"

static const bl_slice names[] = {BL_SLICE_INIT("Ana.Lee@shop.example"),
                                 BL_SLICE_INIT("news@sender-corp.example"),
                                 BL_SLICE_INIT("mx7.shop.example"),
                                 {NULL, 0}};

static const struct {
    const char *text, *want;
} cases[] = {
    {"550 5.1.1 <ana.lee@shop.example>: gone fishing", "550 5.1.1 <{address}>: gone fishing"},
    {"550 5.1.1 <bob@shop.example>:  gone\tfishing", "550 5.1.1 <{address}>: gone fishing"},
    {"550 mailbox ana.lee went away", "550 mailbox {name} went away"},
    {"550 mailbox lee of shop went away", "550 mailbox {name} of {name} went away"},
    /* no part of a name by itself */
    {"550 mailbox sleeper went away", "550 mailbox sleeper went away"},
    {"550 not from sender-corp", "550 not from {name}"},
    {"550-5.7.1 first words 550-5.7.1 second words 550 5.7.1 a9f3k20dk2-92k",
     "550 5.7.1 first words 5.7.1 second words 5.7.1 {id}"},
    {"450 at mx7.shop.example (192.0.2.7), see https://shop.example/why?id=99",
     "450 at {host} ({ip}), see {url}"},
    {"450 [2001:db8::7] had 25 mails in 00:05:00, 1/2 of 3.5%",
     "450 [{ip}] had {n} mails in {n}, {n} of {n}"},
    {"421 4.7.0 [TSS04] busy", "421 4.7.0 [tss04] busy"},
    {"554 id=20261122x, queue 4F1C92A7", "554 {id}, queue {id}"},
    {"554 Ticket ABCDEFGHIJKLMNOPQRSTUVWXYZ closed.", "554 ticket {id} closed."},
    {"554 1 2 3: 4 of 5 of 5", "554 {n} of {n} of {n}"},
    {"554 \x1b[31m odd \xff bytes", "554 [{id} odd \xff bytes"},
    {"", ""},
};

static void what_belongs_to_somebody_is_folded(void **state)
{
    (void)state;
    for (size_t i = 0; i < BL_COUNT(cases); i++) {
        char out[BL_SHAPE_MAX];
        size_t n = bl_shape_fold(guarded(cases[i].text), names, BL_COUNT(names), out);

        print_message("%s\n", cases[i].text);
        if (!bl_slice_eq((bl_slice){out, n}, (bl_slice){cases[i].want, strlen(cases[i].want)}))
            fail_msg("want '%s', got '%.*s'", cases[i].want, (int)n, out);
    }
}

/* Whatever the bytes: no address, no part of a name, no run of digits but in codes, and never too
 * long. */
static void any_bytes_give_a_shape(void **state)
{
    static const char pieces[][24] = {
        "ana.lee", "shop", "@",        ".",    " ", "12345", "[192.0.2.7]",      "words ", "<",
        ">",       ":",    "\xc3\xa4", "\x01", "=", "550-",  "mx7.shop.example", "-",      "user "};
    unsigned seed = 7;

    (void)state;
    for (int round = 0; round < 20000; round++) {
        char text[400] = "", out[BL_SHAPE_MAX];
        size_t at = 0, n;

        for (int i = 0; i < 14; i++) {
            seed = seed * 1103515245u + 12345u;
            at += (size_t)snprintf(text + at, sizeof text - at, "%s",
                                   pieces[seed / 65536 % BL_COUNT(pieces)]);
        }
        n = bl_shape_fold(guarded_bytes(text, at), names, BL_COUNT(names), out);
        assert_true(n <= BL_SHAPE_MAX);
        assert_true(bl_slice_find((bl_slice){out, n}, BL_SLICE("12345")) == SIZE_MAX);
        assert_true(bl_slice_find((bl_slice){out, n}, BL_SLICE("192.0")) == SIZE_MAX);
        assert_true(bl_slice_find((bl_slice){out, n}, BL_SLICE("ana.lee")) == SIZE_MAX);
        assert_true(bl_slice_find((bl_slice){out, n}, BL_SLICE("shop.example")) == SIZE_MAX);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_belongs_to_somebody_is_folded),
        cmocka_unit_test(any_bytes_give_a_shape),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
