/* SPDX-License-Identifier: MIT */
#include "quick/conf.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <netlink/route/route.h>
#include <wgx/bpf_abi.h>

#include "cli/cli.h"
#include "device/endpoint.h"
#include "device/host_port.h"
#include "device/name.h"
#include "device/secmem.h"
#include "proto/key_text.h"

#define SPACE " \t\r\v\f"
#define MTU_MIN 68
#define MTU_MAX 65535
#define ROUTE_TABLES "/etc/iproute2/rt_tables"

enum section { NO_SECTION, INTERFACE, PEER };

struct parser {
	struct wgx_conf *conf;
	struct wgx_conf_error *error;
	enum section section;
	const char *key; /* as the file spells it */
	unsigned int line;
};

/* ---- what is used in many places ---- */

__attribute__((format(printf, 2, 3))) static int fail(struct parser *p, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	vsnprintf(p->error->text, sizeof(p->error->text), format, ap);
	va_end(ap);
	p->error->line = p->line;
	return -EINVAL;
}

static int no_memory(struct parser *p)
{
	fail(p, "no memory left");
	return -ENOMEM;
}

/* Blanks at both ends go, the latter by a terminator. */
static char *trim(char *s)
{
	size_t len;

	s += strspn(s, SPACE);
	for (len = strlen(s); len && strchr(SPACE, s[len - 1]); len--)
		;
	s[len] = '\0';
	return s;
}

static int add_text(struct parser *p, struct wgx_conf_texts *t, const char *text)
{
	char **items = realloc(t->items, (t->n + 1) * sizeof(*items));

	if (!items)
		return no_memory(p);
	t->items = items;
	items[t->n] = strdup(text);
	return items[t->n++] ? 0 : no_memory(p);
}

static int add_prefix(struct parser *p, struct wgx_conf_prefixes *list,
		      const struct wgx_prefix *prefix)
{
	if (list->n == list->room) {
		size_t room = list->room ? 2 * list->room : 16;
		struct wgx_prefix *items = realloc(list->items, room * sizeof(*items));

		if (!items)
			return no_memory(p);
		list->items = items;
		list->room = room;
	}
	list->items[list->n++] = *prefix;
	return 0;
}

static int parse_number(struct parser *p, const char *value, uint64_t min, uint64_t max,
			uint64_t *ret)
{
	if (wgx_parse_number(value, strlen(value), max, ret) || *ret < min)
		return fail(p, "%s: '%s' is no number from %llu to %llu", p->key, value,
			    (unsigned long long)min, (unsigned long long)max);
	return 0;
}

/* A key must not be shown: it may be the right one with a character too many. */
static int parse_key(struct parser *p, const char *value, uint8_t key[WGX_KEY_LEN])
{
	if (wgx_key_parse(value, key))
		return fail(p, "%s: not a key of 44 characters in base64", p->key);
	return 0;
}

typedef int (*item_fn)(struct parser *p, const char *item);

/* Items between commas, or blanks. */
static int each_item(struct parser *p, char *value, item_fn fn)
{
	char *save, *item;
	int err = 0;

	for (item = strtok_r(value, "," SPACE, &save); item && !err;
	     item = strtok_r(NULL, "," SPACE, &save))
		err = fn(p, item);
	return err;
}

static struct wgx_conf_peer *current_peer(struct parser *p)
{
	return &p->conf->peers[p->conf->n_peers - 1];
}

/* ---- [Interface] ---- */

static int set_private_key(struct parser *p, char *value)
{
	if (!p->conf->private_key)
		p->conf->private_key = wgx_secmem_alloc(WGX_KEY_LEN);
	return p->conf->private_key ? parse_key(p, value, p->conf->private_key) : no_memory(p);
}

static int set_listen_port(struct parser *p, char *value)
{
	uint64_t n;
	int err = parse_number(p, value, 0, UINT16_MAX, &n);

	if (err)
		return err;
	p->conf->has_listen_port = true;
	p->conf->listen_port = (uint16_t)n;
	return 0;
}

/* "0x" and hexadecimal digits, or decimal ones; strtoul() takes more than that */
static bool is_number(const char *value, bool hex)
{
	const char *digits = hex ? value + 2 : value;

	return hex ? isxdigit((unsigned char)*digits) : isdigit((unsigned char)*digits);
}

