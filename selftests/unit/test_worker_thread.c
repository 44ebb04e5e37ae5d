/* SPDX-License-Identifier: MIT */
/*
 * The worker with ops that only look: where they are called, with what, and that nothing is served any
 * more once wgx_worker_set() has returned. Plus the AF_XDP ring, whose kernel is another thread here.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>
#include <wgx/bpf_abi.h>
#include "device/rcu.h"
#include "path/worker.h"
#include "path/xsk.h"

#define ALIVE UINT64_C(0x11febea7ed0f11fe)

/* What a port names; destroyed as soon as it is out of the set. */
struct thing {
	uint64_t magic;
	int fd; /* an eventfd: its count is work */
	uint64_t served; /* the worker's own */
};

struct env {
	struct wgx_worker worker;
	pthread_t thread;
	_Atomic unsigned int starts, stops, serves, betweens, idles, confines;
	_Atomic unsigned int foreign; /* calls on another thread */
	_Atomic unsigned int dead; /* things served after their end */
	_Atomic uint64_t units; /* of work done */
	_Atomic unsigned int n_ports, n_ifaces; /* as between() saw them */
	int start_err;
};

static struct env *confined; /* confine() has no argument */
static int confine_err;

static struct env *env_of(struct wgx_worker *w)
{
	return w->env;
}

static void here(struct env *e)
{
	if (!pthread_equal(e->thread, pthread_self()))
		atomic_fetch_add(&e->foreign, 1);
}

static int op_start(struct wgx_worker *w)
{
	struct env *e = env_of(w);

	e->thread = pthread_self();
	atomic_fetch_add(&e->starts, 1);
	if (e->start_err)
		return e->start_err;
	w->state = malloc(1);
	return 0;
}

static unsigned int op_serve(struct wgx_worker *w, const struct wgx_port *port)
{
	struct env *e = env_of(w);
	struct thing *t = (struct thing *)port->iface;
	uint64_t n = 0;

	here(e);
	atomic_fetch_add(&e->serves, 1);
	if (t->magic != ALIVE)
		atomic_fetch_add(&e->dead, 1);
	if (read(port->fd, &n, sizeof(n)) != sizeof(n))
		return 0;
	t->served += n;
	atomic_fetch_add(&e->units, n);
	return (unsigned int)n;
}

static unsigned int op_between(struct wgx_worker *w, const struct wgx_portset *set)
{
	struct env *e = env_of(w);

	here(e);
	atomic_store(&e->n_ports, set->n_ports);
	atomic_store(&e->n_ifaces, set->n_ifaces);
	for (unsigned int i = 0; i < set->n_ifaces; i++)
		if (((struct thing *)set->ifaces[i])->magic != ALIVE)
			atomic_fetch_add(&e->dead, 1);
	atomic_fetch_add(&e->betweens, 1);
	return 0;
}

static int op_idle(struct wgx_worker *w, const struct wgx_portset *set)
{
	here(env_of(w));
	atomic_fetch_add(&env_of(w)->idles, 1);
	return -1;
}

static void op_stop(struct wgx_worker *w)
{
	here(env_of(w));
	atomic_fetch_add(&env_of(w)->stops, 1);
	free(w->state);
}

static const struct wgx_worker_ops ops = {
	.name = "test-worker",
	.start = op_start,
	.serve = op_serve,
	.between = op_between,
	.idle = op_idle,
	.stop = op_stop,
};

static int confine(void)
{
	atomic_fetch_add(&confined->confines, 1);
	here(confined);
	return confine_err;
}

static int setup(void **state)
{
	*state = confined = calloc(1, sizeof(struct env));
	confine_err = 0;
	return 0;
}

static int teardown(void **state)
{
	struct env *e = *state;

	assert_int_equal(atomic_load(&e->foreign), 0);
	assert_int_equal(atomic_load(&e->dead), 0);
	free(e);
	return 0;
}

static void begin(struct env *e)
{
	assert_int_equal(wgx_worker_start(&e->worker, &ops, 0, e, confine), 0);
}

static struct thing *thing_make(void)
{
	struct thing *t = calloc(1, sizeof(*t));

	t->magic = ALIVE;
	t->fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	assert_true(t->fd >= 0);
	return t;
}

static void thing_end(struct thing *t)
{
	close(t->fd);
	t->magic = 0;
	free(t);
}

static void work(struct thing *t, uint64_t n)
{
	assert_int_equal(write(t->fd, &n, sizeof(n)), sizeof(n));
}

