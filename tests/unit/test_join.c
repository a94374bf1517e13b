/* ctest: label=quick timeout=120 */
/* The join, behaviour by behaviour, on records made by hand. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "bounceline/alloc.h"
#include "bounceline/join.h"
#include "join_records.h"

enum { ENTRIES = 1000, TEXT_BYTES = 256 << 10 };

static struct journal said; /* of the running test */
static struct bl_join *join;

static struct bl_join *new_join(size_t entries, size_t text_bytes)
{
    struct bl_join *made = bl_join_new(bl_rules_builtin(), entries, text_bytes);

    assert_non_null(made);
    return made;
}

static int set_up(void **state)
{
    (void)state;
    join = new_join(ENTRIES, TEXT_BYTES);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    bl_join_free(join);
    journal_release(&said);
    return 0;
}

static void feed_to(struct bl_join *to, bl_record record, struct journal *journal)
{
    struct bl_block block = {.records = &record, .records_n = 1};

    bl_join_block(to, &block, journal_event, journal);
}

static void feed(bl_record record)
{
    feed_to(join, record, &said);
}

static void warm(bl_record record)
{
    struct bl_block block = {.records = &record, .records_n = 1, .warm_up = true};

    bl_join_block(join, &block, journal_event, &said);
}

static bool says(const char *text)
{
    return strstr(journal_text(&said), text) != NULL;
}

static void arrive(const char *id, const char *message_id, const char *sender)
{
    feed(open_record(id, "client.example", "192.0.2.1", "anna"));
    feed(message_id_record(id, message_id));
    feed(queued_record(id, sender));
}

static void deliver(const char *id, const char *recipient)
{
    feed(delivery_record(id, BL_DELIVERED, recipient, 250, "250 ok"));
}

static void defer(const char *id, const char *recipient)
{
    feed(delivery_record(id, BL_DEFERRED, recipient, 450, "450 first"));
}

static void expire(const char *id)
{
    feed(expired_record(id, "line@shop.example"));
}

static void a_delivery_knows_sender_message_id_client_and_user(void **state)
{
    (void)state;
    arrive("A1", "<m1@x>", "anna@shop.example");
    deliver("A1", "bob@y.example");
    assert_string_equal(
        journal_text(&said),
        "delivered A1 to=bob@y.example from=anna@shop.example id=<m1@x> "
        "client=client.example[192.0.2.1] user=anna relay=mx.example[192.0.2.9] 250 (250 ok) "
        "mta1/postfix/smtp/postfix mta=1 phase=0 provider=0 delay=1500 t=0\n");
    assert_int_equal(bl_join_stats(join).unknown, 0);
    assert_int_equal(bl_join_stats(join).live, 1);
}

static void the_null_sender_is_a_sender(void **state)
{
    (void)state;
    feed(queued_record("A1", ""));
    deliver("A1", "bob@y.example");
    assert_true(says(" from= "));
}

static void a_delivery_of_an_unknown_id_is_still_told(void **state)
{
    (void)state;
    feed(delivery_record("A1", BL_BOUNCED, "bob@y.example", 550, "550 no"));
    assert_int_equal(said.events, 1);
    assert_true(says("bounced A1 to=bob@y.example relay="));
    assert_int_equal(bl_join_stats(join).unknown, 1);
    assert_int_equal(bl_join_stats(join).live, 0);
}

static void the_same_first_half_of_a_key_is_not_the_same_id(void **state)
{
    bl_record other = delivery_record("A1", BL_DELIVERED, "bob@y.example", 250, "");

    (void)state;
    arrive("A1", "<m1@x>", "anna@shop.example");
    other.key2 ^= 1;
    feed(other);
    assert_false(says("anna"));
    assert_int_equal(bl_join_stats(join).unknown, 1);
}

