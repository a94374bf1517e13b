/* cmd_scan.c -- a report on logs, or their events
 *
 * The daemon's own path without its ends: files are read into blocks here, parsed by the pipeline,
 * joined and counted on its stage thread.  All files are one stream in the order of their age, so a
 * sender logged before a rotation is known behind it. */
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "bounceline/alloc.h"
#include "bounceline/join.h"
#include "commands.h"
#include "events.h"
#include "input.h"
#include "oldest_first.h"
#include "options.h"
#include "pipeline.h"
#include "relays.h"
#include "report.h"
#include "rules_set.h"
#include "text.h"
#include "zone.h"

enum {
    JOIN_ENTRIES = 40960, /* live queue ids; report.h says how the memory adds up */
    JOIN_TEXT_BYTES = 8 << 20,
    LIVE_BYTES = 32 << 10,
    PROGRESS_AFTER_MS = 1000,
    PROGRESS_EVERY_MS = 200,
    PROGRESS_COLUMNS = 24
};

struct scan {
    /* what was asked for */
    unsigned workers;
    bool json, events;
    size_t rows; /* of each table; 0: as many as fit it */
    int64_t since_us, until_us;

    struct bl_where where; /* the configuration; no Redis */
    struct bl_rules_paths paths;
    const struct bl_rules *rules;
    struct bl_relays *relays;
    struct bl_output *out;
    struct bl_report *report;
    struct bl_join *join;
    struct bl_pipeline *pipeline;
    bl_zone zone; /* the pipeline's */

    size_t files, packed[BL_ZSTD + 1];
    uint64_t bytes; /* read, unpacked */
    /* sizes of all files, of those read to their end: for the progress shown */
    uint64_t bytes_known, bytes_done;
    int fd; /* being read */
    int64_t started_ms, shown_ms;
    bool progress;
    int exit_code; /* the first thing that went wrong */
};

static void help(void)
{
    fputs(
        "bounceline scan: what a log says about failed mail\n"
        "\n"
        "  bounceline scan /var/log/mail.log*              a report, rotated and packed files included\n"
        "  journalctl -o short-iso -u 'postfix@*' | bounceline scan -\n"
        "  bounceline scan --json mail.log | jq .rates     the same as one JSON object\n"
        "  bounceline scan --events mail.log | grep '\"category\":\"mailbox-full\"'\n"
        "  bounceline scan --since 24h /var/log/mail.log\n"
        "\n"
        "  -j N           read with N threads besides (default 1: none)\n"
        "  --json         one JSON object\n"
        "  --events       one JSON object a line for each recipient's outcome, in the order of the log\n"
        "  --since T      only outcomes from T on: 2026-11-22, 2026-11-22T05:00:00Z, 90s 5m 24h 7d ago,\n"
        "                 today, yesterday (they begin at midnight)\n"
        "  --until T      only outcomes before T\n"
        "  --top N        N rows in each table of the report (1 to 1000)\n"
        "  -c FILE        the configuration, for its rules and relays; /etc/bounceline/bounceline.yaml when it is there\n"
        "  --rules PATH   your own rules over the shipped ones: a file or a directory of NAME.rules\n"
        "\n"
        "FILE is plain, .gz or .zst, told apart by content, or - for standard input.  Files of one name are\n"
        "read oldest first.  Exit code 66 when a file cannot be read or was cut meanwhile, 65 when an archive is\n"
        "damaged or packed by xz or bzip2; the rest is reported all the same.\n",
        stdout);
}

static void complain(struct scan *scan, enum bl_code code, const bl_err *err)
{
    int exit_code = bl_complain(code, err);

    if (scan->exit_code == 0)
        scan->exit_code = exit_code;
}

static bool wanted(const struct scan *scan, const bl_event *event)
{
    return event->time_us >= scan->since_us && event->time_us < scan->until_us;
}

