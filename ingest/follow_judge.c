/* The files that no inode tells, by contents: such a file goes on with a generation that has lost
 * its own (moved, copied before truncation, compressed); or it is a copy of one that lives, and is
 * passed over; or it is new, and then follow_order.c says whether it is wanted. */
#include "follow_parts.h"

enum { COPY_BYTES = 4096 /* a log that merely begins like another is not its copy */ };

/* Reads a file never seen before; [0, skip_to) is passed over. */
static void begin_new(struct bl_follow *f, struct bl_look *look, size_t i, struct bl_logfile *file,
                      uint64_t skip_to)
{
    const struct bl_sibling *s = &look->list.v[i];
    struct bl_generation *g = bl_generation_new(f->source, file);

    if (!g || bl_follow_add(f, g) != BL_OK) {
        bl_generation_free(g);
        bl_follow_say(f, BL_NOTE_ERROR, "cannot read '%s': out of memory", s->path);
        return;
    }
    g->skip_to = skip_to;
    g->present = true;
    g->live = g->was_live = s->live;
    look->found[i].of = g;
    look->begun |= !s->live;
    bl_follow_say(f, BL_NOTE_DEBUG, "'%s' is new: reading it from byte %llu", s->path,
                  (unsigned long long)skip_to);
}

/* The file holds, up to `common`, what is or was read elsewhere, there up to `read`.  A rotated
 * file is then left alone; but as long as the original may be truncated unread, the copy is asked
 * for again.  The log itself (somebody moved it away and put a copy in its place) is read behind
 * what is common. */
static void pass_over_copy(struct bl_follow *f, struct bl_look *look, size_t i,
                           struct bl_logfile *file, struct bl_generation *g, uint64_t common,
                           const char *of)
{
    const struct bl_sibling *s = &look->list.v[i];
    uint64_t read = g->known.offset, skip_to = 0;

    if (!s->live) {
        bool wanted = bl_follow_wants(f, look, i);

        look->found[i].copy_of = g;
        bl_follow_leave_copy(f, look, i, of);
        if (read < common)
            bl_follow_ask_again(f, look, i, wanted);
        return;
    }
    (void)bl_logfile_line_end(file, common, &skip_to);
    bl_follow_say(f, BL_NOTE_NOTICE, "'%s' begins with a copy of %s: reading on behind it", s->path,
                  of);
    begin_new(f, look, i, file, skip_to);
}

/* Is it a compressor's work on a file that still lies beside it, perhaps half done? */
static bool is_being_packed(struct bl_look *look, size_t i, struct bl_logfile *file)
{
    const struct bl_sibling *s = &look->list.v[i];
    size_t n = strlen(s->path) - bl_packed_ending((bl_slice){s->path, strlen(s->path)});
    enum bl_identity same = BL_IDENTITY_OTHER;

    for (size_t k = 0; s->rotated.packed && k < look->list.n; k++) {
        const struct bl_sibling *o = &look->list.v[k];
        struct bl_logfile original = BL_LOGFILE_CLOSED;
        bl_err err;

        if (strlen(o->path) != n || memcmp(o->path, s->path, n) != 0)
            continue;
        if (bl_follow_open(o, &original, &err) == BL_OK)
            same = bl_identity_same_head(file, &original);
        else if (err.sys == ENOENT)
            look->found[i].hold = look->moved = true; /* perhaps it was, or it lies elsewhere now */
        bl_logfile_close(&original);
        break;
    }
    return same != BL_IDENTITY_OTHER;
}

static void leave_packing(struct bl_follow *f, struct bl_look *look, size_t i)
{
    if (bl_follow_wants(f, look, i))
        bl_follow_leave_copy(f, look, i, "the file beside it");
    else
        bl_follow_leave(f, look, i);
}

/* The file takes the place of one that was moved, copied or compressed.  True when that settles
 * it. */
static bool goes_on(struct bl_follow *f, struct bl_look *look, size_t i, struct bl_logfile *file)
{
    const struct bl_sibling *s = &look->list.v[i];

    for (size_t k = 0; k < f->n; k++) {
        struct bl_generation *g = f->v[k];
        enum bl_identity is;

        if (!g->gone || g->known.offset == 0)
            continue;
        is = bl_identity_matches(file, &g->known);
        if (is == BL_IDENTITY_OTHER && bl_identity_is_earlier(file, &g->known)) {
            pass_over_copy(f, look, i, file, g, file->id.size, "what was read already");
            return true;
        }
        if (is == BL_IDENTITY_OTHER)
            continue;
        if (is == BL_IDENTITY_UNKNOWN) {
            look->found[i].hold = true;
        } else if (bl_generation_is_open(g)) {
            /* Deleted, but we have it, and with it what a writer may still append. */
            pass_over_copy(f, look, i, file, g, g->known.offset,
                           "a deleted file that is still read");
        } else {
            bl_follow_say(f, BL_NOTE_INFO, "'%s' goes on with what was read up to byte %llu",
                          s->path, (unsigned long long)g->known.offset);
            bl_follow_go_on(f, g, file);
            g->present = true;
            g->live = s->live;
            look->found[i].of = g;
        }
        return true;
    }
    return false;
}

