/* SPDX-License-Identifier: MIT */
/*
 * The system call filter: what it forbids kills the process, what the daemon needs goes on, on other architectures too.
 * And the files that it gets at.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/if_xdp.h>
#include <net/if.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <seccomp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include "unit/line_test.h"
#include "daemon/landlock.h"
#include "daemon/sandbox.h"

#define SURVIVED 42

/* What becomes of a process that enters @who's filter and then does @what: a status of wait(2). */
static int fate(enum wgx_sandbox who, void (*what)(void))
{
	int status;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (!pid) {
		if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || wgx_sandbox_enter(who))
			_exit(1);
		what();
		_exit(SURVIVED);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status;
}

static bool dies(enum wgx_sandbox who, void (*what)(void))
{
	int status = fate(who, what);

	return WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS;
}

static bool lives(enum wgx_sandbox who, void (*what)(void))
{
	int status = fate(who, what);

	return WIFEXITED(status) && WEXITSTATUS(status) == SURVIVED;
}

/* ---- things to do ---- */

static void do_exec(void)
{
	char *const argv[] = {"true", NULL};

	execve("/bin/true", argv, NULL);
}

static void do_fork(void)
{
	if (!fork())
		_exit(0);
}

static void do_vfork(void)
{
	(void)syscall(SYS_clone, CLONE_VM | CLONE_VFORK | SIGCHLD, 0, 0, 0, 0);
}

static void do_ptrace(void)
{
	ptrace(PTRACE_TRACEME, 0, NULL, NULL);
}

static void do_mount(void)
{
	mount("none", "/nowhere", "tmpfs", 0, NULL);
}

static void do_unshare(void)
{
	unshare(CLONE_NEWUSER);
}

static void do_setns(void)
{
	setns(-1, CLONE_NEWNET);
}

static void do_kill(void)
{
	kill(getpid(), 0);
}

static void do_read_other(void)
{
	(void)syscall(SYS_process_vm_readv, 1, NULL, 0, NULL, 0, 0);
}

static void do_module(void)
{
	(void)syscall(SYS_init_module, NULL, 0, "");
}

static void do_io_uring(void)
{
	(void)syscall(425 /* io_uring_setup */, 1, NULL);
}

static void do_setuid(void)
{
	(void)syscall(SYS_setuid, 0);
}

static void do_chown(void)
{
	(void)syscall(SYS_fchownat, AT_FDCWD, "/nowhere", 0, 0, 0);
}

static void do_alg_socket(void)
{
	(void)socket(AF_ALG, SOCK_SEQPACKET, 0);
}

static void do_map_code(void)
{
	(void)mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}

static void do_make_code(void)
{
	void *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	mprotect(p, 4096, PROT_READ | PROT_EXEC);
}

static void do_dumpable(void)
{
	prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
}

static void do_open(void)
{
	close(open("/dev/null", O_RDONLY));
}

static void do_unlink(void)
{
	(void)unlink("/nowhere");
}

/* As free(3) does, which goes another way then */
static void do_open_in_vain(void)
{
	if (open("/dev/null", O_RDONLY) >= 0 || errno != EACCES)
		_exit(1);
}

static void do_socket(void)
{
	close(socket(AF_INET, SOCK_DGRAM, 0));
}

static void do_bpf(void)
{
	(void)syscall(SYS_bpf, 0, NULL, 0);
}

static void do_packets(void)
{
	struct msghdr m = {0};
	struct pollfd p = {.fd = -1};

	(void)sendmsg(-1, &m, 0);
	(void)recvmsg(-1, &m, MSG_DONTWAIT);
	poll(&p, 1, 1);
	sched_yield();
	free(malloc(1 << 20));
}

/* The heap of a thread grows and shrinks. */
static void *grow_and_shrink(void *arg)
{
	void *p[64];

	if (wgx_sandbox_enter(WGX_SANDBOX_WORKER))
		_exit(1);
	for (unsigned int i = 0; i < 64; i++)
		p[i] = malloc(100000);
	for (unsigned int i = 64; i-- > 0;)
		free(p[i]);
	return arg;
}

static void do_shrink(void)
{
	pthread_t thread;

	if (pthread_create(&thread, NULL, grow_and_shrink, NULL) || pthread_join(thread, NULL))
		_exit(1);
}

static void *nothing(void *arg)
{
	free(malloc(100)); /* an arena of its own */
	return arg;
}

static void do_thread(void)
{
	pthread_t thread;

	if (pthread_create(&thread, NULL, nothing, NULL) || pthread_join(thread, NULL))
		_exit(1);
}

