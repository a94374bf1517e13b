/* ctest: label=quick
 *
 * JSON stays JSON whatever the text.  The expectations for ill-formed UTF-8 are those of Unicode
 * 15, section 3.9 (one U+FFFD for each maximal subpart).  The program's files are no library, so
 * they are compiled in here. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "guarded.h"

#include "../../deploy/bounceline/json.c"
#include "../../deploy/bounceline/output.c"
#include "../../deploy/bounceline/text.c"
#include "../../deploy/bounceline/utf8.c"

#define FFFD "\xef\xbf\xbd"

static struct bl_output out;

static const char *written(void)
{
    bl_output_byte(&out, 0);
    out.n = 0;
    return out.buf;
}

#define BYTES(literal) (literal), sizeof(literal) - 1

static const struct {
    const char *name, *in;
    size_t n;
    const char *want;
} strings[] = {
    {"plain text stays", BYTES("hello"), "\"hello\""},
    {"nothing is an empty string", BYTES(""), "\"\""},
    {"quote and backslash are escaped", BYTES("a\"b\\c"), "\"a\\\"b\\\\c\""},
    {"line ends and tabs have short forms", BYTES("a\r\n\tb"), "\"a\\r\\n\\tb\""},
    {"NUL and other controls are escaped", BYTES("a\0b\x1b[31m\x7f"),
     "\"a\\u0000b\\u001b[31m\\u007f\""},
    {"a control behind eight plain bytes is seen", BYTES("12345678\x01"), "\"12345678\\u0001\""},
    {"a quote in the middle of eight bytes is seen", BYTES("abc\"defghij"), "\"abc\\\"defghij\""},
    {"UTF-8 stays",
     BYTES("Gr\xc3\xbc\xc3\x9f"
           "e \xe2\x82\xac \xf0\x9f\x93\xa7"),
     "\"Gr\xc3\xbc\xc3\x9f"
     "e \xe2\x82\xac \xf0\x9f\x93\xa7\""},
    {"C1 controls are escaped",
     BYTES("a\xc2\x9b"
           "31m"),
     "\"a\\u009b31m\""},
    {"turned writing is escaped",
     BYTES("a\xe2\x80\xae"
           "b"),
     "\"a\\u202eb\""},
    {"a lone continuation byte",
     BYTES("a\x80"
           "b"),
     "\"a" FFFD "b\""},
    {"bytes that never occur", BYTES("\xff\xfe\xc0\xc1"), "\"" FFFD FFFD FFFD FFFD "\""},
    {"overlong forms", BYTES("\xc0\xaf\xe0\x80\xaf"), "\"" FFFD FFFD FFFD FFFD FFFD "\""},
    {"surrogates", BYTES("\xed\xa0\x80"), "\"" FFFD FFFD FFFD "\""},
    {"above the last code point", BYTES("\xf4\x90\x80\x80"), "\"" FFFD FFFD FFFD FFFD "\""},
    {"a character cut short is one", BYTES("a\xe2\x82"), "\"a" FFFD "\""},
    {"a character cut short, then text", BYTES("\xf0\x9f\x93z"), "\"" FFFD "z\""},
    {"Unicode's own example", BYTES("\xe1\x80\xe2\xf0\x91\x92\xf1\xbf\x41"),
     "\"" FFFD FFFD FFFD FFFD "A\""},
};

static void strings_are_valid_json(void **state)
{
    (void)state;
    for (size_t i = 0; i < BL_COUNT(strings); i++) {
        print_message("%s\n", strings[i].name);
        bl_json_string(&out, guarded_bytes(strings[i].in, strings[i].n));
        assert_string_equal(written(), strings[i].want);
    }
}

/* Every pair of bytes at every place within a word, against the plain definition. */
static void the_fast_run_agrees_with_the_slow_one(void **state)
{
    (void)state;
    for (unsigned byte = 0; byte < 256; byte++) {
        for (size_t at = 0; at < 16; at++) {
            char text[17];
            bl_slice in;

            memset(text, 'x', sizeof text);
            text[at] = (char)byte;
            in = guarded_bytes(text, sizeof text);
            assert_int_equal(plain_run(in), is_plain((unsigned char)byte) ? sizeof text : at);
        }
    }
}

static void a_string_longer_than_the_buffer_is_whole(void **state)
{
    size_t n = 3 * BL_OUTPUT_BYTES + 7, got = 0;
    char *text = malloc(n), *back = malloc(2 * n);
    int ends[2];

    (void)state;
    memset(text, 'a', n);
    text[n / 2] = '"';
    assert_int_equal(pipe(ends), 0);
    if (fork() == 0) {
        bl_output_init(&out, ends[1]);
        bl_json_string(&out, (bl_slice){text, n});
        _exit(!bl_output_flush(&out));
    }
    close(ends[1]);
    for (ssize_t more; (more = read(ends[0], back + got, 2 * n - got)) > 0;)
        got += (size_t)more;
    close(ends[0]);
    assert_int_equal(got, n + 3);
    assert_int_equal(back[0], '"');
    assert_int_equal(back[n / 2 + 1], '\\');
    assert_int_equal(back[got - 1], '"');
    free(text);
    free(back);
}

