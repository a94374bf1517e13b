#include "file.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "bounceline/alloc.h"

enum { NULL_MAJOR = 1, NULL_MINOR = 3 }; /* of /dev/null */

static const char *kind_of(const struct stat *st)
{
    switch (st->st_mode & S_IFMT) {
    case S_IFDIR:
        return "a directory";
    case S_IFIFO:
        return "a FIFO";
    case S_IFSOCK:
        return "a socket";
    default:
        return "a device";
    }
}

static bool is_plain(const struct stat *st)
{
    return S_ISREG(st->st_mode) ||
           (S_ISCHR(st->st_mode) && st->st_rdev == makedev(NULL_MAJOR, NULL_MINOR));
}

/* O_NONBLOCK, so that a FIFO does not hold us before we see what it is. */
static enum bl_code open_any(const char *path, int *out, struct stat *st, bl_err *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);

    if (fd < 0)
        return bl_fail(err, BL_NO_INPUT, errno, "cannot open '%.150s': %s", path, strerror(errno));
    if (fstat(fd, st) != 0) {
        bl_fail(err, BL_IO, errno, "cannot look at '%.150s': %s", path, strerror(errno));
        close(fd);
        return BL_IO;
    }
    *out = fd;
    return BL_OK;
}

static enum bl_code refuse(const char *path, int fd, const struct stat *st, bl_err *err)
{
    close(fd);
    return bl_fail(err, BL_NO_INPUT, EINVAL, "cannot read '%.150s': it is %s, not a file", path,
                   kind_of(st));
}

/* --- a small one --- */

static enum bl_code no_memory(const char *path, bl_err *err)
{
    return bl_fail(err, BL_NO_MEMORY, 0, "out of memory reading '%.150s'", path);
}

/* Room for one byte more than was read, so that the end is seen. */
static enum bl_code read_all(int fd, const char *path, size_t first_bytes, size_t max_bytes,
                             char **out, size_t *out_n, bl_err *err)
{
    size_t room = (first_bytes < max_bytes ? first_bytes : max_bytes) + 1, n = 0;
    char *text = bl_malloc(room), *more;
    ssize_t got = 1;

    while (text && got > 0 && n <= max_bytes) {
        if (n == room) {
            room = room < max_bytes / 2 ? room * 2 : max_bytes + 1;
            more = bl_realloc(text, room);
            if (!more)
                bl_free(text);
            text = more;
            continue;
        }
        got = read(fd, text + n, room - n);
        if (got > 0)
            n += (size_t)got;
        else if (got < 0 && errno == EINTR)
            got = 1;
    }
    if (!text)
        return no_memory(path, err);
    if (got < 0 || n > max_bytes) {
        bl_free(text);
        return got < 0
                   ? bl_fail(err, BL_IO, errno, "cannot read '%.150s': %s", path, strerror(errno))
                   : bl_fail(err, BL_LIMIT, 0, "'%.150s' is longer than %zu bytes", path,
                             max_bytes);
    }
    *out = text;
    *out_n = n;
    return BL_OK;
}

enum bl_code bl_file_read(const char *path, size_t max_bytes, char **out, size_t *out_n,
                          bl_err *err)
{
    struct stat st;
    int fd = -1;
    enum bl_code rc = open_any(path, &fd, &st, err);

    if (rc != BL_OK)
        return rc;
    if (!is_plain(&st))
        return refuse(path, fd, &st, err);
    rc = read_all(fd, path, st.st_size > 0 ? (size_t)st.st_size : 0, max_bytes, out, out_n, err);
    close(fd);
    return rc;
}

/* --- a log --- */

static bool starts(const char *path, const char *with)
{
    return strncmp(path, with, strlen(with)) == 0;
}

/* What its name stands for is a descriptor of this process. */
static bool is_open_already(const char *path)
{
    return starts(path, "/dev/fd/") || starts(path, "/proc/self/fd/") ||
           strcmp(path, "/dev/stdin") == 0;
}

enum bl_code bl_file_open_log(const char *path, int *out, struct stat *st, bl_err *err)
{
    int fd = -1, flags;
    enum bl_code rc = open_any(path, &fd, st, err);

    if (rc != BL_OK)
        return rc;
    if (S_ISDIR(st->st_mode) || !(is_plain(st) || is_open_already(path))) {
        if (S_ISFIFO(st->st_mode)) {
            close(fd);
            return bl_fail(err, BL_NO_INPUT, EINVAL,
                           "cannot read '%.80s': it is a FIFO: cat it | bounceline scan -", path);
        }
        return refuse(path, fd, st, err);
    }
    flags = fcntl(fd, F_GETFL);
    if (flags < 0 || fcntl(fd, F_SETFL, flags & ~O_NONBLOCK) != 0) {
        bl_fail(err, BL_IO, errno, "cannot read '%.150s': %s", path, strerror(errno));
        close(fd);
        return BL_IO;
    }
    *out = fd;
    return BL_OK;
}
