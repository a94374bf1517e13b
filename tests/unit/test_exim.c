/* ctest: label=quick timeout=120
 *
 * What tests/golden/exim.log cannot show: cut lines at an unmapped page, no room, and what the join
 * makes of lines that need others: pieces, cut-through deliveries, recipients given up.
 *
 * Negative controls: a piece of another process does not join (the process is part of the key), and
 * without the image's pending part the cut stream loses its pieces (pieces_survive_a_snapshot
 * compares with a join that was cleared instead of loaded). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <time.h>

#include "bounceline/alloc.h"
#include "bounceline/exim.h"
#include "bounceline/join.h"
#include "guarded.h"
#include "join_records.h"

#define S    "Nov 22 05:05:01 mta1 "
#define ID   "1xUzl1-0000Ab-1l "
#define MAIN "2026-11-22 05:05:01 " ID
#define WHY  "SMTP error from remote mail server after RCPT TO:<a@b.example>: "

struct bench {
    struct bl_block *block;
    struct bl_worker *worker;
    struct bl_join *join;
    struct journal journal;
};

static void begin(struct bench *b)
{
    *b = (struct bench){.block = bl_block_new(), .worker = bl_worker_new(NULL)};
    b->join = bl_join_new(bl_rules_builtin(), 100, 1 << 16);
    assert_true(b->block && b->worker && b->join);
}

static void end(struct bench *b)
{
    journal_release(&b->journal);
    bl_join_free(b->join);
    bl_worker_free(b->worker);
    bl_block_free(b->block);
}

static void feed(struct bench *b, const char *lines)
{
    b->block->n = strlen(lines);
    memcpy(b->block->bytes, lines, b->block->n);
    b->block->reference_s = 1795323817;
    bl_block_parse(b->worker, bl_rules_builtin(), b->block);
    bl_join_block(b->join, b->block, journal_event, &b->journal);
}

static void expect(struct bench *b, const char *words)
{
    if (!strstr(journal_text(&b->journal), words)) {
        print_message("%s\n", journal_text(&b->journal));
        fail_msg("no event says: %s", words);
    }
}

/* -- one line --------------------------------------------------------------------------------- */

static const char *const lines[] = {
    MAIN "<= \"x, y\"@a.example H=h (x) [192.0.2.1]:5 DN=\"a\\\"b\" A=plain:u S=1 id=a b T=\"c\"",
    MAIN
    "=> a b@b.example <\"a b\"@b.example> R=r T=t H=m [192.0.2.1]* C=\"250 \\\"o\\\\nk\\\"\" QT=1d3h",
    MAIN "=> |/bin/x <y> z <p@b.example> R=r T=address_pipe",
    MAIN "** a@b.example <\"A\"@b.example> R=r T=t H=m [192.0.2.1]: " WHY
         "550-a\\n550 5.1.1 \\303\\274 DT=1s",
    MAIN
    "== a@b.example R=r T=t defer (110): Connection timed out H=m [192.0.2.1]:25 DT=5s: SMTP timeout "
    "after RCPT TO:<\"a\"@b.example>",
    MAIN "Completed QT=1s",
    MAIN "=> a@b.example R=r T=t H=m [192.0.2.1] QT=21474836470w",
    "2026-11-22 05:05:01.125 +0100 [77] H=h [192.0.2.1] F=<\"a>b\"@c> rejected RCPT <\"a>b\"@d>: 550 no",
    S "exim[7]: 2026-11-22 05:05:01.125 +0100 [7] " ID "=> a@b.example R=r T=t",
    S "exim[7]: [1/2] " ID "=> a@b.example R=r T=t",
    S "exim[7]: [1\\14] " ID "H=h [192.0.2.1] F=<a@b> rejected after DATA: no",
    S "exim[7]: message repeated 3 times: [ " ID "== a@b R=r T=t defer (0) H=m [192.0.2.1]: no]",
    MAIN "=> blackhole (DATA ACL discarded recipients): <a@b>",
    MAIN "cancelled by system filter: no",
    MAIN "PRDR R=<\"a\"@b> temporary refusal",
    MAIN
    "H=h [192.0.2.1] a@b F=<c@d> rejected after DATA: R=r T=t H=m [192.0.2.2] C=\"550 \\\"no\"",
    MAIN "H=h [192.0.2.1] F=<c@d> RCPT <a@b>: discarded by RCPT ACL: x",
    MAIN "** a@b R=r T=t H=m [192.0.2.1] : Connection timed out : SMTP timeout after RCPT TO:<a@b>",
    "2026-11-22 05:05:01 too many recipients: message rejected: sender=<a@b> H=h [192.0.2.1]",
    "2026-11-22 05:05:01 Connection from [192.0.2.1] refused: too many connections",
    "2026-11-22 05:05:01 rejected \"VRFY x\" from H=h [192.0.2.1]",
};

