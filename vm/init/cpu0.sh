#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# cpu0.sh: where tests must leave CPU 0 alone (see run.sh), do they?
cpus=$(sed -n 's/^Cpus_allowed_list:[[:space:]]*//p' /proc/self/status)
echo "# may run on CPUs $cpus"
! grep -qw LEAVE_CPU0=1 /proc/cmdline || [ "${cpus#0}" = "$cpus" ]
