/* join_records.h -- records by hand, and events as text, for tests of what comes behind the
 * parser */
#ifndef BL_TEST_JOIN_RECORDS_H
#define BL_TEST_JOIN_RECORDS_H

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "bounceline/block.h"
#include "bounceline/event.h"
#include "bounceline/hash.h"
#include "bounceline/rules.h"

static inline bl_slice text_slice(const char *text)
{
    return (bl_slice){text, strlen(text)};
}

/* A line of `id` by postfix/smtp on mta1; the caller sets what the kind needs. */
static inline bl_record record_of(enum bl_record_kind kind, const char *id)
{
    return (bl_record){
        .key = bl_hash64_seeded(text_slice(id), 1),
        .key2 = bl_hash64_seeded(text_slice(id), 2),
        .kind = (uint8_t)kind,
        .mta = BL_MTA_POSTFIX,
        .delay_ms = -1,
        .host = BL_SLICE("mta1"),
        .service = BL_SLICE("postfix/smtp"),
        .queue_id = text_slice(id),
    };
}

static inline bl_record open_record(const char *id, const char *host, const char *ip,
                                    const char *user)
{
    bl_record record = record_of(BL_RECORD_OPEN, id);

    record.peer_host = text_slice(host);
    record.peer_ip = text_slice(ip);
    record.text = text_slice(user);
    return record;
}

static inline bl_record message_id_record(const char *id, const char *message_id)
{
    bl_record record = record_of(BL_RECORD_MESSAGE_ID, id);

    record.text = text_slice(message_id);
    return record;
}

static inline bl_record queued_record(const char *id, const char *sender)
{
    bl_record record = record_of(BL_RECORD_QUEUED, id);

    record.sender = text_slice(sender);
    record.flags = BL_RECORD_HAS_SENDER;
    return record;
}

static inline bl_record delivery_record(const char *id, enum bl_outcome outcome,
                                        const char *recipient, uint16_t code, const char *reply)
{
    bl_record record = record_of(BL_RECORD_DELIVERY, id);

    record.outcome = (uint8_t)outcome;
    record.recipient = text_slice(recipient);
    record.code = code;
    record.text = text_slice(reply);
    record.peer_host = BL_SLICE("mx.example");
    record.peer_ip = BL_SLICE("192.0.2.9");
    record.delay_ms = 1500;
    return record;
}

static inline bl_record expired_record(const char *id, const char *sender)
{
    bl_record record = record_of(BL_RECORD_EXPIRED, id);

    record.service = BL_SLICE("postfix/qmgr");
    record.sender = text_slice(sender);
    record.flags = BL_RECORD_HAS_SENDER;
    return record;
}

/* Text that grows: what a run of the join said. */
struct journal {
    char *text;
    size_t n, cap, events;
};

__attribute__((format(printf, 2, 3))) static inline void journal_add(struct journal *journal,
                                                                     const char *format, ...)
{
    va_list args;
    int n;

    for (;;) {
        size_t room = journal->cap - journal->n;

        va_start(args, format);
        n = vsnprintf(journal->text ? journal->text + journal->n : NULL, room, format, args);
        va_end(args);
        if (n < 0)
            abort();
        if ((size_t)n < room)
            break;
        journal->cap = journal->cap * 2 + (size_t)n + 1;
        journal->text = realloc(journal->text, journal->cap);
        if (!journal->text)
            abort();
    }
    journal->n += (size_t)n;
}

static inline const char *journal_text(const struct journal *journal)
{
    return journal->text ? journal->text : "";
}

static inline void journal_clear(struct journal *journal)
{
    journal->n = 0;
    journal->events = 0;
    if (journal->text)
        journal->text[0] = '\0';
}

static inline void journal_release(struct journal *journal)
{
    free(journal->text);
    *journal = (struct journal){0};
}

#define TEXT(slice) (int)(slice).n, (slice).n ? (slice).p : ""

/* Everything an event says, one line. */
static inline void journal_event(void *arg, const bl_event *event)
{
    static const char *const outcomes[BL_OUTCOMES] = {"delivered", "relayed",  "deferred",
                                                      "bounced",   "expired",  "rejected",
                                                      "dropped",   "discarded"};
    struct journal *journal = arg;

    journal->events++;
    journal_add(journal, "%s %.*s to=%.*s", outcomes[event->outcome], TEXT(event->queue_id),
                TEXT(event->recipient));
    if (event->orig_recipient.n)
        journal_add(journal, " orig=%.*s", TEXT(event->orig_recipient));
    if (event->has_sender)
        journal_add(journal, " from=%.*s", TEXT(event->sender));
    if (event->message_id.n)
        journal_add(journal, " id=%.*s", TEXT(event->message_id));
    if (event->client.n)
        journal_add(journal, " client=%.*s", TEXT(event->client));
    if (event->sasl_user.n)
        journal_add(journal, " user=%.*s", TEXT(event->sasl_user));
    if (event->relay_host.n || event->relay_ip.n)
        journal_add(journal, " relay=%.*s[%.*s]", TEXT(event->relay_host), TEXT(event->relay_ip));
    if (event->code)
        journal_add(journal, " %u", event->code);
    if (event->enhanced.class_)
        journal_add(journal, " %u.%u.%u", event->enhanced.class_, event->enhanced.subject,
                    event->enhanced.detail);
    if (event->reply.n)
        journal_add(journal, " (%.*s)", TEXT(event->reply));
    if (event->failed)
        journal_add(journal, " category=%u/%u/%u rule=%u match=%u+%u", event->verdict.category,
                    event->verdict.type, event->verdict.action, event->verdict.rule,
                    event->verdict.match_at, event->verdict.match_n);
    journal_add(journal, " %.*s/%.*s/%.*s mta=%d phase=%d provider=%u delay=%d t=%lld%s",
                TEXT(event->host), TEXT(event->service), TEXT(event->instance), (int)event->mta,
                (int)event->phase, event->provider, (int)event->delay_ms, (long long)event->time_us,
                event->attempt ? "" : " no-attempt");
    if (event->retried)
        journal_add(journal, " retried");
    journal_add(journal, "\n");
}

#endif
