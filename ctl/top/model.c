/* SPDX-License-Identifier: MIT */
#include "top/model.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const sort_names[] = {
#define X(name, text) [WGX_TOP_##name] = text,
	WGX_TOP_SORTS(X)
#undef X
};

/* ---- the daemon's answer ---- */

static uint64_t number_of(const json_t *object, const char *key)
{
	json_int_t n = json_integer_value(json_object_get(object, key));

	return n < 0 ? 0 : (uint64_t)n;
}

static void copy_text(char *to, size_t size, const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));

	snprintf(to, size, "%s", text ? text : "");
}

static uint64_t sum_of(const json_t *counts)
{
	const char *key;
	json_t *value;
	uint64_t sum = 0;

	json_object_foreach((json_t *)counts, key, value) {
		sum += (uint64_t)json_integer_value(value);
	}
	return sum;
}

static void read_peer(struct wgx_top_peer *p, const char *interface, const json_t *o)
{
	*p = (struct wgx_top_peer){0};
	snprintf(p->interface, sizeof(p->interface), "%s", interface);
	copy_text(p->public_key, sizeof(p->public_key), o, "public_key");
	copy_text(p->name, sizeof(p->name), o, "name");
	copy_text(p->endpoint, sizeof(p->endpoint), o, "endpoint");
	p->handshake = (int64_t)number_of(o, "latest_handshake");
	p->counts.rx = number_of(o, "rx_bytes");
	p->counts.tx = number_of(o, "tx_bytes");
	p->counts.drops = sum_of(json_object_get(o, "drops"));
}

/* The traffic of an interface is that of its peers: of removed ones nothing is known. */
static size_t read_interface(struct wgx_top_interface *i, const json_t *o,
			     struct wgx_top_peer *peers)
{
	const json_t *list = json_object_get(o, "peers"), *peer;
	size_t n;

	*i = (struct wgx_top_interface){0};
	copy_text(i->name, sizeof(i->name), o, "name");
	i->up = json_is_true(json_object_get(o, "up"));
	i->port = (uint16_t)number_of(o, "listen_port");
	i->n_peers = json_array_size(list);
	i->counts.drops = sum_of(json_object_get(o, "drops"));
	json_array_foreach(list, n, peer) {
		read_peer(&peers[n], i->name, peer);
		i->counts.rx += peers[n].counts.rx;
		i->counts.tx += peers[n].counts.tx;
	}
	return i->n_peers;
}

static size_t count_peers(const json_t *interfaces)
{
	const json_t *o;
	size_t i, n = 0;

	json_array_foreach(interfaces, i, o) {
		n += json_array_size(json_object_get(o, "peers"));
	}
	return n;
}

static int allocate(struct wgx_top *t)
{
	t->peers = calloc(t->n_peers + 1, sizeof(*t->peers));
	t->interfaces = calloc(t->n_interfaces + 1, sizeof(*t->interfaces));
	t->threads = calloc(t->n_threads + 1, sizeof(*t->threads));
	return t->peers && t->interfaces && t->threads ? 0 : -ENOMEM;
}

static void free_arrays(struct wgx_top *t)
{
	free(t->peers);
	free(t->interfaces);
	free(t->threads);
}

static int read_answer(struct wgx_top *t, const json_t *show)
{
	const json_t *interfaces = json_object_get(show, "interfaces"),
		     *threads = json_object_get(show, "threads"), *o;
	size_t i, done = 0;

	t->n_peers = count_peers(interfaces);
	t->n_interfaces = json_array_size(interfaces);
	t->n_threads = json_array_size(threads);
	if (allocate(t)) {
		free_arrays(t);
		return -ENOMEM;
	}
	json_array_foreach(interfaces, i, o) {
		done += read_interface(&t->interfaces[i], o, &t->peers[done]);
	}
	json_array_foreach(threads, i, o) {
		copy_text(t->threads[i].name, sizeof(t->threads[i].name), o, "name");
		t->threads[i].cpu = number_of(o, "cpu_ns");
	}
	t->shared_drops = sum_of(json_object_get(show, "drops"));
	t->pid = number_of(show, "pid");
	return 0;
}

/* ---- differences ---- */

/* A count that is smaller than before has begun anew. */
static double rate(uint64_t before, uint64_t now, double seconds)
{
	return now < before ? 0 : (double)(now - before) / seconds;
}

static void compare_counts(struct wgx_top_counts *now, const struct wgx_top_counts *before,
			   double seconds)
{
	now->rx_rate = rate(before->rx, now->rx, seconds);
	now->tx_rate = rate(before->tx, now->tx, seconds);
	now->drop_rate = rate(before->drops, now->drops, seconds);
}

static int compare_identity(const void *a, const void *b)
{
	const struct wgx_top_peer *x = a, *y = b;
	int order = strcmp(x->interface, y->interface);

	return order ? order : strcmp(x->public_key, y->public_key);
}

/* Both sorted by identity. */
static void compare_peers(struct wgx_top *t, const struct wgx_top *before, double seconds)
{
	size_t b = 0;

	for (size_t i = 0; i < t->n_peers; i++) {
		struct wgx_top_peer *p = &t->peers[i];
		const struct wgx_top_peer *old;

		while (b < before->n_peers && compare_identity(&before->peers[b], p) < 0)
			b++;
		if (b == before->n_peers || compare_identity(&before->peers[b], p))
			continue;
		old = &before->peers[b];
		compare_counts(&p->counts, &old->counts, seconds);
		memcpy(p->history, old->history + 1, sizeof(p->history) - sizeof(*p->history));
		p->history[WGX_TOP_HISTORY - 1] = (float)(p->counts.rx_rate + p->counts.tx_rate);
	}
}

