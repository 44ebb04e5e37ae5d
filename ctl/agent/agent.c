/* SPDX-License-Identifier: MIT */
#include "agent/agent.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/rtnetlink.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

#include <sodium.h>

#include "cli/cli.h"
#include "cli/client.h"
#include "daemon/log.h"
#include "net/netlink.h"
#include "proto/key_text.h"

#define SETTLE_MS 100 /* changes that come together are one */
#define LOOK_MS 30000 /* somebody may have changed the interface by hand */
#define RETRY_MS 2000
#define DRY_MS 5000
#define GREET_S 25
#define SAVE_MS 5000 /* in a large cluster there is always something new to be saved */

uint64_t wgx_agent_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_BOOTTIME, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

void wgx_agent_soon(struct wgx_agent *a, uint64_t ms)
{
	uint64_t at = wgx_agent_now() + ms;

	if (at < a->converge_at)
		a->converge_at = at;
}

/* ---- this node ---- */

static void set_keys(struct wgx_agent *a)
{
	struct wgx_node *n = &a->self;
	const struct wgx_state *s = &a->state;

	n->has_key = s->key; /* none where only a plan is made */
	memcpy(n->key, s->public_key, sizeof(n->key));
	n->has_next = s->next_key;
	memcpy(n->next, s->next_public_key, sizeof(n->next));
	n->has_previous = s->has_previous;
	memcpy(n->previous, s->previous, sizeof(n->previous));
}

static bool is_known_chosen(const struct wgx_agent *a)
{
	return strcmp(a->options->registry, "file") != 0 &&
	       (a->options->endpoint == WGX_ENDPOINT_INTERNAL ||
		a->options->endpoint == WGX_ENDPOINT_EXTERNAL);
}

/* Those of the registry, if that was asked for; the devices are ours. */
static void use_known(struct wgx_agent *a)
{
	if (!is_known_chosen(a))
		return;
	a->own.n_endpoints = a->n_known;
	memcpy(a->own.endpoints, a->known, sizeof(a->known));
	for (size_t i = 0; i < a->n_known; i++)
		a->own.endpoints[i].addr.v4.sin_port = htons(a->options->listen_port);
}

static void set_addresses(struct wgx_agent *a)
{
	struct wgx_own_addresses own;

	if (!a->own_due)
		return;
	a->own_due = false;
	if (wgx_own_addresses(a->options, &own)) {
		wgx_log(WGX_LOG_WARN,
			"cannot tell which address this node has; the last one stays");
		return;
	}
	/* a node without an address for a moment is not to be forgotten */
	if (!own.n_endpoints && a->own.n_endpoints)
		return;
	a->own = own;
	use_known(a);
	a->self.n_endpoints = a->own.n_endpoints;
	memcpy(a->self.endpoints, a->own.endpoints, sizeof(a->self.endpoints));
}

/* What we say of others' next keys: that our interface has them, and takes what comes under them. */
static void set_seen(struct wgx_agent *a)
{
	free(a->self.seen);
	a->self.seen = NULL;
	a->self.n_seen = 0;
	for (size_t i = 0; !a->names_due && i < a->want.n_peers; i++) {
		const struct wgx_want_peer *p = &a->want.peers[i];

		if (p->part == WGX_KEY_NEXT && wgx_have_find(&a->have, p->key))
			(void)wgx_node_add_seen(&a->self, p->member->node.name, p->key);
	}
}

static void publish(struct wgx_agent *a)
{
	int err;

	if (!wgx_agent_rotation_settled(a)) {
		wgx_agent_soon(a, SETTLE_MS);
		return;
	}
	set_keys(a);
	set_seen(a);
	if (!a->publish_due && wgx_node_equal(&a->self, &a->published))
		return;
	err = a->registry->ops->publish(a->registry, &a->self);
	a->publish_due = err;
	if (err && err != -ENOTCONN && err != -EINPROGRESS)
		wgx_log(WGX_LOG_WARN, "cannot publish this node: %s", strerror(-err));
	if (err)
		wgx_agent_soon(a, RETRY_MS);
	wgx_node_free(&a->published);
	if (wgx_node_copy(&a->published, &a->self))
		a->publish_due = true;
}

/* ---- convergence ---- */

static int make_plan(struct wgx_agent *a)
{
	wgx_plan_free(&a->plan);
	wgx_want_free(&a->want);
	if (wgx_rules_apply(
		    &(struct wgx_rules){
			    .cluster = a->options->cluster.items,
			    .n_cluster = a->options->cluster.n,
			    .keepalive = a->options->keepalive,
		    },
		    &a->self, &a->members, &a->want))
		return -ENOMEM;
	return wgx_plan_make(&a->want, &a->have, time(NULL), &a->plan);
}

