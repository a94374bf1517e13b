/* watch.h -- news of folders, by inotify
 *
 * Only makes things sooner: whoever uses it also looks from time to time.  Our own descriptor,
 * because libuv drops the kernel's word that it lost events.
 *
 * Shapes     name: the file concerned, empty when the folder itself is
 * Units      -
 * Ownership  belongs to the loop; freed by its close callback
 * Threads    the loop's; bl_watch_folder also any other's
 * Errors     bl_watch_new: BL_IO; bl_watch_folder: a negative errno
 * Source     inotify(7)
 */
#ifndef BOUNCELINE_WATCH_H
#define BOUNCELINE_WATCH_H

#include <uv.h>

#include "bounceline/err.h"
#include "bounceline/slice.h"

struct bl_watch;

enum bl_news {
    BL_NEWS_WRITTEN, /* a file was written to */
    BL_NEWS_CHANGED, /* names came, went or changed */
    BL_NEWS_LOST     /* events were dropped: anything may have happened, anywhere */
};

enum bl_code bl_watch_new(struct bl_watch **out, uv_loop_t *loop,
                          void (*tell)(void *arg, int folder, enum bl_news news, bl_slice name),
                          void *arg, bl_err *err);

/* The number of the folder in what is told; the same again for the same folder. */
int bl_watch_folder(const struct bl_watch *watch, const char *path);

void bl_watch_close(struct bl_watch *watch, void (*done)(void *arg), void *arg);

#endif
