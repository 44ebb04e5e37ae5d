/* SPDX-License-Identifier: MIT */
/* The command line: arguments, keys, the control protocol, starting the daemon. */
#include "unit/cli_harness.h"

#include <sys/prctl.h>

#include <sodium.h>

#include "daemon/log.h"

#define main wgx_main
#include "main.c"
#undef main

/* ---- arguments ---- */

static void test_usage(void **state)
{
	static const struct {
		const char *line, *err;
	} cases[] = {
		{"wgx", "wgx: no interface or command given (see 'wgx --help')\n"},
		{"wgx -f", "wgx: no interface name given (see 'wgx --help')\n"},
		{"wgx -x wg0", "wgx: unknown option '-x' (see 'wgx --help')\n"},
		{"wgx --foreground=1 wg0",
		 "wgx: option '--foreground=1' takes no value (see 'wgx --help')\n"},
		{"wgx --workers", "wgx: option '--workers' needs a value (see 'wgx --help')\n"},
		{"wgx --workers 0 wg0",
		 "wgx: --workers: '0' is no number from 1 to 16 (see 'wgx --help')\n"},
		{"wgx --workers 17 wg0",
		 "wgx: --workers: '17' is no number from 1 to 16 (see 'wgx --help')\n"},
		{"wgx --workers=-1 wg0",
		 "wgx: --workers: '-1' is no number from 1 to 16 (see 'wgx --help')\n"},
		{"wgx --workers 2x wg0",
		 "wgx: --workers: '2x' is no number from 1 to 16 (see 'wgx --help')\n"},
		{"wgx -f show",
		 "wgx: 'show' is a command, not an interface's name (see 'wgx --help')\n"},
		{"wgx atach eth0",
		 "wgx: 'atach' is no command, and an interface name stands alone: "
		 "unexpected 'eth0' (see 'wgx --help')\n"},
		{"wgx a/b", "wgx: interface name 'a/b' contains '/' (see 'wgx --help')\n"},
		{"wgx abcdefghijklmnop", "wgx: interface name 'abcdefghijklmnop' is too long: the "
					 "kernel takes 15 bytes (see 'wgx --help')\n"},
		{"wgx up", "wgx up: no interface or file given (see 'wgx help up')\n"},
		{"wgx up a b",
		 "wgx up: one interface at a time: unexpected 'b' (see 'wgx help up')\n"},
		{"wgx up a/", "wgx up: file 'a/' is not called as an interface, followed by .conf "
			      "(see 'wgx help up')\n"},
		{"wgx up -q a", "wgx up: unknown option '-q' (see 'wgx help up')\n"},
		{"wgx down a+b/c", "wgx down: file 'a+b/c' is not called as an interface, followed "
				   "by .conf (see 'wgx help down')\n"},
		{"wgx down a:b",
		 "wgx down: interface name 'a:b' contains ':' (see 'wgx help down')\n"},
		{"wgx attach", "wgx attach: no device given (see 'wgx help attach')\n"},
		{"wgx attach eth0 --mode",
		 "wgx attach: option '--mode' needs a value (see 'wgx help attach')\n"},
		{"wgx attach eth0 --mode fast", "wgx attach: mode 'fast' is none of auto, tcx, "
						"native, none (see 'wgx help attach')\n"},
		{"wgx attach eth0 --mode none", "wgx attach: --mode none means nothing without "
						"--strict, --lan or --transmit (see 'wgx "
						"help attach')\n"},
		{"wgx attach eth0 --lan=generic", "wgx attach: router path 'generic' is none of "
						  "tcx, native (see 'wgx help attach')\n"},
		{"wgx attach eth0 --copy", "wgx attach: --copy means nothing without --mode native "
					   "or --lan=native (see 'wgx help attach')\n"},
		{"wgx attach eth0 --lan --report",
		 "wgx attach: --report means nothing without --strict (see 'wgx help attach')\n"},
		{"wgx attach eth0 --report",
		 "wgx attach: --report means nothing without --strict (see 'wgx help attach')\n"},
		{"wgx attach eth0 --exempt 10.0.0.0/8",
		 "wgx attach: --exempt means nothing without --strict (see 'wgx help attach')\n"},
		{"wgx attach eth0 --strict --exempt",
		 "wgx attach: option '--exempt' needs a value (see 'wgx help attach')\n"},
		{"wgx attach eth0 --strict --exempt ,",
		 "wgx attach: option '--exempt' needs a network, or none (see 'wgx help "
		 "attach')\n"},
		{"wgx attach eth0 --strict --exempt 10.0.0.0/8,10.0.0.0/33",
		 "wgx attach: exemption '10.0.0.0/33' is no address or network (see 'wgx help "
		 "attach')\n"},
		{"wgx attach eth0 --strict --exempt ::/0",
		 "wgx attach: exemption '::/0' would exempt everything (see 'wgx help attach')\n"},
		{"wgx attach eth0 --protect 10.0.0.0/8",
		 "wgx attach: --protect means nothing without --strict (see 'wgx help attach')\n"},
		{"wgx attach eth0 --strict --protect ,",
		 "wgx attach: option '--protect' needs a network (see 'wgx help attach')\n"},
		{"wgx attach eth0 --strict --protect 0.0.0.0/0",
		 "wgx attach: protected network '0.0.0.0/0' would protect everything (see 'wgx "
		 "help "
		 "attach')\n"},
		{"wgx attach eth0 eth1", "wgx attach: one device at a time: unexpected 'eth1' (see "
					 "'wgx help attach')\n"},
		{"wgx attach eth%d",
		 "wgx attach: device name 'eth%d' contains '%', which the kernel "
		 "takes as a pattern (see 'wgx help attach')\n"},
		{"wgx attach --xyz eth0",
		 "wgx attach: unknown option '--xyz' (see 'wgx help attach')\n"},
		{"wgx detach", "wgx detach: no device given (see 'wgx help detach')\n"},
		{"wgx detach -q eth0", "wgx detach: unknown option '-q' (see 'wgx help detach')\n"},
		{"wgx show --yaml", "wgx show: unknown option '--yaml' (see 'wgx help show')\n"},
		{"wgx show --drops --json",
		 "wgx show: --drops or --json: not both (see 'wgx help show')\n"},
		{"wgx show wg0 wg1",
		 "wgx show: one interface at a time: unexpected 'wg1' (see 'wgx help show')\n"},
		{"wgx show wg0 peer", "wgx show: no peer given (see 'wgx help show')\n"},
		{"wgx show wg0 peer B C",
		 "wgx show: one peer at a time: unexpected 'C' (see 'wgx help show')\n"},
		{"wgx show wg0 peer \x01",
		 "wgx show: peer '?' is no public key, and as a name it has something else "
		 "than printable ASCII characters, or a space (see 'wgx help show')\n"},
		{"wgx metrics now", "wgx metrics: unexpected 'now' (see 'wgx help metrics')\n"},
		{"wgx metrics --listen",
		 "wgx metrics: option '--listen' needs a value (see 'wgx help metrics')\n"},
		{"wgx metrics --listen 9586",
		 "wgx metrics: '9586' is no ADDRESS:PORT and no absolute "
		 "path of a socket (see 'wgx help metrics')\n"},
		{"wgx metrics --listen /a --listen /b",
		 "wgx metrics: option '--listen' is given twice (see 'wgx help metrics')\n"},
		{"wgx metrics --once --listen /a",
		 "wgx metrics: --listen or --once: not both (see 'wgx help metrics')\n"},
		{"wgx metrics --once=1",
		 "wgx metrics: option '--once=1' takes no value (see 'wgx help metrics')\n"},
		{"wgx monitor wg0 wg1",
		 "wgx monitor: one interface at a time: unexpected 'wg1' (see 'wgx help "
		 "monitor')\n"},
		{"wgx monitor --drops",
		 "wgx monitor: unknown option '--drops' (see 'wgx help monitor')\n"},
		{"wgx monitor --json=1",
		 "wgx monitor: option '--json=1' takes no value (see 'wgx help monitor')\n"},
		{"wgx monitor w:0",
		 "wgx monitor: interface name 'w:0' contains ':' (see 'wgx help monitor')\n"},
		{"wgx top wg0 wg1",
		 "wgx top: one interface at a time: unexpected 'wg1' (see 'wgx help top')\n"},
		{"wgx top --sort", "wgx top: option '--sort' needs a value (see 'wgx help top')\n"},
		{"wgx top --interval 3601", "wgx top: interval '3601' is not 1 to 3600 seconds "
					    "(see 'wgx help top')\n"},
		{"wgx doctor wg0",
		 "wgx doctor: takes no argument: 'wg0' (see 'wgx help doctor')\n"},
		{"wgx doctor --jsn",
		 "wgx doctor: unknown option '--jsn' (see 'wgx help doctor')\n"},
		{"wgx name", "wgx name: no interface given (see 'wgx help name')\n"},
		{"wgx name wg0", "wgx name: no peer given (see 'wgx help name')\n"},
		{"wgx name wg0 B", "wgx name: no name given (see 'wgx help name')\n"},
		{"wgx name wg0 --none", "wgx name: no peer given (see 'wgx help name')\n"},
		{"wgx name wg0 B C --none",
		 "wgx name: one name at a time: unexpected 'C' (see 'wgx help name')\n"},
		{"wgx name wg0 B C D",
		 "wgx name: one name at a time: unexpected 'D' (see 'wgx help name')\n"},
		{"wgx name w/g B C",
		 "wgx name: interface name 'w/g' contains '/' (see 'wgx help name')\n"},
		{"wgx name wg0 B N+B4Nelg+4ysvbLW3qenxIwrJVE9MdjMyqrIisH7V0Y=",
		 "wgx name: name 'N+B4Nelg+4ysvbLW3qenxIwrJVE9MdjMyqrIisH7V0Y=' is a key "
		 "(see 'wgx help name')\n"},
		{"wgx name -x wg0 B C", "wgx name: unknown option '-x' (see 'wgx help name')\n"},
		{"wgx genkey now",
		 "wgx genkey: takes no argument: 'now' (see 'wgx help genkey')\n"},
		{"wgx help me", "wgx: no command is called 'me' (see 'wgx --help')\n"},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		run(cases[i].line);
		assert_failure(WGX_EXIT_USAGE, cases[i].err);
	}
	assert_string_equal(recorded(), "");
}

