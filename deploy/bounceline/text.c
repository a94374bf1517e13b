#include "text.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "utf8.h"

bool bl_text_may_colour(int fd)
{
    const char *no = getenv("NO_COLOR"), *term = getenv("TERM");

    return isatty(fd) && (!no || !*no) && term && strcmp(term, "dumb") != 0;
}

size_t bl_text_columns(int fd)
{
    enum { NARROWEST = 60, NO_TERMINAL = 100, WIDEST = 200 };
    struct winsize size;

    if (ioctl(fd, TIOCGWINSZ, &size) != 0 || size.ws_col == 0)
        return NO_TERMINAL;
    return size.ws_col < NARROWEST ? NARROWEST : size.ws_col > WIDEST ? WIDEST : size.ws_col;
}

/* One character as it may be shown: itself, or \xNN for each of its bytes.  Returns its columns. */
static size_t show(bl_slice text, bl_utf8 first, char to[16], size_t *n)
{
    static const char hex[] = "0123456789abcdef";

    if (first.valid && !bl_utf8_is_control(first.point)) {
        memcpy(to, text.p, first.n);
        *n = first.n;
        return 1;
    }
    *n = 0;
    for (size_t i = 0; i < first.n; i++) {
        unsigned char byte = (unsigned char)text.p[i];

        to[(*n)++] = '\\';
        to[(*n)++] = 'x';
        to[(*n)++] = hex[byte >> 4];
        to[(*n)++] = hex[byte & 15];
    }
    return *n;
}

/* Columns of the whole text, counted no further than `cap` + 1. */
static size_t measure(bl_slice text, size_t cap)
{
    size_t columns = 0;

    while (text.n && columns <= cap) {
        bl_utf8 first = bl_utf8_first(text);
        char shown[16];
        size_t n;

        columns += show(text, first, shown, &n);
        text = bl_slice_drop(text, first.n);
    }
    return columns;
}

/* Most text is. */
static bool is_plain_ascii(bl_slice text)
{
    bool plain = true;

    for (size_t i = 0; i < text.n; i++)
        plain &= text.p[i] >= ' ' && text.p[i] <= '~';
    return plain;
}

size_t bl_text_put(struct bl_output *out, bl_slice text, size_t columns)
{
    size_t room, used = 0;
    bool cut;

    if (text.n <= columns && is_plain_ascii(text)) {
        bl_output_put(out, text);
        return text.n;
    }
    cut = measure(text, columns) > columns;
    room = cut && columns >= 3 ? columns - 3 : columns;

    while (text.n) {
        bl_utf8 first = bl_utf8_first(text);
        char shown[16];
        size_t n, wide = show(text, first, shown, &n);

        if (wide > room - used)
            break;
        bl_output_put(out, (bl_slice){shown, n});
        used += wide;
        text = bl_slice_drop(text, first.n);
    }
    if (cut && columns >= 3) {
        bl_output_put(out, BL_SLICE("..."));
        used += 3;
    }
    return used;
}

void bl_text_pad(struct bl_output *out, bl_slice text, size_t columns)
{
    for (size_t used = bl_text_put(out, text, columns); used < columns; used++)
        bl_output_byte(out, ' ');
}

const char *bl_text_message(char *to, size_t room, const char *text)
{
    bl_slice rest = {text, strlen(text)};
    size_t at = 0;

    while (rest.n) {
        bl_utf8 first = bl_utf8_first(rest);
        char shown[16];
        size_t n;

        show(rest, first, shown, &n);
        if (n >= room - at)
            break;
        memcpy(to + at, shown, n);
        at += n;
        rest = bl_slice_drop(rest, first.n);
    }
    to[at] = 0;
    return to;
}

const char *bl_text_number(uint64_t value, char to[BL_TEXT_NUMBER_MAX])
{
    char *at = to + BL_TEXT_NUMBER_MAX;
    unsigned digits = 0;

    *--at = 0;
    do {
        if (digits && digits % 3 == 0)
            *--at = ',';
        *--at = (char)('0' + value % 10);
        value /= 10;
        digits++;
    } while (value);
    return at;
}

const char *bl_text_count(uint64_t value, const char *one, char to[BL_TEXT_NUMBER_MAX])
{
    char number[BL_TEXT_NUMBER_MAX];

    snprintf(to, BL_TEXT_NUMBER_MAX, "%s %s%s", bl_text_number(value, number), one,
             value == 1 ? "" : "s");
    return to;
}

const char *bl_text_bytes(uint64_t value, char to[BL_TEXT_NUMBER_MAX])
{
    static const char *const units[] = {"bytes", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
    double shown = (double)value;
    size_t unit = 0;

    while (shown >= 1024 && unit + 1 < BL_COUNT(units)) {
        shown /= 1024;
        unit++;
    }
    snprintf(to, BL_TEXT_NUMBER_MAX, unit ? "%.1f %s" : "%.0f %s", shown, units[unit]);
    return to;
}

const char *bl_text_time(int64_t time_ms, char to[BL_TEXT_NUMBER_MAX])
{
    time_t seconds = (time_t)(time_ms >= 0 ? time_ms / 1000 : (time_ms - 999) / 1000);
    struct tm tm;

    if (!gmtime_r(&seconds, &tm) || strftime(to, BL_TEXT_NUMBER_MAX, "%Y-%m-%d %H:%M:%S", &tm) == 0)
        snprintf(to, BL_TEXT_NUMBER_MAX, "%" PRId64 " ms", time_ms);
    return to;
}

const char *bl_text_span(int64_t span_ms, char to[BL_TEXT_NUMBER_MAX])
{
    static const struct {
        int64_t ms;
        const char *name;
    } units[] = {
        {86400000, "day"},
        {3600000, "hour"},
        {60000, "minute"},
        {1000, "second"},
    };
    size_t i = 0;

    while (i + 1 < BL_COUNT(units) && span_ms != units[i].ms && span_ms < 2 * units[i].ms)
        i++;
    snprintf(to, BL_TEXT_NUMBER_MAX, "%" PRId64 " %s%s", span_ms / units[i].ms, units[i].name,
             span_ms / units[i].ms == 1 ? "" : "s");
    return to;
}
