/* SPDX-License-Identifier: MIT */
/* The agent's core: members, rules and plans, without a registry, a clock or an interface. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include "agent/plan.h"
#include "agent/tunnel.h"
#include "proto/key_text.h"

#define GRACE 1000

static struct wgx_prefix cluster[2];
static const struct wgx_rules rules = {.cluster = cluster, .n_cluster = 2, .keepalive = 25};

static struct {
	struct wgx_members members;
	struct wgx_node self;
	struct wgx_want want;
	struct wgx_have have;
	struct wgx_plan plan;
	char text[8192]; /* what the plan says */
	char refused[4096];
} w;

/* A key that has @c for its first bytes' seed, and its text */
static void key(char c, uint8_t ret[WGX_KEY_LEN])
{
	uint8_t secret[WGX_KEY_LEN];

	memset(secret, c, sizeof(secret));
	crypto_scalarmult_base(ret, secret);
}

static struct wgx_prefix prefix(const char *text)
{
	struct wgx_prefix p = {0};

	assert_int_equal(wgx_prefix_parse(text, &p), 0);
	return p;
}

static struct wgx_endpoint endpoint(const char *text)
{
	struct wgx_endpoint e = {0};

	assert_int_equal(wgx_endpoint_parse(text, &e), 0);
	return e;
}

/* @k: ' ' for no key yet. @cidrs: by spaces */
static struct wgx_node node(const char *name, char k, const char *end, const char *cidrs)
{
	struct wgx_node n = {0};
	char copy[256], *save, *item;

	wgx_node_set_name(&n, name);
	n.has_key = k != ' ';
	if (n.has_key)
		key(k, n.key);
	if (end)
		n.endpoints[n.n_endpoints++] = endpoint(end);
	snprintf(copy, sizeof(copy), "%s", cidrs);
	for (item = strtok_r(copy, " ", &save); item; item = strtok_r(NULL, " ", &save))
		n.cidrs[n.n_cidrs++] = prefix(item);
	return n;
}

static int setup(void **state)
{
	memset(&w, 0, sizeof(w));
	cluster[0] = prefix("10.244.0.0/16");
	cluster[1] = prefix("fd10:244::/48");
	w.members.grace_ms = GRACE;
	w.self = node("self", 'S', "192.0.2.1:51820", "10.244.0.0/24");
	return 0;
}

static int teardown(void **state)
{
	wgx_members_free(&w.members);
	wgx_want_free(&w.want);
	wgx_have_free(&w.have);
	wgx_plan_free(&w.plan);
	wgx_node_free(&w.self);
	return 0;
}

static int upsert(const char *name, char k, const char *end, const char *cidrs)
{
	struct wgx_node n = node(name, k, end, cidrs);

	return wgx_members_upsert(&w.members, &n);
}

/* Three nodes, as a registry lists them */
static void three(void)
{
	wgx_members_begin(&w.members);
	assert_int_equal(upsert("a", 'A', "192.0.2.2:51820", "10.244.1.0/24 fd10:244:0:1::/64"), 1);
	assert_int_equal(upsert("b", 'B', "192.0.2.3:51820", "10.244.2.0/24 fd10:244:0:2::/64"), 1);
	assert_int_equal(upsert("c", 'C', "192.0.2.4:51820", "10.244.3.0/24 fd10:244:0:3::/64"), 1);
	assert_true(wgx_members_end(&w.members, 0));
}

/* Of the steps, one a line: "+ a", "+ a 10.244.1.0/24", "- a 10.244.1.0/24", "- KEY", "@ a ENDPOINT", "% a 25" */
static void write_plan(void)
{
	static const char marks[] = "++@%--";
	char text[WGX_PREFIX_TEXT + WGX_ENDPOINT_TEXT], name[WGX_KEY_TEXT_SIZE];
	size_t n = 0;

	w.text[0] = '\0';
	for (size_t i = 0; i < w.plan.n; i++) {
		const struct wgx_step *s = &w.plan.steps[i];

		text[0] = '\0';
		if (s->prefix.family)
			wgx_prefix_format(&s->prefix, text);
		if (s->kind == WGX_STEP_SET_ENDPOINT)
			wgx_endpoint_format(&s->endpoint, text);
		if (s->kind == WGX_STEP_SET_KEEPALIVE)
			snprintf(text, sizeof(text), "%u", s->keepalive);
		wgx_key_format(s->key, name);
		n += (size_t)snprintf(w.text + n, sizeof(w.text) - n, "%c %.20s%s%s\n",
				      marks[s->kind], s->name[0] ? s->name : name, *text ? " " : "",
				      text);
	}
}

