/* SPDX-License-Identifier: MIT */
/* Attach: underlays, shared by all interfaces of a network namespace. */
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/client.h"
#include "quick/quick.h"

static bool is_attached(const char *device)
{
	json_t *answer, *a;
	bool found = false;
	size_t i;

	if (wgx_client_request(json_pack("{s:s}", "cmd", "show"), &answer))
		return false;
	json_array_foreach(json_object_get(answer, "attached"), i, a) {
		const char *name = json_string_value(json_object_get(a, "device"));

		found |= name && !strcmp(name, device);
	}
	json_decref(answer);
	return found;
}

static int attach(struct wgx_quick *q, const char *device)
{
	bool shared = wgx_record_shared(&q->record, "attached", device);
	json_t *answer;
	int status;

	/* somebody did it by hand, and will undo it by hand */
	if (is_attached(device) && !shared)
		return WGX_EXIT_OK;
	if (wgx_record_add(&q->record, "attached", device))
		return wgx_fail("%s: cannot note that %s is attached", q->conf->name, device);
	if (shared)
		return WGX_EXIT_OK;
	status = wgx_client_request(json_pack("{s:s, s:s, s:s}", "cmd", "attach", "device", device,
					      "mode", "auto"),
				    &answer);
	if (!status)
		json_decref(answer);
	return status;
}

int wgx_quick_attach(struct wgx_quick *q)
{
	int status = WGX_EXIT_OK;

	for (size_t i = 0; i < q->conf->attach.n && !status; i++)
		status = attach(q, q->conf->attach.items[i]);
	return status;
}

void wgx_quick_undo_attach(struct wgx_record *r)
{
	json_t *device;
	size_t i;

	json_array_foreach(json_object_get(r->done, "attached"), i, device) {
		const char *name = json_string_value(device);
		json_t *answer;

		if (!name || wgx_record_shared(r, "attached", name) || !is_attached(name))
			continue;
		if (!wgx_client_request(json_pack("{s:s, s:s}", "cmd", "detach", "device", name),
					&answer))
			json_decref(answer);
	}
}
