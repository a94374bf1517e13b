#include "notify.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

static struct sockaddr_un address;
static socklen_t address_n;
static int sock = -1;
static uint64_t watchdog_ms;

static void take_address(const char *path)
{
    size_t n = strlen(path);

    if (n < 2 || n >= sizeof address.sun_path || (path[0] != '/' && path[0] != '@'))
        return;
    address.sun_family = AF_UNIX;
    memcpy(address.sun_path, path, n);
    address_n = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n);
    if (path[0] == '@')
        address.sun_path[0] = '\0'; /* the abstract name space */
    else
        address_n++;
    sock = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
}

void bl_notify_start(void)
{
    const char *path = getenv("NOTIFY_SOCKET"), *usec = getenv("WATCHDOG_USEC"),
               *pid = getenv("WATCHDOG_PID");

    if (path)
        take_address(path);
    if (usec && (!pid || strtol(pid, NULL, 10) == (long)getpid()))
        watchdog_ms = strtoull(usec, NULL, 10) / 1000;
    unsetenv("NOTIFY_SOCKET");
    unsetenv("WATCHDOG_USEC");
    unsetenv("WATCHDOG_PID");
}

uint64_t bl_notify_watchdog_ms(void)
{
    return sock >= 0 ? watchdog_ms : 0;
}

void bl_notify(const char *format, ...)
{
    char text[512];
    va_list args;
    int n;

    if (sock < 0)
        return;
    va_start(args, format);
    n = vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (n > 0)
        (void)sendto(sock, text, (size_t)n < sizeof text ? (size_t)n : sizeof text - 1,
                     MSG_NOSIGNAL, (const struct sockaddr *)&address, address_n);
}

void bl_notify_reloading(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    bl_notify("RELOADING=1\nMONOTONIC_USEC=%" PRIu64 "\nSTATUS=reading the configuration again",
              (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000);
}
