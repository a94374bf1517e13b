/* Records in the order of the log, into events.  How things are remembered: join_parts.h. */
#include "join_pending.h"

#include "bounceline/exim.h"

/* --- set up --- */

static void use_rules(struct bl_join *join, const struct bl_rules *rules)
{
    join->rules = rules;
    join->has_previously_bounced =
        bl_rules_find_category(rules, BL_SLICE("previously-bounced"), &join->previously_bounced);
}

static void forget_all(struct bl_join *join)
{
    join->entries_used = 0;
    join->free_entry = 0;
    join->live = join->dead = (struct list){0};
    join->cells_used = 0;
    join->cells_free = join->cells_cap;
    join->free_cell = 0;
    join->pending_n = 0;
    join->stats = (struct bl_join_stats){0};
}

/* Lines of the cache that hold a queue id with the shown texts of nearly every message. */
static size_t entry_bytes_for(unsigned shown)
{
    return shown & BL_SHOWS_CLIENTS ? 256 : shown & BL_SHOWS_MESSAGE_IDS ? 192 : 128;
}

struct bl_join *bl_join_new(const struct bl_rules *rules, size_t entries_cap, size_t text_cap_bytes)
{
    return bl_join_new_showing(rules, entries_cap, text_cap_bytes, BL_SHOWS_ALL);
}

struct bl_join *bl_join_new_showing(const struct bl_rules *rules, size_t entries_cap,
                                    size_t text_cap_bytes, unsigned shown)
{
    struct bl_join *join = bl_calloc(1, sizeof *join);

    if (!join)
        return NULL;
    join->shown = shown;
    join->entry_bytes = entry_bytes_for(shown);
    join->inline_bytes = join->entry_bytes - offsetof(struct entry, bytes);
    join->entries_cap = entries_cap ? entries_cap : 1;
    join->dead_cap = join->entries_cap / 4 < DEAD_MAX ? join->entries_cap / 4 : DEAD_MAX;
    join->cells_cap = text_cap_bytes / sizeof(struct cell);
    /* Element 0 is never used: references count from 1. */
    join->entries = bl_table_new(join->entries_cap + 1, join->entry_bytes);
    join->cells = bl_table_new(join->cells_cap + 1, sizeof *join->cells);
    join->links = bl_table_new(join->entries_cap + 1, sizeof *join->links);
    /* A deferral takes two cells at least, so half as many slots' things as cells. */
    join->pending_memory = bl_malloc(BL_JOIN_PENDING_MAX * sizeof *join->pending_memory);
    if (!join->entries || !join->cells || !join->pending_memory || !join->links ||
        !bl_slots_init(&join->slots, join->entries_cap) ||
        !bl_slots_init(&join->deferral_slots, join->cells_cap / 2)) {
        bl_join_free(join);
        return NULL;
    }
    for (size_t i = 0; i < BL_JOIN_PENDING_MAX; i++)
        join->pending[i] = &join->pending_memory[i];
    entry_at(join, 0)->flags = FREE;
    use_rules(join, rules);
    forget_all(join);
    return join;
}

void bl_join_free(struct bl_join *join)
{
    if (!join)
        return;
    bl_slots_release(&join->slots);
    bl_slots_release(&join->deferral_slots);
    bl_free(join->pending_memory);
    bl_table_free(join->entries);
    bl_table_free(join->cells);
    bl_table_free(join->links);
    bl_free(join);
}

/* --- events --- */

/* "host[ip]", as logs write it. */
static bl_slice client_text(struct bl_join *join, const bl_record *record)
{
    bl_slice host = bl_slice_head(record->peer_host, CLIENT_HOST_MAX);
    bl_slice ip = bl_slice_head(record->peer_ip, IP_MAX);
    size_t n = host.n;

    if (ip.n == 0)
        return host;
    copy_short(join->client, host.p, host.n);
    join->client[n++] = '[';
    copy_short(join->client + n, ip.p, ip.n);
    n += ip.n;
    join->client[n++] = ']';
    return (bl_slice){join->client, n};
}

/* Up to the first slash; nearly always the one of the last event, which is remembered with its
 * slash. */
