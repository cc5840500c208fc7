//! The runs that a connection follows, and how far its client is in each.

use std::task::{Context, Poll};

use headwater_core::RunId;
use headwater_core::code::Error;
use headwater_core::event::Seq;
use headwater_engine::{Follow, Followed};

use super::super::dialect::Reply;
use super::Connection;

/// A followed run.
pub(super) struct Viewing {
    pub(super) follow: Follow,
    /// The last event that has left for the client.
    pub(super) left: Seq,
    /// The last event in the outbox.
    pub(super) given: Seq,
}

impl Connection {
    /// Hands out this run from here on.
    pub(super) fn follow(&mut self, follow: Follow, reply: &Reply) {
        // Where the log is read from its beginning for the dialect's sake, the client is further than that.
        let at = match reply {
            Reply::Following { run: Ok((_, after)), .. } => *after,
            _ => follow.cursor(),
        };
        self.views.retain(|v| v.follow.run() != follow.run());
        self.views.push(Viewing { follow, left: at, given: at });
    }

    /// Nothing of this run is handed out any more: its stops are acknowledged.
    pub(super) fn acknowledge(&mut self, run: &RunId) {
        let replies: Vec<_> = self.stopped.extract_if(.., |(of, _)| of == run).collect();
        for (_, reply) in replies {
            self.tell(|dialect, out| dialect.on_reply(reply, out));
        }
    }

    pub(super) fn on_followed(&mut self, at: usize, followed: Result<Followed, Error>) {
        let Some(view) = self.views.get_mut(at) else { return };
        let run = view.follow.run().clone();
        match followed {
            Ok(Followed::Events(events)) => {
                view.given = view.given.max(view.follow.cursor());
                self.tell(|dialect, out| dialect.on_events(&run, &events, out));
                self.outbox.events(self.out.frames.drain(..));
            }
            Ok(Followed::Heartbeat) => self.tell(|dialect, out| dialect.on_heartbeat(&run, out)),
            Ok(Followed::End) => {
                let view = self.views.remove(at);
                self.was_told(view.follow.run().clone(), view.given);
                self.acknowledge(&run);
            }
            Err(error) => {
                self.views.remove(at);
                self.tell(|dialect, out| dialect.on_reply(Reply::Lost { run: run.clone(), error }, out));
                self.acknowledge(&run);
            }
        }
    }
}

/// The next thing of any followed run; whoever was served is asked last the next time.
pub(super) fn poll_views(
    views: &mut [Viewing],
    turn: &mut usize,
    cx: &mut Context<'_>,
) -> Poll<(usize, Result<Followed, Error>)> {
    for step in 0..views.len() {
        let at = (*turn + step) % views.len();
        // Cancel-safe: a future that is dropped here goes on where it was.
        let next = std::pin::pin!(views[at].follow.next());
        if let Poll::Ready(followed) = next.poll(cx) {
            *turn = at + 1;
            return Poll::Ready((at, followed));
        }
    }
    Poll::Pending
}
