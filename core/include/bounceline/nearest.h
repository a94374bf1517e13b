/* nearest.h -- the word that somebody who mistyped may have meant
 *
 * Shapes     any bytes; only the first BL_DISTANCE_MAX of each word are compared
 * Units      distance: bytes put in, left out, changed, or two neighbours swapped
 * Ownership  borrows: what was found is one of the names that were tried
 * Threads    pure
 * Errors     none
 * Source     Damerau 1964, Levenshtein 1966 (the restricted form: no piece is edited twice)
 */
#ifndef BOUNCELINE_NEAREST_H
#define BOUNCELINE_NEAREST_H

#include "bounceline/slice.h"

enum { BL_DISTANCE_MAX = 64 };

/* The distance, or `limit` when it is that or more.  ASCII case is folded, and '_' is '-'. */
size_t bl_distance(bl_slice a, bl_slice b, size_t limit);

/* One name after the other; `found` is the nearest of those that are near enough, the first among
 * equals. */
struct bl_nearest {
    bl_slice word, found; /* empty: none yet */
    size_t limit;
};

struct bl_nearest bl_nearest_to(bl_slice word);
void bl_nearest_try(struct bl_nearest *nearest, bl_slice name);

#endif
