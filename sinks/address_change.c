#include "address_change.h"

#include <hiredis/hiredis.h>
#include <inttypes.h>
#include <stdio.h>

#include "redis_conn.h"
#include "scripts.h"

enum {
    TRIES = 20,
    FEED_TEXT_MAX = 200,
    /* the numbers are shorter than words */
    DETAIL_MAX = 5 * BL_ADDRESS_WORD_MAX + BL_REDIS_NODE_MAX + FEED_TEXT_MAX
};

enum bl_code bl_address_change_read(bl_slice text, struct bl_address_record *out, bl_err *err)
{
    if (text.n)
        return bl_address_parse(text, out, err);
    *out = (struct bl_address_record){0};
    return BL_OK;
}

static bool blocks(const struct bl_address_record *record, int64_t now_ms)
{
    return bl_address_state_blocks(record->state) &&
           (record->until_ms == 0 || record->until_ms > now_ms);
}

size_t bl_address_change_verdict(const struct bl_address_record *record, int64_t now_ms,
                                 char out[BL_ADDRESS_VERDICT_MAX])
{
    const char *kind = "-";
    int n;

    out[0] = '\0';
    if (!blocks(record, now_ms))
        return 0;
    if (record->state == BL_ADDRESS_SUPPRESSED)
        kind = record->soft ? "soft" : "hard";
    n = snprintf(out, BL_ADDRESS_VERDICT_MAX, "%s %s %s %" PRId64 " %" PRId64 " %" PRIu32,
                 bl_address_state_name(record->state), kind,
                 record->category[0] ? record->category : "-", record->since_ms, record->until_ms,
                 record->strikes);
    return (size_t)n < BL_ADDRESS_VERDICT_MAX ? (size_t)n : BL_ADDRESS_VERDICT_MAX - 1;
}

/* ---- lists for address.lua ---- */

void bl_address_changes_begin(struct bl_address_changes *changes)
{
    changes->rows = 0;
    for (size_t i = 0; i < BL_ADDRESS_LISTS; i++) {
        bl_pack_clear(&changes->list[i].pack);
        changes->list[i].head = bl_pack_array_begin(&changes->list[i].pack);
        changes->list[i].n = 0;
    }
}

bool bl_address_changes_end(struct bl_address_changes *changes)
{
    bool failed = false;

    for (size_t i = 0; i < BL_ADDRESS_LISTS; i++) {
        bl_pack_array_end(&changes->list[i].pack, changes->list[i].head, changes->list[i].n);
        failed |= changes->list[i].pack.failed;
    }
    return !failed;
}

uint64_t bl_address_changes_raise(const struct bl_address_changes *changes)
{
    return changes->list[BL_ADDRESS_FRESH].n || changes->list[BL_ADDRESS_KNOWN].n ||
           changes->list[BL_ADDRESS_FORGOTTEN].n;
}

void bl_address_changes_arguments(const struct bl_address_changes *changes,
                                  bl_slice argv[BL_ADDRESS_LISTS])
{
    for (size_t i = 0; i < BL_ADDRESS_LISTS; i++)
        argv[i] = bl_pack_slice(&changes->list[i].pack);
}

void bl_address_changes_release(struct bl_address_changes *changes)
{
    for (size_t i = 0; i < BL_ADDRESS_LISTS; i++)
        bl_pack_release(&changes->list[i].pack);
}

/* The pack of a list that gets `more` elements. */
static struct bl_pack *grow(struct bl_address_changes *changes, enum bl_address_list list,
                            size_t more)
{
    changes->list[list].n += more;
    return &changes->list[list].pack;
}

static void pack_text(struct bl_pack *pack, const char *text)
{
    bl_pack_text(pack, (bl_slice){text, strlen(text)});
}

/* Where it stands in the index: when a verdict ends, or, negative, when the record will be
 * forgotten. */
static void add_place(struct bl_address_changes *changes, bl_slice address,
                      const struct bl_address_record *record, int64_t forget_ms, int64_t now_ms)
{
    struct bl_pack *pack = grow(changes, BL_ADDRESS_PLACES, 2);

    if (!blocks(record, now_ms)) {
        if (forget_ms == 0)
            pack_text(pack, "-inf");
        else
            bl_pack_decimal(pack, -forget_ms);
    } else if (record->until_ms == 0) {
        pack_text(pack, "+inf");
    } else {
        bl_pack_decimal(pack, record->until_ms);
    }
    bl_pack_text(pack, address);
}

/* Appends a field behind a TAB; what would end it becomes '?'. */
static char *put_field(char *to, const char *text)
{
    *to++ = '\t';
    for (; *text; text++)
        *to++ = (unsigned char)*text < 0x20 ? '?' : *text;
    return to;
}

static char *put_ms(char *to, int64_t ms)
{
    char digits[24];

    snprintf(digits, sizeof digits, "%" PRId64, ms);
    return put_field(to, digits);
}

