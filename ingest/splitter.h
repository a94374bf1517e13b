/* splitter.h -- bytes as they arrive into blocks of whole lines
 *
 * Carries the unfinished line to the next block, cuts lines over BL_LINE_MAX (and counts them), keeps the
 * hash of the head and of the bytes before the offset.  Both the tailer and `scan` fill blocks through it.
 *
 * Shapes     see block.h
 * Units      bytes
 * Ownership  the caller owns blocks and splitter
 * Threads    one at a time
 * Errors     none
 * Source     -
 */
#ifndef BOUNCELINE_SPLITTER_H
#define BOUNCELINE_SPLITTER_H

#include "bounceline/block.h"

struct bl_splitter {
    bl_position at;      /* behind the last whole line handed out */
    uint64_t    read_at; /* behind the last byte taken in */
    char       *carry;   /* the unfinished line so far */
    size_t      carry_n;
    bool        skipping;  /* inside a line over BL_LINE_MAX */
    char        tail[BL_TAIL_BYTES], head[BL_HEAD_BYTES];
};

enum bl_code bl_splitter_init(struct bl_splitter *splitter, const bl_position *at);
void         bl_splitter_release(struct bl_splitter *splitter);

/* Where to read next into, and how much fits.  The carried line already stands before it. */
bl_slice bl_splitter_room(struct bl_splitter *splitter, struct bl_block *block);

/* `got` bytes were read there; ends the block at the last newline (or at `cut`, an offset that is known
 * to follow a newline, when it lies inside).  False when no whole line is there yet. */
bool bl_splitter_fill(struct bl_splitter *splitter, struct bl_block *block, size_t got);

/* The file will not grow any more: what is carried is a line. */
bool bl_splitter_finish(struct bl_splitter *splitter, struct bl_block *block);

#endif
