/* log.h -- what the program says to people while it works
 *
 * One line per event on stderr; `<N>` in front when systemd's journal reads it, a plain word otherwise.
 *
 * Shapes     level: 3 error, 4 warning, 5 notice, 6 info, 7 debug (syslog's numbers)
 * Units      -
 * Ownership  -
 * Threads    any
 * Errors     none
 * Source     sd-daemon(3) for the prefix
 */
#ifndef BL_LOG_H
#define BL_LOG_H

#include <stdbool.h>

void bl_log_set_level(int most); /* lines above it are not written; 6 at start */
bool bl_log_level(const char *name, int *out); /* "error".."debug"; false: no such level */
__attribute__((format(printf, 2, 3))) void bl_log(int level, const char *format, ...);

#endif
