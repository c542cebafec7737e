/* SPDX-License-Identifier: GPL-2.0-only */
/* A 16550 UART.  What is at its other end is the owner's affair. */
#ifndef SERIAL_H
#define SERIAL_H

#include <pthread.h>

#include "vmm.h"

#define SERIAL_NR_PORTS	8
#define SERIAL_FIFO	64

struct serial {
	pthread_mutex_t lock;	/* vCPU thread against the ring's */
	int vm_fd;
	u16 port;
	u32 irq;
	/* A byte from the guest; called in the vCPU thread, lock held. */
	void (*transmit)(struct serial *s, u8 byte);

	u8 ier, lcr, mcr, scr, fcr, dll, dlm;
	bool thr_pending;	/* "transmitter empty" not yet seen */
	bool irq_level;
	u8 rx[SERIAL_FIFO];
	unsigned int rx_head, rx_tail;
};

void serial_init(struct serial *s, int vm_fd, u16 port, u32 irq,
		 void (*transmit)(struct serial *s, u8 byte));
bool serial_owns(const struct serial *s, u16 port);
u8 serial_in(struct serial *s, u16 port);
void serial_out(struct serial *s, u16 port, u8 value);
void serial_receive(struct serial *s, const char *bytes, size_t len);

#endif /* SERIAL_H */
