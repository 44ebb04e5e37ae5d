/* SPDX-License-Identifier: MIT */
/* From a file to the interface: keys, ports, peers, by the UAPI; their names, by the control socket. */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/client.h"
#include "cli/uapi_client.h"
#include "device/endpoint.h"
#include "proto/key_text.h"
#include "quick/quick.h"
#include "cli/secbuf.h"

static void put_endpoint(struct wgx_secbuf *b, const struct wgx_conf_peer *p,
			 const struct wgx_resolved *r)
{
	char text[WGX_ENDPOINT_TEXT];

	if (!p->host)
		return;
	if (!p->host_is_name)
		wgx_secbuf_printf(b,
				  strchr(p->host, ':') ? "endpoint=[%s]:%u\n" : "endpoint=%s:%u\n",
				  p->host, p->port);
	else if (r->n)
		wgx_secbuf_printf(b, "endpoint=%s\n", wgx_endpoint_format(&r->items[0], text));
}

static void put_peer(struct wgx_secbuf *b, const struct wgx_conf *c, size_t i,
		     const struct wgx_resolved *resolved)
{
	const struct wgx_conf_peer *p = &c->peers[i];
	char text[WGX_PREFIX_TEXT];

	wgx_secbuf_hex(b, "public_key", p->public_key);
	if (p->has_preshared_key)
		wgx_secbuf_hex(b, "preshared_key", p->preshared_key);
	put_endpoint(b, p, &resolved[i]);
	if (p->has_keepalive)
		wgx_secbuf_printf(b, "persistent_keepalive_interval=%u\n", p->keepalive);
	wgx_secbuf_printf(b, "replace_allowed_ips=true\n");
	for (size_t j = 0; j < p->n_prefixes; j++)
		wgx_secbuf_printf(b, "allowed_ip=%s\n",
				  wgx_prefix_format(&c->allowed.items[p->first_prefix + j], text));
}

/* @mark: one that a run before this one has chosen; NULL: none */
static void put_all(struct wgx_secbuf *b, const struct wgx_conf *c,
		    const struct wgx_resolved *resolved, const char *mark)
{
	wgx_secbuf_printf(b, "set=1\n");
	if (c->private_key)
		wgx_secbuf_hex(b, "private_key", c->private_key);
	if (c->has_listen_port)
		wgx_secbuf_printf(b, "listen_port=%u\n", c->listen_port);
	if (c->has_fwmark && (c->fwmark || !mark))
		wgx_secbuf_printf(b, "fwmark=%u\n", c->fwmark);
	else if (mark)
		wgx_secbuf_printf(b, "fwmark=%s\n", mark);
	wgx_secbuf_printf(b, "replace_peers=true\n");
	for (size_t i = 0; i < c->n_peers; i++)
		put_peer(b, c, i, resolved);
	wgx_secbuf_printf(b, "\n");
}

int wgx_quick_configure(struct wgx_quick *q)
{
	struct wgx_secbuf b = {0};
	int err;

	put_all(&b, q->conf, q->resolved, wgx_record_get(&q->record, "fwmark"));
	err = b.failed ? -ENOMEM : wgx_uapi_ask(q->conf->name, b.data, NULL);
	wgx_secbuf_free(&b);
	return err ? wgx_fail("%s: cannot configure %s: %s", q->conf->file, q->conf->name,
			      strerror(-err))
		   : WGX_EXIT_OK;
}

/* Return: an exit status */
static int name_peer(int fd, const struct wgx_conf *c, const struct wgx_conf_peer *p)
{
	char key[WGX_KEY_TEXT_SIZE];
	json_t *request, *answer = NULL;
	int err, status = WGX_EXIT_OK;

	wgx_key_format(p->public_key, key);
	request = json_pack("{s:s, s:s, s:s, s:s}", "cmd", "name", "interface", c->name, "peer",
			    key, "name", p->name);
	err = request ? wgx_client_call(fd, request, &answer) : -ENOMEM;
	json_decref(request);
	if (err)
		return wgx_client_perror(err);
	if (wgx_client_error(answer))
		status = wgx_fail("%s:%u: %s", c->file, p->line, wgx_client_error(answer));
	json_decref(answer);
	return status;
}

int wgx_quick_name_peers(struct wgx_quick *q)
{
	const struct wgx_conf *c = q->conf;
	int status = WGX_EXIT_OK, fd = -1;

	for (size_t i = 0; i < c->n_peers && !status; i++) {
		if (!c->peers[i].name)
			continue;
		if (fd < 0)
			fd = wgx_client_connect();
		status = fd < 0 ? wgx_client_perror(fd) : name_peer(fd, c, &c->peers[i]);
	}
	if (fd >= 0)
		close(fd);
	return status;
}
