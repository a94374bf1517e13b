#include "logfile.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/uio.h>
#include <unistd.h>

#include <zstd.h>

#include "bounceline/alloc.h"
#include "bounceline/position.h"
#include "identity.h"

enum { ZSTD_HEADER_MAX = 18, PIECE = 256 << 10 };

static int64_t to_ns(struct statx_timestamp t)
{
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static enum bl_code look(int fd, const char *path, const char *name, struct bl_file_id *out,
                         bl_err *err)
{
    struct statx x;

    if (statx(fd, path, fd == AT_FDCWD ? 0 : AT_EMPTY_PATH, STATX_BASIC_STATS | STATX_BTIME, &x) !=
        0)
        return bl_fail(err, BL_NO_INPUT, errno, "cannot open '%s'", name);
    if (!S_ISREG(x.stx_mode))
        return bl_fail(err, BL_NO_INPUT, S_ISDIR(x.stx_mode) ? EISDIR : EINVAL,
                       "'%s' is not a regular file", name);
    *out = (struct bl_file_id){
        .device = makedev(x.stx_dev_major, x.stx_dev_minor),
        .inode = x.stx_ino,
        .birth_ns = x.stx_mask & STATX_BTIME ? to_ns(x.stx_btime) : 0,
        .size = x.stx_size,
        .mtime_ns = to_ns(x.stx_mtime),
        .ctime_ns = to_ns(x.stx_ctime),
        .unlinked = x.stx_nlink == 0,
    };
    return BL_OK;
}

enum bl_code bl_logfile_look(const char *path, struct bl_file_id *out, bl_err *err)
{
    return look(AT_FDCWD, path, path, out, err);
}

enum bl_code bl_logfile_refresh(struct bl_logfile *f, bl_err *err)
{
    return look(f->fd, "", f->path, &f->id, err);
}

/* pread that rides out signals and short counts. */
static enum bl_code read_at(struct bl_logfile *f, uint64_t offset, char *out, size_t n, size_t *got,
                            bl_err *err)
{
    int fault = bl_identity_test.read_fault ? bl_identity_test.read_fault(f->path) : 0;

    *got = 0;
    if (fault)
        return bl_fail(err, BL_IO, fault, "cannot read '%s'", f->path);
    while (*got < n) {
        ssize_t r = pread(f->fd, out + *got, n - *got, (off_t)(offset + *got));

        if (r < 0 && errno == EINTR)
            continue;
        if (r < 0)
            return bl_fail(err, BL_IO, errno, "cannot read '%s'", f->path);
        if (r == 0)
            break;
        *got += (size_t)r;
    }
    return BL_OK;
}

static enum bl_code begin_unpacking(struct bl_logfile *f, bl_err *err)
{
    int fd;

    bl_unpack_close(f->unpack);
    f->unpack = NULL;
    f->unpacked_at = 0;
    fd = fcntl(f->fd, F_DUPFD_CLOEXEC, 0);
    if (fd < 0 || lseek(fd, 0, SEEK_SET) < 0) {
        int sys = errno;

        if (fd >= 0)
            close(fd);
        return bl_fail(err, BL_IO, sys, "cannot read '%s'", f->path);
    }
    return bl_unpack_open(&f->unpack, fd, f->path, err);
}

enum bl_code bl_logfile_open(struct bl_logfile *f, const char *path, bl_err *err)
{
    char magic[BL_UNPACK_MAGIC];
    size_t n = strlen(path) + 1, got;
    enum bl_code rc;

    *f = BL_LOGFILE_CLOSED;
    f->path = bl_malloc(n);
    if (!f->path)
        return bl_fail(err, BL_NO_MEMORY, 0, "cannot open '%s': out of memory", path);
    memcpy(f->path, path, n);
    /* O_NONBLOCK: a FIFO that took the log's place must not hold us. */
    f->fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (f->fd < 0)
        rc = bl_fail(err, BL_NO_INPUT, errno, "cannot open '%s'", path);
    else
        rc = bl_logfile_refresh(f, err);
    if (rc == BL_OK)
        rc = read_at(f, 0, magic, sizeof magic, &got, err);
    if (rc == BL_OK)
        f->packing = bl_unpack_by_magic(magic, got);
    if (rc != BL_OK)
        bl_logfile_close(f);
    return rc;
}

void bl_logfile_rename(struct bl_logfile *f, const char *path)
{
    size_t n = strlen(path) + 1;
    char *copy = strcmp(f->path, path) == 0 ? NULL : bl_malloc(n);

    if (!copy)
        return; /* a message will name the old one */
    memcpy(copy, path, n);
    bl_free(f->path);
    f->path = copy;
}

void bl_logfile_close(struct bl_logfile *f)
{
    bl_unpack_close(f->unpack);
    if (f->fd >= 0)
        close(f->fd);
    bl_free(f->path);
    *f = BL_LOGFILE_CLOSED;
}

/* Everything at once, so that a caller sees a short count only at the end. */
static enum bl_code unpack_fully(struct bl_logfile *f, char *out, size_t n, size_t *got,
                                 bl_err *err)
{
    while (*got < n) {
        size_t more = 0;
        enum bl_code rc = bl_unpack_read(f->unpack, out + *got, n - *got, &more, err);

        if (rc != BL_OK)
            return *got ? BL_OK : rc;
        if (more == 0)
            break;
        *got += more;
        f->unpacked_at += more;
    }
    return BL_OK;
}

enum bl_code bl_logfile_read(struct bl_logfile *f, uint64_t offset, char *out, size_t n,
                             size_t *got, bl_err *err)
{
    enum bl_code rc = BL_OK;

    *got = 0;
    if (f->packing == BL_PLAIN)
        return read_at(f, offset, out, n, got, err);
    if (!f->unpack || offset < f->unpacked_at)
        rc = begin_unpacking(f, err);
    if (rc == BL_OK && offset > f->unpacked_at) {
        rc = bl_unpack_seek(f->unpack, offset - f->unpacked_at, err);
        if (rc == BL_OK)
            f->unpacked_at = offset;
    }
    if (rc == BL_OK)
        rc = unpack_fully(f, out, n, got, err);
    if (rc != BL_OK) {
        /* it stands nobody knows where; and the file may be better later */
        bl_unpack_close(f->unpack);
        f->unpack = NULL;
    }
    return rc;
}

enum bl_code bl_logfile_length(struct bl_logfile *f, uint64_t *out)
{
    char *scrap;
    enum bl_code rc = BL_OK;
    size_t got = 1;

    *out = 0;
    if (f->packing == BL_PLAIN) {
        *out = f->id.size;
        return BL_OK;
    }
    scrap = bl_malloc(PIECE);
    if (!scrap)
        return BL_NO_MEMORY;
    while (rc == BL_OK && got > 0) {
        rc = bl_logfile_read(f, *out, scrap, PIECE, &got, NULL);
        *out += got;
    }
    bl_free(scrap);
    return rc == BL_BAD_INPUT ? BL_OK : rc;
}

bool bl_logfile_line_end(struct bl_logfile *f, uint64_t limit, uint64_t *out)
{
    char *piece = bl_malloc(BL_LOGFILE_SEARCH);
    size_t n = limit < BL_LOGFILE_SEARCH ? (size_t)limit : BL_LOGFILE_SEARCH, got = 0;
    const char *newline = NULL;

    if (piece && bl_logfile_read(f, limit - n, piece, n, &got, NULL) == BL_OK && got > 0)
        newline = memrchr(piece, '\n', got);
    if (newline)
        *out = limit - n + (uint64_t)(newline - piece) + 1;
    bl_free(piece);
    return newline != NULL;
}

bool bl_logfile_line_start(struct bl_logfile *f, uint64_t from, uint64_t *out)
{
    char *piece = bl_malloc(BL_LOGFILE_SEARCH);
    size_t got = 0;
    const char *newline = NULL;

    if (from == 0) {
        *out = 0;
    } else if (piece &&
               bl_logfile_read(f, from - 1, piece, BL_LOGFILE_SEARCH, &got, NULL) == BL_OK &&
               got > 0) {
        newline = memchr(piece, '\n', got);
        if (newline)
            *out = from + (uint64_t)(newline - piece);
    }
    bl_free(piece);
    return from == 0 || newline != NULL;
}

bool bl_logfile_stated_length(struct bl_logfile *f, uint64_t *out)
{
    unsigned char b[ZSTD_HEADER_MAX];
    size_t got;

    if (f->packing == BL_GZIP && f->id.size >= 18) {
        if (read_at(f, f->id.size - 4, (char *)b, 4, &got, NULL) != BL_OK || got != 4)
            return false;
        *out = (uint64_t)b[0] | (uint64_t)b[1] << 8 | (uint64_t)b[2] << 16 | (uint64_t)b[3] << 24;
        return true; /* modulo 2^32 */
    }
    if (f->packing == BL_ZSTD && read_at(f, 0, (char *)b, sizeof b, &got, NULL) == BL_OK) {
        unsigned long long n = ZSTD_getFrameContentSize(b, got);

        *out = n;
        return n != ZSTD_CONTENTSIZE_UNKNOWN && n != ZSTD_CONTENTSIZE_ERROR;
    }
    return false;
}

enum bl_code bl_logfile_read_behind(struct bl_logfile *f, uint64_t offset, bl_slice before,
                                    char *out, size_t n, size_t *got, bool *same, bl_err *err)
{
    char again[BL_TAIL_BYTES];
    struct iovec part[2] = {{again, before.n}, {out, n}};
    ssize_t r;
    int fault = bl_identity_test.read_fault ? bl_identity_test.read_fault(f->path) : 0;

    *got = 0;
    *same = true;
    do
        r = fault ? -1 : preadv(f->fd, part, 2, (off_t)(offset - before.n));
    while (r < 0 && !fault && errno == EINTR);
    if (r < 0)
        return bl_fail(err, BL_IO, fault ? fault : errno, "cannot read '%s'", f->path);
    if (!bl_identity_test.no_tail_check)
        *same = (size_t)r >= before.n && (before.n == 0 || memcmp(again, before.p, before.n) == 0);
    if (*same && (size_t)r > before.n)
        *got = (size_t)r - before.n;
    return BL_OK;
}
