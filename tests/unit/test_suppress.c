/* ctest: label=quick timeout=60
 * When an address may no longer be mailed.  Stories of events on days; day 0 is a Tuesday in
 * 2024. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "bounceline/suppress.h"
#include "records.h"

#define HOUR  (3600 * INT64_C(1000))
#define DAY   (24 * HOUR)
#define START (INT64_C(19723) * DAY)

static struct bl_address_record record;
static const struct bl_suppress_policy *policy;

static int begin(void **state)
{
    (void)state;
    record = (struct bl_address_record){0};
    policy = &bl_suppress_balanced;
    return 0;
}

static bl_address_event event_at(enum bl_address_event_kind kind, enum bl_action action,
                                 int64_t at_ms)
{
    return (bl_address_event){.kind = kind,
                              .action = action,
                              .time_ms = START + at_ms,
                              .code = 550,
                              .enhanced = {5, 1, 1},
                              .category = BL_SLICE("invalid-recipient"),
                              .rule = BL_SLICE("generic/user-unknown"),
                              .reply = BL_SLICE("no such user"),
                              .host = BL_SLICE("mx1"),
                              .queue_id = BL_SLICE("4XyZ"),
                              .message_id = BL_SLICE("<1@a>"),
                              .sender = BL_SLICE("me@example.org"),
                              .actor = BL_SLICE("root"),
                              .note = BL_SLICE("because")};
}

static enum bl_change apply(enum bl_address_event_kind kind, enum bl_action action, int64_t at_ms,
                            int64_t now_ms)
{
    bl_address_event e = event_at(kind, action, at_ms);

    return bl_suppress_apply(&record, &e, policy, START + now_ms);
}

static enum bl_change hard(int64_t at_ms)
{
    return apply(BL_ADDRESS_FAILED, BL_ACTION_SUPPRESS, at_ms, at_ms);
}

static enum bl_change soft(int64_t at_ms)
{
    return apply(BL_ADDRESS_FAILED, BL_ACTION_SOFT, at_ms, at_ms);
}

static enum bl_change delivered(int64_t at_ms)
{
    return apply(BL_ADDRESS_DELIVERED, 0, at_ms, at_ms);
}

static enum bl_change add(int64_t at_ms)
{
    return apply(BL_ADDRESS_ADD, 0, at_ms, at_ms);
}

static enum bl_change removed(int64_t at_ms)
{
    return apply(BL_ADDRESS_REMOVE, 0, at_ms, at_ms);
}

#define assert_suppressed_until(at_ms)                                                             \
    do {                                                                                           \
        assert_int_equal(record.state, BL_ADDRESS_SUPPRESSED);                                     \
        assert_int_equal(record.until_ms - START, (at_ms));                                        \
    } while (0)

static void a_first_hard_failure_suppresses_for_a_week(void **state)
{
    (void)state;
    assert_int_equal(hard(HOUR), BL_CHANGE_SUPPRESS);
    assert_suppressed_until(HOUR + 7 * DAY);
    assert_int_equal(record.strikes, 1);
    assert_int_equal(record.since_ms, START + HOUR);
    assert_string_equal(record.reply, "no such user");
    assert_string_equal(record.category, "invalid-recipient");
    assert_int_equal(record.failures, 1);
    assert_string_equal(record.failure[0].queue_id, "4XyZ");
    assert_false(bl_suppress_expire(&record, START + HOUR + 7 * DAY - 1));
    assert_true(bl_suppress_expire(&record, START + HOUR + 7 * DAY));
    assert_int_equal(record.state, BL_ADDRESS_CLEAN);
    assert_int_equal(record.strikes, 1);
    assert_string_equal(record.reply, "no such user"); /* kept for people */
}

static void there_is_one_strike_a_day(void **state)
{
    (void)state;
    hard(0);
    assert_int_equal(hard(DAY - 1), BL_CHANGE_NOTED);
    assert_int_equal(record.strikes, 1);
    assert_suppressed_until(7 * DAY);
    assert_int_equal(hard(DAY), BL_CHANGE_EXTEND);
    assert_int_equal(record.strikes, 2);
    assert_suppressed_until(DAY + 90 * DAY);
    assert_int_equal(record.since_ms, START);
}

static void terms_grow_with_strikes_up_to_720_days(void **state)
{
    static const int64_t days[] = {7, 90, 180, 360, 720, 720, 720};
    int64_t at = 0;

    (void)state;
    for (size_t i = 0; i < BL_COUNT(days); i++, at += 300 * DAY) {
        hard(at);
        if (i < 3) /* later ones overlap: 300 days after a verdict of 360 */
            assert_suppressed_until(at + days[i] * DAY);
        assert_true(record.until_ms - START >= at + days[i] * DAY);
    }
    assert_int_equal(record.strikes, 7);
}

