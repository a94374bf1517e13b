/* An entity is two cache lines: its counters in one, what identifies it in the other, with names of
 * up to 31 bytes inside.  A key on its way in has that same shape, four words of lower-cased name
 * padded with zeros and the length in the last byte, so that hashing it is three multiplications
 * and comparing it four words.  Of a longer name the words hold a 128-bit hash.
 *
 * A hundred thousand entities do not fit into a near cache, so an event is counted in three steps
 * with other events between them: its keys are hashed and their slots prefetched; AHEAD events
 * later the slots are read and the entities prefetched; as many later they are counted.  Whoever
 * looks at the tally first settles what is under way.  All, provider and instance hardly ever
 * change from one event to the next: events that have them in common are counted in one place, and
 * the three entities get their shares when the place is needed or somebody looks.
 *
 * Failure categories are nodes in one pool, found by a second index over (entity, outcome,
 * category) and chained per entity for the walk: an entity with a hundred categories costs no more
 * than one with two.
 *
 * Bytes per entity: 128 + 16..32 (slots) + at most 24 for long names, about 170; per category
 * of an entity 24 + 16..32.  A scan with 131 072 entities and as many categories: at most 29 MiB,
 * and only what is used is touched. */
#include "bounceline/tally.h"

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "a name's last byte must be its word's highest"
#endif

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

#include "../base/slots.h"
#include "bounceline/domain.h"
#include "bounceline/hash.h"
#include "bounceline/rules.h"

_Static_assert(sizeof(struct bl_entity) == 128, "two cache lines");
_Static_assert(offsetof(struct bl_entity, name_n) == offsetof(struct bl_entity, short_name) + 31,
               "a name and its length are 32 bytes");

enum {
    NAME_MAX_BYTES = 255,
    SHORT_BYTES = 31,
    LONG_NAME_BYTES = 24, /* of pool per entity; most names are short and take none */
    OTHERS = BL_DIMENSIONS * BL_TALLY_OTHER_MINUTES,
    TOGETHERS = 64,
    SENDERS = 256, /* remembered */
    AHEAD = 4,
    FAILURES_AHEAD = 4
};

struct failure {
    uint64_t count;
    uint32_t entity, next;
    uint16_t category;
    uint8_t outcome;
};

/* Events that have everything in common but domain and sender, not yet counted for the three. */
struct together {
    int64_t minute;                   /* NOBODYS: not to be found by the next event */
    uint32_t all, provider, instance; /* entities */
    uint16_t provider_id;
    uint32_t outcome[BL_OUTCOMES];
};

enum { NOBODYS = -1 };

/* Which entity a sender's domain was. */
struct sender {
    int64_t minute;
    uint32_t ref; /* 0: none */
};

/* A name on its way into the table. */
struct key {
    uint64_t word[4];
    uint32_t tag;
    enum bl_dimension dimension;
    bool own;              /* ours or the rule set's, not a log's */
    const char *long_text; /* lower-cased; of a name that the words do not hold */
};

/* A failure whose entity is known. */
struct failing {
    uint32_t entity, tag;
    uint16_t category;
    uint8_t outcome;
};

/* An event whose keys are hashed. */
struct waiting {
    int64_t minute;
    uint32_t all, provider;
    uint32_t sender_ref; /* 0: to be found by its key */
    uint16_t category;
    uint8_t outcome;
    bool failed;
    struct key domain, sender;
    /* of names too long for the key */
    char domain_room[NAME_MAX_BYTES], sender_room[NAME_MAX_BYTES];
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
    uint64_t salt, salt2;
    struct key null_sender, unknown_sender;
    struct together together[TOGETHERS];
    bool any_together; /* some of them wait */
    struct sender senders[SENDERS];
    struct bl_tally *self; /* so that looking, which promises const, can settle first */
    struct waiting waiting[2 * AHEAD];
    size_t first, next; /* waiting[first % 2 AHEAD] is the oldest, next - first are waiting */
    struct failing failing[2 * FAILURES_AHEAD];
    size_t first_failing, next_failing; /* the same of these */
};

