/* block_read.h -- a block's lines into its records
 *
 *   newlines ──► look: head, tag, first word ───┬─► to=<   lines ──┐
 *                (no branch on the line's kind) ├─► from=< lines ──┼──► records, in line order
 *                                               └─► ...           ─┘
 *
 * Lines of a busy server come in random order, and a reader that asks each line what it is guesses
 * wrong on most of them, which costs more than reading them.  So a batch of lines is first looked
 * at without asking, sorted into a list for each kind, and each list is then read by a loop that
 * knows what comes.  Every promising line has its place in the records from the start; places
 * whose line did not keep its promise are closed up afterwards.
 *
 * Failures are set aside and classified together.  What the worker remembers from line to line
 * (head, key seed, provider of a relay host) is only ever an answer it would find again.
 *
 * A header, because it is compiled twice: in worker.c, and in worker_avx2.c with wider
 * windows. */
#ifndef BOUNCELINE_BLOCK_READ_H
#define BOUNCELINE_BLOCK_READ_H

#include <assert.h>

#include "bounceline/block.h"
#include "bounceline/hash.h"
#include "bounceline/journal.h"
#include "bounceline/lines.h"
#include "bounceline/memo.h"
#include "exim_read.h"
#include "postfix_read.h"
#include "syslog_read.h"

enum {
    LINES = 128,         /* found, looked at and read at a time */
    FAILURES = 1024,     /* classified at a time */
    ORIGIN_MAX = 96,     /* bytes of host and instance remembered */
    PROVIDERS_BITS = 11, /* relay hosts remembered */
    PROVIDER_HOST_MAX = 64,
    HEADLESS_BYTES = 2048, /* searched in a line that has no head */
    PAIRS = 1 << 10,       /* of letters, of which five bits count */
    AGAIN_LINES = 16       /* repetitions in a row that are looked behind for what is repeated */
};

struct provider {
    char host[PROVIDER_HOST_MAX];
    uint64_t mark; /* bl_rules_mark of the rules that said so */
    uint16_t provider;
    uint8_t n;
};

/* A line that was looked at. */
struct prospect {
    bl_syslog head;
    struct bl_words words;
    bl_slice qid;
    uint64_t seed;  /* of the key; 0: not known yet */
    uint32_t place; /* among the block's records */
};

struct bl_worker {
    bool plain;              /* never the AVX2 make: for tests */
    uint8_t promised[PAIRS]; /* by the two letters behind `QID: `, as pair_of() has them */
    struct bl_stamper stamper;
    const struct bl_rules *rules; /* of the present block */
    uint64_t mark;                /* theirs */
    const uint64_t *endings;      /* theirs, too */
    char origin[ORIGIN_MAX]; /* from the host to the instance's slash, that the seed belongs to */
    size_t origin_n, origin_program;
    uint64_t seed;
    uint64_t plain_seed;   /* of the remembered head's host and the instance `postfix` */
    uint32_t plain_head;   /* which of the stamper's heads that is */
    char exim[ORIGIN_MAX]; /* host and program, likewise */
    size_t exim_n, exim_host_n;
    uint64_t exim_seed;
    bl_exim_room room; /* of the present block */
    struct provider providers[1 << PROVIDERS_BITS];

    uint32_t ends[LINES];
    struct prospect prospects[LINES];
    uint8_t kept[PROMISES][LINES]; /* indices of prospects */
    size_t kept_n[PROMISES];
    uint32_t broken[LINES]; /* places whose line did not keep its promise */
    size_t broken_n;

    size_t failures_n;
    bl_reply replies[FAILURES];
    bl_verdict verdicts[FAILURES];
    uint32_t failed[FAILURES];    /* places */
    uint16_t failed_at[FAILURES]; /* their providers */
    struct bl_memo *memo;
};

_Static_assert(LINES <= 256, "indices of prospects are bytes");

static inline size_t pair_of(const char *word)
{
    return (size_t)(word[0] & 31) << 5 | (size_t)(word[1] & 31);
}

RARELY uint64_t make_seed(struct bl_worker *worker, bl_slice host, bl_slice program)
{
    bl_slice instance = bl_postfix_instance(program);
    size_t n = (size_t)(program.p - host.p) + instance.n + 1;

    worker->seed = bl_record_seed(host, instance);
    worker->origin_n = 0;
    if (instance.n < program.n && n <= ORIGIN_MAX) {
        memcpy(worker->origin, host.p, n);
        worker->origin_n = n;
        worker->origin_program = (size_t)(program.p - host.p);
    }
    return worker->seed;
}

