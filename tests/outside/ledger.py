"""Holds what viewers saw against the log. Pure: it reads no clock and no socket, so test_ledger.py can plant every fault.

Each check returns sentences, one per fault; `lost:` marks what a client saw and the log no longer has."""

import json


def check_log(run_id: str, log: list[dict]) -> list[str]:
    """Gap-free from 1, one ending, at the end."""
    faults = []
    numbers = [event["seq"] for event in log]
    if numbers != list(range(1, len(log) + 1)):
        faults.append(f"{run_id}: numbers are not 1..{len(log)}: {_first_break(numbers)}")
    endings = [event["seq"] for event in log if event["type"] == "run_ended"]
    if len(endings) != 1:
        faults.append(f"{run_id}: {len(endings)} endings")
    elif log[-1]["type"] != "run_ended":
        faults.append(f"{run_id}: {len(log) - endings[0]} events after the ending")
    if any(event.get("run_id", run_id) != run_id for event in log):
        faults.append(f"{run_id}: an event of another run")
    return faults


def _first_break(numbers: list[int]) -> str:
    for i, n in enumerate(numbers, 1):
        if n != i:
            return f"{n} where {i} belongs"
    return "none"


def check_seen(run_id: str, seen: list[tuple[int, bytes]], replay: dict[int, bytes], start: int = 0) -> list[str]:
    """What an exact viewer saw is there, with the same bytes, and it saw each once and in order."""
    faults, expected = [], start
    for seq, data in seen:
        expected += 1
        if seq != expected:
            faults.append(f"{run_id}: the viewer saw {seq} where {expected} belongs")
            expected = seq
        if seq not in replay:
            faults.append(f"lost: {run_id}: event {seq} was seen and is gone: {data[:120]!r}")
        elif replay[seq] != data:
            faults.append(f"lost: {run_id}: event {seq} was seen as {data[:120]!r} and is now {replay[seq][:120]!r}")
    return faults


def check_chat(run_id: str, seen: list[tuple[int, str, str]], log: list[dict]) -> list[str]:
    """What a merging viewer saw is the same text, up to the number that each frame names."""
    faults, upto, text = [], {}, ""
    for event in log:
        if event["type"] == "token":
            text += event["text"]
        upto[event["seq"]] = text
    so_far, last = "", 0
    for seq, token, partial in seen:
        so_far += token
        if seq <= last:
            faults.append(f"{run_id}: chat frame {seq} after {last}")
        last = seq
        if seq not in upto:
            faults.append(f"lost: {run_id}: chat frame up to {seq} was seen, the log ends at {len(log)}")
        elif so_far != upto[seq]:
            faults.append(f"lost: {run_id}: the chat text up to {seq} was {so_far[-60:]!r}, the log's is {upto[seq][-60:]!r}")
        if partial not in (so_far, ""):
            faults.append(f"{run_id}: partial_response at {seq} is not everything so far")
    return faults


def same_events(run_id: str, log: list[dict], replay: dict[int, bytes]) -> list[str]:
    """The JSON page and the Server-Sent Events are the same log."""
    streamed = [json.loads(data) for _, data in sorted(replay.items())]
    paged = [{"run_id": run_id, **event} for event in log]
    return [] if streamed == paged else [f"{run_id}: the JSON page and the stream differ"]


def text_of(log: list[dict]) -> str:
    return "".join(event["text"] for event in log if event["type"] == "token")


def lost(faults: list[str]) -> list[str]:
    return [fault for fault in faults if fault.startswith("lost:")]
