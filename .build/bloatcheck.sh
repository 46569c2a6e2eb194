#!/bin/sh
# The change by symbol between a revision and this tree, with the same configuration and compiler:
# bloatcheck.sh OUTDIR REVISION CONFIG_FILE
set -e
out=$1
base=$(git rev-parse --verify -q "${2:-HEAD}^{commit}") || { echo "bloatcheck: no such revision: $2" >&2; exit 2; }
config=$(realpath "$3")
mkdir -p "$out"
out=$(realpath "$out")
tree=$out/$base
# What was built of the old revision serves again while it, the configuration and make's variables are the same.
case " $MAKEFLAGS" in
*" -- "*) variables=${MAKEFLAGS##* -- } ;;
*) variables= ;;
esac
made_of="$base $(cksum <"$config") $CROSS_COMPILE $variables"
trap 'git worktree remove --force "$tree" 2>/dev/null || true' EXIT
trap 'exit 1' INT TERM
if [ ! -e "$out/old/culvert" ] || [ "$(cat "$out/old/.made-of" 2>/dev/null)" != "$made_of" ]; then
    rm -rf "$tree" && git worktree prune # what a run that was killed left
    git worktree add -q --detach "$tree" "$base"
    # A symbol that the revision does not know yet is dropped; one that it still had gets its default.
    (cd "$tree" && $MAKE -s O="$out/old" CONFIG_FILE="$config" all)
    echo "$made_of" >"$out/old/.made-of"
fi
$MAKE -s O="$out/new" CONFIG_FILE="$config" all
symbols() {
    "${CROSS_COMPILE}nm" -S --size-sort "$1" | sed 's/\.[0-9]*$//'
}
symbols "$out/old/culvert" >"$out/old.nm"
symbols "$out/new/culvert" >"$out/new.nm"
"${PYTHON:-/usr/bin/python3}" -B .build/bloat.py "$out/old.nm" "$out/new.nm"
