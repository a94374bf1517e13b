/* report.h -- a scan adds up
 *
 * Counters by domain, provider and sender in one bl_tally, the addresses that would be suppressed,
 * a sample reply for each cause, samples of lines that were not understood.
 *
 * Shapes     memory is bounded whatever the log: see the caps; what falls over them is counted
 * Units      time_us: microseconds since 1970 UTC
 * Ownership  texts are copied; the rules are borrowed
 * Threads    one at a time (the stage thread, then the main one)
 * Errors     bl_report_new: NULL
 * Source     DESIGN 5, 6, 11
 */
#ifndef BOUNCELINE_REPORT_H
#define BOUNCELINE_REPORT_H

#include "bounceline/block.h"
#include "bounceline/event.h"
#include "summary.h"

enum {
    /* What a table has room for just before its index would double; with the join, the addresses
     * and the blocks in flight this stays under 64 MiB when all of them are full. */
    BL_REPORT_ENTITIES = 131072 - BL_DIMENSIONS * BL_TALLY_OTHER_MINUTES, /* then ~other */
    BL_REPORT_FAILURES = 131072, /* their counters by category */
    BL_REPORT_SAMPLES = 8
};

struct bl_report;

struct bl_report *bl_report_new(const struct bl_rules *rules);
void bl_report_free(struct bl_report *report);

void bl_report_block(struct bl_report *report, const struct bl_block *block);
void bl_report_event(void *report, const bl_event *event); /* a bl_event_fn */
/* Of before what is reported: whom it leaves deferred, what is reported may settle. */
void bl_report_earlier(void *report, const bl_event *event); /* a bl_event_fn */

/* Valid until the next event; the rows borrow from the report. */
void bl_report_summarise(const struct bl_report *report, struct bl_summary *summary);

/* "2026-11-15 00:00:02 .. 2026-11-22 04:26:51 UTC   host mx1   postfix" and a newline.  `part`: of
 * a part of the log. */
void bl_report_print_period(const struct bl_report *report, bool part, struct bl_output *out);
/* There were lines, and none had a syslog head that is read. */
bool bl_report_is_headless(const struct bl_report *report);
void bl_report_print_unparsed(const struct bl_report *report, struct bl_output *out);

#endif
