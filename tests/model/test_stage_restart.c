/* ctest: label=quick timeout=300
 * The stage, killed and begun again at any moment, against itself undisturbed.
 *
 * A made-up log runs through worker, join and stage; two slots stand for Redis.  Each slot takes
 * batches at its own pace, by the fence's rule: only what begins where the slot stands.  At random
 * moments everything but the slots and the kept snapshots is thrown away.  In the end the slots
 * must hold exactly what one undisturbed pass gives: counters, and the sequence of address events.
 * Much of the log is understood only with lines before it, of Exim and Postfix: what is held, in
 * pieces, repeated, given up for an earlier reason.  Each life that reaches the end of the log says
 * so: what is held for lines that never come is told then, once; a kill there leaves any slot told
 * and another not.  In some rounds the log ends in its midst first, and grows when a slot knows; in
 * others it ends thrice, and lives are killed in between, when one slot is beyond an end and the
 * other before it. There each slot must have each event once, though not of the same moment: what a
 * slot was told at an end, the other, when the first has since been told at a later one, gets with
 * the line that it waited for.
 *
 * Negative controls: with one position for both slots the same runs differ; and with slots that do
 * not note that they were told the end, or forget it when they go on (45 of the 60 rounds whose log
 * grows thrice).  So they do when an image leaves out what is pending; and with nothing before the
 * blocks there is less to count.  Of the 60 rounds whose log grows once, and of those whose log
 * grows thrice, 7 and 23 differ when an end counts as told to all once any slot knows, 6 and 14
 * without tell_missed_end(), 25 and 59 when lines that were read back tell nobody.
 *
 * BL_ROUNDS=n plays so many rounds of each kind, BL_SEED=n others. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <cmocka.h>

#include "bounceline/alloc.h"
#include "bounceline/hash.h"
#include "bounceline/stage.h"
#include "snapshot_file.h"

enum { LOG_CAP = 1 << 20, MESSAGES = 400, TRACE_CAP = 1 << 20, KEPT = 3, ENDS = 3 };

static unsigned rounds = 60;

static uint64_t seed;

static unsigned pick(unsigned n)
{
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (unsigned)(seed >> 33) % n;
}

/* --- the log: messages whose lines interleave, with deferrals that expire and ids used again
 * --- */

static char *log_text;
static size_t log_n;
/* where lines are held, and the log ends behind them, in some rounds */
static size_t held_at[ENDS], midst[ENDS];
static uint64_t logged[BL_OUTCOMES]; /* what there is to count */

/* UNTOLD: slots do not note that they were told an end; FORGOTTEN: only as long as they stand
 * there. */
enum fault { NONE, ONE_POSITION, UNTOLD, FORGOTTEN };

enum { ORPHANS = 9 }; /* cut-through deliveries whose arrival the log lacks */

static void put_line(const char *program, const char *format, ...)
{
    static unsigned clock;
    va_list args;

    clock++;
    log_n += (size_t)sprintf(log_text + log_n, "Nov 22 %02u:%02u:%02u mx %s ", clock / 3600 % 24,
                             clock / 60 % 60, clock % 60, program);
    va_start(args, format);
    log_n += (size_t)vsprintf(log_text + log_n, format, args);
    va_end(args);
    log_text[log_n++] = '\n';
}

#define SMTP(domain)                                                                               \
    "%05X: to=<%s%u@" domain ">, relay=mx." domain "[192.0.2.1]:25, delay=1, delays=0/0/0/1, "
#define REFUSED                                                                                    \
    SMTP("d.example")                                                                              \
    "dsn=5.1.1, status=bounced (host mx.d.example[192.0.2.1] said: 550 5.1.1 User unknown (in reply to RCPT TO command))"
#define FULL                                                                                       \
    SMTP("d.example")                                                                              \
    "dsn=4.2.2, status=deferred (host mx.d.example[192.0.2.1] said: 452 4.2.2 mailbox full (in reply to RCPT TO command))"
#define SENT SMTP("d.example") "dsn=2.0.0, status=sent (250 2.0.0 Ok)"

/* Line `step` of message `i`; false when it has ended.  Few recipients, so that their states
 * matter. */
static bool put_postfix(unsigned i, unsigned step)
{
    unsigned id = 0xA0000 + i % 97, who = i * 7 % 23;

    switch (step) {
    case 0:
        put_line("postfix/smtpd[7]:", "%05X: client=app[192.0.2.9]", id);
        return true;
    case 1:
        put_line("postfix/cleanup[7]:", "%05X: message-id=<%u@app.example>", id, i);
        return true;
    case 2:
        put_line("postfix/qmgr[7]:",
                 "%05X: from=<s%u@sender.example>, size=9, nrcpt=2 (queue active)", id, i % 5);
        return true;
    case 3:
        if (i % 3 == 0) {
            put_line("postfix/smtp[7]:", REFUSED, id, "r", who);
            if (i % 2)
                put_line("", "last message repeated 2 times");
            logged[BL_BOUNCED] += i % 2 ? 3 : 1;
        } else if (i % 3 == 1) {
            put_line("postfix/smtp[7]:", SENT, id, "r", who);
            logged[BL_DELIVERED]++;
        } else {
            put_line("postfix/smtp[7]:", FULL, id, "r", who);
        }
        return true;
    case 4:
        if (i % 3 == 2) {
            put_line("postfix/qmgr[7]:",
                     "%05X: from=<s%u@sender.example>, status=expired, returned to sender", id,
                     i % 5);
            logged[BL_EXPIRED]++;
        } else {
            put_line("postfix/smtp[7]:", SMTP("e.example") "dsn=2.0.0, status=sent (250 ok)", id,
                     "q", who);
            logged[BL_DELIVERED]++;
        }
        return true;
    case 5:
        if (i % 4 == 0) {
            put_line("postfix/smtp[7]:", "message repeated 2 times: [ " REFUSED "]", id, "r", who);
            logged[BL_BOUNCED] += 2;
        }
        return true;
    case 6:
        put_line("postfix/qmgr[7]:", "%05X: removed", id);
        return true;
    default:
        return false;
    }
}

