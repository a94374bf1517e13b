/* Each entity of a tally (minute, dimension, name) counts in three buckets: its minute's, its
 * hour's, its day's.  A bucket is a table from field to value that mirrors a hash in Redis; the
 * fields that an entity touches grow there, and are put on the bucket's list of changed ones the
 * first time a commit touches them. So an entity's field is sent once per commit with its new
 * value, however many minutes and batches went into it, and Redis neither looks anything up nor
 * adds anything.
 *
 * A key counts by itself only if the bucket has room for it (first come, first served); the day
 * decides for its hours and minutes, too. */
#include "commit.h"

#include <inttypes.h>
#include <stdio.h>

#include "bounceline/alloc.h"
#include "bounceline/hash.h"
#include "bounceline/rules.h"

enum {
    DAY_S = 86400,
    HOUR_S = 3600,
    MINUTE_S = 60,
    HOUR_MINUTES = 60,
    DAY_MINUTES = 1440,
    CLOCKS_DIFFER_S = 60, /* a bucket that expires this soon is not begun any more */
    FIELD_MAX = BL_COMMIT_KEY_MAX + 256,
    NO_CATEGORY = -1
};

static const int64_t OLD = INT64_MIN; /* the day of everything that is past keeping by day */
static const uint32_t NONE = UINT32_MAX;

struct bl_cell {
    uint64_t hash, value, turn; /* turn: the commit that changed it last */
    uint32_t name_at, name_n;
};

struct bl_suffix {
    char text[200]; /* "|bounced|invalid-recipient" */
    uint32_t n;
};

/* A field name with its hash. */
typedef struct field {
    bl_slice name;
    uint64_t hash;
} field;

static field make_field(const char *p, size_t n)
{
    return (field){{p, n}, bl_hash64((bl_slice){p, n})};
}

enum { DAY, HOUR, MINUTE, LEVELS }; /* a time counts in one bucket of each */

/* What counts under `~other` of one dimension and level: added up first, for most keys of a busy
 * server are strangers. */
struct bl_rest {
    uint64_t total, outcome[BL_OUTCOMES];
    uint64_t *failed; /* [outcome][category] */
    bool has_failed;
};

/* ---- buckets ---- */

struct bl_bucket *bl_bucket_new(void)
{
    return bl_calloc(1, sizeof(struct bl_bucket));
}

void bl_bucket_free(struct bl_bucket *bucket)
{
    if (!bucket)
        return;
    bl_free(bucket->cells);
    bl_free(bucket->index);
    bl_free(bucket->changed);
    bl_free(bucket->names);
    bl_free(bucket);
}

static bool grow_cells(struct bl_bucket *bucket)
{
    size_t cap = bucket->cells_cap ? bucket->cells_cap * 2 : 64, size = cap * 2;
    struct bl_cell *cells = bl_realloc(bucket->cells, cap * sizeof *cells);
    uint32_t *changed = cells ? bl_realloc(bucket->changed, cap * sizeof *changed) : NULL;
    uint32_t *index = changed ? bl_malloc(size * sizeof *index) : NULL;

    if (cells)
        bucket->cells = cells;
    if (changed)
        bucket->changed = changed;
    if (!index)
        return false;
    memset(index, 0xff, size * sizeof *index);
    for (uint32_t i = 0; i < bucket->cells_n; i++) {
        size_t at = cells[i].hash & (size - 1);

        while (index[at] != NONE)
            at = (at + 1) & (size - 1);
        index[at] = i;
    }
    bl_free(bucket->index);
    bucket->index = index;
    bucket->index_size = size;
    bucket->cells_cap = cap;
    return true;
}

static bool grow_names(struct bl_bucket *bucket, size_t more)
{
    size_t cap = bucket->names_cap ? bucket->names_cap : 4096;
    char *names;

    if (bucket->names_cap - bucket->names_n >= more)
        return true;
    while (cap - bucket->names_n < more)
        cap *= 2;
    if (cap > UINT32_MAX)
        return false;
    names = bl_realloc(bucket->names, cap);
    if (!names)
        return false;
    bucket->names = names;
    bucket->names_cap = cap;
    return true;
}

