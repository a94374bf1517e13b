#include "bounceline/batch.h"

#include "bounceline/alloc.h"
#include "bounceline/snapshot.h"

enum {
    /* a batch closes far below; one block of expiries may hold many events */
    ARENA_BYTES = 1 << 30,
    /* A batch closes at some thousand fields, at a block border: one block adds at most a few
     * thousand entities more. */
    TALLY_ENTITIES = 32 << 10,
    TALLY_FAILURES = 64 << 10
};

struct bl_batch *bl_batch_new(void)
{
    struct bl_batch *batch = bl_calloc(1, sizeof *batch);

    if (!batch)
        return NULL;
    bl_arena_init(&batch->arena, ARENA_BYTES);
    batch->tally = bl_tally_new(TALLY_ENTITIES, TALLY_FAILURES);
    if (!batch->tally) {
        bl_batch_free(batch);
        return NULL;
    }
    return batch;
}

void bl_batch_free(struct bl_batch *batch)
{
    if (!batch)
        return;
    for (size_t i = 0; i < BL_PARTITIONS_MAX; i++)
        bl_free(batch->events[i].v);
    bl_snapshot_free(batch->snapshot);
    bl_tally_free(batch->tally);
    bl_arena_release(&batch->arena);
    bl_free(batch);
}

void bl_batch_clear(struct bl_batch *batch)
{
    for (size_t i = 0; i < BL_PARTITIONS_MAX; i++)
        batch->events[i].n = 0;
    bl_snapshot_free(batch->snapshot);
    batch->snapshot = NULL;
    bl_tally_clear(batch->tally);
    bl_arena_reset(&batch->arena);
    batch->run = 0;
    batch->ranges = 0;
    batch->recents = 0;
    batch->partitions = 0;
    batch->next = NULL;
    batch->slots_left = 0;
}

void bl_resume_free(struct bl_resume *resume)
{
    if (!resume)
        return;
    for (size_t i = 0; i < BL_COUNT(resume->slot); i++)
        bl_positions_release(&resume->slot[i]);
    bl_positions_release(&resume->remembered);
    bl_snapshot_free(resume->snapshot);
    bl_free(resume);
}

struct bl_resume *bl_resume_copy(const struct bl_resume *resume)
{
    struct bl_resume *copy = bl_calloc(1, sizeof *copy);

    if (!copy)
        return NULL;
    copy->run = resume->run;
    copy->dataset = resume->dataset;
    copy->partitions = resume->partitions;
    copy->sources = resume->sources;
    memcpy(copy->source, resume->source, sizeof copy->source);
    memcpy(copy->known_only, resume->known_only, sizeof copy->known_only);
    for (size_t i = 0; i < BL_COUNT(resume->slot); i++)
        if (bl_positions_copy(&copy->slot[i], &resume->slot[i]) != BL_OK)
            goto fail;
    if (bl_positions_copy(&copy->remembered, &resume->remembered) != BL_OK)
        goto fail;
    if (resume->snapshot) {
        copy->snapshot = bl_calloc(1, sizeof *copy->snapshot);
        if (!copy->snapshot ||
            bl_positions_copy(&copy->snapshot->positions, &resume->snapshot->positions) != BL_OK)
            goto fail;
        copy->snapshot->dataset = resume->snapshot->dataset;
        copy->snapshot->sources = resume->snapshot->sources;
        memcpy(copy->snapshot->source, resume->snapshot->source, sizeof copy->snapshot->source);
    }
    return copy;
fail:
    bl_resume_free(copy);
    return NULL;
}

void bl_address_hashes_free(struct bl_address_hashes *hashes)
{
    if (!hashes)
        return;
    bl_free(hashes->v);
    bl_free(hashes);
}
