/* How an address changes state; the picture and the reasons are in README.md of this folder.
 *
 * A verdict runs from the moment of its failure, whenever that is read.  One whose end is past by
 * now is written like any other and expired at once, so a daemon that reads a year of old logs ends
 * with the strikes and states of one that was running all that year. */
#include "bounceline/suppress.h"

enum { SECOND_MS = 1000 };
#define DAY_MS (INT64_C(24) * 3600 * 1000)

static const int64_t TIME_MAX = 253402300799999; /* the year 9999, as in address.c */

const struct bl_suppress_policy bl_suppress_balanced = {
    .first_ms = 7 * DAY_MS,
    .second_ms = 90 * DAY_MS,
    .max_ms = 720 * DAY_MS,
    .strike_gap_ms = DAY_MS,
    .strike_memory_ms = 365 * DAY_MS,
    .soft_days = 5,
    .soft_window_ms = 30 * DAY_MS,
    .soft_spread_ms = 7 * DAY_MS,
    .soft_ms = 30 * DAY_MS,
};

const struct bl_suppress_policy bl_suppress_esp = {
    .first_ms = 180 * DAY_MS,
    .second_ms = 360 * DAY_MS,
    .max_ms = 720 * DAY_MS,
    .strike_gap_ms = DAY_MS,
    .strike_memory_ms = 365 * DAY_MS,
    .soft_days = 5,
    .soft_window_ms = 30 * DAY_MS,
    .soft_spread_ms = 7 * DAY_MS,
    .soft_ms = 30 * DAY_MS,
};

const struct bl_suppress_policy bl_suppress_observe = {
    .observe = true,
    .first_ms = 7 * DAY_MS,
    .second_ms = 90 * DAY_MS,
    .max_ms = 720 * DAY_MS,
    .strike_gap_ms = DAY_MS,
    .strike_memory_ms = 365 * DAY_MS,
    .soft_days = 5,
    .soft_window_ms = 30 * DAY_MS,
    .soft_spread_ms = 7 * DAY_MS,
    .soft_ms = 30 * DAY_MS,
};

const char *bl_change_name(enum bl_change change)
{
    switch (change) {
    case BL_CHANGE_NONE:
        return "none";
    case BL_CHANGE_NOTED:
        return "noted";
    case BL_CHANGE_SUPPRESS:
        return "suppress";
    case BL_CHANGE_EXTEND:
        return "extend";
    case BL_CHANGE_CLEAR:
        return "clear";
    case BL_CHANGE_ADD:
        return "add";
    case BL_CHANGE_REMOVE:
        return "remove";
    }
    return "";
}

static int64_t later(int64_t time_ms, int64_t by_ms)
{
    return by_ms > TIME_MAX - time_ms ? TIME_MAX : time_ms + by_ms;
}

/* A person, or the recipient, decided: nothing automatic applies. */
static bool is_decided(enum bl_address_state state)
{
    return state == BL_ADDRESS_MANUAL || state == BL_ADDRESS_COMPLAINT ||
           state == BL_ADDRESS_EXEMPT;
}

/* May be mailed from `since_ms` on; soft failures that are still counted keep it under watch. */
static void set_open(struct bl_address_record *r, int64_t since_ms)
{
    r->state = r->soft_days ? BL_ADDRESS_WATCH : BL_ADDRESS_CLEAN;
    r->since_ms = since_ms;
    r->until_ms = 0;
}

bool bl_suppress_expire(struct bl_address_record *record, int64_t now_ms)
{
    if (record->state != BL_ADDRESS_SUPPRESSED || record->until_ms == 0 ||
        now_ms < record->until_ms)
        return false;
    set_open(record, record->until_ms);
    return true;
}

/* --- failures
 * ------------------------------------------------------------------------------------- */

/* Keeps the newest failures, newest first; of two at one time the later applied one comes first. */
static void remember(struct bl_address_record *r, const bl_address_event *e, int64_t t)
{
    struct bl_address_failure *f;
    size_t at = 0;

    if (r->first_ms == 0 || t < r->first_ms)
        r->first_ms = t;
    if (t > r->last_ms)
        r->last_ms = t;
    while (at < r->failures && r->failure[at].time_ms > t)
        at++;
    if (at == BL_ADDRESS_FAILURES)
        return;
    if (r->failures < BL_ADDRESS_FAILURES)
        r->failures++;
    f = &r->failure[at];
    memmove(f + 1, f, (r->failures - 1 - at) * sizeof *f);
    f->time_ms = t;
    f->code = e->code;
    f->enhanced = e->enhanced;
    bl_address_set(f->category, sizeof f->category, e->category);
    bl_address_set(f->host, sizeof f->host, e->host);
    bl_address_set(f->queue_id, sizeof f->queue_id, e->queue_id);
    bl_address_set(f->message_id, sizeof f->message_id, e->message_id);
    bl_address_set(f->sender, sizeof f->sender, e->sender);
}

