/* told.h -- what verdicts and replies say, as members of a JSON object
 *
 * Shapes     absent is absent
 * Units      retry_after_s: seconds
 * Ownership  borrows
 * Threads    one at a time
 * Errors     those of the output
 * Source     DESIGN 11
 */
#ifndef BL_TOLD_H
#define BL_TOLD_H

#include "bounceline/extract.h"
#include "json.h"

/* blocklist, retry_after_s, provider_code, sending_ip. */
void bl_told_extract(struct bl_json *json, const struct bl_extract *extract);

/* category, type, scope, ses_type, ses_subtype, action. */
void bl_told_verdict(struct bl_json *json, const struct bl_rules *rules, const bl_verdict *verdict);

/* rule, file, line, column, evidence, source, own (only when true). */
void bl_told_rule(struct bl_json *json, const struct bl_rule_info *rule);

/* What to do: where a code decided, what its own row says, if it does. */
static inline bl_slice bl_told_remedy(const struct bl_rules *rules, const bl_verdict *verdict)
{
    const struct bl_codes *codes = bl_rules_codes(rules, verdict->rule);

    return codes && codes->remedy.n ? codes->remedy
                                    : bl_rules_category(rules, verdict->category)->remedy;
}

static inline void bl_told_word(struct bl_json *json, bl_slice key, const char *word)
{
    bl_json_text(json, key, (bl_slice){word, strlen(word)});
}

#endif
