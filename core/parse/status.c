#include "bounceline/status.h"

/* Takes one to three digits.  RFC 3463 (2) forbids leading zeros; Postfix's dsn_valid() lets them
 * through and so prints them, hence we read them. */
static bool take_subcode(bl_slice *in, uint16_t *out)
{
    unsigned value = 0;
    size_t len = 0;

    while (len < in->n && len < 3 && bl_is_digit(in->p[len]))
        value = value * 10 + (unsigned)(in->p[len++] - '0');
    if (len == 0 || (len < in->n && bl_is_digit(in->p[len])))
        return false;
    *out = (uint16_t)value;
    *in = bl_slice_drop(*in, len);
    return true;
}

bool bl_status_take(bl_slice *in, bl_status *out)
{
    bl_slice rest = *in;
    bl_status status;

    if (rest.n < 5 || (rest.p[0] != '2' && rest.p[0] != '4' && rest.p[0] != '5'))
        return false;
    status.class_ = (uint16_t)(rest.p[0] - '0');
    rest = bl_slice_drop(rest, 1);
    if (!bl_slice_take(&rest, BL_SLICE(".")) || !take_subcode(&rest, &status.subject) ||
        !bl_slice_take(&rest, BL_SLICE(".")) || !take_subcode(&rest, &status.detail))
        return false;
    if (rest.n >= 2 && rest.p[0] == '.' && bl_is_digit(rest.p[1]))
        return false; /* a version or an address: 5.1.1.2 */
    *out = status;
    *in = rest;
    return true;
}

static size_t put_number(char *out, unsigned value)
{
    size_t n = value >= 100 ? 3 : value >= 10 ? 2 : 1;

    for (size_t i = n; i-- > 0; value /= 10)
        out[i] = (char)('0' + value % 10);
    return n;
}

size_t bl_status_text(bl_status status, char out[BL_STATUS_TEXT_MAX])
{
    size_t n = 0;

    if (!bl_status_absent(status)) {
        n = put_number(out, status.class_ % 10u);
        out[n++] = '.';
        n += put_number(out + n, status.subject % 1000u);
        out[n++] = '.';
        n += put_number(out + n, status.detail % 1000u);
    }
    out[n] = '\0';
    return n;
}
