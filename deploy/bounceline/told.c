#include "told.h"

void bl_told_extract(struct bl_json *json, const struct bl_extract *extract)
{
    bl_json_text_if(json, BL_SLICE("blocklist"), extract->blocklist);
    if (extract->retry_after_s)
        bl_json_u64(json, BL_SLICE("retry_after_s"), extract->retry_after_s);
    bl_json_text_if(json, BL_SLICE("provider_code"), extract->provider_code);
    bl_json_text_if(json, BL_SLICE("sending_ip"), extract->sending_ip);
}

void bl_told_verdict(struct bl_json *json, const struct bl_rules *rules, const bl_verdict *verdict)
{
    const struct bl_category *category = bl_rules_category(rules, verdict->category);

    bl_json_text(json, BL_SLICE("category"), category->name);
    bl_told_word(json, BL_SLICE("type"), bl_type_name((enum bl_type)verdict->type));
    bl_told_word(json, BL_SLICE("scope"), bl_scope_name(category->scope));
    bl_json_text_if(json, BL_SLICE("ses_type"), category->ses_type);
    bl_json_text_if(json, BL_SLICE("ses_subtype"), category->ses_subtype);
    bl_told_word(json, BL_SLICE("action"), bl_action_name((enum bl_action)verdict->action));
}

void bl_told_rule(struct bl_json *json, const struct bl_rule_info *rule)
{
    bl_json_text(json, BL_SLICE("rule"), rule->id);
    bl_json_text(json, BL_SLICE("file"), rule->file);
    bl_json_u64(json, BL_SLICE("line"), rule->line);
    bl_json_u64(json, BL_SLICE("column"), rule->column);
    bl_told_word(json, BL_SLICE("evidence"), bl_tier_name((enum bl_tier)rule->tier));
    bl_json_text_if(json, BL_SLICE("source"), rule->source);
    if (rule->own)
        bl_json_bool(json, BL_SLICE("own"), true);
}
