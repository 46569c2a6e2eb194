#!/bin/sh
# Run test programs, as many at once as there are processors: run-tests.sh SUITE PROGRAM...  What each says is shown in
# one piece when it has ended. Fails when one fails, or when there is none. EMULATOR names a program that runs them
# (qemu-mipsel), for another architecture.
suite=$1
shift
if [ $# -eq 0 ]; then
    echo "$suite: there is no test to run" >&2
    exit 1
fi
export ASAN_OPTIONS="${ASAN_OPTIONS:-abort_on_error=0:detect_leaks=0:detect_stack_use_after_return=1:quarantine_size_mb=16}"
export UBSAN_OPTIONS="${UBSAN_OPTIONS:-print_stacktrace=1}"
said=$(mktemp -d)
trap 'rm -rf "$said"' EXIT
export suite said EMULATOR

one='
name=$(basename "$1")
timeout "${TEST_TIMEOUT:-300}" $EMULATOR "$1" >"$said/$name" 2>&1 || touch "$said/$name.failed"
(
    flock 9
    echo "== $suite: $name"
    cat "$said/$name"
    [ ! -e "$said/$name.failed" ] || echo "== $suite: $name FAILED"
) 9>"$said/.turn"'
printf '%s\0' "$@" | xargs -0 -n 1 -P "$(getconf _NPROCESSORS_ONLN)" sh -c "$one" sh

failed=$(cd "$said" && ls -- *.failed 2>/dev/null | sed 's/\.failed$//' | tr '\n' ' ')
if [ -n "$failed" ]; then
    # Other programs have spoken since.
    for name in $failed; do
        echo "== $suite: $name FAILED; of what it said:"
        grep -avE '^\[( RUN  |       OK) ' "$said/$name" | tail -n 25
    done
    echo "$suite: failed: $failed" >&2
    exit 1
fi
echo "$suite: all $# programs passed"
