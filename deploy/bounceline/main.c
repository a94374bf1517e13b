/* bounceline: which command, and nothing else. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "commands.h"
#include "options.h"
#include "suggest.h"
#include "text.h"

static const struct command {
    const char *name;
    int (*run)(int argc, char **argv);
    const char *what;
} commands[] = {
    {"run", cmd_run, "follow logs, keep counters and the suppression list in Redis"},
    {"scan", cmd_scan, "report on logs: what failed, why, whose fault, where"},
    {"classify", cmd_classify, "the verdict on SMTP replies"},
    {"explain", cmd_explain,
     "why a reply, a log line or a code means what it means, and what to do"},
    {"rules", cmd_rules,
     "list the rules, check and test your own, find replies that none explains"},
    {"stats", cmd_stats, "totals, rates, categories and domains out of Redis"},
    {"suppress", cmd_suppress, "look at the suppression list and change it"},
    {"verify", cmd_verify, "check that what Redis holds adds up"},
    {"check-config", cmd_check_config, "is the configuration good?"},
};

static void help(FILE *to)
{
    fputs(
        "bounceline reads what mail servers log and says why mail fails, and whom to stop mailing.\n"
        "\n"
        "  bounceline scan /var/log/mail.log*                    a report on your logs\n"
        "  bounceline classify '550 5.1.1 User unknown'          the verdict on one reply\n"
        "  bounceline run /var/log/mail.log                      follow a log, keep Redis up to date\n"
        "  bounceline stats --since 1h                           what happened in the last hour\n"
        "  bounceline suppress check ana@example.org && echo do not mail\n"
        "\n"
        "Commands (bounceline COMMAND --help says more):\n",
        to);
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++)
        fprintf(to, "  %-13s %s\n", commands[i].name, commands[i].what);
    fputs(
        "\n"
        "On every command that needs them:\n"
        "  --redis URL   unix:/path or redis://[user[:password]@]host[:port][/db]; without it a private\n"
        "                redis-server in the state directory        (or BOUNCELINE_REDIS)\n"
        "  --state DIR   the state directory                        (or BOUNCELINE_STATE)\n"
        "  --node NAME   this host's name in Redis                  (or BOUNCELINE_NODE)\n"
        "  --config FILE the configuration, /etc/bounceline/bounceline.yaml when it is there\n"
        "                                                           (or BOUNCELINE_CONFIG)\n"
        "\n"
        "Exit codes: 0 done, 1 a clean no, 64 usage, 65 bad data, 66 no such input, 69 Redis unavailable,\n"
        "74 input or output error, 78 configuration.\n",
        to);
}

/* What the design has and this version lacks. */
static bool is_later(const char *name)
{
    static const char *const later[] = {"status", "top"};

    for (size_t i = 0; i < sizeof later / sizeof *later; i++)
        if (strcmp(later[i], name) == 0)
            return true;
    return false;
}

/* --redis, --state, --node and --config may also stand before the command: they become the
 * environment's.  Returns how many words were taken, -1 when the value is missing. */
static int take_leading(int argc, char **argv, int at)
{
    static const struct {
        const char *option, *variable;
    } leading[] = {
        {"--redis", "BOUNCELINE_REDIS"},
        {"--state", "BOUNCELINE_STATE"},
        {"--node", "BOUNCELINE_NODE"},
        {"--config", "BOUNCELINE_CONFIG"},
    };

    for (size_t i = 0; i < sizeof leading / sizeof *leading; i++) {
        size_t n = strlen(leading[i].option);

        if (strncmp(argv[at], leading[i].option, n) != 0)
            continue;
        if (argv[at][n] == '=') {
            setenv(leading[i].variable, argv[at] + n + 1, 1);
            return 1;
        }
        if (argv[at][n] == 0 && at + 1 < argc) {
            setenv(leading[i].variable, argv[at + 1], 1);
            return 2;
        }
        if (argv[at][n] == 0)
            return -1;
    }
    return 0;
}

static int complain_of_command(const char *typed)
{
    static const char *const options[] = {"--help",  "--version", "--redis",
                                          "--state", "--node",    "--config"};
    const char *names[sizeof commands / sizeof *commands], *near;
    bool option = typed[0] == '-';
    char shown[64];

    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++)
        names[i] = commands[i].name;
    bl_text_message(shown, sizeof shown, typed);
    near = option ? bl_suggest(typed, options, sizeof options / sizeof *options)
                  : bl_suggest(typed, names, sizeof names / sizeof *names);
    if (is_later(typed))
        fprintf(stderr,
                "bounceline: '%s' is not in this version; bounceline --help lists what is\n",
                shown);
    else if (near)
        fprintf(stderr, "bounceline: there is no %s '%s'; did you mean '%s'?\n",
                option ? "option" : "command", shown, near);
    else
        fprintf(stderr, "bounceline: there is no %s '%s'; bounceline --help lists them\n",
                option ? "option" : "command", shown);
    return BL_EXIT_USAGE;
}

/* For completion. */
static int list_commands(void)
{
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++)
        puts(commands[i].name);
    return fflush(stdout) == 0 ? 0 : BL_EXIT_IO;
}

int main(int argc, char **argv)
{
    int at = 1, taken = 0;

    signal(SIGPIPE, SIG_IGN); /* a reader that has left is a failed write, and is handled as one */
    while (at < argc && (taken = take_leading(argc, argv, at)) > 0)
        at += taken;
    if (taken < 0) {
        fprintf(stderr, "bounceline: %s needs a value\n", argv[at]);
        return BL_EXIT_USAGE;
    }
    if (at == argc) {
        help(stderr);
        return BL_EXIT_USAGE;
    }
    if (strcmp(argv[at], "--help") == 0 || strcmp(argv[at], "-h") == 0 ||
        (strcmp(argv[at], "help") == 0 && at + 1 == argc)) {
        help(stdout);
        return 0;
    }
    if (strcmp(argv[at], "--version") == 0 || strcmp(argv[at], "-V") == 0) {
        puts("bounceline " BL_VERSION);
        return 0;
    }
    if (strcmp(argv[at], "--commands") == 0)
        return list_commands();
    if (strcmp(argv[at], "help") == 0) {
        static char ask[] = "--help";

        argv[at] = argv[at + 1];
        argv[at + 1] = ask;
        argc = at + 2;
    }
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++)
        if (strcmp(argv[at], commands[i].name) == 0)
            return commands[i].run(argc - at, argv + at);
    return complain_of_command(argv[at]);
}
