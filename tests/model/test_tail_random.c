/* ctest: label=quick timeout=300 */
/* Random histories against a plain model: lines are written, logs rotated in every way, compressed,
 * the reader stopped, killed (it loses what was handed out since the last commit), rewound.  In the
 * end every line was counted exactly once, which is the model.
 *
 * Two slots commit at different times, as in Redis: each counts a block only if it begins where the
 * slot stopped; a gap or an overlap that is neither fails at once.
 *
 * BL_SEED=n runs one history again, BL_ROUNDS=n so many (from BL_SEED on), BL_TRACE=1 tells what
 * happens. Negative control: the last test switches the tail check off, and a history fails. */
#include "fault/tail_rig.c"

enum { ROUNDS = 60, ACTIONS = 60, MOST = 20000 };

struct slot {
    struct bl_positions committed, applied;
    uint8_t counted[MOST], kept[MOST]; /* as applied, as committed */
};

static struct slot slot[2];
static uint64_t seed;
static bool broken, trace;
static struct rig *rig;

static uint32_t draw(uint32_t below)
{
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(seed >> 33) % below;
}

static void apply(struct slot *s, const struct bl_block *block)
{
    uint64_t has = bl_positions_offset(&s->applied, block->end.generation);
    bl_slice left = {block->bytes, block->n};

    if (block->end.offset < has || (block->end.offset == has && block->begin != has))
        return; /* wholly before */
    if (block->begin != has) {
        broken = true;
        return;
    }
    while (block->kind == BL_BLOCK_DATA && left.n) {
        size_t n = bl_slice_find_byte(left, '\n');
        uint32_t number = number_of(bl_slice_head(left, n));

        if (number < MOST)
            s->counted[number]++;
        else
            broken = true;
        left = bl_slice_drop(left, n < left.n ? n + 1 : n);
    }
    bl_positions_put(&s->applied, &block->end);
}

static void on_model_block(void *arg, struct bl_block *block)
{
    rig->blocks_seen++;
    if (trace)
        print_message("%llx inode %llu: %llu..%llu kind %d%s%s\n",
                      (unsigned long long)block->end.generation,
                      (unsigned long long)block->end.inode, (unsigned long long)block->begin,
                      (unsigned long long)block->end.offset, block->kind,
                      block->warm_up ? " warm" : "", block->end.finished ? " finished" : "");
    if (!block->warm_up)
        for (size_t i = 0; i < 2; i++)
            apply(&slot[i], block);
    refuse(arg, block);
}

static void commit(struct slot *s)
{
    if (trace)
        print_message("slot %d commits\n", (int)(s - slot));
    bl_positions_copy(&s->committed, &s->applied);
    memcpy(s->kept, s->counted, sizeof s->kept);
}

/* What was not committed is gone; the pipeline begins anew from what the slots have. */
static struct bl_resume *forget_uncommitted(void)
{
    struct bl_resume *resume = calloc(1, sizeof *resume);

    assert_non_null(resume);
    resume->run = ++rig->run;
    resume->partitions = 1;
    for (size_t i = 0; i < 2; i++) {
        bl_positions_copy(&slot[i].applied, &slot[i].committed);
        memcpy(slot[i].counted, slot[i].kept, sizeof slot[i].kept);
        bl_positions_copy(&resume->slot[i], &slot[i].committed);
    }
    return resume;
}

static void on_model_note(void *arg, enum bl_note level, const char *text)
{
    if (trace)
        print_message("note: %s\n", text);
    on_note(arg, level, text);
}

static void start(void)
{
    static const struct bl_tail_events events = {.want = want,
                                                 .refuse = refuse,
                                                 .block = on_model_block,
                                                 .end = on_end,
                                                 .note = on_model_note};
    struct bl_resume *resume = forget_uncommitted();
    bl_err err;

    rig->notes = 0;
    if (bl_tail_new(&rig->tail, &rig->loop, &rig->options, &events, rig, &err) != BL_OK)
        fail_msg("%s", err.text);
    rig_follow(rig, NULL);
    bl_tail_start(rig->tail, resume);
    bl_resume_free(resume);
}

static bool exists(const char *name)
{
    return access(rig_path(rig, name), F_OK) == 0;
}

static const char *const packings[] = {"", ".gz", ".zst"};

static void shift(void)
{
    char from[32], to[32];

    for (int i = 40; i > 1; i--)
        for (size_t k = 0; k < BL_COUNT(packings); k++) {
            snprintf(from, sizeof from, "mail.log.%d%s", i - 1, packings[k]);
            snprintf(to, sizeof to, "mail.log.%d%s", i, packings[k]);
            if (exists(from))
                rig_rename(rig, from, to);
        }
}

static void pack_one(void)
{
    char from[32], to[32];
    unsigned i = 1 + draw(5);

    snprintf(from, sizeof from, "mail.log.%u", i);
    snprintf(to, sizeof to, "%s%s", from, packings[1 + draw(2)]);
    if (!exists(from))
        return;
    rig_pack(rig, from, to);
    if (draw(3) == 0 && rig->tail)
        rig_spin(rig, draw(30)); /* it may see both */
    rig_remove(rig, from);
}

/* The reader may lag behind by whole rotations, but what only its descriptor holds must be read
 * before it is stopped: a file that was deleted is nobody's. */
