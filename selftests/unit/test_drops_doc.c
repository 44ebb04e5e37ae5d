/* SPDX-License-Identifier: MIT */
/* docs/drops.md has one row for each drop reason, in the order of their numbers, and no other rows. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <wgx/drops.h>

#define DOC "docs/drops.md" /* tests run in the top directory */
#define HEADING "\n## The reasons\n"
#define COLUMNS 4 /* label, where, cause, cure */

static const char *const labels[] = {
#define X(name, label, text) label,
	WGX_DROP_REASONS(X)
#undef X
};

struct doc {
	char *text;
	char *rows[WGX_DROP_COUNT + 16];
	size_t n;
};

static void read_doc(struct doc *doc)
{
	FILE *f = fopen(DOC, "r");
	size_t size = 0;

	if (!f)
		fail_msg("%s cannot be read", DOC);
	if (getdelim(&doc->text, &size, '\0', f) < 0)
		fail_msg("%s is empty", DOC);
	fclose(f);
}

/* The lines of the table of reasons that begin with a label: "| `label` |". */
static int split(void **state)
{
	static struct doc doc;
	char *at, *save = NULL;

	doc.n = 0;
	read_doc(&doc);
	at = strstr(doc.text, HEADING);
	if (!at)
		fail_msg("%s has no heading '## The reasons'", DOC);
	for (char *line = strtok_r(at + strlen(HEADING), "\n", &save); line;
	     line = strtok_r(NULL, "\n", &save)) {
		if (strncmp(line, "| `", 3) != 0)
			continue;
		assert_true(doc.n < sizeof(doc.rows) / sizeof(doc.rows[0]));
		doc.rows[doc.n++] = line;
	}
	*state = &doc;
	return 0;
}

static int forget(void **state)
{
	struct doc *doc = *state;

	if (doc) /* NULL where split() failed */
		free(doc->text);
	return 0;
}

static int is_row_of(const char *row, const char *label)
{
	size_t len = strlen(label);

	return !strncmp(row + 3, label, len) && !strncmp(row + 3 + len, "` |", 3);
}

static const char *find_row(const struct doc *doc, const char *label)
{
	for (size_t i = 0; i < doc->n; i++)
		if (is_row_of(doc->rows[i], label))
			return doc->rows[i];
	return NULL;
}

static void test_every_reason_has_a_row(void **state)
{
	const struct doc *doc = *state;

	for (size_t i = 0; i < WGX_DROP_COUNT; i++)
		if (!find_row(doc, labels[i]))
			fail_msg("%s does not tell of '%s'", DOC, labels[i]);
}

/* Readers of the pinned maps count the rows. */
static void test_rows_are_in_order(void **state)
{
	const struct doc *doc = *state;

	assert_int_equal(doc->n, WGX_DROP_COUNT);
	for (size_t i = 0; i < doc->n; i++)
		if (!is_row_of(doc->rows[i], labels[i]))
			fail_msg("row %zu should be of '%s': %.40s", i, labels[i], doc->rows[i]);
}

/* Cells of a row with anything but blanks in them. */
static unsigned int filled_cells(const char *row)
{
	unsigned int n = 0;

	while (*row++ == '|') {
		size_t len = strcspn(row, "|");

		n += strspn(row, " ") < len;
		row += len;
	}
	return n;
}

static void test_rows_are_complete(void **state)
{
	const struct doc *doc = *state;

	for (size_t i = 0; i < doc->n; i++)
		if (filled_cells(doc->rows[i]) != COLUMNS)
			fail_msg("not %d cells: %.60s", COLUMNS, doc->rows[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_reason_has_a_row),
		cmocka_unit_test(test_rows_are_in_order),
		cmocka_unit_test(test_rows_are_complete),
	};

	return cmocka_run_group_tests(tests, split, forget);
}