#define EXIM(symbol) "1xU%03u-0000Ab-0d " symbol " r%u@d.example"
#define REMOTE       " R=dns T=smtp H=mx.d.example [192.0.2.1]"

/* The same for Exim: one that is cut through and refused in pieces, one given up, one simply
 * sent. */
static bool put_exim(unsigned i, unsigned step)
{
    unsigned id = i % 97, who = i * 7 % 23;
    char program[16];

    sprintf(program, "exim[%u]:", 100 + id);
    if (step == (i % 3 == 0)) {
        put_line(
            program,
            "1xU%03u-0000Ab-0d <= s%u@sender.example H=app [192.0.2.9] P=esmtp S=9 id=%u@app.example",
            id, i % 5, i);
        return true;
    }
    switch (step * 3 + i % 3) {
    case 0:
        put_line(program, EXIM(">>") REMOTE " C=\"250 ok\"", id, who);
        logged[BL_DELIVERED]++;
        return true;
    case 6:
        put_line(program, "[1/2] " EXIM("**") REMOTE ": SMTP error from remote mail", id, who + 1);
        return true;
    case 9:
        put_line(program, "[2/2]  server after RCPT TO:<r%u@d.example>: 550 5.1.1 User unknown",
                 who + 1);
        logged[BL_BOUNCED]++;
        return true;
    case 4:
        put_line(
            program,
            EXIM(
                "==") " R=dns T=smtp defer (-44) H=mx.d.example [192.0.2.1]: SMTP error from remote mail server after RCPT TO:<r%u@d.example>: 452 4.2.2 Mailbox full",
            id, who, who);
        return true;
    case 7:
        put_line(program, EXIM("==") " routing defer (-52): retry time not reached", id, who);
        return true;
    case 10:
        put_line(program, EXIM("**") ": retry timeout exceeded", id, who);
        logged[BL_EXPIRED]++;
        return true;
    case 5:
        put_line(program, EXIM("=>") REMOTE " C=\"250 ok\"", id, who);
        logged[BL_DELIVERED]++;
        return true;
    case 12:
    case 13:
    case 8:
        put_line(program, "1xU%03u-0000Ab-0d Completed", id);
        return true;
    default:
        return false;
    }
}

static bool put_step(unsigned i, unsigned step)
{
    return i % 5 < 2 ? put_exim(i, step) : put_postfix(i, step);
}

static void put_arrivals(unsigned end, unsigned first)
{
    for (unsigned i = first; i < ORPHANS; i += 3)
        put_line(
            "exim[98]:", "1xU%u%02u-0000Ab-0d <= s%u@sender.example H=app [192.0.2.9] P=esmtp S=9",
            6 + end, i, i % 5);
}

/* Deliveries cut through; of some the arrival comes at once, of some behind the next end: when they
 * were told already if the log ended here. */
static void put_held(unsigned end)
{
    held_at[end] = log_n;
    for (unsigned i = 0; i < ORPHANS; i++)
        put_line("exim[98]:", "1xU%u%02u-0000Ab-0d >> r%u@d.example" REMOTE, 6 + end, i, i);
    logged[BL_DELIVERED] += ORPHANS;
    midst[end] = log_n;
    put_arrivals(end, 0);
    if (end > 0)
        put_arrivals(end - 1, 1);
}

static void make_log(void)
{
    unsigned live[16], step[16], n = 0, next = 0;

    log_text = malloc(LOG_CAP);
    assert_non_null(log_text);
    while (next < MESSAGES || n > 0) {
        if (n < 16 && next < MESSAGES && pick(3) == 0) {
            if (next % (MESSAGES / (ENDS + 1)) == 0 && next > 0)
                put_held(next / (MESSAGES / (ENDS + 1)) - 1);
            live[n] = next++;
            step[n++] = 0;
        }
        if (n > 0) {
            unsigned at = pick(n);

            if (!put_step(live[at], step[at]++)) {
                live[at] = live[--n];
                step[at] = step[n];
            }
        }
    }
    for (unsigned i = 0; i < ORPHANS; i++)
        put_line("exim[99]:", "1xU%03u-0000Ab-0d >> r%u@d.example" REMOTE, 900 + i, i);
    logged[BL_DELIVERED] += ORPHANS;
}

/* --- what stands for Redis --- */

struct slot {
    struct bl_positions at;
    uint64_t lines, outcome[BL_OUTCOMES];
    /* of the address slot: a sum over them, in any order and without their senders */
    uint64_t events;
    char *trace; /* ... all there is to them */
    size_t trace_n;
};

static struct bl_snapshot *kept[KEPT]; /* newest first */

