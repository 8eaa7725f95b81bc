/*
 * SHA-256 (FIPS 180-4) and HMAC (RFC 2104) with it: what a signature of GitHub is made of.
 *
 * Nothing here is for passwords, and nothing hides how long a text is; comparing tells nothing
 * about where two tags part.
 */
#ifndef SHA256_H
#define SHA256_H

#include "../../sdk/c/hookgate.h"

#define SHA256_BYTES 32

typedef struct {
    uint8_t bytes[SHA256_BYTES];
} sha256_tag;

/* The HMAC of `text` under `key`, of any length. */
sha256_tag hmac_sha256(hg_str key, hg_str text);

/* Takes as long wherever they differ. */
bool sha256_is_same(const sha256_tag *a, const sha256_tag *b);

#endif
