/* From the phrases of all rules to what classify.c asks when one of them ended.
 *
 * A phrase may stand in many rules: `mailbox` is one of the first words of thirty.  To visit each
 * of them wherever a reply says `mailbox` was a third of all work, and nearly always for nothing,
 * since the second word did not come.  So what a phrase means to rules with several is kept as
 * bits, one for each link between two phrases of a rule:
 *
 *      "{user|mailbox}" ~ "{unknown|not found}"     link 70
 *      "mailbox" .. "full" .. "later"               links 71, 72
 *
 *      mailbox   first 70 71    later -
 *      unknown   first -        later 70
 *      full      first 72       later 71
 *
 * One pass over the words of a reply, with an AND and two ORs each, tells which links have a word
 * in front and a later one behind; only rules whose links all do are followed.  Words of one list
 * mostly stand in the same links, so there are far fewer masks than words.
 *
 * Where `unknown user` ends, ` user` and `user` end as well.  The automaton puts out the longest;
 * what all of them stand in is known beforehand. */
#include "links.h"

#include "phrases.h"

#include "bounceline/alloc.h"
#include "bounceline/hash.h"

#include <stdlib.h>

enum { TABLE_MAX = UINT16_MAX };

struct build {
    struct bl_rules *rules;
    struct bl_phrase_use *uses; /* sorted: those of a phrase together */
    bl_slice *phrases;          /* n_words, by text */
    uint32_t *uses_from;        /* n_words + 1: where the uses of each phrase begin */
    uint16_t *phrase_of;        /* of each word: its place among the phrases */
    uint16_t *shorter;
    struct bl_word *words; /* by the numbers that the automaton puts out */
    struct bl_mask *masks;
    uint32_t *slots; /* hash table over masks: where they stand; 0: free */
    uint32_t slots_mask, step;
    uint16_t *singles;
    size_t n_words, n_masks, masks_room, n_singles, singles_room;
    bl_err *err;
};

static enum bl_code no_memory(struct build *b)
{
    return bl_fail(b->err, BL_NO_MEMORY, 0, "out of memory building the phrase table");
}

static char folded(char c)
{
    return bl_is_blank_byte(c) ? ' ' : c;
}

static int by_text(bl_slice a, bl_slice b)
{
    size_t n = a.n < b.n ? a.n : b.n;

    for (size_t i = 0; i < n; i++)
        if (folded(a.p[i]) != folded(b.p[i]))
            return (uint8_t)folded(a.p[i]) < (uint8_t)folded(b.p[i]) ? -1 : 1;
    return a.n < b.n ? -1 : a.n > b.n;
}

static int by_text_and_rule(const void *a, const void *b)
{
    const struct bl_phrase_use *x = a, *y = b;
    int order = by_text(x->text, y->text);

    return order ? order : (x->rule > y->rule) - (x->rule < y->rule);
}

/* One word a phrase. */
static void list_words(struct build *b, size_t n)
{
    qsort(b->uses, n, sizeof *b->uses, by_text_and_rule);
    for (size_t i = 0; i < n; i++)
        if (i == 0 || by_text(b->uses[i - 1].text, b->uses[i].text) != 0) {
            b->uses_from[b->n_words] = (uint32_t)i;
            b->phrases[b->n_words++] = b->uses[i].text;
        }
    b->uses_from[b->n_words] = (uint32_t)n;
}

static void set_bit(struct bl_mask *mask, uint32_t link)
{
    mask[link / 64 / BL_MASK].bits[link / 64 % BL_MASK] |= UINT64_C(1) << link % 64;
}

/* Adds the links that a word stands in front of and behind. */
static void fill_masks(const struct build *b, size_t word, struct bl_mask *first,
                       struct bl_mask *later)
{
    size_t phrase = b->phrase_of[word];

    for (uint32_t i = b->uses_from[phrase]; i < b->uses_from[phrase + 1]; i++) {
        const struct bl_rule *rule = &b->rules->rules[b->uses[i].rule];
        uint32_t part = b->uses[i].part;

        if (part > 0)
            set_bit(later, rule->link + part - 1u);
        if (part + 1u < rule->parts)
            set_bit(first, rule->link + part);
    }
}