static void those_still_deferred_expire_with_their_last_reply(void **state)
{
    bl_record deferred = delivery_record("A1", BL_DEFERRED, "bob@y.example", 451, "451 later");
    bl_record expired = expired_record("A1", "anna@shop.example");

    (void)state;
    arrive("A1", "<m1@x>", "anna@shop.example");
    defer("A1", "bob@y.example");
    defer("A1", "carl@y.example");
    defer("A1", "dora@y.example");
    feed(queued_record("A1", "anna@shop.example"));
    deferred.verdict =
        (bl_verdict){.category = 3, .type = BL_SOFT, .rule = 7, .match_at = 4, .match_n = 5};
    deferred.enhanced = (bl_status){4, 7, 1};
    deferred.orig_recipient = BL_SLICE("robert@y.example");
    deferred.provider = 2;
    deferred.phase = BL_PHASE_RCPT;
    deferred.service = BL_SLICE("postfix-out/relay/smtp");
    feed(deferred);
    deliver("A1", "carl@y.example");
    journal_clear(&said);
    expired.time_us = 99;
    feed(expired);
    assert_string_equal(
        journal_text(&said),
        "expired A1 to=bob@y.example orig=robert@y.example from=anna@shop.example id=<m1@x> "
        "client=client.example[192.0.2.1] user=anna relay=mx.example[192.0.2.9] 451 4.7.1 (451 "
        "later) "
        "category=3/1/0 rule=7 match=4+5 mta1/postfix-out/relay/smtp/postfix-out mta=1 phase=7 "
        "provider=2 delay=-1 "
        "t=99 retried\n"
        "expired A1 to=dora@y.example from=anna@shop.example id=<m1@x> "
        "client=client.example[192.0.2.1] user=anna relay=mx.example[192.0.2.9] 450 (450 first) "
        "category=0/0/0 rule=0 match=0+0 mta1/postfix/smtp/postfix mta=1 phase=0 provider=0 "
        "delay=-1 t=99 retried\n");
    journal_clear(&said);
    feed(expired); /* nobody is left */
    assert_true(says("expired A1 to= from=anna@shop.example"));
    assert_int_equal(bl_join_stats(join).expired_unknown, 1);
}

static void an_expiry_of_an_unknown_id_is_one_event_with_the_sender_of_the_line(void **state)
{
    (void)state;
    expire("A1");
    assert_int_equal(said.events, 1);
    assert_true(says("expired A1 to= from=line@shop.example mta1"));
    assert_int_equal(bl_join_stats(join).expired_unknown, 1);
}

static void a_deferral_of_an_unknown_id_is_remembered(void **state)
{
    (void)state;
    defer("A1", "bob@y.example");
    expire("A1");
    assert_true(says("expired A1 to=bob@y.example from=line@shop.example"));
    assert_int_equal(bl_join_stats(join).unknown, 1);
    assert_int_equal(bl_join_stats(join).expired_unknown, 0);
}

static void a_delivery_behind_removed_still_finds_its_sender(void **state)
{
    (void)state;
    arrive("A1", "<m1@x>", "anna@shop.example");
    feed(record_of(BL_RECORD_REMOVED, "A1"));
    assert_int_equal(bl_join_stats(join).live, 0);
    deliver("A1", "bob@y.example");
    assert_true(says("from=anna@shop.example id=<m1@x>"));
    assert_int_equal(bl_join_stats(join).unknown, 0);
}

/* Each of these lines can only belong to a new message. */
static void an_id_that_is_used_again_starts_afresh(void **state)
{
    static const struct {
        const char *name;
        bool removed;
        enum bl_record_kind by;
    } cases[] = {
        {"opened after removal", true, BL_RECORD_OPEN},
        {"message-id after removal", true, BL_RECORD_MESSAGE_ID},
        {"queued after removal", true, BL_RECORD_QUEUED},
        {"opened while live", false, BL_RECORD_OPEN},
        {"another message-id behind the queue manager", false, BL_RECORD_MESSAGE_ID},
        {"another sender behind the queue manager", false, BL_RECORD_QUEUED},
    };

    (void)state;
    for (size_t i = 0; i < BL_COUNT(cases); i++) {
        bl_record by = record_of(cases[i].by, "A1");

        print_message("%s\n", cases[i].name);
        bl_join_clear(join);
        arrive("A1", "<old@x>", "old@shop.example");
        defer("A1", "old@y.example");
        if (cases[i].removed)
            feed(record_of(BL_RECORD_REMOVED, "A1"));
        by.sender = BL_SLICE("new@shop.example");
        by.flags = cases[i].by == BL_RECORD_QUEUED ? BL_RECORD_HAS_SENDER : 0;
        by.text = cases[i].by == BL_RECORD_MESSAGE_ID ? BL_SLICE("<new@x>") : (bl_slice){0};
        feed(by);
        journal_clear(&said);
        deliver("A1", "bob@y.example");
        expire("A1");
        assert_false(says("old"));
        assert_false(says("anna"));
        assert_true(says("expired A1 to= "));
    }
}

