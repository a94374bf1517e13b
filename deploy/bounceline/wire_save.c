/* A snapshot of the join on its way into the state directory:
 *
 *                 submitted                        every slot has its batch
 *     IDLE ----------------> WRITING ---> WRITTEN ----------------> PUBLISHING ---> IDLE
 *                               |            |
 *                               '------------'--- the batch is void ---> IDLE
 *
 * A snapshot may only be found once no slot lies before it.  But to write one takes longer than to
 * commit its batch, so it is written under a name that nobody looks for while Redis is at work, and
 * gets its own when every slot has the batch.  One at a time; a snapshot that comes meanwhile is
 * left out, since the next one will do. */
#include "wire_parts.h"

#include "bounceline/snapshot.h"
#include "log.h"
#include "state.h"

bool bl_wire_is_saving(const struct daemon *d)
{
    return d->saving.state != SAVE_IDLE;
}

static void write_it(uv_work_t *work)
{
    struct daemon *d = work->data;
    struct saving *s = &d->saving;

    s->code = bl_state_write_snapshot(d->options->state, s->snapshot, &s->err);
}

static void publish_it(uv_work_t *work)
{
    struct daemon *d = work->data;
    struct saving *s = &d->saving;

    s->code = bl_state_publish_snapshot(d->options->state, &s->err);
}

static void end(struct daemon *d)
{
    struct saving *s = &d->saving;

    if (s->code != BL_OK)
        bl_log(4, "%s; a restart reads further back", s->err.text);
    s->state = SAVE_IDLE;
    s->batch = NULL;
    bl_wire_pump(d);
}

static void on_published(uv_work_t *work, int status)
{
    (void)status;
    end(work->data);
}

static void publish(struct daemon *d)
{
    d->saving.state = SAVE_PUBLISHING;
    if (uv_queue_work(&d->loop, &d->saving.work, publish_it, on_published) != 0)
        d->saving.state = SAVE_IDLE;
}

static void on_written(uv_work_t *work, int status)
{
    struct daemon *d = work->data;
    struct saving *s = &d->saving;

    (void)status;
    if (!s->batch)
        bl_snapshot_free(s->snapshot);
    s->snapshot = NULL;
    s->state = SAVE_WRITTEN;
    if (s->code != BL_OK || s->dropped)
        end(d);
    else if (!s->batch)
        publish(d);
}

void bl_wire_save(struct daemon *d, struct bl_batch *batch)
{
    struct saving *s = &d->saving;

    if (!batch->snapshot || bl_wire_is_saving(d))
        return;
    s->batch = batch;
    s->snapshot = batch->snapshot;
    s->dropped = false;
    s->code = BL_OK;
    s->work.data = d;
    s->state = SAVE_WRITING;
    if (uv_queue_work(&d->loop, &s->work, write_it, on_written) != 0)
        s->state = SAVE_IDLE;
}

/* Lets go of the batch; its snapshot is ours as long as it is being written. */
static void let_go(struct saving *s)
{
    if (s->state == SAVE_WRITING)
        s->batch->snapshot = NULL;
    s->batch = NULL;
}

void bl_wire_save_done(struct daemon *d, struct bl_batch *batch)
{
    struct saving *s = &d->saving;

    bl_wire_save(d, batch); /* one that found another under way when it was submitted */
    if (!bl_wire_is_saving(d) || s->batch != batch)
        return;
    let_go(s);
    if (s->state == SAVE_WRITTEN)
        publish(d);
}

void bl_wire_save_drop(struct daemon *d, struct bl_batch *batch)
{
    struct saving *s = &d->saving;

    if (!bl_wire_is_saving(d) || s->batch != batch)
        return;
    let_go(s);
    s->dropped = true;
    if (s->state == SAVE_WRITTEN)
        s->state = SAVE_IDLE;
}
