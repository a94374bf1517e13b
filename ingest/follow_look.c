/* A look compares what lies in the folder with the generations that are known, and says what
 * follows from it.  When names move meanwhile it is void as far as new files go, and another one is
 * made. */
#include "follow_parts.h"

#include <errno.h>

#include "bounceline/alloc.h"

enum {
    LOOKS_AT_ONCE = 8,
    FILE_CLOCK_NS = 100000000 /* file times come from a clock that ticks more coarsely than ours */
};

/* A join that begins without a snapshot reads some lines back first, from the youngest file
 * backwards. */
static void warm_up(struct bl_follow *f, struct bl_look *look)
{
    uint64_t budget = f->options.warm_up_bytes;

    for (size_t i = look->list.n; i > 0 && budget > 0; i--) {
        struct bl_generation *g = look->found[i - 1].of;
        uint64_t take, start = 0;

        if (!g || g->least == 0 || g->at != g->least)
            continue;
        take = g->least < budget ? g->least : budget;
        budget -= take;
        if (!bl_generation_is_open(g)) {
            struct bl_logfile file;

            if (bl_follow_open(&look->list.v[i - 1], &file, NULL) != BL_OK)
                continue;
            bl_generation_take_file(g, &file);
        }
        g->cold = bl_logfile_line_start(&g->file, g->least - take, &start) && start < g->least;
        if (g->cold)
            g->at = start;
    }
}

/* --- what is said --- */

static bool is_loss(struct bl_follow *f, struct bl_generation *g)
{
    uint64_t counted = bl_generation_counted(g);

    if (!g->gone || g->reported || bl_generation_is_open(g) || g->done)
        return false;
    g->reported = true;
    if (g->known.finished && counted == g->known.offset)
        return false;
    if (!g->rewritten && g->known.offset > counted) {
        g->lost = g->known.offset - counted;
        f->stats.lost_bytes += g->lost;
    }
    return true;
}

/* Several at once (a Redis that came back empty) are one note. */
static void report_orphans(struct bl_follow *f)
{
    unsigned long long at = 0, lost = 0;
    size_t n = 0;

    for (size_t k = 0; k < f->n; k++)
        if (is_loss(f, f->v[k])) {
            at = bl_generation_counted(f->v[k]);
            lost += f->v[k]->lost;
            n++;
        }
    if (n == 1 && lost == 0)
        bl_follow_say(
            f, BL_NOTE_NOTICE,
            "a file of '%s' is not there any more: it was read to its end, byte %llu, and what was written since "
            "then is lost, if anything was",
            f->log->path, at);
    else if (n == 1)
        bl_follow_say(
            f, BL_NOTE_WARNING,
            "a file of '%s' that was read to byte %llu is not there any more: %llu bytes behind it are lost, "
            "and what was written since it was seen last",
            f->log->path, at, lost);
    else if (n > 1)
        bl_follow_say(
            f, BL_NOTE_WARNING,
            "%zu files of '%s' that were known are not there any more: %llu bytes of them are lost, and what "
            "was written since they were seen last",
            n, f->log->path, lost);
}

/* The log itself: said once for each change. */
static void report_live(struct bl_follow *f, const struct bl_look *look)
{
    enum bl_code code = look->live_failed ? BL_NO_INPUT : look->list.live_code;
    int sys = look->live_failed ? look->live_err.sys : look->list.live_sys;
    bool once = f->options.once;

    f->stats.missing = f->log->alone ? look->list.n == 0 : code != BL_OK;
    if (code == f->live_code && sys == f->live_sys)
        return;
    if (code == BL_OK)
        bl_follow_say(f, BL_NOTE_NOTICE, "'%s' can be read now", f->log->path);
    else if (sys == ENOENT || sys == ENOTDIR)
        bl_follow_say(f, BL_NOTE_WARNING, "'%s' is not there%s", f->log->path,
                      once ? "" : ": waiting for it");
    else
        bl_follow_say(f, BL_NOTE_WARNING, "'%s' cannot be read: %s%s", f->log->path,
                      sys == EINVAL ? "not a regular file" : strerror(sys),
                      once ? "" : ": trying again");
    f->live_code = code;
    f->live_sys = sys;
}

