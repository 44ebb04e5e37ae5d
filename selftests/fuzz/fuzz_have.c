/* SPDX-License-Identifier: MIT */
/*
 * Answers of a configuration socket, as `wgx agent`, the resolver and wgconfig read them. Checked: an answer is whole
 * or refused; what is had of an interface is sorted and within its ranges, and told once more it is the same; and all
 * memory comes back.
 */
#include "cli/uapi_client.c"
#include "quick/resolver.c"

#include "fuzz/fuzz.h"

#include <sodium.h>

#include "agent/have.h"
#include "device/secmem.h"

static void fuzz_begin(void)
{
	assert_true(sodium_init() >= 0);
}

static void check(const struct wgx_have *h)
{
	for (size_t i = 0; i < h->n_peers; i++) {
		const struct wgx_have_peer *p = &h->peers[i];
		int family = p->endpoint.addr.sa.sa_family;

		assert_true(!i || memcmp(h->peers[i - 1].key, p->key, WGX_KEY_LEN) <= 0);
		assert_non_null(wgx_have_find(h, p->key));
		assert_true(p->handshake >= 0 && p->handshake + 86400 > p->handshake);
		assert_true(family == AF_UNSPEC || family == AF_INET || family == AF_INET6);
		for (size_t k = 0; k < p->n_prefixes; k++)
			assert_true(p->prefixes[k].cidr <=
				    (p->prefixes[k].family == AF_INET ? 32 : 128));
	}
}

/* What a daemon would say of it */
static void tell(const struct wgx_have *h, struct wgx_secbuf *b)
{
	char text[WGX_ENDPOINT_TEXT + WGX_PREFIX_TEXT];

	wgx_secbuf_printf(b, "listen_port=%u\n", h->listen_port);
	for (size_t i = 0; i < h->n_peers; i++) {
		const struct wgx_have_peer *p = &h->peers[i];

		wgx_secbuf_hex(b, "public_key", p->key);
		if (p->endpoint.addr.sa.sa_family != AF_UNSPEC)
			wgx_secbuf_printf(b, "endpoint=%s\n",
					  wgx_endpoint_format(&p->endpoint, text));
		wgx_secbuf_printf(b, "persistent_keepalive_interval=%u\n", p->keepalive);
		wgx_secbuf_printf(b, "last_handshake_time_sec=%lld\n", (long long)p->handshake);
		for (size_t k = 0; k < p->n_prefixes; k++)
			wgx_secbuf_printf(b, "allowed_ip=%s\n",
					  wgx_prefix_format(&p->prefixes[k], text));
	}
	wgx_secbuf_printf(b, "errno=0\n\n");
	assert_false(b->failed);
}

/* Two of one key, which no daemon says, may stand in another order. */
static bool has_twins(const struct wgx_have *h)
{
	for (size_t i = 1; i < h->n_peers; i++)
		if (!memcmp(h->peers[i - 1].key, h->peers[i].key, WGX_KEY_LEN))
			return true;
	return false;
}

static void check_again(const struct wgx_have *h)
{
	struct wgx_secbuf told = {0}, again = {0};
	struct wgx_have other = {0};
	char *copy;

	tell(h, &told);
	copy = strdup(told.data);
	assert_non_null(copy);
	assert_int_equal(wgx_have_parse(copy, NULL, &other), 0);
	check(&other);
	tell(&other, &again);
	if (!has_twins(h))
		assert_string_equal(told.data, again.data);
	wgx_have_free(&other);
	free(copy);
	wgx_secbuf_free(&told);
	wgx_secbuf_free(&again);
}

/* As look_at_all() goes through it */
static void look_as_resolver(char *text)
{
	struct wgx_look l = {.handshake_age = -1};
	char *key, *value;

	while (wgx_uapi_next(&text, &key, &value)) {
		read_field(&l, key, value);
		assert_true(l.handshake_age >= -1);
	}
}

static void look(char *text)
{
	static const uint8_t key[WGX_KEY_LEN] = {1};
	struct wgx_have have = {0};

	if (wgx_have_parse(text, key, &have)) {
		assert_null(have.peers);
		return;
	}
	check(&have);
	check_again(&have);
	wgx_have_free(&have);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct wgx_secbuf b = {0};
	int fds[2], err;

	/* all of it is there, and then the daemon hangs up */
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	assert_int_equal(send(fds[1], data, size, MSG_NOSIGNAL | MSG_DONTWAIT), size);
	close(fds[1]);
	err = receive(fds[0], &b);
	close(fds[0]);
	if (!err) {
		assert_true(b.len >= 2 && !memcmp(b.data + b.len - 2, "\n\n", 2));
		assert_int_equal(b.data[b.len], 0);
		err = result_of(b.data);
		assert_true(err <= 0);
	}
	if (!err) {
		char *copy = strdup(b.data);

		assert_non_null(copy);
		look_as_resolver(copy);
		free(copy);
		look(b.data);
	}
	wgx_secbuf_free(&b);
	assert_int_equal(wgx_secmem_used(), 0);
	return 0;
}
