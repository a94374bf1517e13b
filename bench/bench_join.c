/* bench_join.c -- what the serial stage costs: the join per record, the tally per event
 *
 * Blocks of records and events are made from a seed, as a worker would hand them over, and only
 * their consumption is timed.  The reference is XXH3 over the texts of the same block, sampled in
 * turn in the same process; best round of each.  A ratio of 1 would mean that joining costs no more
 * than looking at every byte once.
 *
 *   bench_join [LIVE [DOMAINS [ROUNDS]]]    100000 live queue ids, 100000 domains, 200 rounds */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "bounceline/hash.h"
#include "bounceline/join.h"
#include "bounceline/tally.h"

enum { RECORDS = 1200, EVENTS = 1200, TEXT = 256, BLOCKS = 20 };

static char room[RECORDS][TEXT]; /* of one block */
static uint64_t random_state = 88172645463325252;

static uint64_t next_random(void)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return random_state;
}

static double now_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

/* Zipf with exponent 1, by inverting the logarithm that the harmonic sum is close to. */
static size_t zipf(size_t n)
{
    double u = (double)(next_random() >> 11) / 9007199254740992.0;
    size_t rank = (size_t)pow((double)n + 1, u) - 1;

    return rank < n ? rank : n - 1;
}

static bl_slice put(size_t i, size_t *at, const char *text, uint64_t number, const char *behind)
{
    int n =
        snprintf(room[i] + *at, TEXT - *at, "%s%llu%s", text, (unsigned long long)number, behind);
    bl_slice slice = {room[i] + *at, (size_t)n};

    *at += (size_t)n;
    return slice;
}

/* --- the join --- */

/* Record `i` of a stream in which `live` messages are under way: each message's lines come at its
 * turn, half way and at the end. */
static bl_record make_record(uint64_t i, size_t slot, size_t live)
{
    static const uint8_t kinds[5] = {BL_RECORD_OPEN, BL_RECORD_MESSAGE_ID, BL_RECORD_QUEUED,
                                     BL_RECORD_DELIVERY, BL_RECORD_REMOVED};
    uint64_t behind[5] = {0, 0, 0, live / 2 + next_random() % (live / 4 + 1), live};
    unsigned which = (unsigned)(i % 5);
    uint64_t message = i / 5 + 2 * live - behind[which];
    size_t at = 0;
    bl_record record = {.kind = kinds[which],
                        .mta = BL_MTA_POSTFIX,
                        .delay_ms = 900,
                        .host = BL_SLICE("mta1"),
                        .service = BL_SLICE("postfix/smtp")};
    XXH128_hash_t key;

    record.queue_id = put(slot, &at, "4Z", message * 7919, "");
    key = XXH3_128bits_withSeed(record.queue_id.p, record.queue_id.n, 1);
    record.key = key.low64;
    record.key2 = key.high64;
    if (which == 0) {
        record.peer_host = put(slot, &at, "client-", message % 1000, ".shop.example");
        record.peer_ip = put(slot, &at, "192.0.2.", message % 256, "");
    } else if (which == 1) {
        record.text = put(slot, &at, "<20261122050337.", message, ".1234@mail.shop.example>");
    } else if (which == 2) {
        record.sender = put(slot, &at, "bounces+", message % 5000, "@mail.shop.example");
        record.flags = BL_RECORD_HAS_SENDER;
    } else if (which == 3) {
        record.recipient = put(slot, &at, "some.user.", message, "@customer.example");
        record.peer_host = put(slot, &at, "mx", message % 9, ".customer.example");
        record.peer_ip = put(slot, &at, "192.0.2.", message % 256, "");
        record.text = put(slot, &at, "250 2.0.0 Ok: queued as ", message, "");
        record.outcome = message % 100 < 5   ? BL_DEFERRED
                         : message % 100 < 8 ? BL_BOUNCED
                                             : BL_DELIVERED;
        record.code = 250;
    }
    return record;
}

static void look(void *arg, const bl_event *event)
{
    *(uint64_t *)arg += event->sender.n + event->message_id.n;
}

static uint64_t hash_texts(const bl_record *records, size_t n)
{
    uint64_t sum = 0;

    for (size_t i = 0; i < n; i++) {
        const bl_record *r = &records[i];

        sum += bl_hash64(r->queue_id) + bl_hash64(r->recipient) + bl_hash64(r->sender) +
               bl_hash64(r->peer_host) + bl_hash64(r->peer_ip) + bl_hash64(r->text);
    }
    return sum;
}

