/* SPDX-License-Identifier: MIT */
/*
 * `nft -j list ruleset`, as wgx doctor follows it. Checked: it ends; what is dropped is dropped by a chain of the
 * ruleset, and for a reason: not by one without rules whose policy is to accept.
 */
#include "fuzz/fuzz.h"

#include "doctor/nft.h"

static void fuzz_begin(void)
{
}

/* Is the chain's policy to drop, or has its table a rule that does? */
static bool can_drop(const json_t *ruleset, const json_t *chain)
{
	const char *policy = json_string_value(json_object_get(chain, "policy"));
	const json_t *item, *statement;
	size_t i, k;

	if (policy && !strcmp(policy, "drop"))
		return true;
	json_array_foreach(json_object_get(ruleset, "nftables"), i, item)
		json_array_foreach(json_object_get(json_object_get(item, "rule"), "expr"), k,
				   statement)
			if (json_object_get(statement, "drop") ||
			    json_object_get(statement, "reject"))
				return true;
	return false;
}

static void judge(const json_t *ruleset, bool v6)
{
	const struct wgx_datagram m = {.v6 = v6, .device = v6 ? NULL : "eth0", .port = 51820};
	const json_t *chain = NULL, *item;
	enum wgx_fate fate = wgx_nft_judge(ruleset, &m, &chain);
	bool found = false;
	size_t i;

	if (fate == WGX_FATE_PASSES) {
		assert_null(chain);
		return;
	}
	json_array_foreach(json_object_get(ruleset, "nftables"), i, item)
		found |= json_object_get(item, "chain") == chain;
	assert_true(found);
	assert_true(can_drop(ruleset, chain));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	json_t *ruleset = json_loadb((const char *)data, size, 0, NULL);

	if (!ruleset)
		return 0;
	judge(ruleset, false);
	judge(ruleset, true);
	json_decref(ruleset);
	return 0;
}