/* Host and program stand in one line, so both are compared as one text.  The remembered one ends
 * with the first slash of its program. */
static inline uint64_t seed_of(struct bl_worker *worker, bl_slice host, bl_slice program)
{
    bl_slice text = {host.p, (size_t)(program.p - host.p) + program.n};

    if (worker->origin_n && worker->origin_program == (size_t)(program.p - host.p) &&
        bl_window_starts(text, worker->origin, worker->origin_n, 0, 0))
        return worker->seed;
    return make_seed(worker, host, program);
}

/* Exim's lines have no slash that tells instances apart: a program is an instance. */
static inline uint64_t exim_seed_of(struct bl_worker *worker, bl_slice host, bl_slice program)
{
    if (worker->exim_n == host.n + program.n && worker->exim_host_n == host.n &&
        worker->exim_n != 0 && memcmp(worker->exim, host.p, host.n) == 0 &&
        memcmp(worker->exim + host.n, program.p, program.n) == 0)
        return worker->exim_seed;
    worker->exim_n = 0;
    worker->exim_seed = bl_record_seed(host, program);
    if (host.n + program.n <= ORIGIN_MAX) {
        memcpy(worker->exim, host.p, host.n);
        memcpy(worker->exim + host.n, program.p, program.n);
        worker->exim_n = host.n + program.n;
        worker->exim_host_n = host.n;
    }
    return worker->exim_seed;
}

BL_ALWAYS_INLINE uint16_t provider_of(struct bl_worker *worker, bl_slice host)
{
    struct provider *known;
    uint64_t ends[2];

    if (!bl_rules_may_be_provider(worker->endings, host))
        return 0;
    if (host.n < 8 || host.n > PROVIDER_HOST_MAX)
        return host.n ? bl_rules_provider(worker->rules, host) : 0;
    memcpy(&ends[0], host.p, 8);
    memcpy(&ends[1], host.p + host.n - 8, 8);
    known = &worker->providers[(ends[0] ^ ends[1] * UINT64_C(0x9E3779B97F4A7C15)) *
                                   UINT64_C(0x9E3779B97F4A7C15) >>
                               (64 - PROVIDERS_BITS)];
    if (known->mark != worker->mark || known->n != host.n ||
        !bl_window_starts(host, known->host, host.n, 0, 0)) {
        memcpy(known->host, host.p, host.n);
        known->n = (uint8_t)host.n;
        known->mark = worker->mark;
        known->provider = bl_rules_provider(worker->rules, host);
    }
    return known->provider;
}

RARELY void classify(struct bl_worker *worker, struct bl_block *block)
{
    for (size_t i = 0; i < worker->failures_n; i++)
        worker->failed_at[i] = block->records[worker->failed[i]].provider;
    bl_memo_classify(worker->memo, worker->rules, worker->replies, worker->failed_at,
                     worker->verdicts, worker->failures_n);
    for (size_t i = 0; i < worker->failures_n; i++) {
        bl_record *record = &block->records[worker->failed[i]];

        record->verdict = worker->verdicts[i];
        bl_record_spare(record);
    }
    worker->failures_n = 0;
}

static inline bool is_failure(const bl_record *record)
{
    return record->outcome == BL_DEFERRED || record->outcome == BL_BOUNCED ||
           record->outcome == BL_REJECTED || record->outcome == BL_EXPIRED;
}

BL_ALWAYS_INLINE void finish_record(struct bl_worker *worker, struct bl_block *block,
                                    const struct prospect *prospect, uint64_t seed)
{
    bl_record *record = &block->records[prospect->place];

    bl_record_set_key(record, seed);
    if (record->kind == BL_RECORD_DELIVERY)
        record->provider = provider_of(worker, record->peer_host);
    else if (record->kind != BL_RECORD_REJECT)
        return;
    if (is_failure(record)) {
        worker->failed[worker->failures_n++] = prospect->place;
        if (worker->failures_n == FAILURES)
            classify(worker, block);
    }
}

/* `line` is unparsed. */
RARELY void note_unparsed(struct bl_block *block, bl_slice line)
{
    block->unparsed++;
    if (block->samples < BL_SHAPE_SAMPLES)
        block->sample[block->samples++] = line;
}