const char *bl_dimension_name(enum bl_dimension dimension)
{
    static const char *const names[BL_DIMENSIONS] = {"all", "domain", "provider", "sender",
                                                     "instance"};

    return dimension < BL_DIMENSIONS ? names[dimension] : "";
}

static void set_literal_key(struct key *key, enum bl_dimension dimension, const char *text);
static void forget_togethers(struct bl_tally *tally);

struct bl_tally *bl_tally_new(size_t entities_cap, size_t failures_cap)
{
    struct bl_tally *tally = bl_calloc(1, sizeof *tally);
    size_t all = entities_cap + OTHERS;

    if (!tally)
        return NULL;
    tally->self = tally;
    forget_togethers(tally);
    tally->entities_cap = entities_cap;
    tally->failures_cap = failures_cap;
    tally->names_cap = entities_cap * LONG_NAME_BYTES;
    tally->names = bl_malloc(tally->names_cap);
    tally->failures = bl_table_new(failures_cap + 1, sizeof *tally->failures);
    tally->entities = bl_table_new(all + 1, sizeof *tally->entities);
    if (!bl_slots_init(&tally->slots, all) || !bl_slots_init(&tally->failure_slots, failures_cap) ||
        !tally->names || !tally->failures || !tally->entities) {
        bl_tally_free(tally);
        return NULL;
    }
    /* Strangers choose domains, and could choose them to share a home slot if its hash were
     * public. */
    tally->salt = bl_hash_fold((uintptr_t)tally->entities ^ 0x9fb21c651e98df25,
                               (uintptr_t)tally->slots.v ^ 0x165667919e3779f9);
    tally->salt2 =
        bl_hash_fold(tally->salt ^ 0xc2b2ae3d27d4eb4f, (uintptr_t)tally ^ 0x9e3779b185ebca87);
    set_literal_key(&tally->null_sender, BL_DIM_SENDER, "<>");
    set_literal_key(&tally->unknown_sender, BL_DIM_SENDER, BL_TALLY_UNKNOWN);
    return tally;
}

void bl_tally_free(struct bl_tally *tally)
{
    if (!tally)
        return;
    bl_slots_release(&tally->slots);
    bl_slots_release(&tally->failure_slots);
    bl_free(tally->names);
    bl_table_free(tally->failures);
    bl_table_free(tally->entities);
    bl_free(tally);
}

static uint32_t failure_tag(uint32_t entity, enum bl_outcome outcome, uint16_t category)
{
    uint64_t x = (uint64_t)entity << 24 | (uint64_t)category << 4 | (uint64_t)outcome;

    x = (x ^ x >> 29) * 0x9e3779b97f4a7c15;
    return (uint32_t)(x >> 32);
}

static void forget_togethers(struct bl_tally *tally)
{
    for (size_t i = 0; i < TOGETHERS; i++)
        tally->together[i] = (struct together){.minute = NOBODYS};
    tally->any_together = false;
}

void bl_tally_clear(struct bl_tally *tally)
{
    tally->first = tally->next = 0;
    tally->first_failing = tally->next_failing = 0;
    for (uint32_t ref = 1; ref <= tally->count; ref++)
        bl_slots_blank(&tally->slots, tally->entities[ref].tag, ref);
    for (uint32_t ref = 1; ref <= tally->failures_used; ref++) {
        const struct failure *f = &tally->failures[ref];

        bl_slots_blank(&tally->failure_slots, failure_tag(f->entity, f->outcome, f->category), ref);
    }
    tally->count = tally->ordinary = tally->names_used = tally->failures_used = tally->fields = 0;
    tally->overflow = tally->failures_lost = 0;
    memset(tally->others, 0, sizeof tally->others);
    memset(tally->last_other, 0, sizeof tally->last_other);
    forget_togethers(tally);
    memset(tally->senders, 0, sizeof tally->senders);
}

