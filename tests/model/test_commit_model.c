/* ctest: label=quick timeout=120
 *
 * What commit.c says to Redis against plain addition: random results over hours and days, past
 * keeping too, a few keys to a bucket, tallies so small that they have ~other of their own.  The
 * model adds entity after entity to one flat table; the program's fields are put into another, as
 * commit.lua would.  In between memory runs out in the middle of a commit, or its answer never
 * comes: then all that was known is forgotten, read back and committed again, once.
 *
 * Negative controls, each made once by hand, each failing here: strangers of one minute that are
 * added to the next one's buckets, one without its categories, sums that a failed commit leaves
 * behind, and a stranger of the day with a place of its own in the hour. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "bounceline/alloc.h"
#include "bounceline/rules.h"
#include "commit.h"

enum {
    WORLDS = 25,
    COMMITS = 30,
    BATCHES = 4,
    EVENTS = 120,
    CELLS = 1 << 15,
    NAME = 96,
    DAY_MINUTES = 1440
};

static const int64_t now_s = 20781 * INT64_C(86400) + 12345;

/* --- a hash of hashes, flat: "d:20781 domain|a.example|bounced" --- */

struct cells {
    char name[CELLS][NAME];
    uint64_t value[CELLS];
    size_t n;
};

static struct cells redis, model;

static uint64_t *cell_of(struct cells *cells, const char *name)
{
    size_t at = 5381;

    for (const char *p = name; *p; p++)
        at = at * 33 + (unsigned char)*p;
    for (at %= CELLS; cells->name[at][0]; at = (at + 1) % CELLS)
        if (strcmp(cells->name[at], name) == 0)
            return &cells->value[at];
    assert_true(++cells->n < CELLS / 2);
    snprintf(cells->name[at], NAME, "%s", name);
    return &cells->value[at];
}

static uint64_t *field_of(struct cells *cells, const char *bucket, const char *field)
{
    char name[2 * NAME];

    assert_true(snprintf(name, sizeof name, "%s %s", bucket, field) < NAME);
    return cell_of(cells, name);
}

/* --- the model --- */

static const struct bl_rules *rules;
static struct bl_counter_limits limits;

static bool has_room(const char *bucket, const char *key, enum bl_dimension dimension, size_t cap)
{
    char mark[NAME];
    uint64_t *places;

    if (*field_of(&model, bucket, key))
        return true;
    snprintf(mark, sizeof mark, "#|%s", bl_dimension_name(dimension));
    places = field_of(&model, bucket, mark);
    if (*places >= cap)
        return false;
    ++*places;
    return true;
}

static void add(const char *bucket, const char *key, const struct bl_tally *tally,
                const struct bl_entity *entity)
{
    uint32_t cursor = entity->failures;
    enum bl_outcome outcome;
    uint16_t category;
    uint64_t count;
    char field[2 * NAME];

    for (int i = 0; i < BL_OUTCOMES; i++)
        if (entity->outcome[i]) {
            snprintf(field, sizeof field, "%s|%s", key, bl_outcome_name((enum bl_outcome)i));
            *field_of(&model, bucket, field) += entity->outcome[i];
            *field_of(&model, bucket, key) += entity->outcome[i];
        }
    if (entity->dimension == BL_DIM_SENDER || entity->dimension == BL_DIM_INSTANCE)
        return;
    while (bl_tally_next_failure(tally, &cursor, &outcome, &category, &count)) {
        bl_slice name = bl_rules_category(rules, category)->name;

        snprintf(field, sizeof field, "%s|%s|%.*s", key, bl_outcome_name(outcome), (int)name.n,
                 name.p);
        *field_of(&model, bucket, field) += count;
    }
}

