#include "redis_keys.h"

#include <stdio.h>

/* A name that is part of keys and of "NODE|field" names. */
static bool may_be_in_key(const char *text, size_t max)
{
    size_t n = strlen(text);

    if (n == 0 || n > max)
        return false;
    for (size_t i = 0; i < n; i++)
        if (text[i] <= ' ' || text[i] > '~' || strchr("{}|", text[i]))
            return false;
    return true;
}

bool bl_redis_keys_init(struct bl_redis_keys *keys, const char *prefix, const char *node)
{
    if (!may_be_in_key(prefix, BL_REDIS_PREFIX_MAX) || !may_be_in_key(node, BL_REDIS_NODE_MAX))
        return false;
    *keys = (struct bl_redis_keys){.partitions = 1};
    memcpy(keys->prefix, prefix, strlen(prefix));
    memcpy(keys->node, node, strlen(node));
    return true;
}

static void add(bl_redis_key *key, bl_slice text)
{
    text = bl_slice_head(text, sizeof key->text - 1 - key->n);
    if (text.n)
        memcpy(key->text + key->n, text.p, text.n);
    key->n += text.n;
    key->text[key->n] = '\0';
}

static void add_text(bl_redis_key *key, const char *text)
{
    add(key, (bl_slice){text, strlen(text)});
}

bl_redis_key bl_redis_key_global(const struct bl_redis_keys *keys, const char *name)
{
    bl_redis_key key = {.n = 0};

    add_text(&key, keys->prefix);
    add_text(&key, name);
    return key;
}

bl_redis_key bl_redis_key_of_node(const struct bl_redis_keys *keys, bl_slice node, const char *name)
{
    bl_redis_key key = bl_redis_key_global(keys, "{n:");

    add(&key, node);
    add_text(&key, "}:");
    add_text(&key, name);
    return key;
}

bl_redis_key bl_redis_key_node(const struct bl_redis_keys *keys, const char *name)
{
    return bl_redis_key_of_node(keys, (bl_slice){keys->node, strlen(keys->node)}, name);
}

bl_redis_key bl_redis_key_partition(const struct bl_redis_keys *keys, unsigned partition,
                                    const char *name)
{
    bl_redis_key key = bl_redis_key_global(keys, "{p");
    char number[16];

    snprintf(number, sizeof number, "%02u}:", partition);
    add_text(&key, number);
    add_text(&key, name);
    return key;
}

bl_redis_key bl_redis_key_address(const struct bl_redis_keys *keys, char kind, bl_slice address)
{
    const char name[] = {kind, ':', '\0'};
    bl_redis_key key =
        bl_redis_key_partition(keys, bl_address_partition(address, keys->partitions), name);

    add(&key, address);
    return key;
}