/* --- names --- */

/* Rare things are kept out of line, so that what is common needs no stack frame of theirs. */
#define RARE __attribute__((noinline, cold))

/* The definition: the name, zeros, the length. */
RARE static void set_words_bytewise(uint64_t word[4], bl_slice name)
{
    char bytes[32] = {0};

    for (size_t i = 0; i < name.n; i++)
        bytes[i] = name.p[i];
    bytes[SHORT_BYTES] = (char)name.n;
    memcpy(word, bytes, sizeof bytes);
}

static bl_slice lower(char *out, bl_slice name)
{
    for (size_t i = 0; i < name.n; i++)
        out[i] = bl_lower(name.p[i]);
    return (bl_slice){out, name.n};
}

RARE static void set_lower_bytewise(uint64_t word[4], bl_slice name)
{
    char room[SHORT_BYTES];

    set_words_bytewise(word, lower(room, name));
}

/* Eight bytes at once: 0x20 is added where a byte lies in 'A'..'Z'.  Vectors would do it in fewer
 * instructions and lose it again when the words go from one kind of register to the other. */
static inline uint64_t lower8(uint64_t x)
{
    const uint64_t ones = 0x0101010101010101;
    uint64_t low = x & (0x7f * ones);
    uint64_t from_a = low + (0x80 - 'A') * ones, above_z = low + (0x7f - 'Z') * ones;

    return x | (((from_a & ~above_z & ~x) & (0x80 * ones)) >> 2);
}

/* Bits of the bytes from 0x40 to 0x5f, upper case letters among them, in words that may have
 * none. */
static inline uint64_t upper8(uint64_t x)
{
    return x & ~(x << 1) & 0x4040404040404040;
}

/* The same of the name in lower case, when eight readable bytes end where it ends, as is so within
 * most addresses.  No word is read beyond the end: the last ones are read from there, and what
 * stands before them is shifted out.  No branch depends on the length, which is as good as random
 * from one event to the next. */
static inline void set_words(uint64_t word[4], bl_slice name, size_t readable)
{
    ptrdiff_t last = (ptrdiff_t)name.n - 8;
    uint64_t upper = 0;

    if (readable < 8) {
        set_lower_bytewise(word, name);
        return;
    }
    for (ptrdiff_t i = 0; i < 4; i++) {
        ptrdiff_t from = 8 * i < last ? 8 * i : last, over = 8 * i - from;
        uint64_t x;

        memcpy(&x, name.p + from, sizeof x);
        x >>= (8 * over) & 63;
        word[i] = x & (0 - (uint64_t)(over < 8)); /* not asked: gcc would branch */
        upper |= upper8(word[i]);
    }
    if (upper) /* hardly ever */
        for (size_t i = 0; i < 4; i++)
            word[i] = lower8(word[i]);
    word[3] |= (uint64_t)name.n << 56;
}

static bool is_valid(bl_slice name)
{
    static const bool allowed[256] = {
        ['a' ... 'z'] = true, ['0' ... '9'] = true, [0x80 ... 0xff] = true, ['.'] = true,
        ['-'] = true,         ['_'] = true,         [':'] = true,           ['['] = true,
        [']'] = true,         ['@'] = true,         ['+'] = true,           ['='] = true,
    };
    bool valid = true;

    for (size_t i = 0; i < name.n; i++)
        valid &= allowed[(unsigned char)name.p[i]];
    return valid;
}

static inline void hash_key(const struct bl_tally *tally, int64_t minute, struct key *key)
{
    uint64_t seed = (tally->salt ^ (uint64_t)minute << 3) + key->dimension;
    uint64_t a = bl_hash_fold(key->word[0] ^ seed, key->word[1] ^ tally->salt2);
    uint64_t b = bl_hash_fold(key->word[2] ^ seed, key->word[3] ^ tally->salt2);

    key->tag = (uint32_t)(bl_hash_fold(a ^ seed, b ^ tally->salt2) >> 32);
    bl_slots_prefetch(&tally->slots, key->tag);
}