/* What a smarthost or filter took is not delivered yet; the daemon's stage does the same. */
static const bl_event *settle(const struct scan *scan, const bl_event *event, bl_event *relayed)
{
    if (event->outcome != BL_DELIVERED ||
        !bl_relays_has(scan->relays, event->relay_host, event->relay_ip))
        return event;
    *relayed = *event;
    relayed->outcome = BL_RELAYED;
    return relayed;
}

static void count_event(void *arg, const bl_event *event)
{
    struct scan *scan = arg;
    bl_event relayed;

    if (wanted(scan, event))
        bl_report_event(scan->report, settle(scan, event, &relayed));
    else if (event->time_us < scan->since_us)
        bl_report_earlier(scan->report, event);
}

static void print_event(void *arg, const bl_event *event)
{
    struct scan *scan = arg;
    bl_event relayed;

    if (wanted(scan, event))
        bl_events_put(scan->out, settle(scan, event, &relayed), scan->rules);
}

/* On the stage thread, block after block in the order of the log. */
static void consume(void *arg, struct bl_block *block)
{
    struct scan *scan = arg;

    if (block->kind != BL_BLOCK_DATA)
        return;
    if (!scan->events)
        bl_report_block(scan->report, block);
    bl_join_block(scan->join, block, scan->events ? print_event : count_event, scan);
    if (scan->events && block->n < LIVE_BYTES)
        bl_output_flush(scan->out); /* a pipe that gives a little at a time: somebody is watching */
}

/* The report counts; it shows nothing of a message but whose sender's domain it is. */
static unsigned shown_by(const struct scan *scan)
{
    return scan->events ? BL_SHOWS_ALL : 0;
}

/* The pipeline knows one zone; files years apart may need others around their own time. */
static enum bl_code enter_zone(struct scan *scan, int64_t reference_s, bl_err *err)
{
    struct bl_pipeline_options options = {
        .workers = scan->workers,
        .shown = shown_by(scan),
        .rules = scan->rules,
        .consume = consume,
        .arg = scan,
    };

    /* Without threads a block is back before the next is asked for.  One alone, and what is read
     * into it, stays in the near cache; several go round through memory, so there are not many more
     * than are worked on. */
    options.blocks = scan->workers ? scan->workers + 3 : 1;

    bl_zone_around(reference_s, &options.zone);
    /* NOLINTNEXTLINE(bugprone-suspicious-memory-comparison): zeroed before, padding and all */
    if (scan->pipeline && memcmp(&options.zone, &scan->zone, sizeof scan->zone) == 0)
        return BL_OK;
    if (scan->pipeline)
        bl_pipeline_stop(scan->pipeline);
    scan->pipeline = NULL;
    scan->zone = options.zone;
    return bl_pipeline_start(&scan->pipeline, &options, err);
}

static int64_t steady_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* How far, as they lie on the disk: of packed files nobody knows what will come out.  0 when
 * unknown. */
static double progress_of(const struct scan *scan)
{
    off_t at = lseek(scan->fd, 0, SEEK_CUR);
    double done = (double)scan->bytes_done + (at > 0 ? (double)at : 0);

    return at >= 0 && scan->bytes_known ? done / (double)scan->bytes_known : 0;
}

static void show_progress(struct scan *scan)
{
    char read[BL_TEXT_NUMBER_MAX], speed[BL_TEXT_NUMBER_MAX], left[BL_TEXT_NUMBER_MAX];
    char bar[PROGRESS_COLUMNS + 1];
    double part, seconds;
    int64_t now;

    if (!scan->progress)
        return;
    now = steady_ms();
    if (now - scan->started_ms < PROGRESS_AFTER_MS || now - scan->shown_ms < PROGRESS_EVERY_MS)
        return;
    scan->shown_ms = now;
    seconds = (double)(now - scan->started_ms) / 1000;
    part = progress_of(scan);
    bl_text_bytes(scan->bytes, read);
    bl_text_bytes((uint64_t)((double)scan->bytes / seconds), speed);
    if (part <= 0 || part > 1) {
        fprintf(stderr, "\r%s read   %s/s \x1b[K", read, speed);
        return;
    }
    for (size_t i = 0; i < PROGRESS_COLUMNS; i++)
        bar[i] = (double)i < part * PROGRESS_COLUMNS ? '#' : '.';
    bar[PROGRESS_COLUMNS] = 0;
    fprintf(stderr, "\r[%s] %3.0f %%   %s read   %s/s   %s left \x1b[K", bar, 100 * part, read,
            speed, bl_text_span((int64_t)(seconds / part * (1 - part)) * 1000, left));
}

