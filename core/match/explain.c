/* A rule is taken out of a copy of the set by asking for a basic code that no reply has, and by
 * leaving the code trie's nodes: then bl_classify itself says what would decide without it. */
#include "bounceline/explain.h"

#include "bounceline/alloc.h"
#include "tables.h"

struct masked {
    struct bl_rules rules; /* a copy that shares everything but the next two */
    struct bl_rule *rule;
    struct bl_digit_node *digits;
};

static enum bl_code copy_rules(struct masked *m, const struct bl_rules *rules)
{
    m->rules = *rules;
    m->rule = bl_malloc(rules->n_rules * sizeof *m->rule);
    m->digits = bl_malloc((rules->n_digits + 1) * sizeof *m->digits);
    if (!m->rule || !m->digits)
        return BL_NO_MEMORY;
    memcpy(m->rule, rules->rules, rules->n_rules * sizeof *m->rule);
    memcpy(m->digits, rules->digits, rules->n_digits * sizeof *m->digits);
    m->rules.rules = m->rule;
    m->rules.digits = m->digits;
    return BL_OK;
}

static void release(struct masked *m)
{
    bl_free(m->rule);
    bl_free(m->digits);
}

static void take_out(struct masked *m, uint32_t rule)
{
    m->rule[rule].want = (struct bl_want){.basic = 0xfff, .basic_mask = 0xfff};
    for (uint32_t i = 0; i < m->rules.n_digits; i++)
        if (m->digits[i].rule == rule)
            m->digits[i].rule = BL_NO_RULE;
}

/* With all its alternatives. */
static void take_out_id(struct masked *m, uint32_t rule)
{
    uint16_t number = bl_rules_rule(&m->rules, rule)->number;

    for (uint32_t i = 0; i + 1 < m->rules.n_rules; i++)
        if (bl_rules_rule(&m->rules, i)->number == number)
            take_out(m, i);
}

static void take_out_vetoes(struct masked *m)
{
    for (uint32_t i = 0; i + 1 < m->rules.n_rules; i++)
        if (m->rule[i].tier <= BL_TIER_VETO_CODES)
            take_out(m, i);
}

static bool is_veto(const struct bl_rules *rules, const bl_verdict *verdict)
{
    return rules->rules[verdict->rule].tier <= BL_TIER_VETO_CODES;
}

static bool is_grave(const struct bl_rule *rule)
{
    return rule->parts && rule->action == BL_ACTION_SUPPRESS;
}

static enum bl_beaten why_beaten(const struct bl_rules *rules, uint32_t by, uint32_t rule)
{
    if (rules->rules[by].tier <= BL_TIER_VETO_CODES)
        return BL_BEATEN_VETO;
    if (rules->rules[by].tier != rules->rules[rule].tier)
        return BL_BEATEN_TIER;
    if (bl_rules_rule(rules, by)->own != bl_rules_rule(rules, rule)->own)
        return BL_BEATEN_OWN;
    if (is_grave(&rules->rules[rule]) && !is_grave(&rules->rules[by]))
        return BL_BEATEN_GRAVE;
    return BL_BEATEN_LENGTH;
}

/* In the order in which classify.c asks. */
static enum bl_kept why_kept(const struct bl_rules *rules, const bl_reply *reply,
                             const bl_verdict *verdict)
{
    const struct bl_rule *rule = &rules->rules[verdict->rule];

    if (rules->categories[verdict->category].action != BL_ACTION_SUPPRESS ||
        verdict->action == BL_ACTION_SUPPRESS)
        return BL_KEPT_NOT;
    if (rule->action != BL_ACTION_SUPPRESS)
        return BL_KEPT_RULE;
    if (verdict->type == BL_SOFT)
        return BL_KEPT_TEMPORARY;
    if (rule->tier == BL_TIER_GENERIC_CODE)
        return BL_KEPT_CODE;
    return reply->phase == BL_PHASE_UNKNOWN ? BL_KEPT_UNKNOWN : BL_KEPT_EARLY;
}

enum bl_code bl_explain(const struct bl_rules *rules, const bl_reply *reply,
                        struct bl_explanation *out)
{
    struct masked m = {.rule = NULL};
    enum bl_code rc = copy_rules(&m, rules);
    bl_verdict v;
    uint32_t by;

    if (rc != BL_OK)
        goto out;
    *out = (struct bl_explanation){.verdict = v = bl_classify(rules, reply)};
    out->kept = why_kept(rules, reply, &v);
    for (; is_veto(rules, &v) && out->vetoes_n < BL_EXPLAIN_VETOES;
         v = bl_classify(&m.rules, reply)) {
        out->vetoes[out->vetoes_n++] = (struct bl_match){v, BL_BEATEN_LENGTH};
        take_out_id(&m, v.rule);
    }
    take_out_vetoes(&m);
    if (out->vetoes_n == 0)
        take_out_id(&m, v.rule);
    for (v = bl_classify(&m.rules, reply); v.rule + 1 != rules->n_rules;
         v = bl_classify(&m.rules, reply)) {
        out->more = out->beaten_n == BL_EXPLAIN_BEATEN;
        if (out->more)
            break;
        out->beaten[out->beaten_n++] = (struct bl_match){v, BL_BEATEN_VETO};
        take_out_id(&m, v.rule);
    }
    /* Each is compared with what decided, but for a veto: that only stops the strongest. */
    by = out->vetoes_n && out->beaten_n ? out->beaten[0].verdict.rule : out->verdict.rule;
    for (size_t i = out->vetoes_n ? 1 : 0; i < out->beaten_n; i++)
        out->beaten[i].why = why_beaten(rules, by, out->beaten[i].verdict.rule);
out:
    release(&m);
    return rc;
}

const char *bl_beaten_text(enum bl_beaten why)
{
    static const char *const texts[] = {
        [BL_BEATEN_TIER] = "a weaker kind of evidence",
        [BL_BEATEN_OWN] = "yields to a rule of your own",
        [BL_BEATEN_GRAVE] = "blames the address, and yields to words that blame somebody else",
        [BL_BEATEN_LENGTH] = "names less",
        [BL_BEATEN_VETO] = "would have suppressed, and was stopped by a veto",
    };

    return texts[why];
}

const char *bl_kept_text(enum bl_kept kept)
{
    static const char *const texts[] = {
        [BL_KEPT_NOT] = "",
        [BL_KEPT_RULE] = "words that are said for other causes as well do not suppress",
        [BL_KEPT_TEMPORARY] = "a temporary reply never suppresses",
        [BL_KEPT_CODE] = "a code that is used for several causes never suppresses",
        [BL_KEPT_UNKNOWN] =
            "at an unknown step of the delivery only plain words and x.1.x suppress",
        [BL_KEPT_EARLY] = "at this step of the delivery nothing was said about the recipient yet",
    };

    return texts[kept];
}
