/* ctest: label=quick timeout=120
 * The private redis-server: started once, joined by others, stopped by the last, adopted after a
 * kill -9. Users are processes of their own, as in life.
 *
 * Negative controls: without_the_lock_file_there_are_two takes the lock away and finds two servers.
 * And by hand: each of these lines left out of redis_private.c makes cases fail: closing lock_fd in
 * start_if_gone, the shared lock of join_users, asking for the exclusive one in close, closefrom,
 * SETSID. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "bounceline/slice.h"
#include "redis_private.h"

enum { WAIT_MS = 20000 };

static char base[64], dir[PATH_MAX], *path_before;

static void pause_ms(long ms)
{
    nanosleep(&(struct timespec){ms / 1000, ms % 1000 * 1000000}, NULL);
}

/* --- the server from outside
 * ---------------------------------------------------------------------- */

static int talk_to(const char *socket_path)
{
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    struct timeval wait = {5, 0};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    snprintf(to.sun_path, sizeof to.sun_path, "%s", socket_path);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof wait);
    if (connect(fd, (const struct sockaddr *)&to, sizeof to) == 0)
        return fd;
    close(fd);
    return -1;
}

/* The process that listens on the socket of `dir`; 0: none. */
static pid_t server_pid(void)
{
    char path[PATH_MAX + 16];
    struct ucred who = {0};
    socklen_t n = sizeof who;
    int fd;

    snprintf(path, sizeof path, "%s/redis.sock", dir);
    fd = talk_to(path);
    if (fd < 0)
        return 0;
    getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &n);
    close(fd);
    return who.pid;
}

static void command(const char *text, char *reply, size_t cap)
{
    char path[PATH_MAX + 16];
    ssize_t got;
    int fd;

    snprintf(path, sizeof path, "%s/redis.sock", dir);
    fd = talk_to(path);
    assert_true(fd >= 0);
    assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), strlen(text));
    got = recv(fd, reply, cap - 1, 0);
    assert_true(got > 0);
    reply[got] = '\0';
    close(fd);
}

static bool alive(pid_t pid)
{
    return kill(pid, 0) == 0;
}

/* A server that is not our child disappears when init reaps it; one that is, in close(). */
static bool gone_soon(pid_t pid)
{
    char path[64], state = 0;

    for (int i = 0; i < 500; i++) {
        FILE *stat;

        snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
        stat = fopen(path, "r");
        if (!stat)
            return true;
        if (fscanf(stat, "%*d %*s %c", &state) != 1)
            state = 'X';
        fclose(stat);
        if (state == 'Z' || state == 'X')
            return true;
        pause_ms(10);
    }
    return false;
}

static bool lock_free(void)
{
    char path[PATH_MAX + 16];
    int fd;
    bool free_;

    snprintf(path, sizeof path, "%s/redis.lock", dir);
    fd = open(path, O_RDWR | O_CLOEXEC);
    free_ = fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) == 0;
    if (fd >= 0)
        close(fd);
    return free_;
}

static size_t times_started(void)
{
    static char log[1 << 16];
    char path[PATH_MAX + 16];
    size_t n, count = 0;
    FILE *file;

    snprintf(path, sizeof path, "%s/redis.log", dir);
    file = fopen(path, "r");
    assert_non_null(file);
    n = fread(log, 1, sizeof log - 1, file);
    log[n] = '\0';
    fclose(file);
    for (const char *at = log; (at = strstr(at, "oO0OoO0OoO0Oo Redis is starting")) != NULL; at++)
        count++;
    return count;
}

/* --- users as processes
 * --------------------------------------------------------------------------- */

struct user {
    pid_t pid, server;
    int tell; /* a byte ends the user; users hold each other's pipes, so closing does not */
};