/* Its `removed` is missing, so that only the lines of the new message tell.  Returns whether what
 * became of its recipient is taken for the end of the old one's deferral. */
static bool is_mixed_up(unsigned shown, const char *sender)
{
    struct bl_join *other = bl_join_new_showing(bl_rules_builtin(), 16, 4096, shown);
    bl_record records[] = {
        open_record("A1", "client.example", "192.0.2.1", "anna"),
        message_id_record("A1", "<old@x>"),
        queued_record("A1", "old@shop.example"),
        delivery_record("A1", BL_DEFERRED, "bob@y.example", 450, "450 first"),
        open_record("A1", "client.example", "192.0.2.1", "anna"),
        message_id_record("A1", "<new@x>"),
        queued_record("A1", sender),
        delivery_record("A1", BL_DELIVERED, "bob@y.example", 250, "250 ok"),
    };

    journal_clear(&said);
    for (size_t i = 0; i < BL_COUNT(records); i++)
        feed_to(other, records[i], &said);
    bl_join_free(other);
    return says(" retried");
}

static void the_less_is_shown_the_less_tells_of_another_message(void **state)
{
    (void)state;
    assert_false(is_mixed_up(BL_SHOWS_ALL, "old@shop.example"));
    assert_false(is_mixed_up(BL_SHOWS_MESSAGE_IDS, "old@shop.example"));
    assert_false(is_mixed_up(0, "new@shop.example"));
    assert_true(is_mixed_up(0, "old@shop.example"));
}

static void a_retry_is_not_a_new_message(void **state)
{
    (void)state;
    arrive("A1", "<m1@x>", "anna@shop.example");
    defer("A1", "bob@y.example");
    feed(queued_record("A1", "anna@shop.example"));
    feed(message_id_record("A1", "<m1@x>")); /* the line twice */
    journal_clear(&said);
    expire("A1");
    assert_true(says("expired A1 to=bob@y.example from=anna@shop.example id=<m1@x> client="));
}

static void a_second_message_id_before_the_queue_manager_replaces_the_first(void **state)
{
    (void)state;
    feed(open_record("A1", "c.example", "192.0.2.1", ""));
    feed(message_id_record("A1", "<resent@x>"));
    feed(message_id_record("A1", "<m1@x>"));
    feed(queued_record("A1", "anna@shop.example"));
    deliver("A1", "bob@y.example");
    assert_true(says("id=<m1@x> client=c.example[192.0.2.1]"));
}

static void pickups_user_gives_way_to_the_queue_managers_sender(void **state)
{
    bl_record pickup = record_of(BL_RECORD_OPEN, "A1");

    (void)state;
    pickup.sender = BL_SLICE("root");
    pickup.flags = BL_RECORD_HAS_SENDER;
    feed(pickup);
    deliver("A1", "bob@y.example");
    feed(queued_record("A1", "root@mta1.example"));
    deliver("A1", "carl@y.example");
    assert_true(says("to=bob@y.example from=root relay"));
    assert_true(says("to=carl@y.example from=root@mta1.example relay"));
}

static void a_bounce_because_of_earlier_bounces_is_dropped(void **state)
{
    bl_record bounced = delivery_record("A1", BL_BOUNCED, "bob@y.example", 550, "550 suppressed");

    (void)state;
    assert_true(bl_rules_find_category(bl_rules_builtin(), BL_SLICE("previously-bounced"),
                                       &bounced.verdict.category));
    feed(bounced);
    assert_true(says("dropped A1 to=bob@y.example"));
    bounced.outcome = BL_DEFERRED;
    feed(bounced);
    assert_true(says("deferred A1 to=bob@y.example"));
}

