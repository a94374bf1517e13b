/* stamp.c -- times in logs
 *
 * Days are counted from 1 March, so that the leap day is the last of its year and months need no
 * table.
 */
#include "bounceline/stamp.h"

enum { DAY_S = 86400, AHEAD_S = 2 * DAY_S };

/* The years 0000 to 9999. */
static const int64_t FIRST_S = INT64_C(-62167219200), LAST_S = INT64_C(253402300799);

/* Days since 1970-01-01 of a date of the Gregorian calendar. */
static int64_t days_of(int64_t year, unsigned month, unsigned day)
{
    int64_t y = month <= 2 ? year - 1 : year;
    int64_t era = (y >= 0 ? y : y - 399) / 400;
    unsigned of_era = (unsigned)(y - era * 400);
    unsigned of_year = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1;

    return era * 146097 + (int64_t)of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

static void date_of(int64_t days, int64_t *year, unsigned *month, unsigned *day)
{
    int64_t z = days + 719468;
    int64_t era = (z >= 0 ? z : z - 146096) / 146097;
    unsigned of_era = (unsigned)(z - era * 146097);
    unsigned y = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
    unsigned of_year = of_era - (365 * y + y / 4 - y / 100);
    unsigned m = (5 * of_year + 2) / 153;

    *day = of_year - (153 * m + 2) / 5 + 1;
    *month = m < 10 ? m + 3 : m - 9;
    *year = (int64_t)y + era * 400 + (*month <= 2);
}

static bool is_leap(int64_t year)
{
    return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
}

static unsigned month_days(int64_t year, unsigned month)
{
    static const unsigned char days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};

    return month == 2 && is_leap(year) ? 29 : days[month - 1];
}

static int64_t distance(int64_t a, int64_t b)
{
    return a > b ? a - b : b - a;
}

/* What the clock on the wall shows, to UTC.  Each step of the zone proposes its own reading; those
 * that fall into their step's time are right, the nearest to the reference wins. */
static int64_t utc_of_local(const struct bl_stamper *stamper, int64_t local_s)
{
    const bl_zone *zone = &stamper->zone;
    int64_t best = 0;
    bool found = false;

    if (zone->n == 0)
        return local_s;
    for (size_t i = 0; i < zone->n; i++) {
        int64_t utc = local_s - zone->step[i].offset_s;

        if (utc < zone->step[i].since_s || (i + 1 < zone->n && utc >= zone->step[i + 1].since_s))
            continue;
        if (!found || distance(utc, stamper->reference_s) < distance(best, stamper->reference_s))
            best = utc;
        found = true;
    }
    if (found)
        return best;
    /* Skipped by the clock: behind the step by the old offset, before it by the new one. */
    for (size_t i = 1; i < zone->n; i++)
        if (local_s - zone->step[i].offset_s < zone->step[i].since_s)
            return local_s - zone->step[i - 1].offset_s;
    return local_s - zone->step[zone->n - 1].offset_s;
}

void bl_stamper_init(struct bl_stamper *stamper, const bl_zone *zone)
{
    *stamper = (struct bl_stamper){0};
    if (zone)
        stamper->zone = *zone;
    if (stamper->zone.n > BL_ZONE_STEPS)
        stamper->zone.n = BL_ZONE_STEPS;
}

void bl_stamper_refer(struct bl_stamper *stamper, int64_t reference_s)
{
    /* Years 0 to 9999: beyond lie only damaged file times, and overflow. */
    reference_s = reference_s < FIRST_S ? FIRST_S : reference_s > LAST_S ? LAST_S : reference_s;
    if (reference_s == stamper->reference_s)
        return;
    stamper->reference_s = reference_s;
    stamper->seen_n = 0;
    stamper->head_n = stamper->plain_n = 0;
    stamper->head_care = 0;
    stamper->has_exim = false;
}

static bool two_digits(const char *p, unsigned *out)
{
    if (!bl_is_digit(p[0]) || !bl_is_digit(p[1]))
        return false;
    *out = (unsigned)(p[0] - '0') * 10 + (unsigned)(p[1] - '0');
    return true;
}

/* 1..12, or 0. */
static unsigned month_of(const char *p)
{
    static const char names[] = "JanFebMarAprMayJunJulAugSepOctNovDec";

    for (unsigned i = 0; i < 12; i++)
        if (memcmp(p, names + 3 * i, 3) == 0)
            return i + 1;
    return 0;
}