static void note(struct slot *slot, const bl_address_event *e)
{
    char *from = slot->trace + slot->trace_n;
    int n = sprintf(from, "%d %.*s %lld %.*s", (int)e->kind, (int)e->address.n, e->address.p,
                    (long long)e->time_ms, (int)e->category.n, e->category.p);

    slot->events += bl_hash64((bl_slice){from, (size_t)n});
    n += sprintf(from + n, " %.*s %.*s\n", (int)e->sender.n, e->sender.p, (int)e->message_id.n,
                 e->message_id.p);
    slot->trace_n += (size_t)n;
}

static void forget_end(bl_position *at, enum fault fault)
{
    if (fault == UNTOLD || (fault == FORGOTTEN && at->told_at < at->offset))
        at->told_at = 0;
}

/* The fence: a range applies when it begins where the slot is, or where it was cut off before. */
static void apply(struct slot *slot, const struct bl_batch *batch, bool counters, enum fault fault)
{
    for (size_t i = 0; i < batch->ranges; i++) {
        const struct bl_range *range = &batch->range[i];
        bl_position end = range->end;

        if (!bl_positions_behind(&slot->at, &range->end))
            return; /* one source, one generation here: all or nothing */
        assert_true(range->begin <= bl_positions_offset(&slot->at, range->end.generation));
        forget_end(&end, fault);
        assert_int_equal(bl_positions_put(&slot->at, &end), BL_OK);
        slot->lines += range->lines;
        for (int o = 0; o < BL_OUTCOMES; o++)
            slot->outcome[o] += range->outcome[o];
    }
    for (size_t i = 0; !counters && i < batch->events[0].n; i++)
        note(slot, &batch->events[0].v[i]);
}

static void keep(struct bl_batch *batch, enum fault fault)
{
    if (!batch->snapshot)
        return;
    forget_end(&batch->snapshot->positions.v[0], fault);
    bl_snapshot_free(kept[KEPT - 1]);
    memmove(kept + 1, kept, (KEPT - 1) * sizeof kept[0]);
    kept[0] = batch->snapshot;
    batch->snapshot = NULL;
}

/* --- one life of the pipeline --- */

