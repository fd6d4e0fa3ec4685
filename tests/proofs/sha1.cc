/* sha1.cc - sha1.c computes the SHA-1 of FIPS 180-4 for every message of 0 to 200 bytes.
 *
 * sha1.c is compiled as C++ with a Word for each uint32_t and a Byte for each unsigned char. They hold no
 * numbers but expressions: an operation makes a node from the nodes of its operands, and the same operation
 * on the same operands is the same node. The bytes of the message are unknowns. So if the digest of sha1.c
 * consists of the same nodes as the digest of `fips`, which is written from the standard, then the digests
 * are equal whatever the bytes are. Two rules simplify: operations on constants are computed, and the
 * operands of + & ^ | may be exchanged.
 *
 * The lengths are numbers, so the padding and the splitting into blocks are compared for each of them; and
 * each message is added in one call and in two, split at each place.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <unordered_map>
#include <vector>

/* ---- Expressions ---- */

struct Node {
    char op; /* = a constant, ? an unknown, or the operator; 8 takes the low byte */
    uint32_t a, b;
    bool operator==(const Node &other) const {
        return op == other.op && a == other.a && b == other.b;
    }
};
struct Hash {
    size_t operator()(const Node &n) const {
        return ((n.op * 31ull + n.a) * 0x9e3779b97f4a7c15 ^ n.b) * 0x100000001b3;
    }
};

static std::vector<Node> nodes;
static std::unordered_map<Node, uint32_t, Hash> numbers;

static uint32_t compute(char op, uint32_t a, uint32_t b) {
    switch (op) {
    case '+': return a + b;
    case '&': return a & b;
    case '^': return a ^ b;
    case '|': return a | b;
    case '~': return ~a;
    case '<': return a << b;
    case '>': return a >> b;
    case '8': return a & 0xff;
    default: abort();
    }
}

static uint32_t node(char op, uint32_t a, uint32_t b = 0) {
    auto found = numbers.emplace(Node{op, a, b}, nodes.size());
    if (found.second) nodes.push_back({op, a, b});
    return found.first->second;
}

/* `b` is the number of a node or, for a shift, a number of bits. */
static uint32_t apply(char op, uint32_t a, uint32_t b = 0) {
    bool has_node = strchr("+&^|", op),
         folds = nodes[a].op == '=' && (!has_node || nodes[b].op == '=');
    if (folds) return node('=', compute(op, nodes[a].a, has_node ? nodes[b].a : b));
    return has_node && a > b ? node(op, b, a) : node(op, a, b);
}

struct Byte;
struct Word {
    uint32_t id;
    Word(uint64_t number = 0) : id(node('=', (uint32_t)number)) {}
    Word(Byte byte);
    static Word of(uint32_t id) {
        Word word;
        word.id = id;
        return word;
    }
};
struct Byte {
    uint32_t id;
    Byte(int number = 0) : id(node('=', (uint32_t)number & 0xff)) {}
    Byte(Word word) : id(apply('8', word.id)) {}
};
Word::Word(Byte byte) : id(byte.id) {}

static Word operator+(Word a, Word b) { return Word::of(apply('+', a.id, b.id)); }
static Word operator&(Word a, Word b) { return Word::of(apply('&', a.id, b.id)); }
static Word operator^(Word a, Word b) { return Word::of(apply('^', a.id, b.id)); }
static Word operator|(Word a, Word b) { return Word::of(apply('|', a.id, b.id)); }
static Word operator~(Word a) { return Word::of(apply('~', a.id)); }
static Word operator<<(Word a, int n) { return Word::of(apply('<', a.id, (uint32_t)n)); }
static Word operator>>(Word a, int n) { return Word::of(apply('>', a.id, (uint32_t)n)); }
static Word &operator+=(Word &a, Word b) { return a = a + b; }

/* Of bytes, n is how many; of words, the size of all. */
static void memcpy(Byte *to, const Byte *from, size_t n) {
    for (size_t i = 0; i < n; i++) to[i] = from[i];
}
static void memcpy(Word *to, const Word *from, size_t n) {
    for (size_t i = 0; i < n / sizeof(Word); i++) to[i] = from[i];
}

namespace ours {
#include "sha1.c"
}

/* ---- The standard ---- */

