/* SPDX-License-Identifier: MIT */
/*
 * What the daemon does after its start: sockets, BPF, memory, files in its own directories. It starts no
 * program and no process, mounts nothing, traces nobody, and makes no memory executable.
 *
 * Where an architecture lacks a call (arm64 has no poll(2), open(2) or unlink(2)), libseccomp leaves it out; what libc
 * calls there instead is in the list as well.
 */
#include "daemon/sandbox.h"

#include <errno.h>
#include <sched.h>
#include <seccomp.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include "daemon/log.h"

#ifndef AF_XDP
#define AF_XDP 44
#endif
#ifndef PR_SET_VMA
#define PR_SET_VMA 0x53564d41 /* glibc names its heaps */
#endif

enum {
	D = WGX_SANDBOX_DAEMON,
	W = WGX_SANDBOX_DAEMON | WGX_SANDBOX_WORKER,
};

/* Calls that need no look at their arguments. */
static const struct {
	int nr;
	unsigned int who;
} plain[] = {
	/* packets */
	{SCMP_SYS(recvmsg), W},
	{SCMP_SYS(recvmmsg), W},
	{SCMP_SYS(recvfrom), W},
	{SCMP_SYS(sendmsg), W},
	{SCMP_SYS(sendmmsg), W},
	{SCMP_SYS(sendto), W},
	{SCMP_SYS(poll), W},
	{SCMP_SYS(ppoll), W},
	{SCMP_SYS(read), W},
	{SCMP_SYS(write), W},
	{SCMP_SYS(writev), W}, /* an assertion's last words */
	{SCMP_SYS(close), W},
	{SCMP_SYS(getsockopt), W},

	/* threads and time */
	{SCMP_SYS(futex), W},
	{SCMP_SYS(sched_yield), W},
	{SCMP_SYS(clock_gettime), W}, /* these where the vDSO cannot tell */
	{SCMP_SYS(gettimeofday), W},
	{SCMP_SYS(nanosleep), W},
	{SCMP_SYS(clock_nanosleep), W},
	{SCMP_SYS(restart_syscall), W}, /* after SIGSTOP, or a debugger */
	{SCMP_SYS(rt_sigprocmask), W},
	{SCMP_SYS(rt_sigaction), W},
	{SCMP_SYS(rt_sigreturn), W},
	{SCMP_SYS(sigaltstack), W},
	{SCMP_SYS(getpid), W},
	{SCMP_SYS(gettid), W},
	{SCMP_SYS(tgkill), W}, /* abort(3) */
	{SCMP_SYS(getcpu), W},
	{SCMP_SYS(exit), W},
	{SCMP_SYS(exit_group), W},
	{SCMP_SYS(membarrier), W},
	{SCMP_SYS(set_robust_list), D},
	{SCMP_SYS(rseq), W},
	{SCMP_SYS(sched_getaffinity), W},
	{SCMP_SYS(sched_setaffinity), D},

	/* memory */
	{SCMP_SYS(brk), W},
	{SCMP_SYS(munmap), W},
	{SCMP_SYS(mremap), W},
	{SCMP_SYS(madvise), W},
	{SCMP_SYS(getrandom), W},
	{SCMP_SYS(mlock), D},
	{SCMP_SYS(mlock2), D},
	{SCMP_SYS(munlock), D},
	{SCMP_SYS(memfd_create), D},
	{SCMP_SYS(sysinfo), D}, /* qsort(3) */

	/* sockets */
	{SCMP_SYS(bind), D},
	{SCMP_SYS(listen), D},
	{SCMP_SYS(accept4), D},
	{SCMP_SYS(accept), D},
	{SCMP_SYS(connect), D},
	{SCMP_SYS(shutdown), D},
	{SCMP_SYS(setsockopt), D},
	{SCMP_SYS(getsockname), D},
	{SCMP_SYS(getpeername), D},
	{SCMP_SYS(ioctl), D},

	/* events */
	{SCMP_SYS(epoll_create1), D},
	{SCMP_SYS(epoll_ctl), D},
	{SCMP_SYS(epoll_wait), D},
	{SCMP_SYS(epoll_pwait), D},
	{SCMP_SYS(eventfd2), D},
	{SCMP_SYS(signalfd4), D},
	{SCMP_SYS(timerfd_create), D},
	{SCMP_SYS(timerfd_settime), D},
	{SCMP_SYS(timerfd_gettime), D},
	{SCMP_SYS(inotify_init1), D},
	{SCMP_SYS(inotify_add_watch), D},
	{SCMP_SYS(inotify_rm_watch), D},
	{SCMP_SYS(pidfd_send_signal), D}, /* to the holder */

	/* BPF, pins, state and sockets in the file system; sysctls */
	{SCMP_SYS(bpf), D},
	{SCMP_SYS(open), D},
	{SCMP_SYS(openat), D},
	{SCMP_SYS(stat), D},
	{SCMP_SYS(lstat), D},
	{SCMP_SYS(fstat), D},
	{SCMP_SYS(newfstatat), D},
	{SCMP_SYS(statx), D},
	{SCMP_SYS(statfs), D},
	{SCMP_SYS(fstatfs), D},
	{SCMP_SYS(access), D},
	{SCMP_SYS(faccessat), D},
	{SCMP_SYS(faccessat2), D},
	{SCMP_SYS(readlink), D},
	{SCMP_SYS(readlinkat), D},
	{SCMP_SYS(getdents64), D},
	{SCMP_SYS(lseek), D},
	{SCMP_SYS(pread64), D},
	{SCMP_SYS(pwrite64), D},
	{SCMP_SYS(readv), D},
	{SCMP_SYS(ftruncate), D},
	{SCMP_SYS(fsync), D},
	{SCMP_SYS(fdatasync), D},
	{SCMP_SYS(flock), D},
	{SCMP_SYS(fcntl), D},
	{SCMP_SYS(dup), D},
	{SCMP_SYS(dup2), D},
	{SCMP_SYS(dup3), D},
	{SCMP_SYS(pipe2), D},
	{SCMP_SYS(mkdir), D},
	{SCMP_SYS(mkdirat), D},
	{SCMP_SYS(rmdir), D},
	{SCMP_SYS(unlink), D},
	{SCMP_SYS(unlinkat), D},
	{SCMP_SYS(rename), D},
	{SCMP_SYS(renameat), D},
	{SCMP_SYS(renameat2), D},
	{SCMP_SYS(umask), D},
	{SCMP_SYS(chmod), D}, /* of the pins' directories */
	{SCMP_SYS(fchmodat), D},
	{SCMP_SYS(uname), D}, /* libbpf: the kernel's version */
	{SCMP_SYS(prlimit64), D}, /* libbpf: locked memory */
	{SCMP_SYS(getrlimit), D},
	{SCMP_SYS(setrlimit), D},
	{SCMP_SYS(geteuid), D},
	{SCMP_SYS(getuid), D},
	{SCMP_SYS(getegid), D},
	{SCMP_SYS(getgid), D},

	/* workers give up more */
	{SCMP_SYS(capget), D},
	{SCMP_SYS(capset), D},
	{SCMP_SYS(seccomp), D},
};

