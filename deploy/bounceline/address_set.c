/* Linear probing, half full at most.  Nearly every call is a removal of an address that is not there (a
 * delivery), so a small bitmap that stays in the cache answers first. */
#include "address_set.h"

#include "bounceline/address.h"
#include "bounceline/alloc.h"

enum { SLOTS = 2 * BL_ADDRESS_SET_MAX, MAYBE_BITS = 1 << 20 };

struct bl_address_set {
    uint64_t *slot; /* 0: empty */
    size_t    n;
    bool      has_odd;               /* an address without a rough hash was added */
    uint64_t  maybe[MAYBE_BITS / 64]; /* by rough hash; bits are set and never cleared */
};

struct bl_address_set *bl_address_set_new(void)
{
    struct bl_address_set *set = bl_calloc(1, sizeof *set);

    if (!set)
        return NULL;
    set->slot = bl_calloc(SLOTS, sizeof *set->slot); /* the kernel gives pages as they are touched */
    if (!set->slot) {
        bl_free(set);
        return NULL;
    }
    return set;
}

void bl_address_set_free(struct bl_address_set *set)
{
    if (!set)
        return;
    bl_free(set->slot);
    bl_free(set);
}

size_t bl_address_set_count(const struct bl_address_set *set)
{
    return set->n;
}

static size_t home(uint64_t hash)
{
    return hash & (SLOTS - 1);
}

/* Where the hash stands, or the empty slot where it would. */
static size_t find(const struct bl_address_set *set, uint64_t hash)
{
    size_t at = home(hash);

    while (set->slot[at] && set->slot[at] != hash)
        at = (at + 1) & (SLOTS - 1);
    return at;
}

/* A hash that folds case by setting bit 5 of every byte: cheaper than making the key of the address, and
 * the same for all that have the same key.  What is quoted may lose its quotes there, so it has no such
 * hash; it is rare. */
static bool rough_hash(bl_slice recipient, uint64_t *out)
{
    uint64_t hash = recipient.n, word = 0;
    size_t at = 0;

    if (recipient.n < 8 || recipient.p[0] == '"')
        return false;
    for (; at < recipient.n; at += 8) {
        memcpy(&word, recipient.p + (at + 8 <= recipient.n ? at : recipient.n - 8), 8);
        hash = (hash ^ (word | 0x2020202020202020U)) * 0x9e3779b97f4a7c15U;
        hash ^= hash >> 29;
    }
    *out = hash;
    return true;
}

static bool exact_hash(bl_slice recipient, uint64_t *out)
{
    char address[BL_ADDRESS_MAX + 1];
    size_t n;

    if (!bl_address_normalise(recipient, address, &n))
        return false;
    *out = bl_address_hash((bl_slice){address, n});
    *out += *out == 0; /* 0 is the empty slot */
    return true;
}

static void mark(struct bl_address_set *set, bl_slice recipient)
{
    uint64_t rough;

    if (rough_hash(recipient, &rough))
        set->maybe[rough / 64 % (MAYBE_BITS / 64)] |= (uint64_t)1 << rough % 64;
    else
        set->has_odd = true;
}

static bool may_hold(const struct bl_address_set *set, bl_slice recipient)
{
    uint64_t rough;

    if (set->n == 0)
        return false;
    if (set->has_odd || !rough_hash(recipient, &rough))
        return true;
    return set->maybe[rough / 64 % (MAYBE_BITS / 64)] >> rough % 64 & 1;
}

bool bl_address_set_add(struct bl_address_set *set, bl_slice recipient)
{
    uint64_t hash;
    size_t at;

    if (!exact_hash(recipient, &hash))
        return true;
    mark(set, recipient);
    at = find(set, hash);
    if (set->slot[at])
        return true;
    if (set->n == BL_ADDRESS_SET_MAX)
        return false;
    set->slot[at] = hash;
    set->n++;
    return true;
}

void bl_address_set_remove(struct bl_address_set *set, bl_slice recipient)
{
    uint64_t hash;
    size_t hole;

    if (!may_hold(set, recipient) || !exact_hash(recipient, &hash))
        return;
    hole = find(set, hash);
    if (!set->slot[hole])
        return;
    set->n--;
    /* Close the gap: whoever stands behind it and does not belong behind it moves up. */
    for (size_t at = (hole + 1) & (SLOTS - 1); set->slot[at]; at = (at + 1) & (SLOTS - 1)) {
        size_t from_home = (at - home(set->slot[at])) & (SLOTS - 1), from_hole = (at - hole) & (SLOTS - 1);

        if (from_home >= from_hole) {
            set->slot[hole] = set->slot[at];
            hole = at;
        }
    }
    set->slot[hole] = 0;
}
