/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef VM_INIT_H
#define VM_INIT_H

#include <stdbool.h>
#include <stdio.h>

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

enum { RELAY_STDOUT, RELAY_STDERR, RELAY_NR };

/**
 * struct relay - turns what one program prints into KTAP
 * @out: where KTAP goes
 * @name: name of the job, also that of its subtest
 * @tap: the program speaks TAP itself, its cases become a subtest
 * @last: last line it printed
 * @skip: last line it printed that speaks of skipping
 * @line: a line not yet complete, one per stream
 */
struct relay {
	FILE *out;
	const char *name;
	bool tap;
	char last[512];
	char skip[512];
	struct {
		char buf[4096];
		size_t len;
	} line[RELAY_NR];
};

void relay_init(struct relay *r, FILE *out, const char *name);
void relay_input(struct relay *r, int stream, const char *data, size_t len);
void relay_finish(struct relay *r);
const char *relay_skip_reason(struct relay *r);

/**
 * struct job - one line of the job list: name, timeout in seconds, program and arguments
 */
struct job {
	char *name;
	long timeout;
	char **argv;
};

struct jobs {
	struct job *job;
	unsigned int nr;
};

bool jobs_read(struct jobs *jobs, const char *path);
bool jobs_run(const struct jobs *jobs, FILE *out, void (*announce)(const char *text));

#endif
