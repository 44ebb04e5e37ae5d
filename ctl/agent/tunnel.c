/* SPDX-License-Identifier: MIT */
#include "agent/tunnel.h"

#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/client.h"
#include "cli/uapi_client.h"
#include "daemon/log.h"
#include "device/name.h"
#include "net/addr.h"
#include "net/link.h"
#include "proto/key_text.h"

/* ---- the daemon and its interface ---- */

int wgx_tunnel_look(struct wgx_tunnel *t, const struct wgx_state *s, struct wgx_have *have)
{
	struct wgx_secbuf answer = {0};
	int err = wgx_uapi_ask(t->options->interface, "get=1\n\n", &answer);

	if (!err)
		err = wgx_have_parse(answer.data, s->key, have);
	wgx_secbuf_free(&answer);
	if (err)
		return err;
	t->ifindex = (int)if_nametoindex(t->options->interface);
	if (t->ifindex)
		return 0;
	wgx_have_free(have);
	return -ENODEV;
}

/* Only what is not so: a port set anew is new sockets, a key set anew new handshakes. */
static int ask_identity(struct wgx_tunnel *t, const struct wgx_state *s,
			const struct wgx_have *have, bool keep_sessions)
{
	struct wgx_secbuf b = {0};
	int err;

	wgx_secbuf_printf(&b, "set=1\n");
	if (!have->has_key && keep_sessions)
		wgx_secbuf_printf(&b, "keep_sessions=true\n");
	if (!have->has_key)
		wgx_secbuf_hex(&b, "private_key", s->key);
	if (have->listen_port != t->options->listen_port)
		wgx_secbuf_printf(&b, "listen_port=%u\n", t->options->listen_port);
	wgx_secbuf_printf(&b, "\n");
	err = b.failed ? -ENOMEM : wgx_uapi_ask(t->options->interface, b.data, NULL);
	wgx_secbuf_free(&b);
	return err;
}

static int set_identity(struct wgx_tunnel *t, const struct wgx_state *s,
			const struct wgx_have *have, bool keep_sessions)
{
	int err;

	if (have->has_key && have->listen_port == t->options->listen_port)
		return 0;
	err = ask_identity(t, s, have, keep_sessions);
	if (err == -EINVAL && keep_sessions) /* a daemon of before does not know that */
		err = ask_identity(t, s, have, false);
	if (err)
		wgx_log(WGX_LOG_ERR, "%s: cannot set key and port %u: %s", t->options->interface,
			t->options->listen_port, strerror(-err));
	return err;
}

