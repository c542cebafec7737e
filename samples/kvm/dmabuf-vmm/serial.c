// SPDX-License-Identifier: GPL-2.0-only
#include <sys/ioctl.h>
#include <linux/kvm.h>
#include <linux/serial_reg.h>

#include "serial.h"

static bool rx_ready(const struct serial *s)
{
	return s->rx_head != s->rx_tail;
}

static void update_irq(struct serial *s)
{
	bool level = (rx_ready(s) && (s->ier & UART_IER_RDI)) ||
		     (s->thr_pending && (s->ier & UART_IER_THRI));
	struct kvm_irq_level irq = { .irq = s->irq, .level = level };

	if (level == s->irq_level)
		return;
	s->irq_level = level;
	if (ioctl(s->vm_fd, KVM_IRQ_LINE, &irq))
		fail("KVM_IRQ_LINE: %m");
}

static u8 interrupt_cause(struct serial *s)
{
	u8 iir = s->fcr & UART_FCR_ENABLE_FIFO ? 0xc0 : 0;

	if (rx_ready(s) && (s->ier & UART_IER_RDI))
		return iir | UART_IIR_RDI;
	if (s->thr_pending && (s->ier & UART_IER_THRI)) {
		s->thr_pending = false;
		return iir | UART_IIR_THRI;
	}
	return iir | UART_IIR_NO_INT;
}

/* Loopback wires the modem control outputs to the status inputs. */
static u8 modem_status(const struct serial *s)
{
	u8 msr = 0;

	if (!(s->mcr & UART_MCR_LOOP))
		return UART_MSR_DCD | UART_MSR_DSR | UART_MSR_CTS;
	if (s->mcr & UART_MCR_RTS)
		msr |= UART_MSR_CTS;
	if (s->mcr & UART_MCR_DTR)
		msr |= UART_MSR_DSR;
	if (s->mcr & UART_MCR_OUT1)
		msr |= UART_MSR_RI;
	if (s->mcr & UART_MCR_OUT2)
		msr |= UART_MSR_DCD;
	return msr;
}

static u8 read_register(struct serial *s, unsigned int reg)
{
	bool dlab = s->lcr & UART_LCR_DLAB;

	switch (reg) {
	case UART_RX:
		if (dlab)
			return s->dll;
		return rx_ready(s) ? s->rx[s->rx_tail++ % SERIAL_FIFO] : 0;
	case UART_IER:
		return dlab ? s->dlm : s->ier;
	case UART_IIR:
		return interrupt_cause(s);
	case UART_LCR:
		return s->lcr;
	case UART_MCR:
		return s->mcr;
	case UART_LSR:
		return UART_LSR_TEMT | UART_LSR_THRE |
		       (rx_ready(s) ? UART_LSR_DR : 0);
	case UART_MSR:
		return modem_status(s);
	default:
		return s->scr;
	}
}

static void write_register(struct serial *s, unsigned int reg, u8 value)
{
	bool dlab = s->lcr & UART_LCR_DLAB;

	switch (reg) {
	case UART_TX:
		if (dlab) {
			s->dll = value;
		} else if (!(s->mcr & UART_MCR_LOOP)) {
			s->transmit(s, value);
			s->thr_pending = true;
		}
		break;
	case UART_IER:
		if (dlab) {
			s->dlm = value;
			break;
		}
		if (!(s->ier & UART_IER_THRI) && (value & UART_IER_THRI))
			s->thr_pending = true;
		s->ier = value & 0x0f;
		break;
	case UART_FCR:
		s->fcr = value;
		break;
	case UART_LCR:
		s->lcr = value;
		break;
	case UART_MCR:
		s->mcr = value & 0x1f;
		break;
	case UART_SCR:
		s->scr = value;
		break;
	}
}

bool serial_owns(const struct serial *s, u16 port)
{
	return port >= s->port && port < s->port + SERIAL_NR_PORTS;
}

u8 serial_in(struct serial *s, u16 port)
{
	u8 value;

	pthread_mutex_lock(&s->lock);
	value = read_register(s, port - s->port);
	update_irq(s);
	pthread_mutex_unlock(&s->lock);
	return value;
}

void serial_out(struct serial *s, u16 port, u8 value)
{
	pthread_mutex_lock(&s->lock);
	write_register(s, port - s->port, value);
	update_irq(s);
	pthread_mutex_unlock(&s->lock);
}

/* What does not fit is lost, as on a line without flow control. */
void serial_receive(struct serial *s, const char *bytes, size_t len)
{
	pthread_mutex_lock(&s->lock);
	for (size_t i = 0; i < len; i++)
		if (s->rx_head - s->rx_tail < SERIAL_FIFO)
			s->rx[s->rx_head++ % SERIAL_FIFO] = bytes[i];
	update_irq(s);
	pthread_mutex_unlock(&s->lock);
}

void serial_init(struct serial *s, int vm_fd, u16 port, u32 irq,
		 void (*transmit)(struct serial *s, u8 byte))
{
	pthread_mutex_init(&s->lock, NULL);
	s->vm_fd = vm_fd;
	s->port = port;
	s->irq = irq;
	s->transmit = transmit;
}