static void read_alone(bl_slice line, size_t room_n)
{
    static char bytes[4096];
    bl_exim_room room = {.p = bytes, .left = room_n};
    struct bl_stamper stamper;
    bl_syslog head;
    bl_record record;
    bl_reply reply;

    bl_stamper_init(&stamper, NULL);
    bl_stamper_refer(&stamper, 1795323817);
    if (!bl_exim_head(line, &stamper, &head) && !bl_syslog_read(line, &stamper, &head))
        return;
    (void)bl_exim_read(&head, &room, &record, &reply);
    (void)bl_exim_read_again(&head, &room, &record, &reply);
    assert_true(room.left <= room_n && room.p <= bytes + room_n);
}

static void any_part_of_a_line_is_read_within_its_bounds(void **state)
{
    (void)state;
    for (size_t i = 0; i < BL_COUNT(lines); i++)
        for (size_t n = 0; n <= strlen(lines[i]); n++) {
            read_alone(guarded_bytes(lines[i], n), 4096);
            read_alone(guarded_bytes(lines[i], n), 5);
        }
}

/* Each of its brackets could be looked behind to the line's end: that took seconds. */
static void a_line_of_open_brackets_is_read_in_no_time(void **state)
{
    static char line[BL_LINE_MAX];
    size_t n = (size_t)snprintf(line, sizeof line, "%s", MAIN "=> a@b.example");
    struct bench b;
    clock_t start;

    (void)state;
    begin(&b);
    while (n + 8 < sizeof line)
        n += (size_t)snprintf(line + n, sizeof line - n, " F=<");
    line[n - 1] = '\n';
    start = clock();
    feed(&b, line);
    assert_true(clock() - start < CLOCKS_PER_SEC / 2);
    expect(&b, "to=a@b.example");
    end(&b);
}

static void without_room_texts_stay_as_they_were_logged(void **state)
{
    struct bench b;
    char *respelled;

    (void)state;
    begin(&b);
    respelled = b.block->respelled;
    b.block->respelled = NULL;
    feed(&b, MAIN "** a@b.example R=r T=t H=m [192.0.2.1]: " WHY "550-a\\n550 5.1.1 b\n");
    b.block->respelled = respelled;
    expect(&b, "550-a\\n550 5.1.1 b");
    expect(&b, "exim ");
    end(&b);
}

static void heads_are_told_from_syslog_ones(void **state)
{
    static const struct {
        const char *line;
        bool exim;
        int64_t time_us;
    } cases[] = {
        {MAIN "Completed", true, INT64_C(1795323901000000)},
        {"2026-11-22 05:05:01.5 +0100 SMTP connection from [192.0.2.1] lost", true,
         INT64_C(1795320301500000)},
        {"2026-11-22 05:05:01 -0530 [7] 1xUzq5-000000000yo-3zGH Completed", true,
         INT64_C(1795343701000000)},
        {"2026-11-22 05:05:01 [7] Start queue run: pid=7", true, INT64_C(1795323901000000)},
        {"2026-11-22 05:05:01 H=[192.0.2.1] rejected MAIL x", true, INT64_C(1795323901000000)},
        {"2026-11-22 05:05:01 mta1 postfix/smtp[7]: 4B2: removed", false, 0},
        {"2026-11-22 05:05:01 abcdef-123456-ab postfix/smtp[7]: 4B2: removed", false, 0},
        {"2026-11-22T05:05:01 1xUzl1-0000Ab-1l Completed or not so", false, 0},
        {"2026-13-22 05:05:01 1xUzl1-0000Ab-1l Completed or not so", false, 0},
        {"2026-11-22 05:05:01 1xUzl1_0000Ab-1l Completed or not so", false, 0},
    };

    (void)state;
    for (size_t i = 0; i < BL_COUNT(cases); i++) {
        struct bl_stamper stamper;
        bl_syslog head;

        print_message("%s\n", cases[i].line);
        bl_stamper_init(&stamper, NULL);
        assert_int_equal(bl_exim_head(guarded(cases[i].line), &stamper, &head), cases[i].exim);
        if (cases[i].exim)
            assert_int_equal(head.time_us, cases[i].time_us);
    }
}

