/* SPDX-License-Identifier: MIT */
#include "path/worker.h"

#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>
#include "device/device.h"
#include "path/counters.h"

/*
 * Rounds without work before sleeping, and after how many of them the processor is offered to others. Measured
 * with both ends on two busy cores. Sleeping after 1000 rounds instead: 55 us of round trip become 50, 5 to
 * 15 % of throughput lost, more time at 1 Gbit/s. At once: 150 us. Giving way each 64 rounds instead of 8: round
 * trips of 84 to 485 us, throughput the same.
 */
#define SPIN_ROUNDS 100
#define YIELD_ROUNDS 8

static void free_set(struct wgx_portset *set)
{
	if (!set)
		return;
	free(set->ports);
	free(set->ifaces);
	free(set);
}

static struct wgx_portset *copy_set(const struct wgx_portset *from)
{
	struct wgx_portset *set = calloc(1, sizeof(*set));

	if (!set)
		return NULL;
	*set = *from;
	set->since = wgx_clock_ns(CLOCK_BOOTTIME);
	set->ports = calloc(from->n_ports + 1, sizeof(*set->ports));
	set->ifaces = calloc(from->n_ifaces + 1, sizeof(*set->ifaces));
	if (!set->ports || !set->ifaces) {
		free_set(set);
		return NULL;
	}
	for (unsigned int i = 0; i < from->n_ports; i++)
		set->ports[i] = from->ports[i];
	for (unsigned int i = 0; i < from->n_ifaces; i++)
		set->ifaces[i] = from->ifaces[i];
	return set;
}

static unsigned int serve_round(struct wgx_worker *w)
{
	const struct wgx_portset *set = wgx_read(w->set);
	unsigned int work = 0;

	w->boot = wgx_clock_ns(CLOCK_BOOTTIME);
	for (unsigned int i = 0; i < set->n_ports; i++)
		work += w->ops->serve(w, &set->ports[i]);
	work += w->ops->between(w, set);
	wgx_rcu_quiescent();
	return work;
}

/* The descriptors of the current set; the set may change while we sleep, and then wake_fd tells. */
static unsigned int poll_list(struct wgx_worker *w, struct pollfd **fds, unsigned int *room,
			      int *ret_ms)
{
	const struct wgx_portset *set = wgx_read(w->set);
	unsigned int n = 0;

	if (!*fds || set->n_ports + 1 > *room) {
		struct pollfd *more = realloc(*fds, (set->n_ports + 1) * sizeof(**fds));

		if (!more) {
			*ret_ms = 10; /* no memory to name them all: look again soon */
			return 0;
		}
		*fds = more;
		*room = set->n_ports + 1;
	}
	(*fds)[n++] = (struct pollfd){.fd = w->wake_fd, .events = POLLIN};
	for (unsigned int i = 0; i < set->n_ports; i++)
		(*fds)[n++] = (struct pollfd){.fd = set->ports[i].fd, .events = POLLIN};
	*ret_ms = w->ops->idle(w, set);
	return n;
}

static void worker_sleep(struct wgx_worker *w, struct pollfd **fds, unsigned int *room)
{
	unsigned int n;
	uint64_t dummy;
	int ms;

	n = poll_list(w, fds, room, &ms);
	wgx_count(&w->sleeps, 1);
	atomic_fetch_add(&w->naps, 1);
	wgx_rcu_offline();
	poll(*fds, n, ms);
	wgx_rcu_online();
	atomic_fetch_add(&w->naps, 1);
	if (n && ((*fds)[0].revents & POLLIN) && read(w->wake_fd, &dummy, sizeof(dummy)) < 0)
		return; /* somebody else's wake-up: nothing to clear */
}

