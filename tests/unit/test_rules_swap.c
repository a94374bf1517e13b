/* ctest: label=quick timeout=120 threads
 *
 * Rule sets change hundreds of times while workers parse and the stage counts; an old set is freed
 * as soon as the pipeline says that nobody looks at it any more.  What each block was counted as is
 * exactly what the set it was submitted with says, and so are deferrals that expire under a later
 * set.
 *
 * Negative controls, tried by hand: without set_rules() in bl_stage_block(), and with the old set
 * freed without asking bl_pipeline_rules_settled(), asan and tsan stop this test in its first
 * rounds; without bl_tally_rules_changed() the open batch counts for the provider that had the
 * number before. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "bounceline/alloc.h"
#include "bounceline/rules.h"
#include "bounceline/stage.h"
#include "pipeline.h"

/* Swaps in a row, faster than blocks come out, and then a rest that is longer than the pipeline. */
enum { BLOCKS = 1200, SWAP_EVERY = 3, ROUND = 60, SWAPPING = 45, LINES = 40, SETS = 3 };

static const char categories[] = "category\tscope\ttype\tses_subtype\taction\n"
                                 "zero\tmessage\tsoft\tGeneral\tnone\n"
                                 "one\tmessage\tsoft\tGeneral\tnone\n"
                                 "two\tmessage\tsoft\tGeneral\tnone\n"
                                 "unclassified\tlocal\tundetermined\tGeneral\tnone\n";

static const char *const names[SETS] = {"zero", "one", "two"};

/* A set of its own for every call: the words mean another category, and sets differ in their
 * size. */
static struct bl_rules *make_rules(unsigned kind)
{
    struct bl_rules_file files[4] = {
        {BL_SLICE_INIT("categories.tsv"), {categories, sizeof categories - 1}},
        {BL_SLICE_INIT("a.rules"), {NULL, 0}},
        {BL_SLICE_INIT("extract.tsv"),
         BL_SLICE_INIT("kind\ttext\tname\tsource\ncode\t[{TSS##}]\tx\ts\n")},
        {BL_SLICE_INIT("providers.tsv"), {NULL, 0}}};
    struct bl_rules *rules = NULL;
    char text[2000], providers[100];
    bl_err err = {0};
    int n = snprintf(text, sizeof text, "[specific]\n");

    for (unsigned i = 0; i < kind; i++)
        n += snprintf(text + n, sizeof text - (size_t)n,
                      "pad%u: \"padding %u\" -> zero ; s\n = padding %u\n", i, i, i);
    n += snprintf(text + n, sizeof text - (size_t)n, "a: \"odd words\" -> %s ; s\n = odd words\n",
                  names[kind]);
    files[1].text = (bl_slice){text, (size_t)n};
    n = snprintf(providers, sizeof providers, "suffix\tprovider\nmx.example\t%s\n", names[kind]);
    files[3].text = (bl_slice){providers, (size_t)n};
    if (bl_rules_compile(files, 4, &rules, &err) != BL_OK)
        fail_msg("%s", err.text);
    return rules;
}

struct world {
    struct bl_stage *stage;
    struct bl_batch *batch;
    uint64_t counted[SETS + 1];
    uint64_t of_provider[SETS]; /* whose number is the same in all sets, and whose name is not */
    uint64_t recents, named;    /* failures kept, and those of them that name their code */
};

/* On the stage thread. */
static void take_batch(struct world *w, struct bl_batch *batch)
{
    for (size_t i = 0; i < bl_tally_count(batch->tally); i++) {
        const struct bl_entity *entity = bl_tally_at(batch->tally, i);
        uint32_t cursor = entity->failures;
        enum bl_outcome outcome;
        uint16_t category;
        uint64_t count;

        while (entity->dimension == BL_DIM_ALL &&
               bl_tally_next_failure(batch->tally, &cursor, &outcome, &category, &count))
            w->counted[category] += count;
        for (unsigned k = 0; entity->dimension == BL_DIM_PROVIDER && k < SETS; k++)
            if (bl_slice_eq((bl_slice){entity->name, entity->name_n},
                            (bl_slice){names[k], strlen(names[k])}))
                w->of_provider[k] += entity->outcome[BL_BOUNCED];
    }
    for (size_t i = 0; i < batch->recents; i++)
        w->named += bl_slice_find(batch->recent[i].text, BL_SLICE("\tTSS04\t\t\tsome odd words")) !=
                    SIZE_MAX;
    w->recents += batch->recents;
    bl_batch_clear(batch);
    w->batch = batch;
}

