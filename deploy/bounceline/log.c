#include "log.h"

#include <ctype.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { LINE = 1024, QUIET_S = 60 };

static atomic_int most_level = 6; /* relaxed: any of two levels is right while it changes */
static atomic_bool is_daemon;     /* relaxed: set before there are threads */

/* The last line, to notice that it comes again. */
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static char last_text[LINE];
static int last_level;
static time_t last_s; /* steady: the wall clock may be set back by hours */
static unsigned long repeated;

void bl_log_set_level(int most)
{
    atomic_store_explicit(&most_level, most, memory_order_relaxed);
}

void bl_log_set_daemon(void)
{
    atomic_store_explicit(&is_daemon, true, memory_order_relaxed);
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

static bool is_local(char c)
{
    return isalnum((unsigned char)c) || (unsigned char)c >= 0x80 ||
           (c && strchr("!#$%&*+-.=?^_`|~", c));
}

/* Who mails whom is not for a log that many may read.  The user of redis://user@host is nobody's
 * mailbox. */
static void mask_addresses(const char *text, char *out, size_t cap)
{
    size_t n = 0;

    for (const char *p = text; *p && n + 1 < cap;) {
        size_t word = 0;

        while (is_local(p[word]))
            word++;
        if (word && p[word] == '@' && is_local(p[word + 1]) &&
            !(p - text >= 3 && memcmp(p - 3, "://", 3) == 0)) {
            n += (size_t)snprintf(out + n, cap - n, "%c***", *p);
            n = n < cap ? n : cap - 1;
            p += word;
            continue;
        }
        for (word += word == 0; word > 0 && n + 1 < cap; word--)
            out[n++] = *p++;
    }
    out[n] = '\0';
}

/* systemd says which file the journal reads; stderr may have been sent elsewhere since. */
static bool is_journal(void)
{
    const char *said = getenv("JOURNAL_STREAM");
    struct stat st;
    char *end;

    if (!said || fstat(STDERR_FILENO, &st) != 0)
        return false;
    return strtoull(said, &end, 10) == st.st_dev && *end == ':' &&
           strtoull(end + 1, NULL, 10) == st.st_ino;
}

static size_t put_head(int level, time_t now_s, char *out, size_t cap)
{
    static const char *const word[] = {"error: ", "warning: ", "", "", ""};
    char stamp[32] = "";
    struct tm tm;

    if (is_journal())
        return (size_t)snprintf(out, cap, "<%d>", level);
    if (atomic_load_explicit(&is_daemon, memory_order_relaxed) && gmtime_r(&now_s, &tm))
        strftime(stamp, sizeof stamp, "%Y-%m-%dT%H:%M:%SZ ", &tm);
    return (size_t)snprintf(out, cap, "%sbounceline: %s", stamp,
                            level >= 3 && level <= 7 ? word[level - 3] : "");
}

/* One write, so that lines of several processes stay whole. */
static void write_line(int level, time_t now_s, const char *text)
{
    char line[LINE + 64];
    size_t n = put_head(level, now_s, line, sizeof line);

    n += (size_t)snprintf(line + n, sizeof line - n, "%s\n", text);
    n = n < sizeof line ? n : sizeof line - 1;
    for (size_t at = 0; at < n;) {
        ssize_t wrote = write(STDERR_FILENO, line + at, n - at);

        if (wrote <= 0)
            break;
        at += (size_t)wrote;
    }
}

static time_t steady_s(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec;
}

static void tell_repeated(time_t now_s)
{
    char text[64];

    if (repeated == 0)
        return;
    snprintf(text, sizeof text, "the line before came %lu more time%s", repeated,
             repeated == 1 ? "" : "s");
    repeated = 0;
    write_line(last_level, now_s, text);
}

void bl_log(int level, const char *format, ...)
{
    char raw[LINE], text[LINE];
    time_t now_s = time(NULL), since_s = steady_s();
    va_list args;

    if (level > atomic_load_explicit(&most_level, memory_order_relaxed))
        return;
    va_start(args, format);
    vsnprintf(raw, sizeof raw, format, args);
    va_end(args);
    make_printable(raw);
    mask_addresses(raw, text, sizeof text);
    pthread_mutex_lock(&mutex);
    if (level == last_level && strcmp(text, last_text) == 0 && since_s - last_s < QUIET_S) {
        repeated++;
    } else {
        tell_repeated(now_s);
        write_line(level, now_s, text);
        snprintf(last_text, sizeof last_text, "%s", text);
        last_level = level;
        last_s = since_s;
    }
    pthread_mutex_unlock(&mutex);
}