/* No head that is read here: a delivery all the same, when it has Postfix's words. */
RARELY void note_if_delivery(struct bl_block *block, bl_slice line)
{
    bl_slice text = bl_slice_head(line, HEADLESS_BYTES);
    size_t to = bl_slice_find(text, BL_SLICE(" to=<"));

    if (to != SIZE_MAX && bl_slice_find(bl_slice_drop(text, to), BL_SLICE(" status=")) != SIZE_MAX)
        note_unparsed(block, line);
}

RARELY void break_promise(struct bl_worker *worker, struct bl_block *block,
                          const struct prospect *prospect, bool unparsed)
{
    worker->broken[worker->broken_n++] = prospect->place;
    if (unparsed) {
        bl_slice host = prospect->head.host, body = prospect->head.body;

        note_unparsed(block, (bl_slice){host.p, (size_t)(body.p - host.p) + body.n});
    }
}

RARELY void cap_repeats(struct bl_block *block, bl_record *record)
{
    if (record->flags & BL_RECORD_REPEATED && record->repeats > BL_REPEATS_MAX) {
        block->repeats_cut += record->repeats - BL_REPEATS_MAX;
        record->repeats = BL_REPEATS_MAX;
    }
}

/* `promise` is a constant in each call, so each is a loop of its own. */
BL_ALWAYS_INLINE void read_kept(struct bl_worker *worker, struct bl_block *block,
                                enum promise promise)
{
    for (size_t i = 0; i < worker->kept_n[promise]; i++) {
        const struct prospect *prospect = &worker->prospects[worker->kept[promise][i]];
        enum bl_postfix_line line =
            read_promised(promise, &prospect->head, prospect->qid, prospect->words,
                          &block->records[prospect->place], &worker->replies[worker->failures_n]);

        if (promise == RARE && line == BL_POSTFIX_RECORD)
            cap_repeats(block, &block->records[prospect->place]);
        if (line == BL_POSTFIX_RECORD)
            finish_record(worker, block, prospect,
                          prospect->seed
                              ? prospect->seed
                              : seed_of(worker, prospect->head.host, prospect->head.program));
        else
            break_promise(worker, block, prospect, line == BL_POSTFIX_UNPARSED);
    }
    worker->kept_n[promise] = 0;
}

BL_ALWAYS_INLINE void read_kept_exim(struct bl_worker *worker, struct bl_block *block,
                                     enum promise promise)
{
    for (size_t i = 0; i < worker->kept_n[promise]; i++) {
        const struct prospect *prospect = &worker->prospects[worker->kept[promise][i]];
        const bl_syslog *head = &prospect->head;
        enum bl_exim_line line = read_exim_promised(promise, head, prospect->qid, &worker->room,
                                                    &block->records[prospect->place],
                                                    &worker->replies[worker->failures_n]);

        if (promise == EXIM_REPEATED && line == BL_EXIM_RECORD)
            cap_repeats(block, &block->records[prospect->place]);
        if (line == BL_EXIM_RECORD)
            finish_record(worker, block, prospect, exim_seed_of(worker, head->host, head->program));
        else
            break_promise(worker, block, prospect, line == BL_EXIM_UNPARSED);
    }
    worker->kept_n[promise] = 0;
}

/* -- what is repeated ------------------------------------------------------------------------- */

/* A line's beginning, counted from the block's; negative in what stands before it. */
struct place_before {
    const struct bl_block *block;
    int64_t at;
};

/* The whole line before; false where it is not to be had.  A block begins with a line, and so does
 * what stands before it when that is all there was.  A NUL ends what it stands in, for of a hole as
 * many may be here as like. */
RARELY bool step_back(struct place_before *place, bl_slice *line)
{
    bool inside = place->at > 0;
    const struct bl_block *block = place->block;
    const char *begin = inside ? block->bytes : block->before;
    size_t n = inside ? (size_t)place->at : (size_t)((int64_t)block->before_n + place->at);
    const char *newline, *nul;

    if (n == 0 || begin[n - 1] != '\n')
        return false;
    newline = n > 1 ? memrchr(begin, '\n', n - 1) : NULL;
    *line = (bl_slice){newline ? newline + 1 : begin, 0};
    line->n = (size_t)(begin + n - 1 - line->p);
    nul = memrchr(line->p, 0, line->n);
    if (!newline && !nul && !inside && block->before_n != block->begin)
        return false; /* the line began earlier */
    if (nul)
        *line = bl_slice_drop(*line, (size_t)(nul + 1 - line->p));
    place->at -= (int64_t)line->n + 1;
    line->n -= line->n && line->p[line->n - 1] == '\r';
    return true;
}

