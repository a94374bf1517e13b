/* From the model of the rule files to tables, and the checks that need the tables.
 *
 * Rules are sorted by precedence, so that a rule's index is its rank; then each table is built, and
 * the finished set is asked about itself:
 *
 *   - every row of codes.tsv and every alternative of every rule, given the weakest reply that it
 * asks for (its phrases and codes, nothing else), must be what decides; else whatever decides
 * instead always does, and the rule can never win (or says the same, or the opposite, of another
 * one);
 *   - every sample must get its rule's category, and some sample of a rule must reach it.
 *
 * Where an operator's rule takes over what a shipped one answered, that is what it was written for:
 * then the same findings about shipped rules are notes. */
#include "compile.h"

#include "digits.h"
#include "links.h"
#include "providers.h"
#include "rules_text.h"

#include "bounceline/alloc.h"
#include "bounceline/hash.h"

#include <stdio.h>
#include <stdlib.h>

enum { TABLES_BYTES = 256 << 20 };

struct owned_rules {
    struct bl_rules rules; /* first: what the world holds */
    struct bl_arena arena;
};

struct compiler {
    struct rt_model model;
    struct rt_report report;
    struct bl_rules *rules;
    struct bl_arena *arena;
    struct sort_key *sorted; /* rank -> model rule */
    uint32_t *rank_of;       /* model rule -> rank */
    struct bl_digits digits;
    bl_err *err;
};

/* Precedence. */

struct sort_key {
    uint32_t rule, tier, shipped, grave, weight;
};

static uint32_t bits(uint32_t mask)
{
    return (uint32_t)__builtin_popcount(mask);
}

/* Within a tier: more bytes of text first, then more of the codes, provider and phase. */
static uint32_t weight_of(const struct rt_rule *rule)
{
    uint32_t weight = bits(rule->want.basic_mask) + bits(rule->want.enhanced_mask);

    weight += (rule->want.provider ? 40u : 0u) + (rule->want.phases ? 40u : 0u);
    for (int i = 0; i < rule->n_phrases; i++)
        weight += 1000 * (uint32_t)rule->phrases[i].n;
    if (rule->is_code) {
        weight += rule->class_ != RT_NONE ? 10 : 0;
        weight += rule->subject != RT_NONE ? 20 : 0; /* 5.7.x says more than 550 */
        weight += rule->detail_from != RT_NONE ? (rule->reach == RT_RANGE ? 9 : 10) : 0;
    }
    return weight;
}

/* Words that blame the address yield to words of the same tier that blame somebody else: a wrong
 * suppression costs more than a missed one. */
static bool is_grave(const struct rt_rule *rule)
{
    return rule->n_phrases && rule->action == BL_ACTION_SUPPRESS;
}

static int by_precedence(const void *a, const void *b)
{
    const struct sort_key *x = a, *y = b;

    if (x->tier != y->tier)
        return x->tier < y->tier ? -1 : 1;
    if (x->shipped != y->shipped)
        return x->shipped < y->shipped ? -1 : 1;
    if (x->grave != y->grave)
        return x->grave < y->grave ? -1 : 1;
    if (x->weight != y->weight)
        return x->weight > y->weight ? -1 : 1;
    return x->rule < y->rule ? -1 : x->rule > y->rule;
}

static enum bl_code no_memory(struct compiler *c)
{
    return bl_fail(c->err, BL_NO_MEMORY, 0, "out of memory compiling rules");
}

static enum bl_code sort_rules(struct compiler *c)
{
    size_t n = c->model.rules.n;

    c->sorted = bl_calloc(n + 1, sizeof *c->sorted);
    c->rank_of = bl_calloc(n + 1, sizeof *c->rank_of);
    if (!c->sorted || !c->rank_of)
        return no_memory(c);
    for (size_t i = 0; i < n; i++) {
        const struct rt_rule *rule = rt_rule(&c->model, i);

        c->sorted[i] = (struct sort_key){(uint32_t)i, c->model.order[rule->tier], !rule->own,
                                         is_grave(rule), weight_of(rule)};
    }
    qsort(c->sorted, n, sizeof *c->sorted, by_precedence);
    for (size_t i = 0; i < n; i++)
        c->rank_of[c->sorted[i].rule] = (uint32_t)i;
    return BL_OK;
}

/* Tables. */

static const void *keep(struct compiler *c, const struct rt_list *list)
{
    void *kept = bl_arena_alloc(c->arena, list->n * list->item_bytes);

    if (kept && list->n)
        memcpy(kept, list->items, list->n * list->item_bytes);
    return kept;
}

/* Slices of the model point into its arena, which goes away. */
static bool keep_slice(struct compiler *c, bl_slice *s)
{
    bl_slice kept = bl_arena_copy(c->arena, *s);
    bool ok = kept.p || s->n == 0;

    *s = kept;
    return ok;
}