static void strikes_are_forgotten_after_a_year(void **state)
{
    (void)state;
    hard(0);
    hard(365 * DAY);
    assert_int_equal(record.strikes, 2);
    assert_int_equal(hard(365 * DAY + 365 * DAY + 1), BL_CHANGE_SUPPRESS);
    assert_int_equal(record.strikes, 1);
    assert_suppressed_until((730 + 7) * DAY + 1);
}

static void a_delivery_clears_and_the_strikes_stay(void **state)
{
    (void)state;
    hard(0);
    assert_int_equal(delivered(HOUR), BL_CHANGE_CLEAR);
    assert_int_equal(record.state, BL_ADDRESS_CLEAN);
    assert_int_equal(record.until_ms, 0);
    assert_int_equal(record.strikes, 1);
    assert_int_equal(hard(2 * HOUR), BL_CHANGE_SUPPRESS); /* the same strike, a new verdict */
    assert_int_equal(record.strikes, 1);
    assert_suppressed_until(7 * DAY);
}

static void a_delivery_older_than_the_last_failure_clears_nothing(void **state)
{
    (void)state;
    hard(HOUR);
    assert_int_equal(delivered(HOUR - 1), BL_CHANGE_NOTED);
    assert_suppressed_until(HOUR + 7 * DAY);
    assert_int_equal(delivered(HOUR - 1), BL_CHANGE_NONE);
    /* same stamp: the order in the log decides */
    assert_int_equal(delivered(HOUR), BL_CHANGE_CLEAR);
}

static void a_failure_older_than_the_last_delivery_goes_to_history(void **state)
{
    (void)state;
    hard(0);
    delivered(2 * DAY);
    assert_int_equal(hard(2 * DAY - 1), BL_CHANGE_NOTED);
    assert_int_equal(record.state, BL_ADDRESS_CLEAN);
    assert_int_equal(record.strikes, 1);
    assert_int_equal(record.failures, 2);
}

static void a_delivery_alone_makes_no_record(void **state)
{
    struct bl_address_record nothing = {0};

    (void)state;
    assert_int_equal(delivered(0), BL_CHANGE_NONE);
    assert_true(record_eq(&record, &nothing));
}

static void an_old_verdict_goes_to_history_and_its_strike_counts(void **state)
{
    (void)state;
    assert_int_equal(apply(BL_ADDRESS_FAILED, BL_ACTION_SUPPRESS, 0, 7 * DAY), BL_CHANGE_NOTED);
    assert_int_equal(record.state, BL_ADDRESS_CLEAN);
    assert_int_equal(record.strikes, 1);
    assert_int_equal(apply(BL_ADDRESS_FAILED, BL_ACTION_SUPPRESS, HOUR, 7 * DAY + 1),
                     BL_CHANGE_NOTED);
    assert_int_equal(record.state, BL_ADDRESS_CLEAN); /* within the verdict that ended */
    assert_int_equal(apply(BL_ADDRESS_FAILED, BL_ACTION_SUPPRESS, 5 * DAY, 40 * DAY),
                     BL_CHANGE_SUPPRESS);
    assert_suppressed_until(95 * DAY);
}

static void five_soft_days_over_a_week_suppress_for_a_month(void **state)
{
    (void)state;
    assert_int_equal(soft(0), BL_CHANGE_NOTED);
    assert_int_equal(record.state, BL_ADDRESS_WATCH);
    soft(HOUR); /* the same day */
    soft(1 * DAY);
    soft(2 * DAY);
    soft(3 * DAY);
    soft(4 * DAY);
    assert_int_equal(record.soft_days, 5);
    assert_int_equal(record.state, BL_ADDRESS_WATCH); /* not spread over a week */
    assert_int_equal(soft(7 * DAY), BL_CHANGE_SUPPRESS);
    assert_suppressed_until(37 * DAY);
    assert_true(record.soft);
    assert_int_equal(record.strikes, 0);
    assert_int_equal(record.soft_days, 0);
}

static void soft_days_leave_the_window(void **state)
{
    (void)state;
    soft(0);
    soft(1 * DAY);
    soft(20 * DAY);
    soft(30 * DAY);
    assert_int_equal(record.soft_days, 3);
    soft(31 * DAY);
    assert_int_equal(record.soft_days, 3);
    assert_int_equal(record.state, BL_ADDRESS_WATCH);
}

