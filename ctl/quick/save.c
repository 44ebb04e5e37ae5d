/* SPDX-License-Identifier: MIT */
/* SaveConfig: the interface as it is now becomes the file. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <sodium.h>

#include "cli/cli.h"
#include "cli/client.h"
#include "cli/file.h"
#include "cli/secbuf.h"
#include "cli/uapi_client.h"
#include "net/addr.h"
#include "net/link.h"
#include "proto/key_text.h"
#include "quick/quick.h"

static int put_address(void *arg, const struct wgx_prefix *a)
{
	char text[WGX_PREFIX_TEXT];

	wgx_secbuf_printf(arg, "Address = %s\n", wgx_prefix_format(a, text));
	return 0;
}

static void put_texts(struct wgx_secbuf *b, const char *key, const struct wgx_conf_texts *t)
{
	for (size_t i = 0; i < t->n; i++)
		wgx_secbuf_printf(b, "%s = %s\n", key, t->items[i]);
}

/* What the file said, but for addresses and MTU, which are the interface's. */
static int put_interface(struct wgx_secbuf *b, const struct wgx_quick *q)
{
	const struct wgx_conf *c = q->conf;
	struct wgx_link_info info;
	int err;

	wgx_secbuf_printf(b, "[Interface]\n");
	err = wgx_addr_each(q->ifindex, put_address, b);
	if (!err)
		err = wgx_link_query_index(q->ifindex, &info);
	if (err)
		return err;
	put_texts(b, "DNS", &c->dns);
	put_texts(b, "DNS", &c->dns_search);
	if (c->mtu)
		wgx_secbuf_printf(b, "MTU = %u\n", info.mtu);
	if (c->table_text)
		wgx_secbuf_printf(b, "Table = %s\n", c->table_text);
	wgx_secbuf_printf(b, "SaveConfig = true\n");
	put_texts(b, "PreUp", &c->hooks[WGX_HOOK_PRE_UP]);
	put_texts(b, "PostUp", &c->hooks[WGX_HOOK_POST_UP]);
	put_texts(b, "PreDown", &c->hooks[WGX_HOOK_PRE_DOWN]);
	put_texts(b, "PostDown", &c->hooks[WGX_HOOK_POST_DOWN]);
	if (c->workers)
		wgx_secbuf_printf(b, "Workers = %u\n", c->workers);
	put_texts(b, "Attach", &c->attach);
	for (size_t i = 0; i < c->n_lans; i++)
		wgx_secbuf_printf(b, "AttachLan = %s%s\n", c->lans[i].device,
				  c->lans[i].copy     ? ":native-copy"
				  : c->lans[i].native ? ":native"
						      : "");
	put_texts(b, "AttachTransmit", &c->transmit);
	return 0;
}

/* A key of the UAPI, in hexadecimal, as files have it */
static void put_key(struct wgx_secbuf *b, const char *name, const char *hex)
{
	uint8_t key[WGX_KEY_LEN];

	wgx_secbuf_printf(b, "%s = ", name);
	if (sodium_hex2bin(key, sizeof(key), hex, strlen(hex), NULL, NULL, NULL))
		return;
	wgx_secbuf_base64(b, key);
	sodium_memzero(key, sizeof(key));
	wgx_secbuf_printf(b, "\n");
}

/* ---- peers ---- */

/* What wgx knows and wg does not: names. @peers: of `show` */
static const char *name_of(const json_t *peers, const char *hex)
{
	uint8_t key[WGX_KEY_LEN];
	char text[WGX_KEY_TEXT_SIZE];
	const json_t *peer;
	size_t i;

	if (sodium_hex2bin(key, sizeof(key), hex, strlen(hex), NULL, NULL, NULL))
		return NULL;
	wgx_key_format(key, text);
	json_array_foreach(peers, i, peer) {
		const char *known = json_string_value(json_object_get(peer, "public_key"));

		if (known && !strcmp(known, text))
			return json_string_value(json_object_get(peer, "name"));
	}
	return NULL;
}

/* A host name stays one: the address is what it led to today. */
static bool put_host_name(struct wgx_secbuf *b, const struct wgx_conf *c, const char *hex)
{
	uint8_t key[WGX_KEY_LEN];

	if (sodium_hex2bin(key, sizeof(key), hex, strlen(hex), NULL, NULL, NULL))
		return false;
	for (size_t i = 0; i < c->n_peers; i++) {
		const struct wgx_conf_peer *p = &c->peers[i];

		if (!p->host_is_name || memcmp(p->public_key, key, sizeof(key)))
			continue;
		wgx_secbuf_printf(b, "Endpoint = %s:%u\n", p->host, p->port);
		return true;
	}
	return false;
}

