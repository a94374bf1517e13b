/* Few addresses are a set of whole hashes, which grows.  Many are tags of 32 bits, with linear
 * probing.  A tag does not tell its home, so a removed one leaves a mark that the next address of
 * that neighbourhood takes over, and the table has its size from the start.  Nearly every call is a
 * removal of an address that is not there (a delivery), so a small bitmap that stays in the cache
 * answers first. */
#include "address_set.h"

#include "bounceline/address.h"
#include "bounceline/alloc.h"
#include "bounceline/hash.h"
#include "bounceline/hash_set.h"

enum { FEW = 3 << 15, SLOTS = 1 << 21, MAYBE_BITS = 1 << 20, EMPTY = 0, REMOVED = 1, TAGS = 2 };

_Static_assert(BL_ADDRESS_SET_MAX <= SLOTS / 4 * 3, "probing stays short");

struct bl_address_set {
    struct bl_hash_set few;
    uint32_t *slot;                  /* EMPTY, REMOVED or a tag; NULL as long as they are few */
    size_t n, used;                  /* tags; slots that are not empty */
    uint64_t maybe[MAYBE_BITS / 64]; /* by rough hash; bits are set and never cleared */
};

struct bl_address_set *bl_address_set_new(void)
{
    struct bl_address_set *set = bl_calloc(1, sizeof *set);

    if (!set)
        return NULL;
    bl_hash_set_init(&set->few, FEW);
    return set;
}

void bl_address_set_free(struct bl_address_set *set)
{
    if (!set)
        return;
    bl_hash_set_release(&set->few);
    bl_free(set->slot);
    bl_free(set);
}

size_t bl_address_set_count(const struct bl_address_set *set)
{
    return set->slot ? set->n : set->few.n;
}

static uint32_t tag_of(uint64_t hash)
{
    uint32_t tag = (uint32_t)(hash >> 32);

    return tag < TAGS ? tag + TAGS : tag;
}

/* Where the address stands; else the first slot that it could take, which is not its tag. */
static size_t find(const struct bl_address_set *set, uint64_t hash)
{
    size_t at = hash & (SLOTS - 1), room = SLOTS;

    for (; set->slot[at] != EMPTY; at = (at + 1) & (SLOTS - 1)) {
        if (set->slot[at] == tag_of(hash))
            return at;
        if (set->slot[at] == REMOVED && room == SLOTS)
            room = at;
    }
    return room < SLOTS ? room : at;
}

/* A hash that folds case by setting bit 5 of every byte: cheaper than making the key of the
 * address, and the same for the key and nearly all that have it.  Of the first and the last 16
 * bytes, which may overlap: all of it up to 32 bytes, most of it when it is longer, and no loop
 * whose end cannot be foretold.  What is quoted may lose its quotes in the key, and a domain beyond
 * ASCII is another one there, so they have no such hash, which is 0; they are rare. */
static uint64_t rough_hash(bl_slice recipient)
{
    const uint64_t lower = 0x2020202020202020U;
    size_t second = recipient.n < 16 ? 0 : 8, last = recipient.n - 8;
    uint64_t a, b, c, d;

    if (recipient.n < 8 || recipient.p[0] == '"')
        return 0;
    memcpy(&a, recipient.p, 8);
    memcpy(&b, recipient.p + second, 8);
    memcpy(&c, recipient.p + last - second, 8);
    memcpy(&d, recipient.p + last, 8);
    if ((a | b | c | d) & 0x8080808080808080U ||
        (recipient.n > 4 * 8 && !bl_slice_is_ascii(recipient)))
        return 0;
    a = bl_hash_fold((a | lower) ^ recipient.n, (b | lower) ^ 0x9e3779b97f4a7c15U);
    b = bl_hash_fold((c | lower) ^ 0xc2b2ae3d27d4eb4fU, (d | lower) ^ 0x165667b19e3779f9U);
    return bl_hash_fold(a ^ 0xd6e8feb86659fd93U, b);
}

/* From the upper bits, where a product is well mixed. */
static size_t word_of(uint64_t rough)
{
    return rough >> 40 & (MAYBE_BITS / 64 - 1);
}

static uint64_t bit_of(uint64_t rough)
{
    return (uint64_t)1 << (rough >> 58);
}

/* What has no rough hash is looked for whatever is marked. */
static void mark(struct bl_address_set *set, bl_slice key)
{
    uint64_t rough = rough_hash(key);

    set->maybe[word_of(rough)] |= bit_of(rough);
}

static bool may_hold(const struct bl_address_set *set, uint64_t rough)
{
    return bl_address_set_count(set) > 0 && (!rough || set->maybe[word_of(rough)] & bit_of(rough));
}

static bool add_tag(struct bl_address_set *set, uint64_t hash)
{
    size_t at = find(set, hash);

    if (set->slot[at] == tag_of(hash))
        return true;
    if (set->slot[at] == EMPTY && set->used == BL_ADDRESS_SET_MAX)
        return false;
    set->used += set->slot[at] == EMPTY;
    set->slot[at] = tag_of(hash);
    set->n++;
    return true;
}

static void remove_tag(struct bl_address_set *set, uint64_t hash)
{
    size_t at = find(set, hash);

    if (set->slot[at] != tag_of(hash))
        return;
    set->slot[at] = REMOVED;
    set->n--;
}

/* The few are many. */
static bool make_tags(struct bl_address_set *set)
{
    set->slot = bl_calloc(SLOTS, sizeof *set->slot);
    if (!set->slot)
        return false;
    for (size_t i = 0; set->few.slot && i <= set->few.mask; i++)
        if (set->few.slot[i])
            add_tag(set, set->few.slot[i]);
    bl_hash_set_clear(&set->few);
    return true;
}

bool bl_address_set_add(struct bl_address_set *set, bl_slice recipient)
{
    char address[BL_ADDRESS_MAX + 1];
    uint64_t hash;
    size_t n;

    if (!bl_address_normalise(recipient, address, &n))
        return true;
    mark(set, (bl_slice){address, n});
    hash = bl_address_hash((bl_slice){address, n});
    if (!set->slot) {
        bl_hash_set_add(&set->few, hash);
        if (!set->few.full)
            return true;
        if (!make_tags(set))
            return bl_hash_set_has(&set->few, hash);
    }
    return add_tag(set, hash);
}

uint64_t bl_address_set_seek(const struct bl_address_set *set, bl_slice recipient)
{
    uint64_t rough = rough_hash(recipient);

    __builtin_prefetch(&set->maybe[word_of(rough)]);
    return rough;
}

void bl_address_set_remove_sought(struct bl_address_set *set, bl_slice recipient, uint64_t sought)
{
    char address[BL_ADDRESS_MAX + 1];
    uint64_t hash;
    size_t n;

    if (!may_hold(set, sought) || !bl_address_normalise(recipient, address, &n))
        return;
    hash = bl_address_hash((bl_slice){address, n});
    if (set->slot)
        remove_tag(set, hash);
    else
        bl_hash_set_remove(&set->few, hash);
}

void bl_address_set_remove(struct bl_address_set *set, bl_slice recipient)
{
    bl_address_set_remove_sought(set, recipient, bl_address_set_seek(set, recipient));
}
