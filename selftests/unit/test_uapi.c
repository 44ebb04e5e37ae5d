/* SPDX-License-Identifier: MIT */
/* The configuration protocol (P-UA-1 to P-UA-4): grammar, transactions, conversations. */
#include "line_test.h"
#include "uapi_client.h"

/* ---- get ---- */

static void test_empty(void **state)
{
	struct fake *f = fake_create("wg0");

	expect(f, "get=1\n\n", "errno=0\n\n");
	expect(f, "set=1\n\n", "errno=0\n\n");
	fake_destroy(f);
}

static void test_example(void **state)
{
	struct fake *f = fake_create("wg0");
	struct wgx_peer *peer;

	/* clamped already; everything comes back in wireguard-go's order */
	SET(f, EXAMPLE);
	assert_int_equal(f->dev->n_peers, 3);
	cds_list_for_each_entry(peer, &f->dev->peers, all) {
		peer->tx_bytes = 1000 + peer->id;
		peer->rx_bytes = UINT64_MAX - peer->id;
		peer->session.timers.last_handshake = peer->id ? 0 : UINT64_C(1700000000000000042);
	}
	expect(f, "get=1\n\n",
	       "private_key=e84b5a6d2717c1003a13b431570353dbaca9146cf150c5f8575680feba52027a\n"
	       "listen_port=12912\nfwmark=7\n"
	       "public_key=" PUBLIC1 "\npreshared_key=" PSK
	       "\nprotocol_version=1\nendpoint=[abcd:23::33%lo]:51820\n"
	       "last_handshake_time_sec=1700000000\nlast_handshake_time_nsec=42\n"
	       "tx_bytes=1000\nrx_bytes=18446744073709551615\npersistent_keepalive_interval=0\n"
	       "allowed_ip=192.168.4.4/32\n"
	       "public_key=" PUBLIC2 "\npreshared_key=" ZERO
	       "\nprotocol_version=1\nendpoint=182.122.22.19:3233\n"
	       "last_handshake_time_sec=0\nlast_handshake_time_nsec=0\n"
	       "tx_bytes=1001\nrx_bytes=18446744073709551614\npersistent_keepalive_interval=111\n"
	       "allowed_ip=192.168.4.6/32\nallowed_ip=192.168.0.0/16\nallowed_ip=::/0\n"
	       "public_key=" PUBLIC3 "\npreshared_key=" ZERO "\nprotocol_version=1\n"
	       "last_handshake_time_sec=0\nlast_handshake_time_nsec=0\n"
	       "tx_bytes=1002\nrx_bytes=18446744073709551613\npersistent_keepalive_interval=0\n"
	       "errno=0\n\n");
	fake_check(f);
	fake_destroy(f);
}

/* ---- set ---- */

static void test_every_key(void **state)
{
	struct fake *f = fake_create("wg0");

	SET(f, EXAMPLE);
	SET(f, "private_key=" ZERO "\n");
	check_dump_has(f, "private_key", false);
	SET(f, "private_key=E84B5A6D2717C1003A13B431570353DBACA9146CF150C5F8575680FEBA52027A\n");
	check_dump_has(f, "private_key=" PRIVATE "\n", true);
	SET(f, "fwmark=0\n");
	check_dump_has(f, "fwmark", false);
	SET(f, "fwmark=4294967295\nlisten_port=65535\n");
	check_dump_has(f, "listen_port=65535\nfwmark=4294967295\n", true);
	SET(f, "listen_port=0\n");
	check_dump_has(f, "listen_port", false);

	SET(f, "public_key=" PUBLIC1 "\npreshared_key=" ZERO "\n");
	check_dump_has(f, "preshared_key=" PSK, false);
	SET(f, "public_key=" PUBLIC2 "\npersistent_keepalive_interval=65535\n");
	check_dump_has(f, "persistent_keepalive_interval=65535\n", true);
	SET(f, "public_key=" PUBLIC2 "\npersistent_keepalive_interval=0\n");
	check_dump_has(f, "persistent_keepalive_interval=65535\n", false);
	SET(f, "public_key=" PUBLIC2 "\nremove=true\n");
	check_dump_has(f, PUBLIC2, false);
	SET(f, "public_key=" PUBLIC2 "\nremove=true\nallowed_ip=9.9.9.9/32\n"); /* not there */
	check_dump_has(f, PUBLIC2, false);
	SET(f, "public_key=" PUBLIC2 "\nupdate_only=true\nallowed_ip=192.168.4.4/32\n");
	check_dump_has(f, PUBLIC2, false);
	check_dump_has(f, "allowed_ip=192.168.4.4/32\n", true);
	SET(f, "public_key=" PUBLIC1 "\nupdate_only=true\nendpoint=1.2.3.4:5\n");
	check_dump_has(f, "endpoint=1.2.3.4:5\n", true);
	SET(f, "replace_peers=true\npublic_key=" PUBLIC2 "\n");
	assert_int_equal(f->dev->n_peers, 1);
	fake_check(f);
	fake_destroy(f);
}

