// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a program prints, as KTAP. A program that speaks TAP gets a subtest of
 * its own; all else becomes a diagnostic, so that nothing a program (or the
 * guest of a VMM) prints can be taken for a result of the harness.
 */
#include <ctype.h>
#include <string.h>

#include "init.h"

static const char *skip_number(const char *s)
{
	while (isdigit((unsigned char)*s))
		s++;
	return s;
}

static bool is_version(const char *s)
{
	return !strncmp(s, "TAP version ", 12) || !strncmp(s, "KTAP version ", 13);
}

static bool is_plan(const char *s)
{
	if (strncmp(s, "1..", 3) || !isdigit((unsigned char)s[3]))
		return false;
	s = skip_number(s + 3);
	return !*s || *s == ' ';
}

static bool is_result(const char *s)
{
	if (!strncmp(s, "not ", 4))
		s += 4;
	return !strncmp(s, "ok ", 3) && isdigit((unsigned char)s[3]);
}

/* Lines of a TAP speaker that are passed on as they are, at any depth. */
static bool is_ktap(const char *s)
{
	s += strspn(s, " \t");
	return *s == '#' || is_version(s) || is_plan(s) || is_result(s);
}

static void relay_line(struct relay *r, int stream, char *s)
{
	bool is_stdout = stream == RELAY_STDOUT;
	size_t len = strlen(s);

	if (len && s[len - 1] == '\r')
		s[--len] = '\0';
	for (char *p = s; *p; p++)
		if (iscntrl((unsigned char)*p) && *p != '\t')
			*p = '?';

	if (len)
		snprintf(r->last, sizeof(r->last), "%s", s);
	if (strstr(s, "SKIP") || strstr(s, "skip"))
		snprintf(r->skip, sizeof(r->skip), "%s", s);

	if (is_stdout && !r->tap && (is_version(s) || is_plan(s))) {
		r->tap = true;
		fprintf(r->out, "    KTAP version 1\n    # Subtest: %s\n", r->name);
		if (is_version(s))
			goto flush;
	}

	if (r->tap && is_stdout && is_ktap(s))
		fprintf(r->out, "    %s\n", s);
	else if (!r->tap && *s == '#' && strncmp(s, "# Subtest", 9))
		fprintf(r->out, "%s\n", s);
	else
		fprintf(r->out, "%s# %s\n", r->tap ? "    " : "", s);
flush:
	/* Line by line: should the VM die, what came before is on the host. */
	fflush(r->out);
}

void relay_init(struct relay *r, FILE *out, const char *name)
{
	memset(r, 0, sizeof(*r));
	r->out = out;
	r->name = name;
}

static void relay_flush(struct relay *r, int stream)
{
	size_t len = r->line[stream].len;

	r->line[stream].buf[len] = '\0';
	r->line[stream].len = 0;
	relay_line(r, stream, r->line[stream].buf);
}

void relay_input(struct relay *r, int stream, const char *data, size_t len)
{
	for (; len; len--, data++) {
		if (*data == '\n') {
			relay_flush(r, stream);
			continue;
		}
		if (r->line[stream].len == sizeof(r->line[stream].buf) - 1)
			relay_flush(r, stream);
		r->line[stream].buf[r->line[stream].len++] = *data ? *data : '?';
	}
}

/* A last line without a newline is a line, too. */
void relay_finish(struct relay *r)
{
	for (int stream = 0; stream < RELAY_NR; stream++)
		if (r->line[stream].len)
			relay_flush(r, stream);
}

/* Never empty: a skip without a reason cannot be told from a broken test. */
const char *relay_skip_reason(struct relay *r)
{
	const char *s = *r->skip ? r->skip : r->last, *mark;

	mark = strstr(s, "SKIP");
	if (mark)
		s = mark + strlen("SKIP");
	s += strspn(s, "# \t:-]");

	return *s ? s : "exit status 4 without a reason";
}