static void act(int *writer)
{
    uint32_t what = draw(12);

    if (trace)
        print_message("action %u, next line %u\n", what, rig->next);
    switch (what) {
    case 0:
    case 1:
    case 2:
        rig_write_fd(rig, *writer, 1 + draw(60));
        break;
    case 3:
        if (rig->tail)
            rig_spin(rig, draw(40));
        break;
    case 4: /* rename, the writer follows */
        shift();
        rig_rename(rig, "mail.log", "mail.log.1");
        if (draw(2))
            rig_write_fd(rig, *writer, draw(20));
        close(*writer);
        *writer = rig_open(rig, "mail.log");
        break;
    case 5: /* copytruncate */
        shift();
        rig_copy(rig, "mail.log", "mail.log.1");
        if (draw(3) == 0 && rig->tail)
            rig_spin(rig, draw(30));
        rig_truncate(rig, "mail.log");
        break;
    case 6:
        pack_one();
        break;
    case 7: /* an orderly stop, or a kill */
        if (rig->tail) {
            rig_stop(rig);
            if (draw(2))
                commit(&slot[0]), commit(&slot[1]);
        } else {
            start();
        }
        break;
    case 8:
        commit(&slot[draw(2)]);
        break;
    case 9: /* rewind */
        if (rig->tail) {
            struct bl_resume *resume;

            bl_tail_pause(rig->tail);
            resume = forget_uncommitted();
            bl_tail_start(rig->tail, resume);
            bl_resume_free(resume);
        }
        break;
    case 10: /* back-pressure */
        rig->withheld = draw(2) ? RIG_BLOCKS : 0;
        if (rig->tail && !rig->withheld)
            bl_tail_kick(rig->tail);
        break;
    default: /* half a line, and its other half later */
        if (rig->next < MOST - 100) {
            char line[256];
            size_t n = rig_line(rig, line), half = draw((uint32_t)n);

            assert_int_equal(write(*writer, line, half), half);
            if (rig->tail)
                rig_spin(rig, draw(10));
            assert_int_equal(write(*writer, line + half, n - half), n - half);
        }
        break;
    }
}

static uint32_t wrong(const struct slot *s)
{
    uint32_t n = 0;

    for (uint32_t i = 0; i < rig->next; i++)
        n += s->counted[i] != 1;
    return n;
}

/* One history; how many lines are not counted exactly once. */
static uint32_t history(uint64_t first_seed)
{
    void *state = NULL;
    int writer;
    uint32_t bad;

    seed = first_seed;
    broken = false;
    rig_setup(&state);
    rig = state;
    rig->options.sweep_ms = 5;
    rig->options.grace_ms = 20 + draw(100);
    rig->options.warm_up_bytes = draw(2) ? draw(5000) : 0;
    memset(slot, 0, sizeof slot);
    writer = rig_open(rig, "mail.log");
    rig_write_fd(rig, writer, 1 + draw(50));
    start();
    while (wrong(&slot[0]))
        rig_spin(rig, 1);
    commit(&slot[draw(2)]); /* the first start is over when anything was committed: until then only
                             * what was named counts, and what is rotated away is not named */
    for (unsigned i = 0; i < ACTIONS; i++)
        act(&writer);
    close(writer);
    rig->withheld = 0;
    if (!rig->tail)
        start();
    bl_tail_kick(rig->tail);
    for (int i = 0; i < 100 && (wrong(&slot[0]) || wrong(&slot[1])); i++)
        rig_spin(rig, 20);
    rig_settle(rig);
    bad = wrong(&slot[0]) + wrong(&slot[1]) + broken;
    if (bad && !bl_identity_test.no_tail_check) {
        say_notes(rig);
        for (uint32_t i = 0, said = 0; i < rig->next && said < 10; i++)
            if (slot[0].counted[i] != 1 || slot[1].counted[i] != 1) {
                print_message("line %u: %u %u times\n", i, slot[0].counted[i], slot[1].counted[i]);
                said++;
            }
    }
    for (size_t i = 0; i < 2; i++) {
        bl_positions_release(&slot[i].committed);
        bl_positions_release(&slot[i].applied);
    }
    {
        bool sabotage = bl_identity_test.no_tail_check;

        rig_teardown(&state);
        bl_identity_test.no_tail_check = sabotage;
    }
    return bad;
}

static void every_history_counts_every_line_once(void **state)
{
    const char *one = getenv("BL_SEED"), *rounds = getenv("BL_ROUNDS");
    uint64_t from = one ? strtoull(one, NULL, 10) : 1, n = rounds ? strtoull(rounds, NULL, 10)
                                                           : one  ? 1
                                                                  : ROUNDS;

    (void)state;
    trace = getenv("BL_TRACE") != NULL;
    for (uint64_t i = from; i < from + n; i++) {
        uint32_t bad = history(i);

        if (bad)
            fail_msg("BL_SEED=%llu: %u lines were not counted exactly once%s",
                     (unsigned long long)i, bad, broken ? ", and blocks did not join" : "");
    }
}

static void without_the_tail_check_histories_fail(void **state)
{
    uint32_t bad = 0;

    (void)state;
    trace = false;
    bl_identity_test.no_tail_check = true;
    for (uint64_t i = 1; i < 40 && !bad; i++)
        bad = history(i);
    bl_identity_test.no_tail_check = false;
    assert_true(bad > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_history_counts_every_line_once),
        cmocka_unit_test(without_the_tail_check_histories_fail),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