struct saver {
	struct wgx_secbuf *b;
	const struct wgx_quick *q;
	const json_t *peers;
	const char *peer; /* its key, in hexadecimal; NULL: still the interface */
	bool any_allowed;
};

static void begin_peer(struct saver *s, const char *hex)
{
	const char *name = name_of(s->peers, hex);

	wgx_secbuf_printf(s->b, "%s\n[Peer]\n", s->any_allowed ? "\n" : "");
	s->peer = hex;
	s->any_allowed = false;
	if (name) /* which wg-quick can read as well */
		wgx_secbuf_printf(s->b, "# Name = %s\n", name);
	put_key(s->b, "PublicKey", hex);
}

static bool is_zero(const char *hex)
{
	return !hex[strspn(hex, "0")];
}

static void put_peer_field(struct saver *s, const char *key, const char *value)
{
	if (!strcmp(key, "preshared_key") && !is_zero(value)) {
		put_key(s->b, "PresharedKey", value);
	} else if (!strcmp(key, "endpoint")) {
		if (!put_host_name(s->b, s->q->conf, s->peer))
			wgx_secbuf_printf(s->b, "Endpoint = %s\n", value);
	} else if (!strcmp(key, "persistent_keepalive_interval") && strcmp(value, "0")) {
		wgx_secbuf_printf(s->b, "PersistentKeepalive = %s\n", value);
	} else if (!strcmp(key, "allowed_ip")) {
		wgx_secbuf_printf(s->b, "%s%s", s->any_allowed ? ", " : "AllowedIPs = ", value);
		s->any_allowed = true;
	}
}

/* A mark that was chosen for a default route is no setting. */
static bool is_chosen_mark(const struct wgx_quick *q, const char *mark)
{
	const char *chosen = wgx_record_get(&q->record, "fwmark");

	return chosen && !strcmp(chosen, mark);
}

static void put_field(struct saver *s, const char *key, const char *value)
{
	if (!strcmp(key, "public_key"))
		begin_peer(s, value);
	else if (s->peer)
		put_peer_field(s, key, value);
	else if (!strcmp(key, "private_key"))
		put_key(s->b, "PrivateKey", value);
	else if (!strcmp(key, "listen_port"))
		wgx_secbuf_printf(s->b, "ListenPort = %s\n", value);
	else if (!strcmp(key, "fwmark") && strcmp(value, "0") && !is_chosen_mark(s->q, value))
		wgx_secbuf_printf(s->b, "FwMark = %s\n", value);
}

static int put_all(struct wgx_secbuf *b, const struct wgx_quick *q, const json_t *peers)
{
	struct saver s = {.b = b, .q = q, .peers = peers};
	struct wgx_secbuf answer = {0};
	char *at, *key, *value;
	int err = put_interface(b, q);

	if (!err)
		err = wgx_uapi_ask(q->conf->name, "get=1\n\n", &answer);
	at = answer.data;
	while (!err && wgx_uapi_next(&at, &key, &value))
		put_field(&s, key, value);
	if (s.any_allowed)
		wgx_secbuf_printf(b, "\n");
	wgx_secbuf_free(&answer);
	return err ? err : b->failed ? -ENOMEM : 0;
}

/* ---- the file ---- */

/* @path: from realpath(3); it is cut in two. */
static int replace(char *path, const struct wgx_secbuf *b)
{
	char *name = strrchr(path, '/') + 1;
	int dir, err;

	name[-1] = '\0';
	dir = open(*path ? path : "/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0)
		return -errno;
	err = wgx_file_write(dir, name, b->data, b->len, 0600);
	close(dir);
	return err;
}

int wgx_quick_save(struct wgx_quick *q)
{
	struct wgx_secbuf b = {0};
	json_t *answer;
	char *path;
	int err, status = wgx_client_request(json_pack("{s:s, s:s}", "cmd", "show", "interface",
						       q->conf->name),
					     &answer);

	if (status)
		return status;
	err = put_all(&b, q,
		      json_object_get(json_array_get(json_object_get(answer, "interfaces"), 0),
				      "peers"));
	json_decref(answer);
	path = realpath(q->conf->file, NULL);
	if (!err)
		err = path ? replace(path, &b) : -errno;
	wgx_secbuf_free(&b);
	free(path);
	return err ? wgx_fail("%s: cannot save %s: %s", q->conf->file, q->conf->name,
			      strerror(-err))
		   : WGX_EXIT_OK;
}
