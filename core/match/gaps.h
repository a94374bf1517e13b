/* gaps.h -- what of a reply is its own, and says nothing about the cause (private to match/)
 *
 * Shapes     gaps in order, apart from each other, none of them empty; what lies between them, in
 *            front and behind are the pieces: one more than there are gaps, any of them may be
 *            empty
 * Units      bytes of the text
 * Ownership  the caller's
 * Threads    pure
 * Errors     none: of a text that has more gaps, the rest is read
 * Source     RFC 5321 4.2.1 (replies of several lines)
 */
#ifndef BL_MATCH_GAPS_H
#define BL_MATCH_GAPS_H

#include "bounceline/slice.h"

enum { BL_GAPS_MAX = 16 };

struct bl_gap {
    uint32_t at, end;
};

uint32_t bl_gaps_find(bl_slice text, struct bl_gap gaps[BL_GAPS_MAX]);

/* Where piece i begins and ends. */
static inline uint32_t bl_piece_begin(const struct bl_gap *gaps, uint32_t i)
{
    return i ? gaps[i - 1].end : 0;
}

static inline uint32_t bl_piece_end(const struct bl_gap *gaps, uint32_t n, uint32_t i,
                                    size_t text_n)
{
    return i < n ? gaps[i].at : (uint32_t)text_n;
}

#endif