/* The line that is repeated: the last one before that is no repetition itself, not far behind; of
 * the same host, for lines of others may stand between. */
RARELY bool find_repeated(struct bl_worker *worker, const struct bl_block *block,
                          const bl_syslog *again, bl_syslog *out)
{
    const char *body = again->body.p;
    struct place_before place = {block, 0};
    bl_slice line;

    if (body < block->bytes || body > block->bytes + block->n)
        return false; /* out of a JSON line, where nothing is repeated */
    /* behind a hole nobody knows what is repeated */
    while (body > block->bytes && body[-1] != '\n' && body[-1] != 0)
        body--;
    place.at = body - block->bytes;
    for (int i = 0; i < AGAIN_LINES; i++) {
        int64_t least = body - block->bytes - BL_TAIL_BYTES;

        if (!step_back(&place, &line) || place.at <= least ||
            !read_syslog(line, &worker->stamper, out) || !bl_slice_eq(out->host, again->host))
            return false;
        if (!is_again(out))
            return true;
    }
    return false;
}

/* A line by itself, Postfix's or Exim's, and the seed of its key. */
RARELY bool read_one(struct bl_worker *worker, bl_syslog *head, bl_record *out, bl_reply *reply,
                     uint64_t *seed)
{
    struct bl_words words = {0};
    bl_slice id;
    enum promise promise = look_at(head, &words, &id);

    if (promise == FOREIGN && is_exim(head->program)) {
        *seed = exim_seed_of(worker, head->host, head->program);
        promise = look_at_exim(head, &id);
        return is_exim_result(promise) &&
               read_exim_promised(promise, head, id, &worker->room, out, reply) == BL_EXIM_RECORD;
    }
    *seed = seed_of(worker, head->host, head->program);
    return promise != NOTHING && promise != FOREIGN &&
           read_promised(promise, head, id, words, out, reply) == BL_POSTFIX_RECORD;
}

/* `last message repeated N times`: the record of that line again, with this one's time. */
RARELY bool read_again(struct bl_worker *worker, const struct bl_block *block,
                       const bl_syslog *again, bl_record *out, bl_reply *reply, uint64_t *seed)
{
    bl_slice begin;
    bl_syslog head;
    uint32_t times;

    if (!take_again(again, &times, &begin) || !find_repeated(worker, block, again, &head) ||
        !bl_slice_starts(head.body, begin))
        return false;
    head.time_us = again->time_us;
    return read_one(worker, &head, out, reply, seed) && repeat(times, out);
}

RARELY void read_kept_again(struct bl_worker *worker, struct bl_block *block)
{
    for (size_t i = 0; i < worker->kept_n[AGAIN]; i++) {
        const struct prospect *prospect = &worker->prospects[worker->kept[AGAIN][i]];
        bl_record *record = &block->records[prospect->place];
        uint64_t seed;

        if (read_again(worker, block, &prospect->head, record, &worker->replies[worker->failures_n],
                       &seed)) {
            cap_repeats(block, record);
            finish_record(worker, block, prospect, seed);
        } else {
            break_promise(worker, block, prospect, false);
        }
    }
    worker->kept_n[AGAIN] = 0;
}

/* Closes up the broken places from `first` on. */
RARELY void close_up(struct bl_worker *worker, struct bl_block *block, size_t first)
{
    size_t to = first;

    for (size_t i = 0; i < worker->broken_n; i++)
        block->records[worker->broken[i]].kind = 0;
    for (size_t from = first; from < block->records_n; from++) {
        if (block->records[from].kind == 0)
            continue;
        if (to != from) {
            for (size_t i = worker->failures_n; i-- > 0 && worker->failed[i] >= first;)
                if (worker->failed[i] == from)
                    worker->failed[i] = (uint32_t)to;
            block->records[to] = block->records[from];
        }
        to++;
    }
    block->records_n = to;
    worker->broken_n = 0;
}

/* A line in another form becomes text of its own. */
RARELY bool read_odd_line(struct bl_worker *worker, bl_slice line, bl_syslog *head)
{
    size_t n;

    if (line.n > worker->room.left || !bl_journal_read(line, worker->room.p, &n, head))
        return false;
    worker->room.p += n;
    worker->room.left -= n;
    return true;
}

