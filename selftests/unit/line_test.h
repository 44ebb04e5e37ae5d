/* SPDX-License-Identifier: MIT */
/*
 * Tests named after the lines of docs/protocol.md that they cover. In an array of struct CMUnitTest,
 * line_test("P-HS-1 P-HS-6", mac1_first) gives the TAP line "ok 1 - P-HS-1 P-HS-6 mac1_first".
 */
#ifndef WGX_SELFTESTS_LINE_TEST_H
#define WGX_SELFTESTS_LINE_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

/* @line: one or more lines, separated by spaces; a string literal */
#define line_test(line, f) line_test_setup_teardown(line, f, NULL, NULL)
#define line_test_setup_teardown(line, f, setup, teardown) \
	{                                                  \
		line " " #f, f, setup, teardown, NULL      \
	}

#endif
