/* ctest: label=quick timeout=30 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "bounceline/stamp.h"
#include "guarded.h"

/* Europe/Berlin around 2026, as the edge would fill it in. */
static const bl_zone berlin = {
    .n = 5,
    .step = {{INT64_MIN, 3600},
             {1774746000, 7200},  /* 2026-03-29T01:00Z */
             {1792890000, 3600},  /* 2026-10-25T01:00Z */
             {1806195600, 7200},  /* 2027-03-28T01:00Z */
             {1824944400, 3600}}, /* 2027-10-31T01:00Z */
    .name = {"CET", "CEST", "CET", "CEST", "CET"},
};

static const int64_t november = 1795323817; /* 2026-11-22T05:03:37Z */

static const struct {
    const char *name, *in, *rest, *want; /* want: NULL when it is no stamp */
} rfc3164[] = {
    {"as syslog writes it", "Nov 22 05:03:37 mta1", " mta1", "2026-11-22T05:03:37Z"},
    {"day padded with a blank", "Nov  2 05:03:37 mta1", " mta1", "2026-11-02T05:03:37Z"},
    {"day padded with a zero", "Nov 02 05:03:37 mta1", " mta1", "2026-11-02T05:03:37Z"},
    {"day not padded", "Nov 2 05:03:37 mta1", " mta1", "2026-11-02T05:03:37Z"},
    {"fraction", "Nov 22 05:03:37.25 mta1", " mta1", "2026-11-22T05:03:37.250Z"},
    {"nothing behind it", "Nov 22 05:03:37", "", "2026-11-22T05:03:37Z"},
    {"leap second", "Dec 31 23:59:60 a", " a", "2026-01-01T00:00:00Z"},
    {"this year's first line", "Jan  1 00:00:00 a", " a", "2026-01-01T00:00:00Z"},
    {"this year, half a year ago", "May 30 00:00:00 a", " a", "2026-05-30T00:00:00Z"},
    {"leap day: the last one was in 2024", "Feb 29 12:00:00 a", " a", "2024-02-29T12:00:00Z"},
    {"with the year behind the day", "Nov 22 2025 05:03:37 a", " a", "2025-11-22T05:03:37Z"},
    {"with the year before the month", "2024 Feb 29 05:03:37.5 a", " a",
     "2024-02-29T05:03:37.500Z"},
    {"a year without that day", "Feb 29 2025 05:03:37 a", "Feb 29 2025 05:03:37 a", NULL},
    {"two years", "2025 Nov 22 2025 05:03:37 a", "2025 Nov 22 2025 05:03:37 a", NULL},
    {"30 February", "Feb 30 12:00:00 a", "Feb 30 12:00:00 a", NULL},
    {"day 0", "Nov 00 05:03:37 a", "Nov 00 05:03:37 a", NULL},
    {"hour 24", "Nov 22 24:03:37 a", "Nov 22 24:03:37 a", NULL},
    {"minute 60", "Nov 22 05:60:37 a", "Nov 22 05:60:37 a", NULL},
    {"second 61", "Nov 22 05:03:61 a", "Nov 22 05:03:61 a", NULL},
    {"no month", "Nor 22 05:03:37 a", "Nor 22 05:03:37 a", NULL},
    {"three digits of day", "Nov 222 05:03:37", "Nov 222 05:03:37", NULL},
    {"cut in the seconds", "Nov 22 05:03:3", "Nov 22 05:03:3", NULL},
    {"cut behind the day", "Nov 22", "Nov 22", NULL},
    {"empty", "", "", NULL},
};