static void set_things(struct env *e, struct thing **things, unsigned int n)
{
	struct wgx_port ports[8];
	struct wgx_iface *ifaces[8];
	const struct wgx_portset set = {
		.n_ports = n, .n_ifaces = n, .ports = ports, .ifaces = ifaces};

	for (unsigned int i = 0; i < n; i++) {
		ifaces[i] = (struct wgx_iface *)things[i];
		ports[i] = (struct wgx_port){
			.kind = WGX_PORT_SOCKET, .fd = things[i]->fd, .iface = ifaces[i]};
	}
	assert_int_equal(wgx_worker_set(&e->worker, &set), 0);
}

/* Until the worker has seen to it; if it never does, the runner's time limit ends the test. */
#define until(condition)               \
	do {                           \
		while (!(condition)) { \
			usleep(100);   \
		}                      \
	} while (0)

static void asleep(struct env *e)
{
	until(atomic_load(&e->worker.naps) % 2);
}

static void test_start_and_stop(void **state)
{
	struct env *e = *state;

	begin(e);
	assert_int_equal(atomic_load(&e->starts), 1);
	assert_int_equal(atomic_load(&e->confines), 1);
	until(atomic_load(&e->betweens) > 0);
	wgx_worker_stop(&e->worker);
	assert_int_equal(atomic_load(&e->stops), 1);
	assert_int_equal(atomic_load(&e->serves), 0);
	wgx_worker_stop(&e->worker); /* of one that does not run */
	assert_int_equal(atomic_load(&e->stops), 1);
}

static void test_start_fails(void **state)
{
	struct env *e = *state;

	e->start_err = -ENOMEM;
	assert_int_equal(wgx_worker_start(&e->worker, &ops, 0, e, confine), -ENOMEM);
	assert_int_equal(atomic_load(&e->stops), 0);
	assert_int_equal(atomic_load(&e->confines), 0);
	assert_null(e->worker.ops);
	wgx_worker_stop(&e->worker);
	e->start_err = 0;
	confine_err = -EPERM;
	assert_int_equal(wgx_worker_start(&e->worker, &ops, 0, e, confine), -EPERM);
	assert_int_equal(atomic_load(&e->stops), 1); /* what start allocated is freed */
	assert_int_equal(atomic_load(&e->betweens), 0);
	confine_err = 0;
	begin(e);
	wgx_worker_stop(&e->worker);
}

/* Asleep for good, until work comes to a port. */
static void test_port_wakes(void **state)
{
	struct thing *t[2] = {thing_make(), thing_make()};
	struct env *e = *state;

	begin(e);
	set_things(e, t, 2);
	for (unsigned int i = 0; i < 20; i++) {
		asleep(e);
		work(t[i % 2], 3);
		until(atomic_load(&e->units) == 3 * (i + 1));
	}
	assert_true(atomic_load(&e->idles) > 0);
	assert_int_equal(atomic_load(&e->n_ports), 2);
	assert_int_equal(atomic_load(&e->n_ifaces), 2);
	wgx_worker_stop(&e->worker);
	assert_int_equal(t[0]->served, 30);
	assert_int_equal(t[1]->served, 30);
	thing_end(t[0]);
	thing_end(t[1]);
}

static void test_wake(void **state)
{
	struct env *e = *state;

	begin(e);
	for (int i = 0; i < 20; i++) {
		unsigned int before;

		asleep(e);
		before = atomic_load(&e->betweens);
		wgx_worker_wake(&e->worker);
		until(atomic_load(&e->betweens) > before);
	}
	wgx_worker_stop(&e->worker);
}

/* Things come and go, and go for good as soon as they are out of the set: sanitizers watch. */
static void test_set(void **state)
{
	struct env *e = *state;
	struct thing *t[4];
	uint64_t sum = 0;

	begin(e);
	for (int i = 0; i < 4; i++)
		t[i] = thing_make();
	for (unsigned int round = 0; round < 300; round++) {
		struct thing *old = t[round % 4];

		set_things(e, t, round % 5);
		work(t[(round * 7) % 4], 1);
		if (round % 16 == 0)
			asleep(e);
		t[round % 4] = thing_make();
		set_things(e, t, round % 5);
		thing_end(old);
		wgx_rcu_quiescent();
	}
	set_things(e, t, 0);
	until(atomic_load(&e->n_ports) == 0 && atomic_load(&e->n_ifaces) == 0);
	for (int i = 0; i < 4; i++) {
		sum += t[i]->served;
		thing_end(t[i]);
	}
	assert_true(sum <= 300);
	wgx_worker_stop(&e->worker);
	assert_true(atomic_load(&e->serves) > 0);
}

