/* The tallies' entities (minute, dimension, name) become, day by day, a list of keys and for the day, each
 * hour and each minute a list of counts that refers to it:
 *
 *   entities   12:59 domain a   12:59 domain b   13:00 domain a
 *   keys       1 domain|a   2 domain|b
 *   day        1: 12:59 + 13:00   2: 12:59
 *   hours      12: {1, 2}   13: {1}         minutes   12:59: {1, 2}   13:00: {1}
 *
 * Nearly always all entities are of one minute.  Then nothing is sorted and nothing repeated: hour and
 * minute say "as the day".  Keys known to be strangers to their day are one key, `dimension|~other`. */
#include "commit.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "bounceline/alloc.h"
#include "bounceline/hash.h"
#include "bounceline/rules.h"

enum {
    DAY_S = 86400, HOUR_S = 3600, MINUTE_S = 60, HOUR_MINUTES = 60, DAY_MINUTES = 1440,
    MINUTE_KEPT_S = 26 * HOUR_S, HOUR_KEPT_S = 40 * DAY_S, DAY_KEPT_S = 400 * DAY_S,
    CLOCKS_DIFFER_S = 60, /* a bucket that expires this soon is not begun any more */
    LEVEL_MINUTE = 1, LEVEL_HOUR = 2
};

/* One entity of one of the tallies. */
struct bl_commit_ref {
    const struct bl_tally *tally;
    const struct bl_entity *entity;
};

static const int64_t OLD = INT64_MIN; /* the day of everything that is past keeping by day */

struct bl_commit_item {
    int64_t day, minute;
    uint32_t group, entity;
};

struct bl_commit_group {
    int64_t day;
    uint64_t hash;   /* of day, dimension and name */
    uint32_t entity; /* the first one: dimension and name */
    uint32_t index;  /* in its day's keys, from 1 */
    bool     other;  /* strangers: the name is BL_TALLY_OTHER */
};

struct bl_commit *bl_commit_new(const struct bl_rules *rules)
{
    struct bl_commit *commit = bl_calloc(1, sizeof *commit);

    if (!commit)
        return NULL;
    commit->rules = rules;
    bl_hash_set_init(&commit->strangers, BL_COMMIT_STRANGERS);
    commit->codes_cap = BL_OUTCOMES * (1 + bl_rules_categories(rules));
    commit->code = bl_calloc(commit->codes_cap, sizeof *commit->code);
    commit->sum = bl_calloc(commit->codes_cap + 1, sizeof *commit->sum);
    commit->touched = bl_calloc(commit->codes_cap + 1, sizeof *commit->touched);
    if (!commit->code || !commit->sum || !commit->touched) {
        bl_commit_free(commit);
        return NULL;
    }
    return commit;
}

void bl_commit_free(struct bl_commit *commit)
{
    if (!commit)
        return;
    bl_pack_release(&commit->ranges);
    bl_pack_release(&commit->setup);
    bl_pack_release(&commit->suffixes);
    bl_pack_release(&commit->days);
    bl_hash_set_release(&commit->strangers);
    bl_commit_sent_release(&commit->sent);
    bl_free(commit->refs);
    bl_free(commit->items);
    bl_free(commit->groups);
    bl_free(commit->table);
    bl_free(commit->code);
    bl_free(commit->sum);
    bl_free(commit->touched);
    bl_free(commit);
}

/* ---- keys ---- */

static size_t put(char *out, bl_slice text)
{
    memcpy(out, text.p, text.n);
    return text.n;
}

size_t bl_commit_key(enum bl_dimension dimension, bl_slice name, char out[BL_COMMIT_KEY_MAX])
{
    static const char hex[] = "0123456789ABCDEF";
    const char *dim = bl_dimension_name(dimension);
    size_t n = put(out, bl_slice_head((bl_slice){dim, strlen(dim)}, 15));

    out[n++] = '|';
    name = bl_slice_head(name, 255);
    for (size_t i = 0; i < name.n; i++) {
        unsigned char c = (unsigned char)name.p[i];

        if (c == '|' || c == '%' || c < 0x20 || c == 0x7f) {
            out[n++] = '%';
            out[n++] = hex[c >> 4];
            out[n++] = hex[c & 15];
        } else {
            out[n++] = (char)c;
        }
    }
    return n;
}

