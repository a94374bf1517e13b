/* ctest: label=quick timeout=30 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "bounceline/syslog.h"
#include "guarded.h"

static const struct {
    const char *name, *in, *stamp, *host, *program, *body; /* host NULL: no such line */
} cases[] = {
    {"a file of rsyslog", "Nov 22 05:03:37 mta1 postfix/smtp[1382]: BODY x", "2026-11-22T05:03:37Z",
     "mta1", "postfix/smtp", "BODY x"},
    {"RFC 3339", "2026-11-22T05:03:37.532042+00:00 mta1 postfix/smtp[1382]: BODY",
     "2026-11-22T05:03:37.532042Z", "mta1", "postfix/smtp", "BODY"},
    {"journalctl short-iso", "2026-11-22T05:16:53+0000 mta1.lab.example postfix/smtp[1]: B",
     "2026-11-22T05:16:53Z", "mta1.lab.example", "postfix/smtp", "B"},
    {"with priority", "<22>Nov 22 05:03:34 mta1 postfix/master[977]: BODY", "2026-11-22T05:03:34Z",
     "mta1", "postfix/master", "BODY"},
    {"RFC 3339 with priority", "<22>2026-11-22T05:03:37.5+00:00 mta1 postfix/smtp[1]: BODY",
     "2026-11-22T05:03:37.500Z", "mta1", "postfix/smtp", "BODY"},
    {"nested service", "Nov 22 05:03:37 mta1 postfix/submission/smtpd[12]: B",
     "2026-11-22T05:03:37Z", "mta1", "postfix/submission/smtpd", "B"},
    {"a tag longer than a window",
     "Nov 22 05:03:37 mta1 postfix-170.55.103.23-and-more-to-make-it-long/smtp-sink[12345]: B c",
     "2026-11-22T05:03:37Z", "mta1", "postfix-170.55.103.23-and-more-to-make-it-long/smtp-sink",
     "B c"},
    {"no pid", "Nov 22 05:03:37 mta1 exim: BODY", "2026-11-22T05:03:37Z", "mta1", "exim", "BODY"},
    {"the colon is cut off", "Nov 22 05:03:37 mta1 postfix-out/postfix-script[1101] starting",
     "2026-11-22T05:03:37Z", "mta1", "postfix-out/postfix-script", "starting"},
    {"the bracket is cut off",
     "Nov 22 05:03:37 mta1 postfix-out/submission/smtpd[123 4A1B: removed", "2026-11-22T05:03:37Z",
     "mta1", "postfix-out/submission/smtpd", "4A1B: removed"},
    {"the pid is cut off", "Nov 22 05:03:37 mta1 postfix-outgoing/submission/smtp 4A1B: removed",
     "2026-11-22T05:03:37Z", "mta1", "postfix-outgoing/submission/smtp", "4A1B: removed"},
    {"two blanks behind the tag: one is the body's", "Nov 22 05:03:37 mta1 a/b[1]:  B",
     "2026-11-22T05:03:37Z", "mta1", "a/b", " B"},
    {"an empty body", "Nov 22 05:03:37 mta1 a/b[1]: ", "2026-11-22T05:03:37Z", "mta1", "a/b", ""},
    {"no body at all", "Nov 22 05:03:37 mta1 a/b[1]:", "2026-11-22T05:03:37Z", "mta1", "a/b", ""},
    {"host is an address", "Nov 22 05:03:37 2001:db8::1 a/b[1]: B", "2026-11-22T05:03:37Z",
     "2001:db8::1", "a/b", "B"},
    {"several blanks before and behind the host", "Nov 22 05:03:37  mta1   a/b[1]: B",
     "2026-11-22T05:03:37Z", "mta1", "a/b", "B"},
    {"bytes that are no text", "Nov 22 05:03:37 mta1 a/b[1]: \xff\xfe\x01", "2026-11-22T05:03:37Z",
     "mta1", "a/b", "\xff\xfe\x01"},
    {"a repetition is a host and a program", "Jan 17 16:38:37 host last message repeated 3 times",
     "2026-01-17T16:38:37Z", "host", "last", "message repeated 3 times"},
    {"nothing behind the host", "Nov 22 05:03:37 mta1", NULL, NULL, NULL, NULL},
    {"nothing behind the host's blank", "Nov 22 05:03:37 mta1 ", NULL, NULL, NULL, NULL},
    {"no blank behind the stamp", "Nov 22 05:03:37mta1 a/b[1]: B", NULL, NULL, NULL, NULL},
    {"priority 192", "<192>Nov 22 05:03:37 mta1 a/b[1]: B", NULL, NULL, NULL, NULL},
    {"a tag that is only a bracket", "Nov 22 05:03:37 mta1 [12345]: B", NULL, NULL, NULL, NULL},
    {"RFC 5424, the name cut at its slash",
     "<22>1 2026-11-22T05:03:37.532042+00:00 mta1 postfix 1382 - -  4A1B: removed",
     "2026-11-22T05:03:37.532042Z", "mta1", "postfix", "4A1B: removed"},
    {"RFC 5424, the whole name",
     "<22>1 2026-11-22T05:03:37Z mta1 postfix/smtp 1382 - - 4A1B: removed", "2026-11-22T05:03:37Z",
     "mta1", "postfix/smtp", "4A1B: removed"},
    {"RFC 5424 of another facility", "<134>1 2026-11-22T05:03:37Z mta1 postfix/smtp - - - B",
     "2026-11-22T05:03:37Z", "mta1", "postfix/smtp", "B"},
    {"RFC 5424 without a priority", "1 2026-11-22T05:03:37Z mta1 postfix/smtp 1 - - B",
     "2026-11-22T05:03:37Z", "mta1", "postfix/smtp", "B"},
    {"structured data: two, with escapes",
     "<22>1 2026-11-22T05:03:37Z mta1 postfix 1 ID7 [a@1 k=\"v \\\" \\] [x\"][b l=\"\"] \xEF\xBB\xBF"
     "B c",
     "2026-11-22T05:03:37Z", "mta1", "postfix", "B c"},
    {"structured data that does not end", "<22>1 2026-11-22T05:03:37Z mta1 postfix 1 - [a k=\"v] B",
     NULL, NULL, NULL, NULL},
    {"structured data and no message", "<22>1 2026-11-22T05:03:37Z mta1 postfix 1 - [a]",
     "2026-11-22T05:03:37Z", "mta1", "postfix", ""},
    {"nobody's host and no clock", "<22>1 - - postfix 1 - - B", "2026-11-22T05:03:37Z", "",
     "postfix", "B"},
    {"the second half of a line that a relay split", "<13>Nov 22 05:03:40 mta1 postfix/smtp[1]: B",
     "2026-11-22T05:03:40Z", "mta1", "", ""},
    {"the same in RFC 5424", "<13>1 2026-11-22T05:03:40Z mta1 postfix/smtp 1 - - B",
     "2026-11-22T05:03:40Z", "mta1", "", ""},
    {"RFC 5424 of another version", "<22>2 2026-11-22T05:03:37Z mta1 postfix 1 - - B", NULL, NULL,
     NULL, NULL},
    {"RFC 5424 with an old stamp", "<22>1 Nov 22 05:03:37 mta1 postfix 1 - - B", NULL, NULL, NULL,
     NULL},
    {"RFC 5424 that ends early", "<22>1 2026-11-22T05:03:37Z mta1 postfix 1 -", NULL, NULL, NULL,
     NULL},
    {"journalctl short-full", "Sun 2026-11-22 05:16:53 UTC mta1.lab.example postfix/smtp[1]: B",
     "2026-11-22T05:16:53Z", "mta1.lab.example", "postfix/smtp", "B"},
    {"no host", "Nov 22 05:03:37 postfix/smtp[1]: B c", "2026-11-22T05:03:37Z", "", "postfix/smtp",
     "B c"},
    {"no host and no pid", "Nov 22 05:03:37 exim: B c", "2026-11-22T05:03:37Z", "", "exim", "B c"},
    {"no host, only a tag", "Nov 22 05:03:37 exim:", "2026-11-22T05:03:37Z", "", "exim", ""},
    {"a host that ends in a colon", "Nov 22 05:03:37 2001:db8:: a/b[1]: B", "2026-11-22T05:03:37Z",
     "2001:db8::", "a/b", "B"},
    {"the priority's name behind the host, as BusyBox writes it",
     "Nov 22 05:03:37 mta1 mail.info postfix/smtp[1]: B", "2026-11-22T05:03:37Z", "mta1",
     "postfix/smtp", "B"},
    {"and before it, as FreeBSD does", "Nov 22 05:03:37 <mail.info> mta1 postfix/smtp[1]: B",
     "2026-11-22T05:03:37Z", "mta1", "postfix/smtp", "B"},
    {"a program called mail", "Nov 22 05:03:37 mta1 mail.local: B", "2026-11-22T05:03:37Z", "mta1",
     "mail.local", "B"},
    {"level instead of a host", "2026-11-22T05:03:37.263+00:00 info exim[8001]: B",
     "2026-11-22T05:03:37.263Z", "info", "exim", "B"},
    {"with the year", "Nov 22 2025 05:03:37 mta1 a/b[1]: B", "2025-11-22T05:03:37Z", "mta1", "a/b",
     "B"},
    {"the year first", "2025 Nov 22 05:03:37 mta1 a/b[1]: B", "2025-11-22T05:03:37Z", "mta1", "a/b",
     "B"},
    {"syslog-ng's chain of hosts", "Nov 22 05:03:37 s_src@mta1/192.0.2.1 a/b[1]: B",
     "2026-11-22T05:03:37Z", "s_src@mta1/192.0.2.1", "a/b", "B"},
    {"an Exim line", "2026-11-22 05:03:37", NULL, NULL, NULL, NULL},
    {"no stamp", "hello world", NULL, NULL, NULL, NULL},
    {"empty", "", NULL, NULL, NULL, NULL},
};