/* Both on this thread's processor, and the worker there only while nobody else wants it. */
static void starve(struct env *e, cpu_set_t *ret_before)
{
	const struct sched_param least = {0};
	cpu_set_t one;

	CPU_ZERO(&one);
	CPU_SET(sched_getcpu(), &one);
	assert_int_equal(pthread_getaffinity_np(pthread_self(), sizeof(one), ret_before), 0);
	assert_int_equal(pthread_setaffinity_np(pthread_self(), sizeof(one), &one), 0);
	assert_int_equal(pthread_setaffinity_np(e->worker.thread, sizeof(one), &one), 0);
	assert_int_equal(pthread_setschedparam(e->worker.thread, SCHED_IDLE, &least), 0);
}

/* What is closed then is closed, though the worker slept on it, and was slow to wake up: a port can be bound again. */
static void test_let_go(void **state)
{
	struct env *e = *state;
	cpu_set_t before;
	int fds[2];

	signal(SIGPIPE, SIG_IGN);
	begin(e);
	starve(e, &before);
	for (int i = 0; i < 20; i++) {
		struct thing t = {.magic = ALIVE}, *list[] = {&t};

		assert_int_equal(pipe2(fds, O_NONBLOCK | O_CLOEXEC), 0);
		t.fd = fds[0];
		set_things(e, list, 1);
		asleep(e);
		set_things(e, list, 0);
		close(fds[0]);
		assert_int_equal(write(fds[1], "", 1), -1); /* nobody has the other end */
		assert_int_equal(errno, EPIPE);
		close(fds[1]);
	}
	assert_int_equal(pthread_setaffinity_np(pthread_self(), sizeof(before), &before), 0);
	wgx_worker_stop(&e->worker);
}

/* ---- the ring ---- */

#define RING 16

struct ring {
	struct wgx_xsk xsk;
	uint32_t rx_prod, rx_cons, fill_prod, fill_cons, flags;
	struct xdp_desc descs[RING];
	uint64_t addrs[RING];
	uint8_t memory[RING * WGX_CHUNK_SIZE];
	uint32_t kernel_took; /* of the fill ring, not yet published */
};

static struct ring *ring_make(void)
{
	struct ring *r = calloc(1, sizeof(*r));
	struct wgx_xsk *x = &r->xsk;

	x->umem = (struct wgx_umem){
		.memfd = -1, .base = r->memory, .size = sizeof(r->memory), .chunks = RING};
	x->ring_size = RING;
	x->rx = (struct xsk_ring_cons){.mask = RING - 1,
				       .size = RING,
				       .producer = &r->rx_prod,
				       .consumer = &r->rx_cons,
				       .ring = r->descs,
				       .flags = &r->flags};
	x->fill = (struct xsk_ring_prod){.cached_prod = RING,
					 .cached_cons = RING,
					 .mask = RING - 1,
					 .size = RING,
					 .producer = &r->fill_prod,
					 .consumer = &r->fill_cons,
					 .ring = r->addrs,
					 .flags = &r->flags};
	r->fill_prod = RING;
	for (uint32_t i = 0; i < RING; i++)
		r->addrs[i] = (uint64_t)i * WGX_CHUNK_SIZE;
	return r;
}

/* As the kernel: a chunk from the fill ring, its descriptor into the rx ring. */
static void deliver(struct ring *r, uint32_t len, bool more)
{
	uint32_t at = __atomic_load_n(&r->fill_cons, __ATOMIC_RELAXED) + r->kernel_took++;
	struct xdp_desc *d = &r->descs[r->rx_prod % RING];

	assert_true(at != __atomic_load_n(&r->fill_prod, __ATOMIC_ACQUIRE));
	*d = (struct xdp_desc){.addr = r->addrs[at % RING] + 256,
			       .len = len,
			       .options = more ? 1 : 0 /* XDP_PKT_CONTD */};
	memset(r->memory + d->addr, (int)len, len);
	__atomic_store_n(&r->rx_prod, r->rx_prod + 1, __ATOMIC_RELEASE);
}

static void settle(struct ring *r)
{
	__atomic_store_n(&r->fill_cons, r->fill_cons + r->kernel_took, __ATOMIC_RELEASE);
	r->kernel_took = 0;
}

/* All chunks are in one of the rings, none twice. */
static void check_conserved(struct ring *r)
{
	bool seen[RING] = {false};

	assert_int_equal(r->xsk.held, 0);
	assert_int_equal(r->fill_prod - r->fill_cons + r->rx_prod - r->rx_cons, RING);
	for (uint32_t i = r->fill_cons; i != r->fill_prod; i++) {
		uint64_t chunk = r->addrs[i % RING] / WGX_CHUNK_SIZE;

		assert_int_equal(r->addrs[i % RING] % WGX_CHUNK_SIZE, 0);
		assert_true(chunk < RING && !seen[chunk]);
		seen[chunk] = true;
	}
}

