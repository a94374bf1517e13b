/* rules.h -- the compiled rule set
 *
 * Built ahead of time by rulec (bl_rules_builtin), or at run time from text by the same compiler.
 *
 * Shapes     rule text: UTF-8 lines as core/rules/README.md describes; at most BL_RULES_TEXT_MAX bytes
 * Units      -
 * Ownership  bl_rules_builtin is static; what bl_rules_compile makes is freed by bl_rules_free
 * Threads    immutable once built: any number of readers
 * Errors     bl_rules_compile: BL_BAD_INPUT with "FILE:LINE:COLUMN: what is wrong"
 * Source     core/rules/
 */
#ifndef BOUNCELINE_RULES_H
#define BOUNCELINE_RULES_H

#include "bounceline/classify.h"
#include "bounceline/err.h"

enum { BL_RULES_TEXT_MAX = 16 << 20 };

struct bl_category {
    bl_slice       name; /* "invalid-recipient" */
    enum bl_scope  scope;
    enum bl_type   type;
    enum bl_action action;
    bl_slice       ses_type, ses_subtype, meaning, remedy;
};

struct bl_rule_info {
    bl_slice id;     /* "generic/user-unknown" */
    bl_slice file;   /* "generic.rules" */
    uint32_t line, column; /* 1-based; of the alternative */
    uint16_t category;
    bl_slice source; /* where the wording is documented */
};

/* One input of the compiler. */
struct bl_rules_file {
    bl_slice name, text;
};

const struct bl_rules *bl_rules_builtin(void);

/* Compiles categories.tsv, codes.tsv, providers.tsv and rule files together.  `*out` on success only. */
enum bl_code bl_rules_compile(const struct bl_rules_file *files, size_t n, struct bl_rules **out, bl_err *err);
void         bl_rules_free(struct bl_rules *rules);

size_t                     bl_rules_categories(const struct bl_rules *rules);
const struct bl_category  *bl_rules_category(const struct bl_rules *rules, uint16_t index);
bool                       bl_rules_find_category(const struct bl_rules *rules, bl_slice name, uint16_t *out);
size_t                     bl_rules_count(const struct bl_rules *rules);
const struct bl_rule_info *bl_rules_rule(const struct bl_rules *rules, uint32_t index);

/* The same for two rule sets only when they answer bl_rules_provider alike: for who remembers answers. */
uint64_t bl_rules_providers_mark(const struct bl_rules *rules);

/* Which provider a relay host belongs to, by its domain suffix; 0: none of the known ones. */
uint16_t bl_rules_provider(const struct bl_rules *rules, bl_slice relay_host);
size_t   bl_rules_providers(const struct bl_rules *rules);
bl_slice bl_rules_provider_name(const struct bl_rules *rules, uint16_t provider); /* "other" for 0 */

#endif
