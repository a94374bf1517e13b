/* unpack.h -- a log file as a stream of plain bytes
 *
 * Plain, gzip and zstd files, told apart by their first bytes, and standard input.  xz and bzip2
 * are known, so that they are not taken for text, but not read.
 *
 * Shapes     -
 * Units      offsets count uncompressed bytes
 * Ownership  bl_unpack_open takes over `fd`
 * Threads    blocking: the scan's own thread, or libuv's thread pool; one thread at a time
 * Errors     BL_IO with the file's name; BL_BAD_INPUT for a damaged archive (what came before it is
 *            given) and for one that is not read
 * Source     zlib, libzstd
 */
#ifndef BOUNCELINE_UNPACK_H
#define BOUNCELINE_UNPACK_H

#include "bounceline/err.h"
#include "bounceline/slice.h"

struct bl_unpack;

enum bl_packing { BL_PLAIN, BL_GZIP, BL_ZSTD, BL_XZ, BL_BZIP2 };

enum { BL_UNPACK_MAGIC = 4 }; /* bytes that tell */

enum bl_packing bl_unpack_by_magic(const char *p, size_t n);

/* BL_BAD_INPUT, with the program that can in its text, for what is known and not read. */
enum bl_code bl_unpack_can_read(enum bl_packing packing, const char *name, bl_err *err);

enum bl_code bl_unpack_open(struct bl_unpack **out, int fd, const char *name, bl_err *err);
void bl_unpack_close(struct bl_unpack *unpack);
enum bl_packing bl_unpack_packing(const struct bl_unpack *unpack);

/* Reads up to `n` bytes; *got == 0 is the end (for a plain file: for now). */
enum bl_code bl_unpack_read(struct bl_unpack *unpack, char *out, size_t n, size_t *got,
                            bl_err *err);

/* Goes forward to `offset` (plain: at once; packed: by unpacking). */
enum bl_code bl_unpack_seek(struct bl_unpack *unpack, uint64_t offset, bl_err *err);

#endif
