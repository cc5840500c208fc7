#!/usr/bin/env bash
# Checks the pages' source, rebuilds them, and fails where the committed ones differ; those are left as they were.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

command -v npm >/dev/null || { echo "pages: npm (Node 20.19 or later) is needed" >&2; exit 1; }
committed=$(mktemp -d)
cp -a crates/server/ui/. "$committed"
restore() {
    rm -rf crates/server/ui
    mkdir crates/server/ui
    cp -a "$committed/." crates/server/ui
    rm -rf "$committed"
}
trap restore EXIT

cd web
npm ci --no-audit --no-fund --loglevel=error
npm run check
npm run build --silent
cd ..
if ! diff -rq "$committed" crates/server/ui; then
    echo "pages: crates/server/ui is not what web/ builds; run \`make gen\` and commit it" >&2
    exit 1
fi
echo "pages: what is committed is what the source builds"
