#!/bin/sh
# What failed, from the output of a goal: failures.sh LOG.  Of each goal that check.sh's last line names (of the whole output, where
# there is no such line) the lines that tell of a fault, and the last ones.
log=$1
failed=$(sed -n 's/^check: FAILED after [0-9]* s: //p' "$log" | tail -n 1)

for goal in ${failed:-all}; do
    echo "---- $goal"
    if [ "$goal" = all ]; then cat "$log"; else awk -v goal="$goal" '/^==== / { inside = $2 == goal } inside' "$log"; fi >"$log.part"
    grep -aE '^E  |FAILED|[Ee]rror[: ]|\*\*\*|^SUMMARY:' "$log.part" | cut -c1-200 | tail -n 30
    echo "---- its last lines"
    tail -n 20 "$log.part" | cut -c1-200
done
rm -f "$log.part"
