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

struct bl_phrase_use {
    bl_slice text;
    uint32_t rule;
    uint8_t part;
    bool last;
};

enum bl_code bl_phrases_build(struct bl_arena *arena, const struct bl_phrase_use *uses, size_t n,
                              struct bl_phrases *out, bl_err *err);

enum { BL_CLASS_OTHER = 1, BL_CLASS_BLANK = 2, BL_END_BYTE = 3 /* read behind a text; `$` in a phrase */ };

/* Where an automaton stands: `state` is the offset of its cells in bytes, plus 1 right after a
 * phrase has ended; `row` the class of the byte before, times the number of classes. */
typedef struct bl_walk {
    size_t state, row;
} bl_walk;

static inline bl_walk bl_phrases_start(const struct bl_phrases *t)
{
    return (bl_walk){t->start * sizeof *t->cells, BL_CLASS_BLANK * t->classes};
}

/* One byte on; `t` by value, so that its pointers stay in registers.  When bl_phrases_hit() says so
 * then, bl_phrases_outputs() must be called before the next byte. */
static inline void bl_phrases_step(struct bl_phrases t, bl_walk *walk, uint8_t byte)
{
    uint8_t class_ = t.class_of[byte];
    uint32_t own = ((const uint32_t *)(const void *)((const char *)t.cells + walk->state))[class_];
    uint32_t usual = t.pairs[walk->row + class_];

    walk->state = (uint8_t)own == class_ ? own >> 8 : usual;
    walk->row = (size_t)class_ * t.classes;
}

static inline bool bl_phrases_hit(bl_walk walk)
{
    return walk.state & 1;
}

/* The list of a state in which phrases end. */
static inline const uint32_t *bl_phrases_outputs(struct bl_phrases t, bl_walk *walk)
{
    walk->state--;
    return t.outputs + (t.cells[walk->state / sizeof *t.cells] >> 8);
}

static inline bool bl_is_blank_byte(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

#endif
