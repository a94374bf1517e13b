#include "sources.h"

#include <glob.h>
#include <stdint.h>
#include <string.h>

#include "bounceline/alloc.h"
#include "log.h"

static enum bl_code no_memory(bl_err *err)
{
    return bl_fail(err, BL_NO_MEMORY, 0, "no memory for the list of logs");
}

static char *copy(const char *text)
{
    size_t n = strlen(text) + 1;
    char *p = bl_malloc(n);

    return p ? memcpy(p, text, n) : NULL;
}

/* --- what is named --- */

static enum bl_code new_set(struct bl_sources **out, size_t names, bl_err *err)
{
    struct bl_sources *s = bl_calloc(1, sizeof *s);

    if (s)
        s->named = bl_calloc(names + 1, sizeof *s->named);
    if (!s || !s->named) {
        bl_free(s);
        return no_memory(err);
    }
    *out = s;
    return BL_OK;
}

static enum bl_code name(struct bl_sources *s, const struct bl_named *like, bl_err *err)
{
    struct bl_named *named = &s->named[s->named_n];

    *named = *like;
    named->text = copy(like->text);
    if (!named->text)
        return no_memory(err);
    s->named_n++;
    return BL_OK;
}

/* Hands `s` over or frees it. */
static enum bl_code hand_over(struct bl_sources **out, struct bl_sources *s, enum bl_code rc)
{
    if (rc == BL_OK)
        *out = s;
    else
        bl_sources_free(s);
    return rc;
}

enum bl_code bl_sources_of_config(struct bl_sources **out, const struct bl_config *config,
                                  bl_err *err)
{
    struct bl_sources *s = NULL;
    size_t names = 0;
    enum bl_code rc;

    for (size_t i = 0; i < config->sources; i++)
        names += config->source[i].files;
    rc = new_set(&s, names, err);
    if (rc != BL_OK)
        return rc;
    for (size_t i = 0; i < config->sources; i++)
        for (size_t j = 0; j < config->source[i].files && rc == BL_OK; j++) {
            const struct bl_config_source *how = &config->source[i];
            char *text;

            memcpy(&text, &how->file[j], sizeof text); /* only read */
            rc = name(s,
                      &(struct bl_named){.text = text,
                                         .is_pattern = strpbrk(text, "*?[") != NULL,
                                         .from_end = how->from_end,
                                         .known_only = how->trust == BL_TRUST_JOIN},
                      err);
        }
    return hand_over(out, s, rc);
}

enum bl_code bl_sources_of_arguments(struct bl_sources **out, char *const *path, size_t n,
                                     bool from_end, bl_err *err)
{
    struct bl_sources *s = NULL;
    enum bl_code rc = new_set(&s, n, err);

    if (rc != BL_OK)
        return rc;
    for (size_t i = 0; i < n && rc == BL_OK; i++) {
        if (strcmp(path[i], "-") == 0)
            rc = bl_fail(err, BL_USAGE, 0, "run reads files; standard input: bounceline scan -");
        else
            rc = name(s, &(struct bl_named){.text = path[i], .from_end = from_end}, err);
    }
    return hand_over(out, s, rc);
}

enum bl_code bl_sources_of_same(struct bl_sources **out, const struct bl_sources *like, bl_err *err)
{
    struct bl_sources *s = NULL;
    enum bl_code rc = new_set(&s, like->named_n, err);

    if (rc != BL_OK)
        return rc;
    for (size_t i = 0; i < like->named_n && rc == BL_OK; i++)
        rc = name(s, &like->named[i], err);
    return hand_over(out, s, rc);
}

static size_t find_name(const struct bl_sources *s, const char *text)
{
    for (size_t i = 0; s && i < s->named_n; i++)
        if (strcmp(s->named[i].text, text) == 0)
            return i;
    return SIZE_MAX;
}

/* --- what is there --- */

struct files {
    const char **path;
    size_t *named; /* what brought each */
    size_t *log;   /* which it belongs to */
    size_t n, cap;
};

static enum bl_code add_file(struct files *files, const char *path, size_t named)
{
    if (files->n == files->cap) {
        size_t cap = files->cap ? files->cap * 2 : 64;
        const char **paths = bl_realloc(files->path, cap * sizeof *paths);
        size_t *names;

        if (!paths)
            return BL_NO_MEMORY;
        files->path = paths;
        names = bl_realloc(files->named, cap * sizeof *names);
        if (!names)
            return BL_NO_MEMORY;
        files->named = names;
        files->cap = cap;
    }
    files->path[files->n] = copy(path);
    if (!files->path[files->n])
        return BL_NO_MEMORY;
    files->named[files->n++] = named;
    return BL_OK;
}

