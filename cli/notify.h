/* Telling a service manager how a service is: sd_notify's protocol, datagrams of NAME=VALUE lines to
 * the socket in NOTIFY_SOCKET. Knows no worker. */
#ifndef DUEQ_CLI_NOTIFY_H
#define DUEQ_CLI_NOTIFY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/un.h>

#define NOTIFY_STATUS_SIZE 256

/* Holds: what is noted as told was sent; what could not be sent is due again the next time. */
typedef struct notify {
    int fd; /* -1: nobody wants to be told */
    struct sockaddr_un to;
    socklen_t to_len;
    int64_t watchdog_ms;    /* how often to say that all is well; 0: nobody watches */
    int64_t watchdog_at_ms; /* when to say so next */
    int64_t status_at_ms;   /* no new status is told before */
    bool told_ready, told_stopping;
    char told_status[NOTIFY_STATUS_SIZE];
} notify;

/* By NOTIFY_SOCKET, WATCHDOG_USEC and WATCHDOG_PID, which are then taken out of the environment:
 * programs that this one starts are not the service. For before there are threads. */
void notify_open(notify *n);
void notify_close(notify *n);

/* How often notify_tell() is to be called, at least. */
int64_t notify_every_ms(const notify *n);

/* How the service is now. */
typedef struct notify_news {
    bool ready, stopping;
    const char *status; /* one line */
} notify_news;

/* Tells what has not been told, and that all is well when that is due. now_ms: of a clock that is
 * never set. */
void notify_tell(notify *n, const notify_news *news, int64_t now_ms);

#endif
