/* SPDX-License-Identifier: MIT */
/*
 * wgconfig IFACE [COMMAND]: NetBSD's wgconfig(8), over the control socket for what has names and over the
 * configuration protocol for what has keys.
 */
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/client.h"
#include "cli/key.h"
#include "cli/uapi_client.h"
#include "device/endpoint.h"
#include "device/name.h"
#include "netbsd/peer_options.h"
#include "proto/key_text.h"

#define HEX_SIZE (2 * WGX_KEY_LEN + 1)

/* ---- asking ---- */

/* The daemon's answer about an interface, or with @peer about that one; as wgx_client_request() */
static int ask(const char *interface, const char *peer, json_t **ret)
{
	return wgx_client_request(json_pack("{s:s, s:s, s:s*}", "cmd", "show", "interface",
					    interface, "peer", peer),
				  ret);
}

static const json_t *interface_of(const json_t *answer)
{
	return json_array_get(json_object_get(answer, "interfaces"), 0);
}

static const json_t *peer_of(const json_t *answer)
{
	return json_array_get(json_object_get(interface_of(answer), "peers"), 0);
}

static const char *string_of(const json_t *object, const char *key)
{
	return json_string_value(json_object_get(object, key));
}

/* What no daemon leaves out; but another version's may answer, and this is no key then. */
static const char *key_of(const json_t *peer)
{
	const char *text = string_of(peer, "public_key");

	return text ? text : "(none)";
}

/* `wg` would reach the interface of this name in another namespace, too: ours has to be there. */
static int check_interface(const char *interface)
{
	json_t *answer;
	int status = ask(interface, NULL, &answer);

	if (!status)
		json_decref(answer);
	return status;
}

/* The value of the first line @name= at or behind @text, as a key. Return: was there one? */
static bool find_key(const char *text, const char *name, uint8_t key[WGX_KEY_LEN])
{
	const char *at = text ? strstr(text, name) : NULL;
	size_t len = 0;

	return at &&
	       !sodium_hex2bin(key, WGX_KEY_LEN, at + strlen(name), 2ul * WGX_KEY_LEN, NULL, &len,
			       NULL) &&
	       len == WGX_KEY_LEN;
}

/* @request is freed. */
static int set(const char *interface, struct wgx_secbuf *request)
{
	int err = request->failed ? -ENOMEM : wgx_uapi_ask(interface, request->data, NULL);

	wgx_secbuf_free(request);
	return err ? wgx_fail("%s: %s", interface, strerror(-err)) : WGX_EXIT_OK;
}

/* ---- show ---- */

static void print_allowed_ips(const json_t *peer, const char *indent)
{
	const json_t *list = json_object_get(peer, "allowed_ips"), *item;
	size_t i;

	printf("%sallowed-ips: ", indent);
	json_array_foreach(list, i, item) {
		const char *text = json_string_value(item);

		printf("%s%s", i ? "," : "", text ? text : "?");
	}
	puts(json_array_size(list) ? "" : "(none)");
}

static void print_handshake(const json_t *peer, const char *indent)
{
	time_t then = (time_t)json_integer_value(json_object_get(peer, "latest_handshake"));
	char text[64];
	struct tm tm;

	if (then > 0 && localtime_r(&then, &tm) &&
	    strftime(text, sizeof(text), "%a %b %e %H:%M:%S %Y", &tm))
		printf("%slatest-handshake: %s\n", indent, text);
	else
		printf("%slatest-handshake: (never)\n", indent);
}

static void print_head(const json_t *peer, const char *indent)
{
	const char *name = string_of(peer, "name"), *endpoint = string_of(peer, "endpoint");

	printf("%speer: %s\n", indent, name ? name : "(none)");
	printf("%s\tpublic-key: %s\n", indent, key_of(peer));
	printf("%s\tendpoint: %s\n", indent, endpoint ? endpoint : "(none)");
}

static void print_rest(const json_t *peer, const char *indent)
{
	print_allowed_ips(peer, indent);
	print_handshake(peer, indent);
}

static int show_all(const char *interface, int argc, char **argv)
{
	json_int_t port;
	const json_t *peer;
	json_t *answer;
	int status = ask(interface, NULL, &answer);
	size_t i;

	if (status)
		return status;
	printf("interface: %s\n\tprivate-key: (hidden)\n", interface);
	port = json_integer_value(json_object_get(interface_of(answer), "listen_port"));
	if (port)
		printf("\tlisten-port: %" JSON_INTEGER_FORMAT "\n", port);
	else
		puts("\tlisten-port: (none)");
	json_array_foreach(json_object_get(interface_of(answer), "peers"), i, peer) {
		print_head(peer, "\t");
		puts("\t\tpreshared-key: (hidden)");
		print_rest(peer, "\t\t");
	}
	json_decref(answer);
	return WGX_EXIT_OK;
}

