/* SPDX-License-Identifier: MIT */
#include "agent/kubeconfig.h"

#include <errno.h>
#include <libgen.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sodium.h>
#include <yaml.h>

#define TOKEN_MAX 65536
#define ACCOUNT "/var/run/secrets/kubernetes.io/serviceaccount/"

static void wipe(char **text)
{
	if (*text)
		sodium_memzero(*text, strlen(*text));
	free(*text);
	*text = NULL;
}

void wgx_kube_free(struct wgx_kube *k)
{
	wipe(&k->key);
	wipe(&k->token);
	free(k->server);
	free(k->host);
	free(k->ca_file);
	free(k->cert_file);
	free(k->key_file);
	free(k->token_file);
	free(k->ca);
	free(k->cert);
	*k = (struct wgx_kube){0};
}

int wgx_kube_in_cluster(struct wgx_kube *ret)
{
	const char *host = getenv("KUBERNETES_SERVICE_HOST");
	const char *port = getenv("KUBERNETES_SERVICE_PORT");
	struct wgx_kube k = {0};

	if (!host || !*host || !port || !*port)
		return -ENOENT;
	if (asprintf(&k.server, strchr(host, ':') ? "https://[%s]:%s" : "https://%s:%s", host,
		     port) < 0)
		k.server = NULL;
	k.host = strdup(host);
	k.ca_file = strdup(ACCOUNT "ca.crt");
	k.token_file = strdup(ACCOUNT "token");
	if (!k.server || !k.host || !k.ca_file || !k.token_file) {
		wgx_kube_free(&k);
		return -ENOMEM;
	}
	*ret = k;
	return 0;
}

/* ---- YAML ---- */

struct reader {
	yaml_document_t doc;
	const char *path;
	char *error;
	size_t size;
};

static const char *text_of(const yaml_node_t *n)
{
	return n && n->type == YAML_SCALAR_NODE ? (const char *)n->data.scalar.value : NULL;
}

static yaml_node_t *get(struct reader *r, const yaml_node_t *map, const char *key)
{
	if (!map || map->type != YAML_MAPPING_NODE)
		return NULL;
	for (yaml_node_pair_t *p = map->data.mapping.pairs.start; p < map->data.mapping.pairs.top;
	     p++) {
		const char *name = text_of(yaml_document_get_node(&r->doc, p->key));

		if (name && !strcmp(name, key))
			return yaml_document_get_node(&r->doc, p->value);
	}
	return NULL;
}

/* An empty one is none, as kubectl has it. */
static const char *get_text(struct reader *r, const yaml_node_t *map, const char *key)
{
	const char *text = text_of(get(r, map, key));

	return text && *text ? text : NULL;
}

/* In a list of {name: NAME, @what: {...}} */
static yaml_node_t *named(struct reader *r, const char *list, const char *what, const char *name)
{
	yaml_node_t *items = get(r, yaml_document_get_root_node(&r->doc), list);

	if (!name || !items || items->type != YAML_SEQUENCE_NODE)
		return NULL;
	for (yaml_node_item_t *i = items->data.sequence.items.start;
	     i < items->data.sequence.items.top; i++) {
		yaml_node_t *n = yaml_document_get_node(&r->doc, *i);
		const char *own = get_text(r, n, "name");

		if (own && !strcmp(own, name))
			return get(r, n, what);
	}
	return NULL;
}

static int wrong(struct reader *r, const char *problem)
{
	snprintf(r->error, r->size, "%s: %s", r->path, problem);
	return -EINVAL;
}

/* ---- values ---- */

/* Relative to the file; NULL stays NULL. */
static int take_path(struct reader *r, const char *value, char **ret)
{
	char *copy, *path = NULL;

	if (!value)
		return 0;
	copy = strdup(r->path);
	if (copy && (*value == '/' ? asprintf(&path, "%s", value)
				   : asprintf(&path, "%s/%s", dirname(copy), value)) < 0)
		path = NULL;
	free(copy);
	*ret = path;
	return path ? 0 : -ENOMEM;
}

/* It becomes a part of a line of HTTP. */
static bool is_plain(const char *text)
{
	for (; *text; text++)
		if ((unsigned char)*text <= ' ' || (unsigned char)*text >= 0x7f)
			return false;
	return true;
}

static int take_token(struct reader *r, const char *value, char **ret)
{
	if (!value)
		return 0;
	if (!is_plain(value))
		return wrong(r, "the token has a character that no token has");
	*ret = strdup(value);
	return *ret ? 0 : -ENOMEM;
}

char *wgx_kube_read_token(const char *path)
{
	char *text = malloc(TOKEN_MAX + 1);
	FILE *f = text ? fopen(path, "re") : NULL; /* it is a link, in a pod */
	size_t len = f ? fread(text, 1, TOKEN_MAX + 1, f) : 0;

	if (f)
		fclose(f);
	while (len && strchr("\r\n\t ", text[len - 1]))
		len--;
	if (len && len <= TOKEN_MAX) {
		text[len] = '\0';
		if (strlen(text) == len && is_plain(text))
			return text;
	}
	if (text)
		sodium_memzero(text, TOKEN_MAX + 1);
	free(text);
	return NULL;
}

