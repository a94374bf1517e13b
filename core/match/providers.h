/* providers.h -- relay host to provider, by the longest known domain suffix (private to match/)
 *
 * Shapes     suffixes lower case, without a dot in front; hosts in any case, a dot at the end is
 * fine Ownership  tables live in the arena Threads    bl_rules_provider reads only Errors
 * BL_NO_MEMORY Source     core/rules/providers.tsv
 */
#ifndef BL_MATCH_PROVIDERS_H
#define BL_MATCH_PROVIDERS_H

#include "bounceline/arena.h"

#include "tables.h"

/* Makes the hash table over rules->suffixes. */
enum bl_code bl_providers_build(struct bl_arena *arena, struct bl_rules *rules);

#endif
