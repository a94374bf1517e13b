/* An entity is 128 bytes, aligned: the counters in one cache line, what identifies it in the next, with
 * names of up to 31 bytes inside; so a hit costs a line of slots and these two.  The keys of an event
 * are hashed first and their slots prefetched, then counted.  All, provider and instance hardly ever
 * change from one event to the next and are remembered, without a hash.
 *
 * Failure categories are nodes in one pool, found by a second index over (entity, outcome, category) and
 * chained per entity for the walk: an entity with a hundred categories costs no more than one with two.
 *
 * Bytes per entity: 128 + 16..32 (slots) + at most 24 for long names, about 170; per category
 * of an entity 24 + 16..32.  A scan with 131 072 entities and as many categories: at most 29 MiB, and only
 * what is used is touched. */
#include "bounceline/tally.h"

#include "../base/slots.h"
#include "bounceline/hash.h"
#include "bounceline/rules.h"

_Static_assert(sizeof(struct bl_entity) == 128, "two cache lines");

enum {
    NAME_MAX_BYTES = 255,
    LONG_NAME_BYTES = 24, /* of pool per entity; most names are short and take none */
    OTHERS = BL_DIMENSIONS * BL_TALLY_OTHER_MINUTES,
    PROVIDERS = 64, /* remembered */
    INSTANCES = 4
};

struct failure {
    uint64_t count;
    uint32_t entity, next;
    uint16_t category;
    uint8_t  outcome;
};

/* Which entity a key without text had in this minute; `ref` 0: none. */
struct recent {
    int64_t minute;
    uint32_t ref;
    uint16_t provider;
};

struct bl_tally {
    struct bl_slots slots;
    struct bl_entity *entities; /* 1..count; references count from 1 */
    size_t entities_cap, count, ordinary;
    size_t others[BL_DIMENSIONS];
    uint32_t last_other[BL_DIMENSIONS];
    char *names;
    size_t names_cap, names_used;

    struct bl_slots failure_slots;
    struct failure *failures; /* 1..failures_used */
    size_t failures_cap, failures_used;

    size_t fields;
    uint64_t overflow, failures_lost;
    uint64_t salt;
    struct recent all, provider[PROVIDERS], instance[INSTANCES];
    void *memory; /* what entities are aligned in */
};

/* A name on its way into the table. */
struct key {
    enum bl_dimension dimension;
    bool own; /* ours or the rule set's, not a log's */
    bl_slice name;
    uint64_t hash;
};

const char *bl_dimension_name(enum bl_dimension dimension)
{
    static const char *const names[BL_DIMENSIONS] = {"all", "domain", "provider", "sender", "instance"};

    return dimension < BL_DIMENSIONS ? names[dimension] : "";
}

struct bl_tally *bl_tally_new(size_t entities_cap, size_t failures_cap)
{
    struct bl_tally *tally = bl_calloc(1, sizeof *tally);
    size_t all = entities_cap + OTHERS;

    if (!tally)
        return NULL;
    tally->entities_cap = entities_cap;
    tally->failures_cap = failures_cap;
    tally->names_cap = entities_cap * LONG_NAME_BYTES;
    tally->names = bl_malloc(tally->names_cap);
    tally->failures = bl_malloc((failures_cap + 1) * sizeof *tally->failures);
    if (!bl_slots_init(&tally->slots, all) || !bl_slots_init(&tally->failure_slots, failures_cap) ||
        !tally->names || !tally->failures)
        goto fail;
    tally->memory = bl_malloc((all + 2) * sizeof *tally->entities);
    if (!tally->memory)
        goto fail;
    tally->entities = (void *)(((uintptr_t)tally->memory + 127) & ~(uintptr_t)127);
    /* Strangers choose domains, and could choose them to share a home slot if its hash were public. */
    tally->salt = (uintptr_t)tally->memory ^ (uint64_t)(uintptr_t)tally->slots.v << 20;
    return tally;
fail:
    bl_tally_free(tally);
    return NULL;
}

void bl_tally_free(struct bl_tally *tally)
{
    if (!tally)
        return;
    bl_slots_release(&tally->slots);
    bl_slots_release(&tally->failure_slots);
    bl_free(tally->names);
    bl_free(tally->failures);
    bl_free(tally->memory);
    bl_free(tally);
}

static uint32_t tag_of(uint64_t hash)
{
    return (uint32_t)(hash >> 32);
}

static uint64_t failure_hash(uint32_t entity, enum bl_outcome outcome, uint16_t category)
{
    uint64_t x = (uint64_t)entity << 24 | (uint64_t)category << 4 | (uint64_t)outcome;

    x = (x ^ x >> 29) * 0x9e3779b97f4a7c15;
    return x ^ x << 23;
}

