/* SPDX-License-Identifier: MIT */
/* Makes the interface what it is to be: filter, addresses, peers, routes. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "agent/agent.h"
#include "cli/client.h"
#include "daemon/log.h"

#define LOOK_MS 30000 /* somebody may have changed the interface by hand */
#define GREET_S 25
#define SAVE_MS 5000 /* in a large cluster there is always something new to be saved */

int wgx_agent_make_plan(struct wgx_agent *a)
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

void wgx_agent_note_told(struct wgx_agent *a)
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

void wgx_agent_save(struct wgx_agent *a, uint64_t now)
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
		wgx_agent_soon(a, WGX_AGENT_RETRY_MS);
	}
	a->greet = false;
}

static int change_peers(struct wgx_agent *a)
{
	int err = wgx_agent_make_plan(a);

	if (err)
		return err;
	report_refusals(a);
	greet_peers(a);
	a->failed_steps = wgx_tunnel_apply(&a->tunnel, &a->plan);
	if (!a->failed_steps)
		wgx_agent_note_told(a);
	if (!a->plan.n && !a->names_due)
		return 0;
	/* one call for each peer: not where only endpoints have changed */
	if (a->names_due || changes_peers(&a->plan))
		a->names_due = wgx_tunnel_names(&a->tunnel, &a->want);
	/* what it has now, and what is left to do */
	wgx_have_free(&a->have);
	err = wgx_tunnel_look(&a->tunnel, &a->state, &a->have);
	return err ? err : wgx_agent_make_plan(a);
}

static int converge(struct wgx_agent *a)
{
	int err;

	wgx_agent_set_addresses(a);
	wgx_agent_set_keys(a);
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

void wgx_agent_work(struct wgx_agent *a)
{
	uint64_t now = wgx_agent_now();
	int err;

	if (now >= a->expire_at)
		expire(a, now);
	if (now < a->converge_at &&
	    !(a->rotation == WGX_ROTATION_RETIRING && now >= a->retire_at)) {
		wgx_agent_save(a, now);
		return;
	}
	a->converge_at = now + LOOK_MS;
	a->own_due = true;
	err = converge(a);
	a->converged += !err;
	if (err || a->failed_steps || a->names_due)
		wgx_agent_soon(a, WGX_AGENT_RETRY_MS);
	if (!err)
		wgx_agent_rotate_step(a);
	wgx_agent_publish(a);
	wgx_agent_save(a, now);
}