/* Calls allowed for certain values of an argument only. */
struct narrow {
	int nr;
	unsigned int who;
	struct scmp_arg_cmp arg;
};

#define EQUAL(n, value)                                    \
	{                                                  \
		(n), SCMP_CMP_EQ, (scmp_datum_t)(value), 0 \
	}
#define WITHOUT(n, bits)                                         \
	{                                                        \
		(n), SCMP_CMP_MASKED_EQ, (scmp_datum_t)(bits), 0 \
	}
#define WITH(n, bits)                                                               \
	{                                                                           \
		(n), SCMP_CMP_MASKED_EQ, (scmp_datum_t)(bits), (scmp_datum_t)(bits) \
	}

static const struct narrow narrow[] = {
	{SCMP_SYS(socket), D, EQUAL(0, AF_UNIX)},
	{SCMP_SYS(socket), D, EQUAL(0, AF_INET)},
	{SCMP_SYS(socket), D, EQUAL(0, AF_INET6)},
	{SCMP_SYS(socket), D, EQUAL(0, AF_NETLINK)},
	{SCMP_SYS(socket), D, EQUAL(0, AF_PACKET)},
	{SCMP_SYS(socket), D, EQUAL(0, AF_XDP)},
	/* threads, no processes */
	{SCMP_SYS(clone), D, WITH(0, CLONE_THREAD | CLONE_VM | CLONE_SIGHAND)},
	{SCMP_SYS(mmap), W, WITHOUT(2, PROT_EXEC)},
	{SCMP_SYS(mprotect), W, WITHOUT(2, PROT_EXEC)},
	{SCMP_SYS(prctl), D, EQUAL(0, PR_SET_NAME)},
	{SCMP_SYS(prctl), D, EQUAL(0, PR_SET_NO_NEW_PRIVS)},
	{SCMP_SYS(prctl), D, EQUAL(0, PR_SET_SECCOMP)},
	{SCMP_SYS(prctl), D, EQUAL(0, PR_GET_SECCOMP)},
	{SCMP_SYS(prctl), D, EQUAL(0, PR_CAPBSET_READ)},
	{SCMP_SYS(prctl), D, EQUAL(0, PR_GET_SECUREBITS)},
	{SCMP_SYS(prctl), D, EQUAL(0, PR_CAP_AMBIENT)},
	{SCMP_SYS(prctl), W, EQUAL(0, PR_SET_VMA)},
};

