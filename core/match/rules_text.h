/* rules_text.h -- rule files as read, before they become tables (private to match/)
 *
 * Shapes     see core/rules/README.md
 * Ownership  slices point into the texts handed to bl_rules_text_read, folded phrases into `arena`
 * Errors     BL_BAD_INPUT with "FILE:LINE:COLUMN: what is wrong", BL_NO_MEMORY, BL_LIMIT
 */
#ifndef BL_MATCH_RULES_TEXT_H
#define BL_MATCH_RULES_TEXT_H

#include "bounceline/arena.h"

#include "tables.h"

struct rt_place {
    uint32_t file, line, column;
};

/* How a key of codes.tsv may yield to another one for the same node of the trie. */
enum rt_reach { RT_EXACT, RT_RANGE, RT_ANY_CLASS };

struct rt_rule {
    bl_slice id, source, category_name;
    struct rt_place place, category_place;
    struct bl_want want;
    uint16_t category;
    uint8_t tier, type, action, n_phrases;
    uint8_t gap[BL_PARTS_MAX]; /* as in struct bl_rule */
    bool own;                  /* an operator's */
    bool gone; /* replaced or switched off by an operator's file; only while reading */
    /* folded; of several phrases, each one's shortest variant ... */
    bl_slice phrases[BL_PARTS_MAX];
    uint32_t uses_from, uses_n; /* ... and all of them */
    /* rows of codes.tsv only */
    bool is_code;
    uint16_t code;                                           /* in rt_model.codes */
    uint8_t reach;                                           /* enum rt_reach */
    uint16_t basic, class_, subject, detail_from, detail_to; /* 0xffff: not named, or any */
};

struct rt_sample {
    bl_slice text;
    struct rt_place place;
    uint32_t rule; /* first alternative of the rule it belongs to, in the order read */
};

/* A variant of one phrase of an alternative that has several. */
struct rt_use {
    bl_slice phrase;
    uint8_t part;
};

/* What a row of codes.tsv says to people. */
struct rt_code {
    bl_slice key; /* "codes/550-5.1.10": how an operator's files name the row alone */
    struct bl_codes text;
};

/* A row of words.tsv: `unknown|not found`. */
struct rt_words {
    bl_slice name, words;
};

/* A growing array of fixed-size items. */
struct rt_list {
    char *items;
    size_t n, room, item_bytes;
};

/* Who hears what is wrong. */
struct rt_report {
    bl_rules_problem_fn *problem; /* NULL: reading stops at the first */
    void *arg;
    bl_err *err; /* the first one */
    size_t n;    /* problems, notes apart */
};

struct rt_model {
    const struct bl_rules_file *files; /* the shipped ones first */
    size_t n_files, n_shipped;
    struct bl_arena arena;
    struct rt_list categories, rules, samples, providers, suffixes, words, uses, marks, codes;
    uint8_t order[BL_TIERS]; /* enum bl_tier -> where it stands in precedence.tsv */
    uint8_t n_order;         /* rows of it */
    struct rt_place order_place;
    struct rt_place fallback; /* the row of `unclassified`; line 0: none */
    struct rt_report *report;
};

enum { RT_NONE = 0xffff };

/* Call bl_rules_text_release afterwards in any case. */
enum bl_code bl_rules_text_read(struct rt_model *model, const struct bl_rules_file *files, size_t n,
                                size_t n_shipped, struct rt_report *report);
void bl_rules_text_release(struct rt_model *model);

static inline struct rt_rule *rt_rule(const struct rt_model *model, size_t i)
{
    return (struct rt_rule *)(void *)model->rules.items + i;
}

static inline struct rt_code *rt_code(const struct rt_model *model, size_t i)
{
    return (struct rt_code *)(void *)model->codes.items + i;
}

static inline struct rt_use *rt_use(const struct rt_model *model, size_t i)
{
    return (struct rt_use *)(void *)model->uses.items + i;
}

static inline struct rt_sample *rt_sample(const struct rt_model *model, size_t i)
{
    return (struct rt_sample *)(void *)model->samples.items + i;
}

/* Reports "FILE:LINE:COLUMN: what"; returns BL_BAD_INPUT. */
__attribute__((format(printf, 3, 4))) enum bl_code bl_rules_text_fail(const struct rt_model *model,
                                                                      struct rt_place place,
                                                                      const char *format, ...);

/* The same for what is no reason to refuse. */
__attribute__((format(printf, 3, 4))) void bl_rules_text_note(const struct rt_model *model,
                                                              struct rt_place place,
                                                              const char *format, ...);

bool bl_rules_text_push(struct rt_list *list, const void *item);

/* Adds an alternative with all that its braces stand for (words.c). */
enum bl_code bl_rules_text_expand(struct rt_model *model, const struct rt_rule *rule);

/* Whether to go on looking for problems after one: only when somebody hears of all of them. */
static inline bool rt_goes_on(const struct rt_model *model, enum bl_code rc)
{
    return rc == BL_OK || (rc == BL_BAD_INPUT && model->report->problem);
}

/* The last part of a path. */
bl_slice bl_rules_text_file_name(bl_slice path);

/* Reads a sample's own codes: `550 5.1.1 text`, `550-5.1.1 text`, `550 text`. */
void bl_rules_text_codes(bl_slice text, bl_reply *reply);

#endif