static void daemon_ready(struct wgx_event *e, uint32_t events)
{
	struct wgx_agent *a = e->arg;

	wgx_event_close(a->epoll_fd, e);
	wgx_log(WGX_LOG_WARN, "the daemon has gone");
	wgx_agent_soon(a, 0);
}

/* A connection that says nothing, and ends with the daemon. */
static void watch_daemon(struct wgx_agent *a)
{
	int fd;

	if (a->daemon.fd >= 0)
		return;
	fd = wgx_client_connect();
	if (fd >= 0 && wgx_event_add(a->epoll_fd, &a->daemon, fd, daemon_ready, a))
		close(fd);
}

static void note_told(struct wgx_agent *a)
{
	for (size_t i = 0; i < a->want.n_peers; i++)
		if (a->want.peers[i].part == WGX_KEY_CURRENT)
			a->want.peers[i].member->told = a->want.peers[i].endpoint;
}

static void report_refusals(struct wgx_agent *a)
{
	for (size_t i = 0; i < a->want.n_refusals; i++) {
		struct wgx_refusal *r = &a->want.refusals[i];
		struct wgx_member *m = (struct wgx_member *)r->member;
		char text[512];

		if (m->reported & (1u << r->reason))
			continue;
		m->reported |= 1u << r->reason;
		wgx_log(WGX_LOG_WARN, "refused: %s", wgx_refusal_text(r, text, sizeof(text)));
		if (a->registry->ops->report)
			a->registry->ops->report(a->registry, "PeerRefused", text);
	}
}

static void save(struct wgx_agent *a, uint64_t now)
{
	int err;

	if (!a->save_due || now < a->save_at)
		return;
	a->save_at = now + SAVE_MS;
	err = wgx_state_save(&a->state, &a->members, &a->self);
	if (err)
		wgx_log(WGX_LOG_WARN, "cannot save what nodes there are: %s", strerror(-err));
	a->save_due = err;
}

/* The filter first, then what could be filtered, then peers. */
static int make_tunnel(struct wgx_agent *a)
{
	int err;

	wgx_have_free(&a->have);
	err = wgx_tunnel_ensure(&a->tunnel, &a->state, &a->have);
	if (err < 0)
		return err;
	a->greet |= err > 0;
	watch_daemon(a);
	err = wgx_tunnel_filter(&a->tunnel, &a->own, &a->exempt);
	if (!err)
		err = wgx_tunnel_up(&a->tunnel, &a->self, &a->own);
	return err;
}

static bool changes_peers(const struct wgx_plan *p)
{
	for (size_t i = 0; i < p->n; i++)
		if (p->steps[i].kind != WGX_STEP_SET_ENDPOINT &&
		    p->steps[i].kind != WGX_STEP_SET_KEEPALIVE)
			return true;
	return false;
}

/*
 * A new daemon has no sessions, and the others send under theirs: for 15 seconds, if nothing is sent to them. A keepalive
 * makes the handshake, and goes with the next look.
 */
static void greet_peers(struct wgx_agent *a)
{
	for (size_t i = 0; a->greet && i < a->plan.n; i++) {
		struct wgx_step *s = &a->plan.steps[i];

		if (s->kind != WGX_STEP_ADD_PEER || s->keepalive)
			continue;
		s->keepalive = GREET_S;
		wgx_agent_soon(a, RETRY_MS);
	}
	a->greet = false;
}

static int change_peers(struct wgx_agent *a)
{
	int err = make_plan(a);

	if (err)
		return err;
	report_refusals(a);
	greet_peers(a);
	a->failed_steps = wgx_tunnel_apply(&a->tunnel, &a->plan);
	if (!a->failed_steps)
		note_told(a);
	if (!a->plan.n && !a->names_due)
		return 0;
	/* one call for each peer: not where only endpoints have changed */
	if (a->names_due || changes_peers(&a->plan))
		a->names_due = wgx_tunnel_names(&a->tunnel, &a->want);
	/* what it has now, and what is left to do */
	wgx_have_free(&a->have);
	err = wgx_tunnel_look(&a->tunnel, &a->state, &a->have);
	return err ? err : make_plan(a);
}

static int converge(struct wgx_agent *a)
{
	int err;

	set_addresses(a);
	set_keys(a);
	err = make_tunnel(a);
	if (!err && a->options->strict)
		err = wgx_tunnel_route(&a->tunnel, &a->self, &a->want, &a->exempt);
	if (!err)
		err = change_peers(a);
	if (!err)
		err = wgx_tunnel_route(&a->tunnel, &a->self, &a->want, &a->exempt);
	return err;
}