static void end_progress(struct scan *scan)
{
    if (scan->shown_ms)
        fputs("\r\x1b[K", stderr);
    scan->shown_ms = 0;
}

static bool stopped(const struct scan *scan)
{
    return bl_output_failed(scan->out) != 0;
}

static bool note_progress(void *arg, size_t bytes)
{
    struct scan *scan = arg;

    scan->bytes += bytes;
    show_progress(scan);
    return !stopped(scan);
}

static void scan_file(struct scan *scan, const char *path, uint64_t generation)
{
    struct bl_input input;
    bl_err err = {0};
    enum bl_code rc = bl_input_open(&input, path, generation, &err);

    if (rc == BL_OK)
        rc = enter_zone(scan, input.reference_s, &err);
    if (rc == BL_OK) {
        scan->files++;
        scan->packed[bl_unpack_packing(input.unpack)]++;
        scan->fd = input.fd;
        rc = bl_input_read(&input, scan->pipeline, note_progress, scan, &err);
        scan->bytes_done += input.size_bytes;
    }
    if (rc != BL_OK) {
        end_progress(scan);
        complain(scan, rc, &err);
    }
    bl_input_close(&input);
}

/* Not to be taken for a log without failures. */
static const char headless_words[] =
    "no line has a syslog head that this version reads (RFC 3164, RFC 3339, RFC 5424)\n";

static void print_report(struct scan *scan, const struct bl_summary *summary)
{
    const struct bl_summary_style style = {bl_text_may_colour(STDOUT_FILENO),
                                           bl_text_columns(STDOUT_FILENO), scan->rows};
    char bytes[BL_TEXT_NUMBER_MAX], lines[BL_TEXT_NUMBER_MAX];
    struct bl_output *out = scan->out;

    bl_output_format(out, "read %zu %s", scan->files, scan->files == 1 ? "file" : "files");
    if (scan->packed[BL_GZIP] + scan->packed[BL_ZSTD])
        bl_output_format(out, " (%zu gz, %zu zst)", scan->packed[BL_GZIP], scan->packed[BL_ZSTD]);
    bl_output_format(out, ", %s, %s\n", bl_text_bytes(scan->bytes, bytes),
                     bl_text_count(summary->lines, "line", lines));
    if (bl_report_is_headless(scan->report))
        bl_output_put(out, (bl_slice){headless_words, strlen(headless_words)});
    bl_report_print_period(scan->report, scan->since_us != INT64_MIN || scan->until_us != INT64_MAX,
                           out);
    bl_summary_print(summary, scan->rules, &style, out);
    bl_report_print_unparsed(scan->report, out);
}

/* Talk, hence stderr: the report itself is the same every time. */
static void say_speed(const struct scan *scan, uint64_t lines)
{
    double seconds = (double)(steady_ms() - scan->started_ms) / 1000;

    if (seconds > 0 && isatty(STDERR_FILENO))
        fprintf(stderr, "%.1f s, %.2f million lines/s\n", seconds, (double)lines / seconds / 1e6);
}

static enum bl_code report(struct scan *scan)
{
    struct bl_summary *summary = bl_summary_new();

    if (!summary)
        return BL_NO_MEMORY;
    bl_report_summarise(scan->report, summary);
    if (scan->json)
        bl_summary_json(summary, scan->rules, scan->out);
    else
        print_report(scan, summary);
    bl_output_flush(scan->out);
    if (scan->json && bl_report_is_headless(scan->report))
        fputs(headless_words, stderr); /* JSON has no room for it */
    say_speed(scan, summary->lines);
    bl_summary_free(summary);
    return BL_OK;
}