static void test_allowed_ips(void **state)
{
	struct fake *f = fake_create("wg0");

	SET(f, "public_key=" PUBLIC1 "\nallowed_ip=10.0.0.0/8\nallowed_ip=10.1.0.0/16\n"
	       "public_key=" PUBLIC2 "\nallowed_ip=2001:db8::1/128\nallowed_ip=10.255.0.0/8\n");
	check_dump_has(f, "allowed_ip=2001:db8::1/128\nallowed_ip=10.0.0.0/8\n", true);
	check_dump_has(f, "=0\nallowed_ip=10.1.0.0/16\npublic_key", true); /* it has moved */

	SET(f, "public_key=" PUBLIC1 "\nallowed_ip=-10.0.0.0/8\n"); /* another's: nothing */
	check_dump_has(f, "allowed_ip=10.0.0.0/8\n", true);
	SET(f, "public_key=" PUBLIC2 "\nallowed_ip=-10.0.0.0/8\nallowed_ip=-1.1.1.1/32\n");
	check_dump_has(f, "allowed_ip=10.0.0.0/8\n", false);

	/* those before replace_allowed_ips go with the rest */
	SET(f, "public_key=" PUBLIC1 "\nallowed_ip=10.2.0.0/16\nreplace_allowed_ips=true\n"
	       "allowed_ip=10.3.0.0/16\nallowed_ip=10.4.0.0/16\nallowed_ip=-10.3.0.0/16\n");
	check_dump_has(f, "=0\nallowed_ip=10.4.0.0/16\npublic_key", true);
	SET(f, "public_key=" PUBLIC1 "\nreplace_allowed_ips=true\nallowed_ip=10.4.0.0/16\n"
	       "replace_allowed_ips=true\nallowed_ip=10.5.0.0/16\n");
	check_dump_has(f, "=0\nallowed_ip=10.5.0.0/16\npublic_key", true);
	SET(f, "public_key=" PUBLIC1 "\nreplace_allowed_ips=true\n");
	check_dump_has(f, "allowed_ip=10.", false);
	fake_check(f);
	fake_destroy(f);
}

/* A prefix that moves between two peers is never without one, whichever of them comes first. */
static void test_moves(void **state)
{
	static const char *const moves[] = {
		"public_key=" PUBLIC1 "\nreplace_allowed_ips=true\n"
		"public_key=" PUBLIC2 "\nreplace_allowed_ips=true\nallowed_ip=10.1.0.0/16\n",
		"public_key=" PUBLIC1 "\nreplace_allowed_ips=true\nallowed_ip=10.1.0.0/16\n"
		"public_key=" PUBLIC2 "\nreplace_allowed_ips=true\n",
		"public_key=" PUBLIC1 "\nremove=true\npublic_key=" PUBLIC2
		"\nallowed_ip=10.1.0.0/16\n",
		"public_key=" PUBLIC2 "\nremove=true\npublic_key=" PUBLIC3
		"\nallowed_ip=10.1.0.0/16\n",
	};
	struct fake *f = fake_create("wg0");
	char request[512];

	SET(f, "public_key=" PUBLIC1 "\nallowed_ip=10.1.0.0/16\npublic_key=" PUBLIC2 "\n");
	for (size_t i = 0; i < sizeof(moves) / sizeof(moves[0]); i++) {
		f->prefix_changes = 0;
		snprintf(request, sizeof(request), "set=1\n%s\n", moves[i]);
		expect(f, request, "errno=0\n\n");
		assert_int_equal(f->prefix_changes, 1); /* to the new owner; it did not go before */
		assert_int_equal(f->n_prefixes, 1);
		fake_check(f);
	}
	assert_int_equal(f->dev->n_peers, 1);
	fake_destroy(f);
}

