/* rotated.h -- the names that rotation gives
 *
 * A log's name, `.` or `-`, a number or a date, and perhaps .gz or .zst.
 *
 * Shapes     a stamp has at most 23 digits; more than 5 of them are a date
 * Units      -
 * Ownership  slices borrow from the name
 * Threads    pure
 * Errors     false: no such name
 * Source     logrotate(8): start, dateext, dateformat, compress; postfix logrotate: %Y%m%d-%H%M%S;
 *            newsyslog, savelog, exicyclog: .0, .01
 */
#ifndef BOUNCELINE_ROTATED_H
#define BOUNCELINE_ROTATED_H

#include "bounceline/slice.h"

enum { BL_ROTATED_STAMP = 24 };

struct bl_rotated {
    bl_slice stem;                /* the log's name */
    char stamp[BL_ROTATED_STAMP]; /* the digits of its number or date */
    bool is_date;
    bool packed; /* .gz or .zst */
};

/* How many bytes of its end say that it is packed. */
size_t bl_packed_ending(bl_slice name);

/* Is `name` a rotated `stem`? */
bool bl_rotated_of(bl_slice stem, bl_slice name, struct bl_rotated *out);
/* The same when nobody knows the log's name: all that can be a date is one, else the last
 * number. */
bool bl_rotated_read(bl_slice name, struct bl_rotated *out);

/* Of one log, of two numbers or two dates: negative when `a` is the older. */
int bl_rotated_compare(const struct bl_rotated *a, const struct bl_rotated *b);

#endif