static void test_help(void **state)
{
	static const char attach[] =
		"Usage: wgx attach DEV [--mode auto|tcx|native|none] [--lan[=tcx|native]] "
		"[--transmit] [--copy] [--strict [--exempt NET,...] [--protect NET,...] "
		"[--report]]\n";

	run("wgx --version");
	assert_output("wgx " WGX_VERSION "\n");
	run("wgx help attach");
	assert_int_equal(r.status, 0);
	assert_memory_equal(r.out_text, attach, strlen(attach));
	run("wgx attach eth0 --help");
	assert_int_equal(r.status, 0);
	assert_memory_equal(r.out_text, attach, strlen(attach));
	run("wgx genkey --help");
	assert_output("Usage: wgx genkey\n\nWrite a new private key to stdout.\n");
	run("wgx --help");
	assert_int_equal(r.status, 0);
	for (size_t i = 0; i < COMMANDS; i++)
		assert_non_null(strstr(r.out_text, commands[i].summary));
	run("wgx wg0 --help");
	assert_int_equal(r.status, 0);
	assert_string_equal(recorded(), "");
}

static void test_names(void **state)
{
	static const char *const good[] = {
		"wg0", "a", "abcdefghijklmno", "wg-0.5", "-x", "wgé", "...", "al", "allx"};
	static const char *const bad[] = {"",	     ".",	"..",	"abcdefghijklmnop",
					  "a/b",     "a b",	"a\tb", "a\nb",
					  "wg:1",    "wg%d",	"à",	"all",
					  "default", "\xff\xfe"};

	for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++)
		assert_null(wgx_name_problem(good[i]));
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		assert_non_null(wgx_name_problem(bad[i]));
}