namespace fips {
static Word ROTL(int n, Word x) { return (x << n) | (x >> (32 - n)); }          /* 3.2 */
static Word Ch(Word x, Word y, Word z) { return (x & y) ^ (~x & z); }           /* 4.1.1 */
static Word Parity(Word x, Word y, Word z) { return x ^ y ^ z; }                /* 4.1.1 */
static Word Maj(Word x, Word y, Word z) { return (x & y) ^ (x & z) ^ (y & z); } /* 4.1.1 */
static Word f(int t, Word x, Word y, Word z) {                                  /* 4.1.1 */
    return t <= 19   ? Ch(x, y, z)
           : t <= 39 ? Parity(x, y, z)
           : t <= 59 ? Maj(x, y, z)
                     : Parity(x, y, z);
}
static Word K(int t) { /* 4.2.1 */
    return t <= 19 ? 0x5a827999 : t <= 39 ? 0x6ed9eba1 : t <= 59 ? 0x8f1bbcdc : 0xca62c1d6;
}

/* 5.1.1: a one bit, k zeros with l + 1 + k = 448 mod 512, and l, the length in bits, in 64 bits. */
static std::vector<Byte> padded(std::vector<Byte> M) {
    uint64_t l = 8 * M.size(), k = 0;
    while ((l + 1 + k) % 512 != 448) k++;
    M.push_back(0x80); /* the one bit and the first 7 zeros */
    for (uint64_t zeros = 7; zeros < k; zeros += 8) M.push_back(0);
    for (int i = 56; i >= 0; i -= 8) M.push_back((int)(l >> i & 0xff));
    return M;
}

/* 5.2.1 and 3.1: the first byte of a word holds its highest bits. */
static Word word(const Byte *bytes) {
    return Word(bytes[0]) << 24 | Word(bytes[1]) << 16 | Word(bytes[2]) << 8 | Word(bytes[3]);
}

static std::vector<Byte> digest(const std::vector<Byte> &M) {
    std::vector<Byte> message = padded(M), digest;
    Word H[5] = {0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476, 0xc3d2e1f0}; /* 5.3.1 */
    for (size_t i = 0; i < message.size(); i += 64) {                         /* 6.1.2 */
        Word W[80], a = H[0], b = H[1], c = H[2], d = H[3], e = H[4];
        for (int t = 0; t < 80; t++)
            W[t] = t <= 15 ? word(&message[i + 4 * (size_t)t])
                           : ROTL(1, W[t - 3] ^ W[t - 8] ^ W[t - 14] ^ W[t - 16]);
        for (int t = 0; t < 80; t++) {
            Word T = ROTL(5, a) + f(t, b, c, d) + e + K(t) + W[t];
            e = d, d = c, c = ROTL(30, b), b = a, a = T;
        }
        H[0] = a + H[0], H[1] = b + H[1], H[2] = c + H[2], H[3] = d + H[3], H[4] = e + H[4];
    }
    for (int i = 0; i < 20; i++) digest.push_back(Byte(H[i / 4] >> (24 - 8 * (i % 4))));
    return digest;
}
} // namespace fips

/* ---- The comparison ---- */

static bool is_same(const std::vector<Byte> &M, const std::vector<Byte> &expected, size_t split) {
    struct ours::sha1 sha1;
    Byte digest[SHA1_SIZE];
    ours::sha1_init(&sha1);
    ours::sha1_update(&sha1, M.data(), split);
    ours::sha1_update(&sha1, M.data() + split, M.size() - split);
    ours::sha1_final(&sha1, digest);
    for (size_t i = 0; i < SHA1_SIZE; i++)
        if (digest[i].id != expected[i].id) return false;
    return true;
}

int main() {
    unsigned cases = 0, failed = 0;
    std::vector<Byte> M;
    for (size_t len = 0; len <= 200; len++) {
        std::vector<Byte> expected = fips::digest(M);
        for (size_t split = 0; split <= len; split++, cases++) {
            if (is_same(M, expected, split)) continue;
            if (failed++ == 0) printf("FAIL: sha1.c: %zu bytes, split at %zu\n", len, split);
        }
        Byte unknown;
        unknown.id = node('?', (uint32_t)len);
        M.push_back(unknown);
    }
    printf("sha1.c: %u messages, %zu expressions, %u differ\n", cases, nodes.size(), failed);
    return failed > 0;
}