static void report_named(struct bl_follow *f)
{
    for (size_t i = 0; i < f->log->named_n; i++) {
        struct bl_file_id id;
        bl_err err;

        if (strcmp(f->log->named[i], f->log->path) != 0 &&
            bl_logfile_look(f->log->named[i], &id, &err) != BL_OK)
            bl_follow_say(f, BL_NOTE_WARNING, "%s: %s", err.text, strerror(err.sys));
    }
}

/* What was asked for and cannot be had, as things are now. */
static void count_unread(struct bl_follow *f, const struct bl_look *look)
{
    struct bl_file_id id;

    f->stats.unread = 0;
    for (size_t i = 0; i < f->log->named_n; i++)
        f->stats.unread += bl_logfile_look(f->log->named[i], &id, NULL) != BL_OK;
    for (size_t i = 0; i < look->list.n; i++)
        f->stats.unread +=
            look->found[i].hold && (look->list.v[i].named || bl_follow_wants(f, look, i));
}

static void keep_wanting(struct bl_follow *f, struct bl_look *look)
{
    f->holding = false;
    for (size_t i = 0; i < look->list.n; i++)
        if (look->found[i].hold) {
            f->holding = true;
            bl_follow_ask_again(f, look, i, bl_follow_wants(f, look, i));
        }
}

/* --- the look --- */

static void judge_all(struct bl_follow *f, struct bl_look *look)
{
    for (size_t i = look->list.n; i > 0; i--)
        if (look->list.v[i - 1].live)
            bl_follow_judge(f, look, i - 1); /* first: a file beside it may be its copy */
    for (size_t i = 0; i < look->list.n; i++)
        bl_follow_judge(f, look, i);
    if (!look->begun)
        f->stats.lost_bytes += f->doubtful;
    f->doubtful = 0;
}

static void compare(struct bl_follow *f, struct bl_look *look, bool last)
{
    bl_follow_match(f, look);
    bl_follow_recall_all(f, look);
    bl_follow_find_moved(f, look);
    bl_follow_find_frontier(f, look);
    if (f->first_look_ns == 0)
        f->first_look_ns = f->wall_ms * 1000000 - FILE_CLOCK_NS;
    judge_all(f, look);
    bl_follow_sort(f, look);
    if (!f->looked && f->cold)
        warm_up(f, look);
    if (!f->told && !look->moved)
        report_named(f);
    report_live(f, look);
    report_orphans(f);
    count_unread(f, look);
    keep_wanting(f, look);
    f->empty = look->list.n == 0;
    bl_follow_forget_vanished(f);
    f->looked |= !look->moved || last;
    f->told |= f->looked;
}

/* False: names changed meanwhile, look again before anything new is begun. */
static bool look_once(struct bl_follow *f, bool last)
{
    struct bl_look look = {0};
    bl_err err;
    enum bl_code rc;

    bl_follow_note_heads(f);
    rc = bl_siblings_list(f->log, &look.list, &err);
    if (rc != BL_OK && !f->complained)
        bl_follow_say(f, BL_NOTE_ERROR, "%s", err.text);
    f->complained = rc != BL_OK;
    look.moved = look.list.moved;
    look.found = bl_calloc(look.list.n + 1, sizeof *look.found);
    if (rc != BL_NO_MEMORY && look.found)
        compare(f, &look, last);
    bl_free(look.found);
    bl_siblings_release(&look.list);
    return !look.moved;
}

void bl_follow_look(struct bl_follow *f)
{
    f->unsettled = true;
    for (int i = 1; i <= LOOKS_AT_ONCE && f->unsettled; i++)
        f->unsettled = !look_once(f, i == LOOKS_AT_ONCE);
}
