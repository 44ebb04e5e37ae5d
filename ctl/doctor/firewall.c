/* SPDX-License-Identifier: MIT */
/* A firewall of this host that drops what comes to a listen port: only what follows from its rules for certain. */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "doctor/doctor.h"
#include "doctor/nft.h"
#include "net/netfilter.h"

static const char *string_of(const json_t *object, const char *key)
{
	return json_string_value(json_object_get(object, key));
}

/* In the child: nft, whose output goes to @out. */
static void execute(int out)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	if (null < 0 || dup2(null, STDIN_FILENO) < 0 || dup2(out, STDOUT_FILENO) < 0 ||
	    dup2(null, STDERR_FILENO) < 0)
		_exit(126);
	execlp("nft", "nft", "-j", "list", "ruleset", NULL);
	_exit(127);
}

/* NULL: nft could not tell */
static json_t *read_ruleset(void)
{
	json_t *ruleset;
	int fds[2];
	pid_t pid;

	if (pipe2(fds, O_CLOEXEC))
		return NULL;
	pid = fork();
	if (!pid)
		execute(fds[1]);
	close(fds[1]);
	ruleset = pid < 0 ? NULL : json_loadfd(fds[0], 0, NULL);
	close(fds[0]);
	if (pid > 0)
		waitpid(pid, NULL, 0);
	return ruleset;
}

/* Rules of iptables-legacy, which nft does not see */
static void check_legacy(struct wgx_doctor *d)
{
	static const char *const files[] = {"/proc/net/ip_tables_names",
					    "/proc/net/ip6_tables_names"};

	for (size_t i = 0; i < sizeof(files) / sizeof(*files); i++) {
		FILE *f = fopen(files[i], "re");
		bool any = f && fgetc(f) != EOF;

		if (f)
			fclose(f);
		if (!any)
			continue;
		wgx_found(&d->report, WGX_NOTE, "firewall", NULL,
			  "there are tables of iptables-legacy, which are not looked at");
		wgx_remedy(&d->report, "%s-legacy -S INPUT shows them",
			   i ? "ip6tables" : "iptables");
	}
}

static void tell(struct wgx_doctor *d, enum wgx_fate fate, const struct wgx_datagram *m,
		 const json_t *chain)
{
	const char *family = string_of(chain, "family"), *table = string_of(chain, "table"),
		   *name = string_of(chain, "name");

	if (fate == WGX_FATE_DROPPED)
		wgx_found(&d->report, WGX_PROBLEM, "firewall", m->device,
			  "chain %s %s %s drops what comes to UDP port %u", family, table, name,
			  m->port);
	else
		wgx_found(&d->report, WGX_NOTE, "firewall", m->device,
			  "chain %s %s %s drops what comes to UDP port %u, unless a rule that "
			  "cannot be judged here accepts it",
			  family, table, name, m->port);
	wgx_remedy(&d->report, "nft insert rule %s %s %s udp dport %u accept", family, table, name,
		   m->port);
}

static void check_port(struct wgx_doctor *d, const json_t *ruleset, const char *interface,
		       uint16_t port)
{
	enum wgx_fate worst = WGX_FATE_PASSES;

	for (unsigned int i = 0; i < d->n_ways; i++) {
		const struct wgx_way_out *w = &d->ways[i];
		struct wgx_datagram m = {.v6 = w->endpoint.addr.sa.sa_family == AF_INET6,
					 .device = w->way.device,
					 .port = port};
		const json_t *chain = NULL;
		enum wgx_fate fate;

		if (*w->interface && strcmp(w->interface, interface) != 0)
			continue;
		fate = wgx_nft_judge(ruleset, &m, &chain);
		if (fate != WGX_FATE_PASSES)
			tell(d, fate, &m, chain);
		worst = fate > worst ? fate : worst;
	}
	if (worst == WGX_FATE_PASSES)
		wgx_found(&d->report, WGX_FINE, "firewall", interface,
			  "no rule of nft drops what comes to UDP port %u", port);
}

/* What goes past the stack goes past the firewall. */
static void check_router_path(struct wgx_doctor *d)
{
	const json_t *device;
	char chain[256];
	size_t i;

	json_array_foreach(json_object_get(d->show, "attached"), i, device) {
		const char *name = string_of(device, "device");

		if (!json_is_object(json_object_get(device, "lan")) ||
		    !wgx_netfilter_forwards(chain, sizeof(chain)))
			continue;
		wgx_found(&d->report, WGX_NOTE, "firewall", name,
			  "%s does not see packets that take the router path", chain);
		wgx_remedy(&d->report,
			   "if its rules are to decide about them: wgx detach %s, and attach "
			   "without --lan",
			   name);
	}
}

void wgx_check_firewall(struct wgx_doctor *d)
{
	const json_t *interface;
	json_t *ruleset;
	size_t i;

	check_router_path(d);

	if (!json_array_size(json_object_get(d->show, "interfaces")))
		return;
	ruleset = read_ruleset();
	if (!ruleset) {
		wgx_found(&d->report, WGX_NOTE, "firewall", NULL,
			  "not looked at: nft is missing, or cannot list its rules");
		return;
	}
	json_array_foreach(json_object_get(d->show, "interfaces"), i, interface) {
		uint16_t port =
			(uint16_t)json_integer_value(json_object_get(interface, "listen_port"));

		if (port)
			check_port(d, ruleset, string_of(interface, "name"), port);
	}
	check_legacy(d);
	json_decref(ruleset);
}