/* What is younger than everything known depends on these, so they are found first.  The log itself
 * before the others: a file beside it may be its copy. */
void bl_follow_find_moved(struct bl_follow *f, struct bl_look *look)
{
    size_t gone = 0;

    for (size_t k = 0; k < f->n; k++)
        gone += f->v[k]->gone;
    for (size_t i = look->list.n; i-- > 0 && gone > 0;) {
        const struct bl_sibling *s = &look->list.v[i];
        struct bl_logfile file = BL_LOGFILE_CLOSED;

        if (look->found[i].of || look->found[i].hold || look->found[i].settled || s->id.size == 0)
            continue;
        if (bl_follow_open(s, &file, NULL) == BL_OK && !is_being_packed(look, i, &file) &&
            !look->found[i].hold)
            (void)goes_on(f, look, i, &file);
        bl_logfile_close(&file);
    }
}

static bool is_copy(struct bl_follow *f, struct bl_look *look, size_t i, struct bl_logfile *file)
{
    for (size_t k = 0; k < f->n; k++) {
        struct bl_generation *g = f->v[k];
        uint64_t common = g->known.offset;
        enum bl_identity is = BL_IDENTITY_OTHER;

        if (bl_generation_is_open(g))
            is = bl_identity_copy_of(file, &g->file, &common);
        else if (g->present && g->known.offset > 0)
            is = bl_identity_matches(file, &g->known);
        if (is == BL_IDENTITY_OTHER || (look->list.v[i].live && common < COPY_BYTES))
            continue;
        if (is == BL_IDENTITY_UNKNOWN)
            look->found[i].hold = true;
        else
            pass_over_copy(f, look, i, file, g, common, "a file that is read already");
        return true;
    }
    return false;
}

/* Before a file beside the log counts as new: it might be the copy of one that was truncated just
 * now. */
static bool all_intact(struct bl_follow *f)
{
    for (size_t k = 0; k < f->n; k++)
        if (!bl_generation_is_intact(f->v[k]))
            return false;
    return true;
}

/* It is not news.  Said, and counted, once: it came where it could not be seen (restored, or
 * renamed while no one looked), and the files behind it were read. */
static void leave_unread(struct bl_follow *f, struct bl_look *look, size_t i,
                         struct bl_logfile *file)
{
    const struct bl_sibling *s = &look->list.v[i];
    const struct bl_left_alone *left = bl_follow_recall(f, &s->id);
    uint64_t bytes = 0;

    if (!(left && left->judged) && bl_follow_is_between(f, look, i)) {
        if (bl_logfile_length(file, &bytes) != BL_OK)
            bytes = s->id.size;
        f->stats.lost_bytes += bytes;
        bl_follow_say(f, BL_NOTE_WARNING,
                      "'%s' was never read and is older than what was: its %llu bytes are lost",
                      s->path, (unsigned long long)bytes);
    } else if (s->named && !f->told) {
        bl_follow_say(f, BL_NOTE_NOTICE, "'%s' is older than what was read before: not read",
                      s->path);
    }
    bl_follow_leave(f, look, i);
}

/* --from end, at first sight: behind the last whole line. */
static uint64_t end_of(struct bl_logfile *file)
{
    uint64_t end = 0;

    if (file->packing != BL_PLAIN)
        (void)bl_logfile_length(file, &end);
    else
        (void)bl_logfile_line_end(file, file->id.size, &end);
    return end;
}

void bl_follow_judge(struct bl_follow *f, struct bl_look *look, size_t i)
{
    const struct bl_sibling *s = &look->list.v[i];
    struct bl_found *found = &look->found[i];
    struct bl_logfile file = BL_LOGFILE_CLOSED;
    bl_err err;

    if (found->of || found->hold || found->settled)
        return;
    if (s->id.size == 0 && !s->live) {
        bl_follow_leave(f, look, i);
        return;
    }
    if (bl_follow_open(s, &file, &err) != BL_OK) {
        bl_follow_cannot_open(f, look, i, &err);
        return;
    }
    if (is_being_packed(look, i, &file))
        leave_packing(f, look, i);
    else if (found->hold || goes_on(f, look, i, &file) || is_copy(f, look, i, &file))
        ;
    else if (!s->live && !all_intact(f))
        found->hold = look->moved = true;
    else if (bl_follow_wants(f, look, i))
        begin_new(f, look, i, &file, f->log->from_end && f->first && !f->told ? end_of(&file) : 0);
    else
        leave_unread(f, look, i, &file);
    bl_logfile_close(&file);
}