/* What a crash leaves where a log was enlarged but not yet written are NULs, and the next line
 * follows them without a newline; half a line may stand before them.  False when there are none. */
RARELY bool split_at_hole(bl_slice line, bl_slice *half, bl_slice *behind)
{
    const char *last = line.n ? memrchr(line.p, 0, line.n) : NULL;
    size_t nuls = 0;

    if (!last)
        return false;
    while (nuls < line.n && line.p[nuls] == 0)
        nuls++;
    *half = bl_slice_head(line, nuls ? 0 : (size_t)(last - line.p));
    *behind = bl_slice_drop(line, nuls ? nuls : (size_t)(last + 1 - line.p));
    return true;
}

RARELY enum promise look_slowly(struct bl_worker *worker, struct bl_block *block, bl_slice line,
                                struct prospect *prospect)
{
    enum promise promise = NOTHING;
    bl_slice half, behind;

    prospect->seed = 0;
    if (has_exim_stamp(line) && read_exim_head(line, &worker->stamper, &prospect->head)) {
        promise = look_at_exim(&prospect->head, &prospect->qid);
    } else if (read_syslog(line, &worker->stamper, &prospect->head) ||
               read_odd_line(worker, line, &prospect->head)) {
        promise = look_at(&prospect->head, &prospect->words, &prospect->qid);
        if ((promise == FOREIGN || promise == RARE) && is_again(&prospect->head))
            promise = AGAIN;
        else if (promise == FOREIGN)
            promise = is_exim(prospect->head.program)
                          ? look_at_exim(&prospect->head, &prospect->qid)
                          : NOTHING;
        else if ((promise == CLIENT || promise == MESSAGE) && rest_of(&prospect->words).n >= 2)
            promise = (enum promise)worker->promised[pair_of(rest_of(&prospect->words).p)];
    } else if (split_at_hole(line, &half, &behind)) {
        note_if_delivery(block, half);
        promise = look_slowly(worker, block, behind, prospect);
    } else {
        block->headless++;
        note_if_delivery(block, line);
    }
    return promise;
}

#if defined(BL_WINDOW_AVX2)

/* Once for each head: once a second. */
RARELY uint64_t make_plain_seed(struct bl_worker *worker)
{
    const struct bl_stamper *stamper = &worker->stamper;

    worker->plain_head = stamper->heads;
    worker->plain_seed = bl_record_seed(
        (bl_slice){stamper->head + stamper->host_at, stamper->host_n}, BL_SLICE("postfix"));
    return worker->plain_seed;
}

/* Nearly every line: the head of the line before, `postfix...[pid]: WORD ` within the next 64
 * bytes.  What read_syslog and look_at find out one after the other, each opening windows of its
 * own, is asked here of two. False when anything is otherwise: then they decide. */
BL_ALWAYS_INLINE bool look_quickly(struct bl_worker *worker, bl_slice line,
                                   struct prospect *prospect, enum promise *promise)
{
    const struct bl_stamper *stamper = &worker->stamper;
    struct bl_window head = bl_window_open(line),
                     known = bl_window_open((bl_slice){stamper->head, sizeof stamper->head}), tag;
    uint64_t differ = ~bl_window_join(_mm256_cmpeq_epi8(head.low, known.low),
                                      _mm256_cmpeq_epi8(head.high, known.high)),
             blanks, brackets, behind, first;
    bl_slice in = {line.p + stamper->head_n, line.n - stamper->head_n};
    size_t end, pid, next;
    int64_t fraction_us = 0;
    unsigned ok;

