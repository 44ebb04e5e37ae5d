/* SPDX-License-Identifier: MIT */
/*
 * Several seal workers of one interface: a flow keeps its order, no nonce is used twice, and each packet is sealed or
 * counted, whatever happens to the peer meanwhile.
 *
 *	many UDP sockets -> wg0 -> wgx_egress -> far's queues -> seal workers -> A's socket
 */
#include "datapath_rings.h"

#include "proto/internal.h"

#define QUEUES 3
#define FLOWS 24
#define ROUNDS 40
#define KEYS 16
#define COUNTERS 4096

static int setup_queues(void **state)
{
	env_queues = QUEUES;
	return setup(state);
}

static int teardown_queues(void **state)
{
	env_queues = 0;
	return teardown(state);
}

/* What a flow sends: who it is, and its how-manieth this is */
struct mark {
	uint32_t flow, number;
};

struct flows {
	int fds[FLOWS];
	uint32_t sent[FLOWS], got[FLOWS];
	uint32_t keys[KEYS]; /* A's receiver indices, as they came */
	uint8_t counters[KEYS][COUNTERS]; /* and the nonces that have come under each */
};

static struct flows flows;

static void open_flows(void)
{
	memset(&flows, 0, sizeof(flows));
	for (uint32_t i = 0; i < FLOWS; i++)
		flows.fds[i] = user_socket(1);
}

static void close_flows(void)
{
	for (uint32_t i = 0; i < FLOWS; i++)
		close(flows.fds[i]);
}

static void send_one(uint32_t flow)
{
	struct mark m = {flow, flows.sent[flow]++};

	assert_int_equal(send(flows.fds[flow], &m, sizeof(m), 0), sizeof(m));
}

/* One packet of each flow */
static void send_round(void)
{
	for (uint32_t i = 0; i < FLOWS; i++)
		send_one(i);
}

/* A's keys: those that it has now */
static struct wgx_keypair *key_of(struct dp *d, uint32_t index)
{
	struct wgx_keypairs *k = &d->a.peer->session.keypairs;
	struct wgx_keypair *all[] = {atomic_load(&k->current), k->previous, atomic_load(&k->next)};

	for (int i = 0; i < 3; i++)
		if (all[i] && all[i]->local_index == index)
			return all[i];
	fail_msg("under no key of A's");
	return NULL;
}

static void note_nonce(uint32_t index, uint64_t counter)
{
	unsigned int k = 0;

	while (k < KEYS && flows.keys[k] && flows.keys[k] != index)
		k++;
	assert_true(k < KEYS && counter < COUNTERS);
	flows.keys[k] = index;
	assert_int_equal(flows.counters[k][counter]++, 0);
}

/* @n packets come, keepalives not counted: no nonce twice, and of each flow the next packet */
static void receive(struct dp *d, unsigned int n)
{
	static uint8_t msg[65536], plain[65536];

	while (n) {
		struct pollfd p = {.fd = d->socket, .events = POLLIN};
		struct wgx_msg_data header;
		struct mark m;
		ssize_t len;

		assert_int_equal(poll(&p, 1, DP_PATIENCE_MS), 1);
		len = recv(d->socket, msg, sizeof(msg), 0);
		assert_true(len >= WGX_DATA_OVERHEAD);
		memcpy(&header, msg, sizeof(header));
		assert_int_equal(wgx_data_open(key_of(d, le32toh(header.receiver)), msg,
					       (size_t)len, wgx_now().boot, plain),
				 0);
		note_nonce(le32toh(header.receiver), le64toh(header.counter));
		if (len == WGX_DATA_OVERHEAD)
			continue;
		memcpy(&m, plain + 28, sizeof(m));
		assert_true(m.flow < FLOWS);
		assert_int_equal(m.number, flows.got[m.flow]++);
		n--;
	}
}

static uint64_t sealed(const struct dp *d)
{
	struct wgx_seal_counters sum;

	wgx_iface_sealed(&d->b.iface, &sum);
	return atomic_load(&sum.sealed_packets);
}

static uint64_t all_lost(const struct dp *d)
{
	uint64_t n = 0;

	for (int r = 0; r < WGX_DROP_COUNT; r++)
		n += dp_seal_drop(d, (enum wgx_drop_reason)r);
	return n;
}

