#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bounceline/alloc.h"
#include "commands.h"
#include "log.h"
#include "notify.h"
#include "options.h"
#include "redis_private.h"
#include "rules_set.h"
#include "sources.h"
#include "wire.h"

enum {
    PATIENCE_MS = 30000,
    VACANT_MS = 600000,
    PRIVATE_WAIT_MS = 20000,
    OPTION_ONCE = BL_OPTION_OWN,
    OPTION_FROM,
    OPTION_LEVEL,
    OPTION_RULES
};

static const char usage[] =
    "bounceline run                                  follow what /etc/bounceline/bounceline.yaml names\n"
    "bounceline run /var/log/mail.log                follow a log, with a private Redis\n"
    "bounceline run --redis unix:/run/redis/redis.sock /var/log/mail.log*\n"
    "bounceline run --once old.log old.log.1.gz      to the end of every file, commit, print stats\n"
    "bounceline run --from end /var/log/mail.log     what is there already is passed over\n"
    "\n"
    "  -c FILE       the configuration; what stands on the command line counts for more\n"
    "  --once        stop at the end of every file and print `bounceline stats`\n"
    "  --from end    at first sight of a log, begin at its end\n"
    "  -j N          parse with N threads (default: one less than the processors, at least 1)\n"
    "  --log-level L error, warning, notice, info (default) or debug\n"
    "  -q            the same as --log-level warning\n"
    "  --rules PATH  your own rules over the shipped ones: a file or a directory of NAME.rules\n"
    "  --redis URL   unix:/path or redis://[user[:password]@]host[:port][/db]; default: a private server\n"
    "  --state DIR   lock, identity, snapshots, the private server's data\n"
    "  --node NAME   this host's name in the counters\n"
    "\n"
    "Stops on SIGTERM or Ctrl-C after committing what it has read.  Started again, it goes on there.\n";

struct run_options {
    struct bl_where where;
    struct bl_daemon_options daemon;
    char **files; /* of the command line; they replace those of the configuration */
    size_t files_n;
    bool from_end, help;
    int level; /* 0: not given */
};

/* The tests switch a protection off to see that they notice, and do not wait for ten minutes. */
static void read_test_switches(struct bl_daemon_options *daemon)
{
    const char *words = getenv("BOUNCELINE_TEST");

    if (!words)
        return;
    if (strstr(words, "vacant-soon"))
        daemon->vacant_ms = 1500;
    daemon->no_fence = strstr(words, "no-fence") != NULL;
    daemon->no_slot_positions = strstr(words, "no-slot-positions") != NULL;
}

static unsigned default_workers(void)
{
    long processors = sysconf(_SC_NPROCESSORS_ONLN);

    return processors > 2 ? (unsigned)(processors - 1) : 1;
}

/* 0, or the exit code. */
static int read_options(int argc, char **argv, struct run_options *out)
{
    static const struct option known[] = {
        {"once", no_argument, 0, OPTION_ONCE},
        {"from", required_argument, 0, OPTION_FROM},
        {"help", no_argument, 0, 'h'},
        {"quiet", no_argument, 0, 'q'},
        {"log-level", required_argument, 0, OPTION_LEVEL},
        {"rules", required_argument, 0, OPTION_RULES},
        BL_OPTIONS_WHERE,
        {0},
    };
    uint64_t workers;
    int option;

    opterr = 0;
    while ((option = getopt_long(argc, argv, ":hqj:c:", known, NULL)) != -1) {
        if (bl_where_take(&out->where, option, optarg))
            continue;
        switch (option) {
        case 'h':
            out->help = true;
            return 0;
        case 'q':
            out->level = 4;
            break;
        case OPTION_LEVEL:
            if (!bl_log_level(optarg, &out->level))
                return bl_usage("run",
                                "--log-level takes error, warning, notice, info or debug, not '%s'",
                                optarg);
            break;
        case 'j':
            if (!bl_option_number(optarg, 1, 64, &workers))
                return bl_usage("run", "-j takes a number from 1 to 64, not '%s'", optarg);
            out->daemon.workers = (unsigned)workers;
            break;
        case OPTION_RULES:
            if (!bl_option_rules("run", optarg, &out->daemon.rules_given))
                return BL_EXIT_USAGE;
            break;
        case OPTION_ONCE:
            out->daemon.once = true;
            break;
        case OPTION_FROM:
            if (strcmp(optarg, "end") != 0)
                return bl_usage("run", "--from takes 'end', not '%s'", optarg);
            out->from_end = true;
            break;
        default:
            return bl_usage_known("run", known, argc, argv, option);
        }
    }
    out->files = argv + optind;
    out->files_n = (size_t)(argc - optind);
    return 0;
}

/* `stats` as a user would call it: the environment says where. */
static int print_stats(const struct bl_where *where)
{
    char *argv[] = {(char[]){"stats"}, (char[]){"--node"}, strdup(where->node), NULL};
    int code = argv[2] ? 0 : BL_EXIT_OS;

    if (where->redis_by > BL_SAID_CONFIG)
        setenv("BOUNCELINE_REDIS", where->redis, 1);
    setenv("BOUNCELINE_STATE", where->state, 1);
    if (where->config->path)
        setenv("BOUNCELINE_CONFIG", where->config->path, 1);
    optind = 0; /* getopt begins anew */
    if (code == 0)
        code = cmd_stats((int)BL_COUNT(argv) - 1, argv);
    free(argv[2]);
    return code;
}