static struct bl_cell *find_cell(const struct bl_bucket *bucket, field f)
{
    if (bucket->cells_n == 0)
        return NULL;
    for (size_t at = f.hash & (bucket->index_size - 1); bucket->index[at] != NONE;
         at = (at + 1) & (bucket->index_size - 1)) {
        struct bl_cell *cell = &bucket->cells[bucket->index[at]];

        if (cell->hash == f.hash && cell->name_n == f.name.n &&
            memcmp(bucket->names + cell->name_at, f.name.p, f.name.n) == 0)
            return cell;
    }
    return NULL;
}

/* The field's cell; a new one, of value 0, when there is none.  NULL without memory. */
static struct bl_cell *take_cell(struct bl_bucket *bucket, field f)
{
    struct bl_cell *cell = find_cell(bucket, f);
    size_t at;

    if (cell)
        return cell;
    if (bucket->cells_n == bucket->cells_cap && !grow_cells(bucket))
        return NULL;
    if (!grow_names(bucket, f.name.n))
        return NULL;
    for (at = f.hash & (bucket->index_size - 1); bucket->index[at] != NONE;)
        at = (at + 1) & (bucket->index_size - 1);
    bucket->index[at] = (uint32_t)bucket->cells_n;
    cell = &bucket->cells[bucket->cells_n++];
    *cell = (struct bl_cell){
        .hash = f.hash, .name_at = (uint32_t)bucket->names_n, .name_n = (uint32_t)f.name.n};
    memcpy(bucket->names + bucket->names_n, f.name.p, f.name.n);
    bucket->names_n += f.name.n;
    return cell;
}

bool bl_bucket_add(struct bl_bucket *bucket, bl_slice name, uint64_t value)
{
    struct bl_cell *cell =
        name.n <= UINT32_MAX ? take_cell(bucket, make_field(name.p, name.n)) : NULL;

    if (!cell)
        return false;
    cell->value = value;
    for (int i = 0; i < BL_DIMENSIONS && bl_slice_take(&name, BL_SLICE("#|")); i++) {
        const char *dimension = bl_dimension_name((enum bl_dimension)i);

        if (bl_slice_eq(name, (bl_slice){dimension, strlen(dimension)}))
            bucket->keys[i] = value;
        name = (bl_slice){name.p - 2, name.n + 2};
    }
    return true;
}

bool bl_bucket_next(const struct bl_bucket *bucket, size_t *at, bl_slice *name, uint64_t *value)
{
    const struct bl_cell *cell;

    if (*at == bucket->cells_n)
        return false;
    cell = &bucket->cells[(*at)++];
    *name = (bl_slice){bucket->names + cell->name_at, cell->name_n};
    *value = cell->value;
    return true;
}

static bool grow(struct bl_bucket *bucket, uint64_t turn, field f, uint64_t n)
{
    struct bl_cell *cell = take_cell(bucket, f);

    if (!cell)
        return false;
    cell->value += n;
    if (cell->turn != turn) {
        cell->turn = turn;
        bucket->changed[bucket->changed_n++] = (uint32_t)(cell - bucket->cells);
    }
    return true;
}

/* ---- which buckets ---- */

static struct bl_bucket *find_bucket(const struct bl_commit *commit, char kind, int64_t number)
{
    for (size_t i = commit->buckets_n; i-- > 0;)
        if (commit->buckets[i]->number == number && commit->buckets[i]->kind == kind)
            return commit->buckets[i];
    return NULL;
}

