/* The host is hashed from its end; wherever a label begins, what was hashed so far is looked up.
 * The last hit is the longest suffix.  Most hosts that are asked about belong to nobody known, and
 * most of these are told by their last four bytes alone. */
#include "providers.h"

#include "bounceline/hash.h"

static uint32_t hash_step(uint32_t hash, char c)
{
    return (hash ^ (uint8_t)bl_lower(c)) * 16777619u; /* FNV-1a */
}

enum { HASH_START = 2166136261u & 0x7fffffff };

enum { ENDING = 4, ENDING_SHIFT = 32 - 10 };

_Static_assert(BL_ENDINGS == 1 << (32 - ENDING_SHIFT), "an ending's bit is what the shift leaves");

/* The bit of the host's last ENDING bytes, in any case. */
static uint32_t ending_of(bl_slice host)
{
    uint32_t word = 0;

    for (size_t i = host.n - ENDING; i < host.n; i++)
        word = word << 8 | (uint8_t)bl_lower(host.p[i]);
    return word * 0x9e3779b1u >> ENDING_SHIFT;
}

static void note_suffix(struct bl_rules *rules, bl_slice suffix)
{
    if (suffix.n > rules->longest_suffix)
        rules->longest_suffix = (uint32_t)suffix.n;
    if (suffix.n < ENDING)
        memset(rules->endings, 0xff, sizeof rules->endings); /* what stands before it is not known */
    else
        rules->endings[ending_of(suffix) / 64] |= UINT64_C(1) << ending_of(suffix) % 64;
}

static bool may_end_so(const struct bl_rules *rules, bl_slice host)
{
    return host.n < ENDING ||
           (rules->endings[ending_of(host) / 64] >> ending_of(host) % 64 & 1);
}

enum bl_code bl_providers_build(struct bl_arena *arena, struct bl_rules *rules)
{
    uint32_t size = 16;
    uint16_t *slots;

    while (size < 4 * rules->n_suffixes)
        size *= 2;
    slots = bl_arena_alloc(arena, size * sizeof *slots);
    if (!slots)
        return BL_NO_MEMORY;
    memset(slots, 0, size * sizeof *slots);
    rules->providers_mark = 1;
    rules->longest_suffix = 0;
    memset(rules->endings, 0, sizeof rules->endings);
    for (uint32_t i = 0; i < rules->n_suffixes; i++) {
        bl_slice suffix = rules->suffixes[i].suffix;
        uint32_t hash = HASH_START;

        note_suffix(rules, suffix);
        for (size_t j = suffix.n; j > 0; j--)
            hash = hash_step(hash, suffix.p[j - 1]);
        while (slots[hash & (size - 1)])
            hash++;
        slots[hash & (size - 1)] = (uint16_t)(i + 1);
        rules->providers_mark = bl_hash64_seeded(suffix, rules->providers_mark + rules->suffixes[i].provider);
    }
    rules->suffix_slots = slots;
    rules->suffix_mask = size - 1;
    return BL_OK;
}

static uint16_t look_up(const struct bl_rules *rules, uint32_t hash, bl_slice suffix)
{
    uint16_t slot;

    while ((slot = rules->suffix_slots[hash & rules->suffix_mask]) != 0) {
        if (bl_slice_eq_fold(rules->suffixes[slot - 1].suffix, suffix))
            return rules->suffixes[slot - 1].provider;
        hash++;
    }
    return 0;
}

uint16_t bl_rules_provider(const struct bl_rules *rules, bl_slice relay_host)
{
    uint32_t hash = HASH_START;
    uint16_t found = 0;
    size_t first;

    if (relay_host.n && relay_host.p[relay_host.n - 1] == '.')
        relay_host.n--;
    if (relay_host.n > 255)
        return 0; /* no host name is longer */
    if (!may_end_so(rules, relay_host))
        return 0;
    first = relay_host.n > rules->longest_suffix ? relay_host.n - rules->longest_suffix : 0;
    for (size_t i = relay_host.n; i > first; i--) {
        hash = hash_step(hash, relay_host.p[i - 1]);
        if (i == 1 || relay_host.p[i - 2] == '.') {
            uint16_t provider = look_up(rules, hash, bl_slice_drop(relay_host, i - 1));

            found = provider ? provider : found;
        }
    }
    return found;
}
