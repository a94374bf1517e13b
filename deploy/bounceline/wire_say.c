/* What people and systemd hear of the daemon.
 *
 * The watchdog is fed only when everything that was submitted before the last feeding was consumed,
 * and a FLUSH is submitted every second: so a loop, worker or stage that hangs ends the feeding.  A
 * stage that waits for Redis to take its batches hangs not. */
#include "wire_parts.h"

#include <inttypes.h>
#include <stdio.h>

#include "log.h"
#include "notify.h"

enum { STUCK_S = 5 /* without a step of the pipeline: said */ };

/* --- systemd --- */

void bl_wire_feed_watchdog(struct daemon *d)
{
    bool waits = atomic_load_explicit(&d->stage_waits, memory_order_relaxed);

    if (d->state == CLOSING)
        return;
    if (!waits && !bl_pipeline_consumed(d->pipeline, d->fed_mark)) {
        if (++d->unfed_s == STUCK_S)
            bl_log(3, "no step of the pipeline for %d s: a thread hangs", STUCK_S);
        return;
    }
    d->unfed_s = 0;
    d->fed_mark = bl_pipeline_submitted(d->pipeline);
    if (bl_notify_watchdog_ms())
        bl_notify("WATCHDOG=1");
}

/* A forged line, or a log that began in the middle: whoever chose `trust: join` wants to know. */
void bl_wire_say_refused(struct daemon *d)
{
    unsigned long long refused = atomic_load_explicit(&d->refused, memory_order_relaxed);

    if (refused == d->refused_said)
        return;
    bl_log(
        5,
        "results that moved no address, for nothing else told of their queue ids (trust: join): %llu",
        refused);
    d->refused_said = refused;
}

void bl_wire_tell_status(struct daemon *d)
{
    struct bl_tail_stats tail;
    char refused[64] = "", over[48] = "";
    unsigned long long n = atomic_load_explicit(&d->refused, memory_order_relaxed);

    if (d->state == STARTING)
        bl_notify("STATUS=waiting for Redis");
    if (d->state != RUNNING)
        return;
    if (n)
        snprintf(refused, sizeof refused, ", %llu results not trusted", n);
    if (d->sources->over)
        snprintf(over, sizeof over, " (%zu more match)", d->sources->over);
    tail = bl_tail_stats(d->tail);
    bl_notify("STATUS=following %zu log%s%s, %" PRIu64 " lines counted, %" PRIu64 " MiB behind%s",
              d->sources->n, d->sources->n == 1 ? "" : "s", over, d->counted_lines,
              tail.lag_bytes >> 20, refused);
}

/* With --once somebody waits: a line that is written over on a terminal, else one every ten
 * seconds. */
void bl_wire_show_progress(struct daemon *d)
{
    enum { EVERY_S = 10, MIB = 1 << 20 };
    struct bl_tail_stats tail;

    if (!d->options->once || d->state == CLOSING || (!d->on_terminal && d->seconds % EVERY_S != 0))
        return;
    tail = bl_tail_stats(d->tail);
    if (d->on_terminal)
        fprintf(stderr, "\rcounted %" PRIu64 " lines, %" PRIu64 " MiB; %" PRIu64 " MiB to go   ",
                d->counted_lines, d->counted_bytes / MIB, tail.lag_bytes / MIB);
    else
        bl_log(6, "counted %" PRIu64 " lines, %" PRIu64 " MiB; %" PRIu64 " MiB to go",
               d->counted_lines, d->counted_bytes / MIB, tail.lag_bytes / MIB);
}

void bl_wire_end_progress(const struct daemon *d)
{
    if (d->options->once && d->on_terminal && d->seconds > 0)
        fprintf(stderr, "\r%60s\r", "");
}
