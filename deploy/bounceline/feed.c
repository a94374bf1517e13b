#include "feed.h"

#include <inttypes.h>
#include <stdio.h>

static bl_slice take_field(bl_slice *rest)
{
    bl_slice field = {0};

    bl_slice_take_field(rest, '\t', &field);
    return field;
}

static int64_t number_of(bl_slice field, int64_t otherwise)
{
    uint64_t number;

    return bl_slice_take_u64(&field, &number) && number <= INT64_MAX ? (int64_t)number : otherwise;
}

static bool is_change(bl_slice word, enum bl_change change)
{
    const char *name = bl_change_name(change);

    return bl_slice_eq(word, (bl_slice){name, strlen(name)});
}

/* As address_change.c writes it. */
static void read_detail(bl_slice detail, struct bl_feed_entry *entry)
{
    bool by_hand =
        is_change(entry->change, BL_CHANGE_ADD) || is_change(entry->change, BL_CHANGE_REMOVE);
    bl_slice by;

    entry->version = (uint64_t)number_of(take_field(&detail), 0);
    entry->state = take_field(&detail);
    entry->category = take_field(&detail);
    entry->until_ms = number_of(take_field(&detail), 0);
    entry->time_ms = number_of(take_field(&detail), entry->written_ms);
    entry->node = take_field(&detail);
    entry->rule = take_field(&detail);
    by = take_field(&detail);
    *(by_hand ? &entry->actor : &entry->host) = by;
    *(by_hand ? &entry->note : &entry->reply) = detail;
}

static struct bl_feed_entry read_entry(bl_slice id, const redisReply *fields)
{
    struct bl_feed_entry entry = {0};
    bl_slice detail = {0};

    entry.time_ms = entry.written_ms = number_of(bl_slice_head(id, bl_slice_find_byte(id, '-')), 0);
    for (size_t i = 0; i + 1 < fields->elements; i += 2) {
        bl_slice name = bl_reply_slice(fields->element[i]),
                 value = bl_reply_slice(fields->element[i + 1]);

        if (bl_slice_eq(name, BL_SLICE("a")))
            entry.address = value;
        else if (bl_slice_eq(name, BL_SLICE("c")))
            entry.change = value;
        else if (bl_slice_eq(name, BL_SLICE("d")))
            detail = value;
    }
    read_detail(detail, &entry);
    return entry;
}

/* One page; `id` moves to its last entry, which the next page begins with again. */
static enum bl_code read_page(struct bl_session *session, const char *key, char id[64], bool *more,
                              bl_feed_fn *fn, void *arg, bl_err *err)
{
    redisReply *reply = NULL;
    char count[16];
    bool first = true;
    enum bl_code rc;

    snprintf(count, sizeof count, "%d", BL_SESSION_PAGE);
    rc = bl_session_ask(session, BL_REPLY_ENTRIES, &reply, err, "XRANGE", key, id, "+", "COUNT",
                        count, NULL);
    if (rc != BL_OK)
        return rc;
    *more = reply->elements == BL_SESSION_PAGE;
    for (size_t i = 0; i < reply->elements; i++) {
        const redisReply *at = reply->element[i];
        struct bl_feed_entry entry;
        bl_slice name = bl_reply_slice(at->element[0]);

        if (!(first && bl_slice_eq(name, (bl_slice){id, strlen(id)}))) {
            entry = read_entry(name, at->element[1]);
            /* what is noted is for other hosts */
            if (!bl_slice_eq(entry.change, BL_SLICE("noted")) && !fn(arg, &entry)) {
                *more = false;
                break;
            }
        }
        first = false;
        snprintf(id, 64, "%.*s", (int)(name.n < 63 ? name.n : 63), name.p);
    }
    freeReplyObject(reply);
    return BL_OK;
}

enum bl_code bl_feed_read(struct bl_session *session, int partition, int64_t from_ms,
                          bl_feed_fn *fn, void *arg, bl_err *err)
{
    unsigned first = partition == BL_FEED_ALL ? 0 : (unsigned)partition;
    unsigned end = partition == BL_FEED_ALL ? session->keys.partitions : first + 1;
    enum bl_code rc = BL_OK;

    for (unsigned p = first; rc == BL_OK && p < end; p++) {
        bl_redis_key key = bl_redis_key_partition(&session->keys, p, "f");
        bool more = true;
        char id[64];

        /* No entry has such an id, so none is taken for the end of a page before. */
        if (from_ms > 0)
            snprintf(id, sizeof id, "%" PRId64, from_ms);
        else
            snprintf(id, sizeof id, "-");
        while (rc == BL_OK && more)
            rc = read_page(session, key.text, id, &more, fn, arg, err);
    }
    return rc;
}
