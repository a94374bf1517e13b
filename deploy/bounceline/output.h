/* output.h -- bytes on their way to a descriptor
 *
 * One large buffer and one write per fill: `scan --events` prints a line per recipient of millions.
 *
 * Shapes     any bytes
 * Units      bytes
 * Ownership  the caller owns the object and the descriptor
 * Threads    one at a time; bl_output_failed may be asked by another
 * Errors     the first failed write is kept, everything after it is dropped; ask at the end
 * Source     -
 */
#ifndef BOUNCELINE_OUTPUT_H
#define BOUNCELINE_OUTPUT_H

#include <stdatomic.h>

#include "bounceline/slice.h"

enum { BL_OUTPUT_BYTES = 64 << 10 };

struct bl_output {
    int fd;
    size_t n;
    /* errno of the first write that failed; a hint to other threads, hence relaxed */
    atomic_int sys;
    char buf[BL_OUTPUT_BYTES];
};

void bl_output_init(struct bl_output *out, int fd);
bool bl_output_flush(struct bl_output *out);
int bl_output_failed(const struct bl_output *out); /* errno, or 0 */

/* Flushes and turns the state into an exit code: 0, or 74 having said why (not for a broken pipe:
 * the reader has left and knows). */
int bl_output_finish(struct bl_output *out);

void bl_output_slow(struct bl_output *out, bl_slice bytes); /* when the buffer is full */

static inline void bl_output_put(struct bl_output *out, bl_slice bytes)
{
    if (bytes.n > sizeof out->buf - out->n) {
        bl_output_slow(out, bytes);
        return;
    }
    if (bytes.n)
        memcpy(out->buf + out->n, bytes.p, bytes.n);
    out->n += bytes.n;
}

static inline void bl_output_byte(struct bl_output *out, char byte)
{
    bl_output_put(out, (bl_slice){&byte, 1});
}

void bl_output_u64(struct bl_output *out, uint64_t value);

/* For what is printed once, never for a line of a log. */
__attribute__((format(printf, 2, 3))) void bl_output_format(struct bl_output *out,
                                                            const char *format, ...);

#endif
