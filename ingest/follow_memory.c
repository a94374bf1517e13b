/* A file that is left alone is judged again when it changes, and when any generation loses its file
 * (the epoch): only then can it turn out to be more than a copy. */
#include "follow_parts.h"

#include "bounceline/alloc.h"

struct bl_left_alone *bl_follow_recall(struct bl_follow *f, const struct bl_file_id *id)
{
    for (size_t i = 0; i < f->left_n; i++)
        if (bl_follow_is_same_file(&f->left[i].id, id))
            return &f->left[i];
    return NULL;
}

static struct bl_left_alone *recall_or_add(struct bl_follow *f, const struct bl_sibling *s)
{
    struct bl_left_alone *left = bl_follow_recall(f, &s->id);

    if (!left && f->left_n == f->left_cap) {
        size_t cap = f->left_cap ? f->left_cap * 2 : 16;
        struct bl_left_alone *grown = bl_realloc(f->left, cap * sizeof *grown);

        if (!grown)
            return NULL; /* it will be looked at again */
        f->left = grown;
        f->left_cap = cap;
    }
    if (!left) {
        left = &f->left[f->left_n++];
        *left = (struct bl_left_alone){0};
    }
    left->id = s->id;
    left->seen = true;
    return left;
}

void bl_follow_leave(struct bl_follow *f, struct bl_look *look, size_t i)
{
    struct bl_found *found = &look->found[i];
    struct bl_left_alone *left = recall_or_add(f, &look->list.v[i]);

    if (!left)
        return;
    left->epoch = f->epoch;
    left->judged |= left->id.size > 0;
    left->copy_of = found->copy_of ? found->copy_of->known.generation : 0;
    found->settled = true;
}

void bl_follow_leave_copy(struct bl_follow *f, struct bl_look *look, size_t i, const char *of)
{
    struct bl_left_alone *left = recall_or_add(f, &look->list.v[i]);

    if (left && !left->copy) {
        f->stats.copies_skipped++;
        bl_follow_say(f, BL_NOTE_INFO, "'%s' is a copy of %s: skipped", look->list.v[i].path, of);
        left->copy = true;
    }
    bl_follow_leave(f, look, i);
}

/* It must not by then count as old because younger files were read. */
void bl_follow_ask_again(struct bl_follow *f, struct bl_look *look, size_t i, bool wanted)
{
    struct bl_left_alone *left = recall_or_add(f, &look->list.v[i]);

    if (!left)
        return;
    left->wanted = wanted;
    left->epoch = 0; /* settled by none */
}

static struct bl_generation *find(struct bl_follow *f, uint64_t generation)
{
    for (size_t k = 0; generation && k < f->n; k++)
        if (f->v[k]->known.generation == generation)
            return f->v[k];
    return NULL;
}

void bl_follow_recall_all(struct bl_follow *f, struct bl_look *look)
{
    for (size_t i = 0; i < look->list.n; i++) {
        const struct bl_sibling *s = &look->list.v[i];
        struct bl_left_alone *left = bl_follow_recall(f, &s->id);

        if (!left)
            continue;
        left->seen = true;
        if (look->found[i].of || left->epoch != f->epoch || left->id.size != s->id.size ||
            left->id.mtime_ns != s->id.mtime_ns)
            continue;
        look->found[i].settled = true;
        look->found[i].copy_of = find(f, left->copy_of);
    }
}

void bl_follow_forget_vanished(struct bl_follow *f)
{
    size_t kept = 0;

    for (size_t i = 0; i < f->left_n; i++)
        if (f->left[i].seen) {
            f->left[kept] = f->left[i];
            f->left[kept++].seen = false;
        }
    f->left_n = kept;
}