/* Takes `hh:mm:ss`, leap second included. */
static bool take_clock(bl_slice *in, int64_t *out)
{
    unsigned hour, minute, second;
    const char *p = in->p;

    if (in->n < 8 || p[2] != ':' || p[5] != ':' || !two_digits(p, &hour) ||
        !two_digits(p + 3, &minute) || !two_digits(p + 6, &second) || hour > 23 || minute > 59 ||
        second > 60)
        return false;
    *out = (int64_t)(hour * 3600 + minute * 60 + second);
    *in = bl_slice_drop(*in, 8);
    return true;
}

/* Takes `.532042`, 0..9 digits; what lies below a microsecond is dropped. */
static int64_t take_fraction(bl_slice *in)
{
    int64_t us = 0, unit = 100000;
    size_t i = 1;

    if (in->n == 0 || in->p[0] != '.')
        return 0;
    for (; i < in->n && i <= 9 && bl_is_digit(in->p[i]); i++, unit /= 10)
        us += (in->p[i] - '0') * unit;
    *in = bl_slice_drop(*in, i);
    return us;
}

/* Takes `Z`, `+hh:mm`, `+hhmm`; false when there is no zone. */
static bool take_offset(bl_slice *in, int64_t *out)
{
    unsigned hours, minutes;
    size_t at = 3;

    if (in->n >= 1 && (in->p[0] == 'Z' || in->p[0] == 'z')) {
        *out = 0;
        *in = bl_slice_drop(*in, 1);
        return true;
    }
    if (in->n < 5 || (in->p[0] != '+' && in->p[0] != '-'))
        return false;
    at += in->p[3] == ':';
    if (in->n < at + 2 || !two_digits(in->p + 1, &hours) || !two_digits(in->p + at, &minutes) ||
        hours > 23 || minutes > 59)
        return false;
    *out = (int64_t)(hours * 3600 + minutes * 60) * (in->p[0] == '-' ? -1 : 1);
    *in = bl_slice_drop(*in, at + 2);
    return true;
}

/* Also with a blank before it, as Exim's log_timezone puts it. */
static bool take_zone(bl_slice *in, int64_t *out)
{
    bl_slice rest = *in;

    if (take_offset(in, out))
        return true;
    if (!bl_slice_take(&rest, BL_SLICE(" ")) || rest.n == 0 || bl_lower(rest.p[0]) == 'z' ||
        !take_offset(&rest, out))
        return false;
    *in = rest;
    return true;
}

static void remember(struct bl_stamper *stamper, bl_slice text, int64_t value_s)
{
    memcpy(stamper->seen, text.p, text.n);
    stamper->seen_n = text.n;
    stamper->seen_s = value_s;
}

static bool recalls(const struct bl_stamper *stamper, bl_slice in, size_t n)
{
    return stamper->seen_n == n && in.n >= n && memcmp(stamper->seen, in.p, n) == 0;
}

/* The latest year that leaves the stamp at most AHEAD_S after the reference.  29 February can be
 * eight years away. */
static bool latest_year(const struct bl_stamper *stamper, unsigned month, unsigned day,
                        int64_t clock_s, int64_t *out)
{
    int64_t this_year, time_s, span = month == 2 && day == 29 ? 8 : 1;
    unsigned unused_month, unused_day;

    date_of((stamper->reference_s - (stamper->reference_s < 0 ? DAY_S - 1 : 0)) / DAY_S, &this_year,
            &unused_month, &unused_day);
    for (int64_t year = this_year + 1; year >= this_year - span; year--) {
        if (day > month_days(year, month))
            continue;
        time_s = utc_of_local(stamper, days_of(year, month, day) * DAY_S + clock_s);
        if (time_s > stamper->reference_s + AHEAD_S)
            continue;
        *out = time_s;
        return true;
    }
    return false;
}

/* `22 `, ` 2 `, `02 `, `2 `: one or two digits and the blank behind them. */
static bool take_day(bl_slice *in, unsigned *out)
{
    bl_slice rest = *in;
    unsigned day;

    (void)bl_slice_take(&rest, BL_SLICE(" "));
    if (rest.n < 3 || !bl_is_digit(rest.p[0]))
        return false;
    day = (unsigned)(rest.p[0] - '0');
    rest = bl_slice_drop(rest, 1);
    if (bl_is_digit(rest.p[0])) {
        day = day * 10 + (unsigned)(rest.p[0] - '0');
        rest = bl_slice_drop(rest, 1);
    }
    if (!bl_slice_take(&rest, BL_SLICE(" ")) || day == 0)
        return false;
    *out = day;
    *in = rest;
    return true;
}