static void *worker_main(void *arg)
{
	struct wgx_worker *w = arg;
	struct pollfd *fds = NULL;
	unsigned int room = 0, idle = 0;
	const unsigned int spin = w->ops->spin ?: SPIN_ROUNDS;
	int err;

	pthread_setname_np(pthread_self(), w->name);
	err = w->ops->start(w);
	if (!err && w->confine && (err = w->confine()))
		w->ops->stop(w);
	if (err) {
		atomic_store(&w->started, err);
		return NULL;
	}
	wgx_rcu_register();
	atomic_store(&w->started, 1);
	while (!atomic_load_explicit(&w->stopping, memory_order_acquire)) {
		unsigned int work = serve_round(w);

		wgx_count(&w->rounds, 1);
		if (wgx_gate_stop(&w->gate, work)) {
			wgx_gate_stand(&w->gate, &w->stopping);
			idle = 0;
		} else if (work) {
			idle = 0;
		} else if (++idle < spin) {
			if (idle % YIELD_ROUNDS)
				wgx_relax();
			else
				sched_yield();
		} else {
			worker_sleep(w, &fds, &room);
			idle = 0;
		}
	}
	w->ops->stop(w);
	wgx_rcu_unregister();
	free(fds);
	return NULL;
}

int wgx_worker_start(struct wgx_worker *w, const struct wgx_worker_ops *ops, unsigned int number,
		     void *env, int (*confine)(void))
{
	const struct wgx_portset empty = {0};
	int err;

	memset(w, 0, sizeof(*w));
	w->ops = ops;
	w->number = number;
	snprintf(w->name, sizeof(w->name), number ? "%s-%u" : "%s", ops->name, number + 1);
	w->env = env;
	w->confine = confine;
	w->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (w->wake_fd < 0)
		return -errno;
	w->set = copy_set(&empty);
	if (!w->set) {
		close(w->wake_fd);
		return -ENOMEM;
	}
	err = -pthread_create(&w->thread, NULL, worker_main, w);
	if (!err) {
		while (!(err = atomic_load(&w->started)))
			sched_yield();
		if (err == 1)
			return 0;
		pthread_join(w->thread, NULL);
	}
	free_set(w->set);
	close(w->wake_fd);
	w->ops = NULL;
	return err;
}

void wgx_worker_stop(struct wgx_worker *w)
{
	if (!w->ops)
		return;
	atomic_store_explicit(&w->stopping, true, memory_order_release);
	wgx_worker_wake(w);
	pthread_join(w->thread, NULL);
	free_set(w->set);
	close(w->wake_fd);
	w->ops = NULL;
}

void wgx_worker_wake(struct wgx_worker *w)
{
	const uint64_t one = 1;

	/* EAGAIN: the counter is full: it is awake. One that is not woken would never end. */
	for (int tries = 3; tries && write(w->wake_fd, &one, sizeof(one)) < 0; tries--)
		if (errno == EAGAIN)
			return;
}

static void wake(void *w)
{
	wgx_worker_wake(w);
}

void wgx_worker_close(struct wgx_worker *w)
{
	wgx_gate_close(&w->gate, wake, w);
}

void wgx_worker_open(struct wgx_worker *w)
{
	wgx_gate_open(&w->gate);
}

/*
 * A poll() that began with the old set has its files open until it ends, even if they are closed: their ports would be
 * in use, and their queues busy.
 */
static void wait_for_poll(struct wgx_worker *w)
{
	const unsigned int nap = atomic_load(&w->naps);

	wgx_rcu_offline(); /* a worker that gets no processor holds nobody else up */
	while (nap % 2 && atomic_load(&w->naps) == nap) {
		wgx_worker_wake(w);
		wgx_gate_pause();
	}
	wgx_rcu_online();
}

int wgx_worker_set(struct wgx_worker *w, const struct wgx_portset *set)
{
	struct wgx_portset *new = copy_set(set), *old = w->set;

	if (!new)
		return -ENOMEM;
	wgx_publish(w->set, new);
	wgx_worker_wake(w);
	wgx_rcu_synchronize();
	wait_for_poll(w);
	free_set(old);
	return 0;
}
