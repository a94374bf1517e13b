/* tables.h -- the compiled rule set, as the matcher walks it (private to match/ and rulec/)
 *
 * Everything is numbers and offsets into flat arrays, so that the same structure can be a `static
 * const` of the program (rulec prints it) and the result of a compilation at run time.
 *
 * Shapes     rule indexes are ordered by precedence: of two rules that match, the smaller one
 * decides Ownership  the arrays belong to the rule set Threads    never written after the
 * compilation
 */
#ifndef BL_MATCH_TABLES_H
#define BL_MATCH_TABLES_H

#include "bounceline/rules.h"

enum {
    BL_NO_RULE = 0xffffffff,
    BL_PARTS_MAX = 7,    /* phrases in order within one rule */
    BL_PHRASE_MAX = 200, /* bytes of one phrase */
    BL_NEAR = 40,
    BL_LINKS_MAX = 1024,        /* bl_classify keeps some bits and a byte for each */
    BL_RULES_MAX = 1 << 15,     /* ranks have 16 bits */
    BL_NO_SINGLE = 0xffff,      /* behind any rank */
    BL_WORDS_MAX = 1 << 16,     /* different phrases */
    BL_PHRASES_BYTES = 1 << 20, /* of all phrases together */
    BL_STATES_MAX = 1 << 17,    /* bounds what a compilation needs: 4 bytes a state and class */
    BL_DIGITS = 11              /* 0..9 and the dot */
};

/* Codes are compared under a mask: 4 bits a digit for the basic code, 10 bits a number for the
 * enhanced one.  Absent is 0, which no wanted code equals. */
struct bl_want {
    uint32_t enhanced, enhanced_mask;
    uint16_t basic, basic_mask;
    uint16_t provider; /* 0: any */
    uint16_t phases;   /* bit per enum bl_phase; 0: any */
};

struct bl_rule {
    struct bl_want want;
    uint16_t category;
    uint16_t link;  /* of several phrases: its first link; of one: that one's length */
    uint8_t tier;   /* enum bl_tier */
    uint8_t type;   /* enum bl_type after any override */
    uint8_t action; /* enum bl_action that goes with it */
    uint8_t parts;  /* number of phrases */
};

/* From one phrase of a rule to the next: a rule with several phrases has one link fewer, side by
 * side, all in one stretch of 64. */
struct bl_link {
    uint16_t rule;
    uint8_t part; /* the later phrase: 1.. */
    uint8_t gap;  /* at most so many bytes between the two; 0: any number */
    bool last;
};

/* A set of links, a bit for each; of more than there are bits, several behind each other. */
enum { BL_MASK = 8, BL_MASKS_MAX = BL_LINKS_MAX / 64 / BL_MASK };

struct bl_mask {
    _Alignas(16) uint64_t bits[BL_MASK];
};

/* Vetoes are asked only where something would suppress, so they stand apart. */
enum bl_layer { BL_LAYER_RULES, BL_LAYER_VETOES };

/* A phrase.  Sets of links stand in `masks`, the empty one at 0. */
struct bl_word {
    uint16_t later;     /* links that have the word behind */
    uint16_t shorter;   /* 1 + the longest other word that it ends with; 0: there is none */
    uint16_t all_first; /* links that have it, or one that it ends with, in front ... */
    uint16_t all_later; /* ... and behind */
    /* where the rules begin that are all of one of these: by rank, then BL_NO_SINGLE */
    uint16_t singles;
    uint16_t strongest; /* of them, leaving out vetoes; or BL_NO_SINGLE */
    uint8_t length;
};

/* One step down the digit trie per character of "550.5.1.1" (pair), "550", or ".5.1.1" (enhanced
 * only). `rule` stands at the node where a key of codes.tsv ends. */
struct bl_digit_node {
    uint16_t child[BL_DIGITS]; /* 0: none; the root is nobody's child */
    uint32_t rule;             /* BL_NO_RULE: no key ends here */
};

/* See phrases.c. */
struct bl_phrases {
    const uint8_t *class_of; /* 256: byte -> class, 1..classes-1 */
    const uint32_t *cells;
    const uint32_t *pairs; /* classes * classes */
    uint32_t n_cells, classes;
    uint32_t start; /* as if a blank had been read */
};

struct bl_provider_suffix {
    bl_slice suffix; /* "google.com" */
    uint16_t provider;
};

/* What a row of extract.tsv looks for; see extract.c. */
enum bl_mark_kind {
    BL_MARK_LIST_WORD,   /* a word that names a block list */
    BL_MARK_LIST_HOST,   /* the suffix of its hosts */
    BL_MARK_LIST_BEFORE, /* words in front of the list's host */
    BL_MARK_RETRY_BEFORE,
    BL_MARK_IP_BEFORE,
    BL_MARK_IP_AFTER,
    BL_MARK_CODE, /* a pattern */
    BL_MARK_KINDS
};

