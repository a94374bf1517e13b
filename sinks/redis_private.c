/* Two lock files in the state directory say everything; the kernel drops a dead process's locks, so
 * nothing has to be cleaned up after a kill -9.
 *
 *   redis.lock    exclusive, held by redis-server itself: it inherits the descriptor and does not
 *                 know it.  Held = the server lives.  Whoever gets this lock may start one, and
 *                 then closes its own copy at once
 *   redis.users   shared, held by each user, from before it looks for the server.  Whoever can make
 *                 it exclusive is the last one, and stops the server; those who come wait meanwhile
 *
 * There is no third lock around starting and stopping: the first decides between starters, the
 * second between the last who leaves and the next who comes.  Of two who leave at once exactly one
 * gets it exclusive: a conversion that fails has given the shared lock up (flock(2)).
 *
 * The server is started with posix_spawn, not uv_spawn: there is no loop yet, and the child must
 * lose every descriptor but four (closefrom) and the terminal's signals (a session of its own). */
#include "redis_private.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "bounceline/alloc.h"
#include "state_dir.h"

enum {
    POLL_MS = 10,
    ANSWER_MS = 1000, /* for one PING */
    STOP_MS = 30000,  /* an append-only file on a slow disk wants its fsync */
    SHUTDOWN_EVERY_MS = 1000,
    REAP_MS = 1000,
    LOG_BYTES = 1 << 20, /* a larger log is put aside when the server is started */
    LOCK_FD = 3,         /* in the server */
    HIGH_FD = 10         /* ours stay above what the child's descriptors are moved to */
};

struct bl_redis_private {
    char dir[PATH_MAX];
    char socket[sizeof((struct sockaddr_un *)0)->sun_path];
    bool own_dir; /* the directory belongs to this user: files may be made in it */
    int users_fd;
    pid_t child; /* the server, if it was started here; 0 otherwise */
    uint64_t maxmemory_bytes;
};

static uint64_t clock_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static void pause_ms(long ms)
{
    nanosleep(&(struct timespec){ms / 1000, ms % 1000 * 1000000}, NULL);
}

/* --- lock files
 * ----------------------------------------------------------------------------------- */

/* Opens a file of the state directory, close-on-exec, at HIGH_FD or above. */
static enum bl_code open_file(const struct bl_redis_private *p, const char *name, int flags,
                              int *out, bl_err *err)
{
    char path[PATH_MAX + 16];
    int low, fd, sys;

    snprintf(path, sizeof path, "%s/%s", p->dir, name);
    low = open(path, flags | O_CLOEXEC | O_NOFOLLOW | (p->own_dir ? O_CREAT : 0), 0600);
    fd = low < 0 ? -1 : fcntl(low, F_DUPFD_CLOEXEC, HIGH_FD);
    sys = errno;
    if (low >= 0)
        close(low);
    if (fd < 0 && sys == ENOENT && !p->own_dir)
        return bl_fail(
            err, BL_CONFIG, sys,
            "no redis-server runs in '%s', and only the owner of that directory may start one",
            p->dir);
    if (fd < 0)
        return bl_fail(err, BL_IO, sys, "cannot open '%s': %s", path, strerror(sys));
    *out = fd;
    return BL_OK;
}

static void close_file(int fd)
{
    if (fd >= 0)
        close(fd);
}

/* Tries until `deadline_ms`; once when that is 0. */
static bool lock(int fd, int how, uint64_t deadline_ms)
{
    for (;;) {
        if (flock(fd, how | LOCK_NB) == 0)
            return true;
        if (errno != EINTR && errno != EWOULDBLOCK)
            return false;
        if (clock_ms() >= deadline_ms)
            return false;
        pause_ms(POLL_MS);
    }
}

/* Shared, so that two who ask at once do not take each other for the server. */
static bool server_gone(const struct bl_redis_private *p)
{
    int fd = -1;
    bool gone;

    if (open_file(p, "redis.lock", O_RDWR, &fd, NULL) != BL_OK)
        return false;
    gone = lock(fd, LOCK_SH, 0);
    close_file(fd);
    return gone;
}

/* --- talking
 * -------------------------------------------------------------------------------------- */

