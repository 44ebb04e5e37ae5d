/* SPDX-License-Identifier: MIT */
/*
 * Where the tests of ctl/net run: a PID, mount and network namespace of their own. When the test
 * program ends, holders and devices are gone with it, however it ends.
 */
#ifndef WGX_TEST_NET_ENV_H
#define WGX_TEST_NET_ENV_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <linux/sockios.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include "net/link.h"
#include "net/netns.h"

#ifndef SIOCGSKNS
#define SIOCGSKNS 0x894C
#endif

#define ENV_RUN "/run"

static bool env_permitted;
static struct wgx_netns *env_ns; /* of the running test; closed by its teardown */

/* The calling thread's network namespace */
static inline int env_netns_fd(void)
{
	int s = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0), fd;

	assert_true(s >= 0);
	fd = ioctl(s, SIOCGSKNS);
	assert_true(fd >= 0);
	close(s);
	return fd;
}

static inline ino_t env_inode(int fd)
{
	struct stat st;

	assert_int_equal(fstat(fd, &st), 0);
	return st.st_ino;
}

/* Run a shell command here; it must succeed */
static inline void env_sh(const char *format, ...)
{
	char command[512];
	va_list args;

	va_start(args, format);
	vsnprintf(command, sizeof(command), format, args);
	va_end(args);
	if (system(command))
		fail_msg("failed: %s", command);
}

/* The first word that a shell command prints, or "" */
static inline void env_read(char *ret, size_t size, const char *format, ...)
{
	char command[512];
	va_list args;
	FILE *f;

	va_start(args, format);
	vsnprintf(command, sizeof(command), format, args);
	va_end(args);
	f = popen(command, "r");
	assert_non_null(f);
	if (!fgets(ret, (int)size, f))
		ret[0] = '\0';
	ret[strcspn(ret, " \n")] = '\0';
	pclose(f);
}

static inline void env_open(void)
{
	assert_int_equal(wgx_netns_open(ENV_RUN, &env_ns), 0);
}

static inline void env_close(bool end_holder)
{
	wgx_netns_close(env_ns, end_holder);
	env_ns = NULL;
}

static unsigned int env_queues; /* of what is made; 0: one */

static inline struct wgx_link env_create(const char *name)
{
	const struct wgx_link_options options = {.superframes = true, .n_queues = env_queues};
	struct wgx_link link;

	assert_int_equal(wgx_link_create(env_ns, name, &options, &link), 0);
	return link;
}

/* For what the kernel or another process does in its own time; the bound is there for what never comes */
#define env_await(condition)                                       \
	do {                                                       \
		for (int await_ms = 0; !(condition); await_ms++) { \
			assert_in_range(await_ms, 0, 30000);       \
			poll(NULL, 0, 1);                          \
		}                                                  \
	} while (0)

/* Each test has a network namespace of its own, and a private one with it. */
static inline int env_setup(void **state)
{
	if (!env_permitted)
		return 0;
	return unshare(CLONE_NEWNET) || system("ip link set lo up") ||
	       wgx_netns_open(ENV_RUN, &env_ns);
}

static inline int env_teardown(void **state)
{
	if (env_ns)
		env_close(true);
	return 0;
}

#define env_require()               \
	do {                        \
		if (!env_permitted) \
			skip();     \
	} while (0)

#define env_test(fn) cmocka_unit_test_setup_teardown(fn, env_setup, env_teardown)

static inline bool env_mounts(void)
{
	return !mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) &&
	       !mount("proc", "/proc", "proc", 0, NULL) &&
	       !mount("tmpfs", ENV_RUN, "tmpfs", 0, "mode=0755");
}

static inline int env_exit_code(int status)
{
	return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}

/* init of the PID namespace: all in it end with it. The tests are its child, as init takes no SIGSTOP (LSan) */
static inline void env_init(int (*run)(void))
{
	int status = 1;
	pid_t pid, ended;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	env_permitted = env_mounts();
	pid = fork();
	if (pid == 0) {
		status = run();
		fflush(stdout);
		exit(status);
	}
	do
		ended = wait(&status);
	while (ended >= 0 && ended != pid);
	_exit(ended == pid ? env_exit_code(status) : 1);
}

/* In those namespaces, or here, with every test skipped, where they are not permitted */
static inline int env_main(int (*run)(void))
{
	int status;
	pid_t pid;

	if (geteuid() || system("ip -V >/dev/null 2>&1") ||
	    unshare(CLONE_NEWNET | CLONE_NEWNS | CLONE_NEWPID))
		return run();
	fflush(stdout);
	pid = fork();
	if (pid == 0)
		env_init(run);
	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		return 1;
	/* not exit(): LSan would start a process, which a PID namespace without its init refuses */
	_exit(env_exit_code(status));
}

#endif
