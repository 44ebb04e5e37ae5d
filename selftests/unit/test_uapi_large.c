/* SPDX-License-Identifier: MIT */
/* The configuration protocol (P-UA-5): large tables, slow readers, no memory, and random damage. */
#include "line_test.h"
#include "uapi_client.h"
#include "unit/xorshift.h"

/* Lines that begin with @what. By hand: sanitizers let strstr() walk to the end each time. */
static unsigned int count(const char *text, const char *what)
{
	size_t len = strlen(what);
	unsigned int n = 0;

	while (text) {
		n += !strncmp(text, what, len);
		text = strchr(text, '\n');
		text = text ? text + 1 : NULL;
	}
	return n;
}

static void append_prefix(struct text *t, uint32_t i)
{
	char line[64];

	snprintf(line, sizeof(line), "allowed_ip=%u.%u.%u.0/24\n", 1 + (i >> 16), i >> 8 & 255,
		 i & 255);
	append(t, line, strlen(line));
}

/* P-UA-5: one peer with 130,560, which a reader who is slow still gets whole. */
static void test_many_prefixes(void **state)
{
	struct fake *f = fake_create("wg0");
	struct text request = {0}, t = {0};
	struct client c = dial(f);
	uint32_t addr;

	append(&request, "set=1\npublic_key=" PUBLIC1 "\nreplace_allowed_ips=true\n", 6 + 76 + 25);
	for (uint32_t i = 0; i < 130560; i++)
		append_prefix(&request, i);
	append(&request, "\n", 1);
	assert_int_equal(talk(&c, request.p, request.len, 1 << 16, &t), EPOLLIN);
	assert_string_equal(t.p, "errno=0\n\n");
	assert_false(c.waited_to_write);
	fake_check(f);
	addr = htonl(0x01020305);
	assert_non_null(wgx_device_route(f->dev, AF_INET, &addr));

	t.len = 0;
	assert_int_equal(talk(&c, "get=1\n\n", 7, 7, &t), EPOLLIN);
	assert_true(c.waited_to_write); /* the socket was full, and nobody blocked */
	assert_int_equal(count(t.p, "allowed_ip="), 130560);
	/* every line in its order */
	request.p[request.len - 1] = 0;
	assert_int_equal(strncmp(strstr(request.p, "allowed_ip="), strstr(t.p, "allowed_ip="),
				 strlen(strstr(request.p, "allowed_ip="))),
			 0);

	/* all anew, all the same: no change; then none */
	f->prefix_changes = 0;
	t.len = 0;
	request.p[request.len - 1] = '\n';
	assert_int_equal(talk(&c, request.p, request.len, 1 << 16, &t), EPOLLIN);
	assert_string_equal(t.p, "errno=0\n\n");
	assert_int_equal(f->prefix_changes, 0);
	SET(f, "public_key=" PUBLIC1 "\nreplace_allowed_ips=true\n");
	assert_int_equal(f->n_prefixes, 0);
	free(request.p);
	free(t.p);
	hang_up(&c);
	fake_destroy(f);
}

static void test_many_peers(void **state)
{
	struct fake *f = fake_create("wg0");
	struct text request = {0};
	char line[128];
	char *got;

	append(&request, "set=1\n", 6);
	for (uint32_t p = 0; p < 40; p++) {
		snprintf(line, sizeof(line), "public_key=%02x%062d\n", p, 0);
		append(&request, line, strlen(line));
		for (uint32_t i = 0; i < 52; i++)
			append_prefix(&request, p * 52 + i);
	}
	append(&request, "\n", 1);
	expect(f, request.p, "errno=0\n\n");
	got = dump(f);
	assert_int_equal(count(got, "public_key="), 40);
	assert_int_equal(count(got, "allowed_ip="), 40 * 52);
	assert_int_equal(count(got, "protocol_version=1"), 40);
	for (uint32_t i = 0; i < 40 * 52; i++) {
		struct text one = {0};

		append_prefix(&one, i);
		assert_non_null(strstr(got, one.p));
		free(one.p);
	}
	fake_check(f);
	free(got);
	free(request.p);
	fake_destroy(f);
}

/* A client that asks without end and reads nothing is asked to wait, not given memory. */
static void test_asks_and_never_reads(void **state)
{
	struct fake *f = fake_create("wg0");
	struct text request = {0};
	struct client c = dial(f);
	int ret = 0;

	SET(f, EXAMPLE);
	for (int i = 0; i < 1000; i++)
		append(&request, "get=1\n\n", 7);
	for (int i = 0; i < 100; i++) {
		if (send(c.fd, request.p, request.len, MSG_NOSIGNAL) < 0)
			assert_int_equal(errno, EAGAIN);
		ret = wgx_uapi_ready(c.conn);
		assert_true(ret > 0);
	}
	assert_int_equal(ret, EPOLLOUT);
	free(request.p);
	hang_up(&c); /* with answers unsent */
	fake_destroy(f);
}

/* ---- out of memory ---- */

#ifndef WGX_SANITIZE
static size_t address_space(void)
{
	unsigned long pages = 0;
	FILE *s = fopen("/proc/self/statm", "r");

	assert_non_null(s);
	assert_int_equal(fscanf(s, "%lu", &pages), 1);
	fclose(s);
	return pages * (size_t)sysconf(_SC_PAGESIZE);
}

