/* SPDX-License-Identifier: MIT */
/*
 * LD_PRELOAD=clockshift.so CLOCKSHIFT=FILE COMMAND: runs a command by clocks that a test sets while it runs.
 *
 * FILE has 16 bytes: an int64, the seconds that CLOCK_REALTIME is off, and two int32, those of CLOCK_BOOTTIME
 * and of CLOCK_MONOTONIC. These two are read as one word, so that both jump at the same moment.
 *
 * Absolute timers (timerfd_settime) go by the shifted clocks. Where the clocks jump, what is due then fires, as
 * after a suspend; and so do timers that are cancelled where the clock is set (TFD_TIMER_CANCEL_ON_SET), but
 * that read(2) does not fail. Timeouts of poll(2) and the like are left alone.
 */
#include <dlfcn.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#define TIMERS 16
#define LOOK_NS 5000000 /* how often the file is looked at, for timers */

struct shift {
	_Atomic int64_t real;
	_Atomic uint64_t ticking; /* low half: boot, high half: monotonic */
};

struct timer {
	int fd, clock, flags;
	bool set;
	struct itimerspec wanted;
};

static int (*real_gettime)(clockid_t id, struct timespec *ts);
static int (*real_settime)(int fd, int flags, const struct itimerspec *new, struct itimerspec *old);
static int (*real_create)(int id, int flags);
static struct shift *shift;
static pthread_once_t once = PTHREAD_ONCE_INIT, once_watch = PTHREAD_ONCE_INIT;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct timer timers[TIMERS];
static unsigned int n_timers;

static void init(void)
{
	const char *path = getenv("CLOCKSHIFT");
	int fd = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;

	real_gettime = (int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT, "clock_gettime");
	real_settime = (int (*)(int, int, const struct itimerspec *,
				struct itimerspec *))dlsym(RTLD_NEXT, "timerfd_settime");
	real_create = (int (*)(int, int))dlsym(RTLD_NEXT, "timerfd_create");
	if (fd < 0)
		abort();
	shift = mmap(NULL, sizeof(*shift), PROT_READ, MAP_SHARED, fd, 0);
	if (shift == MAP_FAILED)
		abort();
	close(fd);
}

static int64_t seconds_off(clockid_t id)
{
	switch (id) {
	case CLOCK_REALTIME:
		return atomic_load(&shift->real);
	case CLOCK_BOOTTIME:
		return (int32_t)(uint32_t)atomic_load(&shift->ticking);
	case CLOCK_MONOTONIC:
		return (int32_t)(uint32_t)(atomic_load(&shift->ticking) >> 32);
	default:
		return 0;
	}
}

int clock_gettime(clockid_t id, struct timespec *ts)
{
	int err;

	pthread_once(&once, init);
	err = real_gettime(id, ts);
	if (!err)
		ts->tv_sec += seconds_off(id);
	return err;
}

/* ---- timers ---- */

static int arm(const struct timer *t)
{
	struct itimerspec to = t->wanted;

	if (t->flags & TFD_TIMER_ABSTIME && (to.it_value.tv_sec || to.it_value.tv_nsec)) {
		to.it_value.tv_sec -= seconds_off(t->clock);
		if (to.it_value.tv_sec < 0)
			to.it_value = (struct timespec){.tv_nsec = 1};
	}
	return real_settime(t->fd, t->flags, &to, NULL);
}

static void fire(const struct timer *t)
{
	const struct itimerspec now = {.it_value.tv_nsec = 1};

	real_settime(t->fd, TFD_TIMER_ABSTIME, &now, NULL);
}

static void clocks_jumped(void)
{
	pthread_mutex_lock(&lock);
	for (unsigned int i = 0; i < n_timers; i++) {
		if (!timers[i].set)
			continue;
		if (timers[i].flags & TFD_TIMER_CANCEL_ON_SET)
			fire(&timers[i]);
		else if (timers[i].flags & TFD_TIMER_ABSTIME)
			arm(&timers[i]);
	}
	pthread_mutex_unlock(&lock);
}

static void *watch(void *arg)
{
	int64_t real = atomic_load(&shift->real);
	uint64_t ticking = atomic_load(&shift->ticking);

	for (;;) {
		nanosleep(&(struct timespec){.tv_nsec = LOOK_NS}, NULL);
		if (real == atomic_load(&shift->real) && ticking == atomic_load(&shift->ticking))
			continue;
		real = atomic_load(&shift->real);
		ticking = atomic_load(&shift->ticking);
		clocks_jumped();
	}
	return NULL;
}

/* With the first timer that is set: what forks has none before. */
static void start_watch(void)
{
	pthread_t thread;

	if (pthread_create(&thread, NULL, watch, NULL))
		abort();
}

/* NULL: there is none */
static struct timer *find(int fd)
{
	for (unsigned int i = 0; i < n_timers; i++)
		if (timers[i].fd == fd)
			return &timers[i];
	return NULL;
}

int timerfd_create(int clock, int flags)
{
	struct timer *t;
	int fd;

	pthread_once(&once, init);
	fd = real_create(clock, flags);
	if (fd < 0)
		return fd;
	pthread_mutex_lock(&lock);
	t = find(fd); /* an old one's number */
	if (!t && n_timers == TIMERS)
		abort();
	if (!t)
		t = &timers[n_timers++];
	*t = (struct timer){.fd = fd, .clock = clock};
	pthread_mutex_unlock(&lock);
	return fd;
}

int timerfd_settime(int fd, int flags, const struct itimerspec *new, struct itimerspec *old)
{
	struct timer *t;
	int err;

	pthread_once(&once, init);
	pthread_once(&once_watch, start_watch);
	pthread_mutex_lock(&lock);
	t = find(fd);
	if (t) {
		t->flags = flags;
		t->wanted = *new;
		t->set = true;
		err = arm(t);
	} else {
		err = real_settime(fd, flags, new, old);
	}
	pthread_mutex_unlock(&lock);
	return err;
}
