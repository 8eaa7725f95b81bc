/*
 * Hookgate's SDK for plugins in C: the contract of wit/ as structs, and a macro for each export.
 *
 *     #include "hookgate.h"
 *
 *     static hg_failure on_event(const hg_event *event, hg_verdict *verdict)
 *     {
 *         if (event->data.len > 1000) *verdict = hg_drop(HG("the data is too large"));
 *         return HG_OK;
 *     }
 *     HOOKGATE_TRANSFORM(on_event)
 *
 * There is no libc, no clock, no file and no network. Memory comes from hg_alloc and is all
 * taken back when the call is over: nothing is freed, and nothing may be kept. Several .c files
 * may include this header; each macro stands in one of them.
 */
#ifndef HOOKGATE_H
#define HOOKGATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* --- Types: laid out as the canonical ABI lays them out for wasm32. --- */

/* Bytes, or text in UTF-8. Not ended by a NUL, and may hold some. */
typedef struct {
    const char *ptr;
    size_t len;
} hg_str;

typedef struct {
    bool is_some;
    hg_str value;
} hg_option;

typedef struct {
    bool is_some;
    uint64_t value;
} hg_option_u64;

/* A name with its value: an extension of an event, or a header. */
typedef struct {
    hg_str name;
    hg_str value;
} hg_attribute;

typedef struct {
    const hg_attribute *ptr;
    size_t len;
} hg_attributes;

/* One event, as its source sent it and as Hookgate stored it. */
typedef struct {
    hg_str id;                /* unique within tenant and source; a retry carries the same */
    hg_str source;            /* for example shop/orders */
    hg_str type;              /* for example invoice.paid */
    hg_option subject;
    uint64_t time_ms;         /* since 1970-01-01T00:00:00Z */
    hg_str tenant;
    hg_option key;            /* what keeps related events in order */
    hg_str content_type;      /* of data */
    hg_str data;              /* the stored bytes, untouched */
    hg_attributes attributes; /* extensions, in the order of the source */
} hg_event;

/* What to send instead of the event. */
typedef struct {
    hg_str content_type;
    hg_str body;
    hg_attributes headers;
} hg_message;

/* What to do with the event: made by hg_pass, hg_drop, hg_replace or hg_deliver. */
typedef struct {
    uint8_t tag;
    union {
        hg_str text;
        hg_message message;
    };
} hg_verdict;

/* Why a plugin could not do its work, or HG_OK. */
typedef struct {
    uint8_t tag;
    hg_str text;
} hg_failure;

/* A request of a provider, as it arrived at the address of a source. */
typedef struct {
    hg_str method;         /* upper case */
    hg_str path;           /* what follows the source's address, at least / */
    hg_str query;          /* without the question mark, still encoded */
    hg_attributes headers; /* in the order of arrival, names in lower case */
    hg_str body;           /* the bytes that a signature covers */
    hg_option secret;      /* the source's, where one was set */
    uint64_t received_ms;  /* what to compare a signed timestamp with */
} hg_request;

/* An event to be stored. What is left zero, Hookgate fills in. */
typedef struct {
    hg_str type;
    hg_option id; /* the provider's, so that its repeats are known as repeats */
    hg_option subject;
    hg_option key;
    hg_option_u64 time_ms;
    hg_str content_type;
    hg_str data;
} hg_draft;

/* What a request turned out to be: made by hg_accept, hg_challenge or hg_reject. */
typedef struct {
    uint8_t tag;
    union {
        struct {
            const hg_draft *ptr;
            size_t len;
        } drafts;
        struct {
            uint16_t status;
            hg_str content_type;
            hg_str body;
        } response;
        hg_str reason;
    };
} hg_reception;

typedef enum { HG_DEBUG, HG_INFO, HG_WARN, HG_ERROR } hg_level;

/* The layouts above are the contract: a compiler that does otherwise must not get further. */
_Static_assert(sizeof(void *) == 4, "build for wasm32");
_Static_assert(sizeof(hg_event) == 96 && offsetof(hg_event, time_ms) == 40, "layout of event");
_Static_assert(sizeof(hg_verdict) == 28 && offsetof(hg_verdict, text) == 4, "layout of verdict");
_Static_assert(sizeof(hg_draft) == 80 && offsetof(hg_draft, time_ms) == 48, "layout of draft");
_Static_assert(sizeof(hg_reception) == 24, "layout of reception");

