/* The actors' processes: this very program, started anew in the actor's role. */
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "campaign.h"

enum { END_MS = 20000 };

static void become(const campaign *c, const member *one, uint64_t seed)
{
    char process[16], seed_text[24];
    snprintf(process, sizeof process, "%d", one->process);
    snprintf(seed_text, sizeof seed_text, "%" PRIu64, seed);
    execl("/proc/self/exe", "campaign", "--actor", one->role, c->url, c->history_path, process,
          seed_text, (char *)NULL);
    _exit(127);
}

static void fill_place(campaign *c, member *one)
{
    one->process = c->next_process++;
    one->stopped_us = 0;
    uint64_t seed = (uint64_t)campaign_draw(c, INT64_MAX);
    one->pid = fork();
    if (one->pid < 0) fail_msg("fork: %s", strerror(errno));
    if (one->pid == 0) become(c, one, seed);
}

void crew_start(campaign *c)
{
    for (int i = 0; i < c->options.producers + c->options.workers; i++) {
        c->crew[i].role = i < c->options.producers ? "producer" : "worker";
        fill_place(c, &c->crew[i]);
        c->crew_size++;
    }
}

member *crew_pick(campaign *c, const char *role)
{
    for (;;) {
        member *one = &c->crew[campaign_draw(c, c->crew_size)];
        if (strcmp(one->role, role) == 0) return one;
    }
}

static void reap(const member *one)
{
    while (waitpid(one->pid, NULL, 0) < 0 && errno == EINTR) {}
}

static void note_stop(const campaign *c, const member *one)
{
    history_note_fault(c->history, &(history_fault){.kind = "stop",
                                                    .began_us = one->stopped_us,
                                                    .ended_us = history_now_us(),
                                                    .process = one->process});
}

void crew_kill(campaign *c, member *one)
{
    if (one->stopped_us != 0) note_stop(c, one); /* it never went on */
    history_fault fault = {.kind = "kill", .began_us = history_now_us(), .process = one->process};
    kill(one->pid, SIGKILL);
    reap(one);
    fault.ended_us = history_now_us();
    history_note_fault(c->history, &fault);
    fill_place(c, one);
}

void crew_stop(campaign *c, member *one, int64_t for_ms)
{
    (void)c;
    if (one->stopped_us != 0) return;
    one->stopped_us = history_now_us();
    one->resume_us = one->stopped_us + for_ms * 1000;
    kill(one->pid, SIGSTOP);
}

void crew_resume(campaign *c, bool all)
{
    for (int i = 0; i < c->crew_size; i++) {
        member *one = &c->crew[i];
        int64_t now_us = history_now_us();
        if (one->stopped_us == 0 || (!all && now_us < one->resume_us)) continue;
        kill(one->pid, SIGCONT);
        note_stop(c, one);
        one->stopped_us = 0;
    }
}

static bool has_ended(const member *one)
{
    return waitpid(one->pid, NULL, WNOHANG) != 0;
}

void crew_dismiss(campaign *c, const char *role)
{
    for (int i = 0; i < c->crew_size; i++) {
        if (role == NULL || strcmp(c->crew[i].role, role) == 0) kill(c->crew[i].pid, SIGTERM);
    }
    int kept = 0;
    for (int i = 0; i < c->crew_size; i++) {
        if (role != NULL && strcmp(c->crew[i].role, role) != 0) {
            c->crew[kept++] = c->crew[i];
        } else {
            UNTIL(END_MS, has_ended(&c->crew[i]));
        }
    }
    c->crew_size = kept;
}
