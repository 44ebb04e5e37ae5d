/* SPDX-License-Identifier: MIT */
/* What wgx offers to the shells' completions, and the help of every command. */
#pragma GCC diagnostic ignored "-Wunused-function" /* not all of the harness */
#include "unit/cli_harness.h"

#define main wgx_main
#include "main.c"
#undef main

/* The first column of what is offered, as one line */
static const char *offered(const char *line)
{
	static char text[65536];
	char words[512], *save, *l;

	snprintf(words, sizeof(words), "wgx __complete %s", line);
	text[0] = '\0';
	run(words);
	assert_int_equal(r.status, 0);
	assert_string_equal(r.err_text, "");
	for (l = strtok_r(r.out_text, "\n", &save); l; l = strtok_r(NULL, "\n", &save)) {
		char *tab = strchr(l, '\t');

		if (tab)
			*tab = '\0';
		snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s%s", *text ? " " : "",
			 l);
	}
	return text;
}

/* run() has no empty words: "x" and so on are the beginnings of what is typed */
static void test_commands(void **state)
{
	assert_string_equal(offered("wgx gen"), "genkey genpsk");
	assert_string_equal(offered("/usr/sbin/wgx det"), "detach");
	assert_string_equal(offered("wgx --v"), "--version");
	assert_string_equal(offered("wgx zzz"), "");
	assert_string_equal(offered("wgx zzz a"), "");
	assert_string_equal(offered("wgx help gen"), "genkey genpsk");
	run("wgx __complete wgx detac");
	assert_output("detach\tTake an attached device back to the plain UDP socket\n");
}

static void test_options(void **state)
{
	assert_string_equal(offered("wgx attach --m"), "--mode");
	assert_string_equal(offered("wgx attach eth0 --strict --e"), "--exempt");
	assert_string_equal(offered("wgx attach --strict --s"), "");
	assert_string_equal(offered("wgx attach --mode n"), "native none");
	assert_string_equal(offered("wgx attach --mode native eth0 --m"), "");
	assert_string_equal(offered("wgx show --"), "--drops --json --help");
	assert_string_equal(offered("wgx genkey --"), "--help");
	assert_string_equal(offered("wgconfig wg0 add peer B KEY --a"), "--allowed-ips=");
	assert_string_equal(offered("wgconfig wg0 add peer B KEY --preshared-key=/e"), "@files");
	assert_string_equal(offered("wgconfig wg0 show private-key --"), "--help");
	assert_string_equal(offered("wgconfig wg0 add peer B KEY --endpoint="), "");
	assert_string_equal(offered("wgx attach eth0 --lan="), "--lan=tcx --lan=native");
	assert_string_equal(offered("wgx attach eth0 --lan=n"), "--lan=native");
	assert_string_equal(offered("wgx attach --lan --l"), "");
	assert_string_equal(offered("wgx agent --mtu="), "--mtu=auto");
	assert_string_equal(offered("wgx agent --state-dir=/v"), "@files");
	assert_string_equal(offered("wgx agent --g"), "--grace=");
	assert_string_equal(offered("wgx agent p"), "peers plan");
	assert_string_equal(offered("wgx agent plan --"), "--accept --interface= --json --help");
	assert_string_equal(offered("wgx top --sort d"), "drops");
	assert_string_equal(offered("wg-keygen --p"), "--pub --psk");
}

static void test_operands(void **state)
{
	start_daemon(); /* cli_harness.h: wg0 and wg1 */
	recorded();
	assert_string_equal(offered("wgx agent peers --interface=w"),
			    "--interface=wg0 --interface=wg1");
	recorded();
	assert_string_equal(offered("wgx show w"), "wg0 wg1");
	assert_string_equal(recorded(), "{\"cmd\":\"show\",\"peers\":false}\n");
	assert_string_equal(offered("wgx show --json w"), "wg0 wg1");
	assert_string_equal(offered("wgx show -- w"), "wg0 wg1");
	assert_string_equal(offered("wgx show wg0 p"), "peer");
	assert_string_equal(offered("wgx show wg0 other p"), "");
	recorded();
	assert_string_equal(offered("wgx show wg0 peer B"), "");
	assert_string_equal(recorded(), "{\"cmd\":\"show\",\"interface\":\"wg0\"}\n");
	assert_string_equal(offered("wgx name wg1 B"), "");
	assert_string_equal(recorded(), "{\"cmd\":\"show\",\"interface\":\"wg1\"}\n");
	assert_string_equal(offered("wgconfig wg0 s"), "show set");
	assert_string_equal(offered("wgconfig wg0 show p"), "peer private-key");
	assert_string_equal(offered("wgconfig wg0 set private-key /"), "@files");
	assert_string_equal(offered("wg-userspace 0 de"), "destroy debug");
	assert_string_equal(offered("wgx boot wg0 /"), "@files");
	assert_string_equal(offered("wgx show wg0 peer B C"), "");
}

static void test_silent_daemon(void **state)
{
	assert_string_equal(offered("wgx show w"), ""); /* none */
	start_daemon();
	assert_string_equal(offered("wgx show garbage0 peer B"), "");
	assert_string_equal(offered("wgx show hangup0 peer B"), "");
	assert_string_equal(offered("wgx show refused0 peer B"), "");
}

