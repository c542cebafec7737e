#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
echo "before the version line"
echo "TAP version 13"
echo "1..2"
echo "# diagnostic"
echo "noise"
echo "ok 1 first"
echo "    # Subtest: nested"
echo "    1..1"
echo "    ok 1 deep"
echo "ok 2 nested"
