/* Text is copied in runs: eight bytes at a time are looked at for one that JSON or a terminal would
 * not take as it is, which is rare.  Only those go through the decoder. */
#include "json.h"

#include "bounceline/stamp.h"
#include "utf8.h"

static const uint64_t ones = 0x0101010101010101U, highs = 0x8080808080808080U;

/* High bit of each byte that is zero.  Exact for the lowest such byte, which is all that is
 * asked. */
static uint64_t zero_bytes(uint64_t x)
{
    return (x - ones) & ~x & highs;
}

static bool is_plain(unsigned char c)
{
    return c >= 0x20 && c < 0x7f && c != '"' && c != '\\';
}

static size_t plain_run(bl_slice text)
{
    size_t i = 0;

    for (; i + 8 <= text.n; i += 8) {
        uint64_t x, odd;

        memcpy(&x, text.p + i, 8);
        odd = (x & highs) | zero_bytes(x & (0xe0 * ones)) | zero_bytes(x ^ ('"' * ones)) |
              zero_bytes(x ^ ('\\' * ones)) | zero_bytes(x ^ (0x7f * ones));
        if (odd)
            break;
    }
    while (i < text.n && is_plain((unsigned char)text.p[i]))
        i++;
    return i;
}

static void put_escape(struct bl_output *out, uint32_t point)
{
    static const char hex[] = "0123456789abcdef";
    char text[6] = {
        '\\',           'u', hex[point >> 12 & 15], hex[point >> 8 & 15], hex[point >> 4 & 15],
        hex[point & 15]};

    bl_output_put(out, (bl_slice){text, sizeof text});
}

static void put_odd(struct bl_output *out, bl_slice text, bl_utf8 first)
{
    if (!first.valid) {
        bl_output_put(out, BL_SLICE("\xef\xbf\xbd"));
        return;
    }
    switch (first.point) {
    case '"':
        bl_output_put(out, BL_SLICE("\\\""));
        return;
    case '\\':
        bl_output_put(out, BL_SLICE("\\\\"));
        return;
    case '\n':
        bl_output_put(out, BL_SLICE("\\n"));
        return;
    case '\r':
        bl_output_put(out, BL_SLICE("\\r"));
        return;
    case '\t':
        bl_output_put(out, BL_SLICE("\\t"));
        return;
    default:
        break;
    }
    if (bl_utf8_is_control(first.point))
        put_escape(out, first.point);
    else
        bl_output_put(out, bl_slice_head(text, first.n));
}

static void put_text(struct bl_output *out, bl_slice text)
{
    for (;;) {
        size_t run = plain_run(text);
        bl_utf8 first;

        bl_output_put(out, bl_slice_head(text, run));
        text = bl_slice_drop(text, run);
        if (text.n == 0)
            return;
        first = bl_utf8_first(text);
        put_odd(out, text, first);
        text = bl_slice_drop(text, first.n);
    }
}

void bl_json_string(struct bl_output *out, bl_slice text)
{
    bl_output_byte(out, '"');
    if (text.n)
        put_text(out, text);
    bl_output_byte(out, '"');
}

static void put_key(struct bl_json *json, bl_slice key)
{
    if (json->comma)
        bl_output_byte(json->out, ',');
    json->comma = true;
    bl_json_string(json->out, key);
    bl_output_byte(json->out, ':');
}

void bl_json_init(struct bl_json *json, struct bl_output *out)
{
    json->out = out;
    json->comma = false;
}

void bl_json_begin(struct bl_json *json)
{
    bl_output_byte(json->out, '{');
    json->comma = false;
}

void bl_json_end(struct bl_json *json)
{
    bl_output_put(json->out, BL_SLICE("}\n"));
    json->comma = false;
}

void bl_json_open(struct bl_json *json, bl_slice key)
{
    put_key(json, key);
    bl_output_byte(json->out, '{');
    json->comma = false;
}

void bl_json_open_list(struct bl_json *json, bl_slice key)
{
    put_key(json, key);
    bl_output_byte(json->out, '[');
    json->comma = false;
}

void bl_json_open_item(struct bl_json *json)
{
    if (json->comma)
        bl_output_byte(json->out, ',');
    bl_output_byte(json->out, '{');
    json->comma = false;
}

void bl_json_close(struct bl_json *json)
{
    bl_output_byte(json->out, '}');
    json->comma = true;
}

void bl_json_close_list(struct bl_json *json)
{
    bl_output_byte(json->out, ']');
    json->comma = true;
}

void bl_json_text(struct bl_json *json, bl_slice key, bl_slice value)
{
    put_key(json, key);
    bl_json_string(json->out, value);
}

void bl_json_text_if(struct bl_json *json, bl_slice key, bl_slice value)
{
    if (value.n)
        bl_json_text(json, key, value);
}

void bl_json_u64(struct bl_json *json, bl_slice key, uint64_t value)
{
    put_key(json, key);
    bl_output_u64(json->out, value);
}

void bl_json_bool(struct bl_json *json, bl_slice key, bool value)
{
    put_key(json, key);
    bl_output_put(json->out, value ? BL_SLICE("true") : BL_SLICE("false"));
}

void bl_json_time(struct bl_json *json, bl_slice key, int64_t time_ms)
{
    char text[BL_STAMP_TEXT_MAX];

    /* Out of Redis comes any number; the border is shown for what is beyond it. */
    time_ms = time_ms > INT64_MAX / 1000   ? INT64_MAX / 1000
              : time_ms < INT64_MIN / 1000 ? INT64_MIN / 1000
                                           : time_ms;
    if (time_ms)
        bl_json_text(json, key, (bl_slice){text, bl_stamp_text(time_ms * 1000, text)});
}

void bl_json_decimal(struct bl_json *json, bl_slice key, int64_t value, unsigned digits)
{
    uint64_t whole = value < 0 ? 0 - (uint64_t)value : (uint64_t)value, unit = 1, rest;
    char text[20];
    size_t n = 0;

    for (unsigned i = 0; i < digits; i++)
        unit *= 10;
    put_key(json, key);
    if (value < 0)
        bl_output_byte(json->out, '-');
    bl_output_u64(json->out, whole / unit);
    for (rest = whole % unit; rest; rest %= unit) {
        unit /= 10;
        text[n++] = (char)('0' + rest / unit);
    }
    if (n) {
        bl_output_byte(json->out, '.');
        bl_output_put(json->out, (bl_slice){text, n});
    }
}
