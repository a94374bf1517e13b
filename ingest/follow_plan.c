/* Where a run begins: every generation that any slot knows, each from where the slot that has least of it
 * stands, or from where the join's snapshot was taken.  When Redis came back empty the slots know none; then
 * those that were read into the old one begin at 0, and those whose file is gone are said to be lost. */
#include "follow_parts.h"

#include "bounceline/alloc.h"
#include "bounceline/snapshot.h"

struct bl_follow_plan {
    bool cold;
    size_t n, cap;
    struct bl_generation **v;
};

static struct bl_generation *find(const struct bl_follow_plan *plan, uint64_t name)
{
    for (size_t i = 0; i < plan->n; i++)
        if (plan->v[i]->known.generation == name)
            return plan->v[i];
    return NULL;
}

static enum bl_code append(struct bl_follow_plan *plan, struct bl_generation *g)
{
    if (plan->n == plan->cap) {
        size_t cap = plan->cap ? plan->cap * 2 : 16;
        struct bl_generation **v = bl_realloc(plan->v, cap * sizeof *v);

        if (!v)
            return BL_NO_MEMORY;
        plan->v = v;
        plan->cap = cap;
    }
    plan->v[plan->n++] = g;
    return BL_OK;
}

static struct bl_generation *find_or_add(struct bl_follow_plan *plan, const bl_position *position)
{
    struct bl_generation *g = find(plan, position->generation);

    if (g)
        return g;
    g = bl_generation_known(position);
    if (g && append(plan, g) != BL_OK) {
        bl_generation_free(g);
        return NULL;
    }
    return g;
}

static enum bl_code add(struct bl_follow_plan *plan, const bl_position *position)
{
    struct bl_generation *g = find_or_add(plan, position);

    if (!g)
        return BL_NO_MEMORY;
    if (position->offset > g->known.offset)
        g->known = *position;
    return bl_generation_cut(g, position->offset);
}

static enum bl_code add_remembered(struct bl_follow_plan *plan, const bl_position *position)
{
    struct bl_generation *g = find_or_add(plan, position);

    if (!g)
        return BL_NO_MEMORY;
    g->known.finished = false; /* nobody was told yet */
    return BL_OK;
}

static void set_begin(struct bl_generation *g, const struct bl_resume *resume)
{
    g->least = UINT64_MAX;
    for (size_t i = 0; i < 1 + (size_t)resume->partitions; i++) {
        uint64_t has = bl_positions_offset(&resume->slot[i], g->known.generation);

        if (has < g->least)
            g->least = has;
    }
    g->at = g->least;
    if (resume->snapshot)
        g->at = bl_positions_offset(&resume->snapshot->positions, g->known.generation);
}

struct bl_follow_plan *bl_follow_plan_new(uint64_t source, const struct bl_resume *resume)
{
    struct bl_follow_plan *plan = bl_calloc(1, sizeof *plan);

    if (!plan)
        return NULL;
    plan->cold = !resume->snapshot;
    for (size_t i = 0; i < 1 + (size_t)resume->partitions; i++)
        for (size_t j = 0; j < resume->slot[i].n; j++)
            if (resume->slot[i].v[j].source == source && add(plan, &resume->slot[i].v[j]) != BL_OK) {
                bl_follow_plan_free(plan);
                return NULL;
            }
    for (size_t j = 0; j < resume->remembered.n; j++)
        if (resume->remembered.v[j].source == source && add_remembered(plan, &resume->remembered.v[j]) != BL_OK) {
            bl_follow_plan_free(plan);
            return NULL;
        }
    for (size_t i = 0; i < plan->n; i++)
        set_begin(plan->v[i], resume);
    return plan;
}

void bl_follow_plan_free(struct bl_follow_plan *plan)
{
    if (!plan)
        return;
    for (size_t i = 0; i < plan->n; i++)
        bl_generation_free(plan->v[i]);
    bl_free(plan->v);
    bl_free(plan);
}

/* --- from one run to the next --- */

static void forget(struct bl_follow *f)
{
    for (size_t i = 0; i < f->n; i++)
        bl_generation_free(f->v[i]);
    bl_free(f->v);
    f->v = NULL;
    f->n = f->cap = 0;
}

/* Of a file that is open the next run gets the descriptor: the file may have no name any more, and be nobody's but
 * ours.  One that no slot heard of is begun anew, behind what was passed over of it. */
static enum bl_code hand_over(struct bl_follow_plan *plan, struct bl_generation *from, size_t place)
{
    struct bl_generation *to = find(plan, from->known.generation);

    if (to) {
        if (bl_generation_is_open(from))
            bl_generation_take_file(to, &from->file);
    } else if (bl_generation_is_open(from)) {
        to = bl_generation_new(from->known.source, &from->file);
        if (!to)
            return BL_NO_MEMORY;
        if (append(plan, to) != BL_OK) {
            bl_generation_free(to);
            return BL_NO_MEMORY;
        }
        to->skip_to = from->skip_to;
    }
    if (to) {
        to->live = from->live;
        to->was_live = from->was_live;
        to->place = place;
    }
    return BL_OK;
}

void bl_follow_start(struct bl_follow *f, struct bl_follow_plan *plan)
{
    bool first = plan->n == 0;

    for (size_t i = 0; i < f->n; i++)
        if (hand_over(plan, f->v[i], i + 1) != BL_OK)
            bl_follow_say(f, BL_NOTE_ERROR, "'%s' is closed: out of memory", f->v[i]->file.path);
    forget(f);
    f->v = plan->v;
    f->n = plan->n;
    f->cap = plan->cap;
    f->cold = plan->cold;
    f->started = true;
    f->first = first;
    bl_follow_sort_by_place(f);
    f->epoch++; /* what was left alone is judged again */
    f->looked = f->waiting = f->holding = false;
    f->held = 0;
    f->given_up = f->damaged = 0;
    plan->v = NULL;
    plan->n = 0;
    bl_follow_plan_free(plan);
}

void bl_follow_free(struct bl_follow *f)
{
    if (!f)
        return;
    forget(f);
    bl_free(f->left);
    bl_free(f);
}