static void test_remove(void **state)
{
	struct fake *f = fake_create("wg0");

	SET(f, EXAMPLE);
	/* and made anew: nothing of the old one is left */
	SET(f, "public_key=" PUBLIC1 "\nremove=true\npublic_key=" PUBLIC1
	       "\nallowed_ip=10.1.0.0/16\n");
	check_dump_has(f, PSK, false);
	check_dump_has(f, "=0\nallowed_ip=10.1.0.0/16\nerrno", true);
	check_dump_has(f, "192.168.4.4", false);
	/* it is no more, as far as this request goes */
	SET(f, "public_key=" PUBLIC1 "\nremove=true\n"
	       "public_key=" PUBLIC1 "\nupdate_only=true\nallowed_ip=10.2.0.0/16\n");
	check_dump_has(f, PUBLIC1, false);
	check_dump_has(f, "10.2.0.0", false);
	SET(f, "public_key=" PUBLIC2 "\nreplace_allowed_ips=true\nallowed_ip=10.3.0.0/16\n"
	       "public_key=" PUBLIC2 "\nremove=true\npublic_key=" PUBLIC2 "\nremove=true\n");
	check_dump_has(f, PUBLIC2, false);
	assert_int_equal(f->n_prefixes, 0);
	assert_int_equal(f->dev->n_peers, 1);
	fake_check(f);
	fake_destroy(f);
}

/* P-HS-8: our own public key as a peer is passed over, with all that is said of it. */
static void test_own_key(void **state)
{
	struct fake *f = fake_create("wg0");
	uint8_t private_key[WGX_KEY_LEN], public_key[WGX_KEY_LEN];
	char request[512], hex[2 * WGX_KEY_LEN + 1];
	char *got;

	assert_int_equal(
		sodium_hex2bin(private_key, sizeof(private_key), PRIVATE, 64, NULL, NULL, NULL), 0);
	wgx_public_key(public_key, private_key);
	sodium_bin2hex(hex, sizeof(hex), public_key, sizeof(public_key));
	snprintf(request, sizeof(request),
		 "set=1\nprivate_key=" PRIVATE "\npublic_key=%s\nallowed_ip=10.0.0.0/8\n"
		 "public_key=" PUBLIC1 "\nallowed_ip=10.1.0.0/16\n\n",
		 hex);
	expect(f, request, "errno=0\n\n");
	got = dump(f);
	assert_null(strstr(got, hex));
	assert_null(strstr(got, "10.0.0.0/8"));
	assert_non_null(strstr(got, "10.1.0.0/16"));
	free(got);
	fake_destroy(f);
}

static void test_port_in_use(void **state)
{
	struct fake *f = fake_create("wg0");
	char *before, *after;

	SET(f, EXAMPLE);
	assert_int_equal(wgx_device_up(f->dev), 0);
	before = dump(f);
	f->rebind_err = -EADDRINUSE;
	REFUSED(f,
		"private_key=" ZERO "\nlisten_port=9999\nreplace_peers=true\n"
		"public_key=" PUBLIC3 "\nallowed_ip=9.9.9.9/32\n",
		98);
	after = dump(f);
	assert_string_equal(before, after);
	free(before);
	free(after);
	fake_destroy(f);
}