void bl_tally_clear(struct bl_tally *tally)
{
    for (uint32_t ref = 1; ref <= tally->count; ref++)
        bl_slots_blank(&tally->slots, tag_of(tally->entities[ref].hash), ref);
    for (uint32_t ref = 1; ref <= tally->failures_used; ref++) {
        const struct failure *f = &tally->failures[ref];

        bl_slots_blank(&tally->failure_slots, tag_of(failure_hash(f->entity, f->outcome, f->category)), ref);
    }
    tally->count = tally->ordinary = tally->names_used = tally->failures_used = tally->fields = 0;
    tally->overflow = tally->failures_lost = 0;
    memset(tally->others, 0, sizeof tally->others);
    memset(tally->last_other, 0, sizeof tally->last_other);
    memset(&tally->all, 0, sizeof tally->all);
    memset(tally->provider, 0, sizeof tally->provider);
    memset(tally->instance, 0, sizeof tally->instance);
}

size_t bl_tally_fields(const struct bl_tally *tally)
{
    return tally->fields;
}

uint64_t bl_tally_overflow(const struct bl_tally *tally)
{
    return tally->overflow;
}

uint64_t bl_tally_failures_lost(const struct bl_tally *tally)
{
    return tally->failures_lost;
}

size_t bl_tally_count(const struct bl_tally *tally)
{
    return tally->count;
}

const struct bl_entity *bl_tally_at(const struct bl_tally *tally, size_t index)
{
    return &tally->entities[index + 1];
}

/* --- names --- */

/* Eight bytes at once: 0x20 is added where a byte lies in 'A'..'Z'. */
static uint64_t lower8(uint64_t x)
{
    const uint64_t ones = 0x0101010101010101;
    uint64_t low = x & (0x7f * ones);
    uint64_t from_a = low + (0x80 - 'A') * ones, above_z = low + (0x7f - 'Z') * ones;

    return x | (((from_a & ~above_z & ~x) & (0x80 * ones)) >> 2);
}

static bl_slice lower(char out[NAME_MAX_BYTES + 1], bl_slice name)
{
    size_t n = name.n < NAME_MAX_BYTES ? name.n : NAME_MAX_BYTES, i = 0;
    uint64_t x;

    for (; i + 8 <= n; i += 8) {
        memcpy(&x, name.p + i, 8);
        x = lower8(x);
        memcpy(out + i, &x, 8);
    }
    if (i < n && n >= 8) { /* the last eight again, partly for the second time */
        memcpy(&x, name.p + n - 8, 8);
        x = lower8(x);
        memcpy(out + n - 8, &x, 8);
        i = n;
    }
    for (; i < n; i++)
        out[i] = bl_lower(name.p[i]);
    return (bl_slice){out, n};
}

static bool is_key_byte(unsigned char c)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c >= 0x80 || (c && strchr(".-_:[]@+=", c));
}

static bool is_valid(bl_slice name)
{
    for (size_t i = 0; i < name.n; i++)
        if (!is_key_byte((unsigned char)name.p[i]))
            return false;
    return true;
}

static struct key own_key(enum bl_dimension dimension, bl_slice name)
{
    return (struct key){.dimension = dimension, .own = true, .name = name};
}

/* Lower-cased into `room`.  Whether it is made of key bytes is looked at when it is new. */
static struct key text_key(enum bl_dimension dimension, bl_slice name, const char *absent, char *room)
{
    if (name.n == 0)
        return own_key(dimension, (bl_slice){absent, strlen(absent)});
    if (name.p[0] == '~' || name.p[0] == '<')
        return own_key(dimension, BL_SLICE(BL_TALLY_INVALID));
    return (struct key){.dimension = dimension, .name = lower(room, name)};
}

static bl_slice domain_of(bl_slice address)
{
    const char *at = address.n ? memrchr(address.p, '@', address.n) : NULL;

    return at ? bl_slice_drop(address, (size_t)(at + 1 - address.p)) : (bl_slice){0};
}

/* --- entities --- */

static void hash_key(const struct bl_tally *tally, int64_t minute, struct key *key)
{
    uint64_t seed = tally->salt + key->dimension + (uint64_t)minute * 0x9e3779b97f4a7c15;

    key->hash = bl_hash64_seeded(key->name, seed);
    bl_slots_prefetch(&tally->slots, tag_of(key->hash));
}

static uint32_t find(const struct bl_tally *tally, int64_t minute, const struct key *key)
{
    uint32_t at = bl_slots_home(&tally->slots, tag_of(key->hash)), ref;

    while ((ref = bl_slots_next(&tally->slots, tag_of(key->hash), &at)) != 0) {
        const struct bl_entity *entity = &tally->entities[ref];

        if (entity->hash == key->hash && entity->minute == minute && entity->dimension == key->dimension &&
            bl_slice_eq((bl_slice){entity->name, entity->name_n}, key->name))
            return ref;
    }
    return 0;
}