static void count_entity(const struct bl_tally *tally, const struct bl_entity *entity)
{
    const struct {
        char kind;
        int64_t minutes, kept_s;
        size_t cap;
    } levels[] = {{'d', DAY_MINUTES, limits.day_kept_s, limits.day_cap},
                  {'h', 60, limits.hour_kept_s, limits.hour_cap},
                  {'m', 1, limits.minute_kept_s, limits.minute_cap}};
    bool own = !(entity->name_n == 6 && memcmp(entity->name, "~other", 6) == 0), known = own;
    char key[NAME], other[NAME], bucket[NAME];

    snprintf(key, sizeof key, "%s|%.*s", bl_dimension_name(entity->dimension), entity->name_n,
             entity->name);
    snprintf(other, sizeof other, "%s|~other", bl_dimension_name(entity->dimension));
    for (size_t i = 0; i < BL_COUNT(levels); i++) {
        int64_t number = entity->minute / levels[i].minutes;
        bool kept = (number + 1) * levels[i].minutes * 60 + levels[i].kept_s > now_s + 60;
        bool mine;

        if (!kept && levels[i].kind != 'd')
            continue;
        snprintf(bucket, sizeof bucket, kept ? "%c:%lld" : "%c:old", levels[i].kind,
                 (long long)number);
        mine = known && has_room(bucket, key, entity->dimension, levels[i].cap);
        add(bucket, mine ? key : other, tally, entity);
        if (levels[i].kind == 'd')
            known = mine;
    }
}

/* --- the program's side --- */

static const uint8_t *in, *in_end;

static size_t take(size_t bytes)
{
    size_t n = 0;

    assert_true((size_t)(in_end - in) >= bytes);
    while (bytes--)
        n = n << 8 | *in++;
    return n;
}

static size_t take_array(void)
{
    size_t head = take(1);

    if (head >> 4 == 9)
        return head & 15;
    assert_in_range(head, 0xdc, 0xdd);
    return take(head == 0xdc ? 2 : 4);
}

static void take_number(void)
{
    size_t head = take(1);

    if (head >= 0x80) {
        assert_in_range(head, 0xcc, 0xcf);
        take((size_t)1 << (head - 0xcc));
    }
}

static void take_text(char out[NAME])
{
    size_t head = take(1), n = head & 31;

    if (head >> 5 != 5) {
        assert_in_range(head, 0xd9, 0xdb);
        n = take((size_t)1 << (head - 0xd9));
    }
    assert_true(n < NAME && (size_t)(in_end - in) >= n);
    memcpy(out, in, n);
    out[n] = '\0';
    in += n;
}

/* As commit.lua does with its seventh argument. */
static void apply(const struct bl_pack *counters)
{
    in = (const uint8_t *)counters->bytes;
    in_end = in + counters->n;
    for (size_t buckets = take_array(); buckets > 0; buckets--) {
        char bucket[NAME], field[NAME], value[NAME];

        assert_int_equal(take_array(), 4);
        take_text(bucket);
        take_number();
        take_number();
        for (size_t texts = take_array(); texts > 0; texts -= 2) {
            take_text(field);
            take_text(value);
            *field_of(&redis, bucket, field) = strtoull(value, NULL, 10);
        }
    }
    assert_ptr_equal(in, in_end);
}

static void tell(struct bl_bucket *bucket)
{
    size_t n = strlen(bucket->name);

    for (size_t i = 0; i < CELLS; i++)
        if (strncmp(redis.name[i], bucket->name, n) == 0 && redis.name[i][n] == ' ') {
            const char *field = redis.name[i] + n + 1;

            assert_true(
                bl_bucket_add(bucket, (bl_slice){field, strlen(field)}, (uint64_t)redis.value[i]));
        }
    bucket->state = BL_BUCKET_KNOWN;
}

static size_t allowed = SIZE_MAX, broken_off;

static bool may_allocate(void *arg, size_t bytes)
{
    (void)arg;
    (void)bytes;
    return allowed && allowed--;
}

static bool pack(struct bl_commit *commit, const struct bl_batch *const *batches, size_t n,
                 size_t memory)
{
    const struct bl_positions at = {0};
    struct bl_bucket *bucket;
    size_t taken = n;
    bool ok;

    assert_true(bl_commit_begin(commit, batches, n, now_s * 1000));
    while ((bucket = bl_commit_next_unknown(commit)) != NULL)
        tell(bucket);
    assert_true(bl_commit_knows_all(commit));
    allowed = memory;
    ok = bl_commit_pack(commit, batches, &taken, &at, now_s * 1000);
    allowed = SIZE_MAX;
    broken_off += !ok;
    assert_true(!ok || taken == n);
    return ok;
}

/* --- random results --- */

static uint64_t seed;

static unsigned draw(unsigned n)
{
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (unsigned)(seed >> 33) % n;
}

