/* SPDX-License-Identifier: MIT */
/*
 * Route netlink requests, and generic ones. Messages are made and taken apart with libnl; sending and receiving is done
 * here, since libnl folds errno values together and drops the control message that names the network
 * namespace of an event.
 */
#ifndef WGX_NET_NETLINK_H
#define WGX_NET_NETLINK_H

#include <stdint.h>
#include <netlink/msg.h>

/* what the kernel sends in one datagram at most to a reader with a large buffer (netlink_dump()) */
#define WGX_NL_BUFFER 32768

/**
 * wgx_nl_open() - a route netlink socket of the calling thread's network namespace
 * @groups: RTMGRP_* to listen to; 0 for requests
 * @flags: SOCK_NONBLOCK or 0; SOCK_CLOEXEC is always set
 *
 * Return: a descriptor for close(2), or negative errno.
 */
int wgx_nl_open(uint32_t groups, int flags);

/** wgx_nl_open_generic() - the same for requests to generic netlink's families */
int wgx_nl_open_generic(void);

/** wgx_nl_fn - one message of an answer; a negative return stops the reading and is passed on */
typedef int (*wgx_nl_fn)(void *arg, const struct nlmsghdr *nlh);

/**
 * wgx_nl_call() - send @msg on a blocking request socket and wait for its acknowledgement
 * @fn: called for each message of the answer; NULL: none is expected
 *
 * Dumps (NLM_F_DUMP in @msg) are read to their end, and repeated where they were interrupted, so that
 * @fn may see an object twice. The kernel's explanation of an error goes to the debug log. @msg stays
 * the caller's. Return: 0, @fn's negative return, or the kernel's negative errno.
 */
int wgx_nl_call(int fd, struct nl_msg *msg, wgx_nl_fn fn, void *arg);

/** wgx_nl_call_once() - as wgx_nl_call(), on a socket of its own in the calling thread's namespace */
int wgx_nl_call_once(struct nl_msg *msg, wgx_nl_fn fn, void *arg);

/** wgx_nl_u32() - an attribute's value; @otherwise where it is not there, or too short to be one */
static inline uint32_t wgx_nl_u32(const struct nlattr *attr, uint32_t otherwise)
{
	return attr && nla_len(attr) >= (int)sizeof(uint32_t) ? nla_get_u32(attr) : otherwise;
}

/**
 * wgx_nl_nsid() - the id by which the calling thread's namespace knows another one
 * @netns_fd: a namespace file descriptor
 * @ret: the id, at least 0
 *
 * Return: 0, -ENODATA where none is assigned (no device here has its other end there), or negative errno.
 */
int wgx_nl_nsid(int netns_fd, int *ret);

#endif
