/* sha1.h - SHA-1 of FIPS 180-4: 160 bits. This file is in the public domain. */
#ifndef SHA1_H
#define SHA1_H

#include <stddef.h>
#include <stdint.h>

#define SHA1_SIZE 20 /* bytes in a digest */

struct sha1 {
    uint32_t H[5];           /* the hash value */
    uint64_t len;            /* bytes added so far */
    unsigned char block[64]; /* the message block that is being filled */
    uint32_t W[80];          /* the message schedule; kept here so that sha1_final erases it too */
};

/* Starts a digest. */
void sha1_init(struct sha1 *sha1);

/* Appends `len` bytes to the message. A message may be added in any number of calls; the standard
 * limits it to 2^61 - 1 bytes. */
void sha1_update(struct sha1 *sha1, const void *data, size_t len);

/* Writes the digest of the message, and erases `sha1`, because the message may be a secret. */
void sha1_final(struct sha1 *sha1, unsigned char digest[SHA1_SIZE]);

#endif
