/* ctest: label=quick
 *
 * What a reply names besides its reason, and what only looks so. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <stdio.h>

#include <cmocka.h>

#include "bounceline/extract.h"
#include "bounceline/reply.h"
#include "guarded.h"

static const struct {
    const char *text, *list, *code, *ip;
    unsigned retry_s;
} cases[] = {
    /* block lists: the host where it is named, a known one anywhere, a name */
    {"554 5.7.1 Service unavailable; Client host [192.0.2.9] blocked using bl.example.net; see their page",
     "bl.example.net", "", "192.0.2.9", 0},
    {"550 5.7.1 192.0.2.9 listed at DNSBL.Example.Org.", "dnsbl.example.org", "", "192.0.2.9", 0},
    {"554 rejected because 192.0.2.9 is in a black list at zen.spamhaus.org", "zen.spamhaus.org",
     "", "192.0.2.9", 0},
    {"550 blocked, look at https://www.spamhaus.org/query/192.0.2.9", "Spamhaus", "", "", 0},
    {"550 Email blocked by SPAMHAUS", "Spamhaus", "", "", 0},
    {"550 blocked: xbl.spamhaus.org", "xbl.spamhaus.org", "", "", 0},
    {"554 your ip 192.0.2.9 is listed by Barracuda Reputation", "Barracuda", "", "192.0.2.9", 0},
    {"550 5.7.1 client host [192.0.2.9] blocked using SpamCop, or so", "SpamCop", "", "192.0.2.9",
     0},
    {"550 5.1.1 <spamhaus@example.org>: user unknown", "", "", "", 0},
    /* the address is at fault, no list is */
    {"552 5.2.2 mailbox full, said spamhaus", "", "", "", 0},
    {"550 5.7.1 blacklisted: <spamhaus@example.org>", "", "", "", 0},
    {"550 5.7.1 blacklisted in 2024", "", "", "", 0},
    {"554 5.7.1 client host blocked using a.b", "", "", "", 0},

    /* times */
    {"450 4.7.1 Greylisted, try again in 300 seconds", "", "", "", 300},
    {"450 4.2.0 Greylisting in action, please come back in 00:04:50", "", "", "", 290},
    {"451 4.7.1 Greylisted: retry in 5 min", "", "", "", 300},
    {"450 greylisted, please try again in 4 minutes and 30 seconds.", "", "", "", 270},
    {"450 greylisted, please try again in 1 hour, 5 minutes", "", "", "", 3900},
    {"450 greylisted for 300s", "", "", "", 300},
    {"451 rate limit: wait about 2 hours", "", "", "", 7200},
    {"451 too fast, try again in an hour", "", "", "", 3600},
    {"451 busy, Retry-After: 120", "", "", "", 120},
    {"451 busy, retry after 120", "", "", "", 0},
    {"451 greylisted, try again in a few minutes", "", "", "", 0},
    {"451 greylisted, try again in 99 days", "", "", "", 0},
    {"451 greylisted, try again in 12345678901234567890 seconds", "", "", "", 0},
    {"451 greylisted, try again in 05:77", "", "", "", 0},
    {"451 greylisted, try again in 10 apples", "", "", "", 0},
    {"451 greylisted, try again in 5 minute(s)", "", "", "", 300},

    /* codes */
    {"550 5.7.1 Unfortunately, messages from [192.0.2.9] weren't sent. It is on our block list (S3150).",
     "", "S3150", "192.0.2.9", 0},
    {"421 4.7.0 [TSS04] Messages from 192.0.2.9 temporarily deferred", "", "TSS04", "192.0.2.9", 0},
    {"550 5.7.1 [CS01] Message rejected due to local policy.", "", "CS01", "", 0},
    {"550 5.4.1 Recipient address rejected: Access denied. AS(201806281) [X.namprd01.prod.outlook.com]",
     "", "AS(201806281)", "", 0},
    {"550 RP-001 the mail server IP has exceeded a limit", "", "RP-001", "", 0},
    {"550 OU-002 refused", "", "OU-002", "", 0},
    {"421 4.2.1 Service refuse. LPN006_107", "", "LPN006_107", "", 0},
    {"421 4.2.1 Service refuse. LPN07_510", "", "", "", 0},
    {"554 DT:SPM 163 smtp5, then letters", "", "DT:SPM", "", 0},
    {"550-5.7.1 refused. a1b2c3d4e5f6.123 - gsmtp", "", "", "", 0},
    {"550 xRP-001", "", "", "", 0},
    {"550 RP-0012", "", "", "", 0},
    {"550 rp-001", "", "", "", 0},

    /* addresses of hosts */
    {"554 5.7.1 <mx.example.com[192.0.2.9]>: Client host rejected: banned", "", "", "", 0},
    {"554 5.7.1 Client host mx.example.com[192.0.2.9] blocked", "", "", "192.0.2.9", 0},
    {"550 5.7.1 Your IP address [2001:db8::25] is blocked", "", "", "2001:db8::25", 0},
    {"550 5.7.1 Connections from [IPv6:2001:db8:0:0:0:0:0:25] blocked", "", "",
     "2001:db8:0:0:0:0:0:25", 0},
    {"550 5.7.1 your ip 192.0.2.999 is blocked", "", "", "", 0},
    {"550 5.7.1 your ip 1.2.3 is blocked", "", "", "", 0},
};

static bool is_text(bl_slice got, const char *want)
{
    bool same = bl_slice_eq(got, (bl_slice){want, strlen(want)});

    if (!same)
        print_message("  want '%s', got '%.*s'\n", want, (int)got.n, got.n ? got.p : "");
    return same;
}

static void each_reply_gives_what_it_names(void **state)
{
    int bad = 0;

    (void)state;
    for (size_t i = 0; i < BL_COUNT(cases); i++) {
        bl_slice text = guarded(cases[i].text);
        bl_reply reply = {.phase = BL_PHASE_RCPT};
        struct bl_extract out;
        bl_verdict verdict;
        bool good;

        bl_reply_read(text, &reply);
        verdict = bl_classify(bl_rules_builtin(), &reply);
        bl_extract_read(bl_rules_builtin(), text, &verdict, &out);
        good = is_text(out.blocklist, cases[i].list);
        good = is_text(out.provider_code, cases[i].code) && good;
        good = is_text(out.sending_ip, cases[i].ip) && good;
        if (out.retry_after_s != cases[i].retry_s)
            print_message("  want %u s, got %u\n", cases[i].retry_s, out.retry_after_s);
        if (!good || out.retry_after_s != cases[i].retry_s)
            print_message("of: %s\n", cases[i].text);
        bad += !good || out.retry_after_s != cases[i].retry_s;
    }
    assert_int_equal(bad, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_reply_gives_what_it_names),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