static void pack_key(struct bl_pack *pack, const struct bl_entity *entity, bool other)
{
    char key[BL_COMMIT_KEY_MAX];
    bl_slice name = other ? BL_SLICE(BL_TALLY_OTHER) : (bl_slice){entity->name, entity->name_n};
    size_t n = bl_commit_key(entity->dimension, name, key);

    bl_pack_text(pack, (bl_slice){key, n});
}

/* ---- groups: the same day, dimension and name ---- */

static bool make_room(struct bl_commit *commit, size_t n)
{
    size_t table_size = 64;

    while (table_size < 2 * n)
        table_size *= 2;
    if (commit->items_cap < n) {
        bl_free(commit->refs);
        bl_free(commit->items);
        bl_free(commit->groups);
        bl_free(commit->table);
        commit->refs = bl_malloc(n * sizeof *commit->refs);
        commit->items = bl_malloc(n * sizeof *commit->items);
        commit->groups = bl_malloc(n * sizeof *commit->groups);
        commit->table = bl_malloc(table_size * sizeof *commit->table);
        commit->items_cap = commit->refs && commit->items && commit->groups && commit->table ? n : 0;
    }
    commit->table_size = table_size;
    return commit->items_cap >= n;
}

static uint64_t group_hash(int64_t day, const struct bl_entity *e)
{
    return bl_hash64_seeded((bl_slice){e->name, e->name_n}, (uint64_t)day * 8 + e->dimension);
}

static bool same_group(const struct bl_commit *commit, const struct bl_commit_group *group, int64_t day,
                       const struct bl_entity *b)
{
    const struct bl_entity *a = commit->refs[group->entity].entity;

    return group->day == day && !group->other && a->dimension == b->dimension && a->name_n == b->name_n &&
           memcmp(a->name, b->name, a->name_n) == 0;
}

static uint32_t add_group(struct bl_commit *commit, int64_t day, uint32_t entity, uint64_t hash, bool other)
{
    commit->groups[commit->groups_n] =
        (struct bl_commit_group){.day = day, .entity = entity, .hash = hash, .other = other};
    return (uint32_t)commit->groups_n++;
}

static uint32_t find_group(struct bl_commit *commit, int64_t day, uint32_t entity, uint64_t hash)
{
    const struct bl_entity *e = commit->refs[entity].entity;
    size_t at = hash & (commit->table_size - 1);

    while (commit->table[at] != UINT32_MAX) {
        if (same_group(commit, &commit->groups[commit->table[at]], day, e))
            return commit->table[at];
        at = (at + 1) & (commit->table_size - 1);
    }
    commit->table[at] = add_group(commit, day, entity, hash, false);
    return commit->table[at];
}

/* Where strangers of a day and dimension meet; there are as many as days and dimensions in the batches,
 * and the last one is nearly always the one. */
struct others {
    uint32_t group[BL_COMMIT_BATCHES * BL_DIMENSIONS];
    size_t   n;
};

static uint32_t find_other(struct bl_commit *commit, struct others *others, int64_t day, uint32_t entity)
{
    enum bl_dimension dimension = commit->refs[entity].entity->dimension;

    for (size_t i = others->n; i-- > 0;) {
        const struct bl_commit_group *group = &commit->groups[others->group[i]];

        if (group->day == day && commit->refs[group->entity].entity->dimension == dimension)
            return others->group[i];
    }
    if (others->n == BL_COUNT(others->group))
        others->n = 0; /* they are found no more, and the script adds them up as well */
    others->group[others->n] = add_group(commit, day, entity, 0, true);
    return others->group[others->n++];
}

static int64_t day_of(int64_t minute, int64_t now_s)
{
    int64_t day = minute / DAY_MINUTES;

    return (day + 1) * DAY_S + DAY_KEPT_S > now_s + CLOCKS_DIFFER_S ? day : OLD;
}