static void a_delivery_between_begins_the_count_anew(void **state)
{
    (void)state;
    for (int day = 0; day < 4; day++)
        soft(day * 2 * DAY);
    assert_int_equal(delivered(7 * DAY), BL_CHANGE_NOTED);
    assert_int_equal(record.state, BL_ADDRESS_CLEAN);
    assert_int_equal(soft(8 * DAY), BL_CHANGE_NOTED);
    assert_int_equal(record.soft_days, 1);
}

static void more_soft_days_than_room_keep_the_oldest(void **state)
{
    struct bl_suppress_policy wide = bl_suppress_balanced;

    (void)state;
    wide.soft_spread_ms = 25 * DAY;
    policy = &wide;
    for (int day = 0; day < 25; day++)
        assert_int_equal(soft(day * DAY), BL_CHANGE_NOTED);
    assert_int_equal(record.soft_days, BL_ADDRESS_SOFT_DAYS);
    assert_int_equal(soft(25 * DAY), BL_CHANGE_SUPPRESS);
}

static void a_hard_failure_overrules_a_soft_verdict_and_the_longer_one_stands(void **state)
{
    (void)state;
    for (int day = 0; day < 5; day++)
        soft(day * 2 * DAY);
    assert_suppressed_until(38 * DAY);
    assert_int_equal(hard(9 * DAY), BL_CHANGE_NOTED); /* 16 is before 38 */
    assert_suppressed_until(38 * DAY);
    assert_true(record.soft);
    assert_int_equal(hard(10 * DAY), BL_CHANGE_EXTEND);
    assert_suppressed_until(100 * DAY);
    assert_false(record.soft);
}

static void soft_failures_under_a_verdict_are_watched_behind_it(void **state)
{
    (void)state;
    hard(0);
    assert_int_equal(soft(DAY), BL_CHANGE_NOTED);
    assert_int_equal(record.state, BL_ADDRESS_SUPPRESSED);
    assert_true(bl_suppress_expire(&record, START + 7 * DAY));
    assert_int_equal(record.state, BL_ADDRESS_WATCH);
}

static void removal_by_hand_is_probation(void **state)
{
    (void)state;
    hard(0);
    assert_int_equal(removed(HOUR), BL_CHANGE_REMOVE);
    assert_int_equal(record.state, BL_ADDRESS_CLEAN);
    assert_true(record.probation);
    assert_string_equal(record.actor, "root");
    assert_int_equal(removed(HOUR + 1), BL_CHANGE_NONE);
    assert_int_equal(hard(HOUR - 1), BL_CHANGE_NOTED); /* older than the removal */
    assert_int_equal(record.state, BL_ADDRESS_CLEAN);
    assert_int_equal(hard(2 * HOUR), BL_CHANGE_SUPPRESS);
    assert_suppressed_until(7 * DAY);
    assert_false(record.probation);
}

/* A log's stamps have no milliseconds: the failure of the same second reads as if it came
 * before. */
static void a_failure_in_the_second_of_the_removal_counts(void **state)
{
    (void)state;
    hard(0);
    removed(HOUR + 700);
    assert_int_equal(hard(HOUR - 1000), BL_CHANGE_NOTED); /* the second before does not */
    assert_true(record.probation);
    assert_int_equal(hard(HOUR), BL_CHANGE_SUPPRESS);
}

static void probation_ends_with_a_delivery(void **state)
{
    (void)state;
    add(0);
    removed(HOUR);
    assert_int_equal(delivered(2 * HOUR), BL_CHANGE_NOTED);
    assert_false(record.probation);
    assert_int_equal(soft(3 * HOUR), BL_CHANGE_NOTED);
    assert_int_equal(record.state, BL_ADDRESS_WATCH);
}

static void probation_ends_with_a_soft_failure_too(void **state)
{
    (void)state;
    add(0);
    removed(HOUR);
    assert_int_equal(soft(2 * HOUR), BL_CHANGE_SUPPRESS);
    assert_suppressed_until(2 * HOUR + 30 * DAY);
}