static void expire(struct wgx_agent *a, uint64_t now)
{
	size_t before = a->members.held;
	char text[256];

	if (wgx_members_expire(&a->members, now, &a->expire_at)) {
		a->save_due = true;
		wgx_agent_soon(a, 0);
	}
	if (a->members.held <= before)
		return;
	snprintf(text, sizeof(text),
		 "more than half of all nodes have gone from the registry: %zu are kept until they "
		 "are back, or until you say: wgx agent plan --accept",
		 a->members.held);
	wgx_log(WGX_LOG_WARN, "%s", text);
	if (a->registry->ops->report)
		a->registry->ops->report(a->registry, "NodesHeld", text);
}

static void work(struct wgx_agent *a)
{
	uint64_t now = wgx_agent_now();
	int err;

	if (now >= a->expire_at)
		expire(a, now);
	if (now < a->converge_at &&
	    !(a->rotation == WGX_ROTATION_RETIRING && now >= a->retire_at)) {
		save(a, now);
		return;
	}
	a->converge_at = now + LOOK_MS;
	a->own_due = true;
	err = converge(a);
	a->converged += !err;
	if (err || a->failed_steps || a->names_due)
		wgx_agent_soon(a, RETRY_MS);
	if (!err)
		wgx_agent_rotate_step(a);
	publish(a);
	save(a, now);
}

/* ---- what the registry tells ---- */

static void on_begin(void *arg)
{
	struct wgx_agent *a = arg;

	wgx_members_begin(&a->members);
}

static bool is_self(const struct wgx_agent *a, const char *name)
{
	return !strcmp(name, a->options->node);
}

static void changed(struct wgx_agent *a)
{
	a->save_due = true;
	a->expire_at = 0;
	wgx_agent_soon(a, SETTLE_MS);
}

static void on_upsert(void *arg, const struct wgx_node *node)
{
	struct wgx_agent *a = arg;

	if (is_self(a, node->name))
		return;
	if (wgx_members_upsert(&a->members, node) > 0) {
		struct wgx_member *m = wgx_members_find(&a->members, node->name);

		m->reported = 0;
		changed(a);
	}
}

static void on_refuse(void *arg, const char *name, const char *problem)
{
	struct wgx_agent *a = arg;

	if (!is_self(a, name) && wgx_members_refuse(&a->members, name, problem) > 0) {
		wgx_members_find(&a->members, name)->reported = 0;
		changed(a);
	}
}

static void on_remove(void *arg, const char *name)
{
	struct wgx_agent *a = arg;

	if (!wgx_members_delete(&a->members, name, wgx_agent_now()))
		return;
	wgx_log(WGX_LOG_INFO, "%s: its record is gone; it is kept for %u s", name,
		a->options->grace_s);
	changed(a);
}

static void on_self(void *arg, const struct wgx_node *node, const struct wgx_endpoint *internal,
		    size_t n_internal, const struct wgx_endpoint *external, size_t n_external)
{
	bool use_external;
	struct wgx_agent *a = arg;
	struct wgx_node before = a->self;

	use_external = a->options->endpoint == WGX_ENDPOINT_EXTERNAL;
	a->n_known = use_external ? n_external : n_internal;
	memcpy(a->known, use_external ? external : internal, sizeof(a->known));
	a->self.n_cidrs = 0;
	for (size_t i = 0; i < node->n_cidrs; i++) {
		const struct wgx_prefix *p = &node->cidrs[i];

		for (size_t j = 0; j < a->options->cluster.n; j++)
			if (wgx_prefix_contains(&a->options->cluster.items[j], p))
				a->self.cidrs[a->self.n_cidrs++] = *p;
	}
	if (is_known_chosen(a) || !wgx_node_equal(&before, &a->self))
		changed(a);
}

static void on_published(void *arg)
{
	wgx_agent_soon(arg, 0);
}

static void on_synced(void *arg)
{
	struct wgx_agent *a = arg;

	if (a->registry_problem[0] || !a->members.synced)
		wgx_log(WGX_LOG_INFO, "the registry answers");
	a->was_synced = true;
	a->registry_problem[0] = '\0';
	if (wgx_members_end(&a->members, wgx_agent_now()))
		changed(a);
}

static void on_lost(void *arg, const char *why)
{
	struct wgx_agent *a = arg;

	if (!a->registry_problem[0] || a->members.synced)
		wgx_log(WGX_LOG_WARN, "the registry does not answer, all stays as it is: %s", why);
	snprintf(a->registry_problem, sizeof(a->registry_problem), "%s", why);
	wgx_log_defuse(a->registry_problem); /* it may be a server's text */
	a->losses += a->members.synced;
	wgx_members_lost(&a->members);
}