static void test_order(void **state)
{
	struct dp *d = *state;

	env_require();
	dp_handshake_by_b(d);
	dp_start(d);
	open_flows();
	for (unsigned int i = 0; i < ROUNDS; i += 8) {
		for (int n = 0; n < 8; n++)
			send_round();
		receive(d, 8 * FLOWS);
	}
	dp_until(atomic_load(&d->b.peer->tx_packets) == (uint64_t)ROUNDS * FLOWS);
	assert_int_equal(sealed(d), ROUNDS * FLOWS);
	for (unsigned int q = 0; q < QUEUES; q++)
		assert_true(atomic_load(&d->b.iface.seal[q].sealed_packets) > 0);
	dp_until(credit_out() == 0);
	dp_expect_seal_drops(d, DP_NO_DROP, 0);
	close_flows();
}

/* Each flow is one worker's, whichever socket it is from: what is sent to a port by turns stays in order. */
static void test_one_worker(void **state)
{
	struct dp *d = *state;
	uint64_t before[QUEUES];

	env_require();
	dp_handshake_by_b(d);
	dp_start(d);
	open_flows();
	for (uint32_t i = 0; i < FLOWS; i++) {
		unsigned int workers = 0;

		for (unsigned int q = 0; q < QUEUES; q++)
			before[q] = atomic_load(&d->b.iface.seal[q].sealed_packets);
		for (int n = 0; n < 10; n++)
			send_one(i);
		receive(d, 10);
		dp_until(sealed(d) == 10 * (i + 1));
		for (unsigned int q = 0; q < QUEUES; q++)
			workers += atomic_load(&d->b.iface.seal[q].sealed_packets) != before[q];
		assert_int_equal(workers, 1);
	}
	close_flows();
}

/* What waited for the handshake leaves first, whichever worker kept it back and whichever sends what comes next. */
static void test_staged_first(void **state)
{
	struct dp *d = *state;
	struct wgx_seal_counters sum;

	env_require();
	dp_start(d);
	open_flows();
	for (int n = 0; n < 5; n++)
		send_round();
	dp_until((wgx_iface_sealed(&d->b.iface, &sum), atomic_load(&sum.staged_packets)) ==
		 5 * FLOWS);
	for (unsigned int q = 0; q < QUEUES; q++)
		assert_true(atomic_load(&d->b.iface.seal[q].staged_packets) > 0);
	dp_until(atomic_load(&d->b.wakes) > 0);
	dp_run_session(&d->b);
	dp_carry(&d->b, &d->a);
	dp_carry(&d->a, &d->b); /* B has the key, and its first worker is told to send what waits */
	for (int n = 0; n < 10; n++) {
		send_round();
		dp_run_session(&d->b);
	}
	for (int n = 0; n < 100 && atomic_load(&d->b.peer->waiting); n++) {
		dp_run_session(&d->b);
		usleep(1000);
	}
	receive(d, 15 * FLOWS);
	dp_expect_seal_drops(d, DP_NO_DROP, 0);
	close_flows();
}

static void *send_until(void *arg)
{
	_Atomic bool *end = arg;

	while (!atomic_load(end)) {
		for (uint32_t i = 0; i < FLOWS; i++)
			(void)send(flows.fds[i], "x", 1, MSG_DONTWAIT);
		usleep(500);
	}
	return NULL;
}

static uint64_t frames(const struct dp *d)
{
	struct wgx_seal_counters sum;

	wgx_iface_sealed(&d->b.iface, &sum);
	return atomic_load(&sum.xsk_rx_frames);
}

static bool all_accounted(const struct dp *d)
{
	uint64_t n = frames(d);

	return sealed(d) + all_lost(d) == n && frames(d) == n;
}

/* The peer goes and comes back while all workers keep packets of it back: each of them is counted. */
static void test_removed(void **state)
{
	_Atomic bool end = false;
	struct dp *d = *state;
	pthread_t sender;

	env_require();
	dp_start(d);
	open_flows();
	assert_int_equal(pthread_create(&sender, NULL, send_until, &end), 0);
	for (int n = 0; n < 30; n++) {
		uint64_t before = frames(d);

		dp_until(frames(d) > before + FLOWS);
		wgx_device_lock(d->b.iface.dev);
		wgx_peer_remove(d->b.peer);
		wgx_device_unlock(d->b.iface.dev);
		d->b.peer = NULL;
		if (n == 29)
			break;
		dp_host_meet(&d->b, &d->a, 1);
	}
	atomic_store(&end, true);
	pthread_join(sender, NULL);
	dp_until(all_accounted(d));
	assert_true(dp_seal_drop(d, WGX_DROP_SEAL_STAGED_EXPIRED) > 0);
	close_flows();
}