static void add_known_sizes(struct scan *scan, char **paths, size_t n)
{
    struct stat st;

    for (size_t i = 0; i < n; i++)
        if (stat(paths[i], &st) == 0 && S_ISREG(st.st_mode))
            scan->bytes_known += (uint64_t)st.st_size;
}

/* A wish: the system may say no. */
static void use_large_pages(void *p, size_t bytes)
{
    (void)madvise(p, bytes, MADV_HUGEPAGE);
}

/* Named twice, in whatever spelling. */
static bool is_same_file(const char *a, const char *b)
{
    struct stat one, two;

    return strcmp(a, "-") != 0 && strcmp(b, "-") != 0 && stat(a, &one) == 0 && stat(b, &two) == 0 &&
           S_ISREG(one.st_mode) && one.st_dev == two.st_dev && one.st_ino == two.st_ino;
}

/* NAME.gz or the like beside NAME: a rotation that is packing, or was cut short. */
static bool is_packed_copy(const char *path, const char *plain)
{
    static const char *const ends[] = {".gz", ".zst", ".xz", ".bz2"};
    size_t n = strlen(plain);

    for (size_t i = 0; i < BL_COUNT(ends); i++)
        if (strncmp(path, plain, n) == 0 && strcmp(path + n, ends[i]) == 0)
            return access(plain, R_OK) == 0;
    return false;
}

/* Which of the first `n` makes reading this one a second time. */
static const char *find_double(char **paths, size_t n, const char *path, bool packed)
{
    for (size_t i = 0; i < n; i++)
        if (packed ? is_packed_copy(path, paths[i]) : is_same_file(path, paths[i]))
            return paths[i];
    return NULL;
}

static void say_double(const char *path, const char *other)
{
    bl_err err = {0};

    (void)bl_fail(&err, BL_USAGE, 0, "'%s' is passed over: it is '%s' again", path, other);
    (void)bl_complain(BL_USAGE, &err);
}

/* Each file once: the first of those that are the same, the plain one of a pair.  Returns how many
 * are left. */
static size_t drop_doubles(char **paths, size_t n)
{
    for (size_t i = n; i-- > 0;) {
        const char *other = find_double(paths, n, paths[i], true);

        if (!other)
            other = find_double(paths, i, paths[i], false);
        if (!other)
            continue;
        say_double(paths[i], other);
        memmove(paths + i, paths + i + 1, (n - i - 1) * sizeof *paths);
        n--;
    }
    return n;
}

static int scan_all(struct scan *scan, char **paths, size_t n)
{
    const struct bl_config *config = scan->where.config;
    bl_err err = {0};
    enum bl_code rc = bl_where_load_rules(&scan->where, &scan->paths, &scan->rules, &err);

    if (rc != BL_OK)
        return bl_complain(rc, &err);
    rc = BL_NO_MEMORY;
    scan->relays = bl_relays_new(config->relay, config->relays);
    bl_table_set_large(use_large_pages);
    scan->join = bl_join_new_showing(scan->rules, JOIN_ENTRIES, JOIN_TEXT_BYTES, shown_by(scan));
    scan->report = bl_report_new(scan->rules);
    bl_table_set_large(NULL);
    if (!scan->relays || !scan->join || !scan->report)
        goto out;
    scan->progress = bl_text_may_colour(STDERR_FILENO) && !(scan->events && isatty(STDOUT_FILENO));
    scan->started_ms = steady_ms();
    n = drop_doubles(paths, n);
    add_known_sizes(scan, paths, n);
    bl_oldest_first(paths, n);
    for (size_t i = 0; i < n && !stopped(scan); i++)
        scan_file(scan, paths[i], i + 1);
    if (scan->pipeline)
        bl_pipeline_stop(scan->pipeline);
    scan->pipeline = NULL;
    bl_join_finish(scan->join, scan->events ? print_event : count_event, scan);
    end_progress(scan);
    rc = scan->files && !scan->events ? report(scan) : BL_OK;
out:
    if (rc != BL_OK)
        complain(scan, rc, NULL);
    bl_report_free(scan->report);
    bl_join_free(scan->join);
    bl_relays_free(scan->relays);
    bl_rules_set_free(scan->rules);
    return scan->exit_code;
}

