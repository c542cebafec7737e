#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
sleep 100 &
sleep 100
