/* SPDX-License-Identifier: MIT */
#include "net/tc_hook.h"

#include <bpf/bpf.h>
#include <errno.h>

/* enum bpf_attach_type and its flags, 6.6; newer than the headers that this is built with */
#define TCX_INGRESS 46
#define TCX_EGRESS 47
#define TCX_BEFORE (1U << 3) /* BPF_F_BEFORE; relative to nobody: the first */

#define CLSACT_HANDLE 1

int wgx_clsact_attach(int prog_fd, int ifindex, enum bpf_tc_attach_point point, uint32_t priority)
{
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = ifindex,
		    .attach_point = BPF_TC_INGRESS | BPF_TC_EGRESS);
	LIBBPF_OPTS(bpf_tc_opts, opts, .prog_fd = prog_fd, .handle = CLSACT_HANDLE,
		    .priority = priority, .flags = BPF_TC_F_REPLACE);
	int err = bpf_tc_hook_create(&hook);

	/* the qdisc may be another's, and others may come to use ours: it stays */
	if (err && err != -EEXIST)
		return err;
	hook.attach_point = point;
	return bpf_tc_attach(&hook, &opts);
}

void wgx_clsact_detach(int ifindex, enum bpf_tc_attach_point point, uint32_t priority)
{
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = ifindex, .attach_point = point);
	LIBBPF_OPTS(bpf_tc_opts, opts, .handle = CLSACT_HANDLE, .priority = priority);

	bpf_tc_detach(&hook, &opts);
}

int wgx_tcx_attach(int prog_fd, int ifindex, enum bpf_tc_attach_point point, bool first)
{
	LIBBPF_OPTS(bpf_link_create_opts, opts, .flags = first ? TCX_BEFORE : 0);
	int type = point == BPF_TC_EGRESS ? TCX_EGRESS : TCX_INGRESS;

	return bpf_link_create(prog_fd, ifindex, (enum bpf_attach_type)type, &opts);
}

bool wgx_link_in_force(int link)
{
	struct bpf_link_info info = {0};
	uint32_t len = sizeof(info);

	/* the device's number comes first with tcx too, which these headers do not know */
	return bpf_obj_get_info_by_fd(link, &info, &len) || info.xdp.ifindex;
}

bool wgx_clsact_attached(int ifindex, enum bpf_tc_attach_point point, uint32_t priority)
{
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = ifindex, .attach_point = point);
	LIBBPF_OPTS(bpf_tc_opts, opts, .handle = CLSACT_HANDLE, .priority = priority);

	return !bpf_tc_query(&hook, &opts);
}