static const struct {
    const char *name, *in, *rest, *want;
} rfc3339[] = {
    {"microseconds and zone", "2026-11-22T05:03:37.532042+00:00 m", " m",
     "2026-11-22T05:03:37.532042Z"},
    {"milliseconds, Z", "2026-11-22T05:03:37.532Z m", " m", "2026-11-22T05:03:37.532Z"},
    {"nanoseconds are cut", "2026-11-22T05:03:37.123456789Z m", " m",
     "2026-11-22T05:03:37.123456Z"},
    {"one digit", "2026-11-22T05:03:37.5+01:00 m", " m", "2026-11-22T04:03:37.500Z"},
    {"a dot and no digit", "2026-11-22T05:03:37.Z m", " m", "2026-11-22T05:03:37Z"},
    {"zone without colon", "2026-11-22T05:03:37-0530 m", " m", "2026-11-22T10:33:37Z"},
    {"blank for T", "2026-11-22 05:03:37+00:00 m", " m", "2026-11-22T05:03:37Z"},
    {"no zone: the local one, winter", "2026-11-22T05:03:37 m", " m", "2026-11-22T04:03:37Z"},
    {"no zone: the local one, summer", "2026-07-22T05:03:37 m", " m", "2026-07-22T03:03:37Z"},
    {"leap day", "2024-02-29T00:00:00Z", "", "2024-02-29T00:00:00Z"},
    {"no leap day", "2023-02-29T00:00:00Z", "2023-02-29T00:00:00Z", NULL},
    {"not a leap century", "2100-02-29T00:00:00Z", "2100-02-29T00:00:00Z", NULL},
    {"long ago", "1969-12-31T23:59:59.5Z", "", "1969-12-31T23:59:59.500Z"},
    {"ten digits of fraction leave one", "2026-11-22T05:03:37.1234567891Z", "1Z",
     "2026-11-22T04:03:37.123456Z"},
    {"a zone cut short is none", "2026-11-22T05:03:37+01", "+01", "2026-11-22T04:03:37Z"},
    {"month 13", "2026-13-22T05:03:37Z", "2026-13-22T05:03:37Z", NULL},
    {"a slash", "2026/11-22T05:03:37Z", "2026/11-22T05:03:37Z", NULL},
    {"cut", "2026-11-22T05:03:3", "2026-11-22T05:03:3", NULL},
    {"empty", "", "", NULL},
};

static const struct {
    const char *name, *in, *rest, *want;
} full[] = {
    {"UTC", "Sun 2026-11-22 05:16:53 UTC m", " m", "2026-11-22T05:16:53Z"},
    {"microseconds", "Sun 2026-11-22 05:16:53.838445 UTC m", " m", "2026-11-22T05:16:53.838445Z"},
    {"the local zone's name", "Sun 2026-11-22 05:16:53 CET m", " m", "2026-11-22T04:16:53Z"},
    {"an hour shown twice: the first time", "Sun 2026-10-25 02:30:00 CEST m", " m",
     "2026-10-25T00:30:00Z"},
    {"an hour shown twice: again", "Sun 2026-10-25 02:30:00 CET m", " m", "2026-10-25T01:30:00Z"},
    {"a zone without a name", "Sun 2026-11-22 05:16:53 +03 m", " m", "2026-11-22T02:16:53Z"},
    {"one with minutes", "Sun 2026-11-22 05:16:53 +0530 m", " m", "2026-11-21T23:46:53Z"},
    {"somebody else's zone is ours", "Sun 2026-11-22 05:16:53 XYZ m", " m", "2026-11-22T04:16:53Z"},
    {"no zone", "Sun 2026-11-22 05:16:53", "Sun 2026-11-22 05:16:53", NULL},
    {"an empty zone", "Sun 2026-11-22 05:16:53  m", "Sun 2026-11-22 05:16:53  m", NULL},
    {"no weekday", "Son 2026-11-22 05:16:53 UTC", "Son 2026-11-22 05:16:53 UTC", NULL},
    {"only a weekday", "Sun", "Sun", NULL},
};

static void check(bool took, bl_slice in, int64_t time_us, const char *rest, const char *want)
{
    char text[BL_STAMP_TEXT_MAX];

    assert_int_equal(took, want != NULL);
    assert_int_equal(in.n, strlen(rest));
    assert_memory_equal(in.p, rest, in.n);
    if (want) {
        assert_int_equal(bl_stamp_text(time_us, text), strlen(want));
        assert_string_equal(text, want);
    }
}

static void short_full_stamps_are_read_or_left_alone(void **state)
{
    (void)state;
    for (size_t i = 0; i < BL_COUNT(full); i++) {
        struct bl_stamper stamper;
        bl_slice in = guarded(full[i].in);
        int64_t time_us = 0;
        bool took;

        print_message("%s\n", full[i].name);
        bl_stamper_init(&stamper, &berlin);
        bl_stamper_refer(&stamper, november);
        took = bl_stamp_take_full(&stamper, &in, &time_us);
        check(took, in, time_us, full[i].rest, full[i].want);
    }
}

