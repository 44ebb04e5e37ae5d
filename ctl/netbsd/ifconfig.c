/* SPDX-License-Identifier: MIT */
#include "netbsd/ifconfig.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "net/addr.h"
#include "net/link.h"

/* ---- parameters ---- */

struct parser {
	char **argv; /* what is left, ended by NULL */
	struct wgx_ifconfig *ret;
	struct wgx_ifconfig_op
		*addr; /* the address that inet, netmask, alias … are about; NULL: none */
	int family; /* of the next address, if any; 0: as it looks */
	bool has_addr, has_length; /* of @addr */
	char *error;
	size_t size;
};

static int fail(struct parser *p, const char *format, ...) __attribute__((format(printf, 2, 3)));

static int fail(struct parser *p, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	vsnprintf(p->error, p->size, format, ap);
	va_end(ap);
	return -EINVAL;
}

static struct wgx_ifconfig_op *add_op(struct parser *p, enum wgx_ifconfig_op_kind kind)
{
	struct wgx_ifconfig_op *op;

	if (p->ret->n == WGX_IFCONFIG_OPS_MAX)
		return NULL;
	op = &p->ret->ops[p->ret->n++];
	*op = (struct wgx_ifconfig_op){.kind = kind};
	return op;
}

static int too_many(struct parser *p)
{
	return fail(p, "more than %d parameters", WGX_IFCONFIG_OPS_MAX);
}

/* The word behind @name */
static const char *value(struct parser *p, const char *name)
{
	if (!*p->argv)
		fail(p, "%s: no value given", name);
	return *p->argv ? *p->argv++ : NULL;
}

/* ---- addresses ---- */

/* Before the next address, and at the end */
static int end_address(struct parser *p)
{
	if (!p->addr)
		return p->family ? fail(p, "inet%s: no address given",
					p->family == AF_INET6 ? "6" : "")
				 : 0;
	if (!p->has_addr)
		return fail(p, "no address given");
	if (!p->has_length && p->addr->kind != WGX_IFCONFIG_REMOVE)
		return fail(p, "the address has no length: say ADDRESS/LENGTH");
	p->addr = NULL;
	p->family = 0;
	return 0;
}

static int begin_address(struct parser *p)
{
	if (p->addr)
		return 0;
	p->addr = add_op(p, WGX_IFCONFIG_ADDRESS);
	p->has_addr = p->has_length = false;
	return p->addr ? 0 : too_many(p);
}

static int set_family(struct parser *p, const char *name)
{
	int err = end_address(p);

	p->family = strcmp(name, "inet") != 0 ? AF_INET6 : AF_INET;
	return err;
}

static int set_kind(struct parser *p, enum wgx_ifconfig_op_kind kind)
{
	int err = begin_address(p);

	if (!err)
		p->addr->kind = kind;
	return err;
}

static int set_alias(struct parser *p, const char *name)
{
	return set_kind(p, WGX_IFCONFIG_ALIAS);
}

static int set_remove(struct parser *p, const char *name)
{
	return set_kind(p, WGX_IFCONFIG_REMOVE);
}

static int set_address(struct parser *p, const char *text)
{
	struct wgx_prefix a;
	int err;

	if (wgx_prefix_parse_address(text, &a))
		return fail(p, "'%s' is no parameter and no address", text);
	err = p->addr && p->has_addr ? end_address(p) : 0; /* the one before it */
	if (err)
		return err;
	if (p->family && p->family != a.family)
		return fail(p, "'%s' is no address of inet%s", text,
			    p->family == AF_INET6 ? "6" : "");
	err = begin_address(p);
	if (err)
		return err;
	p->addr->addr = a;
	p->has_addr = true;
	p->has_length = strchr(text, '/') != NULL;
	return 0;
}

/* A length as the count of ones, or -1 where they are not all at the beginning */
static int count_ones(uint32_t mask)
{
	int n = __builtin_popcount(mask);

	return mask == (n ? ~0u << (32 - n) : 0) ? n : -1;
}

static int set_netmask(struct parser *p, const char *name)
{
	const char *text = value(p, name);
	struct in_addr mask;
	int n = -1;

	if (!text)
		return -EINVAL;
	if (inet_aton(text, &mask)) /* 255.255.255.0 or 0xffffff00 */
		n = count_ones(ntohl(mask.s_addr));
	if (n < 0 || !p->addr || !p->has_addr || p->addr->addr.family != AF_INET)
		return fail(p, "netmask %s: no netmask of an IPv4 address", text);
	p->addr->addr.cidr = (uint8_t)n;
	p->has_length = true;
	return 0;
}

static int set_prefixlen(struct parser *p, const char *name)
{
	const char *text = value(p, name);
	char *end;
	unsigned long n;

	if (!text)
		return -EINVAL;
	n = strtoul(text, &end, 10);
	if (*end || end == text || !p->addr || !p->has_addr ||
	    n > (p->addr->addr.family == AF_INET6 ? 128 : 32))
		return fail(p, "prefixlen %s: no length of an address", text);
	p->addr->addr.cidr = (uint8_t)n;
	p->has_length = true;
	return 0;
}

