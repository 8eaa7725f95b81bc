/*
 * Reads JSON in place: a JSON pointer gives the original text of a value, its digits untouched.
 *
 *     hg_str raw, name;
 *     if (hg_json_get(event->data, HG("/user/name"), &raw) && hg_json_string(raw, &name)) …
 *
 * What a pointer walks past is checked, what comes after is not: hg_json_is_valid checks all.
 */
#ifndef HOOKGATE_JSON_H
#define HOOKGATE_JSON_H

#include "hookgate.h"

/* Deeper than this is refused: the stack is small. */
#define HG_JSON_MAX_DEPTH 128

/* Where a reader stands in a text. */
typedef struct {
    const char *at, *end;
} hg_json_cursor;

/* The next byte that is no space; 0 at the end. */
static inline char hg_json_peek(hg_json_cursor *cursor)
{
    for (; cursor->at < cursor->end; cursor->at++) {
        char byte = *cursor->at;
        if (byte != ' ' && byte != '\n' && byte != '\t' && byte != '\r') return byte;
    }
    return 0;
}

static inline bool hg_json_take(hg_json_cursor *cursor, char wanted)
{
    if (hg_json_peek(cursor) != wanted || cursor->at == cursor->end) return false;
    cursor->at++;
    return true;
}

static inline int hg_json_hex(const char *at)
{
    int code = 0;
    for (int i = 0; i < 4; i++) {
        char digit = at[i], letter = digit | 0x20;
        if (digit >= '0' && digit <= '9') code = code * 16 + digit - '0';
        else if (letter >= 'a' && letter <= 'f') code = code * 16 + letter - 'a' + 10;
        else return -1;
    }
    return code;
}

/* What an escape stands for; 'u' for itself, 0 for none. */
static inline char hg_json_escape(char letter)
{
    switch (letter) {
    case '"': case '\\': case '/': case 'u': return letter;
    case 'b': return '\b';
    case 'f': return '\f';
    case 'n': return '\n';
    case 'r': return '\r';
    case 't': return '\t';
    default: return 0;
    }
}

HG_SHARED bool hg_json_skip_string(hg_json_cursor *cursor)
{
    if (!hg_json_take(cursor, '"')) return false;
    while (cursor->at < cursor->end) {
        unsigned char byte = (unsigned char)*cursor->at++;
        if (byte == '"') return true;
        if (byte < 0x20) return false;
        if (byte != '\\') continue;
        if (cursor->at == cursor->end) return false;
        char escape = hg_json_escape(*cursor->at++);
        if (!escape) return false;
        if (escape == 'u') {
            if (cursor->end - cursor->at < 4 || hg_json_hex(cursor->at) < 0) return false;
            cursor->at += 4;
        }
    }
    return false;
}

static inline bool hg_json_digits(hg_json_cursor *cursor)
{
    const char *start = cursor->at;
    while (cursor->at < cursor->end && *cursor->at >= '0' && *cursor->at <= '9') cursor->at++;
    return cursor->at > start;
}

static inline bool hg_json_is_at(const hg_json_cursor *cursor, char a, char b)
{
    return cursor->at < cursor->end && (*cursor->at == a || *cursor->at == b);
}

HG_SHARED bool hg_json_skip_number(hg_json_cursor *cursor)
{
    if (hg_json_is_at(cursor, '-', '-')) cursor->at++;
    if (hg_json_is_at(cursor, '0', '0')) cursor->at++;
    else if (!hg_json_digits(cursor)) return false;
    if (hg_json_is_at(cursor, '.', '.')) {
        cursor->at++;
        if (!hg_json_digits(cursor)) return false;
    }
    if (hg_json_is_at(cursor, 'e', 'E')) {
        cursor->at++;
        if (hg_json_is_at(cursor, '+', '-')) cursor->at++;
        if (!hg_json_digits(cursor)) return false;
    }
    return true;
}

static inline bool hg_json_skip_word(hg_json_cursor *cursor, hg_str word)
{
    if (!hg_starts_with((hg_str){cursor->at, (size_t)(cursor->end - cursor->at)}, word)) return false;
    cursor->at += word.len;
    return true;
}