/* Of the peer with this public key, as the configuration protocol tells it */
static int print_preshared_key(const char *interface, const char *public_key)
{
	uint8_t key[WGX_KEY_LEN] = {0};
	char hex[HEX_SIZE], line[sizeof("public_key=") + HEX_SIZE];
	struct wgx_secbuf answer = {0};
	int err, status = WGX_EXIT_OK;

	if (wgx_key_parse(public_key, key))
		return wgx_client_perror(-EBADMSG);
	err = wgx_uapi_ask(interface, "get=1\n\n", &answer);
	if (err)
		return wgx_fail("%s: %s", interface, strerror(-err));
	snprintf(line, sizeof(line), "public_key=%s",
		 sodium_bin2hex(hex, sizeof(hex), key, sizeof(key)));
	if (!find_key(strstr(answer.data, line), "preshared_key=", key))
		status = wgx_fail("%s: the peer has gone", interface);
	else if (sodium_is_zero(key, sizeof(key)))
		puts("\tpreshared-key: (none)");
	else
		status = wgx_key_print("\tpreshared-key: ", key);
	sodium_memzero(key, sizeof(key));
	wgx_secbuf_free(&answer);
	return status;
}

static int show_peer(const char *interface, int argc, char **argv)
{
	json_t *answer;
	int status;

	if (argc < 1)
		return wgx_usage_error(NULL, "show peer: no peer given");
	if (argc > 2 || (argc == 2 && strcmp(argv[1], "--show-preshared-key") != 0))
		return wgx_usage_error(NULL, "show peer: unexpected '%s'", argv[argc > 2 ? 2 : 1]);
	status = wgx_peer_check(NULL, argv[0]);
	if (!status)
		status = ask(interface, argv[0], &answer);
	if (status)
		return status;
	print_head(peer_of(answer), "");
	if (argc == 2)
		status = print_preshared_key(interface, key_of(peer_of(answer)));
	else
		puts("\tpreshared-key: (hidden)");
	if (!status)
		print_rest(peer_of(answer), "\t");
	json_decref(answer);
	return status;
}

static int show_private_key(const char *interface, int argc, char **argv)
{
	uint8_t key[WGX_KEY_LEN];
	struct wgx_secbuf answer = {0};
	int err, status = check_interface(interface);

	if (status)
		return status;
	err = wgx_uapi_ask(interface, "get=1\n\n", &answer);
	if (err)
		return wgx_fail("%s: %s", interface, strerror(-err));
	/* it stands at the beginning, or nowhere */
	if (!strncmp(answer.data, "private_key=", strlen("private_key=")) &&
	    find_key(answer.data, "private_key=", key))
		status = wgx_key_print("private-key: ", key);
	else
		puts("private-key: (none)");
	sodium_memzero(key, sizeof(key));
	wgx_secbuf_free(&answer);
	return status;
}

/* ---- set ---- */

static int set_private_key(const char *interface, int argc, char **argv)
{
	struct wgx_secbuf request = {0};
	uint8_t key[WGX_KEY_LEN];
	int status;

	if (argc < 1)
		return wgx_usage_error(NULL, "set private-key: no file given");
	status = check_interface(interface);
	if (!status)
		status = wgx_key_read(argv[0], key);
	if (!status) {
		wgx_secbuf_printf(&request, "set=1\n");
		wgx_secbuf_hex(&request, "private_key", key);
		wgx_secbuf_printf(&request, "\n");
		status = set(interface, &request);
	}
	sodium_memzero(key, sizeof(key));
	return status;
}

static int set_listen_port(const char *interface, int argc, char **argv)
{
	struct wgx_secbuf request = {0};
	uint64_t port;
	int status;

	if (argc < 1)
		return wgx_usage_error(NULL, "set listen-port: no port given");
	if (wgx_parse_number(argv[0], strlen(argv[0]), UINT16_MAX, &port) < 0 || !port)
		return wgx_usage_error(NULL, "port '%s' is no number from 1 to 65535", argv[0]);
	status = check_interface(interface);
	if (status)
		return status;
	wgx_secbuf_printf(&request, "set=1\nlisten_port=%" PRIu64 "\n\n", port);
	return set(interface, &request);
}

/* ---- peers ---- */

static int remove_peer(const char *interface, const uint8_t key[WGX_KEY_LEN])
{
	struct wgx_secbuf request = {0};

	wgx_secbuf_printf(&request, "set=1\n");
	wgx_secbuf_hex(&request, "public_key", key);
	wgx_secbuf_printf(&request, "remove=true\n\n");
	return set(interface, &request);
}

