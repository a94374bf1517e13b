/* fuzz_address.c -- the text form of an address record, and the addresses themselves
 *
 * As text, the input must be refused, or be exactly what writing the parsed record gives.  As a
 * stream of numbers and texts it makes a record, which must come back from its text as it was.  As
 * an address it must be refused, or be a fixed point of normalising, whatever the case of ASCII.  A
 * domain's A-label must be a name of letters, digits and signs, and the domain of the same address.
 * ctest: label=quick timeout=120 */
#include <stdlib.h>

#include "../support/records.h"
#include "bounceline/domain.h"
#include "bounceline/event.h"
#include "bounceline/suppress.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void demand(bool truth)
{
    if (!truth)
        abort();
}

static void as_text(bl_slice in)
{
    static struct bl_address_record record;
    static char text[BL_ADDRESS_TEXT_MAX];
    bl_address_event event = {.kind = BL_ADDRESS_FAILED,
                              .action = BL_ACTION_SUPPRESS,
                              .reply = in,
                              .time_ms = 1700000000000};

    if (bl_address_parse(in, &record, NULL) != BL_OK)
        return;
    demand(bl_slice_eq((bl_slice){text, bl_address_text(&record, text)}, in));
    /* whatever it says, applying an event to it is defined, and what comes out can be written */
    for (int kind = BL_ADDRESS_FAILED; kind <= BL_ADDRESS_REMOVE; kind++) {
        struct bl_address_record again, moved = record;
        size_t text_n;

        event.kind = (enum bl_address_event_kind)kind;
        bl_suppress_apply(&moved, &event, &bl_suppress_balanced, 1700000000000);
        text_n = bl_address_text(&moved, text);
        demand(bl_address_parse((bl_slice){text, text_n}, &again, NULL) == BL_OK);
        demand(record_eq(&moved, &again));
    }
}

static void as_record(struct byte_source in)
{
    static struct bl_address_record record, again;
    static char text[BL_ADDRESS_TEXT_MAX];

    source_record(&in, &record);
    demand(bl_address_parse((bl_slice){text, bl_address_text(&record, text)}, &again, NULL) ==
           BL_OK);
    demand(record_eq(&record, &again));
}

static void as_address(bl_slice in)
{
    char once[BL_ADDRESS_MAX + 1], twice[BL_ADDRESS_MAX + 1], other[BL_ADDRESS_MAX];
    size_t once_n, twice_n;

    if (!bl_address_normalise(in, once, &once_n))
        return;
    demand(once_n <= BL_ADDRESS_MAX && once[once_n] == '\0' && memchr(once, '@', once_n));
    demand(bl_address_normalise((bl_slice){once, once_n}, twice, &twice_n));
    demand(bl_slice_eq((bl_slice){once, once_n}, (bl_slice){twice, twice_n}));
    demand(bl_address_partition((bl_slice){once, once_n}, 7) < 7);
    for (size_t i = 0; i < in.n; i++)
        other[i] = in.p[i] >= 'a' && in.p[i] <= 'z' ? (char)(in.p[i] - 'a' + 'A') : in.p[i];
    demand(bl_address_normalise((bl_slice){other, in.n}, twice, &twice_n));
    demand(bl_slice_eq((bl_slice){once, once_n}, (bl_slice){twice, twice_n}));
}

static void as_domain(bl_slice in)
{
    char address[BL_ADDRESS_MAX] = "x@", out[BL_DOMAIN_MAX], key[BL_ADDRESS_MAX + 1];
    size_t n = 0, key_n;

    in = bl_slice_head(in, BL_DOMAIN_MAX);
    for (size_t i = 0; i < in.n; i++)
        address[2 + i] = bl_lower(in.p[i]);
    in.p = address + 2;
    if (bl_slice_is_ascii(in) || !bl_domain_to_ascii(in, out, &n))
        return;
    demand(n > 0 && n <= BL_DOMAIN_MAX);
    for (size_t i = 0; i < n; i++)
        demand((out[i] >= 'a' && out[i] <= 'z') || bl_is_digit(out[i]) || memchr(".-_", out[i], 3));
    demand(bl_address_normalise((bl_slice){address, 2 + in.n}, key, &key_n));
    demand(bl_slice_eq(bl_address_domain((bl_slice){key, key_n}), (bl_slice){out, n}));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    bl_slice in = {(const char *)data, n};

    as_text(in);
    as_record((struct byte_source){data, n});
    as_address(in);
    as_domain(in);
    return 0;
}
