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

	if (fd < 0) /* it is dead */
		return;
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

static void delete_interface(struct wgx_quick *q)
{
	int err = q->ifindex ? wgx_link_delete(q->ifindex) : 0;

	if (err && err != -ENODEV)
		wgx_fail("%s: cannot delete it: %s", q->record.name, strerror(-err));
	if (q->ifindex)
		await_daemon(q->record.name);
	q->ifindex = 0;
}

void wgx_quick_undo(struct wgx_quick *q)
{
	wgx_quick_undo_resolver(&q->record);
	wgx_quick_undo_attach(&q->record);
	wgx_quick_undo_firewall(&q->record);
	wgx_quick_undo_rules(&q->record);
	wgx_quick_undo_dns(&q->record);
	delete_interface(q);
	wgx_record_delete(&q->record);
}
