#include "tail_rig.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <zlib.h>
#include <zstd.h>

bool rig_watch = true;

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *ftw)
{
    (void)st;
    (void)kind;
    (void)ftw;
    return remove(path);
}

int rig_setup(void **state)
{
    struct rig *rig = calloc(1, sizeof *rig);

    if (!rig)
        return -1;
    snprintf(rig->dir, sizeof rig->dir, "%s/bl-tail-XXXXXX",
             getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp");
    if (!mkdtemp(rig->dir))
        return -1;
    chmod(rig->dir, 0755);
    snprintf(rig->log, sizeof rig->log, "%s/mail.log", rig->dir);
    rig->times = calloc(1, RIG_LINES);
    rig->options = (struct bl_tail_options){
        .watch = rig_watch, .sweep_ms = 20, .grace_ms = 200, .warm_up_bytes = 0};
    uv_loop_init(&rig->loop);
    uv_timer_init(&rig->loop, &rig->tick);
    uv_unref((uv_handle_t *)&rig->tick);
    for (rig->blocks = 0; rig->blocks < RIG_BLOCKS; rig->blocks++)
        rig->block[rig->blocks] = bl_block_new();
    *state = rig;
    return rig->times ? 0 : -1;
}

int rig_teardown(void **state)
{
    struct rig *rig = *state;

    rig_stop(rig);
    bl_identity_test = (struct bl_identity_test){0}; /* no job reads it now */
    uv_close((uv_handle_t *)&rig->tick, NULL);
    uv_run(&rig->loop, UV_RUN_DEFAULT);
    if (uv_loop_close(&rig->loop) != 0)
        fail_msg("a handle is still open");
    if (rig->blocks != RIG_BLOCKS)
        fail_msg("%zu of %d blocks came back", rig->blocks, RIG_BLOCKS);
    for (size_t i = 0; i < RIG_BLOCKS; i++)
        bl_block_free(rig->block[i]);
    nftw(rig->dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    bl_positions_release(&rig->at);
    free(rig->times);
    free(rig);
    return 0;
}

/* --- events --- */

static struct bl_block *want(void *arg)
{
    struct rig *rig = arg;
    struct bl_block *block, clean;

    if (rig->blocks <= rig->withheld)
        return NULL;
    block = rig->block[--rig->blocks];
    clean = (struct bl_block){.bytes = block->bytes,
                              .respelled = block->respelled,
                              .before = block->before,
                              .records = block->records,
                              .records_cap = block->records_cap};
    *block = clean;
    return block;
}

static void refuse(void *arg, struct bl_block *block)
{
    struct rig *rig = arg;

    rig->block[rig->blocks++] = block;
}

/* The number behind SEQ, or UINT32_MAX. */
static uint32_t number_of(bl_slice line)
{
    size_t at = bl_slice_find(line, BL_SLICE("SEQ"));
    uint64_t n;

    if (at == SIZE_MAX)
        return UINT32_MAX;
    line = bl_slice_drop(line, at + 3);
    return bl_slice_take_u64(&line, &n) && n < RIG_LINES ? (uint32_t)n : UINT32_MAX;
}

static size_t gen_of(struct rig *rig, const struct bl_block *block)
{
    size_t i = 0;

    while (i < rig->gens && rig->gen[i].generation != block->end.generation)
        i++;
    if (i == rig->gens) {
        assert_true(rig->gens < 512);
        rig->gens++;
        rig->gen[i].generation = block->end.generation;
        rig->gen[i].end = block->begin;
        rig->gen[i].last = 0;
    }
    return i;
}

static void count_line(struct rig *rig, size_t gen, bl_slice line)
{
    uint32_t n = number_of(line);

    rig->lines++;
    if (n == UINT32_MAX) {
        if (rig->odd < 8)
            snprintf(rig->odd_text[rig->odd], 200, "%.*s", (int)(line.n < 190 ? line.n : 190),
                     line.p);
        rig->odd++;
        return;
    }
    if (rig->times[n]++)
        rig->doubles++;
    if (n + 1 <= rig->gen[gen].last)
        rig->bad_order++;
    rig->gen[gen].last = n + 1;
}

static void count_lines(struct rig *rig, size_t gen, const struct bl_block *block)
{
    bl_slice left = {block->bytes, block->n};

    while (left.n) {
        size_t n = bl_slice_find_byte(left, '\n');

        count_line(rig, gen, bl_slice_head(left, n));
        left = bl_slice_drop(left, n < left.n ? n + 1 : n);
    }
}

static void on_block(void *arg, struct bl_block *block)
{
    struct rig *rig = arg;
    size_t gen = gen_of(rig, block);

    assert_int_equal(block->run, rig->run);
    assert_true(block->end.generation != 0);
    assert_true(block->end.source != 0);
    if (block->begin != rig->gen[gen].end)
        rig->bad_joins++;
    rig->gen[gen].end = block->end.offset;
    rig->blocks_seen++;
    rig->empty_blocks += block->kind == BL_BLOCK_DATA && block->begin == block->end.offset;
    rig->long_lines += block->long_lines;
    if (rig->trails < RIG_KEEP) {
        rig->trail[rig->trails].begin = block->begin;
        rig->trail[rig->trails].warm = block->warm_up;
        rig->trail[rig->trails++].end = block->end.offset;
    }
    if (block->kind == BL_BLOCK_SKIP) {
        rig->skipped += block->end.offset - block->begin;
    } else if (block->warm_up) {
        for (size_t i = 0; i < block->n; i++)
            rig->warm_lines += block->bytes[i] == '\n';
    } else {
        count_lines(rig, gen, block);
    }
    if (!block->warm_up)
        assert_int_equal(bl_positions_put(&rig->at, &block->end), BL_OK);
    refuse(rig, block);
}

static void on_end(void *arg)
{
    struct rig *rig = arg;

    rig->ended = true;
}

static void on_note(void *arg, enum bl_note level, const char *text)
{
    struct rig *rig = arg;

    if (rig->notes == RIG_NOTES)
        return;
    rig->note[rig->notes].level = level;
    snprintf(rig->note[rig->notes++].text, 320, "%s", text);
}

/* --- life --- */

void rig_begin_run(struct rig *rig)
{
    rig->gens = 0;
    rig->ended = false;
}

struct bl_resume *rig_resume(struct rig *rig)
{
    struct bl_resume *resume = calloc(1, sizeof *resume);

    assert_non_null(resume);
    resume->run = ++rig->run;
    assert_int_equal(bl_positions_copy(&resume->slot[0], &rig->at), BL_OK);
    return resume;
}

void rig_follow(struct rig *rig, const char *const *names)
{
    static const char *const plain[] = {"mail.log", NULL};
    const char *paths[16];
    char store[16][256];
    struct bl_log *logs;
    size_t n;
    bl_err err;

    if (!names)
        names = plain;
    for (n = 0; names[n]; n++) {
        snprintf(store[n], 256, "%s/%s", rig->dir, names[n]);
        paths[n] = store[n];
    }
    if (bl_siblings_fold(paths, n, &logs, &n, NULL, &err) != BL_OK)
        fail_msg("%s", err.text);
    for (size_t i = 0; i < n; i++) {
        logs[i].from_end = rig->from_end;
        logs[i].may_end = rig->may_end;
    }
    if (bl_tail_follow(rig->tail, logs, n, &err) != BL_OK)
        fail_msg("%s", err.text);
    bl_siblings_free_logs(logs, n);
}

void rig_start_from(struct rig *rig, const char *const *names, struct bl_resume *resume)
{
    static const struct bl_tail_events events = {
        .want = want, .refuse = refuse, .block = on_block, .end = on_end, .note = on_note};
    bl_err err;

    if (bl_tail_new(&rig->tail, &rig->loop, &rig->options, &events, rig, &err) != BL_OK)
        fail_msg("%s", err.text);
    rig_follow(rig, names);
    rig_begin_run(rig);
    bl_tail_start(rig->tail, resume);
    bl_resume_free(resume);
}

void rig_start(struct rig *rig, const char *const *names)
{
    rig_start_from(rig, names, rig_resume(rig));
}

static void on_closed(void *arg)
{
    struct rig *rig = arg;

    rig->closed = true;
}

void rig_stop(struct rig *rig)
{
    if (!rig->tail)
        return;
    rig->closed = false;
    bl_tail_close(rig->tail, on_closed, rig);
    bl_tail_close(rig->tail, NULL, NULL); /* idempotent */
    while (!rig->closed)
        uv_run(&rig->loop, UV_RUN_ONCE);
    rig->tail = NULL;
}

void rig_restart(struct rig *rig)
{
    rig_stop(rig);
    rig_start(rig, NULL);
}

static void on_tick(uv_timer_t *timer)
{
    (void)timer;
}

static bool run_until(struct rig *rig, bool (*done)(struct rig *rig, const void *arg),
                      const void *arg, unsigned ms)
{
    uint64_t until = uv_hrtime() + ms * 1000000ull;

    uv_timer_start(&rig->tick, on_tick, 2, 2);
    while (!(done && done(rig, arg)) && uv_hrtime() < until) {
        uv_ref((uv_handle_t *)&rig->tick);
        uv_run(&rig->loop, UV_RUN_ONCE);
        uv_unref((uv_handle_t *)&rig->tick);
    }
    uv_timer_stop(&rig->tick);
    return done && done(rig, arg);
}

void rig_spin(struct rig *rig, unsigned ms)
{
    (void)run_until(rig, NULL, NULL, ms);
}

static void say_notes(const struct rig *rig)
{
    for (size_t i = 0; i < rig->notes; i++)
        print_message("note %d: %s\n", rig->note[i].level, rig->note[i].text);
}

static bool have_lines(struct rig *rig, const void *arg)
{
    const uint64_t *lines = arg;

    return rig->lines >= *lines;
}

void rig_wait(struct rig *rig, uint64_t lines)
{
    if (run_until(rig, have_lines, &lines, 10000))
        return;
    say_notes(rig);
    fail_msg("%llu lines came, waited for %llu", (unsigned long long)rig->lines,
             (unsigned long long)lines);
}

bool rig_noted(const struct rig *rig, const char *piece)
{
    for (size_t i = 0; i < rig->notes; i++)
        if (strstr(rig->note[i].text, piece))
            return true;
    return false;
}

static bool have_note(struct rig *rig, const void *arg)
{
    return rig_noted(rig, arg);
}

void rig_wait_note(struct rig *rig, const char *piece)
{
    if (run_until(rig, have_note, piece, 10000))
        return;
    say_notes(rig);
    fail_msg("no note came that says: %s", piece);
}

void rig_withhold(struct rig *rig)
{
    rig->withheld = RIG_BLOCKS;
    while (rig->blocks != RIG_BLOCKS)
        rig_spin(rig, 5);
}

void rig_settle(struct rig *rig)
{
    uint64_t was;

    do {
        was = rig->blocks_seen;
        rig_spin(rig, 6 * (unsigned)(rig->options.sweep_ms < 100 ? rig->options.sweep_ms : 100));
    } while (rig->blocks_seen != was);
}

void rig_expect_all(struct rig *rig)
{
    uint32_t lost = 0, first = 0;

    for (uint32_t i = 0; i < rig->next; i++)
        if (!rig->times[i] && lost++ == 0)
            first = i;
    if (lost || rig->doubles || rig->bad_joins || rig->bad_order)
        say_notes(rig);
    if (lost || rig->doubles)
        fail_msg("of %u lines %u were lost (the first: %u), %llu came twice", rig->next, lost,
                 first, (unsigned long long)rig->doubles);
    assert_int_equal(rig->bad_joins, 0);
    assert_int_equal(rig->bad_order, 0);
}

/* --- files --- */

const char *rig_path(struct rig *rig, const char *name)
{
    static char path[4][320];
    static unsigned next;
    char *to = path[next++ % 4];

    snprintf(to, 320, "%s/%s", rig->dir, name);
    return to;
}

size_t rig_line(struct rig *rig, char out[256])
{
    int n = snprintf(
        out, 256,
        "Nov 22 05:03:37 mx postfix/smtp[1871]: SEQ%u: to=<u%u@example.net>, status=bounced "
        "(host mx.example.net said: 550 5.1.1 unknown (in reply to RCPT TO command))\n",
        rig->next, rig->next);

    rig->next++;
    return (size_t)n;
}

void rig_write_fd(struct rig *rig, int fd, unsigned lines)
{
    char line[256];

    while (lines--) {
        size_t n = rig_line(rig, line);

        assert_int_equal(write(fd, line, n), n);
    }
}

int rig_open(struct rig *rig, const char *name)
{
    int fd = open(rig_path(rig, name), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0644);

    assert_true(fd >= 0);
    return fd;
}

void rig_write(struct rig *rig, const char *name, unsigned lines)
{
    int fd = rig_open(rig, name);

    rig_write_fd(rig, fd, lines);
    close(fd);
}

void rig_append(struct rig *rig, const char *name, const char *text, size_t n)
{
    int fd = rig_open(rig, name);

    assert_int_equal(write(fd, text, n), n);
    close(fd);
}

void rig_rename(struct rig *rig, const char *from, const char *to)
{
    assert_int_equal(rename(rig_path(rig, from), rig_path(rig, to)), 0);
}

void rig_remove(struct rig *rig, const char *name)
{
    assert_int_equal(unlink(rig_path(rig, name)), 0);
}

void rig_truncate(struct rig *rig, const char *name)
{
    assert_int_equal(truncate(rig_path(rig, name), 0), 0);
}

static char *load(struct rig *rig, const char *name, size_t *n)
{
    FILE *file = fopen(rig_path(rig, name), "rb");
    char *bytes;

    assert_non_null(file);
    fseek(file, 0, SEEK_END);
    *n = (size_t)ftell(file);
    rewind(file);
    bytes = malloc(*n + 1);
    assert_non_null(bytes);
    assert_int_equal(fread(bytes, 1, *n, file), *n);
    fclose(file);
    return bytes;
}

static void save(struct rig *rig, const char *name, const char *bytes, size_t n)
{
    FILE *file = fopen(rig_path(rig, name), "wb");

    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, n, file), n);
    fclose(file);
}

