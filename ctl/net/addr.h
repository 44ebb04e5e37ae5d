/* SPDX-License-Identifier: MIT */
/* Addresses of devices. "Here" is the calling thread's network namespace. */
#ifndef WGX_NET_ADDR_H
#define WGX_NET_ADDR_H

#include "proto/prefix.h"

/**
 * wgx_addr_add() - give a device here an address, as `ip address add` does
 * @addr: with its host bits (wgx_prefix_parse_address())
 *
 * Return: 0, -EEXIST where it has it already, or the kernel's negative errno.
 */
int wgx_addr_add(int ifindex, const struct wgx_prefix *addr);

/** wgx_addr_delete() - take it away; -EADDRNOTAVAIL where the device does not have it */
int wgx_addr_delete(int ifindex, const struct wgx_prefix *addr);

/**
 * wgx_addr_fn - one address of a device; a negative return stops the reading and is passed on
 */
typedef int (*wgx_addr_fn)(void *arg, const struct wgx_prefix *addr);

/** wgx_addr_each() - the addresses of a device here, IPv4 first; 0, @fn's or a negative errno */
int wgx_addr_each(int ifindex, wgx_addr_fn fn, void *arg);

#endif