static bool is_empty(const struct bl_mask *mask, uint32_t step)
{
    uint64_t any = 0;

    for (uint32_t i = 0; i < step * BL_MASK; i++)
        any |= mask[i / BL_MASK].bits[i % BL_MASK];
    return any == 0;
}

static bool have_mask(struct build *b)
{
    size_t room = b->masks_room ? 2 * b->masks_room : 256;
    struct bl_mask *masks;

    if (b->n_masks + b->step <= b->masks_room)
        return true;
    masks = bl_realloc(b->masks, room * sizeof *masks);
    if (!masks)
        return false;
    b->masks = masks;
    b->masks_room = room;
    return true;
}

/* Where the mask stands; equal ones are kept once. */
static enum bl_code keep_mask(struct build *b, const struct bl_mask *mask, uint16_t *out)
{
    size_t bytes = b->step * sizeof *mask;
    uint32_t slot = (uint32_t)bl_hash64((bl_slice){(const char *)mask, bytes}) & b->slots_mask;

    *out = 0;
    if (is_empty(mask, b->step))
        return BL_OK;
    for (; b->slots[slot]; slot = (slot + 1) & b->slots_mask)
        if (memcmp(b->masks + b->slots[slot], mask, bytes) == 0) {
            *out = (uint16_t)b->slots[slot];
            return BL_OK;
        }
    if (b->n_masks + b->step > TABLE_MAX)
        return bl_fail(b->err, BL_LIMIT, 0,
                       "the words of rules with several phrases are too different");
    if (!have_mask(b))
        return no_memory(b);
    memcpy(b->masks + b->n_masks, mask, bytes);
    b->slots[slot] = (uint32_t)b->n_masks;
    *out = (uint16_t)b->n_masks;
    b->n_masks += b->step;
    return BL_OK;
}

static enum bl_code add_masks(struct build *b, size_t at)
{
    struct bl_mask first[BL_MASKS_MAX] = {0}, later[BL_MASKS_MAX] = {0};
    struct bl_word *word = &b->words[at];
    enum bl_code rc;

    fill_masks(b, at, first, later);
    rc = keep_mask(b, later, &word->later);
    for (size_t i = b->shorter[at]; i; i = b->shorter[i - 1])
        fill_masks(b, i - 1, first, later);
    if (rc == BL_OK)
        rc = keep_mask(b, first, &word->all_first);
    return rc == BL_OK ? keep_mask(b, later, &word->all_later) : rc;
}

static int by_rank(const void *a, const void *b)
{
    uint16_t x = *(const uint16_t *)a, y = *(const uint16_t *)b;

    return (x > y) - (x < y);
}

static bool have_singles(struct build *b, size_t n)
{
    size_t room = b->singles_room ? b->singles_room : 1024;
    uint16_t *singles;

    while (room < b->n_singles + n)
        room *= 2;
    if (room == b->singles_room)
        return true;
    singles = bl_realloc(b->singles, room * sizeof *singles);
    if (!singles)
        return false;
    b->singles = singles;
    b->singles_room = room;
    return true;
}

/* Those of one word. */
static enum bl_code add_singles_of(struct build *b, size_t word)
{
    size_t phrase = b->phrase_of[word];

    if (!have_singles(b, b->uses_from[phrase + 1] - b->uses_from[phrase] + 1))
        return no_memory(b);
    for (uint32_t i = b->uses_from[phrase]; i < b->uses_from[phrase + 1]; i++)
        if (b->rules->rules[b->uses[i].rule].parts == 1)
            b->singles[b->n_singles++] = (uint16_t)b->uses[i].rule;
    return BL_OK;
}

/* Words without any share the empty list, which is the first. */
static enum bl_code add_singles(struct build *b, size_t at)
{
    struct bl_word *word = &b->words[at];
    size_t begin = b->n_singles;
    enum bl_code rc = BL_OK;

    word->singles = 0;
    word->strongest = BL_NO_SINGLE;
    for (size_t i = at + 1; i && rc == BL_OK; i = b->shorter[i - 1])
        rc = add_singles_of(b, i - 1);
    if (rc != BL_OK || b->n_singles == begin)
        return rc;
    if (begin > TABLE_MAX)
        return bl_fail(b->err, BL_LIMIT, 0, "too many rules are ends of others");
    qsort(b->singles + begin, b->n_singles - begin, sizeof *b->singles, by_rank);
    word->singles = (uint16_t)begin;
    for (size_t i = b->n_singles;
         i > begin && b->rules->rules[b->singles[i - 1]].tier > BL_TIER_VETO_CODES; i--)
        word->strongest = b->singles[i - 1];
    b->singles[b->n_singles++] = BL_NO_SINGLE;
    return BL_OK;
}

