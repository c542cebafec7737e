#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# provoke.sh WHAT: have lkdtm do WHAT to the kernel, e.g. WARNING.
echo "$1" >/sys/kernel/debug/provoke-crash/DIRECT
