#include "rules_set.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "bounceline/alloc.h"
#include "file.h"

bool bl_rules_paths_add(struct bl_rules_paths *paths, const char *path)
{
    if (paths->n == BL_RULES_PATHS)
        return false;
    paths->v[paths->n++] = path;
    return true;
}

enum bl_code bl_rules_file_read(struct bl_rules_files *files, const char *path, bl_err *err)
{
    struct bl_rules_file item = {{NULL, strlen(path)}, {NULL, 0}};
    char *name, *text;
    enum bl_code rc;

    if (files->n == BL_RULES_FILES)
        return bl_fail(err, BL_LIMIT, 0, "more than %d files of rules", BL_RULES_FILES);
    rc = bl_file_read(path, BL_RULES_TEXT_MAX, &text, &item.text.n, err);
    if (rc != BL_OK)
        return rc == BL_LIMIT ? BL_BAD_INPUT : rc;
    name = bl_malloc(item.name.n + 1);
    if (!name) {
        bl_free(text);
        return bl_fail(err, BL_NO_MEMORY, 0, "out of memory reading '%s'", path);
    }
    memcpy(name, path, item.name.n + 1);
    item.name.p = name;
    item.text.p = text;
    files->v[files->n++] = item;
    return BL_OK;
}

static int is_wanted(const struct dirent *entry)
{
    static const char *const tables[] = {"categories.tsv", "codes.tsv", "providers.tsv",
                                         "words.tsv", "extract.tsv"};
    bl_slice name = {entry->d_name, strlen(entry->d_name)};

    if (name.p[0] == '.')
        return 0;
    for (size_t i = 0; i < BL_COUNT(tables); i++)
        if (strcmp(entry->d_name, tables[i]) == 0)
            return 1;
    return name.n > 6 && bl_slice_ends(name, BL_SLICE(".rules"));
}

/* Not alphasort: the order is the same under every locale. */
static int by_name(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

static enum bl_code add_directory(struct bl_rules_files *files, const char *path, bl_err *err)
{
    struct dirent **entries = NULL;
    int n = scandir(path, &entries, is_wanted, by_name);
    enum bl_code rc = BL_OK;
    char name[4096];

    if (n < 0)
        return bl_fail(err, BL_NO_INPUT, errno, "cannot read '%s': %s", path, strerror(errno));
    for (int i = 0; i < n && rc == BL_OK; i++) {
        if ((size_t)snprintf(name, sizeof name, "%s/%s", path, entries[i]->d_name) >= sizeof name)
            rc = bl_fail(err, BL_LIMIT, 0, "the path of '%s' is too long", entries[i]->d_name);
        else
            rc = bl_rules_file_read(files, name, err);
    }
    for (int i = 0; i < n; i++)
        free(entries[i]);
    free(entries);
    return rc;
}

static enum bl_code add_path(struct bl_rules_files *files, const char *path, bl_err *err)
{
    struct stat st;

    if (stat(path, &st) != 0)
        return bl_fail(err, BL_NO_INPUT, errno, "cannot open '%s': %s", path, strerror(errno));
    return S_ISDIR(st.st_mode) ? add_directory(files, path, err)
                               : bl_rules_file_read(files, path, err);
}

enum bl_code bl_rules_files_read(const struct bl_rules_paths *paths, struct bl_rules_files *out,
                                 bl_err *err)
{
    const char *otherwise = getenv("BOUNCELINE_RULES");
    struct stat st;
    enum bl_code rc = BL_OK;

    if (!otherwise)
        otherwise = paths->configured;
    if (!otherwise && stat(BL_RULES_DIRECTORY, &st) == 0)
        otherwise = BL_RULES_DIRECTORY;
    out->n = 0;
    for (size_t i = 0; i < paths->n && rc == BL_OK; i++)
        rc = add_path(out, paths->v[i], err);
    if (paths->n == 0 && otherwise && *otherwise)
        rc = add_path(out, otherwise, err);
    if (rc != BL_OK)
        bl_rules_files_release(out);
    return rc;
}

void bl_rules_files_release(struct bl_rules_files *files)
{
    for (size_t i = 0; i < files->n; i++) {
        bl_free((void *)(uintptr_t)files->v[i].name.p);
        bl_free((void *)(uintptr_t)files->v[i].text.p);
    }
    files->n = 0;
}

enum bl_code bl_rules_set_load(const struct bl_rules_paths *paths, const struct bl_rules **out,
                               bl_err *err)
{
    struct bl_rules_sources sources = {0};
    struct bl_rules *rules = NULL;
    struct bl_rules_files *own = bl_calloc(1, sizeof *own);
    enum bl_code rc;

    if (!own)
        return bl_fail(err, BL_NO_MEMORY, 0, "out of memory reading rules");
    rc = bl_rules_files_read(paths, own, err);
    if (rc == BL_OK && own->n) {
        sources.shipped = bl_rules_shipped(&sources.shipped_n);
        sources.own = own->v;
        sources.own_n = own->n;
        rc = bl_rules_compile_over(&sources, &rules, err);
    }
    if (rc == BL_OK)
        *out = rules ? rules : bl_rules_builtin();
    bl_rules_files_release(own);
    bl_free(own);
    return rc;
}

enum bl_code bl_rules_set_reload(const struct bl_rules_paths *paths, const struct bl_rules *running,
                                 const struct bl_rules **out, bl_err *err)
{
    const struct bl_rules *rules;
    enum bl_code rc = bl_rules_set_load(paths, &rules, err);

    if (rc != BL_OK)
        return rc;
    if (!bl_rules_same_categories(rules, running)) {
        bl_rules_set_free(rules);
        return bl_fail(err, BL_CONFIG, 0, "other categories than before: they need a restart");
    }
    *out = rules;
    return BL_OK;
}

void bl_rules_set_free(const struct bl_rules *rules)
{
    if (rules != bl_rules_builtin())
        bl_rules_free((struct bl_rules *)(uintptr_t)rules);
}