/* --- Memory. One region, from the end of the program's own data, taken back after each call. --- */

/* State and non-inline functions exist once, however many files include this. */
#define HG_SHARED __attribute__((weak))

extern unsigned char __heap_base;
HG_SHARED uintptr_t hg_top;

/* Never NULL: an instance that is out of memory ends. Zeroed only where it was never used. */
HG_SHARED void *hg_alloc_aligned(size_t size, size_t align)
{
    uintptr_t start = hg_top ? hg_top : (uintptr_t)&__heap_base;
    start = (start + align - 1) & ~(uintptr_t)(align - 1);
    uintptr_t end = start + size;
    size_t has = __builtin_wasm_memory_size(0) << 16;
    if (end < start) __builtin_trap();
    if (end > has && __builtin_wasm_memory_grow(0, (end - has + 0xffff) >> 16) == (size_t)-1) __builtin_trap();
    hg_top = end;
    return (void *)start;
}

static inline void *hg_alloc(size_t size)
{
    return hg_alloc_aligned(size, 8);
}

/* Compilers call these for structs and loops. With bulk memory they are one instruction each. */
HG_SHARED void *memcpy(void *restrict to, const void *restrict from, size_t len)
{
    return __builtin_memcpy(to, from, len);
}

HG_SHARED void *memmove(void *to, const void *from, size_t len)
{
    return __builtin_memmove(to, from, len);
}

HG_SHARED void *memset(void *at, int byte, size_t len)
{
    return __builtin_memset(at, byte, len);
}

HG_SHARED int memcmp(const void *a, const void *b, size_t len)
{
    const unsigned char *x = a, *y = b;
    for (size_t i = 0; i < len; i++) {
        if (x[i] != y[i]) return x[i] < y[i] ? -1 : 1;
    }
    return 0;
}

/* The host puts a call's arguments into this module's memory by it. */
__attribute__((export_name("cabi_realloc"))) HG_SHARED void *cabi_realloc(void *old, size_t old_size, size_t align,
                                                                           size_t size)
{
    void *new = hg_alloc_aligned(size, align);
    if (old) __builtin_memcpy(new, old, old_size < size ? old_size : size);
    return new;
}

/* --- Text. --- */

/* A literal: HG("text"); HG_INIT("text") in the initialiser of something static. */
#define HG_INIT(literal) {(literal), sizeof(literal) - 1}
#define HG(literal) ((hg_str)HG_INIT(literal))

/* Text that ends with a NUL. */
static inline hg_str hg_z(const char *text)
{
    size_t len = 0;
    while (text[len]) len++;
    return (hg_str){text, len};
}

static inline bool hg_eq(hg_str a, hg_str b)
{
    return a.len == b.len && memcmp(a.ptr, b.ptr, a.len) == 0;
}

static inline bool hg_starts_with(hg_str text, hg_str start)
{
    return text.len >= start.len && memcmp(text.ptr, start.ptr, start.len) == 0;
}

static inline hg_option hg_some(hg_str value)
{
    return (hg_option){true, value};
}

/* The first value of that name: an extension, or a header, whose name is in lower case. */
static inline hg_option hg_find(hg_attributes attributes, hg_str name)
{
    for (size_t i = 0; i < attributes.len; i++) {
        if (hg_eq(attributes.ptr[i].name, name)) return hg_some(attributes.ptr[i].value);
    }
    return (hg_option){0};
}

/* Whether the bytes are UTF-8. Text that goes to Hookgate has to be, or the instance ends. */
HG_SHARED bool hg_is_utf8(hg_str text)
{
    const unsigned char *at = (const unsigned char *)text.ptr, *end = at + text.len;
    while (at < end) {
        unsigned char first = *at++;
        if (first < 0x80) continue;
        size_t more = first >= 0xf0 ? 3 : first >= 0xe0 ? 2 : 1;
        if (first < 0xc2 || first > 0xf4 || (size_t)(end - at) < more) return false;
        if ((first == 0xe0 && at[0] < 0xa0) || (first == 0xed && at[0] > 0x9f)) return false;
        if ((first == 0xf0 && at[0] < 0x90) || (first == 0xf4 && at[0] > 0x8f)) return false;
        for (; more > 0; more--) {
            if ((*at++ & 0xc0) != 0x80) return false;
        }
    }
    return true;
}