static void assert_text(bl_slice got, const char *want)
{
    assert_int_equal(got.n, strlen(want));
    assert_memory_equal(got.p, want, got.n);
}

static void heads_are_read(void **state)
{
    struct bl_stamper stamper;

    (void)state;
    bl_stamper_init(&stamper, NULL);
    bl_stamper_refer(&stamper, 1795323817);
    for (size_t i = 0; i < BL_COUNT(cases); i++) {
        for (int again = 0; again < 2; again++) { /* the second time the head is remembered */
            bl_slice in = guarded(cases[i].in);
            char stamp[BL_STAMP_TEXT_MAX];
            bl_syslog head;

            print_message("%s\n", cases[i].name);
            assert_int_equal(bl_syslog_read(in, &stamper, &head), cases[i].host != NULL);
            if (!cases[i].host)
                continue;
            bl_stamp_text(head.time_us, stamp);
            assert_string_equal(stamp, cases[i].stamp);
            assert_text(head.host, cases[i].host);
            assert_text(head.program, cases[i].program);
            assert_text(head.body, cases[i].body);
            assert_int_equal(head.mail, bl_slice_starts(in, BL_SLICE("<22>1 ")));
        }
    }
}

/* The remembered head must be the whole head: a line that only begins like it is read anew. */
static void a_head_is_recalled_only_when_it_is_the_same(void **state)
{
    static const struct {
        const char *first, *second, *stamp, *host;
    } pairs[] = {
        {"Nov 22 05:03:37 mta1 a/b[1]: B", "Nov 22 05:03:37 mta12 a/b[1]: B",
         "2026-11-22T05:03:37Z", "mta12"},
        {"Nov 22 05:03:37 mta1 a/b[1]: B", "Nov 22 05:03:38 mta1 a/b[1]: B", "2026-11-22T05:03:38Z",
         "mta1"},
        {"2026-11-22T05:03:37.100000Z m a/b[1]: B", "2026-11-22T05:03:37.200000Z m a/b[1]: B",
         "2026-11-22T05:03:37.200Z", "m"},
        {"2026-11-22T05:03:37.100000Z m a/b[1]: B", "2026-11-22T05:03:37.20000xZ m a/b[1]: B", NULL,
         NULL},
        {"2026-11-22T05:03:37.1+01:00 m a/b[1]: B", "2026-11-22T05:03:37.1+02:00 m a/b[1]: B",
         "2026-11-22T03:03:37.100Z", "m"},
        {"2026-11-22T05:03:37.123456789Z m a/b[1]: B", "2026-11-22T05:03:37.987654321Z m a/b[1]: B",
         "2026-11-22T05:03:37.987654Z", "m"},
        {"2026-11-22T05:03:37.1Z m a/b[1]: B", "2026-11-22T05:03:37.12Z m a/b[1]: B",
         "2026-11-22T05:03:37.120Z", "m"},
    };

    (void)state;
    for (size_t i = 0; i < BL_COUNT(pairs); i++) {
        struct bl_stamper stamper;
        char stamp[BL_STAMP_TEXT_MAX];
        bl_syslog head;

        bl_stamper_init(&stamper, NULL);
        bl_stamper_refer(&stamper, 1795323817);
        assert_true(bl_syslog_read(guarded(pairs[i].first), &stamper, &head));
        assert_int_equal(bl_syslog_read(guarded(pairs[i].second), &stamper, &head),
                         pairs[i].host != NULL);
        if (!pairs[i].host)
            continue;
        bl_stamp_text(head.time_us, stamp);
        assert_string_equal(stamp, pairs[i].stamp);
        assert_text(head.host, pairs[i].host);
    }
}

/* Every prefix of every line, at an unmapped page. */
static void a_line_may_be_cut_anywhere(void **state)
{
    (void)state;
    for (size_t i = 0; i < BL_COUNT(cases); i++) {
        struct bl_stamper stamper;

        bl_stamper_init(&stamper, NULL);
        bl_stamper_refer(&stamper, 1795323817);
        for (size_t n = strlen(cases[i].in) + 1; n-- > 0;) {
            bl_slice in = guarded_bytes(cases[i].in, n);
            bl_syslog head;

            if (!bl_syslog_read(in, &stamper, &head))
                continue;
            assert_true(head.host.p >= in.p && head.host.p + head.host.n <= in.p + n);
            assert_true(head.program.p >= in.p && head.program.p + head.program.n <= in.p + n);
            assert_true(head.body.p >= in.p && head.body.p + head.body.n <= in.p + n);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(heads_are_read),
        cmocka_unit_test(a_head_is_recalled_only_when_it_is_the_same),
        cmocka_unit_test(a_line_may_be_cut_anywhere),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
