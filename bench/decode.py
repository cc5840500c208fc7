#!/usr/bin/env python3
"""What decoding a provider's stream costs beside reading its bytes: processor time a token, both ways in turns, by ratio.

The answers come from `headwater fake-provider` in a process of its own. `paced` is many slow streams, as a server has them: each
token is a packet, a wake-up and a read. `flood` is one stream as fast as it goes: many tokens a read, so that reading is as
cheap as it ever gets."""

import argparse
import datetime
import json
import platform
import statistics
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
sys.path.insert(0, str(ROOT / "tests" / "outside"))
from fake import Fake  # noqa: E402  (the same start-up as the tests')

BASES = {"anthropic": "", "openai": "/v1", "responses": "/v1", "gemini": "/v1beta", "ollama": ""}
PACES = {"paced": (200, 200, ["--gap-ms", "5"]), "flood": (1, 50_000, [])}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    subprocess.run(["cargo", "build", "-q", "--release", "--locked", "-p", "headwater-providers", "--no-default-features", "--example",
                    "decode_cost"], cwd=ROOT, check=True)
    program = ROOT / "target" / "release" / "examples" / "decode_cost"
    results = []
    for pace, (streams, tokens, args) in PACES.items():
        with Fake("--tokens", str(tokens), *args) as fake:
            for name, path in BASES.items():
                spent = {"plain": [], "decoded": []}
                for _ in range(rounds):
                    for how, figures in spent.items():
                        done = subprocess.run([program, how, name, fake.url + path, str(streams), str(tokens)], capture_output=True, text=True,
                                              check=True, timeout=120)
                        figures.append(json.loads(done.stdout)["ns_per_token"])
                plain, decoded = (statistics.median(spent[how]) for how in ("plain", "decoded"))
                results.append({"pace": pace, "format": name, "plain_ns": plain, "decoded_ns": decoded, "ratio": decoded / plain})
                print(f"{pace:6} {name:10} plain {plain:8.0f} ns  decoded {decoded:8.0f} ns  ratio {decoded / plain:.2f}", flush=True)
    now = datetime.datetime.now(datetime.UTC)
    commit = subprocess.run(["git", "rev-parse", "HEAD"], cwd=ROOT, capture_output=True, text=True).stdout.strip()
    out = HERE / "results" / f"decode-{now:%Y%m%dT%H%M%SZ}.json"
    out.write_text(json.dumps({"commit": commit, "machine": platform.platform(), "rounds": rounds, "results": results}, indent=1) + "\n")
    print(out.relative_to(ROOT))


if __name__ == "__main__":
    main()