static bool need_bucket(struct bl_commit *commit, char kind, int64_t number, int64_t expiry_s,
                        size_t cap)
{
    struct bl_bucket *bucket = find_bucket(commit, kind, number);

    if (!bucket) {
        if (commit->buckets_n == commit->buckets_cap) {
            size_t more = commit->buckets_cap ? commit->buckets_cap * 2 : 64;
            struct bl_bucket **grown =
                bl_realloc(commit->buckets, more * sizeof(struct bl_bucket *));

            if (!grown)
                return false;
            commit->buckets = grown;
            commit->buckets_cap = more;
        }
        bucket = bl_bucket_new();
        if (!bucket)
            return false;
        *bucket = (struct bl_bucket){.owner = commit->owner,
                                     .kind = kind,
                                     .number = number,
                                     .expiry_s = expiry_s,
                                     .cap = cap};
        if (number == OLD)
            snprintf(bucket->name, sizeof bucket->name, "d:old");
        else
            snprintf(bucket->name, sizeof bucket->name, "%c:%" PRId64, kind, number);
        commit->buckets[commit->buckets_n++] = bucket;
    }
    bucket->used = commit->turn;
    return true;
}

/* When a bucket that begins at `number` times `per_s` seconds expires; 0: it is past that. */
static int64_t expiry_of(int64_t number, int64_t per_s, int64_t kept_s, int64_t now_s)
{
    int64_t expiry_s = (number + 1) * per_s + kept_s;

    return expiry_s > now_s + CLOCKS_DIFFER_S ? expiry_s : 0;
}

static int64_t day_of(const struct bl_commit *commit, int64_t minute, int64_t now_s)
{
    int64_t day = minute / DAY_MINUTES;

    return expiry_of(day, DAY_S, commit->limits.day_kept_s, now_s) ? day : OLD;
}

static bool need_buckets(struct bl_commit *commit, int64_t minute, int64_t now_s)
{
    const struct bl_counter_limits *limits = &commit->limits;
    int64_t day = day_of(commit, minute, now_s), hour = minute / HOUR_MINUTES;
    int64_t day_expiry_s = day == OLD ? 0 : expiry_of(day, DAY_S, limits->day_kept_s, now_s);
    int64_t hour_expiry_s = expiry_of(hour, HOUR_S, limits->hour_kept_s, now_s);
    int64_t minute_expiry_s = expiry_of(minute, MINUTE_S, limits->minute_kept_s, now_s);

    return need_bucket(commit, 'd', day, day_expiry_s, limits->day_cap) &&
           (!hour_expiry_s || need_bucket(commit, 'h', hour, hour_expiry_s, limits->hour_cap)) &&
           (!minute_expiry_s ||
            need_bucket(commit, 'm', minute, minute_expiry_s, limits->minute_cap));
}

/* Forgets those that were not used lately, as far as there are too many; but none whose answer is
 * on its way, for that is written into it. */
static void forget_unused(struct bl_commit *commit)
{
    while (commit->buckets_n > BL_COMMIT_BUCKETS) {
        size_t oldest = commit->buckets_n;

        for (size_t i = 0; i < commit->buckets_n; i++)
            if (commit->buckets[i]->used < commit->turn &&
                commit->buckets[i]->state != BL_BUCKET_ASKED &&
                (oldest == commit->buckets_n ||
                 commit->buckets[i]->used < commit->buckets[oldest]->used))
                oldest = i;
        if (oldest == commit->buckets_n)
            return;
        bl_bucket_free(commit->buckets[oldest]);
        memmove(commit->buckets + oldest, commit->buckets + oldest + 1,
                (commit->buckets_n - oldest - 1) * sizeof(struct bl_bucket *));
        commit->buckets_n--;
    }
}

bool bl_commit_begin(struct bl_commit *commit, const struct bl_batch *const *batches, size_t n,
                     int64_t now_ms)
{
    int64_t last = -1;

    commit->turn++;
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < bl_tally_count(batches[i]->tally); j++) {
            int64_t minute = bl_tally_at(batches[i]->tally, j)->minute;

            if (minute != last && !need_buckets(commit, minute, now_ms / 1000))
                return false;
            last = minute;
        }
    forget_unused(commit);
    return true;
}

