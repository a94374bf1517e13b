/* What changes while the daemon runs.
 *
 * A reload reads configuration and rules in libuv's pool.  Every block carries the rules it is
 * parsed and joined by; what else the stage goes by follows in a CHANGE block, the first one with
 * the new rules.  So blocks before it are read by the old, blocks behind it by the new, whatever
 * the number of workers.  When it was consumed nobody looks at the old ones any more, and they are
 * freed.
 *
 * Which logs are followed changes between two runs (wire.c), so that the sources of a run are
 * fixed, and nothing has to be exact but what is exact anyway: where a run begins. */
#include "wire_parts.h"

#include "log.h"
#include "notify.h"
#include "relays.h"
#include "sources.h"

/* --- other rules and numbers, while running --- */

static const struct bl_config *config_of(const struct daemon *d, const struct change *change)
{
    return change->config ? change->config : d->options->config;
}

void bl_wire_free_change(struct change *change)
{
    bl_config_free(change->config);
    bl_rules_set_free(change->rules);
    bl_relays_free(change->relays);
    *change = (struct change){0};
}

/* In the pool, both: they read files and folders. */
static void look(uv_work_t *work)
{
    struct daemon *d = work->data;
    enum bl_code rc = bl_sources_of_same(&d->found, d->sources, &d->work_err);

    d->work_code = rc == BL_OK ? bl_sources_look(d->found, d->sources, &d->work_err) : rc;
}

static enum bl_code find_sources(struct daemon *d, bl_err *err)
{
    const struct bl_config *config = d->next.config;
    enum bl_code rc;

    if (d->options->sources_given)
        rc = bl_sources_of_same(&d->found, d->sources, err);
    else if (config->sources == 0)
        rc =
            bl_fail(err, BL_CONFIG, 0, "%s names no 'sources'", config->path ? config->path : "it");
    else
        rc = bl_sources_of_config(&d->found, config, err);
    return rc == BL_OK ? bl_sources_look(d->found, d->sources, err) : rc;
}

static void reread(uv_work_t *work)
{
    struct daemon *d = work->data;
    struct bl_rules_paths paths = d->options->rules_given;
    bl_err *err = &d->work_err;
    enum bl_code rc = d->options->reread(d->options->reread_arg, &d->next.config, err);

    if (rc == BL_OK) {
        paths.configured = d->next.config->rules;
        rc = bl_rules_set_reload(&paths, d->now.rules, &d->next.rules, err);
    }
    if (rc == BL_OK) {
        d->next.relays = bl_relays_new(d->next.config->relay, d->next.config->relays);
        rc = d->next.relays ? BL_OK : bl_fail(err, BL_NO_MEMORY, 0, "no memory for the relays");
    }
    d->work_code = rc == BL_OK ? find_sources(d, err) : rc;
}

static void begin_work(struct daemon *d, uv_work_cb work, uv_after_work_cb done)
{
    d->work.data = d;
    d->work_running = uv_queue_work(&d->loop, &d->work, work, done) == 0;
}

/* The one before is of no use to anybody any more. */
static void end_reload(struct daemon *d)
{
    bl_notify("READY=1");
    if (d->reread_again)
        bl_wire_reread(d);
}

/* What was found is what the next run follows, if it is anything else.  The job is over before:
 * where no run is under way the next one takes its sources at once, and then may read everything
 * again. */
static void take_found(struct daemon *d)
{
    struct bl_sources *found = d->found;

    d->found = NULL;
    d->work_running = false;
    if (d->work_code == BL_OK && d->state != CLOSING && bl_sources_differ(found, d->sources)) {
        d->next_sources = found;
        bl_wire_change_run(d);
    } else {
        bl_sources_free(found);
    }
}