static uint64_t least(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* A block of some lines from `offset`, not beyond any slot's offset, or where it was told that the
 * log ended. */
static void fill(struct bl_block *block, uint64_t offset, uint64_t log_end, const uint64_t *cut,
                 size_t cuts, uint64_t counted_from)
{
    uint64_t end = offset;
    unsigned lines = 1 + pick(12);

    for (size_t i = 0; i < cuts; i++)
        if (cut[i] > offset && cut[i] < log_end)
            end = end == offset ? cut[i] : least(end, cut[i]);
    if (end == offset)
        end = log_end;
    block->n = 0;
    while (lines-- > 0 && offset + block->n < end)
        block->n += (size_t)((const char *)memchr(log_text + offset + block->n, '\n', log_n) -
                             (log_text + offset + block->n)) +
                    1;
    memcpy(block->bytes, log_text + offset, block->n);
    block->before_n = least(offset, BL_TAIL_BYTES);
    memcpy(block->before, log_text + offset - block->before_n, block->before_n);
    block->kind = BL_BLOCK_DATA;
    block->is_end = false;
    block->begin = offset;
    block->end = (bl_position){.generation = 1, .offset = offset + block->n};
    block->reference_s = 1795323818;
    block->warm_up = block->end.offset <= counted_from;
}

/* The log ends. */
static void fill_end(struct bl_block *block, uint64_t log_end)
{
    block->kind = BL_BLOCK_DATA;
    block->is_end = true;
    block->n = 0;
    block->begin = log_end;
    block->end = (bl_position){.generation = 1, .offset = log_end};
    block->warm_up = false;
}

static uint64_t told_at(const struct bl_positions *slot)
{
    const bl_position *at = bl_positions_find(slot, 1);

    return at ? at->told_at : 0;
}

static struct bl_resume *resume_of(const struct slot *slots, enum fault fault)
{
    struct bl_resume *resume = bl_calloc(1, sizeof *resume);

    assert_non_null(resume);
    resume->run = 1;
    resume->partitions = 1;
    resume->sources = 1;
    for (size_t i = 0; i < 2; i++)
        assert_int_equal(
            bl_positions_copy(&resume->slot[i], &slots[fault == ONE_POSITION ? 0 : i].at), BL_OK);
    for (size_t i = 0; i < KEPT && !resume->snapshot; i++) {
        char *file;
        size_t n;

        if (!kept[i] || !bl_snapshot_usable(kept[i], resume->slot, 2))
            continue;
        file = snapshot_file(kept[i], &n);
        assert_int_equal(bl_snapshot_decode((bl_slice){file, n}, &resume->snapshot, NULL), BL_OK);
        bl_free(file);
    }
    return resume;
}

/* MAY_DIE: killed at random, where the log ends above all; MAY_STALL: a slot may take nothing until
 * then, too. */
enum luck { CALM, MAY_DIE, MAY_STALL };

/* A snapshot after so many blocks or flushes. */
static struct bl_stage *new_stage(size_t blocks, size_t flushes)
{
    const struct bl_stage_options options = {.join_entries = 256,
                                             .join_text_bytes = 1 << 16,
                                             .batch_fields = 60,
                                             .batch_events = 8,
                                             .filter_cap = 1000,
                                             .snapshot_blocks = blocks,
                                             .snapshot_flushes = flushes};

    return bl_stage_new(bl_rules_builtin(), &options);
}

/* Runs until the log ends (true) or it is killed. */
static bool live(struct slot *slots, size_t log_end, enum luck luck, enum fault fault)
{
    struct bl_stage *stage = new_stage(5, 3);
    struct bl_worker *worker = bl_worker_new(&(bl_zone){0});
    struct bl_block *block = bl_block_new();
    struct bl_batch *batch = bl_batch_new();
    struct bl_resume *resume = resume_of(slots, fault);
    struct bl_address_hashes *all = bl_calloc(1, sizeof *all);
    uint64_t cut[4] = {bl_positions_offset(&resume->slot[0], 1),
                       bl_positions_offset(&resume->slot[1], 1), told_at(&resume->slot[0]),
                       told_at(&resume->slot[1])};
    uint64_t low = least(cut[0], cut[1]);
    uint64_t offset = resume->snapshot ? bl_positions_offset(&resume->snapshot->positions, 1) : 0;
    bool is_cold = !resume->snapshot;
    bool died = false, ended = false;
    unsigned stalls = luck == MAY_STALL ? pick(3) : 2; /* which slot, if any */

    assert_true(stage && worker && block && batch && all);
    if (fault == ONE_POSITION)
        slots[1].at.n = 0, bl_positions_copy(&slots[1].at, &slots[0].at);
    block->kind = BL_BLOCK_RESET;
    block->payload = resume;
    bl_stage_block(stage, block);
    block->kind = BL_BLOCK_ADDRESSES; /* what Redis would say is known: every recipient there is */
    all->v = bl_calloc(46, sizeof *all->v);
    for (unsigned i = 0; i < 46; i++) {
        char name[32];
        int n = sprintf(name, i < 23 ? "r%u@d.example" : "q%u@e.example", i % 23);

        all->v[all->n++] = bl_address_hash((bl_slice){name, (size_t)n});
    }
    block->payload = all;
    bl_stage_block(stage, block);
    block->run = 1;
    while (!died && !ended) {
        struct bl_batch *due;

        ended = offset >= log_end;
        if (bl_stage_wants_batch(stage)) {
            bl_stage_lend(stage, batch);
            batch = NULL;
        }
        if (ended)
            fill_end(block, log_end);
        else
            fill(block, offset, log_end, cut, BL_COUNT(cut), is_cold ? low : 0);
        offset = block->end.offset;
        bl_block_parse(worker, bl_rules_builtin(), block);
        bl_stage_block(stage, block);
        if (ended || pick(9) == 0) {
            block->kind = BL_BLOCK_FLUSH;
            bl_stage_block(stage, block);
        }
        due = bl_stage_take(stage);
        if (!due)
            continue;
        /* Between the two slots, before both, or after both. */
        died = luck != CALM && pick(ended ? 2 : 6) == 0;
        if (stalls != 0 && (!died || pick(2)))
            apply(&slots[0], due, true, fault);
        if (stalls != 1 && (!died || pick(2)))
            apply(&slots[1], due, false, fault);
        if (!died && stalls > 1)
            keep(due, fault);
        bl_batch_clear(due);
        batch = due;
    }
    bl_batch_free(batch);
    bl_block_free(block);
    bl_worker_free(worker);
    bl_stage_free(stage);
    return !died;
}

static void init_slots(struct slot *slots)
{
    for (size_t i = 0; i < 2; i++) {
        slots[i] = (struct slot){.trace = malloc(TRACE_CAP)};
        assert_non_null(slots[i].trace);
        slots[i].trace[0] = '\0';
    }
}

static void forget_kept(void)
{
    for (size_t i = 0; i < KEPT; i++) {
        bl_snapshot_free(kept[i]);
        kept[i] = NULL;
    }
}

static void release_slots(struct slot *slots)
{
    for (size_t i = 0; i < 2; i++) {
        bl_positions_release(&slots[i].at);
        free(slots[i].trace);
    }
    forget_kept();
}

static bool counted_the_same(const struct slot *a, const struct slot *b)
{
    return a[0].lines == b[0].lines &&
           memcmp(a[0].outcome, b[0].outcome, sizeof a[0].outcome) == 0 &&
           a[1].events == b[1].events;
}

static bool same(const struct slot *a, const struct slot *b)
{
    return counted_the_same(a, b) && a[1].trace_n == b[1].trace_n &&
           memcmp(a[1].trace, b[1].trace, a[1].trace_n) == 0;
}

static bool is_told(const struct slot *slot, uint64_t offset)
{
    return told_at(&slot->at) == offset;
}

/* One was told an end and is beyond it, and the other is not told yet. */
static bool is_ahead(const struct slot *one, const struct slot *other)
{
    uint64_t end = told_at(&one->at), to = bl_positions_offset(&other->at, 1);

    return end > 0 && bl_positions_offset(&one->at, 1) > end &&
           (to < end || (to == end && !is_told(other, end)));
}

/* Of the slots killed at the end in the midst: how many times which knew. */
struct known {
    unsigned counters, addresses, both;
    unsigned ahead; /* lives that began when a slot was beyond an end that the other was not told */
};

/* Lives until the log has ended in its midst and a slot at least was told so. */
static void live_to_midst(struct slot *slots, enum fault fault, struct known *known)
{
    bool counters, addresses;

    do
        (void)live(slots, midst[1], MAY_DIE, fault);
    while (!is_told(&slots[0], midst[1]) && !is_told(&slots[1], midst[1]));
    counters = is_told(&slots[0], midst[1]);
    addresses = is_told(&slots[1], midst[1]);
    known->counters += counters && !addresses;
    known->addresses += addresses && !counters;
    known->both += addresses && counters;
}

/* How many of the rounds ended with something else than the undisturbed run. */
static unsigned rounds_that_differ(enum fault fault)
{
    struct slot calm[2], torn[2];
    unsigned differ = 0;

    init_slots(calm);
    assert_true(live(calm, log_n, CALM, NONE));
    assert_int_equal(calm[0].outcome[BL_BOUNCED], logged[BL_BOUNCED]);
    assert_int_equal(calm[0].outcome[BL_EXPIRED], logged[BL_EXPIRED]);
    assert_int_equal(calm[0].outcome[BL_DELIVERED], logged[BL_DELIVERED]);
    for (unsigned round = 0; round < rounds; round++) {
        unsigned lives = 1, ends = round; /* one to three lives reach the end */

        forget_kept();
        init_slots(torn);
        while (!live(torn, log_n, lives < 40 ? MAY_DIE : CALM, fault) || (ends++ % 3 != 2))
            lives++;
        differ += !same(calm, torn);
        release_slots(torn);
    }
    release_slots(calm);
    return differ;
}

/* The same where the log ends in its midst, and a life that is not killed reads on when it has
 * grown. */
static unsigned grown_rounds_that_differ(struct known *known)
{
    struct slot calm[2], torn[2];
    unsigned differ = 0;

    init_slots(calm);
    assert_true(live(calm, midst[1], CALM, NONE));
    assert_true(live(calm, log_n, CALM, NONE));
    for (unsigned round = 0; round < rounds; round++) {
        forget_kept();
        init_slots(torn);
        live_to_midst(torn, NONE, known);
        if (round % 3 == 0)
            forget_kept();
        assert_true(live(torn, log_n, CALM, NONE));
        differ += !same(calm, torn);
        release_slots(torn);
    }
    release_slots(calm);
    return differ;
}

/* The log grows thrice, after as many lives as it takes until a slot was told its end, or some more
 * or less; all but the last one are killed. */
static unsigned torn_rounds_that_differ(enum fault fault, struct known *known)
{
    struct slot calm[2], torn[2];
    unsigned differ = 0;

    init_slots(calm);
    assert_true(live(calm, log_n, CALM, NONE));
    for (unsigned round = 0; round < rounds; round++) {
        forget_kept();
        init_slots(torn);
        for (unsigned end = 0; end < ENDS; end++)
            for (unsigned lives = 0;
                 lives < 40 && (pick(2) || !is_told(&torn[pick(2)], midst[end])); lives++) {
                (void)live(torn, midst[end], MAY_STALL, fault);
                known->ahead += is_ahead(&torn[0], &torn[1]) || is_ahead(&torn[1], &torn[0]);
            }
        assert_true(live(torn, log_n, CALM, fault));
        differ += !counted_the_same(calm, torn);
        release_slots(torn);
    }
    release_slots(calm);
    return differ;
}

static void killed_anywhere_gives_what_an_undisturbed_run_gives(void **state)
{
    (void)state;
    assert_int_equal(rounds_that_differ(NONE), 0);
}

static void whichever_slot_knew_of_an_end_each_is_told_once(void **state)
{
    struct known known = {0};

    (void)state;
    assert_int_equal(grown_rounds_that_differ(&known), 0);
    assert_true(known.counters > 0 && known.addresses > 0 && known.both > 0);
}

static void an_end_is_known_behind_it(void **state)
{
    struct known known = {0};

    (void)state;
    assert_int_equal(torn_rounds_that_differ(NONE, &known), 0);
    print_message("%u lives began between the slots and an end\n", known.ahead);
    assert_true(known.ahead > rounds / 12);
    assert_true(torn_rounds_that_differ(FORGOTTEN, &known) > 0);
}

static void with_one_position_for_all_slots_it_does_not(void **state)
{
    (void)state;
    assert_true(rounds_that_differ(ONE_POSITION) > rounds / 2);
}

static void without_a_note_the_end_is_told_again(void **state)
{
    (void)state;
    assert_true(rounds_that_differ(UNTOLD) > 0);
}

/* A generation that the snapshot does not know is read from its start: until that was done, the
 * next snapshot must not say that the join has it, whatever the slots have.  One that was finished
 * and that every slot has forgotten is forgotten here, too. */
static void a_snapshot_claims_no_more_than_the_join_has_read(void **state)
{
    struct bl_stage *stage = new_stage(1, 3);
    struct bl_worker *worker = bl_worker_new(&(bl_zone){0});
    struct bl_block *block = bl_block_new();
    struct bl_resume *resume = bl_calloc(1, sizeof *resume);
    const bl_position read = {.generation = 1, .offset = 10},
                      other = {.generation = 2, .offset = 500},
                      old = {.generation = 3, .offset = 70, .finished = true};
    struct bl_batch *batch;

    (void)state;
    assert_true(stage && worker && block && resume);
    resume->run = 1;
    resume->partitions = 1;
    resume->sources = 1;
    resume->snapshot = bl_calloc(1, sizeof *resume->snapshot);
    assert_non_null(resume->snapshot);
    resume->snapshot->sources = 1; /* an empty image: its join begins empty */
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(bl_positions_put(&resume->slot[i], &read), BL_OK);
        assert_int_equal(bl_positions_put(&resume->slot[i], &other), BL_OK);
    }
    assert_int_equal(bl_positions_put(&resume->snapshot->positions, &read), BL_OK);
    assert_int_equal(bl_positions_put(&resume->snapshot->positions, &old), BL_OK);
    block->kind = BL_BLOCK_RESET;
    block->payload = resume;
    bl_stage_block(stage, block);
    block->run = 1;
    bl_stage_lend(stage, bl_batch_new());
    fill(block, 0, log_n, NULL, 0, 0);
    block->begin += 10;
    block->end.offset += 10;
    bl_block_parse(worker, bl_rules_builtin(), block);
    bl_stage_block(stage, block);
    batch = bl_stage_take(stage);
    assert_true(batch && batch->snapshot);
    assert_int_equal(bl_positions_offset(&batch->snapshot->positions, 1), block->end.offset);
    assert_null(bl_positions_find(&batch->snapshot->positions, 2));
    assert_null(bl_positions_find(&batch->snapshot->positions, 3));
    bl_batch_free(batch);
    bl_block_free(block);
    bl_worker_free(worker);
    bl_stage_free(stage);
}

