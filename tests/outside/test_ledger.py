"""A checker that never fails proves nothing: each fault it is there for is planted here. Needs no Headwater."""

import json

import pytest

from ledger import check_chat, check_log, check_seen, lost, same_events


def log(texts=("a", "b", "c"), outcome="completed"):
    events = [{"run_id": "r", "seq": 1, "at": 1, "type": "run_started"}]
    events += [{"run_id": "r", "seq": i, "at": i, "type": "token", "text": t} for i, t in enumerate(texts, 2)]
    return [*events, {"run_id": "r", "seq": len(events) + 1, "at": 9, "type": "run_ended", "outcome": outcome}]


def raw(events):
    return [(e["seq"], json.dumps(e).encode()) for e in events]


def test_a_whole_log_has_no_fault():
    events = log()
    assert check_log("r", events) == []
    assert check_seen("r", raw(events), dict(raw(events))) == []
    assert check_seen("r", raw(events)[2:], dict(raw(events)), start=2) == []
    assert same_events("r", events, dict(raw(events))) == []
    assert check_chat("r", [(2, "a", "a"), (4, "bc", "abc")], events) == []


@pytest.mark.parametrize(("planted", "word"), [
    (lambda e: e[:2] + e[3:], "belongs"),
    (lambda e: e[:-1], "0 endings"),
    (lambda e: [*e, {**e[-1], "seq": len(e) + 1}], "2 endings"),
    (lambda e: [*e, {**e[1], "seq": len(e) + 1}], "after the ending"),
    (lambda e: [{**e[0], "run_id": "other"}, *e[1:]], "another run"),
])
def test_a_broken_log_is_noticed(planted, word):
    assert any(word in fault for fault in check_log("r", planted(log())))


def test_a_lost_event_is_noticed_and_called_lost():
    seen, shorter = raw(log()), dict(raw(log(("a",))))
    assert len(lost(check_seen("r", seen, shorter))) == 3  # b became the ending; c and the ending are gone


def test_a_changed_byte_is_noticed():
    assert lost(check_seen("r", raw(log()), dict(raw(log(("a", "b", "C"))))))


@pytest.mark.parametrize("planted", [lambda s: s[:2] + s[1:], lambda s: s[:1] + s[2:], lambda s: [s[1], s[0], *s[2:]]])
def test_twice_a_hole_and_a_swap_are_noticed(planted):
    faults = check_seen("r", planted(raw(log())), dict(raw(log())))
    assert faults and not lost(faults)


@pytest.mark.parametrize("seen", [
    [(2, "a", "a"), (3, "c", "ac")],
    [(2, "a", "a"), (2, "b", "ab")],
    [(2, "a", "a"), (3, "b", "b")],
    [(9, "abcdefgh", "abcdefgh")],
])
def test_wrong_chat_text_is_noticed(seen):
    assert check_chat("r", seen, log())


def test_a_page_that_differs_from_the_stream_is_noticed():
    assert same_events("r", log(("a", "b", "x")), dict(raw(log())))
