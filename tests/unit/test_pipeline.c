/* ctest: label=quick timeout=120 threads */
/* The pipeline with a stand-in for the parser, so that what a worker did to a block can be told: it
 * sums the block's bytes, salted by the rule set it was given.
 *
 * Negative controls: order_check_notices_a_swap shows that the order check sees two blocks
 * exchanged. Without the second look in announce() the first test hangs in some runs: a wake-up is
 * lost. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/resource.h>

#include <uv.h>

#include <cmocka.h>

#include "bounceline/alloc.h"
#include "pipeline.h"

/* --- stand-ins for core/parse/block.c --- */

struct bl_worker {
    int unused;
};

struct bl_rules { /* opaque elsewhere: here a salt that is spoiled when the rules are freed */
    uint64_t salt;
};

struct bl_block *bl_block_new(void)
{
    struct bl_block *block = bl_calloc(1, sizeof *block);

    if (!block)
        return NULL;
    block->bytes = bl_calloc(1, BL_BLOCK_BYTES + BL_BLOCK_SLACK);
    if (!block->bytes) {
        bl_free(block);
        return NULL;
    }
    return block;
}

void bl_block_free(struct bl_block *block)
{
    if (!block)
        return;
    bl_free(block->bytes);
    bl_free(block);
}

struct bl_worker *bl_worker_new_showing(const bl_zone *zone, unsigned shown)
{
    (void)zone, (void)shown;
    return bl_calloc(1, sizeof(struct bl_worker));
}

void bl_worker_free(struct bl_worker *worker)
{
    bl_free(worker);
}

void bl_block_parse(struct bl_worker *worker, const struct bl_rules *rules, struct bl_block *block)
{
    uint64_t sum = rules->salt;

    worker->unused++;
    for (size_t i = 0; i < block->n; i++)
        sum = sum * 31 + (unsigned char)block->bytes[i];
    block->lines = sum;
    block->unparsed = rules->salt;
}

/* --- */

enum { BLOCKS = 3000, ROUNDS = 50000 };

struct seen {
    uint64_t n, sum, bad_order, controls, first_new_rules, mixed_rules;
    uint64_t last_salt;
    unsigned slow_every;
    int nice; /* of the stage's thread */
    uv_sem_t freed;
};

static void consume(void *arg, struct bl_block *block)
{
    struct seen *seen = arg;

    seen->nice = getpriority(PRIO_PROCESS, 0);
    if (block->begin != seen->n)
        seen->bad_order++;
    if (block->kind == BL_BLOCK_DATA) {
        seen->sum = seen->sum * 1000003 + block->lines;
        if (seen->last_salt && block->unparsed != seen->last_salt) {
            seen->mixed_rules++;
            seen->first_new_rules = seen->n;
        }
        seen->last_salt = block->unparsed;
    } else {
        assert_int_equal(block->lines, 0);
        seen->controls++;
    }
    seen->n++;
    if (seen->slow_every && seen->n % seen->slow_every == 0)
        uv_sleep(1);
}

static void on_freed(void *arg)
{
    struct seen *seen = arg;

    uv_sem_post(&seen->freed);
}

static struct bl_pipeline *start(struct seen *seen, unsigned workers, size_t blocks,
                                 const struct bl_rules *rules)
{
    struct bl_pipeline_options options = {.workers = workers,
                                          .blocks = blocks,
                                          .rules = rules,
                                          .consume = consume,
                                          .freed = on_freed,
                                          .arg = seen};
    struct bl_pipeline *p = NULL;
    bl_err err;

    uv_sem_init(&seen->freed, 0);
    assert_int_equal(bl_pipeline_start(&p, &options, &err), BL_OK);
    return p;
}

static void fill(struct bl_block *block, uint64_t i)
{
    assert_int_equal(block->kind, BL_BLOCK_DATA);
    assert_int_equal(block->n, 0);
    assert_int_equal(block->lines, 0);
    block->begin = i;
    if (i % 100 == 99) {
        block->kind = BL_BLOCK_FLUSH;
        return;
    }
    block->n = i * 7919 % 3000; /* uneven work, so that workers overtake each other */
    memset(block->bytes, (int)(i % 251), block->n);
}

static struct seen run(unsigned workers, size_t blocks, unsigned slow_every)
{
    struct seen seen = {.slow_every = slow_every};
    struct bl_rules rules = {1};
    struct bl_pipeline *p = start(&seen, workers, blocks, &rules);

