/* string.h - what the proofs assume of the C library (C99 7.21), as contracts.
 *
 * The memory model keeps char and unsigned char apart, and takes a void pointer for one to char. So
 * sha1.c, which copies unsigned char, is proved with UNSIGNED_BYTES.
 */
#ifndef STRING_H
#define STRING_H

#include <stddef.h>

#ifdef UNSIGNED_BYTES
#define BYTE unsigned char
#define MEMORY unsigned char
#else
#define BYTE char
#define MEMORY void
#endif

/*@ requires source: \valid_read((BYTE *)from + (0 .. n - 1));
    requires target: \valid((BYTE *)to + (0 .. n - 1));
    requires apart: \separated((BYTE *)to + (0 .. n - 1), (BYTE *)from + (0 .. n - 1));
    terminates \true;
    assigns ((BYTE *)to)[0 .. n - 1] \from ((BYTE *)from)[0 .. n - 1];
    assigns \result \from to;
    ensures \result == to;
    ensures \forall integer i; 0 <= i < n ==> ((BYTE *)to)[i] == \old(((BYTE *)from)[i]);
 */
void *memcpy(MEMORY *to, const MEMORY *from, size_t n);

/*@ requires source: \valid_read((BYTE *)from + (0 .. n - 1));
    requires target: \valid((BYTE *)to + (0 .. n - 1));
    terminates \true;
    assigns ((BYTE *)to)[0 .. n - 1] \from ((BYTE *)from)[0 .. n - 1];
    assigns \result \from to;
    ensures \result == to;
    ensures \forall integer i; 0 <= i < n ==> ((BYTE *)to)[i] == \old(((BYTE *)from)[i]);
 */
void *memmove(MEMORY *to, const MEMORY *from, size_t n);

/*@ requires target: \valid((BYTE *)to + (0 .. n - 1));
    requires 0 <= byte <= 127;
    terminates \true;
    assigns ((BYTE *)to)[0 .. n - 1] \from byte;
    assigns \result \from to;
    ensures \result == to;
    ensures \forall integer i; 0 <= i < n ==> ((BYTE *)to)[i] == byte;
 */
void *memset(void *to, int byte, size_t n);

/*@ requires \valid_read((char *)a + (0 .. n - 1));
    requires \valid_read((char *)b + (0 .. n - 1));
    terminates \true;
    assigns \result \from ((char *)a)[0 .. n - 1], ((char *)b)[0 .. n - 1];
    ensures \result == 0 <==>
            (\forall integer i; 0 <= i < n ==> ((char *)a)[i] == ((char *)b)[i]);
 */
int memcmp(const void *a, const void *b, size_t n);

/*@ requires \valid_read((char *)s + (0 .. n - 1));
    terminates \true;
    assigns \result \from s, byte, ((char *)s)[0 .. n - 1];
    behavior missing:
      assumes \forall integer i; 0 <= i < n ==> ((char *)s)[i] != (char)byte;
      ensures \result == \null;
    behavior found:
      assumes \exists integer i; 0 <= i < n && ((char *)s)[i] == (char)byte;
      ensures \exists integer i; 0 <= i < n && \result == (char *)s + i &&
              ((char *)s)[i] == (char)byte &&
              (\forall integer j; 0 <= j < i ==> ((char *)s)[j] != (char)byte);
    complete behaviors;
    disjoint behaviors;
 */
void *memchr(const void *s, int byte, size_t n);

/*@ axiomatic Strings {
      logic integer length{L}(char *s) reads s[0 ..];
      predicate ends_at{L}(char *s, integer n) =
        0 <= n && s[n] == 0 && (\forall integer i; 0 <= i < n ==> s[i] != 0);
      axiom length_is_unique{L}: \forall char *s, integer n; ends_at(s, n) ==> length(s) == n;
      predicate is_string{L}(char *s) =
        ends_at(s, length(s)) && \valid_read(s + (0 .. length(s)));
    }
 */
/*@ requires is_string((char *)s);
    terminates \true;
    assigns \result \from s[0 ..];
    ensures \result == length((char *)s);
 */
size_t strlen(const char *s);

#endif
