/* SPDX-License-Identifier: MIT */
#include "netbsd/peer_options.h"

#include <netdb.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/key.h"
#include "device/name.h"
#include "proto/key_text.h"
#include "proto/prefix.h"

/* ---- arguments ---- */

static const char *value_of(const char *arg, const char *option)
{
	size_t len = strlen(option);

	return !strncmp(arg, option, len) ? arg + len : NULL;
}

/* One after the other of a list separated by commas. @item: of @size bytes. Return: -1: too long, or empty */
static int next_item(const char **list, char *item, size_t size)
{
	size_t len = strcspn(*list, ",");

	snprintf(item, size, "%.*s", (int)len, *list);
	*list += len + !!(*list)[len];
	return !len || len >= size ? -1 : 0;
}

static int check_allowed_ips(const char *list)
{
	char item[WGX_PREFIX_TEXT];
	struct wgx_prefix p;

	do {
		const char *at = list;

		if (next_item(&list, item, sizeof(item)) || wgx_prefix_parse(item, &p))
			return wgx_usage_error(NULL, "allowed IP '%.*s' is no address or network",
					       (int)strcspn(at, ","), at);
	} while (*list);
	return WGX_EXIT_OK;
}

static int parse_endpoint(struct wgx_peer_options *o)
{
	char error[300];

	if (wgx_host_port_parse(o->endpoint_text, &o->host_port, error, sizeof(error)))
		return wgx_usage_error(NULL, "endpoint: %s", error);
	return WGX_EXIT_OK;
}

static int set_option(struct wgx_peer_options *o, const char *arg)
{
	const char **const values[] = {&o->preshared_key_file, &o->preshared_key_file,
				       &o->endpoint_text, &o->allowed_ips};
	static const char *const names[] = {
		"--preshared-key=", "--preshared-key-file=", "--endpoint=", "--allowed-ips="};

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		const char *value = value_of(arg, names[i]);

		if (!value)
			continue;
		if (!*value)
			return wgx_usage_error(NULL, "option '%s' needs a value", arg);
		if (*values[i])
			return wgx_usage_error(NULL, "option '%s' is given twice", arg);
		*values[i] = value;
		return WGX_EXIT_OK;
	}
	return wgx_usage_error(NULL, "unknown option '%s'", arg);
}

int wgx_peer_options_parse(struct wgx_peer_options *o, int argc, char **argv)
{
	const char *problem;
	int status = WGX_EXIT_OK;

	if (argc < 2)
		return wgx_usage_error(NULL, "add peer: no %s given", argc ? "public key" : "name");
	o->name = argv[0];
	problem = wgx_peer_name_problem(o->name);
	if (problem)
		return wgx_usage_error(NULL, "peer name '%s' %s", o->name, problem);
	if (wgx_key_parse(argv[1], o->public_key))
		return wgx_usage_error(NULL, "public key '%s' is not 44 characters of base64",
				       argv[1]);
	for (int i = 2; i < argc && !status; i++)
		status = set_option(o, argv[i]);
	if (!status && o->endpoint_text)
		status = parse_endpoint(o);
	return !status && o->allowed_ips ? check_allowed_ips(o->allowed_ips) : status;
}

/* ---- values that are looked up ---- */

static int resolve(struct wgx_peer_options *o)
{
	const struct addrinfo hints = {.ai_socktype = SOCK_DGRAM, .ai_flags = AI_NUMERICSERV};
	struct addrinfo *list;
	char port[8];
	int err;

	snprintf(port, sizeof(port), "%u", o->host_port.port);
	err = getaddrinfo(o->host_port.host, port, &hints, &list);
	if (err)
		return wgx_fail("endpoint '%s': %s", o->endpoint_text, gai_strerror(err));
	memcpy(&o->endpoint.addr, list->ai_addr, list->ai_addrlen);
	freeaddrinfo(list);
	return WGX_EXIT_OK;
}

int wgx_peer_options_resolve(struct wgx_peer_options *o)
{
	int status = WGX_EXIT_OK;

	if (o->endpoint_text)
		status = resolve(o);
	if (!status && o->preshared_key_file)
		status = wgx_key_read(o->preshared_key_file, o->preshared_key);
	return status;
}

/* ---- the request ---- */

static void put_allowed_ips(struct wgx_secbuf *b, const char *list)
{
	char item[WGX_PREFIX_TEXT], text[WGX_PREFIX_TEXT];
	struct wgx_prefix p;

	while (*list && !next_item(&list, item, sizeof(item)))
		if (!wgx_prefix_parse(item, &p))
			wgx_secbuf_printf(b, "allowed_ip=%s\n", wgx_prefix_format(&p, text));
}

void wgx_peer_options_request(const struct wgx_peer_options *o, struct wgx_secbuf *b)
{
	char text[WGX_ENDPOINT_TEXT];

	wgx_secbuf_printf(b, "set=1\n");
	wgx_secbuf_hex(b, "public_key", o->public_key);
	if (o->preshared_key_file)
		wgx_secbuf_hex(b, "preshared_key", o->preshared_key);
	if (o->endpoint_text)
		wgx_secbuf_printf(b, "endpoint=%s\n", wgx_endpoint_format(&o->endpoint, text));
	if (o->allowed_ips)
		put_allowed_ips(b, o->allowed_ips);
	wgx_secbuf_printf(b, "\n");
}

void wgx_peer_options_wipe(struct wgx_peer_options *o)
{
	sodium_memzero(o, sizeof(*o));
}
