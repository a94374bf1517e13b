/* One chained hash table over (dimension, key); each entry counts its outcomes and holds a short
 * list of counts by outcome and category. */
#include "totals.h"

#include "bounceline/alloc.h"
#include "bounceline/arena.h"
#include "bounceline/hash.h"

enum { FIRST_BUCKETS = 1024 };

struct cause {
    struct cause *next;
    bl_slice category;
    enum bl_outcome outcome;
    uint64_t count;
};

struct entry {
    struct entry *next;
    uint64_t hash;
    enum bl_dimension dimension;
    bl_slice key;
    uint64_t outcome[BL_OUTCOMES];
    struct cause *causes;
};

struct bl_totals {
    struct bl_arena arena;
    struct entry **bucket;
    size_t buckets, n;
};

struct bl_totals *bl_totals_new(void)
{
    struct bl_totals *totals = bl_calloc(1, sizeof *totals);

    if (!totals)
        return NULL;
    bl_arena_init(&totals->arena, SIZE_MAX);
    totals->buckets = FIRST_BUCKETS;
    totals->bucket = bl_calloc(totals->buckets, sizeof *totals->bucket);
    if (!totals->bucket) {
        bl_totals_free(totals);
        return NULL;
    }
    return totals;
}

void bl_totals_free(struct bl_totals *totals)
{
    if (!totals)
        return;
    bl_arena_release(&totals->arena);
    bl_free(totals->bucket);
    bl_free(totals);
}

static uint64_t hash_of(enum bl_dimension dimension, bl_slice key)
{
    return bl_hash64_seeded(key, dimension);
}

static struct entry *find(const struct bl_totals *totals, enum bl_dimension dimension, bl_slice key,
                          uint64_t hash)
{
    struct entry *entry = totals->bucket[hash & (totals->buckets - 1)];

    while (entry &&
           (entry->hash != hash || entry->dimension != dimension || !bl_slice_eq(entry->key, key)))
        entry = entry->next;
    return entry;
}

/* More room makes chains shorter; without memory they are longer, and nothing else. */
static void grow(struct bl_totals *totals)
{
    size_t buckets = totals->buckets * 2;
    struct entry **bucket = bl_calloc(buckets, sizeof *bucket);

    if (!bucket)
        return;
    for (size_t i = 0; i < totals->buckets; i++) {
        for (struct entry *entry = totals->bucket[i], *next; entry; entry = next) {
            next = entry->next;
            entry->next = bucket[entry->hash & (buckets - 1)];
            bucket[entry->hash & (buckets - 1)] = entry;
        }
    }
    bl_free(totals->bucket);
    totals->bucket = bucket;
    totals->buckets = buckets;
}

static struct entry *find_or_make(struct bl_totals *totals, enum bl_dimension dimension,
                                  bl_slice key)
{
    uint64_t hash = hash_of(dimension, key);
    struct entry *entry = find(totals, dimension, key, hash), **at;

    if (entry)
        return entry;
    if (totals->n >= totals->buckets)
        grow(totals);
    entry = bl_arena_alloc(&totals->arena, sizeof *entry);
    if (!entry)
        return NULL;
    *entry = (struct entry){.hash = hash, .dimension = dimension};
    entry->key = bl_arena_copy(&totals->arena, key);
    if (key.n && !entry->key.p)
        return NULL;
    at = &totals->bucket[hash & (totals->buckets - 1)];
    entry->next = *at;
    *at = entry;
    totals->n++;
    return entry;
}

static enum bl_code add_cause(struct bl_totals *totals, struct entry *entry,
                              enum bl_outcome outcome, bl_slice category, uint64_t count)
{
    struct cause *cause = entry->causes;

    while (cause && (cause->outcome != outcome || !bl_slice_eq(cause->category, category)))
        cause = cause->next;
    if (!cause) {
        cause = bl_arena_alloc(&totals->arena, sizeof *cause);
        if (!cause)
            return BL_NO_MEMORY;
        *cause = (struct cause){entry->causes, bl_arena_copy(&totals->arena, category), outcome, 0};
        if (category.n && !cause->category.p)
            return BL_NO_MEMORY;
        entry->causes = cause;
    }
    cause->count += count;
    return BL_OK;
}

/* ---- fields ---- */

static bool outcome_from_name(bl_slice name, enum bl_outcome *out)
{
    for (unsigned i = 0; i < BL_OUTCOMES; i++) {
        const char *known = bl_outcome_name((enum bl_outcome)i);

        if (bl_slice_eq(name, (bl_slice){known, strlen(known)})) {
            *out = (enum bl_outcome)i;
            return true;
        }
    }
    return false;
}

static bool take_dimension(bl_slice *field, enum bl_dimension *out)
{
    size_t bar = bl_slice_find_byte(*field, '|');

    for (unsigned i = 0; i < BL_DIMENSIONS && bar < field->n; i++) {
        const char *known = bl_dimension_name((enum bl_dimension)i);

        if (bl_slice_eq(bl_slice_head(*field, bar), (bl_slice){known, strlen(known)})) {
            *out = (enum bl_dimension)i;
            *field = bl_slice_drop(*field, bar + 1);
            return true;
        }
    }
    return false;
}

