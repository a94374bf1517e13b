/* notify.h -- what systemd is told
 *
 * A datagram to the socket named by NOTIFY_SOCKET; without one, nothing.  Our own few lines instead
 * of libsystemd, for a daemon that also runs where there is none.
 *
 * Shapes     "READY=1", "STATUS=...", several separated by newlines
 * Units      microseconds where systemd has them
 * Ownership  -
 * Threads    the loop's
 * Errors     none: a message that does not arrive is systemd's to miss
 * Source     sd_notify(3)
 */
#ifndef BOUNCELINE_NOTIFY_H
#define BOUNCELINE_NOTIFY_H

#include <stdint.h>

/* Reads the environment, and takes what is for us alone out of it: children are not to speak for
 * us. */
void bl_notify_start(void);

__attribute__((format(printf, 1, 2))) void bl_notify(const char *format, ...);

/* "RELOADING=1" with the time that Type=notify-reload wants. */
void bl_notify_reloading(void);

/* How often systemd wants to hear WATCHDOG=1 at least; 0: never. */
uint64_t bl_notify_watchdog_ms(void);

#endif