void rig_copy(struct rig *rig, const char *from, const char *to)
{
    size_t n;
    char *bytes = load(rig, from, &n);

    save(rig, to, bytes, n);
    free(bytes);
}

void rig_pack(struct rig *rig, const char *from, const char *to)
{
    size_t n, cap, made;
    char *bytes = load(rig, from, &n), *out;
    struct stat st;
    struct timespec times[2];

    cap = n + n / 8 + 1024;
    out = malloc(cap);
    assert_non_null(out);
    if (to[strlen(to) - 1] == 'z') {
        z_stream z = {0};

        assert_int_equal(deflateInit2(&z, 6, Z_DEFLATED, 16 + MAX_WBITS, 8, Z_DEFAULT_STRATEGY),
                         Z_OK);
        z.next_in = (unsigned char *)bytes;
        z.avail_in = (unsigned)n;
        z.next_out = (unsigned char *)out;
        z.avail_out = (unsigned)cap;
        assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
        made = cap - z.avail_out;
        deflateEnd(&z);
    } else {
        made = ZSTD_compress(out, cap, bytes, n, 3);
        assert_false(ZSTD_isError(made));
    }
    save(rig, to, out, made);
    /* Compressors keep the time of the last write. */
    assert_int_equal(stat(rig_path(rig, from), &st), 0);
    times[0] = st.st_atim;
    times[1] = st.st_mtim;
    utimensat(AT_FDCWD, rig_path(rig, to), times, 0);
    free(bytes);
    free(out);
}

uint64_t rig_inode(struct rig *rig, const char *name)
{
    struct stat st;

    assert_int_equal(stat(rig_path(rig, name), &st), 0);
    return st.st_ino;
}
