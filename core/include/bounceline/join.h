/* join.h -- sender, message-id and unfinished recipients of live queue ids
 *
 * Delivery lines do not say who sent the mail; other processes' lines do, earlier, by queue id. The
 * join is a function of the stream: the same records give the same events whatever the number of
 * workers, and a snapshot continues exactly.
 *
 * A queue id lives from the first line that names it to `removed`, and for a while longer (some
 * hundred further removals), because the last delivery line may come after it.  Short ids are used
 * again: a line that can only belong to another message starts afresh.  A recipient whose last
 * result was deferred is remembered until it has another; those left when the queue id expires are
 * BL_EXPIRED, with the verdict and reply of their last deferral, cut to BL_JOIN_REPLY_MAX.
 *
 * Shapes     capacity in entries and in bytes of text; the oldest queue id is evicted first,
 *            removed ones before live ones.  Memory: see join.c
 * Units      -
 * Ownership  events borrow from the block and from the join, valid during the callback
 * Threads    one at a time
 * Errors     bl_join_new: NULL; bl_join_load: BL_BAD_INPUT for a damaged snapshot, join is then
 *            empty
 * Source     notes on log formats, correlation
 */
#ifndef BOUNCELINE_JOIN_H
#define BOUNCELINE_JOIN_H

#include "bounceline/block.h"
#include "bounceline/event.h"

struct bl_join;

enum {
    BL_JOIN_REPLY_MAX = 256,
    /* records of Exim that are still in pieces, or wait for their arrival line */
    BL_JOIN_PENDING_MAX = 32
};

struct bl_join_stats {
    uint64_t live;            /* queue ids known now */
    uint64_t evicted;         /* live ones given up for want of room */
    uint64_t text_dropped;    /* texts and deferrals not kept for want of room */
    uint64_t unknown;         /* deliveries whose queue id was not known */
    uint64_t expired_unknown; /* expiries of which no recipient was known */
};

/* The most the join will allocate is bounded by the two caps; everything is reserved here, pages
 * are touched when used.  `rules` must outlive the join or be replaced by bl_join_set_rules. */
struct bl_join *bl_join_new(const struct bl_rules *rules, size_t entries_cap,
                            size_t text_cap_bytes);

/* `shown` is of enum bl_shown: the less, the smaller a queue id and the faster each line.  Records
 * that tell only what is not shown are passed over.  The outcomes are the same, but that they help
 * to tell a new message from an old one under a short id whose `removed` is missing: without them,
 * one with the same sender takes over what the old one left unfinished.  Of a reject, what its own
 * line says is always shown. */
struct bl_join *bl_join_new_showing(const struct bl_rules *rules, size_t entries_cap,
                                    size_t text_cap_bytes, unsigned shown);
void bl_join_free(struct bl_join *join);
void bl_join_clear(struct bl_join *join); /* statistics too */

/* Another rule set: remembered deferrals are classified anew, since their verdicts are numbers of
 * the old set. */
void bl_join_set_rules(struct bl_join *join, const struct bl_rules *rules);

/* Whether anything is held that bl_join_finish would tell. */
bool bl_join_waits(const struct bl_join *join);

/* The log has ended: what was held for a line that did not come is told without it, to nobody when
 * `fn` is NULL. Pieces stay, should the log go on after all. */
void bl_join_finish(struct bl_join *join, bl_event_fn *fn, void *arg);

/* Feeds a block's records, in order; calls `fn` for each outcome.  A warm-up block is only fed: no
 * event, no statistics of its deliveries. */
void bl_join_block(struct bl_join *join, const struct bl_block *block, bl_event_fn *fn, void *arg);

struct bl_join_stats bl_join_stats(const struct bl_join *join);

/* A checksummed image.  `*out` is bl_malloc'ed.  An image made under other rules is classified
 * anew; one made with larger caps keeps what fits, the newest. */
enum bl_code bl_join_save(const struct bl_join *join, char **out, size_t *out_n);
enum bl_code bl_join_load(struct bl_join *join, bl_slice image);

/* Whether such a join of this version made it: a look at its head. */
bool bl_join_is_image(bl_slice image, unsigned shown);

#endif
