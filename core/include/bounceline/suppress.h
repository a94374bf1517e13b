/* suppress.h -- when an address may no longer be mailed
 *
 * The only place where an address changes state.  Pure: the time is an argument.
 *
 * Shapes     events as below; order is the order in the log
 * Units      *_ms: milliseconds since 1970 UTC or a duration, as named
 * Ownership  the caller's record is changed in place; slices are copied into it, cut to its caps
 * Threads    pure
 * Errors     none
 * Source     DESIGN 6; the profiles' numbers: notes on suppression policy
 */
#ifndef BOUNCELINE_SUPPRESS_H
#define BOUNCELINE_SUPPRESS_H

#include "bounceline/address.h"
#include "bounceline/classify.h"

enum bl_address_event_kind {
    BL_ADDRESS_FAILED,    /* a final bounce whose action is suppress or soft */
    BL_ADDRESS_DELIVERED, /* a real delivery */
    BL_ADDRESS_ADD,       /* by hand */
    BL_ADDRESS_REMOVE     /* by hand */
};

typedef struct bl_address_event {
    enum bl_address_event_kind kind;
    enum bl_action action; /* FAILED */
    int64_t time_ms;
    uint16_t code;
    bl_status enhanced;
    uint64_t hash;    /* bl_address_hash(address) */
    bl_slice address; /* normalised */
    bl_slice category, rule, reply, host, queue_id, message_id, sender; /* FAILED */
    bl_slice actor, note;                                               /* ADD, REMOVE */
} bl_address_event;

struct bl_suppress_policy {
    bool observe;             /* record everything, never give a verdict */
    int64_t first_ms;         /* first strike: 7 days */
    int64_t second_ms;        /* second strike: 90 days; doubled at each further one */
    int64_t max_ms;           /* 720 days */
    int64_t strike_gap_ms;    /* strikes closer than this are one: 24 h */
    int64_t strike_memory_ms; /* strikes older than this are forgotten: 365 days */
    uint32_t soft_days;       /* distinct days: 5; at most BL_ADDRESS_SOFT_DAYS */
    int64_t soft_window_ms;   /* within: 30 days */
    int64_t soft_spread_ms;   /* from first to last at least: 7 days */
    int64_t soft_ms;          /* then suppressed for: 30 days */
};

extern const struct bl_suppress_policy bl_suppress_balanced, bl_suppress_esp, bl_suppress_observe;

/* What happened to the address; for the change stream and for people. */
enum bl_change {
    BL_CHANGE_NONE,     /* the record did not change at all: nothing to write */
    BL_CHANGE_NOTED,    /* history, strikes or counters moved; the verdict did not */
    BL_CHANGE_SUPPRESS, /* now suppressed */
    BL_CHANGE_EXTEND,   /* suppressed for longer */
    BL_CHANGE_CLEAR,    /* delivered: may be mailed again */
    BL_CHANGE_ADD,      /* by hand */
    BL_CHANGE_REMOVE    /* by hand */
};

const char *bl_change_name(enum bl_change change);

/* Applies one event.  `record` of version 0 is an address without history.  Does not touch
 * `version`. A time ahead of now_ms is taken as now_ms. */
enum bl_change bl_suppress_apply(struct bl_address_record *record, const bl_address_event *event,
                                 const struct bl_suppress_policy *policy, int64_t now_ms);

/* Lets time pass: an ended suppression becomes clean.  True when something changed. */
bool bl_suppress_expire(struct bl_address_record *record, int64_t now_ms);

/* When the record may be forgotten altogether; 0: never (manual, complaint, exempt). */
int64_t bl_suppress_forget_ms(const struct bl_address_record *record,
                              const struct bl_suppress_policy *policy);

#endif