static void be_a_user(int answer, int wait)
{
    struct bl_redis_private *p = NULL;
    bl_err err = {0};
    pid_t server = -1;
    char byte;

    if (bl_redis_private_open(&p, dir, 64 << 20, WAIT_MS, &err) == BL_OK)
        server = server_pid();
    else
        fprintf(stderr, "user: %s\n", err.text);
    if (write(answer, &server, sizeof server) != sizeof server)
        _exit(1);
    if (read(wait, &byte, 1) != 1)
        _exit(1);
    bl_redis_private_close(p);
    _exit(0);
}

/* `answer` gets the server's pid once the user has it. */
static struct user begin_user(int *answer)
{
    int up[2], down[2];
    struct user user;

    assert_int_equal(pipe2(up, O_CLOEXEC) | pipe2(down, O_CLOEXEC), 0);
    user.pid = fork();
    assert_true(user.pid >= 0);
    if (user.pid == 0) {
        close(up[0]);
        close(down[1]);
        be_a_user(up[1], down[0]);
    }
    close(up[1]);
    close(down[0]);
    user.tell = down[1];
    *answer = up[0];
    return user;
}

static pid_t hear(int answer)
{
    pid_t server = -1;

    assert_int_equal(read(answer, &server, sizeof server), sizeof server);
    close(answer);
    assert_true(server > 0);
    return server;
}

static struct user user_started(void)
{
    int answer;
    struct user user = begin_user(&answer);

    user.server = hear(answer);
    return user;
}

static void tell_to_leave(const struct user *user)
{
    assert_int_equal(write(user->tell, "x", 1), 1);
    close(user->tell);
}

static void wait_for(const struct user *user)
{
    int status;

    assert_int_equal(waitpid(user->pid, &status, 0), user->pid);
    assert_int_equal(status, 0);
}

static void user_leaves(const struct user *user)
{
    tell_to_leave(user);
    wait_for(user);
}

static void user_is_killed(struct user *user)
{
    kill(user->pid, SIGKILL);
    waitpid(user->pid, NULL, 0);
    close(user->tell);
}

/* --- the tests
 * ------------------------------------------------------------------------------------ */

static struct bl_redis_private *opened(void)
{
    struct bl_redis_private *p = NULL;
    bl_err err = {0};

    if (bl_redis_private_open(&p, dir, 64 << 20, WAIT_MS, &err) != BL_OK)
        fail_msg("%s", err.text);
    return p;
}

static void the_first_user_starts_it_and_the_last_one_stops_it(void **state)
{
    struct user first = user_started(), second = user_started();

    (void)state;
    assert_int_equal(first.server, second.server);
    assert_int_equal(times_started(), 1);
    user_leaves(&first);
    assert_int_equal(server_pid(), second.server);
    user_leaves(&second);
    assert_int_equal(server_pid(), 0);
    assert_true(gone_soon(second.server));
    assert_true(lock_free());
}

static void one_whose_starter_was_killed_is_adopted(void **state)
{
    struct user starter = user_started();
    struct bl_redis_private *p;

    (void)state;
    user_is_killed(&starter);
    pause_ms(100);
    assert_int_equal(server_pid(), starter.server);
    assert_false(lock_free());
    p = opened();
    assert_int_equal(server_pid(), starter.server);
    assert_int_equal(times_started(), 1);
    bl_redis_private_close(p);
    assert_int_equal(server_pid(), 0);
    assert_true(gone_soon(starter.server));
}

static void many_at_once_start_one(void **state)
{
    enum { USERS = 6 };

    (void)state;
    for (int round = 1; round <= 3; round++) {
        struct user user[USERS];
        int answer[USERS];

        for (int i = 0; i < USERS; i++)
            user[i] = begin_user(&answer[i]);
        for (int i = 0; i < USERS; i++)
            user[i].server = hear(answer[i]);
        for (int i = 0; i < USERS; i++)
            assert_int_equal(user[i].server, user[0].server);
        assert_int_equal(times_started(), round);
        for (int i = 0; i < USERS; i++)
            tell_to_leave(&user[i]); /* all at once, too */
        for (int i = 0; i < USERS; i++)
            wait_for(&user[i]);
        assert_true(gone_soon(user[0].server));
    }
}

