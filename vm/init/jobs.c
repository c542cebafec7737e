// SPDX-License-Identifier: GPL-2.0-only
/*
 * The job list: each line is "name timeout path arguments". Jobs run one
 * after another, each in a process group of its own, and every one ends in
 * exactly one KTAP result.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "init.h"

#define KSFT_SKIP	4
#define NSEC_PER_SEC	1000000000LL

static long long now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * NSEC_PER_SEC + ts.tv_nsec;
}

static bool job_parse(struct job *job, char *line)
{
	char *save, *word, *end;
	size_t nr = 0;

	memset(job, 0, sizeof(*job));
	job->name = strtok_r(line, " \t", &save);
	word = strtok_r(NULL, " \t", &save);
	if (!job->name || !word)
		return false;

	job->timeout = strtol(word, &end, 10);
	if (*end || job->timeout <= 0)
		return false;

	while ((word = strtok_r(NULL, " \t", &save))) {
		job->argv = realloc(job->argv, (nr + 2) * sizeof(*job->argv));
		if (!job->argv)
			return false;
		job->argv[nr++] = word;
		job->argv[nr] = NULL;
	}

	return nr;
}

/* The list lives as long as the process, nothing is freed. */
bool jobs_read(struct jobs *jobs, const char *path)
{
	FILE *f = fopen(path, "re");
	char *line = NULL;
	size_t size = 0;
	ssize_t len;

	memset(jobs, 0, sizeof(*jobs));
	if (!f) {
		fprintf(stderr, "init: cannot read job list %s: %s\n", path, strerror(errno));
		return false;
	}

	while ((len = getline(&line, &size, f)) >= 0) {
		char *text;

		if (len && line[len - 1] == '\n')
			line[len - 1] = '\0';
		text = strdup(line + strspn(line, " \t"));
		if (!*text || *text == '#') {
			free(text);
			continue;
		}

		jobs->job = realloc(jobs->job, (jobs->nr + 1) * sizeof(*jobs->job));
		if (!jobs->job || !job_parse(&jobs->job[jobs->nr], text)) {
			fprintf(stderr, "init: bad line in job list %s: %s\n", path, line);
			fclose(f);
			return false;
		}
		jobs->nr++;
	}

	free(line);
	fclose(f);
	return true;
}

static void job_exec(const struct job *job, int out, int err)
{
	int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
	char *path = strdup(job->argv[0]);
	sigset_t none;

	setpgid(0, 0);
	signal(SIGPIPE, SIG_DFL);
	signal(SIGCHLD, SIG_DFL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);

	/* Test programs look for their files next to themselves. */
	if (null < 0 || dup2(null, 0) < 0 || dup2(out, 1) < 0 || dup2(err, 2) < 0 ||
	    chdir(dirname(path)) < 0 || execv(job->argv[0], job->argv) < 0)
		dprintf(err, "cannot run %s: %s\n", job->argv[0], strerror(errno));
	_exit(127);
}

/*
 * Whatever a job started ends with it. PID 1 reaches also those that left
 * the process group; anywhere else that would hit the innocent.
 */
static void job_kill(pid_t pid)
{
	kill(-pid, SIGKILL);
	if (getpid() == 1)
		kill(-1, SIGKILL);
}

static bool job_reap(pid_t pid, int *status)
{
	bool done = false;
	pid_t child;
	int st;

	while ((child = waitpid(-1, &st, WNOHANG)) > 0) {
		if (child == pid) {
			*status = st;
			done = true;
		}
	}

	return done;
}

/* Returns false if the job had to be killed. */
static bool job_supervise(const struct job *job, struct relay *r, pid_t pid,
			  struct pollfd *pfd, int *status)
{
	long long deadline = now() + job->timeout * NSEC_PER_SEC;
	bool running = true, in_time = true;
	char buf[4096];
	sigset_t none;

	sigemptyset(&none);

