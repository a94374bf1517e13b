/* logfile.h -- one file of a log, read at any offset
 *
 * Plain or packed, the bytes stand at the same uncompressed offsets.  Going back in a packed file
 * means unpacking it again from the start; going forward is cheap.
 *
 * Shapes     only regular files: a FIFO or a device under a log's name is refused, not waited for
 * Units      offsets: uncompressed bytes; *_ns: since 1970 UTC
 * Ownership  a zeroed struct with fd -1 is closed; bl_logfile_close leaves it so
 * Threads    blocking: libuv's pool; one thread at a time
 * Errors     BL_NO_INPUT: cannot be opened; BL_IO; BL_BAD_INPUT: a damaged archive; err->sys is
 *            errno
 * Source     statx(2): libuv's stat puts ctime where the birth time is missing
 */
#ifndef BOUNCELINE_LOGFILE_H
#define BOUNCELINE_LOGFILE_H

#include "unpack.h"

struct bl_file_id {
    uint64_t device, inode;
    int64_t birth_ns; /* 0: the file system has none */
    uint64_t size;    /* as it lies on disk, packed or not */
    int64_t mtime_ns, ctime_ns;
    bool unlinked; /* no name is left */
};

struct bl_logfile {
    int fd;
    char *path; /* as it was opened, for messages */
    enum bl_packing packing;
    struct bl_unpack *unpack;
    uint64_t unpacked_at;
    struct bl_file_id id; /* as of the last open or refresh */
};

#define BL_LOGFILE_CLOSED ((struct bl_logfile){.fd = -1})

/* What stands at `path`, without opening it.  BL_NO_INPUT also for what is not a regular file. */
enum bl_code bl_logfile_look(const char *path, struct bl_file_id *out, bl_err *err);

enum bl_code bl_logfile_open(struct bl_logfile *file, const char *path, bl_err *err);
void bl_logfile_close(struct bl_logfile *file);
void bl_logfile_rename(struct bl_logfile *file, const char *path); /* in messages */
enum bl_code bl_logfile_refresh(struct bl_logfile *file, bl_err *err);

/* Fills `out` from `offset`; less than n only at the end (for a plain file: for now).  Of a damaged
 * archive what can be had comes first; BL_BAD_INPUT then with *got == 0. */
enum bl_code bl_logfile_read(struct bl_logfile *file, uint64_t offset, char *out, size_t n,
                             size_t *got, bl_err *err);

/* How many bytes the file holds; a packed one is read to its end, what is cut off does not
 * count. */
enum bl_code bl_logfile_length(struct bl_logfile *file, uint64_t *out);

/* Behind the last newline before `limit`, and behind the first one at `from - 1` or later; false
 * when there is none within BL_LOGFILE_SEARCH bytes. */
enum { BL_LOGFILE_SEARCH = 1 << 20 };
bool bl_logfile_line_end(struct bl_logfile *file, uint64_t limit, uint64_t *out);
bool bl_logfile_line_start(struct bl_logfile *file, uint64_t from, uint64_t *out);

/* The length of a packed file's contents as the archive itself states it (a single member); false
 * when it does not. */
bool bl_logfile_stated_length(struct bl_logfile *file, uint64_t *out);

/* Of a plain file: reads `n` bytes at `offset` and, in the same system call, the bytes before it
 * again; *same tells whether these still are `before`. */
enum bl_code bl_logfile_read_behind(struct bl_logfile *file, uint64_t offset, bl_slice before,
                                    char *out, size_t n, size_t *got, bool *same, bl_err *err);

#endif
