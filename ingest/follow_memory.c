/* A file that is left alone is judged again when it changes, and when any generation loses its file (the
 * epoch): only then can it turn out to be more than a copy. */
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

void bl_follow_leave(struct bl_follow *f, const struct bl_sibling *s, const char *copy)
{
    struct bl_left_alone *left = recall_or_add(f, s);

    if (!left)
        return;
    if (copy && !left->copy) {
        f->stats.copies_skipped++;
        bl_follow_say(f, BL_NOTE_INFO, "'%s' is a copy of %s: skipped", s->path, copy);
        left->copy = true;
    }
    left->epoch = f->epoch;
    left->judged |= s->id.size > 0;
}

/* It must not by then count as old because younger files were read. */
void bl_follow_ask_again(struct bl_follow *f, const struct bl_sibling *s, bool wanted)
{
    struct bl_left_alone *left = recall_or_add(f, s);

    if (!left)
        return;
    left->wanted = wanted;
    left->epoch = 0; /* settled by none */
}

bool bl_follow_is_settled(struct bl_follow *f, const struct bl_sibling *s)
{
    struct bl_left_alone *left = bl_follow_recall(f, &s->id);

    if (!left)
        return false;
    left->seen = true;
    return left->epoch == f->epoch && left->id.size == s->id.size && left->id.mtime_ns == s->id.mtime_ns;
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