static void full_stdout(void)
{
	dup2(open("/dev/full", O_WRONLY | O_CLOEXEC), 1);
}

static void test_full_stdout(void **state)
{
	run_with("wgx --help", "", full_stdout);
	assert_failure(1, "wgx: cannot write to standard output: No space left on device\n");
	run_with("wgx genkey", "", full_stdout);
	assert_failure(1, "wgx: cannot write the key: No space left on device\n");
}

/* ---- keys ---- */

/* Decodes what a command printed: one key and a newline. */
static void printed_key(unsigned char key[32])
{
	size_t len;

	assert_int_equal(r.status, 0);
	assert_string_equal(r.err_text, "");
	assert_int_equal(strlen(r.out_text), 45);
	assert_int_equal(r.out_text[44], '\n');
	assert_int_equal(sodium_base642bin(key, 32, r.out_text, 44, NULL, &len, NULL,
					   sodium_base64_VARIANT_ORIGINAL),
			 0);
	assert_int_equal(len, 32);
}

static void test_genkey(void **state)
{
	unsigned char last[32] = {0}, key[32];

	for (int i = 0; i < 16; i++) {
		run("wgx genkey");
		printed_key(key);
		assert_int_equal(key[0] & 7, 0);
		assert_int_equal(key[31] & 0xc0, 0x40);
		assert_memory_not_equal(key, last, 32);
		memcpy(last, key, 32);
	}
}

