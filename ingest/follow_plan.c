/* Where a run begins: every generation that any slot knows, each from where the slot that has least
 * of it stands, or from where the join's snapshot was taken.  When Redis came back empty the slots
 * know none; then those that were read into the old one begin at 0, and those whose file is gone
 * are said to be lost. */
#include "follow_parts.h"

#include <stdlib.h>

#include "bounceline/alloc.h"
#include "bounceline/snapshot.h"

enum { REMEMBERED = 0 }; /* for a number of slots: none has it */

struct bl_follow_plan {
    bool cold;
    size_t n, cap;
    size_t sorted; /* so many of the first: by name */
    struct bl_generation **v;
};

/* --- positions by name: there may be thousands in each of many slots --- */

struct by_name {
    const bl_position **v;
    size_t n;
};

static int compare_names(const void *a, const void *b)
{
    const bl_position *x = *(const bl_position *const *)a, *y = *(const bl_position *const *)b;

    return (x->generation > y->generation) - (x->generation < y->generation);
}

static void gather(struct by_name *list, uint64_t source, const struct bl_positions *from)
{
    for (size_t i = 0; from && i < from->n; i++)
        if (from->v[i].source == source)
            list->v[list->n++] = &from->v[i];
}

static enum bl_code reserve(struct by_name *list, size_t n)
{
    list->v = bl_calloc(n + 1, sizeof *list->v);
    return list->v ? BL_OK : BL_NO_MEMORY;
}

static void sort(struct by_name *list)
{
    qsort(list->v, list->n, sizeof *list->v, compare_names);
}

static uint64_t offset_in(const struct by_name *list, const bl_position *like)
{
    const bl_position **found = bsearch(&like, list->v, list->n, sizeof *list->v, compare_names);

    return found ? (*found)->offset : 0;
}

/* --- the plan --- */

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

/* What `n` of the slots say of one generation.  It is finished when all that are furthest were told
 * so; of one that is only remembered nobody was told anything.  Blocks also end where the log once
 * did: whom that was not told hears of it between the lines before and those behind. */
static enum bl_code add(struct bl_follow_plan *plan, const bl_position **at, size_t n, size_t slots)
{
    struct bl_generation *g = bl_generation_known(at[0]);
    enum bl_code rc = g ? append(plan, g) : BL_NO_MEMORY;

    if (rc != BL_OK) {
        bl_generation_free(g);
        return rc;
    }
    g->least = n == slots ? UINT64_MAX : 0;
    for (size_t i = 0; i < n && rc == BL_OK; i++) {
        if (at[i]->offset > g->known.offset) {
            g->known = *at[i];
        } else if (at[i]->offset == g->known.offset) {
            g->known.finished &= at[i]->finished;
        }
        if (at[i]->offset < g->least)
            g->least = at[i]->offset;
        if (slots != REMEMBERED)
            rc = bl_generation_cut(g, at[i]->offset);
        if (slots != REMEMBERED && rc == BL_OK)
            rc = bl_generation_cut(g, at[i]->told_at);
    }
    g->known.finished &= slots != REMEMBERED;
    g->known.told_at = 0;
    g->at = g->least;
    return rc;
}

static enum bl_code add_all(struct bl_follow_plan *plan, const struct by_name *list,
                            const struct by_name *join, size_t slots)
{
    enum bl_code rc = BL_OK;

    for (size_t i = 0, next; i < list->n && rc == BL_OK; i = next) {
        for (next = i + 1; next < list->n && list->v[next]->generation == list->v[i]->generation;)
            next++;
        rc = add(plan, list->v + i, next - i, slots);
        if (rc == BL_OK && !plan->cold)
            plan->v[plan->n - 1]->at = offset_in(join, list->v[i]);
    }
    plan->sorted = plan->n;
    return rc;
}

struct bl_follow_plan *bl_follow_plan_new(uint64_t source, const struct bl_resume *resume)
{
    struct bl_follow_plan *plan = bl_calloc(1, sizeof *plan);
    /* A snapshot that has not the join of this source knows nothing of it: all is read from its
     * start. */
    bool known = resume->snapshot && bl_snapshot_has(resume->snapshot, source);
    const struct bl_positions *joined = known ? &resume->snapshot->positions : NULL;
    size_t slots = 1 + (size_t)resume->partitions, n = resume->remembered.n;
    struct by_name list = {0}, join = {0};
    enum bl_code rc = BL_NO_MEMORY;

    for (size_t i = 0; i < slots; i++)
        n += resume->slot[i].n;
    if (!plan || reserve(&list, n) != BL_OK || reserve(&join, joined ? joined->n : 0) != BL_OK)
        goto out;
    plan->cold = !resume->snapshot;
    for (size_t i = 0; i < slots; i++)
        gather(&list, source, &resume->slot[i]);
    if (list.n == 0) {
        slots = REMEMBERED;
        gather(&list, source, &resume->remembered);
    }
    gather(&join, source, joined);
    sort(&list);
    sort(&join);
    rc = add_all(plan, &list, &join, slots);
out:
    bl_free(list.v);
    bl_free(join.v);
    if (rc != BL_OK) {
        bl_follow_plan_free(plan);
        plan = NULL;
    }
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

static struct bl_generation *find(const struct bl_follow_plan *plan, uint64_t name)
{
    size_t low = 0, high = plan->sorted;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (plan->v[middle]->known.generation < name)
            low = middle + 1;
        else
            high = middle;
    }
    return low < plan->sorted && plan->v[low]->known.generation == name ? plan->v[low] : NULL;
}

static void forget(struct bl_follow *f)
{
    for (size_t i = 0; i < f->n; i++)
        bl_generation_free(f->v[i]);
    bl_free(f->v);
    f->v = NULL;
    f->n = f->cap = 0;
}

/* Of a file that is open the next run gets the descriptor: the file may have no name any more, and
 * be nobody's but ours.  One that no slot heard of is begun anew, behind what was passed over of
 * it. */
static enum bl_code hand_over(struct bl_follow_plan *plan, struct bl_generation *from, size_t place)
{
    struct bl_generation *to = find(plan, from->known.generation);

    if (to) {
        if (bl_generation_is_open(from))
            bl_generation_take_file(to, &from->file);
        to->reported = from->reported;
        to->lost = from->lost;
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
