/* What changes while the daemon runs.
 *
 * A reload reads configuration and rules in libuv's pool.  Every block carries the rules it is parsed and joined by;
 * what else the stage goes by follows in a CHANGE block, the first one with the new rules.  So blocks before it are
 * read by the old, blocks behind it by the new, whatever the number of workers.  When it was consumed nobody looks at
 * the old ones any more, and they are freed. */
#include "wire_parts.h"

#include "bounceline/hash.h"
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

/* In the pool: it reads files. */
static void reread(uv_work_t *work)
{
    struct daemon *d = work->data;
    struct bl_rules_paths paths = d->options->rules_given;
    bl_err *err = &d->reread_err;
    enum bl_code rc = d->options->reread(d->options->reread_arg, &d->next.config, err);

    if (rc == BL_OK) {
        paths.configured = d->next.config->rules;
        rc = bl_rules_set_reload(&paths, d->now.rules, &d->next.rules, err);
    }
    if (rc == BL_OK) {
        d->next.relays = bl_relays_new(d->next.config->relay, d->next.config->relays);
        rc = d->next.relays ? BL_OK : bl_fail(err, BL_NO_MEMORY, 0, "no memory for the relays");
    }
    d->reread_code = rc;
}

/* The one before is of no use to anybody any more. */
static void end_reload(struct daemon *d)
{
    bl_notify("READY=1");
    if (d->reread_again)
        bl_wire_reread(d);
}

static void reread_done(uv_work_t *work, int status)
{
    struct daemon *d = work->data;

    (void)status;
    d->reread_running = false;
    if (d->state == CLOSING || d->reread_code != BL_OK) {
        if (d->reread_code != BL_OK)
            bl_log(3, "the configuration stays as it was: %s", d->reread_err.text);
        bl_wire_free_change(&d->next);
        end_reload(d);
        return;
    }
    d->has_next = true;
    bl_wire_pump(d);
}

void bl_wire_reread(struct daemon *d)
{
    if (d->state == CLOSING)
        return;
    d->reread_again = d->reread_running || d->has_next;
    if (d->reread_again)
        return;
    bl_notify_reloading();
    d->rereading.data = d;
    d->reread_running = uv_queue_work(&d->loop, &d->rereading, reread, reread_done) == 0;
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

/* --- logs that came after the start --- */

/* The sources of tail and stage stand from the start on; what comes later is named at least.  In the pool, one job at
 * a time. */
static void name_new_log(void *arg, const char *path, const char *pattern)
{
    struct daemon *d = arg;
    uint64_t hash = bl_hash64((bl_slice){path, strlen(path)});

    for (size_t i = 0; i < d->new_logs; i++)
        if (d->new_log[i] == hash)
            return;
    if (d->new_logs == NEW_LOGS_MAX)
        return;
    d->new_log[d->new_logs++] = hash;
    bl_log(4, "a new log matches '%s' and is not followed until the next start: %s", pattern, path);
}

static void look_for_logs(uv_work_t *work)
{
    struct daemon *d = work->data;

    bl_sources_find_new(d->options->sources, name_new_log, d);
}

static void looked_for_logs(uv_work_t *work, int status)
{
    struct daemon *d = work->data;

    (void)status;
    d->look_running = false;
}

void bl_wire_look_for_logs(struct daemon *d)
{
    if (d->options->once || d->look_running || d->state == CLOSING)
        return;
    d->looking.data = d;
    d->look_running = uv_queue_work(&d->loop, &d->looking, look_for_logs, looked_for_logs) == 0;
}
