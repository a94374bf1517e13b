/* phrases.h -- one automaton over all phrases (private to match/)
 *
 * Shapes     phrases: folded, 1..BL_PHRASE_MAX bytes; text: any bytes
 * Ownership  tables live in the arena
 * Threads    stepping reads only
 * Errors     bl_phrases_build: BL_NO_MEMORY, BL_LIMIT
 * Source     Aho, Corasick 1975; the table layout is explained in phrases.c
 */
#ifndef BL_MATCH_PHRASES_H
#define BL_MATCH_PHRASES_H

#include "bounceline/arena.h"

#include "tables.h"

/* What the automaton is made from.  `usual` reads as most texts do: what it visits and ends most
 * lies close together, that is all it decides. */
struct bl_phrases_from {
    const bl_slice *phrases; /* all different */
    size_t n;
    bl_slice usual;
};

/* The automaton puts out numbers 0..n-1: `phrase_of` says which phrase each stands for, `shorter` 1
 * + the number of the longest other one that it ends with, 0 for none. */
enum bl_code bl_phrases_build(struct bl_arena *arena, const struct bl_phrases_from *from,
                              struct bl_phrases *out, uint16_t *phrase_of, uint16_t *shorter,
                              bl_err *err);

enum {
    BL_CLASS_OTHER = 1,
    BL_CLASS_BLANK = 2,
    BL_END_BYTE = 3 /* read behind a text; `$` in a phrase */
};

/* Where an automaton stands: the cell that led there, and the class of the byte before, times the
 * number of classes. */
typedef struct bl_walk {
    uint32_t cell;
    uint32_t row;
} bl_walk;

enum { BL_CELL_HIT = 1 << 8, BL_CELL_STATE = 9 /* bits below */ };

static inline bl_walk bl_phrases_start(const struct bl_phrases *t)
{
    return (bl_walk){t->start << BL_CELL_STATE, BL_CLASS_BLANK * t->classes};
}

/* One byte on; `t` by value, so that its pointers stay in registers.  Half and half: a branch would
 * be wrong too often, the compiler shall move. */
static inline void bl_phrases_step(struct bl_phrases t, bl_walk *walk, uint8_t byte)
{
    uint32_t class_ = t.class_of[byte];
    uint32_t own = (t.cells + class_)[walk->cell >> BL_CELL_STATE],
             usual = t.pairs[walk->row + class_];

    walk->cell = __builtin_expect_with_probability((uint8_t)own == class_, 1, 0.5) ? own : usual;
    walk->row = class_ * t.classes;
}

/* Whether a phrase ended with that byte, and the longest that did. */
static inline bool bl_phrases_hit(uint32_t cell)
{
    return cell & BL_CELL_HIT;
}

static inline uint32_t bl_phrases_word(const struct bl_phrases *t, uint32_t cell)
{
    return t->cells[cell >> BL_CELL_STATE] >> 8;
}

static inline bool bl_is_blank_byte(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

#endif