static void a_reject_is_told_with_its_client(void **state)
{
    bl_record reject = record_of(BL_RECORD_REJECT, "NOQUEUE");

    (void)state;
    arrive("A1", "<m1@x>", "anna@shop.example");
    reject.outcome = BL_REJECTED;
    reject.flags = BL_RECORD_HAS_SENDER | BL_RECORD_ONE_SHOT;
    reject.sender = BL_SLICE("eve@z.example");
    reject.recipient = BL_SLICE("bob@y.example");
    reject.peer_ip = BL_SLICE("192.0.2.66");
    reject.code = 554;
    reject.text = BL_SLICE("554 no");
    reject.verdict.category = 1;
    feed(reject);
    assert_string_equal(
        journal_text(&said),
        "rejected NOQUEUE to=bob@y.example from=eve@z.example client=[192.0.2.66] 554 (554 no) "
        "category=1/0/0 rule=0 match=0+0 mta1/postfix/smtp/postfix mta=1 phase=0 provider=0 "
        "delay=-1 t=0\n");
    journal_clear(&said);
    reject = record_of(BL_RECORD_REJECT, "A1"); /* cleanup refuses a message it has */
    reject.outcome = BL_REJECTED;
    reject.recipient = BL_SLICE("bob@y.example");
    feed(reject);
    assert_true(says(
        "rejected A1 to=bob@y.example from=anna@shop.example id=<m1@x> client=client.example["));
    reject.orig_recipient = BL_SLICE("user");
    feed(reject);
    assert_true(says("user=user"));
    reject.orig_recipient = (bl_slice){0};
    reject.outcome = BL_DISCARDED; /* or throws it away */
    feed(reject);
    assert_true(says(
        "discarded A1 to=bob@y.example from=anna@shop.example id=<m1@x> client=client.example["));
}

static void a_warm_up_is_learned_and_not_told(void **state)
{
    (void)state;
    warm(queued_record("A1", "anna@shop.example"));
    warm(delivery_record("A1", BL_DEFERRED, "bob@y.example", 450, "450 x"));
    warm(delivery_record("B1", BL_DELIVERED, "bob@y.example", 250, ""));
    warm(delivery_record("C1", BL_DEFERRED, "bob@y.example", 250, ""));
    warm(expired_record("C1", "x"));
    warm(expired_record("D1", "x"));
    assert_int_equal(said.events, 0);
    assert_int_equal(bl_join_stats(join).unknown, 0);
    assert_int_equal(bl_join_stats(join).expired_unknown, 0);
    expire("A1");
    expire("C1");
    assert_true(says("expired A1 to=bob@y.example from=anna@shop.example"));
    assert_true(says("expired C1 to= "));
}

static void no_attempt_is_passed_on(void **state)
{
    bl_record suspended =
        delivery_record("A1", BL_DEFERRED, "bob@y.example", 0, "delivery temporarily suspended: x");

    (void)state;
    suspended.flags = BL_RECORD_NO_ATTEMPT;
    feed(suspended);
    assert_true(says(" no-attempt\n"));
}

static const char *number_id(size_t i)
{
    static char id[16];

    snprintf(id, sizeof id, "ID%zu", i);
    return id;
}

static bool knows(struct bl_join *of, size_t i)
{
    journal_clear(&said);
    feed_to(of, delivery_record(number_id(i), BL_DELIVERED, "probe@y.example", 250, ""), &said);
    return says("from=");
}

static void the_oldest_id_goes_first_and_removed_ones_before_live_ones(void **state)
{
    struct bl_join *small = new_join(8, TEXT_BYTES);

    (void)state;
    for (size_t i = 0; i < 8; i++)
        feed_to(small, queued_record(number_id(i), "anna@shop.example"), &said);
    feed_to(small, record_of(BL_RECORD_REMOVED, "ID5"), &said);
    feed_to(small, record_of(BL_RECORD_REMOVED, "ID3"), &said);
    assert_int_equal(bl_join_stats(small).live, 6);
    feed_to(small, queued_record("NEW1", "anna@shop.example"), &said);
    assert_false(knows(small, 5));
    assert_true(knows(small, 3));
    feed_to(small, queued_record("NEW2", "anna@shop.example"), &said);
    assert_false(knows(small, 3));
    assert_int_equal(bl_join_stats(small).evicted, 0);
    /* the oldest becomes the newest */
    feed_to(small, open_record("ID0", "c", "192.0.2.1", ""), &said);
    feed_to(small, queued_record("ID0", "anna@shop.example"), &said);
    feed_to(small, queued_record("NEW3", "anna@shop.example"), &said);
    assert_int_equal(bl_join_stats(small).evicted, 1);
    assert_true(knows(small, 0));
    assert_false(knows(small, 1));
    assert_true(knows(small, 2));
    assert_int_equal(bl_join_stats(small).live, 8);
    bl_join_free(small);
}

/* Within a block queue ids are found some records ahead of their turn: what was forgotten meanwhile
 * is not found (fails when find_likely() does not ask whether the entry is free). */
