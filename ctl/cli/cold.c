/* SPDX-License-Identifier: MIT */
#include "cli/cold.h"

#include <errno.h>
#include <jansson.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/client.h"
#include "cli/start.h"
#include "cli/uapi_client.h"

#define GONE_TIMEOUT_MS 10000
#define CONFIGURE_TRIES 3
#define CONFIGURE_PAUSE_MS 100

/* What is known of the daemon that goes. @requests: one an interface, of @answer's order */
struct cold {
	json_t *answer;
	struct wgx_secbuf *requests;
	size_t n;
};

static const json_t *interfaces(const struct cold *c)
{
	return json_object_get(c->answer, "interfaces");
}

static const char *name_of(const json_t *o)
{
	return json_string_value(json_object_get(o, "name"));
}

/* ---- reading ---- */

static bool is_setting(const char *key)
{
	static const char *const told[] = {"last_handshake_time_sec", "last_handshake_time_nsec",
					   "tx_bytes", "rx_bytes", "errno"};

	for (size_t i = 0; i < sizeof(told) / sizeof(told[0]); i++)
		if (!strcmp(told[i], key))
			return false;
	return true;
}

/* What an interface tells, as it can be set */
static int read_interface(const char *name, struct wgx_secbuf *ret)
{
	struct wgx_secbuf told = {0};
	char *at, *key, *value;
	int err = wgx_uapi_ask(name, "get=1\n\n", &told);

	if (err)
		return err;
	wgx_secbuf_printf(ret, "set=1\n");
	at = told.data;
	while (wgx_uapi_next(&at, &key, &value))
		if (is_setting(key))
			wgx_secbuf_printf(ret, "%s=%s\n", key, value);
	wgx_secbuf_printf(ret, "\n");
	wgx_secbuf_free(&told);
	return ret->failed ? -ENOMEM : 0;
}

static int read_all(struct cold *c)
{
	const json_t *i;
	size_t at;
	int status = wgx_client_request(json_pack("{s:s}", "cmd", "show"), &c->answer);

	if (status)
		return status;
	c->requests = calloc(json_array_size(interfaces(c)) + 1, sizeof(*c->requests));
	if (!c->requests)
		return wgx_fail("no memory");
	json_array_foreach(interfaces(c), at, i) {
		int err = name_of(i) ? read_interface(name_of(i), &c->requests[at]) : -EPROTO;

		c->n++;
		if (err)
			return wgx_fail("%s: its configuration: %s", name_of(i), strerror(-err));
	}
	return c->n ? WGX_EXIT_OK : wgx_fail("the daemon has no interface");
}

static void forget(struct cold *c)
{
	for (size_t i = 0; i < c->n; i++)
		wgx_secbuf_free(&c->requests[i]);
	free(c->requests);
	json_decref(c->answer);
}

/* ---- the end of the old one ---- */

/* As if it had died: what it leaves behind the next one takes over. */
static int kill_daemon(const struct cold *c)
{
	pid_t pid = (pid_t)json_integer_value(json_object_get(c->answer, "pid"));
	struct pollfd p = {.fd = pid > 1 ? (int)syscall(SYS_pidfd_open, pid, 0) : -1,
			   .events = POLLIN};
	int err = 0;

	if (p.fd < 0)
		return wgx_fail("the daemon's process: %s", strerror(errno));
	if (syscall(SYS_pidfd_send_signal, p.fd, SIGKILL, NULL, 0))
		err = errno;
	else if (poll(&p, 1, GONE_TIMEOUT_MS) <= 0)
		err = ETIMEDOUT;
	close(p.fd);
	return err ? wgx_fail("ending the daemon: %s", strerror(err)) : WGX_EXIT_OK;
}

/* ---- the new one ---- */

/* Tells of a failure and goes on: the rest is wanted all the same. */
static int request(json_t *what)
{
	json_t *answer;
	int status = wgx_client_request(what, &answer);

	if (!status)
		json_decref(answer);
	return status;
}

static int create(const char *name, bool first, int lock)
{
	return first ? wgx_start_background(name, 0, lock)
		     : request(json_pack("{s:s, s:s}", "cmd", "create", "interface", name));
}

static int name_peers(const json_t *interface)
{
	int status = WGX_EXIT_OK;
	const json_t *peer;
	size_t at;

	json_array_foreach(json_object_get(interface, "peers"), at, peer) {
		const char *key = json_string_value(json_object_get(peer, "public_key"));

		if (key && name_of(peer))
			status |= request(json_pack("{s:s, s:s, s:s, s:s}", "cmd", "name",
						    "interface", name_of(interface), "peer", key,
						    "name", name_of(peer)));
	}
	return status;
}

/* Nobody else has the configuration any more: where it fails for the moment, it is told again. */
static int configure(const char *name, const char *request)
{
	int err = wgx_uapi_ask(name, request, NULL);

	for (int tries = CONFIGURE_TRIES - 1; err && tries; tries--) {
		poll(NULL, 0, CONFIGURE_PAUSE_MS);
		err = wgx_uapi_ask(name, request, NULL);
	}
	return err;
}

static int make_interface(const struct cold *c, size_t at, int lock)
{
	const json_t *interface = json_array_get(interfaces(c), at);
	const char *name = name_of(interface);
	int status = create(name, !at, lock), err;

	if (status)
		return status;
	err = configure(name, c->requests[at].data);
	if (err)
		return wgx_fail("%s: its configuration: %s", name, strerror(-err));
	return name_peers(interface);
}

static int attach(const json_t *a)
{
	const json_t *strict = json_object_get(a, "strict"), *lan = json_object_get(a, "lan");
	json_t *what = json_pack("{s:s, s:O, s:O}", "cmd", "attach", "device",
				 json_object_get(a, "device"), "mode", json_object_get(a, "mode"));

	if (json_is_object(lan))
		json_object_set(what, "lan", json_object_get(lan, "way"));
	if (json_is_object(json_object_get(a, "transmit")))
		json_object_set_new(what, "transmit", json_true());
	if (json_is_true(json_object_get(a, "copy")))
		json_object_set_new(what, "copy", json_true());
	if (json_is_object(strict)) {
		json_object_set_new(what, "strict", json_true());
		json_object_set(what, "report", json_object_get(strict, "report"));
		json_object_set(what, "exempt", json_object_get(strict, "exempt"));
		if (json_array_size(json_object_get(strict, "protect")))
			json_object_set(what, "protect", json_object_get(strict, "protect"));
	}
	return request(what);
}

static int make_all(const struct cold *c, int lock)
{
	int status = WGX_EXIT_OK;
	const json_t *a;
	size_t at;

	for (size_t i = 0; i < c->n; i++)
		status |= make_interface(c, i, lock);
	json_array_foreach(json_object_get(c->answer, "attached"), at, a)
		status |= attach(a);
	return status ? WGX_EXIT_FAILURE : WGX_EXIT_OK;
}

int wgx_cold_restart(int lock)
{
	struct cold c = {0};
	int status = read_all(&c);

	if (!status)
		status = kill_daemon(&c);
	if (!status)
		status = make_all(&c, lock);
	forget(&c);
	return status;
}
