/* resp.h -- the Redis protocol: commands out, replies in, what an error reply asks for
 *
 * Commands are written by ourselves into a buffer that grows up to a cap; replies are read by
 * hiredis behind caps of our own, since a reply says how much memory it wants.
 *
 * Shapes     a reply: at most BL_RESP_REPLY_MAX unread bytes, BL_RESP_ELEMENTS_MAX elements in all
 * Units      bytes
 * Ownership  bl_resp_in_next hands a reply over: freeReplyObject
 * Threads    one at a time
 * Errors     bl_resp_out_*: false, and the buffer is as before; bl_resp_in_next: BL_RESP_BAD once
 *            and for all, and `why` says so to people
 * Source     Redis serialization protocol 2; hiredis 0.14 and 1.x
 */
#ifndef BOUNCELINE_RESP_H
#define BOUNCELINE_RESP_H

#include "bounceline/slice.h"

struct redisReply;

enum { BL_RESP_REPLY_MAX = 64 << 20, BL_RESP_ELEMENTS_MAX = 1 << 20 };

struct bl_resp_out {
    char *bytes;
    size_t n, cap;
    size_t limit_bytes; /* n never exceeds it */
};

void bl_resp_out_init(struct bl_resp_out *out, size_t limit_bytes);
void bl_resp_out_release(struct bl_resp_out *out);

/* Appends one command.  False when it does not fit under the limit, or memory is out. */
bool bl_resp_out_command(struct bl_resp_out *out, const bl_slice *argv, size_t argc);

struct bl_resp_in {
    void *reader;         /* redisReader */
    void *functions;      /* hiredis's own, with a cap in front */
    size_t elements_left; /* of the reply being read */
    const char *why;      /* nothing more is read; NULL: it is */
};

enum bl_resp_step { BL_RESP_MORE, BL_RESP_DONE, BL_RESP_BAD };

bool bl_resp_in_init(struct bl_resp_in *in);
void bl_resp_in_release(struct bl_resp_in *in);

/* Adds bytes, then take replies until MORE. */
void bl_resp_in_feed(struct bl_resp_in *in, const char *bytes, size_t n);
enum bl_resp_step bl_resp_in_next(struct bl_resp_in *in, struct redisReply **out);

/* Why Redis refuses, as far as the next step differs. */
enum bl_resp_trouble {
    BL_RESP_FINE,
    BL_RESP_NOSCRIPT, /* load the scripts */
    /* OOM, LOADING, READONLY, BUSY, MISCONF, NOREPLICAS, MASTERDOWN, ...: it may pass */
    BL_RESP_HOLD,
    BL_RESP_DENIED, /* NOAUTH, WRONGPASS, NOPERM: a person must act */
    BL_RESP_WRONG   /* everything else: a foreign key, another server, a bug */
};

/* Also finds the reason inside "ERR Error running script ... -OOM ...", as Redis before 7 says
 * it. */
enum bl_resp_trouble bl_resp_trouble(bl_slice error);

/* Its word for people: "OOM"; "ERR" when there is none.  NUL-terminated. */
enum { BL_RESP_WORD_MAX = 16 };
void bl_resp_word(bl_slice error, char out[BL_RESP_WORD_MAX]);

/* Copies text for people: control and non-ASCII bytes become '?'; cut to `n`, NUL-terminated. */
void bl_resp_plain(bl_slice text, char *out, size_t n);

#endif