/* ---- the rest ---- */

static int set_simple(struct parser *p, enum wgx_ifconfig_op_kind kind)
{
	int err = end_address(p);

	if (err)
		return err;
	return add_op(p, kind) ? 0 : too_many(p);
}

static int set_create(struct parser *p, const char *name)
{
	return set_simple(p, WGX_IFCONFIG_CREATE);
}

static int set_destroy(struct parser *p, const char *name)
{
	return set_simple(p, WGX_IFCONFIG_DESTROY);
}

static int set_up(struct parser *p, const char *name)
{
	return set_simple(p, WGX_IFCONFIG_UP);
}

static int set_down(struct parser *p, const char *name)
{
	return set_simple(p, WGX_IFCONFIG_DOWN);
}

static int set_mtu(struct parser *p, const char *name)
{
	const char *text = value(p, name);
	char *end;
	unsigned long n;
	int err;

	if (!text)
		return -EINVAL;
	n = strtoul(text, &end, 10);
	if (*end || end == text || n < 68 || n > WGX_LINK_MTU_MAX)
		return fail(p, "mtu %s: no number from 68 to %d", text, WGX_LINK_MTU_MAX);
	err = set_simple(p, WGX_IFCONFIG_MTU);
	if (!err)
		p->ret->ops[p->ret->n - 1].mtu = (uint32_t)n;
	return err;
}

static int set_description(struct parser *p, const char *name)
{
	const char *text = name[0] == '-' ? "" : value(p, name);
	int err;

	if (!text)
		return -EINVAL;
	if (strlen(text) > WGX_LINK_ALIAS_MAX)
		return fail(p, "%s: longer than %d bytes", name, WGX_LINK_ALIAS_MAX);
	err = set_simple(p, WGX_IFCONFIG_DESCRIPTION);
	if (!err)
		p->ret->ops[p->ret->n - 1].text = text;
	return err;
}

static const struct parameter {
	const char *name;
	int (*set)(struct parser *p, const char *name);
} parameters[] = {
	{"inet", set_family},
	{"inet6", set_family},
	{"alias", set_alias},
	{"add", set_alias},
	{"-alias", set_remove},
	{"delete", set_remove},
	{"netmask", set_netmask},
	{"prefixlen", set_prefixlen},
	{"create", set_create},
	{"destroy", set_destroy},
	{"up", set_up},
	{"down", set_down},
	{"mtu", set_mtu},
	{"description", set_description},
	{"descr", set_description},
	{"-description", set_description},
	{"-descr", set_description},
};

static int set_parameter(struct parser *p, const char *word)
{
	for (size_t i = 0; i < sizeof(parameters) / sizeof(*parameters); i++)
		if (!strcmp(parameters[i].name, word))
			return parameters[i].set(p, word);
	return set_address(p, word);
}

int wgx_ifconfig_parse(int argc, char **argv, struct wgx_ifconfig *ret, char *error, size_t size)
{
	struct parser p = {.argv = argv, .ret = ret, .error = error, .size = size};
	int err = 0;

	ret->n = 0;
	while (!err && *p.argv) {
		const char *word = *p.argv++;

		err = set_parameter(&p, word);
	}
	return err ? err : end_address(&p);
}

/* ---- doing it ---- */

struct first {
	uint8_t family;
	bool found;
	struct wgx_prefix addr;
};

static int find_first(void *arg, const struct wgx_prefix *addr)
{
	struct first *f = arg;

	if (!f->found && addr->family == f->family) {
		f->found = true;
		f->addr = *addr;
	}
	return 0;
}

static bool same(const struct wgx_prefix *a, const struct wgx_prefix *b)
{
	return a->family == b->family && !memcmp(a->addr, b->addr, sizeof(a->addr));
}

/* What is there already may be set again. */
static int add(int ifindex, const struct wgx_prefix *addr)
{
	int err = wgx_addr_add(ifindex, addr);

	return err == -EEXIST ? 0 : err;
}

/* NetBSD's ifconfig replaces the first IPv4 address. */
static int replace(int ifindex, const struct wgx_prefix *addr)
{
	struct first f = {.family = addr->family};
	int err = addr->family == AF_INET ? wgx_addr_each(ifindex, find_first, &f) : 0;

	if (err)
		return err;
	if (f.found && same(&f.addr, addr) && f.addr.cidr == addr->cidr)
		return 0;
	if (f.found)
		err = wgx_addr_delete(ifindex, &f.addr);
	return err ? err : add(ifindex, addr);
}

static int find_same(void *arg, const struct wgx_prefix *addr)
{
	struct first *f = arg;

	if (same(&f->addr, addr)) {
		f->found = true;
		f->addr.cidr = addr->cidr;
	}
	return 0;
}