static const void *keep(struct bl_arena *arena, const void *table, size_t bytes)
{
    void *kept = bl_arena_alloc(arena, bytes);

    if (kept && bytes)
        memcpy(kept, table, bytes);
    return kept;
}

/* Each in a cache line of its own. */
static const struct bl_mask *keep_masks(const struct build *b, struct bl_arena *arena)
{
    size_t bytes = b->n_masks * sizeof *b->masks;
    char *room = bl_arena_alloc(arena, bytes + sizeof *b->masks);

    if (!room)
        return NULL;
    room += -(uintptr_t)room % sizeof *b->masks;
    return memcpy(room, b->masks, bytes);
}

static enum bl_code keep_tables(struct build *b, struct bl_arena *arena)
{
    struct bl_rules *rules = b->rules;

    rules->words = keep(arena, b->words, b->n_words * sizeof *b->words);
    rules->singles = keep(arena, b->singles, b->n_singles * sizeof *b->singles);
    rules->masks = keep_masks(b, arena);
    rules->n_words = (uint32_t)b->n_words;
    rules->n_singles = (uint32_t)b->n_singles;
    rules->n_masks = (uint32_t)b->n_masks;
    rules->mask_step = b->step;
    return rules->words && rules->singles && rules->masks ? BL_OK : no_memory(b);
}

static enum bl_code add_words(struct build *b, bl_slice usual, struct bl_arena *arena)
{
    struct bl_phrases_from from = {b->phrases, b->n_words, usual};
    enum bl_code rc =
        bl_phrases_build(arena, &from, &b->rules->phrases, b->phrase_of, b->shorter, b->err);

    for (size_t i = 0; i < b->n_words && rc == BL_OK; i++) {
        b->words[i] = (struct bl_word){.length = (uint8_t)b->phrases[b->phrase_of[i]].n,
                                       .shorter = b->shorter[i]};
        rc = add_masks(b, i);
        if (rc == BL_OK)
            rc = add_singles(b, i);
    }
    return rc == BL_OK ? keep_tables(b, arena) : rc;
}

enum bl_code bl_links_build(struct bl_arena *arena, struct bl_phrase_use *uses, size_t n,
                            bl_slice usual, struct bl_rules *rules, bl_err *err)
{
    struct build b = {.rules = rules, .uses = uses, .slots_mask = 1, .err = err};
    enum bl_code rc = BL_NO_MEMORY;

    b.step = rules->n_links ? (rules->n_links - 1) / 64 / BL_MASK + 1 : 1;
    while (b.slots_mask < 8 * n + 2) /* four masks a word */
        b.slots_mask *= 2;
    b.phrases = bl_calloc(n + 1, sizeof *b.phrases);
    b.uses_from = bl_calloc(n + 1, sizeof *b.uses_from);
    b.phrase_of = bl_calloc(n + 1, sizeof *b.phrase_of);
    b.shorter = bl_calloc(n + 1, sizeof *b.shorter);
    b.words = bl_calloc(n + 1, sizeof *b.words);
    b.slots = bl_calloc(b.slots_mask, sizeof *b.slots);
    b.slots_mask--;
    if (b.phrases && b.uses_from && b.phrase_of && b.shorter && b.words && b.slots &&
        have_mask(&b) && have_singles(&b, 1)) {
        memset(b.masks, 0, b.step * sizeof *b.masks); /* the empty one */
        b.n_masks = b.step;
        b.singles[b.n_singles++] = BL_NO_SINGLE;
        list_words(&b, n);
        rc = add_words(&b, usual, arena);
    } else {
        rc = no_memory(&b);
    }
    bl_free(b.phrases);
    bl_free(b.uses_from);
    bl_free(b.phrase_of);
    bl_free(b.shorter);
    bl_free(b.words);
    bl_free(b.slots);
    bl_free(b.masks);
    bl_free(b.singles);
    return rc;
}
