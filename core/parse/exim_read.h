/* exim_read.h -- what Exim prints
 *
 *   [[pid] ] [ID ] SYMBOL ADDRESS [<ADDRESS AS RECEIVED>] NAME=VALUE ... [: TEXT]
 *
 * The address is printed without quotes and without an end, so it may look like anything that
 * follows it.  Whenever it had to be quoted in the first place, the address as received follows in
 * quotes, and both must say the same; that is how the end is found, and not by the first thing that
 * looks like one.
 *
 * Replies are printed with escapes (`\n` between lines, `\303` for a byte beyond ASCII; inside of
 * C="..." once more).  They are respelled as Postfix logs them, into the block's room.
 *
 * A header, because it is compiled twice: in exim.c, and inside the loop of worker_avx2.c.
 */
#ifndef BOUNCELINE_EXIM_READ_H
#define BOUNCELINE_EXIM_READ_H

#include "bounceline/exim.h"

#include "../base/window.h"
#include "bounceline/reply.h"
#include "postfix_read.h"

enum {
    EXIM_ID_OLD = 16,  /* 1xUzlC-0001D9-0d, to 4.96 */
    EXIM_ID_NEW = 23,  /* 1xUzq5-000000000yo-3zGH */
    EXIM_BODY_MIN = 7, /* `== a: b` */
    EXIM_REFUSAL_MIN = 16,
    EXIM_PIECE_MIN = 7, /* `[2/2] a` */
    EXIM_PIECES = 999,
    EXIM_TRIES = 32 /* places where an address may end, looked at */
};

/* -- the head --------------------------------------------------------------------------------- */

/* The length of the message id at the front, a blank behind it; or 0. */
static inline size_t exim_id(bl_slice s)
{
    struct bl_window w;
    uint32_t others;

    if (s.n <= EXIM_ID_OLD)
        return 0;
    w = bl_window_open(s);
    others = ~bl_window_alnum(&w);
    if ((others & 0x1FFFF) == (1u << 6 | 1u << 13 | 1u << 16))
        return s.p[6] == '-' && s.p[13] == '-' && s.p[16] == ' ' ? EXIM_ID_OLD : 0;
    if (s.n > EXIM_ID_NEW && (others & 0xFFFFFF) == (1u << 6 | 1u << 18 | 1u << 23))
        return s.p[6] == '-' && s.p[18] == '-' && s.p[23] == ' ' ? EXIM_ID_NEW : 0;
    return 0;
}

/* Takes `[123] `. */
static inline bool take_exim_pid(bl_slice *in)
{
    bl_slice rest = *in;
    uint64_t pid;

    if (!bl_slice_take(&rest, BL_SLICE("[")) || !bl_slice_take_u64(&rest, &pid) ||
        !bl_slice_take(&rest, BL_SLICE("] ")))
        return false;
    *in = rest;
    return true;
}

/* `2026-11-22 05:03:37`: not more than the bytes that tell it from syslog's stamps. */
static inline bool has_exim_stamp(bl_slice line)
{
    return line.n > 20 + EXIM_REFUSAL_MIN && line.p[10] == ' ' && line.p[4] == '-' &&
           bl_is_digit(line.p[0]);
}

/* Takes ` +0100`. */
static inline void take_exim_zone(bl_slice *in)
{
    bl_slice rest = *in;
    uint64_t zone;

    if ((bl_slice_take(&rest, BL_SLICE(" +")) || bl_slice_take(&rest, BL_SLICE(" -"))) &&
        rest.n > 4 && bl_slice_take_u64(&rest, &zone) && in->n - rest.n == 6)
        *in = rest;
}

/* The stamp that Exim itself writes, inside of syslog: the envelope has one already. */
static inline void skip_exim_stamp(bl_slice *in)
{
    bl_slice rest;

    if (!has_exim_stamp(*in) || in->p[13] != ':' || in->p[16] != ':')
        return;
    rest = bl_slice_drop(*in, 19);
    if (bl_slice_take(&rest, BL_SLICE(".")))
        while (rest.n && bl_is_digit(rest.p[0]))
            rest = bl_slice_drop(rest, 1);
    take_exim_zone(&rest);
    if (bl_slice_take(&rest, BL_SLICE(" ")))
        *in = rest;
}

/* Refusals that name no message and begin with no field; read_exim_turned_away() reads them. */
RARELY bool is_turned_away(bl_slice in)
{
    return bl_slice_starts(in, BL_SLICE("too many recipients: ")) ||
           bl_slice_starts(in, BL_SLICE("refused connection from ")) ||
           bl_slice_starts(in, BL_SLICE("Connection from "));
}

/* What is said of a message without a symbol, and decides on recipients. */
RARELY bool is_word_on_message(bl_slice in)
{
    return bl_slice_starts(in, BL_SLICE("cancelled by ")) ||
           bl_slice_starts(in, BL_SLICE("PRDR R=<"));
}

/* A syslog line may have the same stamp; then a host and a tag that ends with a colon follow. */
static inline bool is_exim_body(bl_slice in)
{
    bl_slice word;
    size_t id;

    if (take_exim_pid(&in))
        return true;
    id = exim_id(in);
    if (id == 0)
        return in.n > 2 &&
               (in.p[1] == '=' || bl_slice_starts(in, BL_SLICE("rejected ")) || is_turned_away(in));
    in = bl_slice_drop(in, id + 1);
    word = bl_slice_head(in, bl_window_find(in, ' '));
    return word.n < 2 || word.p[word.n - 1] != ':' || word.p[1] == '=';
}

/* Takes the stamp and the blank behind it; `*zoned`: with a zone.  Lines of one second begin alike,
 * so the last stamp is remembered, in its shortest form. */
static inline bool take_exim_stamp(bl_slice *in, struct bl_stamper *stamper, int64_t *time_us,
                                   bool *zoned)
{
    const char *begin = in->p;

    *zoned = false;
    if (stamper->has_exim && memcmp(begin, stamper->exim, sizeof stamper->exim) == 0 &&
        begin[20] != '+' && begin[20] != '-') {
        *time_us = stamper->exim_us;
        *in = bl_slice_drop(*in, sizeof stamper->exim);
        return true;
    }
    if (!bl_stamp_take_rfc3339(stamper, in, time_us))
        return false;
    *zoned = in->p[-6] == ' ' && (in->p[-5] == '+' || in->p[-5] == '-'); /* 19 bytes were taken at
                                                                            least */
    if (!bl_slice_take(in, BL_SLICE(" ")))
        return false;
    if (in->p == begin + sizeof stamper->exim) {
        memcpy(stamper->exim, begin, sizeof stamper->exim);
        stamper->exim_us = *time_us;
        stamper->has_exim = true;
    }
    return true;
}

/* The main log file: no host, and nobody's tag.  Only Exim puts a blank before the zone. */
RARELY bool read_exim_head(bl_slice line, struct bl_stamper *stamper, bl_syslog *out)
{
    static const bl_slice program = BL_SLICE_INIT("exim");
    bl_slice rest = line;
    bool zoned;

    if (!has_exim_stamp(line) || !take_exim_stamp(&rest, stamper, &out->time_us, &zoned) ||
        !(zoned || is_exim_body(rest)))
        return false;
    out->host = bl_slice_head(rest, 0);
    out->program = program;
    out->body = rest;
    out->mail = false;
    return true;
}

/* What the symbol promises.  Takes stamp, pid and id off the body. */
static inline enum promise look_at_exim(bl_syslog *head, bl_slice *qid)
{
    bl_slice in = head->body;
    size_t id;

    skip_exim_stamp(&in);
    if (in.n && in.p[0] == '[' && !take_exim_pid(&in)) {
        head->body = in;
        *qid = bl_slice_head(in, 0);
        return in.n >= EXIM_PIECE_MIN && head->host.n ? EXIM_PIECE : NOTHING;
    }
    id = exim_id(in);
    *qid = bl_slice_head(in, id);
    in = bl_slice_drop(in, id + (id > 0));
    head->body = in;
    if (in.n < (id ? EXIM_BODY_MIN : EXIM_REFUSAL_MIN))
        return NOTHING;
    if (in.p[1] == '=' && (in.p[0] == 'H' || in.p[0] == 'U' || in.p[0] == 'F'))
        return EXIM_REFUSAL;
    if (in.p[0] == 'r' && bl_slice_starts(in, BL_SLICE("rejected ")))
        return EXIM_REFUSAL;
    if (id == 0)
        return bl_slice_starts(in, BL_SLICE("message repeated ")) ? EXIM_REPEATED
               : is_turned_away(in)                               ? EXIM_RARE
                                                                  : NOTHING;
    if (in.p[2] != ' ')
        return in.p[0] == 'C' && bl_slice_starts(in, BL_SLICE("Completed")) ? EXIM_COMPLETED
               : is_word_on_message(in)                                     ? EXIM_RARE
                                                                            : NOTHING;
    switch (in.p[0]) {
    case '<':
    case '(':
        return in.p[1] == '=' ? EXIM_ARRIVAL : NOTHING;
    case '=':
        return in.p[1] == '>' || in.p[1] == '=' ? EXIM_DELIVERY : NOTHING;
    case '-':
        return in.p[1] == '>' ? EXIM_DELIVERY : NOTHING;
    case '>':
        return in.p[1] == '>' ? EXIM_HELD : NOTHING;
    case '*':
        return in.p[1] == '*' || in.p[1] == '>' ? EXIM_DELIVERY : NOTHING;
    default:
        return NOTHING;
    }
}

