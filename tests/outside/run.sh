#!/usr/bin/env bash
# The outside ring: the real binary, from outside. Its arguments go to pytest; `--full` first means the full counts.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

if [ "${1:-}" = --full ]; then
    shift
    export HEADWATER_CRASHES=${HEADWATER_CRASHES:-100} HEADWATER_POWER_CUTS=${HEADWATER_POWER_CUTS:-50}
fi

python=${PYTHON:-python3}
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "outside: Python 3.11 or later is needed, $("$python" --version) is here" >&2; exit 1; }

# An environment of its own, made again when the requirements change. Where Debian's python3-venv is missing (no ensurepip),
# the packages go into a plain folder instead.
if ! cmp -s requirements.txt .venv/installed.txt; then
    rm -rf .venv
    if "$python" -m venv .venv >/dev/null 2>&1; then
        .venv/bin/python -m pip install -q --disable-pip-version-check --no-deps -r requirements.txt
    else
        rm -rf .venv
        "$python" -m pip install -q --disable-pip-version-check --no-deps --target .venv/packages -r requirements.txt
    fi
    cp requirements.txt .venv/installed.txt
fi
if [ -x .venv/bin/python ]; then
    python=$PWD/.venv/bin/python
else
    export PYTHONPATH=$PWD/.venv/packages
fi

# The browser test needs Chromium. As root on Debian it is installed; otherwise the test itself says what is missing.
if [ "${HEADWATER_BROWSER:-}" != skip ] && [ -z "${HEADWATER_CHROMIUM:-}" ] && ! command -v chromium >/dev/null && ! command -v chromium-browser >/dev/null; then
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
        echo "outside: installing chromium (some minutes; HEADWATER_BROWSER=skip leaves the browser test out)"
        { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium fonts-dejavu-core; } >.venv/chromium.log 2>&1 ||
            { echo "outside: chromium could not be installed:"; tail -n 3 .venv/chromium.log; } >&2
    fi
fi

exec "$python" -m pytest "$@"