static int set_fwmark(struct parser *p, char *value)
{
	char *end = value;
	unsigned long n = 0;
	bool hex = value[0] == '0' && tolower((unsigned char)value[1]) == 'x';

	if (strcasecmp(value, "off")) {
		errno = 0;
		if (is_number(value, hex))
			n = strtoul(value, &end, hex ? 16 : 10);
		if (end == value || *end || errno || n > UINT32_MAX)
			return fail(p, "%s: '%s' is neither a number of 32 bits nor off", p->key,
				    value);
	}
	p->conf->has_fwmark = true;
	p->conf->fwmark = (uint32_t)n;
	return 0;
}

static int add_address(struct parser *p, const char *item)
{
	struct wgx_prefix prefix;

	if (wgx_prefix_parse_address(item, &prefix))
		return fail(p, "%s: '%s' is no address, nor one with a prefix length", p->key,
			    item);
	return add_prefix(p, &p->conf->addresses, &prefix);
}

static int set_address(struct parser *p, char *value)
{
	return each_item(p, value, add_address);
}

static bool is_address(const char *text)
{
	struct in6_addr a;

	return inet_pton(AF_INET, text, &a) == 1 || inet_pton(AF_INET6, text, &a) == 1;
}

#define ALNUM "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"

/* Addresses are servers, all else domains to search in. */
static int add_dns(struct parser *p, const char *item)
{
	if (is_address(item))
		return add_text(p, &p->conf->dns, item);
	if (!item[strspn(item, "0123456789.")] || strchr(item, ':'))
		return fail(p, "%s: '%s' is no address", p->key, item);
	if (item[strspn(item, ALNUM "._-")])
		return fail(p, "%s: '%s' is no domain", p->key, item);
	return add_text(p, &p->conf->dns_search, item);
}

static int set_dns(struct parser *p, char *value)
{
	if (!p->conf->dns_line)
		p->conf->dns_line = p->line;
	return each_item(p, value, add_dns);
}

static int set_mtu(struct parser *p, char *value)
{
	uint64_t n;
	int err = parse_number(p, value, MTU_MIN, MTU_MAX, &n);

	if (!err)
		p->conf->mtu = (uint32_t)n;
	return err;
}

static int set_workers(struct parser *p, char *value)
{
	uint64_t n;
	int err = parse_number(p, value, 1, WGX_QUEUES_MAX, &n);

	if (!err)
		p->conf->workers = (uint32_t)n;
	return err;
}

/* A name of the system's, as ip(8) knows them; or -1 */
static int64_t table_by_name(const char *name)
{
	rtnl_route_read_table_names(ROUTE_TABLES);
	return rtnl_route_str2table(name);
}

static int set_table(struct parser *p, char *value)
{
	struct wgx_conf *c = p->conf;
	uint64_t n = 0;
	int64_t named;

	free(c->table_text);
	c->table_text = strdup(value);
	if (!c->table_text)
		return no_memory(p);
	c->table_number = 0;
	if (!strcasecmp(value, "auto")) {
		c->table = WGX_CONF_TABLE_AUTO;
		return 0;
	}
	if (!strcasecmp(value, "off")) {
		c->table = WGX_CONF_TABLE_OFF;
		return 0;
	}
	c->table = WGX_CONF_TABLE_NUMBER;
	if (wgx_parse_number(value, strlen(value), UINT32_MAX, &n)) {
		named = table_by_name(value);
		n = named < 0 ? 0 : (uint64_t)named;
	}
	if (!n)
		return fail(p, "%s: '%s' is no number, no name of a table, not off and not auto",
			    p->key, value);
	c->table_number = (uint32_t)n;
	return 0;
}

static int set_save(struct parser *p, char *value)
{
	if (strcasecmp(value, "true") && strcasecmp(value, "false"))
		return fail(p, "%s: '%s' is neither true nor false", p->key, value);
	p->conf->save = !strcasecmp(value, "true");
	return 0;
}

static int set_pre_up(struct parser *p, char *value)
{
	return add_text(p, &p->conf->hooks[WGX_HOOK_PRE_UP], value);
}

static int set_post_up(struct parser *p, char *value)
{
	return add_text(p, &p->conf->hooks[WGX_HOOK_POST_UP], value);
}

static int set_pre_down(struct parser *p, char *value)
{
	return add_text(p, &p->conf->hooks[WGX_HOOK_PRE_DOWN], value);
}