/* -- room ------------------------------------------------------------------------------------- */

static inline bl_slice exim_room_keep(bl_exim_room *room, size_t n)
{
    bl_slice kept = {room->p, n};

    room->p += n;
    room->left -= n;
    return kept;
}

/* `exim/remote_smtp`: the program, and the transport where Postfix has its agent. */
RARELY bl_slice make_exim_service(bl_exim_room *room, bl_slice program, bl_slice transport)
{
    size_t n = program.n + 1 + transport.n;
    bl_slice made;

    if (n > room->left)
        return program;
    memcpy(room->p, program.p, program.n);
    room->p[program.n] = '/';
    memcpy(room->p + program.n + 1, transport.p, transport.n);
    made = exim_room_keep(room, n);
    room->service[room->next++ % BL_EXIM_SERVICES] = made;
    return made;
}

static inline bl_slice exim_service(bl_exim_room *room, bl_slice program, bl_slice transport)
{
    size_t n = program.n + 1 + transport.n;

    if (transport.n == 0)
        return program;
    for (size_t i = 0; i < BL_EXIM_SERVICES; i++) {
        bl_slice known = room->service[i];

        if (known.n == n && known.p[program.n] == '/' &&
            memcmp(known.p + program.n + 1, transport.p, transport.n) == 0 &&
            memcmp(known.p, program.p, program.n) == 0)
            return known;
    }
    return make_exim_service(room, program, transport);
}

static inline bool is_octal(char c)
{
    return c >= '0' && c <= '7';
}

static inline bool is_reply_line(const char *p, size_t n)
{
    return n >= 3 && bl_is_digit(p[0]) && bl_is_digit(p[1]) && bl_is_digit(p[2]) &&
           (n == 3 || p[3] == ' ' || p[3] == '-');
}

/* Undoes string_printing() in place: a reply's next line begins behind a blank, bytes beyond ASCII
 * are themselves, control bytes `?`.  A backslash of the reply's own was not doubled, so what does
 * not look like one of these is left alone. */
static inline size_t undo_printing(char *p, size_t n)
{
    size_t to = 0;

    for (size_t i = 0; i < n; i++) {
        unsigned value;

        if (p[i] == '\\' && i + 1 < n && p[i + 1] == 'n' && is_reply_line(p + i + 2, n - (i + 2))) {
            p[to++] = ' ';
            i++;
        } else if (p[i] == '\\' && n - i > 3 && p[i + 1] <= '3' && is_octal(p[i + 1]) &&
                   is_octal(p[i + 2]) && is_octal(p[i + 3])) {
            value = (unsigned)(p[i + 1] - '0') * 64 + (unsigned)(p[i + 2] - '0') * 8 +
                    (unsigned)(p[i + 3] - '0');
            p[to++] = value < 32 || value == 127 ? '?' : (char)value;
            i += 3;
        } else {
            p[to++] = p[i];
        }
    }
    return to;
}

/* `\"` and `\\` of C="...". */
static inline size_t undo_quoting(char *p, size_t n)
{
    size_t to = 0;

    for (size_t i = 0; i < n; i++) {
        if (p[i] == '\\' && i + 1 < n && (p[i + 1] == '\\' || p[i + 1] == '"'))
            i++;
        p[to++] = p[i];
    }
    return to;
}

static inline bl_slice respell_exim(bl_exim_room *room, bl_slice text, bool quoted)
{
    size_t n = text.n;

    if (bl_slice_find_byte(text, '\\') == n || n > room->left)
        return text;
    memcpy(room->p, text.p, n);
    if (quoted)
        n = undo_quoting(room->p, n);
    return exim_room_keep(room, undo_printing(room->p, n));
}

/* -- addresses -------------------------------------------------------------------------------- */

/* Where the bracket opened before `s` closes, `behind` its content: a `>` outside of quotes with a
 * blank, a colon or the line's end behind it; or SIZE_MAX. */
static inline size_t find_bracket_end(bl_slice s)
{
    unsigned tries = QUOTE_TRIES;

    for (size_t at = 0; at < s.n; at++) {
        if (s.p[at] == '"' && tries) {
            size_t behind = skip_quoted(s, at);

            tries -= behind == at + 1;
            at = behind - 1;
        } else if (s.p[at] == '>' && (at + 1 == s.n || s.p[at + 1] == ' ' || s.p[at + 1] == ':')) {
            return at;
        }
    }
    return SIZE_MAX;
}

/* What may follow an address: ` R=`, ` T=`, ` F=<`, ` P=<`, ` defer (`, ` routing defer (`, `:
 * `. */
static inline bool is_behind_address(bl_slice in)
{
    if (in.n == 0 || bl_slice_starts(in, BL_SLICE(": ")) || bl_slice_starts(in, BL_SLICE(" : ")))
        return true;
    if (in.n < 3 || in.p[0] != ' ')
        return false;
    if (in.p[2] == '=')
        return in.p[1] >= 'A' && in.p[1] <= 'Z';
    return bl_slice_starts(in, BL_SLICE(" defer (")) ||
           bl_slice_starts(in, BL_SLICE(" routing defer (")) ||
           bl_slice_starts(in, BL_SLICE(" transport defer (")) ||
           bl_slice_starts(in, BL_SLICE(" routing yielded a ")) || /* mua_wrapper */
           bl_slice_starts(in, BL_SLICE(" mua_wrapper forced ")) ||
           bl_slice_starts(in, BL_SLICE(" SRS=<"));
}

static inline size_t find_at_sign(bl_slice s)
{
    for (size_t i = s.n; i-- > 0;)
        if (s.p[i] == '@')
            return i;
    return s.n;
}

/* Is `bare` the local part `quoted` without its quotes and escapes?  Case folds. */
static inline bool is_unquoted(bl_slice bare, bl_slice quoted)
{
    size_t i = 0;

    if (quoted.n < 2 || quoted.p[0] != '"' || quoted.p[quoted.n - 1] != '"')
        return bl_slice_eq_fold(bare, quoted);
    for (size_t at = 1; at + 1 < quoted.n; at++, i++) {
        if (quoted.p[at] == '\\' && at + 2 < quoted.n)
            at++;
        if (i >= bare.n || bl_lower(bare.p[i]) != bl_lower(quoted.p[at]))
            return false;
    }
    return i == bare.n;
}

/* For hosts without SMTPUTF8 Exim prints what it sent: `xn--...`, in either part. */
static inline bool is_downconverted(bl_slice printed, bl_slice received)
{
    return bl_slice_find(printed, BL_SLICE("xn--")) != SIZE_MAX && !bl_slice_is_ascii(received);
}

/* Is the address as printed the one that was received, spelled otherwise? */
RARELY bool is_same_address(bl_slice printed, bl_slice received)
{
    size_t a = find_at_sign(printed), b = find_at_sign(received);
    bl_slice local = bl_slice_head(printed, a), quoted = bl_slice_head(received, b);
    bl_slice domain = bl_slice_drop(printed, a), other = bl_slice_drop(received, b);

    return a < printed.n && b < received.n &&
           (is_unquoted(local, quoted) || is_downconverted(local, quoted)) &&
           (bl_slice_eq_fold(domain, other) || is_downconverted(domain, other));
}

struct exim_address {
    bl_slice printed, received; /* received is empty when nothing stood in brackets */
    bl_slice rest;              /* behind both */
};

/* A pipe, a file, a mailbox without domain: not an address that mail is sent to. */
static inline bool is_local_target(bl_slice printed)
{
    return printed.n == 0 || printed.p[0] == '/' || printed.p[0] == '|' || printed.p[0] == ':' ||
           printed.p[0] == '>' || bl_slice_find_byte(printed, '@') == printed.n;
}

