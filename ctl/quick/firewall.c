/* SPDX-License-Identifier: MIT */
/*
 * wg-quick's rules for a default route: a packet for an inner address that comes by another device is dropped, and
 * what answers to a marked packet gets the mark, before the reverse-path filter asks for the way back.
 */
#include <arpa/inet.h>
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "quick/quick.h"
#include "quick/run.h"
#include "cli/secbuf.h"

/* nft takes letters, digits, "_", ".", "-", "/"; interfaces have no "/" in their names. */
static void table_name(const char *interface, char *name, size_t size)
{
	size_t n = (size_t)snprintf(name, size, "wgx-");

	for (const char *p = interface; *p && n + 4 < size; p++) {
		unsigned char c = (unsigned char)*p;
		bool plain = c < 128 && (isalnum(c) || strchr("_.-", c));

		n += (size_t)snprintf(name + n, size - n, plain ? "%c" : "/%02x", c);
	}
}

static int nft(const char *commands)
{
	const char *const argv[] = {"nft", "-f", "-", NULL};

	return wgx_run(argv, commands, false);
}

static void put_rules(struct wgx_secbuf *b, const struct wgx_conf *c, const char *table,
		      uint8_t family, uint32_t mark)
{
	const char *pf = family == AF_INET6 ? "ip6" : "ip";
	char addr[INET6_ADDRSTRLEN];

	wgx_secbuf_printf(
		b,
		"add table %s %s\n"
		"add chain %s %s preraw { type filter hook prerouting priority -300; }\n"
		"add chain %s %s premangle { type filter hook prerouting priority -150; }\n"
		"add chain %s %s postmangle { type filter hook postrouting priority -150; }\n",
		pf, table, pf, table, pf, table, pf, table);
	for (size_t i = 0; i < c->addresses.n; i++) {
		const struct wgx_prefix *a = &c->addresses.items[i];

		if (a->family != family)
			continue;
		inet_ntop(family, a->addr, addr, sizeof(addr));
		wgx_secbuf_printf(b,
				  "add rule %s %s preraw iifname != \"%s\" %s daddr %s "
				  "fib saddr type != local drop\n",
				  pf, table, c->name, pf, addr);
	}
	wgx_secbuf_printf(b,
			  "add rule %s %s postmangle meta l4proto udp mark %u ct mark set mark\n"
			  "add rule %s %s premangle meta l4proto udp meta mark set ct mark\n",
			  pf, table, mark, pf, table);
}

int wgx_quick_firewall(struct wgx_quick *q, uint8_t family, uint32_t mark)
{
	const char *pf = family == AF_INET6 ? "ip6" : "ip";
	struct wgx_secbuf b = {0};
	char table[80], noted[96];
	int status;

	if (!wgx_run_exists("nft")) {
		fprintf(stderr,
			"wgx: warning: nft is not installed: nothing keeps neighbours from "
			"reaching the addresses of %s past the tunnel\n",
			q->conf->name);
		return WGX_EXIT_OK;
	}
	table_name(q->conf->name, table, sizeof(table));
	snprintf(noted, sizeof(noted), "%s %s", pf, table);
	put_rules(&b, q->conf, table, family, mark);
	/* first, and then made: what is noted and not there is no harm */
	status = b.failed || wgx_record_add(&q->record, "nft", noted) ? -1 : nft(b.data);
	wgx_secbuf_free(&b);
	return status ? wgx_fail("%s: nft did not take the rules for a default route",
				 q->conf->name)
		      : WGX_EXIT_OK;
}

int wgx_quick_undo_firewall(struct wgx_record *r)
{
	int status = WGX_EXIT_OK;
	json_t *table;
	size_t i;

	json_array_foreach(json_object_get(r->done, "nft"), i, table) {
		char commands[256];
		const char *text = json_string_value(table);

		/* made first, so that there is one to delete: "destroy" is too new */
		snprintf(commands, sizeof(commands), "add table %s\ndelete table %s\n", text, text);
		if (text && nft(commands))
			status = wgx_fail("%s: nft cannot delete table %s", r->name, text);
	}
	return status;
}