/* What the feed says besides address and change, in one text, for an argument costs Redis more than
 * its bytes; feed.h has the fields.  The last one is the reply behind a verdict or a person's note,
 * and may hold anything. */
static size_t put_detail(const struct bl_address_record *r, const char *node, enum bl_change change,
                         int64_t ends_ms, char out[DETAIL_MAX])
{
    bool verdict = change == BL_CHANGE_SUPPRESS || change == BL_CHANGE_EXTEND;
    bool by_hand = change == BL_CHANGE_ADD || change == BL_CHANGE_REMOVE;
    const char *text = verdict ? r->reply : by_hand ? r->note : "";
    bl_slice last = bl_slice_head((bl_slice){text, strlen(text)}, FEED_TEXT_MAX);
    char *to = out + snprintf(out, DETAIL_MAX, "%" PRIu64, r->version);

    to = put_field(to, bl_address_state_name(r->state));
    to = put_field(to, r->category);
    to = put_ms(to, ends_ms);
    to = put_ms(to, verdict ? r->last_ms : r->since_ms);
    to = put_field(to, node);
    to = put_field(to, verdict ? r->rule : "");
    to = put_field(to, verdict ? r->failure[0].host : by_hand ? r->actor : "");
    *to++ = '\t';
    memcpy(to, last.p, last.n);
    return (size_t)(to - out) + last.n;
}

static void add_entry(struct bl_address_changes *changes, const struct bl_redis_keys *keys,
                      bl_slice address, const struct bl_address_record *record,
                      enum bl_change change, int64_t ends_ms)
{
    struct bl_pack *pack = grow(changes, BL_ADDRESS_ENTRIES, 3);
    char detail[DETAIL_MAX];

    bl_pack_text(pack, address);
    pack_text(pack, bl_change_name(change));
    bl_pack_text(pack, (bl_slice){detail, put_detail(record, keys->node, change, ends_ms, detail)});
}

static void add_verdict(struct bl_address_changes *changes, const bl_redis_key *key,
                        bl_slice verdict, int64_t ends_ms)
{
    struct bl_pack *pack =
        grow(changes, verdict.n ? BL_ADDRESS_BLOCKED : BL_ADDRESS_OPEN, verdict.n ? 3 : 1);

    bl_pack_text(pack, bl_redis_key_slice(key));
    if (verdict.n == 0)
        return;
    bl_pack_text(pack, verdict);
    bl_pack_decimal(pack, ends_ms);
}

/* The record itself; no text when it is past keeping. */
static struct bl_address_text_at add_record(struct bl_address_changes *changes,
                                            const bl_redis_key *key, bl_slice address,
                                            struct bl_address_record *record, int64_t forget_ms,
                                            int64_t now_ms)
{
    struct bl_pack *pack = grow(changes, BL_ADDRESS_VERSIONS, 2);
    enum bl_address_list list = record->version == 0 ? BL_ADDRESS_FRESH : BL_ADDRESS_KNOWN;
    char text[BL_ADDRESS_TEXT_MAX];
    size_t n, end;

    bl_pack_text(pack, bl_redis_key_slice(key));
    bl_pack_decimal(pack, (int64_t)record->version);
    record->version++;
    if (forget_ms != 0 && forget_ms <= now_ms) {
        if (list == BL_ADDRESS_KNOWN) {
            pack = grow(changes, BL_ADDRESS_FORGOTTEN, 2);
            bl_pack_text(pack, bl_redis_key_slice(key));
            bl_pack_text(pack, address);
        }
        return (struct bl_address_text_at){0};
    }
    pack = grow(changes, list, 3);
    bl_pack_text(pack, bl_redis_key_slice(key));
    n = bl_address_text(record, text);
    bl_pack_text(pack, (bl_slice){text, n});
    end = pack->n;
    bl_pack_decimal(pack, forget_ms);
    return (struct bl_address_text_at){pack, end - n, n};
}

struct bl_address_text_at bl_address_changes_add(struct bl_address_changes *changes,
                                                 const struct bl_redis_keys *keys, bl_slice address,
                                                 struct bl_address_record *record,
                                                 enum bl_change change,
                                                 const struct bl_suppress_policy *policy,
                                                 int64_t now_ms)
{
    struct bl_address_text_at text;
    bl_redis_key record_key = bl_redis_key_address(keys, 'a', address);
    bl_redis_key verdict_key = bl_redis_key_address(keys, 's', address);
    char verdict[BL_ADDRESS_VERDICT_MAX];
    int64_t forget_ms = bl_suppress_forget_ms(record, policy);
    size_t verdict_n = bl_address_change_verdict(record, now_ms, verdict);
    int64_t ends_ms = verdict_n ? record->until_ms : 0;
    bool is_new = record->version == 0;

    changes->rows++;
    text = add_record(changes, &record_key, address, record, forget_ms, now_ms);
    if (text.n)
        add_place(changes, address, record, forget_ms, now_ms);
    add_verdict(changes, &verdict_key, (bl_slice){verdict, verdict_n}, ends_ms);
    /* Other hosts learn from the feed which addresses have a record, whose deliveries are to be
     * told. */
    if ((is_new && text.n) || (change != BL_CHANGE_NONE && change != BL_CHANGE_NOTED))
        add_entry(changes, keys, address, record, change, ends_ms);
    return text;
}