/* `(parent, parent)` between both addresses, with +all_parents. */
static inline bl_slice without_parents(bl_slice printed)
{
    size_t at = printed.n;

    if (printed.n == 0 || printed.p[printed.n - 1] != ')')
        return printed;
    while (at-- > 1)
        if (printed.p[at] == '(' && printed.p[at - 1] == ' ')
            return bl_slice_head(printed, at - 1);
    return printed;
}

/* Takes ` <RECEIVED>` at `at`. */
static inline bool take_received(bl_slice in, size_t at, struct exim_address *out)
{
    bl_slice inside = bl_slice_drop(in, at + 2);
    size_t end = find_bracket_end(inside);

    if (end == SIZE_MAX || !is_behind_address(bl_slice_drop(inside, end + 1)))
        return false;
    out->printed = without_parents(bl_slice_head(in, at));
    out->received = bl_slice_head(inside, end);
    out->rest = bl_slice_drop(inside, end + 1);
    return true;
}

/* The address is a word, and what follows it looks right. */
static inline bool take_plain_address(bl_slice in, struct exim_address *out)
{
    size_t end = bl_window_find(in, ' ');

    out->printed = bl_slice_head(in, end);
    out->received = bl_slice_drop(in, in.n);
    out->rest = bl_slice_drop(in, end);
    if (is_local_target(out->printed)) /* `alice <alice@shop.example>`, and nothing stranger */
        return end && bl_lower(in.p[0]) >= '0' && bl_slice_starts(out->rest, BL_SLICE(" <")) &&
               in.p[0] != ':' && in.p[0] != '>' && in.p[0] != '|' && take_received(in, end, out);
    if (out->printed.p[end - 1] == ':') {
        out->printed.n--;
        out->rest = bl_slice_drop(in, end - 1);
        return true;
    }
    if (out->rest.n > 2 && out->rest.p[1] == '<')
        return take_received(in, end, out);
    return is_behind_address(out->rest);
}

/* The long way.  Of all the places where a bracket could hold the address as received, the last one
 * that says the same as what stands before it is right; else a plain word; else, for pipes and
 * files, the first bracket. */
RARELY bool take_odd_address(bl_slice in, struct exim_address *out)
{
    struct exim_address same, first, one;
    bool has_same = false, has_first = false;
    unsigned tries = EXIM_TRIES;

    for (size_t at = 0; at + 2 < in.n && tries; at++) {
        at += bl_slice_find_byte(bl_slice_drop(in, at), '<');
        if (at >= in.n)
            break;
        if (at < 2 || in.p[at - 1] != ' ')
            continue;
        tries--;
        if (!take_received(in, at - 1, &one))
            continue;
        if (is_same_address(one.printed, one.received)) {
            same = one;
            has_same = true;
        } else if (!has_first) {
            first = one;
            has_first = true;
        }
    }
    if (has_same) {
        *out = same;
        return true;
    }
    if (take_plain_address(in, out))
        return true;
    if (has_first) {
        *out = first;
        return true;
    }
    for (size_t at = 1; at < in.n; at++) {
        out->printed = bl_slice_head(in, at);
        out->rest = bl_slice_drop(in, at);
        if ((in.p[at] == ' ' || in.p[at] == ':') && is_behind_address(out->rest))
            return true;
    }
    return false;
}

/* Does any `<"` stand in it?  Then plain looks may deceive. */
static inline bool has_quoted_bracket(bl_slice s)
{
    for (size_t at = 0; at < s.n; at += BL_WINDOW - 1) {
        struct bl_window w = bl_window_open(bl_slice_drop(s, at));
        uint64_t both = bl_window_mask(&w, '<') & (bl_window_mask(&w, '"') >> 1);
        size_t left = s.n - at;

        if (left < BL_WINDOW)
            both &= bl_window_below(left - 1);
        if (both)
            return true;
    }
    return false;
}

static inline bool take_exim_address(bl_slice in, struct exim_address *out)
{
    if (!has_quoted_bracket(in) && take_plain_address(in, out))
        return true;
    return take_odd_address(in, out);
}

static inline void set_recipient(const struct exim_address *address, bl_record *out)
{
    if (address->received.n == 0) {
        out->recipient = address->printed;
    } else if (is_local_target(address->printed) ||
               is_same_address(address->printed, address->received)) {
        out->recipient = address->received;
    } else {
        out->recipient = address->printed;
        out->orig_recipient = address->received;
    }
}

/* -- NAME=VALUE ------------------------------------------------------------------------------- */

struct exim_fields {
    bl_slice sender, transport, host, ip, local_ip, confirmation, text;
    bool has_sender, has_host, ended; /* ended: the colon before TEXT was there */
    bool open;                        /* a bracket did not end */
    int64_t number;                   /* of `defer (-54)` */
    int32_t delay_ms;
};

/* `2m42s`, `1d3h`, `0.044s`, to milliseconds; -1 when it is no time. */
static inline int32_t read_exim_time(bl_slice text)
{
    int64_t total_ms = 0;
    size_t i = 0;

    while (i < text.n) {
        int64_t value = 0, ms = 0;
        size_t from = i;

        for (; i < text.n && bl_is_digit(text.p[i]) && value <= INT32_MAX / 10; i++)
            value = value * 10 + (text.p[i] - '0');
        if (i == from || i == text.n)
            return -1;
        if (text.p[i] == '.')
            for (int unit = 100; ++i < text.n && bl_is_digit(text.p[i]); unit /= 10)
                ms += (text.p[i] - '0') * unit;
        if (i == text.n)
            return -1;
        switch (text.p[i++]) {
        case 's':
            total_ms += value * 1000 + ms;
            break;
        case 'm':
            total_ms += value * 60000;
            break;
        case 'h':
            total_ms += value * 3600000;
            break;
        case 'd':
            total_ms += value * 86400000;
            break;
        case 'w':
            total_ms += value * 604800000;
            break;
        default:
            return -1;
        }
        if (total_ms > INT32_MAX)
            return INT32_MAX;
    }
    return total_ms > 0 || text.n ? (int32_t)total_ms : -1;
}

/* Where the quoted value that begins `in` ends, its closing quote included. */
static inline size_t exim_quoted_end(bl_slice in)
{
    for (size_t at = 1; at < in.n;) {
        at += bl_window_find2(bl_slice_drop(in, at), '"', '\\');
        if (at >= in.n)
            break;
        if (in.p[at] == '"')
            return at + 1;
        at += 2;
    }
    return in.n;
}

/* What is inside of `[...]`; the slice begins behind the bracket. */
static inline bl_slice inside_brackets(bl_slice s)
{
    return bl_slice_head(s, bl_window_find(s, ']'));
}

/* Takes `NAME[ (HELO)][ DS] [IP][:PORT][*]`, any of them absent; `in` begins behind `H=`. */
static inline void take_exim_host(bl_slice *in, bl_slice *host, bl_slice *ip)
{
    bl_slice word = bl_slice_head(*in, bl_window_find(*in, ' ')), rest = bl_slice_drop(*in, word.n);

    *in = rest;
    *host = bl_slice_head(word, word.n && word.p[0] == '(' ? 0 : word.n); /* (what it says of
                                                                             itself) */
    *ip = bl_slice_head(word, 0);
    for (unsigned words = 0; words < 3 && rest.n > 1; words++) {
        if (rest.p[1] == '[') {
            *ip = inside_brackets(bl_slice_drop(rest, 2));
            rest = bl_slice_drop(rest, 1);
            *in = bl_slice_drop(rest, bl_window_find(rest, ' '));
            break;
        }
        if (rest.p[1] != '(' && !bl_slice_starts(rest, BL_SLICE(" DS ")))
            break;
        rest = bl_slice_drop(rest, 1);
        rest = bl_slice_drop(rest, bl_window_find(rest, ' '));
    }
    if (host->n == 0 || host->p[0] != '[')
        return;
    *host = inside_brackets(bl_slice_drop(*host, 1)); /* an address literal, or nothing else
                                                       * known */
    if (ip->n == 0) {
        *ip = *host;
        host->n = 0;
    }
}

/* Takes `<ADDRESS>` behind `F=`. */
static inline bool take_bracketed(bl_slice *in, bl_slice *out)
{
    bl_slice inside;
    size_t end;

    if (in->n == 0 || in->p[0] != '<')
        return false;
    inside = bl_slice_drop(*in, 1);
    end = find_bracket_end(inside);
    if (end == SIZE_MAX)
        return false;
    *out = bl_slice_head(inside, end);
    *in = bl_slice_drop(inside, end + 1);
    return true;
}

/* The same, but once one did not end, no later one is searched: a line full of them took a
 * second. */
