/* ctest: label=quick timeout=120
 * The state machine against a plain model, over random lives of an address.
 *
 * The model keeps what happened and works the answer out anew each time: the hard failures that
 * counted, one flag per day for soft ones, one moment at which the longest verdict ends.  It has no
 * states and expires nothing, so "late or at once" and "expired or not" cannot slip in.
 *
 * Negative controls are the last test: for each rule of the model, a model without it must be found
 * out. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "bounceline/suppress.h"
#include "records.h"

#define HOUR  (3600 * INT64_C(1000))
#define DAY   (24 * HOUR)
#define START (INT64_C(19723) * DAY)

enum { EVENTS = 60, LIVES = 4000, HORIZON_DAYS = 8000 };

enum rule {
    RULE_OLD_DELIVERY = 1, /* a delivery older than the last failure clears nothing */
    RULE_OLD_FAILURE = 2,  /* a failure older than the last delivery gives no verdict */
    RULE_GAP = 4,          /* one strike a day */
    RULE_MEMORY = 8,       /* strikes are forgotten */
    RULE_SPREAD = 16,      /* soft days must spread */
    RULE_WINDOW = 32,      /* soft days must be near each other */
    RULE_RELEASE = 64,     /* on probation, what is older than the removal does not count */
    RULE_PROBATION = 128,  /* on probation, one soft failure is enough */
    RULE_ANEW = 256,       /* a delivery begins the soft count anew */
    RULE_LONGER = 512,     /* of two verdicts the longer one stands */
    RULE_END = 1024,
};

/* --- the model
 * ------------------------------------------------------------------------------------ */

struct model {
    unsigned without; /* rules that are left out */
    const struct bl_suppress_policy *policy;
    enum bl_address_state decided; /* CLEAN: nobody decided */
    bool known, probation;
    int64_t released_ms, delivered_ms, failed_ms, hold_end_ms;
    int64_t hard[EVENTS];
    size_t hards, failures;
    bool soft[HORIZON_DAYS];
};

static bool model_holds(const struct model *m, enum rule rule)
{
    return !(m->without & rule);
}

/* Walks all hard failures that counted; where the last strike was. */
static uint32_t model_strikes(const struct model *m, int64_t *last_ms)
{
    uint32_t strikes = 0;

    *last_ms = 0;
    for (size_t i = 0; i < m->hards; i++) {
        int64_t since_ms = m->hard[i] - *last_ms;

        if (strikes && since_ms > m->policy->strike_memory_ms && model_holds(m, RULE_MEMORY))
            strikes = 0;
        if (strikes && since_ms < m->policy->strike_gap_ms && model_holds(m, RULE_GAP))
            continue;
        strikes++;
        *last_ms = m->hard[i];
    }
    return strikes;
}

static void model_forget_soft(struct model *m)
{
    memset(m->soft, 0, sizeof m->soft);
}

static bool model_watches(const struct model *m)
{
    return memchr(m->soft, true, sizeof m->soft) != NULL;
}

static bool model_blocks(const struct model *m, int64_t now_ms)
{
    if (m->decided != BL_ADDRESS_CLEAN)
        return m->decided != BL_ADDRESS_EXEMPT;
    return now_ms < m->hold_end_ms;
}

static enum bl_address_state model_state(const struct model *m, int64_t now_ms)
{
    if (m->decided != BL_ADDRESS_CLEAN)
        return m->decided;
    if (model_blocks(m, now_ms))
        return BL_ADDRESS_SUPPRESSED;
    return model_watches(m) ? BL_ADDRESS_WATCH : BL_ADDRESS_CLEAN;
}

static void model_hold(struct model *m, int64_t end_ms)
{
    model_forget_soft(m);
    if (m->policy->observe)
        return;
    m->probation = false;
    if (end_ms > m->hold_end_ms || !model_holds(m, RULE_LONGER))
        m->hold_end_ms = end_ms;
}