/* -- with the join ---------------------------------------------------------------------------- */

static const char *const in_pieces[] = {
    S "exim[7]: 2026-11-22 05:05:01 [7] " ID "<= s@a.example H=h [192.0.2.1] P=esmtp S=1 id=x@a\n",
    S "exim[7]: [1/3] 2026-11-22 05:05:01 [7] " ID "** a@b.example R=r T=t H=m [192.0.2.1]: " WHY
      "55\n",
    S "exim[8]: [2/3] 9 5.9.9 of another process\n",
    S "exim[8]: 2026-11-22 05:05:01 [8] 1xUzl8-0000Ab-1l => c@b.example R=r T=t\n",
    S "exim[7]: [2/3] 0-5.1.1 no\\n550 5.1\n",
    S "exim[9]: [2\\14] Envelope-from: <x@b.example>\n",
    S "exim[7]: [3/3] .1 such user\n",
    S "exim[7]: " ID "Completed\n",
};

static void pieces_are_joined(void **state)
{
    struct bench b;

    (void)state;
    begin(&b);
    for (size_t i = 0; i < BL_COUNT(in_pieces); i++)
        feed(&b, in_pieces[i]);
    assert_int_equal(b.journal.events, 2);
    expect(&b, "550-5.1.1 no 550 5.1.1 such user");
    expect(&b, "exim/t");
    expect(&b, "s@a.example");
    assert_int_equal(bl_join_stats(b.join).text_dropped, 0);
    end(&b);
}

/* At every line: the join is saved, cleared, loaded. */
static void pieces_survive_a_snapshot(void **state)
{
    struct bench whole, cut;

    (void)state;
    begin(&whole);
    for (size_t i = 0; i < BL_COUNT(in_pieces); i++)
        feed(&whole, in_pieces[i]);
    for (size_t at = 0; at < BL_COUNT(in_pieces); at++)
        for (int careless = 0; careless < 2; careless++) {
            char *image;
            size_t n;

            begin(&cut);
            for (size_t i = 0; i < BL_COUNT(in_pieces); i++) {
                if (i == at) {
                    assert_int_equal(bl_join_save(cut.join, &image, &n), BL_OK);
                    bl_join_clear(cut.join);
                    if (!careless)
                        assert_int_equal(bl_join_load(cut.join, (bl_slice){image, n}), BL_OK);
                    for (size_t k = 0; k < n; k += 7) { /* a damaged one is refused */
                        struct bl_join *other = bl_join_new(bl_rules_builtin(), 100, 1 << 16);

                        image[k] ^= 4;
                        assert_int_equal(bl_join_load(other, (bl_slice){image, n}), BL_BAD_INPUT);
                        image[k] ^= 4;
                        bl_join_free(other);
                    }
                    bl_free(image);
                }
                feed(&cut, in_pieces[i]);
            }
            if (!careless)
                assert_string_equal(journal_text(&cut.journal), journal_text(&whole.journal));
            else if (at > 1 && at < 7)
                assert_string_not_equal(journal_text(&cut.journal), journal_text(&whole.journal));
            end(&cut);
        }
    end(&whole);
}

