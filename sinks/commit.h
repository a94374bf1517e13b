/* commit.h -- batches as what commit.lua writes
 *
 * Knows what the buckets it adds to hold, and so says to Redis what they hold now, field by field.
 * That is right because nobody else writes them: the fence lets a commit in only if the one before
 * it is in, and whoever loses it forgets everything here and reads again.
 *
 * Shapes     field names "dimension|key", "dimension|key|outcome", "...|category"; in keys '|', '%'
 *            and control bytes are written %7C, so names can be taken apart again; "#|dimension":
 *            how many keys
 * Units      now_ms: milliseconds since 1970 UTC
 * Ownership  buckets belong to the commit; the packs stay valid until the next call
 * Threads    one at a time
 * Errors     bl_commit_new: NULL; bl_commit_pack, bl_bucket_add: false without memory
 * Source     commit.lua, DESIGN 7
 */
#ifndef BOUNCELINE_COMMIT_H
#define BOUNCELINE_COMMIT_H

#include "bounceline/batch.h"
#include "counter_limits.h"
#include "pack.h"

enum {
    BL_COMMIT_BATCHES = 64,
    BL_COMMIT_FIELDS = 40000, /* about 60 ms of Redis */
    BL_COMMIT_BUCKETS = 64,   /* known at a time, when one commit does not need more */
    BL_COMMIT_KEY_MAX = 16 + 3 * 256
};

enum bl_bucket_state { BL_BUCKET_UNKNOWN, BL_BUCKET_ASKED, BL_BUCKET_KNOWN };

/* One hash of counters: a minute, an hour, a day, or everything older. */
struct bl_bucket {
    void *owner;              /* as given to bl_commit_new */
    char name[24];            /* "d:20415", "d:old" */
    char kind;                /* 'm', 'h', 'd' */
    int64_t number, expiry_s; /* expiry 0: never */
    size_t cap;
    enum bl_bucket_state state;
    uint64_t used;                /* in which commit */
    uint64_t keys[BL_DIMENSIONS]; /* how many it has: what "#|dimension" says */
    /* a table from field to value */
    struct bl_cell *cells;
    uint32_t *index, *changed;
    char *names;
    size_t cells_n, cells_cap, index_size, names_n, names_cap, changed_n;
};

/* Fields that HSCAN is asked for at a time: some milliseconds of Redis, and far from what a reply
 * may hold. */
#define BL_BUCKET_PAGE "10000"

/* Tells what Redis has, field by field, in any order and also twice. */
bool bl_bucket_add(struct bl_bucket *bucket, bl_slice field, uint64_t value);

/* For who only reads: an empty one (NULL without memory), and its fields one after the other. */
struct bl_bucket *bl_bucket_new(void);
void bl_bucket_free(struct bl_bucket *bucket);
bool bl_bucket_next(const struct bl_bucket *bucket, size_t *at, bl_slice *name, uint64_t *value);

struct bl_commit {
    void *owner;
    struct bl_counter_limits limits; /* the defaults; may be changed before the first commit */
    struct bl_pack ranges, counters; /* arguments 6 and 7 */
    struct bl_bucket **buckets;
    size_t buckets_n, buckets_cap;
    uint64_t turn;
    struct bl_suffix *suffixes; /* by outcome and category */
    size_t categories;
    struct bl_suffix *marks; /* "#|dimension" */
    struct bl_rest *rests;   /* by level and dimension; empty between commits */
    uint64_t *rests_failed;
};

struct bl_commit *bl_commit_new(const struct bl_rules *rules, void *owner);
void bl_commit_free(struct bl_commit *commit);
void bl_commit_forget(struct bl_commit *commit); /* all that is known of Redis */

/* Begins a commit of up to BL_COMMIT_BATCHES batches that follow each other.  False without
 * memory. */
bool bl_commit_begin(struct bl_commit *commit, const struct bl_batch *const *batches, size_t n,
                     int64_t now_ms);

/* A bucket that must be read first, then in state ASKED; NULL: all are asked for. */
struct bl_bucket *bl_commit_next_unknown(struct bl_commit *commit);
bool bl_commit_knows_all(const struct bl_commit *commit);

/* Adds the batches' counters to the buckets, and packs what changed; and for each generation one
 * range from `at`, where the slot stands, to the last batch's end.  What lies behind `at` is left
 * out.  Takes batches until BL_COMMIT_FIELDS have changed, and leaves in `*n` how many it took. */
bool bl_commit_pack(struct bl_commit *commit, const struct bl_batch *const *batches, size_t *n,
                    const struct bl_positions *at, int64_t now_ms);

/* Adds one range without totals to `ranges`; the caller writes the array's head. */
void bl_commit_range(struct bl_pack *ranges, uint64_t from, const bl_position *to);

/* "bytes", "lines", "delivered", ...: what `t` has of a generation is "generation|" and one of
 * these. */
enum { BL_COMMIT_TOTALS = 6 + BL_OUTCOMES };
bl_slice bl_commit_total(size_t i);

/* A field name "dimension|key"; returns its length. */
size_t bl_commit_key(enum bl_dimension dimension, bl_slice name, char out[BL_COMMIT_KEY_MAX]);

#endif