static uint8_t first_byte(const struct bl_mark *mark)
{
    return (uint8_t)bl_lower(mark->text.p[mark->text.p[0] == '{']);
}

static int by_first_byte(const void *a, const void *b)
{
    const struct bl_mark *x = a, *y = b;

    if (first_byte(x) != first_byte(y))
        return first_byte(x) < first_byte(y) ? -1 : 1;
    return x->text.n > y->text.n ? -1 : x->text.n < y->text.n; /* the longest first */
}

/* What a byte of a mark says about the folded byte of a text: which bits of it are known.  A blank
 * stands for any blank, `#` and `@` of patterns for what extract.c says. */
static unsigned known_bits(char byte, bool pattern)
{
    if (byte == ' ' && !pattern)
        return 0x50;
    if (pattern && byte == '#')
        return 0xd0;
    return pattern && byte == '@' ? 0 : 0xff;
}

/* Up to the first `+`, behind which nothing has a fixed place. */
static void set_head(struct bl_mark *mark)
{
    bool pattern = mark->kind == BL_MARK_CODE;
    unsigned at = 0;

    mark->head = mark->mask = 0;
    for (size_t i = 0; i < mark->text.n && at < BL_MARK_HEAD * 8; i++) {
        char byte = mark->text.p[i], like = pattern && byte == '#' ? '0' : byte;
        unsigned bits = known_bits(byte, pattern);

        if (pattern && byte == '+')
            return;
        if (pattern && (byte == '{' || byte == '}'))
            continue;
        mark->mask |= (uint64_t)bits << at;
        mark->head |= (uint64_t)(((unsigned char)like | BL_MARK_FOLD) & bits) << at;
        at += 8;
    }
}

static void add_pairs(struct bl_rules *rules, const struct bl_mark *mark)
{
    uint64_t *pairs = &rules->mark_pairs[bl_mark_group(mark->kind)][mark->head & 31];

    for (unsigned byte = 0; byte < 256; byte++)
        if ((((byte | BL_MARK_FOLD) ^ mark->head >> 8) & mark->mask >> 8 & 0xff) == 0)
            *pairs |= UINT64_C(1) << (byte & 63);
}

/* What is read out of replies, by its first byte. */
static bool keep_marks(struct compiler *c)
{
    uint32_t n = (uint32_t)c->model.marks.n, at = 0;
    struct bl_mark *marks = (struct bl_mark *)(uintptr_t)keep(c, &c->model.marks);
    uint16_t *from = bl_arena_alloc(c->arena, (256 + 1) * sizeof *from);

    if (!marks || !from)
        return false;
    memset(c->rules->mark_pairs, 0, sizeof c->rules->mark_pairs);
    for (uint32_t i = 0; i < n; i++) {
        if (!keep_slice(c, &marks[i].text) || !keep_slice(c, &marks[i].name))
            return false;
        set_head(&marks[i]);
        add_pairs(c->rules, &marks[i]);
    }
    qsort(marks, n, sizeof *marks, by_first_byte);
    for (unsigned byte = 0; byte <= 256; byte++) {
        while (at < n && first_byte(&marks[at]) < byte)
            at++;
        from[byte] = (uint16_t)at;
    }
    c->rules->marks = marks;
    c->rules->mark_from = from;
    c->rules->n_marks = n;
    return true;
}

static enum bl_code keep_names(struct compiler *c)
{
    struct bl_category *categories;
    struct bl_provider_suffix *suffixes;
    bl_slice *providers;
    bool ok = true;

    c->rules->categories = categories =
        (struct bl_category *)(uintptr_t)keep(c, &c->model.categories);
    c->rules->suffixes = suffixes =
        (struct bl_provider_suffix *)(uintptr_t)keep(c, &c->model.suffixes);
    c->rules->providers = providers = (bl_slice *)(uintptr_t)keep(c, &c->model.providers);
    if (!categories || !suffixes || !providers)
        return no_memory(c);
    c->rules->n_categories = (uint16_t)c->model.categories.n;
    c->rules->n_suffixes = (uint32_t)c->model.suffixes.n;
    c->rules->n_providers = (uint16_t)c->model.providers.n;
    for (size_t i = 0; i < c->model.categories.n; i++)
        ok = ok && keep_slice(c, &categories[i].name) && keep_slice(c, &categories[i].ses_type) &&
             keep_slice(c, &categories[i].ses_subtype) && keep_slice(c, &categories[i].meaning) &&
             keep_slice(c, &categories[i].remedy);
    for (size_t i = 0; i < c->model.suffixes.n; i++)
        ok = ok && keep_slice(c, &suffixes[i].suffix);
    for (size_t i = 0; i < c->model.providers.n; i++)
        ok = ok && keep_slice(c, &providers[i]);
    if (!ok)
        return no_memory(c);
    return keep_marks(c) ? bl_providers_build(c->arena, c->rules) : no_memory(c);
}

