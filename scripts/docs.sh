#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Builds our pages of the kernel's documentation into build/docs, with the kernel's
# own configuration and extensions of Sphinx. Any warning is an error. So is a name
# that the headers do not have, or that should lead to a description and does not.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"

check_arch
OUT=$ROOT/build/docs
# Sphinx builds all that is in a directory, and the kernel's has thousands of pages.
WORK=$B/docs
LOG=$B/logs/docs.log
# The kernel's, without those that want graphviz or all of its pages.
EXTENSIONS=automarkup,kerneldoc,kernel_include,rstFlatTable,sphinx.ext.autosectionlabel
# What our pages describe. What else they name is in other pages.
OURS='dma_buf_(mapping_|mappings_|extent|sink_|kvm_|flavour|invalidate_range|prepare_|map_attachment_kvm)'

command -v sphinx-build >/dev/null || die "there is no sphinx-build: DOCS=1 scripts/deps.sh installs it"
mapfile -t pages < <(sed -n 's|^Documentation/\(.*\)\.rst$|\1|p' "$STATE/own")
[ ${#pages[@]} -gt 0 ] || die "there is no page of ours in Documentation: make stage"

# Not faster if reused, and Sphinx warns about a page only when it reads it.
rm -rf "$WORK" "$OUT.tmp"
make_dir "$WORK/src"
make_dir "${LOG%/*}"
for page in "${pages[@]}"; do
	mkdir -p "$WORK/src/$page"
	rmdir "$WORK/src/$page"
	cp "$TREE/Documentation/$page.rst" "$WORK/src/$page.rst"
done
{
	title="Guest memory from a dma-buf"
	printf '%s\n%s\n\n.. toctree::\n\n' "$title" "${title//?/=}"
	printf '   %s\n' "${pages[@]}"
} >"$WORK/src/index.rst"

# Sphinx does not mind names without a description, which may be anywhere.
known=$(cat "$TREE"/include/linux/dma-{buf,resv}*.h "$TREE"/include/uapi/linux/{kvm,iommufd}.h | grep -oE '\w+' | sort -u)
for page in "${pages[@]}"; do
	names=$(grep -oE '\b(dma_(buf|resv)_|KVM_|IOMMU_(IOAS|OPTION)_)\w+' "$WORK/src/$page.rst" | sort -u) || continue
	unknown=$(comm -23 <(echo "$names") <(echo "$known"))
	[ -z "$unknown" ] ||
		die "Documentation/$page.rst names what no header has: ${unknown//$'\n'/ }; correct it"
done

version=$(make -s -C "$TREE" kernelversion)
sphinx()
{
	env srctree="$TREE" sphinx-build -q -c "$TREE/Documentation" -d "$WORK/doctrees" \
		-D extensions="$EXTENSIONS" -D kerneldoc_srctree="$TREE" \
		-D version="$version" -D release="$version" "$@" >"$LOG" 2>&1 </dev/null
}

sphinx -b html -W --keep-going "$WORK/src" "$OUT.tmp" || {
	rm -rf "$OUT.tmp"
	log_die "$LOG" "the documentation does not build without a warning"
}
# Once more, for the references that comments make.
sphinx -b dummy -E -n "$WORK/src" "$WORK/dummy" || log_die "$LOG" "sphinx failed"
if grep -E "target not found: $OURS" "$LOG" >&2; then
	rm -rf "$OUT.tmp"
	die "these names of ours lead nowhere: correct them, or describe what they name (log: ${LOG#"$ROOT"/})"
fi
rm -rf "$OUT"
mv "$OUT.tmp" "$OUT"
step DOCS "build/docs/index.html, ${#pages[@]} pages"
