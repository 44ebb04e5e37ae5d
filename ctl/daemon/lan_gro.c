/* SPDX-License-Identifier: MIT */
/*
 * GRO of UDP that is forwarded, which is off by default: with it the small packets of a flow come as superframes.
 * Where the device has it not, or a guest's offloads are fixed, they come one by one.
 *
 * The setting outlives a daemon that is killed. So a file names the devices where it is ours, and the next daemon
 * switches it off there.
 */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "daemon/daemon.h"
#include "daemon/log.h"
#include "daemon/state.h"
#include "net/ethtool.h"

#define SUFFIX "gro"
#define FEATURE "rx-udp-gro-forwarding"

static int set(int ifindex, bool on)
{
	const struct wgx_feature gro = {FEATURE, on};

	return wgx_ethtool_set(ifindex, &gro, 1);
}

static int write_list(FILE *f, struct wgx_daemon *d)
{
	struct wgx_attached *a;
	int err = 0;

	cds_list_for_each_entry(a, &d->attached, all)
		if (a->lan_gro && fprintf(f, "%d %s\n", a->ifindex, a->name) < 0)
			err = -EIO;
	if (fclose(f))
		err = -errno;
	return err;
}

static bool is_any(struct wgx_daemon *d)
{
	struct wgx_attached *a;

	cds_list_for_each_entry(a, &d->attached, all)
		if (a->lan_gro)
			return true;
	return false;
}

/* A new file in the old one's place, so that each is whole. */
static int replace(struct wgx_daemon *d, const char *path)
{
	char new[144];
	FILE *f;
	int err;

	snprintf(new, sizeof(new), "%s.new", path);
	f = fopen(new, "we");
	if (!f)
		return -errno;
	err = write_list(f, d);
	if (!err && rename(new, path))
		err = -errno;
	if (err)
		unlink(new);
	return err;
}

static int note(struct wgx_daemon *d)
{
	char path[128];
	int err = wgx_run_path(SUFFIX, path, sizeof(path));

	if (err)
		return err;
	if (is_any(d))
		return replace(d, path);
	return unlink(path) && errno != ENOENT ? -errno : 0;
}

/* Named first: between the two a dead daemon's successor switches off what is off. */
void wgx_lan_gro_on(struct wgx_daemon *d, struct wgx_attached *a)
{
	bool is = true;
	int err;

	if (wgx_ethtool_get(a->ifindex, FEATURE, &is) || is)
		return;
	a->lan_gro = true;
	err = note(d);
	if (err)
		wgx_log(WGX_LOG_WARN,
			"%s: should the daemon be killed, " FEATURE " stays on: " WGX_RUN_DIR
			": %s",
			a->name, strerror(-err));
	if (!set(a->ifindex, true))
		return;
	a->lan_gro = false;
	(void)note(d);
}

void wgx_lan_gro_off(struct wgx_daemon *d, struct wgx_attached *a)
{
	if (!a->lan_gro)
		return;
	(void)set(a->ifindex, false);
	a->lan_gro = false;
	(void)note(d);
}

/* The number alone may be another device's by now. */
static void off_again(int ifindex, const char *name)
{
	struct wgx_link_info info;

	if (wgx_link_query_index(ifindex, &info) || strcmp(info.name, name) != 0)
		return;
	if (!set(ifindex, false))
		wgx_log(WGX_LOG_INFO,
			"%s: " FEATURE " is off again, which a daemon that died had switched on",
			name);
}

int wgx_lan_gro_adopt(struct wgx_daemon *d)
{
	char path[128], line[64], name[IFNAMSIZ], *rest;
	FILE *f;

	if (wgx_run_path(SUFFIX, path, sizeof(path)))
		return 0;
	f = fopen(path, "re");
	if (!f)
		return 0;
	while (fgets(line, sizeof(line), f)) {
		long ifindex = strtol(line, &rest, 10);

		if (ifindex > 0 && ifindex <= INT_MAX && sscanf(rest, " %15s", name) == 1)
			off_again((int)ifindex, name);
	}
	fclose(f);
	unlink(path);
	return 0;
}