/* Then no two entities can be of one group. */
static bool one_minute_of_one_tally(const struct bl_commit *commit)
{
    for (size_t i = 1; i < commit->refs_n; i++)
        if (commit->refs[i].tally != commit->refs[0].tally ||
            commit->refs[i].entity->minute != commit->refs[0].entity->minute)
            return false;
    return true;
}

static void make_items(struct bl_commit *commit, int64_t now_s)
{
    bool all_differ = one_minute_of_one_tally(commit);
    struct others others = {.n = 0};

    commit->groups_n = 0;
    if (!all_differ)
        memset(commit->table, 0xff, commit->table_size * sizeof *commit->table);
    for (uint32_t i = 0; i < commit->refs_n; i++) {
        const struct bl_entity *e = commit->refs[i].entity;
        int64_t day = day_of(e->minute, now_s);
        uint64_t hash = group_hash(day, e);
        uint32_t group;

        if (bl_hash_set_has(&commit->strangers, hash))
            group = find_other(commit, &others, day, i);
        else if (all_differ)
            group = add_group(commit, day, i, hash, false);
        else
            group = find_group(commit, day, i, hash);
        commit->items[i] = (struct bl_commit_item){.day = day, .minute = e->minute, .entity = i, .group = group};
    }
}

/* ---- counts ---- */

/* The number of a suffix "|outcome" or "|outcome|category"; category -1: none. */
static uint16_t code_of(struct bl_commit *commit, enum bl_outcome outcome, int category)
{
    size_t at = (size_t)outcome * (1 + bl_rules_categories(commit->rules)) + (size_t)(category + 1);
    const char *word = bl_outcome_name(outcome);
    char text[256];
    int n;

    if (commit->code[at])
        return commit->code[at];
    commit->code[at] = (uint16_t)++commit->codes_n;
    n = snprintf(text, sizeof text, "|%s", word);
    if (category >= 0) {
        bl_slice name = bl_rules_category(commit->rules, (uint16_t)category)->name;

        n = snprintf(text, sizeof text, "|%s|%.*s", word, (int)(name.n < 200 ? name.n : 200), name.p);
    }
    bl_pack_text(&commit->suffixes, (bl_slice){text, (size_t)n});
    return commit->code[at];
}

static void add_to_sum(struct bl_commit *commit, uint16_t code, uint64_t count, size_t *touched)
{
    if (commit->sum[code] == 0)
        commit->touched[(*touched)++] = code;
    commit->sum[code] += count;
}

static bool has_categories(enum bl_dimension dimension)
{
    return dimension == BL_DIM_ALL || dimension == BL_DIM_DOMAIN || dimension == BL_DIM_PROVIDER;
}

static uint64_t add_entity(struct bl_commit *commit, uint32_t ref, size_t *touched)
{
    const struct bl_entity *entity = commit->refs[ref].entity;
    uint64_t total = 0, count;
    uint32_t cursor = entity->failures;
    enum bl_outcome outcome;
    uint16_t category;

    for (int i = 0; i < BL_OUTCOMES; i++) {
        if (entity->outcome[i] == 0)
            continue;
        total += entity->outcome[i];
        add_to_sum(commit, code_of(commit, (enum bl_outcome)i, -1), entity->outcome[i], touched);
    }
    while (has_categories(entity->dimension) &&
           bl_tally_next_failure(commit->refs[ref].tally, &cursor, &outcome, &category, &count))
        if (count)
            add_to_sum(commit, code_of(commit, outcome, category), count, touched);
    return total;
}

/* Packs the counts of items[0..n), in which each group's items stand together; where `entries` is not
 * NULL also which key each belongs to. */