enum { MAIL = 11, OTHER = 22 }; /* sources, and the generations of each */

/* A run of these sources, from the snapshot (taken over), and a block of the last of them. */
static struct bl_batch *run_of(struct bl_stage *stage, const uint64_t *source, size_t n,
                               struct bl_snapshot *snapshot)
{
    struct bl_worker *worker = bl_worker_new(&(bl_zone){0});
    struct bl_block *block = bl_block_new();
    struct bl_resume *resume = bl_calloc(1, sizeof *resume);
    struct bl_batch *batch;

    assert_true(worker && block && resume);
    resume->run = 1;
    resume->partitions = 1;
    resume->sources = n;
    memcpy(resume->source, source, n * sizeof *source);
    resume->snapshot = snapshot;
    for (size_t i = 0; snapshot && i < 2; i++)
        assert_int_equal(bl_positions_copy(&resume->slot[i], &snapshot->positions), BL_OK);
    block->kind = BL_BLOCK_RESET;
    block->payload = resume;
    bl_stage_block(stage, block);
    block->run = 1;
    if (bl_stage_wants_batch(stage))
        bl_stage_lend(stage, bl_batch_new());
    fill(block, 0, log_n, NULL, 0, 0);
    block->end.generation = block->end.source = source[n - 1];
    block->source = (uint32_t)n - 1;
    bl_block_parse(worker, bl_rules_builtin(), block);
    bl_stage_block(stage, block);
    batch = bl_stage_take(stage);
    assert_true(batch && batch->snapshot);
    bl_block_free(block);
    bl_worker_free(worker);
    return batch;
}