/* Calls that fail, where libc has another way. */
static const struct {
	int nr;
	unsigned int who;
	uint16_t err;
} failing[] = {
	/* its flags are in memory, which no filter reads: the kernel is too old for it, and libc uses clone(2) */
	{SCMP_SYS(clone3), D | W, ENOSYS},
	/* free(3) asks /proc/sys/vm/overcommit_memory how to give memory back, and does without */
	{SCMP_SYS(openat), WGX_SANDBOX_WORKER, EACCES},
	{SCMP_SYS(open), WGX_SANDBOX_WORKER, EACCES},
};

static int add_plain(scmp_filter_ctx ctx, enum wgx_sandbox who)
{
	int err = 0;

	for (size_t i = 0; !err && i < sizeof(plain) / sizeof(*plain); i++)
		if (plain[i].who & who)
			err = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, plain[i].nr, 0);
	return err;
}

static int add_narrow(scmp_filter_ctx ctx, enum wgx_sandbox who)
{
	int err = 0;

	for (size_t i = 0; !err && i < sizeof(narrow) / sizeof(*narrow); i++)
		if (narrow[i].who & who)
			err = seccomp_rule_add_array(ctx, SCMP_ACT_ALLOW, narrow[i].nr, 1,
						     &narrow[i].arg);
	return err;
}

static int add_failing(scmp_filter_ctx ctx, enum wgx_sandbox who)
{
	int err = 0;

	for (size_t i = 0; !err && i < sizeof(failing) / sizeof(*failing); i++)
		if (failing[i].who & who)
			err = seccomp_rule_add(ctx, SCMP_ACT_ERRNO(failing[i].err), failing[i].nr,
					       0);
	return err;
}

/* The most frequent come first in the filter. */
static void set_priorities(scmp_filter_ctx ctx)
{
	static const int often[] = {SCMP_SYS(recvmsg),	SCMP_SYS(sendmsg),     SCMP_SYS(recvmmsg),
				    SCMP_SYS(sendmmsg), SCMP_SYS(sched_yield), SCMP_SYS(poll)};

	(void)seccomp_attr_set(ctx, SCMP_FLTATR_CTL_OPTIMIZE, 2); /* a binary tree */
	for (size_t i = 0; i < sizeof(often) / sizeof(*often); i++)
		(void)seccomp_syscall_priority(ctx, often[i], 255);
}

static int load(uint32_t action, enum wgx_sandbox who)
{
	scmp_filter_ctx ctx = seccomp_init(action);
	int err;

	if (!ctx)
		return -ENOMEM;
	err = seccomp_attr_set(ctx, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);
	if (!err)
		err = add_plain(ctx, who);
	if (!err)
		err = add_narrow(ctx, who);
	if (!err)
		err = add_failing(ctx, who);
	if (!err) {
		set_priorities(ctx);
		err = seccomp_load(ctx);
	}
	seccomp_release(ctx);
	return err;
}

int wgx_sandbox_enter(enum wgx_sandbox who)
{
	const char *how = getenv("WGX_SECCOMP");
	uint32_t action = SCMP_ACT_KILL_PROCESS;

	if (WGX_SANITIZED || (how && !strcmp(how, "off")))
		return 0;
	if (how && !strcmp(how, "log"))
		action = SCMP_ACT_LOG;
	if (prctl(PR_GET_SECCOMP, 0, 0, 0, 0) < 0) {
		wgx_log(WGX_LOG_WARN, "this kernel has no seccomp: system calls are not filtered");
		return 0;
	}
	return load(action, who);
}

bool wgx_sandbox_allows(enum wgx_sandbox who, int nr)
{
	for (size_t i = 0; i < sizeof(plain) / sizeof(*plain); i++)
		if (plain[i].nr == nr)
			return plain[i].who & who;
	for (size_t i = 0; i < sizeof(narrow) / sizeof(*narrow); i++)
		if (narrow[i].nr == nr && narrow[i].who & who)
			return true;
	return false;
}
