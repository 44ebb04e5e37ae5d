/* SPDX-License-Identifier: MIT */
/* What the subcommands share: their entry points, messages to the user, argument checks. */
#ifndef WGX_CLI_CLI_H
#define WGX_CLI_CLI_H

#include <stdbool.h>

/* Exit statuses of every subcommand. */
enum wgx_exit {
	WGX_EXIT_OK,
	WGX_EXIT_FAILURE,
	WGX_EXIT_USAGE,
};

/* One line of the table in main.c. @run gets argv with the command's own name first. */
struct wgx_command {
	const char *name;
	int (*run)(int argc, char **argv);
	const char *args;
	const char *summary;
	const char *details; /* more lines for `wgx help NAME`, or NULL */
};

/* Entry points; each returns an exit status. */
int wgx_cmd_interface(int argc, char **argv);
int wgx_cmd_restart(int argc, char **argv);
int wgx_cmd_attach(int argc, char **argv);
int wgx_cmd_detach(int argc, char **argv);
int wgx_cmd_show(int argc, char **argv);
int wgx_cmd_top(int argc, char **argv);
int wgx_cmd_up(int argc, char **argv);
int wgx_cmd_down(int argc, char **argv);
int wgx_cmd_metrics(int argc, char **argv);
int wgx_cmd_doctor(int argc, char **argv);
int wgx_cmd_monitor(int argc, char **argv);
int wgx_cmd_name(int argc, char **argv);
int wgx_cmd_boot(int argc, char **argv);
int wgx_cmd_agent(int argc, char **argv);
int wgx_cmd_genkey(int argc, char **argv);
int wgx_cmd_genpsk(int argc, char **argv);
int wgx_cmd_pubkey(int argc, char **argv);

/* The programs of NetBSD that wgx is under other names; as above, with the program's name first. */
int wgx_wg_keygen(int argc, char **argv);
int wgx_wgconfig(int argc, char **argv);
int wgx_wg_userspace(int argc, char **argv);

/** wgx_set_program() - what messages call this program; @name stays the caller's. Before that: wgx */
void wgx_set_program(const char *name);

/**
 * wgx_delete_interface() - have the daemon delete @name, and wait until it is gone
 * Return: an exit status; the user has been told of a failure.
 */
int wgx_delete_interface(const char *name);

/**
 * wgx_usage_error() - "wgx COMMAND: text (see 'wgx help COMMAND')" on stderr
 * @command: NULL for the program itself. Return: WGX_EXIT_USAGE.
 */
int wgx_usage_error(const char *command, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/** wgx_fail() - "PROGRAM: text" on stderr. Return: WGX_EXIT_FAILURE. */
int wgx_fail(const char *format, ...) __attribute__((format(printf, 1, 2)));
/** wgx_has_failed() - wgx_fail() has said something */
bool wgx_has_failed(void);

/**
 * wgx_create_interface() - what `wgx NAME` does: with the daemon of this network namespace, or a new one
 * @workers: that seal for it; 0: one
 * Return: an exit status, once the interface can be configured; the user has been told of a failure.
 */
int wgx_create_interface(const char *name, unsigned int workers);

/* Long options have values from here on, so that optopt tells them from short ones. */
#define WGX_OPTION_LONG 256

/**
 * wgx_option_error() - the usage error for what getopt_long() has just refused
 * Expects a leading ':' in the option string and opterr = 0. @c: '?' or ':'.
 */
int wgx_option_error(const char *command, int c, char **argv);
/** wgx_json_option() - of a command whose only option is --json; optind is at the operands then. An exit status. */
int wgx_json_option(const char *command, int argc, char **argv, bool *json);

/**
 * wgx_name_problem() - what keeps @name from naming a network device
 * The kernel's rules (net/core/dev.c dev_valid_name(), devinet.c sysctl_dev_name_is_allowed()), with a
 * ban on what it would take as a pattern. Return: end of a sentence, or NULL if the name is fine.
 */
const char *wgx_name_problem(const char *name);

/**
 * wgx_name_check() - wgx_name_problem() as a usage error of @command
 * @what: "interface" or "device". Return: WGX_EXIT_OK or WGX_EXIT_USAGE.
 */
int wgx_name_check(const char *command, const char *what, const char *name);

/** wgx_peer_check() - is @peer a name or a public key in base64? If not, a usage error of @command. */
int wgx_peer_check(const char *command, const char *peer);

/**
 * wgx_need_net_admin() - fails, with a message, for a caller without CAP_NET_ADMIN
 * @to_do: "create", @object: "wg0", for the message. Return: WGX_EXIT_OK or WGX_EXIT_FAILURE.
 */
int wgx_need_net_admin(const char *to_do, const char *object);

#endif
