/* SPDX-License-Identifier: MIT */
/* Name servers, for all names (-x, "~."): what the tunnel's file says, while the tunnel is up. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "quick/quick.h"
#include "quick/run.h"
#include "cli/secbuf.h"

#define ORDER "/etc/resolvconf/interface-order"

static const char *find_program(void)
{
	static const char *const programs[] = {"resolvconf", "resolvectl"};

	for (size_t i = 0; i < sizeof(programs) / sizeof(programs[0]); i++)
		if (wgx_run_exists(programs[i]))
			return programs[i];
	return NULL;
}

int wgx_quick_check_dns(const struct wgx_conf *conf)
{
	if ((!conf->dns.n && !conf->dns_search.n) || find_program())
		return WGX_EXIT_OK;
	return wgx_fail("%s:%u: DNS: neither resolvconf nor resolvectl is installed", conf->file,
			conf->dns_line);
}

/*
 * Debian's resolvconf sorts by name: one that begins as the first pattern of its list wins, "tun." for "tun*".
 * @name: the interface's name with that before it
 */
static void resolvconf_name(const char *interface, char *name, size_t size)
{
	FILE *f = fopen(ORDER, "re");
	char line[256];
	size_t n;

	snprintf(name, size, "%s", interface);
	while (f && fgets(line, sizeof(line), f)) {
		n = strspn(line, "0123456789abcdefghijklmnopqrstuvwxyz"
				 "ABCDEFGHIJKLMNOPQRSTUVWXYZ-");
		if (!n || strcmp(line + n, "*\n"))
			continue;
		snprintf(name, size, "%.*s.%s", (int)n, line, interface);
		break;
	}
	if (f)
		fclose(f);
}

static int set_by_resolvconf(struct wgx_quick *q)
{
	const struct wgx_conf *c = q->conf;
	struct wgx_secbuf b = {0};
	char name[256 + IFNAMSIZ];
	const char *const argv[] = {"resolvconf", "-a", name, "-m", "0", "-x", NULL};
	int status;

	resolvconf_name(c->name, name, sizeof(name));
	for (size_t i = 0; i < c->dns.n; i++)
		wgx_secbuf_printf(&b, "nameserver %s\n", c->dns.items[i]);
	for (size_t i = 0; i < c->dns_search.n; i++)
		wgx_secbuf_printf(&b, "%s%s", i ? " " : "search ", c->dns_search.items[i]);
	if (c->dns_search.n)
		wgx_secbuf_printf(&b, "\n");
	status = b.failed || wgx_record_text(&q->record, "resolvconf", name)
			 ? -1
			 : wgx_run(argv, b.data, false);
	wgx_secbuf_free(&b);
	return status;
}

/* resolvectl VERB NAME [first] items ... */
static int resolvectl(const char *verb, const char *name, const char *first,
		      const struct wgx_conf_texts *items)
{
	const char **argv = calloc(items->n + 5, sizeof(*argv));
	size_t n = 0;
	int status;

	if (!argv)
		return -1;
	argv[n++] = "resolvectl";
	argv[n++] = verb;
	argv[n++] = name;
	if (first)
		argv[n++] = first;
	for (size_t i = 0; i < items->n; i++)
		argv[n++] = items->items[i];
	status = wgx_run(argv, NULL, false);
	free(argv);
	return status;
}

static int set_by_resolvectl(struct wgx_quick *q)
{
	const struct wgx_conf *c = q->conf;
	int status = wgx_record_text(&q->record, "resolvectl", c->name);

	if (!status && c->dns.n)
		status = resolvectl("dns", c->name, NULL, &c->dns);
	return status ? status
		      : resolvectl("domain", c->name, c->dns.n ? "~." : NULL, &c->dns_search);
}

int wgx_quick_dns(struct wgx_quick *q)
{
	const char *program = find_program();
	int status;

	if (!program || (!q->conf->dns.n && !q->conf->dns_search.n))
		return WGX_EXIT_OK;
	status = strcmp(program, "resolvconf") ? set_by_resolvectl(q) : set_by_resolvconf(q);
	return status ? wgx_fail("%s:%u: DNS: %s failed", q->conf->file, q->conf->dns_line, program)
		      : WGX_EXIT_OK;
}

int wgx_quick_undo_dns(struct wgx_record *r)
{
	const char *name = wgx_record_get(r, "resolvconf");
	const char *const by_resolvconf[] = {"resolvconf", "-d", name, "-f", NULL};
	const char *const by_resolvectl[] = {"resolvectl", "revert", r->name, NULL};
	int status = WGX_EXIT_OK;

	if (name && wgx_run(by_resolvconf, NULL, false))
		status = wgx_fail("%s: resolvconf did not take its name servers back", r->name);
	/* which goes with the interface all the same */
	if (wgx_record_get(r, "resolvectl"))
		wgx_run(by_resolvectl, NULL, true);
	return status;
}
