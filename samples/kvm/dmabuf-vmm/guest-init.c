// SPDX-License-Identifier: GPL-2.0-only
/*
 * The first process of the guest: uses the disk, fills RAM with a pattern, and
 * tells the VMM where and with which checksums (guest-report.h).
 */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/sysinfo.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>
#include <linux/fiemap.h>
#include <linux/fs.h>

#include "guest-report.h"

#define PAGE_SIZE	4096UL
#define DISK		"/dev/vda"
#define DATA		"/mnt/data.bin"
#define DATA_SUM	"/mnt/data.sum"
#define WRITTEN		"/mnt/guest.bin"
#define WRITTEN_SIZE	(1024UL << 10)
#define READERS		4
#define READ_CHUNK	(64UL << 10)
#define MAX_EXTENTS	64
#define DEVICE_SIZE	(64UL << 10)
#define MAX_FILL	(256UL << 20)	/* else a large guest takes long */

struct page {
	u64 gpa;
	u8 *data;
};

static union {
	struct guest_report report;
	u8 bytes[PAGE_SIZE];
} __aligned(PAGE_SIZE) report_page;

static struct guest_report *const report = &report_page.report;
static int report_fd = -1;
static int pagemap_fd = -1;
static u64 report_gpa;

static void __noreturn finish(u8 status)
{
	u8 command[] = { GUEST_CMD_EXIT, status };

	if (write(report_fd, command, sizeof(command)) != sizeof(command))
		perror("guest-init: report port");
	tcdrain(report_fd);
	reboot(RB_AUTOBOOT);
	_exit(status);
}

/* Guest physical addresses of pages that are present and locked. */
static bool gpas_of(const void *first, u64 *gpas, size_t nr)
{
	off_t offset = (uintptr_t)first / PAGE_SIZE * sizeof(*gpas);
	ssize_t size = nr * sizeof(*gpas);

	if (pread(pagemap_fd, gpas, size, offset) != size)
		return false;
	for (size_t i = 0; i < nr; i++) {
		bool present = gpas[i] >> 63;

		gpas[i] = (gpas[i] & ((1ULL << 55) - 1)) * PAGE_SIZE;
		if (!present || !gpas[i])
			return false;
	}
	return true;
}

static void report_send(u32 kind)
{
	u8 command[5] = { GUEST_CMD_REPORT };
	u32 gfn = report_gpa / PAGE_SIZE;

	report->magic = GUEST_REPORT_MAGIC;
	report->kind = kind;
	for (int i = 0; i < 4; i++)
		command[1 + i] = gfn >> (8 * i);
	if (write(report_fd, command, sizeof(command)) != sizeof(command))
		perror("guest-init: report port");
	tcdrain(report_fd);	/* the VMM has read the page */
	report->nr_ranges = 0;
	report->text[0] = '\0';
}

static void report_range(u32 kind, u64 start, u64 len,
			 u64 sum)
{
	report->ranges[report->nr_ranges++] = (struct guest_range){
		.start = start,
		.len = len,
		.sum = sum,
	};
	if (report->nr_ranges == GUEST_REPORT_MAX_RANGES)
		report_send(kind);
}

static void __noreturn __printf(1, 2) give_up(const char *fmt, ...)
{
	va_list ap;

	report->nr_ranges = 0;
	va_start(ap, fmt);
	vsnprintf(report->text, sizeof(report->text), fmt, ap);
	va_end(ap);
	fprintf(stderr, "guest-init: %s\n", report->text);
	report_send(GUEST_REPORT_ERROR);
	finish(1);
}

/* The UART is a pipe for bytes: no echo, nothing translated. */
static void open_report_port(void)
{
	struct termios tio;

	report_fd = open("/dev/ttyS1", O_RDWR | O_NOCTTY);
	if (report_fd < 0 || tcgetattr(report_fd, &tio)) {
		perror("guest-init: /dev/ttyS1");
		reboot(RB_AUTOBOOT);
	}
	cfmakeraw(&tio);
	cfsetspeed(&tio, B115200);
	tcsetattr(report_fd, TCSANOW, &tio);

	pagemap_fd = open("/proc/self/pagemap", O_RDONLY);
	if (pagemap_fd < 0 || mlock(&report_page, sizeof(report_page)) ||
	    !gpas_of(&report_page, &report_gpa, 1)) {
		perror("guest-init: /proc/self/pagemap");
		finish(1);
	}
}

static u64 read_cmdline(bool *device)
{
	char line[4096], *p;
	FILE *f = fopen("/proc/cmdline", "r");

	if (!f || !fgets(line, sizeof(line), f))
		give_up("/proc/cmdline: %s", strerror(errno));
	fclose(f);
	p = strstr(line, "vmm.seed=");
	if (!p)
		give_up("no vmm.seed= on the command line");
	*device = strstr(line, " vmm.device");
	return strtoull(p + strlen("vmm.seed="), NULL, 0);
}

