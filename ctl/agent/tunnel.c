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
#include "net/fib.h"
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
	status = wgx_create_interface(t->options->interface);
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

/* ---- underlays ---- */

static json_t *call(json_t *request)
{
	json_t *answer = NULL;
	int fd = request ? wgx_client_connect() : -ENOMEM;
	int err = fd < 0 ? fd : wgx_client_call(fd, request, &answer);

	json_decref(request);
	if (fd >= 0)
		close(fd);
	if (err)
		wgx_log(WGX_LOG_ERR, "the daemon does not answer: %s", strerror(-err));
	return answer;
}

/* Without peers, which may be many */
static json_t *ask_show(void)
{
	return call(json_pack("{s:s, s:b}", "cmd", "show", "peers", 0));
}

static void put_networks(json_t *list, const struct wgx_prefixes *networks)
{
	char text[WGX_PREFIX_TEXT];

	for (size_t i = 0; i < networks->n; i++)
		json_array_append_new(list,
				      json_string(wgx_prefix_format(&networks->items[i], text)));
}

static json_t *attach_request(const struct wgx_agent_options *o, const char *device,
			      const struct wgx_prefixes *exempt)
{
	json_t *r = json_pack("{s:s, s:s, s:s}", "cmd", "attach", "device", device, "mode", "auto");
	json_t *exempt_list, *protect;

	if (!r || !o->strict)
		return r;
	exempt_list = json_array();
	protect = json_array();
	put_networks(exempt_list, &o->exempt);
	put_networks(exempt_list, exempt);
	put_networks(protect, &o->cluster);
	json_object_set_new(r, "strict", json_true());
	json_object_set_new(r, "protect", protect);
	json_object_set_new(r, "exempt", exempt_list);
	return r;
}

/* @device as the daemon shows it, borrowed from @show; NULL: it is not attached */
static const json_t *find_attached(const json_t *show, const char *device)
{
	const json_t *a;
	size_t i;

	json_array_foreach(json_object_get(show, "attached"), i, a) {
		const char *name = json_string_value(json_object_get(a, "device"));

		if (name && !strcmp(name, device))
			return a;
	}
	return NULL;
}

/* Attached without strict mode by somebody who meant it so: not ours to change, unless we must. */
static int attach(const struct wgx_agent_options *o, const char *device,
		  const struct wgx_prefixes *exempt, const json_t *show)
{
	const json_t *there = find_attached(show, device);
	bool strict = there && json_is_object(json_object_get(there, "strict"));
	json_t *answer;
	int err = 0;

	if (there && !o->strict &&
	    !(strict &&
	      json_is_true(json_object_get(json_object_get(there, "strict"), "inherited"))))
		return 0;
	if (there && o->strict && !strict) {
		answer = call(json_pack("{s:s, s:s}", "cmd", "detach", "device", device));
		json_decref(answer);
	}
	answer = call(attach_request(o, device, exempt));
	if (!answer || wgx_client_error(answer)) {
		wgx_log(WGX_LOG_ERR, "%s: cannot be attached%s: %s", device,
			o->strict ? " in strict mode" : "",
			answer ? wgx_client_error(answer) : "no answer");
		err = -EIO;
	}
	json_decref(answer);
	return err;
}

/* What would be asked for, as one text */
static char *wish(const struct wgx_agent_options *o, const struct wgx_own_addresses *devices,
		  const struct wgx_prefixes *exempt)
{
	json_t *all = json_array();
	char *text;

	for (size_t i = 0; i < devices->n_devices; i++)
		json_array_append_new(all, attach_request(o, devices->devices[i], exempt));
	text = json_dumps(all, JSON_COMPACT);
	json_decref(all);
	return text;
}

static int attach_all(const struct wgx_agent_options *o, const struct wgx_own_addresses *devices,
		      const struct wgx_prefixes *exempt)
{
	json_t *show = ask_show();
	int err = show ? 0 : -EIO;

	for (size_t i = 0; show && i < devices->n_devices; i++) {
		int failed = attach(o, devices->devices[i], exempt, show);

		/* without strict mode it is only slower */
		err = failed && o->strict ? failed : err;
	}
	json_decref(show);
	return err;
}

static struct wgx_own_addresses underlays(const struct wgx_agent_options *o,
					  const struct wgx_own_addresses *own)
{
	struct wgx_own_addresses devices = *own;

	if (!o->underlay_auto) {
		devices.n_devices = o->n_underlays;
		memcpy(devices.devices, o->underlays, sizeof(devices.devices));
	}
	return devices;
}

