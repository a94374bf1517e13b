/* syslog.h -- the envelope around a log line
 *
 * RFC 3164, RFC 3339-stamped and RFC 5424 lines as rsyslog, syslog-ng, journalctl and postlogd
 * write them.
 *
 * Shapes     line: one line without its newline, any bytes
 * Units      time_us: microseconds since 1970 UTC
 * Ownership  all slices point into `line`
 * Threads    pure but for the stamper
 * Errors     false: not such a line.  Program and body are empty where the facility is `user`: that
 *            is what a relay gives to the second half of a line that it had to split
 * Source     RFC 3164, RFC 3339, RFC 5424; core/parse/README.md lists the deviations that are
 * read */
#ifndef BOUNCELINE_SYSLOG_H
#define BOUNCELINE_SYSLOG_H

#include "bounceline/stamp.h"

typedef struct bl_syslog {
    int64_t time_us;
    bl_slice host;
    bl_slice program; /* "postfix/smtp": the tag without pid and colon */
    bl_slice body;
    bool mail; /* RFC 5424: the facility says that a mail system wrote it, whatever its name */
} bl_syslog;

bool bl_syslog_read(bl_slice line, struct bl_stamper *stamper, bl_syslog *out);

#endif