static int set_post_down(struct parser *p, char *value)
{
	return add_text(p, &p->conf->hooks[WGX_HOOK_POST_DOWN], value);
}

static int add_device(struct parser *p, struct wgx_conf_texts *to, const char *item)
{
	const char *problem = wgx_name_problem(item);

	if (problem)
		return fail(p, "%s: device name '%s' %s", p->key, item, problem);
	for (size_t i = 0; i < to->n; i++)
		if (!strcmp(to->items[i], item))
			return 0;
	return add_text(p, to, item);
}

static int add_attach(struct parser *p, const char *item)
{
	return add_device(p, &p->conf->attach, item);
}

static int set_attach(struct parser *p, char *value)
{
	return each_item(p, value, add_attach);
}

static int add_transmit(struct parser *p, const char *item)
{
	return add_device(p, &p->conf->transmit, item);
}

static int set_transmit(struct parser *p, char *value)
{
	return each_item(p, value, add_transmit);
}

/* "eth1", "eth1:native" or "eth1:native-copy": no device's name has a colon */
static int add_lan(struct parser *p, const char *item)
{
	struct wgx_conf_lan *lans = p->conf->lans, lan = {.native = false};
	char device[IFNAMSIZ];
	const char *colon = strchr(item, ':'), *problem;
	size_t len = colon ? (size_t)(colon - item) : strlen(item);

	snprintf(device, sizeof(device), "%.*s", (int)len, item);
	problem = len < sizeof(device) ? wgx_name_problem(device) : wgx_name_problem(item);
	if (problem)
		return fail(p, "%s: device name '%.*s' %s", p->key, (int)len, item, problem);
	lan.copy = colon && !strcmp(colon, ":native-copy");
	lan.native = lan.copy || (colon && !strcmp(colon, ":native"));
	if (colon && !lan.native && strcmp(colon, ":tcx"))
		return fail(p, "%s: router path '%s' is none of tcx, native, native-copy", p->key,
			    colon + 1);
	memcpy(lan.device, device, sizeof(device));
	for (size_t i = 0; i < p->conf->n_lans; i++) {
		if (strcmp(lans[i].device, device))
			continue;
		lans[i] = lan;
		return 0;
	}
	lans = realloc(lans, (p->conf->n_lans + 1) * sizeof(*lans));
	if (!lans)
		return no_memory(p);
	p->conf->lans = lans;
	lans[p->conf->n_lans++] = lan;
	return 0;
}

static int set_lan(struct parser *p, char *value)
{
	return each_item(p, value, add_lan);
}

/* ---- [Peer] ---- */

/* By hand: realloc() would leave preshared keys in what it frees. */
static int grow_peers(struct parser *p)
{
	struct wgx_conf *c = p->conf;
	size_t room = c->room_peers ? 2 * c->room_peers : 16;
	struct wgx_conf_peer *peers;

	if (c->n_peers < c->room_peers)
		return 0;
	peers = wgx_secmem_alloc(room * sizeof(*peers));
	if (!peers)
		return no_memory(p);
	if (c->n_peers)
		memcpy(peers, c->peers, c->n_peers * sizeof(*peers));
	wgx_secmem_free(c->peers, c->room_peers * sizeof(*peers));
	c->peers = peers;
	c->room_peers = room;
	return 0;
}

static int set_public_key(struct parser *p, char *value)
{
	struct wgx_conf_peer *peer = current_peer(p);

	if (peer->has_public_key)
		return fail(p, "%s: a second one in the [Peer] section of line %u", p->key,
			    peer->line);
	peer->has_public_key = true;
	return parse_key(p, value, peer->public_key);
}

static int set_preshared_key(struct parser *p, char *value)
{
	current_peer(p)->has_preshared_key = true;
	return parse_key(p, value, current_peer(p)->preshared_key);
}

static int add_allowed_ip(struct parser *p, const char *item)
{
	struct wgx_prefix prefix;
	int err;

	if (wgx_prefix_parse(item, &prefix))
		return fail(p, "%s: '%s' is no address or network", p->key, item);
	err = add_prefix(p, &p->conf->allowed, &prefix);
	if (!err)
		current_peer(p)->n_prefixes++;
	return err;
}

static int set_allowed_ips(struct parser *p, char *value)
{
	return each_item(p, value, add_allowed_ip);
}

