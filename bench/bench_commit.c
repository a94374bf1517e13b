/* bench_commit.c -- what a batch of counters costs Redis
 *
 *   bench_commit [LINES [FIELDS]]
 *
 * Starts a redis-server of its own (unix socket, append-only file, as the private one), tallies
 * LINES made-up deliveries (100 000 domains by Zipf, 5 % deferred, 3 % bounced, a real clock) into
 * batches of FIELDS counters and commits them by commit.lua, one after the other.  Prints Redis's
 * own CPU time, the share of the script in it, and how many counters that moved in the three
 * buckets.  Skips (77) without redis-server. */
#include <hiredis/hiredis.h>
#include <inttypes.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "bounceline/rules.h"
#include "bounceline/tally.h"
#include "commit.h"
#include "scripts.h"

enum { DOMAINS = 100000, ENTITIES = 1 << 16 };

struct server {
    pid_t pid;
    char folder[64], socket[96];
    redisContext *redis;
};

static redisReply *command(struct server *server, const char *text)
{
    return redisCommand(server->redis, text);
}

static int start(struct server *server)
{
    snprintf(server->folder, sizeof server->folder, "/tmp/bl-bench-XXXXXX");
    if (!mkdtemp(server->folder))
        return 1;
    snprintf(server->socket, sizeof server->socket, "%s/r.sock", server->folder);
    server->pid = fork();
    if (server->pid == 0) {
        if (!freopen("/dev/null", "w", stdout))
            _exit(1);
        execlp(getenv("BL_REDIS_WRAP") ? getenv("BL_REDIS_WRAP") : "redis-server", "redis-server",
               "--port", "0", "--unixsocket", server->socket, "--dir", server->folder,
               "--appendonly", "yes", "--save", "", (char *)NULL);
        _exit(77);
    }
    for (int i = 0; i < 100; i++) {
        int status;

        if (waitpid(server->pid, &status, WNOHANG) == server->pid)
            return WIFEXITED(status) && WEXITSTATUS(status) == 77 ? 77 : 1;
        server->redis = redisConnectUnix(server->socket);
        if (server->redis && !server->redis->err)
            return 0;
        redisFree(server->redis);
        usleep(50000);
    }
    return 1;
}

static void stop(struct server *server)
{
    char rm[128];

    redisFree(server->redis);
    kill(server->pid, SIGTERM);
    waitpid(server->pid, NULL, 0);
    snprintf(rm, sizeof rm, "rm -r '%s'", server->folder);
    if (system(rm) != 0)
        fprintf(stderr, "cannot remove %s\n", server->folder);
}

/* The number behind `name` in INFO. */
static double info(struct server *server, const char *section, const char *name)
{
    redisReply *reply = redisCommand(server->redis, "INFO %s", section);
    const char *at = reply ? strstr(reply->str, name) : NULL;
    double value = at ? atof(at + strlen(name)) : 0;

    freeReplyObject(reply);
    return value;
}

static double script_seconds(struct server *server)
{
    redisReply *reply = command(server, "INFO commandstats");
    const char *at = reply ? strstr(reply->str, "cmdstat_eval:") : NULL;
    double seconds;

    at = at ? strstr(at, "usec=") : NULL;
    seconds = at ? atof(at + 5) / 1e6 : 0;
    freeReplyObject(reply);
    return seconds;
}

/* ---- made-up deliveries ---- */

static uint64_t seed = 88172645463325252u;

static double draw(void)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return (double)(seed >> 11) / 9007199254740992.0;
}

static double *zipf(void)
{
    double *sum = malloc(DOMAINS * sizeof *sum), total = 0;

    if (!sum)
        abort();
    for (size_t i = 0; i < DOMAINS; i++)
        sum[i] = total += 1.0 / (double)(i + 1);
    for (size_t i = 0; i < DOMAINS; i++)
        sum[i] /= total;
    return sum;
}