static enum bl_code add_matches(struct files *files, const struct bl_sources *s, size_t i,
                                const struct bl_sources *before)
{
    glob_t found = {0};
    enum bl_code rc = BL_OK;
    int code = glob(s->named[i].text, 0, NULL, &found);

    if (code == GLOB_NOSPACE)
        rc = BL_NO_MEMORY;
    else if (code != 0 && find_name(before, s->named[i].text) == SIZE_MAX)
        bl_log(4, "nothing matches '%s' yet", s->named[i].text);
    for (size_t j = 0; rc == BL_OK && code == 0 && j < found.gl_pathc; j++)
        rc = add_file(files, found.gl_pathv[j], i);
    globfree(&found);
    return rc;
}

static enum bl_code list_files(struct files *files, const struct bl_sources *s,
                               const struct bl_sources *before)
{
    enum bl_code rc = BL_OK;

    for (size_t i = 0; i < s->named_n && rc == BL_OK; i++)
        rc = s->named[i].is_pattern ? add_matches(files, s, i, before)
                                    : add_file(files, s->named[i].text, i);
    files->log = bl_calloc(files->n + 1, sizeof *files->log);
    return files->log ? rc : BL_NO_MEMORY;
}

static void release_files(struct files *files)
{
    for (size_t i = 0; i < files->n; i++) {
        char *path;

        memcpy(&path, &files->path[i], sizeof path); /* ours, though nobody may write into it */
        bl_free(path);
    }
    bl_free(files->path);
    bl_free(files->named);
    bl_free(files->log);
}

/* --- which logs these are --- */

static size_t folder_n(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash ? (size_t)(slash - path) + 1 : 0;
}

static bool is_rotated(const char *path, const char *of)
{
    size_t n = folder_n(path);
    struct bl_rotated rotated;

    return n == folder_n(of) && memcmp(path, of, n) == 0 &&
           bl_rotated_of((bl_slice){of, strlen(of)}, (bl_slice){path, strlen(path)}, &rotated);
}

/* Which log of the set before it is, or is a rotated file of; NULL: it is a new one.  A log of
 * which only rotated files were named is another one when its own file is there. */
static const struct bl_source *find_before(const struct bl_sources *before,
                                           const struct bl_log *log)
{
    for (size_t i = 0; before && i < before->n; i++)
        if (strcmp(before->v[i].path, log->path) == 0 && (!before->v[i].alone || log->alone))
            return &before->v[i];
    for (size_t i = 0; before && i < before->n; i++)
        if (!before->v[i].alone && is_rotated(log->path, before->v[i].path))
            return &before->v[i];
    return NULL;
}

/* Takes what the log holds. */
static void take_log(struct bl_sources *s, struct bl_log *log, char *path, size_t named,
                     bool is_new)
{
    s->v[s->n] =
        (struct bl_source){.path = path, .alone = log->alone, .named = named, .is_new = is_new};
    s->logs[s->n++] = *log;
    *log = (struct bl_log){0};
}

static enum bl_code keep(struct bl_sources *s, const struct bl_source *source, size_t named)
{
    struct bl_log log = {.path = copy(source->path), .alone = source->alone};
    char *path = copy(source->path);

    if (!path || !log.path) {
        bl_free(path);
        bl_free(log.path);
        return BL_NO_MEMORY;
    }
    take_log(s, &log, path, named, false);
    return BL_OK;
}

struct folded {
    struct bl_log *log;
    size_t n;
    size_t *named;                  /* what brought each */
    const struct bl_source **known; /* in the set before; NULL: new */
};

/* Those before, in their order, as far as something still names them. */
static enum bl_code keep_known(struct bl_sources *s, const struct bl_sources *before,
                               const struct folded *folded)
{
    enum bl_code rc = BL_OK;

    for (size_t i = 0; before && i < before->n && rc == BL_OK; i++) {
        const struct bl_source *source = &before->v[i];
        size_t by = source->vacant ? SIZE_MAX : find_name(s, before->named[source->named].text);

        for (size_t j = folded->n; j-- > 0;) {
            if (folded->known[j] == source)
                by = folded->named[j];
            else if (!folded->known[j] && strcmp(folded->log[j].path, source->path) == 0)
                by = SIZE_MAX; /* its own file is there now: that is another log */
        }
        if (by != SIZE_MAX)
            rc = keep(s, source, by);
    }
    return rc;
}

