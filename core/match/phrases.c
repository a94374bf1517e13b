/* The automaton of Aho and Corasick over folded bytes, in two small tables.
 *
 * Folding: each byte has a class; upper and lower case share one, so do all blanks, and every byte
 * that stands in no phrase is class `other`.  A blank after a blank stays in the state, so a run of
 * blanks reads as one.
 *
 * Complete rows (states x classes, 4 bytes each) of the rules that ship would take 16 MB: 29 000
 * states, 139 classes.  Nearly all of that says the same: from almost any state almost any byte
 * leads to where the last two bytes alone would lead.  So there is
 *
 *   pairs[class before][class]   the state after just these two: at most two symbols deep
 *   cells[state + class]         the exceptions, all states laid over each other (a double array)
 *
 *                 state s: exceptions for classes 3 and 7           state t: exception for 4
 *   cells  ... | s |   |   | s+3 | t |   |   | s+7 | t+4 | ...
 *              class in the low byte: 3 at s+3, so it belongs to s; found from t as t+c with c !=
 * 3, the class differs and the pair decides.  No two states have the same number.
 *
 * Both loads do not depend on each other, the choice is a conditional move, and the loop-carried
 * path is a shift, a load, a compare and the move.  A cell holds, from bit 9 on, the number of the
 * next state, a bit that says that a phrase ends there, and its class below; a pair is the same
 * without the class.  The cell of a state's own number (class 0, which no byte has) holds, from bit
 * 8 on, the longest phrase that ended.  The rules that ship take 520 kB of cells and 80 kB of
 * pairs.
 *
 * Building: trie, breadth first; a state's complete row is its fail state's row with its own
 * children put in; then exceptions are what differs from the pair, and states are placed first fit.
 *
 * Which comes first?  One state of five is ever visited by the rules' samples, one of twenty-five
 * takes three quarters of the visits, and replies to come are like them: those are placed first,
 * the most visited before all.  What is read most lies in the first 25 kB then, of a set of any
 * size, instead of all over it; the rest costs little until a reply says it.  Those follow by how
 * many exceptions they have, most first, which packs best.  Phrases are numbered by how often they
 * end in the samples, so what belongs to them lies close together, too. */
#include "phrases.h"

#include "bounceline/alloc.h"

#include <stdlib.h>

enum { PACKED_MAX = 1 << 23 /* a cell has 23 bits for numbers */, LOOK_BACK = 256 };

struct node {
    uint32_t child, sibling, fail, phrase; /* phrase: 1 + number of the one that ends here */
    uint8_t class_;
};

/* Which state is placed first. */
struct turn {
    uint32_t node, visits, exceptions;
};

struct build {
    const bl_slice *phrases;
    size_t n_phrases;
    struct node *nodes;
    uint32_t n_nodes, classes;
    uint8_t class_of[256];
    uint32_t *order;     /* nodes breadth first */
    uint32_t *rows;      /* n_nodes * classes */
    uint32_t *output_of; /* 1 + the longest phrase that ends there; 0: none */
    uint32_t *visits;    /* by the usual text */
    uint32_t *base;      /* node -> number in the double array */
    uint32_t *cells;
    uint8_t *used; /* bit 0: the cell is taken; bit 1: the number is taken */
    size_t n_cells, cells_room;
    bool too_large;
};

static bool too_large(struct build *b)
{
    b->too_large = true;
    return false;
}

static void fold_classes(struct build *b)
{
    uint32_t n = BL_CLASS_BLANK + 1;
    bool used[256] = {false};

    memset(b->class_of, BL_CLASS_OTHER, sizeof b->class_of);
    for (int c = 0; c < 256; c++)
        if (bl_is_blank_byte((char)c))
            b->class_of[c] = BL_CLASS_BLANK;
    for (size_t i = 0; i < b->n_phrases; i++)
        for (size_t j = 0; j < b->phrases[i].n; j++)
            used[(uint8_t)b->phrases[i].p[j]] = true;
    /* Letters first: what is read most lies close together. */
    for (int c = 'a'; c <= 'z'; c++)
        if (used[c])
            b->class_of[c] = (uint8_t)n++;
    for (int c = 0; c < 256; c++)
        if (used[c] && b->class_of[c] == BL_CLASS_OTHER)
            b->class_of[c] = (uint8_t)n++;
    for (int c = 'A'; c <= 'Z'; c++)
        b->class_of[c] = b->class_of[c | 0x20];
    b->classes = n;
}

