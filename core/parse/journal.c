/* journal.c -- a line of `journalctl -o json`
 *
 * One walk over the object finds where the wanted values stand, still escaped; they are unescaped
 * in the order of a log line, so that what reads heads and bodies sees one. */
#include "bounceline/journal.h"

enum field { MESSAGE, IDENTIFIER, HOST, TIME, FACILITY, FIELDS };

static const bl_slice names[FIELDS] = {
    [MESSAGE] = BL_SLICE_INIT("MESSAGE"),
    [IDENTIFIER] = BL_SLICE_INIT("SYSLOG_IDENTIFIER"),
    [HOST] = BL_SLICE_INIT("_HOSTNAME"),
    [TIME] = BL_SLICE_INIT("__REALTIME_TIMESTAMP"),
    [FACILITY] = BL_SLICE_INIT("SYSLOG_FACILITY"),
};

enum { FACILITY_USER = 1, FACILITY_MAIL = 2 };

static void skip_space(bl_slice *in)
{
    while (in->n && (in->p[0] == ' ' || in->p[0] == '\t' || in->p[0] == '\r'))
        *in = bl_slice_drop(*in, 1);
}

static bool take_byte(bl_slice *in, char byte)
{
    skip_space(in);
    if (in->n == 0 || in->p[0] != byte)
        return false;
    *in = bl_slice_drop(*in, 1);
    return true;
}

/* Takes `"..."`; `out` is what stands between the quotes, still escaped. */
static bool take_string(bl_slice *in, bl_slice *out)
{
    bl_slice rest = *in;
    size_t i = 0;

    if (!take_byte(&rest, '"'))
        return false;
    for (; i < rest.n && rest.p[i] != '"'; i++)
        i += rest.p[i] == '\\';
    if (i >= rest.n)
        return false;
    *out = bl_slice_head(rest, i);
    *in = bl_slice_drop(rest, i + 1);
    return true;
}

/* Takes `[...]`, flat; `out` is what stands between the brackets. */
static bool take_array(bl_slice *in, bl_slice *out)
{
    bl_slice rest = *in, string, begin;

    if (!take_byte(&rest, '['))
        return false;
    begin = rest;
    while (rest.n && rest.p[0] != ']') {
        if (rest.p[0] == '[' || rest.p[0] == '{')
            return false;
        if (rest.p[0] != '"')
            rest = bl_slice_drop(rest, 1);
        else if (!take_string(&rest, &string))
            return false;
    }
    if (rest.n == 0)
        return false;
    *out = (bl_slice){begin.p, begin.n - rest.n};
    *in = bl_slice_drop(rest, 1);
    return true;
}

/* A value, still escaped, and what it begins with: `"`, `[`, or 0 for numbers, null and the
 * like. */
static bool take_value(bl_slice *in, bl_slice *out, char *kind)
{
    size_t n = 0;

    skip_space(in);
    *kind = in->n && (in->p[0] == '"' || in->p[0] == '[') ? in->p[0] : '\0';
    if (*kind)
        return *kind == '"' ? take_string(in, out) : take_array(in, out);
    while (n < in->n && in->p[n] != ',' && in->p[n] != '}' && in->p[n] != ' ')
        n++;
    *out = bl_slice_head(*in, n);
    *in = bl_slice_drop(*in, n);
    return n > 0;
}

struct value {
    bl_slice text;
    char kind; /* '"' a string, '[' bytes, 0 absent */
};

/* Of `["a","b"]` the first; `[80,111]` stays what it is. */
static struct value first_of(bl_slice text, char kind)
{
    struct value value = {text, kind};
    bl_slice rest = text;

    skip_space(&rest);
    if (kind == '[' && rest.n && rest.p[0] == '"') {
        value.kind = '"';
        if (!take_string(&rest, &value.text))
            value.kind = '\0';
    }
    return value;
}

static bool read_object(bl_slice in, struct value found[FIELDS])
{
    bl_slice key, text;
    char kind;

    if (!take_byte(&in, '{'))
        return false;
    do {
        if (!take_string(&in, &key) || !take_byte(&in, ':') || !take_value(&in, &text, &kind))
            return false;
        for (size_t i = 0; i < FIELDS; i++)
            if (!found[i].kind && bl_slice_eq(key, names[i]))
                found[i] = first_of(text, kind);
    } while (take_byte(&in, ','));
    if (!take_byte(&in, '}'))
        return false;
    skip_space(&in);
    return in.n == 0;
}

static bool hex4(bl_slice in, unsigned *out)
{
    unsigned value = 0;

    if (in.n < 4)
        return false;
    for (size_t i = 0; i < 4; i++) {
        char c = bl_lower(in.p[i]);

        if (!bl_is_digit(c) && (c < 'a' || c > 'f'))
            return false;
        value = value * 16 + (unsigned)(bl_is_digit(c) ? c - '0' : c - 'a' + 10);
    }
    *out = value;
    return true;
}

