#include "bounceline/domain.h"

#include <idn2.h>

static bool is_of_host(char c)
{
    return (c >= 'a' && c <= 'z') || bl_is_digit(c) || c == '.' || c == '-' || c == '_';
}

/* UTS #46 also maps wide forms of signs to the signs, an at sign among them, and leaves nothing of
 * a soft hyphen.  Its STD3 rules are no help: with them libidn2 2.3 passes over what they forbid,
 * and one name becomes another. */
static bool take_host(const char *ascii, char *out, size_t *out_n)
{
    size_t n = 0;

    while (n < BL_DOMAIN_MAX && is_of_host(ascii[n]))
        n++;
    if (n == 0 || ascii[n] != '\0')
        return false;
    memcpy(out, ascii, n);
    *out_n = n;
    return true;
}

bool bl_domain_to_ascii(bl_slice domain, char out[BL_DOMAIN_MAX], size_t *out_n)
{
    uint8_t in[BL_DOMAIN_MAX + 1], *ascii = NULL;
    bool ok;

    if (domain.n > BL_DOMAIN_MAX || bl_slice_find_byte(domain, '\0') < domain.n)
        return false;
    if (domain.n)
        memcpy(in, domain.p, domain.n);
    in[domain.n] = '\0';
    if (idn2_lookup_u8(in, &ascii, IDN2_NONTRANSITIONAL) != IDN2_OK)
        return false;
    ok = take_host((const char *)ascii, out, out_n);
    idn2_free(ascii);
    return ok;
}