static struct bl_snapshot *snapshot_of(struct bl_batch *batch)
{
    struct bl_snapshot *snapshot = batch->snapshot;

    batch->snapshot = NULL;
    bl_batch_free(batch);
    return snapshot;
}

/* One comes, both are there, one is left, and comes back.  What the slots have of one that is not
 * there stays in the snapshot, for the day they lose it; but when it is back its join begins anew,
 * so until it was read again nothing of it may stand there.  Fails when begin_with_snapshot() takes
 * the positions of every source. */
static void the_sources_of_a_run_are_those_it_began_with(void **state)
{
    static const uint64_t mail[] = {MAIL}, both[] = {MAIL, OTHER}, other[] = {OTHER},
                          back[] = {OTHER, MAIL, 33};
    struct bl_stage *stage = new_stage(1, 3);
    struct bl_snapshot *s;

    (void)state;
    assert_non_null(stage);
    s = snapshot_of(run_of(stage, mail, 1, NULL));
    assert_true(s->sources == 1 && bl_snapshot_has(s, MAIL));
    s = snapshot_of(run_of(stage, both, 2, s));
    assert_true(s->sources == 2 && bl_snapshot_has(s, MAIL) && bl_snapshot_has(s, OTHER));
    s = snapshot_of(run_of(stage, other, 1, s));
    assert_true(s->sources == 1 && bl_snapshot_has(s, OTHER));
    assert_true(bl_positions_find(&s->positions, MAIL) && bl_positions_find(&s->positions, OTHER));
    s = snapshot_of(run_of(stage, back, 3, s));
    assert_int_equal(s->sources, 3);
    assert_null(bl_positions_find(&s->positions, MAIL));
    assert_non_null(bl_positions_find(&s->positions, OTHER));
    bl_snapshot_free(s);
    assert_int_equal(bl_stage_stats(stage).unread, 0);
    bl_stage_free(stage);
}

/* The joins begin empty, and that is known before (and counted, should it be met nevertheless). */
static void the_joins_of_another_version_are_not_read(void **state)
{
    enum { VERSION_AT = 16 };
    static const uint64_t mail[] = {MAIL};
    struct bl_stage *stage = new_stage(1, 3);
    struct bl_snapshot *s;

    (void)state;
    assert_non_null(stage);
    s = snapshot_of(run_of(stage, mail, 1, NULL));
    assert_true(bl_stage_reads(s));
    s = snapshot_of(run_of(stage, mail, 1, s));
    assert_int_equal(bl_stage_stats(stage).join_cold, 0);
    s->join[0][VERSION_AT] ^= 1;
    assert_false(bl_stage_reads(s));
    bl_snapshot_free(snapshot_of(run_of(stage, mail, 1, s)));
    assert_int_equal(bl_stage_stats(stage).join_cold, 1);
    bl_stage_free(stage);
}

/* A stage whose slots and snapshot, with an empty join, have that of generation 1. */
static struct bl_stage *stage_at(const bl_position *slot, size_t n, const bl_position *read)
{
    struct bl_stage *stage = new_stage(100, 100);
    struct bl_block control = {.kind = BL_BLOCK_RESET};
    struct bl_resume *resume = bl_calloc(1, sizeof *resume);