static void want(void)
{
	size_t n = 0;

	wgx_want_free(&w.want);
	assert_int_equal(wgx_rules_apply(&rules, &w.self, &w.members, &w.want), 0);
	w.refused[0] = '\0';
	for (size_t i = 0; i < w.want.n_refusals; i++) {
		char text[512];

		n += (size_t)snprintf(w.refused + n, sizeof(w.refused) - n, "%s\n",
				      wgx_refusal_text(&w.want.refusals[i], text, sizeof(text)));
	}
}

static const char *make_plan(void)
{
	want();
	wgx_plan_free(&w.plan);
	assert_int_equal(wgx_plan_make(&w.want, &w.have, 1000000, &w.plan), 0);
	write_plan();
	return w.text;
}

/* The interface, as the UAPI would tell of it after the plan: all steps taken. */
static void apply(void)
{
	static char text[65536];
	size_t n = 0;

	for (size_t i = 0; i < w.want.n_peers; i++) {
		const struct wgx_want_peer *p = &w.want.peers[i];
		char hex[65], buf[WGX_ENDPOINT_TEXT];

		sodium_bin2hex(hex, sizeof(hex), p->key, sizeof(p->key));
		n += (size_t)snprintf(text + n, sizeof(text) - n,
				      "public_key=%s\nlast_handshake_time_sec=999990\n"
				      "persistent_keepalive_interval=%u\n",
				      hex, p->keepalive);
		if (p->endpoint.addr.sa.sa_family)
			n += (size_t)snprintf(text + n, sizeof(text) - n, "endpoint=%s\n",
					      wgx_endpoint_format(&p->endpoint, buf));
		for (size_t j = 0; j < p->n_prefixes; j++)
			n += (size_t)snprintf(text + n, sizeof(text) - n, "allowed_ip=%s\n",
					      wgx_prefix_format(&p->prefixes[j], buf));
		p->member->told = p->endpoint;
	}
	snprintf(text + n, sizeof(text) - n, "errno=0\n\n");
	wgx_have_free(&w.have);
	assert_int_equal(wgx_have_parse(text, NULL, &w.have), 0);
}

static void have_three(void)
{
	three();
	make_plan();
	apply();
	assert_string_equal(make_plan(), "");
}

static bool expire(uint64_t now)
{
	uint64_t next;

	return wgx_members_expire(&w.members, now, &next);
}

/* ---- plans ---- */

static void from_nothing(void **state)
{
	three();
	make_plan();
	assert_int_equal(w.plan.n, 9);
	for (int i = 0; i < 9; i++)
		assert_int_equal(w.plan.steps[i].kind,
				 i < 3 ? WGX_STEP_ADD_PEER : WGX_STEP_ADD_PREFIX);
	assert_non_null(strstr(w.text, "+ a\n"));
	assert_non_null(strstr(w.text, "+ b fd10:244:0:2::/64\n"));
	assert_string_equal(w.refused, "");
	apply();
	assert_string_equal(make_plan(), "");
}

/* The network is given to the new peer before the old one goes: no packet is without a peer. */
static void new_key(void **state)
{
	char old[WGX_KEY_TEXT_SIZE], wanted[512];
	uint8_t k[WGX_KEY_LEN];

	have_three();
	assert_int_equal(upsert("b", 'D', "192.0.2.3:51820", "10.244.2.0/24 fd10:244:0:2::/64"), 1);
	key('B', k);
	wgx_key_format(k, old);
	snprintf(wanted, sizeof(wanted), "+ b\n+ b 10.244.2.0/24\n+ b fd10:244:0:2::/64\n- %.20s\n",
		 old);
	assert_string_equal(make_plan(), wanted);
	assert_int_equal(w.plan.steps[3].kind, WGX_STEP_REMOVE_PEER);
}

