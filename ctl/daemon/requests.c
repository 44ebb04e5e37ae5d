/* SPDX-License-Identifier: MIT */
/* What may be asked through the control socket, and the answers. */
#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "daemon/answer_memory.h"
#include "daemon/control.h"
#include "daemon/daemon.h"
#include "daemon/handover.h"
#include "daemon/peer.h"
#include "daemon/show.h"
#include "daemon/socket.h"
#include "daemon/state.h"

static json_t *refuse(int err, const char *error)
{
	return json_pack("{s:b, s:s, s:i}", "ok", 0, "error", error, "errno", -err);
}

static json_t *do_create(struct wgx_control_client *c, const json_t *request)
{
	const char *name = json_string_value(json_object_get(request, "interface"));
	json_int_t workers = json_integer_value(json_object_get(request, "workers"));
	char error[256];
	int err;

	if (!name)
		return refuse(-EINVAL, "create: no interface named");
	if (workers < 0 || workers > WGX_QUEUES_MAX)
		return refuse(-EINVAL, "create: so many workers there cannot be");
	if (c->waits_for)
		return refuse(-EBUSY, "create: this connection waits for an interface already");
	err = wgx_served_create(c->daemon, name, (unsigned int)workers, error, sizeof(error));
	if (err)
		return refuse(err, error);
	if (json_is_true(json_object_get(request, "wait"))) {
		c->waits_for = wgx_served_find(c->daemon, name);
		c->waits_for->waiting = c;
	}
	return json_pack("{s:b}", "ok", 1);
}

static json_t *do_delete(struct wgx_control_client *c, const json_t *request)
{
	const char *name = json_string_value(json_object_get(request, "interface"));
	struct wgx_served *s = name ? wgx_served_find(c->daemon, name) : NULL;
	char error[256];

	if (!name)
		return refuse(-EINVAL, "delete: no interface named");
	if (!s) {
		snprintf(error, sizeof(error),
			 "%s: no such wgx interface in this network namespace", name);
		return refuse(-ENODEV, error);
	}
	s->doomed = true;
	return json_pack("{s:b}", "ok", 1);
}

/* A full tunnel leaves no plaintext, not even to the neighbours, unless somebody says what may stay. */
static int check_exemptions(struct wgx_daemon *d, const struct wgx_guard *g, char *text,
			    size_t size)
{
	if (!g->on || g->n_exempt || g->no_exemptions || !wgx_strict_default_route(d))
		return 0;
	snprintf(text, size,
		 "attach: allowed IPs have a default route: strict mode needs --exempt "
		 "with what may stay plaintext, or --exempt none");
	return -EINVAL;
}

static json_t *do_attach(struct wgx_control_client *c, const json_t *request)
{
	const char *device = json_string_value(json_object_get(request, "device"));
	const char *mode = json_string_value(json_object_get(request, "mode"));
	struct wgx_attach_wish wish = {
		.mode = mode ? mode : "auto",
		.transmit = json_is_true(json_object_get(request, "transmit")),
		.copy = json_is_true(json_object_get(request, "copy")),
	};
	bool strict;
	struct wgx_guard guard;
	const char *used;
	char text[512];
	json_t *reply;
	int err;

	if (!device)
		return refuse(-EINVAL, "attach: no device named");
	if (wgx_lan_parse(json_string_value(json_object_get(request, "lan")), &wish.lan))
		return refuse(-EINVAL, "attach: unknown router path");
	err = wgx_guard_parse(request, &guard, text, sizeof(text));
	if (!err)
		err = check_exemptions(c->daemon, &guard, text, sizeof(text));
	if (!err)
		err = wgx_attach(c->daemon, device, &wish, &guard, &used, text, sizeof(text));
	strict = guard.on;
	wgx_guard_free(&guard);
	if (err)
		return refuse(err, text);
	if (strict)
		wgx_strict_confirm(c->daemon);
	reply = json_pack("{s:b, s:s, s:b}", "ok", 1, "mode", used, "strict", strict);
	if (text[0])
		json_object_set_new(reply, "note", json_string(text));
	return reply;
}

static json_t *do_detach(struct wgx_control_client *c, const json_t *request)
{
	const char *device = json_string_value(json_object_get(request, "device"));
	char error[256];
	int err;

	if (!device)
		return refuse(-EINVAL, "detach: no device named");
	err = wgx_detach(c->daemon, device, error, sizeof(error));
	return err ? refuse(err, error) : json_pack("{s:b}", "ok", 1);
}

static json_t *do_show(struct wgx_control_client *c, const json_t *request)
{
	const char *name = json_string_value(json_object_get(request, "interface"));
	const char *peer = json_string_value(json_object_get(request, "peer"));
	char error[256];
	json_t *o;

	if (peer && !name)
		return refuse(-EINVAL, "show: a peer, but no interface named");
	o = wgx_show(c->daemon, name, peer, !json_is_false(json_object_get(request, "peers")),
		     error, sizeof(error));
	if (!o)
		return refuse(name && !wgx_served_find(c->daemon, name) ? -ENODEV : -ENOENT, error);
	json_object_set_new(o, "ok", json_true());
	return o;
}

