/* Tells the receiver what happened to which id, and nothing else. */
#include "../sdk/hookgate.h"
#include "../sdk/hookgate_json.h"

static hg_failure on_event(const hg_event *event, hg_verdict *verdict)
{
    hg_str id, note;
    /* A pointer gives the value's own text: 42.0 stays 42.0. */
    if (!hg_json_get(event->data, HG("/id"), &id)) {
        *verdict = hg_drop(HG("the data has no id"));
        return HG_OK;
    }
    hg_buffer message = {0};
    hg_add(&message, HG("{\"type\":"));
    hg_add_json(&message, event->type);
    hg_add(&message, HG(",\"id\":"));
    hg_add(&message, id);
    /* What a subscription may set: a note that goes with every message. */
    if (hg_json_get_string(hg_config(), HG("/note"), &note)) {
        hg_add(&message, HG(",\"note\":"));
        hg_add_json(&message, note);
    }
    hg_add(&message, HG("}"));
    *verdict = hg_replace(hg_text(&message));
    return HG_OK;
}

HOOKGATE_TRANSFORM(on_event)