/* One network goes from b to c, as pod CIDRs do that are used again. */
static void network_moves(void **state)
{
	have_three();
	assert_int_equal(upsert("b", 'B', "192.0.2.3:51820", "fd10:244:0:2::/64"), 1);
	assert_int_equal(upsert("c", 'C', "192.0.2.4:51820",
				"10.244.2.0/24 10.244.3.0/24 fd10:244:0:3::/64"),
			 1);
	assert_string_equal(make_plan(), "+ c 10.244.2.0/24\n- b 10.244.2.0/24\n");
	assert_string_equal(w.refused, "");
}

static void no_replace_and_update_only(void **state)
{
	char text[WGX_STEP_UAPI_MAX];

	have_three();
	upsert("b", 'B', "192.0.2.9:51820", "10.244.9.0/24 fd10:244:0:2::/64");
	make_plan();
	assert_string_equal(w.text, "+ b 10.244.9.0/24\n@ b 192.0.2.9:51820\n- b 10.244.2.0/24\n");
	for (size_t i = 0; i < w.plan.n; i++) {
		assert_in_range(wgx_step_uapi(&w.plan.steps[i], text, sizeof(text)), 1,
				sizeof(text) - 1);
		assert_null(strstr(text, "replace"));
		assert_non_null(strstr(text, "update_only=true\n"));
	}
	assert_non_null(strstr(text, "\nallowed_ip=-10.244.2.0/24\n"));
}

static void set_actual_endpoint(char k, const char *at, int64_t handshake)
{
	uint8_t b[WGX_KEY_LEN];
	struct wgx_have_peer *p;

	key(k, b);
	p = (struct wgx_have_peer *)wgx_have_find(&w.have, b);
	assert_non_null(p);
	p->endpoint = endpoint(at);
	p->handshake = handshake;
}

static void roamed_peer_stays(void **state)
{
	have_three();
	set_actual_endpoint('B', "198.51.100.7:1234", 999990);
	assert_string_equal(make_plan(), "");
	set_actual_endpoint('B', "198.51.100.7:1234", 999000);
	assert_string_equal(make_plan(), "@ b 192.0.2.3:51820\n");
	set_actual_endpoint('B', "198.51.100.7:1234", 999990);
	upsert("b", 'B', "192.0.2.33:51820", "10.244.2.0/24 fd10:244:0:2::/64");
	assert_string_equal(make_plan(), "@ b 192.0.2.33:51820\n");
}

static void endpoint_of_own_family(void **state)
{
	struct wgx_node n = node("d", 'D', "[2001:db8::4]:5", "10.244.4.0/24");

	n.endpoints[n.n_endpoints++] = endpoint("192.0.2.4:5");
	wgx_members_upsert(&w.members, &n);
	want();
	assert_int_equal(w.want.peers[0].endpoint.addr.sa.sa_family, AF_INET);
	w.self.endpoints[0] = endpoint("[2001:db8::1]:5");
	want();
	assert_int_equal(w.want.peers[0].endpoint.addr.sa.sa_family, AF_INET6);
	w.self.n_endpoints = 0;
	want();
	assert_int_equal(w.want.peers[0].endpoint.addr.sa.sa_family, AF_INET6);
}

/* ---- rules ---- */

static void outside_is_refused_alone(void **state)
{
	three();
	upsert("d", 'D', "192.0.2.5:51820",
	       "10.0.0.0/8 192.168.1.0/24 0.0.0.0/0 fd10:244:0:4::/64");
	make_plan();
	assert_string_equal(w.refused,
			    "d: its pod CIDR 10.0.0.0/8 is outside of the cluster's\n"
			    "d: its pod CIDR 192.168.1.0/24 is outside of the cluster's\n"
			    "d: its pod CIDR 0.0.0.0/0 is outside of the cluster's\n");
	assert_non_null(strstr(w.text, "+ d fd10:244:0:4::/64\n"));
	assert_null(strstr(w.text, "+ d 1"));
	assert_non_null(strstr(w.text, "+ a 10.244.1.0/24\n"));
}

