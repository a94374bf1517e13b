/* A line of journalctl -o json: what is made of it fits where the line did, in order, and holds no
 * newline. */
#include <stdlib.h>

#include "bounceline/journal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    bl_slice line = {(const char *)data, n};
    char *room = malloc(n + !n);
    size_t room_n;
    bl_syslog head;

    if (!room)
        return 0;
    if (bl_journal_read(line, room, &room_n, &head)) {
        if (room_n > n || head.host.p != room || head.program.p < head.host.p + head.host.n ||
            head.body.p < head.program.p + head.program.n ||
            head.body.p + head.body.n > room + room_n)
            abort();
        if (memchr(room, '\n', room_n))
            abort();
    } else if (room_n > n) {
        abort();
    }
    free(room);
    return 0;
}