static void pack_counts(struct bl_commit *commit, const struct bl_commit_item *items, size_t n, bool entries)
{
    struct bl_pack *days = &commit->days;
    size_t head, numbers = 0;

    if (entries) {
        size_t groups = 0, list = bl_pack_array_begin(days);

        for (size_t i = 0; i < n; i++)
            if (i == 0 || items[i].group != items[i - 1].group) {
                bl_pack_u64(days, commit->groups[items[i].group].index);
                groups++;
            }
        bl_pack_array_end(days, list, groups);
    }
    head = bl_pack_array_begin(days);
    for (size_t i = 0; i < n;) {
        uint32_t group = items[i].group;
        uint64_t total = 0;
        size_t touched = 0;

        for (; i < n && items[i].group == group; i++)
            total += add_entity(commit, items[i].entity, &touched);
        bl_pack_u64(days, total);
        bl_pack_u64(days, touched);
        for (size_t j = 0; j < touched; j++) {
            bl_pack_u64(days, commit->touched[j]);
            bl_pack_u64(days, commit->sum[commit->touched[j]]);
            commit->sum[commit->touched[j]] = 0;
        }
        numbers += 2 + 2 * touched;
    }
    bl_pack_array_end(days, head, numbers);
}

/* ---- buckets ---- */

static int compare(int64_t a, int64_t b)
{
    return a < b ? -1 : a > b;
}

static int by_day(const void *a, const void *b)
{
    const struct bl_commit_item *x = a, *y = b;
    int c = compare(x->day, y->day);

    return c ? c : compare(x->group, y->group);
}

static int by_hour(const void *a, const void *b)
{
    const struct bl_commit_item *x = a, *y = b;
    int c = compare(x->minute / HOUR_MINUTES, y->minute / HOUR_MINUTES);

    return c ? c : compare(x->group, y->group);
}

static int by_minute(const void *a, const void *b)
{
    const struct bl_commit_item *x = a, *y = b;
    int c = compare(x->minute, y->minute);

    return c ? c : compare(x->group, y->group);
}

static void sort(struct bl_commit_item *items, size_t n, int (*order)(const void *, const void *))
{
    for (size_t i = 1; i < n; i++)
        if (order(&items[i - 1], &items[i]) > 0) {
            qsort(items, n, sizeof *items, order);
            return;
        }
}

static void pack_bucket_head(struct bl_pack *days, char kind, int64_t number, int64_t expiry_s)
{
    char name[32];
    int n = snprintf(name, sizeof name, "%c:%" PRId64, kind, number);

    bl_pack_text(days, (bl_slice){name, (size_t)n});
    bl_pack_u64(days, (uint64_t)expiry_s);
}

/* The hours or minutes of one day: `per` minutes each, kept for `kept_s`.  Returns how many. */
static size_t pack_inner(struct bl_commit *commit, struct bl_commit_item *items, size_t n, int64_t now_s,
                         unsigned level)
{
    struct bl_pack *days = &commit->days;
    int64_t per = level == LEVEL_HOUR ? HOUR_MINUTES : 1;
    int64_t kept_s = level == LEVEL_HOUR ? HOUR_KEPT_S : MINUTE_KEPT_S;
    size_t buckets = 0;

    sort(items, n, level == LEVEL_HOUR ? by_hour : by_minute);
    for (size_t i = 0, end; i < n; i = end) {
        int64_t number = items[i].minute / per, expiry_s = (number + 1) * per * MINUTE_S + kept_s;

        for (end = i + 1; end < n && items[end].minute / per == number;)
            end++;
        if (expiry_s <= now_s + CLOCKS_DIFFER_S)
            continue;
        bl_pack_array(days, 5);
        pack_bucket_head(days, level == LEVEL_HOUR ? 'h' : 'm', number, expiry_s);
        bl_pack_u64(days, level);
        if (end - i == n) { /* as the day */
            bl_pack_u64(days, 0);
            bl_pack_u64(days, 0);
        } else {
            pack_counts(commit, items + i, end - i, true);
        }
        buckets++;
    }
    return buckets;
}

static void pack_keys(struct bl_commit *commit, int64_t day)
{
    struct bl_pack *days = &commit->days;
    size_t keys = 0, list = bl_pack_array_begin(days);

    for (size_t i = 0; i < commit->groups_n; i++)
        if (commit->groups[i].day == day) {
            commit->groups[i].index = (uint32_t)++keys;
            commit->sent.key[commit->sent.n++] = commit->groups[i].hash;
            pack_key(days, commit->refs[commit->groups[i].entity].entity, commit->groups[i].other);
        }
    bl_pack_array_end(days, list, keys);
    bl_pack_array(days, keys);
    for (size_t i = 0; i < commit->groups_n; i++)
        if (commit->groups[i].day == day)
            bl_pack_u64(days, 1 + (unsigned)commit->refs[commit->groups[i].entity].entity->dimension);
}

