/* join_stream.h -- random streams of records over few ids, so that everything happens to each of
 * them */
#ifndef BL_TEST_JOIN_STREAM_H
#define BL_TEST_JOIN_STREAM_H

#include "join_records.h"

static inline uint64_t stream_random(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state >> 11;
}

/* One of `n` texts, a few of them long: the texts are slices of one pattern, so they may share
 * beginnings. */
static inline bl_slice stream_text(uint64_t *state, size_t n, size_t most)
{
    static char pattern[4096];
    size_t which = stream_random(state) % n;

    if (pattern[0] == '\0')
        for (size_t i = 0; i < sizeof pattern; i++)
            pattern[i] = (char)('a' + i * 7 % 26);
    if (which == 0)
        return (bl_slice){0};
    return (bl_slice){pattern + which, which * which * 131 % (which % 3 ? 50 : most)};
}

/* `ids` is how many queue ids there are; few of them, and each is used again and again. */
static inline bl_record stream_record(uint64_t *state, size_t ids)
{
    static const enum bl_record_kind kinds[16] = {
        BL_RECORD_OPEN,     BL_RECORD_MESSAGE_ID, BL_RECORD_MESSAGE_ID, BL_RECORD_QUEUED,
        BL_RECORD_QUEUED,   BL_RECORD_ARRIVAL,    BL_RECORD_DELIVERY,   BL_RECORD_DELIVERY,
        BL_RECORD_DELIVERY, BL_RECORD_DELIVERY,   BL_RECORD_DELIVERY,   BL_RECORD_DELIVERY,
        BL_RECORD_EXPIRED,  BL_RECORD_REMOVED,    BL_RECORD_REMOVED,    BL_RECORD_REJECT};
    static const enum bl_outcome outcomes[8] = {BL_DELIVERED, BL_DEFERRED, BL_DEFERRED,
                                                BL_DEFERRED,  BL_EXPIRED,  BL_BOUNCED,
                                                BL_RELAYED,   BL_DISCARDED};
    static char names[64][8];
    size_t which = stream_random(state) % ids;
    bl_record record;

    snprintf(names[which], sizeof names[which], "Q%zu", which);
    record = record_of(kinds[stream_random(state) % 16], names[which]);
    record.time_us = (int64_t)(stream_random(state) % 1000);
    record.delay_ms = (int32_t)(stream_random(state) % 100) - 1;
    record.flags = (uint8_t)(stream_random(state) % 8 == 0 ? BL_RECORD_NO_ATTEMPT : 0);
    record.outcome = (uint8_t)outcomes[stream_random(state) % 8];
    record.text = stream_text(state, 9, 700);
    switch ((enum bl_record_kind)record.kind) {
    case BL_RECORD_QUEUED:
    case BL_RECORD_EXPIRED:
        record.flags |= BL_RECORD_HAS_SENDER;
        record.sender = stream_text(state, 6, 600);
        break;
    case BL_RECORD_OPEN:
        record.peer_host = stream_text(state, 5, 300);
        record.peer_ip = stream_text(state, 3, 40);
        if (stream_random(state) % 4 == 0) {
            record.flags |= BL_RECORD_HAS_SENDER;
            record.sender = stream_text(state, 3, 60);
        }
        break;
    case BL_RECORD_ARRIVAL:
        record.mta = BL_MTA_EXIM;
        record.flags |= BL_RECORD_HAS_SENDER;
        record.sender = stream_text(state, 6, 600);
        record.peer_host = stream_text(state, 3, 300);
        record.peer_ip = stream_text(state, 2, 40);
        record.orig_recipient = stream_text(state, 2, 60);
        break;
    case BL_RECORD_REJECT:
        if (stream_random(state) % 2) {
            record.flags |= BL_RECORD_ONE_SHOT | BL_RECORD_HAS_SENDER;
            record.sender = stream_text(state, 6, 600);
        }
        record.outcome = stream_random(state) % 3 ? BL_REJECTED : BL_DISCARDED;
        record.recipient = stream_text(state, 6, 100);
        record.peer_host = stream_text(state, 3, 60);
        break;
    case BL_RECORD_DELIVERY:
        if (stream_random(state) % 4 == 0) {
            record.flags |= BL_RECORD_HAS_SENDER;
            record.sender = stream_text(state, 3, 60);
        }
        record.recipient = stream_text(state, 8, 1200);
        record.orig_recipient = stream_text(state, 3, 60);
        record.peer_host = stream_text(state, 4, 300);
        record.peer_ip = stream_text(state, 3, 40);
        record.mta = stream_random(state) % 2 ? BL_MTA_EXIM : BL_MTA_POSTFIX;
        record.code = stream_random(state) % 2 ? (uint16_t)(400 + stream_random(state) % 200) : 0;
        record.enhanced = (bl_status){4, (uint16_t)(stream_random(state) % 8), 1};
        record.phase = (uint8_t)(stream_random(state) % BL_PHASES);
        record.provider = (uint16_t)(stream_random(state) % 3);
        record.verdict = (bl_verdict){.category = (uint16_t)(stream_random(state) % 5),
                                      .type = (uint8_t)(stream_random(state) % 3),
                                      .action = (uint8_t)(stream_random(state) % 3),
                                      .rule = (uint32_t)(stream_random(state) % 9),
                                      .match_at = (uint32_t)(stream_random(state) % 300),
                                      .match_n = (uint32_t)(stream_random(state) % 30)};
        break;
    case BL_RECORD_MESSAGE_ID:
    case BL_RECORD_PIECE:
    case BL_RECORD_HELD:
    case BL_RECORD_REMOVED:
        break;
    }
    return record;
}

#endif