/* The slices are the model's own. */
static struct bl_rule_info info_of(const struct rt_model *model, const struct rt_rule *rule)
{
    return (struct bl_rule_info){
        .id = rule->id,
        .file = rule->own ? model->files[rule->place.file].name
                          : bl_rules_text_file_name(model->files[rule->place.file].name),
        .line = rule->place.line,
        .column = rule->place.column,
        .category = rule->category,
        .codes = (uint16_t)(rule->is_code ? rule->code + 1 : 0),
        .source = rule->source,
        .tier = rule->tier,
        .own = rule->own,
    };
}

static bool keep_info(struct compiler *c, struct bl_rule_info *info, const struct rt_rule *rule)
{
    *info = info_of(&c->model, rule);
    return keep_slice(c, &info->id) && keep_slice(c, &info->file) && keep_slice(c, &info->source);
}

/* The variants of one alternative stand together and share their place. */
static bool same_alternative(const struct rt_rule *a, const struct rt_rule *b)
{
    return memcmp(&a->place, &b->place, sizeof a->place) == 0;
}

static int by_id(const void *a, const void *b)
{
    return bl_slice_compare((*(struct bl_rule_info *const *)a)->id,
                            (*(struct bl_rule_info *const *)b)->id);
}

static enum bl_code number_ids(struct compiler *c, struct bl_rule_info *infos, size_t n)
{
    struct bl_rule_info **sorted = bl_calloc(n, sizeof(struct bl_rule_info *));
    uint16_t number = 0;

    if (!sorted)
        return no_memory(c);
    for (size_t i = 0; i < n; i++)
        sorted[i] = &infos[i];
    qsort(sorted, n, sizeof(struct bl_rule_info *), by_id);
    for (size_t i = 0; i < n; i++) {
        number = (uint16_t)(number + (i > 0 && !bl_slice_eq(sorted[i - 1]->id, sorted[i]->id)));
        sorted[i]->number = number;
    }
    c->rules->n_ids = number + 1u;
    bl_free(sorted);
    return BL_OK;
}

static enum bl_code keep_codes(struct compiler *c)
{
    struct bl_codes *codes = bl_arena_alloc(c->arena, c->model.codes.n * sizeof *codes);

    if (!codes)
        return no_memory(c);
    for (size_t i = 0; i < c->model.codes.n; i++) {
        codes[i] = rt_code(&c->model, i)->text;
        if (!keep_slice(c, &codes[i].codes) || !keep_slice(c, &codes[i].meaning) ||
            !keep_slice(c, &codes[i].remedy))
            return no_memory(c);
    }
    c->rules->codes = codes;
    c->rules->n_codes = (uint32_t)c->model.codes.n;
    return BL_OK;
}

/* What people see of a rule is kept once for all variants of an alternative. */
static enum bl_code keep_infos(struct compiler *c)
{
    size_t n = c->model.rules.n, used = 0, distinct = 1;
    struct rt_rule fallback = {.id = BL_SLICE("codes/none"),
                               .place = c->model.fallback,
                               .source = BL_SLICE("nothing else matched"),
                               .tier = BL_TIER_FALLBACK,
                               .category = c->rules->unclassified};
    uint16_t *info_of = bl_arena_alloc(c->arena, (n + 1) * sizeof *info_of);
    struct bl_rule_info *infos;

    for (size_t i = 0; i < n; i++)
        distinct += i == 0 || !same_alternative(rt_rule(&c->model, i - 1), rt_rule(&c->model, i));
    infos = bl_arena_alloc(c->arena, distinct * sizeof *infos);
    if (!info_of || !infos)
        return no_memory(c);
    for (size_t i = 0; i < n; i++) {
        const struct rt_rule *rule = rt_rule(&c->model, i);

        if ((i == 0 || !same_alternative(rt_rule(&c->model, i - 1), rule)) &&
            !keep_info(c, &infos[used++], rule))
            return no_memory(c);
        info_of[c->rank_of[i]] = (uint16_t)(used - 1);
    }
    if (!keep_info(c, &infos[used], &fallback))
        return no_memory(c);
    info_of[n] = (uint16_t)used;
    c->rules->infos = infos;
    c->rules->info_of = info_of;
    c->rules->n_infos = (uint32_t)distinct;
    return number_ids(c, infos, distinct);
}

/* The links between the phrases of a rule, all in one stretch of 64. */
static enum bl_code add_links(struct compiler *c, struct bl_link *links, uint32_t rank,
                              const struct rt_rule *from)
{
    uint32_t *n = &c->rules->n_links;

    if (*n % 64 + from->n_phrases > 65)
        *n = (*n + 63) / 64 * 64;
    if (*n + from->n_phrases > BL_LINKS_MAX + 1)
        return bl_rules_text_fail(&c->model, from->place,
                                  "more than %d steps between phrases in order", BL_LINKS_MAX);
    for (uint8_t part = 1; part < from->n_phrases; part++)
        links[(*n)++] = (struct bl_link){.rule = (uint16_t)rank,
                                         .part = part,
                                         .gap = from->gap[part],
                                         .last = part + 1 == from->n_phrases};
    return BL_OK;
}

