#include <string.h>
#include <unistd.h>

#include "bounceline/alloc.h"
#include "commands.h"
#include "config.h"
#include "options.h"
#include "output.h"
#include "rules_set.h"

enum { OPTION_KEYS = BL_OPTION_OWN };

static const char usage[] =
    "bounceline check-config                       is " BL_CONFIG_DEFAULT_PATH " good?\n"
    "bounceline check-config -c /tmp/new.yaml      is this file?\n"
    "bounceline check-config --keys                every key there is, and what its value looks like\n"
    "\n"
    "  -c, --config FILE   the file to read (or BOUNCELINE_CONFIG)\n"
    "  --keys              list the keys instead\n"
    "\n"
    "Prints OK and exits 0, or every error with its place and exits 78; then looks at the rules of your own.  Changes nothing: a running daemon takes\n"
    "the file over on SIGHUP (systemctl reload bounceline).\n";

static void print_key(void *arg, const char *key, const char *what)
{
    (void)arg;
    printf("%-32s %s\n", key, what);
}

/* The rules that the daemon would load with it. */
static enum bl_code check_rules(const struct bl_config *config, bl_err *err)
{
    struct bl_rules_paths paths = {.n = 0};
    const struct bl_rules *rules = NULL;
    enum bl_code rc;

    if (config->rules)
        bl_rules_paths_add(&paths, config->rules);
    rc = bl_rules_set_load(&paths, &rules, err);
    if (rc == BL_OK)
        bl_rules_set_free(rules);
    return rc;
}

static int check(const char *path)
{
    struct bl_config_errors *errors = bl_calloc(1, sizeof *errors);
    struct bl_config *config = NULL;
    bl_err err = {0};
    enum bl_code rc = errors ? bl_config_read(path, &config, errors, &err) : BL_NO_MEMORY;
    int code = BL_EXIT_CONFIG;

    if (rc == BL_OK)
        rc = check_rules(config, &err);
    if (rc == BL_OK) {
        code = puts("OK") == EOF || fflush(stdout) != 0 ? BL_EXIT_IO : 0;
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
        {"help", no_argument, 0, 'h'},
        {0},
    };
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
        case OPTION_KEYS:
            bl_config_keys(print_key, NULL);
            return fflush(stdout) == 0 ? 0 : BL_EXIT_IO;
        default:
            return bl_usage_known("check-config", known, argc, argv, option);
        }
    if (optind < argc)
        return bl_usage("check-config", "it takes no arguments; a file is named with -c, as in check-config -c %s",
                        argv[optind]);
    return check(path);
}
