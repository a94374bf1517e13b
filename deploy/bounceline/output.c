#include "output.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

void bl_output_init(struct bl_output *out, int fd)
{
    out->fd = fd;
    out->n = 0;
    atomic_init(&out->sys, 0);
}

int bl_output_failed(const struct bl_output *out)
{
    return atomic_load_explicit(&out->sys, memory_order_relaxed);
}

static void write_all(struct bl_output *out, const char *p, size_t n)
{
    while (n > 0 && bl_output_failed(out) == 0) {
        ssize_t wrote = write(out->fd, p, n);

        if (wrote < 0 && errno == EINTR)
            continue;
        if (wrote < 0) {
            atomic_store_explicit(&out->sys, errno, memory_order_relaxed);
            return;
        }
        p += wrote;
        n -= (size_t)wrote;
    }
}

bool bl_output_flush(struct bl_output *out)
{
    write_all(out, out->buf, out->n);
    out->n = 0;
    return bl_output_failed(out) == 0;
}

void bl_output_slow(struct bl_output *out, bl_slice bytes)
{
    bl_output_flush(out);
    if (bytes.n > sizeof out->buf) {
        write_all(out, bytes.p, bytes.n);
        return;
    }
    memcpy(out->buf, bytes.p, bytes.n);
    out->n = bytes.n;
}

int bl_output_finish(struct bl_output *out)
{
    bl_output_flush(out);
    if (bl_output_failed(out) == 0)
        return 0;
    if (bl_output_failed(out) != EPIPE)
        fprintf(stderr, "bounceline: cannot write the output: %s\n",
                strerror(bl_output_failed(out)));
    return 74;
}

void bl_output_u64(struct bl_output *out, uint64_t value)
{
    char digits[20];
    size_t at = sizeof digits;

    do {
        digits[--at] = (char)('0' + value % 10);
        value /= 10;
    } while (value);
    bl_output_put(out, (bl_slice){digits + at, sizeof digits - at});
}

void bl_output_format(struct bl_output *out, const char *format, ...)
{
    char text[1024];
    va_list args;
    int n;

    va_start(args, format);
    n = vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (n > 0)
        bl_output_put(out, (bl_slice){text, (size_t)n < sizeof text ? (size_t)n : sizeof text - 1});
}