static inline bool take_field_address(bl_slice *in, struct exim_fields *fields, bl_slice *out)
{
    if (fields->open)
        return false;
    if (take_bracketed(in, out))
        return true;
    fields->open = in->n && in->p[0] == '<';
    return false;
}

/* Takes one field, `in` begins at its name; what is not known is passed over.  A colon that ends
 * the word ends the head.  Inlined once, where success is told. */
BL_ALWAYS_INLINE void take_exim_field_here(bl_slice *in, struct exim_fields *out)
{
    bl_slice rest = *in, word, value;
    size_t end;

    if (in->n > 2 && in->p[1] == '=') {
        rest = bl_slice_drop(rest, 2);
        switch (in->p[0]) {
        case 'H':
            take_exim_host(&rest, &out->host, &out->ip);
            out->has_host = true;
            out->ended |= rest.p[-1] == ':'; /* of `H=` at the least */
            if (out->ip.n == 0 && bl_slice_ends(out->host, BL_SLICE(":")))
                out->host.n--;
            *in = rest;
            return;
        case 'F':
            if (take_field_address(&rest, out, &out->sender)) {
                out->has_sender = true;
                *in = rest;
                return;
            }
            break;
        case 'P':
            if (take_field_address(&rest, out, &value)) {
                *in = rest;
                return;
            }
            break;
        case 'C':
            if (rest.n && rest.p[0] == '"') {
                end = exim_quoted_end(rest);
                out->confirmation = (bl_slice){rest.p + 1, end - 1};
                out->confirmation.n -= out->confirmation.n && rest.p[end - 1] == '"';
                *in = bl_slice_drop(rest, end);
                return;
            }
            break;
        default:
            break;
        }
    }
    end = bl_window_find(*in, ' ');
    word = bl_slice_head(*in, end);
    if (bl_slice_starts(word, BL_SLICE("DN=\"")) || bl_slice_starts(word, BL_SLICE("SNI=\""))) {
        *in = bl_slice_drop(*in, word.p[0] == 'D' ? 3 : 4);
        *in = bl_slice_drop(*in, exim_quoted_end(*in));
        return;
    }
    *in = bl_slice_drop(*in, end);
    if (word.n && word.p[word.n - 1] == ':') {
        out->ended = true;
        word.n--;
    }
    if (word.n < 3)
        return;
    value = bl_slice_drop(word, 2);
    if (word.p[0] == 'T' && word.p[1] == '=')
        out->transport = value;
    else if (word.p[0] == 'I' && bl_slice_starts(word, BL_SLICE("I=["))) {
        value = bl_slice_drop(value, 1);
        end = bl_slice_find_byte(value, ']');
        if (end < value.n)
            out->local_ip = bl_slice_head(value, end);
    } else if (word.p[0] == 'Q' && bl_slice_starts(word, BL_SLICE("QT="))) {
        out->delay_ms = read_exim_time(bl_slice_drop(word, 3));
    }
}

RARELY void take_exim_field(bl_slice *in, struct exim_fields *out)
{
    take_exim_field_here(in, out);
}

/* -- why it failed ---------------------------------------------------------------------------- */

struct exim_wording {
    bl_slice begins;
    enum bl_phase phase;
};

/* What was sent when the answer came; `pipelined ` may stand before it. */
RARELY enum bl_phase phase_of_exim_command(bl_slice in)
{
    static const struct exim_wording commands[] = {
        {BL_SLICE_INIT("RCPT TO"), BL_PHASE_RCPT},
        {BL_SLICE_INIT("MAIL FROM"), BL_PHASE_MAIL},
        {BL_SLICE_INIT("end of data"), BL_PHASE_EOD},
        {BL_SLICE_INIT("DATA"), BL_PHASE_DATA},
        {BL_SLICE_INIT("BDAT"), BL_PHASE_EOD},
        {BL_SLICE_INIT("sending data block"), BL_PHASE_EOD},
        {BL_SLICE_INIT("initial connection"), BL_PHASE_CONNECT},
        {BL_SLICE_INIT("EHLO"), BL_PHASE_HELO},
        {BL_SLICE_INIT("HELO"), BL_PHASE_HELO},
        {BL_SLICE_INIT("LHLO"), BL_PHASE_HELO},
        {BL_SLICE_INIT("STARTTLS"), BL_PHASE_TLS},
        {BL_SLICE_INIT("AUTH"), BL_PHASE_AUTH},
        {BL_SLICE_INIT("PRDR"), BL_PHASE_EOD},
    };

    (void)bl_slice_take(&in, BL_SLICE("pipelined "));
    (void)bl_slice_take(&in, BL_SLICE("sending "));
    for (size_t i = 0; i < BL_COUNT(commands); i++)
        if (bl_slice_starts(in, commands[i].begins))
            return commands[i].phase;
    return BL_PHASE_UNKNOWN;
}

/* What Exim says in its own words without a server in sight. */
RARELY enum bl_phase phase_of_exim_words(bl_slice text)
{
    static const struct exim_wording words[] = {
        {BL_SLICE_INIT("all relevant MX records"), BL_PHASE_DNS},
        {BL_SLICE_INIT("host lookup did not complete"), BL_PHASE_DNS},
        {BL_SLICE_INIT("lookup of host "), BL_PHASE_DNS},
        {BL_SLICE_INIT("an MX or SRV record indicated no SMTP service"), BL_PHASE_DNS},
        {BL_SLICE_INIT("all host address lookups failed"), BL_PHASE_DNS},
        {BL_SLICE_INIT("lowest numbered MX record points to local host"), BL_PHASE_DNS},
        {BL_SLICE_INIT("no IP address found for host"), BL_PHASE_DNS},
        {BL_SLICE_INIT("Connection "), BL_PHASE_CONNECT}, /* refused, timed out, reset by peer */
        {BL_SLICE_INIT("No route to host"), BL_PHASE_CONNECT},
        {BL_SLICE_INIT("Network is "), BL_PHASE_CONNECT},
        {BL_SLICE_INIT("Host is "), BL_PHASE_CONNECT},
        {BL_SLICE_INIT("all hosts "), BL_PHASE_CONNECT},
        {BL_SLICE_INIT("hosts "), BL_PHASE_CONNECT},
        {BL_SLICE_INIT("retry time"), BL_PHASE_CONNECT},
        {BL_SLICE_INIT("a TLS session is required"), BL_PHASE_TLS},
        {BL_SLICE_INIT("TLS session"), BL_PHASE_TLS},
    };

    for (size_t i = 0; i < BL_COUNT(words); i++)
        if (bl_slice_starts(text, words[i].begins))
            return words[i].phase;
    return BL_PHASE_UNKNOWN;
}

/* The command and its parameters, up to the colon before the reply.  Addresses in it are
 * strangers'. */
RARELY size_t find_exim_command_end(bl_slice in)
{
    size_t open = bl_slice_find_byte(in, '<'), colon = bl_slice_find(in, BL_SLICE(": ")), end;

    if (colon != SIZE_MAX && colon < open)
        return colon;
    if (open == in.n)
        return SIZE_MAX;
    in = bl_slice_drop(in, open + 1);
    end = find_bracket_end(in);
    if (end == SIZE_MAX)
        return SIZE_MAX;
    colon = bl_slice_find(bl_slice_drop(in, end), BL_SLICE(": "));
    return colon == SIZE_MAX ? SIZE_MAX : open + 1 + end + colon;
}

/* How Exim begins to tell what a server said, in all its wordings since 3.x. */
static const bl_slice exim_speakers[] = {
    BL_SLICE_INIT("SMTP error from remote mail server after "),
    BL_SLICE_INIT("SMTP error from remote mailer after "), BL_SLICE_INIT("LMTP error after "),
    BL_SLICE_INIT("LMTP error from remote mail server after ")};

/* And what it says itself about a server that did not answer as it should. */
static const bl_slice exim_troubles[] = {BL_SLICE_INIT("SMTP timeout "),
                                         BL_SLICE_INIT("Remote host "),
                                         BL_SLICE_INIT("Malformed SMTP reply "),
                                         BL_SLICE_INIT("LMTP timeout "),
                                         BL_SLICE_INIT("Malformed LMTP response "),
                                         BL_SLICE_INIT("LMTP connection closed ")};

static inline bool starts_any(bl_slice text, const bl_slice *openings, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (bl_slice_starts(text, openings[i]))
            return true;
    return false;
}

/* The system's word for an error stands before Exim's own, `Connection timed out: SMTP timeout
 * after ...`; since 4.99 with a blank before the colon. */