static bool has_room(const struct bl_tally *tally, bl_slice name)
{
    size_t text = name.n > sizeof tally->entities->short_name ? name.n : 0;

    return tally->ordinary < tally->entities_cap && text <= tally->names_cap - tally->names_used;
}

static uint32_t add(struct bl_tally *tally, int64_t minute, const struct key *key)
{
    uint32_t ref = (uint32_t)++tally->count;
    struct bl_entity *entity = &tally->entities[ref];
    char *name = entity->short_name;

    memset(entity->outcome, 0, sizeof entity->outcome);
    if (key->name.n > sizeof entity->short_name) {
        name = tally->names + tally->names_used;
        tally->names_used += key->name.n;
    }
    memcpy(name, key->name.p, key->name.n);
    entity->hash = key->hash;
    entity->minute = minute;
    entity->name = name;
    entity->name_n = (uint8_t)key->name.n;
    entity->dimension = key->dimension;
    entity->failures = 0;
    bl_slots_put(&tally->slots, tag_of(key->hash), ref);
    tally->fields++;
    return ref;
}

static uint32_t find_other(struct bl_tally *tally, int64_t minute, enum bl_dimension dimension)
{
    struct key key = own_key(dimension, BL_SLICE(BL_TALLY_OTHER));
    uint32_t ref;

    tally->overflow++;
    hash_key(tally, minute, &key);
    ref = find(tally, minute, &key);
    if (ref)
        return ref;
    if (tally->others[dimension] == BL_TALLY_OTHER_MINUTES)
        return tally->last_other[dimension];
    tally->others[dimension]++;
    ref = add(tally, minute, &key);
    tally->last_other[dimension] = ref;
    return ref;
}

/* The key is new. */
static uint32_t admit(struct bl_tally *tally, int64_t minute, const struct key *key)
{
    struct key invalid = own_key(key->dimension, BL_SLICE(BL_TALLY_INVALID));

    if (!key->own && !is_valid(key->name)) {
        uint32_t ref;

        hash_key(tally, minute, &invalid);
        ref = find(tally, minute, &invalid);
        if (ref)
            return ref;
        key = &invalid;
    }
    if (!has_room(tally, key->name))
        return find_other(tally, minute, key->dimension);
    tally->ordinary++;
    return add(tally, minute, key);
}

static uint32_t find_or_admit(struct bl_tally *tally, int64_t minute, const struct key *key)
{
    uint32_t ref = find(tally, minute, key);

    return ref ? ref : admit(tally, minute, key);
}

/* For keys that hardly change: `recent` is the place to remember it.  What fell to ~other is not
 * remembered, so that each time is counted. */
static uint32_t find_and_remember(struct bl_tally *tally, int64_t minute, struct key key, struct recent *recent)
{
    uint64_t overflow = tally->overflow;
    uint32_t ref;

    hash_key(tally, minute, &key);
    ref = find_or_admit(tally, minute, &key);
    *recent = (struct recent){.minute = minute, .ref = overflow == tally->overflow ? ref : 0};
    return ref;
}

static uint32_t find_all(struct bl_tally *tally, int64_t minute)
{
    if (tally->all.ref && tally->all.minute == minute)
        return tally->all.ref;
    return find_and_remember(tally, minute, own_key(BL_DIM_ALL, BL_SLICE("*")), &tally->all);
}

static uint32_t find_provider(struct bl_tally *tally, int64_t minute, uint16_t provider, const struct bl_rules *rules)
{
    struct recent *recent = &tally->provider[provider % PROVIDERS];
    uint32_t ref;

    if (recent->ref && recent->minute == minute && recent->provider == provider)
        return recent->ref;
    ref = find_and_remember(tally, minute, own_key(BL_DIM_PROVIDER, bl_rules_provider_name(rules, provider)),
                            recent);
    recent->provider = provider;
    return ref;
}

static uint32_t find_instance(struct bl_tally *tally, int64_t minute, bl_slice instance)
{
    size_t at = instance.n ? (unsigned char)instance.p[instance.n - 1] + instance.n : 0;
    struct recent *recent = &tally->instance[at % INSTANCES];
    const struct bl_entity *entity = &tally->entities[recent->ref];
    char room[NAME_MAX_BYTES + 1];

    if (recent->ref && recent->minute == minute && instance.n && instance.p[0] != '~' &&
        bl_slice_eq(instance, (bl_slice){entity->name, entity->name_n}))
        return recent->ref;
    return find_and_remember(tally, minute, text_key(BL_DIM_INSTANCE, instance, BL_TALLY_UNKNOWN, room), recent);
}

