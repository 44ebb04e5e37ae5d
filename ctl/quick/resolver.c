/* SPDX-License-Identifier: MIT */
/*
 * A process for each interface with host names among its endpoints. Nothing else waits for name servers: it looks at
 * the peers over the UAPI, as anybody may, and sets the endpoint of one that does not answer. It has no capabilities,
 * and ends with the interface's UAPI socket, or when `down` ends it; a lock on /run/wgx/INODE.NAME.resolver says who
 * it is.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/rtnetlink.h>
#include <netdb.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <sodium.h>

#include "cli/cli.h"
#include "cli/uapi_client.h"
#include "daemon/log.h"
#include "daemon/landlock.h"
#include "daemon/privileges.h"
#include "net/netlink.h"
#include "device/device.h"
#include "quick/quick.h"

#define ENDING ".resolver"
#define LOOK_MS 2000
/* of the time that looking takes, so that a million allowed IPs do not keep a processor busy */
#define LOOK_SHARE 50
#define GONE_MS \
	100 /* what the daemon may take to remove the socket of an interface that has gone */
#define END_TIMEOUT_MS 5000
#define LOCK_FD 3
#define READY_FD 4
#define HEX_SIZE (2 * WGX_KEY_LEN + 1)

struct peer {
	char key[HEX_SIZE];
	const char *host;
	uint16_t port;
	struct wgx_trial trial;
};

/* What a child has: memory for secrets is empty there. */
struct resolver {
	char name[IFNAMSIZ];
	struct peer *peers;
	size_t n;
};

/* ---- in the process ---- */

static int64_t wall_clock(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	return ts.tv_sec;
}

static void set_endpoint(const struct resolver *r, const struct peer *p,
			 const struct wgx_endpoint *e)
{
	char text[WGX_ENDPOINT_TEXT], request[256];
	int err;

	wgx_endpoint_format(e, text);
	snprintf(request, sizeof(request),
		 "set=1\npublic_key=%s\nupdate_only=true\nendpoint=%s\n\n", p->key, text);
	err = wgx_uapi_ask(r->name, request, NULL);
	if (err)
		wgx_log(WGX_LOG_WARN, "%s: %s: cannot set endpoint %s: %s", r->name, p->host, text,
			strerror(-err));
	else
		wgx_log(WGX_LOG_INFO, "%s: %s: no handshake; trying %s", r->name, p->host, text);
}

static void judge(const struct resolver *r, struct peer *p, const struct wgx_look *look)
{
	struct wgx_endpoint e;
	struct wgx_resolved list;
	enum wgx_trial_action action = wgx_trial_look(&p->trial, look, &e);
	int err;

	if (action == WGX_TRIAL_RESOLVE) {
		err = wgx_resolve(p->host, p->port, &list);
		if (err)
			wgx_log(WGX_LOG_DEBUG, "%s: %s: %s", r->name, p->host, gai_strerror(err));
		action = wgx_trial_resolved(&p->trial, look, err ? NULL : &list, &e);
	}
	if (action == WGX_TRIAL_SET)
		set_endpoint(r, p, &e);
}

static struct peer *find(const struct resolver *r, const char *key)
{
	for (size_t i = 0; i < r->n; i++)
		if (!strcmp(r->peers[i].key, key))
			return &r->peers[i];
	return NULL;
}

static void read_field(struct wgx_look *look, const char *key, const char *value)
{
	long long at;

	if (!strcmp(key, "endpoint"))
		wgx_endpoint_parse(value, &look->endpoint);
	else if (!strcmp(key, "tx_bytes"))
		look->tx = strtoull(value, NULL, 10);
	else if (!strcmp(key, "last_handshake_time_sec") && (at = strtoll(value, NULL, 10)) > 0)
		look->handshake_age = wall_clock() - at;
	else
		return;
	/* the clock was set back: it was lately */
	if (look->handshake_age < -1)
		look->handshake_age = 0;
}

/* Return: 0, or that of wgx_uapi_ask(), and how long that took */
static int look_at_all(const struct resolver *r, uint64_t *ret_took)
{
	uint64_t begin = wgx_clock_ms(CLOCK_BOOTTIME);
	struct wgx_secbuf answer = {0};
	struct wgx_look look = {0};
	struct peer *p = NULL;
	char *at, *key, *value;
	int err = wgx_uapi_ask(r->name, "get=1\n\n", &answer);

	*ret_took = wgx_clock_ms(CLOCK_BOOTTIME) - begin;
	at = answer.data;
	while (!err && wgx_uapi_next(&at, &key, &value)) {
		if (!strcmp(key, "public_key")) {
			if (p)
				judge(r, p, &look);
			p = find(r, value);
			look = (struct wgx_look){.now = wgx_clock_ms(CLOCK_BOOTTIME) / 1000,
						 .handshake_age = -1};
		} else if (p) {
			read_field(&look, key, value);
		}
	}
	if (p)
		judge(r, p, &look);
	wgx_secbuf_free(&answer);
	return err;
}

/* Until it is time for the next look, or a device goes. */
static void pause_for(int links, uint64_t ms)
{
	struct pollfd p = {.fd = links, .events = POLLIN};
	char buf[4096];

	if (poll(&p, 1, (int)ms) <= 0)
		return;
	while (recv(links, buf, sizeof(buf), 0) >= 0 || errno == ENOBUFS)
		;
	poll(NULL, 0, GONE_MS);
}

static void serve(const struct resolver *r)
{
	int links = wgx_nl_open(RTMGRP_LINK, SOCK_NONBLOCK);

	for (;;) {
		uint64_t took;
		int err = look_at_all(r, &took);

		if (err == -ENODEV)
			return;
		took *= LOOK_SHARE;
		pause_for(links, took > LOOK_MS ? (took < 600000 ? took : 600000) : LOOK_MS);
	}
}

