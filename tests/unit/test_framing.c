/* ctest: label=quick timeout=30 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "bounceline/classify.h"
#include "bounceline/framing.h"
#include "guarded.h"

static const struct {
    const char *name, *in;
    enum bl_frame frame;
    const char *message, *rest;
} cases[] = {
    {"a message and the next", "8 <22>1 ab5 <22>x", BL_FRAME_DONE, "<22>1 ab", "5 <22>x"},
    {"rsyslog counts its newline in", "6 <2>ab\nx", BL_FRAME_DONE, "<2>ab", "x"},
    {"a NUL at the end", "6 <2>ab\n", BL_FRAME_DONE, "<2>ab", ""},
    {"a newline inside stays a byte of it", "7 <2>a\nbx", BL_FRAME_DONE, "<2>a\nbx", ""},
    {"half a message", "9 <22>1 ab", BL_FRAME_MORE, NULL, NULL},
    {"half a count", "12", BL_FRAME_MORE, NULL, NULL},
    {"half a priority", "12 <2", BL_FRAME_MORE, NULL, NULL},
    {"nothing", "", BL_FRAME_MORE, NULL, NULL},
    {"the largest count", "65536 <22>x", BL_FRAME_MORE, NULL, NULL},
    {"a count above a line's length", "65537 <22>x", BL_FRAME_BAD, NULL, NULL},
    {"six digits", "100000 <22>x", BL_FRAME_BAD, NULL, NULL},
    {"a leading zero", "07 <22>1 x", BL_FRAME_BAD, NULL, NULL},
    {"no priority", "7 abcdefg", BL_FRAME_BAD, NULL, NULL},
    {"an empty priority", "7 <>abcde", BL_FRAME_BAD, NULL, NULL},
    {"a priority of four digits", "9 <1234>abc", BL_FRAME_BAD, NULL, NULL},
    {"two blanks", "7  <22>abc", BL_FRAME_BAD, NULL, NULL},
    {"a line", "<22>Nov 22 05:03:37 mta1 a/b[1]: B", BL_FRAME_BAD, NULL, NULL},
    {"a message shorter than its priority", "3 <22>x", BL_FRAME_BAD, NULL, NULL},
    {"a message that is its priority", "4 <22>x", BL_FRAME_DONE, "<22>", "x"},
};

static void messages_are_taken(void **state)
{
    (void)state;
    for (size_t i = 0; i < BL_COUNT(cases); i++) {
        bl_slice whole = guarded(cases[i].in), in = whole, out = {NULL, 0};

        print_message("%s\n", cases[i].name);
        assert_int_equal(bl_framing_take(&in, &out), cases[i].frame);
        if (cases[i].frame != BL_FRAME_DONE) {
            assert_ptr_equal(in.p, whole.p);
            assert_int_equal(in.n, whole.n);
            continue;
        }
        assert_int_equal(out.n, strlen(cases[i].message));
        assert_memory_equal(out.p, cases[i].message, out.n);
        assert_int_equal(in.n, strlen(cases[i].rest));
        assert_memory_equal(in.p, cases[i].rest, in.n);
    }
}

static const struct {
    const char *name, *in, *lines;
    size_t whole;
} streams[] = {
    {"messages without newlines", "7 <2>abcd5 <2>ef", "<2>abcd\n<2>ef\n", 16},
    {"messages that count theirs", "8 <2>abcd\n5 <2>ef", "<2>abcd\n<2>ef\n", 17},
    {"a newline inside becomes a blank", "12 <2>a\n9 <22>b", "<2>a 9 <22>b\n", 15},
    {"what is not counted is a line", "5 <2>efoops\n5 <2>gh", "<2>ef\noops\n<2>gh\n", 19},
    {"the last one is not finished", "5 <2>ef9 <2>g\nh", "<2>ef\n<2>g h", 7},
    {"nor its count", "5 <2>ef9", "<2>ef\n9", 7},
};

static void a_stream_becomes_lines(void **state)
{
    (void)state;
    for (size_t i = 0; i < BL_COUNT(streams); i++) {
        size_t n = strlen(streams[i].in), lines;
        bl_slice in = guarded(streams[i].in);
        char *bytes = malloc(n);

        print_message("%s\n", streams[i].name);
        assert_int_equal(bl_framing_whole(in), streams[i].whole);
        memcpy(bytes, in.p, n); /* of exactly this size, so that ASan sees a byte too many */
        lines = bl_framing_to_lines(bytes, n);
        assert_int_equal(lines, strlen(streams[i].lines));
        assert_memory_equal(bytes, streams[i].lines, lines);
        free(bytes);
    }
}

static const struct {
    const char *name, *raw, *lines;
} behind[] = {
    {"nothing", "", "\n"},
    {"messages from the begin", "7 <2>abcd5 <2>ef", "\n<2>abcd\n<2>ef\n"},
    {"the first is cut", "abcd5 <2>ef6 <2>gh\n", "\n<2>ef\n<2>gh\n"},
    {"a newline inside becomes a blank", "xx7 <2>a\nbc", "\n<2>a bc\n"},
    {"text that holds the right count", "5 <2>ef16 <2>gh 8 <2>hello",
     "\n<2>ef\n<2>gh 8 <2>hello\n"},
    {"no message ends there", "5 <2>ef9 <2>gh", "\n"},
    {"text without count ends the search", "5 <2>efoops\n5 <2>gh", "\n<2>gh\n"},
};

static void what_stands_before_a_message_is_found_from_its_end(void **state)
{
    (void)state;
    for (size_t i = 0; i < BL_COUNT(behind); i++) {
        bl_slice raw = guarded(behind[i].raw);
        char *out = malloc(raw.n + 1);
        size_t n = bl_framing_lines_before(raw, out);

        print_message("%s\n", behind[i].name);
        assert_int_equal(n, strlen(behind[i].lines));
        assert_memory_equal(out, behind[i].lines, n);
        free(out);
    }
}

static void text_without_count_is_bounded(void **state)
{
    size_t n = 2 * BL_LINE_MAX + 5;
    char *bytes = malloc(n);

    (void)state;
    memset(bytes, 'x', n);
    assert_int_equal(bl_framing_whole((bl_slice){bytes, n}), 2 * BL_LINE_MAX);
    assert_int_equal(bl_framing_to_lines(bytes, n), n);
    assert_int_equal(bytes[BL_LINE_MAX - 1], '\n');
    assert_int_equal(bytes[2 * BL_LINE_MAX - 1], '\n');
    free(bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(messages_are_taken),
        cmocka_unit_test(a_stream_becomes_lines),
        cmocka_unit_test(what_stands_before_a_message_is_found_from_its_end),
        cmocka_unit_test(text_without_count_is_bounded),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
