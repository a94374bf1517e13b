/* A trie with one step a character:
 *
 *      (root) -5-> o -5-> o -0-> [550] -.-> o -5-> o -.-> o -1-> o -.-> o -1-> [550 5.1.1]
 *         \--.-> o -5-> o -.-> o -7-> o -.-> [5.7.x] -2-> o -6-> [5.7.26]
 *
 * A reply walks it twice: from the root with its basic code and on into its enhanced one, and from
 * the root's dot with the enhanced code alone.  Of all rules on the way the strongest, that is the
 * smallest index, is the default verdict; so `5.7.x` and `5xx` need no search of their own. */
#include "digits.h"

#include "bounceline/alloc.h"

enum { DOT = 10, NODES_MAX = 65535 };

static bool new_node(struct bl_digits *digits)
{
    if (digits->n == digits->room) {
        size_t room = digits->room ? digits->room * 2 : 256;
        struct bl_digit_node *nodes = bl_realloc(digits->nodes, room * sizeof *nodes);

        if (!nodes)
            return false;
        digits->nodes = nodes;
        digits->room = room;
    }
    digits->nodes[digits->n++] = (struct bl_digit_node){.rule = BL_NO_RULE};
    return true;
}

bool bl_digits_add(struct bl_digits *digits, const char *key, size_t n, uint32_t *node)
{
    uint32_t at = 0;

    if (digits->n == 0 && !new_node(digits))
        return false;
    for (size_t i = 0; i < n; i++) {
        int digit = key[i] == '.' ? DOT : key[i] - '0';

        if (!digits->nodes[at].child[digit]) {
            if (digits->n >= NODES_MAX || !new_node(digits))
                return false;
            digits->nodes[at].child[digit] = (uint16_t)(digits->n - 1);
        }
        at = digits->nodes[at].child[digit];
    }
    *node = at;
    return true;
}

void bl_digits_release(struct bl_digits *digits)
{
    bl_free(digits->nodes);
    *digits = (struct bl_digits){0};
}

static inline bool step(const struct bl_digit_node *nodes, uint32_t *at, unsigned digit)
{
    *at = nodes[*at].child[digit];
    return *at != 0;
}

/* A step to where a key may end. */
static inline bool step_key(const struct bl_digit_node *nodes, uint32_t *at, unsigned digit,
                            uint32_t *best)
{
    if (step(nodes, at, digit) && nodes[*at].rule < *best)
        *best = nodes[*at].rule;
    return *at != 0;
}

/* All digits of a number; a key ends behind the last one: 5.7.2 is no prefix of 5.7.26. */
static bool step_number(const struct bl_digit_node *nodes, uint32_t *at, unsigned number,
                        uint32_t *best)
{
    if (number >= 100 && !step(nodes, at, number / 100 % 10))
        return false;
    if (number >= 10 && !step(nodes, at, number / 10 % 10))
        return false;
    return step_key(nodes, at, number % 10, best);
}

static void walk_enhanced(const struct bl_digit_node *nodes, uint32_t at, bl_status s,
                          uint32_t *best)
{
    if (step(nodes, &at, DOT) && step(nodes, &at, s.class_ % 10) && step(nodes, &at, DOT) &&
        step_number(nodes, &at, s.subject, best) && step_key(nodes, &at, DOT, best))
        step_number(nodes, &at, s.detail, best);
}

uint32_t bl_digits_find(const struct bl_digit_node *nodes, uint16_t code, bl_status enhanced)
{
    uint32_t best = BL_NO_RULE, at = 0;
    bool has_enhanced = !bl_status_absent(enhanced);

    if (has_enhanced)
        walk_enhanced(nodes, 0, enhanced, &best);
    if (code >= 100 && code <= 999 && step_key(nodes, &at, code / 100u, &best) &&
        step(nodes, &at, code / 10 % 10) && step_key(nodes, &at, code % 10, &best) && has_enhanced)
        walk_enhanced(nodes, at, enhanced, &best);
    return best;
}
