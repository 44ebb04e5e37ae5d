/* SPDX-License-Identifier: MIT */
/*
 * Notifications are read until there are none, and only then, where it is due, the whole state: it is
 * newer than all that was read, so that a table of what was told, and the difference to it, suffices.
 */
#include "net/monitor.h"

#include <errno.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <netlink/attr.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <unistd.h>
#include "net/netlink.h"
#include "net/sorted.h"

#define RECEIVE_BUFFER (1 << 20)
#define RETRY_SECONDS 1

/* What was told of a link; the key is nsid and ifindex. */
struct known_link {
	struct wgx_link_event event;
	uint32_t round; /* of the last resync that saw it */
};

/* What was told of an address; the key is address, family, device, prefix length. */
struct known_addr {
	struct wgx_addr_event event;
	uint32_t round;
};

struct wgx_monitor {
	enum wgx_monitor_kind kind;
	const struct wgx_monitor_ops *ops;
	void *arg;
	int events; /* netlink, non-blocking */
	int dump; /* netlink, for requests */
	int query; /* netlink, for requests while a dump is read */
	int timer; /* expires when a resync is due */
	int epoll; /* over events and timer */
	bool resync;
	uint32_t round;
	struct wgx_sorted links, addrs;
	char buf[WGX_NL_BUFFER];
};

static int take_link(struct wgx_monitor *m, struct wgx_link_event *event);

/* ---- links ---- */

static int compare_links(const void *a, const void *b)
{
	const struct wgx_link_event *x = &((const struct known_link *)a)->event;
	const struct wgx_link_event *y = &((const struct known_link *)b)->event;

	if (x->nsid != y->nsid)
		return x->nsid < y->nsid ? -1 : 1;
	return x->ifindex < y->ifindex ? -1 : x->ifindex > y->ifindex;
}

static bool find_link(const struct wgx_monitor *m, int nsid, int ifindex, size_t *ret_i)
{
	struct known_link key = {.event = {.nsid = nsid, .ifindex = ifindex}};

	return wgx_sorted_find(&m->links, &key, ret_i);
}

static void tell_link(const struct wgx_monitor *m, const struct wgx_link_event *event,
		      bool appeared)
{
	struct wgx_link_event told = *event;

	told.appeared = appeared;
	if (m->ops->on_link)
		m->ops->on_link(m->arg, &told);
}

static int parse_link(const struct nlmsghdr *nlh, int nsid, struct wgx_link_event *ret)
{
	const struct ifinfomsg *ifi = nlmsg_data(nlh);
	struct nlattr *tb[IFLA_MAX + 1];

	if (nlmsg_parse((struct nlmsghdr *)nlh, sizeof(*ifi), tb, IFLA_MAX, NULL))
		return -EBADMSG;
	memset(ret, 0, sizeof(*ret)); /* compared as bytes */
	ret->nsid = nsid;
	ret->ifindex = ifi->ifi_index;
	ret->flags = ifi->ifi_flags;
	ret->type = ifi->ifi_type;
	if (tb[IFLA_IFNAME])
		nla_strlcpy(ret->name, tb[IFLA_IFNAME], sizeof(ret->name));
	ret->mtu = wgx_nl_u32(tb[IFLA_MTU], 0);
	if (tb[IFLA_ADDRESS] && nla_len(tb[IFLA_ADDRESS]) == sizeof(ret->mac))
		memcpy(ret->mac, nla_data(tb[IFLA_ADDRESS]), sizeof(ret->mac));
	ret->link = (int)wgx_nl_u32(tb[IFLA_LINK], 0);
	ret->link_nsid = (int)wgx_nl_u32(tb[IFLA_LINK_NETNSID], (uint32_t)WGX_NSID_SELF);
	ret->deleted = nlh->nlmsg_type == RTM_DELLINK;
	ret->moved = ret->deleted && tb[IFLA_NEW_NETNSID];
	return 0;
}

