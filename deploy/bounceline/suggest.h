/* suggest.h -- what was probably meant
 *
 * Shapes     words: NUL-terminated; nearest.h says how they are compared
 * Units      -
 * Ownership  the answer is one of the words given
 * Threads    pure
 * Errors     none: NULL when nothing is near
 * Source     nearest.h
 */
#ifndef BOUNCELINE_SUGGEST_H
#define BOUNCELINE_SUGGEST_H

#include <stddef.h>

/* The word that takes the fewest changed, lost, added or swapped letters to get to. */
const char *bl_suggest(const char *typed, const char *const *words, size_t n);

#endif
