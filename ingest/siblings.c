/* Order.  Where all siblings carry a number, the number decides (mail.log.2 is older than
 * mail.log.1); where all carry a date, the date; where both occur, somebody changed the
 * configuration in between, and the time of the last write has to do.  Numbers come first because a
 * writer may linger in mail.log.1 after mail.log was begun, which makes its last write the later
 * one. */
#include "siblings.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bounceline/alloc.h"

enum { LISTS_AT_ONCE = 5 };

static bl_slice text(const char *p)
{
    return (bl_slice){p, strlen(p)};
}

static char *copy(bl_slice s)
{
    char *p = bl_malloc(s.n + 1);

    if (p) {
        memcpy(p, s.p, s.n);
        p[s.n] = 0;
    }
    return p;
}

static bl_slice base_of(const char *path)
{
    const char *slash = strrchr(path, '/');

    return text(slash ? slash + 1 : path);
}

/* With the slash. */
static bl_slice folder_of(const char *path)
{
    return (bl_slice){path, strlen(path) - base_of(path).n};
}

/* --- folding --- */

/* The name without number or date and packing, or empty. */
static bl_slice stem_of(bl_slice base)
{
    struct bl_rotated rotated;

    return bl_rotated_read(base, &rotated) ? rotated.stem : (bl_slice){0};
}

/* Absolute, with the folder's symbolic links resolved but not the file's own: a log that is a link
 * is followed to wherever it points. */
static char *absolute(const char *path)
{
    char folder[PATH_MAX], real[PATH_MAX], whole[PATH_MAX];
    bl_slice base = base_of(path), head = folder_of(path);
    int n;

    if (head.n >= sizeof folder)
        return NULL;
    memcpy(folder, head.n ? head.p : "./", head.n ? head.n : 3);
    folder[head.n ? head.n : 2] = 0;
    if (realpath(folder, real)) {
        n = snprintf(whole, sizeof whole, "%s%s%.*s", real, real[1] ? "/" : "", (int)base.n,
                     base.p);
    } else if (path[0] == '/') {
        n = snprintf(whole, sizeof whole, "%s", path);
    } else {
        if (!getcwd(real, sizeof real))
            return NULL;
        n = snprintf(whole, sizeof whole, "%s/%s", real, path);
    }
    return n > 0 && (size_t)n < sizeof whole ? copy(text(whole)) : NULL;
}

static bool is_path_with(const char *path, bl_slice folder, bl_slice base)
{
    return bl_slice_eq(folder_of(path), folder) && bl_slice_eq(base_of(path), base);
}

/* Which log `all[i]` belongs to: itself, unless it is a rotated name of a log that was named too,
 * or that another one is a rotated name of, or that is there on disk (its number then is not part
 * of its name). */
static bl_slice log_base(char *const *all, size_t n, size_t i)
{
    bl_slice folder = folder_of(all[i]), base = base_of(all[i]), stem = stem_of(base);
    char probe[PATH_MAX];

    if (stem.n == 0)
        return base;
    for (size_t j = 0; j < n; j++)
        if (j != i && bl_slice_eq(folder_of(all[j]), folder) &&
            (bl_slice_eq(base_of(all[j]), stem) || bl_slice_eq(stem_of(base_of(all[j])), stem)))
            return stem;
    snprintf(probe, sizeof probe, "%.*s%.*s", (int)folder.n, folder.p, (int)stem.n, stem.p);
    return access(probe, F_OK) == 0 ? stem : base;
}

static enum bl_code add_named(struct bl_log *log, const char *path)
{
    char **named;

    for (size_t i = 0; i < log->named_n; i++)
        if (strcmp(log->named[i], path) == 0)
            return BL_OK;
    named = bl_realloc(log->named, (log->named_n + 1) * sizeof *named);
    if (!named)
        return BL_NO_MEMORY;
    log->named = named;
    named[log->named_n] = copy(text(path));
    if (!named[log->named_n])
        return BL_NO_MEMORY;
    log->named_n++;
    if (strcmp(path, log->path) == 0)
        log->alone = false;
    return BL_OK;
}