/* mail.log.1 that was a log of its own before mail.log came is not read once more as a file of
 * it. */
static void leave_out_known(struct bl_log *log, const struct bl_sources *before)
{
    size_t left = 0;

    for (size_t i = 0; i < log->named_n; i++) {
        if (before && bl_sources_has(before, log->named[i]))
            bl_free(log->named[i]);
        else
            log->named[left++] = log->named[i];
    }
    log->named_n = left;
}

static enum bl_code add_new(struct bl_sources *s, const struct bl_sources *before,
                            struct bl_log *log, size_t named)
{
    char *path;

    if (s->n == BL_SOURCES_MAX) {
        s->over++;
        return BL_OK;
    }
    path = copy(log->path);
    if (!path)
        return BL_NO_MEMORY;
    leave_out_known(log, before);
    log->from_end =
        s->named[named].from_end &&
        !(s->named[named].is_pattern && find_name(before, s->named[named].text) != SIZE_MAX);
    log->may_end = s->named[named].is_pattern;
    take_log(s, log, path, named, true);
    return BL_OK;
}

/* `logs` were folded from the files; those that are new are taken over. */
static enum bl_code gather(struct bl_sources *s, const struct bl_sources *before,
                           const struct files *files, struct bl_log *logs, size_t n)
{
    struct folded folded = {logs, n, bl_calloc(n + 1, sizeof *folded.named),
                            bl_calloc(n + 1, sizeof *folded.known)};
    enum bl_code rc = BL_NO_MEMORY;

    s->v = bl_calloc(BL_SOURCES_MAX, sizeof *s->v);
    s->logs = bl_calloc(BL_SOURCES_MAX, sizeof *s->logs);
    if (!folded.named || !folded.known || !s->v || !s->logs)
        goto out;
    for (size_t i = files->n; i-- > 0;)
        /* the first that names it says how it is read */
        folded.named[files->log[i]] = files->named[i];
    for (size_t i = 0; i < n; i++)
        folded.known[i] = find_before(before, &logs[i]);
    rc = keep_known(s, before, &folded);
    for (size_t i = 0; i < n && rc == BL_OK; i++)
        if (!folded.known[i])
            rc = add_new(s, before, &logs[i], folded.named[i]);
out:
    bl_free(folded.named);
    bl_free(folded.known);
    return rc;
}

enum bl_code bl_sources_look(struct bl_sources *s, const struct bl_sources *before, bl_err *err)
{
    struct files files = {0};
    struct bl_log *logs = NULL;
    size_t n = 0;
    enum bl_code rc = list_files(&files, s, before);

    if (rc == BL_OK)
        rc = bl_siblings_fold(files.path, files.n, &logs, &n, files.log, err);
    else
        no_memory(err);
    if (rc == BL_OK && gather(s, before, &files, logs, n) != BL_OK)
        rc = no_memory(err);
    bl_siblings_free_logs(logs, n);
    release_files(&files);
    return rc;
}

/* --- sets --- */

bool bl_sources_has(const struct bl_sources *s, const char *path)
{
    for (size_t i = 0; i < s->n; i++)
        if (strcmp(s->v[i].path, path) == 0)
            return true;
    return false;
}

bool bl_sources_differ(const struct bl_sources *a, const struct bl_sources *b)
{
    if (a->n != b->n || a->named_n != b->named_n || a->over != b->over)
        return true;
    for (size_t i = 0; i < a->named_n; i++)
        if (strcmp(a->named[i].text, b->named[i].text) != 0 ||
            a->named[i].from_end != b->named[i].from_end ||
            a->named[i].known_only != b->named[i].known_only)
            return true;
    for (size_t i = 0; i < a->n; i++)
        if (strcmp(a->v[i].path, b->v[i].path) != 0 || a->v[i].alone != b->v[i].alone ||
            a->v[i].named != b->v[i].named)
            return true;
    return false;
}

void bl_sources_free(struct bl_sources *s)
{
    if (!s)
        return;
    for (size_t i = 0; i < s->named_n; i++)
        bl_free(s->named[i].text);
    for (size_t i = 0; i < s->n; i++)
        bl_free(s->v[i].path);
    bl_siblings_free_logs(s->logs, s->n);
    bl_free(s->named);
    bl_free(s->v);
    bl_free(s);
}
