#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bounceline/alloc.h"
#include "commands.h"
#include "config.h"
#include "log.h"
#include "options.h"
#include "output.h"
#include "rules_set.h"
#include "sources.h"
#include "text.h"

enum { OPTION_KEYS = BL_OPTION_OWN, OPTION_RULES, SHOWN = 8 /* logs of a pattern */ };

static const char usage[] =
    "bounceline check-config                       is " BL_CONFIG_DEFAULT_PATH " good?\n"
    "bounceline check-config -c /tmp/new.yaml      is this file?\n"
    "bounceline check-config --keys                every key there is, and what its value looks like\n"
    "\n"
    "  -c, --config FILE   the file to read (or BOUNCELINE_CONFIG)\n"
    "  --rules PATH        rules of your own, as for run (or BOUNCELINE_RULES)\n"
    "  --keys              list the keys instead\n"
    "\n"
    "Prints OK and which logs it comes to now, and exits 0; or every error with its place, also of the rules of your\n"
    "own, and exits 78.  Changes nothing: a running daemon takes the file over on SIGHUP (systemctl reload bounceline).\n";

static void print_key(void *arg, const char *key, const char *what)
{
    (void)arg;
    printf("%-32s %s\n", key, what);
}

/* The rules that the daemon would load with it. */
static enum bl_code check_rules(const struct bl_config *config, struct bl_rules_paths *paths,
                                bl_err *err)
{
    const struct bl_rules *rules = NULL;
    enum bl_code rc;

    paths->configured = config->rules;
    rc = bl_rules_set_load(paths, &rules, err);
    if (rc == BL_OK)
        bl_rules_set_free(rules);
    return rc;
}

/* As seen by whoever asks: the daemon may be another user. */
static const char *state_of(const char *path)
{
    struct stat st;

    if (stat(path, &st) != 0)
        return errno == ENOENT ? "not there yet" : strerror(errno);
    if (!S_ISREG(st.st_mode))
        return "not a regular file";
    return access(path, R_OK) == 0 ? "there" : strerror(errno);
}

static void print_log(struct bl_output *out, const char *path)
{
    bl_output_put(out, BL_SLICE("    "));
    bl_text_put(out, (bl_slice){path, strlen(path)}, SIZE_MAX);
    bl_output_format(out, ": %s\n", state_of(path));
}

static void print_named(struct bl_output *out, const struct bl_sources *sources, size_t named)
{
    const char *text = sources->named[named].text;
    size_t n = 0;

    for (size_t i = 0; i < sources->n; i++)
        n += sources->v[i].named == named;
    bl_text_put(out, (bl_slice){text, strlen(text)}, SIZE_MAX);
    if (!sources->named[named].is_pattern) {
        bl_output_format(out, ": %s\n", n ? state_of(text) : "a file of a log above");
        return;
    }
    bl_output_format(out, n ? ": %zu log%s now\n" : ": nothing yet that is not above\n", n,
                     n == 1 ? "" : "s");
    for (size_t i = 0, shown = 0; i < sources->n && shown <= SHOWN; i++) {
        if (sources->v[i].named != named)
            continue;
        if (shown++ < SHOWN)
            print_log(out, sources->v[i].path);
        else
            bl_output_format(out, "    ... and %zu more\n", n - SHOWN);
    }
}

/* Which logs that comes to, as things are now. */
static enum bl_code show_sources(struct bl_output *out, const struct bl_config *config, bl_err *err)
{
    struct bl_sources *sources = NULL;
    enum bl_code rc = bl_sources_of_config(&sources, config, err);

    if (rc == BL_OK)
        rc = bl_sources_look(sources, NULL, err);
    for (size_t i = 0; rc == BL_OK && i < sources->named_n; i++)
        print_named(out, sources, i);
    if (rc == BL_OK && sources->over)
        bl_output_format(out, "%zu logs that match are not followed: %d are the most\n",
                         sources->over, BL_SOURCES_MAX);
    bl_sources_free(sources);
    return rc;
}

static int check(const char *path, struct bl_rules_paths *rules)
{
    static struct bl_output out;
    struct bl_config_errors *errors = bl_calloc(1, sizeof *errors);
    struct bl_config *config = NULL;
    bl_err err = {0};
    enum bl_code rc = errors ? bl_config_read(path, &config, errors, &err) : BL_NO_MEMORY;
    int code = BL_EXIT_CONFIG;

    bl_log_set_level(3); /* what matches nothing is printed */
    bl_output_init(&out, STDOUT_FILENO);
    if (rc == BL_OK)
        rc = check_rules(config, rules, &err);
    if (rc == BL_OK) {
        bl_output_put(&out, BL_SLICE("OK\n"));
        rc = show_sources(&out, config, &err);
    }
    if (rc == BL_OK) {
        code = bl_output_finish(&out);
    } else if (rc == BL_CONFIG && errors->n) {
        bl_config_errors_print(errors, stderr);
    } else {
        bl_complain(rc, &err);
        code = rc == BL_NO_MEMORY ? BL_EXIT_OS : BL_EXIT_CONFIG;
    }
    if (errors)
        bl_config_errors_release(errors);
    bl_free(errors);
    bl_config_free(config);
    return code;
}

int cmd_check_config(int argc, char **argv)
{
    static const struct option known[] = {
        {"config", required_argument, 0, 'c'},
        {"keys", no_argument, 0, OPTION_KEYS},
        {"rules", required_argument, 0, OPTION_RULES},
        {"help", no_argument, 0, 'h'},
        {0},
    };
    struct bl_rules_paths rules = {.n = 0};
    const char *path = bl_config_path();
    int option;

    opterr = 0;
    while ((option = getopt_long(argc, argv, ":hc:", known, NULL)) != -1)
        switch (option) {
        case 'h':
            fputs(usage, stdout);
            return 0;
        case 'c':
            path = optarg;
            break;
        case OPTION_RULES:
            if (!bl_option_rules("check-config", optarg, &rules))
                return BL_EXIT_USAGE;
            break;
        case OPTION_KEYS:
            bl_config_keys(print_key, NULL);
            return fflush(stdout) == 0 ? 0 : BL_EXIT_IO;
        default:
            return bl_usage_known("check-config", known, argc, argv, option);
        }
    if (optind < argc)
        return bl_usage("check-config",
                        "it takes no arguments; a file is named with -c, as in check-config -c %s",
                        argv[optind]);
    return check(path, &rules);
}
