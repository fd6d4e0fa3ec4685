/* sha1.c - the secure hash of FIPS 180-4, 160 bits. This file is in the public domain.
 *
 *     struct sha1 sha1;
 *     sha1_begin(&sha1);
 *     sha1_add(&sha1, "abc", 3);
 *     sha1_end(&sha1, digest);
 *
 * It never depends on the machine's byte order or on the alignment of what it is given: words are
 * put together from bytes. SHA-1 no longer withstands somebody who makes two messages with one
 * digest; here it only keeps secrets from being guessed, for which it still serves.
 */
#include "sha1.h"

#include <string.h>

void sha1_begin(struct sha1 *sha1) {
    static const uint32_t initial[5] = {0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476, 0xc3d2e1f0};
    memcpy(sha1->state, initial, sizeof initial);
    sha1->len = 0;
}

static uint32_t rotate(uint32_t word, unsigned bits) { return word << bits | word >> (32 - bits); }

/* The message schedule (6.1.2 step 1): the block's 16 words, then 64 made of those before them. From
 * the 32nd word on the rule is applied to itself, which reaches back 6 words at least in place of 3:
 * so compilers can make four words at once. */
static void expand(const unsigned char block[64], uint32_t word[80]) {
    for (int i = 0; i < 16; i++, block += 4)
        word[i] = (uint32_t)block[0] << 24 | (uint32_t)block[1] << 16 | (uint32_t)block[2] << 8 |
                  block[3];
    for (int i = 16; i < 32; i++)
        word[i] = rotate(word[i - 3] ^ word[i - 8] ^ word[i - 14] ^ word[i - 16], 1);
    for (int i = 32; i < 80; i++)
        word[i] = rotate(word[i - 6] ^ word[i - 16] ^ word[i - 28] ^ word[i - 32], 2);
}

/* The functions of 4.1.1, Ch and Maj in forms that take one step less. */
static uint32_t choose(uint32_t b, uint32_t c, uint32_t d) { return d ^ (b & (c ^ d)); }

static uint32_t parity(uint32_t b, uint32_t c, uint32_t d) { return b ^ c ^ d; }

static uint32_t majority(uint32_t b, uint32_t c, uint32_t d) { return (b & c) | (d & (b | c)); }

/* 6.1.2 for a block that is full. Five steps stand in a row so that no step has to shift the five
 * variables along: each takes them one place on by name. That takes 650 of the plain loop's
 * instructions off a block (with gcc -O2 on x86-64). */
static void transform(struct sha1 *sha1) {
    uint32_t *state = sha1->state, *word = sha1->word;
    expand(sha1->block, word);
    uint32_t a = state[0], b = state[1], c = state[2], d = state[3], e = state[4];
#define STEP(a, b, c, d, e, function, constant, w)                                                 \
    e += rotate(a, 5) + function(b, c, d) + (constant) + (w), b = rotate(b, 30)
#define TWENTY(from, function, constant)                                                           \
    for (int i = from; i < (from) + 20; i += 5) {                                                  \
        STEP(a, b, c, d, e, function, constant, word[i]);                                          \
        STEP(e, a, b, c, d, function, constant, word[i + 1]);                                      \
        STEP(d, e, a, b, c, function, constant, word[i + 2]);                                      \
        STEP(c, d, e, a, b, function, constant, word[i + 3]);                                      \
        STEP(b, c, d, e, a, function, constant, word[i + 4]);                                      \
    }
    TWENTY(0, choose, 0x5a827999)
    TWENTY(20, parity, 0x6ed9eba1)
    TWENTY(40, majority, 0x8f1bbcdc)
    TWENTY(60, parity, 0xca62c1d6)
    state[0] += a;
    state[1] += b;
    state[2] += c;
    state[3] += d;
    state[4] += e;
}

void sha1_add(struct sha1 *sha1, const void *data, size_t len) {
    const unsigned char *from = data;
    while (len > 0) {
        size_t filled = (size_t)(sha1->len % 64);
        size_t n = len < 64 - filled ? len : 64 - filled;
        memcpy(sha1->block + filled, from, n);
        sha1->len += n;
        from += n;
        len -= n;
        if (filled + n == 64) transform(sha1);
    }
}

static void put_word(unsigned char *to, uint32_t word) {
    for (int i = 0; i < 4; i++) to[i] = (unsigned char)(word >> (24 - 8 * i));
}

/* Padding (5.1.1): a one bit, zeros up to 8 bytes before the end of a block, the length in bits. */
void sha1_end(struct sha1 *sha1, unsigned char digest[SHA1_SIZE]) {
    static const unsigned char padding[64] = {0x80};
    uint64_t len = sha1->len;
    sha1_add(sha1, padding, 1 + (size_t)((119 - len % 64) % 64));
    put_word(sha1->block + 56, (uint32_t)(len >> 29));
    put_word(sha1->block + 60, (uint32_t)(len << 3));
    transform(sha1);
    for (size_t i = 0; i < 5; i++) put_word(digest + 4 * i, sha1->state[i]);
    /* Through a volatile pointer: a compiler may leave out a memset that nobody reads. */
    static void *(*const volatile set)(void *, int, size_t) = memset;
    set(sha1, 0, sizeof *sha1);
}