static void model_hard(struct model *m, int64_t t)
{
    int64_t strike_ms, term_ms;
    uint32_t strikes;

    m->hard[m->hards++] = t;
    strikes = model_strikes(m, &strike_ms);
    term_ms = strikes == 1 ? m->policy->first_ms : m->policy->second_ms;
    for (uint32_t i = 2; i < strikes && term_ms < m->policy->max_ms; i++)
        term_ms *= 2;
    if (strikes > 1 && term_ms > m->policy->max_ms)
        term_ms = m->policy->max_ms;
    model_hold(m, strike_ms + term_ms);
}

static void model_soft(struct model *m, int64_t t)
{
    int64_t newest = 0, oldest = -1;
    uint32_t count = 0;

    m->soft[t / DAY - START / DAY] = true;
    for (int64_t day = 0; day < HORIZON_DAYS; day++)
        if (m->soft[day])
            newest = day;
    for (int64_t day = 0; day <= newest; day++) {
        if (!m->soft[day])
            continue;
        if ((newest - day) * DAY >= m->policy->soft_window_ms && model_holds(m, RULE_WINDOW)) {
            m->soft[day] = false;
            continue;
        }
        oldest = oldest < 0 ? day : oldest;
        count++;
    }
    if ((m->probation && model_holds(m, RULE_PROBATION)) ||
        (count >= m->policy->soft_days &&
         ((newest - oldest) * DAY >= m->policy->soft_spread_ms || !model_holds(m, RULE_SPREAD))))
        model_hold(m, t + m->policy->soft_ms);
}

static void model_fail(struct model *m, bool soft, int64_t t)
{
    m->known = true;
    m->failures++;
    if (t > m->failed_ms)
        m->failed_ms = t;
    if (m->decided != BL_ADDRESS_CLEAN)
        return;
    if (t < m->delivered_ms && model_holds(m, RULE_OLD_FAILURE))
        return;
    if (m->probation && t / 1000 < m->released_ms / 1000 && model_holds(m, RULE_RELEASE))
        return;
    if (soft)
        model_soft(m, t);
    else
        model_hard(m, t);
}

static void model_deliver(struct model *m, int64_t t)
{
    if (!m->known)
        return;
    if (t > m->delivered_ms)
        m->delivered_ms = t;
    if (m->decided != BL_ADDRESS_CLEAN || (t < m->failed_ms && model_holds(m, RULE_OLD_DELIVERY)) ||
        (m->probation && t / 1000 < m->released_ms / 1000))
        return;
    if (model_holds(m, RULE_ANEW))
        model_forget_soft(m);
    m->probation = false;
    m->hold_end_ms = 0;
}

static void model_remove(struct model *m, int64_t t, int64_t now_ms)
{
    if (model_state(m, now_ms) == BL_ADDRESS_CLEAN)
        return;
    m->probation = model_blocks(m, now_ms);
    m->released_ms = t;
    m->decided = BL_ADDRESS_CLEAN;
    m->hold_end_ms = 0;
    model_forget_soft(m);
}

static void model_add(struct model *m)
{
    m->known = true;
    m->decided = BL_ADDRESS_MANUAL;
    m->probation = false;
    m->hold_end_ms = 0;
    model_forget_soft(m);
}

static void model_apply(struct model *m, const bl_address_event *e, int64_t now_ms)
{
    int64_t t = e->time_ms < now_ms ? e->time_ms : now_ms;

    switch (e->kind) {
    case BL_ADDRESS_FAILED:
        model_fail(m, e->action == BL_ACTION_SOFT, t);
        break;
    case BL_ADDRESS_DELIVERED:
        model_deliver(m, t);
        break;
    case BL_ADDRESS_ADD:
        model_add(m);
        break;
    case BL_ADDRESS_REMOVE:
        model_remove(m, t, now_ms);
        break;
    }
}