static bool daemon_answers(void)
{
	int fd = wgx_client_connect();

	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

/* A daemon that is started is no agent: whether it can be dumped is its own affair. */
static int create(struct wgx_tunnel *t)
{
	int dumpable = prctl(PR_GET_DUMPABLE, 0, 0, 0, 0), status;

	if (t->options->awaits_daemon && !daemon_answers()) {
		if (!t->awaits)
			wgx_log(WGX_LOG_WARN, "no daemon answers; waiting for one");
		t->awaits = true;
		return -ESRCH;
	}
	t->awaits = false;
	prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
	status = wgx_create_interface(t->options->interface, 0);
	prctl(PR_SET_DUMPABLE, dumpable, 0, 0, 0);
	return status ? -EIO : 0;
}

int wgx_tunnel_ensure(struct wgx_tunnel *t, const struct wgx_state *s, struct wgx_have *have)
{
	int err = wgx_tunnel_look(t, s, have), made = 0;

	if (err == -ENODEV) {
		t->routed = false; /* what is dropped is dropped without a daemon, too */
		free(t->attached);
		t->attached = NULL;
		err = create(t);
		if (err)
			return err;
		made = 1;
		err = wgx_tunnel_look(t, s, have);
	}
	if (err) {
		wgx_log(WGX_LOG_ERR, "%s: %s", t->options->interface, strerror(-err));
		return err;
	}
	/* with a previous key there, it is a rotation, and all have said that they know both */
	err = set_identity(t, s, have, s->has_previous && !made);
	if (!err)
		return made;
	wgx_have_free(have);
	return err;
}

/* ---- addresses, MTU, link ---- */

/* As flannel does: the network's own address, which no pod gets. */
static int add_address(struct wgx_tunnel *t, const struct wgx_prefix *cidr)
{
	struct wgx_prefix a = *cidr;
	char text[WGX_PREFIX_TEXT];
	int err;

	a.cidr = a.family == AF_INET6 ? 128 : 32;
	err = wgx_addr_add(t->ifindex, &a);
	if (!err || err == -EEXIST)
		return 0;
	wgx_log(WGX_LOG_ERR, "%s: cannot add address %s: %s", t->options->interface,
		wgx_prefix_format(&a, text), strerror(-err));
	return err;
}

int wgx_tunnel_up(struct wgx_tunnel *t, const struct wgx_node *self,
		  const struct wgx_own_addresses *own)
{
	uint32_t mtu = t->options->mtu ? t->options->mtu : wgx_own_mtu(own);
	struct wgx_link_info info;
	int err = wgx_link_query_index(t->ifindex, &info);

	if (!err && info.mtu != mtu)
		err = wgx_link_set_mtu(t->ifindex, mtu);
	for (size_t i = 0; !err && i < self->n_cidrs; i++)
		err = add_address(t, &self->cidrs[i]);
	if (!err && !(info.flags & IFF_UP))
		err = wgx_link_set_up(t->ifindex, true);
	if (err)
		wgx_log(WGX_LOG_ERR, "%s: cannot be set up, with MTU %u: %s", t->options->interface,
			mtu, strerror(-err));
	return err;
}

/* ---- peers ---- */

static int ask_steps(struct wgx_tunnel *t, const struct wgx_step *steps, size_t n)
{
	size_t size = 16 + n * WGX_STEP_UAPI_MAX, len;
	char *text = malloc(size);
	int err;

	if (!text)
		return -ENOMEM;
	len = (size_t)snprintf(text, size, "set=1\n");
	for (size_t i = 0; i < n; i++)
		len += (size_t)wgx_step_uapi(&steps[i], text + len, size - len);
	snprintf(text + len, size - len, "\n");
	err = wgx_uapi_ask(t->options->interface, text, NULL);
	free(text);
	return err;
}

static void log_step(int level, const struct wgx_step *s, const char *how)
{
	char text[WGX_STEP_TEXT_MAX];

	wgx_log(level, "%s%s", wgx_step_text(s, text, sizeof(text)), how);
}

size_t wgx_tunnel_apply(struct wgx_tunnel *t, const struct wgx_plan *plan)
{
	int err = plan->n ? ask_steps(t, plan->steps, plan->n) : 0;
	char how[64];
	size_t failed = 0;

	for (size_t i = 0; i < plan->n; i++) {
		int one = err ? ask_steps(t, &plan->steps[i], 1) : 0;

		if (!one) {
			log_step(WGX_LOG_INFO, &plan->steps[i], "");
			continue;
		}
		snprintf(how, sizeof(how), ": %s", strerror(-one));
		log_step(WGX_LOG_ERR, &plan->steps[i], how);
		failed++;
	}
	return failed;
}

/* Return: 0, or a negative errno; what it is about is logged for who looks closely. */
static int tell(int fd, json_t *request)
{
	json_t *answer = NULL;
	int err = request ? wgx_client_call(fd, request, &answer) : -ENOMEM;

	json_decref(request);
	if (!err && wgx_client_error(answer)) {
		wgx_log(WGX_LOG_DEBUG, "%s", wgx_client_error(answer));
		err = -EIO;
	}
	json_decref(answer);
	return err;
}

static void name_peer(struct wgx_tunnel *t, int fd, const struct wgx_want_peer *p)
{
	const char *name = p->part == WGX_KEY_CURRENT ? p->member->node.name : NULL;
	char key[WGX_KEY_TEXT_SIZE];

	if (name && strlen(name) > WGX_PEER_NAME_MAX)
		return;
	wgx_key_format(p->key, key);
	(void)tell(fd, json_pack("{s:s, s:s, s:s, s:s?}", "cmd", "name", "interface",
				 t->options->interface, "peer", key, "name", name));
}

/* Keys that have no name any more give theirs up before another may have it. */
static void name_peers(struct wgx_tunnel *t, int fd, const struct wgx_want *want)
{
	for (int current = 0; current < 2; current++)
		for (size_t i = 0; i < want->n_peers; i++)
			if ((want->peers[i].part == WGX_KEY_CURRENT) == current)
				name_peer(t, fd, &want->peers[i]);
}

/* With the key that the node has now. A node that has three has the next one before the previous one is retired. */
static int pair_peer(struct wgx_tunnel *t, int fd, const struct wgx_want_peer *p)
{
	char key[WGX_KEY_TEXT_SIZE], current[WGX_KEY_TEXT_SIZE];

	wgx_key_format(p->key, key);
	wgx_key_format(p->member->node.key, current);
	return tell(fd, json_pack("{s:s, s:s, s:s, s:s}", "cmd", "twin", "interface",
				  t->options->interface, "peer", key, "twin", current));
}

int wgx_tunnel_names(struct wgx_tunnel *t, const struct wgx_want *want)
{
	int fd = wgx_client_connect(), err = fd < 0 ? fd : 0;

	if (fd < 0)
		return fd;
	name_peers(t, fd, want);
	for (size_t i = 0; i < want->n_peers; i++)
		if (want->peers[i].part != WGX_KEY_CURRENT && want->peers[i].member->node.has_key)
			err = pair_peer(t, fd, &want->peers[i]) ?: err;
	close(fd);
	return err;
}

void wgx_tunnel_free(struct wgx_tunnel *t)
{
	free(t->attached);
	t->attached = NULL;
}
