/* test_sha1.c - tests sha1.c with the published examples for FIPS 180-4, and with itself: a digest
 * does not depend on where in memory the message lies, or on how it is split into calls.
 *
 * The other constants were computed with another implementation. No file is read.
 */
#include "sha1.h"
#include "tests/test.h"

#include <string.h>

#define MAX_LEN 200 /* bytes: more than three blocks, so that each padding occurs three times */

/* A message whose parts differ from each other. */
static unsigned char message[MAX_LEN];

static void make_message(void) {
    for (int i = 0; i < MAX_LEN; i++) message[i] = (unsigned char)(i * 167 + 13);
}

static void digest_of(const void *data, size_t len, unsigned char digest[SHA1_SIZE]) {
    struct sha1 sha1;
    sha1_init(&sha1);
    sha1_update(&sha1, data, len);
    sha1_final(&sha1, digest);
}

static bool same(const unsigned char a[SHA1_SIZE], const unsigned char b[SHA1_SIZE]) {
    return memcmp(a, b, SHA1_SIZE) == 0;
}

static const char *hex_of(const unsigned char digest[SHA1_SIZE]) {
    static char hex[2 * SHA1_SIZE + 1];
    for (int i = 0; i < SHA1_SIZE; i++) snprintf(hex + 2 * i, 3, "%02x", digest[i]);
    return hex;
}

static void test_examples(void) {
    static const struct {
        const char *what, *message, *digest;
    } examples[] = {
        {"an empty message", "", "da39a3ee5e6b4b0d3255bfef95601890afd80709"},
        {"one block", "abc", "a9993e364706816aba3e25717850c26c9cd0d89d"},
        {"56 bytes: the length needs a block of its own",
         "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
         "84983e441c3bd26ebaae4aa1f95129e5e54670f1"},
    };
    unsigned char digest[SHA1_SIZE];
    TEST("the examples for FIPS 180-4 have the published digests") {
        for (size_t i = 0; i < sizeof examples / sizeof *examples; i++) {
            digest_of(examples[i].message, strlen(examples[i].message), digest);
            CASE(examples[i].what);
            CHECK_STR(hex_of(digest), examples[i].digest);
        }
    }
    TEST("a million times the letter a, added a thousand at a time, has its published digest") {
        struct sha1 sha1;
        char thousand[1000];
        memset(thousand, 'a', sizeof thousand);
        sha1_init(&sha1);
        for (int i = 0; i < 1000; i++) sha1_update(&sha1, thousand, sizeof thousand);
        sha1_final(&sha1, digest);
        CHECK_STR(hex_of(digest), "34aa973cd4c4daa4f61eeb2bdbad27316534016f");
    }
}

static void test_lengths(void) {
    unsigned char whole[SHA1_SIZE], again[SHA1_SIZE];
    struct sha1 sha1, all;
    TEST("messages of 0 to 200 bytes have the right digests: the digest of all these is known") {
        sha1_init(&all);
        for (size_t len = 0; len <= MAX_LEN; len++) {
            digest_of(message, len, whole);
            sha1_update(&all, whole, sizeof whole);
        }
        sha1_final(&all, whole);
        CHECK_STR(hex_of(whole), "8207f6a42632817d164fd6bd10b47a694e704b7a");
    }
    TEST("a message added in two parts, split anywhere, has the digest of the whole") {
        int wrong = 0;
        for (size_t len = 0; len <= MAX_LEN; len++) {
            digest_of(message, len, whole);
            for (size_t split = 0; split <= len; split++) {
                sha1_init(&sha1);
                sha1_update(&sha1, message, split);
                sha1_update(&sha1, message + split, len - split);
                sha1_final(&sha1, again);
                wrong += !same(again, whole);
            }
        }
        CHECK_INT(wrong, 0);
    }
    TEST("the digest does not depend on where in memory the message lies") {
        uint64_t aligned[MAX_LEN / 8 + 1];
        int wrong = 0;
        for (size_t len = 0; len <= MAX_LEN; len++) {
            digest_of(message, len, whole);
            for (size_t offset = 0; offset < 8; offset++) {
                unsigned char *moved = (unsigned char *)aligned + offset;
                memcpy(moved, message, len);
                digest_of(moved, len, again);
                wrong += !same(again, whole);
            }
        }
        CHECK_INT(wrong, 0);
    }
}

static void test_chain(void) {
    unsigned char digest[SHA1_SIZE];
    TEST("a digest of a digest, a thousand times, is that of other implementations") {
        digest_of("", 0, digest);
        for (int i = 1; i < 1000; i++) digest_of(digest, sizeof digest, digest);
        CHECK_STR(hex_of(digest), "f4497f0692d04edf4704d3b3ff79e68d2ee8e5c2");
    }
}

static void test_ending(void) {
    static const struct sha1 zeros;
    unsigned char digest[SHA1_SIZE];
    struct sha1 sha1;
    TEST("the length of the message is encoded in 64 bits (FIPS 180-4 section 5.1.1)") {
        sha1_init(&sha1);
        sha1.len = UINT64_C(0x0123456789abcdc0); /* pretends that this much was added */
        sha1_update(&sha1, "abc", 3);
        sha1_final(&sha1, digest);
        CHECK_STR(hex_of(digest), "4a09e638e38409b0267dcf43bd6ae0c367fbc952");
    }
    TEST("nothing of the message is left in memory after the digest") {
        memset(&sha1, 0xaa, sizeof sha1);
        sha1_init(&sha1);
        sha1_update(&sha1, message, sizeof message);
        sha1_final(&sha1, digest);
        CHECK(memcmp(&sha1, &zeros, sizeof sha1) == 0);
    }
}

int main(void) {
    make_message();
    test_examples();
    test_lengths();
    test_chain();
    test_ending();
    return test_report();
}