	while (running || pfd[RELAY_STDOUT].fd >= 0 || pfd[RELAY_STDERR].fd >= 0) {
		long long left = deadline - now();
		struct timespec ts;

		if (left <= 0) {
			if (!running)
				break;	/* a stray process holds the pipe */
			in_time = false;
			job_kill(pid);
			left = NSEC_PER_SEC;
			deadline = now() + left;
		}
		ts.tv_sec = left / NSEC_PER_SEC;
		ts.tv_nsec = left % NSEC_PER_SEC;

		/* SIGCHLD is let in only here: none gets lost. */
		if (ppoll(pfd, RELAY_NR, &ts, &none) < 0 && errno != EINTR)
			break;

		for (int i = 0; i < RELAY_NR; i++) {
			ssize_t len;

			if (pfd[i].fd < 0 || !pfd[i].revents)
				continue;
			len = read(pfd[i].fd, buf, sizeof(buf));
			if (len > 0)
				relay_input(r, i, buf, len);
			else if (!len || (errno != EINTR && errno != EAGAIN))
				pfd[i].fd = -1;
		}

		if (running && job_reap(pid, status)) {
			running = false;
			job_kill(pid);
		}
	}

	return in_time;
}

static bool job_run(const struct job *job, unsigned int nr, FILE *out)
{
	struct pollfd pfd[RELAY_NR] = {};
	int pipes[RELAY_NR][2];
	struct relay relay;
	bool in_time, ok = false;
	long long start = now();
	int status = 0;
	pid_t pid;

	relay_init(&relay, out, job->name);

	for (int i = 0; i < RELAY_NR; i++) {
		if (pipe2(pipes[i], O_CLOEXEC)) {
			fprintf(out, "# pipe: %s\nnot ok %u %s\n", strerror(errno), nr, job->name);
			return false;
		}
		pfd[i].fd = pipes[i][0];
		pfd[i].events = POLLIN;
	}

	pid = fork();
	if (!pid)
		job_exec(job, pipes[RELAY_STDOUT][1], pipes[RELAY_STDERR][1]);
	for (int i = 0; i < RELAY_NR; i++)
		close(pipes[i][1]);
	if (pid < 0) {
		fprintf(out, "# fork: %s\nnot ok %u %s\n", strerror(errno), nr, job->name);
		goto out;
	}
	setpgid(pid, pid);

	in_time = job_supervise(job, &relay, pid, pfd, &status);
	relay_finish(&relay);

	fprintf(out, "# took %.1f s\n", (double)(now() - start) / NSEC_PER_SEC);
	if (!in_time)
		fprintf(out, "# timed out after %ld s\n", job->timeout);
	else if (WIFSIGNALED(status))
		fprintf(out, "# killed by signal %d (%s)\n", WTERMSIG(status),
			strsignal(WTERMSIG(status)));
	else if (WEXITSTATUS(status) && WEXITSTATUS(status) != KSFT_SKIP)
		fprintf(out, "# exit status %d\n", WEXITSTATUS(status));

	if (in_time && WIFEXITED(status) && WEXITSTATUS(status) == KSFT_SKIP) {
		fprintf(out, "ok %u %s # SKIP %s\n", nr, job->name, relay_skip_reason(&relay));
		ok = true;
	} else {
		ok = in_time && WIFEXITED(status) && !WEXITSTATUS(status);
		fprintf(out, "%s %u %s\n", ok ? "ok" : "not ok", nr, job->name);
	}
out:
	for (int i = 0; i < RELAY_NR; i++)
		close(pipes[i][0]);
	fflush(out);
	return ok;
}

static void on_sigchld(int sig)
{
	(void)sig;
}

bool jobs_run(const struct jobs *jobs, FILE *out, void (*announce)(const char *text))
{
	struct sigaction sa = { .sa_handler = on_sigchld };
	bool ok = true;
	sigset_t mask;

	sigemptyset(&mask);
	sigaddset(&mask, SIGCHLD);
	sigprocmask(SIG_BLOCK, &mask, NULL);
	sigaction(SIGCHLD, &sa, NULL);

	fprintf(out, "KTAP version 1\n1..%u\n", jobs->nr);
	fflush(out);

	for (unsigned int i = 0; i < jobs->nr; i++) {
		char text[256];

		snprintf(text, sizeof(text), "job %u/%u: %s", i + 1, jobs->nr, jobs->job[i].name);
		announce(text);
		ok &= job_run(&jobs->job[i], i + 1, out);
	}
	announce("jobs done");

	/* Said last and only here: without it the VM died on the way. */
	fprintf(out, "# exit %d\n", ok ? 0 : 1);
	return !fflush(out) && ok;
}
