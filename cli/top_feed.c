/* Looks at the server again and again, and at once when something else is to be looked at. */
#include "top_feed.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "mem.h"

#define CLOSE_MS 300  /* how long closing waits for the thread */
#define REST_FACTOR 9 /* a server that counts for 0.1 s is left alone for 0.9 s */
#define REST_MAX_US 60000000

/* Holds: what comes before `thread` is the thread's alone; what follows the lock is under it. */
struct top_feed {
    dueq *handle;
    const char *const *names;
    size_t name_count;
    int64_t cost_us; /* what the last look cost the server */
    int64_t rest_us; /* after a look: at least so long */
    pthread_t thread;
    int fd;

    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool stopping;
    bool wished; /* the wish is not what was looked at last */
    top_wish wish;
    top_order order;  /* NONE: nothing to do */
    int64_t next_us;  /* when to look again */
    int64_t asked_us; /* 0: nothing is being asked */
    top_news *news;
    bool answered;
    top_answer answer;
};

int64_t top_now_us(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

void top_news_free(top_news *news)
{
    if (news == NULL) return;
    dueq_queue_list_free(news->names);
    free(news->counts);
    dueq_batch_free(news->batch);
    free(news);
}

/* ---- The thread: looking */

static void note_error(const top_feed *feed, int rc, char error[DUEQ_ERROR_TEXT_MAX])
{
    const char *text = dueq_error(feed->handle);

    if (rc < 0)
        snprintf(error, DUEQ_ERROR_TEXT_MAX, "%s", *text != '\0' ? text : dueq_outcome_text(rc));
}

/* Which queues to count: those that the user named, or all. */
static int find_queues(top_feed *feed, top_news *news)
{
    const char *const *names = feed->names;

    news->count = feed->name_count;
    if (names == NULL) {
        int rc = dueq_queues(feed->handle, &news->names);

        if (rc < 0) return rc;
        names = news->names->names;
        news->count = news->names->count;
    }
    news->counts = mem_make(news->count * sizeof(news->counts[0]));
    for (size_t i = 0; i < news->count; i++) news->counts[i].queue = names[i];
    return DUEQ_OK;
}

/* One queue that cannot be read is no reason to show none. */
static bool any_counted(const top_news *news)
{
    for (size_t i = 0; i < news->count; i++)
        if (news->counts[i].outcome >= 0) return true;
    return news->count == 0;
}

/* The server is to have a rest after it has counted: of two looks the cheaper one says how long, since
 * one alone may have met with a hiccup. */
static void set_rest(top_feed *feed, int64_t cost_us)
{
    int64_t least_us = cost_us < feed->cost_us ? cost_us : feed->cost_us;

    feed->rest_us = least_us > 0 ? least_us * REST_FACTOR : 0;
    if (feed->rest_us > REST_MAX_US) feed->rest_us = REST_MAX_US;
    feed->cost_us = cost_us;
}

/* Finding the queues is one round trip: what counting takes beyond that is the server's work. Of a few
 * queues that the user named it is little. */
static int count_queues(top_feed *feed, top_news *news)
{
    int64_t began_us = top_now_us(), found_us, counted_us;
    int rc = find_queues(feed, news);

    found_us = top_now_us();
    if (rc == DUEQ_OK) rc = dueq_queues_stats(feed->handle, news->counts, news->count);
    counted_us = top_now_us();
    if (rc < 0 && (news->counts == NULL || !any_counted(news))) {
        set_rest(feed, 0);
        return rc;
    }
    set_rest(feed, feed->names == NULL ? (counted_us - found_us) - (found_us - began_us) : 0);
    news->at_us = counted_us;
    return DUEQ_OK;
}

static int list_tasks(top_feed *feed, top_news *news)
{
    dueq_list_options options = {
        .state = news->wish.state, .tasks_max = news->wish.tasks_max, .cursor = news->wish.cursor};
    char *next = NULL;
    int rc = dueq_list(feed->handle, news->wish.queue, &options, &news->batch, &next);

    if (next != NULL) snprintf(news->cursor, sizeof(news->cursor), "%s", next);
    dueq_free(next);
    return rc;
}

static int get_task(top_feed *feed, top_news *news)
{
    dueq_name name = {.id = news->wish.id.bytes, .id_len = news->wish.id.len};
    int rc = dueq_get(feed->handle, news->wish.queue, &name, 1, &news->batch);

    return rc == DUEQ_MISSING && news->batch != NULL ? DUEQ_OK : rc;
}

static top_news *look(top_feed *feed, const top_wish *wish, bool count)
{
    top_news *news = mem_make(sizeof(*news));

    news->wish = *wish;
    news->counted = count;
    news->at_us = top_now_us();
    if (count) news->rc = count_queues(feed, news);
    note_error(feed, news->rc, news->error);
    if (news->rc < 0 || wish->view == TOP_QUEUES) return news;
    news->batch_rc = wish->view == TOP_TASKS ? list_tasks(feed, news) : get_task(feed, news);
    note_error(feed, news->batch_rc, news->error);
    return news;
}

/* ---- The thread: doing */

static int carry_out(top_feed *feed, const top_order *order, int64_t *count)
{
    dueq_name name = {.id = order->id.bytes, .id_len = order->id.len};
    int rc;

    switch (order->kind) {
    case TOP_ORDER_PAUSE:
        return dueq_queue_pause(feed->handle, order->queue);
    case TOP_ORDER_RESUME:
        return dueq_queue_resume(feed->handle, order->queue);
    case TOP_ORDER_REDRIVE_ALL:
        return dueq_redrive_all(feed->handle, order->queue, count);
    case TOP_ORDER_REDRIVE_ONE:
        rc = dueq_redrive(feed->handle, order->queue, &name, 1);
        *count = rc == DUEQ_OK;
        return rc;
    default:
        return DUEQ_OK;
    }
}

static void obey(top_feed *feed, const top_order *order, top_answer *answer)
{
    *answer = (top_answer){.order = *order};
    answer->rc = carry_out(feed, order, &answer->count);
    note_error(feed, answer->rc, answer->error);
}

/* ---- The thread: when */

static void wake_screen(const top_feed *feed)
{
    ssize_t written = write(feed->fd, &(uint64_t){1}, sizeof(uint64_t));

    (void)written; /* an eventfd that is full wakes all the same */
}

/* What the thread is to attend to. */
typedef struct work {
    top_order order;
    top_wish wish;
    bool count; /* else only the tasks that are wished for are due */
} work;

/* Waits until it is time. False: the end. */
static bool wait_for_work(top_feed *feed, work *next)
{
    bool goes_on;

    pthread_mutex_lock(&feed->lock);
    feed->asked_us = 0;
    while (!feed->stopping && !feed->wished && feed->order.kind == TOP_ORDER_NONE &&
           top_now_us() < feed->next_us) {
        struct timespec until = {.tv_sec = feed->next_us / 1000000,
                                 .tv_nsec = feed->next_us % 1000000 * 1000};

        pthread_cond_timedwait(&feed->changed, &feed->lock, &until);
    }
    goes_on = !feed->stopping;
    next->order = feed->order;
    next->count = feed->order.kind != TOP_ORDER_NONE || top_now_us() >= feed->next_us;
    next->wish = feed->wish;
    feed->order.kind = TOP_ORDER_NONE;
    feed->wished = false;
    feed->asked_us = top_now_us();
    pthread_mutex_unlock(&feed->lock);
    return goes_on;
}

static void hand_over(top_feed *feed, top_news *news, int64_t began_us)
{
    int64_t now_us = top_now_us();
    int64_t next_us = began_us + news->wish.interval_ms * 1000;

    if (next_us < now_us + feed->rest_us) next_us = now_us + feed->rest_us;
    pthread_mutex_lock(&feed->lock);
    if (news->counted) feed->next_us = next_us;
    if (feed->news != NULL && feed->news->counted && !news->counted)
        feed->next_us = now_us; /* counts that nobody has seen are lost here */
    top_news_free(feed->news);
    feed->news = news;
    pthread_mutex_unlock(&feed->lock);
    wake_screen(feed);
}

static void hand_over_answer(top_feed *feed, const top_answer *answer)
{
    pthread_mutex_lock(&feed->lock);
    feed->answer = *answer;
    feed->answered = true;
    pthread_mutex_unlock(&feed->lock);
    wake_screen(feed);
}

/* What was done is looked at right after. */
static void *run(void *context)
{
    top_feed *feed = context;
    work next;

    while (wait_for_work(feed, &next)) {
        int64_t began_us = top_now_us();

        if (next.order.kind != TOP_ORDER_NONE) {
            top_answer answer;

            obey(feed, &next.order, &answer);
            hand_over_answer(feed, &answer);
        }
        hand_over(feed, look(feed, &next.wish, next.count), began_us);
    }
    return NULL;
}

/* ---- The screen's side */

/* Signals are the screen's: the thread gets none. */
static bool start(top_feed *feed)
{
    sigset_t all, before;
    bool started;

    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, &before);
    started = pthread_create(&feed->thread, NULL, run, feed) == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return started;
}