/* Return: the far end that has this device of another namespace as its other end, or 0 */
static int far_of(const struct wgx_monitor *m, int nsid, int ifindex)
{
	for (size_t i = 0; i < m->links.n; i++) {
		const struct known_link *k = wgx_sorted_at(&m->links, i);

		if (k->event.nsid == WGX_NSID_SELF && k->event.link == ifindex &&
		    k->event.link_nsid == nsid)
			return k->event.ifindex;
	}
	return 0;
}

struct query {
	struct wgx_link_event event;
	bool answered;
};

static int read_query(void *arg, const struct nlmsghdr *nlh)
{
	struct query *q = arg;
	int err;

	if (nlh->nlmsg_type != RTM_NEWLINK)
		return 0;
	err = parse_link(nlh, q->event.nsid, &q->event);
	q->answered = !err;
	return err;
}

/*
 * Ask for one link and take the answer as news; a link that is gone or another's is no error. The answer is
 * read to its end first, since what follows from it may be another query.
 */
static int query_link(struct wgx_monitor *m, int nsid, int ifindex)
{
	struct ifinfomsg ifi = {.ifi_family = AF_UNSPEC, .ifi_index = ifindex};
	struct query q = {.event.nsid = nsid};
	struct nl_msg *msg = nlmsg_alloc_simple(RTM_GETLINK, 0);
	int err = -ENOMEM;

	if (msg && !nlmsg_append(msg, &ifi, sizeof(ifi), NLMSG_ALIGNTO) &&
	    (nsid < 0 || !nla_put_u32(msg, IFLA_TARGET_NETNSID, (uint32_t)nsid)))
		err = wgx_nl_call(m->query, msg, read_query, &q);
	nlmsg_free(msg);
	if (err == -ENODEV || err == -EINVAL || err == -EACCES || err == -EPERM)
		return 0;
	return err || !q.answered ? err : take_link(m, &q.event);
}

static void forget_link(struct wgx_monitor *m, size_t i)
{
	struct wgx_link_event event = ((struct known_link *)wgx_sorted_at(&m->links, i))->event;

	event.deleted = true;
	wgx_sorted_remove(&m->links, i);
	tell_link(m, &event, false);
}

/* With a far end goes its NAME, of whose namespace nothing may be heard any more. */
static void forget_near(struct wgx_monitor *m, int far_ifindex)
{
	for (size_t i = m->links.n; i-- > 0;) {
		const struct known_link *k = wgx_sorted_at(&m->links, i);

		if (k->event.far_ifindex == far_ifindex)
			forget_link(m, i);
	}
}

static int link_deleted(struct wgx_monitor *m, const struct wgx_link_event *event)
{
	struct wgx_link_event gone;
	size_t i;

	if (!find_link(m, event->nsid, event->ifindex, &i))
		return 0;
	gone = ((struct known_link *)wgx_sorted_at(&m->links, i))->event;
	gone.deleted = true;
	gone.moved = event->moved;
	wgx_sorted_remove(&m->links, i);
	tell_link(m, &gone, false);
	if (m->kind != WGX_MONITOR_FAR)
		return 0;
	if (gone.nsid == WGX_NSID_SELF) {
		forget_near(m, gone.ifindex);
		return 0;
	}
	/* where it went to only its far end knows; to ask also makes the kernel tell us of that namespace */
	return gone.moved ? query_link(m, WGX_NSID_SELF, gone.far_ifindex) : 0;
}

static int link_present(struct wgx_monitor *m, const struct wgx_link_event *event)
{
	struct known_link new = {.event = *event, .round = m->round}, *k;
	bool known, same = false;
	size_t i;

	known = find_link(m, event->nsid, event->ifindex, &i);
	if (known) {
		k = wgx_sorted_at(&m->links, i);
		/* padding that differs is a change told twice, no more */
		same = !memcmp(&k->event, event, sizeof(*event)); /* NOLINT(*-comparison,cert-*) */
		*k = new;
	} else if (wgx_sorted_insert(&m->links, i, &new)) {
		return -ENOMEM;
	}
	if (!same)
		tell_link(m, event, !known);
	if (m->kind != WGX_MONITOR_FAR || event->nsid != WGX_NSID_SELF || event->link_nsid < 0)
		return 0;
	/* a far end: is its NAME known, and seen in this round? */
	if (find_link(m, event->link_nsid, event->link, &i)) {
		k = wgx_sorted_at(&m->links, i);
		if (k->round == m->round)
			return 0;
	}
	return query_link(m, event->link_nsid, event->link);
}