/* Coming and going without pause: whoever was let in finds its server there until it leaves. */
static void coming_and_going_never_meets_a_dead_server(void **state)
{
    pid_t child[3];

    (void)state;
    for (int i = 0; i < 3; i++) {
        child[i] = fork();
        if (child[i] == 0) {
            for (int round = 0; round < 8; round++) {
                struct bl_redis_private *p = NULL;
                bl_err err = {0};

                if (bl_redis_private_open(&p, dir, 64 << 20, WAIT_MS, &err) != BL_OK) {
                    fprintf(stderr, "%s\n", err.text);
                    _exit(1);
                }
                pause_ms(round * i * 3);
                if (server_pid() == 0)
                    _exit(2);
                bl_redis_private_close(p);
            }
            _exit(0);
        }
    }
    for (int i = 0; i < 3; i++) {
        int status;

        waitpid(child[i], &status, 0);
        assert_int_equal(status, 0);
    }
    assert_int_equal(server_pid(), 0);
}

static void a_socket_that_was_left_behind_is_replaced(void **state)
{
    struct user starter = user_started();
    struct bl_redis_private *p;

    (void)state;
    kill(starter.server, SIGKILL);
    assert_true(gone_soon(starter.server));
    user_is_killed(&starter); /* the socket file is still there, nobody listens */
    p = opened();
    assert_int_not_equal(server_pid(), 0);
    assert_int_not_equal(server_pid(), starter.server);
    bl_redis_private_close(p);
}

static void a_killed_server_frees_the_lock_while_its_starter_lives(void **state)
{
    struct bl_redis_private *p = opened();
    pid_t server = server_pid();

    (void)state;
    assert_false(lock_free());
    kill(server, SIGKILL);
    for (int i = 0; i < 500 && !lock_free(); i++)
        pause_ms(10);
    assert_true(lock_free());
    bl_redis_private_close(p);
}

static void a_killed_server_can_be_revived_and_has_its_data(void **state)
{
    struct bl_redis_private *p = opened();
    pid_t server = server_pid();
    char reply[256];

    (void)state;
    command("SET bl:x 42\r\n", reply, sizeof reply);
    assert_string_equal(reply, "+OK\r\n");
    assert_int_equal(bl_redis_private_revive(p, NULL), BL_OK); /* nothing to do */
    assert_int_equal(server_pid(), server);
    pause_ms(1200); /* everysec */
    kill(server, SIGKILL);
    for (int i = 0; i < 500 && !lock_free(); i++)
        pause_ms(10);
    assert_int_equal(bl_redis_private_revive(p, NULL), BL_OK);
    for (int i = 0; i < 500 && server_pid() == 0; i++)
        pause_ms(10);
    assert_int_not_equal(server_pid(), server);
    do {
        pause_ms(10);
        command("GET bl:x\r\n", reply, sizeof reply);
    } while (strncmp(reply, "-LOADING", 8) == 0);
    assert_string_equal(reply, "$2\r\n42\r\n");
    bl_redis_private_close(p);
    assert_int_equal(server_pid(), 0);
    p = opened();
    command("GET bl:x\r\n", reply, sizeof reply);
    assert_string_equal(reply, "$2\r\n42\r\n");
    bl_redis_private_close(p);
}

