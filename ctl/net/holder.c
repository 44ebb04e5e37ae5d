/* SPDX-License-Identifier: MIT */
/*
 * The process that keeps the private network namespace. Of its lock file it has WGX_HOLDER_BYTE locked, by
 * which it is found; a daemon has WGX_DAEMON_BYTE locked, by which the holder knows that one lives.
 */
#include "net/holder.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

/* the holder's descriptors; no others are open */
#define LOCK_FD 0
#define READY_FD 1
#define NETLINK_FD 2

#define BUFFER_SIZE 32768
#define ASK_TRIES 10
#define ASK_MS 100

static void reset_signals(void)
{
	struct sigaction dfl = {.sa_handler = SIG_DFL};
	sigset_t none;

	for (int sig = 1; sig < NSIG; sig++)
		sigaction(sig, &dfl, NULL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

/*
 * A later daemon needs no capability over the holder to enter its namespace (ptrace_may_access()) if the
 * holder has none itself and may be dumped.
 */
static int drop_all_capabilities(void)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = {0};

	if (syscall(SYS_capset, &header, data))
		return -errno;
	if (prctl(PR_SET_DUMPABLE, 1, 0, 0, 0))
		return -errno;
	return 0;
}

static int set_lock(int command, short type, off_t byte)
{
	struct flock lock = {.l_type = type, .l_whence = SEEK_SET, .l_start = byte, .l_len = 1};

	return fcntl(LOCK_FD, command, &lock) ? -errno : 0;
}

/* A new namespace, and word of its links */
static int enter_namespace(void)
{
	struct sockaddr_nl addr = {.nl_family = AF_NETLINK, .nl_groups = RTMGRP_LINK};
	int fd;

	if (unshare(CLONE_NEWNET))
		return -errno;
	fd = socket(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE);
	if (fd < 0 || (fd != NETLINK_FD && dup2(fd, NETLINK_FD) < 0))
		return -errno;
	if (fd != NETLINK_FD)
		close(fd);
	return bind(NETLINK_FD, (struct sockaddr *)&addr, sizeof(addr)) ? -errno : 0;
}

/*
 * The lock is taken last: closing any descriptor of its file would release it. The file is opened anew, for
 * the descriptor inherited shares the daemon's own lock.
 */
static int setup(const char *path, int ready_fd)
{
	int err;

	if (dup2(ready_fd, READY_FD) < 0)
		return -errno;
	close(LOCK_FD);
	if (open(path, O_RDWR | O_NOFOLLOW) != LOCK_FD)
		return -errno;
	if (syscall(SYS_close_range, NETLINK_FD, ~0U, 0))
		return -errno;
	reset_signals();
	if (chdir("/") || prctl(PR_SET_NAME, "wgx-holder", 0, 0, 0))
		return -errno;
	err = enter_namespace();
	if (!err)
		err = set_lock(F_SETLK, F_WRLCK, WGX_HOLDER_BYTE);
	return err ?: drop_all_capabilities();
}

static bool is_far_end(const struct nlmsghdr *nlh)
{
	const struct ifinfomsg *ifi = NLMSG_DATA(nlh);
	const struct rtattr *rta = IFLA_RTA(ifi);
	int left = (int)IFLA_PAYLOAD(nlh);

	if (nlh->nlmsg_type != RTM_NEWLINK || nlh->nlmsg_len < NLMSG_LENGTH(sizeof(*ifi)) ||
	    ifi->ifi_family != AF_UNSPEC)
		return false;
	for (; RTA_OK(rta, left); rta = RTA_NEXT(rta, left))
		if (rta->rta_type == IFLA_IFNAME && RTA_PAYLOAD(rta) >= strlen(WGX_FAR_PREFIX))
			return !strncmp(RTA_DATA(rta), WGX_FAR_PREFIX, strlen(WGX_FAR_PREFIX));
	return false;
}

/*
 * Are there far ends? Events that come in between are read as well, and cannot mislead: the dump follows. Return: 1 or 0;
 * -1: the kernel does not tell
 */
static int ask_for_far_ends(void)
{
	static uint32_t seq;
	struct {
		struct nlmsghdr nlh;
		struct ifinfomsg ifi;
	} request = {
		.nlh = {.nlmsg_len = sizeof(request),
			.nlmsg_type = RTM_GETLINK,
			.nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP,
			.nlmsg_seq = ++seq},
	};
	static char buf[BUFFER_SIZE] __attribute__((aligned(NLMSG_ALIGNTO)));
	bool any = false;

	if (send(NETLINK_FD, &request, sizeof(request), 0) < 0)
		return -1;
	for (;;) {
		ssize_t n = recv(NETLINK_FD, buf, sizeof(buf), 0);
		struct nlmsghdr *nlh = (struct nlmsghdr *)buf;

		if (n < 0 && errno != EINTR && errno != ENOBUFS)
			return -1;
		for (; n > 0 && NLMSG_OK(nlh, n); nlh = NLMSG_NEXT(nlh, n)) {
			if (nlh->nlmsg_seq != request.nlh.nlmsg_seq)
				continue;
			if (nlh->nlmsg_type == NLMSG_DONE)
				return any;
			if (nlh->nlmsg_type == NLMSG_ERROR)
				return -1;
			any |= is_far_end(nlh);
		}
	}
}

/* Where the kernel has no memory it is asked again: else nothing might ever happen again to a link. */
static bool any_far_ends(void)
{
	int any = ask_for_far_ends();

	for (int tries = ASK_TRIES; any < 0 && tries; tries--) {
		poll(NULL, 0, ASK_MS);
		any = ask_for_far_ends();
	}
	return any;
}

/* Until something happens to a link; ENOBUFS: a lot did */
static void wait_for_event(void)
{
	char byte;

	while (recv(NETLINK_FD, &byte, 1, MSG_TRUNC) < 0 && errno == EINTR)
		;
}

/* Wait for the daemon to end; and where there is nothing then that must outlive it, end too. */
static _Noreturn void hold(const char *path)
{
	for (;;) {
		if (!set_lock(F_SETLKW, F_WRLCK, WGX_DAEMON_BYTE)) {
			if (!any_far_ends()) {
				unlink(path);
				_exit(0);
			}
			set_lock(F_SETLK, F_UNLCK, WGX_DAEMON_BYTE);
		}
		wait_for_event();
	}
}

_Noreturn void wgx_holder_main(const char *path, int ready_fd)
{
	int err;

	/* out of the way of the numbers that setup() gives */
	ready_fd = fcntl(ready_fd, F_DUPFD, NETLINK_FD + 1);
	if (ready_fd < 0)
		_exit(1);
	err = setup(path, ready_fd);
	if (write(READY_FD, &err, sizeof(err)) != sizeof(err) || err)
		_exit(1);
	close(READY_FD);
	hold(path);
}
