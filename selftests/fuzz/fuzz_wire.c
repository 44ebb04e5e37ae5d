/* SPDX-License-Identifier: MIT */
/*
 * Messages as an attacker sends them, who may know our public key, may be our peer, and hears what we send. The first
 * byte tells what an input begins as and whether its mac1 is made right; the rest is laid over that.
 *
 * Checked: what does not verify changes nothing (P-HS-6), nobody is answered for it but by a cookie reply under load
 * (P-DOS-4), and lengths and types are exact (P-MSG-1, P-MSG-2).
 */
#include "fuzz/fuzz.h"
#include "fuzz/dh_memo.h"
#include "unit/sim.h"
#include "path/outer.h"

#include <sodium.h>

static void fuzz_begin(void)
{
	assert_true(sodium_init() >= 0);
}

enum base { NOTHING, INITIATION, RESPONSE, COOKIE, DATA, BASES };

/* What hosts[1] has sent to hosts[0] by now, of each kind */
static struct sim *world(enum base base)
{
	struct sim *sim = sim_new(7);
	struct sim_host *us = &sim->hosts[0], *peer = &sim->hosts[1];

	if (base == DATA || base == NOTHING) {
		sim_send(us);
		sim_run_for(sim, SIM_S);
		peer->deaf = us->deaf = true;
		sim_send(peer);
		return sim;
	}
	us->deaf = true;
	peer->under_load = base == COOKIE;
	sim_send(base == INITIATION ? peer : us);
	sim_run_for(sim, SIM_S);
	return sim;
}

static const struct sim_sent *sent_as(const struct sim *sim, enum base base)
{
	static const uint8_t types[BASES] = {WGX_MSG_DATA, WGX_MSG_INITIATION, WGX_MSG_RESPONSE,
					     WGX_MSG_COOKIE, WGX_MSG_DATA};

	return &sim->hosts[1].sent[types[base]];
}

/* As if the sender had computed it for hosts[0] */
static void fix_mac1(const struct sim *sim, uint8_t *msg, size_t len)
{
	struct wgx_cookie_maker maker;

	if (len < sizeof(struct wgx_macs))
		return;
	wgx_cookie_maker_init(&maker, sim->hosts[0].local->public_key);
	wgx_cookie_add_macs(&maker, msg, len, sim->boot);
}

static size_t length_of(uint8_t type)
{
	static const size_t lengths[] = {0, sizeof(struct wgx_msg_initiation),
					 sizeof(struct wgx_msg_response),
					 sizeof(struct wgx_msg_cookie)};

	return type < sizeof(lengths) / sizeof(*lengths) ? lengths[type] : 0;
}

static unsigned int sent_in_all(const struct sim_host *h)
{
	unsigned int n = 0;

	for (unsigned int type = WGX_MSG_INITIATION; type <= WGX_MSG_DATA; type++)
		n += h->sent[type].count;
	return n;
}

static void receive(struct sim *sim, uint8_t *msg, size_t len, bool damaged)
{
	struct sim_host *us = &sim->hosts[0];
	struct wgx_handshake before = us->session->handshake;
	const struct wgx_keypairs slots = us->session->keypairs;
	const unsigned int sent = sent_in_all(us), replies = us->sent[WGX_MSG_COOKIE].count;
	enum wgx_handshake_result r;

	if (len && msg[0] == WGX_MSG_DATA) {
		unsigned int received = us->data_received + us->keepalives_received;

		if (len < WGX_DATA_OVERHEAD)
			return; /* no index to look up: the path does not call it */
		sim_receive(us, msg, len);
		if (damaged)
			assert_int_equal(us->data_received + us->keepalives_received, received);
		return;
	}
	if (!len)
		return;
	r = sim_receive(us, msg, len);
	if (r == WGX_HS_OK) {
		assert_int_equal(len, length_of(msg[0]));
		assert_true(!msg[1] && !msg[2] && !msg[3]);
		return;
	}
	/* of the two static keys alone, and kept from the first message on that names the peer */
	memcpy(before.static_static, us->session->handshake.static_static, WGX_KEY_LEN);
	assert_memory_equal(&before, &us->session->handshake, sizeof(before));
	assert_memory_equal(&slots, &us->session->keypairs, sizeof(slots));
	assert_int_equal(sent_in_all(us) - sent, us->sent[WGX_MSG_COOKIE].count - replies);
	if (r != WGX_HS_NO_COOKIE)
		assert_int_equal(sent_in_all(us), sent);
}

static void look_at_frame(const uint8_t *data, size_t size)
{
	uint8_t *frame = malloc(size ? size : 1);
	struct wgx_outer o;

	assert_non_null(frame);
	memcpy(frame, data, size);
	if (!wgx_outer_parse(frame, size, size, &o)) {
		assert_true(o.header_len >= 14 + 20 + 8);
		assert_true(o.header_len + o.payload_len <= size);
	}
	if (size > 60 && !wgx_outer_parse(frame, 60, size, &o))
		assert_true(o.header_len <= 60 && o.header_len + o.payload_len <= size);
	free(frame);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct bytes in = {data, size};
	const uint8_t flags = take_u8(&in);
	const enum base base = flags % BASES;
	const struct sim_sent *sent;
	bool damaged = false;
	struct sim *sim;
	uint8_t *msg;
	size_t len;

	look_at_frame(in.p, in.left);
	sim = world(base);
	sent = sent_as(sim, base);
	msg = take_copy(&in, SIM_MSG_MAX, &len);
	for (size_t i = 0; base != NOTHING && i < len && i < sent->last_len; i++) {
		damaged |= msg[i];
		msg[i] ^= sent->last[i];
	}
	damaged |= len != sent->last_len;
	if (flags & 0x80 && base != DATA)
		fix_mac1(sim, msg, len);
	sim->hosts[0].deaf = false;
	sim->hosts[0].under_load = flags & 0x40;
	receive(sim, msg, len, damaged);
	sim_check_host(&sim->hosts[0]);
	sim_run_for(sim, SIM_S);
	free(msg);
	sim_free(sim);
	return 0;
}
