/* ctest: label=quick timeout=300 */
/* The tally against an array that is searched from the front.  Whatever the caps: a key that has an
 * entity has exactly its counts, and ~other has exactly the rest, by minute, dimension and outcome;
 * with room for everything there is no ~other.  The control is one event that only the model
 * counts. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "bounceline/rules.h"
#include "bounceline/tally.h"

enum { STREAMS = 60, EVENTS = 1500, KEYS = 4000, CATEGORIES = 6 };

struct key {
    int64_t minute;
    enum bl_dimension dimension;
    char name[256];
    uint64_t outcome[BL_OUTCOMES], failure[BL_OUTCOMES][CATEGORIES];
    bool seen;
};

static struct key keys[KEYS];
static size_t keys_n;

static uint64_t next_random(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state >> 11;
}

static struct key *key_of(int64_t minute, enum bl_dimension dimension, const char *name)
{
    for (size_t i = 0; i < keys_n; i++)
        if (keys[i].minute == minute && keys[i].dimension == dimension &&
            strcmp(keys[i].name, name) == 0)
            return &keys[i];
    assert_true(keys_n < KEYS);
    keys[keys_n] = (struct key){.minute = minute, .dimension = dimension};
    snprintf(keys[keys_n].name, sizeof keys[keys_n].name, "%s", name);
    return &keys[keys_n++];
}

static void count_key(int64_t minute, enum bl_dimension dimension, const char *name,
                      const bl_event *event)
{
    struct key *key = key_of(minute, dimension, name);

    key->outcome[event->outcome]++;
    if (event->failed && dimension != BL_DIM_SENDER && dimension != BL_DIM_INSTANCE)
        key->failure[event->outcome][event->verdict.category]++;
}

/* What a text is counted under, byte by byte. */
static void name_of(bl_slice text, const char *absent, char out[256])
{
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyz0123456789.-_:[]@+=";
    size_t n = text.n < 255 ? text.n : 255;

    if (n == 0) {
        strcpy(out, absent);
        return;
    }
    for (size_t i = 0; i < n; i++) {
        char c = text.p[i] >= 'A' && text.p[i] <= 'Z' ? (char)(text.p[i] - 'A' + 'a') : text.p[i];

        if ((unsigned char)c < 0x80 && (c == '\0' || !strchr(allowed, c))) {
            strcpy(out, BL_TALLY_INVALID);
            return;
        }
        out[i] = c;
    }
    out[n] = '\0';
}

static void count_in_model(int64_t minute, const bl_event *event)
{
    bl_slice provider = bl_rules_provider_name(bl_rules_builtin(), event->provider);
    char name[256];

    if (event->outcome == BL_DEFERRED && !event->attempt) {
        key_of(minute, BL_DIM_ALL, BL_TALLY_NO_ATTEMPT)->outcome[BL_DEFERRED]++;
        return;
    }
    count_key(minute, BL_DIM_ALL, "*", event);
    name_of(bl_address_domain(event->recipient), BL_TALLY_LOCAL, name);
    count_key(minute, BL_DIM_DOMAIN, name, event);
    snprintf(name, sizeof name, "%.*s", (int)provider.n, provider.p);
    count_key(minute, BL_DIM_PROVIDER, name, event);
    name_of(bl_address_domain(event->sender), BL_TALLY_LOCAL, name);
    if (event->sender.n == 0)
        strcpy(name, "<>");
    if (!event->has_sender)
        strcpy(name, BL_TALLY_UNKNOWN);
    count_key(minute, BL_DIM_SENDER, name, event);
    name_of(event->instance, BL_TALLY_UNKNOWN, name);
    count_key(minute, BL_DIM_INSTANCE, name, event);
}

static void make_name(uint64_t *state, char out[400], bool address)
{
    static const char odd[] = "AZaz09.-_~|< \n@[]\xc3\xff";
    size_t n = next_random(state) % 3 == 0 ? next_random(state) % 300 : next_random(state) % 40,
           at = 0;

    if (address && next_random(state) % 10) {
        at += (size_t)sprintf(out, "u%u", (unsigned)(next_random(state) % 10000));
        out[at++] = '@';
    }
    if (next_random(state) % 10) { /* one of a few */
        at += (size_t)sprintf(out + at, next_random(state) % 2 ? "D%u.Example" : "d%u.example",
                              (unsigned)(next_random(state) % 60));
        if (next_random(state) % 4 == 0)
            at += (size_t)sprintf(out + at, ".a-name-that-is-longer-than-an-entity.Example");
    } else if (next_random(state) % 4 == 0) {
        at += (size_t)sprintf(out + at, "~unknown"); /* a key of ours */
    } else {
        while (n--)
            out[at++] = odd[next_random(state) % (sizeof odd - 1)];
    }
    out[at] = '\0';
}

static void check_failures(const struct bl_tally *tally, const struct bl_entity *entity,
                           const struct key *key)
{
    uint64_t left[BL_OUTCOMES][CATEGORIES], n;
    uint32_t cursor = entity->failures;
    enum bl_outcome outcome;
    uint16_t category;

    memcpy(left, key->failure, sizeof left);
    while (bl_tally_next_failure(tally, &cursor, &outcome, &category, &n)) {
        assert_true(n > 0 && left[outcome][category] == n);
        left[outcome][category] = 0;
    }
    for (size_t i = 0; i < sizeof left / sizeof left[0][0]; i++)
        assert_int_equal((&left[0][0])[i], 0);
}

