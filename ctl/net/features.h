/* SPDX-License-Identifier: MIT */
/* What this kernel can do, tried at run time (docs/architecture.md, "Modes and fall-backs"). */
#ifndef WGX_NET_FEATURES_H
#define WGX_NET_FEATURES_H

#include <stdbool.h>

/* X(name, kernel, what it is for) */
/* clang-format off */
#define WGX_FEATURES(X)                                                                            \
	X(tcx, "6.6", "BPF links on tc hooks, which end with the daemon")                          \
	X(kern_ctx, "6.2", "bpf_cast_to_kern_ctx(): partial checksums are seen on egress")         \
	X(xsk_sg, "6.6", "AF_XDP frames of several descriptors")                                   \
	X(generic_frags, "6.9", "generic XDP on frames that are not linear")                       \
	X(redirect_peer, "5.10", "bpf_redirect_peer(): into a namespace without the backlog")      \
	X(udp_gso, "4.18", "UDP_SEGMENT: many datagrams a system call")                            \
	X(udp_gro, "5.0", "UDP_GRO: many datagrams a receive")                                     \
	X(uso, "6.2", "UDP segmentation in virtio headers: datagrams injected many at a time")     \
	X(frame_trace, "5.18", "kfree_skb tells why: lost superframes count as packets")           \
	X(socket_trace, "6.10", "udp_fail_queue_rcv_skb shows what: likewise, at the socket")
/* clang-format on */

struct wgx_features {
#define X(name, kernel, text) bool name;
	WGX_FEATURES(X)
#undef X
};

/**
 * wgx_features_get() - the features, tried at the first call and remembered; any thread
 *
 * Call it first while still privileged (CAP_BPF, CAP_NET_ADMIN, CAP_NET_RAW, CAP_SYS_ADMIN): what cannot
 * be tried counts as absent. The environment variable WGX_DISABLE, a list as "tcx,uso", takes features
 * away, for tests of the ways around them; a name in it that is none is warned of.
 */
const struct wgx_features *wgx_features_get(void);

/** wgx_features_superframes() - GSO frames can go whole from wg0 to the seal worker */
bool wgx_features_superframes(const struct wgx_features *f);

/** wgx_features_disable() - take away the features named in @list (comma-separated); -EINVAL: unknown name */
int wgx_features_disable(struct wgx_features *f, const char *list);

/**
 * wgx_bpf_log_init() - libbpf's messages go to wgx_log() from now on
 *
 * At debug level, but for the end of the verifier's log of a program that is refused: that is an error.
 * Done by wgx_features_get(), and so before anything is loaded.
 */
void wgx_bpf_log_init(void);

/** wgx_bpf_log_begin() - this thread loads @name: libbpf's warnings are errors of it. NULL: it has ended */
void wgx_bpf_log_begin(const char *name);

#endif
