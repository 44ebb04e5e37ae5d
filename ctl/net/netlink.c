/* SPDX-License-Identifier: MIT */
#include "net/netlink.h"

#include <errno.h>
#include <linux/net_namespace.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <netlink/attr.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include "daemon/log.h"

#define DUMP_TRIES 8
#define ERRNO_MAX 4095 /* the kernel's own */

static int open_protocol(int protocol, uint32_t groups, int flags)
{
	struct sockaddr_nl addr = {.nl_family = AF_NETLINK, .nl_groups = groups};
	int one = 1, err, fd;

	fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | flags, protocol);
	if (fd < 0)
		return -errno;
	/* only better texts are lost without it */
	setsockopt(fd, SOL_NETLINK, NETLINK_EXT_ACK, &one, sizeof(one));
	if (!bind(fd, (struct sockaddr *)&addr, sizeof(addr)))
		return fd;
	err = -errno;
	close(fd);
	return err;
}

int wgx_nl_open(uint32_t groups, int flags)
{
	return open_protocol(NETLINK_ROUTE, groups, flags);
}

int wgx_nl_open_generic(void)
{
	return open_protocol(NETLINK_GENERIC, 0, 0);
}

static int send_message(int fd, struct nl_msg *msg, uint32_t *ret_seq)
{
	static _Atomic uint32_t last_seq;
	struct nlmsghdr *nlh = nlmsg_hdr(msg);

	nlh->nlmsg_seq = atomic_fetch_add(&last_seq, 1) + 1;
	nlh->nlmsg_flags |= NLM_F_REQUEST;
	if ((nlh->nlmsg_flags & NLM_F_DUMP) != NLM_F_DUMP) /* shares a bit with NLM_F_EXCL */
		nlh->nlmsg_flags |= NLM_F_ACK;
	*ret_seq = nlh->nlmsg_seq;
	if (send(fd, nlh, nlh->nlmsg_len, 0) < 0)
		return -errno;
	return 0;
}

/* The error of an acknowledgement, or of the end of a dump; the kernel's text goes to the log */
static int read_error(const struct nlmsghdr *nlh)
{
	const struct nlmsgerr *e = nlmsg_data(nlh);
	struct nlattr *tb[NLMSGERR_ATTR_MAX + 1];
	int offset = sizeof(*e);
	size_t rest = 0;

	if (nlmsg_datalen(nlh) < (int)sizeof(e->error) || e->error > 0 || e->error < -ERRNO_MAX)
		return -EBADMSG;
	if (!e->error || nlh->nlmsg_type == NLMSG_DONE || !(nlh->nlmsg_flags & NLM_F_ACK_TLVS) ||
	    nlmsg_datalen(nlh) < offset)
		return e->error;
	/* the request comes back, of which the header is counted */
	if (!(nlh->nlmsg_flags & NLM_F_CAPPED) && e->msg.nlmsg_len > sizeof(e->msg))
		rest = e->msg.nlmsg_len - sizeof(e->msg);
	if (rest > (size_t)nlmsg_datalen(nlh))
		return e->error;
	offset += (int)rest;
	if (nlmsg_parse((struct nlmsghdr *)nlh, offset, tb, NLMSGERR_ATTR_MAX, NULL) == 0 &&
	    tb[NLMSGERR_ATTR_MSG])
		wgx_log(WGX_LOG_DEBUG, "netlink: %.*s: %s", nla_len(tb[NLMSGERR_ATTR_MSG]),
			(const char *)nla_data(tb[NLMSGERR_ATTR_MSG]), strerror(-e->error));
	return e->error;
}

struct answer {
	wgx_nl_fn fn;
	void *arg;
	uint32_t seq;
	bool interrupted; /* a dump that changed under way: NLM_F_DUMP_INTR */
	int error; /* of fn */
};

/* Return: 1 at the end of the answer (then *ret_err is its error), 0: more to come */
static int read_message(struct answer *a, const struct nlmsghdr *nlh, int *ret_err)
{
	if (nlh->nlmsg_seq != a->seq)
		return 0;
	if (nlh->nlmsg_flags & NLM_F_DUMP_INTR)
		a->interrupted = true;
	if (nlh->nlmsg_type == NLMSG_ERROR || nlh->nlmsg_type == NLMSG_DONE) {
		*ret_err = read_error(nlh);
		return 1;
	}
	if (nlh->nlmsg_type >= NLMSG_MIN_TYPE && a->fn && !a->error) {
		int err = a->fn(a->arg, nlh);

		if (err < 0)
			a->error = err;
	}
	return 0;
}

/* The whole answer is read even where fn failed: the socket stays usable. */
static int read_answer(int fd, struct answer *a)
{
	char *buf = malloc(WGX_NL_BUFFER);
	int err = 0, done = 0;

	if (!buf)
		return -ENOMEM;
	while (!done) {
		ssize_t n = recv(fd, buf, WGX_NL_BUFFER, MSG_TRUNC);
		int left = n > WGX_NL_BUFFER ? WGX_NL_BUFFER : n;
		struct nlmsghdr *nlh = (struct nlmsghdr *)buf;

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {
			err = n < 0 ? -errno : -EPIPE;
			break;
		}
		if (n > WGX_NL_BUFFER) {
			err = -EMSGSIZE;
			break;
		}
		for (; !done && nlmsg_ok(nlh, left); nlh = nlmsg_next(nlh, &left))
			done = read_message(a, nlh, &err);
	}
	free(buf);
	return err ?: a->error;
}

int wgx_nl_call(int fd, struct nl_msg *msg, wgx_nl_fn fn, void *arg)
{
	for (int i = 0; i < DUMP_TRIES; i++) {
		struct answer a = {.fn = fn, .arg = arg};
		int err = send_message(fd, msg, &a.seq);

		if (!err)
			err = read_answer(fd, &a);
		if (err || !a.interrupted)
			return err;
	}
	return -EAGAIN;
}

int wgx_nl_call_once(struct nl_msg *msg, wgx_nl_fn fn, void *arg)
{
	int fd = wgx_nl_open(0, 0), err;

	if (fd < 0)
		return fd;
	err = wgx_nl_call(fd, msg, fn, arg);
	close(fd);
	return err;
}

static int read_nsid(void *arg, const struct nlmsghdr *nlh)
{
	struct nlattr *tb[NETNSA_MAX + 1];
	int *ret = arg;

	if (nlmsg_parse((struct nlmsghdr *)nlh, sizeof(struct rtgenmsg), tb, NETNSA_MAX, NULL) ||
	    !tb[NETNSA_NSID])
		return -EBADMSG;
	*ret = (int)wgx_nl_u32(tb[NETNSA_NSID], (uint32_t)-1);
	return 0;
}

int wgx_nl_nsid(int netns_fd, int *ret)
{
	struct rtgenmsg gen = {.rtgen_family = AF_UNSPEC};
	struct nl_msg *msg = nlmsg_alloc_simple(RTM_GETNSID, 0);
	int err = -ENOMEM, id = NETNSA_NSID_NOT_ASSIGNED;

	if (!msg)
		return -ENOMEM;
	if (!nlmsg_append(msg, &gen, sizeof(gen), NLMSG_ALIGNTO) &&
	    !nla_put_u32(msg, NETNSA_FD, (uint32_t)netns_fd))
		err = wgx_nl_call_once(msg, read_nsid, &id);
	nlmsg_free(msg);
	if (err)
		return err;
	if (id == NETNSA_NSID_NOT_ASSIGNED)
		return -ENODATA;
	*ret = id;
	return 0;
}