static inline bl_slice instance_of(struct bl_join *join, bl_slice service)
{
    bl_slice instance = bl_slice_head(service, join->instance_n);

    if (join->instance_n && bl_slice_same(instance, (bl_slice){join->instance, join->instance_n})) {
        instance.n--;
        return instance;
    }
    instance = bl_slice_head(service, bl_slice_find_byte(service, '/'));
    join->instance_n = 0;
    if (instance.n < service.n && instance.n < SERVICE_MAX) {
        memcpy(join->instance, service.p, instance.n + 1);
        join->instance_n = instance.n + 1;
    }
    return instance;
}

/* The line itself, its recipient and result.  Field by field and every field, since this is done
 * for each delivery and an event is too large to be cleared first. */
static inline void set_event(struct bl_join *join, bl_event *event, const bl_record *record,
                             enum bl_outcome outcome)
{
    event->time_us = record->time_us;
    event->mta = record->mta;
    event->outcome = outcome;
    event->attempt = !(record->flags & BL_RECORD_NO_ATTEMPT);
    event->retried = false;
    event->has_sender = record->flags & BL_RECORD_HAS_SENDER;
    event->known = false;
    event->failed = outcome == BL_DEFERRED || outcome == BL_BOUNCED || outcome == BL_REJECTED ||
                    outcome == BL_DROPPED || outcome == BL_EXPIRED;
    event->phase = record->phase;
    event->code = record->code;
    event->sending_gap = record->sending_gap;
    event->provider = record->provider;
    event->enhanced = record->enhanced;
    event->verdict = record->verdict;
    event->delay_ms = record->delay_ms;
    event->host = record->host;
    event->service = record->service;
    event->instance = instance_of(join, record->service);
    event->queue_id = record->queue_id;
    event->sender = event->has_sender ? record->sender : (bl_slice){0};
    event->message_id = event->client = event->sasl_user = (bl_slice){0};
    event->recipient = record->recipient;
    event->orig_recipient = record->orig_recipient;
    event->relay_host = event->relay_ip = (bl_slice){0};
    event->reply = record->text;
}

/* A sender on the line itself counts for more. */
static inline void add_known(struct bl_join *join, bl_event *event, const struct entry *entry)
{
    event->known = !(entry->flags & DEAD) && entry->flags & (HAS_SENDER | HAS_MESSAGE_ID | QUEUED);
    if (!event->has_sender) {
        event->has_sender = entry->flags & HAS_SENDER;
        event->sender = text_of(join, entry, SENDER);
    }
    if (join->shown & BL_SHOWS_MESSAGE_IDS)
        event->message_id = text_of(join, entry, MESSAGE_ID);
    if (join->shown & BL_SHOWS_CLIENTS) {
        event->client = text_of(join, entry, CLIENT);
        event->sasl_user = text_of(join, entry, SASL);
    }
}

static void emit_delivery(struct bl_join *join, uint32_t ref, bool retried, const bl_record *record)
{
    bool dropped = record->outcome == BL_BOUNCED && join->has_previously_bounced &&
                   record->verdict.category == join->previously_bounced;
    bl_event event;

    set_event(join, &event, record, dropped ? BL_DROPPED : record->outcome);
    event.relay_host = record->peer_host;
    event.relay_ip = record->peer_ip;
    event.retried = retried;
    if (ref && entry_at(join, ref)->flags & HAS_SENDER)
        event.has_sender = false; /* Exim's F= may be spelled for a host without SMTPUTF8 */
    if (ref)
        add_known(join, &event, entry_at(join, ref));
    else
        join->stats.unknown++;
    join->fn(join->arg, &event);
}

/* An expiry names a sender, but what the join knows of it was logged in the same way, earlier; and
 * the line has no result, since that is what `d` remembers. */
static bl_event expiry_of(struct bl_join *join, uint32_t ref, const bl_record *record)
{
    bl_event event = {
        .time_us = record->time_us,
        .mta = record->mta,
        .outcome = BL_EXPIRED,
        .attempt = true,
        .delay_ms = -1,
        .host = record->host,
        .service = record->service,
        .instance = instance_of(join, record->service),
        .queue_id = record->queue_id,
    };

    if (ref)
        add_known(join, &event, entry_at(join, ref));
    if (!event.has_sender && record->flags & BL_RECORD_HAS_SENDER) {
        event.has_sender = true;
        event.sender = record->sender;
    }
    return event;
}

