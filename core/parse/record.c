#include "bounceline/record.h"

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

bl_slice bl_address_domain(bl_slice address)
{
    for (size_t i = address.n; i-- > 0;)
        if (address.p[i] == '@')
            return bl_slice_drop(address, i + 1);
    return (bl_slice){NULL, 0};
}
