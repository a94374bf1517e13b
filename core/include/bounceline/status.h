/* status.h -- enhanced mail system status codes
 *
 * Shapes     class 2, 4 or 5; subject and detail 0..999; all zero: absent
 * Units      -
 * Ownership  a value
 * Threads    pure
 * Errors     bl_status_take: false, input untouched
 * Source     RFC 3463; the IANA registry it set up
 */
#ifndef BOUNCELINE_STATUS_H
#define BOUNCELINE_STATUS_H

#include "bounceline/slice.h"

typedef struct bl_status {
    uint16_t class_, subject, detail;
} bl_status;

static inline bool bl_status_absent(bl_status s)
{
    return s.class_ == 0;
}

static inline bool bl_status_eq(bl_status a, bl_status b)
{
    return a.class_ == b.class_ && a.subject == b.subject && a.detail == b.detail;
}

/* Takes `5.1.1`; what follows must not be a digit, nor a dot and a digit. */
bool bl_status_take(bl_slice *in, bl_status *out);

enum { BL_STATUS_TEXT_MAX = 12 };

/* Writes "5.1.1" and a NUL; returns the length, 0 when absent. */
size_t bl_status_text(bl_status status, char out[BL_STATUS_TEXT_MAX]);

#endif
