/* ctest: label=quick timeout=30 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "bounceline/journal.h"
#include "guarded.h"

#define TIME "\"__REALTIME_TIMESTAMP\":\"1795323817532042\""
#define WHO  "\"SYSLOG_IDENTIFIER\":\"postfix/smtp\",\"_HOSTNAME\":\"mta1\""

static const struct {
    const char *name, *in, *host, *program, *body; /* host NULL: not read */
} cases[] = {
    {"as journalctl writes it", "{" WHO ",\"MESSAGE\":\"4A1B: removed\"," TIME "}", "mta1",
     "postfix/smtp", "4A1B: removed"},
    {"another order, blanks, other keys",
     "{ \"N\" : null, " TIME
     ", \"MESSAGE\" : \"B\", \"A\" : [ 1, 2 ], \"S\" : [\"x]\",\"y\"], \"I\" : 5, " WHO " }",
     "mta1", "postfix/smtp", "B"},
    {"escapes", "{" WHO ",\"MESSAGE\":\"a\\\"b\\\\c\\/d\\te\\u00e9\\ud83d\\ude00\"," TIME "}",
     "mta1", "postfix/smtp", "a\"b\\c/d\te\xC3\xA9\xF0\x9F\x98\x80"},
    {"half a surrogate, and no digits", "{" WHO ",\"MESSAGE\":\"\\ud83dx\\uzz\"," TIME "}", "mta1",
     "postfix/smtp", "\xEF\xBF\xBDxuzz"},
    {"a newline becomes a blank", "{" WHO ",\"MESSAGE\":\"a\\nNov 22\"," TIME "}", "mta1",
     "postfix/smtp", "a Nov 22"},
    {"a message of bytes", "{" WHO ",\"MESSAGE\":[52,65, 58,32,255,10,120]," TIME "}", "mta1",
     "postfix/smtp", "4A: \xFF x"},
    {"a field that occurs twice",
     "{\"SYSLOG_IDENTIFIER\":[\"a/b\",\"c\"],\"MESSAGE\":\"B\"," TIME "}", "", "a/b", "B"},
    {"a key that ends like ours",
     "{\"_MESSAGE\":\"no\",\"MESSAGE\":\"B\",\"OLD_MESSAGE\":\"no\"," WHO "," TIME "}", "mta1",
     "postfix/smtp", "B"},
    {"facility mail", "{" WHO ",\"SYSLOG_FACILITY\":\"2\",\"MESSAGE\":\"B\"," TIME "}", "mta1",
     "postfix/smtp", "B"},
    {"facility user is nobody's", "{" WHO ",\"SYSLOG_FACILITY\":\"1\",\"MESSAGE\":\"B\"," TIME "}",
     "mta1", "", ""},
    {"a carriage return behind it", "{" WHO ",\"MESSAGE\":\"B\"," TIME "}\r", "mta1",
     "postfix/smtp", "B"},
    {"a message that was too long to be shown", "{" WHO ",\"MESSAGE\":null," TIME "}", NULL, NULL,
     NULL},
    {"bytes above 255", "{" WHO ",\"MESSAGE\":[256]," TIME "}", NULL, NULL, NULL},
    {"no message", "{" WHO "," TIME "}", NULL, NULL, NULL},
    {"no time", "{" WHO ",\"MESSAGE\":\"B\"}", NULL, NULL, NULL},
    {"a time that is none", "{" WHO ",\"MESSAGE\":\"B\",\"__REALTIME_TIMESTAMP\":\"12x\"}", NULL,
     NULL, NULL},
    {"nobody", "{\"MESSAGE\":\"B\"," TIME "}", NULL, NULL, NULL},
    {"objects inside", "{" WHO ",\"MESSAGE\":\"B\",\"X\":[{}]," TIME "}", NULL, NULL, NULL},
    {"cut short", "{" WHO ",\"MESSAGE\":\"B\"," TIME, NULL, NULL, NULL},
    {"more behind it", "{" WHO ",\"MESSAGE\":\"B\"," TIME "} x", NULL, NULL, NULL},
    {"empty", "{}", NULL, NULL, NULL},
};

static void assert_text(bl_slice got, const char *want)
{
    assert_int_equal(got.n, strlen(want));
    assert_memory_equal(got.p, want, got.n);
}

static void objects_are_read(void **state)
{
    (void)state;
    for (size_t i = 0; i < BL_COUNT(cases); i++) {
        bl_slice in = guarded(cases[i].in);
        char *room = malloc(in.n); /* of exactly this size, so that ASan sees a byte too many */
        size_t room_n;
        bl_syslog head;

        print_message("%s\n", cases[i].name);
        assert_int_equal(bl_journal_read(in, room, &room_n, &head), cases[i].host != NULL);
        if (cases[i].host) {
            assert_int_equal(head.time_us, INT64_C(1795323817532042));
            assert_text(head.host, cases[i].host);
            assert_text(head.program, cases[i].program);
            assert_text(head.body, cases[i].body);
            assert_true(head.host.p == room && head.program.p > head.host.p);
            assert_true(head.body.p + head.body.n == room + room_n && room_n <= in.n);
        }
        free(room);
    }
}

static void an_object_may_be_cut_anywhere(void **state)
{
    (void)state;
    for (size_t i = 0; i < BL_COUNT(cases); i++)
        for (size_t n = strlen(cases[i].in); n-- > 0;) {
            bl_slice in = guarded_bytes(cases[i].in, n);
            char *room = malloc(n + !n);
            size_t room_n;
            bl_syslog head;

            if (bl_journal_read(in, room, &room_n, &head))
                /* what stands behind a whole one */
                assert_non_null(strchr("\r x", cases[i].in[n]));
            free(room);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(objects_are_read),
        cmocka_unit_test(an_object_may_be_cut_anywhere),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
