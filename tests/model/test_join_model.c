/* ctest: label=quick timeout=300 */
/* The join against the plainest program that does the same: arrays that are searched from the
 * front, strings that are copied, and a count of the cells that texts would take.  Random streams
 * over few ids and small caps, so that ids are reused, evicted and short of text room all the time.
 * The control is `careless`: the model with one rule left out is found out. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "bounceline/join.h"
#include "join_stream.h"

enum { STREAMS = 200, RECORDS = 600 };

/* What join.c and join.h say about room. */
enum {
    CELL_BYTES = 60,
    INLINE_TEXT = 201, /* when everything is shown */
    DEAD_MAX = 256,
    MOST_SENDER = 512,
    MOST_ID = 1024,
    MOST_SASL = 256,
    MOST_HOST = 255,
    MOST_IP = 64,
    MOST_RECIPIENT = 1024,
    MOST_SERVICE = 64
};

struct text {
    char bytes[1400];
    size_t n, takes; /* of room; a message-id that is not shown takes that of its hash */
    bool in_cells;
};

struct deferral {
    struct text recipient, orig, host, ip, service, reply;
    size_t cells;
    bl_record rest; /* numbers only */
};

struct message {
    uint64_t key, key2;
    bool dead, queued, has_id, has_sender;
    struct text client, sasl, id, sender;
    struct deferral deferral[64];
    size_t deferrals;
};

struct model {
    struct message *message[64]; /* dead ones by death, then live ones by age */
    size_t messages, dead, cap, dead_cap, cells_free, inline_text;
    unsigned shown;
    struct bl_join_stats stats;
    struct journal *journal;
    bool careless;
};

static size_t cells_for(size_t n)
{
    return n ? (n + CELL_BYTES - 1) / CELL_BYTES : 1;
}

static void set(struct text *text, bl_slice from, size_t most)
{
    text->n = from.n < most ? from.n : most;
    if (text->n)
        memcpy(text->bytes, from.p, text->n);
}

static bl_slice get(const struct text *text)
{
    return (bl_slice){text->bytes, text->n};
}

static void drop(struct model *model, struct text *text)
{
    if (text->in_cells)
        model->cells_free += cells_for(text->takes);
    text->in_cells = false;
    text->n = text->takes = 0;
}

static size_t inline_bytes(const struct message *m)
{
    return (m->client.in_cells ? 0 : m->client.takes) + (m->sasl.in_cells ? 0 : m->sasl.takes) +
           (m->id.in_cells ? 0 : m->id.takes) + (m->sender.in_cells ? 0 : m->sender.takes);
}

static bool keep(struct model *model, struct message *m, struct text *text, bl_slice from,
                 size_t most)
{
    size_t n = from.n < most ? from.n : most;

    drop(model, text);
    if ((text == &m->client || text == &m->sasl) && !(model->shown & BL_SHOWS_CLIENTS))
        return true;
    if (inline_bytes(m) + n > model->inline_text && n) {
        if (cells_for(n) > model->cells_free) {
            model->stats.text_dropped++;
            return false;
        }
        model->cells_free -= cells_for(n);
        text->in_cells = true;
    }
    set(text, from, most);
    text->takes = n;
    return true;
}

static void forget_deferral(struct model *model, struct message *m, size_t i)
{
    model->cells_free += m->deferral[i].cells + 1;
    m->deferrals--;
    memmove(&m->deferral[i], &m->deferral[i + 1], (m->deferrals - i) * sizeof m->deferral[0]);
}

static void empty(struct model *model, struct message *m)
{
    while (m->deferrals)
        forget_deferral(model, m, 0);
    drop(model, &m->client);
    drop(model, &m->sasl);
    drop(model, &m->id);
    drop(model, &m->sender);
    m->dead = m->queued = m->has_id = m->has_sender = false;
}

static size_t index_of(const struct model *model, const bl_record *record)
{
    size_t i = 0;

    while (i < model->messages &&
           (model->message[i]->key != record->key || model->message[i]->key2 != record->key2))
        i++;
    return i;
}

static struct message *take_out(struct model *model, size_t i)
{
    struct message *m = model->message[i];

    model->dead -= m->dead;
    model->messages--;
    memmove(&model->message[i], &model->message[i + 1],
            (model->messages - i) * sizeof model->message[0]);
    return m;
}

static void put_in(struct model *model, size_t i, struct message *m)
{
    memmove(&model->message[i + 1], &model->message[i],
            (model->messages - i) * sizeof model->message[0]);
    model->message[i] = m;
    model->messages++;
    model->dead += m->dead;
}

static void forget_first(struct model *model)
{
    struct message *m = take_out(model, 0);

    empty(model, m);
    free(m);
}

static struct message *afresh(struct model *model, size_t i, const bl_record *record)
{
    struct message *m;

