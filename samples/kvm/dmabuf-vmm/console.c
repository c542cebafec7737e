// SPDX-License-Identifier: GPL-2.0-only
/*
 * Output is collected in one of two buffers while the ring writes the other;
 * input is read only with --console.
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <termios.h>
#include <unistd.h>

#include "console.h"
#include "serial.h"
#include "uring.h"

#define OUT_SIZE	65536
#define PREFIX		"guest| "

struct out_buffer {
	size_t len, done;
	char data[OUT_SIZE];
};

struct console {
	struct serial serial;	/* its lock covers the rest */
	struct vmm *vmm;
	bool raw;
	bool line_start;
	struct out_buffer out[2];
	unsigned int fill;	/* the buffer that is being filled */
	bool writing;		/* the ring has been kicked, or writes */
	int kick_fd;
	u64 kicks;
	struct uring_op kick_op, write_op, stdin_op;
	char input[SERIAL_FIFO / 2];
	struct termios saved;
	bool tty_changed;
};

static void put(struct console *con, char c)
{
	struct out_buffer *out = &con->out[con->fill];

	if (out->len < OUT_SIZE)	/* else lost, the guest need not wait */
		out->data[out->len++] = c;
}

static void transmit(struct serial *serial, u8 byte)
{
	struct console *con = container_of(serial, struct console, serial);

	if (byte == '\r' && !con->raw)
		return;
	if (con->line_start && !con->raw)
		for (const char *p = PREFIX; *p; p++)
			put(con, *p);
	put(con, byte);
	con->line_start = byte == '\n';
	if (!con->writing && (con->raw || con->line_start)) {
		con->writing = true;
		eventfd_write(con->kick_fd, 1);
	}
}

static void transmit_nowhere(struct serial *serial, u8 byte)
{
	(void)serial;
	(void)byte;
}

/* Write what is left; when that is nothing, exchange the buffers. */
static void write_on(struct console *con)
{
	struct out_buffer *out = &con->out[!con->fill];

	if (out->done == out->len) {
		out->len = 0;
		out->done = 0;
		con->fill = !con->fill;
		out = &con->out[!con->fill];
	}
	con->writing = out->len;
	if (con->writing)
		uring_write(con->vmm->ring, &con->write_op, STDOUT_FILENO,
			    out->data + out->done, out->len - out->done);
}

static void write_done(struct uring_op *op, int result)
{
	struct console *con = container_of(op, struct console, write_op);
	struct out_buffer *out;

	pthread_mutex_lock(&con->serial.lock);
	out = &con->out[!con->fill];
	/* Nobody reads any more: drop it rather than spin. */
	out->done = result > 0 ? out->done + result : out->len;
	write_on(con);
	pthread_mutex_unlock(&con->serial.lock);
}

static void kick_done(struct uring_op *op, int result)
{
	struct console *con = container_of(op, struct console, kick_op);

	if (result < 0)
		return;
	pthread_mutex_lock(&con->serial.lock);
	write_on(con);
	pthread_mutex_unlock(&con->serial.lock);
	uring_read(con->vmm->ring, &con->kick_op, con->kick_fd, &con->kicks,
		   sizeof(con->kicks));
}

static void stdin_done(struct uring_op *op, int result)
{
	struct console *con = container_of(op, struct console, stdin_op);

	if (result <= 0)
		return;
	serial_receive(&con->serial, con->input, result);
	uring_read(con->vmm->ring, &con->stdin_op, STDIN_FILENO, con->input,
		   sizeof(con->input));
}

void console_create(struct vmm *vmm)
{
	struct console *con = xzalloc(sizeof(*con));

	serial_init(&con->serial, vmm->vm_fd, COM1_PORT, COM1_IRQ,
		    vmm->opt.quiet ? transmit_nowhere : transmit);
	con->vmm = vmm;
	con->raw = vmm->opt.console;
	con->line_start = true;
	con->kick_op.done = kick_done;
	con->write_op.done = write_done;
	con->stdin_op.done = stdin_done;
	con->kick_fd = eventfd(0, EFD_CLOEXEC);
	if (con->kick_fd < 0)
		die("eventfd: %m");
	vmm->console = con;
}

void console_start(struct console *con)
{
	struct termios raw;

	fflush(stdout);
	uring_read(con->vmm->ring, &con->kick_op, con->kick_fd, &con->kicks,
		   sizeof(con->kicks));
	if (!con->raw)
		return;
	if (!tcgetattr(STDIN_FILENO, &con->saved)) {
		raw = con->saved;
		raw.c_iflag &= ~(ICRNL | IXON);
		raw.c_lflag &= ~(ICANON | ECHO);	/* Ctrl-C is the way out */
		con->tty_changed = !tcsetattr(STDIN_FILENO, TCSANOW, &raw);
	}
	uring_read(con->vmm->ring, &con->stdin_op, STDIN_FILENO, con->input,
		   sizeof(con->input));
}

/* The vCPU has stopped: let the ring finish, then what has no line end. */
void console_finish(struct console *con)
{
	struct out_buffer *out;

	uring_run(con->vmm->ring, &con->writing);
	out = &con->out[con->fill];
	fwrite(out->data, 1, out->len, stdout);
	out->len = 0;
	if (!con->line_start)
		putchar('\n');
	fflush(stdout);
	if (con->tty_changed)
		tcsetattr(STDIN_FILENO, TCSANOW, &con->saved);
}

void console_destroy(struct console *con)
{
	close(con->kick_fd);
	free(con);
}

struct serial *console_serial(struct console *con)
{
	return &con->serial;
}