static void rfc3164_stamps_are_read_or_left_alone(void **state)
{
    (void)state;
    for (size_t i = 0; i < BL_COUNT(rfc3164); i++) {
        struct bl_stamper stamper;
        int64_t time_us = 0;

        print_message("%s\n", rfc3164[i].name);
        bl_stamper_init(&stamper, NULL);
        bl_stamper_refer(&stamper, november);
        for (int again = 0; again < 2; again++) { /* the second time from memory */
            bl_slice in = guarded(rfc3164[i].in);
            bool took = bl_stamp_take_rfc3164(&stamper, &in, &time_us);

            check(took, in, time_us, rfc3164[i].rest, rfc3164[i].want);
        }
    }
}

static void rfc3339_stamps_are_read_or_left_alone(void **state)
{
    (void)state;
    for (size_t i = 0; i < BL_COUNT(rfc3339); i++) {
        struct bl_stamper stamper;
        int64_t time_us = 0;

        print_message("%s\n", rfc3339[i].name);
        bl_stamper_init(&stamper, &berlin);
        bl_stamper_refer(&stamper, november);
        for (int again = 0; again < 2; again++) {
            bl_slice in = guarded(rfc3339[i].in);
            bool took = bl_stamp_take_rfc3339(&stamper, &in, &time_us);

            check(took, in, time_us, rfc3339[i].rest, rfc3339[i].want);
        }
    }
}

/* The stamp says nothing about the year: it is the latest that is not in the reference's future,
 * give or take two days.  The rule before (the nearest year) fails every line named `nearest
 * says`. */
static const struct {
    const char *name;
    int64_t reference_s;
    const char *in, *want;
} years[] = {
    {"last year's last line, read after midnight", 1767225601 /* 2026-01-01T00:00:01Z */,
     "Dec 31 23:59:59", "2025-12-31T23:59:59Z"},
    {"new year's first line, clock a little behind", 1767225599, "Jan  1 00:00:00",
     "2026-01-01T00:00:00Z"},
    {"the same, a minute before midnight", 1767225540, "Jan  1 00:00:30", "2026-01-01T00:00:30Z"},
    {"clock ahead by two days", 1767225600, "Jan  3 00:00:00", "2026-01-03T00:00:00Z"},
    {"and by more: nearest says 2026", 1767225600, "Jan  3 00:00:01", "2025-01-03T00:00:01Z"},
    {"January in November: nearest says 2027", 1795323817, "Jan  2 00:00:00",
     "2026-01-02T00:00:00Z"},
    {"March in November: nearest says 2027", 1795323817, "Mar 10 00:00:00", "2026-03-10T00:00:00Z"},
    {"May in November: nearest says 2027", 1795323817, "May 20 00:00:00", "2026-05-20T00:00:00Z"},
    {"a moment ago in November", 1795323817, "Nov 22 05:03:36", "2026-11-22T05:03:36Z"},
    {"last year's November", 1795323817, "Nov 25 00:00:00", "2025-11-25T00:00:00Z"},
    {"a leap day across a century without one", 4133980800 /* 2101-01-01 */, "Feb 29 00:00:00",
     "2096-02-29T00:00:00Z"},
    {"last March, read in February: nearest says 2026", 1770000000 /* 2026-02-02 */,
     "Mar 10 00:00:00", "2025-03-10T00:00:00Z"},
    {"a log of last August, read in February", 1770000000, "Aug 10 00:00:00",
     "2025-08-10T00:00:00Z"},
    {"a reference before 1970", -1, "Jan  1 00:00:00", "1970-01-01T00:00:00Z"},
    {"a reference that cannot be", INT64_MAX, "Dec 31 23:59:59", "9999-12-31T23:59:59Z"},
};

static void the_year_is_the_latest_that_has_begun_by_the_reference(void **state)
{
    (void)state;
    for (size_t i = 0; i < BL_COUNT(years); i++) {
        bl_slice in = guarded(years[i].in);
        struct bl_stamper stamper;
        int64_t time_us = 0;

        print_message("%s\n", years[i].name);
        bl_stamper_init(&stamper, NULL);
        bl_stamper_refer(&stamper, years[i].reference_s);
        assert_true(bl_stamp_take_rfc3164(&stamper, &in, &time_us));
        check(true, in, time_us, "", years[i].want);
    }
}

