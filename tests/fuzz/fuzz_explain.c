/* The explanation of any reply: two bytes of codes, one of phase, then relay host, NUL, text.  It
 * decides as bl_classify does; what was beaten comes by rank, each rule once, and lies inside the
 * text. */
#include "bounceline/explain.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void check_match(const struct bl_match *match, const bl_reply *reply)
{
    if (match->verdict.match_at + match->verdict.match_n > reply->text.n ||
        match->why > BL_BEATEN_VETO)
        abort();
}

static void check(const struct bl_rules *rules, const bl_reply *reply,
                  const struct bl_explanation *e)
{
    bl_verdict verdict = bl_classify(rules, reply);

    if (memcmp(&verdict, &e->verdict, sizeof verdict) != 0 || e->vetoes_n > BL_EXPLAIN_VETOES ||
        e->beaten_n > BL_EXPLAIN_BEATEN)
        abort();
    for (size_t i = 0; i < e->vetoes_n; i++)
        check_match(&e->vetoes[i], reply);
    for (size_t i = 0; i < e->beaten_n; i++) {
        uint16_t number = bl_rules_rule(rules, e->beaten[i].verdict.rule)->number;

        check_match(&e->beaten[i], reply);
        if (number >= bl_rules_ids(rules) || number == bl_rules_rule(rules, verdict.rule)->number)
            abort();
        for (size_t j = 0; j < i; j++)
            if (bl_rules_rule(rules, e->beaten[j].verdict.rule)->number == number ||
                e->beaten[j].verdict.rule > e->beaten[i].verdict.rule)
                abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    const struct bl_rules *rules = bl_rules_builtin();
    bl_slice rest = {(const char *)data, n};
    struct bl_explanation e;
    bl_reply reply;
    size_t host;

    if (n < 6 || n > 2000)
        return 0;
    reply = (bl_reply){.code = (uint16_t)(data[0] * 4u),
                       .enhanced = {data[1] % 6, data[2] % 9, data[3]},
                       .wrapper = {data[4] % 6, data[2] % 9, data[3]},
                       .phase = (enum bl_phase)(data[5] % BL_PHASES)};
    rest = bl_slice_drop(rest, 6);
    host = bl_slice_find_byte(rest, '\0');
    reply.relay_host = bl_slice_head(rest, host);
    reply.text = bl_slice_drop(rest, host < rest.n ? host + 1 : host);
    if (bl_explain(rules, &reply, &e) != BL_OK)
        abort();
    check(rules, &reply, &e);
    return 0;
}
