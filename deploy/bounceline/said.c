#include "said.h"

static bool has(bl_slice text, bl_slice part)
{
    return bl_slice_find(text, part) != SIZE_MAX;
}

/* TEXT of a whole line: `... to=<A>, ... status=WORD (TEXT)`. */
static bool take_status(bl_slice *text)
{
    size_t at = bl_slice_find(*text, BL_SLICE(" status="));
    bl_slice rest;

    if (at == SIZE_MAX || !has(bl_slice_head(*text, at), BL_SLICE("to=<")))
        return false;
    rest = bl_slice_drop(*text, at + strlen(" status="));
    rest = bl_slice_drop(rest, bl_slice_find_byte(rest, ' '));
    if (!bl_slice_take(&rest, BL_SLICE(" (")))
        return false;
    rest.n -= bl_slice_ends(rest, BL_SLICE(")"));
    *text = rest;
    return true;
}

bl_slice bl_said_read(bl_slice text, bl_reply *out)
{
    bool logged;

    text = bl_slice_head(text, BL_LINE_MAX);
    if (bl_slice_ends(text, BL_SLICE("\r")))
        text.n--;
    logged = take_status(&text);
    memset(out, 0, sizeof *out);
    if (logged)
        bl_reply_read_postfix(text, out);
    else
        bl_reply_read_quoted(text, out);
    return text;
}
