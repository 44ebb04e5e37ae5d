/* SPDX-License-Identifier: MIT */
/*
 * A tc program on a device of the calling thread's network namespace: a BPF link where there is tcx (6.6), else a
 * clsact filter. A link ends with its last descriptor or pin; a filter stays until it is detached or replaced.
 */
#ifndef WGX_NET_TC_HOOK_H
#define WGX_NET_TC_HOOK_H

#include <bpf/libbpf.h>
#include <stdbool.h>
#include <stdint.h>

/* Ours among clsact filters: whom we replace. The lower runs first. */
#define WGX_CLSACT_STRICT 0x7766
#define WGX_CLSACT 0x7767

/** wgx_link_in_force() - of a BPF link of tcx or XDP: nobody has detached it, and its device is there */
bool wgx_link_in_force(int link);

/**
 * wgx_tcx_attach() - as a tcx link
 * @first: before the programs that are there, since one that ends with TC_ACT_OK keeps those behind it from
 *	running; else behind them
 *
 * Return: the link's descriptor or a negative errno.
 */
int wgx_tcx_attach(int prog_fd, int ifindex, enum bpf_tc_attach_point point, bool first);

/** wgx_clsact_attach() - as a filter, in place of the one of @priority, at once; 0 or a negative errno */
int wgx_clsact_attach(int prog_fd, int ifindex, enum bpf_tc_attach_point point, uint32_t priority);
void wgx_clsact_detach(int ifindex, enum bpf_tc_attach_point point, uint32_t priority);
/** wgx_clsact_attached() - a filter of ours, of @priority, is there */
bool wgx_clsact_attached(int ifindex, enum bpf_tc_attach_point point, uint32_t priority);

#endif