static inline size_t name_n(const struct key *key)
{
    return (size_t)(key->word[3] >> 56);
}

static inline bl_slice text_of(const struct key *key)
{
    size_t n = name_n(key);

    return (bl_slice){n > SHORT_BYTES ? key->long_text : (const char *)key->word, n};
}

RARE static void set_long_words(struct key *key, bl_slice text)
{
    XXH128_hash_t hash = XXH3_128bits(text.p, text.n);

    key->long_text = text.p;
    key->word[0] = hash.low64;
    key->word[1] = hash.high64;
    key->word[2] = 0;
    key->word[3] = (uint64_t)text.n << 56;
}

/* As it is: what is not a log's needs no folding. */
RARE static void set_own_key(struct key *key, enum bl_dimension dimension, bl_slice text)
{
    key->dimension = dimension;
    key->own = true;
    if (text.n <= SHORT_BYTES)
        set_words_bytewise(key->word, text);
    else
        set_long_words(key, bl_slice_head(text, NAME_MAX_BYTES));
}

RARE static void set_literal_key(struct key *key, enum bl_dimension dimension, const char *text)
{
    set_own_key(key, dimension, (bl_slice){text, strlen(text)});
}

/* Of a name that ends where `readable` bytes end.  Whether it is made of key bytes is looked at
 * when it is new. */
static inline void set_text_key(struct key *key, enum bl_dimension dimension, bl_slice name,
                                size_t readable, const char *absent, char room[NAME_MAX_BYTES])
{
    if (name.n == 0 || name.p[0] == '~' || name.p[0] == '<') {
        set_literal_key(key, dimension, name.n ? BL_TALLY_INVALID : absent);
        return;
    }
    key->dimension = dimension;
    key->own = false;
    if (name.n <= SHORT_BYTES)
        set_words(key->word, name, readable);
    else
        set_long_words(key, lower(room, bl_slice_head(name, NAME_MAX_BYTES)));
}

RARE static bl_slice find_domain(bl_slice address)
{
    const char *at = address.n ? memrchr(address.p, '@', address.n) : NULL;

    return at ? bl_slice_drop(address, (size_t)(at + 1 - address.p)) : (bl_slice){0};
}

/* What stands behind the last @, which nearly always is among the last 32 bytes: two registers,
 * that overlap where the address is shorter. */
static inline bl_slice domain_of(bl_slice address)
{
#if defined(__SSE2__)
    size_t n = address.n < 32 ? address.n : 32;
    const char *p = address.p + address.n - n;
    __m128i at = _mm_set1_epi8('@');
    uint32_t mask;

    if (n < 16)
        return find_domain(address);
    mask = (uint32_t)_mm_movemask_epi8(
        _mm_cmpeq_epi8(at, _mm_loadu_si128((const __m128i *)(const void *)p)));
    mask |= (uint32_t)_mm_movemask_epi8(
                _mm_cmpeq_epi8(at, _mm_loadu_si128((const __m128i *)(const void *)(p + n - 16))))
            << (n - 16);
    if (mask) {
        size_t behind = 32 - (size_t)__builtin_clz(mask);

        return (bl_slice){p + behind, n - behind};
    }
#endif
    return find_domain(address);
}

/* --- entities --- */

/* The name and its length, as a key has them. */
static inline const char *words_of(const struct bl_entity *entity)
{
    return (const char *)entity + offsetof(struct bl_entity, short_name);
}

static inline bool is_same(const struct bl_entity *entity, int64_t minute, const struct key *key)
{
    uint64_t word[4], differ = 0;

    memcpy(word, words_of(entity), sizeof word);
    for (size_t i = 0; i < 4; i++)
        differ |= word[i] ^ key->word[i];
    return differ == 0 && entity->minute == minute && entity->dimension == key->dimension;
}