/* @member null: the peer has none any more */
static json_t *change_peer(struct wgx_control_client *c, const json_t *request, const char *member,
			   const char *needed,
			   int (*change)(struct wgx_daemon *d, const char *interface,
					 const char *peer, const char *value, char *error,
					 size_t size))
{
	const char *interface = json_string_value(json_object_get(request, "interface"));
	const char *peer = json_string_value(json_object_get(request, "peer"));
	const json_t *value = json_object_get(request, member);
	char error[256];
	int err;

	if (!interface || !peer || !(json_is_string(value) || json_is_null(value)))
		return refuse(-EINVAL, needed);
	err = change(c->daemon, interface, peer, json_string_value(value), error, sizeof(error));
	return err ? refuse(err, error) : json_pack("{s:b}", "ok", 1);
}

static json_t *do_name(struct wgx_control_client *c, const json_t *request)
{
	return change_peer(c, request, "name", "name: an interface, a peer and its name are needed",
			   wgx_peer_rename);
}

static json_t *do_twin(struct wgx_control_client *c, const json_t *request)
{
	return change_peer(c, request, "twin", "twin: an interface and two peers are needed",
			   wgx_peer_pair);
}

/* "there": is the interface; it need not be, yet */
static json_t *do_monitor(struct wgx_control_client *c, const json_t *request)
{
	const char *name = json_string_value(json_object_get(request, "interface"));

	if (c->listens)
		return refuse(-EBUSY, "monitor: this connection does already");
	if (wgx_tell_listen(c->daemon, &c->cursor))
		return refuse(-ENOMEM, "monitor: no memory");
	c->listens = true;
	snprintf(c->only, sizeof(c->only), "%s", name ? name : "");
	return json_pack("{s:b, s:s, s:i, s:b}", "ok", 1, "version", WGX_VERSION, "pid",
			 (int)getpid(), "there", !name || wgx_served_find(c->daemon, name));
}

/* Whoever gets it gets all keys. */
static json_t *check_heir(struct wgx_control_client *c)
{
	return wgx_socket_is_ours(c->event.fd)
		       ? NULL
		       : refuse(-EPERM, "a hand-over is for root's processes alone");
}

/* What this daemon was started with */
static json_t *environment_json(void)
{
	static const char *const names[] = {"WGX_AEAD",	    "WGX_DISABLE", "WGX_GROUP",
					    "WGX_LANDLOCK", "WGX_LOG",	   "WGX_SECCOMP",
					    "WGX_STATE_DIR"};
	json_t *o = json_object();

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (getenv(names[i]))
			json_object_set_new(o, names[i], json_string(getenv(names[i])));
	return o;
}

/* The lock comes before the answer: see daemon/handover.h */
static json_t *do_handover(struct wgx_control_client *c, const json_t *request)
{
	const json_t *format = json_object_get(request, "format");
	json_t *no = check_heir(c);
	char error[128];
	int lock = wgx_netns_lock_fd(c->daemon->ns), err, n = 0;
	const struct wgx_served *s;

	if (no)
		return no;
	if (!json_is_integer(format) || json_integer_value(format) != WGX_HANDOVER_FORMAT) {
		snprintf(error, sizeof(error),
			 "the daemon, wgx " WGX_VERSION ", hands over in format %d, not %lld",
			 WGX_HANDOVER_FORMAT, (long long)json_integer_value(format));
		return refuse(-EPROTO, error);
	}
	err = wgx_socket_send_fds(c->event.fd, "L", 1, &lock, 1);
	if (err)
		return refuse(err, strerror(-err));
	c->heir = true;
	cds_list_for_each_entry(s, &c->daemon->ifaces, all)
		n++;
	return json_pack("{s:b, s:s, s:i, s:i, s:o}", "ok", 1, "version", WGX_VERSION, "pid",
			 (int)getpid(), "interfaces", n, "environment", environment_json());
}

static json_t *do_freeze(struct wgx_control_client *c, const json_t *request)
{
	char error[256];
	int err;

	if (!c->heir)
		return refuse(-EINVAL, "freeze: a hand-over was not asked for");
	err = wgx_handover_give(c->daemon, c->event.fd, error, sizeof(error));
	return refuse(err, error);
}

static const struct {
	const char *name;
	json_t *(*run)(struct wgx_control_client *c, const json_t *request);
	bool looks; /* changes nothing and tells no secret */
} commands[] = {
	{"create", do_create, false},	  {"delete", do_delete, false},
	{"attach", do_attach, false},	  {"detach", do_detach, false},
	{"show", do_show, true},	  {"name", do_name, false},
	{"monitor", do_monitor, true},	  {"twin", do_twin, false},
	{"handover", do_handover, false}, {"freeze", do_freeze, false},
};

json_t *wgx_control_answer(struct wgx_control_client *c, const char *line, size_t len)
{
	json_t *request, *reply = NULL;
	const char *cmd;

	wgx_answer_memory_begin();
	request = json_loadb(line, len, JSON_REJECT_DUPLICATES, NULL);
	cmd = json_string_value(json_object_get(request, "cmd"));
	for (size_t i = 0; cmd && i < sizeof(commands) / sizeof(commands[0]); i++)
		if (!strcmp(cmd, commands[i].name))
			reply = c->looks_only && !commands[i].looks
					? refuse(-EPERM, "not permitted; run wgx as root")
					: commands[i].run(c, request);
	if (!reply)
		reply = refuse(-EINVAL, cmd ? "unknown command" : "malformed request");
	json_decref(request);
	if (!wgx_answer_memory_failed())
		return reply;
	json_decref(reply); /* pieces may be missing */
	return NULL;
}
