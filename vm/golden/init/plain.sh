#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
echo "ok 1 looks like a result, is none: no plan came before"
echo "# Subtest: looks like a header"
echo "# a diagnostic stays as it is"
printf 'control \001 and carriage return\r\nno newline at the end'
