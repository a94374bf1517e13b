/* record.h -- one log line that says something about mail
 *
 * What a worker makes of a line, before the join knows the rest.  One shape for every MTA.
 *
 * Shapes     slices may be empty; which ones are set depends on the kind
 * Units      time_us: microseconds since 1970 UTC; delay_ms: milliseconds, -1 if absent
 * Ownership  slices point into the block that holds the line
 * Threads    values
 * Errors     -
 * Source     core/parse/README.md
 */
#ifndef BOUNCELINE_RECORD_H
#define BOUNCELINE_RECORD_H

#include "bounceline/classify.h"

enum bl_mta { BL_MTA_POSTFIX = 1, BL_MTA_EXIM };

enum bl_outcome {
    BL_DELIVERED,
    /* handed on: loopback, content filter, smarthost, forwarded; no success for rates */
    BL_RELAYED,
    BL_DEFERRED,
    BL_BOUNCED,
    BL_EXPIRED,  /* given up after temporary failures */
    BL_REJECTED, /* refused at our own door */
    BL_DROPPED,  /* not tried, because suppressed */
    BL_DISCARDED,
    BL_OUTCOMES
};

const char *bl_outcome_name(enum bl_outcome outcome);

enum bl_record_kind {
    BL_RECORD_OPEN = 1,   /* a queue id begins: smtpd client=, pickup uid= */
    BL_RECORD_ARRIVAL,    /* Exim's <=: client, sender, message-id at once */
    BL_RECORD_MESSAGE_ID, /* cleanup message-id= */
    BL_RECORD_QUEUED,     /* qmgr from=, size=, nrcpt=: the sender; again at each retry */
    BL_RECORD_DELIVERY,   /* one recipient, one result */
    BL_RECORD_EXPIRED,    /* qmgr status=expired: every recipient still deferred is given up */
    BL_RECORD_REMOVED,    /* the queue id ends: removed, Completed */
    BL_RECORD_REJECT,     /* refused at our own door */
    BL_RECORD_PIECE,      /* a part of an Exim record that was too long for syslog */
    BL_RECORD_HELD /* a line of Exim's that comes before what it needs: cut-through delivery */
};

enum {
    BL_RECORD_HAS_SENDER = 1, /* `sender` was on the line; empty means the null sender */
    BL_RECORD_NO_ATTEMPT = 2, /* deferred without trying ("delivery temporarily suspended") */
    BL_RECORD_ONE_SHOT = 4,   /* a reject that names no live queue id; a piece */
    /* syslogd left out lines like it: this one stands for `repeats` of them */
    BL_RECORD_REPEATED = 8,
    BL_RECORD_LAST_PIECE = 16 /* the line ends with it */
};

enum {
    BL_REPEATS_MAX = 10000
}; /* of one line in a block; a syslogd says every few minutes how many there were */

typedef struct bl_record {
    uint64_t key, key2; /* 128-bit hash of host, instance and queue id: what the join looks up */
    int64_t time_us;
    uint8_t kind;    /* enum bl_record_kind */
    uint8_t mta;     /* enum bl_mta */
    uint8_t outcome; /* enum bl_outcome; DELIVERY and REJECT */
    uint8_t flags;
    uint8_t phase;       /* enum bl_phase */
    uint8_t sending_gap; /* Exim's I=: see bl_sending_ip */
    uint16_t code;       /* the reply's; 0 if absent */
    uint16_t provider;   /* bl_rules_provider(relay_host) */
    bl_status enhanced;  /* the reply's own, else the logged dsn=; absent on success is fine */
    int32_t delay_ms;
    bl_verdict verdict; /* failures only: deferred, bounced, rejected */
    uint32_t repeats;   /* set with BL_RECORD_REPEATED alone */

    bl_slice host, service, queue_id;
    /* DELIVERY; ARRIVAL and REJECT: orig_recipient is the sasl user */
    bl_slice recipient, orig_recipient;
    bl_slice sender; /* QUEUED, EXPIRED, REJECT, ARRIVAL, OPEN by pickup, DELIVERY with F= */
    bl_slice peer_host, peer_ip; /* DELIVERY: relay; OPEN, ARRIVAL and REJECT: client */
    /* PIECE: code is its number, delay_ms how many there are, queue_id the process that wrote it */
    bl_slice text; /* PIECE, HELD: the line; DELIVERY, REJECT: reply; MESSAGE_ID, ARRIVAL: the id;
                      OPEN: sasl user */
} bl_record;

/* Our own address, which stands behind the peer's in the line: so many bytes behind it, up to a
 * `]`; 0 if absent. */
static inline bl_slice bl_sending_ip(bl_slice peer_ip, uint8_t gap)
{
    bl_slice ip = {gap ? peer_ip.p + peer_ip.n + gap : NULL, 0};

    while (gap && ip.p[ip.n] != ']')
        ip.n++;
    return ip;
}

/* A host that is not the recipient's did not resolve: a relay of ours, mistyped.  That is nobody's
 * to be suppressed for; the verdict's action becomes none.  For failures, when they are
 * classified. */
void bl_record_spare(bl_record *record);

/* The key of a queue id: instances on one host share the log, hosts share the log server.  The seed
 * is worth keeping from line to line. */
uint64_t bl_record_seed(bl_slice host, bl_slice instance);

/* For queue ids that no MTA makes. */
void bl_record_set_long_key(bl_record *record, uint64_t seed);

/* The two halves of a 128-bit product, one over the other. */
static inline uint64_t bl_record_fold(uint64_t a, uint64_t b)
{
    unsigned __int128 product = (unsigned __int128)a * b;

    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

/* From record->queue_id.  Every record that matters has one, of 8 to 24 bytes nearly always: they
 * are two or three words that may overlap, and its length. */
BL_ALWAYS_INLINE void bl_record_set_key(bl_record *record, uint64_t seed)
{
    const char *p = record->queue_id.p;
    size_t n = record->queue_id.n;
    uint64_t first, last, middle = 0;

    if (n < 8 || n > 24) {
        bl_record_set_long_key(record, seed);
        return;
    }
    memcpy(&first, p, 8);
    memcpy(&last, p + n - 8, 8);
    if (n > 16) {
        memcpy(&middle, p + 8, 8);
        middle *= 0x9e3779b185ebca87;
        middle ^= middle >> 32;
    }
    first ^= seed ^ middle;
    last ^= n * 0x9fb21c651e98df25 ^ middle;
    record->key = bl_record_fold(first ^ 0x2d358dccaa6c78a5, last ^ 0x8bb84b93962eacc9);
    record->key2 = bl_record_fold(first ^ 0x4b33a62ed433d4a3, last ^ 0x4d5a2da51de1aa47);
}

#endif
