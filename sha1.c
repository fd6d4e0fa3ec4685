/* sha1.c - SHA-1 (FIPS 180-4), a hash of 160 bits. This file is in the public domain.
 *
 *     struct sha1 sha1;
 *     sha1_init(&sha1);
 *     sha1_update(&sha1, "abc", 3);
 *     sha1_final(&sha1, digest);
 *
 * The names are those of the standard, and so are the section numbers. Words are assembled from
 * bytes, so nothing depends on the byte order of the machine or on alignment.
 *
 * SHA-1 is broken for collisions: two messages with the same digest can be made. So it must not be
 * used where collisions matter.
 */
#include "sha1.h"

#include <string.h>

/* The initial hash value (5.3.1). */
static const uint32_t H0[5] = {0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476, 0xc3d2e1f0};

/* The 80 steps are four groups of 20. Each has a constant K (4.2.1) and a function: Ch, Parity,
 * Maj, Parity (4.1.1). */
static const uint32_t K[4] = {0x5a827999, 0x6ed9eba1, 0x8f1bbcdc, 0xca62c1d6};

static uint32_t f(int group, uint32_t x, uint32_t y, uint32_t z) {
    if (group == 0) return (x & y) ^ (~x & z);
    if (group == 2) return (x & y) ^ (x & z) ^ (y & z);
    return x ^ y ^ z;
}

static uint32_t ROTL(unsigned n, uint32_t x) { return x << n | x >> (32 - n); }

/* Prepares the message schedule (6.1.2 step 1). */
static void schedule(uint32_t W[80], const unsigned char *block) {
    for (int t = 0; t < 16; t++, block += 4)
        W[t] = (uint32_t)block[0] << 24 | (uint32_t)block[1] << 16 | (uint32_t)block[2] << 8 |
               block[3];
    for (int t = 16; t < 80; t++) W[t] = ROTL(1, W[t - 3] ^ W[t - 8] ^ W[t - 14] ^ W[t - 16]);
}

/* Hashes the block, which is full (6.1.2). */
static void hash_block(struct sha1 *sha1) {
    uint32_t *H = sha1->H, *W = sha1->W;
    schedule(W, sha1->block);
    uint32_t a = H[0], b = H[1], c = H[2], d = H[3], e = H[4];
    for (int group = 0; group < 4; group++) {
        for (int t = 20 * group; t < 20 * group + 20; t++) {
            uint32_t T = ROTL(5, a) + f(group, b, c, d) + e + K[group] + W[t];
            e = d;
            d = c;
            c = ROTL(30, b);
            b = a;
            a = T;
        }
    }
    H[0] += a;
    H[1] += b;
    H[2] += c;
    H[3] += d;
    H[4] += e;
}

void sha1_init(struct sha1 *sha1) {
    memcpy(sha1->H, H0, sizeof H0);
    sha1->len = 0;
}

void sha1_update(struct sha1 *sha1, const void *data, size_t len) {
    const unsigned char *bytes = data;
    while (len > 0) {
        size_t filled = (size_t)(sha1->len % 64);
        size_t n = len < 64 - filled ? len : 64 - filled;
        memcpy(sha1->block + filled, bytes, n);
        sha1->len += n;
        bytes += n;
        len -= n;
        if (filled + n == 64) hash_block(sha1);
    }
}

static void put_word(unsigned char *to, uint32_t word) {
    for (int i = 0; i < 4; i++) to[i] = (unsigned char)(word >> (24 - 8 * i));
}

/* Pads the message (5.1.1): a one bit, zeros until 8 bytes before the end of a block, and the
 * length of the message in bits. */
void sha1_final(struct sha1 *sha1, unsigned char digest[SHA1_SIZE]) {
    static const unsigned char padding[64] = {0x80};
    uint64_t len = sha1->len;
    size_t last = (size_t)(len % 64); /* bytes in the last block */
    sha1_update(sha1, padding, (last < 56 ? 56 : 64 + 56) - last);
    put_word(sha1->block + 56, (uint32_t)(len >> 29));
    put_word(sha1->block + 60, (uint32_t)(len << 3));
    hash_block(sha1);
    for (size_t i = 0; i < 5; i++) put_word(digest + 4 * i, sha1->H[i]);
    /* As secure_zero does it; this file depends on no other one. */
    static void *(*const volatile set)(void *, int, size_t) = memset;
    set(sha1, 0, sizeof *sha1);
}
