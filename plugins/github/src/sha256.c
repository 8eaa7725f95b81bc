#include "sha256.h"

#define BLOCK_BYTES 64
/* The length in bits ends the last block. */
#define LENGTH_AT 56

typedef struct {
    uint32_t state[8];
    uint8_t block[BLOCK_BYTES];
    size_t filled;
    uint64_t len;
} sha256;

/* The first 32 bits of the fractional parts of the cube roots of the first 64 primes. */
static const uint32_t ROUND[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
};

static uint32_t turned(uint32_t word, int bits)
{
    return word >> bits | word << (32 - bits);
}

static uint32_t word_at(const uint8_t *bytes)
{
    return (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 | bytes[3];
}

static void put_word(uint8_t *bytes, uint32_t word)
{
    for (int i = 0; i < 4; i++) bytes[i] = (uint8_t)(word >> (24 - 8 * i));
}

static void take_block(sha256 *hash, const uint8_t *block)
{
    uint32_t words[64], s[8];
    for (int i = 0; i < 16; i++) words[i] = word_at(block + 4 * i);
    for (int i = 16; i < 64; i++) {
        uint32_t a = words[i - 15], b = words[i - 2];
        uint32_t small = turned(a, 7) ^ turned(a, 18) ^ a >> 3;
        uint32_t large = turned(b, 17) ^ turned(b, 19) ^ b >> 10;
        words[i] = words[i - 16] + small + words[i - 7] + large;
    }
    for (int i = 0; i < 8; i++) s[i] = hash->state[i];
    for (int i = 0; i < 64; i++) {
        uint32_t chosen = (s[4] & s[5]) ^ (~s[4] & s[6]);
        uint32_t most = (s[0] & s[1]) ^ (s[0] & s[2]) ^ (s[1] & s[2]);
        uint32_t first = s[7] + (turned(s[4], 6) ^ turned(s[4], 11) ^ turned(s[4], 25)) + chosen + ROUND[i] + words[i];
        uint32_t second = (turned(s[0], 2) ^ turned(s[0], 13) ^ turned(s[0], 22)) + most;
        for (int j = 7; j > 0; j--) s[j] = s[j - 1];
        s[4] += first;
        s[0] = first + second;
    }
    for (int i = 0; i < 8; i++) hash->state[i] += s[i];
}

/* The same parts of the square roots of the first 8 primes. */
static sha256 started(void)
{
    return (sha256){.state = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab,
                              0x5be0cd19}};
}

static void take(sha256 *hash, const uint8_t *bytes, size_t len)
{
    hash->len += len;
    while (len > 0) {
        if (hash->filled == 0 && len >= BLOCK_BYTES) {
            take_block(hash, bytes);
            bytes += BLOCK_BYTES;
            len -= BLOCK_BYTES;
            continue;
        }
        size_t room = BLOCK_BYTES - hash->filled, some = len < room ? len : room;
        memcpy(hash->block + hash->filled, bytes, some);
        hash->filled += some;
        bytes += some;
        len -= some;
        if (hash->filled == BLOCK_BYTES) {
            take_block(hash, hash->block);
            hash->filled = 0;
        }
    }
}

static sha256_tag finished(sha256 *hash)
{
    static const uint8_t padding[BLOCK_BYTES] = {0x80};
    uint64_t bits = hash->len * 8;
    size_t room = hash->filled < LENGTH_AT ? LENGTH_AT : LENGTH_AT + BLOCK_BYTES;
    take(hash, padding, room - hash->filled);
    uint8_t length[8];
    put_word(length, (uint32_t)(bits >> 32));
    put_word(length + 4, (uint32_t)bits);
    take(hash, length, sizeof length);
    sha256_tag tag;
    for (int i = 0; i < 8; i++) put_word(tag.bytes + 4 * i, hash->state[i]);
    return tag;
}

sha256_tag hmac_sha256(hg_str key, hg_str text)
{
    uint8_t pad[BLOCK_BYTES] = {0};
    if (key.len > BLOCK_BYTES) {
        sha256 hash = started();
        take(&hash, (const uint8_t *)key.ptr, key.len);
        sha256_tag short_key = finished(&hash);
        memcpy(pad, short_key.bytes, SHA256_BYTES);
    } else if (key.len > 0) {
        memcpy(pad, key.ptr, key.len);
    }
    for (int i = 0; i < BLOCK_BYTES; i++) pad[i] ^= 0x36;
    sha256 inner = started();
    take(&inner, pad, BLOCK_BYTES);
    take(&inner, (const uint8_t *)text.ptr, text.len);
    sha256_tag tag = finished(&inner);
    for (int i = 0; i < BLOCK_BYTES; i++) pad[i] ^= 0x36 ^ 0x5c;
    sha256 outer = started();
    take(&outer, pad, BLOCK_BYTES);
    take(&outer, tag.bytes, SHA256_BYTES);
    return finished(&outer);
}

bool sha256_is_same(const sha256_tag *a, const sha256_tag *b)
{
    volatile uint8_t difference = 0;
    for (int i = 0; i < SHA256_BYTES; i++) difference |= a->bytes[i] ^ b->bytes[i];
    return difference == 0;
}