static void emit_expired(struct bl_join *join, uint32_t ref, const bl_record *record,
                         const struct deferral *d)
{
    bl_event event = expiry_of(join, ref, record);
    bl_slice part[PARTS];
    size_t at = 0;

    for (size_t i = 0; i < PARTS; i++) {
        part[i] = (bl_slice){join->parts + at, d->part_n[i]};
        at += d->part_n[i];
    }
    read_chain(join, d->text, join->parts, at);
    event.failed = true;
    event.retried = true;
    event.phase = d->phase;
    event.code = d->code;
    event.provider = d->provider;
    event.enhanced = d->enhanced;
    event.verdict = (bl_verdict){d->category, d->type, d->action, d->rule, d->match_at, d->match_n};
    if (part[SERVICE].n) {
        event.service = part[SERVICE];
        event.instance = instance_of(join, part[SERVICE]);
    }
    event.recipient = part[RECIPIENT];
    event.orig_recipient = part[ORIG];
    event.relay_host = part[RELAY_HOST];
    event.relay_ip = part[RELAY_IP];
    event.reply = part[REPLY];
    join->fn(join->arg, &event);
}

/* Nobody is known to have been waiting: one event without a recipient, so that it is not lost. */
static void emit_expired_unknown(struct bl_join *join, uint32_t ref, const bl_record *record)
{
    bl_event event = expiry_of(join, ref, record);

    join->stats.expired_unknown++;
    join->fn(join->arg, &event);
}

/* How many lines this one stands for. */
static inline uint32_t times_of(const bl_record *record)
{
    return record->flags & BL_RECORD_REPEATED ? record->repeats : 1;
}

static void emit_reject(struct bl_join *join, uint32_t ref, const bl_record *record)
{
    bl_event event;

    set_event(join, &event, record, record->outcome);
    if (ref)
        add_known(join, &event, entry_at(join, ref));
    if (record->peer_host.n || record->peer_ip.n)
        event.client = client_text(join, record);
    event.orig_recipient = (bl_slice){0};
    if (record->orig_recipient.n)
        event.sasl_user = record->orig_recipient;
    join->fn(join->arg, &event);
}

/* --- records; `ref` is the entry of the queue id, or 0 --- */

static void take_open(struct bl_join *join, uint32_t ref, const bl_record *record)
{
    struct entry *entry;

    if (!(join->shown & BL_SHOWS_CLIENTS) && !(record->flags & BL_RECORD_HAS_SENDER))
        return;
    entry = start_afresh(join, ref, record);
    if (join->shown & BL_SHOWS_CLIENTS) {
        set_text(join, entry, CLIENT, client_text(join, record));
        set_text(join, entry, SASL, bl_slice_head(record->text, SASL_MAX));
    }
    if (record->flags & BL_RECORD_HAS_SENDER)
        set_sender(join, entry, record->sender);
}

/* Exim logs the arrival once, and behind it nothing about the message changes any more.  Ids are
 * not used again while they live. */
static void take_arrival(struct bl_join *join, uint32_t ref, const bl_record *record)
{
    struct entry *entry = start_afresh(join, ref, record);

    if (join->shown & BL_SHOWS_CLIENTS) {
        if (record->peer_host.n || record->peer_ip.n)
            set_text(join, entry, CLIENT, client_text(join, record));
        set_text(join, entry, SASL, bl_slice_head(record->orig_recipient, SASL_MAX));
    }
    if (join->shown & BL_SHOWS_MESSAGE_IDS && record->text.n &&
        set_text(join, entry, MESSAGE_ID, bl_slice_head(record->text, MESSAGE_ID_MAX)))
        entry->flags |= HAS_MESSAGE_ID;
    set_sender(join, entry, record->sender);
    entry->flags |= QUEUED;
}

/* cleanup logs the id once.  Before the queue manager has the message a second one may be a resent
 * header; behind that, another id is another message whose `removed` we never saw. */
static void take_message_id(struct bl_join *join, uint32_t ref, const bl_record *record)
{
    bl_slice id = bl_slice_head(record->text, MESSAGE_ID_MAX);
    struct entry *entry = ref ? entry_at(join, ref) : NULL;

    if (!(join->shown & BL_SHOWS_MESSAGE_IDS))
        return;
    if (!is_live(join, ref))
        entry = start_afresh(join, ref, record);
    else if (entry->flags & QUEUED && entry->flags & HAS_MESSAGE_ID &&
             !text_equals(join, entry, MESSAGE_ID, id))
        entry = start_afresh(join, ref, record);
    else if (entry->flags & HAS_MESSAGE_ID && text_equals(join, entry, MESSAGE_ID, id))
        return;
    if (set_text(join, entry, MESSAGE_ID, id))
        entry->flags |= HAS_MESSAGE_ID;
}

