/* links.h -- what it means that a phrase ended (private to match/)
 *
 * Shapes     see struct bl_word in tables.h
 * Ownership  tables live in the arena
 * Errors     BL_NO_MEMORY, BL_LIMIT
 */
#ifndef BL_MATCH_LINKS_H
#define BL_MATCH_LINKS_H

#include "bounceline/arena.h"

#include "tables.h"

/* A phrase in a rule: all of it when the rule has one, else its part `part`. */
struct bl_phrase_use {
    bl_slice text; /* folded */
    uint32_t rule; /* rank */
    uint8_t part;
};

/* Makes words, masks, singles and the automaton, of rules->rules and ->links.  Sorts `uses`.
 * `usual`: see phrases.h. */
enum bl_code bl_links_build(struct bl_arena *arena, struct bl_phrase_use *uses, size_t n,
                            bl_slice usual, struct bl_rules *rules, bl_err *err);

#endif
