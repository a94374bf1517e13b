/* input.h -- a log that is read once, from its start to its end
 *
 * Plain, packed or standard input ("-"), into blocks of a pipeline.  The daemon's logs are read by
 * the tail.
 *
 * Shapes     -
 * Units      bytes: as unpacked; size_bytes: as it lies on the disk, 0 when unknown
 * Ownership  bl_input_close after bl_input_open, whatever that gave; `path` stays the caller's
 * Threads    the one that submits to the pipeline; blocks
 * Errors     BL_NO_INPUT, BL_IO, BL_NO_MEMORY; BL_BAD_INPUT for a damaged archive: what came before
 *            it was read; BL_NO_INPUT also for a plain file that was cut meanwhile: what was left
 *            was read
 * Source     -
 */
#ifndef BOUNCELINE_INPUT_H
#define BOUNCELINE_INPUT_H

#include "pipeline.h"
#include "splitter.h"
#include "unpack.h"

struct bl_input {
    const char *name; /* in messages */
    struct bl_unpack *unpack;
    struct bl_splitter splitter;
    /* what a stamp without a year is near to: the last write, now for a pipe */
    int64_t reference_s;
    uint64_t size_bytes;
    int fd; /* to ask how far it is */
};

/* `generation` tells the files of one pipeline apart. */
enum bl_code bl_input_open(struct bl_input *input, const char *path, uint64_t generation,
                           bl_err *err);
void bl_input_close(struct bl_input *input);

/* After each piece; false: enough. */
typedef bool bl_input_fn(void *arg, size_t bytes);

enum bl_code bl_input_read(struct bl_input *input, struct bl_pipeline *pipeline, bl_input_fn *fn,
                           void *arg, bl_err *err);

#endif