static int remove_address(int ifindex, const struct wgx_prefix *addr)
{
	struct first f = {.addr = *addr};
	int err = wgx_addr_each(ifindex, find_same, &f);

	if (err)
		return err;
	return f.found ? wgx_addr_delete(ifindex, &f.addr) : -EADDRNOTAVAIL;
}

static int apply(int ifindex, const struct wgx_ifconfig_op *op)
{
	switch (op->kind) {
	case WGX_IFCONFIG_UP:
		return wgx_link_set_up(ifindex, true);
	case WGX_IFCONFIG_DOWN:
		return wgx_link_set_up(ifindex, false);
	case WGX_IFCONFIG_MTU:
		return wgx_link_set_mtu(ifindex, op->mtu);
	case WGX_IFCONFIG_DESCRIPTION:
		return wgx_link_set_alias(ifindex, op->text);
	case WGX_IFCONFIG_ADDRESS:
		return replace(ifindex, &op->addr);
	case WGX_IFCONFIG_ALIAS:
		return add(ifindex, &op->addr);
	case WGX_IFCONFIG_REMOVE:
		return remove_address(ifindex, &op->addr);
	case WGX_IFCONFIG_CREATE:
	case WGX_IFCONFIG_DESTROY:
		break;
	}
	return 0;
}

static void describe(const char *interface, const struct wgx_ifconfig_op *op, int err, char *error,
		     size_t size)
{
	static const char *const names[] = {
		[WGX_IFCONFIG_UP] = "up",
		[WGX_IFCONFIG_DOWN] = "down",
		[WGX_IFCONFIG_MTU] = "mtu",
		[WGX_IFCONFIG_DESCRIPTION] = "description",
	};
	char text[WGX_PREFIX_TEXT];
	const char *what = op->kind >= WGX_IFCONFIG_ADDRESS ? wgx_prefix_format(&op->addr, text)
							    : names[op->kind];

	snprintf(error, size, "%s: %s: %s", interface, what, strerror(-err));
}

int wgx_ifconfig_apply(const char *interface, const struct wgx_ifconfig *c, char *error,
		       size_t size)
{
	struct wgx_link_info info;
	int err = wgx_link_query(interface, &info);

	if (err)
		snprintf(error, size, "%s: %s", interface, strerror(-err));
	for (size_t i = 0; !err && i < c->n; i++) {
		err = apply(info.ifindex, &c->ops[i]);
		if (err)
			describe(interface, &c->ops[i], err, error, size);
	}
	return err;
}

/* ---- showing ---- */

static int print_address(void *arg, const struct wgx_prefix *addr)
{
	const struct wgx_link_info *info = arg;
	const struct in6_addr *a6 = (const struct in6_addr *)addr->addr;
	bool v6 = addr->family == AF_INET6, local = v6 && IN6_IS_ADDR_LINKLOCAL(a6);
	char text[INET6_ADDRSTRLEN];

	inet_ntop(addr->family, addr->addr, text, sizeof(text));
	printf("\t%s %s%s%s/%u flags 0", v6 ? "inet6" : "inet", text, local ? "%" : "",
	       local ? info->name : "", addr->cidr);
	if (local)
		printf(" scopeid 0x%x", (unsigned int)info->ifindex);
	putchar('\n');
	return 0;
}

static int print_v4(void *arg, const struct wgx_prefix *addr)
{
	return addr->family == AF_INET ? print_address(arg, addr) : 0;
}

static int print_v6(void *arg, const struct wgx_prefix *addr)
{
	return addr->family == AF_INET6 ? print_address(arg, addr) : 0;
}

/* NetBSD's numbers: net/if.h there */
static void print_flags(uint32_t flags)
{
	static const struct {
		uint32_t here, there;
		const char *name;
	} names[] = {
		{IFF_UP, 0x1, "UP"},
		{IFF_BROADCAST, 0x2, "BROADCAST"},
		{IFF_POINTOPOINT, 0x10, "POINTOPOINT"},
		{IFF_RUNNING, 0x40, "RUNNING"},
		{IFF_NOARP, 0x80, "NOARP"},
		{IFF_PROMISC, 0x100, "PROMISC"},
		{IFF_ALLMULTI, 0x200, "ALLMULTI"},
		{IFF_MULTICAST, 0x8000, "MULTICAST"},
	};
	uint32_t there = 0;
	const char *gap = "";

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		there |= flags & names[i].here ? names[i].there : 0;
	printf("flags=0x%x<", there);
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		if (!(flags & names[i].here))
			continue;
		printf("%s%s", gap, names[i].name);
		gap = ",";
	}
	putchar('>');
}

int wgx_ifconfig_print(const char *interface)
{
	struct wgx_link_info info;
	int err = wgx_link_query(interface, &info);

	if (err)
		return err;
	printf("%s: ", info.name);
	print_flags(info.flags);
	printf(" mtu %u\n", info.mtu);
	printf("\tstatus: %s\n", info.flags & IFF_RUNNING ? "active" : "no carrier");
	err = wgx_addr_each(info.ifindex, print_v6, &info);
	return err ? err : wgx_addr_each(info.ifindex, print_v4, &info);
}
