// SPDX-License-Identifier: GPL-2.0-only
/*
 * The Intel 82576 in loopback: a frame is read from one address and written to
 * another. One at a time is enough here.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <linux/pci_regs.h>

#include "igb.h"

#define CTRL		0x0000
#define  CTRL_FD	BIT(0)
#define  CTRL_SLU	BIT(6)
#define  CTRL_1000	(2U << 8)
#define  CTRL_FRCSPD	BIT(11)
#define  CTRL_FRCDPX	BIT(12)
#define  CTRL_RST	BIT(26)
#define STATUS		0x0008
#define  STATUS_LU	BIT(1)
#define MDIC		0x0020
#define  MDIC_PHY	BIT(21)
#define  MDIC_WRITE	BIT(26)
#define  MDIC_READY	BIT(28)
#define RCTL		0x0100
#define  RCTL_EN	BIT(1)
#define  RCTL_ALL	(3U << 3)	/* whatever the address */
#define  RCTL_LOOPBACK	BIT(6)
#define  RCTL_STRIP_CRC	BIT(26)
#define TCTL		0x0400
#define  TCTL_EN	BIT(1)
#define  TCTL_PAD	BIT(3)
#define IMC		0x150c

/* Registers of a ring. */
#define RX		0xc000
#define TX		0xe000
#define  BASE_LOW	0x00
#define  BASE_HIGH	0x04
#define  LENGTH		0x08
#define  SRRCTL		0x0c
#define   SRRCTL_ADV	BIT(25)
#define  HEAD		0x10
#define  TAIL		0x18
#define  DCTL		0x28
#define   DCTL_ENABLE	BIT(25)

/* Register 0 of the PHY */
#define BMCR_AUTONEG	0x1200
#define BMCR_LOOPBACK	0x4140

#define NR_DESCS	8
/* Advanced data descriptor, one frame, with a checksum behind it */
#define TX_FLAGS	0x23300000U
#define TX_SIZE_SHIFT	14
#define RX_DONE		1U

#define WAIT_US		2000000

struct desc {
	u64 address;
	u32 status;		/* of a descriptor that was received into */
	u32 more;
};

struct rings {
	struct desc tx[NR_DESCS];
	struct desc rx[NR_DESCS];
};

struct igb {
	struct vfio *vfio;
	volatile u32 *regs;
	u64 size;
	volatile struct rings *rings;
	unsigned int next;
};

static void wr(struct igb *igb, u32 reg, u32 value)
{
	igb->regs[reg / 4] = value;
}

static bool wait_for(const volatile u32 *word, u32 mask, u32 value)
{
	for (unsigned int us = 0; us < WAIT_US; us += 100) {
		if ((*word & mask) == value)
			return true;
		usleep(100);
	}
	return false;
}

static void wait_reg(struct igb *igb, u32 reg, u32 mask, u32 value)
{
	if (!wait_for(&igb->regs[reg / 4], mask, value))
		die("igb: register 0x%04x stays 0x%08x", reg, igb->regs[reg / 4]);
}

static void write_phy(struct igb *igb, u16 value)
{
	wr(igb, MDIC, value | MDIC_PHY | MDIC_WRITE);
	wait_reg(igb, MDIC, MDIC_READY, MDIC_READY);
}

static void start_ring(struct igb *igb, u32 ring, u64 iova)
{
	wr(igb, ring + BASE_LOW, iova);
	wr(igb, ring + BASE_HIGH, iova >> 32);
	wr(igb, ring + LENGTH, NR_DESCS * sizeof(struct desc));
	wr(igb, ring + HEAD, 0);
	wr(igb, ring + TAIL, 0);
	wr(igb, ring + DCTL, DCTL_ENABLE);
}

struct igb *igb_create(struct vfio *vfio, void *rings, u64 iova)
{
	struct igb *igb = xzalloc(sizeof(*igb));

	igb->vfio = vfio;
	igb->rings = rings;
	igb->regs = vfio_map_bar(vfio, 0, &igb->size);
	vfio_set_command(vfio, PCI_COMMAND_MASTER, 0);

	wr(igb, CTRL, igb->regs[CTRL / 4] | CTRL_RST);
	wait_reg(igb, CTRL, CTRL_RST, 0);
	wr(igb, IMC, ~0U);

	/* QEMU wants to have seen a link before it receives anything. */
	write_phy(igb, BMCR_AUTONEG);
	wr(igb, CTRL, igb->regs[CTRL / 4] | CTRL_SLU);
	wait_reg(igb, STATUS, STATUS_LU, STATUS_LU);
	write_phy(igb, BMCR_LOOPBACK);
	wr(igb, CTRL, CTRL_FD | CTRL_SLU | CTRL_1000 | CTRL_FRCSPD | CTRL_FRCDPX);

	wr(igb, RX + SRRCTL, SRRCTL_ADV);
	start_ring(igb, TX, iova + offsetof(struct rings, tx));
	start_ring(igb, RX, iova + offsetof(struct rings, rx));
	wr(igb, RCTL, RCTL_EN | RCTL_ALL | RCTL_LOOPBACK | RCTL_STRIP_CRC);
	wr(igb, TCTL, TCTL_EN | TCTL_PAD);
	return igb;
}

static bool copy_frame(struct igb *igb, u64 src, u64 dst)
{
	volatile struct desc *tx = &igb->rings->tx[igb->next];
	volatile struct desc *rx = &igb->rings->rx[igb->next];

	rx->address = dst;
	rx->status = 0;
	rx->more = 0;
	tx->address = src;
	tx->status = TX_FLAGS | IGB_FRAME;
	tx->more = IGB_FRAME << TX_SIZE_SHIFT;
	igb->next = (igb->next + 1) % NR_DESCS;

	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	wr(igb, RX + TAIL, igb->next);
	wr(igb, TX + TAIL, igb->next);
	return wait_for(&rx->status, RX_DONE, RX_DONE);
}

/*
 * Both are I/O addresses, @size is a multiple of a frame. False if the device
 * gave up; that it could not reach the memory it need not notice.
 */
bool igb_copy(struct igb *igb, u64 src, u64 dst, u64 size)
{
	for (u64 at = 0; at < size; at += IGB_FRAME)
		if (!copy_frame(igb, src + at, dst + at))
			return false;
	return true;
}

void igb_destroy(struct igb *igb)
{
	wr(igb, CTRL, CTRL_RST);
	munmap((void *)igb->regs, igb->size);
	free(igb);
}