/* Is there no peer of this name or key? Otherwise a failure; so is it where there is no such interface. */
static int check_free(int fd, const char *interface, const char *peer, const char *what)
{
	json_t *answer = NULL, *request = json_pack("{s:s, s:s, s:s}", "cmd", "show", "interface",
						    interface, "peer", peer);
	int status = WGX_EXIT_OK, err = request ? wgx_client_call(fd, request, &answer) : -ENOMEM;

	json_decref(request);
	if (err)
		return wgx_client_perror(err);
	if (!wgx_client_error(answer))
		status = wgx_fail("%s: a peer with the %s %s is there already", interface, what,
				  peer);
	else if (json_integer_value(json_object_get(answer, "errno")) != ENOENT)
		status = wgx_fail("%s", wgx_client_error(answer));
	json_decref(answer);
	return status;
}

static int check_new(const char *interface, const char *name, const char *key)
{
	int status, fd = wgx_client_connect();

	if (fd < 0)
		return wgx_client_perror(fd);
	status = check_free(fd, interface, name, "name");
	if (!status)
		status = check_free(fd, interface, key, "key");
	close(fd);
	return status;
}

/* A peer that cannot have its name does not stay. */
static int name_peer(const char *interface, const struct wgx_peer_options *o)
{
	char key[WGX_KEY_TEXT_SIZE];
	json_t *answer;
	int status;

	wgx_key_format(o->public_key, key);
	status = wgx_client_request(json_pack("{s:s, s:s, s:s, s:s}", "cmd", "name", "interface",
					      interface, "peer", key, "name", o->name),
				    &answer);
	if (status)
		remove_peer(interface, o->public_key);
	else
		json_decref(answer);
	return status;
}

static int add_peer(const char *interface, int argc, char **argv)
{
	struct wgx_peer_options o = {0};
	struct wgx_secbuf request = {0};
	int status = wgx_peer_options_parse(&o, argc, argv);

	if (!status)
		status = check_new(interface, o.name, argv[1]);
	if (!status)
		status = wgx_peer_options_resolve(&o);
	if (!status) {
		wgx_peer_options_request(&o, &request);
		status = set(interface, &request);
	}
	if (!status)
		status = name_peer(interface, &o);
	wgx_peer_options_wipe(&o);
	return status;
}

static int delete_peer(const char *interface, int argc, char **argv)
{
	uint8_t key[WGX_KEY_LEN];
	json_t *answer;
	int status;

	if (argc < 1)
		return wgx_usage_error(NULL, "delete peer: no peer given");
	status = wgx_peer_check(NULL, argv[0]);
	if (!status)
		status = ask(interface, argv[0], &answer);
	if (status)
		return status;
	if (wgx_key_parse(key_of(peer_of(answer)), key))
		status = wgx_client_perror(-EBADMSG);
	else
		status = remove_peer(interface, key);
	json_decref(answer);
	return status;
}

/* ---- the command line ---- */

static const struct command {
	const char *verb, *object;
	int max_args;
	bool changes;
	int (*run)(const char *interface, int argc, char **argv);
} commands[] = {
	{"show", "all", 0, false, show_all},
	{"show", "peer", 2, false, show_peer},
	{"show", "private-key", 0, false, show_private_key},
	{"set", "private-key", 1, true, set_private_key},
	{"set", "listen-port", 1, true, set_listen_port},
	{"add", "peer", INT_MAX, true, add_peer},
	{"delete", "peer", 1, true, delete_peer},
};

static const struct command *find_command(const char *verb, const char *object)
{
	for (size_t i = 0; i < sizeof(commands) / sizeof(*commands); i++)
		if (!strcmp(commands[i].verb, verb) && !strcmp(commands[i].object, object))
			return &commands[i];
	return NULL;
}

int wgx_wgconfig(int argc, char **argv)
{
	const struct command *c = &commands[0];
	int status;

	if (argc < 2)
		return wgx_usage_error(NULL, "no interface given");
	status = wgx_name_check(NULL, "interface", argv[1]);
	if (status)
		return status;
	if (argc > 2)
		c = find_command(argv[2], argc > 3 ? argv[3] : "");
	if (!c)
		return wgx_usage_error(NULL, "no command is called '%s%s%s'", argv[2],
				       argc > 3 ? " " : "", argc > 3 ? argv[3] : "");
	argc = argc > 4 ? argc - 4 : 0;
	if (argc > c->max_args)
		return wgx_usage_error(NULL, "%s %s: unexpected '%s'", c->verb, c->object,
				       argv[4 + c->max_args]);
	if (c->changes && (status = wgx_need_net_admin("configure", argv[1])))
		return status;
	prctl(PR_SET_DUMPABLE, 0); /* keys are not for core dumps */
	if (sodium_init() < 0)
		return wgx_fail("libsodium does not initialise");
	return c->run(argv[1], argc, argv + 4);
}
