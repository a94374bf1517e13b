#include "redis_url.h"

#include <stdio.h>
#include <string.h>

#include "bounceline/slice.h"

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Copies with %xx undone; false when it does not fit, or would hold a NUL. */
static bool decode(bl_slice from, char *out, size_t cap)
{
    size_t n = 0;

    while (from.n) {
        int byte = (unsigned char)from.p[0];
        size_t step = 1;

        if (byte == '%') {
            if (from.n < 3 || hex_digit(from.p[1]) < 0 || hex_digit(from.p[2]) < 0)
                return false;
            byte = hex_digit(from.p[1]) * 16 + hex_digit(from.p[2]);
            step = 3;
        }
        if (byte == 0 || n + 1 >= cap)
            return false;
        out[n++] = (char)byte;
        from = bl_slice_drop(from, step);
    }
    out[n] = '\0';
    return true;
}

static bool copy(bl_slice from, char *out, size_t cap)
{
    if (from.n >= cap || bl_slice_find_byte(from, '\0') != from.n)
        return false;
    if (from.n)
        memcpy(out, from.p, from.n);
    out[from.n] = '\0';
    return true;
}

/* Takes a number up to `max` that makes up the whole text. */
static bool read_number(bl_slice text, uint64_t max, unsigned *out)
{
    uint64_t value;

    if (!bl_slice_take_u64(&text, &value) || text.n != 0 || value > max)
        return false;
    *out = (unsigned)value;
    return true;
}

static enum bl_code parse_unix(bl_slice rest, struct bl_redis_url *url, bl_err *err)
{
    if (bl_slice_starts(rest, BL_SLICE("//")))
        rest = bl_slice_drop(rest, 2); /* unix:///path is common, too */
    if (rest.n == 0 || rest.p[0] != '/')
        return bl_fail(err, BL_USAGE, 0,
                       "redis address: unix: needs an absolute path, as in unix:/run/redis.sock");
    if (!copy(rest, url->path, sizeof url->path))
        return bl_fail(err, BL_USAGE, 0,
                       "redis address: the socket's path is longer than %zu bytes",
                       sizeof url->path - 1);
    url->unix_socket = true;
    return BL_OK;
}

static enum bl_code parse_user(bl_slice text, struct bl_redis_url *url, bl_err *err)
{
    size_t colon = bl_slice_find_byte(text, ':');

    if (!decode(bl_slice_head(text, colon), url->user, sizeof url->user))
        return bl_fail(err, BL_USAGE, 0,
                       "redis address: the user name is too long or badly encoded");
    if (colon < text.n &&
        !decode(bl_slice_drop(text, colon + 1), url->password, sizeof url->password))
        return bl_fail(err, BL_USAGE, 0,
                       "redis address: the password is too long or badly encoded");
    if (url->user[0] && !url->password[0])
        return bl_fail(err, BL_USAGE, 0, "redis address: a user without a password");
    return BL_OK;
}

/* HOST, HOST:PORT, [V6], [V6]:PORT */
static enum bl_code parse_host(bl_slice text, struct bl_redis_url *url, bl_err *err)
{
    bl_slice host, rest;

    if (text.n && text.p[0] == '[') {
        size_t end = bl_slice_find_byte(text, ']');

        if (end == text.n)
            return bl_fail(err, BL_USAGE, 0, "redis address: '[' without ']'");
        host = (bl_slice){text.p + 1, end - 1};
        rest = bl_slice_drop(text, end + 1);
    } else {
        size_t colon = bl_slice_find_byte(text, ':');

        host = bl_slice_head(text, colon);
        rest = bl_slice_drop(text, colon);
    }
    if (host.n == 0)
        return bl_fail(err, BL_USAGE, 0, "redis address: no host, as in redis://127.0.0.1:6379/0");
    if (!copy(host, url->host, sizeof url->host))
        return bl_fail(err, BL_USAGE, 0, "redis address: the host name is too long");
    if (rest.n == 0)
        return BL_OK;
    if (rest.p[0] != ':' || !read_number(bl_slice_drop(rest, 1), 65535, &url->port) ||
        url->port == 0)
        return bl_fail(err, BL_USAGE, 0, "redis address: the port must be 1 to 65535");
    return BL_OK;
}

static enum bl_code parse_tcp(bl_slice rest, struct bl_redis_url *url, bl_err *err)
{
    size_t slash = bl_slice_find_byte(rest, '/');
    bl_slice authority = bl_slice_head(rest, slash), db = bl_slice_drop(rest, slash);
    size_t at = SIZE_MAX;
    enum bl_code rc;

    for (size_t i = 0; i < authority.n; i++)
        if (authority.p[i] == '@')
            at = i;
    if (at != SIZE_MAX) {
        rc = parse_user(bl_slice_head(authority, at), url, err);
        if (rc != BL_OK)
            return rc;
        authority = bl_slice_drop(authority, at + 1);
    }
    rc = parse_host(authority, url, err);
    if (rc != BL_OK)
        return rc;
    if (db.n > 1 && !read_number(bl_slice_drop(db, 1), 1 << 20, &url->db))
        return bl_fail(err, BL_USAGE, 0,
                       "redis address: behind the last '/' a database number is expected");
    return BL_OK;
}

enum bl_code bl_redis_url_parse(const char *text, struct bl_redis_url *out, bl_err *err)
{
    bl_slice rest = {text, strlen(text)};
    struct bl_redis_url url = {.port = 6379};
    enum bl_code rc;

    if (bl_slice_take(&rest, BL_SLICE("unix:")))
        rc = parse_unix(rest, &url, err);
    else if (bl_slice_take(&rest, BL_SLICE("redis://")))
        rc = parse_tcp(rest, &url, err);
    else if (bl_slice_starts(rest, BL_SLICE("rediss://")))
        rc = bl_fail(
            err, BL_USAGE, 0,
            "redis address: rediss:// (TLS) is not supported; run stunnel or ghostunnel beside "
            "bounceline and give its unix socket or loopback port");
    else
        rc = bl_fail(
            err, BL_USAGE, 0,
            "redis address must begin with unix:/ or redis://, as in unix:/run/redis.sock or "
            "redis://127.0.0.1:6379/0");
    if (rc == BL_OK)
        *out = url;
    return rc;
}

void bl_redis_url_text(const struct bl_redis_url *url, char *out, size_t n)
{
    const char *open = strchr(url->host, ':') ? "[" : "", *shut = *open ? "]" : "";

    if (url->unix_socket)
        snprintf(out, n, "unix:%s", url->path);
    else if (url->db)
        snprintf(out, n, "redis://%s%s%s:%u/%u", open, url->host, shut, url->port, url->db);
    else
        snprintf(out, n, "redis://%s%s%s:%u", open, url->host, shut, url->port);
}
