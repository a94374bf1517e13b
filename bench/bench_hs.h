/* bench_hs.h -- the same phrases in vectorscan, where it was there when the bench was built
 *
 * Source     https://github.com/VectorCamp/vectorscan, package libvectorscan-dev (or
 *            libhyperscan-dev)
 */
#ifndef BL_BENCH_HS_H
#define BL_BENCH_HS_H

#include "bounceline/slice.h"

#ifdef BL_HAVE_HS
#include <hs.h>
#include <stdlib.h>

struct bench_hs {
    hs_database_t *database;
    hs_scratch_t *scratch;
};

/* All phrases as literals, in any case. */
static bool bench_hs_build(struct bench_hs *hs, const bl_slice *phrases, size_t n)
{
    const char **texts = calloc(n, sizeof *texts);
    unsigned *flags = calloc(n, sizeof *flags), *ids = calloc(n, sizeof *ids);
    size_t *lengths = calloc(n, sizeof *lengths);
    hs_compile_error_t *error = NULL;
    bool ok = texts && flags && ids && lengths;

    for (size_t i = 0; ok && i < n; i++) {
        texts[i] = phrases[i].p;
        lengths[i] = phrases[i].n;
        flags[i] = HS_FLAG_CASELESS;
        ids[i] = (unsigned)i;
    }
    ok = ok && hs_compile_lit_multi(texts, flags, ids, lengths, (unsigned)n, HS_MODE_BLOCK, NULL,
                                    &hs->database, &error) == HS_SUCCESS;
    ok = ok && hs_alloc_scratch(hs->database, &hs->scratch) == HS_SUCCESS;
    hs_free_compile_error(error);
    free(texts);
    free(flags);
    free(ids);
    free(lengths);
    return ok;
}

static int bench_hs_count(unsigned id, unsigned long long from, unsigned long long to,
                          unsigned flags, void *arg)
{
    (void)id;
    (void)from;
    (void)to;
    (void)flags;
    ++*(size_t *)arg;
    return 0;
}

static size_t bench_hs_scan(const struct bench_hs *hs, bl_slice text)
{
    size_t found = 0;

    hs_scan(hs->database, text.p, (unsigned)text.n, 0, hs->scratch, bench_hs_count, &found);
    return found;
}

static void bench_hs_release(struct bench_hs *hs)
{
    hs_free_scratch(hs->scratch);
    hs_free_database(hs->database);
}
#else
struct bench_hs {
    int none;
};

static bool bench_hs_build(struct bench_hs *hs, const bl_slice *phrases, size_t n)
{
    (void)hs;
    (void)phrases;
    (void)n;
    return false;
}

static size_t bench_hs_scan(const struct bench_hs *hs, bl_slice text)
{
    (void)hs;
    return text.n;
}

static void bench_hs_release(struct bench_hs *hs)
{
    (void)hs;
}
#endif

#endif
