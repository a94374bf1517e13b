/* words.c -- `"{user|mailbox} {is |}unknown"`: one phrase written for many
 *
 * Braces hold words to choose from, or the name of a list in words.tsv.  An alternative of one
 * phrase becomes all its variants, each of them a rule of its own to the tables (a longer one
 * weighs more), all of them one to people: they share id and place.  An alternative of several
 * phrases stays one rule; each variant of each phrase is listed as a word of it, and the shortest
 * ones stand for it where it is weighed and tried out. */
#include "rules_text.h"

#include "bounceline/alloc.h"

enum { VARIANTS_MAX = 2048, CHOICES_MAX = 64, DEPTH_MAX = 3, JOINED_MAX = 2048 };

/* A phrase being put together: `n` bytes of `text`, `rest` still to be read. */
struct writing {
    char text[BL_PHRASE_MAX];
    size_t n;
};

struct expansion {
    struct rt_model *model;
    struct rt_rule rule; /* phrases as written */
    struct rt_rule variant;
    size_t first; /* variant in the list of rules */
};

static bl_slice list_of(const struct rt_model *model, bl_slice name)
{
    const struct rt_words *lists = (const struct rt_words *)(const void *)model->words.items;

    for (size_t i = 0; i < model->words.n; i++)
        if (bl_slice_eq(lists[i].name, name))
            return lists[i].words;
    return (bl_slice){0};
}

static bool same_phrases(const struct rt_rule *a, const struct rt_rule *b)
{
    for (int i = 0; i < a->n_phrases; i++)
        if (!bl_slice_eq(a->phrases[i], b->phrases[i]))
            return false;
    return true;
}

/* A variant of one phrase of several. */
static enum bl_code add_use(struct expansion *e, uint8_t part, bl_slice phrase)
{
    struct rt_use use = {.phrase = phrase, .part = part};
    bl_slice *kept = &e->variant.phrases[part];

    for (size_t i = e->variant.uses_from; i < e->model->uses.n; i++)
        if (rt_use(e->model, i)->part == part && bl_slice_eq(rt_use(e->model, i)->phrase, phrase))
            return BL_OK;
    if (e->model->uses.n - e->variant.uses_from >= VARIANTS_MAX)
        return bl_rules_text_fail(e->model, e->rule.place,
                                  "more than %d variants of one alternative", VARIANTS_MAX);
    if (!kept->p || phrase.n < kept->n)
        *kept = phrase;
    return bl_rules_text_push(&e->model->uses, &use)
               ? BL_OK
               : bl_fail(e->model->report->err, BL_NO_MEMORY, 0, "out of memory reading rules");
}

static enum bl_code add_variant(struct expansion *e)
{
    struct rt_model *model = e->model;

    for (size_t i = e->first; i < model->rules.n; i++)
        if (same_phrases(rt_rule(model, i), &e->variant))
            return BL_OK;
    if (model->rules.n - e->first >= VARIANTS_MAX)
        return bl_rules_text_fail(model, e->rule.place, "more than %d variants of one alternative",
                                  VARIANTS_MAX);
    if (model->rules.n >= BL_RULES_MAX - 1)
        return bl_rules_text_fail(model, e->rule.place, "more than %d rules and variants",
                                  BL_RULES_MAX);
    return bl_rules_text_push(&model->rules, &e->variant)
               ? BL_OK
               : bl_fail(model->report->err, BL_NO_MEMORY, 0, "out of memory reading rules");
}

static enum bl_code write_phrase(struct expansion *e, int part, bl_slice rest, struct writing w,
                                 int depth);

static enum bl_code end_phrase(struct expansion *e, int part, const struct writing *w)
{
    struct rt_model *model = e->model;
    size_t letters = 0, n = w->n;
    bl_slice phrase;