static bool model_agrees(const struct model *m, const struct bl_address_record *r, int64_t now_ms)
{
    int64_t strike_ms;
    struct bl_address_record then = *r;

    bl_suppress_expire(&then, now_ms);
    return then.state == model_state(m, now_ms) && then.strikes == model_strikes(m, &strike_ms) &&
           (then.strikes == 0 || then.last_strike_ms == strike_ms) &&
           then.last_ms == m->failed_ms && then.delivered_ms == m->delivered_ms &&
           then.probation == m->probation &&
           (then.state != BL_ADDRESS_SUPPRESSED || then.until_ms == m->hold_end_ms) &&
           then.failures == (m->failures < BL_ADDRESS_FAILURES ? m->failures : BL_ADDRESS_FAILURES);
}

/* --- random lives
 * --------------------------------------------------------------------------------- */

static uint64_t seed;

static uint64_t draw(uint64_t below)
{
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (seed >> 33) % below;
}

struct life {
    const struct bl_suppress_policy *policy;
    enum bl_address_state begin; /* CLEAN, COMPLAINT or EXEMPT */
    bl_address_event event[EVENTS];
    int64_t now_ms[EVENTS]; /* never falls */
    size_t n;
};

static int64_t draw_step(unsigned pace)
{
    switch (draw(pace)) {
    case 0:
        return (int64_t)draw(120) * 1000;
    case 1:
        return (int64_t)draw(36) * HOUR;
    case 2:
        return DAY;
    case 3:
        return (int64_t)draw(12) * DAY;
    default:
        return (int64_t)draw(130) * DAY;
    }
}

static enum bl_address_event_kind draw_kind(bool by_hand)
{
    unsigned dice = (unsigned)draw(20);

    if (by_hand && dice == 0)
        return BL_ADDRESS_ADD;
    if (by_hand && dice <= 2)
        return BL_ADDRESS_REMOVE;
    return dice < 5 ? BL_ADDRESS_DELIVERED : BL_ADDRESS_FAILED;
}

static void draw_life(struct life *life, bool by_hand, bool in_order)
{
    static const struct bl_suppress_policy quick = {.first_ms = 2 * DAY,
                                                    .second_ms = 5 * DAY,
                                                    .max_ms = 33 * DAY,
                                                    .strike_gap_ms = 6 * HOUR,
                                                    .strike_memory_ms = 40 * DAY,
                                                    .soft_days = 3,
                                                    .soft_window_ms = 10 * DAY,
                                                    .soft_spread_ms = 2 * DAY,
                                                    .soft_ms = 4 * DAY};
    const struct bl_suppress_policy *policies[] = {&bl_suppress_balanced, &bl_suppress_esp,
                                                   &bl_suppress_observe, &quick};
    static const enum bl_address_state begins[] = {BL_ADDRESS_COMPLAINT, BL_ADDRESS_EXEMPT};
    unsigned pace = 2 + (unsigned)draw(4), softness = (unsigned)draw(5);
    int64_t t = START + 40 * DAY, now = t;

    life->policy = policies[draw(BL_COUNT(policies))];
    life->begin = by_hand && draw(8) == 0 ? begins[draw(2)] : BL_ADDRESS_CLEAN;
    life->n = 1 + draw(EVENTS);
    for (size_t i = 0; i < life->n; i++) {
        int64_t at;

        t += draw_step(pace);
        at = in_order || draw(4) ? t : t - draw_step(4);
        now = (in_order || draw(20) ? t : t + draw_step(5)) > now ? t : now;
        life->now_ms[i] = now;
        life->event[i] = (bl_address_event){
            .kind = draw_kind(by_hand),
            .action = draw(4) < softness ? BL_ACTION_SOFT : BL_ACTION_SUPPRESS,
            .time_ms = at < START ? START : at,
            .code = 550,
            .category = BL_SLICE("invalid-recipient"),
            .reply = BL_SLICE("550 no\tsuch\nuser"),
            .actor = BL_SLICE("root"),
            .note = draw(2) ? BL_SLICE("a") : BL_SLICE("b"),
        };
    }
}