/* Logged at each retry, always with the same sender: another one is another message. */
static void take_queued(struct bl_join *join, uint32_t ref, const bl_record *record)
{
    bl_slice sender = bl_slice_head(record->sender, SENDER_MAX);
    struct entry *entry = ref ? entry_at(join, ref) : NULL;
    bool same;

    if (!is_live(join, ref)) {
        entry = start_afresh(join, ref, record);
        same = false;
    } else {
        same = entry->flags & HAS_SENDER && text_equals(join, entry, SENDER, sender);
        if (!same && entry->flags & QUEUED && entry->flags & HAS_SENDER)
            entry = start_afresh(join, ref, record);
    }
    if (!same)
        set_sender(join, entry, sender);
    entry->flags |= QUEUED;
}

/* Exim says of each queue run that it was too early for a recipient; the reason is what it said
 * when it tried. */
static bool says_only_wait(const bl_record *record)
{
    return record->mta == BL_MTA_EXIM && record->flags & BL_RECORD_NO_ATTEMPT;
}

/* Exim gives up recipient by recipient, often without saying what the last server said. */
static void emit_result(struct bl_join *join, uint32_t ref, const bl_record *record,
                        uint32_t deferral)
{
    if (record->outcome == BL_EXPIRED && record->code == 0 && deferral)
        emit_expired(join, ref, record, &join->cells[deferral].deferral);
    else
        emit_delivery(join, ref, deferral != 0, record);
}

static void take_delivery(struct bl_join *join, uint32_t ref, const bl_record *record)
{
    uint32_t deferral = 0;

    if (ref && entry_at(join, ref)->first)
        deferral = find_deferral(join, ref, record->recipient);
    for (uint32_t n = join->fn ? times_of(record) : 0; n > 0; n--)
        emit_result(join, ref, record, deferral);
    if (record->outcome == BL_DEFERRED) {
        if (!ref)
            ref = create_entry(join, record->key, record->key2);
        if (is_live(join, ref) && !(deferral && says_only_wait(record)))
            remember_deferral(join, ref, deferral, record);
    } else if (deferral) {
        forget_deferral(join, deferral);
    }
}

static void take_expired(struct bl_join *join, uint32_t ref, const bl_record *record)
{
    struct entry *entry = ref ? entry_at(join, ref) : NULL;

    if (!entry || !entry->first) {
        /* Exim's frozen messages have had their results before they are cancelled. */
        if (join->fn && record->mta != BL_MTA_EXIM)
            emit_expired_unknown(join, ref, record);
        return;
    }
    while (entry->first) {
        if (join->fn)
            emit_expired(join, ref, record, &join->cells[entry->first].deferral);
        forget_deferral(join, entry->first);
    }
}

static void take_reject(struct bl_join *join, const bl_record *record, uint32_t likely)
{
    uint32_t ref = record->flags & BL_RECORD_ONE_SHOT ? 0 : find_likely(join, record, likely);

    for (uint32_t n = join->fn ? times_of(record) : 0; n > 0; n--)
        emit_reject(join, ref, record);
}

static void take_removed(struct bl_join *join, uint32_t ref)
{
    if (is_live(join, ref))
        mark_dead(join, ref);
}

/* --- what is pending; see join_pending.h --- */

static void take(struct bl_join *join, const bl_record *record, uint32_t likely);

/* Reads the `i`th line that is pending, and takes it. */
static void take_pending(struct bl_join *join, size_t i)
{
    const struct pending *p = join->pending[i];
    bl_exim_room room = {.p = join->respelled, .left = sizeof join->respelled};
    bl_syslog head = {
        .time_us = p->time_us,
        .host = {join->line, p->host_n},
        .program = {join->line + p->host_n, p->program_n},
        .body = {join->line + p->host_n + p->program_n, p->n - p->host_n - p->program_n}};
    bl_record record;
    bl_reply reply;

    memcpy(join->line, p->text, p->n);
    pending_drop(join, i);
    if (bl_exim_read_again(&head, &room, &record, &reply) != BL_EXIM_RECORD) {
        join->stats.text_dropped++;
        return;
    }
    bl_record_set_key(&record, bl_record_seed(head.host, head.program));
    if (record.kind == BL_RECORD_DELIVERY)
        record.provider = bl_rules_provider(join->rules, record.peer_host);
    if (bl_exim_is_failure(&record)) {
        record.verdict = bl_classify(join->rules, &reply);
        bl_record_spare(&record);
    }
    take(join, &record, 0);
}