/* Walks over one value of any kind. */
HG_SHARED bool hg_json_skip(hg_json_cursor *cursor, int depth)
{
    char first = hg_json_peek(cursor);
    if (first == '"') return hg_json_skip_string(cursor);
    if (first == 't') return hg_json_skip_word(cursor, HG("true"));
    if (first == 'f') return hg_json_skip_word(cursor, HG("false"));
    if (first == 'n') return hg_json_skip_word(cursor, HG("null"));
    if (first != '{' && first != '[') return hg_json_skip_number(cursor);
    if (depth >= HG_JSON_MAX_DEPTH) return false;
    char last = first == '{' ? '}' : ']';
    cursor->at++;
    if (hg_json_take(cursor, last)) return true;
    do {
        if (first == '{' && !(hg_json_skip_string(cursor) && hg_json_take(cursor, ':'))) return false;
        if (!hg_json_skip(cursor, depth + 1)) return false;
    } while (hg_json_take(cursor, ','));
    return hg_json_take(cursor, last);
}

static inline hg_json_cursor hg_json_read(hg_str json)
{
    return (hg_json_cursor){json.ptr, json.ptr + json.len};
}

/* Whether the text is one JSON value and nothing else, in UTF-8. */
static inline bool hg_json_is_valid(hg_str json)
{
    hg_json_cursor cursor = hg_json_read(json);
    return hg_is_utf8(json) && hg_json_skip(&cursor, 0) && !hg_json_peek(&cursor) && cursor.at == cursor.end;
}

static inline void hg_json_add_code(hg_buffer *buffer, uint32_t code)
{
    char bytes[4];
    size_t len = code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
    for (size_t i = len - 1; i > 0; i--, code >>= 6) bytes[i] = (char)(0x80 | (code & 0x3f));
    bytes[0] = (char)(len == 1 ? code : (0xf00u >> len) | code);
    hg_add(buffer, (hg_str){bytes, len});
}

/* The text of a JSON string. False where `raw` is none, or holds half a character. */
HG_SHARED bool hg_json_string(hg_str raw, hg_str *text)
{
    hg_json_cursor cursor = hg_json_read(raw);
    if (!hg_json_skip_string(&cursor)) return false;
    const char *start = hg_json_read(raw).at;
    while (*start != '"') start++;
    const char *at = ++start, *end = cursor.at - 1;
    hg_buffer buffer = {0};
    for (; at < end; at++) {
        if (*at != '\\') continue;
        hg_add(&buffer, (hg_str){start, (size_t)(at - start)});
        char escape = hg_json_escape(*++at);
        start = at + 1;
        if (escape != 'u') {
            hg_add(&buffer, (hg_str){&escape, 1});
            continue;
        }
        uint32_t code = (uint32_t)hg_json_hex(at + 1);
        at += 4;
        if (code >= 0xd800 && code < 0xe000) {
            bool is_pair = code < 0xdc00 && end - at > 6 && at[1] == '\\' && at[2] == 'u';
            uint32_t low = is_pair ? (uint32_t)hg_json_hex(at + 3) : 0;
            if (low < 0xdc00 || low > 0xdfff) return false;
            code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
            at += 6;
        }
        hg_json_add_code(&buffer, code);
        start = at + 1;
    }
    hg_str rest = {start, (size_t)(end - start)};
    if (buffer.ptr) hg_add(&buffer, rest);
    *text = buffer.ptr ? hg_text(&buffer) : rest;
    return true;
}

/* A whole number. False where `raw` is none, or one that does not fit. */
HG_SHARED bool hg_json_i64(hg_str raw, int64_t *number)
{
    bool is_negative = raw.len > 0 && raw.ptr[0] == '-';
    uint64_t limit = (uint64_t)INT64_MAX + is_negative, value = 0;
    if (raw.len == is_negative) return false;
    for (size_t i = is_negative; i < raw.len; i++) {
        uint64_t digit = (uint64_t)(raw.ptr[i] - '0');
        if (raw.ptr[i] < '0' || digit > 9 || value > (limit - digit) / 10) return false;
        value = value * 10 + digit;
    }
    *number = is_negative ? (int64_t)(0 - value) : (int64_t)value;
    return true;
}