static enum bl_code keep_rules(struct compiler *c)
{
    size_t n = c->model.rules.n;
    struct bl_rule *rules = bl_arena_alloc(c->arena, (n + 1) * sizeof *rules);
    /* one is behind the last */
    struct bl_link *links = bl_arena_alloc(c->arena, (BL_LINKS_MAX + 1) * sizeof *links);
    enum bl_code rc = BL_OK;

    if (!rules || !links)
        return no_memory(c);
    memset(links, 0, (BL_LINKS_MAX + 1) * sizeof *links);
    for (size_t i = 0; i < n && rc == BL_OK; i++) {
        const struct rt_rule *from = rt_rule(&c->model, c->sorted[i].rule);

        rules[i] = (struct bl_rule){.want = from->want,
                                    .category = from->category,
                                    .tier = from->tier,
                                    .type = from->type,
                                    .action = from->action,
                                    .parts = from->n_phrases};
        if (from->n_phrases > 1)
            rc = add_links(c, links, (uint32_t)i, from);
        rules[i].link = (uint16_t)(from->n_phrases > 1 ? c->rules->n_links + 1 - from->n_phrases
                                                       : from->phrases[0].n);
    }
    rules[n] = (struct bl_rule){.category = c->rules->unclassified,
                                .tier = BL_TIER_FALLBACK,
                                .type = (uint8_t)c->rules->categories[c->rules->unclassified].type,
                                .action = BL_ACTION_NONE};
    c->rules->rules = rules;
    c->rules->links = links;
    c->rules->n_rules = (uint32_t)n + 1;
    if (rc == BL_OK)
        rc = keep_infos(c);
    return rc == BL_OK ? keep_codes(c) : rc;
}

static struct bl_phrase_use use_of(const struct compiler *c, uint32_t model_rule, size_t i)
{
    const struct rt_rule *rule = rt_rule(&c->model, model_rule);
    struct rt_use one = {.phrase = rule->phrases[0]};
    const struct rt_use *use = rule->n_phrases > 1 ? rt_use(&c->model, rule->uses_from + i) : &one;

    return (struct bl_phrase_use){
        .text = use->phrase, .rule = c->rank_of[model_rule], .part = use->part};
}

static size_t uses_of(const struct rt_rule *rule)
{
    return rule->n_phrases > 1 ? rule->uses_n : rule->n_phrases;
}

/* All samples behind each other, for the caller to free; NULL without memory. */
static char *join_samples(const struct compiler *c, bl_slice *out)
{
    size_t room = 1, n = 0;
    char *text;

    for (size_t i = 0; i < c->model.samples.n; i++)
        room += rt_sample(&c->model, i)->text.n + 1;
    text = bl_malloc(room);
    for (size_t i = 0; text && i < c->model.samples.n; i++) {
        bl_slice sample = rt_sample(&c->model, i)->text;

        memcpy(text + n, sample.p, sample.n);
        n += sample.n;
        text[n++] = ' ';
    }
    *out = (bl_slice){text, n};
    return text;
}

static enum bl_code build_phrases(struct compiler *c)
{
    struct bl_phrase_use *uses;
    size_t n = 0, used = 0;
    bl_slice usual;
    char *samples = join_samples(c, &usual);
    enum bl_code rc;

    for (size_t i = 0; i < c->model.rules.n; i++)
        n += uses_of(rt_rule(&c->model, i));
    uses = bl_calloc(n + 1, sizeof *uses);
    for (uint32_t i = 0; uses && i < c->model.rules.n; i++)
        for (size_t j = 0; j < uses_of(rt_rule(&c->model, i)); j++)
            uses[used++] = use_of(c, i, j);
    rc =
        uses && samples ? bl_links_build(c->arena, uses, n, usual, c->rules, c->err) : no_memory(c);
    bl_free(uses);
    bl_free(samples);
    return rc;
}

static bool is_loose(const struct rt_rule *rule)
{
    return !rule->is_code && rule->n_phrases == 0;
}

/* So that most replies need not ask any of them. */
static void mark_loose(struct bl_rules *rules, const struct bl_want *want)
{
    const uint32_t below_class = (1 << 20) - 1;

    if ((want->enhanced_mask & below_class) == below_class)
        rules->loose_enhanced |= bl_enhanced_bit(want->enhanced);
    else if (want->basic_mask == 0xfff)
        rules->loose_basic |= bl_basic_bit(want->basic);
    else
        rules->loose_enhanced = UINT64_MAX;
}

