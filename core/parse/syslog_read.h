/* syslog_read.h -- the envelope around a log line
 *
 *   [<PRI>] STAMP blanks HOST blanks PROGRAM [ "[" PID "]" ] [":"] [" "] BODY
 *   [<PRI>] "1 " STAMP " " HOST " " PROGRAM " " PID " " ID " " DATA [" " [" "] BODY]   RFC 5424
 *
 * Lines of one second and one host begin with the same bytes but for the fraction's digits, so the
 * stamper keeps the last head and a line that begins like it is not read again.  Behind it stands
 * the tag, whose ordinary shape `program[pid]: ` is found by bit masks; every other shape goes the
 * long way.
 *
 * A header, because it is compiled twice: in syslog.c, and inside the loop of
 * worker_avx2.c. */
#ifndef BOUNCELINE_SYSLOG_READ_H
#define BOUNCELINE_SYSLOG_READ_H

#include "bounceline/syslog.h"

#include "../base/window.h"

static inline size_t count_blanks(bl_slice s)
{
    size_t n = 0;

    while (n < s.n && s.p[n] == ' ')
        n++;
    return n;
}

/* How a line goes on behind its host; FORM_FOREIGN: nobody's. */
enum { FORM_PLAIN, FORM_IETF = 1, FORM_MAIL = 2, FORM_FOREIGN = 4 };

enum { FACILITY_USER = 1, FACILITY_MAIL = 2 };

/* PRI: `<` one to three digits `>`. */
static inline bool take_priority(bl_slice *in, unsigned *facility)
{
    bl_slice rest = *in;
    uint64_t value;

    if (!bl_slice_take(&rest, BL_SLICE("<")) || !bl_slice_take_u64(&rest, &value) || value > 191 ||
        !bl_slice_take(&rest, BL_SLICE(">")))
        return false;
    *facility = (unsigned)value >> 3;
    *in = rest;
    return true;
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
                                 const bl_syslog *head, unsigned form)
{
    size_t n = line.n - rest.n, host_at = (size_t)(head->host.p - line.p), dot, end;
    int64_t fraction_us = 0;

    stamper->head_n = stamper->plain_n = 0;
    stamper->head_care = 0;
    if (n > sizeof stamper->head)
        return;
    /* of 05:03:37.532042, the stamp's own */
    dot = bl_slice_find_byte((bl_slice){line.p, host_at}, ':') + 6;
    if (dot > host_at || line.p[dot] != '.')
        dot = host_at;
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
    stamper->head_form = (uint8_t)form;
    stamper->plain_n = form == FORM_PLAIN ? n : 0;
    stamper->heads++;
    /* Exim's own stamps */
    if (form == FORM_PLAIN && n < 64 && !(line.p[4] == '-' && line.p[10] == ' '))
        stamper->head_care =
            bl_window_below(n) & ~(bl_window_below(stamper->fraction_n) << stamper->fraction_at);
}

/* Priority and version.  rsyslog and syslog-ng give user.notice to text that came without a
 * priority: the rest of a line that was longer than a relay takes, and its words may be anybody's.
 * Postfix logs as mail, or as one of the local facilities where it was told to. */
RARELY unsigned take_form(bl_slice *in)
{
    unsigned facility = 0, form = FORM_PLAIN;
    bool known = take_priority(in, &facility);

    if (bl_slice_take(in, BL_SLICE("1 ")))
        form = FORM_IETF | (known && facility == FACILITY_MAIL ? FORM_MAIL : 0u);
    return form | (known && facility == FACILITY_USER ? FORM_FOREIGN : 0u);
}

RARELY bool take_stamp(bl_slice *in, struct bl_stamper *stamper, unsigned form, int64_t *time_us)
{
    if (in->n == 0)
        return false;
    if (bl_is_digit(in->p[0]) && bl_stamp_take_rfc3339(stamper, in, time_us))
        return true;
    /* no clock: the time it was there */
    if ((form & FORM_IETF) && bl_slice_starts(*in, BL_SLICE("- "))) {
        *time_us = stamper->reference_s * 1000000;
        *in = bl_slice_drop(*in, 1);
        return true;
    }
    return !(form & FORM_IETF) && (bl_stamp_take_rfc3164(stamper, in, time_us) ||
                                   bl_stamp_take_full(stamper, in, time_us));
}

/* Some syslogds leave the host out, and what stands there is the tag: `postfix/smtp[1]:`, `exim:`.
 * An address (IPv6) has more than one colon. */
RARELY bool is_tag(bl_slice word)
{
    return bl_slice_ends(word, BL_SLICE("]:")) ||
           (bl_slice_ends(word, BL_SLICE(":")) && bl_slice_find_byte(word, ':') == word.n - 1);
}

/* `mail.info` as BusyBox writes it behind the host, `<mail.info>` as FreeBSD does before it. */
RARELY bool is_priority_name(bl_slice word)
{
    static const bl_slice levels[] = {
        BL_SLICE_INIT(".debug"), BL_SLICE_INIT(".info"),    BL_SLICE_INIT(".notice"),
        BL_SLICE_INIT(".warn"),  BL_SLICE_INIT(".warning"), BL_SLICE_INIT(".err"),
        BL_SLICE_INIT(".error"), BL_SLICE_INIT(".crit"),    BL_SLICE_INIT(".alert"),
        BL_SLICE_INIT(".emerg"), BL_SLICE_INIT(".panic")};

    if (!bl_slice_starts(word, BL_SLICE("mail.")) && !bl_slice_starts(word, BL_SLICE("local")))
        return false;
    for (size_t i = 0; i < BL_COUNT(levels); i++)
        if (bl_slice_ends(word, levels[i]))
            return word.n <= levels[i].n + 6; /* local0 */
    return false;
}

