/* SPDX-License-Identifier: MIT */
#include "daemon/privileges.h"

#include <cap-ng.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "daemon/landlock.h"
#include "daemon/sandbox.h"
#include "net/netns.h"

#ifndef CAP_PERFMON
#define CAP_PERFMON 38
#endif
#ifndef CAP_BPF
#define CAP_BPF 39
#endif

static const unsigned int kept[] = {
	CAP_NET_ADMIN, /* links, sockets' marks and buffers, attaching programs */
	CAP_NET_RAW, /* AF_XDP, AF_PACKET */
	CAP_BPF,	   CAP_PERFMON, /* a program that reads the socket buffer */
	CAP_IPC_LOCK, /* keys and UMEM */
	CAP_NET_BROADCAST, /* events of interfaces in other namespaces */
};

/* Capabilities are a thread's own. */
static int drop_capabilities(bool with_kept)
{
	capng_clear(CAPNG_SELECT_BOTH);
	for (size_t i = 0; with_kept && i < sizeof(kept) / sizeof(kept[0]); i++)
		if (capng_update(CAPNG_ADD, CAPNG_EFFECTIVE | CAPNG_PERMITTED, kept[i]))
			return -EINVAL;
	if (capng_apply(CAPNG_SELECT_CAPS))
		return -EPERM;
	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ? -errno : 0;
}

static int drop_here(void *arg)
{
	int err = drop_capabilities(true);

	if (!err)
		err = wgx_landlock_enter(arg);
	return err ? err : wgx_sandbox_enter(WGX_SANDBOX_DAEMON);
}

int wgx_privileges_none(void)
{
	return drop_capabilities(false);
}

int wgx_privileges_worker(void)
{
	int err = drop_capabilities(false);

	return err ? err : wgx_sandbox_enter(WGX_SANDBOX_WORKER);
}

int wgx_privileges_drop(struct wgx_netns *ns, const char *state_dir)
{
	int err = wgx_netns_call(ns, drop_here, (void *)state_dir);

	return err ? err : drop_here((void *)state_dir);
}
