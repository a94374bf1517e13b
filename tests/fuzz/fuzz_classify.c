/* The classifier on any reply: two bytes of codes, one of phase, then relay host, NUL, text. Alone,
 * side by side and remembered must agree, and the deciding bytes lie inside the text. */
#include "bounceline/memo.h"
#include "bounceline/rules.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    static struct bl_memo *memo;
    const struct bl_rules *rules = bl_rules_builtin();
    bl_reply replies[6];
    bl_verdict many[6], remembered[6];
    uint16_t providers[6];
    bl_slice rest = {(const char *)data, n};

    if (n < 6)
        return 0;
    for (size_t i = 0; i < BL_COUNT(replies); i++) {
        size_t host;

        replies[i] = (bl_reply){.code = (uint16_t)(data[0] * 4u + i),
                                .enhanced = {data[1] % 6, data[2] % 9, data[3]},
                                .wrapper = {data[4] % 6, data[2] % 9, data[3]},
                                .phase = (enum bl_phase)(data[5] % BL_PHASES)};
        rest = (bl_slice){(const char *)data + 6, n - 6};
        host = bl_slice_find_byte(rest, '\0');
        replies[i].relay_host = bl_slice_head(rest, host);
        rest = bl_slice_drop(rest, host < rest.n ? host + 1 : host);
        replies[i].text = bl_slice_drop(rest, i < rest.n ? i : rest.n);
        providers[i] = bl_rules_provider(rules, replies[i].relay_host);
    }
    if (!memo)
        memo = bl_memo_new();
    bl_classify_many(rules, replies, many, BL_COUNT(replies));
    bl_memo_classify(memo, rules, replies, providers, remembered, BL_COUNT(replies));
    for (size_t i = 0; i < BL_COUNT(replies); i++) {
        bl_verdict v = bl_classify(rules, &replies[i]);

        if (memcmp(&v, &many[i], sizeof v) != 0 || memcmp(&v, &remembered[i], sizeof v) != 0 ||
            v.match_at + v.match_n > replies[i].text.n || v.rule >= bl_rules_count(rules) ||
            v.category >= bl_rules_categories(rules) ||
            (v.action == BL_ACTION_SUPPRESS && replies[i].code / 100 == 4))
            abort();
    }
    return 0;
}
