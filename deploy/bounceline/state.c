#include "state.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/random.h>
#include <unistd.h>

#include "bounceline/alloc.h"
#include "bounceline/stage.h"
#include "file.h"
#include "state_dir.h"

enum { KEEP_SNAPSHOTS = 4, SNAPSHOT_MAX_BYTES = 1 << 30, PATH_ROOM = PATH_MAX + 64 };

static enum bl_code take_lock(struct bl_state *state, bl_err *err)
{
    char path[PATH_ROOM];

    snprintf(path, sizeof path, "%s/lock", state->dir);
    state->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (state->lock_fd < 0)
        return bl_fail(err, BL_IO, errno, "cannot open '%s': %s", path, strerror(errno));
    if (flock(state->lock_fd, LOCK_EX | LOCK_NB) != 0)
        return bl_fail(err, BL_CONFLICT, errno,
                       "another bounceline run uses the state directory '%s'", state->dir);
    return BL_OK;
}

/* The id must survive a crash as soon as a lease carries it: synced before it is used. */
static enum bl_code take_instance(struct bl_state *state, bl_err *err)
{
    char path[PATH_ROOM];
    unsigned char random[8];
    int fd;
    ssize_t n;
    enum bl_code rc = BL_OK;

    snprintf(path, sizeof path, "%s/instance", state->dir);
    fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0)
        return bl_fail(err, BL_IO, errno, "cannot open '%s': %s", path, strerror(errno));
    n = read(fd, state->instance, 16);
    if (n == 16 && strspn(state->instance, "0123456789abcdef") == 16)
        goto out;
    if (getrandom(random, sizeof random, 0) != (ssize_t)sizeof random) {
        rc = bl_fail(err, BL_IO, errno, "cannot get random bytes: %s", strerror(errno));
        goto out;
    }
    for (size_t i = 0; i < sizeof random; i++)
        snprintf(state->instance + 2 * i, 3, "%02x", random[i]);
    if (pwrite(fd, state->instance, 16, 0) != 16 || ftruncate(fd, 16) != 0 || fsync(fd) != 0)
        rc = bl_fail(err, BL_IO, errno, "cannot write '%s': %s", path, strerror(errno));
out:
    close(fd);
    state->instance[16] = '\0';
    return rc;
}

static int newest_first(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return (x < y) - (x > y);
}

/* The numbers of the snapshots there are, newest first; returns how many. */
static size_t list_snapshots(const struct bl_state *state, uint64_t *number, size_t cap)
{
    DIR *dir = opendir(state->dir);
    size_t n = 0;

    if (!dir)
        return 0;
    for (struct dirent *entry; n < cap && (entry = readdir(dir)) != NULL;) {
        bl_slice name = {entry->d_name, strlen(entry->d_name)};

        if (bl_slice_take(&name, BL_SLICE("join.")) && bl_slice_take_u64(&name, &number[n]) &&
            name.n == 0)
            n++;
    }
    closedir(dir);
    qsort(number, n, sizeof *number, newest_first);
    return n;
}

enum bl_code bl_state_open(struct bl_state *state, const char *dir, bl_err *err)
{
    uint64_t number[64];
    enum bl_code rc;

    *state = (struct bl_state){.lock_fd = -1};
    rc = bl_state_dir_make(dir, state->dir, err);
    if (rc != BL_OK)
        return rc;
    rc = take_lock(state, err);
    if (rc == BL_OK)
        rc = take_instance(state, err);
    if (rc != BL_OK) {
        bl_state_close(state);
        return rc;
    }
    state->next_snapshot = list_snapshots(state, number, BL_COUNT(number)) ? number[0] + 1 : 1;
    return BL_OK;
}

void bl_state_close(struct bl_state *state)
{
    if (state->lock_fd >= 0)
        close(state->lock_fd);
    state->lock_fd = -1;
}

static bool write_all(int fd, bl_slice bytes)
{
    while (bytes.n > 0) {
        ssize_t wrote = write(fd, bytes.p, bytes.n);

        if (wrote < 0 && errno == EINTR)
            continue;
        if (wrote <= 0)
            return false;
        bytes = bl_slice_drop(bytes, (size_t)wrote);
    }
    return true;
}

static bool write_pieces(int fd, const struct bl_snapshot_file *file)
{
    for (size_t i = 0; i < file->pieces; i++)
        if (!write_all(fd, file->piece[i]))
            return false;
    return true;
}

static void sync_folder(const char *path)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (fd >= 0) {
        fsync(fd);
        close(fd);
    }
}

static void name_temporary(const struct bl_state *state, char path[PATH_ROOM])
{
    snprintf(path, PATH_ROOM, "%s/join.tmp", state->dir);
}

enum bl_code bl_state_write_snapshot(struct bl_state *state, const struct bl_snapshot *snapshot,
                                     bl_err *err)
{
    char path[PATH_ROOM];
    struct bl_snapshot_file file = {0};
    enum bl_code rc = bl_snapshot_encode(snapshot, &file);
    int fd;

    if (rc != BL_OK)
        return bl_fail(err, rc, 0, "no memory to write a snapshot");
    name_temporary(state, path);
    fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0 || !write_pieces(fd, &file) || fsync(fd) != 0)
        rc = bl_fail(err, BL_IO, errno, "cannot write '%s': %s", path, strerror(errno));
    if (fd >= 0)
        close(fd);
    bl_free(file.memory);
    return rc;
}

enum bl_code bl_state_publish_snapshot(struct bl_state *state, bl_err *err)
{
    char temporary[PATH_ROOM], path[PATH_ROOM];
    uint64_t number[64];
    size_t n;

    name_temporary(state, temporary);
    snprintf(path, sizeof path, "%s/join.%llu", state->dir,
             (unsigned long long)state->next_snapshot);
    if (rename(temporary, path) != 0)
        return bl_fail(err, BL_IO, errno, "cannot write '%s': %s", path, strerror(errno));
    sync_folder(state->dir);
    state->next_snapshot++;
    n = list_snapshots(state, number, BL_COUNT(number));
    for (size_t i = KEEP_SNAPSHOTS; i < n; i++) {
        snprintf(path, sizeof path, "%s/join.%llu", state->dir, (unsigned long long)number[i]);
        unlink(path);
    }
    return BL_OK;
}

static struct bl_snapshot *read_snapshot(const char *path)
{
    struct bl_snapshot *snapshot = NULL;
    char *file;
    size_t n;

    if (bl_file_read(path, SNAPSHOT_MAX_BYTES, &file, &n, NULL) != BL_OK)
        return NULL;
    bl_snapshot_decode((bl_slice){file, n}, &snapshot, NULL);
    bl_free(file);
    return snapshot;
}

struct bl_snapshot *bl_state_load_snapshot(struct bl_state *state, uint64_t dataset,
                                           const struct bl_positions *slots, size_t n)
{
    uint64_t number[64];
    size_t count = list_snapshots(state, number, BL_COUNT(number));

    for (size_t i = 0; i < count; i++) {
        char path[PATH_ROOM];
        struct bl_snapshot *snapshot;

        snprintf(path, sizeof path, "%s/join.%llu", state->dir, (unsigned long long)number[i]);
        snapshot = read_snapshot(path);
        if (snapshot &&
            (n == 0 || (snapshot->dataset == dataset && bl_snapshot_usable(snapshot, slots, n) &&
                        bl_stage_reads(snapshot))))
            return snapshot;
        bl_snapshot_free(snapshot);
    }
    return NULL;
}