static void set_cause(struct bl_address_record *r, const bl_address_event *e)
{
    r->soft = e->action == BL_ACTION_SOFT;
    r->code = e->code;
    r->enhanced = e->enhanced;
    bl_address_set(r->category, sizeof r->category, e->category);
    bl_address_set(r->rule, sizeof r->rule, e->rule);
    bl_address_set(r->reply, sizeof r->reply, e->reply);
}

/* Older than its removal by hand.  Logs count whole seconds: what has the removal's own second came
 * after it. */
static bool is_before_release(const struct bl_address_record *r, int64_t t)
{
    return r->probation && t / SECOND_MS < r->since_ms / SECOND_MS;
}

/* Suppressed from `t` until `until_ms`; of two verdicts that overlap the longer one stands. */
static enum bl_change give_verdict(struct bl_address_record *r, const bl_address_event *e,
                                   const struct bl_suppress_policy *policy, int64_t t,
                                   int64_t until_ms, int64_t now_ms)
{
    bool blocked = r->state == BL_ADDRESS_SUPPRESSED;

    r->soft_days = 0; /* counting begins anew */
    if (blocked && (policy->observe || r->until_ms == 0 || until_ms <= r->until_ms))
        return BL_CHANGE_NOTED;
    set_cause(r, e);
    if (policy->observe) {
        if (r->state == BL_ADDRESS_WATCH)
            set_open(r, t);
        return BL_CHANGE_NOTED;
    }
    r->probation = false;
    if (!blocked)
        r->since_ms = t;
    r->state = BL_ADDRESS_SUPPRESSED;
    r->until_ms = until_ms;
    if (bl_suppress_expire(r, now_ms))
        return BL_CHANGE_NOTED;
    return blocked ? BL_CHANGE_EXTEND : BL_CHANGE_SUPPRESS;
}

/* first, second, then doubled at each further strike. */
static int64_t strike_term(const struct bl_suppress_policy *policy, uint32_t strikes)
{
    int64_t term_ms = policy->second_ms;

    if (strikes <= 1)
        return policy->first_ms;
    for (uint32_t n = 2; n < strikes && term_ms < policy->max_ms; n++)
        term_ms = term_ms > policy->max_ms / 2 ? policy->max_ms : term_ms * 2;
    return term_ms < policy->max_ms ? term_ms : policy->max_ms;
}

/* A failure that is no strike of its own belongs to the last one: its verdict runs from there, and
 * so comes to the same whether that verdict still runs, was cleared, or has ended. */
static enum bl_change fail_hard(struct bl_address_record *r, const bl_address_event *e,
                                const struct bl_suppress_policy *policy, int64_t t, int64_t now_ms)
{
    int64_t until_ms;

    if (r->strikes && t - r->last_strike_ms > policy->strike_memory_ms)
        r->strikes = 0;
    if (r->strikes == 0 || t - r->last_strike_ms >= policy->strike_gap_ms) {
        r->strikes += r->strikes < UINT32_MAX;
        r->last_strike_ms = t;
    }
    until_ms = later(r->last_strike_ms, strike_term(policy, r->strikes));
    return give_verdict(r, e, policy, t, until_ms, now_ms);
}

/* Puts the day in its place and drops what left the window behind the newest.  When there are more
 * days than room, the second oldest goes: the oldest tells how far they spread. */
static void count_soft_day(struct bl_address_record *r, uint32_t day, int64_t window_ms)
{
    uint32_t days[BL_ADDRESS_SOFT_DAYS + 1];
    size_t n = 0, at = 0, old = 0;

    while (at < r->soft_days && r->soft_day[at] < day)
        days[n++] = r->soft_day[at++];
    days[n++] = day;
    if (at < r->soft_days && r->soft_day[at] == day)
        at++;
    while (at < r->soft_days)
        days[n++] = r->soft_day[at++];
    while ((days[n - 1] - days[old]) * DAY_MS >= window_ms && old + 1 < n)
        old++;
    if (n - old > BL_ADDRESS_SOFT_DAYS) {
        days[1] = days[0];
        old = 1;
    }
    r->soft_days = n - old;
    memcpy(r->soft_day, days + old, r->soft_days * sizeof *days);
}

static bool soft_enough(const struct bl_address_record *r, const struct bl_suppress_policy *policy)
{
    uint32_t wanted =
        policy->soft_days < BL_ADDRESS_SOFT_DAYS ? policy->soft_days : BL_ADDRESS_SOFT_DAYS;

    return r->soft_days >= wanted &&
           (r->soft_day[r->soft_days - 1] - r->soft_day[0]) * DAY_MS >= policy->soft_spread_ms;
}

static enum bl_change fail_soft(struct bl_address_record *r, const bl_address_event *e,
                                const struct bl_suppress_policy *policy, int64_t t, int64_t now_ms)
{
    count_soft_day(r, (uint32_t)(t / DAY_MS), policy->soft_window_ms);
    if (r->probation || soft_enough(r, policy))
        return give_verdict(r, e, policy, t, later(t, policy->soft_ms), now_ms);
    if (r->state == BL_ADDRESS_CLEAN)
        set_open(r, t);
    return BL_CHANGE_NOTED;
}

