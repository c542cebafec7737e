#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
echo "to stderr" >&2