/* In the middle of a table: the old one stays, a new peer goes, and all works when there is memory again. */
static void test_no_memory(void **state)
{
	struct fake *f = fake_create("wg0");
	struct client c = dial(f);
	struct rlimit was, low;
	struct text request = {0}, t = {0};

	SET(f, "public_key=" PUBLIC1 "\nallowed_ip=203.0.113.0/24\n");
	append(&request, "set=1\npublic_key=" PUBLIC1 "\nreplace_allowed_ips=true\n", 6 + 76 + 25);
	for (uint32_t i = 0; i < 200000; i++)
		append_prefix(&request, i);
	append(&request, "\n", 1);
	append(&t, "", 0);
	fake_reserve(f, 200000);
	for (int new_peer = 0; new_peer < 2; new_peer++) {
		if (new_peer)
			memcpy(strstr(request.p, PUBLIC1), PUBLIC2, 64);
		t.len = 0;
		assert_int_equal(getrlimit(RLIMIT_AS, &was), 0);
		low = was;
		low.rlim_cur = address_space() + (8u << 20);
		assert_int_equal(setrlimit(RLIMIT_AS, &low), 0);
		assert_int_equal(talk(&c, request.p, request.len, 1 << 16, &t), EPOLLIN);
		assert_int_equal(setrlimit(RLIMIT_AS, &was), 0);
		assert_string_equal(t.p, "errno=-12\n\n");
		assert_int_equal(f->dev->n_peers, 1);
		check_dump_has(f, "allowed_ip=203.0.113.0/24\n", true);
		fake_check(f);
		wgx_rcu_barrier();
		/* the first one's many prefixes would be in the second one's way */
		SET(f, "public_key=" PUBLIC1 "\nreplace_allowed_ips=true\n"
		       "allowed_ip=203.0.113.0/24\n");
	}
	t.len = 0;
	assert_int_equal(talk(&c, request.p, request.len, 1 << 16, &t), EPOLLIN);
	assert_string_equal(t.p, "errno=0\n\n");
	assert_int_equal(f->n_prefixes, 200001);
	fake_check(f);
	free(request.p);
	free(t.p);
	hang_up(&c);
	fake_destroy(f);
}
#else
static void test_no_memory(void **state)
{
	skip();
}
#endif

/* ---- random damage ---- */

#define MUTANTS 4000

static uint64_t seed = 88172645463325252;

static uint32_t rnd(uint32_t below)
{
	xorshift64(&seed);
	return (uint32_t)(seed >> 32) % below;
}

static void damage(struct text *t)
{
	static const char bytes[] = "\n\n==0129afx:/.-[]% \0\xff";
	size_t at = rnd((uint32_t)t->len), n;

	switch (rnd(5)) {
	case 0:
		t->p[at] = bytes[rnd(sizeof(bytes))];
		break;
	case 1:
		t->p[at] = (char)rnd(256);
		break;
	case 2: /* leave out */
		n = rnd(20) < t->len - at ? rnd(20) % (t->len - at) : 1;
		memmove(t->p + at, t->p + at + n, t->len - at - n);
		t->len -= n;
		break;
	case 3: /* twice */
		n = 1 + rnd(80);
		if (n > t->len - at)
			n = t->len - at;
		append(t, "", 0);
		{
			char *copy = malloc(n);

			memcpy(copy, t->p + at, n);
			append(t, copy, n);
			free(copy);
		}
		break;
	case 4:
		t->len = at + 1;
		break;
	}
}

/* Whatever comes, it is answered by the rules or not at all, and a refusal changes nothing. */
static void test_mutants(void **state)
{
	static const char base[] = "set=1\n" EXAMPLE "public_key=" PUBLIC2
				   "\nallowed_ip=-192.168.4.6/32\nupdate_only=true\n\nget=1\n\n";
	struct fake *f = fake_create("wg0");
	unsigned int refused = 0, taken = 0;

	SET(f, EXAMPLE);
	assert_int_equal(wgx_device_up(f->dev), 0);
	for (int i = 0; i < MUTANTS; i++) {
		struct text request = {0}, t = {0};
		struct client c = dial(f);
		char *before = dump(f), *after;

		append(&request, base, sizeof(base) - 1);
		append(&t, "", 0);
		for (uint32_t n = rnd(4); n > 0; n--)
			damage(&request);
		append(&request, "\n\n", 2);
		assert_true(talk(&c, request.p, request.len, 1 + rnd(600), &t) >= 0);
		hang_up(&c);
		after = dump(f);
		if (!strncmp(t.p, "errno=0\n\n", 9)) {
			taken++;
		} else if (!strncmp(t.p, "errno=", 6)) {
			refused++;
			/* another set can only follow if a mutant repeated it */
			if (count(request.p, "set=1") == 1)
				assert_string_equal(before, after);
		}
		fake_check(f);
		free(before);
		free(after);
		free(t.p);
		free(request.p);
		wgx_rcu_quiescent();
	}
	assert_true(taken > MUTANTS / 20);
	assert_true(refused > MUTANTS / 20);
	fake_destroy(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		line_test("P-UA-5", test_many_prefixes),
		line_test("P-UA-5", test_many_peers),
		line_test("P-UA-1", test_asks_and_never_reads),
		line_test("P-UA-4", test_no_memory),
		line_test("P-UA-4", test_mutants),
	};

	return cmocka_run_group_tests_name("uapi_large", tests, fake_setup, fake_teardown);
}
