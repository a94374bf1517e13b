#include "watch.h"

#include <errno.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "bounceline/alloc.h"

enum {
    EVENT_BYTES = 16 << 10,
    READS_AT_ONCE = 8, /* a folder in turmoil must not hold the loop */
    WHAT = IN_MODIFY | IN_ATTRIB | IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO |
           IN_DELETE_SELF | IN_MOVE_SELF | IN_ONLYDIR
};

struct bl_watch {
    uv_poll_t poll;
    int fd;
    void (*tell)(void *arg, int folder, enum bl_news news, bl_slice name);
    void *arg;
    void (*done)(void *arg);
    void *done_arg;
};

static void tell_all(struct bl_watch *w, const char *bytes, size_t n)
{
    size_t at = 0;

    while (at + sizeof(struct inotify_event) <= n) {
        struct inotify_event event;
        const char *name = bytes + at + sizeof event;
        enum bl_news news;

        memcpy(&event, bytes + at, sizeof event);
        news = event.mask & IN_Q_OVERFLOW ? BL_NEWS_LOST
               : event.mask == IN_MODIFY  ? BL_NEWS_WRITTEN
                                          : BL_NEWS_CHANGED;
        at += sizeof event + event.len;
        w->tell(w->arg, event.wd, news, (bl_slice){name, event.len ? strnlen(name, event.len) : 0});
    }
}

static void on_readable(uv_poll_t *poll, int status, int events)
{
    struct bl_watch *w = poll->data;
    char bytes[EVENT_BYTES];

    (void)status; /* an error of the descriptor shows in read() */
    (void)events;
    for (int i = 0; i < READS_AT_ONCE && !uv_is_closing((uv_handle_t *)poll); i++) {
        ssize_t n = read(w->fd, bytes, sizeof bytes);

        if (n <= 0)
            break;
        tell_all(w, bytes, (size_t)n);
    }
}

enum bl_code bl_watch_new(struct bl_watch **out, uv_loop_t *loop,
                          void (*tell)(void *arg, int folder, enum bl_news news, bl_slice name),
                          void *arg, bl_err *err)
{
    struct bl_watch *w = bl_calloc(1, sizeof *w);
    int rc;

    if (!w)
        return bl_fail(err, BL_NO_MEMORY, 0, "cannot watch folders: out of memory");
    w->tell = tell;
    w->arg = arg;
    w->fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    if (w->fd < 0) {
        rc = errno;
        bl_free(w);
        return bl_fail(err, BL_IO, rc, "cannot watch folders");
    }
    rc = uv_poll_init(loop, &w->poll, w->fd);
    if (rc != 0) {
        close(w->fd);
        bl_free(w);
        return bl_fail(err, BL_IO, rc, "cannot watch folders");
    }
    w->poll.data = w;
    (void)uv_poll_start(&w->poll, UV_READABLE, on_readable); /* fails only for bad arguments */
    *out = w;
    return BL_OK;
}

int bl_watch_folder(const struct bl_watch *w, const char *path)
{
    int folder = inotify_add_watch(w->fd, path, WHAT);

    return folder < 0 ? -errno : folder;
}

static void on_closed(uv_handle_t *handle)
{
    struct bl_watch *w = handle->data;

    close(w->fd);
    if (w->done)
        w->done(w->done_arg);
    bl_free(w);
}

void bl_watch_close(struct bl_watch *w, void (*done)(void *arg), void *arg)
{
    if (uv_is_closing((uv_handle_t *)&w->poll))
        return;
    w->done = done;
    w->done_arg = arg;
    uv_close((uv_handle_t *)&w->poll, on_closed);
}