static void begin_record(const struct life *life, struct bl_address_record *r)
{
    *r = (struct bl_address_record){.version = life->begin != BL_ADDRESS_CLEAN,
                                    .state = life->begin};
}

static void begin_model(const struct life *life, struct model *m, unsigned without)
{
    *m = (struct model){.policy = life->policy,
                        .decided = life->begin,
                        .without = without,
                        .known = life->begin != BL_ADDRESS_CLEAN};
}

/* --- what must hold whatever the model thinks
 * ----------------------------------------------------- */

static bool is_decided(enum bl_address_state s)
{
    return s == BL_ADDRESS_MANUAL || s == BL_ADDRESS_COMPLAINT || s == BL_ADDRESS_EXEMPT;
}

static void check_step(const struct bl_address_record *was, const struct bl_address_record *is,
                       const bl_address_event *e, const struct bl_suppress_policy *policy,
                       int64_t now_ms, enum bl_change change)
{
    int64_t t = e->time_ms < now_ms ? e->time_ms : now_ms;
    struct bl_address_record before = *was;
    bool automatic = e->kind == BL_ADDRESS_FAILED || e->kind == BL_ADDRESS_DELIVERED;
    bool blocked, blocks = bl_address_state_blocks(is->state);

    bl_suppress_expire(&before, now_ms);
    blocked = bl_address_state_blocks(before.state);
    if (change == BL_CHANGE_NONE)
        assert_true(record_eq(was, is));
    assert_true(is->version == was->version);
    assert_true(is->state != BL_ADDRESS_SUPPRESSED || is->until_ms > now_ms);
    assert_true((is->state == BL_ADDRESS_CLEAN) <= (is->soft_days == 0));
    assert_true((is->state == BL_ADDRESS_WATCH) <= (is->soft_days > 0));
    assert_int_equal(change == BL_CHANGE_SUPPRESS, automatic && !blocked && blocks);
    assert_int_equal(change == BL_CHANGE_CLEAR, automatic && blocked && !blocks);
    assert_int_equal(change == BL_CHANGE_EXTEND,
                     automatic && blocked && blocks && is->until_ms > before.until_ms);
    if (automatic && is_decided(was->state))
        assert_true(is->state == was->state && is->since_ms == was->since_ms);
    if (policy->observe && automatic)
        assert_true(!blocks || is_decided(is->state));
    if (is->last_strike_ms != was->last_strike_ms && was->strikes && is->strikes > 1) {
        assert_int_equal(is->strikes, was->strikes + 1);
        assert_true(is->last_strike_ms - was->last_strike_ms >= policy->strike_gap_ms);
    }
    if (e->kind == BL_ADDRESS_DELIVERED && t < was->last_ms)
        assert_true(is->state == before.state && is->until_ms == before.until_ms);
    if (e->kind == BL_ADDRESS_DELIVERED && t >= was->last_ms && !is_decided(was->state) &&
        !was->probation)
        assert_int_equal(is->state, BL_ADDRESS_CLEAN);
}

static void through_text(struct bl_address_record *r)
{
    static char text[BL_ADDRESS_TEXT_MAX];
    size_t n = bl_address_text(r, text);

    memset(r, 0xa5, sizeof *r);
    assert_int_equal(bl_address_parse((bl_slice){text, n}, r, NULL), BL_OK);
}

/* --- the tests
 * ------------------------------------------------------------------------------------ */

