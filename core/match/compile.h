/* compile.h -- compiling a part of the rules (private to match/ and tests/)
 *
 * Ownership  as bl_rules_compile; `wanted` may be NULL: all
 * Errors     as bl_rules_compile, but nothing is checked that needs the finished tables: a sample
 *            may belong to what was left out
 */
#ifndef BL_MATCH_COMPILE_H
#define BL_MATCH_COMPILE_H

#include "rules_text.h"

enum bl_code bl_rules_compile_part(const struct bl_rules_file *files, size_t n,
                                   bool (*wanted)(const struct bl_rule_info *rule, void *arg),
                                   void *arg, struct bl_rules **out, bl_err *err);

#endif
