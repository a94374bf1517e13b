/* utf8.h -- one character of text that may be anything
 *
 * Shapes     any bytes
 * Units      bytes
 * Ownership  borrows
 * Threads    pure
 * Errors     an ill-formed sequence is reported with its length, as long as Unicode's "maximal
 *            subpart"
 * Source     Unicode 15, table 3-7 and section 3.9
 */
#ifndef BOUNCELINE_UTF8_H
#define BOUNCELINE_UTF8_H

#include "bounceline/slice.h"

typedef struct bl_utf8 {
    uint32_t point; /* when `valid` */
    uint8_t n;      /* bytes it takes: 1..4 */
    bool valid;
} bl_utf8;

/* Reads the first character of a slice that is not empty. */
bl_utf8 bl_utf8_first(bl_slice text);

/* A character that a terminal acts on instead of showing it: C0, DEL, C1, the marks that turn the
 * direction of writing, line and paragraph separator, byte order mark. */
bool bl_utf8_is_control(uint32_t point);

#endif