static uint32_t find_child(const struct build *b, uint32_t node, uint8_t class_)
{
    uint32_t child = b->nodes[node].child;

    while (child && b->nodes[child].class_ != class_)
        child = b->nodes[child].sibling;
    return child;
}

static void add_phrase(struct build *b, uint32_t phrase)
{
    bl_slice text = b->phrases[phrase];
    uint32_t node = 0;

    for (size_t i = 0; i < text.n; i++) {
        uint8_t class_ = b->class_of[(uint8_t)text.p[i]];
        uint32_t child = find_child(b, node, class_);

        if (!child) {
            child = b->n_nodes++;
            b->nodes[child] = (struct node){.class_ = class_, .sibling = b->nodes[node].child};
            b->nodes[node].child = child;
        }
        node = child;
    }
    b->nodes[node].phrase = phrase + 1;
}

/* Breadth first: order, fail states and complete rows.  A fail state is shallower than its state,
 * so its row is complete when it is copied. */
static void link_states(struct build *b)
{
    uint32_t n = 0, done = 0;

    b->order[n++] = 0;
    memset(b->rows, 0, sizeof *b->rows * b->classes);
    while (done < n) {
        uint32_t node = b->order[done++], *row = b->rows + (size_t)node * b->classes;

        if (node)
            memcpy(row, b->rows + (size_t)b->nodes[node].fail * b->classes,
                   sizeof *row * b->classes);
        if (node && b->nodes[node].class_ == BL_CLASS_BLANK)
            row[BL_CLASS_BLANK] = node; /* a run of blanks is one */
        for (uint32_t child = b->nodes[node].child; child; child = b->nodes[child].sibling) {
            uint8_t class_ = b->nodes[child].class_;

            b->nodes[child].fail = node ? row[class_] : 0;
            row[class_] = child;
            b->order[n++] = child;
        }
    }
}

/* What ends in a state: its own phrase, or what ends in its fail state. */
static void list_outputs(struct build *b)
{
    for (uint32_t i = 1; i < b->n_nodes; i++) {
        uint32_t node = b->order[i], phrase = b->nodes[node].phrase;

        b->output_of[node] = phrase ? phrase : b->output_of[b->nodes[node].fail];
    }
}

static void count_visits(struct build *b, bl_slice usual)
{
    uint32_t node = 0;

    for (size_t i = 0; i < usual.n; i++) {
        node = b->rows[(size_t)node * b->classes + b->class_of[(uint8_t)usual.p[i]]];
        b->visits[node]++;
    }
}

struct rank {
    uint32_t phrase, ends;
};

static int by_ends(const void *a, const void *b)
{
    const struct rank *x = a, *y = b;

    if (x->ends != y->ends)
        return x->ends > y->ends ? -1 : 1;
    return x->phrase < y->phrase ? -1 : x->phrase > y->phrase;
}

/* From places among the phrases to numbers; those that end most often come first. */
static bool number_outputs(struct build *b, uint16_t *phrase_of, uint16_t *shorter)
{
    struct rank *ranks = bl_calloc(b->n_phrases + 1, sizeof *ranks);
    uint32_t *number_of = bl_calloc(b->n_phrases + 1, sizeof *number_of); /* both: 1 + */

    if (!ranks || !number_of) {
        bl_free(ranks);
        bl_free(number_of);
        return false;
    }
    for (uint32_t i = 0; i < b->n_phrases; i++)
        ranks[i].phrase = i;
    for (uint32_t node = 0; node < b->n_nodes; node++)
        if (b->output_of[node])
            ranks[b->output_of[node] - 1].ends += b->visits[node];
    qsort(ranks, b->n_phrases, sizeof *ranks, by_ends);
    for (uint32_t i = 0; i < b->n_phrases; i++) {
        phrase_of[i] = (uint16_t)ranks[i].phrase;
        number_of[ranks[i].phrase + 1] = i + 1;
    }
    for (uint32_t node = 0; node < b->n_nodes; node++)
        b->output_of[node] = number_of[b->output_of[node]];
    for (uint32_t node = 1; node < b->n_nodes; node++)
        if (b->nodes[node].phrase)
            shorter[b->output_of[node] - 1] = (uint16_t)b->output_of[b->nodes[node].fail];
    bl_free(ranks);
    bl_free(number_of);
    return true;
}

