/* records.h -- address records compared field by field, and filled from a stream of bytes */
#ifndef BL_TEST_RECORDS_H
#define BL_TEST_RECORDS_H

#include "bounceline/address.h"

static inline bool failure_eq(const struct bl_address_failure *a,
                              const struct bl_address_failure *b)
{
    return a->time_ms == b->time_ms && a->code == b->code &&
           bl_status_eq(a->enhanced, b->enhanced) && strcmp(a->category, b->category) == 0 &&
           strcmp(a->host, b->host) == 0 && strcmp(a->queue_id, b->queue_id) == 0 &&
           strcmp(a->message_id, b->message_id) == 0 && strcmp(a->sender, b->sender) == 0;
}

static inline bool record_eq(const struct bl_address_record *a, const struct bl_address_record *b)
{
    if (a->version != b->version || a->state != b->state || a->probation != b->probation ||
        a->soft != b->soft || a->strikes != b->strikes || a->first_ms != b->first_ms ||
        a->last_ms != b->last_ms || a->since_ms != b->since_ms || a->until_ms != b->until_ms ||
        a->last_strike_ms != b->last_strike_ms || a->delivered_ms != b->delivered_ms ||
        a->code != b->code || !bl_status_eq(a->enhanced, b->enhanced) ||
        a->soft_days != b->soft_days || a->failures != b->failures)
        return false;
    if (strcmp(a->category, b->category) != 0 || strcmp(a->rule, b->rule) != 0 ||
        strcmp(a->reply, b->reply) != 0 || strcmp(a->actor, b->actor) != 0 ||
        strcmp(a->note, b->note) != 0)
        return false;
    for (size_t i = 0; i < a->soft_days; i++)
        if (a->soft_day[i] != b->soft_day[i])
            return false;
    for (size_t i = 0; i < a->failures; i++)
        if (!failure_eq(&a->failure[i], &b->failure[i]))
            return false;
    return true;
}

/* Bytes to make records of; zeros when they run out. */
struct byte_source {
    const unsigned char *p;
    size_t n;
};

static inline unsigned source_byte(struct byte_source *in)
{
    if (in->n == 0)
        return 0;
    in->n--;
    return *in->p++;
}

static inline uint64_t source_number(struct byte_source *in, unsigned bytes)
{
    uint64_t value = 0;

    while (bytes--)
        value = value << 8 | source_byte(in);
    return value;
}

static inline int64_t source_time(struct byte_source *in)
{
    return (int64_t)(source_number(in, 6) % 253402300800000u);
}

static inline bl_status source_status(struct byte_source *in)
{
    bl_status s = {(uint16_t)source_number(in, 1), (uint16_t)source_number(in, 2),
                   (uint16_t)source_number(in, 2)};

    return s.class_ ? s : (bl_status){0};
}

/* A length, then as many bytes; a length of 255 means a kilobyte of the next one. */
static inline void source_text(struct byte_source *in, char *field, size_t cap)
{
    char text[1024];
    size_t n = source_byte(in);
    bool same = n == 255;
    char byte = same ? (char)source_byte(in) : 0;

    n = same ? sizeof text : n;
    for (size_t i = 0; i < n; i++)
        text[i] = same ? byte : (char)source_byte(in);
    bl_address_set(field, cap, (bl_slice){text, n});
}

static inline void source_failure(struct byte_source *in, struct bl_address_failure *f)
{
    f->time_ms = source_time(in);
    f->code = (uint16_t)source_number(in, 2);
    f->enhanced = source_status(in);
    source_text(in, f->category, sizeof f->category);
    source_text(in, f->host, sizeof f->host);
    source_text(in, f->queue_id, sizeof f->queue_id);
    source_text(in, f->message_id, sizeof f->message_id);
    source_text(in, f->sender, sizeof f->sender);
}

static inline void source_record(struct byte_source *in, struct bl_address_record *r)
{
    *r = (struct bl_address_record){0};
    r->version = source_number(in, 8);
    r->state = (enum bl_address_state)(source_byte(in) % BL_ADDRESS_STATES);
    r->probation = source_byte(in) & 1;
    r->soft = source_byte(in) & 1;
    r->strikes = (uint32_t)source_number(in, 4);
    r->first_ms = source_time(in);
    r->last_ms = source_time(in);
    r->since_ms = source_time(in);
    r->until_ms = source_time(in);
    r->last_strike_ms = source_time(in);
    r->delivered_ms = source_time(in);
    r->code = (uint16_t)source_number(in, 2);
    r->enhanced = source_status(in);
    source_text(in, r->category, sizeof r->category);
    source_text(in, r->rule, sizeof r->rule);
    source_text(in, r->reply, sizeof r->reply);
    source_text(in, r->actor, sizeof r->actor);
    source_text(in, r->note, sizeof r->note);
    r->soft_days = source_byte(in) % (BL_ADDRESS_SOFT_DAYS + 1);
    for (size_t i = 0; i < r->soft_days; i++)
        r->soft_day[i] = (i ? r->soft_day[i - 1] + 1 : 0) + (uint32_t)source_number(in, 3);
    r->failures = source_byte(in) % (BL_ADDRESS_FAILURES + 1);
    for (size_t i = 0; i < r->failures; i++)
        source_failure(in, &r->failure[i]);
}

#endif