/* B initiates although it has a key, as when that has grown old. */
static void rekey(struct dp *d)
{
	const struct wgx_now now = wgx_now();
	struct wgx_session *b = &d->b.peer->session, *a = &d->a.peer->session;
	struct wgx_keypair *next;

	wgx_device_lock(d->b.iface.dev);
	atomic_store(&b->timers.last_initiated, 0);
	wgx_session_attempt(b, &now);
	wgx_device_unlock(d->b.iface.dev);
	dp_carry(&d->b, &d->a);
	dp_carry(&d->a, &d->b);
	wgx_device_lock(d->a.iface.dev);
	next = atomic_load(&a->keypairs.next);
	assert_non_null(next);
	atomic_store(&next->confirmed, true); /* A will get something under it */
	wgx_keypairs_promote(a);
	wgx_device_unlock(d->a.iface.dev);
}

/* New keys while all workers send: of each key no nonce twice, and nothing is lost. */
static void test_rekey(void **state)
{
	struct dp *d = *state;

	env_require();
	dp_start(d);
	open_flows();
	for (int n = 0; n < KEYS - 1; n++) {
		send_round();
		send_round();
		rekey(d);
		send_round();
		receive(d, 3 * FLOWS);
		usleep(25000); /* P-HS-4: no more often than each 20 ms */
	}
	assert_true(flows.keys[KEYS - 2] != 0);
	dp_expect_seal_drops(d, DP_NO_DROP, 0);
	close_flows();
}

/* Return: a flow that is not the last worker's */
static uint32_t flow_of_another(struct dp *d)
{
	const _Atomic uint64_t *last = &d->b.iface.seal[QUEUES - 1].sealed_packets;

	for (uint32_t i = 0; i < FLOWS; i++) {
		uint64_t before = atomic_load(last), all = sealed(d);

		send_one(i);
		receive(d, 1);
		dp_until(sealed(d) > all);
		if (atomic_load(last) == before)
			return i;
	}
	fail_msg("all are the last worker's");
	return 0;
}

/* A worker has nonces in hand and no processor: the others do not leave it behind what a replay window holds. */
static void test_abreast(void **state)
{
	struct dp *d = *state;
	struct wgx_inflight *slow = &d->seal_env.inflight[QUEUES - 1];
	struct pollfd p;
	struct wgx_keypair *kp;
	uint32_t flow;

	env_require();
	dp_handshake_by_b(d);
	dp_start(d);
	open_flows();
	flow = flow_of_another(d);
	atomic_store(&d->seal_env.patience, UINT64_C(1000000) * DP_PATIENCE_MS);
	kp = atomic_load(&d->b.peer->session.keypairs.current);
	/* its thread has ended its round, and does not write it any more */
	dp_until(!atomic_load(&slow->kp));
	wgx_inflight_begin(slow, kp, 100);
	atomic_store(&kp->send_counter, 100 + WGX_INFLIGHT_AHEAD);
	send_one(flow);
	receive(d, 1);
	send_one(flow);
	p = (struct pollfd){.fd = d->socket, .events = POLLIN};
	assert_int_equal(poll(&p, 1, 100), 0);
	wgx_inflight_begin(slow, kp, 101);
	receive(d, 1);
	send_one(flow);
	assert_int_equal(poll(&p, 1, 100), 0);
	wgx_inflight_end(slow);
	receive(d, 1);

	/* but not for ever */
	atomic_store(&d->seal_env.patience, 1000000);
	wgx_inflight_begin(slow, kp, 100);
	send_one(flow);
	receive(d, 1);
	dp_expect_seal_drops(d, DP_NO_DROP, 0);
	close_flows();
}

#define queues_line_test(line, fn) line_test_setup_teardown(line, fn, setup_queues, teardown_queues)
#define queues_test(fn) cmocka_unit_test_setup_teardown(fn, setup_queues, teardown_queues)

static int run(void)
{
	const struct CMUnitTest tests[] = {
		queues_test(test_order),
		queues_test(test_one_worker),
		queues_line_test("P-DT-12", test_staged_first),
		queues_test(test_removed),
		queues_test(test_rekey),
		queues_test(test_abreast),
	};

	return cmocka_run_group_tests_name("sealers", tests, dp_group_setup, dp_group_teardown);
}

int main(void)
{
	return env_main(run);
}
