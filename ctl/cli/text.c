/* SPDX-License-Identifier: MIT */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/text.h"

static const char *const sequences[] = {
	[WGX_RESET] = "\x1b[0m",
	[WGX_BOLD] = "\x1b[1m",
	[WGX_CYAN] = "\x1b[36m",
	[WGX_RED] = "\x1b[31m",
	[WGX_GREEN_BOLD] = "\x1b[32m\x1b[1m",
	[WGX_GREEN] = "\x1b[32m",
	[WGX_YELLOW_BOLD] = "\x1b[33m\x1b[1m",
	[WGX_YELLOW] = "\x1b[33m",
};

void wgx_text_init(struct wgx_text *t, FILE *out)
{
	const char *mode = getenv("WG_COLOR_MODE");

	t->out = out;
	if (mode && !strcmp(mode, "always"))
		t->colour = true;
	else if (mode && !strcmp(mode, "never"))
		t->colour = false;
	else
		t->colour = isatty(fileno(out));
}

const char *wgx_sgr(const struct wgx_text *t, enum wgx_colour colour)
{
	return t->colour ? sequences[colour] : "";
}

void wgx_text_bytes(const struct wgx_text *t, uint64_t bytes)
{
	static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB"};
	double value = (double)bytes;
	unsigned int unit = 0;

	while (value >= 1024 && unit < sizeof(units) / sizeof(*units) - 1) {
		value /= 1024;
		unit++;
	}
	fprintf(t->out, "%.*f %s%s%s", unit ? 2 : 0, value, wgx_sgr(t, WGX_CYAN), units[unit],
		wgx_sgr(t, WGX_RESET));
}

void wgx_text_duration(const struct wgx_text *t, uint64_t seconds)
{
	static const struct {
		const char *name;
		uint64_t seconds;
	} units[] = {
		{"year", 365 * 24 * 60 * 60},
		{"day", 24 * 60 * 60},
		{"hour", 60 * 60},
		{"minute", 60},
		{"second", 1},
	};
	const char *separator = "";

	for (size_t i = 0; i < sizeof(units) / sizeof(*units); i++) {
		uint64_t n = seconds / units[i].seconds;

		seconds %= units[i].seconds;
		if (!n)
			continue;
		fprintf(t->out, "%s%" PRIu64 " %s%s%s%s", separator, n, wgx_sgr(t, WGX_CYAN),
			units[i].name, n == 1 ? "" : "s", wgx_sgr(t, WGX_RESET));
		separator = ", ";
	}
}

void wgx_text_ago(const struct wgx_text *t, int64_t then, int64_t now)
{
	if (then == now) {
		fputs("Now", t->out);
	} else if (then > now) {
		fprintf(t->out, "(%sSystem clock wound backward; connection problems may ensue.%s)",
			wgx_sgr(t, WGX_RED), wgx_sgr(t, WGX_RESET));
	} else {
		wgx_text_duration(t, (uint64_t)now - (uint64_t)then);
		fputs(" ago", t->out);
	}
}

void wgx_text_share(const struct wgx_text *t, uint64_t part, uint64_t whole)
{
	/* long double holds every byte count exactly, where the product would not fit 64 bits */
	uint64_t mille = part >= whole ? 1000 : (uint64_t)((long double)part * 1000 / whole);

	fprintf(t->out, "%" PRIu64 ".%" PRIu64 " %%", mille / 10, mille % 10);
}