static void what_was_found_ahead_may_be_gone_when_its_turn_comes(void **state)
{
    struct bl_join *small = new_join(4, TEXT_BYTES); /* one removed id is remembered */
    bl_record records[] = {
        record_of(BL_RECORD_REMOVED, "A1"),
        queued_record("B1", "bea@shop.example"),
        record_of(BL_RECORD_REMOVED, "B1"),
        record_of(BL_RECORD_REMOVED, "-"),
        record_of(BL_RECORD_REMOVED, "-"),
        record_of(BL_RECORD_REMOVED, "-"),
        record_of(BL_RECORD_REMOVED, "-"),
        record_of(BL_RECORD_REMOVED, "-"),
        delivery_record("A1", BL_DELIVERED, "probe@y.example", 250, ""),
        queued_record("C1", "cleo@shop.example"), /* into the entry that A1 had */
        delivery_record("A1", BL_DELIVERED, "probe@y.example", 250, ""),
    };
    struct bl_block block = {.records = records, .records_n = BL_COUNT(records)};

    (void)state;
    feed_to(small, queued_record("A1", "anna@shop.example"), &said);
    journal_clear(&said);
    bl_join_block(small, &block, journal_event, &said);
    assert_true(says("probe@y.example"));
    assert_false(says("from="));
    assert_int_equal(bl_join_stats(small).unknown, 2);
    bl_join_free(small);
}

/* Lengths around every border: inside the entry, in one cell, in several, over the cap. */
static void texts_of_any_length_come_back(void **state)
{
    static const size_t lengths[] = {0,   1,   59,  60,  61,  100, 119, 120,  121, 205,
                                     206, 207, 222, 300, 500, 512, 600, 1024, 1500};
    char text[1501], want[4096];

    (void)state;
    memset(text, 'x', sizeof text);
    for (size_t i = 0; i < BL_COUNT(lengths) * BL_COUNT(lengths); i++) {
        bl_record mid = record_of(BL_RECORD_MESSAGE_ID, "A1"),
                  queued = record_of(BL_RECORD_QUEUED, "A1");
        size_t id_n = lengths[i % BL_COUNT(lengths)], sender_n = lengths[i / BL_COUNT(lengths)];

        feed(open_record("A1", "client.example", "192.0.2.1", "anna"));
        mid.text = (bl_slice){text, id_n};
        queued.sender = (bl_slice){text, sender_n};
        queued.flags = BL_RECORD_HAS_SENDER;
        feed(mid);
        feed(queued);
        journal_clear(&said);
        deliver("A1", "bob@y.example");
        id_n = id_n < 1024 ? id_n : 1024;
        sender_n = sender_n < 512 ? sender_n : 512;
        snprintf(want, sizeof want, " from=%.*s%s%.*s client=client.example[192.0.2.1] user=anna ",
                 (int)sender_n, text, id_n ? " id=" : "", (int)id_n, text);
        assert_true(says(want));
    }
    assert_int_equal(bl_join_stats(join).text_dropped, 0);
}

static void text_without_room_is_dropped_and_counted(void **state)
{
    char longer[401] = {0}, reply[251] = {0};
    bl_record mid = record_of(BL_RECORD_MESSAGE_ID, "A1");

    (void)state;
    bl_join_free(join);
    join = new_join(100, 4 * 64); /* four cells */
    memset(longer, 'x', 400);
    memset(reply, 'r', 250);
    mid.text = text_slice(longer);
    feed(queued_record("A1", "anna@shop.example"));
    feed(mid);
    assert_int_equal(bl_join_stats(join).text_dropped, 1);
    /* the reply does not fit, its recipient does */
    feed(delivery_record("A1", BL_DEFERRED, "bob@y.example", 450, reply));
    assert_int_equal(bl_join_stats(join).text_dropped, 2);
    feed(delivery_record("A1", BL_DEFERRED, "carl@y.example", 450, reply));
    assert_int_equal(bl_join_stats(join).text_dropped, 3);
    /* nothing fits */
    feed(delivery_record("A1", BL_DEFERRED, "dora@y.example", 450, reply));
    assert_int_equal(bl_join_stats(join).text_dropped, 4);
    journal_clear(&said);
    expire("A1");
    assert_int_equal(said.events, 2);
    assert_true(says("expired A1 to=bob@y.example from=anna@shop.example 450 category"));
    assert_true(says("expired A1 to=carl@y.example from=anna@shop.example 450 category"));
}