static void consume(void *arg, struct bl_block *block)
{
    struct world *w = arg;
    struct bl_batch *due;

    if (bl_stage_wants_batch(w->stage)) {
        bl_stage_lend(w->stage, w->batch);
        w->batch = NULL;
    }
    bl_stage_block(w->stage, block);
    due = bl_stage_take(w->stage);
    if (due)
        take_batch(w, due);
}

static void fill(struct bl_block *block, uint64_t *offset)
{
    block->kind = BL_BLOCK_DATA;
    block->run = 1;
    block->reference_s = 1795000000;
    block->begin = *offset;
    for (int i = 0; i < LINES; i++)
        block->n += (size_t)snprintf(
            block->bytes + block->n, 400,
            "2026-11-22T05:00:00+00:00 mx1 postfix/smtp[1]: %llX%02d: to=<a@b.example>, relay=mx.example[192.0.2.1]:25, "
            "delay=1, delays=1/0/0/0, dsn=5.0.0, status=bounced (some odd words here [TSS04])\n",
            (unsigned long long)(*offset + 0xA000), i);
    *offset += block->n;
    block->end = (bl_position){.generation = 7, .offset = *offset};
}

static void begin_run(struct bl_pipeline *p)
{
    struct bl_block *block = bl_pipeline_block(p, true);
    struct bl_resume *resume = bl_calloc(1, sizeof *resume);

    assert_non_null(resume);
    resume->run = 1;
    resume->partitions = 1;
    resume->sources = 1;
    block->kind = BL_BLOCK_RESET;
    block->payload = resume;
    bl_pipeline_submit(p, block);
}

static void run(unsigned workers)
{
    struct bl_rules *old[BLOCKS] = {NULL}, *now = make_rules(0);
    struct bl_stage_options stage_options = {.join_entries = 4096,
                                             .join_text_bytes = 1 << 20,
                                             .batch_fields = 50,
                                             .batch_events = 50,
                                             .filter_cap = 16,
                                             .snapshot_blocks = 1 << 30,
                                             .snapshot_flushes = 1 << 30};
    struct world w = {.stage = bl_stage_new(now, &stage_options), .batch = bl_batch_new()};
    struct bl_pipeline_options options = {
        .workers = workers, .rules = now, .consume = consume, .arg = &w};
    struct bl_pipeline *p = NULL;
    uint64_t offset = 0, want[SETS] = {0};
    unsigned kind = 0, swaps = 0, freed = 0, waiting = 0;
    bl_err err;

    assert_true(w.stage && w.batch);
    assert_int_equal(bl_pipeline_start(&p, &options, &err), BL_OK);
    begin_run(p);
    for (unsigned i = 0; i < BLOCKS; i++) {
        struct bl_block *block = bl_pipeline_block(p, true);

        if (i % ROUND < SWAPPING && i % SWAP_EVERY == SWAP_EVERY - 1) {
            old[waiting++] = now;
            kind = (kind + 1) % SETS;
            now = make_rules(kind);
            bl_pipeline_set_rules(p, now);
            swaps++;
        }
        if (i % 10 == 9) {
            block->kind = BL_BLOCK_FLUSH; /* a control block brings the rules, too */
            bl_pipeline_submit(p, block);
        } else {
            fill(block, &offset);
            want[kind] += LINES;
            bl_pipeline_submit(p, block);
        }
        while (waiting && bl_pipeline_rules_settled(p)) {
            bl_rules_free(old[--waiting]);
            freed++;
        }
    }
    {
        struct bl_block *last = bl_pipeline_block(p, true);

        last->kind = BL_BLOCK_FLUSH;
        bl_pipeline_submit(p, last);
    }
    bl_pipeline_stop(p);
    print_message("%u workers: %u swaps, %u sets freed on the way\n", workers, swaps, freed);
    assert_true(swaps >= 300);
    assert_int_equal(freed, swaps); /* in each rest all that went before */
    for (unsigned i = 0; i < SETS; i++)
        assert_true(w.counted[i] == want[i] && w.of_provider[i] == want[i]);
    assert_int_equal(w.counted[SETS], 0); /* unclassified */
    assert_true(w.recents > 0);
    assert_int_equal(w.named, w.recents);
    while (waiting)
        bl_rules_free(old[--waiting]);
    bl_stage_free(w.stage);
    bl_batch_free(w.batch);
    bl_rules_free(now);
}

static void every_block_is_counted_by_its_own_rules(void **state)
{
    (void)state;
    for (unsigned workers = 0; workers <= 3; workers++)
        run(workers);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_block_is_counted_by_its_own_rules),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
