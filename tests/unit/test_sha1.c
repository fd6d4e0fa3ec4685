/* test_sha1.c - tests sha1.c with the published examples for FIPS 180-4, and with itself: a digest
 * does not depend on how the message is split into calls, nor where in memory its parts lie.
 *
 * Run it with `make test TEST=sha1`. The other constants were computed with another implementation.
 */
#include "sha1.h"
#include "tests/test.h"

#define MAX_LEN 200 /* bytes: more than three blocks, so that each padding occurs three times */

/* A message whose parts differ from each other. */
static unsigned char message[MAX_LEN];

static const char *final_hex(struct sha1 *sha1) {
    static char hex[2 * SHA1_SIZE + 1];
    unsigned char digest[SHA1_SIZE];
    sha1_final(sha1, digest);
    for (int i = 0; i < SHA1_SIZE; i++) snprintf(hex + 2 * i, 3, "%02x", digest[i]);
    return hex;
}

static void test_examples(void) {
    static const struct {
        const char *what, *part;
        int times;
        const char *digest;
    } examples[] = {
        {"an empty message", "", 1, "da39a3ee5e6b4b0d3255bfef95601890afd80709"},
        {"one block", "abc", 1, "a9993e364706816aba3e25717850c26c9cd0d89d"},
        {"56 bytes: the length needs a block of its own",
         "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq", 1,
         "84983e441c3bd26ebaae4aa1f95129e5e54670f1"},
        {"a million times the letter a", "aaaaaaaaaa", 100000,
         "34aa973cd4c4daa4f61eeb2bdbad27316534016f"},
    };
    TEST("the examples for FIPS 180-4 have the published digests") {
        for (size_t i = 0; i < COUNT(examples); i++) {
            struct sha1 sha1;
            sha1_init(&sha1);
            for (int n = 0; n < examples[i].times; n++)
                sha1_update(&sha1, examples[i].part, strlen(examples[i].part));
            CASE(examples[i].what);
            CHECK_STR(final_hex(&sha1), examples[i].digest);
        }
    }
}

static void test_lengths(void) {
    static unsigned char digests[MAX_LEN + 1][SHA1_SIZE];
    struct sha1 sha1;
    for (size_t len = 0; len <= MAX_LEN; len++) {
        sha1_init(&sha1);
        sha1_update(&sha1, message, len);
        sha1_final(&sha1, digests[len]);
    }
    TEST("messages of 0 to 200 bytes have the right digests: the digest of all these is known") {
        sha1_init(&sha1);
        sha1_update(&sha1, digests, sizeof digests);
        CHECK_STR(final_hex(&sha1), "8207f6a42632817d164fd6bd10b47a694e704b7a");
    }
    TEST("a message added in two parts, split anywhere, has the digest of the whole") {
        for (size_t len = 0; len <= MAX_LEN; len++)
            for (size_t split = 0; split <= len; split++) {
                unsigned char digest[SHA1_SIZE];
                sha1_init(&sha1);
                sha1_update(&sha1, message, split);
                sha1_update(&sha1, message + split, len - split);
                sha1_final(&sha1, digest);
                CHECK(memcmp(digest, digests[len], SHA1_SIZE) == 0);
            }
    }
}

static void test_ending(void) {
    static const struct sha1 zeros;
    struct sha1 sha1;
    TEST("the length of the message is encoded in 64 bits (FIPS 180-4 section 5.1.1)") {
        sha1_init(&sha1);
        sha1.len = UINT64_C(0x0123456789abcdc0); /* pretends that this much was added */
        sha1_update(&sha1, "abc", 3);
        CHECK_STR(final_hex(&sha1), "4a09e638e38409b0267dcf43bd6ae0c367fbc952");
    }
    TEST("nothing of the message is left in memory after the digest") {
        memset(&sha1, 0xaa, sizeof sha1);
        sha1_init(&sha1);
        sha1_update(&sha1, message, sizeof message);
        final_hex(&sha1);
        CHECK(memcmp(&sha1, &zeros, sizeof sha1) == 0);
    }
}

int main(void) {
    for (int i = 0; i < MAX_LEN; i++) message[i] = (unsigned char)(i * 167 + 13);
    test_examples();
    test_lengths();
    test_ending();
    return test_report();
}
