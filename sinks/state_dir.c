#include "state_dir.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* Makes `path` and what is missing above it; each '/' is cut and put back. */
static int make_all(char *path)
{
    for (char *at = path + 1; *at; at++) {
        if (*at != '/')
            continue;
        *at = '\0';
        if (mkdir(path, 0700) != 0 && errno != EEXIST)
            return -1;
        *at = '/';
    }
    return mkdir(path, 0700) == 0 || errno == EEXIST ? 0 : -1;
}

enum bl_code bl_state_dir_make(const char *path, char out[PATH_MAX], bl_err *err)
{
    char copy[PATH_MAX];
    struct stat st;
    size_t n = strlen(path);

    if (n == 0 || n >= sizeof copy)
        return bl_fail(err, BL_CONFIG, 0, "the name of the state directory has %zu bytes", n);
    memcpy(copy, path, n + 1);
    if (make_all(copy) != 0)
        return bl_fail(err, BL_CONFIG, errno,
                       "cannot make state directory '%s': %s (--state DIR: another one)", copy,
                       strerror(errno));
    if (!realpath(path, out) || stat(out, &st) != 0)
        return bl_fail(err, BL_CONFIG, errno, "cannot use state directory '%s': %s", path,
                       strerror(errno));
    if (!S_ISDIR(st.st_mode))
        return bl_fail(err, BL_CONFIG, ENOTDIR, "'%s' is no directory", path);
    if (st.st_mode & S_IWOTH)
        return bl_fail(err, BL_CONFIG, 0,
                       "anybody may write into state directory '%s': choose another", path);
    return BL_OK;
}