enum answer { ANSWER_NONE, ANSWER_LOADING, ANSWER_READY };

static int connect_socket(const struct bl_redis_private *p)
{
    struct timeval wait = {.tv_sec = ANSWER_MS / 1000};
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (fd < 0)
        return -1;
    memcpy(to.sun_path, p->socket, sizeof to.sun_path);
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &wait, sizeof wait);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof wait);
    if (connect(fd, (const struct sockaddr *)&to, sizeof to) == 0)
        return fd;
    close(fd);
    return -1;
}

/* One command on a connection of its own.  The server is there whatever it answers, but while it
 * says -LOADING it cannot be used yet. */
static enum answer ask(const struct bl_redis_private *p, const char *command)
{
    char reply[64];
    ssize_t got = -1;
    int fd = connect_socket(p);

    if (fd < 0)
        return ANSWER_NONE;
    if (send(fd, command, strlen(command), MSG_NOSIGNAL) == (ssize_t)strlen(command))
        got = recv(fd, reply, sizeof reply, 0);
    close(fd);
    if (got <= 0)
        return ANSWER_NONE;
    return got >= 8 && memcmp(reply, "-LOADING", 8) == 0 ? ANSWER_LOADING : ANSWER_READY;
}

/* --- starting
 * ------------------------------------------------------------------------------------- */

static uint64_t quarter_of_ram(void)
{
    long pages = sysconf(_SC_PHYS_PAGES), page = sysconf(_SC_PAGESIZE);

    return pages > 0 && page > 0 ? (uint64_t)pages * (uint64_t)page / 4 : (uint64_t)256 << 20;
}

static enum bl_code open_log(const struct bl_redis_private *p, int *out, bl_err *err)
{
    char path[PATH_MAX + 16], old[PATH_MAX + 16];
    struct stat st;

    snprintf(path, sizeof path, "%s/redis.log", p->dir);
    snprintf(old, sizeof old, "%s/redis.log.1", p->dir);
    if (stat(path, &st) == 0 && st.st_size > LOG_BYTES)
        rename(path, old); /* when it cannot, the log goes on growing */
    return open_file(p, "redis.log", O_WRONLY | O_APPEND, out, err);
}

/* Standard input is nothing, both outputs are the log, LOCK_FD is the lock, and there is nothing
 * else. The umask is for the files that redis-server makes. */