static void it_is_set_up_as_documented(void **state)
{
    struct bl_redis_private *p = opened();
    static const struct {
        const char *name, *want;
    } settings[] = {
        {"port", "0"},
        {"appendonly", "yes"},
        {"appendfsync", "everysec"},
        {"save", ""},
        {"maxmemory", "67108864"},
        {"maxmemory-policy", "noeviction"},
        {"unixsocketperm", "600"},
    };
    char text[64], reply[256], want[256], path[PATH_MAX + 16];
    struct stat st;

    (void)state;
    for (size_t i = 0; i < BL_COUNT(settings); i++) {
        snprintf(text, sizeof text, "CONFIG GET %s\r\n", settings[i].name);
        snprintf(want, sizeof want, "*2\r\n$%zu\r\n%s\r\n$%zu\r\n%s\r\n", strlen(settings[i].name),
                 settings[i].name, strlen(settings[i].want), settings[i].want);
        command(text, reply, sizeof reply);
        assert_string_equal(reply, want);
    }
    assert_int_equal(stat(dir, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0700);
    snprintf(path, sizeof path, "%s/redis.log", dir);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0077, 0);
    snprintf(path, sizeof path, "%s/appendonlydir", dir);
    if (stat(path, &st) == 0)
        assert_int_equal(st.st_mode & 0077, 0);
    bl_redis_private_close(p);
}

static size_t links_to(pid_t pid, const char *what)
{
    char folder[64], path[PATH_MAX], to[PATH_MAX];
    size_t count = 0;
    DIR *fds;

    snprintf(folder, sizeof folder, "/proc/%d/fd", (int)pid);
    fds = opendir(folder);
    assert_non_null(fds);
    for (struct dirent *entry; (entry = readdir(fds)) != NULL;) {
        ssize_t n;

        snprintf(path, sizeof path, "%s/%.20s", folder, entry->d_name);
        n = readlink(path, to, sizeof to - 1);
        to[n < 0 ? 0 : n] = '\0';
        count += strstr(to, what) != NULL;
    }
    closedir(fds);
    return count;
}

static void it_has_the_lock_and_nothing_else_of_ours(void **state)
{
    char name[] = "/tmp/bl-marker-XXXXXX";
    int marker = mkstemp(name), other = dup2(marker, 63); /* neither is close-on-exec */
    struct bl_redis_private *p = opened();
    pid_t server = server_pid();

    (void)state;
    assert_int_equal(links_to(getpid(), "bl-marker"), 2);
    assert_int_equal(links_to(server, "bl-marker"), 0);
    assert_int_equal(links_to(server, "redis.lock"), 1);
    assert_int_equal(links_to(server, "redis.users"), 0);
    assert_int_equal(links_to(getpid(), "redis.lock"), 0);
    assert_int_equal(links_to(server, "/dev/null"), 1);
    assert_int_equal(getsid(server), server); /* so no signal of the terminal reaches it */
    bl_redis_private_close(p);
    close(marker);
    close(other);
    unlink(name);
}

static void without_redis_server_it_says_the_two_ways_out(void **state)
{
    struct bl_redis_private *p = NULL;
    bl_err err = {0};

    (void)state;
    setenv("PATH", base, 1);
    assert_int_equal(bl_redis_private_open(&p, dir, 0, WAIT_MS, &err), BL_UNAVAILABLE);
    setenv("PATH", path_before, 1);
    print_message("%s\n", err.text);
    assert_non_null(strstr(err.text, "install"));
    assert_non_null(strstr(err.text, "--redis"));
    assert_null(p);
    assert_true(lock_free()); /* nothing is left that hinders the next one */
    bl_redis_private_close(opened());
}

static void a_server_that_cannot_start_is_said_at_once_with_its_words(void **state)
{
    char path[PATH_MAX + 64];
    struct bl_redis_private *p = opened();
    bl_err err = {0};
    time_t begin;
    FILE *file;

    (void)state;
    bl_redis_private_close(p);
    snprintf(path, sizeof path, "%s/appendonlydir/appendonly.aof.manifest", dir);
    file = fopen(path, "w");
    if (!file)
        skip(); /* before Redis 7 */
    fputs("no manifest\n", file);
    fclose(file);
    begin = time(NULL);
    assert_int_equal(bl_redis_private_open(&p, dir, 0, WAIT_MS, &err), BL_UNAVAILABLE);
    print_message("%s\n", err.text);
    assert_true(time(NULL) - begin < 5);
    assert_non_null(strstr(err.text, "redis.log"));
    assert_true(lock_free());
}

