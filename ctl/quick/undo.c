/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/client.h"
#include "daemon/daemon.h"
#include "net/link.h"
#include "quick/quick.h"

#define GONE_TIMEOUT_MS 5000
#define POLL_MS 10

/* The daemon deletes the socket when it has heard that the interface is gone: the next `up` needs the name. */
static void await_daemon(const char *name)
{
	char path[128];
	int fd = wgx_client_connect();

	if (fd == -ESRCH) /* it is dead */
		return;
	if (fd >= 0)
		close(fd);
	snprintf(path, sizeof(path), WGX_UAPI_DIR "/%s.sock", name);
	for (int ms = 0; ms < GONE_TIMEOUT_MS && !access(path, F_OK); ms += POLL_MS)
		poll(NULL, 0, POLL_MS);
}

bool wgx_quick_served(const char *name)
{
	json_t *request = json_pack("{s:s, s:s}", "cmd", "show", "interface", name), *answer = NULL;
	int fd = wgx_client_connect();
	bool yes = fd >= 0 && !wgx_client_call(fd, request, &answer) && !wgx_client_error(answer);

	if (fd >= 0)
		close(fd);
	json_decref(request);
	json_decref(answer);
	return yes;
}

static int delete_interface(struct wgx_quick *q)
{
	int err;

	if (!q->ifindex && q->made)
		q->ifindex = (int)if_nametoindex(q->record.name);
	if (!q->ifindex)
		return WGX_EXIT_OK;
	err = wgx_link_delete(q->ifindex);
	if (err && err != -ENODEV)
		return wgx_fail("%s: cannot delete it: %s", q->record.name, strerror(-err));
	await_daemon(q->record.name);
	q->ifindex = 0;
	return WGX_EXIT_OK;
}

static int forget(struct wgx_record *r)
{
	int err = wgx_record_delete(r);

	return err ? wgx_fail("%s: cannot remove its record: %s", r->name, strerror(-err))
		   : WGX_EXIT_OK;
}

int wgx_quick_undo(struct wgx_quick *q)
{
	int status = wgx_quick_undo_resolver(&q->record);

	status |= wgx_quick_undo_attach(&q->record);
	status |= wgx_quick_undo_firewall(&q->record);
	status |= wgx_quick_undo_rules(&q->record);
	status |= wgx_quick_undo_dns(&q->record);
	status |= delete_interface(q);
	/* what is left is still known, so that it can be undone again */
	return status ? WGX_EXIT_FAILURE : forget(&q->record);
}
