#!/bin/sh
# Run goals one after another, go on after a failure, and sum up: check.sh MAKE GOAL...
make=$1
shift
case " $MAKEFLAGS " in
*jobserver*) jobs= ;;
*) jobs=-j$(getconf _NPROCESSORS_ONLN) ;;
esac
failed=
summary=
start=$(date +%s)
for goal in "$@"; do
    echo "==== $goal"
    begin=$(date +%s)
    if $make $jobs "$goal"; then
        result=ok
    else
        result=FAILED
        failed="$failed $goal"
    fi
    summary="$summary$(printf '  %-14s %-6s %4d s' "$goal" $result $(($(date +%s) - begin)))
"
done
echo "==== summary"
printf '%s' "$summary"
if [ -n "$failed" ]; then
    echo "check: FAILED after $(($(date +%s) - start)) s:$failed"
    exit 1
fi
echo "check: all $# goals passed in $(($(date +%s) - start)) s"
