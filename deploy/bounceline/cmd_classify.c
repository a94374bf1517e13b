/* cmd_classify.c -- the verdict on replies given by hand or line by line
 *
 * Needs core alone.  Lines are taken from the buffer they were read into and classified in
 * batches. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "bounceline/alloc.h"
#include "commands.h"
#include "json.h"
#include "options.h"
#include "rules_set.h"
#include "said.h"
#include "text.h"
#include "told.h"

enum { BATCH = 64, READ_BYTES = 256 << 10, REPLY_COLUMNS = 4 * BL_LINE_MAX };

struct classify {
    bool json;
    struct bl_circumstances given;
    struct bl_where where; /* the configuration; no Redis */
    struct bl_rules_paths paths;
    const struct bl_rules *rules;
    struct bl_output *out;
    bl_slice text[BATCH]; /* as given */
    bl_reply reply[BATCH];
    bl_verdict verdict[BATCH];
    size_t n;
};

static void help(void)
{
    fputs(
        "bounceline classify: why a reply refuses mail, whose fault it is, what to do with the address\n"
        "\n"
        "  bounceline classify '550 5.1.1 <ana@example.org>: User unknown'\n"
        "  bounceline classify --json --phase rcpt '452 4.2.2 Mailbox full' | jq -r .remedy\n"
        "  bounceline classify < replies.txt              one reply a line, answers in the same order\n"
        "\n"
        "  --json         one JSON object for each reply\n"
        "  --phase P      where it came: dns connect helo tls auth mail rcpt data eod local\n"
        "  --relay HOST   who said it; some providers have their own wording\n"
        "  -c FILE        the configuration, for its rules; /etc/bounceline/bounceline.yaml when it is there\n"
        "  --rules PATH   your own rules over the shipped ones: a file or a directory of NAME.rules\n"
        "\n"
        "Without REPLY, or with -, standard input is read.  Columns: category, type, whose fault, action, rule, reply.\n"
        "What Postfix logs in brackets (`host mx[192.0.2.1] said: 550 ...`) is understood too, and so are a whole line\n"
        "of its log (`... status=bounced (TEXT)`) and what Exim, qmail and bounces quote (`Remote host said: 550 ...`).\n"
        "Without a phase only unmistakable wording leads to `suppress`.  `bounceline explain` says why.\n",
        stdout);
}

static void put_columns(const struct classify *job, const struct bl_category *category,
                        const bl_verdict *verdict, bl_slice text)
{
    const char *type = bl_type_name((enum bl_type)verdict->type),
               *scope = bl_scope_name(category->scope);
    const char *action = bl_action_name((enum bl_action)verdict->action);

    bl_text_pad(job->out, category->name, 23);
    bl_output_put(job->out, BL_SLICE(" "));
    bl_text_pad(job->out, (bl_slice){type, strlen(type)}, 13);
    bl_text_pad(job->out, (bl_slice){scope, strlen(scope)}, 12);
    bl_text_pad(job->out, (bl_slice){action, strlen(action)}, 9);
    bl_text_pad(job->out, bl_rules_rule(job->rules, verdict->rule)->id, 32);
    bl_text_put(job->out, text, REPLY_COLUMNS);
    bl_output_byte(job->out, '\n');
}

static void put_json(const struct classify *job, const struct bl_category *category,
                     const bl_verdict *verdict, const bl_reply *reply)
{
    char status[BL_STATUS_TEXT_MAX];
    struct bl_extract extract;
    struct bl_json json;

    bl_json_init(&json, job->out);
    bl_json_begin(&json);
    bl_json_u64(&json, BL_SLICE("v"), 1);
    if (reply->code)
        bl_json_u64(&json, BL_SLICE("code"), reply->code);
    if (!bl_status_absent(reply->enhanced))
        bl_json_text(&json, BL_SLICE("enhanced"),
                     (bl_slice){status, bl_status_text(reply->enhanced, status)});
    bl_told_verdict(&json, job->rules, verdict);
    bl_json_text(&json, BL_SLICE("rule"), bl_rules_rule(job->rules, verdict->rule)->id);
    bl_extract_read(job->rules, reply->text, verdict, &extract);
    bl_told_extract(&json, &extract);
    bl_json_text_if(&json, BL_SLICE("meaning"), category->meaning);
    bl_json_text_if(&json, BL_SLICE("remedy"), bl_told_remedy(job->rules, verdict));
    bl_json_end(&json);
}

static void finish_batch(struct classify *job)
{
    bl_classify_many(job->rules, job->reply, job->verdict, job->n);
    for (size_t i = 0; i < job->n; i++) {
        const struct bl_category *category =
            bl_rules_category(job->rules, job->verdict[i].category);

        if (job->json)
            put_json(job, category, &job->verdict[i], &job->reply[i]);
        else
            put_columns(job, category, &job->verdict[i], job->text[i]);
    }
    job->n = 0;
}