static void random_lives_agree_with_the_model_and_through_text(void **state)
{
    static struct life life;
    static struct model model;
    static struct bl_address_record r, was, stored;
    size_t suppressed = 0;

    (void)state;
    for (seed = 0; seed < (uint64_t)LIVES << 33; seed = (((seed >> 33) + 1) << 33)) {
        uint64_t first = seed;

        draw_life(&life, true, false);
        begin_record(&life, &r);
        begin_record(&life, &stored);
        begin_model(&life, &model, 0);
        for (size_t i = 0; i < life.n; i++) {
            enum bl_change change;

            was = r;
            change = bl_suppress_apply(&r, &life.event[i], life.policy, life.now_ms[i]);
            check_step(&was, &r, &life.event[i], life.policy, life.now_ms[i], change);
            model_apply(&model, &life.event[i], life.now_ms[i]);
            if (!model_agrees(&model, &r, life.now_ms[i]))
                fail_msg("life %u, event %zu: state %s", (unsigned)(first >> 33), i,
                         bl_address_state_name(r.state));
            bl_suppress_apply(&stored, &life.event[i], life.policy, life.now_ms[i]);
            through_text(&stored);
            suppressed += change == BL_CHANGE_SUPPRESS;
        }
        assert_true(record_eq(&r, &stored));
        seed = first;
    }
    print_message("%d lives, %zu suppressions\n", LIVES, suppressed);
    assert_true(suppressed > LIVES);
}

/* The same log read at once and read long after: but for what people did between, and since when a
 * state lasts, nothing tells them apart. */
static void reading_old_logs_late_ends_where_reading_at_once_ends(void **state)
{
    static struct life life;
    static struct bl_address_record live, late;

    (void)state;
    for (seed = 7; seed < (uint64_t)LIVES << 33; seed = (((seed >> 33) + 1) << 33) + 7) {
        uint64_t first = seed;
        int64_t now_ms;

        draw_life(&life, false, false);
        now_ms = life.now_ms[life.n - 1] + draw_step(5);
        begin_record(&life, &live);
        begin_record(&life, &late);
        for (size_t i = 0; i < life.n; i++) {
            if (life.event[i].time_ms > life.now_ms[i])
                life.event[i].time_ms = life.now_ms[i];
            bl_suppress_apply(&live, &life.event[i], life.policy, life.now_ms[i]);
            bl_suppress_apply(&late, &life.event[i], life.policy, now_ms);
        }
        bl_suppress_expire(&live, now_ms);
        assert_int_equal(live.state, late.state);
        assert_int_equal(live.until_ms, late.until_ms);
        assert_int_equal(live.strikes, late.strikes);
        assert_int_equal(live.last_strike_ms, late.last_strike_ms);
        assert_int_equal(live.delivered_ms, late.delivered_ms);
        assert_int_equal(live.soft_days, late.soft_days);
        assert_int_equal(live.failures, late.failures);
        seed = first;
    }
}

static bool model_is_found_out(unsigned without)
{
    static struct life life;
    static struct model model;
    static struct bl_address_record r;

    for (seed = 3; seed < (uint64_t)LIVES << 33; seed = (((seed >> 33) + 1) << 33) + 3) {
        uint64_t first = seed;

        draw_life(&life, true, false);
        begin_record(&life, &r);
        begin_model(&life, &model, without);
        for (size_t i = 0; i < life.n; i++) {
            bl_suppress_apply(&r, &life.event[i], life.policy, life.now_ms[i]);
            model_apply(&model, &life.event[i], life.now_ms[i]);
            if (!model_agrees(&model, &r, life.now_ms[i]))
                return true;
        }
        seed = first;
    }
    return false;
}

static void a_model_without_any_one_rule_is_found_out(void **state)
{
    (void)state;
    assert_false(model_is_found_out(0));
    for (unsigned rule = 1; rule < RULE_END; rule <<= 1) {
        print_message("without rule %u\n", rule);
        assert_true(model_is_found_out(rule));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_lives_agree_with_the_model_and_through_text),
        cmocka_unit_test(reading_old_logs_late_ends_where_reading_at_once_ends),
        cmocka_unit_test(a_model_without_any_one_rule_is_found_out),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