/* base64 */
static int take_data(struct reader *r, const char *value, char **ret)
{
	size_t size = value ? strlen(value) : 0, len;
	char *data;

	if (!value)
		return 0;
	data = malloc(size + 1);
	if (!data)
		return -ENOMEM;
	if (sodium_base642bin((unsigned char *)data, size, value, size, " \n\r\t", &len, NULL,
			      sodium_base64_VARIANT_ORIGINAL)) {
		free(data);
		return wrong(r, "a certificate or key in it is no base64");
	}
	data[len] = '\0';
	*ret = data;
	return 0;
}

/* Of https://HOST:PORT/ the host, as a resolver takes it; NULL: it has none that we can tell */
static char *host_of(const char *server)
{
	const char *host = server + 8;
	size_t all = strcspn(host, "/?#"), len = strcspn(host, ":/?#");

	/* what the request goes to and what we take for it must be one; a user's name is in the way */
	if (memchr(host, '@', all))
		return NULL;
	if (*host == '[') {
		len = strcspn(++host, "]/?#");
		if (host[len] != ']')
			return NULL;
	}
	return len ? strndup(host, len) : NULL;
}

static int take_server(struct reader *r, const char *value, struct wgx_kube *k)
{
	size_t len = value ? strlen(value) : 0;

	while (len && value[len - 1] == '/')
		len--;
	if (len < 8 || strncmp(value, "https://", 8) != 0 || !is_plain(value))
		return wrong(r, "the cluster's server is no https URL");
	k->server = strndup(value, len);
	if (!k->server)
		return -ENOMEM;
	k->host = host_of(k->server);
	return k->host ? 0 : wrong(r, "the cluster's server is a URL without a host");
}

static int read_cluster(struct reader *r, const yaml_node_t *c, struct wgx_kube *k)
{
	const char *insecure = get_text(r, c, "insecure-skip-tls-verify");
	int err;

	if (!c)
		return wrong(r, "it has no cluster of the current context");
	if (insecure && !strcmp(insecure, "true"))
		return wrong(r, "insecure-skip-tls-verify is not supported");
	err = take_server(r, get_text(r, c, "server"), k);
	if (!err)
		err = take_path(r, get_text(r, c, "certificate-authority"), &k->ca_file);
	return err ? err : take_data(r, get_text(r, c, "certificate-authority-data"), &k->ca);
}

static int read_user(struct reader *r, const yaml_node_t *u, struct wgx_kube *k)
{
	int err;

	if (!u)
		return wrong(r, "it has no user of the current context");
	if (get(r, u, "exec") || get(r, u, "auth-provider"))
		return wrong(r, "users with exec or auth-provider are not supported");
	err = take_path(r, get_text(r, u, "client-certificate"), &k->cert_file);
	if (!err)
		err = take_path(r, get_text(r, u, "client-key"), &k->key_file);
	if (!err)
		err = take_path(r, get_text(r, u, "tokenFile"), &k->token_file);
	if (!err)
		err = take_data(r, get_text(r, u, "client-certificate-data"), &k->cert);
	if (!err)
		err = take_data(r, get_text(r, u, "client-key-data"), &k->key);
	return err ? err : take_token(r, get_text(r, u, "token"), &k->token);
}

static int read_all(struct reader *r, struct wgx_kube *k)
{
	const char *current = get_text(r, yaml_document_get_root_node(&r->doc), "current-context");
	yaml_node_t *context = named(r, "contexts", "context", current);
	int err;

	if (!context)
		return wrong(r, "it has no current context");
	err = read_cluster(r, named(r, "clusters", "cluster", get_text(r, context, "cluster")), k);
	return err ? err : read_user(r, named(r, "users", "user", get_text(r, context, "user")), k);
}

int wgx_kube_load(const char *path, struct wgx_kube *ret, char *error, size_t size)
{
	struct reader r = {.path = path, .error = error, .size = size};
	struct wgx_kube k = {0};
	FILE *f = fopen(path, "re");
	yaml_parser_t parser;
	int err = -ENOMEM;

	if (!f) {
		err = -errno;
		snprintf(error, size, "%s: %s", path, strerror(-err));
		return err;
	}
	snprintf(error, size, "no memory left");
	if (yaml_parser_initialize(&parser)) {
		yaml_parser_set_input_file(&parser, f);
		if (yaml_parser_load(&parser, &r.doc)) {
			err = read_all(&r, &k);
			yaml_document_delete(&r.doc);
		} else {
			err = wrong(&r, "it is no YAML");
		}
		yaml_parser_delete(&parser);
	}
	fclose(f);
	if (err)
		wgx_kube_free(&k);
	else
		*ret = k;
	return err;
}
