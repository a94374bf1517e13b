/* worker.c -- a block's lines into its records
 *
 * Newlines first, in one pass; then each line through envelope and grammar; failures are set aside and
 * classified together.  What the worker remembers from line to line (head, key seed, provider of a relay
 * host) is only ever an answer it would find again.
 */
#include "bounceline/block.h"

#include <assert.h>

#include "bounceline/alloc.h"
#include "bounceline/hash.h"
#include "bounceline/lines.h"
#include "bounceline/postfix.h"

enum {
    ENDS = 1024,          /* lines found at a time */
    FAILURES = 512,       /* classified at a time */
    ORIGIN_MAX = 96,      /* bytes of host and instance remembered */
    PROVIDERS = 256,      /* relay hosts remembered; a power of two */
    PROVIDER_HOST_MAX = 60
};

struct provider {
    uint8_t  n;
    char     host[PROVIDER_HOST_MAX];
    uint16_t provider;
};

struct bl_worker {
    struct bl_stamper stamper;
    const struct bl_rules *rules; /* whose providers are remembered */
    char     origin[ORIGIN_MAX];
    size_t   origin_n, origin_host_n;
    uint64_t seed;
    size_t   failures_n;
    uint32_t ends[ENDS];
    bl_reply   replies[FAILURES];
    bl_verdict verdicts[FAILURES];
    bl_record *failed[FAILURES];
    struct provider providers[PROVIDERS];
};

struct bl_worker *bl_worker_new(const bl_zone *zone)
{
    struct bl_worker *worker = bl_calloc(1, sizeof *worker);

    if (worker)
        bl_stamper_init(&worker->stamper, zone);
    return worker;
}

void bl_worker_free(struct bl_worker *worker)
{
    bl_free(worker);
}

static uint64_t seed_of(struct bl_worker *worker, bl_slice host, bl_slice instance)
{
    if (host.n == worker->origin_host_n && host.n + instance.n == worker->origin_n &&
        memcmp(worker->origin, host.p, host.n) == 0 &&
        memcmp(worker->origin + host.n, instance.p, instance.n) == 0)
        return worker->seed;
    if (host.n + instance.n > ORIGIN_MAX)
        return bl_record_seed(host, instance);
    memcpy(worker->origin, host.p, host.n);
    memcpy(worker->origin + host.n, instance.p, instance.n);
    worker->origin_host_n = host.n;
    worker->origin_n = host.n + instance.n;
    worker->seed = bl_record_seed(host, instance);
    return worker->seed;
}

static uint16_t provider_of(struct bl_worker *worker, bl_slice host)
{
    struct provider *known;

    if (host.n == 0)
        return 0;
    if (host.n > PROVIDER_HOST_MAX)
        return bl_rules_provider(worker->rules, host);
    known = &worker->providers[bl_hash64(host) & (PROVIDERS - 1)];
    if (known->n != host.n || memcmp(known->host, host.p, host.n) != 0) {
        memcpy(known->host, host.p, host.n);
        known->n = (uint8_t)host.n;
        known->provider = bl_rules_provider(worker->rules, host);
    }
    return known->provider;
}

static void classify(struct bl_worker *worker)
{
    if (worker->failures_n == 0)
        return;
    bl_classify_many(worker->rules, worker->replies, worker->verdicts, worker->failures_n);
    for (size_t i = 0; i < worker->failures_n; i++)
        worker->failed[i]->verdict = worker->verdicts[i];
    worker->failures_n = 0;
}

static void keep_sample(struct bl_block *block, bl_slice line)
{
    block->unparsed++;
    if (block->samples < BL_SHAPE_SAMPLES)
        block->sample[block->samples++] = line;
}

static void finish_record(struct bl_worker *worker, struct bl_block *block, const bl_syslog *head)
{
    bl_record *record = &block->records[block->records_n++];

    bl_record_set_key(record, seed_of(worker, head->host, bl_postfix_instance(head->program)));
    if (record->kind == BL_RECORD_DELIVERY)
        record->provider = provider_of(worker, record->peer_host);
    else if (record->kind != BL_RECORD_REJECT)
        return;
    if (record->outcome == BL_DEFERRED || record->outcome == BL_BOUNCED || record->outcome == BL_REJECTED) {
        worker->failed[worker->failures_n++] = record;
        if (worker->failures_n == FAILURES)
            classify(worker);
    }
}

static void read_line(struct bl_worker *worker, struct bl_block *block, bl_slice line)
{
    bl_syslog head;

    if (line.n && line.p[line.n - 1] == '\r')
        line.n--;
    if (!bl_syslog_read(line, &worker->stamper, &head))
        return;
    assert(block->records_n < block->records_cap);
    switch (bl_postfix_read(&head, &block->records[block->records_n], &worker->replies[worker->failures_n])) {
    case BL_POSTFIX_RECORD:
        finish_record(worker, block, &head);
        break;
    case BL_POSTFIX_UNPARSED:
        keep_sample(block, line);
        break;
    case BL_POSTFIX_NOT:
    case BL_POSTFIX_OTHER:
        break;
    }
}

void bl_block_parse(struct bl_worker *worker, const struct bl_rules *rules, struct bl_block *block)
{
    size_t begin = 0, found;

    block->records_n = 0;
    block->lines = 0;
    block->unparsed = 0;
    block->samples = 0;
    bl_stamper_refer(&worker->stamper, block->reference_s);
    if (worker->rules != rules) {
        memset(worker->providers, 0, sizeof worker->providers);
        worker->rules = rules;
    }
    do {
        const char *bytes = block->bytes + begin;
        size_t from = 0;

        found = bl_lines_find(bytes, block->n - begin, worker->ends, ENDS);
        for (size_t i = 0; i < found; i++) {
            read_line(worker, block, (bl_slice){bytes + from, worker->ends[i] - from});
            from = worker->ends[i] + 1;
        }
        block->lines += found;
        begin += from;
    } while (found == ENDS);
    if (begin < block->n) { /* the last line of a finished generation */
        read_line(worker, block, (bl_slice){block->bytes + begin, block->n - begin});
        block->lines++;
    }
    classify(worker);
}