/* Text that grows: hg_buffer b = {0}; hg_add(&b, …); hg_text(&b). */
typedef struct {
    char *ptr;
    size_t len, room;
} hg_buffer;

HG_SHARED void hg_add(hg_buffer *buffer, hg_str text)
{
    if (buffer->len + text.len > buffer->room) {
        size_t room = (buffer->len + text.len) * 2 + 64;
        char *ptr = hg_alloc(room);
        if (buffer->len) __builtin_memcpy(ptr, buffer->ptr, buffer->len);
        buffer->ptr = ptr;
        buffer->room = room;
    }
    if (text.len) __builtin_memcpy(buffer->ptr + buffer->len, text.ptr, text.len);
    buffer->len += text.len;
}

HG_SHARED void hg_add_u64(hg_buffer *buffer, uint64_t number)
{
    char digits[20];
    size_t at = sizeof digits;
    do digits[--at] = (char)('0' + number % 10);
    while (number /= 10);
    hg_add(buffer, (hg_str){digits + at, sizeof digits - at});
}

static inline hg_str hg_text(const hg_buffer *buffer)
{
    return (hg_str){buffer->ptr, buffer->len};
}

/* Both, one after the other. */
static inline hg_str hg_join(hg_str a, hg_str b)
{
    hg_buffer buffer = {0};
    hg_add(&buffer, a);
    hg_add(&buffer, b);
    return hg_text(&buffer);
}

/* --- Answers. --- */

/* Deliver the event as it is; what a verdict is before you set it. */
static inline hg_verdict hg_pass(void)
{
    return (hg_verdict){.tag = 0};
}

/* Finish without delivering. Recorded with the reason, never retried. */
static inline hg_verdict hg_drop(hg_str reason)
{
    return (hg_verdict){.tag = 1, .text = reason};
}

/* Deliver these bytes as the event's data; all else stays. */
static inline hg_verdict hg_replace(hg_str data)
{
    return (hg_verdict){.tag = 2, .text = data};
}

/* Deliver this instead of the event. */
static inline hg_verdict hg_deliver(hg_message message)
{
    return (hg_verdict){.tag = 3, .message = message};
}

/* Genuine: store these events, then answer 2xx. May be none. */
static inline hg_reception hg_accept(const hg_draft *drafts, size_t count)
{
    return (hg_reception){.tag = 0, .drafts = {drafts, count}};
}

/* Give the provider this answer and store nothing. */
static inline hg_reception hg_challenge(uint16_t status, hg_str content_type, hg_str body)
{
    return (hg_reception){.tag = 1, .response = {status, content_type, body}};
}

/* Not genuine, or not readable: answer 4xx. The reason stays with Hookgate. */
static inline hg_reception hg_reject(hg_str reason)
{
    return (hg_reception){.tag = 2, .reason = reason};
}

#define HG_OK ((hg_failure){.tag = 255})

/* The subscription's config is wrong: the delivery is parked until its owner changes it. */
static inline hg_failure hg_invalid_config(hg_str text)
{
    return (hg_failure){.tag = 0, .text = text};
}

/* This event can't be handled, now or later: the subscription's on_error decides. */
static inline hg_failure hg_unusable_event(hg_str text)
{
    return (hg_failure){.tag = 1, .text = text};
}

/* Try this event again by the subscription's retry schedule. */
static inline hg_failure hg_again_later(hg_str text)
{
    return (hg_failure){.tag = 2, .text = text};
}

/* --- What the host offers. --- */

#define HG_HOST(name) __attribute__((import_module("hookgate:plugin/host@1.0.0"), import_name(name))) extern
HG_HOST("log") void hg_host_log(int32_t level, const char *ptr, size_t len);
HG_HOST("config") void hg_host_config(hg_str *config);
HG_HOST("data-url") void hg_host_data_url(hg_str *url);

/* A line in the record of this call: at most 32 of 1 KiB, and 8 KiB in all. */
static inline void hg_log(hg_level level, hg_str text)
{
    hg_host_log(level, text.ptr, text.len);
}