static void a_server_that_hangs_is_reported_after_the_wait(void **state)
{
    struct user starter = user_started();
    struct bl_redis_private *p = NULL;
    time_t begin = time(NULL);
    bl_err err = {0};

    (void)state;
    kill(starter.server, SIGSTOP);
    assert_int_equal(bl_redis_private_open(&p, dir, 0, 300, &err), BL_UNAVAILABLE);
    print_message("%s\n", err.text);
    user_is_killed(&starter);
    assert_int_equal(bl_redis_private_open(&p, dir, 0, 300, &err), BL_UNAVAILABLE);
    assert_true(time(NULL) - begin < 10);
    kill(starter.server, SIGCONT);
    bl_redis_private_close(opened());
    assert_true(gone_soon(starter.server));
}

static void a_directory_that_will_not_do_is_said(void **state)
{
    struct bl_redis_private *p = NULL;
    char path[PATH_MAX], longest[200];
    bl_err err = {0};
    FILE *file;

    (void)state;
    memset(longest, 'd', sizeof longest);
    snprintf(path, sizeof path, "%s/%.120s", base, longest);
    assert_int_equal(bl_redis_private_open(&p, path, 0, WAIT_MS, &err), BL_CONFIG);
    print_message("%s\n", err.text);
    assert_non_null(strstr(err.text, "shorter"));
    snprintf(path, sizeof path, "%s/open", base);
    assert_int_equal(mkdir(path, 0700) | chmod(path, 0777), 0);
    assert_int_equal(bl_redis_private_open(&p, path, 0, WAIT_MS, &err), BL_CONFIG);
    print_message("%s\n", err.text);
    snprintf(path, sizeof path, "%s/file", base);
    file = fopen(path, "w");
    assert_non_null(file);
    fclose(file);
    assert_int_equal(bl_redis_private_open(&p, path, 0, WAIT_MS, &err), BL_CONFIG);
    print_message("%s\n", err.text);
    snprintf(path, sizeof path, "%s/file/below", base);
    assert_int_equal(bl_redis_private_open(&p, path, 0, WAIT_MS, &err), BL_CONFIG);
    print_message("%s\n", err.text);
    assert_int_equal(bl_redis_private_open(&p, "", 0, WAIT_MS, &err), BL_CONFIG);
    assert_null(p);
}

static void one_that_lost_its_lock_is_stopped_and_said(void **state)
{
    static const char script[] = "#!/bin/sh\nPATH=\"$BL_PATH\" exec redis-server \"$@\" 3>&-\n";
    struct bl_redis_private *p = NULL;
    char path[PATH_MAX + 64];
    bl_err err = {0};
    FILE *file;

    (void)state;
    snprintf(path, sizeof path, "%s/redis-server", base);
    file = fopen(path, "w");
    assert_non_null(file);
    fputs(script, file);
    assert_int_equal(fclose(file) | chmod(path, 0700), 0);
    setenv("BL_PATH", path_before, 1);
    setenv("PATH", base, 1);
    assert_int_equal(bl_redis_private_open(&p, dir, 0, WAIT_MS, &err), BL_UNAVAILABLE);
    setenv("PATH", path_before, 1);
    print_message("%s\n", err.text);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(times_started(), 1);
    assert_int_equal(server_pid(), 0);
}

static void one_whose_lock_file_was_removed_still_ends_with_its_starter(void **state)
{
    struct bl_redis_private *p = opened();
    pid_t server = server_pid();
    char path[PATH_MAX + 16];

    (void)state;
    snprintf(path, sizeof path, "%s/redis.lock", dir);
    assert_int_equal(unlink(path), 0);
    bl_redis_private_close(p);
    assert_true(gone_soon(server));
}