/* What is set again as it is disturbs nothing: no new sockets, no mirrors, no packets. */
static void test_idempotent(void **state)
{
	struct fake *f = fake_create("wg0"), was;
	struct wgx_endpoint e, got;
	struct wgx_peer *peer;
	char *before, *after;
	uint8_t key[WGX_KEY_LEN];

	SET(f, EXAMPLE);
	assert_int_equal(wgx_device_up(f->dev), 0);
	assert_int_equal(sodium_hex2bin(key, sizeof(key), PUBLIC2, 64, NULL, NULL, NULL), 0);
	peer = wgx_device_find_peer(f->dev, key);
	wgx_endpoint_read(&peer->endpoint, &e);
	e.src4.s_addr = htonl(0x7f000001);
	wgx_endpoint_write(&peer->endpoint, &e);
	before = dump(f);
	was = *f;
	SET(f, "private_key=" PRIVATE "\nlisten_port=12912\nfwmark=7\n"
	       "public_key=" PUBLIC1 "\npreshared_key=" PSK "\nreplace_allowed_ips=true\n"
	       "allowed_ip=192.168.4.4/32\nendpoint=[abcd:23::33%lo]:51820\n"
	       "public_key=" PUBLIC2 "\nendpoint=182.122.22.19:3233\n"
	       "persistent_keepalive_interval=111\nreplace_allowed_ips=true\n"
	       "allowed_ip=192.168.4.6/32\nallowed_ip=192.168.4.7/16\nallowed_ip=::/0\n"
	       "public_key=" PUBLIC3 "\nprotocol_version=1\n");
	assert_memory_equal(f, &was, sizeof(was));
	after = dump(f);
	assert_string_equal(before, after);
	wgx_endpoint_read(&peer->endpoint, &got);
	assert_true(wgx_endpoint_equal(&got, &e));
	free(before);
	free(after);
	fake_destroy(f);
}

/* ---- what is refused ---- */