/* `2026 `, within the years that stamps are written for. */
static bool take_year(bl_slice *in, unsigned *out)
{
    unsigned century, year;

    if (in->n < 5 || !two_digits(in->p, &century) || !two_digits(in->p + 2, &year) ||
        in->p[4] != ' ')
        return false;
    *out = century * 100 + year;
    *in = bl_slice_drop(*in, 5);
    return true;
}

/* With a year, before the month or behind the day.  Rare, so nothing is remembered. */
static bool take_dated(struct bl_stamper *stamper, bl_slice *in, int64_t *time_us)
{
    bl_slice rest = *in;
    unsigned year = 0, month, day;
    int64_t clock_s;
    bool first = take_year(&rest, &year);

    if (rest.n < 14 || rest.p[3] != ' ' || (month = month_of(rest.p)) == 0)
        return false;
    rest = bl_slice_drop(rest, 4);
    if (!take_day(&rest, &day) || (!first && !take_year(&rest, &year)) ||
        !take_clock(&rest, &clock_s) || day > month_days(year, month))
        return false;
    *time_us = utc_of_local(stamper, days_of(year, month, day) * DAY_S + clock_s) * 1000000 +
               take_fraction(&rest);
    *in = rest;
    return true;
}

bool bl_stamp_take_rfc3164(struct bl_stamper *stamper, bl_slice *in, int64_t *time_us)
{
    bl_slice rest = *in, whole = *in;
    unsigned month, day;
    int64_t clock_s, time_s;

    if (recalls(stamper, rest, 15)) {
        rest = bl_slice_drop(rest, 15);
        time_s = stamper->seen_s;
    } else {
        if (rest.n < 14 || rest.p[3] != ' ' || (month = month_of(rest.p)) == 0)
            return take_dated(stamper, in, time_us);
        rest = bl_slice_drop(rest, 4);
        if (!take_day(&rest, &day) || !take_clock(&rest, &clock_s) ||
            !latest_year(stamper, month, day, clock_s, &time_s))
            return take_dated(stamper, in, time_us);
        whole.n -= rest.n;
        if (whole.n == 15)
            remember(stamper, whole, time_s);
    }
    *time_us = time_s * 1000000 + take_fraction(&rest);
    *in = rest;
    return true;
}

/* `2026-11-22T05:03:`, to the beginning of that minute, zone not yet applied. */
static bool read_minute(const char *p, int64_t *out)
{
    unsigned century, year, month, day, hour, minute;

    if (p[4] != '-' || p[7] != '-' || (p[10] != 'T' && p[10] != 't' && p[10] != ' ') ||
        p[13] != ':' || p[16] != ':' || !two_digits(p, &century) || !two_digits(p + 2, &year) ||
        !two_digits(p + 5, &month) || !two_digits(p + 8, &day) || !two_digits(p + 11, &hour) ||
        !two_digits(p + 14, &minute))
        return false;
    year += century * 100;
    if (month < 1 || month > 12 || day < 1 || day > month_days(year, month) || hour > 23 ||
        minute > 59)
        return false;
    *out = days_of(year, month, day) * DAY_S + (int64_t)(hour * 3600 + minute * 60);
    return true;
}

/* Takes `2026-11-22T05:03:37.532042`, as the clock on the wall showed it. */
static bool take_wall(struct bl_stamper *stamper, bl_slice *in, int64_t *time_s,
                      int64_t *fraction_us)
{
    unsigned second;

    if (in->n < 19 || !two_digits(in->p + 17, &second) || second > 60)
        return false;
    if (recalls(stamper, *in, 17)) {
        *time_s = stamper->seen_s;
    } else {
        if (!read_minute(in->p, time_s))
            return false;
        remember(stamper, bl_slice_head(*in, 17), *time_s);
    }
    *time_s += second;
    *in = bl_slice_drop(*in, 19);
    *fraction_us = take_fraction(in);
    return true;
}

