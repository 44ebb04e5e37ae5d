/* SPDX-License-Identifier: MIT */
/* wgx: the table of subcommands. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/complete.h"

static int cmd_help(int argc, char **argv);

static const struct wgx_command commands[] = {
	{"up", wgx_cmd_up, "[--wait] NAME | PATH/NAME.conf",
	 "Make an interface as /etc/wireguard/NAME.conf says: peers, addresses, routes, DNS, hooks",
	 "The file has wg-quick's format, and keys of its own: see wgx.conf(5). Where a step "
	 "fails,\n"
	 "all before it are undone. One whose daemon has died is configured again.\n"
	 "--wait stays until the interface is deleted, and fails where its daemon dies.\n"},
	{"down", wgx_cmd_down, "NAME | PATH/NAME.conf",
	 "Undo what wgx up did, and delete the interface", NULL},
	{"attach", wgx_cmd_attach,
	 "DEV [--mode auto|tcx|native|none] [--lan[=tcx|native]] [--transmit] [--copy] "
	 "[--strict [--exempt NET,...] [--protect NET,...] [--report]]",
	 "Accelerate the WireGuard traffic of an underlay device, or a LAN's with --lan",
	 "Modes:\n"
	 "  auto     the best that the device can do (the default)\n"
	 "  tcx      tcx ingress, superframes to AF_XDP\n"
	 "  native   XDP in the driver, one packet a frame; zero-copy where the driver has it\n"
	 "  none     no acceleration: with --strict, --lan or --transmit only\n\n"
	 "Router path:\n"
	 "  --lan    packets that this host forwards between DEV and the tunnels go past the\n"
	 "           stack, and past its firewall, NAT and connection tracking as well; mode none\n"
	 "           where --mode does not say otherwise. =tcx: superframes whole (the default);\n"
	 "           =native: XDP in the driver, for many small packets\n\n"
	 "Transmission:\n"
	 "  --transmit  sealed packets leave by AF_XDP, past the stack, and past its firewall and\n"
	 "              traffic control as well; slower on a veth: measure it\n\n"
	 "Zero-copy:\n"
	 "  --copy   none, in mode native and with --lan=native: for drivers in which it is "
	 "broken\n\n"
	 "Strict mode:\n"
	 "  --strict            drop plaintext on DEV that belongs into a tunnel, also when\n"
	 "                      the daemon has died; wgx detach ends it\n"
	 "  --exempt NET,...    networks and addresses that may stay plaintext, or none\n"
	 "  --protect NET,...   networks that may not, also while no peer has them; it stays so\n"
	 "                      when the interfaces are gone\n"
	 "  --report            log what is dropped, ten lines a second at most\n"},
	{"detach", wgx_cmd_detach, "DEV", "Take an attached device back to the plain UDP socket",
	 NULL},
	{"show", wgx_cmd_show, "[IFACE [peer PEER]] [--drops | --json]",
	 "Show interfaces, peers, the data path's modes and counters, and attached devices",
	 "  PEER     one peer, by its name or public key\n"
	 "  --drops  how many packets were lost, where and why, by interface and peer\n"
	 "  --json   all of it, for programs\n"},
	{"top", wgx_cmd_top, "[IFACE] [--once] [--interval SECONDS] [--sort KEY]",
	 "Watch peers by traffic, and the daemon's threads, on a terminal",
	 "  --once               print one picture, without a terminal, and end\n"
	 "  --interval SECONDS   between two pictures, 1 to 3600 (1)\n"
	 "  --sort KEY           traffic (the default), handshake, drops or name\n\n"
	 "Keys: q quit, s sort, p pause, h help; arrows, PgUp, PgDn, Home and End.\n"},
	{"metrics", wgx_cmd_metrics, "[--listen ADDRESS:PORT | --listen PATH | --once]",
	 "Serve the numbers of wgx show --json to Prometheus, over HTTP",
	 "  --listen ADDRESS:PORT  where; 127.0.0.1:9586 unless given\n"
	 "  --listen PATH          at a UNIX socket\n"
	 "  --once                 print them and end\n\n"
	 "/metrics has them, and /healthz tells whether the daemon answers.\n"},
	{"monitor", wgx_cmd_monitor, "[IFACE] [--json]",
	 "Print what happens, as it happens: handshakes, peers, links, lost packets",
	 "  --json  one JSON object a line, for programs\n\n"
	 "It goes on when the daemon ends, and waits for the next. ^C ends it.\n"},
	{"doctor", wgx_cmd_doctor, "[--json]",
	 "Look for what keeps wgx from working, or from being fast, and say what to do about it",
	 "  --json  the findings, for programs\n\n"
	 "The exit status is 1 where there is a problem; warnings and notes are none.\n"},
	{"name", wgx_cmd_name, "IFACE PEER NAME | IFACE PEER --none",
	 "Give a peer, known by its public key or its name, a name, or take it away",
	 "A name has 1 to 63 bytes, printable ASCII characters without spaces, and is no key.\n"
	 "No other peer of the interface may have it. It goes when the peer goes.\n"},
	{"boot", wgx_cmd_boot, "IFACE [FILE]",
	 "Create an interface and configure it as /etc/ifconfig.IFACE says, or another file",
	 "Lines of the file:\n"
	 "  inet ADDRESS/LENGTH, inet6 ADDRESS/LENGTH, mtu N, description TEXT, up, down\n"
	 "  !COMMAND  run by sh; $int is the interface's name\n"
	 "  # comment\n"
	 "Where a line fails, the interface is deleted again.\n"},
	{"agent", wgx_cmd_agent, "OPTION ... | status | peers | plan [--accept] | rotate",
	 "Keep an interface equal to the nodes of a cluster, as a registry tells of them",
	 "Options:\n"
	 "  --registry=file --registry-dir=DIR  a file for each node, in a directory\n"
	 "  --registry=kubernetes [--kubeconfig=FILE]  the Nodes of a cluster\n"
	 "  --node=NAME             this node (the host's name)\n"
	 "  --interface=IFACE       (wg0)\n"
	 "  --cluster-cidr=NET,...  networks of all pods\n"
	 "  --pod-cidr=NET,...      networks of this node's pods, for the file registry\n"
	 "  --endpoint=auto|InternalIP|ExternalIP|NET|HOST:PORT  where others find this node\n"
	 "  --listen-port=PORT      (51820)\n"
	 "  --keepalive=SECONDS     (0: none)\n"
	 "  --mtu=auto|N\n"
	 "  --underlay=auto|none|DEV,...  devices to attach\n"
	 "  --strict                drop plaintext between pods of different nodes\n"
	 "  --exempt=NET,...        but not of these\n"
	 "  --grace=SECONDS         for a node whose record is gone (300)\n"
	 "  --state-dir=DIR         keys and nodes (/var/lib/wgx/agent-IFACE)\n"
	 "  --table=N --rule-priority=N  of its routes (51880, 1500)\n"
	 "  --daemon=start|await    whether to start a daemon where none runs (start)\n"
	 "  --http=ADDRESS:PORT|PATH  serve /livez, /healthz, /readyz and /metrics there\n\n"
	 "status, peers, plan and rotate ask the agent that runs; [--interface=IFACE] [--json].\n"
	 "plan --accept lets nodes go that are held. With options before it, plan tells what an\n"
	 "agent would change. See wgx-agent(8).\n"},
	{"restart", wgx_cmd_restart, "",
	 "Put this program in the place of the daemon that runs, without a packet lost",
	 "After an upgrade, say: keys, sessions, sockets and rings go on in the new process.\n"
	 "Should it fail, the daemon goes on as it was.\n"},
	{"genkey", wgx_cmd_genkey, "", "Write a new private key to stdout", NULL},
	{"pubkey", wgx_cmd_pubkey, "",
	 "Read a private key from stdin, write its public key to stdout", NULL},
	{"genpsk", wgx_cmd_genpsk, "", "Write a new preshared key to stdout", NULL},
	{"help", cmd_help, "[COMMAND]", "Show this text, or a command's", NULL},
};

/* Other names of this binary, each a program of NetBSD. */
static const struct wgx_command programs[] = {
	{"wg-keygen", wgx_wg_keygen, "[--pub | --psk]", "Write a new private key to stdout",
	 "  --pub  read a private key from stdin, write its public key to stdout\n"
	 "  --psk  write a new preshared key to stdout\n"},
	{"wgconfig", wgx_wgconfig, "IFACE [COMMAND]",
	 "Configure an interface and its peers, or show them",
	 "Commands:\n"
	 "  show all                               the interface and its peers (the default)\n"
	 "  show peer NAME [--show-preshared-key]  one peer\n"
	 "  show private-key\n"
	 "  set private-key FILE\n"
	 "  set listen-port PORT\n"
	 "  add peer NAME KEY [--preshared-key=FILE | --preshared-key-file=FILE]\n"
	 "           [--endpoint=ADDRESS:PORT] [--allowed-ips=NET,...]\n"
	 "  delete peer NAME\n"},
	{"wg-userspace", wgx_wg_userspace, "ID COMMAND [ARGUMENT ...]",
	 "Create, configure or delete the interface wgID",
	 "Commands:\n"
	 "  create\n"
	 "  destroy\n"
	 "  ifconfig [wgID [PARAMETER ...]]  show or set addresses, mtu, up, down\n"
	 "  wgconfig wgID [ARGUMENT ...]     as wgconfig(8)\n"
	 "  debug COMMAND [ARGUMENT ...]     run a command where the interface is\n"},
};