/* Fails when bl_join_finish() drops them: then whoever reads on has lost the record. */
static void pieces_outlast_an_end_of_the_log(void **state)
{
    struct bench whole, cut;

    (void)state;
    begin(&whole);
    for (size_t i = 0; i < BL_COUNT(in_pieces); i++)
        feed(&whole, in_pieces[i]);
    assert_true(whole.journal.events > 0);
    for (size_t at = 0; at < BL_COUNT(in_pieces); at++) {
        begin(&cut);
        for (size_t i = 0; i < BL_COUNT(in_pieces); i++) {
            if (i == at) {
                assert_false(bl_join_waits(cut.join));
                bl_join_finish(cut.join, journal_event, &cut.journal);
            }
            feed(&cut, in_pieces[i]);
        }
        assert_int_equal(cut.journal.events, whole.journal.events);
        end(&cut);
    }
    end(&whole);
}

static void pieces_that_do_not_fit_are_counted(void **state)
{
    struct bench b;

    (void)state;
    begin(&b);
    feed(&b, S "exim[7]: [1/3] " ID "=> a@b.example R=r T=t\n" S "exim[7]: [3/3] x\n");
    assert_int_equal(bl_join_stats(b.join).text_dropped, 1);
    feed(&b, S "exim[7]: [1/3] " ID "=> a@b.example R=r T=t\n" S "exim[7]: [2/4] x\n");
    assert_int_equal(bl_join_stats(b.join).text_dropped, 2);
    for (int i = 0; i < BL_JOIN_PENDING_MAX + 5; i++) { /* more processes than are remembered */
        char line[200];

        snprintf(line, sizeof line, S "exim[%d]: [1/2] " ID "=> a@b.example R=r\n", 100 + i);
        feed(&b, line);
    }
    assert_int_equal(bl_join_stats(b.join).text_dropped, 7);
    for (int i = 0; i < 40; i++) { /* longer than Exim's longest */
        char line[1200];

        snprintf(line, sizeof line, S "exim[7]: [%d/40] %01000d\n", i + 1, 0);
        feed(&b, line);
    }
    assert_int_equal(bl_join_stats(b.join).text_dropped, 9);
    assert_int_equal(b.journal.events, 0);
    feed(&b, S "exim[104]: [2/2]  T=t\n" S "exim[105]: [2/2]  T=t\n" S "exim[120]: [2/2]  T=t\n");
    assert_int_equal(b.journal.events, 1); /* 104 and 105 had to go */
    end(&b);
}

static void cut_through_waits_for_its_sender(void **state)
{
    struct bench b;

    (void)state;
    begin(&b);
    feed(&b, MAIN ">> a@b.example R=r T=t H=m [192.0.2.1] C=\"250 ok\"\n");
    feed(&b, MAIN ">> c@b.example R=r T=t H=m [192.0.2.1] C=\"250 ok\"\n");
    assert_int_equal(b.journal.events, 0);
    feed(&b, MAIN "<= s@a.example H=h [192.0.2.1] P=esmtp S=1\n");
    assert_int_equal(b.journal.events, 2);
    expect(&b, "s@a.example");
    feed(&b, MAIN ">> d@b.example R=r T=t H=m [192.0.2.1]\n"); /* known by now */
    assert_int_equal(b.journal.events, 3);
    feed(&b, "2026-11-22 05:05:01 1xUzl9-0000Ab-1l >> e@b.example R=r T=t H=m [192.0.2.1]\n");
    assert_int_equal(b.journal.events, 3);
    bl_join_finish(b.join, journal_event, &b.journal); /* no arrival any more */
    assert_int_equal(b.journal.events, 4);
    expect(&b, "e@b.example");
    end(&b);
}

/* With all places taken by deliveries whose arrival does not come, each further one moved half a
 * megabyte. */
static void orphans_cost_no_more_than_others(void **state)
{
    struct bench b;
    clock_t start;
    char line[200];

    (void)state;
    begin(&b);
    start = clock();
    for (int i = 0; i < 10000; i++) {
        snprintf(line, sizeof line,
                 "2026-11-22 05:05:01 1xUzl1-00%04d-1l >> a%d@b.example R=r T=t H=m [192.0.2.1]\n",
                 i, i);
        feed(&b, line);
    }
    assert_true(clock() - start < CLOCKS_PER_SEC);
    assert_int_equal(b.journal.events, 10000 - BL_JOIN_PENDING_MAX);
    bl_join_finish(b.join, journal_event, &b.journal);
    assert_int_equal(b.journal.events, 10000);
    end(&b);
}