/* All 32 bytes are random: 64 keys without one bit somewhere set, or unset, are one in 2^55. */
static void test_genpsk(void **state)
{
	unsigned char any[32] = {0}, all[32], key[32];

	memset(all, 0xff, 32);
	for (int i = 0; i < 64; i++) {
		run("wgx genpsk");
		printed_key(key);
		for (int j = 0; j < 32; j++) {
			any[j] |= key[j];
			all[j] &= key[j];
		}
	}
	for (int j = 0; j < 32; j++) {
		assert_int_equal(any[j], 0xff);
		assert_int_equal(all[j], 0);
	}
}

static mode_t file_mode;

static void regular_stdout(void)
{
	char path[64];
	int fd;

	snprintf(path, sizeof(path), "%s/key", dir);
	fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	fchmod(fd, file_mode);
	dup2(fd, 1);
	unlink(path);
}

static void test_world_accessible(void **state)
{
	file_mode = 0644;
	run_with("wgx genkey", "", regular_stdout);
	assert_int_equal(r.status, 0);
	assert_string_equal(r.err_text, "Warning: writing to world accessible file.\n"
					"Consider setting the umask to 077 and trying again.\n");
	file_mode = 0640;
	run_with("wgx genpsk", "", regular_stdout);
	assert_output("");
}

/* RFC 7748, 6.1: Alice's keys */
#define ALICE "dwdtCnMYpX08FsFyUbJmRd9ML4frwJkqsXf7pR25LCo="
#define ALICE_PUBLIC "hSDwCYkwp1R0i33ctD73Wg2/Og0mOBr066SpjqqbTmo=\n"

static void test_pubkey(void **state)
{
	static const char *const bad[] = {
		"",
		"\n",
		"dwdtCnMYpX08FsFyUbJmRd9ML4frwJkqsXf7pR25LCo\n",
		"dwdtCnMYpX08FsFyUbJmRd9ML4frwJkqsXf7pR25LCp=\n", /* bits after the 256th */
		"dwdtCnMYpX08FsFyUbJmRd9ML4frwJkqsXf7pR25LCoA\n",
		"dwdtCnMYpX08FsFyUbJmRd9ML4fr JkqsXf7pR25LCo=\n",
		(" " ALICE),
	};

	run_with("wgx pubkey", ALICE, NULL);
	assert_output(ALICE_PUBLIC);
	run_with("wgx pubkey", ALICE "\n \t\r\n", NULL);
	assert_output(ALICE_PUBLIC);
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		run_with("wgx pubkey", bad[i], NULL);
		assert_failure(1,
			       "wgx: the key on standard input is not 44 characters of base64\n");
	}
	run_with("wgx pubkey", ALICE "\nx", NULL);
	assert_failure(1, "wgx: characters follow the key on standard input\n");
}

static void always_colour(void)
{
	setenv("WG_COLOR_MODE", "always", 1);
}

