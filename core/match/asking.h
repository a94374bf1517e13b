/* asking.h -- bl_classify_many for who remembers verdicts (private to match/)
 *
 * Contract   as bounceline/classify.h
 */
#ifndef BL_MATCH_ASKING_H
#define BL_MATCH_ASKING_H

#include "tables.h"

/* `asked[i]`: a rule asked whose host replies[i] came from.  Where none did, the verdict is the
 * same for all. */
void bl_classify_asking(const struct bl_rules *rules, const bl_reply *replies, bl_verdict *verdicts,
                        bool *asked, size_t n);

#endif
