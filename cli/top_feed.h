/* The server as dueq top sees it: a thread asks, so that the screen never waits for an answer. */
#ifndef DUEQ_CLI_TOP_FEED_H
#define DUEQ_CLI_TOP_FEED_H

#include "top_model.h"

typedef struct top_feed top_feed;

/* Takes over the handle, in any case, and begins to look. The names (sorted, borrowed) are the queues
 * to look at; none: all that there are. NULL when no thread could be started. */
top_feed *top_feed_open(dueq *handle, const char *const *names, size_t name_count,
                        const top_wish *wish);

/* Ends the thread. False: it waits for a server that does not answer; then it is left behind, and the
 * program is to end without freeing what the thread may use. */
bool top_feed_close(top_feed *feed);

/* Readable when there is something to collect. */
int top_feed_fd(const top_feed *feed);

/* What is to be looked at from now on; at once if it is something else than before. */
void top_feed_wish(top_feed *feed, const top_wish *wish);
/* One order at a time. */
void top_feed_order(top_feed *feed, const top_order *order);

/* The newest news, or NULL; yours. */
top_news *top_feed_news(top_feed *feed);
void top_news_free(top_news *news);
/* The answer to the last order, once. */
bool top_feed_answer(top_feed *feed, top_answer *answer);

/* For how long the server has owed an answer; 0: it owes none. */
int64_t top_feed_waits_us(top_feed *feed);

int64_t top_now_us(void); /* by a clock that never steps */

#endif
