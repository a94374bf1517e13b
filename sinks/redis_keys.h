/* redis_keys.h -- what the keys in Redis are called
 *
 *   bl:meta  bl:nodes                         schema, dataset, partitions; nodes seen
 *   bl:{n:NODE}:pos t recent days d:old       a node: positions, totals, latest failures, days
 *   bl:{n:NODE}:m:MINUTE h:HOUR d:DAY         its counters (numbers since 1970 UTC)
 *   bl:{pNN}:pos x f  a:ADDRESS  s:ADDRESS    partition: positions, index, changes, records,
 *   verdicts
 *
 * What stands between the braces is the slot: all its keys live on one server of a cluster, and one
 * script changes them together.
 *
 * Shapes     prefix: 1..32 bytes; node: 1..64; both printable, without blanks, braces and bars
 * Units      -
 * Ownership  the caller's storage
 * Threads    pure
 * Errors     bl_redis_keys_init: false for a prefix or node that cannot be part of a key
 * Source     DESIGN 7
 */
#ifndef BOUNCELINE_REDIS_KEYS_H
#define BOUNCELINE_REDIS_KEYS_H

#include "bounceline/address.h"

enum {
    BL_REDIS_PREFIX_MAX = 32,
    BL_REDIS_NODE_MAX = 64,
    BL_REDIS_KEY_MAX = BL_REDIS_PREFIX_MAX + BL_REDIS_NODE_MAX + BL_ADDRESS_MAX + 32
};

typedef struct bl_redis_key {
    char text[BL_REDIS_KEY_MAX]; /* NUL-terminated */
    size_t n;
} bl_redis_key;

struct bl_redis_keys {
    char prefix[BL_REDIS_PREFIX_MAX + 1], node[BL_REDIS_NODE_MAX + 1];
    unsigned partitions; /* 1 until it is known */
};

bool bl_redis_keys_init(struct bl_redis_keys *keys, const char *prefix, const char *node);

static inline bl_slice bl_redis_key_slice(const bl_redis_key *key)
{
    return (bl_slice){key->text, key->n};
}

/* PREFIX NAME: "bl:meta" */
bl_redis_key bl_redis_key_global(const struct bl_redis_keys *keys, const char *name);
/* PREFIX {n:NODE} : NAME */
bl_redis_key bl_redis_key_node(const struct bl_redis_keys *keys, const char *name);
/* As before, for another node. */
bl_redis_key bl_redis_key_of_node(const struct bl_redis_keys *keys, bl_slice node,
                                  const char *name);
/* PREFIX {pNN} : NAME */
bl_redis_key bl_redis_key_partition(const struct bl_redis_keys *keys, unsigned partition,
                                    const char *name);
/* PREFIX {pNN} : KIND : ADDRESS, in the partition of that normalised address; kind 'a' or 's' */
bl_redis_key bl_redis_key_address(const struct bl_redis_keys *keys, char kind, bl_slice address);

#endif
