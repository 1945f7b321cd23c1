/* Loaded into a server under test before all else: its wall clock is off by what the test writes
 * into a file, from one look to the next, and its other clocks are left alone. Allocates nothing and
 * looks nothing up, since allocators ask for the time before anything is ready (which is what keeps
 * libfaketime from being loaded into a server with jemalloc). */
#include <fcntl.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#define SHOWN __attribute__((visibility("default")))

/* In files: all processes', and this one's own, which are added up; NULL: not mapped, or not yet. */
static const _Atomic int64_t *offset_us, *own_us;

static const _Atomic int64_t *map_offset(const char *path)
{
    int fd = path != NULL ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    if (fd < 0) return NULL;
    void *place = mmap(NULL, sizeof *offset_us, PROT_READ, MAP_SHARED, fd, 0);
    close(fd);
    return place != MAP_FAILED ? place : NULL;
}

__attribute__((constructor)) static void map_offsets(void)
{
    offset_us = map_offset(getenv("DUEQ_SKEW_FILE"));
    own_us = map_offset(getenv("DUEQ_SKEW_OWN"));
}

static int64_t now_ns(void)
{
    struct timespec now;
    syscall(SYS_clock_gettime, CLOCK_REALTIME, &now);
    int64_t off_us = offset_us != NULL ? atomic_load(offset_us) : 0;
    off_us += own_us != NULL ? atomic_load(own_us) : 0;
    return (now.tv_sec * INT64_C(1000000) + off_us) * 1000 + now.tv_nsec;
}

// NOLINTBEGIN(readability-inconsistent-declaration-parameter-name): the headers' are reserved names
SHOWN int clock_gettime(clockid_t clock, struct timespec *now)
{
    if (clock != CLOCK_REALTIME && clock != CLOCK_REALTIME_COARSE) {
        return (int)syscall(SYS_clock_gettime, clock, now);
    }
    int64_t ns = now_ns();
    *now = (struct timespec){ns / 1000000000, ns % 1000000000};
    return 0;
}

SHOWN int gettimeofday(struct timeval *restrict now, void *restrict zone)
{
    (void)zone;
    int64_t us = now_ns() / 1000;
    *now = (struct timeval){us / 1000000, us % 1000000};
    return 0;
}

SHOWN time_t time(time_t *now)
{
    time_t seconds = now_ns() / 1000000000;
    if (now != NULL) *now = seconds;
    return seconds;
}
// NOLINTEND(readability-inconsistent-declaration-parameter-name)