static void test_show(void **state)
{
	json_t *want, *got;

	start_daemon();
	run("wgx show");
	assert_int_equal(r.status, 0);
	assert_int_equal(count(r.out_text, "interface: "), 2);
	assert_int_equal(count(r.out_text, "\x1b"), 0);
	assert_string_equal(recorded(), "{\"cmd\":\"show\"}\n");
	run_with("wgx show wg0", "", always_colour);
	assert_int_equal(r.status, 0);
	assert_non_null(strstr(r.out_text, "\x1b[32mwg0\x1b[0m"));
	assert_string_equal(recorded(), "{\"cmd\":\"show\",\"interface\":\"wg0\"}\n");
	run("wgx show --drops wg0");
	assert_int_equal(r.status, 0);
	assert_string_equal(recorded(), "{\"cmd\":\"show\",\"interface\":\"wg0\"}\n");
	assert_int_equal(count(r.out_text, "\nof no interface:\n"), 1);
	assert_int_equal(count(r.out_text, "public key"), 0);
	run("wgx show --json");
	assert_int_equal(r.status, 0);
	assert_non_null(strstr(r.out_text, "\n  \"version\": \"0.1.0\",\n"));
	want = json_loads(show_answer, 0, NULL);
	got = json_loads(r.out_text, 0, NULL);
	assert_true(json_equal(want, got));
	json_decref(want);
	json_decref(got);
}

/* ---- the client ---- */

#define NO_DAEMON \
	"wgx: no wgx daemon runs in this network namespace; create an interface first: wgx wg0\n"

static void test_no_daemon(void **state)
{
	char path[64];
	int listener;

	run("wgx show");
	assert_failure(1, NO_DAEMON);
	run("wgx attach eth0");
	assert_failure(1, NO_DAEMON);
	/* a dead one's socket */
	in_run_dir(path, sizeof(path), "");
	mkdir(path, 0700);
	listener = listen_control();
	close(listener);
	run("wgx detach eth0");
	assert_failure(1, NO_DAEMON);
}

static void test_answers(void **state)
{
	start_daemon();
	run("wgx show refused0");
	assert_failure(1, "wgx: refused0 is taken\n");
	run("wgx show mute0");
	assert_failure(1, "wgx: the wgx daemon refused without a reason\n");
	run("wgx show garbage0");
	assert_failure(1, "wgx: the wgx daemon's answer is not a JSON object\n");
	run("wgx detach hangup0");
	assert_failure(1, "wgx: the wgx daemon ended without an answer\n");
	run("wgx show long0");
	assert_int_equal(r.status, 0);
	assert_string_equal(r.err_text, "");
	assert_int_equal(count(r.out_text, "10.0.0.0/24, 10.0.1.0/24"), 1);
}

/* A note on the machine's own firewall may follow. */
static void assert_begins(const char *text)
{
	assert_int_equal(r.status, 0);
	assert_memory_equal(r.out_text, text, strlen(text));
}

static void test_attach(void **state)
{
	start_daemon();
	run("wgx attach eth0");
	assert_output("eth0: attached, mode tcx\neth0: GRO is off\n");
	assert_string_equal(recorded(),
			    "{\"cmd\":\"attach\",\"device\":\"eth0\",\"mode\":\"auto\"}\n");
	run("wgx attach --mode=native eth0");
	assert_int_equal(r.status, 0);
	assert_string_equal(recorded(),
			    "{\"cmd\":\"attach\",\"device\":\"eth0\",\"mode\":\"native\"}\n");
	run("wgx attach eth0 --strict");
	assert_output("eth0: attached, mode tcx, strict\neth0: GRO is off\n");
	assert_string_equal(recorded(), "{\"cmd\":\"attach\",\"device\":\"eth0\",\"mode\":"
					"\"auto\",\"strict\":true}\n");
	run("wgx attach eth0 --strict --report --exempt 10.0.0.0/8,fd00::1 --exempt=192.0.2.1");
	assert_string_equal(
		recorded(),
		"{\"cmd\":\"attach\",\"device\":\"eth0\",\"mode\":\"auto\",\"strict\":"
		"true,\"report\":true,\"exempt\":[\"10.0.0.0/8\",\"fd00::1\",\"192.0.2.1\"]}\n");
	run("wgx attach eth0 --strict --protect 10.244.0.0/16 --protect fd10::/48");
	assert_string_equal(recorded(), "{\"cmd\":\"attach\",\"device\":\"eth0\",\"mode\":"
					"\"auto\",\"strict\":true,\"protect\":[\"10.244.0.0/16\","
					"\"fd10::/48\"]}\n");
	run("wgx attach eth0 --strict --exempt none --mode none");
	assert_string_equal(recorded(), "{\"cmd\":\"attach\",\"device\":\"eth0\",\"mode\":"
					"\"none\",\"strict\":true,\"exempt\":[]}\n");
	run("wgx attach eth0 --lan");
	assert_begins("eth0: attached, mode tcx, lan\neth0: GRO is off\n");
	assert_string_equal(recorded(), "{\"cmd\":\"attach\",\"device\":\"eth0\",\"mode\":"
					"\"none\",\"lan\":\"tcx\"}\n");
	run("wgx attach eth0 --lan=native --mode tcx --strict");
	assert_begins("eth0: attached, mode tcx, lan native, strict\neth0: GRO is off\n");
	assert_string_equal(recorded(), "{\"cmd\":\"attach\",\"device\":\"eth0\",\"mode\":"
					"\"tcx\",\"lan\":\"native\",\"strict\":true}\n");
	run("wgx attach eth0 --transmit");
	assert_output("eth0: attached, mode tcx, transmit\neth0: GRO is off\n");
	assert_string_equal(recorded(), "{\"cmd\":\"attach\",\"device\":\"eth0\",\"mode\":"
					"\"auto\",\"transmit\":true}\n");
	run("wgx attach eth0 --transmit --mode none --lan");
	assert_begins("eth0: attached, mode tcx, lan, transmit\n");
	assert_string_equal(recorded(), "{\"cmd\":\"attach\",\"device\":\"eth0\",\"mode\":"
					"\"none\",\"lan\":\"tcx\",\"transmit\":true}\n");
	run("wgx detach eth0");
	assert_output("");
	assert_string_equal(recorded(), "{\"cmd\":\"detach\",\"device\":\"eth0\"}\n");
	run("wgx attach refused0");
	assert_failure(1, "wgx: refused0 is taken\n");
}