static void a_recipient_too_long_to_keep_is_told_and_not_remembered(void **state)
{
    char longer[1102] = {0};

    (void)state;
    memset(longer, 'x', 1100);
    defer("A1", longer);
    assert_int_equal(said.events, 1);
    assert_int_equal(bl_join_stats(join).text_dropped, 1);
    journal_clear(&said);
    expire("A1");
    assert_true(says("expired A1 to= "));
}

static void hundreds_of_deferred_recipients_expire_in_order(void **state)
{
    enum { N = 700 };
    char recipient[32], want[64];
    const char *at;

    (void)state;
    for (size_t i = 0; i < 3 * N; i++) {
        snprintf(recipient, sizeof recipient, "u%zu@y.example", i % N);
        defer("A1", recipient);
    }
    for (size_t i = 0; i < N; i += 2) {
        snprintf(recipient, sizeof recipient, "u%zu@y.example", i);
        deliver("A1", recipient);
    }
    journal_clear(&said);
    expire("A1");
    assert_int_equal(said.events, N / 2);
    at = journal_text(&said);
    for (size_t i = 1; i < N; i += 2) {
        snprintf(want, sizeof want, "expired A1 to=u%zu@y.example ", i);
        at = strstr(at, want);
        assert_non_null(at);
    }
    assert_int_equal(bl_join_stats(join).text_dropped, 0);
}

struct budget {
    size_t left, asked;
};

static bool within(void *arg, size_t bytes)
{
    struct budget *budget = arg;

    (void)bytes;
    budget->asked++;
    return budget->left && budget->left--;
}

static void nothing_is_allocated_after_the_start(void **state)
{
    struct budget none = {0};

    (void)state;
    bl_join_free(join);
    join = new_join(50, 64 * 200);
    bl_alloc_set_hook(within, &none);
    for (size_t i = 0; i < 2000; i++) {
        arrive(number_id(i), "<m1@x>", "anna@shop.example");
        feed(delivery_record(number_id(i), i % 3 ? BL_DEFERRED : BL_DELIVERED, "bob@y.example", 450,
                             "450 x"));
    }
    assert_int_equal(said.events, 2000);
    assert_int_equal(none.asked, 0);
    /* Control: the hook does see what is allocated. */
    assert_null(bl_join_new(bl_rules_builtin(), 10, 1024));
    assert_int_equal(none.asked, 1);
    bl_alloc_set_hook(NULL, NULL);
}

static void a_failed_allocation_is_an_answer(void **state)
{
    struct bl_join *made = NULL;
    char *image = NULL;
    size_t image_n = 0;

    (void)state;
    for (size_t n = 0; !made; n++) {
        struct budget budget = {.left = n};

        assert_true(n < 20);
        bl_alloc_set_hook(within, &budget);
        made = bl_join_new(bl_rules_builtin(), 10, 1024);
        if (!made)
            assert_int_equal(bl_join_save(join, &image, &image_n), BL_NO_MEMORY);
        bl_alloc_set_hook(NULL, NULL);
    }
    bl_join_free(made);
    assert_null(image);
}

/* --- the image --- */

static void fill(void)
{
    char longer[401] = {0};
    bl_record mid = record_of(BL_RECORD_MESSAGE_ID, "A1");

    memset(longer, 'x', 400);
    mid.text = text_slice(longer);
    feed(open_record("A1", "client.example", "192.0.2.1", "anna"));
    feed(mid);
    feed(queued_record("A1", "anna@shop.example"));
    defer("A1", "bob@y.example");
    defer("A1", "carl@y.example");
    feed(queued_record("B1", ""));
    feed(record_of(BL_RECORD_REMOVED, "B1"));
    deliver("C1", "x@y.example");
    journal_clear(&said);
}

static void ask_all(struct bl_join *of, struct journal *journal)
{
    feed_to(of, delivery_record("A1", BL_DELIVERED, "x@y.example", 250, ""), journal);
    feed_to(of, delivery_record("B1", BL_DELIVERED, "x@y.example", 250, ""), journal);
    feed_to(of, expired_record("A1", "z"), journal);
}

static void an_image_brings_everything_back(void **state)
{
    struct journal again = {0};
    struct bl_join *other = new_join(ENTRIES, TEXT_BYTES);
    struct bl_join_stats a, b;
    char *image;
    size_t n;

    (void)state;
    fill();
    feed_to(other, queued_record("Z1", "gone@shop.example"), &again); /* what was there goes */
    assert_int_equal(bl_join_save(join, &image, &n), BL_OK);
    assert_int_equal(bl_join_load(other, (bl_slice){image, n}), BL_OK);
    a = bl_join_stats(join);
    b = bl_join_stats(other);
    assert_memory_equal(&a, &b, sizeof a);
    ask_all(join, &said);
    ask_all(other, &again);
    assert_int_equal(said.events, 4);
    assert_string_equal(journal_text(&said), journal_text(&again));
    bl_free(image);
    bl_join_free(other);
    journal_release(&again);
}

