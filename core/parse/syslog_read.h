/* syslog_read.h -- the envelope around a log line
 *
 *   [<PRI>] STAMP blanks HOST blanks PROGRAM [ "[" PID "]" ] [":"] [" "] BODY
 *
 * Lines of one second and one host begin with the same bytes but for the fraction's digits, so the
 * stamper keeps the last head and a line that begins like it is not read again.  Behind it stands
 * the tag, whose ordinary shape `program[pid]: ` is found by bit masks; every other shape goes the
 * long way.
 *
 * A header, because it is compiled twice: in syslog.c, and inside the loop of worker_avx2.c.
 */
#ifndef BOUNCELINE_SYSLOG_READ_H
#define BOUNCELINE_SYSLOG_READ_H

#include "bounceline/syslog.h"

#include "window.h"

static inline size_t count_blanks(bl_slice s)
{
    size_t n = 0;

    while (n < s.n && s.p[n] == ' ')
        n++;
    return n;
}

/* PRI: `<` one to three digits `>`. */
static inline void take_priority(bl_slice *in)
{
    bl_slice rest = *in;
    uint64_t value;

    if (bl_slice_take(&rest, BL_SLICE("<")) && bl_slice_take_u64(&rest, &value) && value <= 191 &&
        bl_slice_take(&rest, BL_SLICE(">")))
        *in = rest;
}

/* `532042`, to microseconds; false when one of them is no digit.  What lies below a microsecond is
 * dropped. */
static inline bool read_fraction(const char *digits, size_t n, int64_t *us)
{
    static const int32_t unit[] = {1000000, 100000, 10000, 1000, 100, 10, 1};
    int64_t value = 0;
    bool all = true;

    for (size_t i = 0; i < n; i++) {
        all &= bl_is_digit(digits[i]);
        value = i < 6 ? value * 10 + (digits[i] - '0') : value;
    }
    *us = value * unit[n < 6 ? n : 6];
    return all;
}

static inline void remember_head(struct bl_stamper *stamper, bl_slice line, bl_slice rest,
                                 const bl_syslog *head)
{
    size_t n = line.n - rest.n, host_at = (size_t)(head->host.p - line.p), dot, end;
    int64_t fraction_us = 0;

    stamper->head_n = 0;
    if (n > sizeof stamper->head)
        return;
    dot = bl_slice_find_byte((bl_slice){line.p, host_at}, '.');
    for (end = dot + (dot < host_at); end < host_at && bl_is_digit(line.p[end]);)
        end++;
    stamper->fraction_at = dot < host_at ? dot + 1 : 0;
    stamper->fraction_n = dot < host_at ? end - (dot + 1) : 0;
    if (stamper->fraction_n > 9 ||
        !read_fraction(line.p + stamper->fraction_at, stamper->fraction_n, &fraction_us))
        return;
    memcpy(stamper->head, line.p, n);
    stamper->head_n = n;
    stamper->host_at = host_at;
    stamper->host_n = head->host.n;
    stamper->head_us = head->time_us - fraction_us;
}

/* Not inlined: once a second, while recall_head runs for every line. */
RARELY bool take_head(bl_slice *in, struct bl_stamper *stamper, bl_syslog *out)
{
    bl_slice rest = *in;
    size_t blanks;

    take_priority(&rest);
    if (rest.n == 0)
        return false;
    if (!(bl_is_digit(rest.p[0]) ? bl_stamp_take_rfc3339(stamper, &rest, &out->time_us)
                                 : bl_stamp_take_rfc3164(stamper, &rest, &out->time_us)))
        return false;
    blanks = count_blanks(rest);
    rest = bl_slice_drop(rest, blanks);
    out->host = bl_slice_head(rest, bl_window_find(rest, ' '));
    rest = bl_slice_drop(rest, out->host.n);
    if (blanks == 0 || out->host.n == 0 || rest.n == 0)
        return false;
    rest = bl_slice_drop(rest, count_blanks(rest));
    remember_head(stamper, *in, rest, out);
    *in = rest;
    return true;
}

static inline bool recall_head(bl_slice *in, const struct bl_stamper *stamper, bl_syslog *out)
{
    size_t n = stamper->head_n, digits = stamper->fraction_n;
    int64_t fraction_us = 0;

    if (n == 0 || !bl_window_starts(*in, stamper->head, n, stamper->fraction_at, digits) ||
        in->n == n || in->p[n] == ' ')
        return false;
    if (digits && !read_fraction(in->p + stamper->fraction_at, digits, &fraction_us))
        return false;
    out->time_us = stamper->head_us + fraction_us;
    out->host = (bl_slice){in->p + stamper->host_at, stamper->host_n};
    *in = bl_slice_drop(*in, n);
    return true;
}

/* Any other tag: without pid, cut to 32 bytes (then the colon, the bracket or digits are missing),
 * or ended by a bare blank. */
RARELY bool read_odd_tag(bl_slice in, bl_syslog *out)
{
    bl_slice tag = bl_slice_head(in, bl_window_find(in, ' '));
    size_t open = bl_slice_find_byte(tag, '[');

    in = bl_slice_drop(in, tag.n);
    (void)bl_slice_take(&in, BL_SLICE(" "));
    out->body = in;
    out->program = bl_slice_head(tag, open);
    if (open == tag.n && bl_slice_ends(tag, BL_SLICE(":")))
        out->program.n--;
    return out->program.n > 0;
}

/* `program[pid]: `, the first blank within the window. */
static inline bool read_tag(bl_slice in, bl_syslog *out)
{
    struct bl_window w = bl_window_open(in);
    uint64_t blank = bl_window_mask(&w, ' '), open = bl_window_mask(&w, '[');
    size_t end = blank ? (size_t)__builtin_ctzll(blank) : 0,
           pid = open ? (size_t)__builtin_ctzll(open) : 0;

    if (end < 5 || end >= in.n || in.p[end - 1] != ':' || in.p[end - 2] != ']' || pid == 0 ||
        pid > end - 3)
        return read_odd_tag(in, out);
    out->program.p = in.p;
    out->program.n = pid;
    out->body.p = in.p + end + 1;
    out->body.n = in.n - end - 1;
    return true;
}

static inline bool read_syslog(bl_slice line, struct bl_stamper *stamper, bl_syslog *out)
{
    return (recall_head(&line, stamper, out) || take_head(&line, stamper, out)) &&
           read_tag(line, out);
}

#endif