static size_t put_utf8(char *out, uint32_t c)
{
    if (c < 0x80) {
        out[0] = (char)c;
        return 1;
    }
    if (c < 0x800) {
        out[0] = (char)(0xC0 | c >> 6);
        out[1] = (char)(0x80 | (c & 0x3F));
        return 2;
    }
    if (c < 0x10000) {
        out[0] = (char)(0xE0 | c >> 12);
        out[1] = (char)(0x80 | (c >> 6 & 0x3F));
        out[2] = (char)(0x80 | (c & 0x3F));
        return 3;
    }
    out[0] = (char)(0xF0 | c >> 18);
    out[1] = (char)(0x80 | (c >> 12 & 0x3F));
    out[2] = (char)(0x80 | (c >> 6 & 0x3F));
    out[3] = (char)(0x80 | (c & 0x3F));
    return 4;
}

/* `in` begins behind `\u`.  Six bytes of escape make three of UTF-8 at most, twelve make four. */
static size_t put_unicode(bl_slice *in, char *out)
{
    unsigned high, low;
    uint32_t c;

    if (!hex4(*in, &high)) {
        out[0] = 'u';
        return 1;
    }
    *in = bl_slice_drop(*in, 4);
    c = high;
    if (high >= 0xD800 && high < 0xDC00 && bl_slice_starts(*in, BL_SLICE("\\u")) &&
        hex4(bl_slice_drop(*in, 2), &low) && low >= 0xDC00 && low < 0xE000) {
        *in = bl_slice_drop(*in, 6);
        c = 0x10000 + ((high & 0x3FFu) << 10) + (low & 0x3FFu);
    }
    return put_utf8(out, c >= 0xD800 && c < 0xE000 ? 0xFFFD : c);
}

static size_t put_string(bl_slice in, char *out)
{
    static const char escapes[] = "bfnrt", bytes[] = "\b\f\n\r\t";
    size_t n = 0;

    while (in.n) {
        size_t plain = bl_slice_find_byte(in, '\\');
        const char *known;
        char c;

        memcpy(out + n, in.p, plain);
        n += plain;
        in = bl_slice_drop(in, plain);
        if (in.n < 2)
            break; /* a string does not end in a lone backslash: take_string */
        c = in.p[1];
        in = bl_slice_drop(in, 2);
        known = memchr(escapes, c, sizeof escapes - 1);
        if (c == 'u')
            n += put_unicode(&in, out + n);
        else
            out[n++] = known ? bytes[known - escapes] : c;
    }
    return n;
}

/* `80,111,115`; false for anything else. */
static bool put_bytes(bl_slice in, char *out, size_t *n)
{
    uint64_t byte;

    *n = 0;
    do {
        skip_space(&in);
        if (!bl_slice_take_u64(&in, &byte) || byte > 255)
            return false;
        out[(*n)++] = (char)(unsigned char)byte;
    } while (take_byte(&in, ','));
    skip_space(&in);
    return in.n == 0;
}

static bool put_value(const struct value *value, char *room, size_t *room_n, bl_slice *out)
{
    size_t n = 0;

    if (value->kind == '"')
        n = put_string(value->text, room + *room_n);
    else if (value->kind != '[' || !put_bytes(value->text, room + *room_n, &n))
        return false;
    *out = (bl_slice){room + *room_n, n};
    for (size_t i = 0; i < n; i++)
        if (room[*room_n + i] == '\n')
            room[*room_n + i] = ' '; /* a line, like any other */
    *room_n += n;
    return true;
}

bool bl_journal_read(bl_slice line, char *room, size_t *room_n, bl_syslog *out)
{
    struct value found[FIELDS] = {0};
    uint64_t time_us, facility = FACILITY_MAIL;

    *room_n = 0;
    if (line.n == 0 || line.p[0] != '{' || !read_object(line, found))
        return false;
    if (!bl_slice_take_u64(&found[TIME].text, &time_us) || found[TIME].text.n ||
        time_us > INT64_MAX)
        return false;
    (void)bl_slice_take_u64(&found[FACILITY].text, &facility);
    out->time_us = (int64_t)time_us;
    out->mail = false;
    out->host = (bl_slice){room, 0};
    if (found[HOST].kind && !put_value(&found[HOST], room, room_n, &out->host))
        return false;
    room[(*room_n)++] = ' ';
    if (!put_value(&found[IDENTIFIER], room, room_n, &out->program))
        return false;
    room[(*room_n)++] = ' ';
    if (!put_value(&found[MESSAGE], room, room_n, &out->body))
        return false;
    if (facility == FACILITY_USER)
        out->program = out->body = bl_slice_drop(out->body, out->body.n);
    return true;
}
