#include "sources.h"

#include <glob.h>
#include <string.h>

#include "bounceline/alloc.h"
#include "log.h"
#include "siblings.h"

static enum bl_code add(struct bl_sources *sources, const char *path, const struct bl_config_source *how, bl_err *err)
{
    size_t n = strlen(path) + 1;
    char *copy;

    if (sources->n == sources->cap) {
        size_t cap = sources->cap ? sources->cap * 2 : 64;
        const char **paths = bl_realloc(sources->path, cap * sizeof *paths);
        const struct bl_config_source **hows;

        if (!paths)
            return bl_fail(err, BL_NO_MEMORY, 0, "no memory for the list of logs");
        sources->path = paths;
        hows = bl_realloc(sources->how, cap * sizeof *hows);
        if (!hows)
            return bl_fail(err, BL_NO_MEMORY, 0, "no memory for the list of logs");
        sources->how = hows;
        sources->cap = cap;
    }
    copy = bl_malloc(n);
    if (!copy)
        return bl_fail(err, BL_NO_MEMORY, 0, "no memory for the list of logs");
    memcpy(copy, path, n);
    sources->path[sources->n] = copy;
    sources->how[sources->n++] = how;
    return BL_OK;
}

static enum bl_code add_pattern(struct bl_sources *sources, const char *pattern, const struct bl_config_source *how,
                                bl_err *err)
{
    glob_t found = {0};
    enum bl_code rc = BL_OK;
    int code = glob(pattern, 0, NULL, &found);

    if (code == GLOB_NOSPACE)
        rc = bl_fail(err, BL_NO_MEMORY, 0, "no memory for '%.200s'", pattern);
    else if (code != 0 && strpbrk(pattern, "*?["))
        bl_log(4, "nothing matches '%s': not followed until the next start", pattern);
    else if (code != 0)
        rc = add(sources, pattern, how, err);
    for (size_t i = 0; rc == BL_OK && code == 0 && i < found.gl_pathc; i++)
        rc = add(sources, found.gl_pathv[i], how, err);
    globfree(&found);
    return rc;
}

enum bl_code bl_sources_from_config(struct bl_sources *sources, const struct bl_config *config, bl_err *err)
{
    enum bl_code rc = BL_OK;

    *sources = (struct bl_sources){.config = config};
    for (size_t i = 0; i < config->sources; i++)
        for (size_t j = 0; j < config->source[i].files && rc == BL_OK; j++)
            rc = add_pattern(sources, config->source[i].file[j], &config->source[i], err);
    if (rc == BL_OK && sources->n == 0)
        rc = bl_fail(err, BL_NO_INPUT, 0, "no log to read: none of 'sources' is there");
    return rc;
}

enum bl_code bl_sources_from_arguments(struct bl_sources *sources, char **path, size_t n, bool from_end, bl_err *err)
{
    enum bl_code rc = BL_OK;

    *sources = (struct bl_sources){.given = {.from_end = from_end}};
    for (size_t i = 0; i < n && rc == BL_OK; i++)
        rc = add(sources, path[i], &sources->given, err);
    return rc;
}

static bl_slice base_of(const char *path)
{
    const char *slash = strrchr(path, '/');

    path = slash ? slash + 1 : path;
    return (bl_slice){path, strlen(path)};
}

static bool is_known(const struct bl_sources *sources, const char *path)
{
    bl_slice base = base_of(path);
    size_t folder = (size_t)(base.p - path);
    char stamp[24];
    bool packed;

    for (size_t i = 0; i < sources->n; i++) {
        bl_slice known = base_of(sources->path[i]);

        if (folder != (size_t)(known.p - sources->path[i]) || memcmp(path, sources->path[i], folder) != 0)
            continue;
        if (bl_slice_eq(base, known) || bl_siblings_is_rotated(known, base, stamp, &packed))
            return true;
    }
    return false;
}

static void find_new(const struct bl_sources *sources, const char *pattern, bl_sources_fn *fn, void *arg)
{
    glob_t found = {0};

    if (strpbrk(pattern, "*?[") && glob(pattern, 0, NULL, &found) == 0)
        for (size_t i = 0; i < found.gl_pathc; i++)
            if (!is_known(sources, found.gl_pathv[i]))
                fn(arg, found.gl_pathv[i], pattern);
    globfree(&found);
}

void bl_sources_find_new(const struct bl_sources *sources, bl_sources_fn *fn, void *arg)
{
    const struct bl_config *config = sources->config;

    for (size_t i = 0; config && i < config->sources; i++)
        for (size_t j = 0; j < config->source[i].files; j++)
            find_new(sources, config->source[i].file[j], fn, arg);
}

void bl_sources_release(struct bl_sources *sources)
{
    for (size_t i = 0; i < sources->n; i++) {
        char *path;

        memcpy(&path, &sources->path[i], sizeof path); /* ours, though nobody may write into it */
        bl_free(path);
    }
    bl_free(sources->path);
    bl_free(sources->how);
    *sources = (struct bl_sources){0};
}

const struct bl_config_source *bl_sources_how(const struct bl_sources *sources, const char *path)
{
    size_t n = strlen(path);

    for (size_t i = 0; i < sources->n; i++)
        if (strcmp(sources->path[i], path) == 0)
            return sources->how[i];
    for (size_t i = 0; i < sources->n; i++)
        if (strncmp(sources->path[i], path, n) == 0 && (sources->path[i][n] == '.' || sources->path[i][n] == '-'))
            return sources->how[i];
    return sources->n ? sources->how[0] : &sources->given;
}