RARELY void skip_exim_strerror(bl_slice *text)
{
    enum { STRERROR_MAX = 64 };
    size_t colon = bl_slice_find(bl_slice_head(*text, STRERROR_MAX), BL_SLICE(": "));
    bl_slice rest;

    if (colon == SIZE_MAX)
        return;
    rest = bl_slice_drop(*text, colon + 2);
    if (starts_any(rest, exim_speakers, BL_COUNT(exim_speakers)) ||
        starts_any(rest, exim_troubles, BL_COUNT(exim_troubles)))
        *text = rest;
}

/* Takes `SMTP error from remote mail server after COMMAND: `. */
RARELY bool take_exim_speaker(bl_slice *in, enum bl_phase *phase)
{
    bl_slice rest = *in;
    bool taken = false;
    size_t end;

    for (size_t i = 0; i < BL_COUNT(exim_speakers) && !taken; i++)
        taken = bl_slice_take(&rest, exim_speakers[i]);
    if (!taken)
        return false;
    *phase = phase_of_exim_command(rest);
    end = find_exim_command_end(rest);
    if (end == SIZE_MAX)
        return false;
    rest = bl_slice_drop(rest, end + 2);
    *in = rest;
    if (bl_slice_take(&rest, BL_SLICE("host "))) { /* to 4.83 the host stood here */
        rest = bl_slice_drop(rest, bl_slice_find_byte(rest, ']'));
        if (bl_slice_take(&rest, BL_SLICE("]: ")))
            *in = rest;
    }
    return true;
}

/* Exim's own words about a command: `SMTP timeout after pipelined RCPT TO:<a@b>`.  Returns the part
 * that no stranger wrote. */
RARELY bl_slice take_exim_trouble(bl_slice text, enum bl_phase *phase)
{
    static const bl_slice links[] = {BL_SLICE_INIT(" after "), BL_SLICE_INIT(" in response to "),
                                     BL_SLICE_INIT(" while ")};

    if (!starts_any(text, exim_troubles, BL_COUNT(exim_troubles)))
        return text;
    text.n = bl_slice_find_byte(text, '<');
    for (size_t i = 0; i < BL_COUNT(links); i++) {
        size_t at = bl_slice_find(text, links[i]);

        if (at != SIZE_MAX) {
            *phase = phase_of_exim_command(bl_slice_drop(text, at + links[i].n));
            break;
        }
    }
    return text;
}

/* The recipient is given up: Exim tried for as long as it was told to. */
RARELY bool take_exim_expiry(bl_slice *text)
{
    static const bl_slice behind = BL_SLICE_INIT(": retry timeout exceeded");
    bl_slice head = bl_slice_head(*text, 512);

    if (bl_slice_ends(*text, behind)) {
        text->n -= behind.n;
        text->n -= bl_slice_ends(*text, BL_SLICE(" "));
        return true;
    }
    return bl_slice_eq(*text, bl_slice_drop(behind, 2)) ||
           bl_slice_starts(head, BL_SLICE("retry time not reached for any host")) ||
           ((bl_slice_starts(head, BL_SLICE("all hosts ")) ||
             bl_slice_starts(head, BL_SLICE("hosts "))) &&
            bl_slice_find(head, BL_SLICE("have been failing for a long time")) != SIZE_MAX);
}

/* Exim did not try: it was too early, or it was told not to.  4.95 moved the numbers by one (its
 * -52 to -57 were -51 to -56), so those at either end, and the others, are told by their words. */
static inline bool was_not_tried_by_exim(const struct exim_fields *fields)
{
    static const bl_slice words[] = {BL_SLICE_INIT("retry time not reached"),
                                     BL_SLICE_INIT("reusing SMTP connection skips "),
                                     BL_SLICE_INIT("concurrency limit reached "),
                                     BL_SLICE_INIT("domain is held"),
                                     BL_SLICE_INIT("SMTP delivery explicitly queued"),
                                     BL_SLICE_INIT("first-pass only routing due to ")};
    int64_t number = fields->number;

    if (number <= -52 && number >= -56)
        return true;
    return (number == -51 || number == -57 || number == -23 || number == 0) &&
           starts_any(fields->text, words, BL_COUNT(words));
}

/* ` DT=0.063s` behind the text. */
static inline void drop_exim_delivery_time(bl_slice *text)
{
    size_t at = text->n;

    while (at > 0 && text->n - at < 24 && text->p[at - 1] != ' ')
        at--;
    if (at > 0 && text->p[at - 1] == ' ' &&
        bl_slice_starts(bl_slice_drop(*text, at), BL_SLICE("DT=")) &&
        read_exim_time(bl_slice_drop(*text, at + 3)) >= 0)
        text->n = at - 1;
}

RARELY void fill_exim_failure(const struct exim_fields *fields, bl_exim_room *room, bl_record *out,
                              bl_reply *reply)
{
    enum bl_phase phase = BL_PHASE_UNKNOWN;
    bl_slice text = fields->text, judged;
    bool expired, spoken;

    drop_exim_delivery_time(&text);
    expired = out->outcome == BL_BOUNCED && take_exim_expiry(&text);
    skip_exim_strerror(&text);
    spoken = take_exim_speaker(&text, &phase);
    text = respell_exim(room, text, false);
    judged = text;
    if (!spoken) {
        judged = take_exim_trouble(text, &phase);
        if (phase == BL_PHASE_UNKNOWN)
            phase = phase_of_exim_words(text);
        if (phase == BL_PHASE_UNKNOWN && fields->transport.n && fields->ip.n == 0 &&
            !was_not_tried_by_exim(fields))
            phase = BL_PHASE_LOCAL;
        if (phase == BL_PHASE_UNKNOWN && fields->ip.n)
            phase = BL_PHASE_CONNECT;
    }
    reply->wrapper = (bl_status){0, 0, 0};
    reply->relay_host = out->peer_host;
    bl_reply_read(judged, reply);
    reply->phase = phase;
    if (!spoken && !bl_status_absent(reply->enhanced) && reply->code == 0 &&
        phase != BL_PHASE_LOCAL && phase != BL_PHASE_UNKNOWN)
        reply->enhanced = (bl_status){0, 0, 0};
    if (expired && !(spoken && reply->code >= 500))
        out->outcome = BL_EXPIRED;
    out->phase = (uint8_t)phase;
    out->code = reply->code;
    out->enhanced = reply->enhanced;
    out->text = text;
}

/* -- delivery --------------------------------------------------------------------------------- */

/* `defer (N)[: STRERROR] [H=...] [DT=...]: TEXT`, `in` behind `defer (`.  Who hides errno's
 * numbers, which differ between systems, has letters there: `defer (dd)`. */
RARELY bool read_exim_deferral(bl_slice in, struct exim_fields *fields)
{
    bool minus = bl_slice_take(&in, BL_SLICE("-"));
    size_t close = bl_slice_find_byte(bl_slice_head(in, 12), ')');
    bl_slice words;
    uint64_t number;

    if (close == 0 || close >= in.n || in.p[close] != ')')
        return false;
    if (!bl_slice_take_u64(&in, &number) || number > INT32_MAX)
        number = 1;
    in = bl_slice_drop(in, bl_slice_find_byte(in, ')') + 1);
    fields->number = minus ? -(int64_t)number : (int64_t)number;
    words = in;
    if (bl_slice_take(&words, BL_SLICE(": "))) {
        size_t host = bl_slice_find(words, BL_SLICE(" H=")),
               time = bl_slice_find(words, BL_SLICE(" DT=")),
               colon = bl_slice_find(words, BL_SLICE(": ")), end = host < time ? host : time;

        fields->text = words;
        if (end == SIZE_MAX || end > colon || fields->number <= 0)
            return true;
        fields->text.n = end; /* and what follows the fields says more */
        in = bl_slice_drop(words, end);
    }
    fields->ended = false;
    while (in.n && !fields->ended) {
        if (bl_slice_starts(in, BL_SLICE(": ")) || bl_slice_eq(in, BL_SLICE(":")))
            fields->ended = true;
        else if (in.p[0] == ' ')
            in = bl_slice_drop(in, 1);
        else
            take_exim_field(&in, fields);
    }
    (void)bl_slice_take(&in, BL_SLICE(":"));
    if (bl_slice_take(&in, BL_SLICE(" ")))
        fields->text = in;
    return true;
}