static void make_pending_room(struct bl_join *join)
{
    if (join->pending_n < BL_JOIN_PENDING_MAX)
        return;
    if (pending_is_piece(join->pending[0])) {
        pending_drop(join, 0);
        join->stats.text_dropped++;
    } else {
        take_pending(join, 0);
    }
}

static void take_piece(struct bl_join *join, const bl_record *record)
{
    size_t i = pending_find(join, record);
    struct pending *p = i < join->pending_n ? join->pending[i] : NULL;

    if (record->code == 1) {
        if (p)
            pending_drop(join, i);
        make_pending_room(join);
        i = join->pending_n;
        p = pending_add(join, record);
    }
    if (!p)
        return; /* further lines of a record whose first one said it all */
    if (p->next != record->code || p->of != record->delay_ms || !pending_append(p, record->text)) {
        pending_drop(join, i);
        join->stats.text_dropped++;
    } else if (record->flags & BL_RECORD_LAST_PIECE) {
        take_pending(join, i);
    }
}

/* `ref`, the message, is known already when the arrival came first after all. */
static void take_held(struct bl_join *join, uint32_t ref, const bl_record *record)
{
    struct pending *p;
    size_t i;

    make_pending_room(join);
    i = join->pending_n;
    p = pending_add(join, record);
    if (!p || !pending_append(p, record->text))
        join->stats.text_dropped++; /* longer than anything Exim writes */
    else if (is_live(join, ref) && entry_at(join, ref)->flags & HAS_SENDER)
        take_pending(join, i);
    else
        return;
    if (i < join->pending_n)
        pending_drop(join, i);
}

/* The arrival is there: what was held for it is told now, in order. */
static void release_held(struct bl_join *join, const bl_record *arrival)
{
    for (size_t i = pending_find(join, arrival); i < join->pending_n;
         i = pending_find(join, arrival))
        take_pending(join, i);
}

bool bl_join_waits(const struct bl_join *join)
{
    for (size_t i = 0; i < join->pending_n; i++)
        if (!pending_is_piece(join->pending[i]))
            return true;
    return false;
}

void bl_join_finish(struct bl_join *join, bl_event_fn *fn, void *arg)
{
    join->fn = fn;
    join->arg = arg;
    for (size_t i = 0; i < join->pending_n;)
        if (pending_is_piece(join->pending[i]))
            i++; /* says nothing yet, and the rest may come when the log grows after all */
        else
            take_pending(join, i);
}

/* Which kind comes next cannot be foretold, but with the kind it can whether its queue id is known:
 * so that is asked first.  `likely` is what likely_entry() said of it. */
static void take(struct bl_join *join, const bl_record *record, uint32_t likely)
{
    switch ((enum bl_record_kind)record->kind) {
    case BL_RECORD_OPEN:
        take_open(join, find_likely(join, record, likely), record);
        break;
    case BL_RECORD_ARRIVAL:
        take_arrival(join, find_likely(join, record, likely), record);
        if (join->pending_n)
            release_held(join, record);
        break;
    case BL_RECORD_MESSAGE_ID:
        take_message_id(join, find_likely(join, record, likely), record);
        break;
    case BL_RECORD_QUEUED:
        take_queued(join, find_likely(join, record, likely), record);
        break;
    case BL_RECORD_DELIVERY:
        take_delivery(join, find_likely(join, record, likely), record);
        break;
    case BL_RECORD_EXPIRED:
        take_expired(join, find_likely(join, record, likely), record);
        break;
    case BL_RECORD_REMOVED:
        take_removed(join, find_likely(join, record, likely));
        break;
    case BL_RECORD_REJECT:
        take_reject(join, record, likely);
        break;
    case BL_RECORD_PIECE:
        take_piece(join, record);
        break;
    case BL_RECORD_HELD:
        take_held(join, find_likely(join, record, likely), record);
        break;
    }
}

