/* rules.h -- the compiled rule set
 *
 * Built ahead of time by rulec (bl_rules_builtin), or at run time from text by the same compiler.
 *
 * Shapes     rule text: UTF-8 lines as core/rules/README.md describes; at most BL_RULES_TEXT_MAX
 *            bytes
 * Units      -
 * Ownership  bl_rules_builtin is static; what bl_rules_compile makes is freed by bl_rules_free
 * Threads    immutable once built: any number of readers
 * Errors     bl_rules_compile: BL_BAD_INPUT with "FILE:LINE:COLUMN: what is wrong".  What cannot be
 *            read is told first; only files that can be read are checked against each other
 * Source     core/rules/
 */
#ifndef BOUNCELINE_RULES_H
#define BOUNCELINE_RULES_H

#include "bounceline/classify.h"
#include "bounceline/err.h"

enum { BL_RULES_TEXT_MAX = 16 << 20 };

struct bl_category {
    bl_slice name; /* "invalid-recipient" */
    enum bl_scope scope;
    enum bl_type type;
    enum bl_action action;
    bl_slice ses_type, ses_subtype, meaning, remedy;
};

/* Which kind of evidence a rule rests on; the order is that of core/rules/precedence.tsv. */
enum bl_tier {
    BL_TIER_VETO,       /* against any verdict that suppresses; no candidates themselves */
    BL_TIER_VETO_CODES, /* against those by codes or generic words */
    BL_TIER_PROVIDER_TEXT,
    BL_TIER_SPECIFIC_TEXT,
    BL_TIER_PROVIDER_CODE,
    BL_TIER_SPECIFIC_CODE,
    BL_TIER_GENERIC_TEXT,
    BL_TIER_GENERIC_CODE,
    BL_TIER_FALLBACK, /* the one rule that always matches: unclassified */
    BL_TIERS
};

/* One alternative of a rule; several have one id.  A row of codes.tsv is one, too. */
struct bl_rule_info {
    bl_slice id;           /* "generic/user-unknown" */
    bl_slice file;         /* "generic.rules"; of an operator's rule the path it was read from */
    uint32_t line, column; /* 1-based; of the alternative */
    uint16_t category;
    uint16_t number; /* of the id: below bl_rules_ids(), the same for all that share it */
    uint16_t codes;  /* 1 + its row of codes.tsv, for bl_rules_codes(); 0: it is none */
    bl_slice source; /* where the wording is documented */
    uint8_t tier;    /* enum bl_tier */
    bool own;        /* an operator's */
};

/* What a row of codes.tsv says to people. */
struct bl_codes {
    bl_slice codes; /* "550 5.1.10", "x.7.20" */
    bl_slice meaning;
    bl_slice remedy; /* empty: that of the category */
};

/* One input of the compiler. */
struct bl_rules_file {
    bl_slice name, text;
};

/* What is wrong, or, as a note, worth knowing: a shipped rule or sample that an operator's file has
 * changed the answer of. */
struct bl_rules_problem {
    bl_slice file;
    uint32_t line, column;
    bool note;
    const char *text;
};

typedef void bl_rules_problem_fn(void *arg, const struct bl_rules_problem *problem);

/* What ships and what an operator puts over it: rules that are added, that replace a shipped one,
 * or that switch one off (core/rules/README.md says how). */
struct bl_rules_sources {
    const struct bl_rules_file *shipped, *own;
    size_t shipped_n, own_n;
    bl_rules_problem_fn *problem; /* hears of every problem; NULL: the first one is in the bl_err */
    void *arg;
};

const struct bl_rules *bl_rules_builtin(void);

/* The texts that bl_rules_builtin was made of. */
const struct bl_rules_file *bl_rules_shipped(size_t *n);

/* Compiles categories.tsv, codes.tsv, providers.tsv and rule files together.  `*out` on success
 * only. */
enum bl_code bl_rules_compile(const struct bl_rules_file *files, size_t n, struct bl_rules **out,
                              bl_err *err);

/* The same for what ships with an operator's files over it. */
enum bl_code bl_rules_compile_over(const struct bl_rules_sources *sources, struct bl_rules **out,
                                   bl_err *err);
void bl_rules_free(struct bl_rules *rules);

uint16_t bl_rules_categories(const struct bl_rules *rules);
const struct bl_category *bl_rules_category(const struct bl_rules *rules, uint16_t index);
bool bl_rules_find_category(const struct bl_rules *rules, bl_slice name, uint16_t *out);
size_t bl_rules_count(const struct bl_rules *rules);
const struct bl_rule_info *bl_rules_rule(const struct bl_rules *rules, uint32_t index);

/* How many different ids there are. */
size_t bl_rules_ids(const struct bl_rules *rules);

/* The row of codes.tsv that a rule is, or that speaks for a reply's codes before all others; NULL:
 * none. */
const struct bl_codes *bl_rules_codes(const struct bl_rules *rules, uint32_t index);
const struct bl_codes *bl_rules_codes_of(const struct bl_rules *rules, const bl_reply *reply);

/* The provider at whose hosts alone a rule holds; 0: any. */
uint16_t bl_rules_rule_provider(const struct bl_rules *rules, uint32_t index);

/* Two rule sets whose categories have the same numbers: what was counted under one can be named by
 * the other. */
bool bl_rules_same_categories(const struct bl_rules *a, const struct bl_rules *b);

const char *bl_tier_name(enum bl_tier tier); /* "a provider's own words" */

/* The same for two rule sets only when they answer everything alike, in the same numbers: for who
 * remembers answers. */
uint64_t bl_rules_mark(const struct bl_rules *rules);

/* Most hosts that are asked about belong to nobody known, and most of these are told by their last
 * four bytes alone, in any case: a bit for each ending that a known one may have. */
enum { BL_ENDING = 4, BL_ENDING_BITS = 10 };

const uint64_t *bl_rules_endings(const struct bl_rules *rules);

static inline uint32_t bl_rules_ending_bit(bl_slice host) /* of BL_ENDING bytes or more */
{
    uint32_t word;

    memcpy(&word, host.p + host.n - BL_ENDING, sizeof word);
    return (word | 0x20202020) * 0x9e3779b1u >> (32 - BL_ENDING_BITS);
}

/* False: bl_rules_provider says 0. */
BL_ALWAYS_INLINE bool bl_rules_may_be_provider(const uint64_t *endings, bl_slice host)
{
    if (host.n < BL_ENDING || host.p[host.n - 1] == '.')
        return true;
    return endings[bl_rules_ending_bit(host) / 64] >> bl_rules_ending_bit(host) % 64 & 1;
}

/* Which provider a relay host belongs to, by its domain suffix; 0: none of the known ones. */
uint16_t bl_rules_provider(const struct bl_rules *rules, bl_slice relay_host);
uint16_t bl_rules_providers(const struct bl_rules *rules);
bl_slice bl_rules_provider_name(const struct bl_rules *rules, uint16_t provider); /* 0: "other" */

#endif
