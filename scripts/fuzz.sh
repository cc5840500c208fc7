#!/usr/bin/env bash
# Fuzzes the decoders of providers: scripts/fuzz.sh SECONDS [TARGET …], all targets where none is named, one after
# the other. `scripts/fuzz.sh --keep [TARGET …]` keeps in fuzz/kept what reached code, for the next run anywhere.
# Neither a nightly compiler nor cargo-fuzz is needed, a C++ compiler is: libFuzzer is built from source.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../fuzz"

seconds=${1:-60}
# Bytes of an input, where it is made and where it is kept: libFuzzer cuts what is longer, and what it reached is lost.
longest=4096
shift || true
if [ $# -eq 0 ]; then
    for file in targets/*.rs; do set -- "$@" "$(basename "$file" .rs)"; done
fi

host=$(rustc -vV | sed -n 's/^host: //p')
# Coverage alone: without `unsafe` in our code there is nothing for the sanitizers of memory to find.
flags=(--cfg fuzzing -Ccodegen-units=1 -Cpasses=sancov-module)
for pass in level=4 inline-8bit-counters pc-table trace-compares; do
    flags+=("-Cllvm-args=-sanitizer-coverage-$pass")
done
RUSTFLAGS=${flags[*]} cargo build --release --locked --target "$host"

for target in "$@"; do
    program=target/$host/release/$target
    mkdir -p "found/$target" "artifacts/$target"
    if [ "$seconds" = --keep ]; then
        # The smallest set that reaches every line that was reached, in one archive: few inputs and one file, so
        # that the repository stays something that can be read and cloned.
        small=$(mktemp -d)
        "$program" -set_cover_merge=1 -use_counters=0 -use_cmp=0 -max_len=$longest "$small" "corpus/$target" "found/$target" \
            >"found/$target.log" 2>&1 || { cat "found/$target.log"; exit 1; }
        mkdir -p kept
        tar -C "$small" --sort=name --mtime=@0 --owner=0 --group=0 --numeric-owner -cf - . | gzip -9n >"kept/$target.tar.gz"
        echo "fuzz: kept $(find "$small" -type f | wc -l) inputs of $target"
        rm -r "$small"
        continue
    fi
    if [ -f "kept/$target.tar.gz" ]; then tar -xzf "kept/$target.tar.gz" -C "found/$target"; fi
    echo "fuzz: $target, $seconds s"
    if ! "$program" "found/$target" "corpus/$target" -max_total_time="$seconds" -timeout=10 -max_len=$longest \
        -artifact_prefix="artifacts/$target/" -print_final_stats=1 >"found/$target.log" 2>&1; then
        tail -n 40 "found/$target.log"
        echo "fuzz: $target failed; the input is in fuzz/artifacts/$target"
        exit 1
    fi
    grep -E '^(Done|stat::)' "found/$target.log"
done