static void overlaps_are_refused(void **state)
{
	three();
	upsert("d", 'D', NULL, "10.244.1.128/25 10.244.0.0/24 10.244.5.0/24");
	upsert("0", '0', NULL, "10.244.0.0/16"); /* first by name, last to come */
	make_plan();
	assert_string_equal(w.refused,
			    "d: its pod CIDR 10.244.0.0/24 overlaps with that of this "
			    "node\n"
			    "d: its pod CIDR 10.244.1.128/25 overlaps with that of a\n"
			    "0: its pod CIDR 10.244.0.0/16 overlaps with that of this node\n");
	assert_non_null(strstr(w.text, "+ d 10.244.5.0/24\n"));
	assert_null(strstr(w.text, "+ 0 "));
	assert_non_null(strstr(w.text, "+ a 10.244.1.0/24\n"));
}

static void first_holder_keeps_key(void **state)
{
	three();
	upsert("0", 'B', NULL, "10.244.7.0/24");
	make_plan();
	assert_string_equal(w.refused, "0: its public key is that of b, which had it first\n");
	assert_non_null(strstr(w.text, "+ b 10.244.2.0/24\n"));
	assert_null(strstr(w.text, "+ 0"));
	/* and gets it when b has another */
	upsert("b", 'E', NULL, "10.244.2.0/24");
	make_plan();
	assert_string_equal(w.refused, "");
	assert_non_null(strstr(w.text, "+ 0 10.244.7.0/24\n"));
}

static void own_key_is_refused(void **state)
{
	upsert("a", 'S', NULL, "10.244.7.0/24");
	make_plan();
	assert_string_equal(w.refused,
			    "a: its public key is that of this node, which had it first\n");
	assert_string_equal(w.text, "");
}

/* Who is gone has no say against who is there. */
static void gone_yields(void **state)
{
	have_three();
	assert_true(wgx_members_delete(&w.members, "b", 0));
	assert_string_equal(make_plan(), ""); /* the grace time */
	upsert("d", 'D', NULL, "10.244.2.0/24");
	make_plan();
	assert_non_null(strstr(w.text, "+ d 10.244.2.0/24\n- b 10.244.2.0/24\n"));
	assert_string_equal(w.refused, "");
	upsert("d", 'B', NULL, "10.244.2.0/24"); /* renamed: the same key */
	make_plan();
	assert_string_equal(w.text, "- d fd10:244:0:2::/64\n");
}

static void bad_record_keeps_the_last(void **state)
{
	have_three();
	assert_int_equal(wgx_members_refuse(&w.members, "b", "public_key: 7 is no public key"), 1);
	assert_int_equal(wgx_members_refuse(&w.members, "b", "public_key: 7 is no public key"), 0);
	assert_int_equal(wgx_members_refuse(&w.members, "z", "the record is no object"), 1);
	assert_string_equal(make_plan(), "");
	assert_string_equal(w.refused,
			    "b: its record cannot be read: public_key: 7 is no public key\n"
			    "z: its record cannot be read: the record is no object\n");
}

static void no_key_yet(void **state)
{
	upsert("a", ' ', "192.0.2.2:1", "10.244.1.0/24");
	assert_string_equal(make_plan(), "");
	upsert("a", 'A', "192.0.2.2:1", "10.244.1.0/24");
	assert_string_equal(make_plan(), "+ a\n+ a 10.244.1.0/24\n");
}

/* ---- rotation ---- */

static void next_key_is_known_before(void **state)
{
	struct wgx_node n = node("b", 'B', "192.0.2.3:51820", "10.244.2.0/24 fd10:244:0:2::/64");
	struct wgx_node after =
		node("b", 'N', "192.0.2.3:51820", "10.244.2.0/24 fd10:244:0:2::/64");

	have_three();
	n.has_next = true;
	key('N', n.next);
	wgx_members_upsert(&w.members, &n);
	assert_string_equal(make_plan(), "+ b\n");
	assert_string_equal(w.plan.steps[0].why, "it is the next key of its node");
	apply();
	after.has_previous = true;
	key('B', after.previous);
	wgx_members_upsert(&w.members, &after);
	make_plan();
	assert_string_equal(w.text, "+ b 10.244.2.0/24\n+ b fd10:244:0:2::/64\n"
				    "- b 10.244.2.0/24\n- b fd10:244:0:2::/64\n");
	apply();
	after.has_previous = false;
	wgx_members_upsert(&w.members, &after);
	make_plan();
	assert_int_equal(w.plan.n, 1);
	assert_int_equal(w.plan.steps[0].kind, WGX_STEP_REMOVE_PEER);
}