/* Every command, whatever there is: three ways to ask, one answer */
static void test_help(void **state)
{
	for (size_t i = 0; i < COMMANDS; i++) {
		char line[64], *text, first[64];

		snprintf(line, sizeof(line), "wgx help %s", commands[i].name);
		snprintf(first, sizeof(first), "Usage: wgx %s", commands[i].name);
		run(line);
		assert_int_equal(r.status, 0);
		assert_memory_equal(r.out_text, first, strlen(first));
		text = strdup(r.out_text);
		snprintf(line, sizeof(line), "wgx %s --help", commands[i].name);
		run(line);
		assert_output(text);
		snprintf(line, sizeof(line), "wgx %s -h", commands[i].name);
		run(line);
		assert_output(text);
		snprintf(line, sizeof(line), "wgx %s x y --help", commands[i].name);
		run(line);
		assert_output(text);
		free(text);
	}
	for (size_t i = 0; i < PROGRAMS; i++) {
		char line[64], *text;

		snprintf(line, sizeof(line), "%s --help", programs[i].name);
		run(line);
		assert_int_equal(r.status, 0);
		text = strdup(r.out_text);
		snprintf(line, sizeof(line), "wgx help %s", programs[i].name);
		run(line);
		assert_output(text);
		free(text);
	}
	assert_string_equal(recorded(), "");
}

/* ---- manual pages and --help ---- */

#define OPTIONS_MAX 64

/* "--mode" and so on, each once */
struct options {
	char name[OPTIONS_MAX][32];
	size_t n;
};

static bool has(const struct options *o, const char *name)
{
	for (size_t i = 0; i < o->n; i++)
		if (!strcmp(o->name[i], name))
			return true;
	return false;
}

/* @text: behind the mark of an option: what is its name begins there */
static void add_option(struct options *o, const char *text)
{
	size_t len = strspn(text, "abcdefghijklmnopqrstuvwxyz-");
	char name[32];

	assert_in_range(len, 1, sizeof(name) - 3);
	snprintf(name, sizeof(name), "--%.*s", (int)len, text);
	if (has(o, name))
		return;
	assert_true(o->n < OPTIONS_MAX);
	strcpy(o->name[o->n++], name);
}

static void read_help(const struct wgx_command *c, struct options *o)
{
	const char *texts[] = {c->args, c->details ?: ""};

	for (size_t i = 0; i < 2; i++)
		for (const char *p = texts[i]; (p = strstr(p, "--")); p += 2)
			add_option(o, p + 2);
}

/* Of a page in mdoc(7) long options are "Fl -name" */
static void read_manual(const char *path, struct options *o)
{
	FILE *f = fopen(path, "r");
	char line[1024];

	assert_non_null(f);
	while (fgets(line, sizeof(line), f))
		for (const char *p = line; (p = strstr(p, "Fl -")); p += 4)
			add_option(o, p + 4);
	fclose(f);
}

/* wgx knows it, whatever it says to the value. @command may have a verb, with options of its own. */
static bool is_taken(const char *command, const char *option)
{
	char line[128];

	snprintf(line, sizeof(line), "%s %s=\x01", command, option);
	run(line);
	assert_int_not_equal(r.status, 0);
	return !strstr(r.err_text, "unknown option");
}

static void check_page(const char *path, const struct options *help)
{
	struct options page = {0};

	read_manual(path, &page);
	for (size_t i = 0; i < help->n; i++)
		if (!has(&page, help->name[i]))
			fail_msg("%s has no %s", path, help->name[i]);
	for (size_t i = 0; i < page.n; i++)
		if (!has(help, page.name[i]))
			fail_msg("%s: no --help tells of %s", path, page.name[i]);
}

/* What a manual page tells of an option, --help tells too, and the reverse; and there is such an option. */
static void test_manuals(void **state)
{
	struct options wgx = {{"--help", "--version", "--workers"}, 3},
		       agent = {0}; /* wgx itself takes these */

	for (size_t i = 0; i < COMMANDS; i++) {
		struct options own = {0};
		char name[32];

		snprintf(name, sizeof(name), "wgx %s", commands[i].name);
		read_help(&commands[i], &own);
		for (size_t k = 0; k < own.n; k++) {
			bool of_agent = commands[i].run == wgx_cmd_agent;

			if (!is_taken(name, own.name[k]) &&
			    !(of_agent && is_taken("wgx agent plan", own.name[k])))
				fail_msg("%s does not know %s", name, own.name[k]);
			add_option(of_agent ? &agent : &wgx, own.name[k] + 2);
		}
	}
	check_page("man/wgx.8", &wgx);
	check_page("man/wgx-agent.8", &agent);
	for (size_t i = 0; i < PROGRAMS; i++) {
		struct options own = {0};
		char path[64];

		snprintf(path, sizeof(path), "man/%s.8", programs[i].name);
		read_help(&programs[i], &own);
		check_page(path, &own);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_commands, setup, teardown),
		cmocka_unit_test_setup_teardown(test_options, setup, teardown),
		cmocka_unit_test_setup_teardown(test_operands, setup, teardown),
		cmocka_unit_test_setup_teardown(test_silent_daemon, setup, teardown),
		cmocka_unit_test_setup_teardown(test_help, setup, teardown),
		cmocka_unit_test_setup_teardown(test_manuals, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
