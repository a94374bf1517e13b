/* extract.h -- what a reply names besides its reason
 *
 * The block list, how long to wait, the provider's own code, the sending address: what people
 * search for and what a verdict does not say.  For failures only, and only where somebody reads it:
 * it is no part of classifying.
 *
 * Shapes     text: the reply, any bytes; its first BL_EXTRACT_MAX are read
 * Units      retry_after_s: seconds, 0 if absent
 * Ownership  provider_code and sending_ip point into the text, blocklist into `room` or the rules
 * Threads    pure
 * Errors     none: what is not there stays empty
 * Source     core/rules/extract.tsv
 */
#ifndef BOUNCELINE_EXTRACT_H
#define BOUNCELINE_EXTRACT_H

#include "bounceline/rules.h"

enum { BL_EXTRACT_MAX = 4096, BL_EXTRACT_HOST_MAX = 128, BL_RETRY_MAX_S = 30 * 86400 };

struct bl_extract {
    bl_slice blocklist; /* "zen.spamhaus.org", lower case; "Spamhaus" when only the name is there */
    bl_slice provider_code; /* "S3150" */
    bl_slice sending_ip;    /* ours, as the reply quotes it */
    uint32_t retry_after_s;
    char room[BL_EXTRACT_HOST_MAX];
};

/* The verdict tells what can be there: a list and our address only where the sender or the message
 * is blamed or nobody knows, a time to wait not when the answer is final. */
void bl_extract_read(const struct bl_rules *rules, bl_slice text, const bl_verdict *verdict,
                     struct bl_extract *out);

#endif
