/* Preloaded into wrk for the handshake row, compiled by tests/bench/run.
 * wrk clears its SSL object between connections, which keeps the session, so that every connection
 * after the first would be a resumption and no signature would ever be made. This drops the session.
 * Knows two functions of OpenSSL and needs no header of it. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>

int SSL_clear(void *ssl)
{
    int (*clear)(void *) = (int (*)(void *))dlsym(RTLD_NEXT, "SSL_clear");
    int (*set_session)(void *, void *) = (int (*)(void *, void *))dlsym(RTLD_NEXT, "SSL_set_session");

    if (!clear || !set_session)
        abort();
    return clear(ssl) && set_session(ssl, NULL);
}
