/* shape.h -- a reply with everything of its own folded out
 *
 * So that the same sentence about other people, hosts and messages is the same text, and may be
 * shown to others. What is left are words; {address}, {host}, {ip}, {url}, {n} (a number), {id} and
 * {name} stand for the rest.
 *
 * Shapes     text: any bytes; the shape at most BL_SHAPE_MAX bytes, cut at the end of a word
 * Units      -
 * Ownership  the caller's buffer
 * Threads    pure
 * Errors     none
 * Source     -
 */
#ifndef BOUNCELINE_SHAPE_H
#define BOUNCELINE_SHAPE_H

#include "bounceline/slice.h"

enum { BL_SHAPE_MAX = 320 };

/* `names`: addresses and hosts that the log tells beside the reply; their parts are folded wherever
 * they stand as words.  Returns the length. */
size_t bl_shape_fold(bl_slice text, const bl_slice *names, size_t names_n, char out[BL_SHAPE_MAX]);

#endif
