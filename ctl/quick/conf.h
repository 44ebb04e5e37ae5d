/* SPDX-License-Identifier: MIT */
/* Configuration files in wg-quick's format, wgx.conf(5): read, checked, and no more. */
#ifndef WGX_QUICK_CONF_H
#define WGX_QUICK_CONF_H

#include <net/if.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <wgx/wire.h>
#include "proto/prefix.h"

/** enum wgx_hook - when commands of the user run */
enum wgx_hook {
	WGX_HOOK_PRE_UP,
	WGX_HOOK_POST_UP,
	WGX_HOOK_PRE_DOWN,
	WGX_HOOK_POST_DOWN,
	WGX_HOOKS,
};

struct wgx_conf_texts {
	char **items;
	size_t n;
};

struct wgx_conf_prefixes {
	struct wgx_prefix *items;
	size_t n, room;
};

enum wgx_conf_table { WGX_CONF_TABLE_AUTO, WGX_CONF_TABLE_OFF, WGX_CONF_TABLE_NUMBER };

/**
 * struct wgx_conf_peer - a [Peer] section
 * @host: of the endpoint: an address, without brackets, or a name; NULL: none given
 * @host_is_name: @host has to be resolved
 * @name: NULL: none
 * @first_prefix: its allowed IPs are so many of wgx_conf.allowed from there on
 */
struct wgx_conf_peer {
	uint8_t public_key[WGX_KEY_LEN];
	uint8_t preshared_key[WGX_KEY_LEN];
	char *host, *name;
	size_t first_prefix, n_prefixes;
	unsigned int line, endpoint_line;
	uint16_t port, keepalive;
	bool has_public_key, has_preshared_key, host_is_name, has_keepalive;
};

/**
 * struct wgx_conf_lan - a device whose forwarded packets go past the stack, as `wgx attach --lan` has it
 * @native: by XDP in its driver, not by tcx
 * @copy: then in copy mode, whatever the driver can
 */
struct wgx_conf_lan {
	char device[IFNAMSIZ];
	bool native, copy;
};

/**
 * struct wgx_conf - a whole file; keys, and so @peers, are in memory for secrets, which no child has
 * @file: as the user would find it, for messages
 * @name: of the interface
 * @mtu: 0: by the way to the endpoints
 * @workers: that seal for it; 0: not said
 * @table: which routes go to: the main table and one of its own for default routes, none, or @table_number
 * @dns_line: where the first DNS stands; 0: nowhere
 */
struct wgx_conf {
	char *file;
	char name[IFNAMSIZ];
	uint8_t *private_key; /* NULL: none given */
	bool has_listen_port, has_fwmark, has_interface, save;
	uint16_t listen_port;
	uint32_t fwmark, mtu, table_number, workers;
	enum wgx_conf_table table;
	char *table_text; /* as it was given; NULL: it was not */
	unsigned int dns_line;
	struct wgx_conf_prefixes addresses; /* with their host bits */
	struct wgx_conf_prefixes allowed; /* of all peers */
	struct wgx_conf_texts dns, dns_search, attach;
	struct wgx_conf_texts
		transmit; /* as `wgx attach --transmit` has it; some may be in @attach as well */
	struct wgx_conf_lan *lans; /* some of them may be in @attach as well */
	size_t n_lans;
	struct wgx_conf_texts hooks[WGX_HOOKS];
	struct wgx_conf_peer *peers;
	size_t n_peers, room_peers;
};

/** struct wgx_conf_error - what is wrong, and in which line; 0: in none */
struct wgx_conf_error {
	unsigned int line;
	char text[256];
};

/**
 * wgx_conf_parse() - a file's text
 * @text: @len bytes and a terminator; they are changed
 * @ret: for wgx_conf_free(); untouched on failure. Its @file and @name are left empty.
 *
 * Return: 0; -EINVAL, or -ENOMEM, with *@error set, which never holds a secret.
 */
int wgx_conf_parse(char *text, size_t len, struct wgx_conf **ret, struct wgx_conf_error *error);

/**
 * wgx_conf_load() - the file that the user means
 * @command: that reads it, for messages
 * @arg: NAME for /etc/wireguard/NAME.conf, or a path, with a slash in it, that ends with NAME.conf
 *
 * Warns of a file that the world can reach. Return: an exit status; the user has been told of a failure.
 */
int wgx_conf_load(const char *command, const char *arg, struct wgx_conf **ret);

/** wgx_conf_free() - secrets are wiped; NULL is legal */
void wgx_conf_free(struct wgx_conf *conf);

#endif