static uint32_t pair_state(const struct build *b, uint32_t before, uint32_t class_)
{
    return b->rows[(size_t)b->rows[before] * b->classes + class_];
}

static size_t list_exceptions(const struct build *b, uint32_t node, uint8_t *out)
{
    const uint32_t *row = b->rows + (size_t)node * b->classes;
    size_t n = 0;

    for (uint32_t c = 1; node && c < b->classes; c++)
        if (row[c] != pair_state(b, b->nodes[node].class_, c))
            out[n++] = (uint8_t)c;
    return n;
}

enum { CELL_TAKEN = 1, NUMBER_TAKEN = 2 };

static bool have_cells(struct build *b, size_t n)
{
    size_t room = b->cells_room ? b->cells_room : 4096;
    uint32_t *cells;
    uint8_t *used;

    if (n <= b->cells_room)
        return true;
    if (n >= PACKED_MAX)
        return too_large(b);
    while (room < n)
        room *= 2;
    cells = bl_realloc(b->cells, room * sizeof *cells);
    if (!cells)
        return false;
    b->cells = cells;
    used = bl_realloc(b->used, room);
    if (!used)
        return false;
    b->used = used;
    memset(cells + b->cells_room, 0, (room - b->cells_room) * sizeof *cells);
    memset(used + b->cells_room, 0, room - b->cells_room);
    b->cells_room = room;
    return true;
}

static bool fits(const struct build *b, size_t at, bool output, const uint8_t *classes, size_t n)
{
    if ((b->used[at] & NUMBER_TAKEN) || (output && (b->used[at] & CELL_TAKEN)))
        return false;
    for (size_t i = 0; i < n; i++)
        if (b->used[at + classes[i]] & CELL_TAKEN)
            return false;
    return true;
}

/* First fit, from somewhat before the furthest that a state with as many exceptions went to: holes
 * that were no good for one are for another.  All holes would be no tenth more, and take a hundred
 * times as long. */
static bool place(struct build *b, uint32_t node, const uint8_t *classes, size_t n, size_t *from)
{
    bool output = b->output_of[node];
    size_t at = *from > LOOK_BACK ? *from - LOOK_BACK : 0;

    for (;; at++) {
        if (!have_cells(b, at + 256 + 1))
            return false;
        if (fits(b, at, output, classes, n))
            break;
    }
    *from = at > *from ? at : *from;
    b->base[node] = (uint32_t)at;
    b->used[at] = (uint8_t)(b->used[at] | NUMBER_TAKEN | (output ? CELL_TAKEN : 0));
    for (size_t i = 0; i < n; i++)
        b->used[at + classes[i]] |= CELL_TAKEN;
    if (at + b->classes > b->n_cells)
        b->n_cells = at + b->classes;
    return true;
}

static int by_turn(const void *a, const void *b)
{
    const struct turn *x = a, *y = b;

    if (x->visits != y->visits)
        return x->visits > y->visits ? -1 : 1;
    if (x->exceptions != y->exceptions)
        return x->exceptions > y->exceptions ? -1 : 1;
    return x->node < y->node ? -1 : x->node > y->node;
}

static bool place_states(struct build *b)
{
    struct turn *turns = bl_calloc(b->n_nodes, sizeof *turns);
    uint8_t exceptions[256];
    size_t from[256] = {0};
    bool placed = turns;

    for (uint32_t node = 0; placed && node < b->n_nodes; node++)
        turns[node] =
            (struct turn){node, b->visits[node], (uint32_t)list_exceptions(b, node, exceptions)};
    if (placed)
        qsort(turns, b->n_nodes, sizeof *turns, by_turn);
    for (uint32_t i = 0; placed && i < b->n_nodes; i++) {
        size_t n = list_exceptions(b, turns[i].node, exceptions);

        placed = place(b, turns[i].node, exceptions, n, &from[n]);
    }
    bl_free(turns);
    return placed;
}

