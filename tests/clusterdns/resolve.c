/* Asks the C library's resolver as programs do: prints each address of a name, or the name of an address, or why not. */
#include <arpa/inet.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

static int name_of(const char *address)
{
    struct sockaddr_in peer = {.sin_family = AF_INET};
    char host[NI_MAXHOST];
    int error;
    if (inet_pton(AF_INET, address, &peer.sin_addr) != 1)
        return 2;
    error = getnameinfo((struct sockaddr *)&peer, sizeof peer, host, sizeof host, NULL, 0, NI_NAMEREQD);
    if (error == EAI_NONAME)
        puts("no such name");
    else
        puts(error ? "failed" : host);
    return 0;
}

int main(int count, char **words)
{
    struct addrinfo wanted = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM}, *found, *one;
    char text[INET6_ADDRSTRLEN];
    int error;
    if (count == 3 && !strcmp(words[1], "-x"))
        return name_of(words[2]);
    if (count != 2)
        return 2;
    error = getaddrinfo(words[1], NULL, &wanted, &found);
    if (error == EAI_NONAME) {
        puts("no such name");
        return 0;
    }
    if (error) {
        puts("failed");
        return 0;
    }
    for (one = found; one; one = one->ai_next) {
        void *address = one->ai_family == AF_INET ? (void *)&((struct sockaddr_in *)one->ai_addr)->sin_addr
                                                  : (void *)&((struct sockaddr_in6 *)one->ai_addr)->sin6_addr;
        puts(inet_ntop(one->ai_family, address, text, sizeof text));
    }
    freeaddrinfo(found);
    return 0;
}
