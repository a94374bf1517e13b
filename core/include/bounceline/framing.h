/* framing.h -- octet-counted syslog messages in a stream
 *
 *     123 <22>1 2026-11-22T05:03:37Z mta1 postfix/smtp 1382 - - BODY99 <22>1 ...
 *
 * What syslog over TCP looks like, and what a dump of it is.  Whether a stream is counted is
 * decided once, by its first bytes: a message may hold newlines, and text behind one may look like
 * a count.
 *
 * Shapes     a count has 1 to 5 digits, is not above BL_LINE_MAX, and a priority follows it
 * Units      bytes
 * Ownership  slices point into the input
 * Threads    pure
 * Errors     BL_FRAME_BAD: no count stands there; the caller goes on behind the next newline
 * Source     RFC 6587 3.4.1
 */
#ifndef BOUNCELINE_FRAMING_H
#define BOUNCELINE_FRAMING_H

#include "bounceline/slice.h"

enum bl_frame { BL_FRAME_DONE, BL_FRAME_MORE, BL_FRAME_BAD };

enum { BL_FRAME_COUNT_MAX = 5 + 1 }; /* bytes of a count and its blank */

/* Whether a stream that begins so is counted; MORE when it is too short to tell. */
enum bl_frame bl_framing_detect(bl_slice begin);

/* Takes one message off `in`.  `*out` lacks the newline that rsyslog counts in, and a NUL. */
enum bl_frame bl_framing_take(bl_slice *in, bl_slice *out);

/* How many of the bytes are whole messages.  Where no count stands, text up to the next newline is
 * one, or BL_LINE_MAX bytes of it. */
size_t bl_framing_whole(bl_slice bytes);

/* Makes lines of messages, in place, and returns how many bytes are left: counts go, newlines
 * inside a message become blanks, one newline ends each.  An unfinished message at the end becomes
 * a line without newline. */
size_t bl_framing_to_lines(char *bytes, size_t n);

/* The same for what stands before a message: a newline, then the messages that end with `raw`, as
 * far back as they are whole.  `out` has room for raw.n + 1 bytes.  A stream is meant to be read
 * from its begin; read from the end, a message whose text holds the right count might be two. */
size_t bl_framing_lines_before(bl_slice raw, char *out);

#endif
