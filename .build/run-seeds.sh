#!/bin/sh
# Run a random simulation over many seeds, on all processors at once: run-seeds.sh PROGRAM RUNS.  A seed that fails is shown
# with the command that runs it alone. The program's last words are "chaos: NAME COUNT...", which are summed up.
program=$1
runs=$2
jobs=$(getconf _NPROCESSORS_ONLN)
share=$(((runs + jobs - 1) / jobs))
said=$(mktemp -d)
trap 'rm -rf "$said"' EXIT

pids=
first=1
while [ "$first" -le "$runs" ]; do
    count=$((first + share - 1 <= runs ? share : runs - first + 1))
    SIM_TEST=chaos SIM_FIRST=$first SIM_RUNS=$count timeout "${TEST_TIMEOUT:-300}" "$program" >"$said/$first" 2>&1 &
    pids="$pids $!:$first"
    first=$((first + count))
done

failed=
for one in $pids; do
    wait "${one%%:*}" && continue
    failed=yes
    cat "$said/${one##*:}"
    seed=$(sed -n 's/^chaos: .* last-seed //p' "$said/${one##*:}")
    echo "replay with: SIM_LOG=1 SIM_TEST=chaos SIM_SEED=${seed:-?} $program" >&2
done
cat "$said"/* | awk -v runs="$runs" '
    /^chaos: / { for (i = 2; i < NF - 2; i += 2) { if (!($i in sum)) name[++n] = $i; sum[$i] += $(i + 1); all += $(i + 1) } }
    END { printf "seeds: %d runs, %d requests:", runs, all; for (i = 1; i <= n; i++) printf " %s %d", name[i], sum[name[i]]; print "" }'
if [ -n "$failed" ]; then
    echo "seeds: FAILED" >&2
    exit 1
fi
