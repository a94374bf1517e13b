/* The path of `scan` without threads: unpack, split, parse, join; what fails is counted by its
 * rule, and by its shape when no words explain it. */
#include "rules_logs.h"

#include <stdlib.h>
#include <string.h>

#include "bounceline/alloc.h"
#include "bounceline/hash.h"
#include "bounceline/join.h"
#include "input.h"
#include "zone.h"

enum { JOIN_ENTRIES = 16384, JOIN_TEXT_BYTES = 4 << 20, SLOTS = 2 * BL_SHAPES };

struct bl_rules_logs {
    const struct bl_rules *rules;
    struct bl_join *join;
    uint64_t *hits;
    uint64_t missed;
    struct bl_shape_count *shapes;
    size_t shapes_n;
    uint32_t slots[SLOTS]; /* 1 + index; 0: free */
    uint64_t files;
};

struct bl_rules_logs *bl_rules_logs_new(const struct bl_rules *rules)
{
    struct bl_rules_logs *logs = bl_calloc(1, sizeof *logs);

    if (!logs)
        return NULL;
    logs->rules = rules;
    logs->join = bl_join_new_showing(rules, JOIN_ENTRIES, JOIN_TEXT_BYTES, 0);
    logs->hits = bl_calloc(bl_rules_count(rules), sizeof *logs->hits);
    logs->shapes = bl_calloc(BL_SHAPES, sizeof *logs->shapes);
    if (logs->join && logs->hits && logs->shapes)
        return logs;
    bl_rules_logs_free(logs);
    return NULL;
}

void bl_rules_logs_free(struct bl_rules_logs *logs)
{
    if (!logs)
        return;
    bl_join_free(logs->join);
    bl_free(logs->hits);
    bl_free(logs->shapes);
    bl_free(logs);
}

static uint32_t *slot_of(struct bl_rules_logs *logs, bl_slice text)
{
    size_t at = (size_t)bl_hash64(text) % SLOTS;

    while (logs->slots[at]) {
        const struct bl_shape_count *known = &logs->shapes[logs->slots[at] - 1];

        if (bl_slice_eq((bl_slice){known->text, known->n}, text))
            break;
        at = (at + 1) % SLOTS;
    }
    return &logs->slots[at];
}

static int by_count(const void *a, const void *b)
{
    const struct bl_shape_count *x = a, *y = b;

    if (x->count != y->count)
        return x->count > y->count ? -1 : 1;
    return bl_slice_compare((bl_slice){x->text, x->n}, (bl_slice){y->text, y->n});
}

static void index_again(struct bl_rules_logs *logs)
{
    memset(logs->slots, 0, sizeof logs->slots);
    for (size_t i = 0; i < logs->shapes_n; i++)
        *slot_of(logs, (bl_slice){logs->shapes[i].text, logs->shapes[i].n}) = (uint32_t)i + 1;
}

/* Drops the rarer half; whoever comes back begins anew, and may be low by what the largest of them
 * had. */
static void make_room(struct bl_rules_logs *logs)
{
    qsort(logs->shapes, logs->shapes_n, sizeof *logs->shapes, by_count);
    logs->shapes_n = BL_SHAPES / 2;
    logs->missed += logs->shapes[logs->shapes_n].count;
    index_again(logs);
}

static void count_shape(struct bl_rules_logs *logs, const bl_event *event)
{
    const bl_slice names[] = {event->recipient, event->orig_recipient, event->sender,
                              event->relay_host, event->host};
    struct bl_shape_count *shape;
    char text[BL_SHAPE_MAX];
    uint32_t *slot;
    size_t n = bl_shape_fold(event->reply, names, BL_COUNT(names), text);

    if (n == 0)
        return;
    if (logs->shapes_n == BL_SHAPES)
        make_room(logs);
    slot = slot_of(logs, (bl_slice){text, n});
    if (*slot == 0) {
        shape = &logs->shapes[logs->shapes_n++];
        *slot = (uint32_t)logs->shapes_n;
        *shape = (struct bl_shape_count){.rule = event->verdict.rule, .n = n};
        memcpy(shape->text, text, n);
    }
    logs->shapes[*slot - 1].count++;
}

static bool is_by_words(const struct bl_rule_info *rule)
{
    switch ((enum bl_tier)rule->tier) {
    case BL_TIER_VETO:
    case BL_TIER_VETO_CODES:
    case BL_TIER_PROVIDER_TEXT:
    case BL_TIER_SPECIFIC_TEXT:
    case BL_TIER_GENERIC_TEXT:
        return true;
    case BL_TIER_PROVIDER_CODE:
    case BL_TIER_SPECIFIC_CODE:
    case BL_TIER_GENERIC_CODE:
    case BL_TIER_FALLBACK:
    case BL_TIERS:
        break;
    }
    return false;
}

static void take_event(void *arg, const bl_event *event)
{
    struct bl_rules_logs *logs = arg;

    if (!event->failed)
        return;
    logs->hits[event->verdict.rule]++;
    if (!is_by_words(bl_rules_rule(logs->rules, event->verdict.rule)))
        count_shape(logs, event);
}

static void consume(void *arg, struct bl_block *block)
{
    struct bl_rules_logs *logs = arg;

    bl_join_block(logs->join, block, take_event, logs);
}

static bool go_on(void *arg, size_t bytes)
{
    (void)arg;
    (void)bytes;
    return true;
}

enum bl_code bl_rules_logs_read(struct bl_rules_logs *logs, const char *path, bl_err *err)
{
    struct bl_pipeline_options options = {
        .rules = logs->rules, .consume = consume, .arg = logs, .blocks = 1};
    struct bl_pipeline *pipeline = NULL;
    struct bl_input input;
    enum bl_code rc = bl_input_open(&input, path, ++logs->files, err);

    if (rc == BL_OK) {
        bl_zone_around(input.reference_s, &options.zone);
        rc = bl_pipeline_start(&pipeline, &options, err);
    }
    if (rc == BL_OK) {
        rc = bl_input_read(&input, pipeline, go_on, NULL, err);
        bl_pipeline_stop(pipeline);
    }
    bl_input_close(&input);
    return rc;
}

uint64_t bl_rules_logs_hits(const struct bl_rules_logs *logs, uint32_t rule)
{
    return logs->hits[rule];
}

uint64_t bl_rules_logs_missed(const struct bl_rules_logs *logs)
{
    return logs->missed;
}

size_t bl_rules_logs_shapes(struct bl_rules_logs *logs, const struct bl_shape_count **out)
{
    qsort(logs->shapes, logs->shapes_n, sizeof *logs->shapes, by_count);
    index_again(logs);
    *out = logs->shapes;
    return logs->shapes_n;
}
