/* position.h -- how far into which log
 *
 * A generation is one file of a log: its identity plus how often it was truncated.  A position is a
 * generation and the offset behind the last line that was applied.  Slots in Redis, join snapshots
 * and the reader speak in these.
 *
 * Shapes     text form: see bl_position_text
 * Units      offset: bytes, uncompressed
 * Ownership  bl_positions owns its array; the rest are values
 * Threads    values
 * Errors     as said
 * Source     DESIGN: positions, generations, fence
 */
#ifndef BOUNCELINE_POSITION_H
#define BOUNCELINE_POSITION_H

#include "bounceline/err.h"
#include "bounceline/slice.h"

enum {
    BL_HEAD_BYTES = 4096,       /* how much of the head is hashed, at most */
    BL_TAIL_BYTES = 4096,       /* how much before the offset is hashed, at most */
    BL_GENERATIONS_MAX = 65536, /* per list: more are refused; the store prunes far below */
    BL_SOURCES_MAX = 256,       /* logs that are followed at a time */
    /* files of one log that are looked at: so many of it are never pruned */
    BL_LOG_FILES_MAX = 4096,
    BL_POSITION_TEXT_MAX = 256
};

typedef struct bl_position {
    uint64_t generation; /* random at first sight, never 0, never reused */
    uint64_t source;     /* bl_hash64 of the source's path */
    uint64_t offset;
    uint64_t device, inode;
    int64_t birth_ns; /* 0: the file system has none */
    uint32_t head_n;  /* how many bytes the head hash covers */
    uint32_t tail_n;  /* how many bytes before `offset` the tail hash covers */
    uint64_t head_hash, tail_hash;
    int64_t seen_s;   /* event or file time when it last moved: for pruning */
    bool finished;    /* read to its end and known not to grow again */
    uint64_t told_at; /* where the log last ended for somebody: what waited there for further lines
                       * was told without them.  At most `offset`; 0: never.  The stage knows it,
                       * the reader hands out 0 */
} bl_position;

struct bl_positions {
    bl_position *v;
    size_t n, cap;
};

void bl_positions_release(struct bl_positions *list);
bl_position *bl_positions_find(const struct bl_positions *list, uint64_t generation);
/* Adds or replaces by generation. */
enum bl_code bl_positions_put(struct bl_positions *list, const bl_position *position);
/* Without the search, for many: the caller knows that the generation is not there. */
enum bl_code bl_positions_add(struct bl_positions *list, const bl_position *position);
enum bl_code bl_positions_copy(struct bl_positions *to, const struct bl_positions *from);
void bl_positions_remove(struct bl_positions *list, uint64_t generation);
static inline uint64_t bl_positions_offset(const struct bl_positions *list, uint64_t generation)
{
    const bl_position *p = bl_positions_find(list, generation);

    return p ? p->offset : 0;
}

/* True when `end` lies ahead: a higher offset, or the same one and now known to be finished, or
 * told.  NULL: at 0. */
static inline bool bl_position_moves(const bl_position *has, const bl_position *end)
{
    return end->offset > (has ? has->offset : 0) ||
           (has && end->offset == has->offset &&
            ((end->finished && !has->finished) || end->told_at > has->told_at));
}

static inline bool bl_positions_behind(const struct bl_positions *list, const bl_position *end)
{
    return bl_position_moves(bl_positions_find(list, end->generation), end);
}

/* "OFFSET SOURCE DEV INO BIRTH HEADN HEADHASH TAILN TAILHASH SEEN FINISHED TOLD": what the slot
 * stores under the generation's name; the offset comes first because the fence compares just that.
 * FINISHED is 0 or 1; TOLD, told_at, is not there when it is 0.  Of old a FINISHED of 2 or 3 stood
 * for 0 or 1 and told at OFFSET, which is still read. */
size_t bl_position_text(const bl_position *position, char out[BL_POSITION_TEXT_MAX]);
enum bl_code bl_position_parse(uint64_t generation, bl_slice text, bl_position *out);

#endif
