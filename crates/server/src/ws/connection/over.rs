//! When a connection is over, by time or by its user's sign-in, and where its client goes on then.

use std::future::poll_fn;
use std::pin::Pin;

use futures_util::stream::SplitSink;
use headwater_core::code::Code;
use headwater_core::limit;
use tokio::time::Instant;

use super::super::dialect::{Close, Reply};
use super::super::ending::End;
use super::super::upgrade::{Message, WebSocket};
use super::Connection;
use crate::auth::standing::expired;

impl Connection {
    /// Where the client goes on that is cut off now: in the run whose events wait, or in any. `written`: the
    /// outbox has just been emptied. `None` where nothing is followed.
    pub(super) fn goes_on(&self, written: bool) -> Option<String> {
        let view = self.views.iter().find(|v| v.left < v.given).or(self.views.first())?;
        let last = if written { view.given } else { view.left };
        Some(self.dialect.position(view.follow.run(), last))
    }

    /// Whoever was signed in is not any more: he is told so, and where to go on. His runs go on without him.
    pub(super) async fn sign_out(&mut self, sink: &mut SplitSink<WebSocket, Message>) -> End {
        self.tell(|dialect, out| dialect.on_reply(Reply::SignedOut { error: expired() }, out));
        for frame in self.out.frames.drain(..) {
            self.outbox.reply(Message::Text(frame.into()));
        }
        let flush = poll_fn(|cx| self.outbox.poll_write(cx, Pin::new(sink)));
        let written = matches!(tokio::time::timeout(limit::CLOSE_TIME, flush).await, Ok(Ok(())));
        let reason = self.goes_on(written).unwrap_or_else(|| "token expired; sign in again".to_owned());
        End::Close(Close { code: Code::TokenExpired.close_code(), reason })
    }

    /// What took too long.
    pub(super) fn overdue(&mut self, now: Instant) -> Option<End> {
        if self.who.is_none() && now >= self.opened + limit::AUTH_DEADLINE {
            let code = Code::AuthRequired.close_code();
            return Some(End::Close(Close { code, reason: "nobody signed in on this connection".into() }));
        }
        if self.outbox.stalled(now) {
            let nowhere = || "nothing could be written for too long".to_owned();
            let reason = self.goes_on(false).unwrap_or_else(nowhere);
            self.outbox.clear();
            return Some(End::Close(Close { code: Code::SlowViewer.close_code(), reason }));
        }
        // While something waits to be written, a pong waits behind it: the stall rule covers that.
        if self.outbox.is_empty() && now >= self.heard + limit::PONG_DEADLINE {
            return Some(End::Gone);
        }
        if now >= self.heard.max(self.pinged) + limit::PING_EVERY {
            self.pinged = now;
            self.outbox.reply(Message::Ping(Vec::new().into()));
        }
        None
    }

    /// When to ask [`Connection::overdue`] next, at the latest.
    pub(super) fn wake_at(&mut self, now: Instant) -> Instant {
        let mut wake = self.heard.max(self.pinged) + limit::PING_EVERY;
        wake = wake.min((self.heard + limit::PONG_DEADLINE).max(now + limit::CLOSE_TIME));
        if self.who.is_none() {
            wake = wake.min(self.opened + limit::AUTH_DEADLINE);
        }
        wake = self.standing.ends().map_or(wake, |ends| wake.min(ends));
        self.outbox.look_at(now).map_or(wake, |look| wake.min(look))
    }

    /// When a connection on which nothing happens is to go, while the server drains.
    pub(super) fn leaves_at(&mut self, now: Instant) -> Option<Instant> {
        let idle = self.views.is_empty()
            && self.busy.is_empty()
            && self.ordered.is_empty()
            && self.outbox.is_empty();
        self.farewell.at(idle, now, || self.around.seat.gate().farewell_time())
    }
}
