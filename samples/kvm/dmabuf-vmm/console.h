/* SPDX-License-Identifier: GPL-2.0-only */
/* The guest's console: COM1 on one side, stdout and stdin on the other. */
#ifndef CONSOLE_H
#define CONSOLE_H

#include "vmm.h"

struct serial;

void console_create(struct vmm *vmm);
void console_start(struct console *con);
void console_finish(struct console *con);
void console_destroy(struct console *con);
struct serial *console_serial(struct console *con);

#endif /* CONSOLE_H */
