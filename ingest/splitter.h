/* splitter.h -- bytes as they arrive into blocks of whole lines
 *
 * Carries the unfinished line to the next block, cuts lines over BL_LINE_MAX (and counts them),
 * keeps the hash of the head and of the bytes before the offset.  A file that begins with an octet
 * count is a stream of counted messages (framing.h): each becomes a line.  Both the tailer and
 * `scan` fill blocks through it:
 *
 *     char *to = bl_splitter_room(&splitter, block, &room);
 *     ... read `got` bytes, at most `room`, to `to` ...
 *     if (bl_splitter_fill(&splitter, block, got))
 *         hand the block on; else read again into the same block
 *
 * Shapes     see block.h.  A line over BL_LINE_MAX that begins with NULs (the hole which a writer
 *            leaves in a file truncated under it) loses those first
 * Units      bytes
 * Ownership  the caller owns blocks and splitter
 * Threads    one at a time
 * Errors     bl_splitter_init: BL_NO_MEMORY
 * Source     -
 */
#ifndef BOUNCELINE_SPLITTER_H
#define BOUNCELINE_SPLITTER_H

#include "bounceline/block.h"
#include "bounceline/framing.h"

struct bl_splitter {
    bl_position at;   /* behind the last whole line handed out */
    uint64_t read_at; /* behind the last byte taken in */
    bool hashing;     /* true after init; `scan`, which stores no positions, sets it to false */
    enum bl_frame counted; /* octet counts: DONE yes, BAD no, MORE not known yet */
    bool skipping; /* inside a line over BL_LINE_MAX: its head is carried, the rest is dropped */
    bool stripped; /* the unfinished line is over BL_LINE_MAX with its leading NULs, now dropped */
    char *carry;   /* the unfinished line so far */
    size_t carry_n;
    size_t tail_n, head_n;
    char tail[BL_TAIL_BYTES]; /* the bytes before read_at, as they stand in the file */
    char head[BL_HEAD_BYTES];
    size_t before_n;
    char before[BL_TAIL_BYTES]; /* the bytes before at.offset */
    size_t lines_n;
    /* of a counted stream: the same as lines, a newline before the first */
    char lines[BL_TAIL_BYTES + 1];
};

enum bl_code bl_splitter_init(struct bl_splitter *splitter, const bl_position *at);
void bl_splitter_release(struct bl_splitter *splitter);

/* Starting behind byte 0: `before` are the min(offset, BL_TAIL_BYTES) bytes before the offset,
 * `counted` what bl_framing_detect says of the file's begin. */
void bl_splitter_prime(struct bl_splitter *splitter, bl_slice before, enum bl_frame counted);

/* Where to read next into, and how much fits.  The carried line already stands before it. */
char *bl_splitter_room(struct bl_splitter *splitter, struct bl_block *block, size_t *n);

/* `got` bytes were read there; ends the block at the last newline.  False when no whole line is
 * there yet: the block is still empty and can take more. */
bool bl_splitter_fill(struct bl_splitter *splitter, struct bl_block *block, size_t got);

/* The file will not grow any more: what is carried is a line.  False when nothing is carried. */
bool bl_splitter_finish(struct bl_splitter *splitter, struct bl_block *block);

#endif
