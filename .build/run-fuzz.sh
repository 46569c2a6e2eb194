#!/bin/sh
# Run fuzz targets for a bounded number of inputs: run-fuzz.sh CORPUS RUNS PROGRAM...
# The seeds of fuzz_X are the files of tests/fuzz/corpus/X; what is found new is kept in CORPUS/X.
corpus=$1
runs=$2
shift 2
if [ $# -eq 0 ]; then
    echo "fuzz: there is no target to run" >&2
    exit 1
fi
for program in "$@"; do
    name=$(basename "$program")
    name=${name#fuzz_}
    seeds=tests/fuzz/corpus/$name
    [ -d "$seeds" ] || seeds=
    mkdir -p "$corpus/$name"
    echo "== fuzz: $name"
    if ! "$program" -runs="$runs" -max_total_time=60 -max_len=16384 -timeout=10 -verbosity=0 -print_final_stats=1 \
        -artifact_prefix="$corpus/crash-$name-" "$corpus/$name" $seeds; then
        echo "fuzz: $name failed; the input is beside $corpus" >&2
        exit 1
    fi
done
echo "fuzz: all $# targets passed"
