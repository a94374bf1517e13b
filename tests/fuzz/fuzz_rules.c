/* The rule compiler on any text, beside small tables; lines of `---` part rules, codes and
 * categories.  What compiles classifies its own text. */
#include "bounceline/rules.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static bl_slice take_part(bl_slice *rest)
{
    size_t at = bl_slice_find(*rest, BL_SLICE("---\n"));
    bl_slice part = bl_slice_head(*rest, at == SIZE_MAX ? rest->n : at);

    *rest = bl_slice_drop(*rest, at == SIZE_MAX ? rest->n : at + 4);
    return part;
}

static void count_problem(void *arg, const struct bl_rules_problem *problem)
{
    *(size_t *)arg += !problem->note && problem->text[0] && problem->line;
}

static bl_slice part_or(bl_slice part, bl_slice otherwise)
{
    return part.n ? part : otherwise;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    bl_slice rest = {(const char *)data, n};
    bl_slice rule_text = take_part(&rest), codes = take_part(&rest), categories = take_part(&rest);
    struct bl_rules_file files[] = {
        {BL_SLICE_INIT("a.rules"), rule_text},
        {BL_SLICE_INIT("codes.tsv"), codes},
        {BL_SLICE_INIT("categories.tsv"),
         part_or(categories, BL_SLICE("category\tscope\ttype\taction\n"
                                      "gone\trecipient\thard\tsuppress\n"
                                      "spam\tmessage\tsoft\tnone\n"
                                      "unclassified\tlocal\tundetermined\tnone\n"))},
        {BL_SLICE_INIT("providers.tsv"), BL_SLICE_INIT("suffix\tprovider\nexample.com\tBig\n")},
    };
    static const struct bl_rules_file shipped[] = {
        {BL_SLICE_INIT("s.rules"),
         BL_SLICE_INIT("[specific]\na: \"no such user\" -> gone ; s\n = 550 no such user\n")},
        {BL_SLICE_INIT("codes.tsv"),
         BL_SLICE_INIT("basic\tenhanced\tstrength\tcategory\tsource\n550\t\tgeneric\tspam\tRFC\n")},
        {BL_SLICE_INIT("categories.tsv"),
         BL_SLICE_INIT("category\tscope\ttype\taction\n"
                       "gone\trecipient\thard\tsuppress\n"
                       "spam\tmessage\tsoft\tnone\n"
                       "unclassified\tlocal\tundetermined\tnone\n")},
    };
    size_t problems = 0;
    struct bl_rules_sources over = {.shipped = shipped,
                                    .shipped_n = BL_COUNT(shipped),
                                    .own = files,
                                    .own_n = 2,
                                    .problem = count_problem,
                                    .arg = &problems};
    struct bl_rules *rules = NULL;
    bl_err err = {0};
    enum bl_code rc = bl_rules_compile_over(&over, &rules, &err);

    if (rc == BL_OK)
        bl_rules_free(rules);
    else if (rc == BL_BAD_INPUT && problems == 0)
        abort(); /* who listens hears of something */
    rc = bl_rules_compile(files, BL_COUNT(files), &rules, &err);

    if (rc == BL_OK) {
        bl_reply reply = {.code = 550,
                          .phase = BL_PHASE_RCPT,
                          .text = rule_text,
                          .relay_host = BL_SLICE("mx.example.com")};
        bl_verdict v = bl_classify(rules, &reply);

        if (v.match_at + v.match_n > rule_text.n)
            abort();
        bl_rules_free(rules);
    } else if (err.text[0] == '\0') {
        abort(); /* every refusal says why */
    }
    return 0;
}