static void any_time_is_a_time(void **state)
{
    static const struct {
        int64_t time_ms;
        const char *want;
    } times[] = {{0, "{}\n"},
                 {1, "{\"t\":\"1970-01-01T00:00:00.001Z\"}\n"},
                 {INT64_MAX, "{\"t\":\"9999-12-31T23:59:59.999999Z\"}\n"},
                 {INT64_MIN, "{\"t\":\"0000-01-01T00:00:00Z\"}\n"}};

    (void)state;
    for (size_t i = 0; i < BL_COUNT(times); i++) {
        struct bl_json json;

        bl_json_init(&json, &out);
        bl_json_begin(&json);
        bl_json_time(&json, BL_SLICE("t"), times[i].time_ms);
        bl_json_end(&json);
        assert_string_equal(written(), times[i].want);
    }
}

static void members_are_separated(void **state)
{
    struct bl_json json;

    (void)state;
    bl_json_init(&json, &out);
    bl_json_begin(&json);
    bl_json_u64(&json, BL_SLICE("v"), UINT64_MAX);
    bl_json_open(&json, BL_SLICE("o"));
    bl_json_close(&json);
    bl_json_text_if(&json, BL_SLICE("absent"), (bl_slice){NULL, 0});
    bl_json_open_list(&json, BL_SLICE("l"));
    for (int i = 0; i < 2; i++) {
        bl_json_open_item(&json);
        bl_json_bool(&json, BL_SLICE("b"), i);
        bl_json_close(&json);
    }
    bl_json_close_list(&json);
    bl_json_decimal(&json, BL_SLICE("d"), 1500, 3);
    bl_json_decimal(&json, BL_SLICE("e"), 7, 6);
    bl_json_decimal(&json, BL_SLICE("f"), -2000, 3);
    bl_json_end(&json);
    assert_string_equal(written(),
                        "{\"v\":18446744073709551615,\"o\":{},\"l\":[{\"b\":false},{\"b\":true}],"
                        "\"d\":1.5,\"e\":0.000007,\"f\":-2}\n");
}

static const struct {
    const char *name, *in;
    size_t n, columns;
    const char *want;
} shown[] = {
    {"plain text stays", BYTES("hello"), 20, "hello"},
    {"controls are shown, not sent", BYTES("a\x1b]0;x\x07\r\n"), 80, "a\\x1b]0;x\\x07\\x0d\\x0a"},
    {"what is no UTF-8 is shown byte by byte", BYTES("\xff\xc3("), 80, "\\xff\\xc3("},
    {"C1 in UTF-8 is shown",
     BYTES("\xc2\x9b"
           "2J"),
     80, "\\xc2\\x9b2J"},
    {"turned writing is shown", BYTES("\xe2\x80\xae"), 80, "\\xe2\\x80\\xae"},
    {"UTF-8 stays", BYTES("\xc3\xbc"), 80, "\xc3\xbc"},
    {"long text is cut and says so", BYTES("abcdefghij"), 8, "abcde..."},
    {"text that just fits is not", BYTES("abcdefgh"), 8, "abcdefgh"},
    {"an escape is never cut in two",
     BYTES("abc\x1b"
           "defgh"),
     8, "abc..."},
};

static void what_people_see_holds_no_control(void **state)
{
    (void)state;
    for (size_t i = 0; i < BL_COUNT(shown); i++) {
        char message[64];

        print_message("%s\n", shown[i].name);
        bl_text_put(&out, guarded_bytes(shown[i].in, shown[i].n), shown[i].columns);
        assert_string_equal(written(), shown[i].want);
        if (shown[i].columns == 80)
            assert_string_equal(bl_text_message(message, sizeof message, shown[i].in),
                                shown[i].want);
    }
}

static void numbers_for_people(void **state)
{
    char to[BL_TEXT_NUMBER_MAX];

    (void)state;
    assert_string_equal(bl_text_number(0, to), "0");
    assert_string_equal(bl_text_number(999, to), "999");
    assert_string_equal(bl_text_number(1000, to), "1,000");
    assert_string_equal(bl_text_number(UINT64_MAX, to), "18,446,744,073,709,551,615");
    assert_string_equal(bl_text_bytes(1023, to), "1023 bytes");
    assert_string_equal(bl_text_bytes(1536, to), "1.5 KiB");
    assert_string_equal(bl_text_time(0, to), "1970-01-01 00:00:00");
    assert_string_equal(bl_text_time(-1, to), "1969-12-31 23:59:59");
    assert_string_equal(bl_text_span(INT64_C(90) * 86400000, to), "90 days");
    assert_string_equal(bl_text_span(86400000, to), "1 day");
    assert_string_equal(bl_text_span(30 * 3600000, to), "30 hours");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(strings_are_valid_json),
        cmocka_unit_test(the_fast_run_agrees_with_the_slow_one),
        cmocka_unit_test(a_string_longer_than_the_buffer_is_whole),
        cmocka_unit_test(any_time_is_a_time),
        cmocka_unit_test(members_are_separated),
        cmocka_unit_test(what_people_see_holds_no_control),
        cmocka_unit_test(numbers_for_people),
    };

    bl_output_init(&out, -1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