/* Nobody gets another's next key by being quick. */
static void next_key_is_held(void **state)
{
	struct wgx_node n = node("b", 'B', NULL, "10.244.2.0/24");

	three();
	n.has_next = true;
	key('N', n.next);
	wgx_members_upsert(&w.members, &n);
	upsert("0", 'N', NULL, "10.244.7.0/24");
	upsert("b", 'N', NULL, "10.244.2.0/24");
	want();
	assert_string_equal(w.refused, "0: its public key is that of b, which had it first\n");
}

/* ---- members ---- */

static void grace(void **state)
{
	uint64_t next;

	have_three();
	assert_true(wgx_members_delete(&w.members, "b", 5000));
	assert_false(wgx_members_delete(&w.members, "b", 5500));
	assert_false(wgx_members_delete(&w.members, "nobody", 5500));
	assert_false(wgx_members_expire(&w.members, 5999, &next));
	assert_int_equal(next, 6000);
	assert_string_equal(make_plan(), "");
	assert_true(expire(6000));
	assert_null(wgx_members_find(&w.members, "b"));
	make_plan();
	assert_int_equal(w.plan.n, 1);
	assert_int_equal(w.plan.steps[0].kind, WGX_STEP_REMOVE_PEER);
}

static void back_within_grace(void **state)
{
	have_three();
	wgx_members_delete(&w.members, "b", 5000);
	assert_int_equal(upsert("b", 'B', "192.0.2.3:51820", "10.244.2.0/24 fd10:244:0:2::/64"), 1);
	assert_false(expire(100000));
	assert_string_equal(make_plan(), "");
}

static void time_alone_ends_nothing(void **state)
{
	have_three();
	assert_false(expire(UINT64_MAX / 2));
	assert_int_equal(w.members.n, 3);
}

static void nobody_goes_while_registry_is_lost(void **state)
{
	have_three();
	wgx_members_delete(&w.members, "b", 5000);
	wgx_members_lost(&w.members);
	assert_false(expire(100000));
	wgx_members_begin(&w.members);
	upsert("a", 'A', "192.0.2.2:51820", "10.244.1.0/24 fd10:244:0:1::/64");
	upsert("c", 'C', "192.0.2.4:51820", "10.244.3.0/24 fd10:244:0:3::/64");
	wgx_members_end(&w.members, 100000);
	assert_true(expire(100000));
	assert_int_equal(w.members.n, 2);
}

static void list_without_some(void **state)
{
	have_three();
	wgx_members_begin(&w.members);
	assert_int_equal(upsert("a", 'A', "192.0.2.2:51820", "10.244.1.0/24 fd10:244:0:1::/64"), 0);
	assert_int_equal(upsert("c", 'C', "192.0.2.4:51820", "10.244.3.0/24 fd10:244:0:3::/64"), 0);
	assert_true(wgx_members_end(&w.members, 5000));
	assert_false(expire(5999));
	assert_true(expire(6000));
	assert_int_equal(w.members.n, 2);
}

static void mass_deletion_is_held(void **state)
{
	have_three();
	wgx_members_begin(&w.members);
	upsert("a", 'A', "192.0.2.2:51820", "10.244.1.0/24 fd10:244:0:1::/64");
	wgx_members_end(&w.members, 5000);
	assert_false(expire(6000));
	assert_int_equal(w.members.held, 2);
	assert_false(expire(1000000));
	assert_string_equal(make_plan(), "");
	/* one is back: the other is no mass, and has a grace time to come back as well */
	upsert("b", 'B', "192.0.2.3:51820", "10.244.2.0/24 fd10:244:0:2::/64");
	assert_false(expire(1000000));
	assert_int_equal(w.members.held, 0);
	assert_false(expire(1000999));
	assert_true(expire(1001000));
	assert_int_equal(w.members.held, 0);
	assert_int_equal(w.members.n, 2);
}

/* One after the other, each within the grace time of the others, is a mass as well. */
static void mass_deletion_by_events(void **state)
{
	have_three();
	wgx_members_delete(&w.members, "a", 5000);
	wgx_members_delete(&w.members, "b", 5100);
	wgx_members_delete(&w.members, "c", 5200);
	assert_false(expire(6000));
	assert_int_equal(w.members.held, 3);
	assert_false(expire(6200));
	assert_int_equal(w.members.held, 3);
	assert_int_equal(wgx_members_accept(&w.members), 3);
	assert_true(expire(6200));
	assert_int_equal(w.members.n, 0);
	assert_int_equal(w.members.held, 0);
}