static bool is_protected(const json_t *strict, const struct wgx_prefix *p)
{
	char text[WGX_PREFIX_TEXT];
	const json_t *item;
	size_t i;

	wgx_prefix_format(p, text);
	json_array_foreach(json_object_get(strict, "protect"), i, item)
		if (!strcmp(json_string_value(item) ?: "", text))
			return true;
	return false;
}

bool wgx_tunnel_filter_problem(const struct wgx_tunnel *t, const struct wgx_own_addresses *own,
			       const json_t *show, char *text, size_t size)
{
	const struct wgx_agent_options *o = t->options;
	struct wgx_own_addresses devices = underlays(o, own);
	char network[WGX_PREFIX_TEXT];

	if (!devices.n_devices) {
		snprintf(text, size, "no underlay is known");
		return true;
	}
	for (size_t i = 0; i < devices.n_devices; i++) {
		const char *device = devices.devices[i];
		const json_t *strict = json_object_get(find_attached(show, device), "strict");

		if (!json_is_object(strict)) {
			snprintf(text, size, "nothing is dropped on %s", device);
			return true;
		}
		for (size_t j = 0; j < o->cluster.n; j++) {
			if (is_protected(strict, &o->cluster.items[j]))
				continue;
			snprintf(text, size, "%s is not protected on %s",
				 wgx_prefix_format(&o->cluster.items[j], network), device);
			return true;
		}
	}
	return false;
}

/* Somebody may have ended it by hand. */
static bool still_filters(const struct wgx_tunnel *t, const struct wgx_own_addresses *own)
{
	json_t *show = t->options->strict ? ask_show() : NULL;
	char text[256];
	bool ok = !t->options->strict ||
		  (show && !wgx_tunnel_filter_problem(t, own, show, text, sizeof(text)));

	if (!ok && show)
		wgx_log(WGX_LOG_WARN, "strict mode is not in force, and is put there again: %s",
			text);
	json_decref(show);
	return ok;
}

