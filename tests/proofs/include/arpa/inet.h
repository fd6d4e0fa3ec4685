/* arpa/inet.h - what the proofs assume of inet_pton. */
#ifndef ARPA_INET_H
#define ARPA_INET_H

#define AF_INET6         10
#define INET6_ADDRSTRLEN 46

struct in6_addr {
    unsigned char s6_addr[16];
};

/*@ requires \valid_read(from + (0 .. INET6_ADDRSTRLEN - 1)) && from[INET6_ADDRSTRLEN - 1] == 0;
    requires \valid(to);
    terminates \true;
    assigns *to, \result \from from[0 ..];
    ensures -1 <= \result <= 1;
 */
int inet_pton(int family, const char *from, struct in6_addr *to);

#endif
