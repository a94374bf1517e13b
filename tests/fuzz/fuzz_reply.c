/* Replies, bare, in Postfix's wrapper and quoted by others: text stays inside. */
#include <stdlib.h>

#include "bounceline/reply.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void check(bl_slice in, const bl_reply *reply)
{
    if (reply->text.n && (reply->text.p < in.p || reply->text.p + reply->text.n > in.p + in.n))
        abort();
    if (reply->code != 0 && (reply->code < 200 || reply->code > 599))
        abort();
    if (reply->enhanced.subject > 999 || reply->enhanced.detail > 999 ||
        (unsigned)reply->phase >= BL_PHASES)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    bl_slice in = {(const char *)data, n};
    bl_reply bare = {.phase = BL_PHASE_EOD}, again = {.phase = BL_PHASE_EOD},
             wrapped = {.phase = BL_PHASE_UNKNOWN}, quoted = {.phase = BL_PHASE_UNKNOWN};

    bl_reply_read(in, &bare);
    check(in, &bare);
    bl_reply_read_postfix(in, &wrapped);
    check(in, &wrapped);
    bl_reply_read_quoted(in, &quoted);
    check(in, &quoted);
    /* What is passed on reads the same when it is read again. */
    bl_reply_read(wrapped.text, &again);
    if (again.code != wrapped.code || !bl_status_eq(again.enhanced, wrapped.enhanced) ||
        bare.phase != BL_PHASE_EOD)
        abort();
    return 0;
}
