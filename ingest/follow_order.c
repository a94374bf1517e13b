/* The names give the order of the files that are there (siblings.c).  News is the log itself, what
 * was named at the first start, and what is younger than the frontier: than every file of which
 * something was read. */
#include "follow_parts.h"

/* --- the order of generations --- */

/* One that was packed and deleted while it is read stands where its archive stands. */
static size_t place_of(const struct bl_look *look, const struct bl_generation *g)
{
    size_t copy = 0; /* not there: older than all that is */

    for (size_t i = 0; i < look->list.n; i++) {
        if (look->found[i].of == g)
            return i + 1;
        if (look->found[i].copy_of == g)
            copy = i + 1;
    }
    return copy;
}

/* One that is not there at all stays behind the one it stood behind. */
void bl_follow_sort(struct bl_follow *f, const struct bl_look *look)
{
    size_t last = 0;

    for (size_t k = 0; k < f->n; k++) {
        size_t own = place_of(look, f->v[k]);

        last = f->v[k]->place = own ? own : last;
    }
    bl_follow_sort_by_place(f);
}

void bl_follow_sort_by_place(struct bl_follow *f)
{
    for (size_t k = 1; k < f->n; k++)
        for (size_t j = k; j > 0 && f->v[j - 1]->place > f->v[j]->place; j--) {
            struct bl_generation *g = f->v[j];

            f->v[j] = f->v[j - 1];
            f->v[j - 1] = g;
        }
}

/* --- what is news --- */

/* Something of what the file holds was handed out. */
static bool is_read(const struct bl_found *found)
{
    return (found->of && found->of->known.offset > 0) ||
           (found->copy_of && found->copy_of->known.offset > 0);
}

/* A generation of which nothing was handed out proves nothing: its file may have been copied away
 * and truncated in between, and nobody could tell. */
void bl_follow_find_frontier(const struct bl_follow *f, struct bl_look *look)
{
    look->younger = 0;
    look->absent_seen_s = INT64_MIN;
    look->untouched = true;
    for (size_t i = 0; i < look->list.n; i++)
        if (is_read(&look->found[i]))
            look->younger = i + 1;
    for (size_t k = 0; k < f->n; k++) {
        const struct bl_generation *g = f->v[k];

        if (g->known.offset == 0)
            continue;
        look->untouched = false;
        if (!g->present && !bl_generation_is_open(g) && g->known.seen_s > look->absent_seen_s)
            look->absent_seen_s = g->known.seen_s;
    }
}

bool bl_follow_wants(struct bl_follow *f, const struct bl_look *look, size_t i)
{
    const struct bl_sibling *s = &look->list.v[i];
    const struct bl_left_alone *left = bl_follow_recall(f, &s->id);

    if (s->live || look->found[i].rewritten || (left && left->wanted))
        return true;
    if (f->log->alone)
        return true; /* of a log that was not named only named files are listed */
    if (f->first && s->named)
        return true;
    if (f->first && !f->told)
        return false;
    if (look->untouched)
        return s->id.mtime_ns >= f->first_look_ns;
    return i >= look->younger &&
           (look->absent_seen_s == INT64_MIN || s->id.mtime_ns / 1000000000 >= look->absent_seen_s);
}

/* Something older than the file was read: then it should have been, too. */
bool bl_follow_is_between(const struct bl_follow *f, const struct bl_look *look, size_t i)
{
    for (size_t j = 0; j < i; j++)
        if (is_read(&look->found[j]))
            return true;
    for (size_t k = 0; k < f->n; k++) {
        const bl_position *known = &f->v[k]->known;

        if (!f->v[k]->present && known->offset > 0 &&
            known->seen_s < look->list.v[i].id.mtime_ns / 1000000000)
            return true;
    }
    return false;
}