    if (i < model->messages) {
        m = take_out(model, i);
        empty(model, m);
    } else {
        if (model->messages == model->cap) {
            model->stats.evicted += !model->message[0]->dead;
            forget_first(model);
        }
        m = calloc(1, sizeof *m);
        assert_non_null(m);
        m->key = record->key;
        m->key2 = record->key2;
    }
    put_in(model, model->messages, m);
    return m;
}

static struct message *live(struct model *model, size_t i)
{
    return i < model->messages && !model->message[i]->dead ? model->message[i] : NULL;
}

static bl_slice client_of(const bl_record *record, char out[400])
{
    int host = record->peer_host.n < MOST_HOST ? (int)record->peer_host.n : MOST_HOST;
    int ip = record->peer_ip.n < MOST_IP ? (int)record->peer_ip.n : MOST_IP;

    if (ip)
        snprintf(out, 400, "%.*s[%.*s]", host, host ? record->peer_host.p : "", ip,
                 record->peer_ip.p);
    else
        snprintf(out, 400, "%.*s", host, host ? record->peer_host.p : "");
    return text_slice(out);
}

static void set_sender(struct model *model, struct message *m, bl_slice sender)
{
    m->has_sender = keep(model, m, &m->sender, sender, MOST_SENDER);
}

static bl_event base_event(const struct model *model, const bl_record *record,
                           enum bl_outcome outcome, const struct message *m)
{
    bl_event event = {
        .time_us = record->time_us,
        .mta = record->mta,
        .outcome = outcome,
        .attempt = !(record->flags & BL_RECORD_NO_ATTEMPT),
        .delay_ms = -1,
        .host = record->host,
        .service = record->service,
        .instance = BL_SLICE("postfix"),
        .queue_id = record->queue_id,
    };

    if (m) {
        event.has_sender = m->has_sender;
        event.sender = get(&m->sender);
        if (model->shown & BL_SHOWS_MESSAGE_IDS)
            event.message_id = get(&m->id);
        event.client = get(&m->client);
        event.sasl_user = get(&m->sasl);
    }
    return event;
}

static void add_result(bl_event *event, const bl_record *record)
{
    if (record->flags & BL_RECORD_HAS_SENDER) {
        event->has_sender = true;
        event->sender = record->sender;
    }
    event->failed = event->outcome == BL_DEFERRED || event->outcome == BL_BOUNCED ||
                    event->outcome == BL_REJECTED || event->outcome == BL_DROPPED ||
                    event->outcome == BL_EXPIRED;
    event->phase = record->phase;
    event->code = record->code;
    event->enhanced = record->enhanced;
    event->provider = record->provider;
    event->delay_ms = record->delay_ms;
    event->verdict = record->verdict;
    event->recipient = record->recipient;
    event->orig_recipient = record->orig_recipient;
    event->reply = record->text;
}

static void remember(struct model *model, struct message *m, const bl_record *record)
{
    struct deferral fresh = {.rest = *record};
    size_t i = 0, bytes;
    uint32_t end = record->verdict.match_at + record->verdict.match_n;

    if (record->recipient.n > MOST_RECIPIENT) {
        model->stats.text_dropped++;
        return;
    }
    while (i < m->deferrals && !bl_slice_eq(get(&m->deferral[i].recipient), record->recipient))
        i++;
    if (i < m->deferrals)
        model->cells_free += m->deferral[i].cells;
    set(&fresh.recipient, record->recipient, MOST_RECIPIENT);
    set(&fresh.orig, record->orig_recipient, MOST_RECIPIENT);
    set(&fresh.host, record->peer_host, MOST_HOST);
    set(&fresh.ip, record->peer_ip, MOST_IP);
    set(&fresh.service, record->service, MOST_SERVICE);
    set(&fresh.reply, record->text, BL_JOIN_REPLY_MAX);
    bytes = fresh.recipient.n + fresh.orig.n + fresh.host.n + fresh.ip.n + fresh.service.n +
            fresh.reply.n;
    if (cells_for(bytes) + (i == m->deferrals) > model->cells_free) {
        model->stats.text_dropped++;
        fresh.orig.n = fresh.host.n = fresh.ip.n = fresh.service.n = fresh.reply.n = 0;
        bytes = fresh.recipient.n;
        if (cells_for(bytes) + (i == m->deferrals) > model->cells_free)
            return;
    }
    if (end > fresh.reply.n)
        fresh.rest.verdict.match_at = fresh.rest.verdict.match_n = 0;
    fresh.cells = cells_for(bytes);
    model->cells_free -= fresh.cells + (i == m->deferrals);
    m->deferrals += i == m->deferrals;
    m->deferral[i] = fresh;
}