static void reread_done(uv_work_t *work, int status)
{
    struct daemon *d = work->data;

    (void)status;
    /* Known before anything else happens: while there is a change nobody reads another one over
     * it. */
    d->has_next = d->state != CLOSING && d->work_code == BL_OK;
    if (d->work_code != BL_OK)
        bl_log(3, "the configuration stays as it was: %s", d->work_err.text);
    if (!d->has_next)
        bl_wire_free_change(&d->next);
    take_found(d);
    if (d->has_next)
        bl_wire_pump(d);
    else
        end_reload(d);
}

void bl_wire_reread(struct daemon *d)
{
    if (d->state == CLOSING)
        return;
    d->reread_again = d->work_running || d->has_next || d->next_sources;
    if (d->reread_again)
        return;
    bl_notify_reloading();
    begin_work(d, reread, reread_done);
}

static void say_changes(const struct daemon *d)
{
    const struct bl_config *config = config_of(d, &d->next);
    char keys[512];

    bl_log(6, "the configuration was taken over, with %zu rules", bl_rules_count(d->next.rules));
    if (bl_config_restart_needed(d->options->config, config, keys, sizeof keys))
        bl_log(5, "these changes need a restart: %s", keys);
}

/* What the loop and the store go by changes at once, what workers and stage go by at its block. */
static void send_change(struct daemon *d)
{
    const struct bl_config *config = config_of(d, &d->next);
    struct bl_block *block = bl_pipeline_block(d->pipeline, false);

    if (!block)
        return;
    if (!d->options->level_given)
        bl_log_set_level(config->log_level);
    bl_store_set_policy(d->store, &config->suppression);
    bl_pipeline_set_rules(d->pipeline, d->next.rules);
    block->kind = BL_BLOCK_CHANGE;
    block->payload = &d->next;
    bl_pipeline_submit(d->pipeline, block);
    d->next_sent = true;
    say_changes(d);
}

void bl_wire_move_change(struct daemon *d)
{
    if (!d->has_next)
        return;
    if (!d->next_sent)
        send_change(d);
    if (!d->next_sent || !bl_pipeline_rules_settled(d->pipeline))
        return; /* the flush of every second looks again */
    bl_wire_free_change(&d->now);
    d->now = d->next;
    d->next = (struct change){0};
    d->has_next = d->next_sent = false;
    end_reload(d);
}

/* --- logs that come and go --- */

static void looked(uv_work_t *work, int status)
{
    struct daemon *d = work->data;

    (void)status;
    if (d->work_code != BL_OK)
        bl_log(3, "cannot look for new logs: %s", d->work_err.text);
    take_found(d);
    if (d->reread_again)
        bl_wire_reread(d);
}

void bl_wire_look_for_logs(struct daemon *d)
{
    if (d->options->once || d->state == CLOSING || d->work_running || d->has_next ||
        d->next_sources)
        return;
    for (size_t i = 0; i < d->sources->n; i++)
        d->sources->v[i].vacant = bl_tail_source_ended(d->tail, i);
    begin_work(d, look, looked);
}

static void say_sources(const struct bl_sources *before, const struct bl_sources *now)
{
    for (size_t i = 0; i < now->n; i++)
        if (now->v[i].is_new)
            bl_log(5, "a new log is followed: %s", now->v[i].path);
    for (size_t i = 0; i < before->n; i++)
        if (!bl_sources_has(now, before->v[i].path))
            bl_log(5, "a log is not followed any more: %s", before->v[i].path);
    if (now->over > before->over)
        bl_log(4, "%zu logs that match are not followed: %d are the most", now->over,
               BL_SOURCES_MAX);
}

bool bl_wire_take_sources(struct daemon *d)
{
    struct bl_sources *next = d->next_sources;
    bl_err err;

    if (!next)
        return true;
    d->next_sources = NULL;
    if (bl_tail_follow(d->tail, next->logs, next->n, &err) != BL_OK) {
        bl_log(3, "%s", err.text);
        bl_sources_free(next);
        return false;
    }
    say_sources(d->sources, next);
    bl_sources_free(d->sources);
    d->sources = next;
    if (d->reread_again)
        bl_wire_reread(d);
    return true;
}
