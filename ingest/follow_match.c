/* Which listed file is which generation, by inode and birth time.  A generation whose inode is
 * there with other contents was rewritten (truncated, or its inode given to another file): it has
 * no file any more.
 *
 * Names were listed before files are opened, and in between everything may move.  Two things make
 * that harmless here: what is opened must be what was listed, and a log is begun only when the
 * folder was listed once more after its head was noted. */
#include "follow_parts.h"

#include <errno.h>

/* A name may lead to another file by now: then the list is out of date, as if nothing were
 * there. */
enum bl_code bl_follow_open(const struct bl_sibling *s, struct bl_logfile *file, bl_err *err)
{
    enum bl_code rc = bl_logfile_open(file, s->path, err);

    if (rc != BL_OK || bl_follow_is_same_file(&file->id, &s->id) ||
        bl_identity_test.no_listed_check)
        return rc;
    bl_logfile_close(file);
    return bl_fail(err, BL_NO_INPUT, ENOENT, "'%s' is another file now", s->path);
}

void bl_follow_cannot_open(struct bl_follow *f, struct bl_look *look, size_t i, const bl_err *err)
{
    look->found[i].hold = true;
    if (err->sys == ENOENT) {
        look->moved = true;
        return;
    }
    if (look->list.v[i].live) {
        look->live_failed = true;
        look->live_err = *err;
    } else if (!f->told) {
        bl_follow_say(f, BL_NOTE_WARNING, "%s: %s", err->text, strerror(err->sys));
    }
}

/* What a log holds now and another file holds too by the time of the list is either still here when
 * it is read, or missed there. */
void bl_follow_note_heads(struct bl_follow *f)
{
    for (size_t k = f->n; k > 0; k--) {
        struct bl_generation *g = f->v[k - 1];

        if (!bl_generation_is_open(g) || !bl_generation_is_untouched(g))
            continue;
        /* also where its head cannot be read: the real read will say so */
        if (bl_generation_is_intact(g))
            g->vetted |= g->file.id.size > 0 && (g->first_line || g->first_n == 0 || !g->live);
        else
            bl_follow_rewritten(f, g);
    }
}

static bool is_done_with(const struct bl_generation *g, const struct bl_file_id *id)
{
    return g->done && g->checked && g->done_id.size == id->size &&
           g->done_id.mtime_ns == id->mtime_ns;
}

/* A generation known from a slot, and a file with its inode.  An inode may have been used twice (a
 * file that was truncated, its older contents a generation too): then the contents tell which. */
static void match_closed(struct bl_follow *f, struct bl_look *look, size_t i)
{
    const struct bl_sibling *s = &look->list.v[i];
    struct bl_found *found = &look->found[i];
    struct bl_generation *best = NULL, *other = NULL;
    struct bl_logfile file = BL_LOGFILE_CLOSED;
    bl_err err;

    for (size_t k = 0; k < f->n && !found->hold; k++) {
        struct bl_generation *g = f->v[k];
        enum bl_identity is;

        if (bl_generation_is_open(g) || g->rewritten || !bl_identity_same_inode(&g->known, &s->id))
            continue;
        if (is_done_with(g, &s->id)) {
            found->of = g;
            goto out;
        }
        if (file.fd < 0 && bl_follow_open(s, &file, &err) != BL_OK) {
            bl_follow_cannot_open(f, look, i, &err);
            return;
        }
        is = bl_identity_matches(&file, &g->known);
        found->hold |= is == BL_IDENTITY_UNKNOWN;
        if (is == BL_IDENTITY_OTHER)
            other = g;
        else if (!best || g->known.offset > best->known.offset)
            best = g;
    }
    if (found->hold)
        goto out;
    if (best) {
        bl_follow_go_on(f, best, &file);
        found->of = best;
    } else if (other) {
        bl_follow_say(
            f, BL_NOTE_WARNING,
            "'%s' has other contents than when it was read last: reading it from its start",
            s->path);
        found->rewritten = s->id.birth_ns != 0; /* else the inode may just have been used again */
        bl_follow_rewritten(f, other);
    }
out:
    bl_logfile_close(&file);
}

/* One that is open: its inode cannot have been given to anybody else. */
static void match_open(struct bl_follow *f, struct bl_look *look, size_t i, struct bl_generation *g)
{
    const struct bl_sibling *s = &look->list.v[i];

    if (!bl_generation_is_intact(g)) {
        bl_follow_say(f, BL_NOTE_WARNING,
                      "'%s' was truncated or written anew: reading it from its start", s->path);
        look->found[i].rewritten = true;
        bl_follow_rewritten(f, g);
        return;
    }
    if (g->file.packing == BL_PLAIN && s->id.size > g->size)
        g->size = s->id.size;
    bl_logfile_rename(&g->file, s->path);
    look->found[i].of = g;
}

static struct bl_generation *find_open(struct bl_follow *f, const struct bl_file_id *id)
{
    for (size_t k = 0; k < f->n; k++)
        if (bl_generation_is_open(f->v[k]) && bl_identity_same_inode(&f->v[k]->known, id))
            return f->v[k];
    return NULL;
}

/* It has no file of its own any more, at most a descriptor of a file without a name. */
static bool is_orphan(const struct bl_generation *g)
{
    if (bl_generation_is_open(g))
        return g->file.id.unlinked;
    return g->rewritten || !g->present;
}

/* Sets present and live anew; a generation that was the log and is not any more was rotated
 * away. */
static void place_generations(struct bl_follow *f, struct bl_look *look)
{
    for (size_t k = 0; k < f->n; k++)
        f->v[k]->present = false;
    for (size_t i = 0; i < look->list.n; i++)
        if (look->found[i].of)
            look->found[i].of->present = true;
    for (size_t k = 0; k < f->n; k++) {
        struct bl_generation *g = f->v[k];
        bool was_live = g->live;

        g->live = false;
        for (size_t i = 0; i < look->list.n; i++)
            g->live |= look->found[i].of == g && look->list.v[i].live;
        g->was_live |= g->live;
        f->stats.rotations += was_live && !g->live;
        if (bl_generation_is_open(g) && !g->present)
            (void)bl_logfile_refresh(&g->file, NULL); /* has it lost its last name? */
        if (is_orphan(g))
            bl_follow_lost_its_file(f, g);
    }
}

/* Those that are open and have no name here any more were compared with nothing yet. */
static void check_nameless(struct bl_follow *f)
{
    for (size_t k = f->n; k > 0; k--) {
        struct bl_generation *g = f->v[k - 1];

        if (!bl_generation_is_open(g) || g->present || bl_generation_is_intact(g))
            continue;
        bl_follow_say(f, BL_NOTE_WARNING,
                      "'%s' was truncated or written anew before it was deleted or moved",
                      g->file.path);
        bl_follow_rewritten(f, g);
    }
}

void bl_follow_match(struct bl_follow *f, struct bl_look *look)
{
    for (size_t i = 0; i < look->list.n; i++) {
        struct bl_generation *open = find_open(f, &look->list.v[i].id);

        if (open)
            match_open(f, look, i, open);
        else
            match_closed(f, look, i);
    }
    place_generations(f, look);
    check_nameless(f);
}