struct bl_bucket *bl_commit_next_unknown(struct bl_commit *commit)
{
    for (size_t i = 0; i < commit->buckets_n; i++)
        if (commit->buckets[i]->state == BL_BUCKET_UNKNOWN) {
            commit->buckets[i]->state = BL_BUCKET_ASKED;
            return commit->buckets[i];
        }
    return NULL;
}

bool bl_commit_knows_all(const struct bl_commit *commit)
{
    for (size_t i = 0; i < commit->buckets_n; i++)
        if (commit->buckets[i]->state != BL_BUCKET_KNOWN)
            return false;
    return true;
}

/* ---- life ---- */

static void make_names(struct bl_commit *commit, const struct bl_rules *rules)
{
    for (size_t o = 0; o < BL_OUTCOMES; o++)
        for (size_t c = 0; c <= commit->categories; c++) {
            struct bl_suffix *suffix = &commit->suffixes[o * (1 + commit->categories) + c];
            const char *outcome = bl_outcome_name((enum bl_outcome)o);
            bl_slice name = {"", 0};
            int n;

            if (c > 0)
                name = bl_slice_head(bl_rules_category(rules, (uint16_t)(c - 1))->name, 150);
            n = snprintf(suffix->text, sizeof suffix->text, "|%s%s%.*s", outcome, c ? "|" : "",
                         (int)name.n, name.p);
            suffix->n = (uint32_t)n;
        }
    for (int i = 0; i < BL_DIMENSIONS; i++) {
        struct bl_suffix *mark = &commit->marks[i];

        mark->n = (uint32_t)snprintf(mark->text, sizeof mark->text, "#|%s",
                                     bl_dimension_name((enum bl_dimension)i));
    }
}

struct bl_commit *bl_commit_new(const struct bl_rules *rules, void *owner)
{
    struct bl_commit *commit = bl_calloc(1, sizeof *commit);

    if (!commit)
        return NULL;
    commit->owner = owner;
    commit->limits = bl_counter_limits_default;
    commit->categories = bl_rules_categories(rules);
    commit->suffixes = bl_calloc(BL_OUTCOMES * (1 + commit->categories), sizeof *commit->suffixes);
    commit->marks = bl_calloc(BL_DIMENSIONS, sizeof *commit->marks);
    commit->rests = bl_calloc(LEVELS * BL_DIMENSIONS, sizeof *commit->rests);
    commit->rests_failed = bl_calloc(LEVELS * BL_DIMENSIONS * BL_OUTCOMES * commit->categories,
                                     sizeof *commit->rests_failed);
    if (!commit->suffixes || !commit->marks || !commit->rests || !commit->rests_failed) {
        bl_commit_free(commit);
        return NULL;
    }
    for (size_t i = 0; i < LEVELS * BL_DIMENSIONS; i++)
        commit->rests[i].failed = commit->rests_failed + i * BL_OUTCOMES * commit->categories;
    make_names(commit, rules);
    return commit;
}

static void clear_rest(const struct bl_commit *commit, struct bl_rest *rest)
{
    if (rest->has_failed)
        memset(rest->failed, 0, BL_OUTCOMES * commit->categories * sizeof *rest->failed);
    *rest = (struct bl_rest){.failed = rest->failed};
}

void bl_commit_forget(struct bl_commit *commit)
{
    for (size_t i = 0; i < commit->buckets_n; i++)
        bl_bucket_free(commit->buckets[i]);
    commit->buckets_n = 0;
    for (size_t i = 0; commit->rests && i < LEVELS * BL_DIMENSIONS; i++)
        clear_rest(commit, &commit->rests[i]);
}

