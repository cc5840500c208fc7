//! Who asked what, how much he got, and when he left. Times are of the monotonic clock, taken here: a
//! client cannot say when the host saw it leave.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

use parking_lot::Mutex;
use serde::Serialize;
use serde_json::Value;
use tokio::sync::watch;

use crate::format::Format;
use crate::limit;

/// What a request was for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Asked {
    /// An answer: what a host would be paid for.
    Answer,
    /// The list of models.
    Models,
    /// A path that is none of the five formats'.
    Nothing,
}

/// How a call ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Ended {
    /// By itself: everything was said, or it failed as it was to fail.
    Itself,
    /// The client went away before.
    Left,
}

/// One request. Times are microseconds since the fake began.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Call {
    /// From 1, over all requests.
    pub number: u64,
    /// Which connection it came on, from 1.
    pub connection: u64,
    /// `1.1` or `2`.
    pub http: &'static str,
    /// What it was for.
    pub asked: Asked,
    /// The format of its path.
    pub format: Option<Format>,
    /// Its method.
    pub method: String,
    /// Its path and query; the value of `key` is left out.
    pub path: String,
    /// The model that it named.
    pub model: Option<String>,
    /// Its body; null where it was none or no JSON.
    pub body: Value,
    /// Whether it showed a key. The key itself is kept nowhere.
    pub key: bool,
    /// The status that it got.
    pub status: Option<u16>,
    /// When its head had come.
    pub asked_us: u64,
    /// When the first byte of the body was given to the connection.
    pub first_byte_us: Option<u64>,
    /// How it ended, and when; none while it is open.
    pub ended: Option<Ended>,
    /// When it ended.
    pub ended_us: Option<u64>,
    /// Bytes of the body that were given to the connection, as they stand in it.
    pub bytes: u64,
    /// Deltas among them.
    pub deltas: u32,
    #[serde(skip)]
    body_bytes: usize,
}

/// Everything that was recorded.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Calls {
    /// Microseconds since the fake began, when this was read over HTTP.
    pub now_us: u64,
    /// The latest calls, the oldest first.
    pub calls: VecDeque<Call>,
    /// Requests since the beginning, of every kind.
    pub total: u64,
    /// Requests for an answer since the beginning.
    pub answers: u64,
    /// Answers that are under way.
    pub open: u64,
    /// The most that were under way at once.
    pub most_open: u64,
    /// Connections that were accepted.
    pub connections: u64,
    /// Connections that are open.
    pub open_connections: u64,
    /// Connections that were closed at once, because that was asked for.
    pub refused: u64,
    #[serde(skip)]
    body_bytes: usize,
}

impl Calls {
    /// The calls for an answer that are kept.
    pub fn for_answers(&self) -> impl Iterator<Item = &Call> {
        self.calls.iter().filter(|c| c.asked == Asked::Answer)
    }

    /// The call for an answer that came last.
    #[must_use]
    pub fn last(&self) -> Option<&Call> {
        self.calls.iter().rev().find(|c| c.asked == Asked::Answer)
    }

    fn find(&mut self, number: u64) -> Option<&mut Call> {
        // Numbers rise by one, so that a load test does not search.
        let first = self.calls.front()?.number;
        self.calls.get_mut(usize::try_from(number.checked_sub(first)?).ok()?)
    }

    fn forget(&mut self) {
        while self.calls.len() > limit::CALLS_KEPT || self.body_bytes > limit::BODIES_KEPT_BYTES {
            let Some(oldest) = self.calls.pop_front() else { return };
            self.body_bytes = self.body_bytes.saturating_sub(oldest.body_bytes);
        }
    }
}

/// Where it is written down.
#[derive(Debug)]
pub(crate) struct Book {
    began: Instant,
    calls: Mutex<Calls>,
    changed: watch::Sender<u64>,
}

impl Default for Book {
    fn default() -> Self {
        Self { began: Instant::now(), calls: Mutex::default(), changed: watch::Sender::new(0) }
    }
}

/// What is known when a request's head has come.
pub(crate) struct Head {
    pub(crate) connection: u64,
    pub(crate) http: &'static str,
    pub(crate) asked: Asked,
    pub(crate) format: Option<Format>,
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) key: bool,
}