static bool take_options(struct scan *scan, int argc, char **argv, int *exit_code)
{
    enum { JSON = BL_OPTION_OWN, EVENTS, SINCE, UNTIL, TOP, RULES };
    static const struct option known[] = {
        {"json", no_argument, 0, JSON},
        {"events", no_argument, 0, EVENTS},
        {"since", required_argument, 0, SINCE},
        {"until", required_argument, 0, UNTIL},
        {"top", required_argument, 0, TOP},
        {"rules", required_argument, 0, RULES},
        {"jobs", required_argument, 0, 'j'},
        {"help", no_argument, 0, 'h'},
        BL_OPTIONS_CONFIG,
        {0},
    };
    int64_t now_ms = bl_now_ms(), time_ms;
    uint64_t number;
    int c;

    opterr = 0;
    optind = 0;
    *exit_code = 0;
    while ((c = getopt_long(argc, argv, ":j:hc:", known, NULL)) != -1) {
        if (bl_where_take(&scan->where, c, optarg))
            continue;
        switch (c) {
        case 'h':
            help();
            return false;
        case 'j':
            if (!bl_option_number(optarg, 1, BL_WORKERS_MAX, &number)) {
                *exit_code = bl_usage("scan", "-j takes a number from 1 to %d, not '%s'",
                                      BL_WORKERS_MAX, optarg);
                return false;
            }
            scan->workers = number > 1 ? (unsigned)number : 0;
            break;
        case TOP:
            if (!bl_option_number(optarg, 1, BL_SUMMARY_ROWS, &number)) {
                *exit_code = bl_usage("scan", "--top takes a number from 1 to %d, not '%s'",
                                      BL_SUMMARY_ROWS, optarg);
                return false;
            }
            scan->rows = (size_t)number;
            break;
        case JSON:
            scan->json = true;
            break;
        case EVENTS:
            scan->events = true;
            break;
        case RULES:
            if (bl_option_rules("scan", optarg, &scan->paths))
                break;
            *exit_code = BL_EXIT_USAGE;
            return false;
        case SINCE:
        case UNTIL:
            if (!bl_option_time(optarg, now_ms, &time_ms)) {
                *exit_code = bl_usage("scan",
                                      "'%s' is no time; 24h, yesterday, 2026-11-22 and "
                                      "2026-11-22T05:00:00Z are",
                                      optarg);
                return false;
            }
            *(c == SINCE ? &scan->since_us : &scan->until_us) = time_ms * 1000;
            break;
        default:
            *exit_code = bl_usage_known("scan", known, argc, argv, c);
            return false;
        }
    }
    if (scan->json && scan->events)
        *exit_code = bl_usage(
            "scan", "--json is one object for all, --events one for each result: not both");
    else if (optind == argc)
        *exit_code = bl_usage("scan", "which log? a file, or - for standard input");
    return *exit_code == 0;
}

int cmd_scan(int argc, char **argv)
{
    static struct bl_output out;
    struct scan scan = {.out = &out, .since_us = INT64_MIN, .until_us = INT64_MAX};
    int exit_code, written;

    bl_where_init(&scan.where);
    if (take_options(&scan, argc, argv, &exit_code)) {
        bl_output_init(&out, STDOUT_FILENO);
        exit_code = scan_all(&scan, argv + optind, (size_t)(argc - optind));
        written = bl_output_finish(&out);
        exit_code = exit_code ? exit_code : written;
    }
    bl_where_release(&scan.where);
    return exit_code;
}