/* Takes "|WORD" off the end. */
static bool take_last(bl_slice *text, bl_slice *word)
{
    for (size_t at = text->n; at-- > 0;) {
        if (text->p[at] != '|')
            continue;
        *word = bl_slice_drop(*text, at + 1);
        text->n = at;
        return true;
    }
    return false;
}

/* Read from the end, where the words are ours: a key comes from a log and may hold anything. */
enum bl_code bl_totals_add(struct bl_totals *totals, bl_slice field, uint64_t count)
{
    bl_slice rest = field, last, before = {0}, category = {0};
    enum bl_dimension dimension;
    enum bl_outcome outcome;
    struct entry *entry;

    if (!take_dimension(&rest, &dimension) || !take_last(&rest, &last))
        return BL_OK;
    if (!outcome_from_name(last, &outcome)) {
        if (!take_last(&rest, &before) || !outcome_from_name(before, &outcome))
            return BL_OK;
        category = last;
    }
    entry = find_or_make(totals, dimension, rest);
    if (!entry)
        return BL_NO_MEMORY;
    if (category.n)
        return add_cause(totals, entry, outcome, category, count);
    entry->outcome[outcome] += count;
    return BL_OK;
}

/* ---- the sum ---- */

void bl_totals_outcomes(const struct bl_totals *totals, enum bl_dimension dimension, bl_slice key,
                        uint64_t out[BL_OUTCOMES])
{
    const struct entry *entry = find(totals, dimension, key, hash_of(dimension, key));

    memset(out, 0, BL_OUTCOMES * sizeof *out);
    if (entry)
        memcpy(out, entry->outcome, sizeof entry->outcome);
}

static void summarise_causes(const struct entry *all, struct bl_summary *summary)
{
    for (const struct cause *cause = all->causes; cause; cause = cause->next) {
        struct bl_summary_cause *to = bl_summary_cause(summary, cause->category);

        to->count[BL_SUMMARY_FINAL] +=
            cause->outcome == BL_BOUNCED || cause->outcome == BL_EXPIRED ? cause->count : 0;
        to->count[BL_SUMMARY_DEFERRED] += cause->outcome == BL_DEFERRED ? cause->count : 0;
        to->count[BL_SUMMARY_REJECTED] += cause->outcome == BL_REJECTED ? cause->count : 0;
        to->dropped += cause->outcome == BL_DROPPED ? cause->count : 0;
    }
}

static bool is_final(const struct cause *cause)
{
    return cause->outcome == BL_BOUNCED || cause->outcome == BL_EXPIRED;
}

/* As in a scan: the most frequent one; of equals the first by name, so that it is always the
 * same. */
static void find_reason(const struct entry *entry, struct bl_summary_row *row)
{
    for (const struct cause *outer = entry->causes; outer; outer = outer->next) {
        uint64_t sum = 0;

        for (const struct cause *inner = entry->causes; inner && is_final(outer);
             inner = inner->next)
            sum +=
                is_final(inner) && bl_slice_eq(inner->category, outer->category) ? inner->count : 0;
        if (sum > row->reason_n ||
            (sum && sum == row->reason_n && bl_slice_compare(outer->category, row->reason) < 0)) {
            row->reason_n = sum;
            row->reason = outer->category;
        }
    }
}

static void summarise_entry(const struct entry *entry, struct bl_summary_table *table)
{
    struct bl_summary_row row = {.name = entry->key};

    memcpy(row.outcome, entry->outcome, sizeof row.outcome);
    for (size_t i = 0; i < BL_OUTCOMES; i++)
        row.total += row.outcome[i];
    find_reason(entry, &row);
    bl_summary_add(table, &row);
}

void bl_totals_summarise(const struct bl_totals *totals, struct bl_summary *summary)
{
    for (size_t i = 0; i < totals->buckets; i++) {
        for (const struct entry *entry = totals->bucket[i]; entry; entry = entry->next) {
            switch (entry->dimension) {
            case BL_DIM_ALL:
                if (bl_slice_eq(entry->key, BL_SLICE(BL_TALLY_NO_ATTEMPT)))
                    summary->no_attempt += entry->outcome[BL_DEFERRED];
                for (size_t k = 0; k < BL_OUTCOMES; k++)
                    summary->outcome[k] += entry->outcome[k];
                summarise_causes(entry, summary);
                break;
            case BL_DIM_DOMAIN:
                summarise_entry(entry, &summary->domains);
                break;
            case BL_DIM_PROVIDER:
                summarise_entry(entry, &summary->providers);
                break;
            case BL_DIM_SENDER:
                summarise_entry(entry, &summary->senders);
                break;
            case BL_DIM_INSTANCE:
                summarise_entry(entry, &summary->instances);
                break;
            case BL_DIMENSIONS:
                break;
            }
        }
    }
    bl_totals_outcomes(totals, BL_DIM_SENDER, BL_SLICE("<>"), summary->null_outcome);
}
