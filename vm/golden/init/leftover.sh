#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# What stays behind must neither hold up the next job nor live on.
sleep 100 &
echo "bye"