static bl_event expiry(const struct model *model, const bl_record *record, const struct message *m)
{
    bl_event event = base_event(model, record, BL_EXPIRED, m);

    event.attempt = true;
    if (!event.has_sender && record->flags & BL_RECORD_HAS_SENDER) {
        event.has_sender = true;
        event.sender = record->sender;
    }
    return event;
}

static bl_event last_deferral(const struct model *model, const bl_record *record,
                              const struct message *m, const struct deferral *d)
{
    bl_event event = expiry(model, record, m);

    event.failed = true;
    event.retried = true;
    event.phase = d->rest.phase;
    event.code = d->rest.code;
    event.enhanced = d->rest.enhanced;
    event.provider = d->rest.provider;
    event.verdict = d->rest.verdict;
    if (d->service.n)
        event.service = get(&d->service);
    event.recipient = get(&d->recipient);
    event.orig_recipient = get(&d->orig);
    event.relay_host = get(&d->host);
    event.relay_ip = get(&d->ip);
    event.reply = get(&d->reply);
    return event;
}

static void deliver(struct model *model, const bl_record *record)
{
    size_t i = index_of(model, record);
    struct message *m = i < model->messages ? model->message[i] : NULL;
    bl_event event = base_event(model, record, record->outcome, m);
    uint16_t previously;
    size_t known = 0;

    while (m && known < m->deferrals &&
           !bl_slice_eq(get(&m->deferral[known].recipient), record->recipient))
        known++;
    assert_true(
        bl_rules_find_category(bl_rules_builtin(), BL_SLICE("previously-bounced"), &previously));
    if (event.outcome == BL_BOUNCED && record->verdict.category == previously)
        event.outcome = BL_DROPPED;
    add_result(&event, record);
    if (m && m->has_sender)
        event.sender = get(&m->sender);
    event.relay_host = record->peer_host;
    event.relay_ip = record->peer_ip;
    event.retried = m && known < m->deferrals;
    if (record->outcome == BL_EXPIRED && record->code == 0 && m && known < m->deferrals)
        event = last_deferral(model, record, m, &m->deferral[known]);
    journal_event(model->journal, &event);
    model->stats.unknown += !m;
    if (record->outcome == BL_DEFERRED && record->mta == BL_MTA_EXIM &&
        record->flags & BL_RECORD_NO_ATTEMPT && m && known < m->deferrals)
        return; /* Exim did not try: what it said before stands */
    if (record->outcome == BL_DEFERRED) {
        if (!m)
            m = afresh(model, i, record);
        if (!m->dead)
            remember(model, m, record);
        return;
    }
    for (size_t k = 0; m && k < m->deferrals; k++)
        if (bl_slice_eq(get(&m->deferral[k].recipient), record->recipient)) {
            forget_deferral(model, m, k);
            return;
        }
}

static void expire(struct model *model, const bl_record *record)
{
    size_t i = index_of(model, record);
    struct message *m = i < model->messages ? model->message[i] : NULL;
    bl_event event;

    if (!m || !m->deferrals) {
        model->stats.expired_unknown++;
        event = expiry(model, record, m);
        journal_event(model->journal, &event);
        return;
    }
    while (m->deferrals) {
        const struct deferral *d = &m->deferral[0];

        event = last_deferral(model, record, m, d);
        journal_event(model->journal, &event);
        forget_deferral(model, m, 0);
    }
}

static void reject(struct model *model, const bl_record *record)
{
    size_t i = record->flags & BL_RECORD_ONE_SHOT ? model->messages : index_of(model, record);
    bl_event event =
        base_event(model, record, record->outcome, i < model->messages ? model->message[i] : NULL);
    char client[400];

    add_result(&event, record);
    if (record->peer_host.n || record->peer_ip.n)
        event.client = client_of(record, client);
    journal_event(model->journal, &event);
}

