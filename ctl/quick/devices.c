/* SPDX-License-Identifier: MIT */
/* Attach, AttachLan and AttachTransmit: devices, shared by all interfaces of a network namespace. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/client.h"
#include "net/netfilter.h"
#include "quick/quick.h"

/*
 * @ret: what `show` has of it, for json_decref(); NULL: it is not attached
 * Return: 0 or negative errno: nobody knows whether it is
 */
static int attached(const char *device, json_t **ret)
{
	json_t *answer, *a;
	int err = wgx_client_once(json_pack("{s:s}", "cmd", "show"), &answer);
	size_t i;

	*ret = NULL;
	if (err)
		return err;
	if (wgx_client_error(answer))
		err = -EBADMSG;
	json_array_foreach(json_object_get(answer, "attached"), i, a) {
		const char *name = json_string_value(json_object_get(a, "device"));

		if (name && !strcmp(name, device))
			*ret = json_incref(a);
	}
	json_decref(answer);
	return err;
}

/* struct wish - how a device is to be attached */
struct wish {
	bool accelerate;
	const char *lan; /* by tcx or native; NULL: off */
	bool copy; /* then without zero-copy */
	bool transmit;
};

/* What somebody else has attached stays as it is: the tunnel works that way, too. */
static void note_difference(json_t *a, const char *device, const struct wish *w)
{
	const char *mode = json_string_value(json_object_get(a, "mode"));
	const char *way = json_string_value(json_object_get(json_object_get(a, "lan"), "way"));
	const bool transmits = json_is_object(json_object_get(a, "transmit"));

	if (w->accelerate && mode && !strcmp(mode, "none"))
		fprintf(stderr, "wgx: warning: %s is attached already, for %s only\n", device,
			way ? "the router path" : "transmission");
	if (w->lan && (!way || strcmp(way, w->lan) != 0))
		fprintf(stderr, "wgx: warning: %s is attached already, %s%s\n", device,
			way ? "with the router path by " : "without the router path",
			way ? way : "");
	if (w->copy && !json_is_true(json_object_get(a, "copy")))
		fprintf(stderr, "wgx: warning: %s is attached already, with zero-copy allowed\n",
			device);
	if (w->transmit && !transmits)
		fprintf(stderr, "wgx: warning: %s is attached already, without transmission\n",
			device);
}

/* Who wants the router path should know what it goes past. */
static void note_firewall(const char *device)
{
	char chain[256];

	if (wgx_netfilter_forwards(chain, sizeof(chain)))
		fprintf(stderr,
			"wgx: warning: %s: the firewall (%s) does not see packets past the stack\n",
			device, chain);
}

static int request_attach(const char *device, const struct wish *w)
{
	json_t *request = json_pack("{s:s, s:s, s:s}", "cmd", "attach", "device", device, "mode",
				    w->accelerate ? "auto" : "none");
	json_t *answer;
	int status;

	if (w->lan)
		json_object_set_new(request, "lan", json_string(w->lan));
	if (w->transmit)
		json_object_set_new(request, "transmit", json_true());
	if (w->copy)
		json_object_set_new(request, "copy", json_true());
	status = wgx_client_request(request, &answer);
	if (status)
		return status;
	json_decref(answer);
	if (w->lan)
		note_firewall(device);
	return WGX_EXIT_OK;
}

static const struct wgx_conf_lan *find_lan(const struct wgx_conf *c, const char *device)
{
	for (size_t i = 0; i < c->n_lans; i++)
		if (!strcmp(c->lans[i].device, device))
			return &c->lans[i];
	return NULL;
}

static bool is_in(const struct wgx_conf_texts *t, const char *device)
{
	for (size_t i = 0; i < t->n; i++)
		if (!strcmp(t->items[i], device))
			return true;
	return false;
}

static int attach(struct wgx_quick *q, const char *device)
{
	const struct wgx_conf *c = q->conf;
	const struct wgx_conf_lan *lan = find_lan(c, device);
	const struct wish w = {
		.transmit = is_in(&c->transmit, device),
		.accelerate = is_in(&c->attach, device) || is_in(&c->transmit, device),
		.lan = !lan	     ? NULL
		       : lan->native ? "native"
				     : "tcx",
		.copy = lan && lan->copy,
	};
	bool own = wgx_record_says(&q->record, "attached", device);
	json_t *attachment;
	int err = attached(device, &attachment), shared;
	bool there = attachment;

	if (err) {
		json_decref(attachment);
		return wgx_client_perror(err);
	}
	if (there)
		note_difference(attachment, device, &w);
	json_decref(attachment);
	shared = there && !own ? wgx_record_shared(&q->record, "attached", device) : 1;
	if (shared < 0)
		return wgx_fail("%s: cannot find out who has attached %s: %s", q->conf->name,
				device, strerror(-shared));
	/* somebody did it by hand, and will undo it by hand */
	if (!shared)
		return WGX_EXIT_OK;
	if (!own && wgx_record_add(&q->record, "attached", device))
		return wgx_fail("%s: cannot note that %s is attached", q->conf->name, device);
	return there ? WGX_EXIT_OK : request_attach(device, &w);
}

int wgx_quick_attach(struct wgx_quick *q)
{
	const struct wgx_conf *c = q->conf;
	int status = WGX_EXIT_OK;

	for (size_t i = 0; i < c->attach.n && !status; i++)
		status = attach(q, c->attach.items[i]);
	for (size_t i = 0; i < c->transmit.n && !status; i++)
		if (!is_in(&c->attach, c->transmit.items[i]))
			status = attach(q, c->transmit.items[i]);
	for (size_t i = 0; i < c->n_lans && !status; i++)
		if (!is_in(&c->attach, c->lans[i].device) &&
		    !is_in(&c->transmit, c->lans[i].device))
			status = attach(q, c->lans[i].device);
	return status;
}

static int detach(const char *device)
{
	json_t *attachment, *answer;
	int status, err = attached(device, &attachment);
	bool there;

	if (err == -ECONNRESET) /* it was about to end, perhaps */
		err = attached(device, &attachment);
	there = attachment;
	json_decref(attachment);
	if (err && err != -ESRCH) /* it went with its daemon */
		return wgx_client_perror(err);
	if (!there)
		return WGX_EXIT_OK;
	status = wgx_client_request(json_pack("{s:s, s:s}", "cmd", "detach", "device", device),
				    &answer);
	if (!status)
		json_decref(answer);
	return status;
}

int wgx_quick_undo_attach(struct wgx_record *r)
{
	int status = WGX_EXIT_OK;
	json_t *device;
	size_t i;

	json_array_foreach(json_object_get(r->done, "attached"), i, device) {
		const char *name = json_string_value(device);
		int shared = name ? wgx_record_shared(r, "attached", name) : 1;

		if (shared < 0)
			status = wgx_fail("%s: cannot find out who else needs %s attached: %s",
					  r->name, name, strerror(-shared));
		else if (!shared)
			status |= detach(name);
	}
	return status;
}