static void assert_refused(struct bl_join *other, bl_slice image)
{
    feed_to(other, queued_record("ID1", "gone@shop.example"), &said);
    assert_int_equal(bl_join_load(other, image), BL_BAD_INPUT);
    assert_int_equal(bl_join_stats(other).live, 0);
    assert_false(knows(other, 1));
}

/* It lacks what the join would have to show. */
static void an_image_that_shows_less_is_refused(void **state)
{
    struct bl_join *other = bl_join_new_showing(bl_rules_builtin(), 16, 4096, BL_SHOWS_MESSAGE_IDS);
    char *image;
    size_t n;

    (void)state;
    assert_int_equal(bl_join_save(other, &image, &n), BL_OK);
    assert_int_equal(bl_join_load(other, (bl_slice){image, n}), BL_OK);
    assert_int_equal(bl_join_load(join, (bl_slice){image, n}), BL_BAD_INPUT);
    bl_free(image);
    bl_join_free(other);
}

/* Every byte counts: shown by changing each.  The undamaged image is the control. */
static void a_damaged_image_leaves_an_empty_join(void **state)
{
    struct bl_join *other = new_join(ENTRIES, TEXT_BYTES);
    char *image;
    size_t n;

    (void)state;
    fill();
    assert_int_equal(bl_join_save(join, &image, &n), BL_OK);
    for (size_t i = 0; i < n; i++) {
        image[i] ^= 0x10;
        assert_refused(other, (bl_slice){image, n});
        image[i] ^= 0x10;
        assert_refused(other, (bl_slice){image, i});
    }
    assert_int_equal(bl_join_load(other, (bl_slice){image, n}), BL_OK);
    bl_free(image);
    bl_join_free(other);
}

static void a_smaller_join_keeps_the_newest_of_an_image(void **state)
{
    struct bl_join *small = new_join(4, 1024);
    char *image;
    size_t n;

    (void)state;
    for (size_t i = 0; i < 10; i++)
        feed(queued_record(number_id(i), "anna@shop.example"));
    assert_int_equal(bl_join_save(join, &image, &n), BL_OK);
    assert_int_equal(bl_join_load(small, (bl_slice){image, n}), BL_OK);
    for (size_t i = 0; i < 10; i++)
        assert_int_equal(knows(small, i), i >= 6);
    assert_int_equal(bl_join_stats(small).evicted, 6);
    bl_free(image);
    bl_join_free(small);
}

static void a_result_after_a_deferral_says_so(void **state)
{
    (void)state;
    arrive("A1", "<m1@x>", "anna@shop.example");
    defer("A1", "bob@y.example");
    assert_false(says("retried"));
    defer("A1", "bob@y.example");
    assert_true(says("retried"));
    journal_clear(&said);
    deliver("A1", "dora@y.example");
    assert_false(says("retried"));
    deliver("A1", "bob@y.example");
    assert_true(says("retried"));
    journal_clear(&said);
    deliver("A1", "bob@y.example"); /* the deferral is behind it */
    assert_false(says("retried"));
}

static void another_rule_set_classifies_what_is_remembered_anew(void **state)
{
    bl_record deferred =
        delivery_record("A1", BL_DEFERRED, "bob@y.example", 452, "452 4.2.2 mailbox full");
    bl_reply reply = {.code = 452,
                      .enhanced = {4, 2, 2},
                      .wrapper = {4, 2, 2},
                      .text = deferred.text,
                      .relay_host = deferred.peer_host};
    bl_verdict want = bl_classify(bl_rules_builtin(), &reply);
    char text[80];

    (void)state;
    deferred.enhanced = reply.enhanced;
    deferred.verdict = (bl_verdict){.category = (uint16_t)(want.category + 1), .rule = 1};
    feed(deferred);
    journal_clear(&said);
    bl_join_set_rules(join, bl_rules_builtin());
    expire("A1");
    snprintf(text, sizeof text, " category=%u/%u/%u rule=%u match=%u+%u ", want.category, want.type,
             want.action, want.rule, want.match_at, want.match_n);
    assert_true(says(text));
}

