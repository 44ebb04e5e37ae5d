/* SPDX-License-Identifier: MIT */
/* See libnftables-json(5) for what the objects are. */
#include "doctor/nft.h"

#include <stdlib.h>
#include <string.h>

#define DEPTH_MAX 16 /* the kernel's own limit of jumps */
#define JUMPS_MAX \
	4096 /* in all, of a base chain: chains that jump to each other twice double each time */

/* ---- does a rule match? ---- */

enum match { NO, MAYBE, YES };

static const char *string_of(const json_t *object, const char *key)
{
	return json_string_value(json_object_get(object, key));
}

static enum match both(enum match a, enum match b)
{
	return a < b ? a : b;
}

static enum match either(enum match a, enum match b)
{
	return a > b ? a : b;
}

static enum match not(enum match m) { return (enum match)(YES - m); }

/* A value of a rule against a number of the message's */
static enum match is_number(const json_t *value, json_int_t n)
{
	const json_t *range = json_object_get(value, "range"), *set = json_object_get(value, "set");
	enum match m = NO;
	const json_t *item;
	size_t i;

	if (json_is_integer(value))
		return json_integer_value(value) == n ? YES : NO;
	if (json_array_size(range) == 2)
		return json_integer_value(json_array_get(range, 0)) <= n &&
				       n <= json_integer_value(json_array_get(range, 1))
			       ? YES
			       : NO;
	if (!json_is_array(set))
		return MAYBE; /* a named set, a prefix */
	json_array_foreach(set, i, item) {
		m = either(m, is_number(item, n));
	}
	return m;
}

/* Likewise a word, or one of a list of words */
static enum match is_word(const json_t *value, const char *word)
{
	const json_t *set = json_object_get(value, "set"), *item;
	const char *text = json_string_value(value);
	enum match m = NO;
	size_t i;

	if (text)
		return strchr(text, '*') || *text == '@' ? MAYBE : !strcmp(text, word) ? YES : NO;
	if (json_is_array(value))
		set = value;
	if (!json_is_array(set))
		return MAYBE;
	json_array_foreach(set, i, item) {
		m = either(m, is_word(item, word));
	}
	return m;
}

static enum match is_udp(const json_t *value)
{
	return either(is_word(value, "udp"), json_is_integer(value) ? is_number(value, 17) : NO);
}

static enum match match_payload(const json_t *payload, const json_t *right,
				const struct wgx_datagram *m)
{
	const char *protocol = string_of(payload, "protocol"), *field = string_of(payload, "field");

	if (!protocol || !field)
		return MAYBE;
	if ((!strcmp(protocol, "udp") || !strcmp(protocol, "th")) && !strcmp(field, "dport"))
		return is_number(right, m->port);
	if ((!strcmp(protocol, "ip") && !strcmp(field, "protocol")) ||
	    (!strcmp(protocol, "ip6") && !strcmp(field, "nexthdr")))
		return is_udp(right);
	return MAYBE;
}

static enum match match_meta(const char *key, const json_t *right, const struct wgx_datagram *m)
{
	if (!strcmp(key, "l4proto"))
		return is_udp(right);
	if (!strcmp(key, "nfproto"))
		return is_word(right, m->v6 ? "ipv6" : "ipv4");
	if (m->device && (!strcmp(key, "iifname") || !strcmp(key, "iif")))
		return is_word(right, m->device);
	return MAYBE;
}

/* Of another protocol, whatever is asked of it: not even the opposite would match. */
static bool is_foreign(const json_t *left)
{
	static const char *const foreign[] = {"tcp",  "icmp", "icmpv6", "sctp",	  "dccp",
					      "igmp", "esp",  "ah",	"udplite"};
	const char *protocol = string_of(json_object_get(left, "payload"), "protocol");

	for (size_t i = 0; protocol && i < sizeof(foreign) / sizeof(*foreign); i++)
		if (!strcmp(protocol, foreign[i]))
			return true;
	return false;
}

static enum match match_expression(const json_t *match, const struct wgx_datagram *m)
{
	const json_t *left = json_object_get(match, "left"),
		     *right = json_object_get(match, "right");
	const char *op = string_of(match, "op"),
		   *meta = string_of(json_object_get(left, "meta"), "key"),
		   *ct = string_of(json_object_get(left, "ct"), "key");
	enum match result = MAYBE;

	if (is_foreign(left))
		return NO;
	if (json_object_get(left, "payload"))
		result = match_payload(json_object_get(left, "payload"), right, m);
	else if (meta)
		result = match_meta(meta, right, m);
	else if (ct && !strcmp(ct, "state"))
		result = is_word(right, "new");
	if (!op || !strcmp(op, "==") || !strcmp(op, "in"))
		return result;
	return !strcmp(op, "!=") ? not(result) : MAYBE;
}

/* ---- what becomes of the message ---- */

