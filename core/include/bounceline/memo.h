/* memo.h -- verdicts that were given before
 *
 * A server says the same to hundreds of recipients, but for addresses, ids and the code before each
 * line, which the classifier does not read.  What it has judged of late is looked up instead, and
 * the answer is the same.
 *
 * Shapes     providers[i]: bl_rules_provider() of replies[i].relay_host
 * Units      -
 * Ownership  bl_memo_free; keeps copies of texts, some 800 KB when full, and nothing of the rules
 * Threads    one at a time
 * Errors     bl_memo_new: NULL
 * Source     -
 */
#ifndef BOUNCELINE_MEMO_H
#define BOUNCELINE_MEMO_H

#include "bounceline/classify.h"

struct bl_memo;

struct bl_memo *bl_memo_new(void);
void bl_memo_free(struct bl_memo *memo);

/* Gives what bl_classify_many gives. */
void bl_memo_classify(struct bl_memo *memo, const struct bl_rules *rules, const bl_reply *replies,
                      const uint16_t *providers, bl_verdict *verdicts, size_t n);

/* How many replies were looked up, and how many of them found. */
struct bl_memo_stats {
    uint64_t asked, found;
};

struct bl_memo_stats bl_memo_stats(const struct bl_memo *memo);

#endif