static void add(struct classify *job, bl_slice text)
{
    bl_reply *reply = &job->reply[job->n];

    job->text[job->n] = bl_said_read(text, reply);
    bl_circumstances_apply(&job->given, reply);
    if (++job->n == BATCH)
        finish_batch(job);
}

/* Whole lines of `buf`; returns how many bytes they take.  `skipping`: inside a line whose head was
 * classified already. */
static size_t take_lines(struct classify *job, const char *buf, size_t n, bool *skipping)
{
    size_t at = 0;

    while (at < n) {
        const char *end = memchr(buf + at, '\n', n - at);

        if (!end)
            break;
        if (!*skipping)
            add(job, (bl_slice){buf + at, (size_t)(end - buf) - at});
        *skipping = false;
        at = (size_t)(end - buf) + 1;
    }
    if (!*skipping && n - at > BL_LINE_MAX) {
        add(job, (bl_slice){buf + at, n - at});
        *skipping = true;
    }
    if (*skipping)
        at = n;
    if (job->n)
        finish_batch(job); /* the texts lie in the buffer, which is about to move */
    return at;
}

static enum bl_code read_stdin(struct classify *job, bl_err *err)
{
    char *buf = bl_malloc(READ_BYTES);
    bool skipping = false;
    size_t n = 0;
    ssize_t got;

    if (!buf)
        return bl_fail(err, BL_NO_MEMORY, 0, "out of memory");
    for (;;) {
        size_t taken;

        got = read(STDIN_FILENO, buf + n, READ_BYTES - n);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            break;
        n += (size_t)got;
        taken = take_lines(job, buf, n, &skipping);
        memmove(buf, buf + taken, n - taken);
        n -= taken;
        if (!bl_output_flush(job->out)) /* whoever asks line by line is waiting for the answer */
            break;
    }
    if (n && !skipping)
        add(job, (bl_slice){buf, n}); /* the last line, without a newline */
    finish_batch(job);
    bl_free(buf);
    return got < 0 ? bl_fail(err, BL_IO, errno, "cannot read standard input: %s", strerror(errno))
                   : BL_OK;
}

static bool take_options(struct classify *job, int argc, char **argv, int *exit_code)
{
    enum { JSON = BL_OPTION_OWN, RULES };
    static const struct option known[] = {
        {"json", no_argument, 0, JSON},
        BL_OPTIONS_CIRCUMSTANCES,
        {"rules", required_argument, 0, RULES},
        {"help", no_argument, 0, 'h'},
        BL_OPTIONS_CONFIG,
        {0},
    };
    int c;

    opterr = 0;
    optind = 0;
    *exit_code = 0;
    while ((c = getopt_long(argc, argv, ":hc:", known, NULL)) != -1) {
        if (bl_where_take(&job->where, c, optarg))
            continue;
        if (bl_circumstances_take(&job->given, "classify", c, optarg, exit_code)) {
            if (*exit_code)
                return false;
            continue;
        }
        switch (c) {
        case 'h':
            help();
            return false;
        case JSON:
            job->json = true;
            break;
        case RULES:
            if (bl_option_rules("classify", optarg, &job->paths))
                break;
            *exit_code = BL_EXIT_USAGE;
            return false;
        default:
            *exit_code = bl_usage_known("classify", known, argc, argv, c);
            return false;
        }
    }
    return true;
}

static int classify(struct classify *job, int n, char **texts)
{
    bl_err err = {0};
    int exit_code, written;
    enum bl_code rc = bl_where_load_rules(&job->where, &job->paths, &job->rules, &err);

    if (rc != BL_OK)
        return bl_complain(rc, &err);
    bl_output_init(job->out, STDOUT_FILENO);
    if (n == 1 && strcmp(texts[0], "-") == 0) /* as everywhere else */
        n = 0;
    for (int i = 0; i < n; i++)
        add(job, (bl_slice){texts[i], strlen(texts[i])});
    if (n)
        finish_batch(job);
    else
        rc = read_stdin(job, &err);
    exit_code = rc == BL_OK ? 0 : bl_complain(rc, &err);
    written = bl_output_finish(job->out);
    bl_rules_set_free(job->rules);
    return exit_code ? exit_code : written;
}

int cmd_classify(int argc, char **argv)
{
    static struct bl_output out;
    static struct classify job = {.out = &out};
    int exit_code;

    bl_where_init(&job.where);
    if (take_options(&job, argc, argv, &exit_code))
        exit_code = classify(&job, argc - optind, argv + optind);
    bl_where_release(&job.where);
    return exit_code;
}
