/* sha1.h - the secure hash of FIPS 180-4, 160 bits. This file is in the public domain. */
#ifndef SHA1_H
#define SHA1_H

#include <stddef.h>
#include <stdint.h>

#define SHA1_SIZE 20 /* bytes in a digest */

struct sha1 {
    uint32_t state[5];
    uint64_t len; /* bytes added so far */
    unsigned char block[64];
    uint32_t word[80]; /* the block's message schedule: here, so that it is wiped with the rest */
};

/* Begins a digest. */
void sha1_begin(struct sha1 *sha1);

/* Adds `len` bytes to the message; any number of calls makes one message. At most 2^61 - 1 bytes in
 * all, the standard's limit. */
void sha1_add(struct sha1 *sha1, const void *data, size_t len);

/* Ends the message and gives its digest; `sha1` is wiped, as the message may have been a secret. */
void sha1_end(struct sha1 *sha1, unsigned char digest[SHA1_SIZE]);

#endif
