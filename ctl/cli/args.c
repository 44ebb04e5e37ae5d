/* SPDX-License-Identifier: MIT */
/* Argument checks and messages, the same for all subcommands. */
#include <getopt.h>
#include <net/if.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cap-ng.h>
#include <jansson.h>

#include "cli/cli.h"
#include "daemon/log.h"
#include "device/name.h"
#include "proto/key_text.h"

#define TEXT_SIZE 2048

static const char *program = "wgx";
static bool failed;

void wgx_set_program(const char *name)
{
	program = name;
}

/*
 * One line, whatever bytes an argument has: no newline, nothing that a terminal obeys. Not ASCII passes: it may be
 * UTF-8.
 */
__attribute__((format(printf, 3, 0))) static void one_line(char *text, size_t size,
							   const char *format, va_list ap)
{
	vsnprintf(text, size, format, ap);
	for (char *p = text; *p; p++)
		if ((unsigned char)*p < ' ' || *p == 0x7f)
			*p = '?';
}

int wgx_usage_error(const char *command, const char *format, ...)
{
	char text[TEXT_SIZE];
	va_list ap;

	va_start(ap, format);
	one_line(text, sizeof(text), format, ap);
	va_end(ap);
	fprintf(stderr, "%s%s%s: %s", program, command ? " " : "", command ? command : "", text);
	if (command)
		fprintf(stderr, " (see '%s help %s')\n", program, command);
	else
		fprintf(stderr, " (see '%s --help')\n", program);
	return WGX_EXIT_USAGE;
}

bool wgx_has_failed(void)
{
	return failed;
}

int wgx_fail(const char *format, ...)
{
	char text[TEXT_SIZE];
	va_list ap;

	failed = true;
	va_start(ap, format);
	one_line(text, sizeof(text), format, ap);
	va_end(ap);
	if (wgx_log_is_json())
		wgx_log(WGX_LOG_ERR, "%s", text);
	else
		fprintf(stderr, "%s: %s\n", program, text);
	return WGX_EXIT_FAILURE;
}

int wgx_option_error(const char *command, int c, char **argv)
{
	if (c == ':')
		return wgx_usage_error(command, "option '%s' needs a value", argv[optind - 1]);
	if (optopt >= WGX_OPTION_LONG)
		return wgx_usage_error(command, "option '%s' takes no value", argv[optind - 1]);
	if (optopt)
		return wgx_usage_error(command, "unknown option '-%c'", optopt);
	return wgx_usage_error(command, "unknown option '%s'", argv[optind - 1]);
}

int wgx_json_option(const char *command, int argc, char **argv, bool *json)
{
	static const struct option options[] = {
		{"json", no_argument, NULL, WGX_OPTION_LONG},
		{0},
	};
	int c;

	opterr = 0;
	while ((c = getopt_long(argc, argv, ":", options, NULL)) != -1) {
		if (c != WGX_OPTION_LONG)
			return wgx_option_error(command, c, argv);
		*json = true;
	}
	return WGX_EXIT_OK;
}

/* The kernel's isspace() is Latin-1's: 0xa0 counts. */
static bool kernel_space(unsigned char c)
{
	return c == ' ' || (c >= '\t' && c <= '\r') || c == 0xa0;
}

static const char *byte_problem(unsigned char c)
{
	if (c == '/')
		return "contains '/'";
	if (c == ':')
		return "contains ':'";
	if (c == '%')
		return "contains '%', which the kernel takes as a pattern";
	return kernel_space(c) ? "contains white space" : NULL;
}

static bool is_utf8(const char *s)
{
	json_t *text = json_string(s);

	json_decref(text);
	return text;
}

const char *wgx_name_problem(const char *name)
{
	if (!*name)
		return "is empty";
	if (strlen(name) >= IFNAMSIZ)
		return "is too long: the kernel takes 15 bytes";
	if (!strcmp(name, ".") || !strcmp(name, ".."))
		return "is a directory's name";
	if (!strcmp(name, "all") || !strcmp(name, "default"))
		return "is reserved by the kernel";
	for (const char *p = name; *p; p++) {
		const char *problem = byte_problem((unsigned char)*p);

		if (problem)
			return problem;
	}
	/* the control protocol is JSON */
	return is_utf8(name) ? NULL : "is not valid UTF-8";
}

int wgx_name_check(const char *command, const char *what, const char *name)
{
	const char *problem = wgx_name_problem(name);

	if (problem)
		return wgx_usage_error(command, "%s name '%s' %s", what, name, problem);
	return WGX_EXIT_OK;
}

int wgx_peer_check(const char *command, const char *peer)
{
	const char *problem = wgx_peer_name_problem(peer);
	unsigned char key[WGX_KEY_LEN];

	if (!problem || !wgx_key_parse(peer, key))
		return WGX_EXIT_OK;
	return wgx_usage_error(command, "peer '%s' is no public key, and as a name it %s", peer,
			       problem);
}

int wgx_need_net_admin(const char *to_do, const char *object)
{
	capng_get_caps_process();
	if (capng_have_capability(CAPNG_EFFECTIVE, CAP_NET_ADMIN))
		return WGX_EXIT_OK;
	return wgx_fail("cannot %s %s without CAP_NET_ADMIN; run %s as root", to_do, object,
			program);
}