static const char *const malformed[] = {
	/* device */
	"private_key=",
	"private_key=" PRIVATE "00",
	"private_key=0" PRIVATE,
	"private_key=g84b5a6d2717c1003a13b431570353dbaca9146cf150c5f8575680feba52027a",
	"private_key=e84b5a6d2717c1003a13b431570353dbaca9146cf150c5f8575680feba5202",
	"private_key=e84b5a6d 2717c1003a13b431570353dbaca9146cf150c5f8575680feba52027",
	"private_key=" PRIVATE " ",
	"listen_port=",
	"listen_port=65536",
	"listen_port=-1",
	"listen_port=+1",
	"listen_port= 1",
	"listen_port=1 ",
	"listen_port=1x",
	"listen_port=0x10",
	"listen_port=1_0",
	"listen_port=18446744073709551617",
	"fwmark=4294967296",
	"fwmark=0xff",
	"fwmark=",
	"replace_peers=false",
	"replace_peers=",
	"replace_peers=True",
	"replace_peers=truee",
	"private_key =" PRIVATE,
	"Private_key=" PRIVATE,
	" private_key=" PRIVATE,
	"unknown=1",
	"=1",
	"=",
	"allowed_ip=10.0.0.0/8", /* no peer yet */
	"remove=true",
	"endpoint=1.2.3.4:5",
	"get=1",
	/* peer */
	"public_key=",
	"public_key=" PUBLIC1 "0",
	"public_key=zz5996fecc9c7f1fc6d2572a76eda11d59bcd20be8e543b15ce4bd85a8e75a33",
	"public_key=" PUBLIC1 "\npreshared_key=",
	"public_key=" PUBLIC1 "\npreshared_key=" PSK "0",
	"public_key=" PUBLIC1 "\nremove=1",
	"public_key=" PUBLIC1 "\nremove=false",
	"public_key=" PUBLIC1 "\nupdate_only=yes",
	"public_key=" PUBLIC1 "\nreplace_allowed_ips=false",
	"public_key=" PUBLIC1 "\nendpoint=",
	"public_key=" PUBLIC1 "\nendpoint=1.2.3.4",
	"public_key=" PUBLIC1 "\nendpoint=1.2.3.4:65536",
	"public_key=" PUBLIC1 "\nendpoint=localhost:80",
	"public_key=" PUBLIC1 "\nendpoint=[::1]:",
	"public_key=" PUBLIC1 "\nendpoint=::1:80",
	"public_key=" PUBLIC1 "\npersistent_keepalive_interval=65536",
	"public_key=" PUBLIC1 "\npersistent_keepalive_interval=off",
	"public_key=" PUBLIC1 "\npersistent_keepalive_interval=",
	"public_key=" PUBLIC1 "\nprotocol_version=2",
	"public_key=" PUBLIC1 "\nprotocol_version=",
	"public_key=" PUBLIC1 "\nprotocol_version=01",
	"public_key=" PUBLIC1 "\nallowed_ip=",
	"public_key=" PUBLIC1 "\nallowed_ip=-",
	"public_key=" PUBLIC1 "\nallowed_ip=--10.0.0.0/8",
	"public_key=" PUBLIC1 "\nallowed_ip=+10.0.0.0/8",
	"public_key=" PUBLIC1 "\nallowed_ip=10.0.0.0",
	"public_key=" PUBLIC1 "\nallowed_ip=10.0.0.0/",
	"public_key=" PUBLIC1 "\nallowed_ip=10.0.0.0/33",
	"public_key=" PUBLIC1 "\nallowed_ip=10.0.0.0/-1",
	"public_key=" PUBLIC1 "\nallowed_ip=10.0.0.0/08",
	"public_key=" PUBLIC1 "\nallowed_ip=10.0.0.0/8/8",
	"public_key=" PUBLIC1 "\nallowed_ip=10.0.0/8",
	"public_key=" PUBLIC1 "\nallowed_ip=10.0.0.0.0/8",
	"public_key=" PUBLIC1 "\nallowed_ip=10.0.0.256/8",
	"public_key=" PUBLIC1 "\nallowed_ip=/8",
	"public_key=" PUBLIC1 "\nallowed_ip=::/129",
	"public_key=" PUBLIC1 "\nallowed_ip=fe80::1%lo/64",
	"public_key=" PUBLIC1 "\nallowed_ip=:::/64",
	"public_key=" PUBLIC1 "\nlisten_port=1", /* a device's key after a peer's */
	"public_key=" PUBLIC1 "\nprivate_key=" PRIVATE,
	"public_key=" PUBLIC1 "\nreplace_peers=true",
	"public_key=" PUBLIC1 "\nrx_bytes=1",
	"public_key=" PUBLIC1 "\nlast_handshake_time_sec=1",
	"public_key=" PUBLIC1 "\nset=1",
};

static const char *const before_it[] = {
	"",
	"private_key=" ZERO "\nlisten_port=1\nfwmark=1\nreplace_peers=true\n",
};

static const char *const after_it[] = {
	"",
	"public_key=" PUBLIC2 "\nremove=true\npublic_key=" PUBLIC3 "\nallowed_ip=192.168.4.4/32\n",
};

static void refuse(struct fake *f, const char *body, size_t len, const char *answer,
		   const char *dump_before)
{
	struct fake was = *f;
	struct client c = dial(f);
	struct text request = {0}, t = {0};
	char *after;

	append(&request, "set=1\n", 6);
	append(&request, body, len);
	append(&request, "\n\nget=1\n\n", 9);
	append(&t, "", 0);
	assert_int_equal(talk(&c, request.p, request.len, SIZE_MAX, &t), EPOLLIN);
	if (strncmp(t.p, answer, strlen(answer)))
		fail_msg("\n%s\nwas answered\n%s", request.p, t.p);
	/* the next operation on the same connection is answered as if nothing had been */
	assert_string_equal(t.p + strlen(answer), dump_before);
	hang_up(&c);
	after = dump(f);
	assert_string_equal(after, dump_before);
	assert_memory_equal(f, &was, sizeof(was));
	free(after);
	free(t.p);
	free(request.p);
}