static void become_nobody(void)
{
	if (setgid(65534) || setuid(65534))
		abort();
}

static void test_unprivileged(void **state)
{
	start_daemon();
	recorded();
	run_with("wgx wg0", "", become_nobody);
	assert_failure(1, "wgx: cannot create wg0 without CAP_NET_ADMIN; run wgx as root\n");
	run_with("wgx attach eth0", "", become_nobody);
	assert_failure(1, "wgx: cannot attach eth0 without CAP_NET_ADMIN; run wgx as root\n");
	run_with("wgx detach eth0", "", become_nobody);
	assert_failure(1, "wgx: cannot detach eth0 without CAP_NET_ADMIN; run wgx as root\n");
	run_with("wgx show", "", become_nobody);
	assert_failure(1, "wgx: not allowed to talk to the wgx daemon; run wgx as root\n");
	assert_string_equal(recorded(), "");
}

/* ---- creating an interface ---- */

/* Open files, another directory, a loose umask: what a daemon must not inherit. */
static void messy(void)
{
	umask(0);
	for (int i = 0; i < 5; i++)
		dup(0);
}

static void test_background(void **state)
{
	run_with("wgx wg0", "", messy);
	assert_output("");
	/* the three standard streams and ready_fd */
	assert_string_equal(recorded(), "run wg0 leader=1 cwd=/ umask=077 in=/dev/null "
					"err=/dev/null fds=4\n");
	run("wgx wg1");
	assert_output("");
	assert_string_equal(recorded(), "{\"cmd\":\"create\",\"interface\":\"wg1\"}\n");
	run("wgx --workers 3 wg1");
	assert_output("");
	assert_string_equal(recorded(),
			    "{\"cmd\":\"create\",\"interface\":\"wg1\",\"workers\":3}\n");
	run("wgx refused0");
	assert_failure(1, "wgx: refused0 is taken\n");
}

static void test_background_failure(void **state)
{
	run("wgx cannot0");
	assert_failure(1, "wgx: cannot0: no such luck\n");
	run("wgx dies0");
	assert_failure(1, "wgx: the daemon died before dies0 was ready: exit status 3\n");
	run("wgx killed0");
	assert_failure(1, "wgx: the daemon died before killed0 was ready: Killed\n");
	/* none of them has left the lock behind */
	run("wgx wg0");
	assert_output("");
	assert_int_equal(count(recorded(), "run "), 4);
}

