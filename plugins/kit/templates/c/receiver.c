/*
 * Takes webhooks that carry the source's secret in a header, and makes each an event.
 *
 * A provider that signs its requests is verified in the same place: compute what the signature
 * has to be from request->body and the secret, and compare all of it.
 */
#include "../sdk/hookgate.h"

/* Looks at every byte, so that the time it takes tells nothing about the secret. */
static bool is_same(hg_str given, hg_str secret)
{
    size_t differs = given.len ^ secret.len;
    for (size_t i = 0; i < given.len && i < secret.len; i++) differs |= (size_t)(given.ptr[i] ^ secret.ptr[i]);
    return differs == 0;
}

static hg_failure on_request(const hg_request *request, hg_reception *reception)
{
    static hg_draft draft;
    if (!request->secret.is_some) return hg_invalid_config(HG("the source has no secret"));
    hg_option token = hg_find(request->headers, HG("x-token")), event = hg_find(request->headers, HG("x-event"));
    if (!is_same(token.value, request->secret.value)) {
        *reception = hg_reject(HG("the token is wrong"));
    } else if (!event.is_some) {
        *reception = hg_reject(HG("there is no x-event header"));
    } else {
        draft = (hg_draft){.type = event.value, .content_type = HG("application/json"), .data = request->body};
        *reception = hg_accept(&draft, 1);
    }
    return HG_OK;
}

HOOKGATE_RECEIVER(on_request)