static void one_of_one_is_no_mass(void **state)
{
	wgx_members_begin(&w.members);
	upsert("a", 'A', NULL, "10.244.1.0/24");
	wgx_members_end(&w.members, 0);
	wgx_members_delete(&w.members, "a", 5000);
	assert_true(expire(6000));
}

/* ---- records ---- */

static struct wgx_node parsed;
static char problem[256];

static int parse(const char *text)
{
	json_t *o = json_loads(text, JSON_DECODE_ANY, NULL);
	int err;

	assert_non_null(o);
	wgx_node_free(&parsed);
	problem[0] = '\0';
	err = wgx_node_parse(o, &parsed, problem, sizeof(problem));
	json_decref(o);
	return err;
}

static void record_round_trip(void **state)
{
	struct wgx_node n = node("n.example", 'A', "192.0.2.1:5", "10.244.1.0/24 fd10:244::/64");
	struct wgx_node again;
	json_t *o;

	n.endpoints[n.n_endpoints++] = endpoint("[2001:db8::1]:5");
	n.has_next = n.has_previous = true;
	key('N', n.next);
	key('P', n.previous);
	assert_int_equal(wgx_node_add_seen(&n, "x", n.next), 0);
	assert_true(wgx_node_has_seen(&n, "x", n.next));
	assert_false(wgx_node_has_seen(&n, "x", n.key));
	assert_false(wgx_node_has_seen(&n, "y", n.next));
	o = wgx_node_json(&n);
	assert_non_null(o);
	assert_int_equal(wgx_node_parse(o, &again, problem, sizeof(problem)), 0);
	assert_true(wgx_node_equal(&n, &again));
	again.n_endpoints--;
	assert_false(wgx_node_equal(&n, &again));
	json_decref(o);
	wgx_node_free(&n);
	wgx_node_free(&again);
}

static void records_that_are_wrong(void **state)
{
	assert_int_equal(parse("[]"), -EINVAL);
	assert_string_equal(problem, "the record is no object");
	assert_int_equal(parse("{}"), -EINVAL);
	assert_int_equal(parse("{\"name\":\"../x\"}"), -EINVAL);
	assert_string_equal(problem, "name: \"../x\" is no node's name");
	assert_int_equal(parse("{\"name\":\"a\",\"public_key\":7}"), -EINVAL);
	assert_string_equal(problem, "public_key: 7 is no public key");
	assert_int_equal(parse("{\"name\":\"a\",\"public_key\":"
			       "\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\"}"),
			 -EINVAL);
	assert_non_null(strstr(problem, "is a key that nobody can have"));
	assert_int_equal(parse("{\"name\":\"a\",\"endpoints\":[\"192.0.2.1\"]}"), -EINVAL);
	assert_int_equal(parse("{\"name\":\"a\",\"endpoints\":[\"192.0.2.1:0\"]}"), -EINVAL);
	assert_int_equal(parse("{\"name\":\"a\",\"endpoints\":\"192.0.2.1:1\"}"), -EINVAL);
	assert_int_equal(parse("{\"name\":\"a\",\"pod_cidrs\":[\"\\u001b[31m\"]}"), -EINVAL);
	assert_string_equal(problem, "pod_cidrs: \"\\u001B[31m\" is no network");
	assert_int_equal(parse("{\"name\":\"a\",\"pod_cidrs\":[1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,"
			       "16,17]}"),
			 -EINVAL);
	assert_int_equal(parse("{\"name\":\"a\",\"seen\":{\"b\":\"x\"}}"), -EINVAL);
	assert_int_equal(parse("{\"name\":\"a\",\"of_later_versions\":{}}"), 0);
	wgx_node_free(&parsed);
}