    assert_true(stage && resume);
    resume->run = resume->partitions = 1;
    resume->sources = 1;
    resume->snapshot = bl_calloc(1, sizeof *resume->snapshot);
    assert_non_null(resume->snapshot);
    resume->snapshot->sources = 1;
    assert_int_equal(bl_positions_put(&resume->snapshot->positions, read), BL_OK);
    for (size_t i = 0; i < 2 * n; i++)
        assert_int_equal(bl_positions_put(&resume->slot[i % 2], &slot[i / 2]), BL_OK);
    control.payload = resume;
    bl_stage_block(stage, &control);
    bl_stage_lend(stage, bl_batch_new());
    return stage;
}

/* The first of the deliveries that are held, as all there is of a generation since `begin`. */
static void give_held(struct bl_stage *stage, uint64_t generation, uint64_t begin)
{
    struct bl_worker *worker = bl_worker_new(&(bl_zone){0});
    struct bl_block *block = bl_block_new();
    const char *line = log_text + held_at[0];

    assert_true(worker && block);
    block->run = 1;
    block->n = (size_t)((const char *)memchr(line, '\n', log_n - held_at[0]) - line) + 1;
    memcpy(block->bytes, line, block->n);
    block->begin = begin;
    block->end = (bl_position){.generation = generation, .offset = begin + block->n};
    block->reference_s = 1795323818;
    bl_block_parse(worker, bl_rules_builtin(), block);
    bl_stage_block(stage, block);
    bl_block_free(block);
    bl_worker_free(worker);
}

static void give_empty(struct bl_stage *stage, bl_position at, bool is_end)
{
    struct bl_block block = {.run = 1, .begin = at.offset, .end = at, .is_end = is_end};

    bl_stage_block(stage, &block);
}

static struct bl_batch *batch_of(struct bl_stage *stage)
{
    struct bl_block flush = {.kind = BL_BLOCK_FLUSH, .run = 1};

    bl_stage_block(stage, &flush);
    return bl_stage_take(stage);
}

/* That a file is finished is known when the next one is being read.  Fails when the block that says
 * so of one whose end was told is taken for that end again: either it is dropped, or what waits for
 * lines of the next file is told, and that to nobody, for everybody was told that end. */
static void a_file_whose_end_was_told_is_finished_later(void **state)
{
    const bl_position told = {.generation = 1, .offset = 100, .told_at = 100};
    bl_position finished = {.generation = 1, .offset = 100, .finished = true};
    struct bl_stage *stage = stage_at(&told, 1, &told);
    struct bl_batch *batch;

    (void)state;
    give_held(stage, 2, 0);
    give_empty(stage, finished, false);
    batch = batch_of(stage);
    assert_true(batch && batch->ranges == 2);
    finished = batch->range[1].end;
    assert_true(finished.generation == 1 && finished.finished && finished.told_at == 100);
    assert_true(bl_position_moves(&told, &finished));
    assert_int_equal(batch->range[0].outcome[BL_DELIVERED], 0);
    finished = batch->range[0].end; /* of the next file */
    bl_batch_clear(batch);
    bl_stage_lend(stage, batch);
    give_empty(stage, finished, true);
    batch = batch_of(stage);
    assert_true(batch && batch->ranges == 1);
    assert_int_equal(batch->range[0].outcome[BL_DELIVERED], 1);
    assert_int_equal(batch->range[0].end.told_at, finished.offset);
    bl_batch_free(batch);
    bl_stage_free(stage);
}

/* The slots have more of a file than could be read of it, or all that they have without a byte
 * having been read: what waits may have come there.  Fails when take_end() tells any end. */
static void an_end_is_none_where_the_join_has_not_read_to_it(void **state)
{
    const bl_position has = {.generation = 1, .offset = 1000};
    bl_position read = {.generation = 1, .offset = 10};
    struct bl_stage *stage = stage_at(&has, 1, &read);
    struct bl_batch *batch;

    (void)state;
    give_held(stage, 1, 10);
    batch = batch_of(stage);
    assert_true(batch && batch->ranges == 1 && batch->range[0].end.offset < has.offset);
    read = batch->range[0].end;
    bl_batch_clear(batch);
    bl_stage_lend(stage, batch);
    give_empty(stage, has, true);
    give_empty(stage, read, true);
    assert_null(batch_of(stage));
    bl_stage_free(stage);
}

/* The same of a younger file, which went before it was read again.  Fails when take_end() looks at
 * the file of the end alone. */
static void an_end_is_none_before_files_that_went(void **state)
{
    const bl_position has[] = {{.generation = 1, .offset = 10}, {.generation = 2, .offset = 10}};
    struct bl_stage *stage = stage_at(has, BL_COUNT(has), &has[0]);
    struct bl_batch *batch;
    bl_position end;

    (void)state;
    give_held(stage, 1, 10);
    batch = batch_of(stage);
    assert_true(batch && batch->ranges == 1);
    end = batch->range[0].end;
    bl_batch_clear(batch);
    bl_stage_lend(stage, batch);
    give_empty(stage, end, true);
    assert_null(batch_of(stage));
    bl_stage_free(stage);
}

/* As many files as a list holds, all read: what waits is told at once.  Fails when take_end() looks
 * each of a slot's files up by bl_positions_offset(): 11 s. */
