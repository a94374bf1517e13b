/* text.h -- text for people, on a terminal or not
 *
 * Everything out of a log passes through bl_text_put: what a terminal would act on is shown as
 * \xNN.
 *
 * Shapes     any bytes
 * Units      columns: characters, which is exact for most scripts and good enough for tables
 * Ownership  borrows the output
 * Threads    one at a time
 * Errors     those of the output
 * Source     no-color.org; ECMA-48 for what a terminal acts on
 */
#ifndef BOUNCELINE_TEXT_H
#define BOUNCELINE_TEXT_H

#include "output.h"

/* Whether `fd` may be coloured: a terminal, not a dumb one, and NO_COLOR unset or empty. */
bool bl_text_may_colour(int fd);

/* How wide the terminal is, 60 at least; 100 when `fd` is none. */
size_t bl_text_columns(int fd);

/* Escaped, cut to `columns` (then ending in "..."); returns the columns written.  A backslash stays
 * as it is: this is for reading, not for parsing back. */
size_t bl_text_put(struct bl_output *out, bl_slice text, size_t columns);

/* The same, filled up with blanks. */
void bl_text_pad(struct bl_output *out, bl_slice text, size_t columns);

/* Escaped into `to` and NUL-terminated, for messages to stderr; returns `to`. */
const char *bl_text_message(char *to, size_t room, const char *text);

enum { BL_TEXT_NUMBER_MAX = 32 };

/* 2104882 as "2,104,882". */
const char *bl_text_number(uint64_t value, char to[BL_TEXT_NUMBER_MAX]);

/* "1 line", "2,104 lines". */
const char *bl_text_count(uint64_t value, const char *one, char to[BL_TEXT_NUMBER_MAX]);

/* 1932735283 as "1.8 GiB". */
const char *bl_text_bytes(uint64_t value, char to[BL_TEXT_NUMBER_MAX]);

/* "2026-11-22 04:26:51"; UTC. */
const char *bl_text_time(int64_t time_ms, char to[BL_TEXT_NUMBER_MAX]);

/* "90 days", "5 hours": the largest unit that leaves at least two of it, or one exactly. */
const char *bl_text_span(int64_t span_ms, char to[BL_TEXT_NUMBER_MAX]);

#endif
