/* SPDX-License-Identifier: MIT */
/* The agent's own metrics, of what `wgx agent status --json` tells. */
#include "agent/agent.h"

#define GAUGE(name, member, help)                                                      \
	{                                                                              \
		"wgx_agent_" name, "gauge", help, NULL, member, wgx_family_write, NULL \
	}

static void write_info(struct wgx_metrics_out *o, const struct wgx_family *f)
{
	static const char *const members[] = {"node", "interface", "registry", "public_key"};
	struct wgx_label labels[WGX_LABELS_MAX] = {{0}};
	json_t *one = json_integer(1);

	for (size_t i = 0; i < sizeof(members) / sizeof(members[0]); i++)
		labels[i] = (struct wgx_label){
			members[i], json_string_value(json_object_get(o->answer, members[i]))};
	wgx_family_put(o, f, labels, one);
	json_decref(one);
}

static void write_waits(struct wgx_metrics_out *o, const struct wgx_family *f)
{
	json_t *n =
		json_integer((json_int_t)json_array_size(json_object_get(o->answer, "waits_for")));

	wgx_family_put(o, f, NULL, n);
	json_decref(n);
}

const struct wgx_family wgx_agent_families[] = {
	{"wgx_agent_info", "gauge", "Node, interface, registry and public key; 1.", NULL, NULL,
	 write_info, NULL},
	GAUGE("ready", "ready", "Whether /readyz says yes."),
	GAUGE("strict", "strict",
	      "Whether plaintext of the cluster's networks is dropped, as --strict asks."),
	GAUGE("registry_synced", "synced", "Whether the registry answers, and all of it is known."),
	GAUGE("published", "published", "Whether the registry has this node's record."),
	GAUGE("nodes", "nodes", "Other nodes that are known, those that are gone included."),
	GAUGE("nodes_gone", "gone", "Nodes whose record was deleted, and that are still kept."),
	GAUGE("nodes_held", "held",
	      "Of these, nodes that stay because more than half of all would go."),
	GAUGE("refusals", "refused", "Records, keys and networks that are refused."),
	GAUGE("peers", "peers", "Peers that the interface is to have."),
	GAUGE("peers_missing", "steps", "Changes of peers that are still to be made."),
	{"wgx_agent_rotation_waits_for_nodes", "gauge",
	 "Nodes that have not seen this node's next key yet.", NULL, NULL, write_waits, NULL},
	{"wgx_agent_registry_losses_total", "counter", "How often the registry was lost.", NULL,
	 "losses", wgx_family_write, NULL},
	{"wgx_agent_convergences_total", "counter",
	 "How often the interface was compared with what it is to be, and found or made so.", NULL,
	 "converged", wgx_family_write, NULL},
};

const size_t wgx_agent_families_count = sizeof(wgx_agent_families) / sizeof(wgx_agent_families[0]);