static void an_end_is_told_at_once_whatever_the_number_of_files(void **state)
{
    struct bl_stage *stage = new_stage(100, 100);
    struct bl_block control = {.kind = BL_BLOCK_RESET};
    struct bl_resume *resume = bl_calloc(1, sizeof *resume);
    bl_position at = {.offset = 10};
    struct bl_batch *batch;
    clock_t began;

    (void)state;
    assert_true(stage && resume);
    resume->run = resume->partitions = 1;
    resume->sources = 1;
    for (uint64_t g = 1; g <= BL_GENERATIONS_MAX; g++) {
        at.generation = g * 0x9e3779b97f4a7c15u;
        for (size_t i = 0; i < 2; i++)
            assert_int_equal(bl_positions_add(&resume->slot[i], &at), BL_OK);
    }
    control.payload = resume;
    bl_stage_block(stage, &control);
    bl_stage_lend(stage, bl_batch_new());
    began = clock();
    give_held(stage, at.generation, at.offset);
    batch = batch_of(stage);
    assert_true(batch && batch->ranges == 1);
    at = batch->range[0].end;
    assert_int_equal(batch->range[0].outcome[BL_DELIVERED], 0);
    bl_batch_clear(batch);
    bl_stage_lend(stage, batch);
    give_empty(stage, at, true);
    assert_true((clock() - began) / CLOCKS_PER_SEC < 2);
    batch = batch_of(stage);
    assert_true(batch && batch->ranges == 1);
    assert_int_equal(batch->range[0].outcome[BL_DELIVERED], 1);
    bl_batch_free(batch);
    bl_stage_free(stage);
}

/* As many files as a list holds, in every slot: a run begins at the least of each, at once: 0.1 s
 * of CPU time under asan.  Negative control: with bl_positions_put for bl_positions_add one of the
 * two lists alone takes 5 s. */
static void a_run_begins_at_once_whatever_the_number_of_files(void **state)
{
    struct bl_worker *worker = bl_worker_new(&(bl_zone){0});
    clock_t began = clock();

    (void)state;
    for (unsigned with_snapshot = 0; with_snapshot < 2; with_snapshot++) {
        struct bl_stage *stage = new_stage(1, 3);
        struct bl_block *block = bl_block_new();
        struct bl_resume *resume = bl_calloc(1, sizeof *resume);
        struct bl_batch *batch;

        assert_true(stage && worker && block && resume);
        resume->run = 1;
        resume->partitions = 1;
        resume->sources = 1;
        if (with_snapshot) {
            resume->snapshot = bl_calloc(1, sizeof *resume->snapshot);
            resume->snapshot->sources = 1; /* an empty image: its join begins empty */
        }
        for (uint64_t g = 2; g <= BL_GENERATIONS_MAX; g++) {
            bl_position at = {
                .generation = g * 0x9e3779b97f4a7c15u, .offset = 1000 + g % 3, .finished = true};

            assert_int_equal(bl_positions_add(&resume->slot[0], &at), BL_OK);
            if (with_snapshot)
                assert_int_equal(bl_positions_add(&resume->snapshot->positions, &at), BL_OK);
            at.offset = 1001;
            assert_int_equal(bl_positions_add(&resume->slot[1], &at), BL_OK);
        }
        block->kind = BL_BLOCK_RESET;
        block->payload = resume;
        bl_stage_block(stage, block);
        block->run = 1;
        bl_stage_lend(stage, bl_batch_new());
        fill(block, 0, log_n, NULL, 0, 0);
        bl_block_parse(worker, bl_rules_builtin(), block);
        bl_stage_block(stage, block);
        batch = bl_stage_take(stage);
        assert_true(batch && batch->snapshot);
        assert_int_equal(batch->snapshot->positions.n, BL_GENERATIONS_MAX);
        for (uint64_t g = 2; g <= 50; g++) {
            uint64_t offset = 1000 + g % 3;

            assert_int_equal(
                bl_positions_offset(&batch->snapshot->positions, g * 0x9e3779b97f4a7c15u),
                with_snapshot || offset < 1001 ? offset : 1001);
        }
        bl_batch_free(batch);
        bl_block_free(block);
        bl_stage_free(stage);
    }
    assert_true((clock() - began) / CLOCKS_PER_SEC < 2);
    bl_worker_free(worker);
}

static int set_up(void **state)
{
    const char *number = getenv("BL_SEED"), *many = getenv("BL_ROUNDS");

    (void)state;
    seed = number ? strtoull(number, NULL, 10) : 20261123;
    rounds = many ? (unsigned)strtoul(many, NULL, 10) : rounds;
    make_log();
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    free(log_text);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(killed_anywhere_gives_what_an_undisturbed_run_gives),
        cmocka_unit_test(whichever_slot_knew_of_an_end_each_is_told_once),
        cmocka_unit_test(an_end_is_known_behind_it),
        cmocka_unit_test(with_one_position_for_all_slots_it_does_not),
        cmocka_unit_test(without_a_note_the_end_is_told_again),
        cmocka_unit_test(a_snapshot_claims_no_more_than_the_join_has_read),
        cmocka_unit_test(the_sources_of_a_run_are_those_it_began_with),
        cmocka_unit_test(the_joins_of_another_version_are_not_read),
        cmocka_unit_test(a_file_whose_end_was_told_is_finished_later),
        cmocka_unit_test(an_end_is_none_where_the_join_has_not_read_to_it),
        cmocka_unit_test(an_end_is_none_before_files_that_went),
        cmocka_unit_test(an_end_is_told_at_once_whatever_the_number_of_files),
        cmocka_unit_test(a_run_begins_at_once_whatever_the_number_of_files),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