    if (stamper->head_care == 0 || (differ & stamper->head_care) != 0 || line.n <= stamper->head_n)
        return false;
    if (stamper->fraction_n &&
        !read_fraction(line.p + stamper->fraction_at, stamper->fraction_n, &fraction_us))
        return false;
    tag = bl_window_open(in);
    blanks = bl_window_mask(&tag, ' ');
    brackets = bl_window_mask(&tag, '[');
    behind = blanks & (blanks - 1);
    memcpy(&first, in.p, sizeof first);
    /* postfix */
    if (behind == 0 || brackets == 0 || (first & 0xffffffffffffff) != 0x78696674736f70)
        return false;
    end = (size_t)__builtin_ctzll(blanks);
    pid = (size_t)__builtin_ctzll(brackets);
    next = (size_t)__builtin_ctzll(behind) + 1;
    if (end < 5 || pid > end - 3 || in.p[end - 1] != ':' || in.p[end - 2] != ']' || next >= in.n ||
        in.n - end - 1 < BODY_MIN || is_wrapped(in.p[end + 1]))
        return false;
    ok = (unsigned)(next >= end + 4) & (unsigned)(in.p[next - 2] == ':');
    *promise = (enum promise)(worker->promised[pair_of(in.p + next)] & (0 - ok));
    prospect->head.time_us = stamper->head_us + fraction_us;
    prospect->head.host = (bl_slice){line.p + stamper->host_at, stamper->host_n};
    prospect->head.program = (bl_slice){in.p, pid};
    prospect->head.body = (bl_slice){in.p + end + 1, in.n - end - 1};
    prospect->head.mail = false;
    prospect->words = (struct bl_words){in, next, 0, behind & (behind - 1)};
    prospect->qid = (bl_slice){in.p + end + 1, next - 2 - (end + 1)};
    prospect->seed = in.p[7] != '/'                         ? 0
                     : worker->plain_head == stamper->heads ? worker->plain_seed
                                                            : make_plain_seed(worker);
    return true;
}

#else

static inline bool look_quickly(struct bl_worker *worker, bl_slice line, struct prospect *prospect,
                                enum promise *promise)
{
    (void)worker, (void)line, (void)prospect, (void)promise;
    return false;
}

#endif

BL_ALWAYS_INLINE void look_at_line(struct bl_worker *worker, struct bl_block *block, bl_slice line,
                                   size_t index)
{
    struct prospect *prospect = &worker->prospects[index];
    enum promise promise;

    line.n -= line.n && line.p[line.n - 1] == '\r';
    if (!look_quickly(worker, line, prospect, &promise))
        promise = look_slowly(worker, block, line, prospect);
    prospect->place = (uint32_t)block->records_n;
    worker->kept[promise][worker->kept_n[promise]++] = (uint8_t)index;
    block->records_n += promise != NOTHING;
}

static inline void read_lines(struct bl_worker *worker, struct bl_block *block, size_t first)
{
    assert(block->records_n <= block->records_cap);
    worker->kept_n[NOTHING] = 0;
    read_kept(worker, block, TO);
    read_kept(worker, block, FROM);
    read_kept(worker, block, CLIENT);
    read_kept(worker, block, MESSAGE);
    read_kept(worker, block, UID);
    read_kept(worker, block, REMOVED_REJECT);
    read_kept(worker, block, PROXY);
    read_kept(worker, block, RARE);
    if (worker->kept_n[AGAIN])
        read_kept_again(worker, block);
    read_kept_exim(worker, block, EXIM_DELIVERY);
    read_kept_exim(worker, block, EXIM_ARRIVAL);
    read_kept_exim(worker, block, EXIM_COMPLETED);
    read_kept_exim(worker, block, EXIM_REFUSAL);
    read_kept_exim(worker, block, EXIM_HELD);
    read_kept_exim(worker, block, EXIM_PIECE);
    read_kept_exim(worker, block, EXIM_REPEATED);
    read_kept_exim(worker, block, EXIM_RARE);
    if (worker->broken_n)
        close_up(worker, block, first);
}

static inline void read_block(struct bl_worker *worker, struct bl_block *block)
{
    size_t begin = 0, found;

    do {
        const char *bytes = block->bytes + begin;
        size_t from = 0, first = block->records_n;

        found = bl_lines_find(bytes, block->n - begin, worker->ends, LINES);
        for (size_t i = 0; i < found; i++) {
            look_at_line(worker, block, (bl_slice){bytes + from, worker->ends[i] - from}, i);
            from = worker->ends[i] + 1;
        }
        block->lines += found;
        begin += from;
        /* the last line of a finished generation has no end */
        if (found < LINES && begin < block->n) {
            look_at_line(worker, block, (bl_slice){block->bytes + begin, block->n - begin}, found);
            block->lines++;
        }
        read_lines(worker, block, first);
    } while (found == LINES);
    if (worker->failures_n)
        classify(worker, block);
}

#if defined(__x86_64__)
void bl_read_block_avx2(struct bl_worker *worker, struct bl_block *block);
#endif

#endif
