"""`headwater ask`, `models` and `doctor` as a person has them: the real binary, a host that a test scripts, and a settings file."""

import json
import signal
import subprocess
import time

import pytest

from fake import Fake
from headwater import CLEAN, binary

TEXT = "Grüße vom Fluss"


def run(*args, env=None, stdin=None):
    done = subprocess.run([binary(), *args], env={**CLEAN, **(env or {})}, input=stdin, capture_output=True, text=True, timeout=60)
    return done.returncode, done.stdout, done.stderr


@pytest.fixture(scope="module")
def hosts(tmp_path_factory):
    """Two hosts, and the settings that name them: `good` answers, `bad` is down, `both` is one after the other."""
    with Fake() as good, Fake() as bad:
        good.ask("script", {"text": TEXT, "reasoning": 5, "models": ["m1"]})
        bad.ask("script", {"failure": {"kind": "status", "status": 503}})
        folder = tmp_path_factory.mktemp("hosts")
        (folder / "key").write_text("sk-canary-1234567890\n")
        (folder / "key").chmod(0o600)
        (folder / "prices.toml").write_text('[good]\n"*" = { input = 1.5, output = 2 }\n')
        (folder / "headwater.toml").write_text(f"""
            provider = "bad, good"
            prices = "{folder / 'prices.toml'}"
            [providers.good]
            format = "anthropic"
            base_url = "{good.url}"
            model = "m1"
            key_file = "{folder / 'key'}"
            [providers.bad]
            format = "ollama"
            base_url = "{bad.url}"
            model = "m2"
            [aliases.alone]
            use = ["bad"]
            [aliases.missing]
            use = ["good/m9"]
            [providers.loaded]
            preset = "llamacpp"
            base_url = "{good.url}/v1"
            [aliases.loaded]
            use = ["loaded"]
            [providers.down]
            format = "openai"
            base_url = "http://127.0.0.1:9"
            model = "m3"
            [aliases.down]
            use = ["down"]
        """)
        yield folder / "headwater.toml", good, bad


def test_ask_streams_the_answer_of_whoever_answers(hosts):
    config, good, bad = hosts
    code, out, err = run("ask", "--config", config, "Say something")
    assert (code, out) == (0, TEXT + "\n"), err
    assert "m1 of good; 25 tokens in" in err and "$0.0000" in err, err
    assert "überlegen" not in out + err
    code, out, err = run("ask", "--config", config, "--thinking", "-", stdin="Say something")
    assert code == 0 and out == TEXT + "\n" and "überlegen" in err, err
    asked = good.ask("calls")["calls"][-1]
    assert asked["key"] and asked["body"]["messages"][-1]["content"]
    code, _, err = run("ask", "--provider", "groq", "x")
    assert code == 2 and "GROQ_API_KEY" in err, err
    code, _, err = run("ask", "--config", config, "--temperature", "9", "x")
    assert code == 2 and "--temperature" in err, err
    code, out, err = run("ask", "--config", config, "--model", "alone", "x")
    assert (code, out) == (1, "") and "503" in err, err
    code, _, err = run("ask", "--config", config, "--model", "nobody", "x")
    assert code == 2 and "alone" in err, err
    assert "sk-canary" not in out + err


def test_whoever_stops_asking_is_heard_upstream(hosts):
    config, good, _ = hosts
    good.ask("script?times=1", {"tokens": 100_000, "gap_ms": 5})
    asking = subprocess.Popen([binary(), "ask", "--config", config, "x"], env=CLEAN, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert asking.stdout.read(1)
    asking.send_signal(signal.SIGINT)
    _, err = asking.communicate(timeout=20)
    assert asking.returncode == 1 and b"the provider was told" in err, err
    until = time.monotonic() + 20
    while (calls := good.ask("calls"))["open"]:
        assert time.monotonic() < until
    assert calls["calls"][-1]["ended"] == "left"


def test_models_lists_who_is_there_and_says_who_does_not_answer(hosts):
    config, _, _ = hosts
    code, out, err = run("models", "--config", config, "--json")
    listed = json.loads(out)
    by = {(one["provider"], one["model"]): one for one in listed["providers"]}
    assert by["good", "m1"]["answers"] and by["good", "m1"]["price"] == "$1.5 in, $2 out per million tokens"
    assert by["good", "m9"]["answers"] and not by["good", "m9"]["listed"] and "no model `m9`" in by["good", "m9"]["words"]
    assert by["loaded", "the one that is loaded"]["listed"], "a server with a model of its own needs no name for it"
    assert not by["down", "m3"]["answers"]
    assert {"alias": "default", "use": ["bad", "good"]} in listed["aliases"]
    assert code == 1 and "do not answer" in err
    code, out, _ = run("models", "--config", config, "--no-check")
    assert code == 0 and "alias default: bad, then good" in out and "nobody asked" in out
    assert "sk-canary" not in out + err


def test_doctor_says_what_to_do(hosts, tmp_path):
    config, _, _ = hosts
    code, out, err = run("doctor", "--config", config, "--data", tmp_path / "data", "--listen", "127.0.0.1:0")
    assert code == 1 and "odd   provider: good/m9" in out and "BAD   provider: down/m3" in out and "ok    provider: good/m1 answers" in out, out + err
    assert "ok    data:" in out and not (tmp_path / "data").exists()
    code, out, err = run("doctor", "--provider", "groq", "--data", tmp_path / "data", "--listen", "nowhere", "--offline")
    assert code == 1 and "GROQ_API_KEY" in out and "nowhere" in out and "→" in out, out + err
    locked = tmp_path / "file"
    locked.write_text("")
    code, out, _ = run("doctor", "--offline", "--provider", "scripted", "--data", locked / "data", "--listen", "127.0.0.1:0")
    assert code == 1 and "BAD   data:" in out, out
