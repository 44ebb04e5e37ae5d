/* SPDX-License-Identifier: MIT */
/* Does nftables look at packets that this network namespace forwards? */
#ifndef WGX_NET_NETFILTER_H
#define WGX_NET_NETFILTER_H

#include <stdbool.h>
#include <stddef.h>

/**
 * wgx_netfilter_forwards() - is there a base chain that forwarded IP packets pass?
 * @text: for the user, of @size bytes, where there is one: the first, as "table inet filter, chain forward"
 *
 * That is one of nftables, or of iptables by way of it, at the hooks prerouting, forward and postrouting, whatever
 * rules it has, but for those of `wgx up`. Return: false also where the kernel has no nftables, or does not tell.
 */
bool wgx_netfilter_forwards(char *text, size_t size);

#endif
