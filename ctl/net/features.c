/* SPDX-License-Identifier: MIT */
#include "net/features.h"

#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <limits.h>
#include <linux/if_xdp.h>
#include <linux/udp.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include "daemon/log.h"
#include "net/probe.h"

/* newer than the headers that this is built with */
#ifndef XDP_USE_SG
#define XDP_USE_SG (1 << 4)
#endif
#define TCX_INGRESS 46 /* enum bpf_attach_type, 6.6 */

/* ---- libbpf's messages ---- */

static __thread const char *loading; /* what this thread loads; NULL: nothing */

/* The messages that frame the verifier's log; the first of them carries it. */
static bool is_verifier_log(const char *text)
{
	return strstr(text, "PROG LOAD LOG") != NULL;
}

/* The verifier ends with the instruction that it refuses, the reason, and the sums. */
#define VERIFIER_TAIL 12

static size_t count_lines(const char *text)
{
	size_t n = 0;

	for (; (text = strchr(text, '\n')); text++)
		n++;
	return n;
}

/* The last @errors lines are errors, which everybody sees; those before them are for WGX_LOG=debug. */
static void log_lines(size_t errors, char *text)
{
	size_t left = count_lines(text);
	char *save = NULL;

	for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		int level = left-- > errors ? WGX_LOG_DEBUG : WGX_LOG_ERR;

		if (loading)
			wgx_log(level, "%s: %s", loading, line);
		else
			wgx_log(level, "%s", line);
	}
}

static int log_libbpf(enum libbpf_print_level level, const char *format, va_list args)
{
	size_t errors = 0;
	char *text;

	if (level == LIBBPF_DEBUG)
		return 0; /* every relocation: of use to nobody but libbpf */
	if (vasprintf(&text, format, args) < 0)
		return 0;
	if (is_verifier_log(text))
		errors = VERIFIER_TAIL;
	else if (loading && level == LIBBPF_WARN)
		errors = SIZE_MAX;
	log_lines(errors, text);
	free(text);
	return 0;
}

void wgx_bpf_log_begin(const char *name)
{
	loading = name;
}

void wgx_bpf_log_init(void)
{
	libbpf_set_print(log_libbpf);
}

/* ---- probes ---- */

/* A device that is not there: a kernel that knows the attach type says so, another one refuses the type. */
static bool probe_tcx(void)
{
	static const struct bpf_insn pass[] = {
		{.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .imm = 0},
		{.code = BPF_JMP | BPF_EXIT},
	};
	int prog, link;

	prog = bpf_prog_load(BPF_PROG_TYPE_SCHED_CLS, "wgx_probe", "MIT", pass, 2, NULL);
	if (prog < 0)
		return false;
	link = bpf_link_create(prog, INT_MAX, TCX_INGRESS, NULL);
	close(prog);
	return link == -ENODEV;
}

/* Likewise: bind(2) looks at the flags before it looks for the device. */
static bool probe_xsk_sg(void)
{
	struct sockaddr_xdp addr = {
		.sxdp_family = AF_XDP,
		.sxdp_flags = XDP_COPY | XDP_USE_SG,
		.sxdp_ifindex = INT_MAX,
	};
	int fd = socket(AF_XDP, SOCK_RAW | SOCK_CLOEXEC, 0);
	bool known;

	if (fd < 0)
		return false;
	known = bind(fd, (struct sockaddr *)&addr, sizeof(addr)) && errno == ENODEV;
	close(fd);
	return known;
}

static bool probe_udp_option(int option, int value)
{
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	bool known;

	if (fd < 0)
		return false;
	known = !setsockopt(fd, IPPROTO_UDP, option, &value, sizeof(value));
	close(fd);
	return known;
}

/* Does the tracepoint have this many arguments? Its type's first is the tracepoint's own. */
static bool has_tracepoint(const struct btf *btf, const char *type, unsigned int arguments)
{
	int id = btf__find_by_name_kind(btf, type, BTF_KIND_TYPEDEF);
	const struct btf_type *t = id < 0 ? NULL : btf__type_by_id(btf, (uint32_t)id);

	t = t ? btf__type_by_id(btf, t->type) : NULL; /* a pointer */
	t = t ? btf__type_by_id(btf, t->type) : NULL; /* to a function */
	return t && btf_is_func_proto(t) && btf_vlen(t) >= 1 + arguments;
}

/* What the kernel tells of itself */
static void probe_btf(struct wgx_features *f)
{
	struct btf *btf = btf__load_vmlinux_btf();

	if (!btf)
		return;
	f->kern_ctx = btf__find_by_name_kind(btf, "bpf_cast_to_kern_ctx", BTF_KIND_FUNC) > 0;
	f->frame_trace = has_tracepoint(btf, "btf_trace_kfree_skb", 3);
	f->socket_trace = has_tracepoint(btf, "btf_trace_udp_fail_queue_rcv_skb", 3);
	btf__free(btf);
}

static void probe(struct wgx_features *f)
{
	f->tcx = probe_tcx();
	f->xsk_sg = probe_xsk_sg();
	f->redirect_peer =
		libbpf_probe_bpf_helper(BPF_PROG_TYPE_SCHED_CLS, BPF_FUNC_redirect_peer, NULL) == 1;
	f->udp_gso = probe_udp_option(UDP_SEGMENT, 1000);
	f->udp_gro = probe_udp_option(UDP_GRO, 1);
	probe_btf(f);
	wgx_probe_network(&f->uso, &f->generic_frags);
}

/* ---- what is told ---- */

static bool *find(struct wgx_features *f, const char *name, size_t len)
{
#define X(field, kernel, text)                                       \
	if (len == sizeof(#field) - 1 && !memcmp(name, #field, len)) \
		return &f->field;
	WGX_FEATURES(X)
#undef X
	return NULL;
}

int wgx_features_disable(struct wgx_features *f, const char *list)
{
	int err = 0;

	while (*list) {
		size_t len = strcspn(list, ",");
		bool *feature = find(f, list, len);

		if (feature)
			*feature = false;
		else if (len)
			err = -EINVAL;
		list += len;
		list += *list == ',';
	}
	return err;
}

static struct wgx_features features;

static void get_once(void)
{
	const char *disable = getenv("WGX_DISABLE");

	wgx_bpf_log_init();
	probe(&features);
	if (disable && wgx_features_disable(&features, disable))
		wgx_log(WGX_LOG_WARN, "WGX_DISABLE=%s names an unknown feature", disable);
#define X(field, kernel, text) \
	if (!features.field)   \
		wgx_log(WGX_LOG_DEBUG, "this kernel lacks %s (Linux %s): %s", #field, kernel, text);
	WGX_FEATURES(X)
#undef X
}

const struct wgx_features *wgx_features_get(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	pthread_once(&once, get_once);
	return &features;
}

bool wgx_features_superframes(const struct wgx_features *f)
{
	return f->kern_ctx && f->xsk_sg && f->generic_frags;
}