/* The entry is mostly in its home slot, else in the next; guessing so costs no branch, and a wrong
 * guess only what is fetched ahead.  The slot was fetched earlier. */
BL_ALWAYS_INLINE uint32_t likely_entry(const struct bl_join *join, const bl_record *record)
{
    uint32_t tag = tag_of(record->key), home = bl_slots_home(&join->slots, tag);
    const struct bl_slot *slot = &join->slots.v[home],
                         *next = &join->slots.v[(home + 1) & join->slots.mask];
    uint32_t here = 0 - (uint32_t)(slot->tag == tag),
             ref = (slot->ref & here) | (next->ref & ~here);
    size_t delivery = record->kind == BL_RECORD_DELIVERY; /* its event shows the texts */
    const char *entry = (const char *)entry_at(join, ref);

    __builtin_prefetch(entry);
    __builtin_prefetch(entry + (delivery << 6));
    if (join->entry_bytes > 128)
        __builtin_prefetch(entry + (delivery << 7));
    __builtin_prefetch(&join->links[ref]);
    if (record->outcome == BL_DEFERRED)
        prefetch_free_cells(join);
    return ref;
}

/* A worker wrote it, so it lies in another processor's cache; so does the line that it points
 * into. */
BL_ALWAYS_INLINE void prefetch_record(const bl_record *record)
{
    for (size_t at = 0; at < sizeof *record; at += 64)
        __builtin_prefetch((const char *)record + at);
}

BL_ALWAYS_INLINE void prefetch_text(const bl_record *record)
{
    __builtin_prefetch((const char *)((uintptr_t)record->queue_id.p + ADDRESS_AT));
}

/* Takes the first of `n` records, and has what the later ones need fetched.  `many`: there are more
 * than are fetched ahead. */
BL_ALWAYS_INLINE void take_next(struct bl_join *join, const bl_record *record, size_t n, bool many,
                                uint32_t *guess)
{
    uint32_t present = *guess;

    if (many || AHEAD_RECORD < n)
        prefetch_record(&record[AHEAD_RECORD]);
    if (many || AHEAD_TEXT < n)
        prefetch_text(&record[AHEAD_TEXT]);
    if (many || AHEAD_SLOT < n)
        bl_slots_prefetch(&join->slots, tag_of(record[AHEAD_SLOT].key));
    if (many || AHEAD_ENTRY < n)
        *guess = likely_entry(join, &record[AHEAD_ENTRY]);
    take(join, record, present);
}

_Static_assert(AHEAD_RECORD >= AHEAD_SLOT && AHEAD_SLOT >= AHEAD_TEXT && AHEAD_TEXT >= AHEAD_ENTRY,
               "the record is fetched first");

void bl_join_block(struct bl_join *join, const struct bl_block *block, bl_event_fn *fn, void *arg)
{
    const bl_record *record = block->records;
    uint32_t likely[AHEAD_ENTRY] = {0};
    size_t n = block->records_n, i = 0;

    join->fn = block->warm_up ? NULL : fn;
    join->arg = arg;
    for (size_t first = 0; first < n && first < AHEAD_SLOT; first++)
        bl_slots_prefetch(&join->slots, tag_of(record[first].key));
    for (; i + AHEAD_RECORD < n; i++)
        take_next(join, &record[i], n - i, true, &likely[i % AHEAD_ENTRY]);
    for (; i < n; i++)
        take_next(join, &record[i], n - i, false, &likely[i % AHEAD_ENTRY]);
}

struct bl_join_stats bl_join_stats(const struct bl_join *join)
{
    struct bl_join_stats stats = join->stats;

    stats.live = join->live.n;
    return stats;
}

/* Thing by thing: costs what is in it, not what would fit. */
void bl_join_clear(struct bl_join *join)
{
    while (join->dead.oldest)
        forget_entry(join, join->dead.oldest);
    while (join->live.oldest)
        forget_entry(join, join->live.oldest);
    forget_all(join);
}

/* --- rules --- */

void bl_join_set_rules(struct bl_join *join, const struct bl_rules *rules)
{
    use_rules(join, rules);
    for (uint32_t ref = join->live.oldest; ref; ref = join->links[ref].newer)
        for (uint32_t d = entry_at(join, ref)->first; d; d = join->cells[d].deferral.newer)
            classify_again(join, &join->cells[d].deferral);
}
