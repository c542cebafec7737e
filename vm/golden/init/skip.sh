#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
echo "1..0 # SKIP - Requirement not met: a thing"
exit 4
