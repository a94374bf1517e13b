/* journal.h -- a line of `journalctl -o json`
 *
 * One object a line, its keys in any order.  What a log line needs of it is written to `room` as
 * text, escapes resolved: host, program and body, in this order, a blank between them.
 *
 * Shapes     line: any bytes; strings, numbers, null and flat arrays are read.  A message that is
 *            no UTF-8 is an array of its bytes; newlines become blanks; of a field that occurs
 *            several times the first value counts
 * Units      room: line.n bytes are enough
 * Ownership  the head's slices point into `room`; *room_n says how much of it is used
 * Threads    pure
 * Errors     false: no such object, or without message, identifier or time
 * Source     systemd's journal export formats, "Journal JSON Format"
 */
#ifndef BOUNCELINE_JOURNAL_H
#define BOUNCELINE_JOURNAL_H

#include "bounceline/syslog.h"

bool bl_journal_read(bl_slice line, char *room, size_t *room_n, bl_syslog *out);

#endif
