/* nearest.h -- the word that somebody who mistyped may have meant
 *
 * Shapes     any bytes; only the first BL_DISTANCE_MAX of each word are compared
 * Units      distance: bytes put in, left out, changed, or two neighbours swapped
 * Ownership  borrows
 * Threads    pure
 * Errors     none
 * Source     Damerau 1964, Levenshtein 1966 (the restricted form: no piece is edited twice)
 */
#ifndef BOUNCELINE_NEAREST_H
#define BOUNCELINE_NEAREST_H

#include "bounceline/slice.h"

enum { BL_DISTANCE_MAX = 64 };

/* How far a word of `n` bytes may be off and still be worth a suggestion. */
#define BL_NEAR_ENOUGH(n) ((n) < 4 ? 1 : (n) < 8 ? 2 : (n) / 3)

/* The distance, ASCII case folded, or `limit` when it is that or more. */
size_t bl_distance(bl_slice a, bl_slice b, size_t limit);

#endif
