/* syslog.c -- the envelope around a log line
 *
 *   [<PRI>] STAMP blanks HOST blanks PROGRAM [ "[" PID "]" ] [":"] [" "] BODY
 *
 * Lines of one second and one host begin with the same bytes, so the stamper keeps the last head and a
 * line that begins like it is not read again.  Behind it stands the tag, whose ordinary shape
 * `program[pid]: ` is found by bit masks; every other shape goes the long way.
 */
#include "bounceline/syslog.h"

#include "window.h"

static size_t skip_blanks(bl_slice s)
{
    size_t n = 0;

    while (n < s.n && s.p[n] == ' ')
        n++;
    return n;
}

/* `n` is at least 16.  A loop over words instead of a call: the lengths are the same line after line. */
static bool same_bytes(const char *a, const char *b, size_t n)
{
    uint64_t x, y, differ = 0;

    for (size_t i = 0; i + 8 <= n; i += 8) {
        memcpy(&x, a + i, 8);
        memcpy(&y, b + i, 8);
        differ |= x ^ y;
    }
    memcpy(&x, a + n - 8, 8);
    memcpy(&y, b + n - 8, 8);
    return (differ | (x ^ y)) == 0;
}

/* PRI: `<` one to three digits `>`. */
static void take_priority(bl_slice *in)
{
    bl_slice rest = *in;
    uint64_t value;

    if (bl_slice_take(&rest, BL_SLICE("<")) && bl_slice_take_u64(&rest, &value) && value <= 191 &&
        bl_slice_take(&rest, BL_SLICE(">")))
        *in = rest;
}

static void remember_head(struct bl_stamper *stamper, bl_slice line, bl_slice rest, const bl_syslog *head)
{
    size_t n = line.n - rest.n;

    stamper->head_n = 0;
    if (n < 16 || n > sizeof stamper->head)
        return;
    memcpy(stamper->head, line.p, n);
    stamper->head_n = n;
    stamper->host_at = (size_t)(head->host.p - line.p);
    stamper->host_n = head->host.n;
    stamper->head_us = head->time_us;
}

static bool take_head(bl_slice *in, struct bl_stamper *stamper, bl_syslog *out)
{
    bl_slice rest = *in;
    size_t blanks;

    take_priority(&rest);
    if (rest.n == 0)
        return false;
    if (!(bl_is_digit(rest.p[0]) ? bl_stamp_take_rfc3339(stamper, &rest, &out->time_us)
                                 : bl_stamp_take_rfc3164(stamper, &rest, &out->time_us)))
        return false;
    blanks = skip_blanks(rest);
    rest = bl_slice_drop(rest, blanks);
    out->host = bl_slice_head(rest, bl_window_find(rest, ' '));
    rest = bl_slice_drop(rest, out->host.n);
    if (blanks == 0 || out->host.n == 0 || rest.n == 0)
        return false;
    rest = bl_slice_drop(rest, skip_blanks(rest));
    /* A stamp with a fraction will hardly come again. */
    if (out->time_us % 1000000 == 0)
        remember_head(stamper, *in, rest, out);
    *in = rest;
    return true;
}

static bool recall_head(bl_slice *in, const struct bl_stamper *stamper, bl_syslog *out)
{
    size_t n = stamper->head_n;

    if (n == 0 || in->n <= n || in->p[n] == ' ' || !same_bytes(in->p, stamper->head, n))
        return false;
    out->time_us = stamper->head_us;
    out->host = (bl_slice){in->p + stamper->host_at, stamper->host_n};
    *in = bl_slice_drop(*in, n);
    return true;
}

/* Any other tag: without pid, cut to 32 bytes (then the colon, the bracket or digits are missing), or
 * ended by a bare blank. */
static bool take_odd_tag(bl_slice *in, bl_syslog *out)
{
    bl_slice rest = *in;
    size_t word = bl_window_find(rest, ' ');
    bl_slice tag = bl_slice_head(rest, word);
    size_t open = bl_slice_find_byte(tag, '[');
    size_t close = open < tag.n ? bl_slice_find_byte(bl_slice_drop(tag, open), ']') + open : tag.n;

    if (close < tag.n) {
        /* `program[pid]:body` or `program[pid]body`: what stands behind the bracket is not the tag's. */
        out->program = bl_slice_head(tag, open);
        rest = bl_slice_drop(rest, close + 1);
        (void)bl_slice_take(&rest, BL_SLICE(":"));
    } else {
        out->program = bl_slice_head(tag, open);
        rest = bl_slice_drop(rest, tag.n);
        if (bl_slice_ends(out->program, BL_SLICE(":")))
            out->program.n--;
    }
    (void)bl_slice_take(&rest, BL_SLICE(" "));
    if (out->program.n == 0)
        return false;
    out->body = rest;
    *in = rest;
    return true;
}

/* `program[pid]: `, the first blank within 32 bytes. */
static bool take_tag(bl_slice *in, bl_syslog *out)
{
    struct bl_window w = bl_window_open(*in);
    uint32_t blank = bl_window_mask(&w, ' ');
    uint32_t open = bl_window_mask(&w, '[');
    uint32_t close = bl_window_mask(&w, ']');
    size_t end = blank ? (size_t)__builtin_ctz(blank) : 0;

    /* One bracket each, in order, at the right end. */
    open &= bl_window_below(end);
    close &= bl_window_below(end);
    if (end < 5 || in->p[end - 1] != ':' || close != UINT32_C(1) << (end - 2) || open < 2 ||
        (open & (open - 1)) != 0)
        return take_odd_tag(in, out);
    out->program = bl_slice_head(*in, (size_t)__builtin_ctz(open));
    *in = bl_slice_drop(*in, end + 1);
    out->body = *in;
    return true;
}

bool bl_syslog_read(bl_slice line, struct bl_stamper *stamper, bl_syslog *out)
{
    bl_syslog head;

    if ((!recall_head(&line, stamper, &head) && !take_head(&line, stamper, &head)) || !take_tag(&line, &head))
        return false;
    *out = head;
    return true;
}
