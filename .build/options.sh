#!/bin/sh
# Build host_defconfig with each feature flipped alone, and run some of the simulator's test programs on each:
# options.sh OUTDIR PROGRAMS MAKE..., with lines SYMBOL=VALUE on standard input. The next feature runs the PROGRAMS
# programs after those, so that each is run with several. What a build has no code for is skipped. Goes on after a failure.
out=$1
share=$2
shift 2
programs=$(for file in tests/sim/test_*.c; do basename "$file" .c; done)
count=$(echo "$programs" | wc -l)
case $share in
'' | *[!0-9]*) echo "options: PROGRAMS must be a number: '$share'" >&2 && exit 2 ;;
esac
[ "$share" -le "$count" ] || share=$count
said=$(mktemp)
trap 'rm -f "$said"' EXIT

# Not all of the many alike runs of a program.
export SIM_ANY=1 SIM_RUNS=2 SIM_STEP=31

number=0
failed=
while read -r option; do
    at=$((number * share % count))
    number=$((number + 1))
    bins=$(printf '%s\n%s\n' "$programs" "$programs" | sed -n "$((at + 1)),$((at + share))p" |
        sed "s|^|$out/test/sim/|" | tr '\n' ' ')
    if "$@" -s O="$out" CONFIG_FILE=config/host_defconfig CONFIG_SET="$option HEAP_GUARD=y POISON=y" \
        sim_bins="$bins" all run-sim >"$said" 2>&1 </dev/null; then
        skipped=$(awk '/^\[  SKIPPED \] [0-9]/ { n += $4 } END { print n + 0 }' "$said")
        echo "options: $option: $(grep -c '^== sim: ' "$said") programs passed, $skipped tests skipped"
    else
        tail -n 400 "$said"
        echo "options: $option: FAILED"
        failed="$failed $option"
    fi
done
if [ "$number" -eq 0 ] || [ -n "$failed" ]; then
    echo "options: failed:$failed" >&2
    exit 1
fi
echo "options: all $number passed"
