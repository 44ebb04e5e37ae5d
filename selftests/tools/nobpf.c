/* SPDX-License-Identifier: MIT */
/*
 * nobpf COMMAND [ARGUMENT ...]: runs a command for which bpf() is not permitted, as in a container
 * that filters it, or under a kernel that locks it down.
 */
#include <errno.h>
#include <seccomp.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static int forbid_bpf(void)
{
	scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_ALLOW);
	int err;

	if (!ctx)
		return -ENOMEM;
	err = seccomp_rule_add(ctx, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(bpf), 0);
	if (!err)
		err = seccomp_load(ctx);
	seccomp_release(ctx);
	return err;
}

int main(int argc, char **argv)
{
	int err;

	if (argc < 2) {
		fprintf(stderr, "usage: nobpf COMMAND [ARGUMENT ...]\n");
		return 126;
	}
	err = forbid_bpf();
	if (err) {
		fprintf(stderr, "nobpf: %s\n", strerror(-err));
		return 126;
	}
	execvp(argv[1], argv + 1);
	fprintf(stderr, "nobpf: %s: %s\n", argv[1], strerror(errno));
	return 126;
}
