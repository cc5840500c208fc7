//! A connection's client on his other sockets: how far this one was when it leaves, and where it goes on for another.

use std::task::{Context, Poll};

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use headwater_core::RunId;
use headwater_core::event::Seq;
use tokio::time::Instant;

use super::super::commands::Done;
use super::super::departures::Waiting;
use super::Connection;

/// What is known beside the views of how far this client is; boxed, since most connections have nothing of it.
#[derive(Default)]
pub(super) struct Away {
    /// Tells when another of his sockets is gone; of dialects that go on then.
    waiting: Option<Waiting>,
    /// What those left, and is not handed out here yet.
    arriving: Vec<(RunId, Seq)>,
    /// The run that was handed out to its end here last.
    ended: Option<(RunId, Seq)>,
    /// The run that this connection waits for, see [`Command::Await`](super::super::dialect::Command::Await).
    pub(super) awaited: Option<BoxFuture<'static, Done>>,
}

impl Connection {
    /// Goes on with what this client's other sockets left, now and whenever one of them is found to be gone. Only for
    /// who has a place here: nobody else is told anything of it.
    pub(super) fn wait_for_others(&mut self) {
        if self.dialect.goes_on_within().is_some()
            && let Some((departures, client)) = &self.around.remembers
        {
            let waiting = Some(departures.wait(client, self.opened));
            self.away.get_or_insert_default().waiting = waiting;
            self.come_back();
        }
    }

    /// Goes on with what was left. Until it is handed out here it is left again should this one leave as well.
    pub(super) fn come_back(&mut self) {
        let (Some(within), Some((departures, client)), Some(away)) =
            (self.dialect.goes_on_within(), &self.around.remembers, &mut self.away)
        else {
            return;
        };
        let views = &self.views;
        let mut left = departures.take(client, within, Instant::now());
        left.retain(|left| {
            let shown = views.iter().any(|view| *view.follow.run() == left.run);
            !shown && away.arriving.iter().all(|(run, _)| *run != left.run)
        });
        let left: Vec<_> = left.into_iter().map(|left| (left.run, left.seq)).collect();
        if !left.is_empty() {
            away.arriving.extend_from_slice(&left);
            self.tell(|dialect, out| dialect.on_left(&left, out));
        }
    }

    /// It is handed out here from now on, or cannot be by anybody.
    pub(super) fn arrived(&mut self, run: &RunId) {
        if let Some(away) = &mut self.away {
            away.arriving.retain(|(arriving, _)| arriving != run);
        }
    }

    /// This run was handed out to its end, which is this event.
    pub(super) fn was_told(&mut self, run: RunId, seq: Seq) {
        self.away.get_or_insert_default().ended = Some((run, seq));
    }

    /// How far this client was, for when he comes back.
    pub(super) fn depart(&mut self) {
        // Waits no more: it would be told of itself.
        let away = self.away.take().unwrap_or_default();
        let Away { waiting, arriving, ended, awaited } = *away;
        drop((waiting, awaited));
        let Some((departures, client)) = &self.around.remembers else { return };
        let now = Instant::now();
        let followed = |run: &RunId| self.views.iter().any(|view| view.follow.run() == run);
        if let Some((run, seq)) = ended.filter(|(run, _)| !followed(run)) {
            departures.leave(client, &run, seq, true, now);
        }
        for view in &self.views {
            departures.leave(client, view.follow.run(), view.left, false, now);
        }
        for (run, seq) in &arriving {
            departures.leave(client, run, *seq, false, now);
        }
        if !self.views.is_empty() || !arriving.is_empty() {
            departures.gone(client, self.heard);
        }
    }
}

/// What came of the run that was waited for; `None`: another of the client's sockets is gone.
pub(super) fn poll_away(away: &mut Option<Box<Away>>, cx: &mut Context<'_>) -> Poll<Option<Done>> {
    let Some(away) = away else { return Poll::Pending };
    if let Some(Poll::Ready(done)) = away.awaited.as_mut().map(|awaited| awaited.poll_unpin(cx)) {
        away.awaited = None;
        return Poll::Ready(Some(done));
    }
    away.waiting.as_ref().map_or(Poll::Pending, |waiting| waiting.poll_moved(cx)).map(|()| None)
}