/* The subscription's config for this plugin: JSON, {} where none was given. */
static inline hg_str hg_config(void)
{
    hg_str config;
    hg_host_config(&config);
    return config;
}

/* A signed address that answers with the whole event until it expires. */
static inline hg_str hg_data_url(void)
{
    hg_str url;
    hg_host_data_url(&url);
    return url;
}

/* --- Exports. --- */

#define HG_EXPORT(interface, name) __attribute__((export_name("hookgate:plugin/" interface "@1.0.0#" name)))
#define HG_AFTER(interface, name) __attribute__((export_name("cabi_post_hookgate:plugin/" interface "@1.0.0#" name)))

/* An answer or a failure, and the region taken back once the host has read it. */
#define HG_RESULT(interface, method, type)                                               \
    static struct {                                                                      \
        uint8_t is_failure;                                                              \
        union {                                                                          \
            type answer;                                                                 \
            hg_failure failure;                                                          \
        };                                                                               \
    } hg_##interface##_result;                                                           \
    static void *hg_##interface##_answer(hg_failure failure, type answer)                \
    {                                                                                    \
        hg_##interface##_result.is_failure = failure.tag != HG_OK.tag;                   \
        if (hg_##interface##_result.is_failure) hg_##interface##_result.failure = failure; \
        else hg_##interface##_result.answer = answer;                                    \
        return &hg_##interface##_result;                                                 \
    }                                                                                    \
    HG_AFTER(#interface, method) void hg_##interface##_after(void *result)               \
    {                                                                                    \
        (void)result;                                                                    \
        hg_top = 0;                                                                      \
    }

/* hg_failure function(const hg_event *event, hg_verdict *verdict) */
#define HOOKGATE_TRANSFORM(function)                                          \
    HG_RESULT(transform, "handle", hg_verdict)                                \
    HG_EXPORT("transform", "handle") void *hg_transform(const hg_event *event) \
    {                                                                         \
        hg_verdict verdict = hg_pass();                                       \
        hg_failure failure = function(event, &verdict);                       \
        return hg_transform_answer(failure, verdict);                         \
    }

/* hg_failure function(const hg_event *event, bool *accepts) */
#define HOOKGATE_FILTER(function)                                        \
    HG_RESULT(filter, "accepts", bool)                                   \
    HG_EXPORT("filter", "accepts") void *hg_filter(const hg_event *event) \
    {                                                                    \
        bool accepts = false;                                            \
        hg_failure failure = function(event, &accepts);                  \
        return hg_filter_answer(failure, accepts);                       \
    }

/* hg_failure function(const hg_event *earlier, const hg_event *later, hg_event *folded)
   What folded is before you set it: the later one. */
#define HOOKGATE_FOLD(function)                                               \
    HG_RESULT(fold, "fold", hg_event)                                         \
    HG_EXPORT("fold", "fold") void *hg_fold(const hg_event *events)           \
    {                                                                         \
        hg_event folded = events[1];                                          \
        hg_failure failure = function(&events[0], &events[1], &folded);       \
        return hg_fold_answer(failure, folded);                               \
    }

/* hg_failure function(const hg_request *request, hg_reception *reception)
   What a reception is before you set it: accepted, with no events. */
#define HOOKGATE_RECEIVER(function)                                                                    \
    HG_RESULT(receiver, "receive", hg_reception)                                                       \
    HG_EXPORT("receiver", "receive")                                                                   \
    void *hg_receiver(const char *method, size_t method_len, const char *path, size_t path_len,        \
                      const char *query, size_t query_len, const hg_attribute *headers,                \
                      size_t headers_len, const char *body, size_t body_len, int32_t has_secret,       \
                      const char *secret, size_t secret_len, uint64_t received_ms)                     \
    {                                                                                                  \
        hg_request request = {{method, method_len}, {path, path_len}, {query, query_len},              \
                              {headers, headers_len}, {body, body_len},                                \
                              {has_secret != 0, {secret, secret_len}}, received_ms};                   \
        hg_reception reception = hg_accept(NULL, 0);                                                   \
        hg_failure failure = function(&request, &reception);                                           \
        return hg_receiver_answer(failure, reception);                                                 \
    }

#endif