/* ---- by hand ---- */

static enum bl_code refuse(const redisReply *reply, const bl_redis_key *key, bl_err *err)
{
    char text[160];

    bl_resp_plain((bl_slice){reply->str ? reply->str : "", reply->str ? reply->len : 0}, text,
                  sizeof text);
    return bl_fail(err, BL_UNAVAILABLE, 0, "Redis refuses %.60s: %s", key->text, text);
}

static enum bl_code read_record(struct bl_redis_conn *conn, const bl_redis_key *key,
                                struct bl_address_record *record, bl_err *err)
{
    redisReply *reply = NULL;
    enum bl_code rc = bl_redis_call(conn, 2, (const char *[]){"GET", key->text},
                                    (size_t[]){3, key->n}, &reply, err);

    if (rc != BL_OK)
        return rc;
    if (reply->type == REDIS_REPLY_NIL)
        rc = bl_address_change_read((bl_slice){0}, record, err);
    else if (reply->type == REDIS_REPLY_STRING)
        rc = bl_address_change_read((bl_slice){reply->str, reply->len}, record, err);
    else
        rc = refuse(reply, key, err);
    freeReplyObject(reply);
    return rc;
}

/* BL_CONFLICT: somebody else wrote first. */
static enum bl_code write_record(struct bl_redis_conn *conn, const struct bl_redis_keys *keys,
                                 const bl_redis_key *key, const struct bl_address_changes *changes,
                                 bl_slice address, bl_err *err)
{
    enum { FIXED = 11 };
    bl_redis_key pos =
        bl_redis_key_partition(keys, bl_address_partition(address, keys->partitions), "pos");
    static const char no_ranges[] = {(char)0x90};
    bl_slice args[FIXED + BL_ADDRESS_LISTS] = {BL_SLICE("EVAL"),
                                               bl_script_address,
                                               BL_SLICE("1"),
                                               bl_redis_key_slice(&pos),
                                               {keys->node, strlen(keys->node)},
                                               BL_SLICE(""),
                                               BL_SLICE(""),
                                               BL_SLICE("0"),
                                               BL_SLICE("1"),
                                               {no_ranges, sizeof no_ranges},
                                               BL_SLICE("")};
    const char *argv[BL_COUNT(args)];
    size_t argn[BL_COUNT(args)];
    redisReply *reply = NULL;
    enum bl_code rc;

    bl_address_changes_arguments(changes, args + FIXED);
    for (size_t i = 0; i < BL_COUNT(args); i++) {
        argv[i] = args[i].p;
        argn[i] = args[i].n;
    }
    rc = bl_redis_call(conn, (int)BL_COUNT(args), argv, argn, &reply, err);
    if (rc != BL_OK)
        return rc;
    if (reply->type != REDIS_REPLY_ARRAY || reply->elements == 0 || !reply->element[0]->str)
        rc = refuse(reply, key, err);
    else if (strcmp(reply->element[0]->str, "OK") != 0)
        rc = BL_CONFLICT;
    freeReplyObject(reply);
    return rc;
}

enum bl_code bl_address_change_now(struct bl_redis_conn *conn, const struct bl_redis_keys *keys,
                                   const bl_address_event *event,
                                   const struct bl_suppress_policy *policy, int64_t now_ms,
                                   struct bl_address_record *record, enum bl_change *change,
                                   bl_err *err)
{
    bl_redis_key key = bl_redis_key_address(keys, 'a', event->address);
    struct bl_address_changes changes = {0};
    enum bl_code rc = BL_CONFLICT;

    for (int i = 0; i < TRIES && rc == BL_CONFLICT; i++) {
        rc = read_record(conn, &key, record, err);
        if (rc != BL_OK)
            break;
        *change = bl_suppress_apply(record, event, policy, now_ms);
        if (*change == BL_CHANGE_NONE)
            break;
        bl_address_changes_begin(&changes);
        bl_address_changes_add(&changes, keys, event->address, record, *change, policy, now_ms);
        rc = bl_address_changes_end(&changes)
                 ? write_record(conn, keys, &key, &changes, event->address, err)
                 : bl_fail(err, BL_NO_MEMORY, 0, "no memory for a record");
        if (rc == BL_CONFLICT)
            bl_fail(err, rc, 0, "%.200s is being changed by others all the time", key.text);
    }
    bl_address_changes_release(&changes);
    return rc;
}