/* An interface has the rates of its peers, so that one that was removed is no gap. */
static void add_up(struct wgx_top *t, const struct wgx_top *before, double seconds)
{
	for (size_t i = 0; i < t->n_interfaces; i++) {
		struct wgx_top_interface *now = &t->interfaces[i];

		for (size_t p = 0; p < t->n_peers; p++) {
			if (strcmp(t->peers[p].interface, now->name) != 0)
				continue;
			now->counts.rx_rate += t->peers[p].counts.rx_rate;
			now->counts.tx_rate += t->peers[p].counts.tx_rate;
		}
		for (size_t b = 0; b < before->n_interfaces; b++)
			if (!strcmp(before->interfaces[b].name, now->name))
				now->counts.drop_rate = rate(before->interfaces[b].counts.drops,
							     now->counts.drops, seconds);
	}
}

static void compare_threads(struct wgx_top *t, const struct wgx_top *before, double seconds)
{
	for (size_t i = 0; i < t->n_threads; i++)
		for (size_t b = 0; b < before->n_threads; b++)
			if (!strcmp(t->threads[i].name, before->threads[b].name))
				t->threads[i].share = rate(before->threads[b].cpu,
							   t->threads[i].cpu, seconds * 1e9);
}

static void sort_by_identity(struct wgx_top *t)
{
	if (t->n_peers)
		qsort(t->peers, t->n_peers, sizeof(*t->peers), compare_identity);
}

int wgx_top_sample(struct wgx_top *t, const json_t *show, uint64_t at, int64_t now)
{
	struct wgx_top new = {.sort = t->sort, .at = at, .now = now};
	double seconds;

	if (read_answer(&new, show))
		return -ENOMEM;
	sort_by_identity(&new);
	if (t->at && at > t->at && new.pid == t->pid) {
		seconds = (double)(at - t->at) / 1e9;
		sort_by_identity(t);
		compare_peers(&new, t, seconds);
		add_up(&new, t, seconds);
		compare_threads(&new, t, seconds);
		new.shared_drop_rate = rate(t->shared_drops, new.shared_drops, seconds);
		new.rates = true;
	}
	wgx_top_sort(&new);
	free_arrays(t);
	*t = new;
	return 0;
}

/* ---- order ---- */

/* The larger one first */
static int falling(double a, double b)
{
	return a == b ? 0 : a < b ? 1 : -1;
}

/* Those without a name last */
static int by_name(const void *a, const void *b)
{
	const struct wgx_top_peer *x = a, *y = b;
	int order = !*x->name - !*y->name;

	if (!order)
		order = strcmp(x->name, y->name);
	return order ? order : compare_identity(a, b);
}

static double traffic(const struct wgx_top_counts *c)
{
	return c->rx_rate + c->tx_rate;
}

static double total(const struct wgx_top_counts *c)
{
	return (double)c->rx + (double)c->tx;
}

static int by_traffic(const void *a, const void *b)
{
	const struct wgx_top_peer *x = a, *y = b;
	int order = falling(traffic(&x->counts), traffic(&y->counts));

	if (!order)
		order = falling(total(&x->counts), total(&y->counts));
	return order ? order : by_name(a, b);
}

static int by_handshake(const void *a, const void *b)
{
	const struct wgx_top_peer *x = a, *y = b;
	int order = falling((double)x->handshake, (double)y->handshake);

	return order ? order : by_name(a, b);
}

static int by_drops(const void *a, const void *b)
{
	const struct wgx_top_peer *x = a, *y = b;
	int order = falling(x->counts.drop_rate, y->counts.drop_rate);

	if (!order)
		order = falling((double)x->counts.drops, (double)y->counts.drops);
	return order ? order : by_name(a, b);
}

void wgx_top_sort(struct wgx_top *t)
{
	static int (*const compare[])(const void *a, const void *b) = {
		[WGX_TOP_TRAFFIC] = by_traffic,
		[WGX_TOP_HANDSHAKE] = by_handshake,
		[WGX_TOP_DROPS] = by_drops,
		[WGX_TOP_NAME] = by_name,
	};

	if (t->n_peers)
		qsort(t->peers, t->n_peers, sizeof(*t->peers), compare[t->sort]);
}

const char *wgx_top_sort_name(enum wgx_top_sort sort)
{
	return sort_names[sort];
}

enum wgx_top_sort wgx_top_sort_find(const char *name)
{
	enum wgx_top_sort sort = 0;

	while (sort < WGX_TOP_SORT_COUNT && strcmp(sort_names[sort], name) != 0)
		sort++;
	return sort;
}

struct wgx_top_counts wgx_top_sum(const struct wgx_top *t)
{
	struct wgx_top_counts sum = {.drops = t->shared_drops, .drop_rate = t->shared_drop_rate};

	for (size_t i = 0; i < t->n_interfaces; i++) {
		const struct wgx_top_counts *c = &t->interfaces[i].counts;

		sum.rx += c->rx;
		sum.tx += c->tx;
		sum.drops += c->drops;
		sum.rx_rate += c->rx_rate;
		sum.tx_rate += c->tx_rate;
		sum.drop_rate += c->drop_rate;
	}
	return sum;
}

void wgx_top_free(struct wgx_top *t)
{
	free_arrays(t);
	*t = (struct wgx_top){0};
}
