#include "address_change.h"

#include <hiredis/hiredis.h>
#include <inttypes.h>
#include <stdio.h>

#include "redis_conn.h"
#include "scripts.h"

enum { TRIES = 20, FEED_REPLY_MAX = 200 };

enum bl_code bl_address_change_read(bl_slice text, struct bl_address_record *out, bl_err *err)
{
    if (text.n)
        return bl_address_parse(text, out, err);
    *out = (struct bl_address_record){0};
    return BL_OK;
}

static bool blocks(const struct bl_address_record *record, int64_t now_ms)
{
    return bl_address_state_blocks(record->state) && (record->until_ms == 0 || record->until_ms > now_ms);
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
                 bl_address_state_name(record->state), kind, record->category[0] ? record->category : "-",
                 record->since_ms, record->until_ms, record->strikes);
    return (size_t)n < BL_ADDRESS_VERDICT_MAX ? (size_t)n : BL_ADDRESS_VERDICT_MAX - 1;
}

static void pack_text(struct bl_pack *pack, const char *text)
{
    bl_pack_text(pack, (bl_slice){text, strlen(text)});
}

static void pack_number(struct bl_pack *pack, const char *sign, int64_t value)
{
    char text[32];

    snprintf(text, sizeof text, "%s%" PRId64, sign, value);
    pack_text(pack, text);
}

/* The score in the index: when a verdict ends, or, negative, when the record will be forgotten. */
static void pack_score(struct bl_pack *pack, const struct bl_address_record *record, int64_t forget_ms,
                       int64_t now_ms)
{
    if (!blocks(record, now_ms)) {
        if (forget_ms == 0)
            pack_text(pack, "-inf");
        else
            pack_number(pack, "-", forget_ms);
    } else if (record->until_ms == 0) {
        pack_text(pack, "+inf");
    } else {
        pack_number(pack, "", record->until_ms);
    }
}

static void pack_pair(struct bl_pack *pack, const char *name, bl_slice value)
{
    pack_text(pack, name);
    bl_pack_text(pack, value);
}

/* What the feed says besides: when, by the log's clock, and why.  A person's name and note, or the reply
 * and the rule behind a verdict. */
static void pack_reason(struct bl_pack *pack, const struct bl_address_record *r, enum bl_change change)
{
    bool verdict = change == BL_CHANGE_SUPPRESS || change == BL_CHANGE_EXTEND;
    bool by_hand = change == BL_CHANGE_ADD || change == BL_CHANGE_REMOVE;
    bl_slice reply = bl_slice_head((bl_slice){r->reply, strlen(r->reply)}, FEED_REPLY_MAX);
    char number[32];

    bl_pack_array(pack, verdict ? 8 : by_hand ? 6 : 2);
    snprintf(number, sizeof number, "%" PRId64, verdict ? r->last_ms : r->since_ms);
    pack_pair(pack, "t", (bl_slice){number, strlen(number)});
    if (verdict) {
        pack_pair(pack, "r", (bl_slice){r->rule, strlen(r->rule)});
        pack_pair(pack, "w", reply);
        pack_pair(pack, "h", (bl_slice){r->failure[0].host, strlen(r->failure[0].host)});
    } else if (by_hand) {
        pack_pair(pack, "b", (bl_slice){r->actor, strlen(r->actor)});
        pack_pair(pack, "m", (bl_slice){r->note, strlen(r->note)});
    }
}

void bl_address_change_pack(struct bl_pack *records, bl_slice address, struct bl_address_record *record,
                            enum bl_change change, const struct bl_suppress_policy *policy, int64_t now_ms)
{
    char text[BL_ADDRESS_TEXT_MAX], verdict[BL_ADDRESS_VERDICT_MAX];
    int64_t forget_ms = bl_suppress_forget_ms(record, policy);
    bool forgotten = forget_ms != 0 && forget_ms <= now_ms;
    bool verdict_moved = change != BL_CHANGE_NONE && change != BL_CHANGE_NOTED;
    size_t verdict_n = bl_address_change_verdict(record, now_ms, verdict);

    bl_pack_array(records, 12);
    bl_pack_text(records, address);
    pack_number(records, "", (int64_t)record->version);
    record->version++;
    bl_pack_text(records, (bl_slice){text, forgotten ? 0 : bl_address_text(record, text)});
    pack_number(records, "", forget_ms);
    bl_pack_text(records, (bl_slice){verdict, verdict_n});
    pack_number(records, "", verdict_n ? record->until_ms : 0);
    pack_score(records, record, forget_ms, now_ms);
    pack_text(records, verdict_moved ? bl_change_name(change) : "");
    pack_number(records, "", (int64_t)record->version);
    pack_text(records, bl_address_state_name(record->state));
    pack_text(records, record->category);
    pack_reason(records, record, change);
}

/* ---- by hand ---- */

static enum bl_code refuse(const redisReply *reply, const bl_redis_key *key, bl_err *err)
{
    char text[160];

    bl_resp_plain((bl_slice){reply->str ? reply->str : "", reply->str ? reply->len : 0}, text, sizeof text);
    return bl_fail(err, BL_UNAVAILABLE, 0, "Redis refuses %.60s: %s", key->text, text);
}

static enum bl_code read_record(struct bl_redis_conn *conn, const bl_redis_key *key,
                                struct bl_address_record *record, bl_err *err)
{
    redisReply *reply = NULL;
    enum bl_code rc = bl_redis_call(conn, 2, (const char *[]){"GET", key->text}, (size_t[]){3, key->n}, &reply, err);

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
                                 const bl_redis_key *key, const struct bl_pack *records, bl_slice address,
                                 bl_err *err)
{
    bl_redis_key pos =
        bl_redis_key_partition(keys, bl_address_partition(address, keys->partitions), "pos");
    static const char no_ranges[] = {(char)0x90};
    const bl_slice args[] = {
        BL_SLICE("EVAL"), bl_script_address, BL_SLICE("1"), bl_redis_key_slice(&pos),
        {keys->node, strlen(keys->node)}, BL_SLICE(""), BL_SLICE(""), BL_SLICE("0"), BL_SLICE("1"),
        {no_ranges, sizeof no_ranges}, bl_pack_slice(records)};
    const char *argv[BL_COUNT(args)];
    size_t argn[BL_COUNT(args)];
    redisReply *reply = NULL;
    enum bl_code rc;

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
                                   const bl_address_event *event, const struct bl_suppress_policy *policy,
                                   int64_t now_ms, struct bl_address_record *record, enum bl_change *change,
                                   bl_err *err)
{
    bl_redis_key key = bl_redis_key_address(keys, 'a', event->address);
    struct bl_pack records = {0};
    enum bl_code rc = BL_CONFLICT;

    for (int i = 0; i < TRIES && rc == BL_CONFLICT; i++) {
        rc = read_record(conn, &key, record, err);
        if (rc != BL_OK)
            break;
        *change = bl_suppress_apply(record, event, policy, now_ms);
        if (*change == BL_CHANGE_NONE)
            break;
        bl_pack_clear(&records);
        bl_pack_array(&records, 1);
        bl_address_change_pack(&records, event->address, record, *change, policy, now_ms);
        rc = records.failed ? bl_fail(err, BL_NO_MEMORY, 0, "no memory for a record")
                            : write_record(conn, keys, &key, &records, event->address, err);
        if (rc == BL_CONFLICT)
            bl_fail(err, rc, 0, "%.200s is being changed by others all the time", key.text);
    }
    bl_pack_release(&records);
    return rc;
}