static void feed_model(struct model *model, const bl_record *record)
{
    size_t i = index_of(model, record);
    struct message *m = live(model, i);
    bl_slice head;
    char client[400];

    switch ((enum bl_record_kind)record->kind) {
    case BL_RECORD_OPEN:
        if (!(model->shown & BL_SHOWS_CLIENTS) && !(record->flags & BL_RECORD_HAS_SENDER))
            break; /* nothing that is shown */
        m = afresh(model, i, record);
        keep(model, m, &m->client, client_of(record, client), sizeof client);
        keep(model, m, &m->sasl, record->text, MOST_SASL);
        if (record->flags & BL_RECORD_HAS_SENDER)
            set_sender(model, m, record->sender);
        break;
    case BL_RECORD_ARRIVAL:
        m = afresh(model, i, record);
        if (record->peer_host.n || record->peer_ip.n)
            keep(model, m, &m->client, client_of(record, client), sizeof client);
        keep(model, m, &m->sasl, record->orig_recipient, MOST_SASL);
        if (model->shown & BL_SHOWS_MESSAGE_IDS && record->text.n &&
            keep(model, m, &m->id, bl_slice_head(record->text, MOST_ID), MOST_ID))
            m->has_id = true;
        set_sender(model, m, record->sender);
        m->queued = true;
        break;
    case BL_RECORD_MESSAGE_ID:
        if (!(model->shown & BL_SHOWS_MESSAGE_IDS))
            break;
        head = bl_slice_head(record->text, MOST_ID);
        if (m && m->has_id && bl_slice_eq(get(&m->id), head))
            break;
        if (!m || (m->queued && m->has_id && !model->careless))
            m = afresh(model, i, record);
        if (keep(model, m, &m->id, head, MOST_ID))
            m->has_id = true;
        break;
    case BL_RECORD_QUEUED:
        head = bl_slice_head(record->sender, MOST_SENDER);
        if (!m || (m->queued && m->has_sender && !bl_slice_eq(get(&m->sender), head)))
            m = afresh(model, i, record);
        if (!m->has_sender || !bl_slice_eq(get(&m->sender), head))
            set_sender(model, m, head);
        m->queued = true;
        break;
    case BL_RECORD_DELIVERY:
        deliver(model, record);
        break;
    case BL_RECORD_EXPIRED:
        expire(model, record);
        break;
    case BL_RECORD_REMOVED:
        if (!m)
            break;
        while (m->deferrals)
            forget_deferral(model, m, 0);
        take_out(model, i);
        m->dead = true;
        put_in(model, model->dead, m);
        if (model->dead > model->dead_cap)
            forget_first(model);
        break;
    case BL_RECORD_REJECT:
        reject(model, record);
        break;
    case BL_RECORD_PIECE: /* made of lines: test_join_cut.c */
    case BL_RECORD_HELD:
        break;
    }
}

static void print_difference(const struct journal *a, const struct journal *b)
{
    const char *x = journal_text(a), *y = journal_text(b);
    size_t at = 0;

    while (x[at] && x[at] == y[at])
        at++;
    while (at && x[at - 1] != '\n')
        at--;
    print_message("join:  %.300s\nmodel: %.300s\n", x + at, y + at);
}

/* True when join and model say the same all along. */
static bool agree(uint64_t seed, bool careless)
{
    static const size_t entries[] = {1, 3, 6, 13, 40}, cells[] = {0, 3, 9, 40, 1000};
    static const unsigned shown[] = {BL_SHOWS_ALL, BL_SHOWS_MESSAGE_IDS, 0};
    static const size_t inline_text[] = {INLINE_TEXT, INLINE_TEXT - 64, INLINE_TEXT - 128};
    uint64_t state = seed * 0x9e3779b97f4a7c15 + 1;
    struct journal a = {0}, b = {0};
    struct model model = {.cap = entries[seed % 5],
                          .cells_free = cells[seed / 5 % 5],
                          .shown = shown[seed % 3],
                          .inline_text = inline_text[seed % 3],
                          .journal = &b,
                          .careless = careless};
    struct bl_join *join =
        bl_join_new_showing(bl_rules_builtin(), model.cap, model.cells_free * 64, model.shown);
    struct bl_join_stats stats;
    bool same = true;

    assert_non_null(join);
    model.dead_cap = model.cap / 4 < DEAD_MAX ? model.cap / 4 : DEAD_MAX;
    for (size_t i = 0; i < RECORDS && same; i++) {
        bl_record record = stream_record(&state, 4 + seed % 30);
        struct bl_block block = {.records = &record, .records_n = 1};

        bl_join_block(join, &block, journal_event, &a);
        feed_model(&model, &record);
        model.stats.live = model.messages - model.dead;
        stats = bl_join_stats(join);
        same = strcmp(journal_text(&a), journal_text(&b)) == 0 &&
               memcmp(&stats, &model.stats, sizeof stats) == 0;
        if (!same && !careless)
            print_difference(&a, &b);
        journal_clear(&a);
        journal_clear(&b);
    }
    while (model.messages)
        forget_first(&model);
    assert_int_equal(model.cells_free, cells[seed / 5 % 5]);
    bl_join_free(join);
    journal_release(&a);
    journal_release(&b);
    return same;
}

static void the_join_says_what_the_model_says(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= STREAMS; seed++) {
        bool same = agree(seed, false);

        if (!same)
            print_message("seed %llu\n", (unsigned long long)seed);
        assert_true(same);
    }
}

static void a_rule_left_out_of_the_model_is_noticed(void **state)
{
    size_t noticed = 0;

    (void)state;
    for (uint64_t seed = 1; seed <= 30; seed++)
        noticed += !agree(seed, true);
    assert_true(noticed > 10);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_join_says_what_the_model_says),
        cmocka_unit_test(a_rule_left_out_of_the_model_is_noticed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
