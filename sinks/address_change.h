/* address_change.h -- a changed address record on its way into Redis
 *
 * What the daemon's commits and a person's `suppress add` and `remove` have in common: read the
 * record, apply events, write it by address.lua, which refuses when somebody else wrote in between.
 *
 * Shapes     address: normalised
 * Units      *_ms: milliseconds since 1970 UTC
 * Ownership  changes and keys are the caller's; arguments point into the changes
 * Threads    bl_address_change_now: the loop's
 * Errors     as said
 * Source     DESIGN 6, address.lua
 */
#ifndef BOUNCELINE_ADDRESS_CHANGE_H
#define BOUNCELINE_ADDRESS_CHANGE_H

#include "bounceline/suppress.h"
#include "pack.h"
#include "redis_keys.h"

struct bl_redis_conn;

/* Reads what GET gave for the record; an empty text is an address without history. */
enum bl_code bl_address_change_read(bl_slice text, struct bl_address_record *out, bl_err *err);

/* What address.lua does to records and to what follows from them, as its lists: arguments 8 to 15,
 * in order. */
enum bl_address_list {
    BL_ADDRESS_FRESH,
    BL_ADDRESS_KNOWN,
    BL_ADDRESS_FORGOTTEN,
    BL_ADDRESS_BLOCKED,
    BL_ADDRESS_OPEN,
    BL_ADDRESS_PLACES,
    BL_ADDRESS_ENTRIES,
    BL_ADDRESS_VERSIONS,
    BL_ADDRESS_LISTS
};

struct bl_address_changes {
    size_t rows; /* records */
    struct {
        struct bl_pack pack;
        size_t n, head;
    } list[BL_ADDRESS_LISTS];
};

/* Begin, add, end; then the arguments may be taken.  A struct of zeros is fine to begin with. */
void bl_address_changes_begin(struct bl_address_changes *changes);
void bl_address_changes_release(struct bl_address_changes *changes);

/* Where a record's text stands among the changes, until they begin anew; none: the record is
 * forgotten. */
struct bl_address_text_at {
    const struct bl_pack *pack;
    size_t at, n;
};

static inline bl_slice bl_address_text_slice(struct bl_address_text_at text)
{
    return text.n ? (bl_slice){text.pack->bytes + text.at, text.n} : (bl_slice){0};
}

/* Adds one record and raises its version.  `change`: the verdict's change, or NOTED. */
struct bl_address_text_at bl_address_changes_add(struct bl_address_changes *changes,
                                                 const struct bl_redis_keys *keys, bl_slice address,
                                                 struct bl_address_record *record,
                                                 enum bl_change change,
                                                 const struct bl_suppress_policy *policy,
                                                 int64_t now_ms);

/* By how much address.lua will raise the partition's `changes`. */
uint64_t bl_address_changes_raise(const struct bl_address_changes *changes);

/* False without memory, then or earlier. */
bool bl_address_changes_end(struct bl_address_changes *changes);
void bl_address_changes_arguments(const struct bl_address_changes *changes,
                                  bl_slice argv[BL_ADDRESS_LISTS]);

/* What `s:ADDRESS` holds: "STATE hard|soft|- CATEGORY SINCE_MS UNTIL_MS STRIKES".  Empty: may be
 * mailed. */
enum { BL_ADDRESS_VERDICT_MAX = 256 };
size_t bl_address_change_verdict(const struct bl_address_record *record, int64_t now_ms,
                                 char out[BL_ADDRESS_VERDICT_MAX]);

/* For command-line commands: applies one event (ADD or REMOVE) now; reads and folds again when
 * another writer was faster.  `record` and `change` tell what became of it.  BL_UNAVAILABLE when
 * Redis refuses or is not there, BL_CONFLICT after many tries, BL_BAD_INPUT when the stored record
 * cannot be read. */
enum bl_code bl_address_change_now(struct bl_redis_conn *conn, const struct bl_redis_keys *keys,
                                   const bl_address_event *event,
                                   const struct bl_suppress_policy *policy, int64_t now_ms,
                                   struct bl_address_record *record, enum bl_change *change,
                                   bl_err *err);

#endif
