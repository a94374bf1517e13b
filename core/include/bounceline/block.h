/* block.h -- a run of whole lines of one log, and what was made of it
 *
 * The unit that travels: reader fills bytes and positions, a worker adds the records, the stage
 * consumes them.  Blocks are allocated at start and go round.
 *
 * Shapes     bytes[0..n): whole lines, each ending in '\n' (the last of a finished generation may
 *            lack it); BL_BLOCK_SLACK readable bytes follow.  A line longer than BL_LINE_MAX
 *            arrives cut to that length, its rest skipped and counted in `long_lines`
 * Units      begin, end: offsets in the uncompressed generation
 * Ownership  whoever holds the pointer; records point into bytes, or into respelled
 * Threads    handed over whole
 * Errors     bl_block_new: NULL
 * Source     -
 */
#ifndef BOUNCELINE_BLOCK_H
#define BOUNCELINE_BLOCK_H

#include "bounceline/event.h"
#include "bounceline/exim.h"
#include "bounceline/position.h"
#include "bounceline/record.h"
#include "bounceline/rules.h"
#include "bounceline/stamp.h"

enum {
    BL_BLOCK_BYTES = 256 << 10, /* what a block holds at most: more than BL_LINE_MAX */
    BL_BLOCK_SLACK = 64,
    /* JSON lines as text, and what an MTA escaped in them */
    BL_RESPELLED_BYTES = 2 * BL_BLOCK_BYTES,
    BL_SHAPE_SAMPLES = 4 /* unparsed lines kept per block, as slices */
};

enum bl_block_kind {
    BL_BLOCK_DATA,  /* lines */
    BL_BLOCK_SKIP,  /* a range that is passed over unread: --from end, lost bytes; bytes is empty */
    BL_BLOCK_RESET, /* control: `payload` is a struct bl_resume; everything before it is void */
    BL_BLOCK_ADDRESSES, /* control: `payload` is a struct bl_address_hashes for the filter */
    /* control: `payload` is the owner's of the stage; from here on things are different */
    BL_BLOCK_CHANGE,
    BL_BLOCK_FLUSH /* control: close the open batch now; also ends scan */
};

struct bl_block {
    enum bl_block_kind kind;
    uint32_t source;     /* index of the source */
    uint32_t run;        /* which run of the pipeline it belongs to; RESET begins the next */
    uint64_t begin;      /* offset of bytes[0] */
    bl_position end;     /* generation and position after the last byte */
    int64_t reference_s; /* for stamps without a year: file mtime or arrival */
    bool warm_up;        /* before every slot's position: feeds the join, counts nowhere */
    bool last;           /* FLUSH: the end; take a snapshot with it */
    /* DATA without lines: the log ends here, what waits for further lines waits in vain */
    bool is_end;
    const struct bl_rules *rules; /* that its verdicts are numbers of; set when it is submitted */
    char *bytes;
    size_t n;
    char *respelled; /* for texts that cannot stand as they were logged, slack behind it; or NULL */
    void *payload;   /* control blocks; ownership passes to the stage */

    /* The before_n bytes (at most BL_TAIL_BYTES) in front of `begin`, for a line that speaks of the
     * one before it; of a counted stream, as lines.  Allocated with the block. */
    char *before;
    size_t before_n;

    /* filled by bl_block_parse */
    bl_record *records;
    size_t records_n, records_cap;
    uint64_t lines, unparsed, long_lines, headless; /* headless: no syslog head that is read */
    uint64_t repeats_cut; /* repetitions of a line beyond BL_REPEATS_MAX: they count nowhere else */
    bl_slice sample[BL_SHAPE_SAMPLES]; /* of unparsed lines */
    size_t samples;
};

struct bl_block *bl_block_new(void);
void bl_block_free(struct bl_block *block);

/* A worker's own memory: stamp reader, scratch for batched classification. */
struct bl_worker;

struct bl_worker *bl_worker_new(const bl_zone *zone);

/* One that makes no records of lines that tell only what is not in `shown`, of enum bl_shown. */
struct bl_worker *bl_worker_new_showing(const bl_zone *zone, unsigned shown);
void bl_worker_free(struct bl_worker *worker);

/* Splits, parses and classifies the block's lines into its records.  Pure: the same bytes and rules
 * give the same records on any worker.  Allocates nothing. */
void bl_block_parse(struct bl_worker *worker, const struct bl_rules *rules, struct bl_block *block);

#endif