void bl_commit_free(struct bl_commit *commit)
{
    if (!commit)
        return;
    bl_commit_forget(commit);
    bl_pack_release(&commit->ranges);
    bl_pack_release(&commit->counters);
    bl_free(commit->buckets);
    bl_free(commit->suffixes);
    bl_free(commit->marks);
    bl_free(commit->rests);
    bl_free(commit->rests_failed);
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

/* ---- counting ---- */

static bool has_categories(enum bl_dimension dimension)
{
    return dimension == BL_DIM_ALL || dimension == BL_DIM_DOMAIN || dimension == BL_DIM_PROVIDER;
}

/* A key, with room behind it for suffixes. */
struct key {
    char text[FIELD_MAX];
    size_t n;
    field whole;
};

static void make_key(struct key *key, enum bl_dimension dimension, bl_slice name)
{
    key->n = bl_commit_key(dimension, name, key->text);
    key->whole = make_field(key->text, key->n);
}

static bool grow_suffixed(struct bl_commit *commit, struct bl_bucket *bucket, struct key *key,
                          enum bl_outcome outcome, int category, uint64_t n)
{
    const struct bl_suffix *suffix =
        &commit->suffixes[(size_t)outcome * (1 + commit->categories) + (size_t)(category + 1)];

    memcpy(key->text + key->n, suffix->text, suffix->n);
    return grow(bucket, commit->turn, make_field(key->text, key->n + suffix->n), n);
}

/* All counters of one entity under one key. */
static bool grow_key(struct bl_commit *commit, struct bl_bucket *bucket, struct key *key,
                     const struct bl_tally *tally, const struct bl_entity *entity)
{
    uint64_t total = 0, count;
    uint32_t cursor = entity->failures;
    enum bl_outcome outcome;
    uint16_t category;

    for (int i = 0; i < BL_OUTCOMES; i++) {
        total += entity->outcome[i];
        if (entity->outcome[i] && !grow_suffixed(commit, bucket, key, (enum bl_outcome)i,
                                                 NO_CATEGORY, entity->outcome[i]))
            return false;
    }
    while (has_categories(entity->dimension) &&
           bl_tally_next_failure(tally, &cursor, &outcome, &category, &count))
        if (count && category < commit->categories &&
            !grow_suffixed(commit, bucket, key, outcome, category, count))
            return false;
    return grow(bucket, commit->turn, key->whole, total);
}

/* Whether the key counts by itself in this bucket; a new one takes a place if there is one left. */
static bool admit(struct bl_commit *commit, struct bl_bucket *bucket, enum bl_dimension dimension,
                  const struct key *key, bool *failed)
{
    const struct bl_suffix *mark = &commit->marks[dimension];

    if (find_cell(bucket, key->whole))
        return true;
    if (bucket->keys[dimension] >= bucket->cap)
        return false;
    bucket->keys[dimension]++;
    *failed |= !grow(bucket, commit->turn, make_field(mark->text, mark->n), 1);
    return true;
}

static void add_rest(const struct bl_commit *commit, struct bl_rest *rest,
                     const struct bl_tally *tally, const struct bl_entity *entity)
{
    uint32_t cursor = entity->failures;
    enum bl_outcome outcome;
    uint16_t category;
    uint64_t count;

    for (int i = 0; i < BL_OUTCOMES; i++) {
        rest->outcome[i] += entity->outcome[i];
        rest->total += entity->outcome[i];
    }
    while (has_categories(entity->dimension) &&
           bl_tally_next_failure(tally, &cursor, &outcome, &category, &count))
        if (category < commit->categories) {
            rest->failed[outcome * commit->categories + category] += count;
            rest->has_failed = true;
        }
}

/* Puts what was added up where it counts. */
static bool grow_rest(struct bl_commit *commit, struct bl_bucket *bucket,
                      enum bl_dimension dimension, struct bl_rest *rest)
{
    size_t failed_n = BL_OUTCOMES * commit->categories;
    bool ok = true;
    struct key key;

    make_key(&key, dimension, BL_SLICE(BL_TALLY_OTHER));
    for (int i = 0; i < BL_OUTCOMES; i++)
        if (rest->outcome[i])
            ok &= grow_suffixed(commit, bucket, &key, (enum bl_outcome)i, NO_CATEGORY,
                                rest->outcome[i]);
    for (size_t i = 0; rest->has_failed && i < failed_n; i++)
        if (rest->failed[i])
            ok &= grow_suffixed(commit, bucket, &key, (enum bl_outcome)(i / commit->categories),
                                (int)(i % commit->categories), rest->failed[i]);
    ok &= grow(bucket, commit->turn, key.whole, rest->total);
    clear_rest(commit, rest);
    return ok;
}

/* Buckets of hour and minute may be NULL: past keeping. */
static bool grow_rests(struct bl_commit *commit, struct bl_bucket *const buckets[LEVELS])
{
    bool ok = true;

    for (int i = 0; i < LEVELS * BL_DIMENSIONS; i++)
        if (commit->rests[i].total)
            ok &= grow_rest(commit, buckets[i / BL_DIMENSIONS],
                            (enum bl_dimension)(i % BL_DIMENSIONS), &commit->rests[i]);
    return ok;
}

/* A stranger of the day is one of hour and minute, too. */
static bool count_entity(struct bl_commit *commit, struct bl_bucket *const buckets[LEVELS],
                         const struct bl_tally *tally, const struct bl_entity *entity)
{
    bl_slice name = {entity->name, entity->name_n};
    bool in_day = !bl_slice_eq(name, BL_SLICE(BL_TALLY_OTHER)), failed = false;
    struct key key;

    if (in_day)
        make_key(&key, entity->dimension, name);
    for (int i = 0; i < LEVELS && !failed; i++) {
        bool mine;

        if (!buckets[i])
            continue;
        mine = in_day && admit(commit, buckets[i], entity->dimension, &key, &failed);
        if (mine)
            failed |= !grow_key(commit, buckets[i], &key, tally, entity);
        else
            add_rest(commit, &commit->rests[i * BL_DIMENSIONS + (int)entity->dimension], tally,
                     entity);
        in_day = i == DAY ? mine : in_day;
    }
    return !failed;
}

static bool count_tally(struct bl_commit *commit, const struct bl_tally *tally, int64_t now_s)
{
    struct bl_bucket *buckets[LEVELS] = {NULL, NULL, NULL};
    int64_t last = -1;

    for (size_t i = 0; i < bl_tally_count(tally); i++) {
        const struct bl_entity *entity = bl_tally_at(tally, i);

        if (entity->minute != last) {
            if (!grow_rests(commit, buckets))
                return false;
            last = entity->minute;
            buckets[DAY] = find_bucket(commit, 'd', day_of(commit, last, now_s));
            buckets[HOUR] = find_bucket(commit, 'h', last / HOUR_MINUTES);
            buckets[MINUTE] = find_bucket(commit, 'm', last);
        }
        if (!count_entity(commit, buckets, tally, entity))
            return false;
    }
    return grow_rests(commit, buckets);
}

static void pack_bucket(struct bl_pack *pack, struct bl_bucket *bucket)
{
    bl_pack_array(pack, 4);
    bl_pack_text(pack, (bl_slice){bucket->name, strlen(bucket->name)});
    bl_pack_u64(pack, (uint64_t)bucket->expiry_s);
    bl_pack_u64(pack, bucket->kind != 'd'     ? 0
                      : bucket->number == OLD ? 1
                                              : 1 + (uint64_t)bucket->number);
    bl_pack_array(pack, 2 * bucket->changed_n);
    for (size_t i = 0; i < bucket->changed_n; i++) {
        const struct bl_cell *cell = &bucket->cells[bucket->changed[i]];

        bl_pack_text(pack, (bl_slice){bucket->names + cell->name_at, cell->name_n});
        bl_pack_decimal(pack, (int64_t)cell->value);
    }
    bucket->changed_n = 0;
}

static size_t changed_fields(const struct bl_commit *commit)
{
    size_t n = 0;

    for (size_t i = 0; i < commit->buckets_n; i++)
        n += commit->buckets[i]->changed_n;
    return n;
}

/* A field costs Redis once, however many batches moved it: what ends a commit is how many moved. */
static bool count_batches(struct bl_commit *commit, const struct bl_batch *const *batches,
                          size_t *n, int64_t now_s)
{
    size_t taken = 0;

    while (taken < *n && changed_fields(commit) < BL_COMMIT_FIELDS)
        if (!count_tally(commit, batches[taken++]->tally, now_s))
            return false;
    *n = taken;
    return true;
}

static bool pack_counters(struct bl_commit *commit)
{
    size_t list, packed = 0;

    bl_pack_clear(&commit->counters);
    list = bl_pack_array_begin(&commit->counters);
    for (size_t i = 0; i < commit->buckets_n; i++)
        if (commit->buckets[i]->changed_n) {
            pack_bucket(&commit->counters, commit->buckets[i]);
            packed++;
        }
    bl_pack_array_end(&commit->counters, list, packed);
    return !commit->counters.failed;
}

/* ---- ranges ---- */

static void pack_range_head(struct bl_pack *ranges, uint64_t from, const bl_position *to)
{
    char generation[24], text[BL_POSITION_TEXT_MAX];
    int n = snprintf(generation, sizeof generation, "%016" PRIx64, to->generation);

    bl_pack_text(ranges, (bl_slice){generation, (size_t)n});
    bl_pack_decimal(ranges, (int64_t)from);
    bl_pack_text(ranges, (bl_slice){text, bl_position_text(to, text)});
}

void bl_commit_range(struct bl_pack *ranges, uint64_t from, const bl_position *to)
{
    bl_pack_array(ranges, 3);
    pack_range_head(ranges, from, to);
}

/* What is counted of a generation; the outcomes follow. */
enum { BYTES, SKIPPED, LINES, UNPARSED, LONG, REPEATS_CUT, OUTCOMES };

_Static_assert(BL_COMMIT_TOTALS == OUTCOMES + BL_OUTCOMES, "each total has a name");

bl_slice bl_commit_total(size_t i)
{
    static const char *const names[OUTCOMES] = {"bytes",    "skipped", "lines",
                                                "unparsed", "long",    "repeats_cut"};
    const char *name = i < OUTCOMES ? names[i] : bl_outcome_name((enum bl_outcome)(i - OUTCOMES));

    return (bl_slice){name, strlen(name)};
}

/* What all batches say about one generation, as one range. */
struct total {
    uint64_t from;
    const bl_position *to;
    uint64_t count[BL_COMMIT_TOTALS];
};

static void add_range(struct total *total, const struct bl_range *range)
{
    total->to = &range->end;
    total->count[BYTES] = range->end.offset - total->from;
    total->count[SKIPPED] += range->skipped_bytes;
    total->count[LINES] += range->lines;
    total->count[UNPARSED] += range->unparsed;
    total->count[LONG] += range->long_lines;
    total->count[REPEATS_CUT] += range->repeats_cut;
    for (int i = 0; i < BL_OUTCOMES; i++)
        total->count[OUTCOMES + i] += range->outcome[i];
}

static void pack_range(struct bl_pack *ranges, const struct total *total)
{
    size_t fields = 3, head = bl_pack_array_begin(ranges);

    pack_range_head(ranges, total->from, total->to);
    for (size_t i = 0; i < BL_COMMIT_TOTALS; i++)
        if (total->count[i]) {
            bl_pack_text(ranges, bl_commit_total(i));
            bl_pack_u64(ranges, total->count[i]);
            fields += 2;
        }
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

            if (!bl_positions_behind(at, &range->end))
                continue;
            for (t = 0; t < totals && total[t].to->generation != range->end.generation;)
                t++;
            if (t == totals)
                total[totals++] =
                    (struct total){.from = bl_positions_offset(at, range->end.generation)};
            add_range(&total[t], range);
        }
    bl_pack_clear(ranges);
    bl_pack_array(ranges, totals);
    for (t = 0; t < totals; t++)
        pack_range(ranges, &total[t]);
    return !ranges->failed;
}

bool bl_commit_pack(struct bl_commit *commit, const struct bl_batch *const *batches, size_t *n,
                    const struct bl_positions *at, int64_t now_ms)
{
    return count_batches(commit, batches, n, now_ms / 1000) && pack_counters(commit) &&
           pack_ranges(commit, batches, *n, at);
}
