#include "guarded.h"

#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

bl_slice guarded_bytes(const char *bytes, size_t n)
{
    static struct {
        char *base;
        size_t size;
    } live[16];
    static size_t next;
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    size_t room = (n + page - 1) / page * page + (n == 0 ? page : 0);
    char *base =
        mmap(NULL, room + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    char *at;

    if (base == MAP_FAILED || mprotect(base + room, page, PROT_NONE) != 0)
        abort();
    if (live[next].base)
        munmap(live[next].base, live[next].size);
    live[next].base = base;
    live[next].size = room + page;
    next = (next + 1) % BL_COUNT(live);
    at = base + room - n;
    if (n)
        memcpy(at, bytes, n);
    return (bl_slice){at, n};
}

bl_slice guarded(const char *text)
{
    return guarded_bytes(text, strlen(text));
}
