#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# coverage.sh DIR SRC FILE...: how many lines of each FILE under SRC the programs in
# DIR reached, and which they did not. Fails if there are any.
set -euo pipefail

dir=$1
src=$2
shift 2

# A line is "count:number:text", where the count is - for a line without code and
# ##### or ===== for one that was not reached. Lines of a header occur again for
# each function that it was compiled into, and in several objects.
gcov --stdout "$dir"/*.gcda 2>/dev/null | awk -F: -v src="$src/" -v files="$*" '
	BEGIN {
		nr_files = split(files, name, " ")
		for (file = 1; file <= nr_files; file++)
			want[src name[file]] = file
	}
	$2 ~ /^ *0$/ && $3 == "Source" { file = want[$4]; next }
	file && $1 ~ /[0-9#=]/ && $2 ~ /[0-9]/ {
		line = $2 + 0
		text[file, line] = substr($0, length($1 $2) + 3)
		if (line > last[file])
			last[file] = line
		if ($1 ~ /[0-9]/)
			hit[file, line] = 1
	}
	END {
		for (file = 1; file <= nr_files; file++) {
			lines = hits = 0
			for (line = 1; line <= last[file]; line++) {
				lines += (file, line) in text
				hits += (file, line) in hit
			}
			printf "%-40s %4d of %4d lines, %5.1f %%\n", name[file], hits,
				lines, lines ? 100 * hits / lines : 0
			for (line = 1; line <= last[file]; line++)
				if ((file, line) in text && !((file, line) in hit))
					printf "  %s:%d:%s\n", name[file], line, text[file, line]
			if (!lines || hits < lines)
				bad = 1
		}
		exit bad
	}'
