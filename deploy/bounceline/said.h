/* said.h -- what somebody pasted, as a reply
 *
 * People paste what they have: the reply alone, what Postfix logs in brackets, a line of a log or a
 * part of one.
 *
 * Shapes     any bytes; cut to BL_LINE_MAX
 * Units      -
 * Ownership  slices point into the text
 * Threads    pure
 * Errors     none: what is nothing of the kind is a reply without codes
 * Source     Postfix src/smtp (wording of wrapper texts)
 */
#ifndef BL_SAID_H
#define BL_SAID_H

#include "bounceline/reply.h"

/* Fills all of `out`; returns the text that is shown for it. */
bl_slice bl_said_read(bl_slice text, bl_reply *out);

#endif
