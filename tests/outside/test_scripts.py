"""What scripts may rely on: the command line, exit codes, and the native HTTP interface, from outside."""

import asyncio
import subprocess
import time

import httpx
import pytest

from headwater import CLEAN, Server, binary
from ledger import check_log, check_seen, same_events, text_of
from viewers import Api, Refused, SseViewer, within

QUESTION = "What is the engine power?"


def with_api(server, what):
    async def talk():
        async with Api(server.url, server.token()) as api:
            return await within(30, what(api))

    return asyncio.run(talk())


def test_the_address_is_the_last_line_and_nothing_follows_it(tmp_path):
    with Server(tmp_path / "data", tokens=3, gap_ms=0) as server:
        httpx.get(f"{server.url}/health", trust_env=False).raise_for_status()
        server.process.terminate()
        rest, _ = server.process.communicate(timeout=10)
        assert rest == b"", f"after the address line: {rest!r}"
        assert server.process.returncode == 0


def test_sigterm_ends_an_idle_server_within_a_second(tmp_path):
    with Server(tmp_path / "data") as server:
        began = time.monotonic()
        assert server.stop() == 0
        assert time.monotonic() - began < 1


@pytest.mark.parametrize(("args", "env", "code"), [
    (["--no-such-flag"], {}, 2),
    (["--listen", "nowhere"], {}, 2),
    (["--provider", "no-such-provider"], {}, 2),
    ([], {"HEADWATER_NO_SUCH_KEY": "1"}, 2),
])
def test_bad_usage_and_bad_configuration_end_with_2(tmp_path, args, env, code):
    done = subprocess.run(
        [binary(), "serve", "--listen", "127.0.0.1:0", "--data", tmp_path / "data", *args], env={**CLEAN, **env},
        capture_output=True, text=True, timeout=30, stdin=subprocess.DEVNULL,
    )
    assert done.returncode == code, done.stderr
    assert done.stderr and "listening on" not in done.stdout and "panicked" not in done.stderr


def test_a_run_is_the_same_as_a_stream_and_as_a_page(server):
    async def what(api):
        answer = await api.http.post("/api/runs", json={"workflow": "generate", "message": QUESTION})
        assert answer.status_code == 201 and {"run_id", "session_id"} <= answer.json().keys(), answer.text
        run_id = answer.json()["run_id"]
        live, late = SseViewer(run_id), SseViewer(run_id)
        assert await live.follow(api) and await late.follow(api)
        log = await api.log(run_id)
        return run_id, live, late, log, await api.run(run_id), await api.log_after(run_id, 3)

    run_id, live, late, log, run, after_3 = with_api(server, what)
    assert check_log(run_id, log) == [] and log[-1]["outcome"] == "completed" and text_of(log)
    assert live.seen == late.seen, "a replay has other bytes than the live stream"
    assert check_seen(run_id, live.seen, dict(live.seen)) == [] and same_events(run_id, log, dict(live.seen)) == []
    assert run["status"] == "completed"
    assert after_3 == log[3:]


def test_last_event_id_goes_on_after_every_event(server):
    """From each position of a whole log, and nothing twice. Fault: an off-by-one cursor."""

    async def what(api):
        run_id, _ = await api.start(QUESTION)
        whole, cursors = SseViewer(run_id), [None]
        assert await whole.follow(api, lambda: cursors.append(whole.cursor))
        for number, cursor in enumerate(cursors[:-1]):
            viewer = SseViewer(run_id)
            viewer.cursor = cursor
            assert await viewer.follow(api)
            assert viewer.seen == whole.seen[number:], f"after {number}"
        # After the ending there is nothing, and it is said, not waited for.
        headers = {"Accept": "text/event-stream", "Last-Event-ID": cursors[-1]}
        answer = await api.http.get(f"/api/runs/{run_id}/events", headers=headers)
        assert answer.status_code in (200, 204) and b"data:" not in answer.content

    with_api(server, what)


