/* ctest: label=quick timeout=30 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "bounceline/status.h"
#include "guarded.h"

static const struct {
    const char *name, *in, *rest;
    bool ok;
    bl_status want;
} cases[] = {
    {"postfix bounce", "5.1.1, status=bounced", ", status=bounced", true, {5, 1, 1}},
    {"three digits", "5.7.509 x", " x", true, {5, 7, 509}},
    {"leading zeros", "5.01.001", "", true, {5, 1, 1}},
    {"followed by a colon", "5.1.1: user", ": user", true, {5, 1, 1}},
    {"end of a sentence", "4.2.2.", ".", true, {4, 2, 2}},
    {"success", "2.0.0", "", true, {2, 0, 0}},
    {"four digits", "5.1.1000", "5.1.1000", false, {0, 0, 0}},
    {"an address", "5.1.1.2", "5.1.1.2", false, {0, 0, 0}},
    {"class three", "3.1.1", "3.1.1", false, {0, 0, 0}},
    {"a basic code", "550 5.1.1", "550 5.1.1", false, {0, 0, 0}},
    {"cut short", "5.1.", "5.1.", false, {0, 0, 0}},
    {"no detail", "5.1. 1", "5.1. 1", false, {0, 0, 0}},
    {"no subject", "5..1", "5..1", false, {0, 0, 0}},
    {"empty", "", "", false, {0, 0, 0}},
};

static void take_reads_a_code_or_leaves_the_input_alone(void **state)
{
    (void)state;
    for (size_t i = 0; i < BL_COUNT(cases); i++) {
        bl_slice in = guarded(cases[i].in);
        bl_status got = {0, 0, 0};

        print_message("%s\n", cases[i].name);
        assert_int_equal(bl_status_take(&in, &got), cases[i].ok);
        assert_int_equal(in.n, strlen(cases[i].rest));
        assert_memory_equal(in.p, cases[i].rest, in.n);
        assert_true(bl_status_eq(got, cases[i].want));
    }
}

static void text_is_what_was_read(void **state)
{
    char text[BL_STATUS_TEXT_MAX];

    (void)state;
    assert_int_equal(bl_status_text((bl_status){5, 7, 509}, text), 7);
    assert_string_equal(text, "5.7.509");
    assert_int_equal(bl_status_text((bl_status){4, 0, 10}, text), 6);
    assert_string_equal(text, "4.0.10");
    assert_int_equal(bl_status_text((bl_status){5, 999, 999}, text), 9);
    assert_string_equal(text, "5.999.999");
    assert_int_equal(bl_status_text((bl_status){0, 0, 0}, text), 0);
    assert_string_equal(text, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(take_reads_a_code_or_leaves_the_input_alone),
        cmocka_unit_test(text_is_what_was_read),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