static enum bl_change fail(struct bl_address_record *r, const bl_address_event *e,
                           const struct bl_suppress_policy *policy, int64_t t, int64_t now_ms)
{
    if (e->action == BL_ACTION_NONE)
        return BL_CHANGE_NONE;
    remember(r, e, t);
    if (is_decided(r->state))
        return BL_CHANGE_NOTED;
    if (t < r->delivered_ms || is_before_release(r, t))
        return BL_CHANGE_NOTED; /* it was delivered to, or released, since */
    return e->action == BL_ACTION_SUPPRESS ? fail_hard(r, e, policy, t, now_ms)
                                           : fail_soft(r, e, policy, t, now_ms);
}

/* --- everything else
 * ------------------------------------------------------------------------------ */

static enum bl_change deliver(struct bl_address_record *r, int64_t t)
{
    bool blocked = r->state == BL_ADDRESS_SUPPRESSED;
    bool moved = t > r->delivered_ms;

    if (r->version == 0 && r->last_ms == 0 && r->since_ms == 0)
        return BL_CHANGE_NONE; /* no record: a success alone makes none */
    if (moved)
        r->delivered_ms = t;
    if (is_decided(r->state) || t < r->last_ms || is_before_release(r, t))
        return moved ? BL_CHANGE_NOTED : BL_CHANGE_NONE;
    if (r->state != BL_ADDRESS_CLEAN || r->probation) {
        r->soft_days = 0;
        r->probation = false;
        set_open(r, t);
        moved = true;
    }
    if (blocked)
        return BL_CHANGE_CLEAR;
    return moved ? BL_CHANGE_NOTED : BL_CHANGE_NONE;
}

/* The actor and note of a manual change; false when they are what they were. */
static bool sign(struct bl_address_record *r, const bl_address_event *e)
{
    char actor[BL_ADDRESS_WORD_MAX], note[BL_ADDRESS_WORD_MAX];

    bl_address_set(actor, sizeof actor, e->actor);
    bl_address_set(note, sizeof note, e->note);
    if (memcmp(actor, r->actor, sizeof actor) == 0 && memcmp(note, r->note, sizeof note) == 0)
        return false;
    memcpy(r->actor, actor, sizeof actor);
    memcpy(r->note, note, sizeof note);
    return true;
}

static enum bl_change add(struct bl_address_record *r, const bl_address_event *e, int64_t t)
{
    bool moved;

    if (r->state == BL_ADDRESS_MANUAL && e->note.n == 0)
        return BL_CHANGE_NONE; /* nothing new is said: who added it, and why, stays */
    moved = sign(r, e);
    if (r->state == BL_ADDRESS_MANUAL)
        return moved ? BL_CHANGE_NOTED : BL_CHANGE_NONE;
    r->state = BL_ADDRESS_MANUAL;
    r->since_ms = t;
    r->until_ms = 0;
    r->soft_days = 0;
    r->probation = false;
    return BL_CHANGE_ADD;
}

static enum bl_change remove_by_hand(struct bl_address_record *r, const bl_address_event *e,
                                     int64_t t)
{
    if (r->state == BL_ADDRESS_CLEAN)
        return BL_CHANGE_NONE;
    sign(r, e);
    r->probation = bl_address_state_blocks(r->state);
    r->soft_days = 0;
    set_open(r, t);
    return r->probation ? BL_CHANGE_REMOVE : BL_CHANGE_NOTED; /* nobody was kept from mailing it */
}

enum bl_change bl_suppress_apply(struct bl_address_record *record, const bl_address_event *event,
                                 const struct bl_suppress_policy *policy, int64_t now_ms)
{
    int64_t t = event->time_ms < now_ms ? event->time_ms : now_ms;
    bool expired = bl_suppress_expire(record, now_ms);
    enum bl_change change = BL_CHANGE_NONE;

    t = t < 1 ? 1 : t > TIME_MAX ? TIME_MAX : t; /* 0 means never */
    switch (event->kind) {
    case BL_ADDRESS_FAILED:
        change = fail(record, event, policy, t, now_ms);
        break;
    case BL_ADDRESS_DELIVERED:
        change = deliver(record, t);
        break;
    case BL_ADDRESS_ADD:
        change = add(record, event, t);
        break;
    case BL_ADDRESS_REMOVE:
        change = remove_by_hand(record, event, t);
        break;
    }
    return change == BL_CHANGE_NONE && expired ? BL_CHANGE_NOTED : change;
}

int64_t bl_suppress_forget_ms(const struct bl_address_record *record,
                              const struct bl_suppress_policy *policy)
{
    int64_t last_ms = record->last_ms > record->since_ms ? record->last_ms : record->since_ms;
    int64_t forget_ms = later(last_ms, policy->strike_memory_ms);

    if (is_decided(record->state) ||
        (record->state == BL_ADDRESS_SUPPRESSED && record->until_ms == 0))
        return 0;
    return forget_ms > record->until_ms ? forget_ms : record->until_ms;
}
