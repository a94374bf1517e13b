/* join.h -- sender, message-id and unfinished recipients of live queue ids
 *
 * Delivery lines do not say who sent the mail; other processes' lines do, earlier, by queue id.  The
 * join is a function of the stream: the same records give the same events whatever the number of
 * workers, and a snapshot continues exactly.
 *
 * Shapes     capacity in entries and in bytes of text; the oldest queue id is evicted first
 * Units      -
 * Ownership  events borrow from the block and from the join, valid during the callback
 * Threads    one at a time
 * Errors     bl_join_new: NULL; bl_join_load: BL_BAD_INPUT for a damaged snapshot, join is then empty
 * Source     -
 */
#ifndef BOUNCELINE_JOIN_H
#define BOUNCELINE_JOIN_H

#include "bounceline/block.h"
#include "bounceline/event.h"

struct bl_join;

struct bl_join_stats {
    uint64_t live, evicted, text_dropped, unknown; /* unknown: deliveries whose queue id was not live */
};

struct bl_join *bl_join_new(const struct bl_rules *rules, size_t entries_cap, size_t text_cap_bytes);
void            bl_join_free(struct bl_join *join);
void            bl_join_clear(struct bl_join *join);

/* Feeds a block's records, in order; calls `fn` for each outcome. */
void bl_join_block(struct bl_join *join, const struct bl_block *block, bl_event_fn *fn, void *arg);

struct bl_join_stats bl_join_stats(const struct bl_join *join);

/* A checksummed image.  `*out` is bl_malloc'ed. */
enum bl_code bl_join_save(const struct bl_join *join, char **out, size_t *out_n);
enum bl_code bl_join_load(struct bl_join *join, bl_slice image);

#endif