static void test_malformed(void **state)
{
	struct fake *f = fake_create("wg0");
	char body[4096];
	char *was;

	SET(f, EXAMPLE);
	assert_int_equal(wgx_device_up(f->dev), 0);
	was = dump(f);
	for (size_t i = 0; i < sizeof(malformed) / sizeof(malformed[0]); i++) {
		for (int k = 0; k < 4; k++) {
			snprintf(body, sizeof(body), "%s%s\n%s", before_it[k & 1], malformed[i],
				 after_it[k >> 1]);
			body[strlen(body) - 1] = 0; /* refuse() ends it */
			refuse(f, body, strlen(body), "errno=-22\n\n", was);
		}
	}
	/* no key and value at all, as wireguard-go has it */
	refuse(f, "listen_port", 11, "errno=-71\n\n", was);
	refuse(f, "fwmark=1\nnonsense", 17, "errno=-71\n\n", was);
	/* NUL is no text */
	refuse(f, "listen_port=1\0", 14, "errno=-22\n\n", was);
	refuse(f, "public_key=" PUBLIC1 "\nendpoint=1.2.3.4:5\0", 95, "errno=-22\n\n", was);
	refuse(f, "public_key=" PUBLIC1 "\nallowed_ip=1.2.3.4\0/8", 97, "errno=-22\n\n", was);
	fake_check(f);
	free(was);
	fake_destroy(f);
}

static void test_long_line(void **state)
{
	struct fake *f = fake_create("wg0");
	struct text body = {0};
	char *was;

	SET(f, EXAMPLE);
	was = dump(f);
	append(&body, "fwmark=1\nlisten_port=", 21);
	for (int i = 0; i < 100000; i++)
		append(&body, "1", 1);
	append(&body, "\nfwmark=2", 9);
	refuse(f, body.p, body.len, "errno=-22\n\n", was);
	free(body.p);
	free(was);
	fake_destroy(f);
}

/* Whatever is left of it at the end of the buffer is no line of its own, and no blank one either. */
static void test_line_as_long_as_the_buffer(void **state)
{
	struct fake *f = fake_create("wg0");
	char *was = dump(f);

	for (size_t len = 16384 - 32; len < 16384 + 32; len++) {
		struct text body = {0};

		append(&body, "fwmark=1\nlisten_port=", 21);
		while (body.len < 9 + len)
			append(&body, "1", 1);
		append(&body, "\nfwmark=2", 9);
		refuse(f, body.p, body.len, "errno=-22\n\n", was);
		free(body.p);
	}
	free(was);
	fake_destroy(f);
}

/* A request without end is refused, not kept. */
static void test_too_large(void **state)
{
	static const char line[] = "listen_port=00000000000000000000000000000000000000000000001\n";
	struct fake *f = fake_create("wg0");
	struct text body = {0};
	char *was = dump(f);

	while (body.len <= 128u << 20)
		append(&body, line, sizeof(line) - 1);
	body.len--;
	refuse(f, body.p, body.len, "errno=-7\n\n", was);
	free(body.p);
	free(was);
	fake_destroy(f);
}

/* ---- conversations ---- */

static void test_no_operation(void **state)
{
	static const char *const wrong[] = {
		"\n",	   "set=2\n\n",		"get=2\n\n",  "get\n\n",
		"GET=1\n", "listen_port=1\n\n", "get=1 \n\n",
	};
	struct fake *f = fake_create("wg0");

	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		struct client c = dial(f);
		struct text t = {0};

		assert_int_equal(talk(&c, wrong[i], strlen(wrong[i]), SIZE_MAX, &t), 0);
		assert_int_equal(t.len, 0);
		hang_up(&c);
	}
	expect(f, "get=1\nlisten_port=1\n\n", "errno=22\n\n");
	expect(f, "get=1\nx\n\nget=1\n\n", "errno=22\n\nerrno=0\n\n");
	fake_destroy(f);
}

static void test_byte_by_byte(void **state)
{
	struct fake *f = fake_create("wg0");
	char *got = ask(f, "set=1\n" EXAMPLE "\nset=1\nfwmark=x\n\nset=1\nfwmark=9\n\n", 1);

	assert_string_equal(got, "errno=0\n\nerrno=-22\n\nerrno=0\n\n");
	free(got);
	assert_int_equal(f->dev->n_peers, 3);
	assert_int_equal(f->dev->fwmark, 9);
	fake_destroy(f);
}

