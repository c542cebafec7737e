/* SPDX-License-Identifier: GPL-2.0-only */
/* The one virtual CPU and its thread. */
#ifndef VCPU_H
#define VCPU_H

#include "vmm.h"

struct vcpu;

struct vcpu *vcpu_create(struct vmm *vmm, const struct boot_regs *boot);
void vcpu_start(struct vcpu *vcpu);
void vcpu_kick_out(struct vcpu *vcpu);
void vcpu_join(struct vcpu *vcpu);
void vcpu_destroy(struct vcpu *vcpu);
int vcpu_fd(const struct vcpu *vcpu);
u64 vcpu_exits(const struct vcpu *vcpu);

#endif /* VCPU_H */