static uint32_t cell(const struct build *b, uint32_t node, uint32_t class_)
{
    return b->base[node] << BL_CELL_STATE | (b->output_of[node] ? BL_CELL_HIT : 0u) | class_;
}

static void fill_cells(struct build *b, uint32_t *pairs)
{
    uint8_t exceptions[256];

    for (uint32_t node = 0; node < b->n_nodes; node++) {
        size_t n = list_exceptions(b, node, exceptions);

        for (size_t i = 0; i < n; i++)
            b->cells[b->base[node] + exceptions[i]] =
                cell(b, b->rows[(size_t)node * b->classes + exceptions[i]], exceptions[i]);
        if (b->output_of[node])
            b->cells[b->base[node]] = (b->output_of[node] - 1) << 8;
    }
    for (uint32_t before = 0; before < b->classes; before++)
        for (uint32_t c = 0; c < b->classes; c++)
            pairs[before * b->classes + c] = cell(b, pair_state(b, before, c), 0);
}

static bool finish(struct build *b, struct bl_arena *arena, struct bl_phrases *out)
{
    uint32_t *pairs = bl_arena_alloc(arena, sizeof *pairs * b->classes * b->classes);
    uint8_t *class_of = bl_arena_alloc(arena, sizeof b->class_of);
    uint32_t *cells = bl_arena_alloc(arena, sizeof *cells * b->n_cells);

    if (!pairs || !class_of || !cells)
        return false;
    fill_cells(b, pairs);
    memcpy(class_of, b->class_of, sizeof b->class_of);
    memcpy(cells, b->cells, sizeof *cells * b->n_cells);
    *out = (struct bl_phrases){
        .class_of = class_of,
        .cells = cells,
        .pairs = pairs,
        .n_cells = (uint32_t)b->n_cells,
        .classes = b->classes,
        .start = b->base[b->rows[BL_CLASS_BLANK]],
    };
    return true;
}

enum bl_code bl_phrases_build(struct bl_arena *arena, const struct bl_phrases_from *from,
                              struct bl_phrases *out, uint16_t *phrase_of, uint16_t *shorter,
                              bl_err *err)
{
    struct build b = {.phrases = from->phrases, .n_phrases = from->n, .n_nodes = 1};
    size_t states = 1;
    enum bl_code rc = BL_NO_MEMORY;

    for (size_t i = 0; i < from->n; i++)
        states += from->phrases[i].n;
    if (from->n >= BL_WORDS_MAX)
        return bl_fail(err, BL_LIMIT, 0, "more than %d different phrases", BL_WORDS_MAX);
    if (states > BL_PHRASES_BYTES)
        return bl_fail(err, BL_LIMIT, 0, "phrases hold more than %d bytes together",
                       BL_PHRASES_BYTES);
    fold_classes(&b);
    b.nodes = bl_calloc(states, sizeof *b.nodes);
    if (!b.nodes)
        goto out;
    for (size_t i = 0; i < from->n; i++)
        add_phrase(&b, (uint32_t)i);
    b.too_large = b.n_nodes > BL_STATES_MAX;
    if (b.too_large)
        goto out;
    b.order = bl_calloc(b.n_nodes, sizeof *b.order);
    b.rows = bl_malloc((size_t)b.n_nodes * b.classes * sizeof *b.rows);
    b.output_of = bl_calloc(b.n_nodes, sizeof *b.output_of);
    b.visits = bl_calloc(b.n_nodes, sizeof *b.visits);
    b.base = bl_calloc(b.n_nodes, sizeof *b.base);
    if (!b.order || !b.rows || !b.output_of || !b.visits || !b.base)
        goto out;
    link_states(&b);
    list_outputs(&b);
    count_visits(&b, from->usual);
    if (number_outputs(&b, phrase_of, shorter) && place_states(&b) && finish(&b, arena, out))
        rc = BL_OK;
out:
    if (rc != BL_OK)
        rc = b.too_large ? bl_fail(err, BL_LIMIT, 0, "the phrase table outgrows its limits")
                         : bl_fail(err, rc, 0, "out of memory building the phrase table");
    bl_free(b.nodes);
    bl_free(b.order);
    bl_free(b.rows);
    bl_free(b.output_of);
    bl_free(b.visits);
    bl_free(b.base);
    bl_free(b.cells);
    bl_free(b.used);
    return rc;
}
