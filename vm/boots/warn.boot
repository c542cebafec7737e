# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash disable=SC2034
DESC="tests that must cause a kernel warning; all others run with panic_on_warn"
MEM=2G
TIMEOUT=180
# Declared warnings, "count regex" a line; exactly these must come.
EXPECT=warn.expect
JOBS="
warning-on-demand	10	/bin/provoke.sh WARNING
"
