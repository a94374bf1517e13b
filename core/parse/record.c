#include "bounceline/record.h"

#include <string.h>

#include "bounceline/domain.h"
#include "bounceline/event.h"
#include "bounceline/hash.h"

const char *bl_outcome_name(enum bl_outcome outcome)
{
    static const char *const names[BL_OUTCOMES] = {"delivered", "relayed",  "deferred",
                                                   "bounced",   "expired",  "rejected",
                                                   "dropped",   "discarded"};

    return (unsigned)outcome < BL_OUTCOMES ? names[outcome] : "";
}

uint64_t bl_record_seed(bl_slice host, bl_slice instance)
{
    return bl_hash64_seeded(instance, bl_hash64(host));
}

void bl_record_set_long_key(bl_record *record, uint64_t seed)
{
    XXH128_hash_t hash = XXH3_128bits_withSeed(record->queue_id.p, record->queue_id.n, seed);

    record->key = hash.low64;
    record->key2 = hash.high64;
}

/* The host that our own MTA looked for in vain. */
static bl_slice find_sought_host(bl_slice text)
{
    static const bl_slice before[] = {BL_SLICE_INIT("Name service error for name="),
                                      BL_SLICE_INIT("unable to look up host "),
                                      BL_SLICE_INIT("unable to find primary relay for "),
                                      BL_SLICE_INIT("unknown host "),
                                      BL_SLICE_INIT("lookup of host "),
                                      BL_SLICE_INIT("no IP address found for host ")};
    size_t n = 0;

    for (size_t i = 0; i < BL_COUNT(before); i++) {
        size_t at = bl_slice_find(text, before[i]);

        if (at == SIZE_MAX)
            continue;
        text = bl_slice_drop(text, at + before[i].n);
        while (text.n && (text.p[0] == '"' || text.p[0] == '\''))
            text = bl_slice_drop(text, 1);
        while (n < text.n && !strchr(" \"':;,()", text.p[n])) /* the NUL is among them */
            n++;
        return bl_slice_head(text, n - (n && text.p[n - 1] == '.'));
    }
    return (bl_slice){0};
}

/* Its domain, or a host of it: a mail exchanger that is not there. */
static bool is_of_domain(bl_slice host, bl_slice domain)
{
    size_t before = host.n - domain.n;

    return host.n >= domain.n && bl_slice_ends_fold(host, domain) &&
           (before == 0 || host.p[before - 1] == '.');
}

/* Postfix asks DNS for the A-label, and says that it was not found. */
static bool is_of_domain_in_ascii(bl_slice host, bl_slice domain)
{
    char ascii[BL_DOMAIN_MAX];
    size_t n;

    return !bl_slice_is_ascii(domain) && bl_domain_to_ascii(domain, ascii, &n) &&
           is_of_domain(host, (bl_slice){ascii, n});
}

void bl_record_spare(bl_record *record)
{
    bl_slice host, domain;

    if (record->verdict.action == BL_ACTION_NONE || record->code != 0)
        return; /* or a server said so */
    host = find_sought_host(record->text);
    domain = bl_address_domain(record->recipient);
    if (host.n && !is_of_domain(host, domain) && !is_of_domain_in_ascii(host, domain))
        record->verdict.action = BL_ACTION_NONE;
}

bl_slice bl_address_domain(bl_slice address)
{
    for (size_t i = address.n; i-- > 0;)
        if (address.p[i] == '@')
            return bl_slice_drop(address, i + 1);
    return (bl_slice){NULL, 0};
}