#define COMMANDS (sizeof(commands) / sizeof(*commands))
#define PROGRAMS (sizeof(programs) / sizeof(*programs))

static const struct wgx_vocabulary vocabulary = {commands, programs, COMMANDS, PROGRAMS};

static const struct wgx_command *find_command(const char *name)
{
	for (size_t i = 0; i < COMMANDS; i++)
		if (!strcmp(commands[i].name, name))
			return &commands[i];
	return NULL;
}

/* By the last part of argv[0]; NULL: this is wgx. */
static const struct wgx_command *find_program(const char *path)
{
	const char *slash = path ? strrchr(path, '/') : NULL, *name = slash ? slash + 1 : path;

	for (size_t i = 0; name && i < PROGRAMS; i++)
		if (!strcmp(programs[i].name, name))
			return &programs[i];
	return NULL;
}

static int print_help(void)
{
	puts("Usage: wgx [-f] [--workers N] IFACE\n"
	     "       wgx COMMAND [ARGUMENT ...]\n\n"
	     "wgx IFACE creates a WireGuard interface and starts the daemon if none runs; "
	     "configure it\n"
	     "with wg(8) and ip(8). -f, --foreground stays until the interface is gone; --workers "
	     "N, 1 to\n"
	     "16, has so many threads encrypt for it.\n\n"
	     "Commands:");
	for (size_t i = 0; i < COMMANDS; i++)
		printf("  %-8s%s\n", commands[i].name, commands[i].summary);
	puts("\nwgx help COMMAND tells more; so does wgx(8). wgx --version prints the version.");
	return WGX_EXIT_OK;
}

