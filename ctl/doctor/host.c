/* SPDX-License-Identifier: MIT */
/* The kernel, and what this process may do. */
#include <cap-ng.h>
#include <dirent.h>
#include <errno.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/utsname.h>
#include <sys/vfs.h>
#include <time.h>
#include <unistd.h>

#include "daemon/daemon.h"
#include "daemon/stamps.h"
#include "device/device.h"
#include "doctor/doctor.h"
#include "net/bpffs.h"
#include "net/sysctl.h"

/* The first line of a file, or of it as much as fits; false: it cannot be read. */
static bool read_line(const char *path, char *text, size_t size)
{
	FILE *f = fopen(path, "re");
	bool ok = f && fgets(text, (int)size, f);

	if (ok)
		text[strcspn(text, "\n")] = '\0';
	if (f)
		fclose(f);
	return ok;
}

/* ---- privileges ---- */

static const struct {
	unsigned int capability;
	const char *name;
} needed[] = {
	{CAP_NET_ADMIN, "NET_ADMIN"},
	{CAP_NET_RAW, "NET_RAW"},
	{CAP_BPF, "BPF"},
	{CAP_PERFMON, "PERFMON"},
	{CAP_IPC_LOCK, "IPC_LOCK"},
	{CAP_SYS_ADMIN, "SYS_ADMIN"},
	{CAP_NET_BROADCAST, "NET_BROADCAST"},
};

static void list_missing(char *list, size_t size)
{
	capng_get_caps_process();
	list[0] = '\0';
	for (size_t i = 0; i < sizeof(needed) / sizeof(*needed); i++) {
		size_t len = strlen(list);

		if (!capng_have_capability(CAPNG_EFFECTIVE, needed[i].capability))
			snprintf(list + len, size - len, "%s%s", len ? ", " : "", needed[i].name);
	}
}

/* The kernel asks for some capabilities in the first user namespace, which alone has all users as they are. */
static bool in_user_namespace(void)
{
	const unsigned long all[] = {0, 0, 4294967295};
	char map[128], *at = map;

	if (!read_line("/proc/self/uid_map", map, sizeof(map)))
		return false;
	for (size_t i = 0; i < sizeof(all) / sizeof(*all); i++)
		if (strtoul(at, &at, 10) != all[i])
			return true;
	return false;
}

void wgx_check_privileges(struct wgx_doctor *d)
{
	const char *check = "privileges";
	char missing[128];

	list_missing(missing, sizeof(missing));
	d->privileged = !*missing && !in_user_namespace();
	if (*missing) {
		wgx_found(&d->report, WGX_PROBLEM, check, NULL, "missing capabilities: %s",
			  missing);
		wgx_remedy(&d->report, "run wgx as root; give a container these capabilities");
	} else if (in_user_namespace()) {
		wgx_found(&d->report, WGX_PROBLEM, check, NULL,
			  "this is a user namespace: the kernel lets only the first one's root use "
			  "BPF");
		wgx_remedy(&d->report,
			   "run wgx outside, or in a container without user namespaces");
	} else {
		wgx_found(&d->report, WGX_FINE, check, NULL, "all capabilities are there");
	}
}

/* ---- the kernel ---- */

