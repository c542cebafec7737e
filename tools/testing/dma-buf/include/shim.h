/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the code under test finds instead of the kernel's headers. Split by
 * intent, as in tools/testing/vma: a definition in dup.h must follow the
 * kernel, one in custom.h is where tests look and interfere, and one in stubs.h
 * means nothing here.
 */
#ifndef __SHIM_H__
#define __SHIM_H__

#include <assert.h>
#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "stubs.h"
#include "dup.h"
#include "custom.h"

#endif /* __SHIM_H__ */
