/* events.h -- one line of `scan --events`
 *
 * Shapes     a JSON object and a newline; absent fields are absent, but the null sender is ""
 * Units      time: RFC 3339 UTC; delay_s: seconds
 * Ownership  borrows
 * Threads    one at a time
 * Errors     those of the output
 * Source     DESIGN 11
 */
#ifndef BOUNCELINE_EVENTS_H
#define BOUNCELINE_EVENTS_H

#include "bounceline/event.h"
#include "bounceline/rules.h"
#include "output.h"

void bl_events_put(struct bl_output *out, const bl_event *event, const struct bl_rules *rules);

#endif
