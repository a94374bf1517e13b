/* hiredis believes what a reply announces: `*1000000000` makes it allocate eight gigabytes.  So its
 * constructor for arrays is called through ours, which keeps a budget of elements per reply, and
 * the bytes it holds back for an unfinished reply are looked at after each feed.  Nothing else of
 * hiredis is used, and those calls are the same in 0.14 and 1.x except for one parameter's type. */
#include "resp.h"

#include <hiredis/hiredis.h>
#include <limits.h>

#include "bounceline/alloc.h"

#if HIREDIS_MAJOR >= 1
typedef size_t element_count;
#else
typedef int element_count;
#endif

/* ---- commands ---- */

void bl_resp_out_init(struct bl_resp_out *out, size_t limit_bytes)
{
    *out = (struct bl_resp_out){.limit_bytes = limit_bytes};
}

void bl_resp_out_release(struct bl_resp_out *out)
{
    bl_free(out->bytes);
    *out = (struct bl_resp_out){.limit_bytes = out->limit_bytes};
}

static bool make_room(struct bl_resp_out *out, size_t more)
{
    size_t cap = out->cap ? out->cap : 4096;
    char *bytes;

    if (more > out->limit_bytes || out->n > out->limit_bytes - more)
        return false;
    if (out->cap - out->n >= more)
        return true;
    while (cap - out->n < more)
        cap *= 2;
    bytes = bl_realloc(out->bytes, cap);
    if (!bytes)
        return false;
    out->bytes = bytes;
    out->cap = cap;
    return true;
}

/* Writes `*12\r\n` or `$345\r\n`; returns the length. */
static size_t put_count(char *to, char type, size_t count)
{
    char digits[24];
    size_t n = 0, at = 0;

    do
        digits[n++] = (char)('0' + count % 10);
    while ((count /= 10) != 0);
    to[at++] = type;
    while (n)
        to[at++] = digits[--n];
    to[at++] = '\r';
    to[at++] = '\n';
    return at;
}

bool bl_resp_out_command(struct bl_resp_out *out, const bl_slice *argv, size_t argc)
{
    enum { COUNT_MAX = 24, END = 2 };
    size_t most = COUNT_MAX;
    char *to;

    for (size_t i = 0; i < argc; i++) {
        if (argv[i].n > out->limit_bytes || most > out->limit_bytes)
            return false;
        most += argv[i].n + COUNT_MAX + END;
    }
    if (!make_room(out, most))
        return false;
    to = out->bytes + out->n;
    to += put_count(to, '*', argc);
    for (size_t i = 0; i < argc; i++) {
        to += put_count(to, '$', argv[i].n);
        if (argv[i].n)
            memcpy(to, argv[i].p, argv[i].n);
        to += argv[i].n;
        *to++ = '\r';
        *to++ = '\n';
    }
    out->n = (size_t)(to - out->bytes);
    return true;
}

/* ---- replies ---- */

static const char
    not_redis[] = "its answer is not the Redis protocol",
    too_many[] = "its answer has more than 1,048,576 elements, the most that is read at a time",
    too_long[] = "its answer has a part of more than 64 MiB, the most that is read at a time";

_Static_assert(BL_RESP_ELEMENTS_MAX == 1048576 && BL_RESP_REPLY_MAX == 64 << 20,
               "the texts name the limits");

struct capped_functions {
    redisReplyObjectFunctions f;
    void *(*create_array)(const redisReadTask *, element_count);
    redisReplyObjectFunctions *before;
};

static void *create_capped_array(const redisReadTask *task, element_count count)
{
    struct bl_resp_in *in = task->privdata;
    struct capped_functions *own = in->functions;
    size_t n = count > 0 ? (size_t)count : 0;

    if (n > in->elements_left) {
        in->why = too_many;
        return NULL; /* the reader reports it as out of memory */
    }
    in->elements_left -= n;
    return own->create_array(task, count);
}

bool bl_resp_in_init(struct bl_resp_in *in)
{
    redisReader *reader = redisReaderCreate();
    struct capped_functions *own = bl_malloc(sizeof *own);

    *in = (struct bl_resp_in){.elements_left = BL_RESP_ELEMENTS_MAX};
    if (!reader || !own) {
        if (reader)
            redisReaderFree(reader);
        bl_free(own);
        return false;
    }
    own->before = reader->fn;
    own->f = *reader->fn;
    own->create_array = own->f.createArray;
    own->f.createArray = create_capped_array;
    reader->fn = &own->f;
    reader->privdata = in;
    in->reader = reader;
    in->functions = own;
    return true;
}

void bl_resp_in_release(struct bl_resp_in *in)
{
    if (in->reader)
        redisReaderFree(in->reader);
    bl_free(in->functions);
    *in = (struct bl_resp_in){.why = not_redis};
}

void bl_resp_in_feed(struct bl_resp_in *in, const char *bytes, size_t n)
{
    redisReader *reader = in->reader;

    if (in->why)
        return;
    if (redisReaderFeed(reader, bytes, n) != REDIS_OK)
        in->why = not_redis;
    else if (reader->len - reader->pos > BL_RESP_REPLY_MAX)
        in->why = too_long;
}

