/* SPDX-License-Identifier: MIT */
#include "net/ethtool.h"

#include <errno.h>
#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

/* A device and the names of the features its kernel knows; bit i of a request is name i. */
struct features {
	int fd;
	char ifname[IFNAMSIZ];
	struct ethtool_gstrings *names;
};

static int request(const struct features *f, void *data)
{
	struct ifreq ifr = {.ifr_data = data};

	memcpy(ifr.ifr_name, f->ifname, IFNAMSIZ);
	if (ioctl(f->fd, SIOCETHTOOL, &ifr) < 0)
		return -errno;
	return 0;
}

static int read_count(const struct features *f, uint32_t *ret)
{
	uint64_t room[(sizeof(struct ethtool_sset_info) + sizeof(uint32_t) + 7) / 8] = {0};
	struct ethtool_sset_info *info = (struct ethtool_sset_info *)room;
	int err;

	info->cmd = ETHTOOL_GSSET_INFO;
	info->sset_mask = 1ULL << ETH_SS_FEATURES;
	err = request(f, info);
	if (err)
		return err;
	if (!info->sset_mask)
		return -EOPNOTSUPP;
	*ret = info->data[0];
	return 0;
}

static int read_names(struct features *f)
{
	uint32_t n = 0;
	int err = read_count(f, &n);

	if (err)
		return err;
	f->names = calloc(1, sizeof(*f->names) + (size_t)n * ETH_GSTRING_LEN);
	if (!f->names)
		return -ENOMEM;
	f->names->cmd = ETHTOOL_GSTRINGS;
	f->names->string_set = ETH_SS_FEATURES;
	f->names->len = n;
	return request(f, f->names);
}

static void features_close(struct features *f)
{
	free(f->names);
	if (f->fd >= 0)
		close(f->fd);
}

static int features_open(int ifindex, struct features *f)
{
	int err;

	*f = (struct features){.fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0)};
	if (f->fd < 0)
		return -errno;
	if (!if_indextoname((unsigned int)ifindex, f->ifname)) {
		err = errno == ENXIO ? -ENODEV : -errno;
		features_close(f);
		return err;
	}
	err = read_names(f);
	if (err)
		features_close(f);
	return err;
}

/* Return: the feature's bit, or -ENOENT */
static int find(const struct features *f, const char *name)
{
	/* the analyzer thinks that errno may be 0 after a failure: NOLINTNEXTLINE(clang-analyzer-*) */
	for (uint32_t i = 0; i < f->names->len; i++)
		if (!strncmp((char *)f->names->data + (size_t)i * ETH_GSTRING_LEN, name,
			     ETH_GSTRING_LEN))
			return (int)i;
	return -ENOENT;
}

static size_t blocks(const struct features *f)
{
	return (f->names->len + 31) / 32; /* NOLINT(clang-analyzer-*): as above */
}

/* For free(3); NULL: @ret_err has why */
static struct ethtool_gfeatures *read_features(const struct features *f, int *ret_err)
{
	struct ethtool_gfeatures *get =
		calloc(1, sizeof(*get) + blocks(f) * sizeof(get->features[0]));

	*ret_err = -ENOMEM;
	if (!get)
		return NULL;
	get->cmd = ETHTOOL_GFEATURES;
	get->size = blocks(f);
	*ret_err = request(f, get);
	if (!*ret_err)
		return get;
	free(get);
	return NULL;
}

/* Kept only are bits that the device can change: one fixed bit would refuse the whole request. */
static int keep_changeable(const struct features *f, struct ethtool_sfeatures *set)
{
	int err;
	struct ethtool_gfeatures *get = read_features(f, &err);

	for (uint32_t i = 0; get && i < get->size; i++)
		set->features[i].valid &=
			get->features[i].available & ~get->features[i].never_changed;
	free(get);
	return err;
}

static int set_features(const struct features *f, const struct wgx_feature *features, size_t n)
{
	struct ethtool_sfeatures *set;
	int err;

	set = calloc(1, sizeof(*set) + blocks(f) * sizeof(set->features[0]));
	if (!set)
		return -ENOMEM;
	set->cmd = ETHTOOL_SFEATURES;
	set->size = blocks(f);
	for (size_t i = 0; i < n; i++) {
		int bit = find(f, features[i].name);

		if (bit < 0)
			continue;
		set->features[bit / 32].valid |= 1U << bit % 32;
		if (features[i].on)
			set->features[bit / 32].requested |= 1U << bit % 32;
	}
	err = keep_changeable(f, set);
	if (!err)
		err = request(f, set);
	free(set);
	return err;
}

int wgx_ethtool_set(int ifindex, const struct wgx_feature *features, size_t n)
{
	struct features f;
	int err = features_open(ifindex, &f);

	if (err)
		return err;
	err = set_features(&f, features, n);
	features_close(&f);
	return err;
}

static int get_feature(const struct features *f, const char *name, bool *ret_on)
{
	struct ethtool_gfeatures *get;
	int bit = find(f, name), err;

	if (bit < 0)
		return bit;
	get = read_features(f, &err);
	if (get)
		*ret_on = get->features[bit / 32].active & 1U << bit % 32;
	free(get);
	return err;
}

int wgx_ethtool_get(int ifindex, const char *name, bool *ret_on)
{
	struct features f;
	int err = features_open(ifindex, &f);

	if (err)
		return err;
	err = get_feature(&f, name, ret_on);
	features_close(&f);
	return err;
}