/* The fields of `**` and `==`, to the colon; `in` begins behind the address. */
RARELY bool read_exim_failed_fields(bl_slice in, bool deferred, struct exim_fields *fields)
{
    while (in.n && !fields->ended) {
        if (in.p[0] == ':') {
            fields->ended = true;
            in = bl_slice_drop(in, 1);
            break;
        }
        if (in.p[0] == ' ') {
            in = bl_slice_drop(in, 1);
            continue;
        }
        if (deferred && bl_slice_take(&in, BL_SLICE("defer (")))
            return read_exim_deferral(in, fields);
        take_exim_field(&in, fields);
    }
    if (deferred)
        return false;
    (void)bl_slice_take(&in, BL_SLICE(" "));
    fields->text = in;
    return true;
}

static inline void read_exim_sent_fields(bl_slice in, struct exim_fields *fields)
{
    while (in.n) {
        if (in.p[0] == ' ')
            in = bl_slice_drop(in, 1);
        else
            take_exim_field_here(&in, fields);
    }
}

static inline enum bl_outcome outcome_of_exim_sent(const struct exim_address *address,
                                                   const struct exim_fields *fields)
{
    if (bl_slice_starts(address->printed, BL_SLICE(":blackhole:")) ||
        bl_slice_eq(fields->transport, BL_SLICE("**bypassed**")))
        return BL_DISCARDED;
    if (bl_slice_starts(address->printed, BL_SLICE(">")))
        return BL_RELAYED; /* an answer was sent, the mail itself went nowhere */
    if (fields->has_host && is_loopback(fields->host, fields->ip) &&
        (bl_slice_find(fields->transport, BL_SLICE("lmtp")) == SIZE_MAX ||
         bl_slice_find(fields->confirmation, BL_SLICE("from MTA(")) != SIZE_MAX))
        return BL_RELAYED;
    return BL_DELIVERED;
}

/* The two bytes of the symbol. */
static inline enum bl_outcome outcome_of_symbol(const char *symbol)
{
    if (symbol[0] == '*')
        return symbol[1] == '*' ? BL_BOUNCED : BL_DISCARDED; /* -N: nothing is really sent */
    return symbol[0] == '=' && symbol[1] == '=' ? BL_DEFERRED : BL_DELIVERED;
}

/* From the end of the peer's address to ours, `]:25 I=[` nearly always; or 0. */
static inline uint8_t gap_to_local_ip(const struct exim_fields *fields)
{
    ptrdiff_t gap;

    if (fields->local_ip.n == 0 || fields->ip.n == 0)
        return 0;
    gap = fields->local_ip.p - (fields->ip.p + fields->ip.n);
    return gap > 0 && gap <= UINT8_MAX ? (uint8_t)gap : 0;
}

/* A whole message, `in` behind the symbol: `discarded (system filter)`, `blackhole (DATA ACL
 * discarded recipients)[: TEXT]`. */
static inline bool is_exim_discard(bl_slice in)
{
    return (in.p[0] == 'b' || in.p[0] == 'd') && (bl_slice_starts(in, BL_SLICE("blackhole (")) ||
                                                  bl_slice_starts(in, BL_SLICE("discarded (")));
}

/* Whose mail it was is not told; where ACLs had discarded recipient by recipient, each has a
 * line. */
RARELY enum bl_exim_line read_exim_discard(const bl_syslog *head, bl_slice id, bl_slice in,
                                           bl_record *out)
{
    if (bl_slice_starts(in, BL_SLICE("blackhole (RCPT ACL")) ||
        bl_slice_starts(in, BL_SLICE("blackhole (MAIL ACL")))
        return BL_EXIM_OTHER;
    begin_record(head, id, BL_RECORD_DELIVERY, out);
    out->mta = BL_MTA_EXIM;
    out->outcome = BL_DISCARDED;
    out->text = in;
    return BL_EXIM_RECORD;
}

static inline enum bl_exim_line read_exim_delivery(const bl_syslog *head, bl_slice id,
                                                   bl_exim_room *room, bl_record *out,
                                                   bl_reply *reply)
{
    enum bl_outcome outcome = outcome_of_symbol(head->body.p);
    bool failed = outcome == BL_BOUNCED || outcome == BL_DEFERRED;
    struct exim_fields fields = {.delay_ms = -1};
    struct exim_address address;

    if (outcome == BL_DELIVERED && is_exim_discard(bl_slice_drop(head->body, 3)))
        return read_exim_discard(head, id, bl_slice_drop(head->body, 3), out);
    if (!take_exim_address(bl_slice_drop(head->body, 3), &address))
        return BL_EXIM_UNPARSED;
    if (failed) {
        if (!read_exim_failed_fields(address.rest, outcome == BL_DEFERRED, &fields))
            return BL_EXIM_UNPARSED;
        if (fields.text.n == 0 && !fields.ended) /* no field and no colon: mua_wrapper's words */
            fields.text = bl_slice_drop(address.rest, address.rest.n > 0);
    } else {
        read_exim_sent_fields(address.rest, &fields);
        if (outcome == BL_DELIVERED)
            outcome = outcome_of_exim_sent(&address, &fields);
    }
    begin_record(head, id, BL_RECORD_DELIVERY, out);
    out->mta = BL_MTA_EXIM;
    out->outcome = (uint8_t)outcome;
    set_recipient(&address, out);
    out->peer_host = fields.host;
    out->peer_ip = fields.ip;
    out->sending_gap = gap_to_local_ip(&fields);
    out->delay_ms = fields.delay_ms;
    out->service = exim_service(room, head->program, fields.transport);
    if (fields.has_sender) {
        out->sender = fields.sender;
        out->flags |= BL_RECORD_HAS_SENDER;
    }
    if (failed) {
        if (outcome == BL_DEFERRED && was_not_tried_by_exim(&fields))
            out->flags |= BL_RECORD_NO_ATTEMPT;
        fill_exim_failure(&fields, room, out, reply);
        return BL_EXIM_RECORD;
    }
    out->text = fields.confirmation;
    out->code = code_of_sent(out->text);
    if (out->code) {
        bl_slice rest = bl_slice_drop(out->text, 4);

        out->enhanced = read_dsn(bl_slice_head(rest, bl_window_find(rest, ' ')));
        if (out->enhanced.class_ != 2)
            out->enhanced = (bl_status){0, 0, 0};
    }
    out->text = respell_exim(room, out->text, true);
    return BL_EXIM_RECORD;
}

/* -- the life of a message -------------------------------------------------------------------- */

/* `A=MECHANISM[:USER[:SENDER]]` */
static inline bl_slice exim_user(bl_slice word)
{
    word = bl_slice_drop(word, bl_slice_find_byte(word, ':'));
    (void)bl_slice_take(&word, BL_SLICE(":"));
    return bl_slice_head(word, bl_slice_find_byte(word, ':'));
}

/* `id=` of a message id that may hold anything; subject, sender or recipients may follow. */
RARELY bl_slice exim_message_id(bl_slice in)
{
    for (size_t at = 0;; at++) {
        bl_slice rest;

        at += bl_window_find(bl_slice_drop(in, at), ' ');
        rest = bl_slice_drop(in, at);
        if (rest.n == 0 || bl_slice_starts(rest, BL_SLICE(" T=\"")) ||
            bl_slice_starts(rest, BL_SLICE(" from <")) || bl_slice_starts(rest, BL_SLICE(" for ")))
            return bl_slice_head(in, at);
    }
}

/* `<= SENDER [R=ID] [H=...] [U=USER] P=PROTOCOL ... S=SIZE [id=...] [T="..."] [from <...> for
 * ...]` */
static inline enum bl_exim_line read_exim_arrival(const bl_syslog *head, bl_slice id,
                                                  bl_record *out)
{
    bl_slice in = bl_slice_drop(head->body, 3), sender, word, ip = {NULL, 0};
    size_t end = in.n && in.p[0] == '"' ? skip_quoted(in, 0) : 0;

    end += bl_window_find(bl_slice_drop(in, end), ' ');
    sender = bl_slice_head(in, end);
    in = bl_slice_drop(in, end);
    begin_record(head, id, BL_RECORD_ARRIVAL, out);
    out->mta = BL_MTA_EXIM;
    out->flags = BL_RECORD_HAS_SENDER;
    if (!bl_slice_eq(sender, BL_SLICE("<>")))
        out->sender = sender;
    while (bl_slice_take(&in, BL_SLICE(" ")) && in.n > 2) {
        if (in.p[1] == '=') {
            bl_slice rest = bl_slice_drop(in, 2);

            if (in.p[0] == 'H') {
                take_exim_host(&rest, &out->peer_host, &ip);
                out->peer_ip = ip;
                in = rest;
                continue;
            }
            if (in.p[0] == 'T' && in.p[2] == '"')
                break;
        } else if (bl_slice_starts(in, BL_SLICE("id"))) {
            if (bl_slice_take(&in, BL_SLICE("id=")) || bl_slice_take(&in, BL_SLICE("id*=")))
                out->text = exim_message_id(in); /* with the asterisk Exim made it up */
            break;
        }
        end = bl_window_find(in, ' ');
        word = bl_slice_head(in, end);
        if (word.n > 2 && word.p[0] == 'A' && word.p[1] == '=') {
            out->orig_recipient = exim_user(word);
        } else if (bl_slice_starts(word, BL_SLICE("DN=\""))) {
            end = 3 + exim_quoted_end(bl_slice_drop(in, 3));
        }
        in = bl_slice_drop(in, end);
    }
    return BL_EXIM_RECORD;
}

