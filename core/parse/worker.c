#include "bounceline/block.h"

#include "block_read.h"
#include "bounceline/alloc.h"

struct bl_worker *bl_worker_new(const bl_zone *zone)
{
    return bl_worker_new_showing(zone, BL_SHOWS_ALL);
}

struct bl_worker *bl_worker_new_showing(const bl_zone *zone, unsigned shown)
{
    struct bl_worker *worker = bl_calloc(1, sizeof *worker);

    if (!worker)
        return NULL;
    bl_stamper_init(&worker->stamper, zone);
    for (size_t i = 0; i < PAIRS; i++)
        worker->promised[i] = promises[i >> 5];
    if (!(shown & BL_SHOWS_CLIENTS))
        worker->promised[pair_of("client=")] = NOTHING;
    if (!(shown & BL_SHOWS_MESSAGE_IDS))
        worker->promised[pair_of("message-id=")] = NOTHING;
    worker->memo = bl_memo_new();
    if (worker->memo)
        return worker;
    bl_free(worker);
    return NULL;
}

void bl_worker_free(struct bl_worker *worker)
{
    if (worker)
        bl_memo_free(worker->memo);
    bl_free(worker);
}

void bl_block_parse(struct bl_worker *worker, const struct bl_rules *rules, struct bl_block *block)
{
    block->records_n = 0;
    block->lines = 0;
    block->unparsed = 0;
    block->headless = 0;
    block->repeats_cut = 0;
    block->samples = 0;
    bl_stamper_refer(&worker->stamper, block->reference_s);
    worker->rules = rules;
    worker->room =
        (bl_exim_room){.p = block->respelled, .left = block->respelled ? BL_RESPELLED_BYTES : 0};
    worker->mark = bl_rules_mark(rules);
    worker->endings = bl_rules_endings(rules);
#if defined(__x86_64__)
    if (!worker->plain && __builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi") &&
        __builtin_cpu_supports("bmi2") && __builtin_cpu_supports("popcnt")) {
        bl_read_block_avx2(worker, block);
        return;
    }
#endif
    read_block(worker, block);
}