static enum bl_code add_path(struct bl_log *logs, size_t *logs_n, char *const *all, size_t n,
                             size_t i, size_t *of)
{
    bl_slice folder = folder_of(all[i]), base = log_base(all, n, i);
    size_t at = 0;

    while (at < *logs_n && !is_path_with(logs[at].path, folder, base))
        at++;
    if (at == *logs_n) {
        char *path = bl_malloc(folder.n + base.n + 1);

        if (!path)
            return BL_NO_MEMORY;
        memcpy(path, folder.p, folder.n);
        memcpy(path + folder.n, base.p, base.n);
        path[folder.n + base.n] = 0;
        logs[(*logs_n)++] = (struct bl_log){.path = path, .alone = true};
    }
    *of = at;
    return add_named(&logs[at], all[i]);
}

enum bl_code bl_siblings_fold(const char *const *paths, size_t n, struct bl_log **out,
                              size_t *out_n, size_t *of, bl_err *err)
{
    char **all = bl_calloc(n + 1, sizeof *all);
    struct bl_log *logs = bl_calloc(n + 1, sizeof *logs);
    size_t logs_n = 0, unused;
    enum bl_code rc = all && logs ? BL_OK : BL_NO_MEMORY;

    for (size_t i = 0; i < n && rc == BL_OK; i++) {
        if (base_of(paths[i]).n == 0)
            rc = bl_fail(err, BL_USAGE, 0, "'%s' names a folder, not a log", paths[i]);
        else if (!(all[i] = absolute(paths[i])))
            rc = bl_fail(err, BL_USAGE, ENAMETOOLONG, "the path '%.60s...' is too long", paths[i]);
    }
    for (size_t i = 0; i < n && rc == BL_OK; i++)
        rc = add_path(logs, &logs_n, all, n, i, of ? &of[i] : &unused);
    for (size_t i = 0; all && i < n; i++)
        bl_free(all[i]);
    bl_free(all);
    if (rc != BL_OK) {
        bl_siblings_free_logs(logs, logs_n);
        return rc == BL_NO_MEMORY ? bl_fail(err, rc, 0, "cannot follow logs: out of memory") : rc;
    }
    *out = logs;
    *out_n = logs_n;
    return BL_OK;
}

void bl_siblings_release_log(struct bl_log *log)
{
    for (size_t i = 0; i < log->named_n; i++)
        bl_free(log->named[i]);
    bl_free(log->named);
    bl_free(log->path);
    *log = (struct bl_log){0};
}

void bl_siblings_free_logs(struct bl_log *logs, size_t n)
{
    for (size_t i = 0; logs && i < n; i++)
        bl_siblings_release_log(&logs[i]);
    bl_free(logs);
}

/* --- listing --- */

static bool known_inode(const struct bl_siblings *list, const struct bl_file_id *id)
{
    for (size_t i = 0; i < list->n; i++)
        if (list->v[i].id.device == id->device && list->v[i].id.inode == id->inode)
            return true;
    return false;
}

/* What may not be looked at is not there.  What was listed and is not there was renamed
 * meanwhile. */
static enum bl_code add(struct bl_siblings *list, const struct bl_log *log, const char *path,
                        bool *moved)
{
    struct bl_sibling s = {.live = strcmp(path, log->path) == 0};
    bl_err err;
    enum bl_code rc = bl_logfile_look(path, &s.id, &err);

    *moved |= rc != BL_OK && err.sys == ENOENT;
    if (rc != BL_OK || known_inode(list, &s.id))
        return BL_OK;
    if (list->n == BL_SIBLINGS_MAX)
        return BL_LIMIT;
    if (list->n == list->cap) {
        size_t cap = list->cap ? list->cap * 2 : 16;
        struct bl_sibling *v = bl_realloc(list->v, cap * sizeof *v);

        if (!v)
            return BL_NO_MEMORY;
        list->v = v;
        list->cap = cap;
    }
    if (!bl_rotated_of(base_of(log->path), base_of(path), &s.rotated))
        s.rotated = (struct bl_rotated){0};
    for (size_t i = 0; i < log->named_n; i++)
        s.named |= strcmp(log->named[i], path) == 0;
    s.path = copy(text(path));
    if (!s.path)
        return BL_NO_MEMORY;
    list->v[list->n++] = s;
    return BL_OK;
}

static int64_t changed_ns(int fd)
{
    struct stat st;

    return fstat(fd, &st) == 0 ? (int64_t)st.st_mtim.tv_sec * 1000000000 + st.st_mtim.tv_nsec : 0;
}

static enum bl_code add_folder(struct bl_siblings *list, const struct bl_log *log, bool *moved)
{
    bl_slice head = folder_of(log->path), base = base_of(log->path);
    char path[PATH_MAX];
    enum bl_code rc = BL_OK;
    int64_t before_ns;
    DIR *folder;