/* One rule, whose category does `action`. */
static struct bl_rules *rules_that(const char *action)
{
    struct bl_rules_file files[2] = {
        {BL_SLICE_INIT("categories.tsv"), {NULL, 0}},
        {BL_SLICE_INIT("a.rules"),
         BL_SLICE_INIT("[specific]\na: \"first\" -> full ; s\n = first\n")}};
    struct bl_rules *rules = NULL;
    char text[300];
    bl_err err = {0};
    int n =
        snprintf(text, sizeof text,
                 "category\tscope\ttype\tses_subtype\taction\nfull\trecipient\tsoft\tGeneral\t%s\n"
                 "unclassified\tlocal\tundetermined\tGeneral\tnone\n",
                 action);

    files[0].text = (bl_slice){text, (size_t)n};
    if (bl_rules_compile(files, 2, &rules, &err) != BL_OK)
        fail_msg("%s", err.text);
    return rules;
}

/* The operator changed what a category does, and nothing else, between stop and start. */
static void an_image_is_judged_by_the_rules_that_load_it(void **state)
{
    struct bl_rules *before = rules_that("soft"), *after = rules_that("none");
    struct bl_join *from = bl_join_new(before, 16, 4096), *to = bl_join_new(after, 16, 4096);
    char *image, text[40];
    size_t n;

    (void)state;
    assert_true(from && to);
    {
        bl_record deferred = delivery_record("A1", BL_DEFERRED, "bob@y.example", 450, "450 first");

        deferred.verdict = (bl_verdict){.type = BL_SOFT, .action = BL_ACTION_SOFT};
        feed_to(from, deferred, &said);
    }
    assert_int_equal(bl_join_save(from, &image, &n), BL_OK);
    assert_int_equal(bl_join_load(to, (bl_slice){image, n}), BL_OK);
    journal_clear(&said);
    feed_to(to, expired_record("A1", "z"), &said);
    snprintf(text, sizeof text, " category=0/%d/%d ", BL_SOFT, BL_ACTION_NONE);
    assert_true(says(text));
    bl_free(image);
    bl_join_free(from);
    bl_join_free(to);
    bl_rules_free(before);
    bl_rules_free(after);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    static const struct CMUnitTest tests[] = {
        TEST(a_delivery_knows_sender_message_id_client_and_user),
        TEST(the_null_sender_is_a_sender),
        TEST(a_delivery_of_an_unknown_id_is_still_told),
        TEST(the_same_first_half_of_a_key_is_not_the_same_id),
        TEST(those_still_deferred_expire_with_their_last_reply),
        TEST(an_expiry_of_an_unknown_id_is_one_event_with_the_sender_of_the_line),
        TEST(a_deferral_of_an_unknown_id_is_remembered),
        TEST(a_delivery_behind_removed_still_finds_its_sender),
        TEST(an_id_that_is_used_again_starts_afresh),
        TEST(the_less_is_shown_the_less_tells_of_another_message),
        TEST(a_retry_is_not_a_new_message),
        TEST(a_second_message_id_before_the_queue_manager_replaces_the_first),
        TEST(pickups_user_gives_way_to_the_queue_managers_sender),
        TEST(a_bounce_because_of_earlier_bounces_is_dropped),
        TEST(a_reject_is_told_with_its_client),
        TEST(a_warm_up_is_learned_and_not_told),
        TEST(no_attempt_is_passed_on),
        TEST(the_oldest_id_goes_first_and_removed_ones_before_live_ones),
        TEST(what_was_found_ahead_may_be_gone_when_its_turn_comes),
        TEST(texts_of_any_length_come_back),
        TEST(text_without_room_is_dropped_and_counted),
        TEST(a_recipient_too_long_to_keep_is_told_and_not_remembered),
        TEST(hundreds_of_deferred_recipients_expire_in_order),
        TEST(nothing_is_allocated_after_the_start),
        TEST(a_failed_allocation_is_an_answer),
        TEST(an_image_brings_everything_back),
        TEST(an_image_that_shows_less_is_refused),
        TEST(a_damaged_image_leaves_an_empty_join),
        TEST(a_smaller_join_keeps_the_newest_of_an_image),
        TEST(a_result_after_a_deferral_says_so),
        TEST(another_rule_set_classifies_what_is_remembered_anew),
        TEST(an_image_is_judged_by_the_rules_that_load_it),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