static void what_a_person_or_recipient_decided_stays(void **state)
{
    static const enum bl_address_state decided[] = {BL_ADDRESS_MANUAL, BL_ADDRESS_COMPLAINT,
                                                    BL_ADDRESS_EXEMPT};

    (void)state;
    for (size_t i = 0; i < BL_COUNT(decided); i++) {
        begin(NULL);
        record.version = 1;
        record.state = decided[i];
        record.since_ms = START - DAY;
        assert_int_equal(hard(0), BL_CHANGE_NOTED);
        assert_int_equal(record.failures, 1);
        for (int day = 0; day < 12; day++)
            soft(day * DAY);
        delivered(20 * DAY);
        hard(30 * DAY);
        assert_false(bl_suppress_expire(&record, START + 9999 * DAY));
        assert_int_equal(record.state, decided[i]);
        assert_int_equal(record.since_ms, START - DAY);
        assert_int_equal(record.strikes, 0);
        assert_int_equal(bl_suppress_forget_ms(&record, policy), 0);
        assert_int_equal(removed(31 * DAY),
                         decided[i] == BL_ADDRESS_EXEMPT ? BL_CHANGE_NOTED : BL_CHANGE_REMOVE);
        assert_int_equal(record.state, BL_ADDRESS_CLEAN);
        assert_int_equal(record.probation, decided[i] != BL_ADDRESS_EXEMPT);
    }
}

/* It once was told as a removal, after which the next failure suppresses. */
static void removal_of_what_is_only_watched_begins_its_count_anew(void **state)
{
    (void)state;
    for (int day = 0; day < 8; day += 2)
        soft(day * DAY);
    assert_int_equal(removed(7 * DAY), BL_CHANGE_NOTED);
    assert_int_equal(record.state, BL_ADDRESS_CLEAN);
    assert_int_equal(record.soft_days, 0);
    assert_false(record.probation);
    assert_int_equal(soft(8 * DAY), BL_CHANGE_NOTED); /* the fifth day */
    assert_int_equal(record.state, BL_ADDRESS_WATCH);
}

static void adding_by_hand_has_no_end(void **state)
{
    bl_address_event e;

    (void)state;
    hard(0);
    assert_int_equal(add(HOUR), BL_CHANGE_ADD);
    assert_int_equal(record.state, BL_ADDRESS_MANUAL);
    assert_int_equal(record.until_ms, 0);
    assert_int_equal(add(2 * HOUR), BL_CHANGE_NONE); /* same actor, same note */
    assert_int_equal(record.since_ms, START + HOUR);
    e = event_at(BL_ADDRESS_ADD, 0, 3 * HOUR);
    e.actor = BL_SLICE("ana");
    e.note = BL_SLICE("");
    assert_int_equal(bl_suppress_apply(&record, &e, policy, e.time_ms), BL_CHANGE_NONE);
    assert_string_equal(record.note, "because"); /* no note erases none */
    assert_string_equal(record.actor, "root");
    e.note = BL_SLICE("asked again");
    assert_int_equal(bl_suppress_apply(&record, &e, policy, e.time_ms), BL_CHANGE_NOTED);
    assert_string_equal(record.note, "asked again");
}

static void observing_never_blocks(void **state)
{
    (void)state;
    policy = &bl_suppress_observe;
    for (int day = 0; day < 40; day++) {
        assert_int_equal(soft(day * DAY), BL_CHANGE_NOTED);
        assert_int_equal(hard(day * DAY + HOUR), BL_CHANGE_NOTED);
        assert_false(bl_address_state_blocks(record.state));
    }
    assert_int_equal(record.strikes, 40);
    assert_string_equal(record.reply, "no such user");
    assert_int_equal(add(41 * DAY), BL_CHANGE_ADD); /* a person still can */
}

static void the_esp_profile_begins_with_half_a_year(void **state)
{
    (void)state;
    policy = &bl_suppress_esp;
    hard(0);
    assert_suppressed_until(180 * DAY);
    hard(2 * DAY);
    assert_suppressed_until(362 * DAY);
}

static void the_newest_failures_are_kept_in_order(void **state)
{
    (void)state;
    for (int hour = 0; hour < 20; hour++)
        hard(hour * HOUR);
    hard(HOUR / 2);             /* older than all that are kept */
    hard(10 * HOUR + HOUR / 2); /* between */
    assert_int_equal(record.failures, BL_ADDRESS_FAILURES);
    for (size_t i = 1; i < record.failures; i++)
        assert_true(record.failure[i - 1].time_ms > record.failure[i].time_ms);
    assert_int_equal(record.failure[0].time_ms, START + 19 * HOUR);
    assert_int_equal(record.failure[9].time_ms, START + 10 * HOUR + HOUR / 2);
    assert_int_equal(record.first_ms, START);
    assert_int_equal(record.last_ms, START + 19 * HOUR);
}

