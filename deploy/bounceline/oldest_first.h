/* oldest_first.h -- the rotated files of one log, oldest first
 *
 * A shell gives `mail.log*` as mail.log, mail.log.1, mail.log.2.gz: newest first, and the join
 * needs the sender's line before the delivery's.
 *
 * Shapes     paths as named; `-` and others stay where they are, groups where their first member is
 * Units      -
 * Ownership  only the pointers are moved
 * Threads    pure
 * Errors     none
 * Source     rotated.h
 */
#ifndef BOUNCELINE_OLDEST_FIRST_H
#define BOUNCELINE_OLDEST_FIRST_H

#include <stddef.h>

void bl_oldest_first(char **paths, size_t n);

#endif