static void *map(size_t size, int flags)
{
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE,
		       MAP_ANONYMOUS | flags, -1, 0);

	if (p == MAP_FAILED)
		give_up("mmap of %zu bytes: %s", size, strerror(errno));
	return p;
}

/* Several processes, so that several requests are in flight. */
static void read_file(const char *name, u8 *buf, size_t size)
{
	for (size_t i = 0; i < READERS; i++) {
		pid_t pid = fork();
		int fd;

		if (pid < 0)
			give_up("fork: %s", strerror(errno));
		if (pid)
			continue;
		fd = open(name, O_RDONLY | O_DIRECT);
		for (size_t at = i * READ_CHUNK; at < size;
		     at += READERS * READ_CHUNK) {
			ssize_t want = size - at < READ_CHUNK ? size - at :
								READ_CHUNK;

			if (pread(fd, buf + at, READ_CHUNK, at) != want)
				_exit(1);
		}
		_exit(0);
	}
	for (size_t i = 0; i < READERS; i++) {
		int status;

		if (wait(&status) < 0 || status)
			give_up("cannot read %s", name);
	}
}

static void check_file(void)
{
	u64 expected;
	struct stat st;
	u64 sum;
	u8 *buf;
	size_t size;
	FILE *f;

	f = fopen(DATA_SUM, "r");
	if (!f || fscanf(f, "%llx", &expected) != 1)
		give_up("cannot read %s", DATA_SUM);
	fclose(f);
	if (stat(DATA, &st))
		give_up("%s: %s", DATA, strerror(errno));
	/* O_DIRECT reads whole blocks, also the last one. */
	size = (st.st_size + READ_CHUNK - 1) & ~(READ_CHUNK - 1);
	buf = map(size, MAP_SHARED | MAP_POPULATE);
	read_file(DATA, buf, st.st_size);
	sum = guest_sum(buf, st.st_size, GUEST_SUM_INIT);
	munmap(buf, size);
	if (sum != expected)
		give_up("%s: checksum %016llx, expected %016llx", DATA,
			sum, expected);

	snprintf(report->text, sizeof(report->text), "%s",
		 strrchr(DATA, '/') + 1);
	report_range(GUEST_REPORT_FILE, 0, st.st_size, sum);
	report_send(GUEST_REPORT_FILE);
}

static void mount_disk(void)
{
	if (mount(DISK, "/mnt", "ext4", 0, NULL))
		give_up("mount %s: %s", DISK, strerror(errno));
}

static void unmount_disk(void)
{
	if (umount("/mnt"))
		give_up("umount %s: %s", DISK, strerror(errno));
}

static void write_file(u8 *buf)
{
	int fd = open(WRITTEN, O_WRONLY | O_CREAT | O_TRUNC, 0644);

	if (fd < 0 || write(fd, buf, WRITTEN_SIZE) != WRITTEN_SIZE || fsync(fd))
		give_up("%s: %s", WRITTEN, strerror(errno));
	close(fd);
}

/* Where the file lies, for the VMM to look at the image itself. */
static void report_extents(const u8 *buf)
{
	struct fiemap *map = calloc(1, sizeof(*map) + MAX_EXTENTS *
				       sizeof(map->fm_extents[0]));
	int fd = open(WRITTEN, O_RDONLY);
	u64 bytes = 0;

	if (!map || fd < 0)
		give_up("%s: %s", WRITTEN, strerror(errno));
	map->fm_length = WRITTEN_SIZE;
	map->fm_extent_count = MAX_EXTENTS;
	if (ioctl(fd, FS_IOC_FIEMAP, map))
		give_up("FS_IOC_FIEMAP: %s", strerror(errno));
	for (u32 i = 0; i < map->fm_mapped_extents; i++) {
		const struct fiemap_extent *e = &map->fm_extents[i];
		u64 left = WRITTEN_SIZE - e->fe_logical;
		u64 len = e->fe_length < left ? e->fe_length : left;

		report_range(GUEST_REPORT_DISK, e->fe_physical, len,
			     guest_sum(buf + e->fe_logical, len,
				       GUEST_SUM_INIT));
		bytes += len;
	}
	if (bytes != WRITTEN_SIZE)
		give_up("%s: %llu bytes on the disk", WRITTEN,
			bytes);
	report_send(GUEST_REPORT_DISK);
	close(fd);
	free(map);
}

static void use_disk(u64 seed)
{
	u8 *buf = map(WRITTEN_SIZE, MAP_SHARED | MAP_POPULATE);
	u8 *back = map(WRITTEN_SIZE, MAP_SHARED | MAP_POPULATE);

	mount_disk();
	check_file();
	guest_fill(buf, 0, WRITTEN_SIZE, seed);
	write_file(buf);
	unmount_disk();

	mount_disk();
	read_file(WRITTEN, back, WRITTEN_SIZE);
	if (memcmp(buf, back, WRITTEN_SIZE))
		give_up("%s: other bytes than were written", WRITTEN);
	report_extents(back);
	unmount_disk();
	munmap(buf, WRITTEN_SIZE);
	munmap(back, WRITTEN_SIZE);
}