static inline enum bl_exim_line read_exim_completed(const bl_syslog *head, bl_slice id,
                                                    bl_record *out)
{
    begin_record(head, id, BL_RECORD_REMOVED, out);
    out->mta = BL_MTA_EXIM;
    return BL_EXIM_RECORD;
}

/* -- refused at our own door ------------------------------------------------------------------ */

RARELY enum bl_phase phase_of_exim_refusal(bl_slice in)
{
    static const struct exim_wording stages[] = {
        {BL_SLICE_INIT("RCPT"), BL_PHASE_RCPT},
        {BL_SLICE_INIT("MAIL"), BL_PHASE_MAIL},
        {BL_SLICE_INIT("after DATA"), BL_PHASE_EOD},
        {BL_SLICE_INIT("DATA"), BL_PHASE_DATA},
        {BL_SLICE_INIT("connection"), BL_PHASE_CONNECT},
        {BL_SLICE_INIT("EHLO"), BL_PHASE_HELO},
        {BL_SLICE_INIT("HELO"), BL_PHASE_HELO},
        {BL_SLICE_INIT("STARTTLS"), BL_PHASE_TLS},
        {BL_SLICE_INIT("AUTH"), BL_PHASE_AUTH},
        {BL_SLICE_INIT("from <"), BL_PHASE_EOD},
        {BL_SLICE_INIT("by "), BL_PHASE_EOD},
        {BL_SLICE_INIT("during "), BL_PHASE_EOD},
        {BL_SLICE_INIT("VRFY"), BL_PHASE_RCPT},
    };

    for (size_t i = 0; i < BL_COUNT(stages); i++)
        if (bl_slice_starts(in, stages[i].begins))
            return stages[i].phase;
    return BL_PHASE_UNKNOWN;
}

/* Finds ` [temporarily ]rejected `, fields before it; `in` ends up behind it.  Or, in front of `in`
 * then, `RCPT <A>: discarded by RCPT ACL`.  `*word` is the first word that is no field: the
 * recipient, where the next server refused what went through to it. */
RARELY bool take_exim_refusal_head(bl_slice *in, struct exim_fields *fields, bl_slice *word,
                                   bl_slice *user, enum bl_outcome *outcome)
{
    *word = *user = bl_slice_head(*in, 0);
    *outcome = BL_REJECTED;
    while (in->n) {
        if (in->p[0] == ' ') {
            *in = bl_slice_drop(*in, 1);
        } else if (bl_slice_take(in, BL_SLICE("temporarily rejected ")) ||
                   bl_slice_take(in, BL_SLICE("rejected ")) ||
                   bl_slice_take(in, BL_SLICE("tmp-reject from cutthrough "))) {
            return true;
        } else if (bl_slice_starts(*in, BL_SLICE("RCPT "))) {
            *outcome = BL_DISCARDED;
            return bl_slice_find(*in, BL_SLICE(": discarded by ")) != SIZE_MAX;
        } else {
            if (word->n == 0 && in->n > 1 && in->p[1] != '=')
                *word = bl_slice_head(*in, bl_window_find(*in, ' '));
            if (bl_slice_starts(*in, BL_SLICE("A=")))
                *user = exim_user(bl_slice_head(*in, bl_window_find(*in, ' ')));
            take_exim_field(in, fields);
            if (fields->ended)
                return false; /* `H=mx [ip]: SMTP error ...` */
        }
    }
    return false;
}

/* ` H=HOST [IP]` behind it; a local caller has none. */
RARELY void take_exim_peer(bl_slice in, bl_record *out)
{
    if (bl_slice_take(&in, BL_SLICE(" H=")))
        take_exim_host(&in, &out->peer_host, &out->peer_ip);
}

/* `MAIL from H=HOST [IP]: no HELO/EHLO given`, `"VRFY a" from HOST [IP]`. */
RARELY void take_exim_caller(bl_slice in, bl_record *out)
{
    in = bl_slice_drop(in, in.n && in.p[0] == '"' ? exim_quoted_end(in) : bl_window_find(in, ' '));
    if (!bl_slice_take(&in, BL_SLICE(" from ")))
        return;
    (void)bl_slice_take(&in, BL_SLICE("H="));
    take_exim_host(&in, &out->peer_host, &out->peer_ip);
}

/* Cut-through: `A F=<S> rejected after DATA: R=.. T=.. H=.. C="550 no"`, where the fields are the
 * next server's. */
RARELY bool take_exim_cut_through(bl_slice in, bl_exim_room *room, bl_slice *text)
{
    struct exim_fields next = {.delay_ms = -1};

    if (!bl_slice_take(&in, BL_SLICE("after DATA: ")) ||
        !(bl_slice_starts(in, BL_SLICE("R=")) || bl_slice_starts(in, BL_SLICE("T="))))
        return false;
    read_exim_sent_fields(in, &next);
    *text = respell_exim(room, next.confirmation, true);
    return true;
}

/* The rest of a refusal: the reply, whose words they are. */
RARELY void fill_exim_refusal(bl_slice text, bl_record *out, bl_reply *reply)
{
    reply->wrapper = (bl_status){0, 0, 0};
    reply->relay_host = (bl_slice){NULL, 0};
    reply->phase = (enum bl_phase)out->phase;
    bl_reply_read(text, reply);
    out->code = reply->code;
    out->enhanced = reply->enhanced;
    out->text = reply->text;
}

/* `H=HOST [IP] [U=..] [X=..] [F=<S>] [A=..] [temporarily ]rejected STAGE [<ADDRESS>][: TEXT]` */
RARELY enum bl_exim_line read_exim_refusal(const bl_syslog *head, bl_slice id, bl_exim_room *room,
                                           bl_record *out, bl_reply *reply)
{
    bl_slice in = head->body, text = {NULL, 0}, word, user;
    struct exim_fields fields = {.delay_ms = -1};
    enum bl_outcome outcome;
    size_t colon;

    if (!take_exim_refusal_head(&in, &fields, &word, &user, &outcome))
        return BL_EXIM_OTHER;
    begin_record(head, id, BL_RECORD_REJECT, out);
    out->mta = BL_MTA_EXIM;
    out->outcome = (uint8_t)outcome;
    out->orig_recipient = user;
    out->phase = (uint8_t)phase_of_exim_refusal(in);
    out->peer_host = fields.host;
    out->peer_ip = fields.ip;
    if (fields.has_sender) {
        out->sender = fields.sender;
        out->flags |= BL_RECORD_HAS_SENDER;
    }
    if (id.n == 0)
        out->flags |= BL_RECORD_ONE_SHOT;
    if (word.n && take_exim_cut_through(in, room, &text)) {
        out->recipient = word;
        fill_exim_refusal(text, out, reply);
        return BL_EXIM_RECORD;
    }
    if (bl_slice_take(&in, BL_SLICE("RCPT "))) {
        if (!take_bracketed(&in, &out->recipient)) {
            out->recipient = bl_slice_head(in, bl_slice_find_byte(in, ' '));
            out->recipient.n -= bl_slice_ends(out->recipient, BL_SLICE(":"));
        }
    } else if (bl_slice_take(&in, BL_SLICE("MAIL FROM:")) ||
               bl_slice_take(&in, BL_SLICE("from "))) {
        if (take_bracketed(&in, &out->sender)) /* before the client: too big, by SIZE= or as read */
            out->flags |= BL_RECORD_HAS_SENDER;
        take_exim_peer(in, out);
    } else if (!fields.has_host) {
        take_exim_caller(in, out);
    }
    colon = bl_slice_find(in, BL_SLICE(": "));
    if (colon != SIZE_MAX)
        text = bl_slice_drop(in, colon + 2);
    fill_exim_refusal(respell_exim(room, text, false), out, reply);
    return BL_EXIM_RECORD;
}

/* `Connection from HOST [IP] refused: TEXT`, `refused connection from HOST [IP] (TEXT)`, `too many
 * recipients: message rejected: sender=<S> H=HOST [IP]`. */