static enum bl_code list_loose(struct compiler *c)
{
    uint16_t *loose = bl_arena_alloc(c->arena, (c->model.rules.n + 1) * sizeof *loose);
    uint32_t n = 0;

    if (!loose)
        return no_memory(c);
    c->rules->loose_enhanced = c->rules->loose_basic = 0;
    for (uint32_t i = 0; i < c->model.rules.n; i++)
        if (is_loose(rt_rule(&c->model, c->sorted[i].rule))) {
            loose[n++] = (uint16_t)i;
            mark_loose(c->rules, &c->rules->rules[i].want);
        }
    c->rules->loose = loose;
    c->rules->n_loose = n;
    return BL_OK;
}

/* Codes. */

/* What claims a node, to tell a duplicate from a general row that yields. */
struct claim {
    uint32_t rule;
    uint8_t reach;
};

static size_t code_key(const struct rt_rule *rule, unsigned class_, unsigned detail, char *out,
                       size_t room)
{
    char basic[8] = "";

    if (rule->basic != RT_NONE && rule->want.basic_mask == 0xfff)
        snprintf(basic, sizeof basic, "%03x", rule->basic);
    else if (rule->basic != RT_NONE)
        snprintf(basic, sizeof basic, "%x", rule->basic >> 8);
    if (rule->subject == RT_NONE)
        return (size_t)snprintf(out, room, "%s", basic);
    if (rule->detail_from == RT_NONE)
        return (size_t)snprintf(out, room, "%s.%u.%u.", basic, class_, rule->subject);
    return (size_t)snprintf(out, room, "%s.%u.%u.%u", basic, class_, rule->subject, detail);
}

/* Sets the node of one key, unless a row that reaches less far has it.  `*set` counts. */
static enum bl_code set_code(struct compiler *c, uint32_t model_rule, unsigned class_,
                             unsigned detail, uint32_t *set)
{
    const struct rt_rule *rule = rt_rule(&c->model, model_rule);
    char key[48];
    size_t n = code_key(rule, class_, detail, key, sizeof key);
    const struct rt_rule *owner;
    uint32_t node;

    if (!bl_digits_add(&c->digits, key, n, &node))
        return bl_fail(c->err, BL_LIMIT, 0, "the code table outgrows its limits");
    if (c->digits.nodes[node].rule == BL_NO_RULE) {
        c->digits.nodes[node].rule = c->rank_of[model_rule];
        ++*set;
        return BL_OK;
    }
    owner = rt_rule(&c->model, c->sorted[c->digits.nodes[node].rule].rule);
    if (owner->reach == rule->reach && rule->reach != RT_RANGE)
        return bl_rules_text_fail(&c->model, rule->place, "%s of line %u",
                                  owner->category == rule->category ? "duplicate" : "contradiction",
                                  owner->place.line);
    return BL_OK;
}

static enum bl_code add_code(struct compiler *c, uint32_t model_rule)
{
    const struct rt_rule *rule = rt_rule(&c->model, model_rule);
    unsigned from = rule->detail_from == RT_NONE ? 0 : rule->detail_from;
    unsigned to = rule->detail_from == RT_NONE ? 0 : rule->detail_to;
    uint32_t set = 0;
    enum bl_code rc = BL_OK;

    for (unsigned detail = from; detail <= to && rc == BL_OK; detail++) {
        if (rule->class_ != RT_NONE || rule->subject == RT_NONE) {
            rc = set_code(c, model_rule, rule->class_, detail, &set);
            continue;
        }
        rc = set_code(c, model_rule, 4, detail, &set);
        if (rc == BL_OK)
            rc = set_code(c, model_rule, 5, detail, &set);
    }
    if (rc == BL_OK && set == 0)
        rc = bl_rules_text_fail(&c->model, rule->place,
                                "can never win: other rows cover all its codes");
    return rc;
}

static enum bl_code build_digits(struct compiler *c)
{
    struct bl_digit_node *kept;
    enum bl_code rc = BL_OK, last;
    uint32_t root;

    if (!bl_digits_add(&c->digits, "", 0, &root))
        return no_memory(c);
    for (int reach = RT_EXACT; reach <= RT_ANY_CLASS; reach++)
        for (uint32_t i = 0; i < c->model.rules.n && rt_goes_on(&c->model, rc); i++)
            if (rt_rule(&c->model, i)->is_code && rt_rule(&c->model, i)->reach == reach) {
                last = add_code(c, i);
                rc = last == BL_OK ? rc : last;
            }
    if (rc != BL_OK)
        return rc;
    kept = bl_arena_alloc(c->arena, c->digits.n * sizeof *kept);
    if (!kept)
        return no_memory(c);
    memcpy(kept, c->digits.nodes, c->digits.n * sizeof *kept);
    c->rules->digits = kept;
    c->rules->n_digits = (uint32_t)c->digits.n;
    return BL_OK;
}