/* `UTC`, `+0100`, `-03`, or a name that the local zone has; false when it is none of these. */
static bool read_zone(const struct bl_stamper *stamper, bl_slice name, int64_t *offset_s)
{
    bl_slice hours = name;
    unsigned value;

    if (bl_slice_eq(name, BL_SLICE("UTC")) || bl_slice_eq(name, BL_SLICE("GMT"))) {
        *offset_s = 0;
        return true;
    }
    if (take_offset(&hours, offset_s))
        return hours.n == 0;
    if (name.n == 3 && (name.p[0] == '+' || name.p[0] == '-') && two_digits(name.p + 1, &value)) {
        *offset_s = (int64_t)value * 3600 * (name.p[0] == '-' ? -1 : 1);
        return value <= 23;
    }
    for (size_t i = 0; i < stamper->zone.n && name.n < BL_ZONE_NAME_MAX; i++) {
        const char *known = stamper->zone.name[i];

        if (name.n && memcmp(known, name.p, name.n) == 0 && known[name.n] == '\0') {
            *offset_s = stamper->zone.step[i].offset_s;
            return true;
        }
    }
    return false;
}

bool bl_stamp_take_full(struct bl_stamper *stamper, bl_slice *in, int64_t *time_us)
{
    static const char days[] = "MonTueWedThuFriSatSun";
    bl_slice rest = *in, name;
    int64_t time_s, offset_s, fraction_us;
    unsigned day = 0;

    while (day < 7 && !bl_slice_starts(rest, (bl_slice){days + 3 * day, 3}))
        day++;
    if (day == 7 || rest.n < 4 || rest.p[3] != ' ')
        return false;
    rest = bl_slice_drop(rest, 4);
    if (!take_wall(stamper, &rest, &time_s, &fraction_us) || !bl_slice_take(&rest, BL_SLICE(" ")))
        return false;
    name = bl_slice_head(rest, bl_slice_find_byte(rest, ' '));
    if (name.n == 0)
        return false;
    if (read_zone(stamper, name, &offset_s))
        time_s -= offset_s;
    else
        time_s = utc_of_local(stamper, time_s);
    *time_us = time_s * 1000000 + fraction_us;
    *in = bl_slice_drop(rest, name.n);
    return true;
}

bool bl_stamp_take_rfc3339(struct bl_stamper *stamper, bl_slice *in, int64_t *time_us)
{
    bl_slice rest = *in;
    int64_t time_s, offset_s, fraction_us;

    if (!take_wall(stamper, &rest, &time_s, &fraction_us))
        return false;
    if (take_zone(&rest, &offset_s))
        time_s -= offset_s;
    else
        time_s = utc_of_local(stamper, time_s);
    *time_us = time_s * 1000000 + fraction_us;
    *in = rest;
    return true;
}

static size_t put_digits(char *out, uint64_t value, size_t n)
{
    for (size_t i = n; i-- > 0; value /= 10)
        out[i] = (char)('0' + value % 10);
    return n;
}

size_t bl_stamp_text(int64_t time_us, char out[BL_STAMP_TEXT_MAX])
{
    /* Four digits of year; what lies outside is shown at the border. */
    const int64_t first_us = FIRST_S * 1000000, last_us = LAST_S * 1000000 + 999999;
    int64_t days, us, year;
    unsigned month, day;
    size_t n = 0;

    time_us = time_us < first_us ? first_us : time_us > last_us ? last_us : time_us;
    days = time_us / (INT64_C(1000000) * DAY_S);
    us = time_us % (INT64_C(1000000) * DAY_S);
    if (us < 0) {
        us += INT64_C(1000000) * DAY_S;
        days--;
    }
    date_of(days, &year, &month, &day);
    n += put_digits(out + n, (uint64_t)year, 4);
    out[n++] = '-';
    n += put_digits(out + n, month, 2);
    out[n++] = '-';
    n += put_digits(out + n, day, 2);
    out[n++] = 'T';
    n += put_digits(out + n, (uint64_t)(us / 3600000000), 2);
    out[n++] = ':';
    n += put_digits(out + n, (uint64_t)(us / 60000000 % 60), 2);
    out[n++] = ':';
    n += put_digits(out + n, (uint64_t)(us / 1000000 % 60), 2);
    us %= 1000000;
    if (us != 0) {
        out[n++] = '.';
        n += us % 1000 == 0 ? put_digits(out + n, (uint64_t)(us / 1000), 3)
                            : put_digits(out + n, (uint64_t)us, 6);
    }
    out[n++] = 'Z';
    out[n] = '\0';
    return n;
}