static int set_endpoint(struct parser *p, char *value)
{
	struct wgx_conf_peer *peer = current_peer(p);
	struct wgx_host_port h;
	char error[200];

	if (wgx_host_port_parse(value, &h, error, sizeof(error)))
		return fail(p, "%s: %s", p->key, error);
	free(peer->host);
	peer->host = strdup(h.host);
	if (!peer->host)
		return no_memory(p);
	peer->host_is_name = h.is_name;
	peer->port = h.port;
	peer->endpoint_line = p->line;
	return 0;
}

static int set_keepalive(struct parser *p, char *value)
{
	struct wgx_conf_peer *peer = current_peer(p);
	uint64_t n = 0;

	if (strcasecmp(value, "off") && wgx_parse_number(value, strlen(value), UINT16_MAX, &n))
		return fail(p, "%s: '%s' is neither a number of seconds up to 65535 nor off",
			    p->key, value);
	peer->has_keepalive = true;
	peer->keepalive = (uint16_t)n;
	return 0;
}

static const struct wgx_conf_peer *peer_named(const struct parser *p, const char *name)
{
	for (size_t i = 0; i + 1 < p->conf->n_peers; i++)
		if (p->conf->peers[i].name && !strcmp(p->conf->peers[i].name, name))
			return &p->conf->peers[i];
	return NULL;
}

static int set_name(struct parser *p, char *value)
{
	const char *problem = wgx_peer_name_problem(value);
	struct wgx_conf_peer *peer = current_peer(p);
	const struct wgx_conf_peer *other = peer_named(p, value);

	if (problem)
		return fail(p, "%s: '%s' %s", p->key, value, problem);
	if (other)
		return fail(p, "%s: '%s' is the name of the peer of line %u", p->key, value,
			    other->line);
	free(peer->name);
	peer->name = strdup(value);
	return peer->name ? 0 : no_memory(p);
}

/* ---- lines ---- */

static const struct {
	const char *name;
	enum section section;
	int (*set)(struct parser *p, char *value);
	bool may_be_empty; /* a list of nothing */
} keys[] = {
	{"PrivateKey", INTERFACE, set_private_key, false},
	{"ListenPort", INTERFACE, set_listen_port, false},
	{"FwMark", INTERFACE, set_fwmark, false},
	{"Address", INTERFACE, set_address, true},
	{"DNS", INTERFACE, set_dns, true},
	{"MTU", INTERFACE, set_mtu, false},
	{"Table", INTERFACE, set_table, false},
	{"PreUp", INTERFACE, set_pre_up, false},
	{"PostUp", INTERFACE, set_post_up, false},
	{"PreDown", INTERFACE, set_pre_down, false},
	{"PostDown", INTERFACE, set_post_down, false},
	{"SaveConfig", INTERFACE, set_save, false},
	{"Workers", INTERFACE, set_workers, false},
	{"Attach", INTERFACE, set_attach, true},
	{"AttachLan", INTERFACE, set_lan, true},
	{"AttachTransmit", INTERFACE, set_transmit, true},
	{"PublicKey", PEER, set_public_key, false},
	{"PresharedKey", PEER, set_preshared_key, false},
	{"AllowedIPs", PEER, set_allowed_ips, true},
	{"Endpoint", PEER, set_endpoint, false},
	{"PersistentKeepalive", PEER, set_keepalive, false},
	{"Name", PEER, set_name, false},
};

static const char *const section_names[] = {"", "[Interface]", "[Peer]"};

static int begin_section(struct parser *p, const char *name)
{
	if (!strcasecmp(name, "[Interface]")) {
		p->section = INTERFACE;
		p->conf->has_interface = true;
		return 0;
	}
	if (strcasecmp(name, "[Peer]") && strchr(name, '='))
		return fail(p, "neither a section nor KEY = VALUE");
	if (strcasecmp(name, "[Peer]"))
		return fail(p, "'%s' is neither [Interface] nor [Peer]", name);
	if (grow_peers(p))
		return -ENOMEM;
	p->section = PEER;
	p->conf->peers[p->conf->n_peers++] = (struct wgx_conf_peer){
		.line = p->line,
		.first_prefix = p->conf->allowed.n,
	};
	return 0;
}

/* What stands before the "=" could be a secret that lost its key. */
static int no_such_key(struct parser *p)
{
	if (p->section == NO_SECTION)
		return fail(p, "a line before [Interface] or [Peer]");
	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
		if (!strcasecmp(keys[i].name, p->key))
			return fail(p, "%s does not belong into %s", keys[i].name,
				    section_names[p->section]);
	if (strlen(p->key) > 30 || p->key[strspn(p->key, ALNUM "_-")])
		return fail(p, "no key of %s", section_names[p->section]);
	return fail(p, "%s: no key of %s", p->key, section_names[p->section]);
}

