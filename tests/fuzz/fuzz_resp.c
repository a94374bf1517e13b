/* What a hostile server sends: the first byte says how large the pieces are in which the rest
 * arrives.  Every reply is walked and classified; after BAD nothing more comes. */
#include <hiredis/hiredis.h>
#include <stdlib.h>

#include "resp.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static size_t walk(const redisReply *reply)
{
    size_t sum = 0;

    if (reply->type == REDIS_REPLY_ARRAY) {
        for (size_t i = 0; i < reply->elements; i++)
            sum += walk(reply->element[i]);
    } else if (reply->type == REDIS_REPLY_ERROR) {
        bl_slice text = {reply->str, reply->len};
        char word[BL_RESP_WORD_MAX], plain[64];

        bl_resp_word(text, word);
        bl_resp_plain(text, plain, sizeof plain);
        if (strlen(word) >= BL_RESP_WORD_MAX || strlen(plain) >= sizeof plain)
            abort();
        sum += (size_t)bl_resp_trouble(text);
    } else if (reply->type == REDIS_REPLY_STRING || reply->type == REDIS_REPLY_STATUS) {
        for (size_t i = 0; i < reply->len; i++)
            sum += (unsigned char)reply->str[i];
    }
    return sum;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct bl_resp_in in;
    size_t piece = n ? 1 + data[0] : 1;

    if (n == 0 || !bl_resp_in_init(&in))
        return 0;
    for (size_t at = 1; at < n; at += piece) {
        size_t m = n - at < piece ? n - at : piece;
        redisReply *reply = NULL;
        enum bl_resp_step step;

        bl_resp_in_feed(&in, (const char *)data + at, m);
        while ((step = bl_resp_in_next(&in, &reply)) == BL_RESP_DONE) {
            walk(reply);
            freeReplyObject(reply);
        }
        if (step == BL_RESP_BAD && bl_resp_in_next(&in, &reply) != BL_RESP_BAD)
            abort();
    }
    bl_resp_in_release(&in);
    return 0;
}