int wgx_tunnel_filter(struct wgx_tunnel *t, const struct wgx_own_addresses *own,
		      const struct wgx_prefixes *exempt)
{
	const struct wgx_agent_options *o = t->options;
	struct wgx_own_addresses devices = underlays(o, own);
	char *text;
	int err;

	if (o->strict && !devices.n_devices) {
		wgx_log(WGX_LOG_ERR, "strict: no underlay is known yet: nothing is dropped");
		t->filtered = false;
		return -ENODEV;
	}
	text = wish(o, &devices, exempt);
	if (!text)
		return -ENOMEM;
	if (t->attached && !strcmp(t->attached, text) && still_filters(t, own)) {
		free(text);
		return 0;
	}
	err = attach_all(o, &devices, exempt);
	t->filtered = !err && o->strict;
	free(t->attached);
	t->attached = err ? NULL : text;
	if (err)
		free(text);
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

/* ---- routes ---- */

static int keep(struct wgx_prefixes *list, const struct wgx_prefix *p)
{
	struct wgx_prefix *more = realloc(list->items, (list->n + 1) * sizeof(*more));

	if (!more)
		return -ENOMEM;
	list->items = more;
	more[list->n++] = *p;
	return 0;
}

static int found_route(void *arg, const struct wgx_prefix *dst)
{
	return keep(arg, dst);
}

static bool in_list(const struct wgx_prefixes *list, const struct wgx_prefix *p)
{
	for (size_t i = 0; i < list->n; i++)
		if (wgx_prefix_equal(&list->items[i], p))
			return true;
	return false;
}

/* @ifindex 0: those that throw */
static int read_routes(int ifindex, uint32_t table, struct wgx_prefixes *ret)
{
	static const uint8_t families[] = {AF_INET, AF_INET6};
	int err = 0;

	for (size_t i = 0; i < 2 && !err; i++)
		err = ifindex ? wgx_route_each(families[i], ifindex, table, found_route, ret)
			      : wgx_throw_each(families[i], table, found_route, ret);
	return err;
}

static int add_missing(int ifindex, uint32_t table, const struct wgx_prefixes *wanted,
		       const struct wgx_prefixes *found)
{
	int err = 0;

	for (size_t i = 0; i < wanted->n && !err; i++) {
		const struct wgx_prefix *p = &wanted->items[i];

		if (in_list(found, p))
			continue;
		err = ifindex ? wgx_route_add(ifindex, p, table) : wgx_route_throw(p, table);
		if (err == -EEXIST)
			err = 0;
	}
	return err;
}

static int delete_rest(int ifindex, uint32_t table, const struct wgx_prefixes *wanted,
		       const struct wgx_prefixes *found)
{
	int err = 0;

	for (size_t i = 0; i < found->n && !err; i++) {
		if (in_list(wanted, &found->items[i]))
			continue;
		err = wgx_route_delete(ifindex, &found->items[i], table);
		if (err == -ESRCH)
			err = 0;
	}
	return err;
}

static int want_routes(const struct wgx_agent_options *o, const struct wgx_want *want,
		       struct wgx_prefixes *ret)
{
	int err = 0;

	for (size_t i = 0; o->strict && i < o->cluster.n && !err; i++)
		err = keep(ret, &o->cluster.items[i]);
	for (size_t i = 0; !o->strict && i < want->n_peers && !err; i++)
		for (size_t j = 0; j < want->peers[i].n_prefixes && !err; j++)
			err = keep(ret, &want->peers[i].prefixes[j]);
	return err;
}

static int want_throws(const struct wgx_agent_options *o, const struct wgx_node *self,
		       const struct wgx_prefixes *exempt, struct wgx_prefixes *ret)
{
	int err = 0;

	for (size_t i = 0; i < self->n_cidrs && !err; i++)
		err = keep(ret, &self->cidrs[i]);
	for (size_t i = 0; i < o->exempt.n && !err; i++)
		err = keep(ret, &o->exempt.items[i]);
	for (size_t i = 0; i < exempt->n && !err; i++)
		err = keep(ret, &exempt->items[i]);
	return err;
}

static int ensure_rules(const struct wgx_agent_options *o)
{
	struct wgx_rule rule = {
		.table = o->table,
		.suppress_prefixlength = -1,
		.priority = o->priority,
	};
	int err;

	rule.family = AF_INET;
	err = wgx_rule_ensure(&rule);
	rule.family = AF_INET6;
	return err ? err : wgx_rule_ensure(&rule);
}

/* What throws is there before what it is an exception from, and goes after it. */
static int change_routes(struct wgx_tunnel *t, const struct wgx_prefixes wanted[2])
{
	const struct wgx_agent_options *o = t->options;
	struct wgx_prefixes routes = {0}, throws = {0};
	int err = read_routes(t->ifindex, o->table, &routes);

	if (!err)
		err = read_routes(0, o->table, &throws);
	if (!err)
		err = add_missing(0, o->table, &wanted[1], &throws);
	if (!err)
		err = add_missing(t->ifindex, o->table, &wanted[0], &routes);
	if (!err)
		err = ensure_rules(o);
	if (!err)
		err = delete_rest(t->ifindex, o->table, &wanted[0], &routes);
	if (!err)
		err = delete_rest(0, o->table, &wanted[1], &throws);
	free(routes.items);
	free(throws.items);
	return err;
}

int wgx_tunnel_route(struct wgx_tunnel *t, const struct wgx_node *self, const struct wgx_want *want,
		     const struct wgx_prefixes *exempt)
{
	struct wgx_prefixes wanted[2] = {{0}}; /* by the interface; thrown */
	int err;

	t->routed = false;
	/* the cluster's networks have this node's pods in them: not before these are known */
	if (!self->n_cidrs)
		return 0;
	err = want_routes(t->options, want, &wanted[0]);

	if (!err)
		err = want_throws(t->options, self, exempt, &wanted[1]);
	if (!err)
		err = change_routes(t, wanted);
	if (err)
		wgx_log(WGX_LOG_ERR, "%s: cannot set the routes of table %u: %s",
			t->options->interface, t->options->table, strerror(-err));
	t->routed = !err;
	free(wanted[0].items);
	free(wanted[1].items);
	return err;
}

static bool rules_there(const struct wgx_agent_options *o)
{
	struct wgx_rule rule = {.family = AF_INET, .table = o->table, .priority = o->priority};

	if (wgx_rule_there(&rule) != 1)
		return false;
	rule.family = AF_INET6;
	return wgx_rule_there(&rule) == 1;
}

bool wgx_tunnel_routes_problem(const struct wgx_tunnel *t, const struct wgx_want *want, char *text,
			       size_t size)
{
	const struct wgx_agent_options *o = t->options;
	struct wgx_prefixes wanted = {0}, found = {0};
	char network[WGX_PREFIX_TEXT];
	size_t i = 0;

	*text = '\0';
	if (!rules_there(o))
		snprintf(text, size, "no rule of priority %u leads to table %u", o->priority,
			 o->table);
	else if (want_routes(o, want, &wanted) || read_routes(t->ifindex, o->table, &found))
		snprintf(text, size, "the routes of table %u cannot be read", o->table);
	while (!*text && i < wanted.n && in_list(&found, &wanted.items[i]))
		i++;
	if (!*text && i < wanted.n)
		snprintf(text, size, "%s has no route into %s",
			 wgx_prefix_format(&wanted.items[i], network), o->interface);
	free(wanted.items);
	free(found.items);
	return *text;
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
