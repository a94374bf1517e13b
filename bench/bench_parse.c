/* bench_parse -- what a line costs from bytes to record
 *
 *   bench_parse FILE [ROUNDS]
 *
 * Reads the file (at most 256 MiB of it) into blocks first, then alternates over the same blocks:
 * memchr from newline to newline (the reference), bl_lines_find, lines and syslog heads, and the
 * whole bl_block_parse. Best round of each counts.  A ratio travels between machines, nanoseconds
 * do not.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "bounceline/alloc.h"
#include "bounceline/block.h"
#include "bounceline/lines.h"
#include "bounceline/syslog.h"

enum { INPUT_MAX = 256 << 20, ENDS = 1024, ROUNDS = 7 };

struct input {
    char *bytes;
    size_t n, lines;
};

/* Kept, so that no pass can be optimised away. */
static volatile uint64_t sink;

static double now_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static bool read_input(const char *path, struct input *input)
{
    FILE *file = fopen(path, "rb");

    if (!file)
        return false;
    input->bytes = malloc((size_t)INPUT_MAX + BL_BLOCK_SLACK);
    input->n = input->bytes ? fread(input->bytes, 1, INPUT_MAX, file) : 0;
    fclose(file);
    while (input->n && input->bytes[input->n - 1] != '\n')
        input->n--;
    for (size_t i = 0; i < input->n; i++)
        input->lines += input->bytes[i] == '\n';
    return input->n > 0;
}

/* The next stretch of whole lines that fits a block. */
static size_t next_stretch(const struct input *input, size_t at)
{
    size_t n = input->n - at < BL_BLOCK_BYTES ? input->n - at : BL_BLOCK_BYTES;

    while (n && input->bytes[at + n - 1] != '\n')
        n--;
    return n;
}

static void pass_memchr(const char *bytes, size_t n)
{
    const char *end = bytes + n;
    uint64_t sum = 0;

    for (const char *p = bytes; p < end; p++) {
        p = memchr(p, '\n', (size_t)(end - p));
        if (!p)
            break;
        sum += (uint64_t)(p - bytes);
    }
    sink += sum;
}

static void pass_lines(const char *bytes, size_t n)
{
    static uint32_t ends[ENDS];
    size_t found;

    for (size_t at = 0;; at += ends[ENDS - 1] + 1) {
        found = bl_lines_find(bytes + at, n - at, ends, ENDS);
        sink += found;
        if (found < ENDS)
            return;
    }
}

static void pass_heads(struct bl_stamper *stamper, const char *bytes, size_t n)
{
    static uint32_t ends[ENDS];
    uint64_t sum = 0;
    size_t found, at = 0;

    do {
        size_t from = 0;

        found = bl_lines_find(bytes + at, n - at, ends, ENDS);
        for (size_t i = 0; i < found; i++) {
            bl_syslog head;

            if (bl_syslog_read((bl_slice){bytes + at + from, ends[i] - from}, stamper, &head))
                sum += head.body.n;
            from = ends[i] + 1;
        }
        at += from;
    } while (found == ENDS);
    sink += sum;
}

enum { MEMCHR, LINES, HEADS, PARSE, PASSES };

int main(int argc, char **argv)
{
    static const char *const names[PASSES] = {"memchr to memchr", "bl_lines_find",
                                              "lines and heads", "bl_block_parse"};
    int rounds = argc > 2 ? atoi(argv[2]) : ROUNDS;
    double best[PASSES] = {0};
    uint64_t records = 0, unparsed = 0;
    struct input input = {0};
    struct bl_block *block = bl_block_new();
    struct bl_worker *worker = bl_worker_new(NULL);
    const struct bl_rules *rules = bl_rules_builtin();
    struct bl_stamper stamper;

    if (argc < 2 || !block || !worker || !read_input(argv[1], &input)) {
        fprintf(stderr, "usage: bench_parse FILE [ROUNDS]\n");
        return 64;
    }
    bl_stamper_init(&stamper, NULL);
    block->reference_s = time(NULL);
    bl_stamper_refer(&stamper, block->reference_s);
    for (int round = 0; round < rounds; round++) {
        double spent[PASSES] = {0};

        records = unparsed = 0;
        for (size_t at = 0, n; at < input.n && (n = next_stretch(&input, at)) > 0; at += n) {
            /* as the reader does: the block is in the cache */
            memcpy(block->bytes, input.bytes + at, n);
            block->n = n;
            for (int pass = 0; pass < PASSES; pass++) {
                double begin = now_ns();

                if (pass == MEMCHR)
                    pass_memchr(block->bytes, n);
                else if (pass == LINES)
                    pass_lines(block->bytes, n);
                else if (pass == HEADS)
                    pass_heads(&stamper, block->bytes, n);
                else
                    bl_block_parse(worker, rules, block);
                spent[pass] += now_ns() - begin;
            }
            records += block->records_n;
            unparsed += block->unparsed;
        }
        for (int pass = 0; pass < PASSES; pass++)
            if (round == 0 || spent[pass] < best[pass])
                best[pass] = spent[pass];
    }
    printf("%s: %zu lines of %.1f bytes, %llu records, %llu unparsed; best of %d rounds\n", argv[1],
           input.lines, (double)input.n / (double)input.lines, (unsigned long long)records,
           (unsigned long long)unparsed, rounds);
    for (int pass = 0; pass < PASSES; pass++)
        printf("%-18s %7.2f ns/line  %6.2f x memchr\n", names[pass],
               best[pass] / (double)input.lines, best[pass] / best[MEMCHR]);
    bl_worker_free(worker);
    bl_block_free(block);
    free(input.bytes);
    return 0;
}
