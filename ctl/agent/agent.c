/* SPDX-License-Identifier: MIT */
#include "agent/agent.h"

#include <errno.h>
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
#include "daemon/log.h"
#include "net/netlink.h"

#define DRY_MS 5000

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
	wgx_agent_soon(a, WGX_AGENT_SETTLE_MS);
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

	a->events = wgx_agent_registry_events(a);
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
		wgx_agent_note_told(a);
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
	wgx_agent_set_addresses(a);
	wgx_agent_set_keys(a);
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
		wgx_agent_work(&a);
		turn(&a);
	}
	wgx_agent_save(&a, UINT64_MAX);
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
	if (wgx_agent_make_plan(a))
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