static size_t draw_domain(const double *sum)
{
    double x = draw();
    size_t low = 0, high = DOMAINS - 1;

    while (low < high) {
        size_t middle = (low + high) / 2;

        if (sum[middle] < x)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static void one_line(struct bl_tally *tally, const struct bl_rules *rules, const double *sum,
                     int64_t now_s)
{
    char recipient[64], sender[64];
    double x = draw();
    int n = snprintf(recipient, sizeof recipient, "user@host%zu.example.com", draw_domain(sum));
    int m = snprintf(sender, sizeof sender, "news@sender%d.example", (int)(draw() * 50));
    bl_event event = {.time_us = now_s * 1000000,
                      .mta = BL_MTA_POSTFIX,
                      .attempt = true,
                      .has_sender = true,
                      .outcome = x < 0.03   ? BL_BOUNCED
                                 : x < 0.08 ? BL_DEFERRED
                                            : BL_DELIVERED,
                      .failed = x < 0.08,
                      .verdict.category = (uint16_t)(draw() * draw() * 12),
                      .provider = (uint16_t)(draw() * draw() * (double)bl_rules_providers(rules)),
                      .recipient = {recipient, (size_t)n},
                      .sender = {sender, (size_t)m},
                      .instance = BL_SLICE("postfix")};

    bl_tally_event(tally, now_s / 60, &event, rules);
}

/* ---- commits ---- */

static size_t commit_batch(struct server *server, struct bl_commit *commit, struct bl_tally *tally,
                           uint64_t *from, size_t lines, double *pack_s)
{
    struct bl_batch batch = {.ranges = 1, .tally = tally};
    const struct bl_batch *batches[] = {&batch};
    struct bl_positions at = {0};
    bl_position before = {.generation = 1, .offset = *from};
    int64_t now_ms = (int64_t)time(NULL) * 1000;
    struct timespec a, b;
    const char *argv[16];
    size_t argn[16], n = 0, one = 1, bytes = 0;
    redisReply *reply;

    batch.range[0].end = (bl_position){.generation = 1, .offset = *from + lines * 150};
    batch.range[0].lines = lines;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &a);
    if (*from)
        bl_positions_put(&at, &before);
    if (!bl_commit_begin(commit, batches, 1, now_ms))
        abort();
    for (struct bl_bucket *bucket; (bucket = bl_commit_next_unknown(commit)) != NULL;)
        bucket->state = BL_BUCKET_KNOWN; /* the server is ours and new: there is nothing to read */
    if (!bl_commit_pack(commit, batches, &one, &at, now_ms))
        abort();
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &b);
    *pack_s += (double)(b.tv_sec - a.tv_sec) + (double)(b.tv_nsec - a.tv_nsec) / 1e9;
    const bl_slice args[] = {BL_SLICE("EVAL"),
                             bl_script_commit,
                             BL_SLICE("1"),
                             BL_SLICE("bl:{n:bench}:pos"),
                             BL_SLICE("bench"),
                             BL_SLICE("1"),
                             BL_SLICE("d"),
                             BL_SLICE("30000"),
                             BL_SLICE("1"),
                             bl_pack_slice(&commit->ranges),
                             bl_pack_slice(&commit->counters),
                             BL_SLICE("1000"),
                             BL_SLICE("34560000")};
    for (; n < BL_COUNT(args); n++) {
        argv[n] = args[n].p;
        argn[n] = args[n].n;
        bytes += args[n].n;
    }
    reply = redisCommandArgv(server->redis, (int)n, argv, argn);
    if (!reply || reply->type != REDIS_REPLY_ARRAY || strcmp(reply->element[0]->str, "OK") != 0) {
        fprintf(stderr, "refused: %s\n", reply && reply->str ? reply->str : "?");
        exit(1);
    }
    freeReplyObject(reply);
    *from = batch.range[0].end.offset;
    bl_positions_release(&at);
    return bytes;
}

int main(int argc, char **argv)
{
    size_t lines = argc > 1 ? strtoul(argv[1], NULL, 10) : 1000000;
    size_t fields = argc > 2 ? strtoul(argv[2], NULL, 10) : 4000;
    const struct bl_rules *rules = bl_rules_builtin();
    struct server server;
    struct bl_tally *tally = bl_tally_new(ENTITIES, ENTITIES);
    struct bl_commit *commit = bl_commit_new(rules, NULL);
    double *sum = zipf(), pack_s = 0, cpu, script;
    size_t batches = 0, in_batch = 0, entities = 0, counters = 0, bytes = 0;
    uint64_t from = 0;
    int rc = start(&server);

    if (rc != 0) {
        fprintf(stderr, rc == 77 ? "skipped: no redis-server\n" : "redis-server does not start\n");
        return rc;
    }
    freeReplyObject(command(&server, "HSET bl:{n:bench}:pos dataset d bench|epoch 1"));
    cpu = info(&server, "cpu", "used_cpu_user:") + info(&server, "cpu", "used_cpu_sys:");
    for (size_t i = 0; i < lines; i++) {
        one_line(tally, rules, sum, (int64_t)time(NULL));
        in_batch++;
        if (bl_tally_fields(tally) >= fields || i + 1 == lines) {
            entities += bl_tally_count(tally);
            counters += bl_tally_fields(tally);
            bytes += commit_batch(&server, commit, tally, &from, in_batch, &pack_s);
            bl_tally_clear(tally);
            batches++;
            in_batch = 0;
        }
    }
    cpu = info(&server, "cpu", "used_cpu_user:") + info(&server, "cpu", "used_cpu_sys:") - cpu;
    script = script_seconds(&server);
    printf(
        "lines\t%zu\nbatches\t%zu\nlines per batch\t%.0f\nentities per batch\t%.0f\nKB per batch\t%.0f\n",
        lines, batches, (double)lines / (double)batches, (double)entities / (double)batches,
        (double)bytes / 1024 / (double)batches);
    printf("script ms per batch\t%.2f\npacking ms per batch\t%.2f\n",
           script * 1e3 / (double)batches, pack_s * 1e3 / (double)batches);
    printf("entities/s of script\t%.0f\ncounters/s of script (in 3 buckets)\t%.0f\n",
           (double)entities / script, 3 * (double)counters / script);
    printf("Redis CPU s\t%.2f\nCPU share of one core at 1 M lines/s\t%.2f\n", cpu,
           cpu / ((double)lines / 1e6));
    stop(&server);
    bl_commit_free(commit);
    bl_tally_free(tally);
    free(sum);
    return 0;
}