/* Checks. */

/* A host of that provider; empty for provider 0. */
static bl_slice host_of(const struct compiler *c, uint16_t provider)
{
    for (uint32_t i = 0; provider && i < c->rules->n_suffixes; i++)
        if (c->rules->suffixes[i].provider == provider)
            return c->rules->suffixes[i].suffix;
    return (bl_slice){0};
}

static enum bl_phase phase_of(uint16_t phases, enum bl_phase otherwise)
{
    return phases ? (enum bl_phase)__builtin_ctz(phases) : otherwise;
}

/* The weakest reply that still has all that the rule asks for.  What a mask leaves open is filled
 * with digits that no other rule is likely to name. */
static bl_reply weakest_reply(const struct compiler *c, const struct rt_rule *rule, char *text)
{
    const struct bl_want *want = &rule->want;
    bl_reply reply = {.relay_host = host_of(c, want->provider),
                      .phase = phase_of(want->phases, BL_PHASE_UNKNOWN)};
    size_t n = 0;

    if (want->basic_mask) {
        uint16_t basic = want->basic | (0x99 & ~want->basic_mask);

        reply.code = (uint16_t)((basic >> 8) * 100 + (basic >> 4 & 15) * 10 + (basic & 15));
    }
    if (want->enhanced_mask) {
        uint32_t enhanced = want->enhanced | (~want->enhanced_mask & 997);

        reply.enhanced =
            (bl_status){(uint16_t)(enhanced >> 20), enhanced >> 10 & 1023, enhanced & 1023};
        if (reply.enhanced.class_ == 0)
            reply.enhanced.class_ = reply.code / 100 == 4 ? 4 : 5;
    }
    for (int i = 0; i < rule->n_phrases; i++) {
        if (i)
            text[n++] = 1;
        memcpy(text + n, rule->phrases[i].p, rule->phrases[i].n);
        n += rule->phrases[i].n;
    }
    reply.text = (bl_slice){text, n};
    return reply;
}

static bool same_conditions(const struct rt_rule *a, const struct rt_rule *b)
{
    if (memcmp(&a->want, &b->want, sizeof a->want) != 0 || a->n_phrases != b->n_phrases ||
        memcmp(a->gap, b->gap, sizeof a->gap) != 0)
        return false;
    for (int i = 0; i < a->n_phrases; i++)
        if (!bl_slice_eq(a->phrases[i], b->phrases[i]))
            return false;
    return true;
}

/* The reply that a row of codes.tsv is about; false for rows that stand for many. */
static bool code_reply(const struct rt_rule *rule, bl_reply *reply)
{
    bool plain = rule->reach == RT_EXACT &&
                 (rule->subject == RT_NONE || rule->detail_from != RT_NONE) &&
                 (rule->basic == RT_NONE || rule->want.basic_mask == 0xfff);

    *reply = (bl_reply){.phase = BL_PHASE_UNKNOWN};
    if (rule->basic != RT_NONE)
        reply->code = (uint16_t)((rule->basic >> 8) * 100 + (rule->basic >> 4 & 15) * 10 +
                                 (rule->basic & 15));
    if (rule->subject != RT_NONE)
        reply->enhanced = (bl_status){rule->class_, rule->subject, rule->detail_from};
    return plain && (reply->code == 0 || reply->enhanced.subject + reply->enhanced.detail > 0 ||
                     bl_status_absent(reply->enhanced));
}

/* A shipped rule under an operator's files: what it answers no longer is for him to decide. */
static bool is_overruled(const struct compiler *c, const struct rt_rule *rule)
{
    return !rule->own && c->model.n_files > c->model.n_shipped;
}

static const struct rt_rule *winner_of(const struct compiler *c, uint32_t rank)
{
    return rank + 1 == c->rules->n_rules ? NULL : rt_rule(&c->model, c->sorted[rank].rule);
}

static bl_slice file_of(const struct compiler *c, const struct rt_rule *rule)
{
    return bl_rules_text_file_name(c->model.files[rule->place.file].name);
}

/* Who decides the weakest reply of a rule; its own rank when there is nothing to ask. */
static uint32_t decided_by(const struct compiler *c, uint32_t model_rule)
{
    const struct rt_rule *rule = rt_rule(&c->model, model_rule);
    char text[BL_PARTS_MAX * (BL_PHRASE_MAX + 1)];
    bl_reply reply;

    if (rule->tier <= BL_TIER_VETO_CODES)
        return c->rank_of[model_rule]; /* it decides only against another rule */
    if (!rule->is_code)
        reply = weakest_reply(c, rule, text);
    else if (!code_reply(rule, &reply))
        return c->rank_of[model_rule];
    return bl_classify(c->rules, &reply).rule;
}