static void pack_day(struct bl_commit *commit, struct bl_commit_item *items, size_t n, int64_t now_s)
{
    struct bl_pack *days = &commit->days;
    int64_t day = items[0].day;
    size_t list, inner = 0;

    bl_pack_array(days, 7);
    if (day == OLD) {
        bl_pack_text(days, BL_SLICE("d:old"));
        bl_pack_u64(days, 0);
        bl_pack_u64(days, 0);
    } else {
        pack_bucket_head(days, 'd', day, (day + 1) * DAY_S + DAY_KEPT_S);
        bl_pack_u64(days, (uint64_t)day);
    }
    pack_keys(commit, day);
    pack_counts(commit, items, n, false);
    list = bl_pack_array_begin(days);
    if (day != OLD) {
        inner += pack_inner(commit, items, n, now_s, LEVEL_HOUR);
        inner += pack_inner(commit, items, n, now_s, LEVEL_MINUTE);
    }
    bl_pack_array_end(days, list, inner);
}

static void pack_setup(struct bl_pack *setup)
{
    bl_pack_clear(setup);
    bl_pack_array(setup, 3 + BL_DIMENSIONS);
    bl_pack_u64(setup, BL_COMMIT_MINUTE_CAP);
    bl_pack_u64(setup, BL_COMMIT_HOUR_CAP);
    bl_pack_u64(setup, BL_COMMIT_DAY_CAP);
    for (int i = 0; i < BL_DIMENSIONS; i++) {
        const char *name = bl_dimension_name((enum bl_dimension)i);

        bl_pack_text(setup, (bl_slice){name, strlen(name)});
    }
}

static bool pack_tallies(struct bl_commit *commit, int64_t now_s)
{
    struct bl_commit_item *items = commit->items;
    size_t days_n = 0, list, suffixes;

    pack_setup(&commit->setup);
    bl_pack_clear(&commit->days);
    bl_pack_clear(&commit->suffixes);
    memset(commit->code, 0, commit->codes_cap * sizeof *commit->code);
    commit->codes_n = 0;
    suffixes = bl_pack_array_begin(&commit->suffixes);
    list = bl_pack_array_begin(&commit->days);
    make_items(commit, now_s);
    commit->sent.n = 0;
    commit->sent.key = bl_realloc(commit->sent.key, (commit->groups_n + 1) * sizeof *commit->sent.key);
    if (!commit->sent.key)
        return false;
    sort(items, commit->refs_n, by_day);
    for (size_t i = 0, end; i < commit->refs_n; i = end) {
        for (end = i + 1; end < commit->refs_n && items[end].day == items[i].day;)
            end++;
        pack_day(commit, items + i, end - i, now_s);
        days_n++;
    }
    bl_pack_array_end(&commit->days, list, days_n);
    bl_pack_array_end(&commit->suffixes, suffixes, commit->codes_n);
    return !commit->setup.failed && !commit->days.failed && !commit->suffixes.failed;
}

/* ---- ranges ---- */

static void pack_decimal(struct bl_pack *pack, uint64_t value)
{
    char text[24];
    int n = snprintf(text, sizeof text, "%" PRIu64, value);

    bl_pack_text(pack, (bl_slice){text, (size_t)n});
}

static void pack_range_head(struct bl_pack *ranges, uint64_t from, const bl_position *to)
{
    char generation[24], text[BL_POSITION_TEXT_MAX];
    int n = snprintf(generation, sizeof generation, "%016" PRIx64, to->generation);

    bl_pack_text(ranges, (bl_slice){generation, (size_t)n});
    pack_decimal(ranges, from);
    bl_pack_text(ranges, (bl_slice){text, bl_position_text(to, text)});
}

void bl_commit_range(struct bl_pack *ranges, uint64_t from, const bl_position *to)
{
    bl_pack_array(ranges, 3);
    pack_range_head(ranges, from, to);
}

