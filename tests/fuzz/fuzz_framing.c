/* Counted messages: what is whole does not depend on what follows, lines fit where the messages
 * were, there are as many newlines as messages; from the end, a newline stands before lines that
 * are whole. */
#include <stdlib.h>

#include "bounceline/framing.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static size_t newlines(const char *bytes, size_t n)
{
    size_t count = 0;

    for (size_t i = 0; i < n; i++)
        count += bytes[i] == '\n';
    return count;
}

static void from_the_end(bl_slice raw)
{
    char *out = malloc(raw.n + 1);
    size_t n;

    if (!out)
        return;
    n = bl_framing_lines_before(raw, out);
    if (n == 0 || n > raw.n + 1 || out[0] != '\n' || out[n - 1] != '\n')
        abort();
    free(out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    bl_slice in = {(const char *)data, n}, rest = in, message;
    size_t whole = bl_framing_whole(in), half = bl_framing_whole(bl_slice_head(in, n / 2));
    size_t lines, whole_lines;
    char *copy = malloc(n + !n);

    if (!copy)
        return 0;
    while (rest.n && bl_framing_take(&rest, &message) == BL_FRAME_DONE)
        if (message.p < in.p || message.p + message.n > in.p + n)
            abort();
    if (whole > n || half > whole)
        abort();
    from_the_end(bl_slice_head(in, whole < 4096 ? whole : 4096));
    if (n)
        memcpy(copy, data, n);
    lines = bl_framing_to_lines(copy, n);
    if (n)
        memcpy(copy, data, n);
    whole_lines = bl_framing_to_lines(copy, whole);
    if (lines > n || whole_lines > whole || (whole_lines && copy[whole_lines - 1] != '\n'))
        abort();
    if (bl_framing_whole((bl_slice){copy, 0}) != 0 || newlines(copy, whole_lines) > whole)
        abort();
    free(copy);
    return 0;
}