static void hostile_texts_are_cut_and_kept_apart(void **state)
{
    static struct bl_address_record again;
    bl_address_event e = event_at(BL_ADDRESS_FAILED, BL_ACTION_SUPPRESS, 0);
    char reply[5000], text[BL_ADDRESS_TEXT_MAX];

    (void)state;
    for (size_t i = 0; i < sizeof reply; i++)
        reply[i] = "\t\n\0\x1b\\x"[i % 6];
    e.reply = e.host = e.sender = e.category = (bl_slice){reply, sizeof reply};
    for (int i = 0; i < 20; i++)
        bl_suppress_apply(&record, &e, policy, START);
    assert_int_equal(
        bl_address_parse((bl_slice){text, bl_address_text(&record, text)}, &again, NULL), BL_OK);
    assert_true(record_eq(&record, &again));
    assert_memory_equal(record.reply, "\t\n?\x1b\\x", 6);
}

static void odd_times_are_taken_as_possible_ones(void **state)
{
    (void)state;
    assert_int_equal(apply(BL_ADDRESS_FAILED, BL_ACTION_SUPPRESS, 99999 * DAY, DAY),
                     BL_CHANGE_SUPPRESS);
    assert_suppressed_until(8 * DAY); /* nothing happens in the future */
    begin(NULL);
    apply(BL_ADDRESS_FAILED, BL_ACTION_SUPPRESS, INT64_MIN / 2, DAY);
    assert_int_equal(record.last_ms, 1);
    assert_int_equal(record.state, BL_ADDRESS_CLEAN);
}

static void a_record_is_forgotten_a_year_after_its_last_change(void **state)
{
    (void)state;
    hard(0);
    assert_int_equal(bl_suppress_forget_ms(&record, policy), START + 365 * DAY);
    for (int i = 1; i < 5; i++)
        hard(i * DAY);
    assert_int_equal(bl_suppress_forget_ms(&record, policy), record.until_ms); /* 720 days */
    removed(400 * DAY);
    assert_int_equal(bl_suppress_forget_ms(&record, policy), START + 765 * DAY);
}

static void an_event_of_no_action_does_nothing(void **state)
{
    struct bl_address_record nothing = {0};

    (void)state;
    assert_int_equal(apply(BL_ADDRESS_FAILED, BL_ACTION_NONE, 0, 0), BL_CHANGE_NONE);
    assert_true(record_eq(&record, &nothing));
}

static void an_ended_verdict_is_written_by_whatever_comes_next(void **state)
{
    (void)state;
    hard(0);
    record.version = 1;
    delivered(DAY);
    hard(2 * DAY);
    assert_int_equal(apply(BL_ADDRESS_DELIVERED, 0, HOUR, 200 * DAY), BL_CHANGE_NOTED);
    assert_int_equal(record.state, BL_ADDRESS_CLEAN);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define STORY(name) cmocka_unit_test_setup(name, begin)
        STORY(a_first_hard_failure_suppresses_for_a_week),
        STORY(there_is_one_strike_a_day),
        STORY(terms_grow_with_strikes_up_to_720_days),
        STORY(strikes_are_forgotten_after_a_year),
        STORY(a_delivery_clears_and_the_strikes_stay),
        STORY(a_delivery_older_than_the_last_failure_clears_nothing),
        STORY(a_failure_older_than_the_last_delivery_goes_to_history),
        STORY(a_delivery_alone_makes_no_record),
        STORY(an_old_verdict_goes_to_history_and_its_strike_counts),
        STORY(five_soft_days_over_a_week_suppress_for_a_month),
        STORY(soft_days_leave_the_window),
        STORY(a_delivery_between_begins_the_count_anew),
        STORY(more_soft_days_than_room_keep_the_oldest),
        STORY(a_hard_failure_overrules_a_soft_verdict_and_the_longer_one_stands),
        STORY(soft_failures_under_a_verdict_are_watched_behind_it),
        STORY(removal_by_hand_is_probation),
        STORY(a_failure_in_the_second_of_the_removal_counts),
        STORY(probation_ends_with_a_delivery),
        STORY(probation_ends_with_a_soft_failure_too),
        STORY(what_a_person_or_recipient_decided_stays),
        STORY(removal_of_what_is_only_watched_begins_its_count_anew),
        STORY(adding_by_hand_has_no_end),
        STORY(observing_never_blocks),
        STORY(the_esp_profile_begins_with_half_a_year),
        STORY(the_newest_failures_are_kept_in_order),
        STORY(hostile_texts_are_cut_and_kept_apart),
        STORY(odd_times_are_taken_as_possible_ones),
        STORY(a_record_is_forgotten_a_year_after_its_last_change),
        STORY(an_event_of_no_action_does_nothing),
        STORY(an_ended_verdict_is_written_by_whatever_comes_next),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
