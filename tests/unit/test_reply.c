/* ctest: label=quick timeout=30 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "bounceline/reply.h"
#include "guarded.h"

static const struct {
    const char *name, *in;
    uint16_t code;
    const char *enhanced;
} replies[] = {
    {"plain", "550 5.1.1 <a@b.example>: no such user", 550, "5.1.1"},
    {"without enhanced code", "550 no such user", 550, ""},
    {"only a code", "550", 550, ""},
    {"several lines, all with it", "550-5.1.1 The address 550-5.1.1 is not 550 5.1.1 known", 550,
     "5.1.1"},
    {"only the last line has it", "550-first line 550 5.1.1 second line", 550, "5.1.1"},
    {"another class right behind the code", "550 4.2.2 mailbox full", 550, "4.2.2"},
    {"another class in a later line", "550-first 550 4.1.1 mismatched", 550, ""},
    {"another class, then the right one", "550-4.1.1 odd 550 5.1.1 right", 550, "5.1.1"},
    {"a colon behind it", "550 5.1.1: colon after status", 550, "5.1.1"},
    {"a hash before it", "550 #5.1.0 Address rejected.", 550, "5.1.0"},
    {"the code twice", "550 550 5.1.1 unknown", 550, "5.1.1"},
    {"qmail's place for it", "554 sorry, no mailbox here by that name. (#5.7.1)", 554, "5.7.1"},
    {"qmail's place, another class", "451 try later (#5.7.1)", 451, ""},
    {"an address is no code", "550 5.1.1.2 relay", 550, ""},
    {"a number in the text is no line", "550 mailbox 1550 5.1.1 x", 550, ""},
    {"an enhanced code alone", "5.2.2 mailbox full", 0, "5.2.2"},
    {"class 3", "354 End data with <CR><LF>.<CR><LF>", 354, ""},
    {"blanks before it", "  451 4.7.1 try later", 451, "4.7.1"},
    {"a colon is no code's end", "550: no", 0, ""},
    {"class 6", "650 5.1.1 x", 0, ""},
    {"words", "Connection refused", 0, ""},
    {"empty", "", 0, ""},
};

static void bare_replies_are_read(void **state)
{
    (void)state;
    for (size_t i = 0; i < BL_COUNT(replies); i++) {
        bl_reply reply = {.phase = BL_PHASE_RCPT};
        char text[BL_STATUS_TEXT_MAX];

        print_message("%s\n", replies[i].name);
        bl_reply_read(guarded(replies[i].in), &reply);
        bl_status_text(reply.enhanced, text);
        assert_int_equal(reply.code, replies[i].code);
        assert_string_equal(text, replies[i].enhanced);
        assert_int_equal(reply.phase, BL_PHASE_RCPT);
    }
}

static const struct {
    const char *name, *in;
    uint16_t code;
    const char *enhanced;
    enum bl_phase phase;
    const char *text;
} wrapped[] = {
    {"said",
     "host mx.a.example[192.0.2.1] said: 550 5.1.1 no such user (in reply to RCPT TO command)", 550,
     "5.1.1", BL_PHASE_RCPT, "550 5.1.1 no such user"},
    {"the host name is not the reply's",
     "host spam.blocked.example[192.0.2.1] said: 550 no (in reply to MAIL FROM command)", 550, "",
     BL_PHASE_MAIL, "550 no"},
    {"end of DATA", "host m[192.0.2.1] said: 452 4.3.1 x (in reply to end of DATA command)", 452,
     "4.3.1", BL_PHASE_EOD, "452 4.3.1 x"},
    {"DATA", "host m[192.0.2.1] said: 550 x (in reply to DATA command)", 550, "", BL_PHASE_DATA,
     "550 x"},
    {"EHLO", "host m[192.0.2.1] said: 550 x (in reply to EHLO command)", 550, "", BL_PHASE_HELO,
     "550 x"},
    {"the host says our words",
     "host m[192.0.2.1] said: 550 x (in reply to DATA command) (in reply to RCPT TO command)", 550,
     "", BL_PHASE_RCPT, "550 x (in reply to DATA command)"},
    {"other brackets behind our words",
     "host m[192.0.2.1] said: 550 no (in reply to MAIL FROM command) ((( command)", 550, "",
     BL_PHASE_MAIL, "550 no"},
    {"nothing but our words", "host m[192.0.2.1] said: (in reply to RCPT TO command)", 0, "",
     BL_PHASE_UNKNOWN, "(in reply to RCPT TO command)"},
    {"cut before the command", "host m[192.0.2.1] said: 550 5.7.1 very long", 550, "5.7.1",
     BL_PHASE_UNKNOWN, "550 5.7.1 very long"},
    {"a socket", "host m[private/dovecot-lmtp] said: 552 5.2.2 full (in reply to RCPT TO command)",
     552, "5.2.2", BL_PHASE_RCPT, "552 5.2.2 full"},
    {"IPv6", "host m[2001:db8::1] said: 550 5.1.1 x (in reply to RCPT TO command)", 550, "5.1.1",
     BL_PHASE_RCPT, "550 5.1.1 x"},
    {"refused to talk", "host m[192.0.2.1] refused to talk to me: 554 5.7.1 blocked", 554, "5.7.1",
     BL_PHASE_CONNECT, "554 5.7.1 blocked"},
    {"login", "SASL authentication failed; server m[192.0.2.1] said: 535 5.7.8 bad", 535, "5.7.8",
     BL_PHASE_AUTH, "535 5.7.8 bad"},
    {"suspended, with the reply",
     "delivery temporarily suspended: host m[192.0.2.1] refused to talk to me: 421 4.7.0 wait", 421,
     "4.7.0", BL_PHASE_CONNECT, "421 4.7.0 wait"},
    {"suspended, without",
     "delivery temporarily suspended: connect to m[192.0.2.1]:25: Connection refused", 0, "",
     BL_PHASE_CONNECT, "connect to m[192.0.2.1]:25: Connection refused"},
    {"connect", "connect to m[192.0.2.1]:25: Connection timed out", 0, "", BL_PHASE_CONNECT,
     "connect to m[192.0.2.1]:25: Connection timed out"},
    {"lost", "lost connection with m[192.0.2.1] while sending RCPT TO", 0, "", BL_PHASE_RCPT,
     "lost connection with m[192.0.2.1] while sending RCPT TO"},
    {"lost at the end",
     "lost connection with m[192.0.2.1] while sending end of data -- message may be sent more than "
     "once",
     0, "", BL_PHASE_EOD, NULL},
    {"timed out",
     "conversation with m[192.0.2.1] timed out while receiving the initial server greeting", 0, "",
     BL_PHASE_CONNECT, NULL},
    {"timed out at EHLO",
     "conversation with m[192.0.2.1] timed out while performing the EHLO handshake", 0, "",
     BL_PHASE_HELO, NULL},
    {"DNS",
     "Host or domain name not found. Name service error for name=a.example type=MX: Host not "
     "found, try again",
     0, "", BL_PHASE_DNS, NULL},
    {"null MX", "Domain a.example does not accept mail (nullMX)", 0, "", BL_PHASE_DNS, NULL},
    {"loop", "mail for a.example loops back to myself", 0, "", BL_PHASE_DNS, NULL},
    {"TLS", "Cannot start TLS: handshake failure", 0, "", BL_PHASE_TLS, NULL},
    {"local", "unknown user: \"x\"", 0, "", BL_PHASE_UNKNOWN, NULL},
    {"not a host's word", "hosts are down] said: 550 5.1.1 x", 0, "", BL_PHASE_UNKNOWN, NULL},
    {"nothing behind said", "host m[192.0.2.1] said: ", 0, "", BL_PHASE_UNKNOWN, ""},
    {"empty", "", 0, "", BL_PHASE_UNKNOWN, ""},
};

static void what_postfix_wraps_around_a_reply_is_taken_off(void **state)
{
    (void)state;
    for (size_t i = 0; i < BL_COUNT(wrapped); i++) {
        const char *want = wrapped[i].text ? wrapped[i].text : wrapped[i].in;
        bl_reply reply = {0};
        char text[BL_STATUS_TEXT_MAX];

        print_message("%s\n", wrapped[i].name);
        bl_reply_read_postfix(guarded(wrapped[i].in), &reply);
        bl_status_text(reply.enhanced, text);
        assert_int_equal(reply.code, wrapped[i].code);
        assert_string_equal(text, wrapped[i].enhanced);
        assert_int_equal(reply.phase, wrapped[i].phase);
        assert_int_equal(reply.text.n, strlen(want));
        assert_memory_equal(reply.text.p, want, reply.text.n);
    }
}

static const struct {
    const char *name, *in, *text;
    enum bl_phase phase;
} quoted[] = {
    {"bare", "550 5.1.1 no such user", "550 5.1.1 no such user", BL_PHASE_UNKNOWN},
    {"bare, with Postfix's ending", "550 no (in reply to RCPT TO command)", "550 no",
     BL_PHASE_RCPT},
    {"Postfix", "host mx.example[192.0.2.1] said: 550 no (in reply to end of DATA command)",
     "550 no", BL_PHASE_EOD},
    {"Postfix, the address in front",
     "<a@b.example>: host mx.example[192.0.2.1] refused to talk to me: 554 no", "554 no",
     BL_PHASE_CONNECT},
    {"Postfix's own words, the address in front",
     "<a@b.example>: connect to mx.example[192.0.2.1]:25: refused",
     "connect to mx.example[192.0.2.1]:25: refused", BL_PHASE_CONNECT},
    {"an address that belongs to the reply", "<a@b.example>: unknown", "<a@b.example>: unknown",
     BL_PHASE_UNKNOWN},
    {"Exim, the host behind",
     "SMTP error from remote mail server after RCPT TO:<a@b.example>: host mx.example [192.0.2.1]: 550 no: really",
     "550 no: really", BL_PHASE_RCPT},
    {"Exim, the host in front",
     "host mx.example [192.0.2.1] SMTP error from remote mail server after MAIL FROM:<a@b.example> SIZE=9: 501 no",
     "501 no", BL_PHASE_MAIL},
    {"Exim, pipelined", "SMTP error from remote mail server after pipelined end of data: 550 no",
     "550 no", BL_PHASE_EOD},
    {"Exim, no code",
     "SMTP error from remote mail server after initial connection: host mx [192.0.2.1]: go away",
     "go away", BL_PHASE_CONNECT},
    {"qmail, recipient",
     "192.0.2.1 does not like recipient. Remote host said: 550 no Giving up on 192.0.2.1.",
     "550 no Giving up on 192.0.2.1.", BL_PHASE_RCPT},
    {"qmail, name", "Connected to 192.0.2.1 but my name was rejected. Remote host said: 501 no",
     "501 no", BL_PHASE_HELO},
    {"transcript", "... while talking to mx.example.: >>> RCPT To:<a@b.example> <<< 550 no",
     "550 no", BL_PHASE_RCPT},
    {"one inside the other",
     "The error that the other server returned was: host mx.example[192.0.2.1] said: 550 no",
     "550 no", BL_PHASE_UNKNOWN},
    {"a code in front ends the search", "421 we asked, mx.example said: 550 no",
     "421 we asked, mx.example said: 550 no", BL_PHASE_UNKNOWN},
    {"delivery status", "smtp; 550 5.1.1 no", "550 5.1.1 no", BL_PHASE_UNKNOWN},
    {"nothing behind it", "Remote host said: ", "", BL_PHASE_UNKNOWN},
    {"empty", "", "", BL_PHASE_UNKNOWN},
};

static void what_others_put_around_a_reply_is_taken_off(void **state)
{
    (void)state;
    for (size_t i = 0; i < BL_COUNT(quoted); i++) {
        bl_reply reply = {0};

        print_message("%s\n", quoted[i].name);
        bl_reply_read_quoted(guarded(quoted[i].in), &reply);
        assert_true(bl_slice_eq(reply.text, (bl_slice){quoted[i].text, strlen(quoted[i].text)}));
        assert_int_equal(reply.phase, quoted[i].phase);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bare_replies_are_read),
        cmocka_unit_test(what_postfix_wraps_around_a_reply_is_taken_off),
        cmocka_unit_test(what_others_put_around_a_reply_is_taken_off),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
