/* join_pending.h -- lines that cannot be understood before another one has come
 *
 *   pieces   syslog is given at most 870 bytes at once, so Exim hands it a long record in pieces,
 *            `[1/3] `, `[2/3] `, `[3/3] `; lines of other processes stand between them
 *   held     a cut-through delivery (`>>`) is logged before the arrival that tells the sender
 *
 * Few are pending at any time: those of the processes that are just writing.  So they stand in a
 * short list by age; the oldest gives way, a piece counted as dropped, a delivery told without its
 * sender.
 *
 * Private to join.c and join_image.c. */
#ifndef BL_JOIN_PENDING_H
#define BL_JOIN_PENDING_H

#include "join_parts.h"

static inline size_t pending_find(const struct bl_join *join, const bl_record *record)
{
    size_t i = 0;

    while (i < join->pending_n &&
           !(join->pending[i]->key == record->key && join->pending[i]->key2 == record->key2))
        i++;
    return i;
}

static inline void pending_drop(struct bl_join *join, size_t i)
{
    struct pending *free = join->pending[i];

    join->pending_n--;
    memmove(&join->pending[i], &join->pending[i + 1],
            (join->pending_n - i) * sizeof join->pending[0]);
    join->pending[join->pending_n] = free;
}

/* There is room for one more: the caller has made it.  The text begins with host and program. */
static inline struct pending *pending_add(struct bl_join *join, const bl_record *record)
{
    struct pending *p = join->pending[join->pending_n];

    if (record->host.n + record->service.n + record->text.n > PENDING_BYTES ||
        record->host.n > UINT16_MAX || record->service.n > UINT16_MAX)
        return NULL;
    join->pending_n++;
    p->key = record->key;
    p->key2 = record->key2;
    p->time_us = record->time_us;
    p->host_n = (uint16_t)record->host.n;
    p->program_n = (uint16_t)record->service.n;
    p->next = 1;
    p->of = record->kind == BL_RECORD_PIECE ? (uint16_t)record->delay_ms : 0;
    p->n = 0;
    memcpy(p->text, record->host.p, record->host.n);
    memcpy(p->text + record->host.n, record->service.p, record->service.n);
    p->n = (uint32_t)(record->host.n + record->service.n);
    return p;
}

static inline bool pending_append(struct pending *p, bl_slice text)
{
    if (text.n > PENDING_BYTES - p->n)
        return false;
    memcpy(p->text + p->n, text.p, text.n);
    p->n += (uint32_t)text.n;
    p->next++;
    return true;
}

static inline bool pending_is_piece(const struct pending *p)
{
    return p->of != 0;
}

#endif
