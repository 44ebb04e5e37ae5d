/* SPDX-License-Identifier: MIT */
/* The underlays of the agent's interface: attached, and with strict mode plaintext is dropped there. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/tunnel.h"
#include "cli/client.h"
#include "daemon/log.h"

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
