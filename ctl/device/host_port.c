/* SPDX-License-Identifier: MIT */
#include "device/host_port.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "device/endpoint.h"

#define NAME_CHARACTERS "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ._-"

__attribute__((format(printf, 3, 4))) static int wrong(char *error, size_t size, const char *format,
						       ...)
{
	va_list ap;

	va_start(ap, format);
	vsnprintf(error, size, format, ap);
	va_end(ap);
	return -EINVAL;
}

static bool is_address(const char *host, const char *format)
{
	char text[WGX_HOST_MAX + 8];
	struct wgx_endpoint e;

	snprintf(text, sizeof(text), format, host);
	return !wgx_endpoint_parse(text, &e);
}

/* Digits and dots alone would be an address. */
static bool is_name(const char *host)
{
	return *host && !host[strspn(host, NAME_CHARACTERS)] && host[strspn(host, "0123456789.")];
}

static int check_host(struct wgx_host_port *h, const char *text, char *error, size_t size)
{
	struct in6_addr whole;

	if (text[0] == '[' || strchr(h->host, ':')) {
		if (is_address(h->host, "[%s]:1"))
			return 0;
		if (inet_pton(AF_INET6, text, &whole) == 1)
			return wrong(error, size, "'%s' has no port", text);
		return wrong(error, size, "'%s' is no IPv6 address", h->host);
	}
	h->is_name = !is_address(h->host, "%s:1");
	if (h->is_name && !is_name(h->host))
		return wrong(error, size, "'%s' is neither an address nor a host name", h->host);
	return 0;
}

int wgx_host_port_parse(const char *text, struct wgx_host_port *ret, char *error, size_t size)
{
	const char *colon = strrchr(text, ':'), *host = text;
	bool brackets = text[0] == '[';
	struct wgx_host_port h = {.is_name = false};
	uint64_t port = 0;
	size_t len;

	if (!colon || (brackets && colon[-1] != ']'))
		return wrong(error, size, "'%s' has no port", text);
	len = (size_t)(colon - text);
	if (brackets) {
		host++;
		len -= len > 1 ? 2 : 1;
	}
	if (len > WGX_HOST_MAX)
		return wrong(error, size, "'%.*s' is too long for a host name", (int)len, host);
	memcpy(h.host, host, len);
	if (check_host(&h, text, error, size))
		return -EINVAL;
	if (wgx_parse_number(colon + 1, strlen(colon + 1), UINT16_MAX, &port) || !port)
		return wrong(error, size, "'%s' is no port", colon + 1);
	h.port = (uint16_t)port;
	*ret = h;
	return 0;
}
