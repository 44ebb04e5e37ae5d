/* SPDX-License-Identifier: MIT */
/*
 * What of NetBSD's ifconfig(8) an interface of wgx can have: addresses, MTU, up and down, a description. For
 * wg-userspace(8) and for boot files.
 */
#ifndef WGX_NETBSD_IFCONFIG_H
#define WGX_NETBSD_IFCONFIG_H

#include <stddef.h>
#include <stdint.h>
#include "proto/prefix.h"

enum wgx_ifconfig_op_kind {
	WGX_IFCONFIG_CREATE,
	WGX_IFCONFIG_DESTROY,
	WGX_IFCONFIG_UP,
	WGX_IFCONFIG_DOWN,
	WGX_IFCONFIG_MTU,
	WGX_IFCONFIG_DESCRIPTION,
	WGX_IFCONFIG_ADDRESS, /* inet: in the place of the first one there is; inet6: one more */
	WGX_IFCONFIG_ALIAS, /* one more */
	WGX_IFCONFIG_REMOVE, /* of this address, whatever its length */
};

struct wgx_ifconfig_op {
	enum wgx_ifconfig_op_kind kind;
	struct wgx_prefix addr; /* of the last three kinds */
	uint32_t mtu;
	const char *text; /* of a description; the arguments' */
};

#define WGX_IFCONFIG_OPS_MAX 32

struct wgx_ifconfig {
	struct wgx_ifconfig_op ops[WGX_IFCONFIG_OPS_MAX];
	size_t n;
};

/**
 * wgx_ifconfig_parse() - the parameters behind the interface's name
 * @error: for the user, of @size bytes, on failure
 *
 * Return: 0 or -EINVAL. Nothing is done yet.
 */
int wgx_ifconfig_parse(int argc, char **argv, struct wgx_ifconfig *ret, char *error, size_t size);

/**
 * wgx_ifconfig_apply() - one after the other, but for WGX_IFCONFIG_CREATE and _DESTROY, which are the caller's
 * @error: for the user, of @size bytes, on failure: what could not be done. What came before it stays done.
 *
 * Return: 0 or a negative errno.
 */
int wgx_ifconfig_apply(const char *interface, const struct wgx_ifconfig *c, char *error,
		       size_t size);

/** wgx_ifconfig_print() - flags, MTU, status and addresses, in NetBSD's form; 0 or a negative errno */
int wgx_ifconfig_print(const char *interface);

#endif