/* A device of the host writes to pages of ours, wherever they are. */
static void use_device(void)
{
	size_t nr = DEVICE_SIZE / PAGE_SIZE;
	u8 *buf = map(DEVICE_SIZE, MAP_PRIVATE | MAP_LOCKED | MAP_POPULATE);
	u64 gpas[DEVICE_SIZE / PAGE_SIZE], sum = GUEST_SUM_INIT;

	if (!gpas_of(buf, gpas, nr))
		give_up("/proc/self/pagemap does not tell where RAM is");
	for (size_t i = 0; i < nr; i++)
		report_range(GUEST_REPORT_WANT, gpas[i], PAGE_SIZE, 0);
	report_send(GUEST_REPORT_WANT);

	sum = guest_sum(buf, DEVICE_SIZE, sum);
	printf("guest-init: a device wrote %lu KiB, checksum %016llx\n",
	       DEVICE_SIZE >> 10, sum);
	report_range(GUEST_REPORT_GOT, gpas[0], DEVICE_SIZE, sum);
	report_send(GUEST_REPORT_GOT);
	munmap(buf, DEVICE_SIZE);
}

static int by_gpa(const void *a, const void *b)
{
	const struct page *pa = a, *pb = b;

	return pa->gpa < pb->gpa ? -1 : pa->gpa > pb->gpa;
}

/* Neighbours in guest physical memory make one range, whatever their order. */
static void report_pages(const struct page *pages, size_t nr)
{
	for (size_t i = 0, start = 0; i < nr; i++) {
		u64 sum = GUEST_SUM_INIT;

		if (i + 1 < nr && pages[i + 1].gpa == pages[i].gpa + PAGE_SIZE)
			continue;
		for (size_t j = start; j <= i; j++)
			sum = guest_sum(pages[j].data, PAGE_SIZE, sum);
		report_range(GUEST_REPORT_RAM, pages[start].gpa,
			     (i + 1 - start) * PAGE_SIZE, sum);
		start = i + 1;
	}
	if (report->nr_ranges)
		report_send(GUEST_REPORT_RAM);
}

static void use_ram(u64 seed)
{
	u64 *gpas, *gpas_after;
	struct sysinfo info;
	struct page *pages;
	u8 *ram;
	size_t nr;

	if (sysinfo(&info))
		give_up("sysinfo: %s", strerror(errno));
	nr = info.freeram * info.mem_unit / PAGE_SIZE / 4 * 3;
	if (nr > MAX_FILL / PAGE_SIZE)
		nr = MAX_FILL / PAGE_SIZE;
	pages = map(nr * sizeof(*pages), MAP_PRIVATE);
	gpas = map(nr * sizeof(*gpas), MAP_PRIVATE);
	gpas_after = map(nr * sizeof(*gpas), MAP_PRIVATE);
	ram = map(nr * PAGE_SIZE, MAP_PRIVATE | MAP_LOCKED | MAP_POPULATE);
	if (!gpas_of(ram, gpas, nr))
		give_up("/proc/self/pagemap does not tell where RAM is");
	for (size_t i = 0; i < nr; i++) {
		pages[i].data = ram + i * PAGE_SIZE;
		pages[i].gpa = gpas[i];
		guest_fill(pages[i].data, pages[i].gpa, PAGE_SIZE, seed);
	}
	qsort(pages, nr, sizeof(*pages), by_gpa);
	report_pages(pages, nr);
	/* A page that moved meanwhile would look like one with wrong bytes. */
	if (!gpas_of(ram, gpas_after, nr) ||
	    memcmp(gpas, gpas_after, nr * sizeof(*gpas)))
		give_up("the guest's kernel has moved a page");
	/* Nothing is freed: the VMM looks at it after the guest has stopped. */
}

int main(void)
{
	struct utsname uts;
	bool device;
	u64 seed;

	mount("proc", "/proc", "proc", 0, NULL);
	mount("dev", "/dev", "devtmpfs", 0, NULL);
	open_report_port();
	uname(&uts);
	printf("guest-init: hello from %s %s\n", uts.sysname, uts.release);
	snprintf(report->text, sizeof(report->text), "%.40s %.60s", uts.sysname,
		 uts.release);
	report_send(GUEST_REPORT_HELLO);
	seed = read_cmdline(&device);

	if (!access(DISK, F_OK)) {
		printf("guest-init: using the disk\n");
		use_disk(seed);
	}
	if (device)
		use_device();
	printf("guest-init: filling RAM\n");
	use_ram(seed);
	printf("guest-init: done\n");
	finish(0);
}