struct walk {
	const json_t *list; /* of all objects */
	const struct wgx_datagram *m;
	unsigned int depth, jumps;
	bool maybe_accepted; /* by a rule that could not be judged */
};

enum outcome { CONTINUES, ACCEPTED, DROPPED };

static bool same_text(const json_t *a, const json_t *b, const char *key)
{
	const char *x = string_of(a, key), *y = string_of(b, key);

	return x && y && !strcmp(x, y);
}

static enum outcome walk_chain(struct walk *w, const json_t *table_of, const char *name);

static enum outcome follow(struct walk *w, const json_t *rule, const char *target)
{
	enum outcome o = CONTINUES;

	if (!target || w->depth >= DEPTH_MAX || w->jumps >= JUMPS_MAX) {
		w->maybe_accepted = true;
		return CONTINUES;
	}
	w->depth++;
	w->jumps++;
	o = walk_chain(w, rule, target);
	w->depth--;
	return o;
}

/*
 * One rule. @ret_return: the chain is left. A verdict of a rule that may match decides nothing, but an acceptance
 * has to be thought of.
 */
static enum outcome apply(struct walk *w, const json_t *rule, bool *ret_return)
{
	enum match m = YES;
	const json_t *statement;
	size_t i;

	json_array_foreach(json_object_get(rule, "expr"), i, statement) {
		const json_t *match = json_object_get(statement, "match");
		const json_t *jump = json_object_get(statement, "jump"),
			     *go = json_object_get(statement, "goto");
		enum outcome o = CONTINUES;

		if (match)
			m = both(m, match_expression(match, w->m));
		else if (json_object_get(statement, "limit") || json_object_get(statement, "xt") ||
			 json_object_get(statement, "quota") ||
			 json_object_get(statement, "ct count"))
			m = both(m, MAYBE);
		else if (json_object_get(statement, "accept"))
			o = ACCEPTED;
		else if (json_object_get(statement, "drop") || json_object_get(statement, "reject"))
			o = DROPPED;
		else if (json_object_get(statement, "vmap") || json_object_get(statement, "queue"))
			w->maybe_accepted = true;
		if (m == NO)
			return CONTINUES;
		if (jump || go)
			o = follow(w, rule, string_of(jump ? jump : go, "target"));
		if (m == YES && (go || json_object_get(statement, "return")))
			*ret_return = true;
		if (o == CONTINUES)
			continue;
		if (m == YES)
			return o;
		w->maybe_accepted |= o == ACCEPTED;
	}
	return CONTINUES;
}

static enum outcome walk_chain(struct walk *w, const json_t *table_of, const char *name)
{
	const json_t *item;
	size_t i;

	json_array_foreach(w->list, i, item) {
		const json_t *rule = json_object_get(item, "rule");
		const char *chain = string_of(rule, "chain");
		bool leaves = false;
		enum outcome o;

		if (!chain || strcmp(chain, name) != 0 || !same_text(rule, table_of, "family") ||
		    !same_text(rule, table_of, "table"))
			continue;
		o = apply(w, rule, &leaves);
		if (o != CONTINUES || leaves)
			return o;
	}
	return CONTINUES;
}

/* Does the message come through this chain? */
static bool is_on_the_way(const json_t *chain, bool v6)
{
	const char *type = string_of(chain, "type"), *hook = string_of(chain, "hook");
	const char *family = string_of(chain, "family");

	return type && hook && family && !strcmp(type, "filter") &&
	       (!strcmp(hook, "input") || !strcmp(hook, "prerouting")) &&
	       (!strcmp(family, "inet") || !strcmp(family, v6 ? "ip6" : "ip"));
}

static enum wgx_fate judge_chain(const json_t *list, const json_t *chain,
				 const struct wgx_datagram *m)
{
	const char *name = string_of(chain, "name"), *policy = string_of(chain, "policy");
	struct walk w = {.list = list, .m = m};
	enum outcome o;

	o = name ? walk_chain(&w, chain, name) : ACCEPTED;
	if (o == CONTINUES && policy && !strcmp(policy, "drop"))
		o = DROPPED;
	if (o != DROPPED)
		return WGX_FATE_PASSES;
	return w.maybe_accepted ? WGX_FATE_DEPENDS : WGX_FATE_DROPPED;
}

enum wgx_fate wgx_nft_judge(const json_t *ruleset, const struct wgx_datagram *m,
			    const json_t **ret_chain)
{
	const json_t *list = json_object_get(ruleset, "nftables"), *item;
	enum wgx_fate worst = WGX_FATE_PASSES;
	size_t i;

	json_array_foreach(list, i, item) {
		const json_t *chain = json_object_get(item, "chain");
		enum wgx_fate fate;

		if (!chain || !is_on_the_way(chain, m->v6))
			continue;
		fate = judge_chain(list, chain, m);
		if (fate == WGX_FATE_PASSES || worst == WGX_FATE_DROPPED)
			continue;
		worst = fate;
		*ret_chain = chain;
	}
	return worst;
}
