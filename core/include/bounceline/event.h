/* event.h -- one result for one recipient
 *
 * What the join makes of records: everything known about one recipient's outcome.  The fields are
 * those of `scan --events`.
 *
 * Shapes     empty slices are absent, but for `sender` with has_sender (then: the null sender)
 * Units      time_us: microseconds since 1970 UTC; delay_ms: milliseconds, -1 if absent
 * Ownership  slices are valid during the call that hands the event over
 * Threads    values
 * Errors     -
 * Source     DESIGN 5 and 11
 */
#ifndef BOUNCELINE_EVENT_H
#define BOUNCELINE_EVENT_H

#include "bounceline/record.h"

/* What events show of a message besides its sender.  Lines that tell nothing else need not be
 * read, and nothing of them is kept: what is shown is chosen where a worker and a join are made. */
enum bl_shown {
    BL_SHOWS_MESSAGE_IDS = 1,
    BL_SHOWS_CLIENTS = 2, /* and sasl users */
    BL_SHOWS_ALL = 3
};

typedef struct bl_event {
    int64_t time_us;
    enum bl_mta mta;
    enum bl_outcome outcome;
    bool attempt; /* false: nothing was tried */
    bool retried; /* the last result known of this recipient and queue id was deferred */
    bool has_sender;
    bool failed;         /* verdict is set */
    bool known;          /* the queue id is live: another line told of this message before */
    uint8_t sending_gap; /* bl_sending_ip(relay_ip, it) is ours, when the line tells it */
    enum bl_phase phase;
    uint16_t code;
    uint16_t provider;
    bl_status enhanced;
    bl_verdict verdict;
    int32_t delay_ms;
    bl_slice host, service, instance; /* "postfix-out" of "postfix-out/smtp" */
    bl_slice queue_id, sender, message_id, client, sasl_user;
    bl_slice recipient, orig_recipient, relay_host, relay_ip, reply;
} bl_event;

/* Receives events in order. */
typedef void bl_event_fn(void *arg, const bl_event *event);

/* The part behind the last '@', or empty.  Case is kept. */
bl_slice bl_address_domain(bl_slice address);

#endif
