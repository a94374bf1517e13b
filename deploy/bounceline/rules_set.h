/* rules_set.h -- the rules that ship, with an operator's files over them
 *
 * A path is a file or a directory; of a directory the files NAME.rules, categories.tsv, codes.tsv,
 * providers.tsv, words.tsv and extract.tsv are read in the order of their names, hidden ones and
 * all others passed over.  Without any path, BOUNCELINE_RULES (a path; empty: none), then what is
 * configured, and then BL_RULES_DIRECTORY, if it is there, take its place.
 *
 * A reload loads a second set, hands it to the pipeline (bl_pipeline_set_rules), and frees the
 * first once bl_pipeline_rules_settled says so.  On any error the running set simply stays.
 *
 * Shapes     at most BL_RULES_PATHS paths, BL_RULES_FILES files
 * Units      -
 * Ownership  what bl_rules_set_load gives is freed by bl_rules_set_free; paths are borrowed
 * Threads    any one at a time: it reads files, so not the loop's
 * Errors     BL_NO_INPUT: a path is not there; BL_BAD_INPUT: "FILE:LINE:COLUMN: what is wrong";
 *            BL_LIMIT
 * Source     DESIGN 4; core/rules/README.md, "An operator's rules"
 */
#ifndef BL_RULES_SET_H
#define BL_RULES_SET_H

#include "bounceline/rules.h"

#define BL_RULES_DIRECTORY "/etc/bounceline/rules.d"

enum { BL_RULES_PATHS = 16, BL_RULES_FILES = 256 };

struct bl_rules_paths {
    const char *v[BL_RULES_PATHS]; /* as --rules named them */
    size_t n;
    const char *configured; /* what the configuration names, or NULL */
};

/* False when there are too many. */
bool bl_rules_paths_add(struct bl_rules_paths *paths, const char *path);

/* `*out` on success only; without any file it is bl_rules_builtin(). */
enum bl_code bl_rules_set_load(const struct bl_rules_paths *paths, const struct bl_rules **out,
                               bl_err *err);

/* The same where something can replace `running` in the middle of its work: refuses (BL_CONFIG) a
 * set whose categories are others, which needs a restart. */
enum bl_code bl_rules_set_reload(const struct bl_rules_paths *paths, const struct bl_rules *running,
                                 const struct bl_rules **out, bl_err *err);

void bl_rules_set_free(const struct bl_rules *rules); /* NULL and the built-in set: nothing */

/* For who compiles them himself: the files and their texts. */
struct bl_rules_files {
    struct bl_rules_file v[BL_RULES_FILES];
    size_t n;
};

enum bl_code bl_rules_files_read(const struct bl_rules_paths *paths, struct bl_rules_files *out,
                                 bl_err *err);
/* one, behind the others */
enum bl_code bl_rules_file_read(struct bl_rules_files *to, const char *path, bl_err *err);
void bl_rules_files_release(struct bl_rules_files *files);

#endif
