/* What people and reports ask of a rule set. */
#include "digits.h"

uint16_t bl_rules_categories(const struct bl_rules *rules)
{
    return rules->n_categories;
}

const struct bl_category *bl_rules_category(const struct bl_rules *rules, uint16_t index)
{
    return index < rules->n_categories ? &rules->categories[index] : NULL;
}

bool bl_rules_find_category(const struct bl_rules *rules, bl_slice name, uint16_t *out)
{
    for (uint16_t i = 0; i < rules->n_categories; i++)
        if (bl_slice_eq(rules->categories[i].name, name)) {
            *out = i;
            return true;
        }
    return false;
}

size_t bl_rules_count(const struct bl_rules *rules)
{
    return rules->n_rules;
}

const struct bl_rule_info *bl_rules_rule(const struct bl_rules *rules, uint32_t index)
{
    return index < rules->n_rules ? &rules->infos[rules->info_of[index]] : NULL;
}

size_t bl_rules_ids(const struct bl_rules *rules)
{
    return rules->n_ids;
}

const struct bl_codes *bl_rules_codes(const struct bl_rules *rules, uint32_t index)
{
    const struct bl_rule_info *info = bl_rules_rule(rules, index);

    return info && info->codes ? &rules->codes[info->codes - 1] : NULL;
}

const struct bl_codes *bl_rules_codes_of(const struct bl_rules *rules, const bl_reply *reply)
{
    return bl_rules_codes(rules,
                          bl_digits_find(rules->digits, reply->code, bl_effective_status(reply)));
}

uint16_t bl_rules_providers(const struct bl_rules *rules)
{
    return rules->n_providers;
}

uint64_t bl_rules_mark(const struct bl_rules *rules)
{
    return rules->mark;
}

bl_slice bl_rules_provider_name(const struct bl_rules *rules, uint16_t provider)
{
    return rules->providers[provider < rules->n_providers ? provider : 0];
}

uint16_t bl_rules_rule_provider(const struct bl_rules *rules, uint32_t index)
{
    return index < rules->n_rules ? rules->rules[index].want.provider : 0;
}

bool bl_rules_same_categories(const struct bl_rules *a, const struct bl_rules *b)
{
    if (a->n_categories != b->n_categories)
        return false;
    for (uint16_t i = 0; i < a->n_categories; i++)
        if (!bl_slice_eq(a->categories[i].name, b->categories[i].name))
            return false;
    return true;
}

const char *bl_tier_name(enum bl_tier tier)
{
    static const char *const names[BL_TIERS] = {
        [BL_TIER_VETO] = "veto",
        [BL_TIER_VETO_CODES] = "veto of codes and generic words",
        [BL_TIER_PROVIDER_TEXT] = "a provider's own words",
        [BL_TIER_SPECIFIC_TEXT] = "specific words",
        [BL_TIER_PROVIDER_CODE] = "a provider's own code",
        [BL_TIER_SPECIFIC_CODE] = "specific code",
        [BL_TIER_GENERIC_TEXT] = "generic words",
        [BL_TIER_GENERIC_CODE] = "generic code",
        [BL_TIER_FALLBACK] = "nothing matched",
    };

    return (unsigned)tier < BL_TIERS ? names[tier] : "";
}
