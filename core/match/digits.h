/* digits.h -- the trie over status codes (private to match/)
 *
 * Shapes     keys: a basic code, an enhanced one, or both; `prefix` keys end inside a code (5.7.x,
 * 5xx) Ownership  the caller's Threads    bl_digits_find reads only Errors     bl_digits_add:
 * BL_LIMIT, BL_NO_MEMORY Source     RFC 3463
 */
#ifndef BL_MATCH_DIGITS_H
#define BL_MATCH_DIGITS_H

#include "tables.h"

struct bl_digits {
    struct bl_digit_node *nodes;
    size_t n, room;
};

/* Takes the node of `key` ("550.5.1.1", "550", ".5.1.1", ".5.7.", "5"), made if needed; false: no
 * memory or too many nodes. */
bool bl_digits_add(struct bl_digits *digits, const char *key, size_t n, uint32_t *node);
void bl_digits_release(struct bl_digits *digits);

/* The strongest rule on the ways of both codes; BL_NO_RULE when there is none. */
uint32_t bl_digits_find(const struct bl_digit_node *nodes, uint16_t code, bl_status enhanced);

#endif