/* Only RESP2 is asked for, so anything else is not an answer to a command. */
static bool is_resp2(const redisReply *reply)
{
    switch (reply->type) {
    case REDIS_REPLY_STRING:
    case REDIS_REPLY_ARRAY:
    case REDIS_REPLY_INTEGER:
    case REDIS_REPLY_NIL:
    case REDIS_REPLY_STATUS:
    case REDIS_REPLY_ERROR:
        return true;
    default:
        return false;
    }
}

enum bl_resp_step bl_resp_in_next(struct bl_resp_in *in, redisReply **out)
{
    void *reply = NULL;

    if (in->why)
        return BL_RESP_BAD;
    if (redisReaderGetReply(in->reader, &reply) != REDIS_OK) {
        if (!in->why)
            in->why = not_redis;
        return BL_RESP_BAD;
    }
    if (!reply)
        return BL_RESP_MORE;
    in->elements_left = BL_RESP_ELEMENTS_MAX;
    if (!is_resp2(reply)) {
        freeReplyObject(reply);
        in->why = not_redis;
        return BL_RESP_BAD;
    }
    *out = reply;
    return BL_RESP_DONE;
}

/* ---- error replies ---- */

static const struct {
    bl_slice word;
    enum bl_resp_trouble trouble;
} troubles[] = {
    {BL_SLICE_INIT("NOSCRIPT"), BL_RESP_NOSCRIPT}, {BL_SLICE_INIT("OOM"), BL_RESP_HOLD},
    {BL_SLICE_INIT("LOADING"), BL_RESP_HOLD},      {BL_SLICE_INIT("READONLY"), BL_RESP_HOLD},
    {BL_SLICE_INIT("BUSY"), BL_RESP_HOLD},         {BL_SLICE_INIT("MISCONF"), BL_RESP_HOLD},
    {BL_SLICE_INIT("NOREPLICAS"), BL_RESP_HOLD},   {BL_SLICE_INIT("MASTERDOWN"), BL_RESP_HOLD},
    {BL_SLICE_INIT("CLUSTERDOWN"), BL_RESP_HOLD},  {BL_SLICE_INIT("TRYAGAIN"), BL_RESP_HOLD},
    {BL_SLICE_INIT("NOAUTH"), BL_RESP_DENIED},     {BL_SLICE_INIT("WRONGPASS"), BL_RESP_DENIED},
    {BL_SLICE_INIT("NOPERM"), BL_RESP_DENIED},     {BL_SLICE_INIT("WRONGTYPE"), BL_RESP_WRONG},
    {BL_SLICE_INIT("CROSSSLOT"), BL_RESP_WRONG},   {BL_SLICE_INIT("MOVED"), BL_RESP_WRONG},
    {BL_SLICE_INIT("ASK"), BL_RESP_WRONG},
};

static bool is_word_byte(char c)
{
    return c >= 'A' && c <= 'Z';
}

/* The first run of capitals. */
static bl_slice first_word(bl_slice text)
{
    size_t n = 0;

    while (n < text.n && is_word_byte(text.p[n]))
        n++;
    return bl_slice_head(text, n);
}

/* The row that the text's first word names; if that is ERR, a word behind ": " or " -" inside
 * it. */
static size_t find_trouble(bl_slice error)
{
    bl_slice word = first_word(error);

    for (size_t i = 0; i < BL_COUNT(troubles); i++)
        if (bl_slice_eq(word, troubles[i].word))
            return i;
    for (size_t at = 2; at < error.n; at++) {
        if (!is_word_byte(error.p[at]) || !((error.p[at - 1] == ' ' && error.p[at - 2] == ':') ||
                                            (error.p[at - 1] == '-' && error.p[at - 2] == ' ')))
            continue;
        word = first_word(bl_slice_drop(error, at));
        for (size_t i = 0; i < BL_COUNT(troubles); i++)
            if (bl_slice_eq(word, troubles[i].word))
                return i;
    }
    return SIZE_MAX;
}

enum bl_resp_trouble bl_resp_trouble(bl_slice error)
{
    static const bl_slice texts[] = {
        /* Redis before 6 and servers without ACL have no word of their own for these */
        BL_SLICE_INIT("invalid password"),
        BL_SLICE_INIT("sent AUTH"),
        BL_SLICE_INIT("AUTH <password>"),
        BL_SLICE_INIT("operation not permitted"),
    };
    size_t row = find_trouble(error);

    if (row != SIZE_MAX)
        return troubles[row].trouble;
    for (size_t i = 0; i < BL_COUNT(texts); i++)
        if (bl_slice_find(error, texts[i]) != SIZE_MAX)
            return BL_RESP_DENIED;
    if (bl_slice_find(error, BL_SLICE("max number of clients")) != SIZE_MAX)
        return BL_RESP_HOLD;
    return BL_RESP_WRONG;
}

void bl_resp_word(bl_slice error, char out[BL_RESP_WORD_MAX])
{
    size_t row = find_trouble(error);
    bl_slice word = row != SIZE_MAX ? troubles[row].word : first_word(error);

    if (word.n == 0)
        word = BL_SLICE("ERR");
    bl_resp_plain(word, out, BL_RESP_WORD_MAX);
}

void bl_resp_plain(bl_slice text, char *out, size_t n)
{
    size_t i = 0;

    if (n == 0)
        return;
    for (; i < text.n && i + 1 < n; i++)
        out[i] = (text.p[i] >= ' ' && text.p[i] <= '~') ? text.p[i] : '?';
    out[i] = '\0';
}
