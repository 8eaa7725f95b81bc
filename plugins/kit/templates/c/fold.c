/* Merges waiting events of one key: the ids of all, in the order of arrival. */
#include "../sdk/hookgate.h"
#include "../sdk/hookgate_json.h"

/* What stands between the brackets of the list; false where there is none. */
static bool ids(const hg_event *event, hg_str *inner)
{
    hg_str list;
    if (!hg_json_get(event->data, HG("/ids"), &list) || list.ptr[0] != '[') return false;
    *inner = (hg_str){list.ptr + 1, list.len - 2};
    return true;
}

static hg_failure on_events(const hg_event *earlier, const hg_event *later, hg_event *folded)
{
    hg_str first, second, any;
    if (!ids(earlier, &first) || !ids(later, &second)) {
        return hg_unusable_event(HG("the data has no list of ids"));
    }
    bool is_both = hg_json_get(earlier->data, HG("/ids/0"), &any) && hg_json_get(later->data, HG("/ids/0"), &any);
    hg_buffer data = {0};
    hg_add(&data, HG("{\"ids\":["));
    hg_add(&data, first);
    hg_add(&data, is_both ? HG(",") : HG(""));
    hg_add(&data, second);
    hg_add(&data, HG("]}"));
    folded->data = hg_text(&data);
    return HG_OK;
}

HOOKGATE_FOLD(on_events)