static void bench_join(size_t live, unsigned rounds)
{
    static bl_record records[RECORDS];
    struct bl_block block = {.records = records, .records_n = RECORDS};
    struct bl_join *join = bl_join_new(bl_rules_builtin(), live * 2, 64 << 20);
    double best = 1e18, best_reference = 1e18;
    uint64_t i = 0, sink = 0;

    if (!join)
        exit(1);
    while (i < live * 8) { /* until as many ids are live as will be */
        for (size_t k = 0; k < RECORDS; k++, i++)
            records[k] = make_record(i, k, live);
        bl_join_block(join, &block, look, &sink);
    }
    for (unsigned round = 0; round < rounds; round++) {
        double spent = 0, reference = 0;

        for (size_t b = 0; b < BLOCKS; b++) {
            double t0, t1, t2;

            for (size_t k = 0; k < RECORDS; k++, i++)
                records[k] = make_record(i, k, live);
            t0 = now_ns();
            sink += hash_texts(records, RECORDS);
            t1 = now_ns();
            bl_join_block(join, &block, look, &sink);
            t2 = now_ns();
            reference += t1 - t0;
            spent += t2 - t1;
        }
        best = spent < best ? spent : best;
        best_reference = reference < best_reference ? reference : best_reference;
    }
    printf("join   %7llu live  %6.1f ns/record  hash of the texts %6.1f  ratio %.2f\n",
           (unsigned long long)bl_join_stats(join).live, best / BLOCKS / RECORDS,
           best_reference / BLOCKS / RECORDS, best / best_reference);
    if (sink == 1)
        printf("\n");
    bl_join_free(join);
}

/* --- the tally --- */

static bl_event make_event(size_t slot, size_t domains)
{
    uint64_t dice = next_random() % 100;
    size_t at = 0;
    bl_event event = {.attempt = true,
                      .has_sender = true,
                      .instance = BL_SLICE("postfix"),
                      .outcome = dice < 5   ? BL_DEFERRED
                                 : dice < 8 ? BL_BOUNCED
                                            : BL_DELIVERED};

    event.failed = event.outcome != BL_DELIVERED;
    event.verdict.category = (uint16_t)(next_random() % 20);
    event.provider = (uint16_t)(next_random() % 3);
    event.recipient = put(slot, &at, "some.user@mail.domain-", zipf(domains), ".example");
    event.sender = put(slot, &at, "bounces@shop-", zipf(50), ".example");
    return event;
}

static uint64_t hash_addresses(const bl_event *events, size_t n)
{
    uint64_t sum = 0;

    for (size_t i = 0; i < n; i++)
        sum += bl_hash64(events[i].recipient) + bl_hash64(events[i].sender);
    return sum;
}

/* One tally for everything, as in a scan, or cleared every `clear_blocks` blocks, as in a batch. */
static void bench_tally(size_t domains, unsigned rounds, size_t entities, size_t clear_blocks,
                        const char *name)
{
    static bl_event events[EVENTS];
    struct bl_tally *tally = bl_tally_new(entities, entities);
    double best = 1e18, best_reference = 1e18, best_clear = 1e18;
    uint64_t sink = 0;
    size_t count = 0;

    if (!tally)
        exit(1);
    for (unsigned round = 0; round < rounds; round++) {
        double spent = 0, reference = 0, clearing = 0;

        for (size_t b = 0; b < BLOCKS; b++) {
            double t0, t1, t2;

            for (size_t k = 0; k < EVENTS; k++)
                events[k] = make_event(k, domains);
            t0 = now_ns();
            sink += hash_addresses(events, EVENTS);
            t1 = now_ns();
            for (size_t k = 0; k < EVENTS; k++)
                bl_tally_event(tally, 0, &events[k], bl_rules_builtin());
            t2 = now_ns();
            reference += t1 - t0;
            spent += t2 - t1;
            count = bl_tally_count(tally);
            if (clear_blocks && b % clear_blocks == 0)
                bl_tally_clear(tally);
            clearing += now_ns() - t2;
        }
        best = spent < best ? spent : best;
        best_reference = reference < best_reference ? reference : best_reference;
        best_clear = clearing < best_clear ? clearing : best_clear;
    }
    printf(
        "%s %6zu entities  %6.1f ns/event   hash of the addresses %4.1f  ratio %.2f  clear %.1f\n",
        name, count, best / BLOCKS / EVENTS, best_reference / BLOCKS / EVENTS,
        best / best_reference, best_clear / BLOCKS / EVENTS);
    if (sink == 1)
        printf("\n");
    bl_tally_free(tally);
}

int main(int argc, char **argv)
{
    size_t live = argc > 1 ? strtoul(argv[1], NULL, 10) : 100000;
    size_t domains = argc > 2 ? strtoul(argv[2], NULL, 10) : 100000;
    unsigned rounds = argc > 3 ? (unsigned)strtoul(argv[3], NULL, 10) : 200;

    bench_join(100, rounds);
    bench_join(live, rounds);
    bench_tally(domains, rounds, 131072, 0, "scan ");
    bench_tally(domains, rounds, 32768, 4, "batch");
    return 0;
}