/* The daemon's last interface went while we asked: ask again. */
static void test_ending_daemon(void **state)
{
	start_daemon();
	run("wgx hangup1");
	assert_output("");
	assert_int_equal(count(recorded(), "\"create\""), 2);
	run("wgx hangup0");
	assert_failure(1, "wgx: the wgx daemon ended without an answer\n");
}

static void wait_for_record(const char *what)
{
	char path[64], text[65536] = "";

	snprintf(path, sizeof(path), "%s/log", dir);
	while (!strstr(text, what)) {
		int fd = open(path, O_RDONLY | O_CLOEXEC);

		if (fd >= 0)
			read_back(fd, text, sizeof(text));
		usleep(1000);
	}
}

#define RACERS 8

static void test_race(void **state)
{
	static struct run racers[RACERS];
	const char *log;

	for (int i = 0; i < RACERS; i++) {
		char line[32];

		/* some in the foreground */
		snprintf(line, sizeof(line), "wgx %swg%d", i % 4 == 3 ? "-f " : "", i);
		start_with(&racers[i], line, "", NULL);
	}
	for (int i = 0; i < RACERS; i++) {
		if (i % 4 == 3)
			continue;
		finish(&racers[i]);
		assert_string_equal(racers[i].err_text, "");
		assert_int_equal(racers[i].status, 0);
	}
	wait_for_record("wg3");
	wait_for_record("wg7");
	end_daemon();
	for (int i = 3; i < RACERS; i += 4) {
		finish(&racers[i]);
		assert_string_equal(racers[i].err_text, "");
		assert_int_equal(racers[i].status, 0);
	}
	log = recorded();
	assert_int_equal(count(log, "run "), 1);
	assert_int_equal(count(log, "\"create\""), RACERS - 1);
	assert_int_equal(count(log, "\"wait\":true"),
			 2 - (count(log, "run wg3") + count(log, "run wg7")));
}

static void wait_for_daemon(void)
{
	int fd;

	while ((fd = wgx_client_connect()) < 0)
		usleep(1000);
	close(fd);
}

static void ask_foreground(void)
{
	setenv("WG_PROCESS_FOREGROUND", "1", 1);
}

static void test_foreground_daemon(void **state)
{
	struct run front;

	start_with(&front, "wgx wg0", "", ask_foreground);
	wait_for_daemon();
	/* the lock is free again, and this process is the daemon */
	run("wgx wg1");
	assert_output("");
	assert_int_equal(waitpid(front.pid, NULL, WNOHANG), 0);
	end_daemon();
	finish(&front);
	assert_int_equal(front.status, 0);
	assert_int_equal(count(recorded(), "run wg0 leader=0"), 1);
}

static void test_foreground_failure(void **state)
{
	run("wgx -f cannot0");
	assert_failure(1, "wgx: cannot0: no such luck\n");
	run("wgx --foreground dies0");
	assert_failure(3, "");
	run("wgx wg0 -f killed0");
	assert_int_equal(r.status, WGX_EXIT_USAGE);
	run("wgx killed0 -f");
	assert_failure(128 + SIGKILL, "");
	run("wgx wg0");
	assert_output("");
}

static void test_foreground_wait(void **state)
{
	struct run front;

	start_daemon();
	start_with(&front, "wgx -f wg5", "", NULL);
	wait_for_record("\"wait\":true");
	run("wgx wg6"); /* while it waits */
	assert_output("");
	recorded();
	kill(front.pid, SIGTERM);
	finish(&front);
	assert_int_equal(front.status, 0);
	assert_string_equal(recorded(), "gone\n");
}

/* The daemon hangs up: a death if the interface is still there, its end if not. */
static void test_foreground_hangup(void **state)
{
	struct run front;

	start_daemon();
	start_with(&front, "wgx -f wgx-none", "", NULL);
	wait_for_record("\"wait\":true");
	end_daemon();
	finish(&front);
	assert_int_equal(front.status, 0);
	recorded();
	start_daemon();
	start_with(&front, "wgx -f lo", "", NULL);
	wait_for_record("\"wait\":true");
	end_daemon();
	finish(&front);
	assert_string_equal(front.err_text,
			    "wgx: the daemon died; lo stays, and carries nothing\n");
	assert_int_equal(front.status, 1);
}

/* ---- the log ---- */

static const char *log_level, *log_format;