RARELY enum bl_exim_line read_exim_turned_away(const bl_syslog *head, bl_record *out,
                                               bl_reply *reply)
{
    bl_slice in = head->body, text = in;

    begin_record(head, bl_slice_head(in, 0), BL_RECORD_REJECT, out);
    out->mta = BL_MTA_EXIM;
    out->outcome = BL_REJECTED;
    out->flags = BL_RECORD_ONE_SHOT;
    out->phase = BL_PHASE_CONNECT;
    if (bl_slice_take(&in, BL_SLICE("Connection from "))) {
        take_exim_host(&in, &out->peer_host, &out->peer_ip);
        if (!bl_slice_take(&in, BL_SLICE(" refused: ")))
            return BL_EXIM_OTHER;
        text = in;
    } else if (bl_slice_take(&in, BL_SLICE("refused connection from "))) {
        take_exim_host(&in, &out->peer_host, &out->peer_ip);
    } else {
        size_t sender = bl_slice_find(in, BL_SLICE(": sender="));

        if (sender == SIZE_MAX)
            return BL_EXIM_OTHER;
        text = bl_slice_head(in, sender);
        in = bl_slice_drop(in, sender + 9);
        out->phase = BL_PHASE_RCPT;
        if (take_bracketed(&in, &out->sender))
            out->flags |= BL_RECORD_HAS_SENDER;
        take_exim_peer(in, out);
    }
    fill_exim_refusal(text, out, reply);
    return BL_EXIM_RECORD;
}

/* A recipient of several, refused by its own ACL behind the data: `PRDR R=<A> [temporary
 * ]refusal`. */
RARELY enum bl_exim_line read_exim_prdr(const bl_syslog *head, bl_slice id, bl_record *out,
                                        bl_reply *reply)
{
    bl_slice in = bl_slice_drop(head->body, 7);

    begin_record(head, id, BL_RECORD_REJECT, out);
    out->mta = BL_MTA_EXIM;
    out->outcome = BL_REJECTED;
    out->phase = BL_PHASE_EOD;
    if (!take_bracketed(&in, &out->recipient) || !bl_slice_ends(in, BL_SLICE("refusal")))
        return BL_EXIM_OTHER;
    fill_exim_refusal(bl_slice_drop(in, 1), out, reply);
    return BL_EXIM_RECORD;
}

/* `cancelled by USER`, `cancelled by timeout_frozen_after`: no word on recipients, each of which is
 * given up. `cancelled by system filter[: TEXT]`: before any was tried. */
RARELY enum bl_exim_line read_exim_cancelled(const bl_syslog *head, bl_slice id, bl_slice in,
                                             bl_record *out, bl_reply *reply)
{
    bool filter = bl_slice_take(&in, BL_SLICE("system filter"));

    begin_record(head, id, filter ? BL_RECORD_DELIVERY : BL_RECORD_EXPIRED, out);
    out->mta = BL_MTA_EXIM;
    if (filter) {
        out->outcome = BL_BOUNCED;
        out->phase = BL_PHASE_LOCAL;
        (void)bl_slice_take(&in, BL_SLICE(": "));
        fill_exim_refusal(in, out, reply);
    }
    return BL_EXIM_RECORD;
}

RARELY enum bl_exim_line read_exim_rare(const bl_syslog *head, bl_slice id, bl_record *out,
                                        bl_reply *reply)
{
    bl_slice in = head->body;

    if (id.n == 0)
        return read_exim_turned_away(head, out, reply);
    return bl_slice_take(&in, BL_SLICE("cancelled by "))
               ? read_exim_cancelled(head, id, in, out, reply)
               : read_exim_prdr(head, id, out, reply);
}

/* -- lines that need others ------------------------------------------------------------------- */

/* Cut-through: the arrival comes next.  The line goes on as it stands when it can be read. */
RARELY enum bl_exim_line read_exim_held(const bl_syslog *head, bl_slice id, bl_exim_room *room,
                                        bl_record *out, bl_reply *reply)
{
    enum bl_exim_line line = read_exim_delivery(head, id, room, out, reply);

    if (line != BL_EXIM_RECORD)
        return line;
    begin_record(head, id, BL_RECORD_HELD, out);
    out->mta = BL_MTA_EXIM;
    out->text = (bl_slice){id.p, (size_t)(head->body.p - id.p) + head->body.n};
    return BL_EXIM_RECORD;
}

/* Between program and body the envelope has the pid, in whatever brackets. */
static inline bl_slice exim_process(const bl_syslog *head)
{
    const char *end = head->program.p + head->program.n;

    return head->body.p > end && head->body.p - end < 32
               ? (bl_slice){end, (size_t)(head->body.p - end)}
               : (bl_slice){end, 0};
}

BL_ALWAYS_INLINE enum bl_exim_line read_exim_promised(enum promise promise, const bl_syslog *head,
                                                      bl_slice id, bl_exim_room *room,
                                                      bl_record *out, bl_reply *reply);

/* `[1/3] TEXT`: a slash where the record was cut, a backslash where its line ends and another one
 * follows (headers of what was refused). */
RARELY enum bl_exim_line read_exim_piece(const bl_syslog *head, bl_exim_room *room, bl_record *out,
                                         bl_reply *reply)
{
    bl_slice in = bl_slice_drop(head->body, 1), id;
    bl_syslog line = *head;
    enum promise promise;
    uint64_t number, of;
    bool cut;

    if (!bl_slice_take_u64(&in, &number))
        return BL_EXIM_OTHER;
    cut = bl_slice_take(&in, BL_SLICE("/"));
    if ((!cut && !bl_slice_take(&in, BL_SLICE("\\"))) || !bl_slice_take_u64(&in, &of) ||
        !bl_slice_take(&in, BL_SLICE("] ")) || of < 2 || number == 0 || number > of ||
        of > EXIM_PIECES)
        return BL_EXIM_OTHER;
    if (number == 1 && !cut) { /* its first line is whole */
        line.body = in;
        promise = look_at_exim(&line, &id);
        return promise == EXIM_PIECE || promise == EXIM_REPEATED
                   ? BL_EXIM_OTHER
                   : read_exim_promised(promise, &line, id, room, out, reply);
    }
    begin_record(head, exim_process(head), BL_RECORD_PIECE, out);
    out->mta = BL_MTA_EXIM;
    out->flags = BL_RECORD_ONE_SHOT | (!cut || number == of ? BL_RECORD_LAST_PIECE : 0);
    out->code = (uint16_t)number;
    out->delay_ms = (int32_t)of;
    out->text = in;
    return BL_EXIM_RECORD;
}

/* Only a line that is whole and tells of a recipient. */
static inline bool is_exim_result(enum promise promise)
{
    return promise == EXIM_DELIVERY || promise == EXIM_REFUSAL || promise == EXIM_RARE;
}

/* rsyslog's `message repeated 4 times: [ BODY]`. */
RARELY enum bl_exim_line read_exim_repeated(const bl_syslog *head, bl_exim_room *room,
                                            bl_record *out, bl_reply *reply)
{
    bl_syslog inner = *head;
    enum bl_exim_line line;
    enum promise promise;
    uint32_t times;
    bl_slice id;

    if (!take_repeated_body(&inner.body, &times))
        return BL_EXIM_OTHER;
    promise = look_at_exim(&inner, &id);
    if (!is_exim_result(promise))
        return BL_EXIM_OTHER;
    line = read_exim_promised(promise, &inner, id, room, out, reply);
    return line == BL_EXIM_RECORD && !repeat(times, out) ? BL_EXIM_OTHER : line;
}

/* What was looked at is read.  With a constant promise only one of these is left. */
BL_ALWAYS_INLINE enum bl_exim_line read_exim_promised(enum promise promise, const bl_syslog *head,
                                                      bl_slice id, bl_exim_room *room,
                                                      bl_record *out, bl_reply *reply)
{
    if (promise == EXIM_DELIVERY)
        return read_exim_delivery(head, id, room, out, reply);
    if (promise == EXIM_ARRIVAL)
        return read_exim_arrival(head, id, out);
    if (promise == EXIM_COMPLETED)
        return read_exim_completed(head, id, out);
    if (promise == EXIM_REFUSAL)
        return read_exim_refusal(head, id, room, out, reply);
    if (promise == EXIM_HELD)
        return read_exim_held(head, id, room, out, reply);
    if (promise == EXIM_PIECE)
        return read_exim_piece(head, room, out, reply);
    if (promise == EXIM_REPEATED)
        return read_exim_repeated(head, room, out, reply);
    if (promise == EXIM_RARE)
        return read_exim_rare(head, id, out, reply);
    return BL_EXIM_OTHER;
}

#endif