/* @program: "wgx ", or nothing where the command is a program */
static int print_command_help(const char *program, const struct wgx_command *c)
{
	printf("Usage: %s%s%s%s\n\n%s.\n", program, c->name, *c->args ? " " : "", c->args,
	       c->summary);
	if (c->details)
		printf("\n%s", c->details);
	return WGX_EXIT_OK;
}

static int cmd_help(int argc, char **argv)
{
	const struct wgx_command *c;

	if (argc < 2)
		return print_help();
	if (argc > 2)
		return wgx_usage_error("help", "one command at a time: unexpected '%s'", argv[2]);
	c = find_program(argv[1]);
	if (c)
		return print_command_help("", c);
	c = find_command(argv[1]);
	if (!c)
		return wgx_usage_error(NULL, "no command is called '%s'", argv[1]);
	return print_command_help("wgx ", c);
}

static bool is_help(const char *arg)
{
	return !strcmp(arg, "--help") || !strcmp(arg, "-h");
}

/* Is --help among the arguments, before a "--"? */
static bool wants_help(int argc, char **argv)
{
	for (int i = 1; i < argc && strcmp(argv[i], "--"); i++)
		if (is_help(argv[i]))
			return true;
	return false;
}

static int run_command(const struct wgx_command *c, int argc, char **argv)
{
	return wants_help(argc, argv) ? print_command_help("wgx ", c) : c->run(argc, argv);
}

/* wgx [-f] [--workers N] IFACE. A name that equals a command is the command, so it cannot be an interface's. */
static int run_interface(int argc, char **argv)
{
	if (wants_help(argc, argv))
		return print_help();
	for (int i = 1; i < argc; i++)
		if (find_command(argv[i]))
			return wgx_usage_error(NULL, "'%s' is a command, not an interface's name",
					       argv[i]);
	return wgx_cmd_interface(argc, argv);
}

static int print_version(void)
{
	puts("wgx " WGX_VERSION);
	return WGX_EXIT_OK;
}

static int run_program(const struct wgx_command *c, int argc, char **argv)
{
	/* what `wg-userspace ID debug` runs has a --help of its own */
	int own = argc > 2 && !strcmp(argv[2], "debug") ? 3 : argc;

	wgx_set_program(c->name);
	if (wants_help(own, argv))
		return print_command_help("", c);
	if (argc > 1 && !strcmp(argv[1], "--version"))
		return print_version();
	return c->run(argc, argv);
}

static int dispatch(int argc, char **argv)
{
	const struct wgx_command *c = find_program(argv[0]);

	if (c)
		return run_program(c, argc, argv);
	if (argc < 2)
		return wgx_usage_error(NULL, "no interface or command given");
	if (!strcmp(argv[1], "--version") || !strcmp(argv[1], "-v"))
		return print_version();
	if (argc > 3 && !strcmp(argv[1], "__complete")) /* for deploy/completions, not for people */
		return wgx_complete(&vocabulary, argc - 2, argv + 2);
	c = find_command(argv[1]);
	return c ? run_command(c, argc - 1, argv + 1) : run_interface(argc, argv);
}

/* A file or socket of ours must not get the number of a standard stream that the caller has closed. */
static int fill_standard_streams(void)
{
	int fd;

	do
		fd = open("/dev/null", O_RDWR);
	while (fd >= 0 && fd <= STDERR_FILENO);
	if (fd < 0)
		return -errno;
	close(fd);
	return 0;
}

int main(int argc, char **argv)
{
	int status, err;

	err = fill_standard_streams();
	if (err)
		return wgx_fail("cannot open /dev/null: %s", strerror(-err));
	status = dispatch(argc, argv);
	if ((fflush(stdout) || ferror(stdout)) && !wgx_has_failed())
		status = wgx_fail("cannot write to standard output: %s", strerror(errno));
	return status;
}
