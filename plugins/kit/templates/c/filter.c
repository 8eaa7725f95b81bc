/* Lets events of one status pass. */
#include "../sdk/hookgate.h"
#include "../sdk/hookgate_json.h"

static hg_failure on_event(const hg_event *event, bool *accepts)
{
    hg_str wanted, status;
    if (!hg_json_get_string(hg_config(), HG("/status"), &wanted)) {
        return hg_invalid_config(HG("status: expected a string"));
    }
    *accepts = hg_json_get_string(event->data, HG("/status"), &status) && hg_eq(status, wanted);
    return HG_OK;
}

HOOKGATE_FILTER(on_event)