/* Without its blank line an operation is not carried out. */
static void test_cut_off(void **state)
{
	static const char request[] = "set=1\n" EXAMPLE;
	struct fake *f = fake_create("wg0");
	struct text t = {0};
	struct client c;

	for (size_t len = 0; len < sizeof(request); len += 13) {
		c = dial(f);
		assert_int_equal(talk(&c, request, len, SIZE_MAX, &t), EPOLLIN);
		shutdown(c.fd, SHUT_WR);
		assert_int_equal(wgx_uapi_ready(c.conn), 0);
		take(&c, &t);
		hang_up(&c);
	}
	assert_int_equal(t.len, 0);
	expect(f, "get=1\n\n", "errno=0\n\n");
	fake_destroy(f);
}

/* printf 'get=1\n\n' | nc -N: the answer still comes. */
static void test_half_closed(void **state)
{
	struct fake *f = fake_create("wg0");
	struct client c = dial(f);
	struct text t = {0};

	assert_int_equal(send(c.fd, "get=1\n\n", 7, 0), 7);
	shutdown(c.fd, SHUT_WR);
	assert_int_equal(wgx_uapi_ready(c.conn), 0);
	take(&c, &t);
	assert_string_equal(t.p, "errno=0\n\n");
	free(t.p);
	hang_up(&c);
	fake_destroy(f);
}

static void test_client_gone(void **state)
{
	struct fake *f = fake_create("wg0");
	struct client c = dial(f);

	assert_int_equal(send(c.fd, "get=1\n\n", 7, 0), 7);
	close(c.fd);
	assert_true(wgx_uapi_ready(c.conn) <= 0);
	wgx_uapi_close(c.conn);
	wgx_uapi_close(NULL);
	fake_destroy(f);
}

/* Operations of several clients do not mix: each is applied whole, when its blank line comes. */
static void test_several_clients(void **state)
{
	static const char one[] = "set=1\nfwmark=1\nlisten_port=1\n\n";
	static const char two[] = "set=1\nfwmark=2\nlisten_port=2\n\n";
	struct fake *f = fake_create("wg0");
	struct client a = dial(f), b = dial(f);
	struct text ta = {0}, tb = {0};

	assert_int_equal(talk(&a, one, sizeof(one) - 2, 5, &ta), EPOLLIN);
	assert_int_equal(talk(&b, two, sizeof(two) - 1, 5, &tb), EPOLLIN);
	assert_string_equal(tb.p, "errno=0\n\n");
	assert_int_equal(f->dev->fwmark, 2);
	assert_int_equal(ta.len, 0);
	assert_int_equal(talk(&a, "\n", 1, 1, &ta), EPOLLIN);
	assert_string_equal(ta.p, "errno=0\n\n");
	assert_true(f->dev->fwmark == 1 && f->dev->listen_port == 1);
	free(ta.p);
	free(tb.p);
	hang_up(&a);
	hang_up(&b);
	fake_destroy(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		line_test("P-UA-1", test_empty),
		line_test("P-UA-2 P-UA-3", test_example),
		line_test("P-UA-2", test_every_key),
		line_test("P-UA-2 P-UA-5", test_allowed_ips),
		line_test("P-UA-4 P-UA-5", test_moves),
		line_test("P-UA-2", test_remove),
		line_test("P-UA-2 P-HS-8", test_own_key),
		line_test("P-UA-4", test_port_in_use),
		line_test("P-UA-4", test_idempotent),
		line_test("P-UA-4", test_malformed),
		line_test("P-UA-4", test_long_line),
		line_test("P-UA-4", test_line_as_long_as_the_buffer),
		line_test("P-UA-4", test_too_large),
		line_test("P-UA-1", test_no_operation),
		line_test("P-UA-1", test_byte_by_byte),
		line_test("P-UA-4", test_cut_off),
		line_test("P-UA-1", test_half_closed),
		line_test("P-UA-1", test_client_gone),
		line_test("P-UA-1 P-UA-4", test_several_clients),
	};

	return cmocka_run_group_tests_name("uapi", tests, fake_setup, fake_teardown);
}