    for (size_t i = 0; i < n; i++)
        letters += w->text[i] != ' ';
    if (letters < (e->rule.n_phrases > 1 ? 2 : 3)) /* beside others a word may be short: `is` */
        return bl_rules_text_fail(model, e->rule.place,
                                  "a phrase needs at least %s characters that are not blank",
                                  e->rule.n_phrases > 1 ? "two" : "three");
    phrase = bl_arena_copy(&model->arena, (bl_slice){w->text, n});
    if (!phrase.p)
        return bl_fail(model->report->err, BL_NO_MEMORY, 0, "out of memory reading rules");
    if (e->rule.n_phrases > 1)
        return add_use(e, (uint8_t)part, phrase);
    e->variant.phrases[0] = phrase;
    return add_variant(e);
}

/* One choice out of `choices`, then what follows the braces. */
static enum bl_code write_choices(struct expansion *e, int part, bl_slice choices, bl_slice after,
                                  const struct writing *w, int depth)
{
    enum bl_code rc = BL_OK;
    bool more = true;
    int n = 0;

    while (more && rc == BL_OK) {
        size_t bar = bl_slice_find_byte(choices, '|');
        bl_slice choice = bl_slice_head(choices, bar);
        char joined[JOINED_MAX];

        more = bar < choices.n;
        choices = bl_slice_drop(choices, more ? bar + 1 : bar);
        if (++n > CHOICES_MAX)
            return bl_rules_text_fail(e->model, e->rule.place, "more than %d words to choose from",
                                      CHOICES_MAX);
        if (choice.n + after.n > sizeof joined)
            return bl_rules_text_fail(e->model, e->rule.place, "a phrase has at most %d bytes",
                                      BL_PHRASE_MAX);
        memcpy(joined, choice.p, choice.n);
        memcpy(joined + choice.n, after.p, after.n);
        rc = write_phrase(e, part, (bl_slice){joined, choice.n + after.n}, *w, depth);
    }
    return rc;
}

static enum bl_code write_phrase(struct expansion *e, int part, bl_slice rest, struct writing w,
                                 int depth)
{
    while (rest.n && rest.p[0] != '{') {
        if (rest.p[0] != ' ' || w.n == 0 || w.text[w.n - 1] != ' ') {
            if (w.n == sizeof w.text)
                return bl_rules_text_fail(e->model, e->rule.place, "a phrase has at most %d bytes",
                                          BL_PHRASE_MAX);
            w.text[w.n++] = rest.p[0];
        }
        rest = bl_slice_drop(rest, 1);
    }
    if (rest.n) {
        size_t end = bl_slice_find_byte(rest, '}');
        bl_slice inside, named;

        if (end == rest.n)
            return bl_rules_text_fail(e->model, e->rule.place, "'{' without '}'");
        inside = bl_slice_head(bl_slice_drop(rest, 1), end - 1);
        named = list_of(e->model, inside);
        if (!named.n && bl_slice_find_byte(inside, '|') == inside.n)
            return bl_rules_text_fail(e->model, e->rule.place, "no list '%.*s' in words.tsv",
                                      (int)inside.n, inside.p);
        if (depth == DEPTH_MAX * BL_PARTS_MAX)
            return bl_rules_text_fail(e->model, e->rule.place, "too many braces in one phrase");
        return write_choices(e, part, named.n ? named : inside, bl_slice_drop(rest, end + 1), &w,
                             depth + 1);
    }
    return end_phrase(e, part, &w);
}

enum bl_code bl_rules_text_expand(struct rt_model *model, const struct rt_rule *rule)
{
    struct expansion e = {.model = model, .rule = *rule, .variant = *rule, .first = model->rules.n};
    enum bl_code rc = BL_OK;

    if (rule->n_phrases == 0)
        return add_variant(&e);
    e.variant.uses_from = (uint32_t)model->uses.n;
    memset(e.variant.phrases, 0, sizeof e.variant.phrases);
    for (int part = 0; part < rule->n_phrases && rc == BL_OK; part++)
        rc = write_phrase(&e, part, rule->phrases[part], (struct writing){.n = 0}, 0);
    e.variant.uses_n = (uint32_t)model->uses.n - e.variant.uses_from;
    return rc != BL_OK || rule->n_phrases == 1 ? rc : add_variant(&e);
}