static inline uint32_t find(const struct bl_tally *tally, int64_t minute, const struct key *key)
{
    uint32_t at = bl_slots_home(&tally->slots, key->tag), ref;

    while ((ref = bl_slots_next(&tally->slots, key->tag, &at)) != 0)
        if (is_same(&tally->entities[ref], minute, key))
            return ref;
    return 0;
}

static bool has_room(const struct bl_tally *tally, const struct key *key)
{
    size_t text = name_n(key) > SHORT_BYTES ? name_n(key) : 0;

    return tally->ordinary < tally->entities_cap && text <= tally->names_cap - tally->names_used;
}

static uint32_t add(struct bl_tally *tally, int64_t minute, const struct key *key)
{
    uint32_t ref = (uint32_t)++tally->count;
    struct bl_entity *entity = &tally->entities[ref];

    memset(entity->outcome, 0, sizeof entity->outcome);
    memcpy(entity->short_name, key->word, sizeof entity->short_name);
    entity->name_n = (uint8_t)name_n(key);
    entity->name = entity->short_name;
    if (name_n(key) > SHORT_BYTES) {
        char *name = tally->names + tally->names_used;

        memcpy(name, key->long_text, name_n(key));
        tally->names_used += name_n(key);
        entity->name = name;
    }
    entity->minute = minute;
    entity->tag = key->tag;
    entity->dimension = key->dimension;
    entity->failures = 0;
    bl_slots_put(&tally->slots, key->tag, ref);
    tally->fields++;
    return ref;
}