static int spawn(struct bl_redis_private *p, char *const *argv, int lock_fd, int log_fd)
{
    posix_spawn_file_actions_t files;
    posix_spawnattr_t attr;
    sigset_t none, all;
    mode_t before;
    int rc;

    sigemptyset(&none);
    sigfillset(&all);
    posix_spawn_file_actions_init(&files);
    posix_spawn_file_actions_addopen(&files, 0, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_adddup2(&files, log_fd, 1);
    posix_spawn_file_actions_adddup2(&files, log_fd, 2);
    posix_spawn_file_actions_adddup2(&files, lock_fd, LOCK_FD);
    posix_spawn_file_actions_addclosefrom_np(&files, LOCK_FD + 1);
    posix_spawnattr_init(&attr);
    posix_spawnattr_setsigmask(&attr, &none);
    posix_spawnattr_setsigdefault(&attr, &all);
    posix_spawnattr_setflags(&attr,
                             POSIX_SPAWN_SETSID | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    before = umask(077);
    rc = posix_spawnp(&p->child, argv[0], &files, &attr, argv, environ);
    umask(before);
    posix_spawnattr_destroy(&attr);
    posix_spawn_file_actions_destroy(&files);
    if (rc != 0)
        p->child = 0;
    return rc;
}

static enum bl_code start(struct bl_redis_private *p, int lock_fd, bl_err *err)
{
    char memory[24];
    char *argv[] = {"redis-server",
                    "--port",
                    "0",
                    "--unixsocket",
                    p->socket,
                    "--unixsocketperm",
                    "600",
                    "--dir",
                    p->dir,
                    "--daemonize",
                    "no",
                    "--supervised",
                    "no",
                    "--appendonly",
                    "yes",
                    "--appendfsync",
                    "everysec",
                    "--auto-aof-rewrite-min-size",
                    "256mb",
                    "--save",
                    "",
                    "--maxmemory",
                    memory,
                    "--maxmemory-policy",
                    "noeviction",
                    "--loglevel",
                    "notice",
                    "--logfile",
                    "",
                    NULL};
    int log_fd = -1, sys;
    enum bl_code rc = open_log(p, &log_fd, err);

    if (rc != BL_OK)
        return rc;
    snprintf(memory, sizeof memory, "%llu",
             (unsigned long long)(p->maxmemory_bytes ? p->maxmemory_bytes : quarter_of_ram()));
    unlink(p->socket); /* of one that was killed */
    sys = spawn(p, argv, lock_fd, log_fd);
    close_file(log_fd);
    if (sys == ENOENT)
        return bl_fail(
            err, BL_UNAVAILABLE, sys,
            "redis-server is not installed: install it (apt install redis-server), or name a "
            "server with --redis URL");
    if (sys != 0)
        return bl_fail(err, BL_UNAVAILABLE, sys, "cannot run redis-server: %s", strerror(sys));
    return BL_OK;
}

/* For users. */
static enum bl_code start_if_gone(struct bl_redis_private *p, bl_err *err)
{
    int lock_fd;
    enum bl_code rc = open_file(p, "redis.lock", O_RDWR, &lock_fd, err);

    if (rc != BL_OK)
        return rc;
    if (lock(lock_fd, LOCK_EX, 0)) {
        if (p->own_dir)
            rc = start(p, lock_fd, err);
        else
            rc = bl_fail(
                err, BL_CONFIG, 0,
                "no redis-server runs in '%s', and only the owner of that directory may start one",
                p->dir);
    }
    close_file(lock_fd); /* from here on the lock is the server's alone */
    return rc;
}

/* Takes the dead server off the process table, if it was started here; true when it was.  The lock
 * goes a moment before the process does, hence `wait_ms`. */
static bool reap(struct bl_redis_private *p, uint64_t wait_ms)
{
    uint64_t deadline_ms = clock_ms() + wait_ms;

    if (p->child == 0)
        return false;
    while (waitpid(p->child, NULL, WNOHANG) != p->child) {
        if (clock_ms() >= deadline_ms)
            return false;
        pause_ms(POLL_MS);
    }
    p->child = 0;
    return true;
}

/* The lock is free, so our child is dead or about to be.  If it lives on it has lost the lock (a
 * wrapper that closes descriptors; somebody removed the file) and must not stay: the next one would
 * start another. */
static void bury(struct bl_redis_private *p)
{
    if (p->child == 0 || reap(p, REAP_MS))
        return;
    kill(p->child, SIGTERM);
    reap(p, STOP_MS);
}

/* With what the server said last. */
static enum bl_code ended_at_once(struct bl_redis_private *p, bl_err *err)
{
    char tail[160] = "";
    ssize_t n = 0;
    char *line;
    int fd = -1;

    bury(p);
    if (open_file(p, "redis.log", O_RDWR, &fd, NULL) == BL_OK) {
        off_t size = lseek(fd, 0, SEEK_END);

        n = pread(fd, tail, sizeof tail - 1,
                  size > (off_t)sizeof tail - 1 ? size - (off_t)sizeof tail + 1 : 0);
        close_file(fd);
    }
    for (n = n < 0 ? 0 : n; n > 0 && tail[n - 1] == '\n'; n--)
        ;
    tail[n] = '\0';
    line = strrchr(tail, '\n');
    return bl_fail(
        err, BL_UNAVAILABLE, 0,
        "redis-server ended at once or lost its lock, see redis.log in the state directory: %s",
        line ? line + 1 : tail);
}

/* BL_CONFLICT: the server that was joined is gone, try again. */
static enum bl_code wait_ready(struct bl_redis_private *p, uint64_t wait_ms, bl_err *err)
{
    uint64_t sign_ms = clock_ms();

    for (;;) {
        enum answer answer = ask(p, "PING\r\n");

        /* asked whatever the answer: who answers without the lock is not ours to use */
        if (server_gone(p))
            return p->child ? ended_at_once(p, err) : BL_CONFLICT;
        if (answer == ANSWER_READY)
            return BL_OK;
        if (answer == ANSWER_LOADING)
            sign_ms = clock_ms();
        if (clock_ms() - sign_ms >= wait_ms)
            return bl_fail(err, BL_UNAVAILABLE, 0,
                           "redis-server in '%s' runs but does not answer on '%s'", p->dir,
                           p->socket);
        pause_ms(POLL_MS);
    }
}

/* --- open and close
 * ------------------------------------------------------------------------------- */

static enum bl_code find_dir(struct bl_redis_private *p, const char *state_dir, bl_err *err)
{
    struct stat st;
    int n;
    enum bl_code rc = bl_state_dir_make(state_dir, p->dir, err);

    if (rc != BL_OK)
        return rc;
    p->own_dir = stat(p->dir, &st) == 0 && st.st_uid == geteuid();
    n = snprintf(p->socket, sizeof p->socket, "%s/redis.sock", p->dir);
    if (n < 0 || (size_t)n >= sizeof p->socket)
        return bl_fail(
            err, BL_CONFIG, 0,
            "'%s/redis.sock' has %d bytes, a socket may have %zu: choose a shorter state directory",
            p->dir, n, sizeof p->socket - 1);
    return BL_OK;
}

/* From here on nobody stops the server. */
static enum bl_code join_users(struct bl_redis_private *p, uint64_t wait_ms, bl_err *err)
{
    enum bl_code rc = open_file(p, "redis.users", O_RDWR, &p->users_fd, err);

    if (rc != BL_OK)
        return rc;
    if (lock(p->users_fd, LOCK_SH, clock_ms() + wait_ms))
        return BL_OK;
    return bl_fail(err, BL_UNAVAILABLE, 0, "redis-server in '%s' is being stopped and does not end",
                   p->dir);
}

static void leave(struct bl_redis_private *p)
{
    if (!p)
        return;
    close_file(p->users_fd);
    reap(p, 0);
    bl_free(p);
}

enum bl_code bl_redis_private_open(struct bl_redis_private **out, const char *state_dir,
                                   uint64_t maxmemory_bytes, uint64_t wait_ms, bl_err *err)
{
    uint64_t begin_ms = clock_ms();
    struct bl_redis_private *p = bl_calloc(1, sizeof *p);
    enum bl_code rc;

    if (!p)
        return bl_fail(err, BL_NO_MEMORY, 0, "no memory for the private redis-server");
    p->users_fd = -1;
    p->maxmemory_bytes = maxmemory_bytes;
    rc = find_dir(p, state_dir, err);
    if (rc == BL_OK)
        rc = join_users(p, wait_ms, err);
    while (rc == BL_OK) {
        rc = start_if_gone(p, err);
        if (rc == BL_OK)
            rc = wait_ready(p, wait_ms, err);
        if (rc != BL_CONFLICT)
            break;
        rc = clock_ms() - begin_ms < wait_ms
                 ? BL_OK
                 : bl_fail(err, BL_UNAVAILABLE, 0,
                           "redis-server in '%s' goes away as soon as it is there", p->dir);
    }
    if (rc == BL_OK)
        *out = p;
    else
        leave(p); /* one that does not answer cannot be asked to stop: it is the next user's */
    return rc;
}

const char *bl_redis_private_socket(const struct bl_redis_private *server)
{
    return server->socket;
}

enum bl_code bl_redis_private_revive(struct bl_redis_private *server, bl_err *err)
{
    reap(server, 0);
    return start_if_gone(server, err);
}

/* As the last user.  Should it refuse to go, it is left for the next one to use. */
static void stop(struct bl_redis_private *p)
{
    uint64_t begin_ms = clock_ms(), asked_ms = 0;

    while (!server_gone(p)) {
        uint64_t now_ms = clock_ms();

        if (now_ms - begin_ms >= STOP_MS)
            return;
        if (now_ms - asked_ms >= SHUTDOWN_EVERY_MS) {
            ask(p, "SHUTDOWN\r\n");
            asked_ms = now_ms;
        }
        pause_ms(POLL_MS);
    }
    bury(p);
}

void bl_redis_private_close(struct bl_redis_private *server)
{
    if (server && server->users_fd >= 0 && lock(server->users_fd, LOCK_EX, 0))
        stop(server);
    leave(server);
}