    memcpy(path, head.p, head.n);
    path[head.n] = 0;
    folder = opendir(path);
    if (!folder)
        return BL_OK;
    before_ns = changed_ns(dirfd(folder));
    for (struct dirent *entry; rc == BL_OK && (entry = readdir(folder)) != NULL;) {
        bl_slice name = text(entry->d_name);
        struct bl_rotated rotated;

        if (!bl_rotated_of(base, name, &rotated) || head.n + name.n >= sizeof path)
            continue;
        memcpy(path + head.n, name.p, name.n + 1);
        rc = add(list, log, path, moved);
    }
    *moved |= changed_ns(dirfd(folder)) != before_ns;
    closedir(folder);
    return rc;
}

static int by_value(uint64_t a, uint64_t b)
{
    return a < b ? -1 : a > b;
}

static int by_name(const struct bl_sibling *a, const struct bl_sibling *b)
{
    if (a->rotated.packed != b->rotated.packed)
        /* of mail.log.1 and mail.log.1.gz the first is the original */
        return a->rotated.packed ? 1 : -1;
    return strcmp(a->path, b->path);
}

static int by_time(const void *left, const void *right)
{
    const struct bl_sibling *a = left, *b = right;
    int order = by_value((uint64_t)a->id.mtime_ns, (uint64_t)b->id.mtime_ns);

    if (a->live != b->live)
        return a->live ? 1 : -1;
    return order ? order : by_name(a, b);
}

static int by_stamp(const void *left, const void *right)
{
    const struct bl_sibling *a = left, *b = right;
    int order = bl_rotated_compare(&a->rotated, &b->rotated);

    if (a->live != b->live)
        return a->live ? 1 : -1;
    return order ? order : by_name(a, b);
}

static void sort(struct bl_siblings *list)
{
    size_t numbers = 0, dates = 0;

    for (size_t i = 0; i < list->n; i++)
        if (!list->v[i].live)
            *(list->v[i].rotated.is_date ? &dates : &numbers) += 1;
    if (list->n)
        qsort(list->v, list->n, sizeof *list->v, numbers && dates ? by_time : by_stamp);
}

static enum bl_code list_once(const struct bl_log *log, struct bl_siblings *list, bool *moved)
{
    enum bl_code rc = BL_OK;
    struct bl_file_id id;
    bl_err why = {0};
    bool unused = false;

    if (!log->alone) {
        list->live_code = bl_logfile_look(log->path, &id, &why);
        list->live_sys = why.sys;
        rc = add(list, log, log->path, &unused);
    }
    for (size_t i = 0; i < log->named_n && rc == BL_OK; i++)
        rc = add(list, log, log->named[i], &unused);
    if (!log->alone && rc == BL_OK)
        rc = add_folder(list, log, moved);
    /* The folder's time ticks too coarsely to show two renames in a row.  A file that was missed
     * has left its name to another, and that one is then not where it was listed. */
    for (size_t i = 0; i < list->n && !*moved; i++)
        *moved = bl_logfile_look(list->v[i].path, &id, &why) != BL_OK
                     ? why.sys == ENOENT
                     : id.device != list->v[i].id.device || id.inode != list->v[i].id.inode;
    return rc;
}

/* A folder is not listed at one instant.  While files are renamed or compressed one could be missed
 * under both its names, and once younger ones were read it would be too late for it: so list again
 * when anything moved. */
enum bl_code bl_siblings_list(const struct bl_log *log, struct bl_siblings *out, bl_err *err)
{
    struct bl_siblings list = {0};
    enum bl_code rc = BL_OK;
    bool moved = true;

    for (int i = 0; i < LISTS_AT_ONCE && moved && rc == BL_OK; i++) {
        bl_siblings_release(&list);
        moved = false;
        rc = list_once(log, &list, &moved);
    }
    if (rc != BL_OK && rc != BL_LIMIT) {
        bl_siblings_release(&list);
        return bl_fail(err, rc, 0, "cannot list the siblings of '%s'", log->path);
    }
    sort(&list);
    list.moved = moved;
    *out = list;
    return rc == BL_LIMIT
               ? bl_fail(err, rc, 0, "'%s' has more than %d siblings", log->path, BL_SIBLINGS_MAX)
               : rc;
}

void bl_siblings_release(struct bl_siblings *list)
{
    for (size_t i = 0; i < list->n; i++)
        bl_free(list->v[i].path);
    bl_free(list->v);
    *list = (struct bl_siblings){0};
}