/* News of a link: of another namespace only NAMEs are of interest. */
static int take_link(struct wgx_monitor *m, struct wgx_link_event *event)
{
	if (event->deleted)
		return link_deleted(m, event);
	if (event->nsid != WGX_NSID_SELF) {
		event->far_ifindex = far_of(m, event->nsid, event->ifindex);
		if (!event->far_ifindex)
			return 0;
	}
	return link_present(m, event);
}

static int handle_link(struct wgx_monitor *m, const struct nlmsghdr *nlh, int nsid)
{
	const struct ifinfomsg *ifi = nlmsg_data(nlh);
	struct wgx_link_event event;
	int err;

	/* of family AF_BRIDGE are bridge ports, which come and go while the device stays */
	if (nlmsg_datalen(nlh) < (int)sizeof(*ifi) || ifi->ifi_family != AF_UNSPEC)
		return 0;
	err = parse_link(nlh, nsid, &event);
	return err ?: take_link(m, &event);
}

/* ---- addresses ---- */

static int compare_addrs(const void *a, const void *b)
{
	const struct wgx_addr_event *x = &((const struct known_addr *)a)->event;
	const struct wgx_addr_event *y = &((const struct known_addr *)b)->event;
	int c = memcmp(x->addr, y->addr, sizeof(x->addr));

	if (c)
		return c;
	if (x->ifindex != y->ifindex)
		return x->ifindex < y->ifindex ? -1 : 1;
	return (int)x->prefixlen - (int)y->prefixlen;
}

static bool same_address(const struct wgx_sorted *addrs, size_t i, const uint8_t *addr)
{
	const struct known_addr *k = wgx_sorted_at(addrs, i);

	return !memcmp(k->event.addr, addr, sizeof(k->event.addr));
}

/* Entries of one address stand side by side. */
static uint32_t count_holders(const struct wgx_monitor *m, const struct wgx_addr_event *event)
{
	struct known_addr key = {.event = *event};
	uint32_t n = 0;
	size_t i;

	key.event.ifindex = 0;
	wgx_sorted_find(&m->addrs, &key, &i);
	for (; i < m->addrs.n && same_address(&m->addrs, i, event->addr); i++)
		n++;
	return n;
}

static void tell_addr(const struct wgx_monitor *m, struct wgx_addr_event *event)
{
	event->holders = count_holders(m, event);
	if (m->ops->on_addr)
		m->ops->on_addr(m->arg, event);
}

/* Return: 0; -EAFNOSUPPORT: not an address that we look at */
static int parse_addr(const struct nlmsghdr *nlh, struct wgx_addr_event *ret)
{
	static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
	const struct ifaddrmsg *ifa = nlmsg_data(nlh);
	struct nlattr *tb[IFA_MAX + 1], *addr;
	size_t size;

	if (nlmsg_parse((struct nlmsghdr *)nlh, sizeof(*ifa), tb, IFA_MAX, NULL))
		return -EBADMSG;
	/* on point-to-point devices IFA_ADDRESS is the other side's */
	addr = tb[IFA_LOCAL] ?: tb[IFA_ADDRESS];
	size = ifa->ifa_family == AF_INET ? 4 : 16;
	if ((ifa->ifa_family != AF_INET && ifa->ifa_family != AF_INET6) || !addr ||
	    nla_len(addr) != (int)size || (int)ifa->ifa_index <= 0) /* see count_holders() */
		return -EAFNOSUPPORT;
	*ret = (struct wgx_addr_event){
		.ifindex = (int)ifa->ifa_index,
		.family = ifa->ifa_family,
		.prefixlen = ifa->ifa_prefixlen,
		.scope = ifa->ifa_scope,
		.flags = wgx_nl_u32(tb[IFA_FLAGS], ifa->ifa_flags),
		.deleted = nlh->nlmsg_type == RTM_DELADDR,
	};
	if (size == 4)
		memcpy(ret->addr, mapped, sizeof(mapped));
	memcpy(ret->addr + 16 - size, nla_data(addr), size);
	return 0;
}