/* root would leave files there that the owner's daemon cannot open. */
static void in_another_users_directory_none_is_started(void **state)
{
    struct bl_redis_private *p = NULL;
    char path[PATH_MAX + 16];
    bl_err err = {0};

    (void)state;
    if (geteuid() != 0)
        skip();
    snprintf(path, sizeof path, "%s/theirs", base);
    assert_int_equal(mkdir(path, 0700) | chown(path, 12345, 12345), 0);
    assert_int_equal(bl_redis_private_open(&p, path, 0, WAIT_MS, &err), BL_CONFIG);
    print_message("%s\n", err.text);
    assert_int_equal(rmdir(path), 0); /* it is empty */
}

/* The negative control: the same steps with the lock file gone in between. */
static void without_the_lock_file_there_are_two(void **state)
{
    struct user first = user_started(), second;
    char path[PATH_MAX + 16];

    (void)state;
    snprintf(path, sizeof path, "%s/redis.lock", dir);
    assert_int_equal(unlink(path), 0);
    second = user_started();
    assert_int_not_equal(second.server, first.server);
    assert_true(alive(first.server) && alive(second.server));
    kill(first.server, SIGKILL);
    user_is_killed(&first);
    user_leaves(&second);
    assert_true(gone_soon(second.server));
}

/* --- a fresh directory for each
 * ------------------------------------------------------------------- */

static int fresh_dir(void **state)
{
    static unsigned number;

    (void)state;
    snprintf(dir, sizeof dir, "%s/%u/state", base, number++);
    return 0;
}

/* Whatever a failed test left running. */
static int no_server_left(void **state)
{
    pid_t server = server_pid();

    (void)state;
    if (path_before)
        setenv("PATH", path_before, 1);
    if (server > 0) {
        fprintf(stderr, "server %d was left\n", (int)server);
        kill(server, SIGKILL);
        return -1;
    }
    return 0;
}

static bool redis_is_installed(void)
{
    return system("command -v redis-server >/dev/null 2>&1") == 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define FRESH(name) cmocka_unit_test_setup_teardown(name, fresh_dir, no_server_left)
        FRESH(the_first_user_starts_it_and_the_last_one_stops_it),
        FRESH(one_whose_starter_was_killed_is_adopted),
        FRESH(many_at_once_start_one),
        FRESH(coming_and_going_never_meets_a_dead_server),
        FRESH(a_socket_that_was_left_behind_is_replaced),
        FRESH(a_killed_server_frees_the_lock_while_its_starter_lives),
        FRESH(a_killed_server_can_be_revived_and_has_its_data),
        FRESH(it_is_set_up_as_documented),
        FRESH(it_has_the_lock_and_nothing_else_of_ours),
        FRESH(without_redis_server_it_says_the_two_ways_out),
        FRESH(a_server_that_cannot_start_is_said_at_once_with_its_words),
        FRESH(a_server_that_hangs_is_reported_after_the_wait),
        FRESH(a_directory_that_will_not_do_is_said),
        FRESH(one_that_lost_its_lock_is_stopped_and_said),
        FRESH(one_whose_lock_file_was_removed_still_ends_with_its_starter),
        FRESH(in_another_users_directory_none_is_started),
        FRESH(without_the_lock_file_there_are_two),
    };
    char line[128];
    int failed;

    if (!redis_is_installed()) {
        puts("skipped: redis-server is not installed");
        return 77;
    }
    snprintf(base, sizeof base, "/tmp/bl-private-XXXXXX");
    if (!mkdtemp(base))
        return 1;
    path_before = getenv("PATH") ? strdup(getenv("PATH")) : NULL;
    failed = cmocka_run_group_tests(tests, NULL, NULL);
    free(path_before);
    snprintf(line, sizeof line, "rm -rf %s", base);
    return system(line) != 0 || failed;
}
