/* Any reply: what is extracted lies within it. */
#include "bounceline/extract.h"
#include "bounceline/reply.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void must_lie_in(bl_slice part, bl_slice text)
{
    if (part.n && (part.p < text.p || part.p + part.n > text.p + text.n))
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    const struct bl_rules *rules = bl_rules_builtin();
    bl_slice text = {(const char *)data, n};
    bl_reply reply = {.phase = BL_PHASE_RCPT};
    struct bl_extract out;
    bl_verdict verdict;

    bl_reply_read(text, &reply);
    verdict = bl_classify(rules, &reply);
    if (verdict.type == BL_HARD && n % 2)
        verdict.type = BL_SOFT; /* times are read, too */
    bl_extract_read(rules, reply.text, &verdict, &out);
    must_lie_in(out.provider_code, reply.text);
    must_lie_in(out.sending_ip, reply.text);
    if (out.blocklist.n >= BL_EXTRACT_HOST_MAX || out.retry_after_s > BL_RETRY_MAX_S)
        abort();
    return 0;
}