static void forget_addr(struct wgx_monitor *m, size_t i)
{
	struct wgx_addr_event event = ((struct known_addr *)wgx_sorted_at(&m->addrs, i))->event;

	event.deleted = true;
	wgx_sorted_remove(&m->addrs, i);
	tell_addr(m, &event);
}

static int handle_addr(struct wgx_monitor *m, const struct nlmsghdr *nlh)
{
	struct known_addr new = {.round = m->round}, *k;
	size_t i;
	int err = parse_addr(nlh, &new.event);
	bool known;

	if (err)
		return err == -EAFNOSUPPORT ? 0 : err;
	known = wgx_sorted_find(&m->addrs, &new, &i);
	if (new.event.deleted) {
		if (known)
			forget_addr(m, i);
		return 0;
	}
	if (known) {
		k = wgx_sorted_at(&m->addrs, i);
		k->round = m->round;
		if (k->event.flags == new.event.flags)
			return 0;
		*k = new;
	} else if (wgx_sorted_insert(&m->addrs, i, &new)) {
		return -ENOMEM;
	}
	tell_addr(m, &new.event);
	return 0;
}

/* ---- reading ---- */

static int handle(struct wgx_monitor *m, const struct nlmsghdr *nlh, int nsid)
{
	switch (nlh->nlmsg_type) {
	case RTM_NEWLINK:
	case RTM_DELLINK:
		return handle_link(m, nlh, nsid);
	case RTM_NEWADDR:
	case RTM_DELADDR:
		return handle_addr(m, nlh);
	default:
		return 0;
	}
}

static int handle_dump(void *arg, const struct nlmsghdr *nlh)
{
	return handle(arg, nlh, WGX_NSID_SELF);
}

static int dump(struct wgx_monitor *m, int type)
{
	struct ifinfomsg any = {.ifi_family =
					AF_UNSPEC}; /* serves RTM_GETADDR as well: it is longer */
	struct nl_msg *msg = nlmsg_alloc_simple(type, NLM_F_DUMP);
	int err = -ENOMEM;

	if (msg && !nlmsg_append(msg, &any, sizeof(any), NLMSG_ALIGNTO))
		err = wgx_nl_call(m->dump, msg, handle_dump, m);
	nlmsg_free(msg);
	return err;
}

static void forget_unseen(struct wgx_monitor *m)
{
	for (size_t i = m->addrs.n; i-- > 0;)
		if (((struct known_addr *)wgx_sorted_at(&m->addrs, i))->round != m->round)
			forget_addr(m, i);
	for (size_t i = m->links.n; i-- > 0;)
		if (((struct known_link *)wgx_sorted_at(&m->links, i))->round != m->round)
			forget_link(m, i);
}

static void set_timer(const struct wgx_monitor *m, time_t seconds, long nanoseconds)
{
	struct itimerspec t = {.it_value = {.tv_sec = seconds, .tv_nsec = nanoseconds}};

	timerfd_settime(m->timer, 0, &t, NULL);
}

static int resync(struct wgx_monitor *m)
{
	int err;

	m->round++;
	err = dump(m, RTM_GETLINK);
	if (!err && m->kind == WGX_MONITOR_HOST)
		err = dump(m, RTM_GETADDR);
	if (err) {
		set_timer(m, RETRY_SECONDS, 0);
		return err;
	}
	forget_unseen(m);
	m->resync = false;
	set_timer(m, 0, 0);
	return 0;
}

static int read_nsid(struct msghdr *msg)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c))
		if (c->cmsg_level == SOL_NETLINK && c->cmsg_type == NETLINK_LISTEN_ALL_NSID)
			return *(int *)CMSG_DATA(c);
	return WGX_NSID_SELF;
}

