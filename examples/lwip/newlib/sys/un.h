/* newlib has no such header, and lwIP no such sockets. listen.h asks only for the size of a name. */
struct sockaddr_un {
    char sun_path[64];
};