    for (uint64_t i = 0; i < BLOCKS; i++) {
        struct bl_block *block = bl_pipeline_block(p, true);

        assert_non_null(block);
        fill(block, i);
        bl_pipeline_submit(p, block);
    }
    bl_pipeline_stop(p);
    uv_sem_destroy(&seen.freed);
    return seen;
}

static void any_number_of_workers_gives_the_same_in_the_same_order(void **state)
{
    struct seen want = run(0, 0, 0);

    (void)state;
    assert_int_equal(want.n, BLOCKS);
    assert_int_equal(want.bad_order, 0);
    assert_int_equal(want.controls, BLOCKS / 100);
    for (unsigned workers = 1; workers <= 8; workers++)
        for (unsigned slow = 0; slow <= 50; slow += 50) {
            struct seen got = run(workers, 0, slow);

            assert_int_equal(got.n, want.n);
            assert_int_equal(got.bad_order, 0);
            assert_int_equal(got.controls, want.controls);
            assert_int_equal(got.sum, want.sum);
        }
    assert_int_equal(run(4, 1, 0).sum, want.sum); /* one block in flight */
}

static void order_check_notices_a_swap(void **state)
{
    struct seen seen = {0};
    struct bl_rules rules = {1};
    struct bl_pipeline *p = start(&seen, 2, 0, &rules);

    (void)state;
    for (uint64_t i = 0; i < 10; i++) {
        struct bl_block *block = bl_pipeline_block(p, true);

        fill(block, i == 4 ? 5 : i == 5 ? 4 : i);
        bl_pipeline_submit(p, block);
    }
    bl_pipeline_stop(p);
    assert_int_equal(seen.bad_order, 2);
    uv_sem_destroy(&seen.freed);
}

static void an_owner_that_may_not_wait_is_woken(void **state)
{
    struct seen seen = {.slow_every = 40};
    struct bl_rules rules = {1};
    struct bl_pipeline *p = start(&seen, 2, 3, &rules);
    int refused = 0;

    (void)state;
    for (uint64_t i = 0; i < BLOCKS;) {
        struct bl_block *block = bl_pipeline_block(p, false);

        if (!block) {
            refused++;
            uv_sem_wait(&seen.freed); /* hangs when the callback does not come */
            continue;
        }
        fill(block, i++);
        bl_pipeline_submit(p, block);
    }
    bl_pipeline_stop(p);
    assert_true(refused > 0);
    assert_int_equal(seen.n, BLOCKS);
    assert_int_equal(seen.bad_order, 0);
    uv_sem_destroy(&seen.freed);
}

static void a_block_given_back_is_lent_again(void **state)
{
    struct seen seen = {0};
    struct bl_rules rules = {1};
    struct bl_pipeline *p = start(&seen, 1, 2, &rules);
    struct bl_block *a = bl_pipeline_block(p, false), *b = bl_pipeline_block(p, false);

    (void)state;
    assert_non_null(a);
    assert_non_null(b);
    assert_null(bl_pipeline_block(p, false));
    a->n = 5;
    a->long_lines = 3;
    bl_pipeline_return(p, a);
    assert_ptr_equal(bl_pipeline_block(p, true), a);
    assert_int_equal(a->n, 0);
    assert_int_equal(a->long_lines, 0);
    bl_pipeline_stop(p); /* with both still out */
    assert_int_equal(seen.n, 0);
    uv_sem_destroy(&seen.freed);
}

static void rules_change_at_one_block_and_the_old_ones_can_be_freed(void **state)
{
    (void)state;
    for (unsigned workers = 0; workers <= 4; workers++) {
        struct seen seen = {.slow_every = 100};
        struct bl_rules *old = malloc(sizeof *old), *new = malloc(sizeof *new);
        struct bl_pipeline *p;
        bool freed = false;

        assert_true(old && new);
        old->salt = 1;
        new->salt = 2;
        p = start(&seen, workers, 0, old);
        for (uint64_t i = 0; i < BLOCKS; i++) {
            struct bl_block *block = bl_pipeline_block(p, true);

            fill(block, i);
            if (i == 1234)
                bl_pipeline_set_rules(p, new);
            bl_pipeline_submit(p, block);
            if (i >= 1234 && !freed && bl_pipeline_rules_settled(p)) {
                old->salt = 99; /* and tsan and asan watch who still reads it */
                free(old);
                freed = true;
            }
        }
        assert_true(freed);
        bl_pipeline_stop(p);
        assert_int_equal(seen.mixed_rules, 1);
        assert_int_equal(seen.first_new_rules, 1234);
        free(new);
        uv_sem_destroy(&seen.freed);
    }
}

