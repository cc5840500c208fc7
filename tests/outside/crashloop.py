"""Kills a server again and again during live runs, and holds everything that its viewers saw against what is there afterwards.

One life: start on the same data → settle the runs of the life before (endings, logs, viewers that come back) → start new runs
with several viewers each → kill when the viewers together have seen a random number of events. The kill is thus a reaction to
something seen: the instant at which "visible before durable" would show. `seed` gives the same plan again, not the same timing."""

import asyncio
import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from headwater import Server
from ledger import check_chat, check_log, check_seen, lost, same_events, text_of
from viewers import ENDED, GONE, Api, ChatViewer, Refused, SocketViewer, SseViewer, within

# (tokens, gap in ms): over before it is watched, short, long and steady, as fast as it goes.
PACES = [(4, 0), (40, 3), (200, 1), (200, 2), (600, 0)]
RUNS_A_LIFE = 3
SSE_A_RUN = 2
MESSAGE = "What is the engine power?"
SETTLE_SECONDS = 10


@dataclass
class Watched:
    """A run, and everything that was shown of it."""

    message_id: str
    pace: tuple[int, int] | None
    run_id: str = ""  # empty: the server died before it answered the POST
    session_id: str = ""
    sse: list[SseViewer] = field(default_factory=list)  # and one over `/ws`: the same events
    chat: list[ChatViewer] = field(default_factory=list)
    log: list[dict] | None = None  # as it was when it was settled; it may never change again


@dataclass
class Report:
    lives: int = 0
    seen: int = 0
    outcomes: dict[str, int] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)
    recovery: list[float] = field(default_factory=list)  # seconds from process start to the last ending of a life
    unanswered: int = 0

    def __str__(self):
        slowest = max(self.recovery, default=0)
        return (f"{self.lives} deaths, {sum(self.outcomes.values())} runs {self.outcomes}, {self.seen} events seen by viewers, "
                f"{len(lost(self.faults))} lost, {len(self.faults)} faults, {self.unanswered} POSTs cut off, "
                f"slowest recovery {slowest:.2f} s after process start")


