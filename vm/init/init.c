// SPDX-License-Identifier: GPL-2.0-only
/*
 * PID 1 of the test VM: mounts what tests need, runs the job list and writes
 * KTAP to the virtio port of the harness, then powers the machine off.
 *
 * Run by hand ("init JOBLIST") it runs a job list on the host and writes the
 * same KTAP to stdout.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/reboot.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "init.h"

#define PORT_NAME	"org.kvm-dmabuf.result"
#define PORT_CLASS	"/sys/class/virtio-ports"
#define PORT_TRIES	1000
#define PORT_WAIT_NS	10000000

static const struct {
	const char *type, *dir;
	bool optional;
} mounts[] = {
	{ "devtmpfs",	"/dev",			false },
	{ "proc",	"/proc",		false },
	{ "sysfs",	"/sys",			false },
	{ "debugfs",	"/sys/kernel/debug",	false },
	{ "tmpfs",	"/tmp",			false },
	{ "tmpfs",	"/dev/shm",		false },
	{ "devpts",	"/dev/pts",		true },
	{ "hugetlbfs",	"/dev/hugepages",	true },
};

/* The kernel log says which job ran when a splat came. */
static void announce_kmsg(const char *text)
{
	char line[300];
	int len, fd;

	/* One write, one record; stdio would seek, which kmsg refuses. */
	len = snprintf(line, sizeof(line), "<5>vm: %s\n", text);
	fd = open("/dev/kmsg", O_WRONLY | O_CLOEXEC);
	if (fd < 0 || write(fd, line, len) != len)
		perror("init: /dev/kmsg");
	if (fd >= 0)
		close(fd);
}

static void announce_nothing(const char *text)
{
	(void)text;
}

static void mount_all(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(mounts); i++) {
		mkdir(mounts[i].dir, 0755);
		if (!mount(mounts[i].type, mounts[i].dir, mounts[i].type, 0, NULL))
			continue;
		if (errno != EBUSY && !mounts[i].optional)
			fprintf(stderr, "init: cannot mount %s: %s\n", mounts[i].dir,
				strerror(errno));
	}
}

static bool port_is_ours(const char *port)
{
	char path[512], name[64] = "";
	FILE *f;

	snprintf(path, sizeof(path), PORT_CLASS "/%s/name", port);
	f = fopen(path, "re");
	if (!f)
		return false;
	if (!fgets(name, sizeof(name), f))
		name[0] = '\0';
	fclose(f);
	name[strcspn(name, "\n")] = '\0';

	return !strcmp(name, PORT_NAME);
}

static FILE *port_open(void)
{
	DIR *dir = opendir(PORT_CLASS);
	struct dirent *entry;
	FILE *f = NULL;

	if (!dir)
		return NULL;
	while (!f && (entry = readdir(dir))) {
		char path[512];

		if (entry->d_name[0] == '.' || !port_is_ours(entry->d_name))
			continue;
		snprintf(path, sizeof(path), "/dev/%s", entry->d_name);
		f = fopen(path, "we");
	}
	closedir(dir);

	return f;
}

/* The device announces its ports when it likes, after init was started. */
static FILE *port_wait(void)
{
	const struct timespec ts = { .tv_nsec = PORT_WAIT_NS };
	FILE *f = port_open();

	for (int i = 0; !f && i < PORT_TRIES; i++) {
		nanosleep(&ts, NULL);
		f = port_open();
	}

	return f;
}

static void shell(void)
{
	char *const argv[] = { "sh", "-l", NULL };
	pid_t pid = fork(), child;

	if (!pid) {
		int fd;

		setsid();
		fd = open("/dev/ttyS0", O_RDWR);
		if (fd < 0)
			fd = open("/dev/console", O_RDWR);
		for (int i = 0; i < 3; i++)
			dup2(fd, i);
		ioctl(0, TIOCSCTTY, 1);
		setenv("PS1", "vm# ", 1);
		setenv("TERM", "linux", 1);
		execv("/bin/sh", argv);
		perror("init: /bin/sh");
		_exit(127);
	}

	/* PID 1 reaps whatever is left to it until the shell itself ends. */
	do {
		child = wait(NULL);
	} while (child != pid && (child > 0 || errno == EINTR));
}

/* All that we start inherits this: see run.sh for whom CPU 0 is no place. */
static bool leave_cpu0(void)
{
	cpu_set_t cpus;

	if (sched_getaffinity(0, sizeof(cpus), &cpus) < 0)
		return false;
	CPU_CLR(0, &cpus);
	return !sched_setaffinity(0, sizeof(cpus), &cpus);
}

static void power_off(void)
{
	sync();
	reboot(LINUX_REBOOT_CMD_POWER_OFF);
	reboot(LINUX_REBOOT_CMD_RESTART);
	for (;;)
		pause();
}

static void run(void)
{
	struct jobs jobs;
	FILE *out;

	if (!jobs_read(&jobs, "/jobs"))
		return;

	if (jobs.nr == 1 && !strcmp(jobs.job[0].name, "shell")) {
		shell();
		return;
	}

	out = port_wait();
	if (!out) {
		fprintf(stderr, "init: no virtio port named " PORT_NAME "\n");
		return;
	}
	jobs_run(&jobs, out, announce_kmsg);
	fclose(out);
}

int main(int argc, char **argv)
{
	setenv("PATH", "/bin:/sbin:/usr/bin:/usr/sbin", getpid() == 1);
	setenv("HOME", "/tmp", getpid() == 1);
	signal(SIGPIPE, SIG_IGN);

	if (getpid() != 1) {
		struct jobs jobs;

		if (argc != 2) {
			fprintf(stderr, "usage: %s JOBLIST\n", argv[0]);
			return 2;
		}
		return !jobs_read(&jobs, argv[1]) ||
		       !jobs_run(&jobs, stdout, announce_nothing);
	}

	mount_all();
	if (getenv("LEAVE_CPU0") && !leave_cpu0())
		perror("init: no other CPU than 0 to run on");
	else
		run();
	power_off();
}
