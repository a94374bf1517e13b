#include "input.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "file.h"
#include "options.h"

static enum bl_code open_file(const char *path, bool standard, int *out, struct stat *st,
                              bl_err *err)
{
    enum bl_code rc = BL_OK;
    int fd = -1;

    if (!standard) {
        rc = bl_file_open_log(path, &fd, st, err);
    } else if ((fd = dup(STDIN_FILENO)) < 0 || fstat(fd, st) != 0 || S_ISDIR(st->st_mode)) {
        rc = bl_fail(err, BL_NO_INPUT, fd < 0 ? errno : EISDIR, "cannot read standard input: %s",
                     strerror(fd < 0 ? errno : EISDIR));
        if (fd >= 0)
            close(fd);
    }
    if (rc != BL_OK)
        return rc;
    (void)posix_fadvise(fd, 0, 0, POSIX_FADV_SEQUENTIAL);
    *out = fd;
    return BL_OK;
}

enum bl_code bl_input_open(struct bl_input *input, const char *path, uint64_t generation,
                           bl_err *err)
{
    const bl_position start = {.generation = generation};
    bool standard = strcmp(path, "-") == 0;
    struct stat st;
    enum bl_code rc;

    *input = (struct bl_input){.fd = -1, .name = standard ? "standard input" : path};
    rc = open_file(path, standard, &input->fd, &st, err);
    if (rc == BL_OK)
        rc = bl_unpack_open(&input->unpack, input->fd, input->name, err);
    if (rc == BL_OK)
        rc = bl_splitter_init(&input->splitter, &start);
    if (rc != BL_OK)
        return rc;
    input->splitter.hashing = false; /* positions are the daemon's */
    input->reference_s = S_ISREG(st.st_mode) ? (int64_t)st.st_mtim.tv_sec : bl_now_ms() / 1000;
    input->size_bytes = S_ISREG(st.st_mode) ? (uint64_t)st.st_size : 0;
    return BL_OK;
}

void bl_input_close(struct bl_input *input)
{
    bl_splitter_release(&input->splitter);
    bl_unpack_close(input->unpack); /* and the file */
}

/* Where a plain file ended against its size at the start: by the descriptor, as standard input may
 * have begun in the middle.  A packed one that was cut is damaged. */
static enum bl_code check_end(const struct bl_input *input, bl_err *err)
{
    off_t at = bl_unpack_packing(input->unpack) == BL_PLAIN ? lseek(input->fd, 0, SEEK_CUR) : -1;

    if (at < 0 || (uint64_t)at >= input->size_bytes)
        return BL_OK;
    return bl_fail(err, BL_NO_INPUT, 0,
                   "'%s' was cut while it was read: %" PRIu64 " bytes of it are missing",
                   input->name, input->size_bytes - (uint64_t)at);
}

enum bl_code bl_input_read(struct bl_input *input, struct bl_pipeline *pipeline, bl_input_fn *fn,
                           void *arg, bl_err *err)
{
    struct bl_block *block = NULL;
    enum bl_code rc = BL_OK;
    size_t got;

    do {
        size_t room;
        char *to;

        if (!block)
            block = bl_pipeline_block(pipeline, true);
        block->reference_s = input->reference_s;
        to = bl_splitter_room(&input->splitter, block, &room);
        got = 0;
        rc = bl_unpack_read(input->unpack, to, room, &got, err);
        if (got == 0 && rc != BL_OK)
            break; /* the line that a damaged archive ends in is half a line */
        if (got ? bl_splitter_fill(&input->splitter, block, got)
                : bl_splitter_finish(&input->splitter, block)) {
            bl_pipeline_submit(pipeline, block);
            block = NULL;
        }
    } while (got && rc == BL_OK && fn(arg, got));
    if (block)
        bl_pipeline_return(pipeline, block);
    return rc == BL_OK && got == 0 ? check_end(input, err) : rc;
}