static void free_feed(top_feed *feed)
{
    pthread_cond_destroy(&feed->changed);
    pthread_mutex_destroy(&feed->lock);
    if (feed->fd >= 0) close(feed->fd);
    top_news_free(feed->news);
    dueq_close(feed->handle);
    free(feed);
}

top_feed *top_feed_open(dueq *handle, const char *const *names, size_t name_count,
                        const top_wish *wish)
{
    top_feed *feed = mem_make(sizeof(*feed));
    pthread_condattr_t by_steady_clock;

    feed->handle = handle;
    feed->names = name_count > 0 ? names : NULL;
    feed->name_count = name_count;
    feed->wish = *wish;
    feed->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    pthread_mutex_init(&feed->lock, NULL);
    pthread_condattr_init(&by_steady_clock);
    pthread_condattr_setclock(&by_steady_clock, CLOCK_MONOTONIC);
    pthread_cond_init(&feed->changed, &by_steady_clock);
    pthread_condattr_destroy(&by_steady_clock);
    if (feed->fd >= 0 && start(feed)) return feed;
    free_feed(feed);
    return NULL;
}

bool top_feed_close(top_feed *feed)
{
    struct timespec until;

    if (feed == NULL) return true;
    pthread_mutex_lock(&feed->lock);
    feed->stopping = true;
    pthread_cond_signal(&feed->changed);
    pthread_mutex_unlock(&feed->lock);
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_nsec += CLOSE_MS * 1000000L;
    until.tv_sec += until.tv_nsec / 1000000000;
    until.tv_nsec %= 1000000000;
    if (pthread_timedjoin_np(feed->thread, NULL, &until) != 0) return false;
    free_feed(feed);
    return true;
}

