/* Written millions of times, so keys are literals with their punctuation and nothing is
 * formatted. */
#include "events.h"

#include "bounceline/extract.h"
#include "bounceline/stamp.h"
#include "json.h"

static void put_text(struct bl_output *out, bl_slice key, bl_slice value)
{
    bl_output_put(out, key);
    bl_json_string(out, value);
}

static void put_text_if(struct bl_output *out, bl_slice key, bl_slice value)
{
    if (value.n)
        put_text(out, key, value);
}

/* For words of our own, which need no escaping. */
static void put_word(struct bl_output *out, bl_slice key, const char *word)
{
    bl_output_put(out, key);
    bl_output_byte(out, '"');
    bl_output_put(out, (bl_slice){word, strlen(word)});
    bl_output_byte(out, '"');
}

static void put_delay(struct bl_output *out, int32_t delay_ms)
{
    uint32_t rest = (uint32_t)delay_ms % 1000;
    char fraction[4] = {'.', (char)('0' + rest / 100), (char)('0' + rest / 10 % 10),
                        (char)('0' + rest % 10)};
    size_t n = sizeof fraction;

    bl_output_put(out, BL_SLICE(",\"delay_s\":"));
    bl_output_u64(out, (uint32_t)delay_ms / 1000);
    while (n > 1 && fraction[n - 1] == '0')
        n--;
    bl_output_put(out, (bl_slice){fraction, n > 1 ? n : 0});
}

static void put_verdict(struct bl_output *out, const bl_verdict *verdict,
                        const struct bl_rules *rules)
{
    const struct bl_category *category = bl_rules_category(rules, verdict->category);

    put_text(out, BL_SLICE(",\"category\":"), category->name);
    put_word(out, BL_SLICE(",\"type\":"), bl_type_name((enum bl_type)verdict->type));
    put_word(out, BL_SLICE(",\"scope\":"), bl_scope_name(category->scope));
    put_word(out, BL_SLICE(",\"action\":"), bl_action_name((enum bl_action)verdict->action));
    put_text(out, BL_SLICE(",\"rule\":"), bl_rules_rule(rules, verdict->rule)->id);
}

static void put_extract(struct bl_output *out, const bl_event *event, const struct bl_rules *rules)
{
    struct bl_extract extract;

    bl_extract_read(rules, event->reply, &event->verdict, &extract);
    put_text_if(out, BL_SLICE(",\"blocklist\":"), extract.blocklist);
    if (extract.retry_after_s) {
        bl_output_put(out, BL_SLICE(",\"retry_after_s\":"));
        bl_output_u64(out, extract.retry_after_s);
    }
    put_text_if(out, BL_SLICE(",\"provider_code\":"), extract.provider_code);
    if (event->sending_gap == 0)
        put_text_if(out, BL_SLICE(",\"sending_ip\":"), extract.sending_ip);
}

void bl_events_put(struct bl_output *out, const bl_event *event, const struct bl_rules *rules)
{
    char time[BL_STAMP_TEXT_MAX], status[BL_STATUS_TEXT_MAX];

    put_text(out, BL_SLICE("{\"v\":1,\"time\":"),
             (bl_slice){time, bl_stamp_text(event->time_us, time)});
    put_text_if(out, BL_SLICE(",\"host\":"), event->host);
    put_word(out, BL_SLICE(",\"mta\":"), event->mta == BL_MTA_EXIM ? "exim" : "postfix");
    put_text_if(out, BL_SLICE(",\"service\":"), event->service);
    put_text_if(out, BL_SLICE(",\"queue_id\":"), event->queue_id);
    if (event->has_sender)
        put_text(out, BL_SLICE(",\"sender\":"), event->sender);
    put_text_if(out, BL_SLICE(",\"message_id\":"), event->message_id);
    put_text_if(out, BL_SLICE(",\"client\":"), event->client);
    put_text_if(out, BL_SLICE(",\"sasl_user\":"), event->sasl_user);
    put_text_if(out, BL_SLICE(",\"recipient\":"), event->recipient);
    put_text_if(out, BL_SLICE(",\"orig_recipient\":"), event->orig_recipient);
    put_text_if(out, BL_SLICE(",\"relay_host\":"), event->relay_host);
    put_text_if(out, BL_SLICE(",\"relay_ip\":"), event->relay_ip);
    put_text_if(out, BL_SLICE(",\"sending_ip\":"),
                bl_sending_ip(event->relay_ip, event->sending_gap));
    if (event->delay_ms >= 0)
        put_delay(out, event->delay_ms);
    put_word(out, BL_SLICE(",\"outcome\":"), bl_outcome_name(event->outcome));
    if (!event->attempt)
        bl_output_put(out, BL_SLICE(",\"attempt\":false"));
    if (event->code) {
        bl_output_put(out, BL_SLICE(",\"code\":"));
        bl_output_u64(out, event->code);
    }
    if (!bl_status_absent(event->enhanced))
        put_text(out, BL_SLICE(",\"enhanced\":"),
                 (bl_slice){status, bl_status_text(event->enhanced, status)});
    put_text_if(out, BL_SLICE(",\"reply\":"), event->reply);
    if (event->phase != BL_PHASE_UNKNOWN)
        put_word(out, BL_SLICE(",\"phase\":"), bl_phase_name(event->phase));
    if (event->failed) {
        put_verdict(out, &event->verdict, rules);
        put_extract(out, event, rules);
    }
    bl_output_put(out, BL_SLICE("}\n"));
}