/* The file that was read at the start, or the default one if it is there by now. */
static enum bl_code reread(void *arg, struct bl_config **out, bl_err *err)
{
    const struct bl_where *where = arg;
    const char *path = where->config->path;
    enum bl_code rc = bl_config_read(path ? path : bl_config_path(), out, NULL, err);

    return rc == BL_NO_INPUT && !path ? bl_config_default(out) : rc;
}

/* What the configuration says, as far as the command line does not. */
static enum bl_code settle(struct run_options *options, bl_err *err)
{
    const struct bl_config *config = options->where.config;
    struct bl_rules_paths paths = options->daemon.rules_given;
    enum bl_code rc = bl_where_rules(&options->where, &paths, err);

    if (rc != BL_OK)
        return rc;
    bl_log_set_level(options->level ? options->level : config->log_level);
    rc = bl_rules_set_load(&paths, &options->daemon.rules, err);
    if (rc != BL_OK)
        return rc == BL_NO_MEMORY ? rc : BL_CONFIG;
    options->daemon.config = config;
    options->daemon.reread = reread;
    options->daemon.reread_arg = &options->where;
    options->daemon.level_given = options->level != 0;
    if (!options->daemon.once) {
        bl_log_set_daemon();
        bl_notify_start();
    }
    if (!options->daemon.workers)
        options->daemon.workers = config->threads ? (unsigned)config->threads : default_workers();
    return BL_OK;
}

/* The logs to begin with.  A daemon waits for those that a pattern may bring. */
static enum bl_code find_sources(struct run_options *options, bl_err *err)
{
    const struct bl_config *config = options->where.config;
    struct bl_sources **sources = &options->daemon.sources;
    enum bl_code rc;

    options->daemon.sources_given = options->files_n > 0;
    if (options->files_n)
        rc = bl_sources_of_arguments(sources, options->files, options->files_n, options->from_end,
                                     err);
    else if (config->sources == 0)
        rc = bl_fail(err, BL_USAGE, 0,
                     "which log? for example: bounceline run /var/log/mail.log, or 'sources' in %s",
                     config->path ? config->path : BL_CONFIG_DEFAULT_PATH);
    else
        rc = bl_sources_of_config(sources, config, err);
    if (rc == BL_OK)
        rc = bl_sources_look(*sources, NULL, err);
    if (rc == BL_OK && options->daemon.once && (*sources)->n == 0)
        rc = bl_fail(err, BL_NO_INPUT, 0, "no log to read: none of 'sources' is there");
    if (rc == BL_OK && (*sources)->over && options->files_n)
        rc = bl_fail(err, BL_LIMIT, 0, "%zu logs are more than %d",
                     (*sources)->n + (*sources)->over, BL_SOURCES_MAX);
    if (rc == BL_OK && (*sources)->over)
        bl_log(4, "%zu logs that match are not followed: %d are the most", (*sources)->over,
               BL_SOURCES_MAX);
    return rc;
}

/* The server that is named, or our own. */
static enum bl_code find_redis(struct run_options *options, struct bl_redis_private **own,
                               bl_err *err)
{
    char url[256];
    enum bl_code rc;

    if (options->where.redis)
        return bl_where_redis(&options->where, &options->daemon.redis, err);
    rc = bl_redis_private_open(own, options->where.state, options->where.config->redis.memory_bytes,
                               PRIVATE_WAIT_MS, err);
    if (rc != BL_OK)
        return rc;
    snprintf(url, sizeof url, "unix:%s", bl_redis_private_socket(*own));
    return bl_redis_url_parse(url, &options->daemon.redis, err);
}

static int run(struct run_options *options)
{
    struct bl_redis_private *own = NULL;
    struct bl_state state = {.lock_fd = -1};
    bl_err err = {0};
    int code;
    enum bl_code rc;

    /* Rules take a moment and a private Redis may load for minutes, and who asks to reload must not
     * end that.  On a terminal it means: it went. */
    if (!options->daemon.once && !isatty(STDERR_FILENO))
        signal(SIGHUP, SIG_IGN);
    rc = settle(options, &err);
    if (rc == BL_OK)
        rc = find_sources(options, &err);
    if (rc == BL_OK)
        rc = bl_state_open(&state, options->where.state, &err);
    if (rc == BL_OK)
        rc = find_redis(options, &own, &err);
    if (rc == BL_OK) {
        options->daemon.node = options->where.node;
        options->daemon.state = &state;
        options->daemon.own_redis = own;
        code = bl_daemon_run(&options->daemon);
        if (options->daemon.once &&
            (code == 0 || code == BL_EXIT_NO_INPUT || code == BL_EXIT_DATA)) {
            int printed = print_stats(&options->where); /* what was read counts */

            code = code ? code : printed;
        }
    } else {
        code = bl_complain(rc, &err);
        bl_rules_set_free(options->daemon.rules);
        bl_sources_free(options->daemon.sources);
    }
    bl_redis_private_close(own);
    bl_state_close(&state);
    return code;
}

int cmd_run(int argc, char **argv)
{
    struct run_options options = {.daemon = {.patience_ms = PATIENCE_MS, .vacant_ms = VACANT_MS}};
    int code;

    bl_where_init(&options.where);
    code = read_options(argc, argv, &options);
    if (code == 0 && options.help)
        fputs(usage, stdout);
    else if (code == 0) {
        read_test_switches(&options.daemon);
        code = run(&options);
    }
    bl_where_release(&options.where);
    return code;
}