/* Nothing of the caller's is kept: no terminal, directory, signal mask or file, but @lock and @ready. */
static int detach(int lock, int ready)
{
	int null = open("/dev/null", O_RDWR);
	sigset_t none;

	sigemptyset(&none);
	if (null < 0 || setsid() < 0 || chdir("/") || sigprocmask(SIG_SETMASK, &none, NULL))
		return -errno;
	lock = fcntl(lock, F_DUPFD, READY_FD + 1);
	ready = fcntl(ready, F_DUPFD, READY_FD + 1);
	for (int i = 0; i < 3; i++)
		if (dup2(null, i) < 0)
			return -errno;
	if (lock < 0 || ready < 0 || dup2(lock, LOCK_FD) < 0 || dup2(ready, READY_FD) < 0 ||
	    syscall(SYS_close_range, READY_FD + 1u, ~0u, 0u))
		return -errno;
	umask(077);
	prctl(PR_SET_NAME, "wgx-resolver");
	prctl(PR_SET_DUMPABLE, 0); /* each look at the interface reads its keys */
	wgx_log_init(true);
	return wgx_privileges_none() ?: wgx_landlock_read_only();
}

static int take_lock(int fd)
{
	struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_len = 1};

	return fcntl(fd, F_SETLK, &lock) ? -errno : 0;
}

static void be_resolver(const struct resolver *r, int lock, int ready)
{
	int err = detach(lock, ready);

	if (!err)
		err = take_lock(LOCK_FD);
	if (write(READY_FD, &err, sizeof(err)) != sizeof(err) || err)
		_exit(1);
	close(READY_FD);
	serve(r);
	_exit(0);
}

/* ---- in `up` and `down` ---- */

static int make_resolver(const struct wgx_conf *c, struct resolver *ret)
{
	struct resolver r = {.peers = calloc(c->n_peers + 1, sizeof(*r.peers))};

	if (!r.peers)
		return -ENOMEM;
	memcpy(r.name, c->name, sizeof(r.name));
	for (size_t i = 0; i < c->n_peers; i++) {
		const struct wgx_conf_peer *p = &c->peers[i];
		struct peer *to = &r.peers[r.n];

		if (!p->host_is_name)
			continue;
		sodium_bin2hex(to->key, sizeof(to->key), p->public_key, WGX_KEY_LEN);
		to->host = p->host;
		to->port = p->port;
		r.n++;
	}
	*ret = r;
	return 0;
}

static int open_lock(const char *name, int flags)
{
	char path[128];
	int err = wgx_record_path(name, ENDING, path, sizeof(path)), fd;

	if (err)
		return err;
	fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW | flags, 0600);
	return fd < 0 ? -errno : fd;
}

/* Return: 0 when it is at work */
static int start(const struct resolver *r)
{
	int lock = open_lock(r->name, O_CREAT), fds[2], err = -EPIPE;
	pid_t pid;

	if (lock < 0)
		return lock;
	if (pipe2(fds, O_CLOEXEC)) {
		close(lock);
		return -errno;
	}
	fflush(NULL);
	pid = fork();
	if (!pid)
		be_resolver(r, lock, fds[1]);
	close(fds[1]);
	if (pid < 0 || read(fds[0], &err, sizeof(err)) != sizeof(err))
		err = -EPIPE;
	close(fds[0]);
	close(lock);
	return err;
}

int wgx_quick_resolver(struct wgx_quick *q)
{
	struct resolver r = {.n = 0};
	int err = make_resolver(q->conf, &r);

	if (!err && r.n)
		err = start(&r);
	free(r.peers);
	return err ? wgx_fail("%s: cannot start what resolves host names: %s", q->conf->name,
			      strerror(-err))
		   : WGX_EXIT_OK;
}

/* Return: 0: nobody has it; or negative errno */
static pid_t holder_of(int fd)
{
	struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_len = 1};

	if (fcntl(fd, F_GETLK, &lock))
		return -errno;
	return lock.l_type == F_UNLCK ? 0 : lock.l_pid;
}

/* The lock names it, now and after its pidfd is had: no other process can be meant. */
static int end(int lock)
{
	pid_t pid = holder_of(lock), now;
	struct pollfd p = {.events = POLLIN};
	int err = 0;

	if (pid <= 0)
		return pid;
	p.fd = (int)syscall(SYS_pidfd_open, pid, 0);
	if (p.fd < 0)
		return errno == ESRCH ? 0 : -errno;
	now = holder_of(lock);
	if (now < 0)
		err = now;
	else if (now == pid && syscall(SYS_pidfd_send_signal, p.fd, SIGTERM, NULL, 0))
		err = errno == ESRCH ? 0 : -errno;
	else if (now == pid)
		poll(&p, 1, END_TIMEOUT_MS);
	close(p.fd);
	return err;
}

static int remove_lock(const char *name)
{
	char path[128];
	int err = wgx_record_path(name, ENDING, path, sizeof(path));

	if (!err && unlink(path) && errno != ENOENT)
		err = -errno;
	return err;
}

int wgx_quick_undo_resolver(struct wgx_record *r)
{
	int lock = open_lock(r->name, 0), err;

	if (lock == -ENOENT)
		return WGX_EXIT_OK;
	err = lock < 0 ? lock : end(lock);
	if (lock >= 0)
		close(lock);
	if (!err)
		err = remove_lock(r->name);
	return err ? wgx_fail("%s: cannot end what resolves host names: %s", r->name,
			      strerror(-err))
		   : WGX_EXIT_OK;
}
