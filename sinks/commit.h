/* commit.h -- a batch's counters in the shape that commit.lua reads
 *
 * Entities are grouped by day, so that a key's text travels and is looked up once however many minutes it
 * has counters in.
 *
 * Shapes     names: '|', '%' and control bytes are written %7C, so fields "dimension|key|outcome" can be
 *            taken apart again
 * Units      now_ms: milliseconds since 1970 UTC
 * Ownership  the packs stay valid until the next call
 * Threads    one at a time
 * Errors     bl_commit_new: NULL; bl_commit_pack: false without memory
 * Source     commit.lua
 */
#ifndef BOUNCELINE_COMMIT_H
#define BOUNCELINE_COMMIT_H

#include "bounceline/batch.h"
#include "bounceline/hash_set.h"
#include "pack.h"

enum { /* keys per bucket and dimension; the rest counts under ~other */
    BL_COMMIT_MINUTE_CAP = 200,
    BL_COMMIT_HOUR_CAP = 1000,
    BL_COMMIT_DAY_CAP = 4000
};

enum { BL_COMMIT_BATCHES = 64, BL_COMMIT_STRANGERS = 1 << 20 };

/* The keys of one commit under way, as hashes, so that the answer can name them by number. */
struct bl_commit_sent {
    uint64_t *key;
    size_t    n;
};

struct bl_commit {
    const struct bl_rules *rules;
    struct bl_pack ranges, setup, suffixes, days; /* arguments 6 to 9 */
    /* Keys that a full day has no counter for.  Only this node adds to its days and none ever leaves, so
     * who was refused once is refused all day: here it is added to ~other before it travels. */
    struct bl_hash_set strangers;
    struct bl_commit_sent sent; /* of the last pack; the caller may take it */
    /* scratch */
    struct bl_commit_ref *refs;
    size_t refs_n;
    struct bl_commit_item *items;
    size_t items_cap;
    struct bl_commit_group *groups;
    size_t groups_n, groups_cap;
    uint32_t *table;
    size_t table_size;
    uint16_t *code;    /* of (outcome, category); 0: not yet in `suffixes` */
    uint64_t *sum;     /* by code */
    uint16_t *touched; /* codes in `sum` */
    size_t codes_cap, codes_n, codes_at;
};

struct bl_commit *bl_commit_new(const struct bl_rules *rules);
void              bl_commit_free(struct bl_commit *commit);

/* Fills the packs with up to BL_COMMIT_BATCHES batches that follow each other: the counters of all of them,
 * and for each generation one range from `at`, where the slot stands, to the last batch's end.  What lies
 * behind `at` is left out. */
bool bl_commit_pack(struct bl_commit *commit, const struct bl_batch *const *batches, size_t n,
                    const struct bl_positions *at, int64_t now_ms);

/* What the script answered: the numbers of strangers among the keys of `sent`. */
void bl_commit_learn(struct bl_commit *commit, const struct bl_commit_sent *sent, bl_slice numbers);
void bl_commit_sent_release(struct bl_commit_sent *sent);

/* The slot may have been set back: nobody is known to be a stranger. */
void bl_commit_forget(struct bl_commit *commit);

/* Adds one range without totals to `ranges`; the caller writes the array's head. */
void bl_commit_range(struct bl_pack *ranges, uint64_t from, const bl_position *to);

/* A field name "dimension|key", escaped; returns its length. */
enum { BL_COMMIT_KEY_MAX = 16 + 3 * 256 };
size_t bl_commit_key(enum bl_dimension dimension, bl_slice name, char out[BL_COMMIT_KEY_MAX]);

#endif
