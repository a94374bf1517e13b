#include "log.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int most_level = 6;

void bl_log_set_level(int most)
{
    most_level = most;
}

bool bl_log_level(const char *name, int *out)
{
    static const char *const names[] = {"error", "warning", "notice", "info", "debug"};

    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strcmp(name, names[i]) == 0) {
            *out = 3 + (int)i;
            return true;
        }
    return false;
}

/* Paths and Redis' own words stand in these lines: nothing of them may drive a terminal. */
static void make_printable(char *text)
{
    for (; *text; text++)
        if ((unsigned char)*text < 0x20 || *text == 0x7f)
            *text = '?';
}

void bl_log(int level, const char *format, ...)
{
    static const char *const word[] = {"error: ", "warning: ", "", "", ""};
    char line[1024];
    size_t n;
    va_list args;

    if (level > most_level)
        return;
    if (getenv("JOURNAL_STREAM"))
        n = (size_t)snprintf(line, sizeof line, "<%d>", level);
    else
        n = (size_t)snprintf(line, sizeof line, "bounceline: %s",
                             level >= 3 && level <= 7 ? word[level - 3] : "");
    va_start(args, format);
    vsnprintf(line + n, sizeof line - n - 1, format, args);
    va_end(args);
    make_printable(line);
    n = strlen(line);
    line[n++] = '\n';
    while (n > 0) { /* one write, so that lines of several processes stay whole */
        ssize_t wrote = write(STDERR_FILENO, line, n);

        if (wrote <= 0)
            break;
        n -= (size_t)wrote;
        memmove(line, line + wrote, n);
    }
}
