/* totals.h -- counters out of Redis, added up by dimension and key
 *
 * Takes the fields of minute, hour and day buckets of any number of nodes, in any order.
 *
 * Shapes     field: "dimension|key", "dimension|key|outcome" or "dimension|key|outcome|category";
 *            others are passed over
 * Units      recipient outcomes
 * Ownership  names are copied
 * Threads    one at a time
 * Errors     BL_NO_MEMORY
 * Source     DESIGN 7; sinks/README.md
 */
#ifndef BOUNCELINE_TOTALS_H
#define BOUNCELINE_TOTALS_H

#include "summary.h"

struct bl_totals;

struct bl_totals *bl_totals_new(void);
void bl_totals_free(struct bl_totals *totals);
enum bl_code bl_totals_add(struct bl_totals *totals, bl_slice field, uint64_t count);

/* Outcomes of one key; all zero when there is none. */
void bl_totals_outcomes(const struct bl_totals *totals, enum bl_dimension dimension, bl_slice key,
                        uint64_t out[BL_OUTCOMES]);

/* Fills outcomes, causes and tables; they borrow from `totals`. */
void bl_totals_summarise(const struct bl_totals *totals, struct bl_summary *summary);

#endif
