#include "bounceline/framing.h"

#include "bounceline/classify.h"

enum { COUNT_DIGITS = BL_FRAME_COUNT_MAX - 1, PRIORITY_DIGITS = 3 };

/* Takes `123 ` when `<22>` stands behind it. */
static enum bl_frame take_count(bl_slice *in, size_t *count)
{
    size_t value = 0, i = 0, digits;

    for (; i < in->n && i < COUNT_DIGITS && bl_is_digit(in->p[i]); i++)
        value = value * 10 + (size_t)(in->p[i] - '0');
    if (i < in->n && (i == 0 || in->p[0] == '0' || in->p[i] != ' ' || value > BL_LINE_MAX))
        return BL_FRAME_BAD;
    *count = value;
    if (++i >= in->n)
        return BL_FRAME_MORE;
    digits = i + 1;
    if (in->p[i] != '<')
        return BL_FRAME_BAD;
    while (digits < in->n && digits <= i + PRIORITY_DIGITS && bl_is_digit(in->p[digits]))
        digits++;
    if (digits == in->n)
        return BL_FRAME_MORE;
    if (digits == i + 1 || in->p[digits] != '>' || value < digits - i + 1)
        return BL_FRAME_BAD;
    *in = bl_slice_drop(*in, i);
    return BL_FRAME_DONE;
}

enum bl_frame bl_framing_detect(bl_slice begin)
{
    size_t count;

    return take_count(&begin, &count);
}

enum bl_frame bl_framing_take(bl_slice *in, bl_slice *out)
{
    bl_slice rest = *in;
    size_t count;
    enum bl_frame frame = take_count(&rest, &count);

    if (frame != BL_FRAME_DONE)
        return frame;
    if (count > rest.n)
        return BL_FRAME_MORE;
    *out = bl_slice_head(rest, count);
    *in = bl_slice_drop(rest, count);
    while (out->n && (out->p[out->n - 1] == '\n' || out->p[out->n - 1] == '\0'))
        out->n--;
    return BL_FRAME_DONE;
}

/* Text without a count; MORE as long as its end may still come. */
static enum bl_frame take_text(bl_slice *in, bl_slice *out)
{
    size_t end = bl_slice_find_byte(bl_slice_head(*in, BL_LINE_MAX), '\n');

    if (end == in->n)
        return BL_FRAME_MORE;
    if (end == BL_LINE_MAX)
        end--; /* a byte gives way to the newline */
    *out = bl_slice_head(*in, end);
    *in = bl_slice_drop(*in, end + 1);
    return BL_FRAME_DONE;
}

static enum bl_frame take_any(bl_slice *in, bl_slice *out)
{
    enum bl_frame frame = bl_framing_take(in, out);

    return frame == BL_FRAME_BAD ? take_text(in, out) : frame;
}

size_t bl_framing_whole(bl_slice bytes)
{
    bl_slice rest = bytes, message;

    while (rest.n && take_any(&rest, &message) == BL_FRAME_DONE)
        ;
    return bytes.n - rest.n;
}

/* A message came with a count of two bytes at least, so its line and the newline end before it
 * did. */
static size_t put_line(char *bytes, size_t at, bl_slice message)
{
    char *newline;

    memmove(bytes + at, message.p, message.n);
    for (size_t i = 0; (newline = memchr(bytes + at + i, '\n', message.n - i)) != NULL;
         i = (size_t)(newline - bytes) - at)
        *newline = ' ';
    return at + message.n;
}

/* Where the message begins that ends with `raw`, its text is `*out`.  The longest: strangers' words
 * may hold a count of what follows them in their own message, but hardly one that reaches over
 * several up to here. */
static bool find_last_message(bl_slice raw, size_t *begin, bl_slice *out)
{
    for (size_t at = 0; at < raw.n; at++) {
        bl_slice rest = bl_slice_drop(raw, at);

        if (bl_framing_take(&rest, out) == BL_FRAME_DONE && rest.n == 0) {
            *begin = at;
            return true;
        }
    }
    return false;
}

size_t bl_framing_lines_before(bl_slice raw, char *out)
{
    /* filled from its end: a line is shorter than message and count */
    size_t cap = raw.n + 1, at = cap;
    bl_slice message;

    while (find_last_message(raw, &raw.n, &message)) {
        out[--at] = '\n';
        at -= message.n;
        put_line(out, at, message);
    }
    out[--at] = '\n';
    memmove(out, out + at, cap - at);
    return cap - at;
}

size_t bl_framing_to_lines(char *bytes, size_t n)
{
    bl_slice rest = {bytes, n}, message;
    size_t at = 0, count;

    while (rest.n && take_any(&rest, &message) == BL_FRAME_DONE) {
        at = put_line(bytes, at, message);
        bytes[at++] = '\n';
    }
    (void)take_count(&rest, &count);
    return put_line(bytes, at, rest);
}
