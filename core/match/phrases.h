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
    uint8_t  part;
    bool     last;
};

enum bl_code bl_phrases_build(struct bl_arena *arena, const struct bl_phrase_use *uses, size_t n,
                              struct bl_phrases *out, bl_err *err);

/* Where an automaton stands: a state, and the class of the byte before. */
typedef struct bl_walk {
    uint32_t state, row; /* row = class * classes */
} bl_walk;

enum { BL_CLASS_OTHER = 1, BL_CLASS_BLANK = 2 };

static inline bl_walk bl_phrases_start(const struct bl_phrases *t)
{
    return (bl_walk){t->start, BL_CLASS_BLANK * t->classes};
}

/* One byte on.  True when a phrase ends here: its list is at bl_phrases_outputs(). */
static inline bool bl_phrases_step(const struct bl_phrases *t, bl_walk *walk, uint8_t byte)
{
    uint32_t class_ = t->class_of[byte];
    uint32_t own = t->cells[walk->state + class_];
    uint32_t usual = t->pairs[walk->row + class_];
    uint32_t next = (own & 255) == class_ ? own : usual;

    walk->state = next >> 9;
    walk->row = class_ * t->classes;
    return next & 256;
}

static inline const uint32_t *bl_phrases_outputs(const struct bl_phrases *t, bl_walk walk)
{
    return t->outputs + (t->cells[walk.state] >> 9);
}

static inline bool bl_is_blank_byte(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

#endif
