#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bounceline/alloc.h"
#include "commands.h"
#include "log.h"
#include "options.h"
#include "redis_private.h"
#include "wire.h"

enum { PATIENCE_MS = 30000, PRIVATE_WAIT_MS = 20000, OPTION_ONCE = BL_OPTION_OWN, OPTION_FROM };

static const char usage[] =
    "bounceline run /var/log/mail.log                follow a log, with a private Redis\n"
    "bounceline run --redis unix:/run/redis/redis.sock /var/log/mail.log*\n"
    "bounceline run --once old.log old.log.1.gz      to the end of every file, commit, print stats\n"
    "bounceline run --from end /var/log/mail.log     what is there already is passed over\n"
    "\n"
    "  --once        stop at the end of every file and print `bounceline stats`\n"
    "  --from end    at first sight of a log, begin at its end\n"
    "  -j N          parse with N threads (default: one less than the processors, at least 1)\n"
    "  -q            say less: warnings and errors only\n"
    "  --redis URL   unix:/path or redis://[user[:password]@]host[:port][/db]; default: a private server\n"
    "  --state DIR   lock, identity, snapshots, the private server's data\n"
    "  --node NAME   this host's name in the counters\n"
    "\n"
    "Stops on SIGTERM or Ctrl-C after committing what it has read.  Started again, it goes on there.\n";

struct run_options {
    struct bl_where where;
    struct bl_daemon_options daemon;
    bool help;
};

/* The tests switch a protection off to see that they notice. */
static void read_test_switches(struct bl_daemon_options *daemon)
{
    const char *words = getenv("BOUNCELINE_TEST");

    if (!words)
        return;
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
        BL_OPTIONS_WHERE,
        {0},
    };
    uint64_t workers;
    int option;

    opterr = 0;
    while ((option = getopt_long(argc, argv, ":hqj:", known, NULL)) != -1) {
        if (bl_where_take(&out->where, option, optarg))
            continue;
        switch (option) {
        case 'h':
            out->help = true;
            return 0;
        case 'q':
            bl_log_set_level(4);
            break;
        case 'j':
            if (!bl_option_number(optarg, 1, 64, &workers))
                return bl_usage("run", "-j takes a number from 1 to 64, not '%s'", optarg);
            out->daemon.workers = (unsigned)workers;
            break;
        case OPTION_ONCE:
            out->daemon.once = true;
            break;
        case OPTION_FROM:
            if (strcmp(optarg, "end") != 0)
                return bl_usage("run", "--from takes 'end', not '%s'", optarg);
            out->daemon.from_end = true;
            break;
        default:
            if (option == '?' && optopt == 'c')
                return bl_usage("run", "-c: configuration files are not in this version");
            return bl_usage_option("run", argc, argv, option);
        }
    }
    if (optind == argc)
        return bl_usage("run", "which log? for example: bounceline run /var/log/mail.log");
    out->daemon.paths = (const char *const *)(argv + optind);
    out->daemon.paths_n = (size_t)(argc - optind);
    return 0;
}

static int print_stats(const struct bl_where *where, const char *redis)
{
    char *argv[] = {(char[]){"stats"}, (char[]){"--redis"}, strdup(redis), (char[]){"--node"},
                    strdup(where->node), NULL};
    int code = argv[2] && argv[4] ? 0 : BL_EXIT_OS;

    optind = 0; /* getopt begins anew */
    if (code == 0)
        code = cmd_stats((int)BL_COUNT(argv) - 1, argv);
    free(argv[2]);
    free(argv[4]);
    return code;
}

int cmd_run(int argc, char **argv)
{
    struct run_options options = {.daemon = {.workers = default_workers(), .patience_ms = PATIENCE_MS}};
    struct bl_redis_private *own = NULL;
    struct bl_state state;
    char own_url[256];
    const char *url;
    bl_err err = {0};
    enum bl_code rc;
    int code;

    bl_where_init(&options.where);
    code = read_options(argc, argv, &options);
    if (code != 0)
        return code;
    if (options.help) {
        fputs(usage, stdout);
        return 0;
    }
    read_test_switches(&options.daemon);
    rc = bl_state_open(&state, options.where.state, &err);
    if (rc != BL_OK)
        return bl_complain(rc, &err);
    url = options.where.redis;
    if (!url) {
        rc = bl_redis_private_open(&own, options.where.state, 0, PRIVATE_WAIT_MS, &err);
        if (rc == BL_OK)
            snprintf(own_url, sizeof own_url, "unix:%s", bl_redis_private_socket(own));
        url = own_url;
    }
    if (rc == BL_OK)
        rc = bl_redis_url_parse(url, &options.daemon.redis, &err);
    if (rc == BL_OK) {
        options.daemon.node = options.where.node;
        options.daemon.state = &state;
        options.daemon.own_redis = own;
        code = bl_daemon_run(&options.daemon);
        if (options.daemon.once && (code == 0 || code == BL_EXIT_NO_INPUT || code == BL_EXIT_DATA)) {
            int printed = print_stats(&options.where, url); /* what was read counts */

            code = code ? code : printed;
        }
    } else {
        code = bl_complain(rc, &err);
    }
    bl_redis_private_close(own);
    bl_state_close(&state);
    return code;
}
