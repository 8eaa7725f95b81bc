/*
 * github: takes GitHub's webhooks, verifies them and makes them events.
 *
 * The source's secret is the one typed in at GitHub. X-GitHub-Event and the body's `action` give
 * the type (github.issues.opened), X-GitHub-Delivery the id, so that a redelivery is known as
 * one; the repository, or else the organization, is the subject, and the body is the data, byte
 * for byte. A ping is answered and not stored.
 *
 * It refuses what is not signed with the secret, the older SHA-1 signature alone, and bodies
 * sent as a form.
 */
#include "../../sdk/c/hookgate.h"
#include "../../sdk/c/hookgate_json.h"
#include "sha256.h"

#define SCHEME HG("sha256=")

static hg_failure rejected(hg_reception *reception, hg_str reason)
{
    *reception = hg_reject(reason);
    return HG_OK;
}

static int digit(char letter)
{
    if (letter >= '0' && letter <= '9') return letter - '0';
    letter |= 0x20;
    return letter >= 'a' && letter <= 'f' ? letter - 'a' + 10 : -1;
}

static bool read_tag(hg_str text, sha256_tag *tag)
{
    if (!hg_starts_with(text, SCHEME) || text.len != SCHEME.len + 2 * SHA256_BYTES) return false;
    const char *at = text.ptr + SCHEME.len;
    for (int i = 0; i < SHA256_BYTES; i++, at += 2) {
        int high = digit(at[0]), low = digit(at[1]);
        if (high < 0 || low < 0) return false;
        tag->bytes[i] = (uint8_t)(high << 4 | low);
    }
    return true;
}

/* A word of an event's type: a-z, 0-9 and _. */
static bool is_word(hg_str text)
{
    for (size_t i = 0; i < text.len; i++) {
        char byte = text.ptr[i];
        if (!(byte >= 'a' && byte <= 'z') && !(byte >= '0' && byte <= '9') && byte != '_') return false;
    }
    return text.len > 0;
}

static bool is_form(hg_attributes headers)
{
    hg_option type = hg_find(headers, HG("content-type"));
    return type.is_some && hg_starts_with(type.value, HG("application/x-www-form-urlencoded"));
}

static bool has_config(void)
{
    hg_json_cursor cursor = hg_json_read(hg_config());
    return !hg_json_take(&cursor, '{') || !hg_json_take(&cursor, '}');
}

static hg_draft *draft(const hg_request *request, hg_str event)
{
    hg_draft *draft = hg_alloc(sizeof *draft);
    hg_str type = hg_join(HG("github."), event), text;
    if (hg_json_get_string(request->body, HG("/action"), &text) && is_word(text)) {
        type = hg_join(hg_join(type, HG(".")), text);
    }
    *draft = (hg_draft){
        .type = type,
        .id = hg_find(request->headers, HG("x-github-delivery")),
        .content_type = HG("application/json"),
        .data = request->body,
    };
    if (hg_json_get_string(request->body, HG("/repository/full_name"), &text)) draft->subject = hg_some(text);
    else if (hg_json_get_string(request->body, HG("/organization/login"), &text)) draft->subject = hg_some(text);
    return draft;
}

static hg_failure receive(const hg_request *request, hg_reception *reception)
{
    if (has_config()) return hg_invalid_config(HG("github has no config: leave it out, or write {}"));
    if (!request->secret.is_some || request->secret.value.len == 0) {
        return hg_invalid_config(HG("the source has no secret: set it to the one typed in at GitHub"));
    }
    if (!hg_eq(request->method, HG("POST"))) return rejected(reception, HG("GitHub sends POST, and this is not"));

    hg_option signature = hg_find(request->headers, HG("x-hub-signature-256"));
    if (!signature.is_some) {
        return rejected(reception, HG("there is no X-Hub-Signature-256 header: type a secret in at GitHub"));
    }
    sha256_tag theirs, ours = hmac_sha256(request->secret.value, request->body);
    if (!read_tag(signature.value, &theirs)) {
        return rejected(reception, HG("the X-Hub-Signature-256 header is not sha256= and 64 hexadecimal digits"));
    }
    if (!sha256_is_same(&theirs, &ours)) {
        return rejected(reception, HG("the signature does not fit the body and the source's secret"));
    }

    hg_option event = hg_find(request->headers, HG("x-github-event"));
    if (!event.is_some || !is_word(event.value)) {
        return rejected(reception, HG("it is genuine, but has no X-GitHub-Event header that is a word"));
    }
    if (is_form(request->headers)) {
        return rejected(reception, HG("it is genuine, but sent as a form: choose application/json at GitHub"));
    }
    if (!hg_json_is_valid(request->body)) {
        return rejected(reception, HG("it is genuine, but the body is not JSON"));
    }
    if (hg_eq(event.value, HG("ping"))) {
        *reception = hg_challenge(200, HG("text/plain"), HG("pong"));
        return HG_OK;
    }
    *reception = hg_accept(draft(request, event.value), 1);
    return HG_OK;
}

HOOKGATE_RECEIVER(receive)