int top_feed_fd(const top_feed *feed)
{
    return feed->fd;
}

void top_feed_wish(top_feed *feed, const top_wish *wish)
{
    pthread_mutex_lock(&feed->lock);
    if (!top_wish_is_same(&feed->wish, wish)) {
        feed->wish = *wish;
        feed->wished = true;
        pthread_cond_signal(&feed->changed);
    }
    pthread_mutex_unlock(&feed->lock);
}

void top_feed_order(top_feed *feed, const top_order *order)
{
    pthread_mutex_lock(&feed->lock);
    feed->order = *order;
    pthread_cond_signal(&feed->changed);
    pthread_mutex_unlock(&feed->lock);
}

top_news *top_feed_news(top_feed *feed)
{
    top_news *news;
    uint64_t times;
    ssize_t had = read(feed->fd, &times, sizeof(times));

    (void)had; /* it only says that there may be something */
    pthread_mutex_lock(&feed->lock);
    news = feed->news;
    feed->news = NULL;
    pthread_mutex_unlock(&feed->lock);
    return news;
}

bool top_feed_answer(top_feed *feed, top_answer *answer)
{
    bool answered;

    pthread_mutex_lock(&feed->lock);
    answered = feed->answered;
    if (answered) *answer = feed->answer;
    feed->answered = false;
    pthread_mutex_unlock(&feed->lock);
    return answered;
}

int64_t top_feed_waits_us(top_feed *feed)
{
    int64_t asked_us;

    pthread_mutex_lock(&feed->lock);
    asked_us = feed->asked_us;
    pthread_mutex_unlock(&feed->lock);
    return asked_us > 0 ? top_now_us() - asked_us : 0;
}
