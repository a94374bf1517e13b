/* log.h -- what the program says to people while it works
 *
 * One line per event on stderr: `<N>` in front when systemd's journal reads it, else a plain word,
 * and in a daemon the time.  Nothing in a line drives a terminal, and nobody's mailbox is named: of
 * ana@example.org there stands a***@example.org.  A line that comes again is counted instead, and
 * the count is told with the next other line, or a minute later.
 *
 * Shapes     level: 3 error, 4 warning, 5 notice, 6 info, 7 debug (syslog's numbers); lines of 1
 *            KiB
 * Units      -
 * Ownership  -
 * Threads    any
 * Errors     none
 * Source     sd-daemon(3) for the prefix, systemd.exec(5) for JOURNAL_STREAM
 */
#ifndef BL_LOG_H
#define BL_LOG_H

#include <stdbool.h>

void bl_log_set_level(int most);               /* lines above it are not written; 6 at start */
void bl_log_set_daemon(void);                  /* the time in front, unless the journal adds it */
bool bl_log_level(const char *name, int *out); /* "error".."debug"; false: no such level */
__attribute__((format(printf, 2, 3))) void bl_log(int level, const char *format, ...);

#endif
