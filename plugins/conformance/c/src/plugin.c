/* Shows, by its config, everything that a plugin can answer. What each action does: ../../README.md. */
#include "../../../sdk/c/hookgate.h"
#include "../../../sdk/c/hookgate_json.h"

static hg_str text;

static bool is(hg_str action, const char *name)
{
    return hg_eq(action, hg_z(name));
}

/* Reads the config: {"do": action, "text": text}. */
static hg_failure configured(hg_str *action)
{
    hg_str config = hg_config();
    if (!hg_json_get_string(config, HG("/do"), action)) return hg_invalid_config(HG("do: a string is missing"));
    if (!hg_json_get_string(config, HG("/text"), &text)) text = HG("");
    return HG_OK;
}

static hg_failure otherwise(hg_str action)
{
    if (is(action, "invalid-config")) return hg_invalid_config(text);
    if (is(action, "unusable-event")) return hg_unusable_event(text);
    if (is(action, "again-later")) return hg_again_later(text);
    return hg_invalid_config(hg_join(HG("no such action: "), action));
}

static void member(hg_buffer *json, const char *name)
{
    hg_add(json, json->len == 0 ? HG("{") : HG(","));
    hg_add_json(json, hg_z(name));
    hg_add(json, HG(":"));
}

static void add_text(hg_buffer *json, const char *name, hg_str value)
{
    member(json, name);
    hg_add_json(json, value);
}

static void add_option(hg_buffer *json, const char *name, hg_option value)
{
    member(json, name);
    if (value.is_some) hg_add_json(json, value.value);
    else hg_add(json, HG("null"));
}

static void add_number(hg_buffer *json, const char *name, uint64_t value)
{
    member(json, name);
    hg_add_u64(json, value);
}

static hg_str described_event(const hg_event *event)
{
    hg_buffer json = {0};
    add_text(&json, "id", event->id);
    add_text(&json, "source", event->source);
    add_text(&json, "type", event->type);
    add_option(&json, "subject", event->subject);
    add_number(&json, "time_ms", event->time_ms);
    add_text(&json, "tenant", event->tenant);
    add_option(&json, "key", event->key);
    add_text(&json, "content_type", event->content_type);
    add_number(&json, "length", event->data.len);
    member(&json, "attributes");
    hg_add(&json, HG("{"));
    for (size_t i = 0; i < event->attributes.len; i++) {
        if (i > 0) hg_add(&json, HG(","));
        hg_add_json(&json, event->attributes.ptr[i].name);
        hg_add(&json, HG(":"));
        hg_add_json(&json, event->attributes.ptr[i].value);
    }
    hg_add(&json, HG("}}"));
    return hg_text(&json);
}

static hg_failure on_event(const hg_event *event, hg_verdict *verdict)
{
    static const hg_attribute headers[] = {{HG_INIT("x-one"), HG_INIT("1")}, {HG_INIT("x-two"), HG_INIT("two words")}};
    hg_str action;
    hg_failure failure = configured(&action);
    if (failure.tag != HG_OK.tag) return failure;
    if (is(action, "pass")) {
        *verdict = hg_pass();
    } else if (is(action, "drop")) {
        *verdict = hg_drop(text);
    } else if (is(action, "replace")) {
        *verdict = hg_replace(text);
    } else if (is(action, "echo")) {
        *verdict = hg_replace(event->data);
    } else if (is(action, "deliver")) {
        *verdict = hg_deliver((hg_message){HG("text/plain; charset=utf-8"), text, {headers, 2}});
    } else if (is(action, "describe")) {
        *verdict = hg_replace(described_event(event));
    } else if (is(action, "data-url")) {
        hg_buffer json = {0};
        add_text(&json, "url", hg_data_url());
        hg_add(&json, HG("}"));
        *verdict = hg_replace(hg_text(&json));
    } else if (is(action, "log")) {
        for (hg_level level = HG_DEBUG; level <= HG_ERROR; level++) hg_log(level, text);
    } else {
        return otherwise(action);
    }
    return HG_OK;
}
HOOKGATE_TRANSFORM(on_event)

static hg_failure wants(const hg_event *event, bool *accepts)
{
    hg_str action;
    hg_failure failure = configured(&action);
    if (failure.tag != HG_OK.tag) return failure;
    if (is(action, "yes")) *accepts = true;
    else if (is(action, "no")) *accepts = false;
    else if (is(action, "has-data")) *accepts = event->data.len > 0;
    else return otherwise(action);
    return HG_OK;
}
HOOKGATE_FILTER(wants)

static hg_failure merge(const hg_event *earlier, const hg_event *later, hg_event *folded)
{
    hg_str action;
    hg_failure failure = configured(&action);
    if (failure.tag != HG_OK.tag) return failure;
    if (is(action, "earlier")) {
        *folded = *earlier;
    } else if (is(action, "join")) {
        folded->data = hg_join(earlier->data, later->data);
        if (text.len > 0) folded->content_type = text;
    } else if (!is(action, "later")) {
        return otherwise(action);
    }
    return HG_OK;
}
HOOKGATE_FOLD(merge)

static hg_str described_request(const hg_request *request)
{
    hg_buffer json = {0};
    add_text(&json, "method", request->method);
    add_text(&json, "path", request->path);
    add_text(&json, "query", request->query);
    member(&json, "headers");
    hg_add(&json, HG("["));
    for (size_t i = 0; i < request->headers.len; i++) {
        hg_add(&json, i > 0 ? HG(",[") : HG("["));
        hg_add_json(&json, request->headers.ptr[i].name);
        hg_add(&json, HG(","));
        hg_add_json(&json, request->headers.ptr[i].value);
        hg_add(&json, HG("]"));
    }
    hg_add(&json, HG("]"));
    add_number(&json, "length", request->body.len);
    add_option(&json, "secret", request->secret);
    add_number(&json, "received_ms", request->received_ms);
    hg_add(&json, HG("}"));
    return hg_text(&json);
}

static hg_failure on_request(const hg_request *request, hg_reception *reception)
{
    hg_str action;
    hg_failure failure = configured(&action);
    if (failure.tag != HG_OK.tag) return failure;
    hg_draft *drafts = hg_alloc(2 * sizeof *drafts);
    if (is(action, "accept")) {
        hg_option content_type = hg_find(request->headers, HG("content-type"));
        drafts[0] = (hg_draft){
            .type = text,
            .id = hg_find(request->headers, HG("x-id")),
            .subject = hg_some(request->path),
            .key = request->secret,
            .time_ms = {true, request->received_ms + 1},
            .content_type = content_type.is_some ? content_type.value : HG("application/octet-stream"),
            .data = request->body,
        };
        *reception = hg_accept(drafts, 1);
    } else if (is(action, "accept-none")) {
        *reception = hg_accept(NULL, 0);
    } else if (is(action, "accept-two")) {
        drafts[0] = (hg_draft){.type = text, .content_type = HG("text/plain"), .data = HG("first")};
        drafts[1] = (hg_draft){.type = text, .content_type = HG("text/plain"), .data = HG("second")};
        *reception = hg_accept(drafts, 2);
    } else if (is(action, "describe")) {
        drafts[0] = (hg_draft){
            .type = HG("request.described"),
            .content_type = HG("application/json"),
            .data = described_request(request),
        };
        *reception = hg_accept(drafts, 1);
    } else if (is(action, "challenge")) {
        *reception = hg_challenge(202, HG("text/plain"), request->query);
    } else if (is(action, "reject")) {
        *reception = hg_reject(text);
    } else {
        return otherwise(action);
    }
    return HG_OK;
}
HOOKGATE_RECEIVER(on_request)
