/* tally.h -- counters by minute, dimension, key and outcome
 *
 * A bounded hash table.  One batch of the daemon is one tally; a whole scan is one tally too.
 *
 * Every event counts once in every dimension, so the sums of all dimensions agree.  The one
 * exception: a deferral without an attempt is no result of anything; it counts as deferred under
 * the key BL_TALLY_NO_ATTEMPT of dimension all, without category, and nowhere else.
 *
 * Shapes     names: 0..255 bytes, longer ones are cut; at most `entities_cap` (minute, dimension,
 *            key); beyond that the dimension's BL_TALLY_OTHER entity of that minute counts, so sums
 *            stay exact.  These have room of their own for BL_TALLY_OTHER_MINUTES minutes; when
 *            even that is used up, the dimension's last one counts, whatever its minute.  A
 *            category beyond `failures_cap` is not counted; a quarter of the room is kept for
 *            dimension all.  A caller who clears the tally before the caps are reached meets none
 *            of this
 * Units      minute: minutes since 1970 UTC; 0 in a scan
 * Ownership  names are copied.  Memory: see tally.c
 * Threads    one at a time
 * Errors     bl_tally_new: NULL; adding never fails
 * Source     DESIGN 7
 */
#ifndef BOUNCELINE_TALLY_H
#define BOUNCELINE_TALLY_H

#include "bounceline/event.h"

enum bl_dimension {
    BL_DIM_ALL,      /* key "*"; BL_TALLY_NO_ATTEMPT */
    BL_DIM_DOMAIN,   /* recipient domain, lower case; BL_TALLY_LOCAL when it has none */
    BL_DIM_PROVIDER, /* by relay host: bl_rules_provider_name */
    BL_DIM_SENDER,   /* sender domain, lower case; "<>" for the null sender; BL_TALLY_LOCAL without
                        domain; BL_TALLY_UNKNOWN when the log did not say */
    BL_DIM_INSTANCE, /* "postfix-out"; BL_TALLY_UNKNOWN */
    BL_DIMENSIONS
};

/* Keys of ours: no text of a log becomes a key that begins with a tilde.  What is not made of
 * letters, digits, bytes over 0x7f and `.-_:[]@+=` counts under BL_TALLY_INVALID: keys go into
 * Redis. */
#define BL_TALLY_OTHER      "~other"
#define BL_TALLY_INVALID    "~invalid"
#define BL_TALLY_LOCAL      "~local"
#define BL_TALLY_UNKNOWN    "~unknown"
#define BL_TALLY_NO_ATTEMPT "~no-attempt"

enum { BL_TALLY_OTHER_MINUTES = 64 };

const char *bl_dimension_name(enum bl_dimension dimension); /* "all", "domain", ... */

struct bl_entity {
    uint64_t outcome[BL_OUTCOMES];
    char short_name[31]; /* private: where `name` points when it fits */
    uint8_t name_n;
    int64_t minute;
    const char *name;  /* name_n bytes, no NUL */
    uint32_t tag;      /* private */
    uint32_t failures; /* head of this entity's category counts; see bl_tally_next_failure */
    enum bl_dimension dimension;
};

struct bl_tally;

struct bl_tally *bl_tally_new(size_t entities_cap, size_t failures_cap);
void bl_tally_free(struct bl_tally *tally);
void bl_tally_clear(struct bl_tally *tally);          /* costs what is in it, not the caps */
size_t bl_tally_fields(const struct bl_tally *tally); /* entities and non-zero counters it holds */
uint64_t bl_tally_overflow(const struct bl_tally *tally);      /* counts that fell to ~other */
uint64_t bl_tally_failures_lost(const struct bl_tally *tally); /* categories not counted */

/* Events of other rules follow: a provider's number may mean another name. */
void bl_tally_rules_changed(struct bl_tally *tally);

/* Counts the event in every dimension. */
void bl_tally_event(struct bl_tally *tally, int64_t minute, const bl_event *event,
                    const struct bl_rules *rules);

/* Walks the entities in the order of their first appearance. */
size_t bl_tally_count(const struct bl_tally *tally);
const struct bl_entity *bl_tally_at(const struct bl_tally *tally, size_t index);

/* Walks the failure categories of an entity of dimension all, provider or domain (bounced, expired,
 * deferred, rejected and dropped ones whose category is known), in no particular order: start with
 * cursor = entity->failures; false at the end. */
bool bl_tally_next_failure(const struct bl_tally *tally, uint32_t *cursor, enum bl_outcome *outcome,
                           uint16_t *category, uint64_t *count);

#endif