/* Negative control: with EXPIRED told of unknown recipients too, as Postfix' are, the second
 * message has an event. */
static void a_cancelled_message_gives_up_who_was_deferred(void **state)
{
    struct bench b;

    (void)state;
    begin(&b);
    feed(&b, MAIN "<= s@a.example H=h [192.0.2.1] P=esmtp S=1\n" MAIN
                  "== a@b.example R=r T=t defer (-44) H=m [192.0.2.1]: " WHY "452 4.2.2 full\n" MAIN
                  "=> c@b.example R=r T=t H=m [192.0.2.1]\n");
    journal_clear(&b.journal);
    feed(&b, MAIN "cancelled by root\n" MAIN "Completed\n");
    assert_int_equal(b.journal.events, 1);
    expect(&b, "expired");
    expect(&b, "a@b.example");
    expect(&b, "452 4.2.2 full");
    feed(&b, "2026-11-22 05:05:01 1xUzl9-0000Ab-1l ** e@b.example R=r T=t: " WHY "550 no\n"
             "2026-11-22 05:05:01 1xUzl9-0000Ab-1l Frozen (delivery error message)\n");
    journal_clear(&b.journal);
    feed(&b, "2026-11-22 05:05:01 1xUzl9-0000Ab-1l cancelled by timeout_frozen_after\n");
    assert_int_equal(b.journal.events, 0);
    end(&b);
}

static void the_reason_is_that_of_the_last_try(void **state)
{
    struct bench b;

    (void)state;
    begin(&b);
    feed(&b, MAIN "<= s@a.example H=h [192.0.2.1] P=esmtp S=1\n" MAIN
                  "== a@b.example R=r T=t defer (-44) H=m [192.0.2.1]: " WHY "452 4.2.2 full\n" MAIN
                  "== a@b.example R=r T=t defer (-54): retry time not reached for any host\n" MAIN
                  "== c@b.example R=r T=t defer (-54): retry time not reached for any host\n");
    journal_clear(&b.journal);
    feed(&b, MAIN "** a@b.example: retry timeout exceeded\n");
    expect(&b, "452 4.2.2 full");
    expect(&b, "r T=t" + 4); /* the transport of the last try */
    journal_clear(&b.journal);
    feed(&b, MAIN "** c@b.example: retry timeout exceeded\n");
    expect(&b, "retry time not reached");
    journal_clear(&b.journal);
    feed(&b, MAIN "** d@b.example: retry timeout exceeded\n"); /* never heard of */
    expect(&b, "retry timeout exceeded");
    assert_int_equal(b.journal.events, 1);
    end(&b);
}

static void what_completed_does_not_name_is_not_invented(void **state)
{
    struct bench b;

    (void)state;
    begin(&b);
    feed(&b, MAIN
         "<= s@a.example H=h [192.0.2.1] P=esmtp S=1 for a@b.example\n" MAIN
         "== a@b.example R=r T=t defer (-18) H=m [192.0.2.1]: Remote host closed connection\n");
    journal_clear(&b.journal);
    feed(&b, MAIN "Completed\n");
    assert_int_equal(b.journal.events, 0);
    end(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_part_of_a_line_is_read_within_its_bounds),
        cmocka_unit_test(a_line_of_open_brackets_is_read_in_no_time),
        cmocka_unit_test(without_room_texts_stay_as_they_were_logged),
        cmocka_unit_test(heads_are_told_from_syslog_ones),
        cmocka_unit_test(pieces_are_joined),
        cmocka_unit_test(pieces_survive_a_snapshot),
        cmocka_unit_test(pieces_outlast_an_end_of_the_log),
        cmocka_unit_test(pieces_that_do_not_fit_are_counted),
        cmocka_unit_test(cut_through_waits_for_its_sender),
        cmocka_unit_test(orphans_cost_no_more_than_others),
        cmocka_unit_test(a_cancelled_message_gives_up_who_was_deferred),
        cmocka_unit_test(the_reason_is_that_of_the_last_try),
        cmocka_unit_test(what_completed_does_not_name_is_not_invented),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
