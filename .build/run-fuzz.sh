#!/bin/sh
# Run fuzz targets for a bounded number of inputs and of seconds (FUZZ_SECONDS), all at once: run-fuzz.sh CORPUS RUNS PROGRAM...
# The seeds of fuzz_X are the files of tests/fuzz/corpus/X; what is found new is kept in CORPUS/X.
corpus=$1
runs=$2
shift 2
if [ $# -eq 0 ]; then
    echo "fuzz: there is no target to run" >&2
    exit 1
fi

fuzz() {
    seeds=tests/fuzz/corpus/$2
    [ -d "$seeds" ] || seeds=
    mkdir -p "$corpus/$2"
    "$1" -runs="$runs" -max_total_time="${FUZZ_SECONDS:-20}" -max_len=16384 -timeout=10 -verbosity=0 -print_final_stats=1 \
        -artifact_prefix="$corpus/crash-$2-" "$corpus/$2" $seeds >"$corpus/$2.log" 2>&1 || touch "$corpus/$2.failed"
}

mkdir -p "$corpus"
rm -f "$corpus"/*.failed
for program in "$@"; do
    name=$(basename "$program")
    fuzz "$program" "${name#fuzz_}" &
done
wait
for program in "$@"; do
    name=$(basename "$program")
    echo "== fuzz: ${name#fuzz_}"
    cat "$corpus/${name#fuzz_}.log"
done
failed=$(cd "$corpus" && ls -- *.failed 2>/dev/null | sed 's/\.failed$//' | tr '\n' ' ')
if [ -n "$failed" ]; then
    echo "fuzz: failed: $failed; the input is beside $corpus" >&2
    exit 1
fi
echo "fuzz: all $# targets passed"