static void do_sockets(void)
{
	static const int families[] = {AF_UNIX, AF_INET, AF_INET6, AF_NETLINK, AF_PACKET, AF_XDP};

	for (size_t i = 0; i < sizeof(families) / sizeof(*families); i++)
		close(socket(families[i], SOCK_RAW, 0));
	(void)if_nametoindex("lo");
}

static void do_abort(void)
{
	signal(SIGABRT, SIG_DFL);
	abort();
}

/* ---- tests ---- */

static void begin(void)
{
#ifdef WGX_SANITIZE
	skip(); /* the sanitizer's runtime makes calls of its own: no filter there */
#endif
	unsetenv("WGX_SECCOMP");
}

static void test_forbidden(void **state)
{
	static void (*const what[])(void) = {
		do_exec,  do_fork,	 do_vfork,	do_ptrace,    do_mount,	   do_unshare,
		do_setns, do_kill,	 do_read_other, do_module,    do_io_uring, do_setuid,
		do_chown, do_alg_socket, do_map_code,	do_make_code, do_dumpable,
	};

	begin();
	for (size_t i = 0; i < sizeof(what) / sizeof(*what); i++)
		if (!dies(WGX_SANDBOX_DAEMON, what[i]))
			fail_msg("call %zu does not die", i);
}

static void test_allowed(void **state)
{
	begin();
	assert_true(lives(WGX_SANDBOX_DAEMON, do_packets));
	assert_true(lives(WGX_SANDBOX_DAEMON, do_open));
	assert_true(lives(WGX_SANDBOX_DAEMON, do_bpf));
	assert_true(lives(WGX_SANDBOX_DAEMON, do_sockets));
	assert_true(lives(WGX_SANDBOX_DAEMON, do_thread));
}

static void test_worker(void **state)
{
	begin();
	assert_true(lives(WGX_SANDBOX_WORKER, do_packets));
	assert_true(lives(WGX_SANDBOX_WORKER, do_open_in_vain));
	assert_true(dies(WGX_SANDBOX_WORKER, do_unlink));
	assert_true(dies(WGX_SANDBOX_WORKER, do_socket));
	assert_true(dies(WGX_SANDBOX_WORKER, do_bpf));
	assert_true(dies(WGX_SANDBOX_WORKER, do_thread));
	assert_true(dies(WGX_SANDBOX_WORKER, do_make_code));
}

static void both(void)
{
	if (wgx_sandbox_enter(WGX_SANDBOX_WORKER))
		_exit(1);
	do_packets();
}

static void both_then_unlink(void)
{
	both();
	do_unlink();
}

/* As the workers do, which inherit the daemon's. */
static void test_worker_inside_daemon(void **state)
{
	begin();
	assert_true(lives(WGX_SANDBOX_DAEMON, both));
	assert_true(lives(WGX_SANDBOX_DAEMON, do_shrink));
	assert_true(dies(WGX_SANDBOX_DAEMON, both_then_unlink));
}

/* A bug shows as what it is. */
static void test_abort_is_no_violation(void **state)
{
	int status;

	begin();
	status = fate(WGX_SANDBOX_WORKER, do_abort);
	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGABRT);
}

static void test_switched_off(void **state)
{
	begin();
	setenv("WGX_SECCOMP", "off", 1);
	assert_true(lives(WGX_SANDBOX_DAEMON, do_unshare));
	setenv("WGX_SECCOMP", "log", 1);
	assert_true(lives(WGX_SANDBOX_DAEMON, do_kill));
	unsetenv("WGX_SECCOMP");
}

/* ---- files ---- */

static char dir[] = "/tmp/wgx-test.XXXXXX";

static bool is_refused(const char *path, int flags)
{
	int fd = open(path, flags, 0600);

	if (fd >= 0)
		close(fd);
	return fd < 0 && errno == EACCES;
}