/* --- counting --- */

static uint32_t find_failure(const struct bl_tally *tally, uint32_t entity, enum bl_outcome outcome,
                             uint16_t category, uint32_t tag)
{
    uint32_t at = bl_slots_home(&tally->failure_slots, tag), ref;

    while ((ref = bl_slots_next(&tally->failure_slots, tag, &at)) != 0) {
        const struct failure *f = &tally->failures[ref];

        if (f->entity == entity && f->outcome == outcome && f->category == category)
            return ref;
    }
    return 0;
}

static void count_failure(struct bl_tally *tally, uint32_t entity, enum bl_outcome outcome, uint16_t category)
{
    uint32_t tag = tag_of(failure_hash(entity, outcome, category));
    uint32_t ref = find_failure(tally, entity, outcome, category, tag);
    struct bl_entity *owner = &tally->entities[entity];
    size_t kept = owner->dimension == BL_DIM_ALL ? 0 : tally->failures_cap / 4;

    if (!ref) {
        if (tally->failures_used + kept >= tally->failures_cap) {
            tally->failures_lost++;
            return;
        }
        ref = (uint32_t)++tally->failures_used;
        tally->failures[ref] = (struct failure){
            .entity = entity, .next = owner->failures, .category = category, .outcome = (uint8_t)outcome};
        owner->failures = ref;
        bl_slots_put(&tally->failure_slots, tag, ref);
        tally->fields++;
    }
    tally->failures[ref].count++;
}

static void count_outcome(struct bl_tally *tally, uint32_t entity, enum bl_outcome outcome)
{
    uint64_t *count = &tally->entities[entity].outcome[outcome];

    tally->fields += *count == 0;
    *count += 1;
}

static struct key sender_key(const bl_event *event, char *room)
{
    if (!event->has_sender)
        return own_key(BL_DIM_SENDER, BL_SLICE(BL_TALLY_UNKNOWN));
    if (event->sender.n == 0)
        return own_key(BL_DIM_SENDER, BL_SLICE("<>"));
    return text_key(BL_DIM_SENDER, domain_of(event->sender), BL_TALLY_LOCAL, room);
}

static void count_no_attempt(struct bl_tally *tally, int64_t minute)
{
    struct key key = own_key(BL_DIM_ALL, BL_SLICE(BL_TALLY_NO_ATTEMPT));

    hash_key(tally, minute, &key);
    count_outcome(tally, find_or_admit(tally, minute, &key), BL_DEFERRED);
}

void bl_tally_event(struct bl_tally *tally, int64_t minute, const bl_event *event, const struct bl_rules *rules)
{
    char domain_room[NAME_MAX_BYTES + 1], sender_room[NAME_MAX_BYTES + 1];
    enum bl_outcome outcome = event->outcome;
    struct key domain, sender;
    uint32_t ref[BL_DIMENSIONS];

    if (outcome == BL_DEFERRED && !event->attempt) {
        count_no_attempt(tally, minute);
        return;
    }
    domain = text_key(BL_DIM_DOMAIN, domain_of(event->recipient), BL_TALLY_LOCAL, domain_room);
    hash_key(tally, minute, &domain);
    sender = sender_key(event, sender_room);
    hash_key(tally, minute, &sender);
    ref[BL_DIM_ALL] = find_all(tally, minute);
    ref[BL_DIM_PROVIDER] = find_provider(tally, minute, event->provider, rules);
    ref[BL_DIM_INSTANCE] = find_instance(tally, minute, event->instance);
    ref[BL_DIM_SENDER] = find_or_admit(tally, minute, &sender);
    ref[BL_DIM_DOMAIN] = find_or_admit(tally, minute, &domain);
    for (size_t i = 0; i < BL_DIMENSIONS; i++)
        count_outcome(tally, ref[i], outcome);
    if (!event->failed)
        return;
    count_failure(tally, ref[BL_DIM_ALL], outcome, event->verdict.category);
    count_failure(tally, ref[BL_DIM_PROVIDER], outcome, event->verdict.category);
    count_failure(tally, ref[BL_DIM_DOMAIN], outcome, event->verdict.category);
}

bool bl_tally_next_failure(const struct bl_tally *tally, uint32_t *cursor, enum bl_outcome *outcome,
                           uint16_t *category, uint64_t *count)
{
    const struct failure *f = &tally->failures[*cursor];

    if (*cursor == 0)
        return false;
    *outcome = f->outcome;
    *category = f->category;
    *count = f->count;
    *cursor = f->next;
    return true;
}