static size_t pack_total(struct bl_pack *ranges, const char *name, uint64_t count)
{
    if (count == 0)
        return 0;
    bl_pack_text(ranges, (bl_slice){name, strlen(name)});
    bl_pack_u64(ranges, count);
    return 2;
}

/* What all batches say about one generation, as one range. */
struct total {
    uint64_t from;
    const bl_position *to;
    uint64_t skipped, lines, unparsed, long_lines, outcome[BL_OUTCOMES];
};

static void add_range(struct total *total, const struct bl_range *range)
{
    total->to = &range->end;
    total->skipped += range->skipped_bytes;
    total->lines += range->lines;
    total->unparsed += range->unparsed;
    total->long_lines += range->long_lines;
    for (int i = 0; i < BL_OUTCOMES; i++)
        total->outcome[i] += range->outcome[i];
}

static void pack_range(struct bl_pack *ranges, const struct total *total)
{
    size_t fields = 3, head = bl_pack_array_begin(ranges);

    pack_range_head(ranges, total->from, total->to);
    fields += pack_total(ranges, "bytes", total->to->offset - total->from);
    fields += pack_total(ranges, "skipped", total->skipped);
    fields += pack_total(ranges, "lines", total->lines);
    fields += pack_total(ranges, "unparsed", total->unparsed);
    fields += pack_total(ranges, "long", total->long_lines);
    for (int i = 0; i < BL_OUTCOMES; i++)
        fields += pack_total(ranges, bl_outcome_name((enum bl_outcome)i), total->outcome[i]);
    bl_pack_array_end(ranges, head, fields);
}

static bool pack_ranges(struct bl_commit *commit, const struct bl_batch *const *batches, size_t n,
                        const struct bl_positions *at)
{
    struct bl_pack *ranges = &commit->ranges;
    struct total total[BL_COMMIT_BATCHES * BL_BATCH_RANGES];
    size_t totals = 0, t;

    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < batches[i]->ranges; j++) {
            const struct bl_range *range = &batches[i]->range[j];
            uint64_t from = bl_positions_offset(at, range->end.generation);

            if (range->end.offset <= from)
                continue;
            for (t = 0; t < totals && total[t].to->generation != range->end.generation;)
                t++;
            if (t == totals)
                total[totals++] = (struct total){.from = from};
            add_range(&total[t], range);
        }
    bl_pack_clear(ranges);
    bl_pack_array(ranges, totals);
    for (t = 0; t < totals; t++)
        pack_range(ranges, &total[t]);
    return !ranges->failed;
}

void bl_commit_sent_release(struct bl_commit_sent *sent)
{
    bl_free(sent->key);
    *sent = (struct bl_commit_sent){0};
}

void bl_commit_forget(struct bl_commit *commit)
{
    bl_hash_set_clear(&commit->strangers);
}

void bl_commit_learn(struct bl_commit *commit, const struct bl_commit_sent *sent, bl_slice numbers)
{
    uint64_t number;

    if (commit->strangers.full)
        bl_commit_forget(commit); /* yesterday's are in it too: begin anew */
    while (bl_slice_take_u64(&numbers, &number)) {
        if (number >= 1 && number <= sent->n && sent->key[number - 1])
            bl_hash_set_add(&commit->strangers, sent->key[number - 1]);
        if (!bl_slice_take(&numbers, BL_SLICE(" ")))
            return;
    }
}

bool bl_commit_pack(struct bl_commit *commit, const struct bl_batch *const *batches, size_t n,
                    const struct bl_positions *at, int64_t now_ms)
{
    size_t entities = 0;

    for (size_t i = 0; i < n; i++)
        entities += bl_tally_count(batches[i]->tally);
    if (!make_room(commit, entities))
        return false;
    commit->refs_n = 0;
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < bl_tally_count(batches[i]->tally); j++)
            commit->refs[commit->refs_n++] =
                (struct bl_commit_ref){batches[i]->tally, bl_tally_at(batches[i]->tally, j)};
    return pack_tallies(commit, now_ms / 1000) && pack_ranges(commit, batches, n, at);
}
