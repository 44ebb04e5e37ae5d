/* SPDX-License-Identifier: MIT */
#include "doctor/report.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct {
	const char *name;
	enum wgx_colour colour;
} levels[] = {
	[WGX_FINE] = {"ok", WGX_GREEN},
	[WGX_NOTE] = {"note", WGX_CYAN},
	[WGX_WARNING] = {"warning", WGX_YELLOW},
	[WGX_PROBLEM] = {"problem", WGX_RED},
};

static json_t *format_text(const char *format, va_list ap)
{
	char text[1024];

	vsnprintf(text, sizeof(text), format, ap);
	return json_string(text);
}

void wgx_found(struct wgx_report *r, enum wgx_level level, const char *check, const char *object,
	       const char *format, ...)
{
	json_t *f = json_object();
	va_list ap;

	if (!r->findings)
		r->findings = json_array();
	json_object_set_new(f, "check", json_string(check));
	json_object_set_new(f, "level", json_string(levels[level].name));
	json_object_set_new(f, "object", object ? json_string(object) : json_null());
	va_start(ap, format);
	json_object_set_new(f, "text", format_text(format, ap));
	va_end(ap);
	json_object_set_new(f, "remedy", json_null());
	json_array_append_new(r->findings, f);
	r->counts[level]++;
}

void wgx_remedy(struct wgx_report *r, const char *format, ...)
{
	json_t *last = json_array_get(r->findings, json_array_size(r->findings) - 1);
	va_list ap;

	va_start(ap, format);
	json_object_set_new(last, "remedy", format_text(format, ap));
	va_end(ap);
}

static enum wgx_colour colour_of(const char *level)
{
	for (size_t i = 0; i < WGX_LEVELS; i++)
		if (!strcmp(levels[i].name, level))
			return levels[i].colour;
	return WGX_RESET;
}

static const char *string_of(const json_t *object, const char *key)
{
	return json_string_value(json_object_get(object, key));
}

static void print_finding(const json_t *f, const struct wgx_text *t)
{
	const char *level = string_of(f, "level"), *object = string_of(f, "object");
	const char *remedy = string_of(f, "remedy");

	fprintf(t->out, "%s%-8s%s %-12s %s%s%s\n", wgx_sgr(t, colour_of(level)), level,
		wgx_sgr(t, WGX_RESET), string_of(f, "check"), object ? object : "",
		object ? ": " : "", string_of(f, "text"));
	if (remedy)
		fprintf(t->out, "%21s → %s\n", "", remedy);
}

static void print_count(const struct wgx_text *t, unsigned int n, const char *what)
{
	fprintf(t->out, "%u %s%s", n, what, n == 1 ? "" : "s");
}

void wgx_report_print(const struct wgx_report *r, const struct wgx_text *t)
{
	const json_t *f;
	size_t i;

	json_array_foreach(r->findings, i, f) {
		print_finding(f, t);
	}
	fputc('\n', t->out);
	print_count(t, r->counts[WGX_PROBLEM], "problem");
	fputs(", ", t->out);
	print_count(t, r->counts[WGX_WARNING], "warning");
	fputc('\n', t->out);
}

json_t *wgx_report_json(const struct wgx_report *r)
{
	return json_pack("{s:i, s:i, s:O}", "problems", (int)r->counts[WGX_PROBLEM], "warnings",
			 (int)r->counts[WGX_WARNING], "findings", r->findings);
}

void wgx_report_free(struct wgx_report *r)
{
	json_decref(r->findings);
	*r = (struct wgx_report){0};
}