class Loop:
    def __init__(self, server: Callable[[int, int], Server], died: Callable[[], None] = lambda: None, *, seed: int,
                 recovery_seconds: float, until_loss: bool = False):
        self.server, self.died, self.until_loss = server, died, until_loss
        self.recovery_seconds = recovery_seconds
        self.chance = random.Random(seed)
        self.token: str | None = None
        self.waiting: list[Watched] = []  # of the life before
        self.settled: list[Watched] = []
        self.report = Report()

    async def run(self, deaths: int) -> Report:
        for number in range(deaths):
            pace = self.chance.choice(PACES)
            with self.server(*pace) as server:
                await self._settle(server)
                if self.until_loss and lost(self.report.faults):
                    return self.report
                await within(60, self._live(server, number, pace))
            self.died()
            self.report.lives += 1
        with self.server(4, 0) as server:
            await self._settle(server)
            await within(300, self._nothing_changed(server))
        return self.report

    # ---- a life, up to its death ----

    async def _live(self, server: Server, number: int, pace: tuple[int, int]) -> None:
        tokens = pace[0]
        most = RUNS_A_LIFE * (SSE_A_RUN + 2) * (tokens + 4)
        # Early deaths are where ids, sessions and first tokens are written: half of all.
        at = self.chance.randint(0, min(30, most)) if self.chance.random() < 0.5 else self.chance.randint(0, most)
        left = [at]

        def notice() -> None:
            self.report.seen += 1
            left[0] -= 1
            if left[0] == 0:
                server.process.kill()

        async with Api(server.url, self.token) as api:
            if at == 0:  # during the POSTs
                asyncio.get_running_loop().call_soon(server.process.kill)
            runs = [Watched(f"m{number}-{n}", pace) for n in range(RUNS_A_LIFE)]
            self.waiting += runs
            await asyncio.gather(*(self._watch(api, run, notice) for run in runs))
        server.kill()

    async def _watch(self, api: Api, run: Watched, notice) -> None:
        try:
            run.run_id, run.session_id = await api.start(MESSAGE, run.message_id)
        except GONE:
            self.report.unanswered += 1
            return
        run.sse = [*(SseViewer(run.run_id) for _ in range(SSE_A_RUN)), SocketViewer(run.run_id)]
        run.chat = [ChatViewer(run.run_id, run.session_id)]
        await asyncio.gather(*(viewer.follow(api, notice) for viewer in [*run.sse, *run.chat]))

    # ---- after the restart ----

    async def _settle(self, server: Server) -> None:
        self.token = self.token or server.token()
        runs, self.waiting = self.waiting, []
        async with Api(server.url, self.token) as api:
            try:
                await self._recovered(server, api, [run for run in runs if run.run_id])
                await asyncio.gather(*(self._settle_in_time(api, run) for run in runs))
            except Refused as no:
                if no.status == 401:
                    raise AssertionError("the token of the first life is refused: the secret in the data folder did not survive") from no
                raise

    async def _recovered(self, server: Server, api: Api, runs: list[Watched]) -> None:
        """Every run of the life before has ended, within the promised time after the start."""
        if not runs:
            return
        pending = {run.run_id: run for run in runs}
        while pending:
            for run_id in list(pending):
                try:
                    done = (await api.run(run_id))["status"] in ENDED
                except Refused as no:
                    if no.status == 404:  # the run itself is gone: _settle_one says so
                        done = True
                    else:
                        raise
                if done:
                    del pending[run_id]
            took = time.monotonic() - server.began
            if pending and took > self.recovery_seconds:
                self.report.faults += [f"{run_id}: not ended {took:.1f} s after the start" for run_id in pending]
                return
            if pending:
                await asyncio.sleep(0.02)  # polls an outside process; bounded just above
        self.report.recovery.append(time.monotonic() - server.began)

    async def _settle_in_time(self, api: Api, run: Watched) -> None:
        faults: list[str] = []
        try:
            async with asyncio.timeout(SETTLE_SECONDS):
                await self._settle_one(api, run, faults)
        except TimeoutError:
            faults.append(f"{run.run_id}: a viewer that came back still waits after {SETTLE_SECONDS} s")
        self.report.faults += faults

    async def _settle_one(self, api: Api, run: Watched, faults: list[str]) -> None:
        # The client's own id finds the run again; where the answer to the POST was cut off it is the only way.
        again = await api.start(MESSAGE, run.message_id)
        if not run.run_id:
            run.pace = None  # it may have begun only now, at this life's pace
        if run.run_id and again != (run.run_id, run.session_id):
            faults.append(f"lost: {run.run_id}: its message id now starts another run, {again[0]}")
            return
        run.run_id, run.session_id = again
        try:
            witness = SseViewer(run.run_id)
            if not await witness.follow(api):
                faults.append(f"{run.run_id}: the stream ended without run_ended")
            replay = dict(witness.seen)
            run.log = await api.log(run.run_id)
            faults += check_log(run.run_id, run.log)
            faults += check_seen(run.run_id, witness.seen, replay)
            faults += same_events(run.run_id, run.log, replay)
            for viewer in run.sse:
                before = len(viewer.seen)
                # With what it had seen BEFORE it comes back: afterwards the rest, and nothing twice.
                faults += lost(check_seen(run.run_id, viewer.seen, replay))
                if not viewer.ended and not await viewer.follow(api):
                    faults.append(f"{run.run_id}: a viewer that came back at {before} saw no ending")
                faults += [f for f in check_seen(run.run_id, viewer.seen, replay) if f not in faults]
                if len(viewer.seen) != len(replay):
                    faults.append(f"{run.run_id}: a viewer saw {len(viewer.seen)} of {len(replay)} events")
            for viewer in run.chat:
                if not viewer.ended and not await viewer.follow(api):
                    faults.append(f"{run.run_id}: a chat viewer that came back at {viewer.after} saw no ending")
                faults += check_chat(run.run_id, viewer.seen, run.log)
                if "".join(token for _, token, _ in viewer.seen) != text_of(run.log):
                    faults.append(f"{run.run_id}: the chat viewer's whole text is not the run's")
        except Refused as no:
            # A cursor that is ahead of the log, or a run that is gone: what was seen has been lost.
            if no.status == 401:
                raise
            faults.append(f"lost: {run.run_id}: {no}")
        if run.log and run.log[-1]["type"] == "run_ended":
            outcome = run.log[-1]["outcome"]
            self.report.outcomes[outcome] = self.report.outcomes.get(outcome, 0) + 1
            if outcome not in ("completed", "interrupted"):
                faults.append(f"{run.run_id}: ended {outcome}: {run.log[-1]}")
            self.settled.append(run)

    async def _nothing_changed(self, server: Server) -> None:
        """After all the deaths, every log is still what it was when it was settled: no second ending, no second recovery.
        And an interrupted answer is the beginning of the whole one: partial text is kept as it was, not made up."""
        whole: dict[tuple[int, int], str] = {}
        async with Api(server.url, self.token) as api:
            for run in self.settled:
                if await api.log(run.run_id) != run.log:
                    self.report.faults.append(f"{run.run_id}: the log changed after it had ended")
                if run.pace and run.log[-1]["outcome"] == "completed":
                    whole.setdefault(run.pace, text_of(run.log))
        for run in self.settled:
            reference = whole.get(run.pace) if run.pace else None
            if run.log[-1]["outcome"] == "interrupted" and reference is not None and not reference.startswith(text_of(run.log)):
                self.report.faults.append(f"{run.run_id}: its partial text is not the beginning of the answer")