static void names(void **state)
{
	char name[300];

	assert_null(wgx_node_name_problem("node-1.example.net"));
	assert_non_null(wgx_node_name_problem(""));
	assert_non_null(wgx_node_name_problem(".hidden"));
	assert_non_null(wgx_node_name_problem("a/b"));
	assert_non_null(wgx_node_name_problem("a b"));
	assert_non_null(wgx_node_name_problem("-a"));
	memset(name, 'a', sizeof(name));
	name[254] = '\0';
	assert_non_null(wgx_node_name_problem(name));
	name[253] = '\0';
	assert_null(wgx_node_name_problem(name));
}

/* 254 keys, for ' ' is none: sorted, and none of them lost */
static void many(void **state)
{
	char name[16], cidr[32];

	for (int i = 0; i < 255; i++) {
		snprintf(name, sizeof(name), "n%d", 255 - i);
		snprintf(cidr, sizeof(cidr), "10.244.%d.0/24", i + 1);
		upsert(name, (char)(i < 'S' ? i : i + 1), "192.0.2.9:1", cidr);
	}
	want();
	assert_string_equal(w.refused, "");
	assert_int_equal(w.want.n_peers, 254);
	for (size_t i = 1; i < w.want.n_peers; i++)
		assert_true(memcmp(w.want.peers[i - 1].key, w.want.peers[i].key, WGX_KEY_LEN) < 0);
}

/* ---- strict mode, as the daemon tells of it ---- */

static const char *filter_problem(const char *show)
{
	static struct wgx_agent_options o = {.underlay_auto = true, .strict = true};
	static const struct wgx_own_addresses own = {.devices = {"eth0", "eth1"}, .n_devices = 2};
	static const struct wgx_own_addresses none;
	const struct wgx_tunnel t = {.options = &o};
	static char text[256];
	json_t *answer = show ? json_loads(show, 0, NULL) : NULL;
	bool is;

	o.cluster = (struct wgx_prefixes){cluster, 2};
	assert_true(!show || answer);
	is = wgx_tunnel_filter_problem(&t, show ? &own : &none, answer, text, sizeof(text));
	json_decref(answer);
	return is ? text : NULL;
}

#define STRICT(protect) "\"strict\": {\"exempt\": [], \"protect\": [" protect "]}"

static void strict_is_proved(void **state)
{
	char good[512], part[512];

	snprintf(good, sizeof(good),
		 "{\"attached\": [{\"device\": \"eth0\", %s}, {\"device\": \"eth1\", %s}]}",
		 STRICT("\"10.244.0.0/16\", \"fd10:244::/48\""),
		 STRICT("\"fd10:244::/48\", \"192.0.2.0/24\", \"10.244.0.0/16\""));
	assert_null(filter_problem(good));
	assert_string_equal(filter_problem("{}"), "nothing is dropped on eth0");
	snprintf(part, sizeof(part), "{\"attached\": [{\"device\": \"eth0\", %s}]}",
		 STRICT("\"10.244.0.0/16\", \"fd10:244::/48\""));
	assert_string_equal(filter_problem(part), "nothing is dropped on eth1");
	assert_string_equal(
		filter_problem("{\"attached\": [{\"device\": \"eth0\", \"strict\": null}]}"),
		"nothing is dropped on eth0");
	snprintf(part, sizeof(part), "{\"attached\": [{\"device\": \"eth0\", %s}]}",
		 STRICT("\"10.244.0.0/17\", \"fd10:244::/48\""));
	assert_string_equal(filter_problem(part), "10.244.0.0/16 is not protected on eth0");
	assert_string_equal(filter_problem(NULL), "no underlay is known");
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(from_nothing),
		T(new_key),
		T(network_moves),
		T(no_replace_and_update_only),
		T(roamed_peer_stays),
		T(endpoint_of_own_family),
		T(outside_is_refused_alone),
		T(overlaps_are_refused),
		T(first_holder_keeps_key),
		T(own_key_is_refused),
		T(gone_yields),
		T(bad_record_keeps_the_last),
		T(no_key_yet),
		T(next_key_is_known_before),
		T(next_key_is_held),
		T(grace),
		T(back_within_grace),
		T(time_alone_ends_nothing),
		T(nobody_goes_while_registry_is_lost),
		T(list_without_some),
		T(mass_deletion_is_held),
		T(mass_deletion_by_events),
		T(one_of_one_is_no_mass),
		T(record_round_trip),
		T(records_that_are_wrong),
		T(names),
		T(many),
		T(strict_is_proved),
	};

	if (sodium_init() < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