def test_a_wrong_cursor_gets_an_answer_never_a_hole(server):
    async def what(api):
        (run_id, _), (other_id, _) = await api.start(QUESTION), await api.start(QUESTION)
        other = SseViewer(other_id)
        assert await other.follow(api) and await SseViewer(run_id).follow(api)
        refused = {}
        for kind, cursor in {"garbage": "garbage", "foreign": other.cursor}.items():
            viewer = SseViewer(run_id)
            viewer.cursor = cursor
            try:
                await viewer.follow(api)
            except Refused as no:
                refused[kind] = no.status
        page = await api.http.get(f"/api/runs/{run_id}/events", params={"after": 100_000}, headers={"Accept": "application/json"})
        return {**refused, "ahead": page.status_code}

    answers = with_api(server, what)
    assert answers.keys() == {"garbage", "foreign", "ahead"}, f"accepted: {answers}"
    assert all(400 <= status < 500 for status in answers.values()), answers


def test_stop_ends_the_run_and_no_text_follows(tmp_path):
    """Fault: stop ignored while streaming."""

    async def what(api):
        run_id, _ = await api.start(QUESTION)
        viewer, stopped_at = SseViewer(run_id), []

        async def stop():
            while len(viewer.seen) < 5:
                await asyncio.sleep(0.01)  # polls an outside process; `within` bounds it
            await api.stop(run_id)
            stopped_at.append(time.monotonic())
            return len(viewer.seen)

        _, seen_at_stop = await asyncio.gather(viewer.follow(api), stop())
        return viewer, seen_at_stop, time.monotonic() - stopped_at[0], await api.log(run_id), await api.run(run_id)

    # A quarter of an hour of answer: it can only end by the stop.
    with Server(tmp_path / "data", tokens=1000, gap_ms=900) as slow, Server(tmp_path / "data2", tokens=1000, gap_ms=20) as steady:
        viewer, _, took, log, run = with_api(steady, what)
        assert log[-1]["outcome"] == "cancelled" == run["status"] and took < 2
        assert check_log(viewer.run_id, log) == [] and text_of(log), "the partial text is kept"

        async def before_the_first_token(api):
            run_id, _ = await api.start(QUESTION)
            await api.stop(run_id)
            viewer = SseViewer(run_id)
            assert await viewer.follow(api)
            return await api.log(run_id)

        log = with_api(slow, before_the_first_token)
        assert log[-1]["outcome"] == "cancelled"


def test_sending_twice_is_sending_once(server):
    async def what(api):
        first = await asyncio.gather(*(api.start(QUESTION, "turn-1") for _ in range(5)))
        with pytest.raises(Refused) as no:
            await api.start("Another question", "turn-1")
        return first, no.value.status

    first, refused = with_api(server, what)
    assert len(set(first)) == 1
    assert 400 <= refused < 500


def test_nobody_sees_anothers_run(server):
    async def what(api):
        run_id, _ = await api.start(QUESTION)
        async with Api(server.url, server.token("somebody-else", "else@example.com", "Else")) as other:
            answers = [
                await other.http.get(f"/api/runs/{run_id}"), await other.http.post(f"/api/runs/{run_id}/stop"),
                await other.http.get(f"/api/runs/{run_id}/events", headers={"Accept": "application/json"}),
            ]
            unknown = await other.http.get("/api/runs/" + run_id[::-1])
        async with Api(server.url, "") as stranger:
            nobody = await stranger.http.get(f"/api/runs/{run_id}", headers={"Authorization": ""})
        assert await SseViewer(run_id).follow(api)
        return answers, unknown, nobody, (await api.run(run_id))["status"]

    answers, unknown, nobody, status = with_api(server, what)
    # The same answer as for a run that does not exist, but for ids that an error may name.
    assert {a.status_code for a in answers} == {unknown.status_code} == {404}
    assert nobody.status_code == 401 and status == "completed"
