#!/usr/bin/env bash
# Fuzzes the decoders: scripts/fuzz.sh SECONDS [TARGET …]; all targets where none is named, one after the other.
# No nightly compiler and no cargo-fuzz are needed, a C++ compiler is: libFuzzer is built from source. What is
# found goes to fuzz/artifacts/TARGET, new inputs to a folder that is forgotten; the seeds stay as they are.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../fuzz"

seconds=${1:-60}
shift || true
host=$(rustc -vV | sed -n 's/^host: //p')
# Coverage alone: without `unsafe` in our code there is nothing for the sanitizers of memory to find.
flags=(--cfg fuzzing -Ccodegen-units=1 -Cpasses=sancov-module)
for pass in level=4 inline-8bit-counters pc-table trace-compares; do
    flags+=("-Cllvm-args=-sanitizer-coverage-$pass")
done
RUSTFLAGS=${flags[*]} cargo build --release --locked --target "$host"

if [ $# -eq 0 ]; then
    for file in targets/*.rs; do set -- "$@" "$(basename "$file" .rs)"; done
fi
found=$(mktemp -d)
trap 'rm -rf "$found"' EXIT
for target in "$@"; do
    mkdir -p "$found/$target" "artifacts/$target"
    echo "fuzz: $target, $seconds s"
    "target/$host/release/$target" "$found/$target" "corpus/$target" -max_total_time="$seconds" -timeout=10 \
        -max_len=16384 -artifact_prefix="artifacts/$target/" -print_final_stats=1 2>&1 |
        grep -vE '^#[0-9]+\s+(NEW|REDUCE|RELOAD|pulse)' || { echo "fuzz: $target failed; see fuzz/artifacts/$target"; exit 1; }
done