/* How many counts differ. */
static size_t compare(const struct bl_tally *tally, bool roomy, bool categories)
{
    size_t differences = 0, fields = 0;
    char name[256];

    for (size_t i = 0; i < bl_tally_count(tally); i++) {
        const struct bl_entity *entity = bl_tally_at(tally, i);
        struct key *key;

        fields++;
        for (size_t k = 0; k < BL_OUTCOMES; k++)
            fields += entity->outcome[k] != 0;
        snprintf(name, sizeof name, "%.*s", (int)entity->name_n, entity->name);
        if (strcmp(name, BL_TALLY_OTHER) == 0) {
            assert_false(roomy);
            continue;
        }
        key = key_of(entity->minute, entity->dimension, name);
        assert_false(key->seen);
        key->seen = true;
        differences += memcmp(key->outcome, entity->outcome, sizeof key->outcome) != 0;
        if (categories && differences == 0)
            check_failures(tally, entity, key);
        for (uint32_t cursor = entity->failures; cursor; fields++) {
            enum bl_outcome outcome;
            uint16_t category;
            uint64_t n;

            bl_tally_next_failure(tally, &cursor, &outcome, &category, &n);
        }
    }
    if (roomy)
        assert_int_equal(fields, bl_tally_fields(tally));
    for (size_t i = 0; i < keys_n; i++) { /* the rest */
        uint64_t rest[BL_OUTCOMES] = {0};
        const struct bl_entity *other = NULL;

        if (keys[i].seen)
            continue;
        for (size_t k = i; k < keys_n; k++)
            if (!keys[k].seen && keys[k].minute == keys[i].minute &&
                keys[k].dimension == keys[i].dimension) {
                for (size_t o = 0; o < BL_OUTCOMES; o++)
                    rest[o] += keys[k].outcome[o];
                keys[k].seen = true;
            }
        for (size_t k = 0; k < bl_tally_count(tally); k++) {
            const struct bl_entity *entity = bl_tally_at(tally, k);

            if (entity->minute == keys[i].minute && entity->dimension == keys[i].dimension &&
                bl_slice_eq((bl_slice){entity->name, entity->name_n}, BL_SLICE(BL_TALLY_OTHER)))
                other = entity;
        }
        differences += !other || memcmp(rest, other->outcome, sizeof rest) != 0;
    }
    return differences;
}

static size_t run(struct bl_tally *tally, uint64_t seed, bool roomy, bool one_more)
{
    static const enum bl_outcome outcomes[] = {BL_DELIVERED, BL_DEFERRED, BL_BOUNCED, BL_EXPIRED,
                                               BL_REJECTED,  BL_DROPPED,  BL_RELAYED, BL_DISCARDED};
    static const char *const instances[] = {"postfix", "postfix-out", "Postfix-1",
                                            "",        "~other",      "a b"};
    uint64_t state = seed * 0x9e3779b97f4a7c15 + 1;
    char recipient[400], sender[400];

    keys_n = 0;
    bl_tally_clear(tally);
    for (size_t i = 0; i < EVENTS; i++) {
        bl_event event = {.outcome = outcomes[next_random(&state) % 8]};
        int64_t minute = (int64_t)(i / 500 + next_random(&state) % 2);
        const char *instance = instances[next_random(&state) % 6];

        make_name(&state, recipient, true);
        make_name(&state, sender, true);
        event.attempt = next_random(&state) % 8 > 0;
        event.has_sender = next_random(&state) % 8 > 0;
        event.failed = event.outcome != BL_DELIVERED && event.outcome != BL_RELAYED &&
                       event.outcome != BL_DISCARDED && next_random(&state) % 8 > 0;
        event.verdict.category = (uint16_t)(next_random(&state) % CATEGORIES);
        event.provider = (uint16_t)(next_random(&state) % 4);
        event.instance = (bl_slice){instance, strlen(instance)};
        event.recipient = (bl_slice){recipient, strlen(recipient)};
        event.sender = (bl_slice){sender, next_random(&state) % 8 ? strlen(sender) : 0};
        if (!(one_more && i == EVENTS / 2))
            bl_tally_event(tally, minute, &event, bl_rules_builtin());
        count_in_model(minute, &event);
    }
    return compare(tally, roomy, roomy);
}

static void with_room_for_all_every_count_is_there(void **state)
{
    struct bl_tally *tally = bl_tally_new(KEYS, KEYS * 4);

    (void)state;
    assert_non_null(tally);
    for (uint64_t seed = 1; seed <= STREAMS; seed++) {
        assert_int_equal(run(tally, seed, true, false), 0);
        assert_int_equal(bl_tally_overflow(tally), 0);
        assert_int_equal(bl_tally_failures_lost(tally), 0);
    }
    bl_tally_free(tally);
}

static void without_room_other_has_the_rest(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= STREAMS; seed++) {
        struct bl_tally *tally = bl_tally_new(seed * 3, seed * 5);

        assert_non_null(tally);
        assert_int_equal(run(tally, seed, false, false), 0);
        assert_true(bl_tally_overflow(tally) > 0);
        bl_tally_free(tally);
    }
}

static void one_event_more_is_noticed(void **state)
{
    struct bl_tally *roomy = bl_tally_new(KEYS, KEYS * 4), *narrow = bl_tally_new(50, 50);

    (void)state;
    for (uint64_t seed = 1; seed <= 5; seed++) {
        assert_int_not_equal(run(roomy, seed, true, true), 0);
        assert_int_not_equal(run(narrow, seed, false, true), 0);
    }
    bl_tally_free(roomy);
    bl_tally_free(narrow);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(with_room_for_all_every_count_is_there),
        cmocka_unit_test(without_room_other_has_the_rest),
        cmocka_unit_test(one_event_more_is_noticed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
