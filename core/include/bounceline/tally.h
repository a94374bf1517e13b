/* tally.h -- counters by minute, dimension, key and outcome
 *
 * A bounded hash table.  One batch of the daemon is one tally; a whole scan is one tally too.
 *
 * Shapes     names: 0..255 bytes, longer ones are cut; at most `entities_cap` (minute, dimension, key);
 *            beyond that the dimension's BL_TALLY_OTHER entity of that minute counts, so sums stay exact
 * Units      minute: minutes since 1970 UTC; 0 in a scan
 * Ownership  names are copied
 * Threads    one at a time
 * Errors     bl_tally_new: NULL; adding never fails
 * Source     DESIGN 7
 */
#ifndef BOUNCELINE_TALLY_H
#define BOUNCELINE_TALLY_H

#include "bounceline/event.h"

enum bl_dimension {
    BL_DIM_ALL,      /* key "*" */
    BL_DIM_DOMAIN,   /* recipient domain, lower case */
    BL_DIM_PROVIDER, /* by relay host */
    BL_DIM_SENDER,   /* sender domain, lower case; "<>" for the null sender */
    BL_DIM_INSTANCE, /* "postfix-out" */
    BL_DIMENSIONS
};

#define BL_TALLY_OTHER "~other"

const char *bl_dimension_name(enum bl_dimension dimension); /* "all", "domain", ... */

struct bl_entity {
    uint64_t          hash;
    int64_t           minute;
    enum bl_dimension dimension;
    uint8_t           name_n;
    const char       *name;
    uint32_t          failures; /* head of this entity's category counts; see bl_tally_next_failure */
    uint64_t          outcome[BL_OUTCOMES];
};

struct bl_tally;

struct bl_tally *bl_tally_new(size_t entities_cap, size_t failures_cap);
void             bl_tally_free(struct bl_tally *tally);
void             bl_tally_clear(struct bl_tally *tally);
size_t           bl_tally_fields(const struct bl_tally *tally); /* non-zero counters it holds */
uint64_t         bl_tally_overflow(const struct bl_tally *tally); /* events that fell to ~other */

/* Counts the event in every dimension. */
void bl_tally_event(struct bl_tally *tally, int64_t minute, const bl_event *event, const struct bl_rules *rules);

/* Walks the entities in the order of their first appearance. */
size_t                  bl_tally_count(const struct bl_tally *tally);
const struct bl_entity *bl_tally_at(const struct bl_tally *tally, size_t index);

/* Walks an entity's failure categories (bounced, expired, deferred, rejected and dropped ones):
 * start with cursor = entity->failures; false at the end. */
bool bl_tally_next_failure(const struct bl_tally *tally, uint32_t *cursor, enum bl_outcome *outcome,
                           uint16_t *category, uint64_t *count);

#endif
