/* lines.h -- where the lines of a buffer end
 *
 * A vector kernel chosen at run time, and its scalar twin, which is the definition.
 *
 * Shapes     n <= UINT32_MAX
 * Units      byte offsets into the buffer
 * Ownership  borrows
 * Threads    pure
 * Errors     none
 * Source     -
 */
#ifndef BOUNCELINE_LINES_H
#define BOUNCELINE_LINES_H

#include "bounceline/slice.h"

/* Writes the offset of each '\n' in order, at most `cap` of them; returns how many.  When it
 * returns `cap`, go on behind the last one. */
size_t bl_lines_find(const char *bytes, size_t n, uint32_t *ends, size_t cap);
size_t bl_lines_find_scalar(const char *bytes, size_t n, uint32_t *ends, size_t cap);

#endif