static bl_slice draw_name(char out[32], const char *before, unsigned n)
{
    return (bl_slice){
        out, (size_t)snprintf(out, 32, "%sx%u.example", before, draw(4) ? draw(n) / 8 : draw(n))};
}

static void fill(struct bl_tally *tally)
{
    int64_t now_minute = now_s / 60, around = now_minute - draw(2 * DAY_MINUTES + DAY_MINUTES / 2);

    for (size_t i = draw(EVENTS); i > 0; i--) {
        char to[32], from[32], instance[32];
        bl_event event = {.outcome = (enum bl_outcome)draw(BL_OUTCOMES),
                          .attempt = draw(10) > 0,
                          .has_sender = true};

        event.recipient = draw_name(to, "a@", 40);
        event.sender = draw_name(from, "b@", 40);
        event.instance = draw_name(instance, "", 20);
        event.provider = (uint16_t)draw((unsigned)bl_rules_providers(rules));
        event.failed = event.outcome == BL_DEFERRED || event.outcome == BL_BOUNCED ||
                       event.outcome == BL_EXPIRED || event.outcome == BL_REJECTED;
        event.verdict.category = (uint16_t)draw(draw(2) ? 3 : (unsigned)bl_rules_categories(rules));
        if (draw(20) == 0)
            around = now_minute - draw(3 * DAY_MINUTES);
        bl_tally_event(tally, around - draw(3), &event, rules);
    }
}

static void compare(void)
{
    for (int turn = 0; turn < 2; turn++)
        for (size_t i = 0; i < CELLS; i++) {
            const char *name = (turn ? &model : &redis)->name[i];

            if (name[0] && *cell_of(&redis, name) != *cell_of(&model, name))
                fail_msg("%s: %llu in Redis, not %llu", name,
                         (unsigned long long)*cell_of(&redis, name),
                         (unsigned long long)*cell_of(&model, name));
        }
}

static void run(struct bl_commit *commit, struct bl_batch *const *batches)
{
    const struct bl_batch *given[BATCHES];
    size_t n = 1 + draw(BATCHES);

    for (size_t i = 0; i < n; i++) {
        given[i] = batches[i];
        bl_tally_clear(batches[i]->tally);
        fill(batches[i]->tally);
        for (size_t j = 0; j < bl_tally_count(batches[i]->tally); j++)
            count_entity(batches[i]->tally, bl_tally_at(batches[i]->tally, j));
    }
    while (draw(3) == 0) {
        pack(commit, given, n, draw(2) ? SIZE_MAX : draw(12));
        bl_commit_forget(commit);
    }
    assert_true(pack(commit, given, n, SIZE_MAX));
    apply(&commit->counters);
}

static void buckets_hold_what_was_counted(void **state)
{
    struct bl_batch batches[BATCHES] = {0}, *given[BATCHES];

    (void)state;
    rules = bl_rules_builtin();
    for (seed = 1; seed <= WORLDS;) {
        uint64_t world = seed;
        struct bl_commit *commit = bl_commit_new(rules, NULL);

        assert_non_null(commit);
        memset(&redis, 0, sizeof redis);
        memset(&model, 0, sizeof model);
        commit->limits = (struct bl_counter_limits){.minute_cap = 1 + draw(3),
                                                    .hour_cap = 1 + draw(6),
                                                    .day_cap = draw(9),
                                                    .minute_kept_s = 3 * 3600,
                                                    .hour_kept_s = 86400,
                                                    .day_kept_s = 86400};
        limits = commit->limits;
        for (size_t i = 0; i < BATCHES; i++) {
            batches[i].tally = bl_tally_new(20 + draw(500), 20 + draw(500));
            assert_non_null(batches[i].tally);
            given[i] = &batches[i];
        }
        bl_alloc_set_hook(may_allocate, NULL);
        for (size_t i = 0; i < COMMITS; i++)
            run(commit, given);
        bl_alloc_set_hook(NULL, NULL);
        compare();
        for (size_t i = 0; i < BATCHES; i++)
            bl_tally_free(batches[i].tally);
        bl_commit_free(commit);
        seed = world + 1;
    }
    print_message("%zu commits broken off for want of memory\n", broken_off);
    assert_true(broken_off > 50);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(buckets_hold_what_was_counted),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