/* One datagram. Return: 1, 0 where there is none, or negative errno */
static int read_events(struct wgx_monitor *m)
{
	union {
		char room[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control;
	struct sockaddr_nl from;
	struct iovec iov = {m->buf, sizeof(m->buf)};
	struct msghdr msg = {
		.msg_name = &from,
		.msg_namelen = sizeof(from),
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control),
	};
	struct nlmsghdr *nlh = (struct nlmsghdr *)m->buf;
	ssize_t n = recvmsg(m->events, &msg, 0);
	int left = (int)n, nsid, err = 0;

	if (n < 0)
		return errno == EAGAIN ? 0 : -errno;
	if (msg.msg_flags & MSG_TRUNC)
		return -ENOBUFS;
	if (from.nl_pid)
		return 1; /* not the kernel's */
	nsid = read_nsid(&msg);
	for (; !err && nlmsg_ok(nlh, left); nlh = nlmsg_next(nlh, &left))
		err = handle(m, nlh, nsid);
	return err ?: 1;
}

int wgx_monitor_dispatch(struct wgx_monitor *m)
{
	uint64_t expired;
	int err;

	if (read(m->timer, &expired, sizeof(expired)) > 0)
		m->resync = true;
	do {
		err = read_events(m);
		/* lost, or not understood: all of it is asked for below */
		if (err < 0 && err != -EINTR)
			m->resync = true;
	} while (err > 0 || err == -ENOBUFS || err == -EINTR);
	if (m->resync)
		err = resync(m);
	return err;
}

/* ---- opening ---- */

static int open_events(const struct wgx_monitor *m)
{
	uint32_t groups = RTMGRP_LINK;
	int size = RECEIVE_BUFFER, one = 1, fd, err;

	if (m->kind == WGX_MONITOR_HOST)
		groups |= RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR;
	fd = wgx_nl_open(groups, SOCK_NONBLOCK);
	if (fd < 0)
		return fd;
	if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size)))
		setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
	if (m->kind != WGX_MONITOR_FAR)
		return fd;
	if (!setsockopt(fd, SOL_NETLINK, NETLINK_LISTEN_ALL_NSID, &one, sizeof(one)))
		return fd;
	err = -errno;
	close(fd);
	return err;
}

static int add_to_epoll(const struct wgx_monitor *m, int fd)
{
	struct epoll_event e = {.events = EPOLLIN};

	return epoll_ctl(m->epoll, EPOLL_CTL_ADD, fd, &e) ? -errno : 0;
}

static int open_all(struct wgx_monitor *m)
{
	int err;

	if ((m->events = open_events(m)) < 0)
		return m->events;
	if ((m->dump = wgx_nl_open(0, 0)) < 0)
		return m->dump;
	if ((m->query = wgx_nl_open(0, 0)) < 0)
		return m->query;
	m->timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	if (m->timer < 0)
		return -errno;
	m->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (m->epoll < 0)
		return -errno;
	err = add_to_epoll(m, m->events);
	return err ?: add_to_epoll(m, m->timer);
}

int wgx_monitor_open(enum wgx_monitor_kind kind, const struct wgx_monitor_ops *ops, void *arg,
		     struct wgx_monitor **ret)
{
	struct wgx_monitor *m = calloc(1, sizeof(*m));
	int err;

	if (!m)
		return -ENOMEM;
	m->kind = kind;
	m->ops = ops;
	m->arg = arg;
	m->events = m->dump = m->query = m->timer = m->epoll = -1;
	m->links.item_size = sizeof(struct known_link);
	m->links.compare = compare_links;
	m->addrs.item_size = sizeof(struct known_addr);
	m->addrs.compare = compare_addrs;
	err = open_all(m);
	if (err) {
		wgx_monitor_close(m);
		return err;
	}
	m->resync = true;
	set_timer(m, 0, 1);
	*ret = m;
	return 0;
}

int wgx_monitor_fd(const struct wgx_monitor *m)
{
	return m->epoll;
}

static void close_fd(int fd)
{
	if (fd >= 0)
		close(fd);
}

void wgx_monitor_close(struct wgx_monitor *m)
{
	if (!m)
		return;
	close_fd(m->epoll);
	close_fd(m->timer);
	close_fd(m->query);
	close_fd(m->dump);
	close_fd(m->events);
	wgx_sorted_free(&m->addrs);
	wgx_sorted_free(&m->links);
	free(m);
}
