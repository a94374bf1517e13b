/* generation.h -- one file of a log while it is read
 *
 * Knows where it stands, where blocks must end, and what identifies it; does not know its siblings.
 *
 * Shapes     blocks as block.h says
 * Units      offsets: uncompressed bytes
 * Ownership  new and free
 * Threads    blocking: libuv's pool; one thread at a time
 * Errors     BL_GENERATION_FAILED with err: reading failed, for now
 * Source     DESIGN 2
 */
#ifndef BOUNCELINE_GENERATION_H
#define BOUNCELINE_GENERATION_H

#include "identity.h"
#include "splitter.h"

struct bl_generation {
    bl_position known; /* the furthest that was stored or handed out: what identifies it */
    uint64_t at;       /* behind the last byte handed out; at first: where reading begins */
    uint64_t least;    /* the least any slot has: blocks before it are warm-up, when `cold` */
    bool cold;
    uint64_t *cuts; /* ascending: where blocks must end */
    size_t cuts_n;
    uint64_t skip_to; /* passes over [0, skip_to) first */
    struct bl_logfile file;
    struct bl_file_id done_id; /* how the file was when it was read to its end and closed */
    struct bl_splitter splitter;
    bool placed;      /* the splitter stands in the file */
    bool present;     /* it was among the siblings at the last look */
    bool live;        /* ... at the log's own path */
    bool rewritten;   /* its file has other contents now: only a copy can go on with it */
    bool checked;     /* the contents were compared with `known` in this run */
    bool done;        /* read to its end and closed */
    bool gone;        /* no file of it can be found, or only one without a name */
    bool was_live;    /* ... at the log's own path in this run */
    bool reported;    /* that this is so was said */
    bool more;        /* the last read was stopped by room or cut, not by the end */
    bool clean_end;   /* an archive came to its end */
    bool damaged;     /* ... or to damage, which may be repaired while it is being written */
    uint32_t first_n; /* before anything was handed out: its head when it was looked at */
    uint64_t first_hash;
    bool first_line; /* ... and it tells this file from others: it holds a whole line, or is full */
    bool vetted;     /* ... and the folder was listed after that: only then is it begun */
    size_t place; /* among the siblings at the last look, from 1; not there: as the one before it */
    uint64_t size;       /* the largest seen: what is lost when it disappears */
    uint64_t lost;       /* counted as lost; taken back when a copy turns up */
    uint64_t quiet_size; /* no growth since quiet_since_ms */
    int64_t quiet_since_ms;
    int64_t retry_at_ms;
    unsigned failures;
};

/* A generation never seen before, with a random name, reading from 0 of `file`, which is taken
 * over. */
struct bl_generation *bl_generation_new(uint64_t source, struct bl_logfile *file);
/* One that slots know of; no file yet.  Takes no cuts. */
struct bl_generation *bl_generation_known(const bl_position *known);
void bl_generation_free(struct bl_generation *g);

enum bl_code bl_generation_cut(struct bl_generation *g, uint64_t offset);

static inline bool bl_generation_is_open(const struct bl_generation *g)
{
    return g->file.fd >= 0;
}

/* Goes on in `file`, which is taken over. */
void bl_generation_take_file(struct bl_generation *g, struct bl_logfile *file);
void bl_generation_close(struct bl_generation *g);

/* Read to its end: closed until the file changes. */
void bl_generation_done(struct bl_generation *g);

enum bl_generation_step {
    BL_GENERATION_BLOCK,     /* the block is filled */
    BL_GENERATION_END,       /* nothing more for now */
    BL_GENERATION_AGAIN,     /* much was read without coming to the end of a line */
    BL_GENERATION_REWRITTEN, /* the bytes before the offset are others */
    BL_GENERATION_FAILED
};

enum bl_generation_step bl_generation_read(struct bl_generation *g, struct bl_block *block,
                                           bl_err *err);

/* At its end for good: closes it; true when a block says so (with the unfinished line, if there is
 * one). */
bool bl_generation_finish(struct bl_generation *g, struct bl_block *block);

/* Nothing was read of it yet. */
static inline bool bl_generation_is_untouched(const struct bl_generation *g)
{
    return g->known.offset == 0 && !(g->placed && g->splitter.read_at > 0);
}

/* False when the file's contents are not those that were read, or (of an untouched one) looked at.
 * Where reading fails it is taken for intact: the next real read will tell. */
bool bl_generation_is_intact(struct bl_generation *g);

/* How far every slot has it, or was given it: what lies before is read for the join alone. */
static inline uint64_t bl_generation_counted(const struct bl_generation *g)
{
    return g->at > g->least ? g->at : g->least;
}

/* Bytes known to be there and not handed out. */
uint64_t bl_generation_lag(const struct bl_generation *g);

#endif