enum { BL_MARK_HEAD = 8, BL_MARK_FOLD = 0x20 };

struct bl_mark {
    bl_slice text, name; /* text: never empty; but for patterns folded */
    /* no text of single blanks begins with it unless bl_mark_head(text) & mask is head */
    uint64_t head, mask;
    uint8_t kind; /* enum bl_mark_kind */
};

/* The first BL_MARK_HEAD bytes, coarsely folded: equal bytes stay equal, in either case. */
static inline uint64_t bl_mark_head(const char *p)
{
    const unsigned char *b = (const unsigned char *)p;
    uint64_t low =
        (uint32_t)b[0] | (uint32_t)b[1] << 8 | (uint32_t)b[2] << 16 | (uint32_t)b[3] << 24;
    uint64_t high =
        (uint32_t)b[4] | (uint32_t)b[5] << 8 | (uint32_t)b[6] << 16 | (uint32_t)b[7] << 24;

    return (low | high << 32) | BL_MARK_FOLD * UINT64_C(0x0101010101010101);
}

/* Marks that are looked for together. */
enum bl_mark_group { BL_MARKS_ALWAYS, BL_MARKS_OF_SENDER, BL_MARKS_OF_TIME, BL_MARK_GROUPS };

static inline enum bl_mark_group bl_mark_group(unsigned kind)
{
    return kind == BL_MARK_CODE           ? BL_MARKS_ALWAYS
           : kind == BL_MARK_RETRY_BEFORE ? BL_MARKS_OF_TIME
                                          : BL_MARKS_OF_SENDER;
}

struct bl_rules {
    const struct bl_category *categories;
    const struct bl_rule *rules;
    /* of alternatives and codes, all variants of one together ... */
    const struct bl_rule_info *infos;
    const uint16_t *info_of; /* ... parallel to rules */
    const struct bl_codes *codes;
    const struct bl_digit_node *digits;
    const bl_slice *providers; /* [0] "other" */
    const struct bl_provider_suffix *suffixes;
    const uint16_t *suffix_slots; /* hash table of 1 + index; 0: free */
    const uint16_t *loose; /* rules without phrase that are no row of codes.tsv, strongest first */
    /* none matches without one of these bits: bl_enhanced_bit, bl_basic_bit */
    uint64_t loose_enhanced, loose_basic;
    struct bl_phrases phrases;
    const struct bl_word *words; /* by the numbers that the automaton puts out */
    const uint16_t *singles;
    const struct bl_mask *masks; /* sets of links, `mask_step` for each; the first one is empty */
    const struct bl_link *links;
    uint32_t n_words, n_singles, n_masks, n_links, mask_step;
    uint32_t n_rules, n_infos, n_ids, n_codes, n_digits, n_suffixes, suffix_mask, n_loose;
    uint16_t n_categories, n_providers, unclassified;
    uint64_t mark; /* hash of the texts it was compiled from */
    uint32_t longest_suffix;
    uint64_t endings[(1 << BL_ENDING_BITS) / 64]; /* see bl_rules_ending_bit */
    const struct bl_mark *marks; /* sorted by first byte, lower case for patterns, too */
    const uint16_t *mark_from;   /* 257: marks[from[b]..from[b + 1]) begin with byte b */
    /* [g][first & 31] has bit second & 63 when a mark may begin so */
    uint64_t mark_pairs[BL_MARK_GROUPS][32];
    uint32_t n_marks;
};

static inline uint32_t bl_pack_status(bl_status s)
{
    return (uint32_t)(s.class_ & 1023) << 20 | (uint32_t)(s.subject & 1023) << 10 |
           (s.detail & 1023u);
}

/* The codes that count: the reply's own; without an enhanced one, what the MTA made of it.  x.0.0
 * beside a basic code says nothing (and Postfix logs it for a remote reply that has no enhanced
 * code). */
static inline bl_status bl_effective_status(const bl_reply *reply)
{
    bl_status status = bl_status_absent(reply->enhanced) ? reply->wrapper : reply->enhanced;

    return reply->code && status.subject == 0 && status.detail == 0 ? (bl_status){0} : status;
}

static inline uint16_t bl_pack_code(uint16_t code)
{
    return (uint16_t)(code / 100 % 10 << 8 | code / 10 % 10 << 4 | code % 10);
}

/* A bit by subject and detail, and one by the basic code. */
static inline uint64_t bl_enhanced_bit(uint32_t packed)
{
    return UINT64_C(1) << ((packed ^ packed >> 10) & 63);
}

static inline uint64_t bl_basic_bit(uint16_t packed)
{
    return UINT64_C(1) << ((packed ^ packed >> 4) & 63);
}

#endif