static int set_value(struct parser *p, const char *key, char *value)
{
	p->key = key;
	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		if (keys[i].section != p->section || strcasecmp(keys[i].name, key))
			continue;
		if (!*value && !keys[i].may_be_empty)
			return fail(p, "%s: no value", key);
		return keys[i].set(p, value);
	}
	return no_such_key(p);
}

/*
 * "# Name = laptop", as other tools name a peer. A comment is never an error: what could be no name is left
 * alone, and blanks become '-'.
 */
static int parse_comment(struct parser *p, char *comment)
{
	char *equals = strchr(comment, '='), *key, *value;
	struct wgx_conf_peer *peer;

	if (!equals || p->section != PEER)
		return 0;
	*equals = '\0';
	key = trim(comment);
	value = trim(equals + 1);
	peer = current_peer(p);
	if (strcasecmp(key, "Name") && strcasecmp(key, "friendly_name"))
		return 0;
	for (char *c = value; *c; c++)
		if (strchr(SPACE, *c))
			*c = '-';
	if (peer->name || wgx_peer_name_problem(value) || peer_named(p, value))
		return 0;
	return set_name(p, value);
}

static int parse_line(struct parser *p, char *line)
{
	char *comment = strchr(line, '#'), *equals;

	if (comment)
		*comment++ = '\0';
	line = trim(line);
	if (!*line)
		return comment ? parse_comment(p, comment) : 0;
	if (*line == '[')
		return begin_section(p, line);
	equals = strchr(line, '=');
	if (!equals)
		return p->section == NO_SECTION ? fail(p, "a line before [Interface] or [Peer]")
						: fail(p, "neither a section nor KEY = VALUE");
	*equals = '\0';
	return set_value(p, trim(line), trim(equals + 1));
}

static int parse_lines(struct parser *p, char *text, size_t len)
{
	char *end = text + len;
	int err = 0;

	while (text < end && !err) {
		char *newline = memchr(text, '\n', (size_t)(end - text));
		size_t n = (size_t)((newline ? newline : end) - text);

		p->line++;
		text[n] = '\0';
		err = strlen(text) == n ? parse_line(p, text) : fail(p, "a zero byte");
		text += n + 1;
	}
	return err;
}

static int check_whole(struct parser *p)
{
	for (size_t i = 0; i < p->conf->n_peers; i++) {
		p->line = p->conf->peers[i].line;
		if (!p->conf->peers[i].has_public_key)
			return fail(p, "[Peer] without a PublicKey");
	}
	p->line = 0;
	return p->conf->has_interface ? 0 : fail(p, "no [Interface] section");
}

int wgx_conf_parse(char *text, size_t len, struct wgx_conf **ret, struct wgx_conf_error *error)
{
	struct wgx_conf *conf = calloc(1, sizeof(*conf));
	struct parser p = {.conf = conf, .error = error};
	int err;

	if (!conf)
		return no_memory(&p);
	err = parse_lines(&p, text, len);
	if (!err)
		err = check_whole(&p);
	if (err)
		wgx_conf_free(conf);
	else
		*ret = conf;
	return err;
}

static void free_texts(struct wgx_conf_texts *t)
{
	for (size_t i = 0; i < t->n; i++)
		free(t->items[i]);
	free(t->items);
}

void wgx_conf_free(struct wgx_conf *conf)
{
	if (!conf)
		return;
	for (size_t i = 0; i < conf->n_peers; i++) {
		free(conf->peers[i].host);
		free(conf->peers[i].name);
	}
	wgx_secmem_free(conf->peers, conf->room_peers * sizeof(*conf->peers));
	free_texts(&conf->dns);
	free_texts(&conf->dns_search);
	free_texts(&conf->attach);
	free_texts(&conf->transmit);
	free(conf->lans);
	for (size_t i = 0; i < WGX_HOOKS; i++)
		free_texts(&conf->hooks[i]);
	free(conf->addresses.items);
	free(conf->allowed.items);
	free(conf->table_text);
	free(conf->file);
	wgx_secmem_free(conf->private_key, WGX_KEY_LEN);
	free(conf);
}
