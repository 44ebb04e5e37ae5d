/* SPDX-License-Identifier: MIT */
/*
 * wg-userspace ID COMMAND: NetBSD's wg-userspace(8). There a server of its own has the interface wgID, and
 * commands run in it; here it is an interface of this network namespace.
 */
#include <errno.h>
#include <getopt.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"
#include "netbsd/ifconfig.h"

/* The longest wgID that the kernel takes */
#define ID_LEN_MAX (IFNAMSIZ - 1 - 2)

static int create(char *interface)
{
	char *argv[] = {"wgx", interface, NULL};

	optind = 0;
	return wgx_cmd_interface(2, argv);
}

static int destroy(const char *interface)
{
	int status = wgx_need_net_admin("destroy", interface);

	return status ? status : wgx_delete_interface(interface);
}

static int run_create(char *interface, int argc, char **argv)
{
	return argc ? wgx_usage_error(NULL, "create: unexpected '%s'", argv[0]) : create(interface);
}

static int run_destroy(char *interface, int argc, char **argv)
{
	return argc ? wgx_usage_error(NULL, "destroy: unexpected '%s'", argv[0])
		    : destroy(interface);
}

/* In NetBSD others are not there to be seen. */
static int check_own(const char *interface, int argc, char **argv)
{
	if (!argc)
		return wgx_usage_error(NULL, "no interface given");
	if (!strcmp(interface, argv[0]))
		return WGX_EXIT_OK;
	return wgx_usage_error(NULL, "the interface is %s, not '%s'", interface, argv[0]);
}

static int print(const char *interface)
{
	int err = wgx_ifconfig_print(interface);

	return err ? wgx_fail("%s: %s", interface, strerror(-err)) : WGX_EXIT_OK;
}

/* What makes it or ends it stands alone, or first. */
static int configure(char *interface, struct wgx_ifconfig *c)
{
	int status = WGX_EXIT_OK;
	char error[256];

	for (size_t i = 0; i < c->n; i++)
		if (c->ops[i].kind == WGX_IFCONFIG_DESTROY)
			return c->n > 1 ? wgx_usage_error(NULL, "destroy stands alone")
					: destroy(interface);
	for (size_t i = 1; i < c->n; i++)
		if (c->ops[i].kind == WGX_IFCONFIG_CREATE)
			return wgx_usage_error(NULL, "create comes first");
	status = wgx_need_net_admin("configure", interface);
	if (!status && c->ops[0].kind == WGX_IFCONFIG_CREATE)
		status = create(interface);
	if (!status && wgx_ifconfig_apply(interface, c, error, sizeof(error)))
		status = wgx_fail("%s", error);
	return status;
}

static int run_ifconfig(char *interface, int argc, char **argv)
{
	struct wgx_ifconfig c;
	char error[256];
	int status;

	if (!argc)
		return print(interface);
	status = check_own(interface, argc, argv);
	if (status)
		return status;
	if (wgx_ifconfig_parse(argc - 1, argv + 1, &c, error, sizeof(error)))
		return wgx_usage_error(NULL, "ifconfig: %s", error);
	return c.n ? configure(interface, &c) : print(interface);
}

static int run_wgconfig(char *interface, int argc, char **argv)
{
	int status = check_own(interface, argc, argv);

	/* argv[-1] is "wgconfig" itself */
	return status ? status : wgx_wgconfig(argc + 1, argv - 1);
}

static int run_debug(char *interface, int argc, char **argv)
{
	if (!argc)
		return wgx_usage_error(NULL, "debug: no command given");
	execvp(argv[0], argv);
	return wgx_fail("%s: %s", argv[0], strerror(errno));
}

static const struct command {
	const char *name;
	int (*run)(char *interface, int argc, char **argv);
} commands[] = {
	{"create", run_create},	    {"destroy", run_destroy}, {"ifconfig", run_ifconfig},
	{"wgconfig", run_wgconfig}, {"debug", run_debug},
};

int wgx_wg_userspace(int argc, char **argv)
{
	char interface[IFNAMSIZ];

	if (argc < 2)
		return wgx_usage_error(NULL, "no id given");
	if (!*argv[1] || strspn(argv[1], "0123456789") != strlen(argv[1]) ||
	    strlen(argv[1]) > ID_LEN_MAX)
		return wgx_usage_error(NULL, "id '%s' is no number", argv[1]);
	snprintf(interface, sizeof(interface), "wg%s", argv[1]);
	if (argc < 3)
		return wgx_usage_error(NULL, "no command given");
	for (size_t i = 0; i < sizeof(commands) / sizeof(*commands); i++)
		if (!strcmp(commands[i].name, argv[2]))
			return commands[i].run(interface, argc - 3, argv + 3);
	return wgx_usage_error(NULL, "no command is called '%s'", argv[2]);
}