static enum bl_code never_wins(const struct compiler *c, uint32_t model_rule, uint32_t by)
{
    const struct rt_rule *rule = rt_rule(&c->model, model_rule), *winner = winner_of(c, by);
    const char *what = "can never win, decided first by";
    bl_slice file;

    if (!winner)
        return bl_rules_text_fail(&c->model, rule->place, "matches not even its own words");
    if (!rule->is_code && same_conditions(rule, winner))
        what = rule->category == winner->category ? "duplicate of" : "contradicts";
    file = file_of(c, winner);
    if (is_overruled(c, rule)) {
        bl_rules_text_note(&c->model, rule->place,
                           "'%.*s' can no longer win, decided first by '%.*s' (%.*s:%u)",
                           (int)rule->id.n, rule->id.p, (int)winner->id.n, winner->id.p,
                           (int)file.n, file.p, winner->place.line);
        return BL_OK;
    }
    return bl_rules_text_fail(&c->model, rule->place, "%s '%.*s' (%.*s:%u)", what,
                              (int)winner->id.n, winner->id.p, (int)file.n, file.p,
                              winner->place.line);
}

/* At least one variant of each alternative decides its own weakest reply. */
static enum bl_code check_rules(const struct compiler *c)
{
    uint32_t n = (uint32_t)c->model.rules.n;
    enum bl_code rc = BL_OK, last;

    for (uint32_t first = 0, next; first < n && rt_goes_on(&c->model, rc); first = next) {
        uint32_t by = 0;
        bool wins = false;

        for (next = first;
             next < n && same_alternative(rt_rule(&c->model, first), rt_rule(&c->model, next));
             next++) {
            uint32_t winner = wins ? 0 : decided_by(c, next);

            by = next == first ? winner : by;
            wins = wins || winner == c->rank_of[next];
        }
        last = wins ? BL_OK : never_wins(c, first, by);
        rc = last == BL_OK ? rc : last;
    }
    return rc;
}

static bl_verdict run_sample(const struct compiler *c, const struct rt_sample *sample)
{
    const struct rt_rule *rule = rt_rule(&c->model, sample->rule);
    bl_reply reply = {.text = sample->text,
                      .relay_host = host_of(c, rule->want.provider),
                      .phase = phase_of(rule->want.phases, BL_PHASE_RCPT)};

    bl_rules_text_codes(sample->text, &reply);
    return bl_classify(c->rules, &reply);
}

static enum bl_code check_sample(const struct compiler *c, const struct rt_sample *sample,
                                 const struct rt_rule *winner)
{
    const struct rt_rule *rule = rt_rule(&c->model, sample->rule);

    if (winner && winner->category == rule->category)
        return BL_OK;
    if (is_overruled(c, rule)) {
        bl_rules_text_note(&c->model, sample->place,
                           "this sample of '%.*s' is decided by '%.*s' now", (int)rule->id.n,
                           rule->id.p, winner ? (int)winner->id.n : 10,
                           winner ? winner->id.p : "codes/none");
        return BL_OK;
    }
    if (!winner)
        return bl_rules_text_fail(&c->model, sample->place, "no rule takes this sample");
    return bl_rules_text_fail(&c->model, sample->place, "this sample is decided by '%.*s' as %.*s",
                              (int)winner->id.n, winner->id.p, (int)winner->category_name.n,
                              winner->category_name.p);
}

/* The samples of one rule, from `*at` on: they stand together. */
static enum bl_code check_samples(const struct compiler *c, size_t *at)
{
    uint32_t first = rt_sample(&c->model, *at)->rule;
    const struct rt_rule *rule = rt_rule(&c->model, first), *winner = NULL;
    enum bl_code rc = BL_OK, last;
    bool reached = false;

    for (; *at < c->model.samples.n && rt_sample(&c->model, *at)->rule == first; ++*at) {
        winner = winner_of(c, run_sample(c, rt_sample(&c->model, *at)).rule);
        reached = reached || (winner && bl_slice_eq(winner->id, rule->id));
        last = check_sample(c, rt_sample(&c->model, *at), winner);
        rc = last == BL_OK ? rc : last;
        if (!rt_goes_on(&c->model, rc))
            return rc;
    }
    if (reached || rc != BL_OK || is_overruled(c, rule))
        return rc;
    return bl_rules_text_fail(&c->model, rule->place, "no sample reaches this rule: '%.*s' decides",
                              (int)winner->id.n, winner->id.p);
}

static enum bl_code check(const struct compiler *c)
{
    enum bl_code rc = check_rules(c), last;

    for (size_t at = 0; at < c->model.samples.n && rt_goes_on(&c->model, rc);) {
        last = check_samples(c, &at);
        rc = last == BL_OK ? rc : last;
    }
    return rc;
}

static enum bl_code build(struct compiler *c, bool checked)
{
    enum bl_code rc = keep_names(c);

