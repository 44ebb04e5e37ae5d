/* SPDX-License-Identifier: MIT */
#include "net/lost.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include "wgx_lost.skel.h"

struct wgx_lost_prog {
	struct wgx_lost *skel;
	uint32_t host_netns, far_netns; /* inodes */
	int frames, datagrams, unresolved; /* the maps; -1: this kernel does not tell */
	int links[2];
};

/* ---- entries of the maps ---- */

/* From 0, also where an entry is left of a device that had the number before. */
static void make_entry(int map, const void *key, size_t value_size)
{
	int cpus = libbpf_num_possible_cpus();
	void *zero = cpus > 0 ? calloc((size_t)cpus, value_size) : NULL;

	if (zero)
		(void)bpf_map_update_elem(map, key, zero, BPF_ANY);
	free(zero);
}

/* The sum over all processors of an entry of @words numbers; zero where there is none. */
static void sum_entry(int map, const void *key, unsigned int words, uint64_t *sum)
{
	int cpus = libbpf_num_possible_cpus();
	uint64_t *values = cpus > 0 ? calloc((size_t)cpus * words, sizeof(*values)) : NULL;

	if (values && !bpf_map_lookup_elem(map, key, values))
		for (unsigned int i = 0; i < (unsigned int)cpus * words; i++)
			sum[i % words] += values[i];
	free(values);
}

/* ---- listening ---- */

static int inode_of(int fd, const char *path, uint32_t *ret)
{
	struct stat st;

	if (path ? stat(path, &st) : fstat(fd, &st))
		return -errno;
	*ret = (uint32_t)st.st_ino;
	return 0;
}

static int attach(const struct bpf_program *prog, int *ret_link)
{
	int link;

	if (!bpf_program__autoload(prog))
		return 0;
	link = bpf_raw_tracepoint_open(NULL, bpf_program__fd(prog));
	if (link < 0)
		return link;
	*ret_link = link;
	return 0;
}

static int load(struct wgx_lost_prog *l, const struct wgx_features *f)
{
	int err;

	l->skel = wgx_lost__open();
	if (!l->skel)
		return errno ? -errno : -ENOMEM;
	l->skel->rodata->lost_netns_host = l->host_netns;
	l->skel->rodata->lost_netns_far = l->far_netns;
	bpf_program__set_autoload(l->skel->progs.wgx_lost_frame, f->frame_trace);
	bpf_program__set_autoload(l->skel->progs.wgx_lost_datagram, f->socket_trace);
	wgx_bpf_log_begin("wgx_lost");
	err = bpf_object__load_skeleton(l->skel->skeleton);
	wgx_bpf_log_begin(NULL);
	if (!err)
		err = attach(l->skel->progs.wgx_lost_frame, &l->links[0]);
	if (!err)
		err = attach(l->skel->progs.wgx_lost_datagram, &l->links[1]);
	if (err)
		return err;
	if (f->frame_trace) {
		l->frames = bpf_map__fd(l->skel->maps.lost_frames);
		l->unresolved = bpf_map__fd(l->skel->maps.lost_unresolved);
	}
	if (f->socket_trace)
		l->datagrams = bpf_map__fd(l->skel->maps.lost_datagrams);
	return 0;
}

int wgx_lost_open(const struct wgx_features *f, int far_netns, struct wgx_lost_prog **ret)
{
	const struct wgx_lost_device steered = {0};
	struct wgx_lost_prog *l = calloc(1, sizeof(*l));
	int err;

	if (!l)
		return -ENOMEM;
	l->frames = l->datagrams = l->unresolved = l->links[0] = l->links[1] = -1;
	err = inode_of(-1, "/proc/thread-self/ns/net", &l->host_netns);
	if (!err)
		err = inode_of(far_netns, NULL, &l->far_netns);
	if (!err && (f->frame_trace || f->socket_trace))
		err = load(l, f);
	if (err) {
		wgx_lost_close(l);
		return err;
	}
	if (l->frames >= 0)
		make_entry(l->frames, &steered, sizeof(struct wgx_lost_frames));
	*ret = l;
	return 0;
}

void wgx_lost_close(struct wgx_lost_prog *l)
{
	if (!l)
		return;
	for (int i = 0; i < 2; i++)
		if (l->links[i] >= 0)
			close(l->links[i]);
	wgx_lost__destroy(l->skel);
	free(l);
}

/* ---- what was lost ---- */

#define WORDS(type) (sizeof(type) / sizeof(uint64_t))

static struct wgx_lost_device device_key(const struct wgx_lost_prog *l, bool far, int ifindex)
{
	return (struct wgx_lost_device){.netns = far ? l->far_netns : l->host_netns,
					.ifindex = (uint32_t)ifindex};
}

void wgx_lost_watch(struct wgx_lost_prog *l, bool far, int ifindex)
{
	struct wgx_lost_device key;

	if (!l || l->frames < 0)
		return;
	key = device_key(l, far, ifindex);
	make_entry(l->frames, &key, sizeof(struct wgx_lost_frames));
}

void wgx_lost_unwatch(struct wgx_lost_prog *l, bool far, int ifindex)
{
	struct wgx_lost_device key;

	if (!l || l->frames < 0)
		return;
	key = device_key(l, far, ifindex);
	(void)bpf_map_delete_elem(l->frames, &key);
}

bool wgx_lost_frames(const struct wgx_lost_prog *l, bool far, int ifindex,
		     struct wgx_lost_frames *sum)
{
	struct wgx_lost_device key;

	if (!l || l->frames < 0)
		return false;
	key = device_key(l, far, ifindex);
	sum_entry(l->frames, &key, WORDS(*sum), (uint64_t *)sum);
	return true;
}

bool wgx_lost_steered(const struct wgx_lost_prog *l, uint64_t *ret)
{
	const struct wgx_lost_device all = {0};
	struct wgx_lost_frames sum = {0};

	if (!l || l->frames < 0)
		return false;
	sum_entry(l->frames, &all, WORDS(sum), (uint64_t *)&sum);
	*ret = sum.no_ring + sum.backlog + sum.between;
	return true;
}

void wgx_lost_watch_socket(struct wgx_lost_prog *l, uint64_t cookie)
{
	if (l && l->datagrams >= 0 && cookie)
		make_entry(l->datagrams, &cookie, sizeof(struct wgx_lost_datagrams));
	if (l && l->unresolved >= 0 && cookie)
		make_entry(l->unresolved, &cookie, sizeof(uint64_t));
}

void wgx_lost_unwatch_socket(struct wgx_lost_prog *l, uint64_t cookie)
{
	if (l && l->datagrams >= 0)
		(void)bpf_map_delete_elem(l->datagrams, &cookie);
	if (l && l->unresolved >= 0)
		(void)bpf_map_delete_elem(l->unresolved, &cookie);
}

bool wgx_lost_datagrams(const struct wgx_lost_prog *l, uint64_t cookie,
			struct wgx_lost_datagrams *ret)
{
	if (!l || l->datagrams < 0)
		return false;
	*ret = (struct wgx_lost_datagrams){0};
	sum_entry(l->datagrams, &cookie, WORDS(*ret), (uint64_t *)ret);
	return true;
}

uint64_t wgx_lost_unresolved(const struct wgx_lost_prog *l, uint64_t cookie)
{
	uint64_t n = 0;

	if (l && l->unresolved >= 0)
		sum_entry(l->unresolved, &cookie, 1, &n);
	return n;
}