impl Book {
    pub(crate) fn now(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_micros()).unwrap_or(u64::MAX)
    }

    pub(crate) fn change<T>(&self, change: impl FnOnce(&mut Calls) -> T) -> T {
        let changed = change(&mut self.calls.lock());
        self.changed.send_modify(|n| *n = n.wrapping_add(1));
        changed
    }

    pub(crate) fn read<T>(&self, read: impl FnOnce(&Calls) -> T) -> T {
        read(&self.calls.lock())
    }

    /// Waits until what is recorded fulfils this.
    pub(crate) async fn wait_for(&self, fulfilled: impl Fn(&Calls) -> bool) {
        // Before the first look, or a change between the two would be missed.
        let mut changed = self.changed.subscribe();
        while !self.read(&fulfilled) {
            if changed.changed().await.is_err() {
                return;
            }
        }
    }

    /// Forgets all calls that have ended; what is under way stays counted.
    pub(crate) fn reset(&self) {
        self.change(|calls| {
            calls.calls.clear();
            (calls.total, calls.answers, calls.refused, calls.body_bytes) = (0, 0, 0, 0);
            (calls.most_open, calls.connections) = (calls.open, calls.open_connections);
        });
    }

    pub(crate) fn open(self: &Arc<Self>, head: Head) -> Watch {
        let asked_us = self.now();
        let asked = head.asked;
        let (number, epoch) = self.change(|calls| {
            calls.total += 1;
            if asked == Asked::Answer {
                calls.answers += 1;
                calls.open += 1;
                calls.most_open = calls.most_open.max(calls.open);
            }
            let number = calls.calls.back().map_or(calls.total, |c| c.number + 1);
            calls.calls.push_back(Call {
                number,
                connection: head.connection,
                http: head.http,
                asked,
                format: head.format,
                method: head.method,
                path: head.path,
                model: None,
                body: Value::Null,
                key: head.key,
                status: None,
                asked_us,
                first_byte_us: None,
                ended: None,
                ended_us: None,
                bytes: 0,
                deltas: 0,
                body_bytes: 0,
            });
            calls.forget();
            (number, asked_us)
        });
        Watch { book: Arc::clone(self), number, asked_us: epoch, asked, over: false }
    }
}

/// One call while it is open. Dropping it means that the client went away: the connection drops what it
/// serves when the other side is gone, and does so at no other time.
#[derive(Debug)]
pub(crate) struct Watch {
    book: Arc<Book>,
    number: u64,
    asked_us: u64,
    asked: Asked,
    over: bool,
}

impl Watch {
    pub(crate) fn number(&self) -> u64 {
        self.number
    }

    fn note(&self, note: impl FnOnce(&mut Call)) {
        let asked_us = self.asked_us;
        self.book.change(|calls| {
            // After a reset the number may be another call's.
            if let Some(call) = calls.find(self.number).filter(|c| c.asked_us == asked_us) {
                note(call);
            }
        });
    }

    pub(crate) fn body(&self, body: Value, bytes: usize, model: Option<String>) {
        self.book.change(|calls| {
            let Some(call) = calls.find(self.number).filter(|c| c.asked_us == self.asked_us) else { return };
            (call.body, call.body_bytes, call.model) = (body, bytes, model);
            calls.body_bytes += bytes;
            calls.forget();
        });
    }

    pub(crate) fn status(&self, status: u16) {
        self.note(|call| call.status = Some(status));
    }

    pub(crate) fn wrote(&self, bytes: usize, deltas: u32) {
        let now = self.book.now();
        self.note(|call| {
            call.first_byte_us.get_or_insert(now);
            call.bytes += bytes as u64;
            call.deltas = deltas;
        });
    }

    /// It ended by itself.
    pub(crate) fn end(&mut self) {
        self.close(Ended::Itself);
    }

    fn close(&mut self, how: Ended) {
        if std::mem::replace(&mut self.over, true) {
            return;
        }
        let now = self.book.now();
        let (number, asked_us, asked) = (self.number, self.asked_us, self.asked);
        self.book.change(|calls| {
            if asked == Asked::Answer {
                calls.open -= 1;
            }
            if let Some(call) = calls.find(number).filter(|c| c.asked_us == asked_us) {
                (call.ended, call.ended_us) = (Some(how), Some(now));
            }
        });
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.close(Ended::Left);
    }
}