    if (rc != BL_OK)
        return rc;
    if (!bl_rules_find_category(c->rules, BL_SLICE("unclassified"), &c->rules->unclassified))
        return bl_fail(c->err, BL_BAD_INPUT, 0, "categories.tsv has no category 'unclassified'");
    if ((rc = sort_rules(c)) == BL_OK && (rc = keep_rules(c)) == BL_OK &&
        (rc = build_phrases(c)) == BL_OK && (rc = list_loose(c)) == BL_OK &&
        (rc = build_digits(c)) == BL_OK && checked)
        rc = check(c);
    return rc;
}

static void leave_out(struct rt_model *model,
                      bool (*wanted)(const struct bl_rule_info *rule, void *arg), void *arg)
{
    size_t kept = 0;

    for (size_t i = 0; i < model->rules.n; i++) {
        struct bl_rule_info info = info_of(model, rt_rule(model, i));

        if (wanted(&info, arg))
            *rt_rule(model, kept++) = *rt_rule(model, i);
    }
    model->rules.n = kept;
}

/* Both lists one behind the other; NULL without memory. */
static struct bl_rules_file *join_files(const struct bl_rules_sources *sources)
{
    struct bl_rules_file *all = bl_calloc(sources->shipped_n + sources->own_n + 1, sizeof *all);

    if (!all)
        return NULL;
    for (size_t i = 0; i < sources->shipped_n; i++)
        all[i] = sources->shipped[i];
    for (size_t i = 0; i < sources->own_n; i++)
        all[sources->shipped_n + i] = sources->own[i];
    return all;
}

/* Of the texts, and of what was taken out of them. */
static uint64_t mark_of(const struct bl_rules_file *files, size_t n, const struct bl_rules *rules)
{
    uint64_t mark = rules->n_rules;

    for (size_t i = 0; i < n; i++)
        mark = bl_hash64_seeded(files[i].text, mark + files[i].text.n);
    for (uint32_t i = 0; i < rules->n_infos; i++)
        mark = bl_hash64_seeded(rules->infos[i].id, mark + (uint64_t)rules->infos[i].line);
    return mark;
}

static enum bl_code compile(const struct bl_rules_sources *sources,
                            bool (*wanted)(const struct bl_rule_info *rule, void *arg), void *arg,
                            bool checked, struct bl_rules **out, bl_err *err)
{
    struct owned_rules *owned = bl_calloc(1, sizeof *owned);
    struct bl_rules_file *files = join_files(sources);
    struct compiler c = {.err = err,
                         .report = {.problem = sources->problem, .arg = sources->arg, .err = err}};
    enum bl_code rc;

    if (!owned || !files) {
        bl_free(owned);
        bl_free(files);
        return bl_fail(err, BL_NO_MEMORY, 0, "out of memory compiling rules");
    }
    bl_arena_init(&owned->arena, TABLES_BYTES);
    c.rules = &owned->rules;
    c.arena = &owned->arena;
    rc = bl_rules_text_read(&c.model, files, sources->shipped_n + sources->own_n,
                            sources->shipped_n, &c.report);
    if (rc == BL_OK && wanted)
        leave_out(&c.model, wanted, arg);
    if (rc == BL_OK)
        rc = build(&c, checked);
    if (rc == BL_OK)
        c.rules->mark = mark_of(files, sources->shipped_n + sources->own_n, c.rules);
    bl_rules_text_release(&c.model);
    bl_digits_release(&c.digits);
    bl_free(c.sorted);
    bl_free(c.rank_of);
    bl_free(files);
    if (rc == BL_OK) {
        *out = &owned->rules;
        return BL_OK;
    }
    bl_rules_free(&owned->rules);
    return rc;
}

enum bl_code bl_rules_compile(const struct bl_rules_file *files, size_t n, struct bl_rules **out,
                              bl_err *err)
{
    struct bl_rules_sources sources = {.shipped = files, .shipped_n = n};

    return compile(&sources, NULL, NULL, true, out, err);
}

enum bl_code bl_rules_compile_over(const struct bl_rules_sources *sources, struct bl_rules **out,
                                   bl_err *err)
{
    return compile(sources, NULL, NULL, true, out, err);
}

enum bl_code bl_rules_compile_part(const struct bl_rules_file *files, size_t n,
                                   bool (*wanted)(const struct bl_rule_info *rule, void *arg),
                                   void *arg, struct bl_rules **out, bl_err *err)
{
    struct bl_rules_sources sources = {.shipped = files, .shipped_n = n};

    return compile(&sources, wanted, arg, false, out, err);
}

void bl_rules_free(struct bl_rules *rules)
{
    struct owned_rules *owned = (struct owned_rules *)(void *)rules;

    if (!owned)
        return;
    bl_arena_release(&owned->arena);
    bl_free(owned);
}
