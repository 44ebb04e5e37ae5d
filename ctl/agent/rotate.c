/* SPDX-License-Identifier: MIT */
/*
 * A new key for this node, with no packet lost. The next key is published; each other node gives its interface a peer
 * with it, which may speak for this node, and says so in its own record. When all have, the interface gets the new key:
 * it still opens what was sealed under the old one, and the others take what comes under either. They send under the
 * new one as soon as they read that it is the key, which is published when there are sessions under it: until then the
 * old ones go on, in both directions, so that no packet waits for a handshake. The old one is forgotten when no session can be left of it.
 */
#include <string.h>
#include <time.h>

#include "agent/agent.h"
#include "cli/uapi_client.h"
#include "daemon/log.h"

/* REJECT_AFTER_TIME, when no session of the old key is left ([W] 6.1), and a minute for clocks that differ */
#define RETIRE_MS 240000
/* REJECT_AFTER_TIME: who has had no handshake for longer has no session to go on with */
#define SESSION_S 180
#define SETTLE_MS 5000

static bool is_asked(const struct wgx_member *m)
{
	return !m->gone && m->node.has_key;
}

json_t *wgx_agent_waits_for(const struct wgx_agent *a)
{
	json_t *list = json_array();

	for (size_t i = 0; a->rotation == WGX_ROTATION_ANNOUNCED && i < a->members.n; i++) {
		const struct wgx_member *m = a->members.items[i];

		if (is_asked(m) &&
		    !wgx_node_has_seen(&m->node, a->self.name, a->state.next_public_key))
			json_array_append_new(list, json_string(m->node.name));
	}
	return list;
}

void wgx_agent_rotation_begin(struct wgx_agent *a)
{
	a->rotation = a->state.next_key	      ? WGX_ROTATION_ANNOUNCED
		      : a->state.has_previous ? WGX_ROTATION_RETIRING
					      : WGX_ROTATION_NONE;
	a->retire_at = wgx_agent_now() + RETIRE_MS;
}

const char *wgx_agent_rotate(struct wgx_agent *a)
{
	int err;

	if (a->rotation == WGX_ROTATION_ANNOUNCED)
		return "the next key is published already";
	if (a->rotation == WGX_ROTATION_RETIRING)
		return "the previous key is not retired yet";
	err = wgx_state_next_key(&a->state);
	if (err)
		return strerror(-err);
	a->rotation = WGX_ROTATION_ANNOUNCED;
	wgx_log(WGX_LOG_INFO, "the next key is published");
	wgx_agent_soon(a, 0);
	return NULL;
}

static void switch_keys(struct wgx_agent *a)
{
	int err = wgx_state_switch(&a->state);

	if (err) {
		wgx_log(WGX_LOG_ERR, "cannot switch to the next key: %s", strerror(-err));
		return;
	}
	wgx_log(WGX_LOG_INFO, "all nodes know the next key: switched to it");
	a->rotation = WGX_ROTATION_RETIRING;
	a->retire_at = wgx_agent_now() + RETIRE_MS;
	/* the interface gets it now, and not after others have heard of it */
	wgx_have_free(&a->before);
	a->before = a->have;
	a->have = (struct wgx_have){0};
	a->settle_at = wgx_agent_now() + SETTLE_MS;
	(void)wgx_tunnel_ensure(&a->tunnel, &a->state, &a->have);
	wgx_agent_soon(a, 0);
}

/* A peer that had a session has one under the new key when there was another handshake. */
static bool has_new_session(const struct wgx_agent *a, const struct wgx_have_peer *before)
{
	const struct wgx_have_peer *p = wgx_have_find(&a->have, before->key);

	return !p || before->handshake + SESSION_S < time(NULL) ||
	       p->handshake != before->handshake;
}

bool wgx_agent_rotation_settled(struct wgx_agent *a)
{
	size_t i = 0;

	while (i < a->before.n_peers && has_new_session(a, &a->before.peers[i]))
		i++;
	if (i < a->before.n_peers && wgx_agent_now() < a->settle_at)
		return false;
	wgx_have_free(&a->before);
	return true;
}

static void retire(struct wgx_agent *a)
{
	(void)wgx_state_forget_previous(&a->state);
	a->rotation = WGX_ROTATION_NONE;
	wgx_log(WGX_LOG_INFO, "the previous key is retired");
	wgx_agent_soon(a, 0);
}

void wgx_agent_rotate_step(struct wgx_agent *a)
{
	json_t *names;

	if (a->rotation == WGX_ROTATION_RETIRING && wgx_agent_now() >= a->retire_at)
		retire(a);
	if (a->rotation != WGX_ROTATION_ANNOUNCED || !a->members.synced || a->publish_due)
		return;
	names = wgx_agent_waits_for(a);
	/* published in this turn at the earliest: nobody can have seen it */
	if (!json_array_size(names) && a->published.has_next)
		switch_keys(a);
	json_decref(names);
}