/* FreeBSD's `<mail.info>`, told by `syslogd -v`. */
RARELY void skip_priority_name(bl_slice *in)
{
    size_t n = bl_window_find(*in, ' ');

    if (n > 2 && n < in->n && in->p[0] == '<' && in->p[n - 1] == '>' &&
        is_priority_name((bl_slice){in->p + 1, n - 2}))
        *in = bl_slice_drop(*in, n + count_blanks(bl_slice_drop(*in, n)));
}

/* Half a head, and what stands behind a hole in the log is another line's. */
static inline bool has_hole(bl_slice word)
{
    return bl_slice_find_byte(word, '\0') != word.n;
}

/* Not inlined: once a second, while recall_head runs for every line. */
RARELY bool take_head(bl_slice *in, struct bl_stamper *stamper, bl_syslog *out, unsigned *form)
{
    bl_slice rest = *in;
    size_t blanks;

    *form = take_form(&rest);
    if (!take_stamp(&rest, stamper, *form, &out->time_us))
        return false;
    blanks = count_blanks(rest);
    rest = bl_slice_drop(rest, blanks);
    skip_priority_name(&rest);
    out->host = bl_slice_head(rest, bl_window_find(rest, ' '));
    if (blanks == 0 || out->host.n == 0 || has_hole(out->host))
        return false;
    if (*form == FORM_PLAIN && is_tag(out->host)) {
        out->host.n = 0; /* not remembered: the next line may have one */
        *in = rest;
        return true;
    }
    rest = bl_slice_drop(rest, out->host.n);
    if (rest.n == 0)
        return false;
    rest = bl_slice_drop(rest, count_blanks(rest));
    remember_head(stamper, *in, rest, out, *form);
    *in = rest;
    return true;
}

/* The first `n` bytes are the remembered head's. */
static inline bool recall_head(bl_slice *in, const struct bl_stamper *stamper, size_t n,
                               bl_syslog *out)
{
    size_t digits = stamper->fraction_n;
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
    size_t open;

    if (is_priority_name(tag) && tag.n < in.n) {
        in = bl_slice_drop(in, tag.n + count_blanks(bl_slice_drop(in, tag.n)));
        tag = bl_slice_head(in, bl_window_find(in, ' '));
    }
    open = bl_slice_find_byte(tag, '[');
    in = bl_slice_drop(in, tag.n);
    (void)bl_slice_take(&in, BL_SLICE(" "));
    out->body = in;
    out->program = bl_slice_head(tag, open);
    if (open == tag.n && bl_slice_ends(tag, BL_SLICE(":")))
        out->program.n--;
    return out->program.n > 0 && (bl_slice_ends(tag, BL_SLICE("]:")) || !has_hole(tag));
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

/* `[id name="value" ...]`, several without a blank between; `"`, `\\` and `]` of a value are
 * escaped.  Takes it off; false when it does not end. */
RARELY bool take_structured(bl_slice *in)
{
    bool quoted = false;

    for (size_t i = 0; i < in->n; i++) {
        char c = in->p[i];

        if (c == '\\' && quoted)
            i++;
        else if (c == '"')
            quoted = !quoted;
        else if (c == ']' && !quoted && (i + 1 == in->n || in->p[i + 1] != '[')) {
            *in = bl_slice_drop(*in, i + 1);
            return true;
        }
    }
    return false;
}

/* `postfix/smtp 1382 - -  BODY`.  The application name is mostly cut at its slash (rsyslog's parser
 * does that on the way in), hence `mail`: then only the facility tells whose line it is. */
static inline bool read_ietf_tag(bl_slice in, unsigned form, bl_syslog *out)
{
    struct bl_words words = bl_words_begin(in);
    size_t program = bl_words_end(&words), end = program;
    bl_slice rest;

    for (int i = 0; i < 2 && end < in.n; i++) { /* pid and message id */
        words.from = end + 1;
        end = bl_words_end(&words);
    }
    if (end + 1 >= in.n || program == 0)
        return false;
    rest = bl_slice_drop(in, end + 1);
    if (rest.p[0] == '[') {
        if (!take_structured(&rest))
            return false;
    } else if (!bl_slice_take(&rest, BL_SLICE("-"))) {
        return false;
    }
    if (rest.n && !bl_slice_take(&rest, BL_SLICE(" ")))
        return false;
    (void)bl_slice_take(&rest, BL_SLICE("\xEF\xBB\xBF"));
    (void)bl_slice_take(&rest, BL_SLICE(" "));
    out->program = bl_slice_head(in, program);
    out->body = rest;
    out->mail = form & FORM_MAIL;
    return true;
}

/* A head that is not remembered, or not of the ordinary form. */
RARELY bool read_other(bl_slice in, struct bl_stamper *stamper, bl_syslog *out)
{
    unsigned form = stamper->head_form;

    if (!recall_head(&in, stamper, stamper->head_n, out) && !take_head(&in, stamper, out, &form))
        return false;
    if (form == FORM_PLAIN)
        return read_tag(in, out);
    if (form & FORM_FOREIGN) {
        out->program = out->body = bl_slice_drop(in, in.n);
        return true;
    }
    if (bl_slice_eq(out->host, BL_SLICE("-")))
        out->host.n = 0;
    return read_ietf_tag(in, form, out);
}

static inline bool read_syslog(bl_slice line, struct bl_stamper *stamper, bl_syslog *out)
{
    out->mail = false;
    return recall_head(&line, stamper, stamper->plain_n, out) ? read_tag(line, out)
                                                              : read_other(line, stamper, out);
}

#endif