/* One step of a pointer: the rest of it stays in `pointer`. */
static inline hg_str hg_json_step(hg_str *pointer)
{
    hg_buffer name = {0};
    size_t i = 1;
    for (; i < pointer->len && pointer->ptr[i] != '/'; i++) {
        char byte = pointer->ptr[i];
        if (byte == '~' && i + 1 < pointer->len) byte = pointer->ptr[++i] == '1' ? '/' : '~';
        hg_add(&name, (hg_str){&byte, 1});
    }
    *pointer = (hg_str){pointer->ptr + i, pointer->len - i};
    return hg_text(&name);
}

/* Goes to the member `name` of an object or the item of a list. Of members alike the last counts. */
HG_SHARED bool hg_json_enter(hg_json_cursor *cursor, hg_str name)
{
    char first = hg_json_peek(cursor);
    int64_t wanted = -1, index = 0;
    bool is_object = first == '{';
    if (!is_object && (first != '[' || !hg_json_i64(name, &wanted))) return false;
    if (!is_object && name.len > 1 && name.ptr[0] == '0') return false;
    const char *found = NULL;
    cursor->at++;
    do {
        if (is_object) {
            hg_json_peek(cursor);
            hg_str raw = {cursor->at, (size_t)(cursor->end - cursor->at)}, member;
            if (!hg_json_string(raw, &member)) break;
            if (!hg_json_skip_string(cursor) || !hg_json_take(cursor, ':')) return false;
            wanted = hg_eq(member, name) ? index : -1;
        }
        hg_json_peek(cursor);
        if (index++ == wanted) {
            found = cursor->at;
            if (!is_object) break;
        }
        if (!hg_json_skip(cursor, 0)) return false;
    } while (hg_json_take(cursor, ','));
    cursor->at = found;
    return found != NULL;
}

/* The original text of the value that a JSON pointer (RFC 6901) names: "" is all, "/a/0" the first of a. */
HG_SHARED bool hg_json_get(hg_str json, hg_str pointer, hg_str *raw)
{
    hg_json_cursor cursor = hg_json_read(json);
    while (pointer.len > 0) {
        if (pointer.ptr[0] != '/') return false;
        if (!hg_json_enter(&cursor, hg_json_step(&pointer))) return false;
    }
    hg_json_peek(&cursor);
    const char *start = cursor.at;
    if (!hg_json_skip(&cursor, 0)) return false;
    *raw = (hg_str){start, (size_t)(cursor.at - start)};
    return true;
}

/* The text that a pointer names; false where there is none, or no string. */
static inline bool hg_json_get_string(hg_str json, hg_str pointer, hg_str *text)
{
    hg_str raw;
    return hg_json_get(json, pointer, &raw) && hg_json_string(raw, text);
}

/* Adds text as a JSON string, quoted and escaped. */
HG_SHARED void hg_add_json(hg_buffer *buffer, hg_str text)
{
    hg_add(buffer, HG("\""));
    size_t start = 0;
    for (size_t i = 0; i < text.len; i++) {
        unsigned char byte = (unsigned char)text.ptr[i];
        if (byte >= 0x20 && byte != '"' && byte != '\\') continue;
        hg_add(buffer, (hg_str){text.ptr + start, i - start});
        start = i + 1;
        char escape[6] = {'\\', 'u', '0', '0', (char)('0' + (byte >> 4)), "0123456789abcdef"[byte & 15]};
        if (byte < 0x20) hg_add(buffer, (hg_str){escape, 6});
        else hg_add(buffer, (hg_str){(char[]){'\\', (char)byte}, 2});
    }
    hg_add(buffer, (hg_str){text.ptr + start, text.len - start});
    hg_add(buffer, HG("\""));
}

#endif
