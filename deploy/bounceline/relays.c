#include "relays.h"

#include <arpa/inet.h>
#include <string.h>

#include "bounceline/alloc.h"

struct bl_relays {
    size_t n;
    struct bl_relay v[];
};

static bool read_address(bl_slice text, int *family, unsigned char address[16])
{
    char word[INET6_ADDRSTRLEN];

    if (text.n == 0 || text.n >= sizeof word)
        return false;
    memcpy(word, text.p, text.n);
    word[text.n] = '\0';
    if (strlen(word) != text.n)
        return false;
    memset(address, 0, 16);
    *family = strchr(word, ':') ? AF_INET6 : AF_INET;
    return inet_pton(*family, word, address) == 1;
}

static bool read_network(bl_slice text, struct bl_relay *out)
{
    size_t slash = bl_slice_find_byte(text, '/');
    uint64_t bits;

    if (!read_address(bl_slice_head(text, slash), &out->family, out->address))
        return false;
    out->bits = out->family == AF_INET ? 32 : 128;
    if (slash == text.n)
        return true;
    text = bl_slice_drop(text, slash + 1);
    if (!bl_slice_take_u64(&text, &bits) || text.n || bits > out->bits)
        return false;
    out->bits = (unsigned)bits;
    return true;
}

/* Letters that no host name has, and digits that look like a broken address, are mistakes. */
static bool read_name(bl_slice text, struct bl_relay *out)
{
    bool letter = false;

    if (text.n < 2 || text.n >= sizeof out->name)
        return false;
    for (size_t i = 0; i < text.n; i++) {
        char c = bl_lower(text.p[i]);

        if (!bl_is_digit(c) && !(c >= 'a' && c <= 'z') && c != '-' && c != '.' && c != '_')
            return false;
        letter |= c >= 'a' && c <= 'z';
        out->name[i] = c;
    }
    out->name[text.n] = '\0';
    out->name_n = text.n;
    out->family = 0;
    return letter;
}

bool bl_relay_read(bl_slice text, struct bl_relay *out)
{
    *out = (struct bl_relay){0};
    return read_network(text, out) || read_name(text, out);
}

struct bl_relays *bl_relays_new(const char *const *text, size_t n)
{
    struct bl_relays *relays = bl_calloc(1, sizeof *relays + n * sizeof relays->v[0]);

    for (size_t i = 0; relays && i < n; i++)
        if (bl_relay_read((bl_slice){text[i], strlen(text[i])}, &relays->v[relays->n]))
            relays->n++;
    return relays;
}

void bl_relays_free(struct bl_relays *relays)
{
    bl_free(relays);
}

static bool is_within(const struct bl_relay *relay, const unsigned char address[16])
{
    unsigned whole = relay->bits / 8, rest = relay->bits % 8;

    if (memcmp(relay->address, address, whole) != 0)
        return false;
    return rest == 0 || ((relay->address[whole] ^ address[whole]) & (0xff00 >> rest) & 0xff) == 0;
}

static bool is_named(const struct bl_relay *relay, bl_slice host)
{
    bl_slice name = {relay->name, relay->name_n};

    if (host.n && host.p[host.n - 1] == '.')
        host.n--;
    return name.p[0] == '.' ? bl_slice_ends_fold(host, name) : bl_slice_eq_fold(host, name);
}

static __attribute__((noinline)) bool is_one_of(const struct bl_relays *relays, bl_slice host,
                                                bl_slice ip)
{
    unsigned char address[16];
    int family = 0;
    bool known = read_address(ip, &family, address);

    for (size_t i = 0; i < relays->n; i++) {
        const struct bl_relay *relay = &relays->v[i];

        if (relay->family ? known && relay->family == family && is_within(relay, address)
                          : is_named(relay, host))
            return true;
    }
    return false;
}

/* Asked for each delivery, and mostly there are none. */
bool bl_relays_has(const struct bl_relays *relays, bl_slice host, bl_slice ip)
{
    return relays && relays->n && is_one_of(relays, host, ip);
}
