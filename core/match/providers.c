/* The host is hashed from its end; wherever a label begins, what was hashed so far is looked up.
 * The last hit is the longest suffix. */
#include "providers.h"

/* FNV-1a; case is folded by a bit, since a hit is compared anyway. */
static uint32_t hash_step(uint32_t hash, char c)
{
    return (hash ^ (uint8_t)(c | 0x20)) * 16777619u;
}

enum { HASH_START = 2166136261u & 0x7fffffff };

static void note_suffix(struct bl_rules *rules, bl_slice suffix)
{
    if (suffix.n > rules->longest_suffix)
        rules->longest_suffix = (uint32_t)suffix.n;
    if (suffix.n < BL_ENDING)
        /* what stands before it is not known */
        memset(rules->endings, 0xff, sizeof rules->endings);
    else
        rules->endings[bl_rules_ending_bit(suffix) / 64] |= UINT64_C(1)
                                                            << bl_rules_ending_bit(suffix) % 64;
}

const uint64_t *bl_rules_endings(const struct bl_rules *rules)
{
    return rules->endings;
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
    if (!bl_rules_may_be_provider(rules->endings, relay_host))
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