RARE static uint32_t find_other(struct bl_tally *tally, int64_t minute, enum bl_dimension dimension)
{
    struct key key;
    uint32_t ref;

    set_literal_key(&key, dimension, BL_TALLY_OTHER);
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

/* A length that stands in the last byte is no byte beyond ASCII. */
static inline bool is_ascii(const struct key *key)
{
    if (name_n(key) > SHORT_BYTES)
        return bl_slice_is_ascii(text_of(key));
    return ((key->word[0] | key->word[1] | key->word[2] | key->word[3]) & 0x8080808080808080) == 0;
}

/* Whether a name is counted under another one.  It is not in the table then, so this is asked each
 * time it comes; of a name that is there, never. */
static bool has_other_name(const struct key *key, struct key *other, char room[BL_DOMAIN_MAX])
{
    size_t n;

    if (key->own)
        return false;
    if (!is_valid(text_of(key))) {
        set_literal_key(other, key->dimension, BL_TALLY_INVALID);
        return true;
    }
    if (is_ascii(key) || (key->dimension != BL_DIM_DOMAIN && key->dimension != BL_DIM_SENDER) ||
        !bl_domain_to_ascii(text_of(key), room, &n))
        return false;
    set_own_key(other, key->dimension, (bl_slice){room, n});
    return true;
}

/* The key is new. */
static uint32_t __attribute__((noinline))
admit(struct bl_tally *tally, int64_t minute, const struct key *key)
{
    char room[BL_DOMAIN_MAX];
    struct key other;

    if (has_other_name(key, &other, room)) {
        uint32_t ref;

        hash_key(tally, minute, &other);
        ref = find(tally, minute, &other);
        if (ref)
            return ref;
        key = &other;
    }
    if (!has_room(tally, key))
        return find_other(tally, minute, key->dimension);
    tally->ordinary++;
    return add(tally, minute, key);
}

static inline uint32_t find_or_admit(struct bl_tally *tally, int64_t minute, const struct key *key)
{
    uint32_t ref = find(tally, minute, key);

    return ref ? ref : admit(tally, minute, key);
}

/* `n` is not 0. */
static inline void count_outcomes(struct bl_tally *tally, uint32_t entity, enum bl_outcome outcome,
                                  uint64_t n)
{
    uint64_t *count = &tally->entities[entity].outcome[outcome];

    tally->fields += *count == 0;
    *count += n;
}

static inline void count_outcome(struct bl_tally *tally, uint32_t entity, enum bl_outcome outcome)
{
    count_outcomes(tally, entity, outcome, 1);
}

/* --- all, provider, instance --- */

static uint32_t find_or_admit_now(struct bl_tally *tally, int64_t minute, struct key *key)
{
    hash_key(tally, minute, key);
    return find_or_admit(tally, minute, key);
}

static void spread(struct bl_tally *tally, struct together *together)
{
    for (size_t i = 0; i < BL_OUTCOMES; i++) {
        uint32_t n = together->outcome[i];

        if (n == 0)
            continue;
        count_outcomes(tally, together->all, (enum bl_outcome)i, n);
        count_outcomes(tally, together->provider, (enum bl_outcome)i, n);
        count_outcomes(tally, together->instance, (enum bl_outcome)i, n);
        together->outcome[i] = 0;
    }
}

/* What fell to ~other is not found again, so that each time is counted. */
RARE static void begin_together(struct bl_tally *tally, int64_t minute, const bl_event *event,
                                const struct bl_rules *rules, struct together *together)
{
    uint64_t overflow = tally->overflow;
    char room[NAME_MAX_BYTES];
    struct key key;

    spread(tally, together);
    set_literal_key(&key, BL_DIM_ALL, "*");
    together->all = find_or_admit_now(tally, minute, &key);
    set_own_key(&key, BL_DIM_PROVIDER, bl_rules_provider_name(rules, event->provider));
    together->provider = find_or_admit_now(tally, minute, &key);
    set_text_key(&key, BL_DIM_INSTANCE, event->instance, 0, BL_TALLY_UNKNOWN, room);
    together->instance = find_or_admit_now(tally, minute, &key);
    together->provider_id = event->provider;
    together->minute = overflow == tally->overflow ? minute : NOBODYS;
}

static inline struct together *find_together(struct bl_tally *tally, int64_t minute,
                                             const bl_event *event, const struct bl_rules *rules)
{
    bl_slice instance = event->instance;
    size_t last = instance.n ? (unsigned char)instance.p[instance.n - 1] : 0;
    struct together *together =
        &tally->together[((size_t)minute + event->provider + last) % TOGETHERS];
    const struct bl_entity *entity = &tally->entities[together->instance];

    if (together->minute != minute || together->provider_id != event->provider || instance.n == 0 ||
        instance.p[0] == '~' || !bl_slice_same(instance, (bl_slice){entity->name, entity->name_n}))
        begin_together(tally, minute, event, rules, together);
    return together;
}

static void spread_all(struct bl_tally *tally)
{
    for (size_t i = 0; tally->any_together && i < TOGETHERS; i++)
        spread(tally, &tally->together[i]);
    tally->any_together = false;
}

void bl_tally_rules_changed(struct bl_tally *tally)
{
    spread_all(tally);
    forget_togethers(tally);
}

/* --- counting --- */

static uint32_t find_failure(const struct bl_tally *tally, const struct failing *failing)
{
    uint32_t at = bl_slots_home(&tally->failure_slots, failing->tag), ref;

    while ((ref = bl_slots_next(&tally->failure_slots, failing->tag, &at)) != 0) {
        const struct failure *f = &tally->failures[ref];

        if (f->entity == failing->entity && f->outcome == failing->outcome &&
            f->category == failing->category)
            return ref;
    }
    return 0;
}

static void count_oldest_failure(struct bl_tally *tally)
{
    const struct failing *failing =
        &tally->failing[tally->first_failing++ % BL_COUNT(tally->failing)];
    uint32_t ref = find_failure(tally, failing);
    struct bl_entity *owner = &tally->entities[failing->entity];
    size_t kept = owner->dimension == BL_DIM_ALL ? 0 : tally->failures_cap / 4;

    if (!ref) {
        if (tally->failures_used + kept >= tally->failures_cap) {
            tally->failures_lost++;
            return;
        }
        ref = (uint32_t)++tally->failures_used;
        tally->failures[ref] = (struct failure){.entity = failing->entity,
                                                .next = owner->failures,
                                                .category = failing->category,
                                                .outcome = failing->outcome};
        owner->failures = ref;
        bl_slots_put(&tally->failure_slots, failing->tag, ref);
        tally->fields++;
    }
    tally->failures[ref].count++;
}

/* Failures are few and domains many, so nearly every count is far away: first its slot is fetched,
 * then the count itself, and then it is counted, with other failures in between. */
static void count_failure(struct bl_tally *tally, uint32_t entity, enum bl_outcome outcome,
                          uint16_t category)
{
    struct failing *failing = &tally->failing[tally->next_failing % BL_COUNT(tally->failing)];

    if (tally->next_failing - tally->first_failing == BL_COUNT(tally->failing))
        count_oldest_failure(tally);
    if (tally->next_failing - tally->first_failing >= FAILURES_AHEAD) {
        const struct failing *earlier =
            &tally->failing[(tally->next_failing - FAILURES_AHEAD) % BL_COUNT(tally->failing)];
        const struct bl_slots *slots = &tally->failure_slots;

        __builtin_prefetch(&tally->failures[slots->v[bl_slots_home(slots, earlier->tag)].ref]);
        __builtin_prefetch(&tally->entities[earlier->entity]);
    }
    tally->next_failing++;
    *failing = (struct failing){.entity = entity,
                                .tag = failure_tag(entity, outcome, category),
                                .category = category,
                                .outcome = (uint8_t)outcome};
    bl_slots_prefetch(&tally->failure_slots, failing->tag);
}

/* Where a sender's domain of eight bytes or more may be remembered; senders are few, next to
 * recipients. */
static inline struct sender *remembered(struct bl_tally *tally, bl_slice domain)
{
    const char *p = domain.p;
    uint64_t begin, middle, end;

    memcpy(&begin, p, sizeof begin);
    memcpy(&middle, p + (domain.n - sizeof middle) / 2, sizeof middle);
    memcpy(&end, p + domain.n - sizeof end, sizeof end);
    return &tally->senders[(begin + middle * 3 + end * 7) * UINT64_C(0x9e3779b97f4a7c15) >> 56];
}

_Static_assert(SENDERS == 1 << 8, "a place is eight bits");

/* The entity when it is remembered, else the key. */
static inline void seek_sender(struct bl_tally *tally, int64_t minute, const bl_event *event,
                               struct waiting *waiting)
{
    bl_slice domain = {0};

    waiting->sender_ref = 0;
    if (event->has_sender && event->sender.n) {
        domain = domain_of(event->sender);
        if (domain.n >= 8 && domain.p[0] != '~') { /* ours are never a log's */
            const struct sender *known = remembered(tally, domain);
            const struct bl_entity *entity = &tally->entities[known->ref];

            if (known->ref && known->minute == minute &&
                bl_slice_same(domain, (bl_slice){entity->name, entity->name_n})) {
                waiting->sender_ref = known->ref;
                return;
            }
        }
        set_text_key(&waiting->sender, BL_DIM_SENDER, domain, event->sender.n, BL_TALLY_LOCAL,
                     waiting->sender_room);
    } else {
        waiting->sender = event->has_sender ? tally->null_sender : tally->unknown_sender;
    }
    hash_key(tally, minute, &waiting->sender);
}

/* By the entity's own name: what fell to ~other or was no name is not found under it. */
static uint32_t find_sender(struct bl_tally *tally, const struct waiting *event)
{
    uint32_t ref = find_or_admit(tally, event->minute, &event->sender);
    const struct bl_entity *entity = &tally->entities[ref];

    if (entity->name_n >= 8)
        *remembered(tally, (bl_slice){entity->name, entity->name_n}) =
            (struct sender){event->minute, ref};
    return ref;
}

RARE static void count_no_attempt(struct bl_tally *tally, int64_t minute)
{
    struct key key;

    set_literal_key(&key, BL_DIM_ALL, BL_TALLY_NO_ATTEMPT);
    count_outcome(tally, find_or_admit_now(tally, minute, &key), BL_DEFERRED);
}

/* Whatever the home slot refers to: mostly the entity, and no branch to guess. */
BL_ALWAYS_INLINE void prefetch_entity(const struct bl_tally *tally, const struct key *key)
{
    uint32_t ref = tally->slots.v[bl_slots_home(&tally->slots, key->tag)].ref;

    __builtin_prefetch(tally->entities[ref].outcome, 1);
    __builtin_prefetch(tally->entities[ref].short_name);
}

static void count_oldest(struct bl_tally *tally)
{
    struct waiting *event = &tally->waiting[tally->first++ % BL_COUNT(tally->waiting)];
    uint32_t sender = event->sender_ref ? event->sender_ref : find_sender(tally, event);
    uint32_t domain = find_or_admit(tally, event->minute, &event->domain);

    count_outcome(tally, sender, event->outcome);
    count_outcome(tally, domain, event->outcome);
    if (!event->failed)
        return;
    count_failure(tally, event->all, event->outcome, event->category);
    count_failure(tally, event->provider, event->outcome, event->category);
    count_failure(tally, domain, event->outcome, event->category);
}

static const struct bl_tally *settle(const struct bl_tally *tally)
{
    while (tally->first != tally->next)
        count_oldest(tally->self);
    while (tally->first_failing != tally->next_failing)
        count_oldest_failure(tally->self);
    if (tally->any_together)
        spread_all(tally->self);
    return tally;
}

void bl_tally_event(struct bl_tally *tally, int64_t minute, const bl_event *event,
                    const struct bl_rules *rules)
{
    struct waiting *waiting = &tally->waiting[tally->next % BL_COUNT(tally->waiting)];
    struct together *together;

    if (event->outcome == BL_DEFERRED && !event->attempt) {
        count_no_attempt(tally, minute);
        return;
    }
    if (tally->next - tally->first == BL_COUNT(tally->waiting))
        count_oldest(tally);
    if (tally->next - tally->first >= AHEAD) {
        const struct waiting *earlier =
            &tally->waiting[(tally->next - AHEAD) % BL_COUNT(tally->waiting)];

        prefetch_entity(tally, &earlier->domain);
        if (!earlier->sender_ref)
            prefetch_entity(tally, &earlier->sender);
    }
    tally->next++;
    waiting->minute = minute;
    waiting->outcome = (uint8_t)event->outcome;
    waiting->failed = event->failed;
    waiting->category = event->verdict.category;
    set_text_key(&waiting->domain, BL_DIM_DOMAIN, domain_of(event->recipient), event->recipient.n,
                 BL_TALLY_LOCAL, waiting->domain_room);
    hash_key(tally, minute, &waiting->domain);
    seek_sender(tally, minute, event, waiting);
    together = find_together(tally, minute, event, rules);
    together->outcome[event->outcome]++;
    tally->any_together = true;
    waiting->all = together->all;
    waiting->provider = together->provider;
}

/* --- looking --- */

size_t bl_tally_fields(const struct bl_tally *tally)
{
    return settle(tally)->fields;
}

uint64_t bl_tally_overflow(const struct bl_tally *tally)
{
    return settle(tally)->overflow;
}

uint64_t bl_tally_failures_lost(const struct bl_tally *tally)
{
    return settle(tally)->failures_lost;
}

size_t bl_tally_count(const struct bl_tally *tally)
{
    return settle(tally)->count;
}

const struct bl_entity *bl_tally_at(const struct bl_tally *tally, size_t index)
{
    return &settle(tally)->entities[index + 1];
}

bool bl_tally_next_failure(const struct bl_tally *tally, uint32_t *cursor, enum bl_outcome *outcome,
                           uint16_t *category, uint64_t *count)
{
    const struct failure *f = &settle(tally)->failures[*cursor];

    if (*cursor == 0)
        return false;
    *outcome = f->outcome;
    *category = f->category;
    *count = f->count;
    *cursor = f->next;
    return true;
}
