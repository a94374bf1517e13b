/* ctest: label=quick timeout=60
 *
 * What classifying costs, counted instead of timed, over the samples of all rules: so that new
 * rules cannot eat up what was gained without anybody noticing.  A reply is read byte by byte;
 * where words end is noted; of the links between words those are followed that have both in order
 * and could still decide.  Each has its budget a reply, and so have the tables.  Over budget?  See
 * which words do it (`--words`), and whether a rule can do without its short or common ones; only
 * then raise the budget, and say why in the commit.
 *
 * Measured 2026-11 on bench_classify's replies: 15 instructions a byte, 46 a word that ends, 900
 * for the links that are followed, 2 800 a reply whatever it says, nearly half of these to find
 * what is not read.
 *
 * Negative control: following every link that could decide, as a set without masks would, is far
 * over the budget. */
#include "../../core/match/classify.c"

#include "bounceline/reply.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

/* A hundredth of each, a sample. */
enum { ENDINGS_BUDGET = 750, LINKS_BUDGET = 110, VISITS_BUDGET = 650 };
enum { TABLES_BUDGET = 1 << 20 };

struct work {
    uint64_t replies, bytes, endings, links, visits;
};

static struct {
    uint64_t n;
    bl_slice text;
} words_seen[BL_WORDS_MAX];
static bool show_words;

static void read_text(const struct bl_rules *rules, struct lane *lane)
{
    for (;; enter_piece(lane, lane->piece + 1)) {
        while (lane->p < lane->stop) {
            bl_phrases_step(rules->phrases, &lane->walk, *lane->p++);
            if (bl_phrases_hit(lane->walk.cell))
                write_down(rules, lane, lane->walk.cell, (size_t)(lane->p - lane->text));
        }
        if (lane->piece == lane->n_gaps)
            return;
    }
}

/* `all`: every link, whatever came. */
static void count(const struct bl_rules *rules, bl_slice text, bool all, struct work *work)
{
    static struct lane lane;
    bl_reply reply = {0};
    bl_verdict verdict;
    struct came came;

    bl_reply_read_quoted(text, &reply);
    if (reply.phase == BL_PHASE_UNKNOWN)
        reply.phase = BL_PHASE_RCPT;
    start(rules, &lane, &reply, &verdict);
    read_text(rules, &lane);
    gather(rules, &lane, &came);
    if (all)
        take_all(rules, &came);
    for (uint64_t endings = came.singles; endings; endings &= endings - 1)
        try_singles(rules, &lane, BL_LAYER_RULES, (uint32_t)__builtin_ctzll(endings));
    for (uint32_t i = 0; i < lane.n_endings; i++) {
        const struct bl_word *word = &rules->words[lane.endings[i].word];
        uint32_t at = start_near(&lane, lane.endings[i].end, word->length);

        words_seen[lane.endings[i].word].n++;
        words_seen[lane.endings[i].word].text =
            bl_slice_head(bl_slice_drop(reply.text, at), word->length);
    }
    for (uint32_t i = 0; i < rules->n_links; i += 64) {
        uint64_t links = choose(rules, &lane, BL_LAYER_RULES, i, came.links[i / 64]);

        work->links += (uint64_t)__builtin_popcountll(links);
        work->visits += links ? lane.n_endings : 0;
    }
    work->replies++;
    work->bytes += reply.text.n;
    work->endings += lane.n_endings;
}

/* Lines that begin with `=`. */
static void count_samples(const struct bl_rules *rules, bl_slice text, bool all, struct work *work)
{
    while (text.n) {
        bl_slice line = bl_slice_head(text, bl_slice_find_byte(text, '\n'));

        text = bl_slice_drop(text, line.n < text.n ? line.n + 1 : line.n);
        while (line.n && line.p[0] == ' ')
            line = bl_slice_drop(line, 1);
        if (bl_slice_take(&line, BL_SLICE("= ")))
            count(rules, line, all, work);
    }
}

static struct work count_all(bool all)
{
    struct work work = {0};
    size_t n;
    const struct bl_rules_file *files = bl_rules_shipped(&n);

    for (size_t i = 0; i < n; i++)
        if (bl_slice_ends(files[i].name, BL_SLICE(".rules")))
            count_samples(bl_rules_builtin(), files[i].text, all, &work);
    return work;
}

static uint64_t each(uint64_t sum, const struct work *work)
{
    return (100 * sum + work->replies - 1) / work->replies;
}

static void the_samples_stay_within_the_budget(void **state)
{
    struct work work = count_all(false), unmasked;

    (void)state;
    if (show_words)
        for (uint32_t i = 0; i < bl_rules_builtin()->n_words; i++)
            if (words_seen[i].n * 50 > work.replies)
                print_message("%6.1f a hundred samples: '%.*s'\n",
                              100. * (double)words_seen[i].n / (double)work.replies,
                              (int)words_seen[i].text.n, words_seen[i].text.p);
    unmasked = count_all(true);
    print_message(
        "%llu samples of %llu bytes: words that end %.2f (budget %.2f), links followed %.2f (%.2f), looks at a "
        "word for them %.2f (%.2f); without masks %.2f links\n",
        (unsigned long long)work.replies, (unsigned long long)(work.bytes / work.replies),
        (double)each(work.endings, &work) / 100, ENDINGS_BUDGET / 100.,
        (double)each(work.links, &work) / 100, LINKS_BUDGET / 100.,
        (double)each(work.visits, &work) / 100, VISITS_BUDGET / 100.,
        (double)each(unmasked.links, &unmasked) / 100);
    assert_true(work.replies > 300);
    assert_true(each(work.endings, &work) <= ENDINGS_BUDGET);
    assert_true(each(work.links, &work) <= LINKS_BUDGET);
    assert_true(each(work.visits, &work) <= VISITS_BUDGET);
    assert_true(each(unmasked.links, &unmasked) > 5 * LINKS_BUDGET);
}

static void the_tables_stay_within_a_mebibyte(void **state)
{
    const struct bl_rules *r = bl_rules_builtin();
    const struct bl_phrases *p = &r->phrases;
    size_t automaton = (p->n_cells + (size_t)p->classes * p->classes) * 4,
           words = r->n_words * sizeof *r->words + r->n_masks * sizeof *r->masks +
                   r->n_singles * sizeof *r->singles + r->n_links * sizeof *r->links,
           others = r->n_digits * sizeof *r->digits +
                    r->n_rules * (sizeof *r->rules + sizeof *r->info_of) +
                    r->n_infos * sizeof *r->infos;

    (void)state;
    print_message("automaton %zu, words %zu, others %zu, together %zu of %d bytes\n", automaton,
                  words, others, automaton + words + others, TABLES_BUDGET);
    assert_true(automaton + words + others <= TABLES_BUDGET);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_samples_stay_within_the_budget),
        cmocka_unit_test(the_tables_stay_within_a_mebibyte),
    };

    show_words = argc > 1 && strcmp(argv[1], "--words") == 0;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