static void test_ring_frames(void **state)
{
	struct ring *r = ring_make();
	struct iovec iov[8];
	size_t len;

	for (int round = 0; round < 100; round++) {
		assert_int_equal(wgx_xsk_next(&r->xsk, iov, 8, &len), 0);
		deliver(r, 60, false);
		deliver(r, 3840, true);
		deliver(r, 3840, true);
		deliver(r, 100, false);
		deliver(r, 61, false);
		settle(r);
		assert_int_equal(wgx_xsk_next(&r->xsk, iov, 8, &len), 1);
		assert_int_equal(len, 60);
		assert_int_equal(wgx_xsk_next(&r->xsk, iov, 8, &len), 3);
		assert_int_equal(len, 7780);
		assert_int_equal(iov[0].iov_len, 3840);
		assert_int_equal(*(uint8_t *)iov[2].iov_base, 100);
		assert_int_equal(r->xsk.held, 4);
		if (round % 2)
			wgx_xsk_release(&r->xsk);
		assert_int_equal(wgx_xsk_next(&r->xsk, iov, 8, &len), 1);
		assert_int_equal(len, 61);
		assert_int_equal(wgx_xsk_next(&r->xsk, iov, 8, &len), 0);
		wgx_xsk_release(&r->xsk);
		check_conserved(r);
	}
	wgx_xsk_release(&r->xsk); /* nothing held */
	check_conserved(r);
	free(r);
}

/* A batch may end in the middle of a frame: it is not given out before its end is there. */
static void test_ring_partial(void **state)
{
	struct ring *r = ring_make();
	struct iovec iov[8];
	size_t len;

	deliver(r, 60, false);
	deliver(r, 3840, true);
	assert_int_equal(wgx_xsk_next(&r->xsk, iov, 8, &len), 1);
	assert_int_equal(wgx_xsk_next(&r->xsk, iov, 8, &len), 0);
	assert_int_equal(wgx_xsk_next(&r->xsk, iov, 8, &len), 0);
	deliver(r, 3840, true);
	assert_int_equal(wgx_xsk_next(&r->xsk, iov, 8, &len), 0);
	deliver(r, 7, false);
	assert_int_equal(wgx_xsk_next(&r->xsk, iov, 8, &len), 3);
	assert_int_equal(len, 7687);
	settle(r);
	wgx_xsk_release(&r->xsk);
	check_conserved(r);
	free(r);
}

/* A frame of too many slices is skipped, and its chunks go back all the same. */
static void test_ring_too_long(void **state)
{
	struct ring *r = ring_make();
	struct iovec iov[4];
	size_t len;

	for (int i = 0; i < 4; i++)
		deliver(r, 3840, true);
	deliver(r, 1, false);
	deliver(r, 99, false);
	settle(r);
	assert_int_equal(wgx_xsk_next(&r->xsk, iov, 4, &len), -EMSGSIZE);
	assert_int_equal(wgx_xsk_next(&r->xsk, iov, 4, &len), 1);
	assert_int_equal(len, 99);
	wgx_xsk_release(&r->xsk);
	check_conserved(r);
	free(r);
}

static void *settle_later(void *arg)
{
	for (int i = 0; i < 100; i++)
		sched_yield();
	settle(arg);
	return NULL;
}

/* The kernel was interrupted between the two rings: the fill ring seems full, and is not for long. */
static void test_ring_unsettled(void **state)
{
	struct ring *r = ring_make();
	struct iovec iov[8];
	pthread_t thread;
	size_t len;

	for (int i = 0; i < RING; i++)
		deliver(r, 60, false);
	for (int i = 0; i < RING; i++)
		assert_int_equal(wgx_xsk_next(&r->xsk, iov, 8, &len), 1);
	assert_int_equal(pthread_create(&thread, NULL, settle_later, r), 0);
	wgx_xsk_release(&r->xsk);
	assert_int_equal(pthread_join(thread, NULL), 0);
	check_conserved(r);
	free(r);
}

static int group_setup(void **state)
{
	wgx_rcu_register();
	return 0;
}

static int group_teardown(void **state)
{
	wgx_rcu_barrier();
	wgx_rcu_unregister();
	return 0;
}

#define with_env(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		with_env(test_start_and_stop),
		with_env(test_start_fails),
		with_env(test_port_wakes),
		with_env(test_wake),
		with_env(test_set),
		with_env(test_let_go),
		cmocka_unit_test(test_ring_frames),
		cmocka_unit_test(test_ring_partial),
		cmocka_unit_test(test_ring_too_long),
		cmocka_unit_test(test_ring_unsettled),
	};

	return cmocka_run_group_tests_name("worker", tests, group_setup, group_teardown);
}