/* ---- the loop ---- */

static void signal_ready(struct wgx_event *e, uint32_t events)
{
	struct wgx_agent *a = e->arg;

	a->stopping = true;
}

static void addresses_ready(struct wgx_event *e, uint32_t events)
{
	struct wgx_agent *a = e->arg;
	char buf[WGX_NL_BUFFER];

	while (recv(e->fd, buf, sizeof(buf), MSG_DONTWAIT) > 0)
		;
	wgx_agent_soon(a, SETTLE_MS);
}

static int catch_signals(struct wgx_agent *a)
{
	sigset_t set;
	int fd;

	signal(SIGPIPE, SIG_IGN);
	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (fd < 0)
		return -errno;
	sigprocmask(SIG_BLOCK, &set, NULL);
	return wgx_event_add(a->epoll_fd, &a->signals, fd, signal_ready, a);
}

static int watch_addresses(struct wgx_agent *a)
{
	int fd = wgx_nl_open(RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR | RTMGRP_LINK, SOCK_NONBLOCK);

	return fd < 0 ? fd : wgx_event_add(a->epoll_fd, &a->addresses, fd, addresses_ready, a);
}

/* Return: ms */
static int until(const struct wgx_agent *a, int registry_ms)
{
	uint64_t now = wgx_agent_now(), next = a->converge_at;

	if (a->expire_at < next)
		next = a->expire_at;
	if (a->save_due && a->save_at < next)
		next = a->save_at;
	if (a->rotation == WGX_ROTATION_RETIRING && a->retire_at < next)
		next = a->retire_at;
	if (next <= now)
		return 0;
	if (registry_ms >= 0 && now + (uint64_t)registry_ms < next)
		return registry_ms;
	return next - now > 60000 ? 60000 : (int)(next - now);
}

/* -1: never */
static int sooner(int a, int b)
{
	if (a < 0 || b < 0)
		return a < 0 ? b : a;
	return a < b ? a : b;
}

static void turn(struct wgx_agent *a)
{
	int ms = sooner(a->registry->ops->run(a->registry), wgx_agent_pages_run(a));
	struct epoll_event ev;

	/* one at a time: what one handler frees, the next event may have meant */
	if (epoll_wait(a->epoll_fd, &ev, 1, until(a, ms)) == 1) {
		struct wgx_event *e = ev.data.ptr;

		e->ready(e, ev.events);
	}
}

/* ---- the beginning and the end ---- */

static void exempt_api_server(struct wgx_agent *a)
{
	struct wgx_endpoint e[WGX_NODE_ENDPOINTS];
	size_t n = wgx_registry_k8s_addresses(a->registry, e, WGX_NODE_ENDPOINTS);

	a->exempt.items = calloc(WGX_NODE_ENDPOINTS, sizeof(*a->exempt.items));
	for (size_t i = 0; a->exempt.items && i < n; i++)
		a->exempt.items[a->exempt.n++] = wgx_prefix_of_address(&e[i]);
}

static int open_registry(struct wgx_agent *a)
{
	char error[512] = "no memory left";

	a->events = (struct wgx_registry_events){
		.begin = on_begin,
		.upsert = on_upsert,
		.refuse = on_refuse,
		.self = on_self,
		.published = on_published,
		.remove = on_remove,
		.synced = on_synced,
		.lost = on_lost,
		.arg = a,
	};
	if (!strcmp(a->options->registry, "file"))
		a->registry = wgx_registry_file(a->options->registry_dir, a->epoll_fd, &a->events);
	else
		a->registry = wgx_registry_k8s(a->options->kubeconfig, a->options->node,
					       a->epoll_fd, &a->events, error, sizeof(error));
	if (!a->registry || a->registry->ops->start(a->registry))
		return wgx_fail("the registry cannot be opened: %s", error);
	if (strcmp(a->options->registry, "file") != 0)
		exempt_api_server(a);
	return WGX_EXIT_OK;
}

static void init(struct wgx_agent *a, const struct wgx_agent_options *o)
{
	*a = (struct wgx_agent){
		.options = o,
		.epoll_fd = -1,
		.signals.fd = -1,
		.addresses.fd = -1,
		.daemon.fd = -1,
		.server.fd = -1,
		.pages_event.fd = -1,
		.state.dir = -1,
		.members.grace_ms = (uint64_t)o->grace_s * 1000,
		.tunnel.options = o,
		.own_due = true,
		.publish_due = true,
	};
	wgx_node_set_name(&a->self, o->node);
	a->self.n_cidrs = o->pods.n;
	for (size_t i = 0; i < o->pods.n; i++)
		a->self.cidrs[i] = o->pods.items[i];
}