static bool works(const char *path, int flags)
{
	int fd = open(path, flags, 0600);

	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

/* Return: 0, or which of these it is that should be otherwise */
static int try_files(void)
{
	char path[64], other[64];
	int fd;

	snprintf(path, sizeof(path), "%s/new", dir);
	snprintf(other, sizeof(other), "%s/old", dir);
	if (!is_refused("/etc/passwd", O_RDONLY) || !works("/", O_RDONLY | O_DIRECTORY))
		return 1;
	if (!is_refused("/tmp/wgx-test.file", O_WRONLY | O_CREAT))
		return 2;
	if (!is_refused("/proc/sys/kernel/core_pattern", O_WRONLY))
		return 3;
	if (!works("/proc/self/status", O_RDONLY) ||
	    !works("/sys/devices/system/cpu/possible", O_RDONLY))
		return 4;
	if (!works("/proc/sys/net/ipv4/conf/lo/forwarding", O_WRONLY))
		return 5;
	if (!works(path, O_WRONLY | O_CREAT | O_TRUNC) || rename(path, other) || unlink(other))
		return 6;
	fd = memfd_create("x", 0);
	if (fd < 0 || ftruncate(fd, 100))
		return 7;
	return 0;
}

static int try_reading(void)
{
	char *const argv[] = {"true", NULL};
	char path[64];

	snprintf(path, sizeof(path), "%s/new", dir);
	if (!works("/etc/passwd", O_RDONLY))
		return 1;
	if (!is_refused(path, O_WRONLY | O_CREAT) || !is_refused("/dev/null", O_WRONLY))
		return 2;
	if (rmdir(dir) != -1 || errno != EACCES)
		return 3;
	execve("/bin/true", argv, NULL);
	return errno == EACCES ? 0 : 4;
}

/* As root, whose files these all are. @state_dir NULL: they may be read */
static void try_in_child(const char *state_dir, int (*what)(void))
{
	int status;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (!pid) {
		if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ||
		    (state_dir ? wgx_landlock_enter(state_dir) : wgx_landlock_read_only()))
			_exit(SURVIVED);
		_exit(what());
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

static void test_files(void **state)
{
	begin();
	if (geteuid() || syscall(444 /* landlock_create_ruleset */, NULL, 0, 1) < 1)
		skip();
	unsetenv("WGX_LANDLOCK");
	assert_non_null(mkdtemp(dir));
	try_in_child(dir, try_files);
	try_in_child(NULL, try_reading);
	assert_int_equal(rmdir(dir), 0);
}

static void test_files_switched_off(void **state)
{
	begin();
	setenv("WGX_LANDLOCK", "off", 1);
	assert_int_equal(wgx_landlock_enter("/nowhere"), 0);
	assert_true(works("/etc/passwd", O_RDONLY));
	unsetenv("WGX_LANDLOCK");
}

/*
 * arm64 has no calls that others replace: what is allowed here under the old name has to be there under the new one.
 * Both are what one libc function does.
 */
static void test_other_architectures(void **state)
{
	static const struct {
		int old, new;
	} pairs[] = {
		{SCMP_SYS(poll), SCMP_SYS(ppoll)},
		{SCMP_SYS(epoll_wait), SCMP_SYS(epoll_pwait)},
		{SCMP_SYS(open), SCMP_SYS(openat)},
		{SCMP_SYS(stat), SCMP_SYS(newfstatat)},
		{SCMP_SYS(lstat), SCMP_SYS(newfstatat)},
		{SCMP_SYS(access), SCMP_SYS(faccessat)},
		{SCMP_SYS(readlink), SCMP_SYS(readlinkat)},
		{SCMP_SYS(mkdir), SCMP_SYS(mkdirat)},
		{SCMP_SYS(unlink), SCMP_SYS(unlinkat)},
		{SCMP_SYS(rmdir), SCMP_SYS(unlinkat)},
		{SCMP_SYS(rename), SCMP_SYS(renameat)},
		{SCMP_SYS(dup2), SCMP_SYS(dup3)},
		{SCMP_SYS(chmod), SCMP_SYS(fchmodat)},
		{SCMP_SYS(getrlimit), SCMP_SYS(prlimit64)},
		{SCMP_SYS(setrlimit), SCMP_SYS(prlimit64)},
	};

	for (int nr = 0; nr < 600; nr++) {
		char *name = seccomp_syscall_resolve_num_arch(SCMP_ARCH_X86_64, nr);
		int here = name ? seccomp_syscall_resolve_name(name) : __NR_SCMP_ERROR;
		int there = name ? seccomp_syscall_resolve_name_arch(SCMP_ARCH_AARCH64, name) : 0;
		bool paired = false;

		if (name && wgx_sandbox_allows(WGX_SANDBOX_DAEMON, here) && there < 0) {
			for (size_t i = 0; i < sizeof(pairs) / sizeof(*pairs); i++)
				paired |= pairs[i].old == here &&
					  wgx_sandbox_allows(WGX_SANDBOX_DAEMON, pairs[i].new) &&
					  (!wgx_sandbox_allows(WGX_SANDBOX_WORKER, here) ||
					   wgx_sandbox_allows(WGX_SANDBOX_WORKER, pairs[i].new));
			if (!paired)
				fail_msg("arm64 has no %s, and nothing in its place is allowed",
					 name);
		}
		free(name);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_forbidden),
		cmocka_unit_test(test_allowed),
		cmocka_unit_test(test_worker),
		cmocka_unit_test(test_worker_inside_daemon),
		cmocka_unit_test(test_abort_is_no_violation),
		cmocka_unit_test(test_switched_off),
		cmocka_unit_test(test_files),
		cmocka_unit_test(test_files_switched_off),
		cmocka_unit_test(test_other_architectures),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