static bool has_af_xdp(void)
{
	int fd = socket(AF_XDP, SOCK_RAW | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return errno == EPERM; /* it is there, but not for us */
	close(fd);
	return true;
}

void wgx_check_kernel(struct wgx_doctor *d)
{
	const char *check = "kernel";
	unsigned long major, minor;
	struct utsname u;
	char *dot;

	uname(&u);
	major = strtoul(u.release, &dot, 10);
	minor = *dot ? strtoul(dot + 1, NULL, 10) : 0;
	if (major < 5 || (major == 5 && minor < 15)) {
		wgx_found(&d->report, WGX_PROBLEM, check, NULL, "Linux %s is too old", u.release);
		wgx_remedy(&d->report, "Linux 5.15 or later; 6.9 or later is fastest");
	} else {
		wgx_found(&d->report, WGX_FINE, check, NULL, "Linux %s", u.release);
	}
	if (access("/sys/kernel/btf/vmlinux", R_OK)) {
		wgx_found(&d->report, WGX_PROBLEM, check, NULL,
			  "it does not describe its types (BTF): BPF programs cannot be loaded");
		wgx_remedy(&d->report, "a kernel with CONFIG_DEBUG_INFO_BTF, and /sys mounted");
	}
	if (!has_af_xdp()) {
		wgx_found(&d->report, WGX_PROBLEM, check, NULL, "it has no AF_XDP sockets");
		wgx_remedy(&d->report, "a kernel with CONFIG_XDP_SOCKETS");
	}
}

/* ---- features ---- */

static const struct {
	size_t offset;
	const char *name, *since, *text;
} features[] = {
#define X(field, kernel, what) {offsetof(struct wgx_features, field), #field, kernel, what},
	WGX_FEATURES(X)
#undef X
};

static bool has(const struct wgx_features *f, size_t i)
{
	return *(const bool *)((const char *)f + features[i].offset);
}

static enum wgx_level lack_of(const char *name)
{
	return !strcmp(name, "udp_gso") || !strcmp(name, "udp_gro") ? WGX_PROBLEM : WGX_WARNING;
}

void wgx_check_features(struct wgx_doctor *d)
{
	const char *check = "features";
	size_t missing = 0;

	if (!d->privileged) {
		wgx_found(&d->report, WGX_NOTE, check, NULL, "not tried, for want of privileges");
		return;
	}
	d->features = wgx_features_get();
	for (size_t i = 0; i < sizeof(features) / sizeof(*features); i++) {
		if (has(d->features, i))
			continue;
		missing++;
		wgx_found(&d->report, lack_of(features[i].name), check, features[i].name,
			  "the kernel lacks it: %s", features[i].text);
		wgx_remedy(&d->report, "Linux %s or later", features[i].since);
	}
	if (!missing)
		wgx_found(&d->report, WGX_FINE, check, NULL, "the kernel has all that wgx uses");
}

/* ---- bpffs ---- */

/* Each `ip netns exec` has a /sys of its own, so that pins are seen by none but what it started. */
static const char *unseen_interface(const struct wgx_doctor *d)
{
	const json_t *interface;
	size_t i;

	json_array_foreach(json_object_get(d->show, "interfaces"), i, interface) {
		const char *name = json_string_value(json_object_get(interface, "name"));
		char path[128];

		if (!wgx_bpffs_path(name, NULL, path, sizeof(path)) && access(path, F_OK))
			return name;
	}
	return NULL;
}

void wgx_check_bpffs(struct wgx_doctor *d)
{
	const char *check = "bpffs", *unseen;
	struct statfs s;

	if (statfs(WGX_BPFFS, &s)) {
		wgx_found(&d->report, WGX_PROBLEM, check, WGX_BPFFS, "%s", strerror(errno));
		wgx_remedy(&d->report,
			   "mount -t sysfs sysfs /sys; a kernel with CONFIG_BPF_SYSCALL");
		return;
	}
	if ((unsigned long)s.f_type != BPF_FS_MAGIC) {
		wgx_found(&d->report, WGX_WARNING, check, WGX_BPFFS, "not mounted here: %s",
			  d->show ? "the daemon's maps cannot be looked at"
				  : "a daemon mounts it, if it may");
		wgx_remedy(&d->report, "mount -t bpf bpf " WGX_BPFFS);
		return;
	}
	unseen = unseen_interface(d);
	if (unseen) {
		wgx_found(&d->report, WGX_WARNING, check, unseen,
			  "its maps are not pinned in this " WGX_BPFFS ": the daemon has another");
		wgx_remedy(&d->report, "nsenter --mount --target %d bpftool map",
			   (int)json_integer_value(json_object_get(d->show, "pid")));
		return;
	}
	wgx_found(&d->report, WGX_FINE, check, WGX_BPFFS, "mounted");
}

/* ---- what makes BPF slower or weaker ---- */

static bool sysctl_is(const char *path, const char *wanted)
{
	char value[32];

	return !wgx_sysctl_get(path, NULL, value, sizeof(value)) && !strcmp(value, wanted);
}

static void check_jit(struct wgx_doctor *d)
{
	if (sysctl_is("core/bpf_jit_enable", "0")) {
		wgx_found(&d->report, WGX_WARNING, "hardening", "net.core.bpf_jit_enable",
			  "BPF programs are interpreted, which is slow");
		wgx_remedy(&d->report, "sysctl -w net.core.bpf_jit_enable=1");
	}
	if (sysctl_is("core/bpf_jit_harden", "2")) {
		wgx_found(&d->report, WGX_NOTE, "hardening", "net.core.bpf_jit_harden",
			  "BPF programs of root are blinded too, and slower for it");
		wgx_remedy(&d->report, "sysctl -w net.core.bpf_jit_harden=1");
	}
}

void wgx_check_hardening(struct wgx_doctor *d)
{
	const char *lockdown_file = "/sys/kernel/security/lockdown";
	unsigned int before = d->report.counts[WGX_NOTE] + d->report.counts[WGX_WARNING];
	char text[128];

	check_jit(d);
	if (read_line(lockdown_file, text, sizeof(text)) && strstr(text, "[confidentiality]")) {
		wgx_found(&d->report, WGX_WARNING, "hardening", "lockdown",
			  "confidentiality: BPF programs may not read the kernel's memory, so lost "
			  "superframes count as one packet");
		wgx_remedy(&d->report, "lockdown=integrity on the kernel's command line");
	}
	if (read_line("/proc/sys/kernel/unprivileged_bpf_disabled", text, sizeof(text)) &&
	    !strcmp(text, "0")) {
		wgx_found(&d->report, WGX_NOTE, "hardening", "kernel.unprivileged_bpf_disabled",
			  "anybody may load BPF programs, which wgx does not need");
		wgx_remedy(&d->report, "sysctl -w kernel.unprivileged_bpf_disabled=2");
	}
	if (d->report.counts[WGX_NOTE] + d->report.counts[WGX_WARNING] == before)
		wgx_found(&d->report, WGX_FINE, "hardening", NULL, "nothing is in the way of BPF");
}

/* ---- the Linux driver ---- */

/* A line of @file names the module. */
static bool lists_driver(const char *file)
{
	char path[256], line[512];
	bool found = false;
	struct utsname u;
	FILE *f;

	uname(&u);
	snprintf(path, sizeof(path), "/lib/modules/%s/%s", u.release, file);
	f = fopen(path, "re");
	while (f && !found && fgets(line, sizeof(line), f)) {
		line[strcspn(line, ":\n")] = '\0';
		found = strstr(line, "/wireguard.ko");
	}
	if (f)
		fclose(f);
	return found;
}

void wgx_check_driver(struct wgx_doctor *d)
{
	bool loaded = !access("/sys/module/wireguard", F_OK);

	if (loaded || lists_driver("modules.builtin") || lists_driver("modules.dep")) {
		wgx_found(&d->report, WGX_NOTE, "driver", NULL,
			  "this kernel has a WireGuard driver%s: wg-quick uses that, and not wgx",
			  loaded ? "" : " that can be loaded");
		wgx_remedy(&d->report, "wgx up NAME reads the same files as wg-quick");
	} else {
		wgx_found(&d->report, WGX_FINE, "driver", NULL,
			  "the kernel has no WireGuard driver: wg-quick can use wgx, too");
	}
}

/* ---- the clock ---- */

#define OLDEST 1704067200 /* 2024: before wgx was */
#define TOLERATED 120 /* s: the mark is written a minute ahead */

static void check_mark(struct wgx_doctor *d, int64_t now)
{
	const char *dir = getenv("WGX_STATE_DIR");
	uint64_t mark = 0;
	int err;

	dir = dir && *dir ? dir : WGX_STATE_DIR;
	err = wgx_stamps_read(dir, &mark);
	if (err == -EBADMSG) {
		wgx_found(&d->report, WGX_WARNING, "clock", dir, "the file stamp is damaged");
		wgx_remedy(&d->report, "the next handshake writes it anew; check the clock");
	} else if (!err && (int64_t)mark > now + TOLERATED) {
		wgx_found(
			&d->report, WGX_WARNING, "clock", NULL,
			"it is %lld s behind the last handshake of this host: it was, or is, wrong",
			(long long)mark - now);
		wgx_remedy(&d->report, "set the clock; handshakes go on in small steps meanwhile");
	} else {
		wgx_found(&d->report, WGX_FINE, "clock", NULL, "%s",
			  err ? "later than 2024; no handshake has been noted yet"
			      : "not behind the last handshake");
	}
}

void wgx_check_clock(struct wgx_doctor *d)
{
	int64_t now = (int64_t)(wgx_clock_ns(CLOCK_REALTIME) / 1000000000u);

	if (now < OLDEST) {
		wgx_found(&d->report, WGX_PROBLEM, "clock", NULL,
			  "it shows a time before 2024: peers that know a later handshake refuse "
			  "those of this host");
		wgx_remedy(&d->report, "set the clock, by NTP say");
		return;
	}
	check_mark(d, now);
}