static int log_run(int level)
{
	fflush(NULL);
	r.in = text_file("");
	r.out = text_file("");
	r.err = text_file("");
	r.pid = fork();
	if (!r.pid) {
		dup2(r.err, 2);
		if (log_level)
			setenv("WGX_LOG", log_level, 1);
		if (log_format)
			setenv("WGX_LOG_FORMAT", log_format, 1);
		wgx_log_init(false);
		errno = EBUSY;
		wgx_log(level, "%s: %m", log_format ? "\"a\"\\\n" : "a\x1b[31m\nb");
		_exit(errno == EBUSY ? 0 : 9);
	}
	finish(&r);
	return r.status;
}

static void test_log(void **state)
{
	log_level = NULL;
	assert_int_equal(log_run(WGX_LOG_INFO), 0);
	assert_string_equal(r.err_text, "wgx: a?[31m?b: Device or resource busy\n");
	assert_int_equal(log_run(WGX_LOG_DEBUG), 0);
	assert_string_equal(r.err_text, "");
	log_level = "debug";
	assert_int_equal(log_run(WGX_LOG_DEBUG), 0);
	assert_string_equal(r.err_text, "wgx: a?[31m?b: Device or resource busy\n");
	log_level = "err";
	assert_int_equal(log_run(WGX_LOG_WARN), 0);
	assert_string_equal(r.err_text, "");
	assert_int_equal(log_run(WGX_LOG_ERR), 0);
	assert_string_equal(r.err_text, "wgx: error: a?[31m?b: Device or resource busy\n");
	log_level = "loud";
	assert_int_equal(log_run(WGX_LOG_DEBUG), 0);
	assert_string_equal(r.err_text,
			    "wgx: warning: WGX_LOG=loud is none of err, warn, info, debug\n");
}

static void test_log_json(void **state)
{
	static const char tail[] = "\"level\":\"warn\",\"program\":\"wgx\",\"msg\":"
				   "\"\\\"a\\\"\\\\?: Device or resource busy\"}\n";
	json_t *o;

	log_level = NULL;
	log_format = "json";
	assert_int_equal(log_run(WGX_LOG_WARN), 0);
	assert_non_null(strstr(r.err_text, tail));
	o = json_loads(r.err_text, 0, NULL);
	assert_string_equal(json_string_value(json_object_get(o, "msg")),
			    "\"a\"\\?: Device or resource busy");
	assert_int_equal(strlen(json_string_value(json_object_get(o, "time"))),
			 strlen("2026-01-02T03:04:05.678Z"));
	json_decref(o);
	log_format = "xml";
	assert_int_equal(log_run(WGX_LOG_DEBUG), 0);
	assert_string_equal(r.err_text,
			    "wgx: warning: WGX_LOG_FORMAT=xml is neither text nor json\n");
	log_format = NULL;
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	/* these need CAP_NET_ADMIN to get past wgx's own check, or root to give it up */
	const struct CMUnitTest as_root[] = {
		T(test_no_daemon),
		T(test_answers),
		T(test_attach),
		T(test_unprivileged),
		T(test_background),
		T(test_background_failure),
		T(test_ending_daemon),
		T(test_race),
		T(test_foreground_daemon),
		T(test_foreground_failure),
		T(test_foreground_wait),
		T(test_foreground_hangup),
	};
	const struct CMUnitTest as_anybody[] = {
		T(test_usage),
		T(test_help),
		T(test_names),
		T(test_full_stdout),
		T(test_genkey),
		T(test_genpsk),
		T(test_world_accessible),
		T(test_pubkey),
		T(test_show),
		T(test_log),
		T(test_log_json),
	};
	int failed;

	alarm(5 * SAFETY_S);
	prctl(PR_SET_CHILD_SUBREAPER, 1); /* teardown() waits for detached daemons, too */
	unsetenv("WGX_LOG");
	unsetenv("WG_COLOR_MODE");
	unsetenv("WG_PROCESS_FOREGROUND");
	failed = cmocka_run_group_tests_name("cli", as_anybody, NULL, NULL);
	if (geteuid())
		print_message("[  SKIPPED ] %zu tests of the cli need root\n",
			      sizeof(as_root) / sizeof(*as_root));
	else
		failed += cmocka_run_group_tests_name("cli as root", as_root, NULL, NULL);
	return failed;
}