static const struct {
    const char *name;
    int64_t reference_s;
    const char *in, *want;
} edges[] = {
    {"before spring's step", 1774745000, "Mar 29 01:59:59", "2026-03-29T00:59:59Z"},
    {"behind it", 1774747000, "Mar 29 03:00:00", "2026-03-29T01:00:00Z"},
    {"the hour that is skipped", 1774747000, "Mar 29 02:30:00", "2026-03-29T01:30:00Z"},
    {"autumn's doubled hour, written the first time", 1792888200, "Oct 25 02:30:00",
     "2026-10-25T00:30:00Z"},
    {"autumn's doubled hour, written the second time", 1792891800, "Oct 25 02:30:00",
     "2026-10-25T01:30:00Z"},
    {"behind autumn's step", 1792895000, "Oct 25 03:00:00", "2026-10-25T02:00:00Z"},
    {"new year in local time", 1798758000 /* 2026-12-31T23:00:00Z */, "Jan  1 00:00:00",
     "2026-12-31T23:00:00Z"},
};

static void local_time_becomes_utc_at_every_edge(void **state)
{
    (void)state;
    for (size_t i = 0; i < BL_COUNT(edges); i++) {
        bl_slice in = guarded(edges[i].in);
        struct bl_stamper stamper;
        int64_t time_us = 0;

        print_message("%s\n", edges[i].name);
        bl_stamper_init(&stamper, &berlin);
        bl_stamper_refer(&stamper, edges[i].reference_s);
        assert_true(bl_stamp_take_rfc3164(&stamper, &in, &time_us));
        check(true, in, time_us, "", edges[i].want);
    }
}

/* What is remembered must not outlive the reference it was read with.  Without the reset in
 * bl_stamper_refer the second answer here is 2025. */
static void another_reference_is_another_answer(void **state)
{
    struct bl_stamper stamper;
    int64_t time_us = 0;
    bl_slice in = guarded("Jun  1 00:00:00");
    size_t forgotten;

    (void)state;
    bl_stamper_init(&stamper, NULL);
    bl_stamper_refer(&stamper, 1748736000); /* 2025-06-01 */
    assert_true(bl_stamp_take_rfc3164(&stamper, &in, &time_us));
    check(true, in, time_us, "", "2025-06-01T00:00:00Z");
    forgotten = stamper.seen_n;
    bl_stamper_refer(&stamper, 1780272000); /* 2026-06-01 */
    in = guarded("Jun  1 00:00:00");
    assert_true(bl_stamp_take_rfc3164(&stamper, &in, &time_us));
    check(true, in, time_us, "", "2026-06-01T00:00:00Z");

    /* negative control: the same with the memory put back */
    stamper.seen_n = forgotten;
    stamper.seen_s = 1748736000;
    in = guarded("Jun  1 00:00:00");
    assert_true(bl_stamp_take_rfc3164(&stamper, &in, &time_us));
    check(true, in, time_us, "", "2025-06-01T00:00:00Z");
}

static void every_day_of_400_years_comes_back(void **state)
{
    char text[BL_STAMP_TEXT_MAX];
    struct bl_stamper stamper;

    (void)state;
    bl_stamper_init(&stamper, NULL);
    for (int64_t day = -150000; day < 150000; day++) { /* 1559 to 2380 */
        int64_t time_us = 0, want_us = (day * 86400 + 43200) * 1000000 + 7;
        bl_slice in = {text, bl_stamp_text(want_us, text)};

        assert_true(bl_stamp_take_rfc3339(&stamper, &in, &time_us));
        assert_int_equal(time_us, want_us);
        assert_int_equal(in.n, 0);
    }
}

static void text_outside_of_four_digit_years_stays_at_the_border(void **state)
{
    char text[BL_STAMP_TEXT_MAX];

    (void)state;
    bl_stamp_text(INT64_MAX, text);
    assert_string_equal(text, "9999-12-31T23:59:59.999999Z");
    bl_stamp_text(INT64_MIN, text);
    assert_string_equal(text, "0000-01-01T00:00:00Z");
    bl_stamp_text(-1, text);
    assert_string_equal(text, "1969-12-31T23:59:59.999999Z");
    bl_stamp_text(1000, text);
    assert_string_equal(text, "1970-01-01T00:00:00.001Z");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rfc3164_stamps_are_read_or_left_alone),
        cmocka_unit_test(short_full_stamps_are_read_or_left_alone),
        cmocka_unit_test(rfc3339_stamps_are_read_or_left_alone),
        cmocka_unit_test(the_year_is_the_latest_that_has_begun_by_the_reference),
        cmocka_unit_test(local_time_becomes_utc_at_every_edge),
        cmocka_unit_test(another_reference_is_another_answer),
        cmocka_unit_test(every_day_of_400_years_comes_back),
        cmocka_unit_test(text_outside_of_four_digit_years_stays_at_the_border),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
