/* SPDX-License-Identifier: MIT */
/*
 * The daemon is root's without most capabilities, and root owns /etc, /root and core_pattern: a thread that runs somebody
 * else's code would need no more than to write one of these. So what the filter of system calls cannot tell apart, the
 * paths, is told to Landlock.
 */
#include "daemon/landlock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
#include "daemon/daemon.h"
#include "daemon/log.h"
#include "daemon/sandbox.h"

/* The kernel's <linux/landlock.h>; Debian 12's lacks what came after Linux 6.1. */
#ifndef SYS_landlock_create_ruleset
#define SYS_landlock_create_ruleset 444
#define SYS_landlock_add_rule 445
#define SYS_landlock_restrict_self 446
#endif
#define CREATE_RULESET_VERSION 1
#define RULE_PATH_BENEATH 1

enum {
	EXECUTE = 1 << 0,
	WRITE_FILE = 1 << 1,
	READ_FILE = 1 << 2,
	READ_DIR = 1 << 3,
	REMOVE_DIR = 1 << 4,
	REMOVE_FILE = 1 << 5,
	MAKE_DIR = 1 << 7,
	MAKE_REG = 1 << 8,
	MAKE_SOCK = 1 << 9,
	TRUNCATE = 1 << 14,

	READ = READ_FILE | READ_DIR,
	PIN = READ | MAKE_REG | MAKE_DIR | REMOVE_FILE | REMOVE_DIR,
	OWN = PIN | WRITE_FILE | TRUNCATE | MAKE_SOCK,
};

/* All that are known of a version, which the ruleset is to keep in */
#define FS_V1 0x1fff
#define FS_REFER (1 << 13) /* 2: files into other directories */
#define FS_TRUNCATE TRUNCATE /* 3 */
#define FS_IOCTL_DEV (1 << 15) /* 5 */
#define NET_TCP 3 /* 4: bind, connect */
#define SCOPE_ABSTRACT_UNIX 1 /* 6; its neighbour would keep the holder from being ended */

struct ruleset_attr {
	uint64_t fs, net, scoped;
};

struct path_beneath_attr {
	uint64_t access;
	int32_t parent;
} __attribute__((packed));

static struct ruleset_attr handled(int version, size_t *ret_size)
{
	struct ruleset_attr a = {.fs = FS_V1};

	*ret_size = sizeof(a.fs);
	if (version >= 2)
		a.fs |= FS_REFER;
	if (version >= 3)
		a.fs |= FS_TRUNCATE;
	if (version >= 4) {
		a.net = NET_TCP;
		*ret_size = 2 * sizeof(a.fs);
	}
	if (version >= 5)
		a.fs |= FS_IOCTL_DEV;
	if (version >= 6) {
		a.scoped = SCOPE_ABSTRACT_UNIX;
		*ret_size = sizeof(a);
	}
	return a;
}

/* @ret: stays open: a rule is the inode's, and proc(5) makes another when it has forgotten one that nobody uses */
static int allow(int ruleset, const struct ruleset_attr *a, const char *path, uint64_t access,
		 int *ret)
{
	struct path_beneath_attr rule = {.access = access & a->fs};
	int err = 0;

	rule.parent = open(path, O_PATH | O_CLOEXEC | O_DIRECTORY);
	if (rule.parent < 0)
		return errno == ENOENT ? 0 : -errno;
	if (syscall(SYS_landlock_add_rule, ruleset, RULE_PATH_BENEATH, &rule, 0))
		err = -errno;
	if (ret && *ret < 0)
		*ret = rule.parent;
	else
		close(rule.parent);
	return err;
}

static int allow_all(int ruleset, const struct ruleset_attr *a, const char *state_dir)
{
	static int sysctls = -1;
	const struct {
		const char *path;
		uint64_t access;
		int *fd;
	} rules[] = {
		/* libbpf's bpf_map__reuse_fd() opens / for the number of it; so names can be read, everywhere */
		{"/", READ_DIR, NULL},
		{WGX_RUN_DIR, OWN, NULL},
		{WGX_UAPI_DIR, OWN, NULL},
		{state_dir, OWN, NULL},
		{"/sys", READ, NULL},
		/* not only what is mounted on /sys/fs/bpf now; and pins are no files that are written */
		{"/sys/fs", PIN, NULL},
		{"/proc", READ, NULL},
		{"/proc/sys/net", READ | WRITE_FILE | TRUNCATE, &sysctls},
	};
	int err = 0;

	for (size_t i = 0; !err && i < sizeof(rules) / sizeof(rules[0]); i++)
		err = allow(ruleset, a, rules[i].path, rules[i].access, rules[i].fd);
	return err;
}

/* @state_dir: NULL: files may be read, wherever, and nothing else */
static int add_rules(int ruleset, const struct ruleset_attr *a, const char *state_dir)
{
	return state_dir ? allow_all(ruleset, a, state_dir) : allow(ruleset, a, "/", READ, NULL);
}

static int restrict_self(int version, const char *state_dir)
{
	size_t size;
	struct ruleset_attr a = handled(version, &size);
	int ruleset, err;

	if (!state_dir && a.net) /* a name server may want TCP */
		a.net = 0;
	ruleset = (int)syscall(SYS_landlock_create_ruleset, &a, size, 0);
	if (ruleset < 0)
		return -errno;
	err = add_rules(ruleset, &a, state_dir);
	if (!err && syscall(SYS_landlock_restrict_self, ruleset, 0))
		err = -errno;
	close(ruleset);
	return err;
}

static int enter(const char *state_dir)
{
	const char *how = getenv("WGX_LANDLOCK");
	int version;

	if (WGX_SANITIZED || (how && !strcmp(how, "off")))
		return 0;
	version = (int)syscall(SYS_landlock_create_ruleset, NULL, 0, CREATE_RULESET_VERSION);
	if (version < 1) {
		wgx_log(WGX_LOG_DEBUG, "this kernel has no Landlock: files are not kept from us");
		return 0;
	}
	tzset(); /* syslog(3) reads the time zone at its first line, which may be later */
	return restrict_self(version, state_dir);
}

int wgx_landlock_enter(const char *state_dir)
{
	return enter(state_dir);
}

int wgx_landlock_read_only(void)
{
	return enter(NULL);
}
