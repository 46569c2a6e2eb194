#!/bin/sh
# Run test programs one after another: run-tests.sh SUITE PROGRAM...  Fails when one fails, or when there is none.
suite=$1
shift
if [ $# -eq 0 ]; then
    echo "$suite: there is no test to run" >&2
    exit 1
fi
export ASAN_OPTIONS="${ASAN_OPTIONS:-abort_on_error=0:detect_leaks=0:detect_stack_use_after_return=1}"
export UBSAN_OPTIONS="${UBSAN_OPTIONS:-print_stacktrace=1}"
failed=
for program in "$@"; do
    name=$(basename "$program")
    echo "== $suite: $name"
    if ! timeout "${TEST_TIMEOUT:-120}" "$program"; then
        failed="$failed $name"
        echo "== $suite: $name FAILED"
    fi
done
if [ -n "$failed" ]; then
    echo "$suite: failed:$failed" >&2
    exit 1
fi
echo "$suite: all $# programs passed"
