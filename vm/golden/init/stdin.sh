#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
read -r line || echo "nothing to read"
