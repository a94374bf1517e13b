#include "utf8.h"

/* What the second byte may be depends on the first: no overlong forms, no surrogates, nothing above
 * U+10FFFF.  The others are 80..BF. */
static bool lead(unsigned char byte, unsigned *more, unsigned *low, unsigned *high)
{
    *low = 0x80;
    *high = 0xbf;
    if (byte >= 0xc2 && byte <= 0xdf) {
        *more = 1;
    } else if (byte >= 0xe0 && byte <= 0xef) {
        *more = 2;
        if (byte == 0xe0)
            *low = 0xa0;
        if (byte == 0xed)
            *high = 0x9f;
    } else if (byte >= 0xf0 && byte <= 0xf4) {
        *more = 3;
        if (byte == 0xf0)
            *low = 0x90;
        if (byte == 0xf4)
            *high = 0x8f;
    } else {
        return false;
    }
    return true;
}

bl_utf8 bl_utf8_first(bl_slice text)
{
    unsigned char byte = (unsigned char)text.p[0];
    unsigned more, low, high;
    uint32_t point;

    if (byte < 0x80)
        return (bl_utf8){byte, 1, true};
    if (!lead(byte, &more, &low, &high))
        return (bl_utf8){0, 1, false};
    point = byte & (0x3fU >> more);
    for (unsigned i = 1; i <= more; i++) {
        unsigned char next = i < text.n ? (unsigned char)text.p[i] : 0;

        if (next < low || next > high)
            return (bl_utf8){0, (uint8_t)i, false};
        point = point << 6 | (next & 0x3f);
        low = 0x80;
        high = 0xbf;
    }
    return (bl_utf8){point, (uint8_t)(more + 1), true};
}

bool bl_utf8_is_control(uint32_t point)
{
    return point < 0x20 || (point >= 0x7f && point <= 0x9f) || point == 0x61c || point == 0x200e ||
           point == 0x200f || (point >= 0x2028 && point <= 0x202e) ||
           (point >= 0x2066 && point <= 0x2069) || point == 0xfeff;
}