static int64_t cpu_us(void)
{
    struct rusage u;

    getrusage(RUSAGE_SELF, &u);
    return (u.ru_utime.tv_sec + u.ru_stime.tv_sec) * 1000000LL + u.ru_utime.tv_usec +
           u.ru_stime.tv_usec;
}

/* One block, so that every round trip puts each side to sleep: a lost wake-up stops the pipeline
 * for good. */
static void a_single_block_goes_round_and_round(void **state)
{
    struct seen seen = {0};
    struct bl_rules rules = {1};
    struct bl_pipeline *p = start(&seen, 1, 1, &rules);

    (void)state;
    for (uint64_t i = 0; i < ROUNDS; i++) {
        struct bl_block *block = bl_pipeline_block(p, true);

        block->kind = BL_BLOCK_FLUSH;
        block->begin = i;
        bl_pipeline_submit(p, block);
        for (volatile unsigned wait = 0; wait < i * 7919 % 3000; wait++)
            ; /* ... at ever other distances */
    }
    bl_pipeline_stop(p);
    assert_int_equal(seen.n, ROUNDS);
    assert_int_equal(seen.bad_order, 0);
    uv_sem_destroy(&seen.freed);
}

static void an_idle_pipeline_uses_no_cpu(void **state)
{
    struct seen seen = {0};
    struct bl_rules rules = {1};
    struct bl_pipeline *p = start(&seen, 8, 0, &rules);
    int64_t before;

    (void)state;
    uv_sleep(50);
    before = cpu_us();
    uv_sleep(300);
    assert_true(cpu_us() - before < 100000); /* nine spinning threads would take 600 000 */
    bl_pipeline_stop(p);
    uv_sem_destroy(&seen.freed);
}

/* It asks for less than whoever started it was given, never for more.  The last test: there is no
 * way back.  Negative control: with a fixed priority, or none, this fails. */
static void its_threads_stand_behind_their_owner(void **state)
{
    int before = getpriority(PRIO_PROCESS, 0), own;

    (void)state;
    if (before > 14)
        skip();
    assert_int_equal(setpriority(PRIO_PROCESS, 0, before + 3), 0);
    own = getpriority(PRIO_PROCESS, 0);
    assert_int_equal(own, before + 3);
    assert_in_range(run(2, 0, 0).nice, own + 1, 19);
    assert_int_equal(getpriority(PRIO_PROCESS, 0), own);
}

static size_t allowed;

static bool may_allocate(void *arg, size_t bytes)
{
    (void)arg;
    (void)bytes;
    return allowed ? allowed-- > 0 : false;
}

static void every_allocation_may_fail_at_the_start(void **state)
{
    struct seen seen = {0};
    struct bl_rules rules = {1};
    struct bl_pipeline_options options = {
        .workers = 3, .rules = &rules, .consume = consume, .arg = &seen};
    enum bl_code rc = BL_NO_MEMORY;

    (void)state;
    for (size_t n = 0; rc != BL_OK; n++) {
        struct bl_pipeline *p = NULL;
        bl_err err;

        assert_true(n < 1000);
        allowed = n;
        bl_alloc_set_hook(may_allocate, NULL);
        rc = bl_pipeline_start(&p, &options, &err);
        bl_alloc_set_hook(NULL, NULL);
        if (rc == BL_OK)
            bl_pipeline_stop(p);
        else
            assert_int_equal(rc, BL_NO_MEMORY);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_number_of_workers_gives_the_same_in_the_same_order),
        cmocka_unit_test(order_check_notices_a_swap),
        cmocka_unit_test(an_owner_that_may_not_wait_is_woken),
        cmocka_unit_test(a_block_given_back_is_lent_again),
        cmocka_unit_test(rules_change_at_one_block_and_the_old_ones_can_be_freed),
        cmocka_unit_test(a_single_block_goes_round_and_round),
        cmocka_unit_test(an_idle_pipeline_uses_no_cpu),
        cmocka_unit_test(every_allocation_may_fail_at_the_start),
        cmocka_unit_test(its_threads_stand_behind_their_owner),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