/* Those that were known last are known to the interface, if it has lived on. */
static void take_members(struct wgx_agent *a)
{
	int n = wgx_state_load(&a->state, &a->members, &a->self);

	if (n < 0)
		wgx_log(WGX_LOG_WARN, "what nodes there were cannot be read: %s", strerror(-n));
	else if (n)
		wgx_log(WGX_LOG_INFO, "%d nodes are known from before", n);
	a->known_before = n > 0;
	if (!wgx_rules_apply(
		    &(struct wgx_rules){
			    .cluster = a->options->cluster.items,
			    .n_cluster = a->options->cluster.n,
		    },
		    &a->self, &a->members, &a->want))
		note_told(a);
}

static int begin(struct wgx_agent *a)
{
	char error[512];
	int err;

	/* libcurl has tokens and keys in memory that no one can keep out of a core dump */
	if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) || sodium_init() < 0)
		return wgx_fail("libsodium does not initialise");
	if (wgx_state_open(a->options->state_dir, a->dry, &a->state, error, sizeof(error)))
		return wgx_fail("%s", error);
	a->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	err = a->epoll_fd < 0 ? -errno : 0;
	if (!err)
		err = catch_signals(a);
	if (!err)
		err = watch_addresses(a);
	if (err)
		return wgx_fail("cannot start: %s", strerror(-err));
	if (open_registry(a))
		return WGX_EXIT_FAILURE;
	/* what this node has is read before the members are: own addresses decide on their endpoints */
	set_addresses(a);
	set_keys(a);
	wgx_agent_rotation_begin(a);
	take_members(a);
	return WGX_EXIT_OK;
}

static void end(struct wgx_agent *a)
{
	if (a->registry)
		a->registry->ops->free(a->registry);
	wgx_event_close(a->epoll_fd, &a->signals);
	wgx_event_close(a->epoll_fd, &a->addresses);
	wgx_event_close(a->epoll_fd, &a->daemon);
	wgx_members_free(&a->members);
	wgx_tunnel_free(&a->tunnel);
	wgx_want_free(&a->want);
	wgx_have_free(&a->have);
	wgx_plan_free(&a->plan);
	wgx_node_free(&a->self);
	wgx_node_free(&a->published);
	wgx_state_close(&a->state);
	free(a->exempt.items);
	if (a->epoll_fd >= 0)
		close(a->epoll_fd);
}

int wgx_agent_run(const struct wgx_agent_options *o)
{
	static struct wgx_agent a;
	int status, err;

	wgx_log_init(false);
	init(&a, o);
	status = begin(&a);
	err = status ? 0 : wgx_agent_serve(&a);
	if (err)
		status = wgx_fail("cannot listen for wgx agent: %s", strerror(-err));
	if (!status)
		status = wgx_agent_pages_begin(&a);
	while (!status && !a.stopping) {
		work(&a);
		turn(&a);
	}
	save(&a, UINT64_MAX);
	wgx_agent_pages_end(&a);
	wgx_metrics_source_close(&a.source);
	wgx_agent_serve_end(&a);
	end(&a);
	return status;
}

/* ---- the plan alone ---- */

static int dry(struct wgx_agent *a)
{
	uint64_t end = wgx_agent_now() + DRY_MS;
	json_t *plan;
	int err;

	a->converge_at = a->expire_at = UINT64_MAX;
	while (!a->members.synced && !a->stopping && !a->registry_problem[0]) {
		if (wgx_agent_now() > end)
			return wgx_fail("the registry has not answered for 5 seconds");
		turn(a);
	}
	if (!a->members.synced)
		return wgx_fail("%s", a->registry_problem);
	err = wgx_tunnel_look(&a->tunnel, &a->state, &a->have);
	if (err && err != -ENODEV)
		return wgx_fail("%s: %s", a->options->interface, strerror(-err));
	if (err)
		printf("%s: create\n", a->options->interface);
	if (make_plan(a))
		return wgx_fail("no memory left");
	plan = wgx_agent_plan_json(a);
	wgx_agent_print_plan(plan);
	json_decref(plan);
	return WGX_EXIT_OK;
}

int wgx_agent_dry_plan(const struct wgx_agent_options *o)
{
	static struct wgx_agent a;
	int status;

	init(&a, o);
	a.dry = true;
	status = begin(&a);
	if (!status)
		status = dry(&a);
	end(&a);
	return status;
}
