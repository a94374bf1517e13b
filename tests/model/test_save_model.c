/* ctest: label=quick timeout=60
 *
 * Snapshots on their way to the disk, with whatever can come in between in any order: batches
 * submitted, held by every slot, void, emptied and lent again; the pool done early, late or with an
 * error.  Only a snapshot whose batch every slot has is ever found, none older than one before, and
 * one that nothing disturbs is.  The sanitizers see that nobody reads one that was freed, and that
 * all are freed.
 *
 * Negative controls, each made once by hand, each failing here: a batch that keeps the snapshot
 * that is being written, one that is void and yet published, publishing without waiting for the
 * slots, and no second look when they have it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <uv.h>

#include <cmocka.h>

static int queue_work(uv_loop_t *loop, uv_work_t *work, uv_work_cb begins, uv_after_work_cb ends);

#define uv_queue_work queue_work
#include "../../deploy/bounceline/wire_save.c"
#undef uv_queue_work

#include "bounceline/alloc.h"

enum { BATCHES = 6, ROUNDS = 20000, STEPS = 30, SNAPSHOTS = ROUNDS * STEPS };

/* --- the pool, the disk, and what wire.c has besides --- */

static struct {
    uv_work_t *work;
    uv_work_cb begin;
    uv_after_work_cb end;
} pool;
static uint64_t temporary, published, publishings; /* numbers of snapshots; 0: none */
static bool held[SNAPSHOTS];                       /* every slot has the batch before it */
static bool disk_fails;

static int queue_work(uv_loop_t *loop, uv_work_t *work, uv_work_cb begins, uv_after_work_cb ends)
{
    (void)loop;
    assert_null(pool.work); /* one file, one name */
    pool.work = work;
    pool.begin = begins;
    pool.end = ends;
    return 0;
}

enum bl_code bl_state_write_snapshot(struct bl_state *state, const struct bl_snapshot *snapshot,
                                     bl_err *err)
{
    (void)state;
    temporary = disk_fails ? 0 : snapshot->dataset;
    return disk_fails ? bl_fail(err, BL_IO, 0, "disk full") : BL_OK;
}

enum bl_code bl_state_publish_snapshot(struct bl_state *state, bl_err *err)
{
    (void)state;
    if (disk_fails)
        return bl_fail(err, BL_IO, 0, "disk full");
    assert_true(temporary > published);
    assert_true(held[temporary]);
    published = temporary;
    publishings++;
    temporary = 0;
    return BL_OK;
}

void bl_wire_pump(struct daemon *d)
{
    (void)d;
}

void bl_log(int level, const char *format, ...)
{
    (void)level;
    (void)format;
}

/* --- what happens --- */

static const struct bl_daemon_options options;
static struct daemon d = {.options = &options};
static struct bl_batch batches[BATCHES];
static size_t first, submitted; /* the oldest that is submitted, and how many are */
static uint64_t snapshots;
static uint64_t seed = 20261123;

static unsigned draw(unsigned n)
{
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (unsigned)(seed >> 33) % n;
}

static void submit(bool with_snapshot)
{
    struct bl_batch *batch = &batches[(first + submitted++) % BATCHES];

    if (with_snapshot) {
        batch->snapshot = bl_calloc(1, sizeof *batch->snapshot);
        assert_non_null(batch->snapshot);
        batch->snapshot->dataset = ++snapshots;
        assert_true(snapshots < SNAPSHOTS);
    }
    bl_wire_save(&d, batch);
}

/* As lend() does. */
static void lend(bool done)
{
    struct bl_batch *batch = &batches[first];

    first = (first + 1) % BATCHES;
    submitted--;
    if (done && batch->snapshot)
        held[batch->snapshot->dataset] = true;
    if (done)
        bl_wire_save_done(&d, batch);
    bl_wire_save_drop(&d, batch);
    bl_snapshot_free(batch->snapshot);
    batch->snapshot = NULL;
}

static void run_pool(void)
{
    uv_work_t *work = pool.work;

    pool.begin(work);
    pool.work = NULL;
    pool.end(work, 0);
}

static void step(void)
{
    switch (draw(8)) {
    case 0:
    case 1:
    case 2:
        if (submitted < BATCHES)
            submit(draw(2));
        break;
    case 3:
    case 4:
        if (submitted)
            lend(true);
        break;
    case 5:
        while (draw(4) == 0 && submitted) /* the connection is lost */
            lend(false);
        break;
    default:
        disk_fails = draw(10) == 0;
        if (pool.work)
            run_pool();
        disk_fails = false;
    }
}

/* A stop: what is submitted gets done or void, then the pool ends. */
static void come_to_rest(void)
{
    bool done = draw(2);

    while (submitted)
        lend(done);
    while (pool.work)
        run_pool();
    assert_false(bl_wire_is_saving(&d));
}

static void nothing_is_found_too_early(void **state)
{
    (void)state;
    for (size_t i = 0; i < ROUNDS; i++) {
        for (unsigned n = draw(STEPS); n > 0; n--)
            step();
        come_to_rest();
        if (draw(2)) { /* one alone, or two: written before its batch is done, or behind */
            bool two = draw(2);

            submit(true);
            if (two)
                submit(true);
            if (draw(2) || two)
                run_pool();
            lend(true);
            if (two) { /* the second found the first under way */
                run_pool();
                lend(true);
            }
            come_to_rest();
            assert_int_equal(published, snapshots);
        }
    }
    print_message("%llu snapshots, %llu of them published\n", (unsigned long long)snapshots,
                  (unsigned long long)publishings);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_is_found_too_early),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
