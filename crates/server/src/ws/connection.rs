//! One connection: the task that owns a socket's two halves, a dialect and the positions of the runs that
//! it follows.
//!
//! It selects over incoming frames, finished commands, followed runs, the socket's readiness and time, and
//! never waits for any one of them: ping, stop and the next message are heard while runs stream. Nothing is
//! queued here but a bounded number of replies and one batch of events; while that batch is being written,
//! the runs are not read any further.

mod asked;
mod away;
mod over;
mod roomed;
mod seated;
mod viewing;

use std::collections::VecDeque;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use futures_util::future::BoxFuture;
use futures_util::stream::{FuturesUnordered, SplitSink, SplitStream};
use futures_util::{SinkExt, StreamExt};
use headwater_core::code::Code;
use headwater_core::{Principal, RunId, limit};
use headwater_engine::Engine;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use self::asked::poll_first;
use self::away::{Away, poll_away};
use self::roomed::poll_rooms;
use self::viewing::{Viewing, poll_views};
use super::commands::Done;
use super::departures::{Client, Departures};
use super::dialect::{Close, Dialect, Frame, Out, Reply};
use super::ending::{End, broken, flood, part, stopping_close};
use super::farewell::Farewell;
use super::outbox::Outbox;
use super::rooms::Rooms;
use super::upgrade::{Message, WebSocket};
use crate::auth::Auth;
use crate::auth::standing::Standing;
use crate::auth::token::Identity;
use crate::gate::Seat;
use crate::metrics::Metrics;

/// What a connection needs of its server.
pub struct Surroundings {
    /// Makes, follows and stops runs.
    pub engine: Engine,
    /// Knows tokens.
    pub auth: Arc<Auth>,
    /// Cancelled when the server is about to stop: the connection ends once nothing streams on it.
    pub draining: CancellationToken,
    /// Where sockets are counted.
    pub metrics: Metrics,
    /// Counts the bytes that the kernel took from this connection.
    pub written: Arc<AtomicU64>,
    /// What the connection holds, and what it may ask for.
    pub seat: Seat,
    /// Who this client is for whom it is remembered how far he was, and where that is; `None`: for nobody.
    pub remembers: Option<(Arc<Departures>, Client)>,
    /// The rooms that it joins, where its dialect has any.
    pub rooms: Option<Box<Rooms>>,
}

/// The number of a close without a close frame (RFC 6455, 7.1.5); it is never sent.
const WITHOUT_A_WORD: u16 = 1005;

/// See the module.
pub struct Connection {
    around: Surroundings,
    who: Option<Principal>,
    /// How long he is signed in.
    standing: Standing,
    dialect: Box<dyn Dialect>,
    out: Out,
    outbox: Outbox,
    views: Vec<Viewing>,
    /// Which of the views is asked first; moves on, so that none waits for another.
    turn: usize,
    /// Runs are made, followed and let go of one after the other, in the order in which that was asked.
    ordered: VecDeque<BoxFuture<'static, Done>>,
    /// Everything else that waits for the store.
    busy: FuturesUnordered<BoxFuture<'static, Done>>,
    /// Stops that are done, of runs whose last events have not been handed out here yet: no text follows
    /// the acknowledgement.
    stopped: Vec<(RunId, Reply)>,
    /// This client's comings and goings, where there is something to be known of them.
    away: Option<Box<Away>>,
    opened: Instant,
    heard: Instant,
    pinged: Instant,
    farewell: Farewell,
}

impl Connection {
    /// A connection that speaks this dialect; `who` where the handshake carried a good token.
    pub fn new(around: Surroundings, who: Option<Identity>, dialect: Box<dyn Dialect>) -> Self {
        let now = Instant::now();
        Self {
            outbox: Outbox::new(Arc::clone(&around.written)),
            who: who.as_ref().map(|identity| identity.who.clone()),
            standing: around.auth.standing(who),
            around,
            dialect,
            out: Out::default(),
            views: Vec::new(),
            turn: 0,
            ordered: VecDeque::new(),
            busy: FuturesUnordered::new(),
            stopped: Vec::new(),
            away: None,
            opened: now,
            heard: now,
            pinged: now,
            farewell: Farewell::default(),
        }
    }

    /// Serves the connection until it ends. A block and no `async fn`, which would hold its arguments twice: an
    /// idle connection costs what this weighs.
    pub fn serve(mut self, socket: WebSocket) -> impl Future<Output = ()> + Send {
        let (mut sink, mut stream) = socket.split();
        async move {
            let name = self.dialect.name();
            let open = self.around.metrics.socket(name);
            let end = self.until_end(&mut sink, &mut stream).await;
            drop(open);
            self.depart();
            // From here on nobody is watching, and nobody is in a room.
            self.views.clear();
            self.around.rooms = None;
            match end {
                End::Gone => {
                    self.around.metrics.socket_closed(name, WITHOUT_A_WORD);
                    tracing::debug!(dialect = name, "the client left");
                    // Its close frame is answered; the library has queued that.
                    let _ = tokio::time::timeout(limit::CLOSE_TIME, sink.close()).await;
                }
                End::Close(close) => {
                    self.around.metrics.socket_closed(name, close.code);
                    tracing::debug!(dialect = name, code = close.code, reason = %close.reason, "closing a connection");
                    Box::pin(part(close, sink, stream)).await;
                }
            }
        }
    }

    async fn until_end(
        &mut self,
        sink: &mut SplitSink<WebSocket, Message>,
        stream: &mut SplitStream<WebSocket>,
    ) -> End {
        let stopping = self.around.engine.tasks().stopping().clone();
        let draining = self.around.draining.clone();
        let who = self.who.clone();
        self.tell(|dialect, out| dialect.on_open(who.as_ref(), out));
        if who.is_none_or(|who| self.take_seat(&who)) {
            self.wait_for_others();
        }
        loop {
            if let Some(end) = self.settle() {
                // What was said before the end is still said, if it leaves at once.
                if !self.outbox.is_empty() {
                    let flush = poll_fn(|cx| self.outbox.poll_write(cx, Pin::new(sink)));
                    let _ = tokio::time::timeout(limit::CLOSE_TIME, flush).await;
                }
                return end;
            }
            let now = Instant::now();
            if self.standing.is_over(now) {
                return self.sign_out(sink).await;
            }
            let leaves = if draining.is_cancelled() { self.leaves_at(now) } else { None };
            if leaves.is_some_and(|at| at <= now) {
                return End::Close(stopping_close(None));
            }
            if let Some(end) = self.overdue(now) {
                return end;
            }
            let wake = self.wake_at(now);
            let wake = leaves.map_or(wake, |at| at.min(wake));
            // Who does not read his replies is not asked for more of them; the stall rule ends that.
            let hears = !self.outbox.is_full();
            if !hears {
                self.heard = now;
            }
            let (outbox, views, turn) = (&mut self.outbox, &mut self.views, &mut self.turn);
            let standing = &mut self.standing;
            let rooms = &mut self.around.rooms;
            let (writes, reads) = (!outbox.is_empty(), outbox.is_empty() && !views.is_empty());
            tokio::select! {
                frame = stream.next(), if hears => match self.on_message(frame) {
                    Some(end) => return end,
                    None => continue,
                },
                written = poll_fn(|cx| outbox.poll_write(cx, Pin::new(sink))), if writes => {
                    if written.is_err() {
                        return End::Gone;
                    }
                    for view in &mut self.views {
                        view.left = view.given;
                    }
                    if let Some(rooms) = rooms {
                        rooms.written();
                    }
                }
                done = self.busy.next(), if !self.busy.is_empty() => {
                    if let Some(done) = done {
                        self.on_done(done);
                    }
                }
                done = poll_fn(|cx| poll_first(&mut self.ordered, cx)), if !self.ordered.is_empty() => {
                    self.ordered.pop_front();
                    self.on_done(done);
                }
                said = poll_fn(|cx| poll_rooms(rooms, cx)), if hears && rooms.is_some() => {
                    self.tell(|dialect, out| dialect.on_reply(Reply::Room(said), out));
                }
                done = poll_fn(|cx| poll_away(&mut self.away, cx)), if self.away.is_some() => match done {
                    Some(done) => self.on_done(done),
                    None => self.come_back(),
                },
                (at, followed) = poll_fn(|cx| poll_views(views, turn, cx)), if reads => self.on_followed(at, followed),
                () = sleep_until(wake) => {}
                () = standing.moved() => {}
                () = draining.cancelled(), if !draining.is_cancelled() => {}
                () = stopping.cancelled() => return End::Close(stopping_close(self.goes_on(false))),
            }
        }
    }

    /// Calls the dialect, and says what time it is.
    fn tell(&mut self, call: impl FnOnce(&mut dyn Dialect, &mut Out)) {
        self.out.now = self.around.engine.clock().wall();
        call(&mut *self.dialect, &mut self.out);
    }

    /// Carries out what the dialect decided, until it decides nothing more.
    fn settle(&mut self) -> Option<End> {
        loop {
            let commands = std::mem::take(&mut self.out.commands);
            for frame in self.out.frames.drain(..) {
                self.outbox.reply(Message::Text(frame.into()));
            }
            if let Some(close) = self.out.close.take() {
                return Some(End::Close(close));
            }
            if commands.is_empty() {
                return None;
            }
            for command in commands {
                self.carry_out(command);
            }
        }
    }

    fn on_message(
        &mut self,
        message: Option<Result<Message, tokio_tungstenite::tungstenite::Error>>,
    ) -> Option<End> {
        let message = match message {
            None | Some(Ok(Message::Close(_))) => return Some(End::Gone),
            Some(Ok(message)) => message,
            Some(Err(error)) => {
                if flood(&error).is_some() {
                    self.around.seat.gate().flooded();
                }
                return Some(broken(&error));
            }
        };
        self.heard = Instant::now();
        let frame = match &message {
            Message::Text(text) => Frame::Text(text.as_str()),
            Message::Binary(bytes) => Frame::Binary(bytes),
            // Pings are answered by the library.
            Message::Ping(_) | Message::Pong(_) | Message::Close(_) | Message::Frame(_) => return None,
        };
        let length = match frame {
            Frame::Text(text) => text.len(),
            Frame::Binary(bytes) => bytes.len(),
        };
        if self.who.is_none() && length > limit::WS_MESSAGE_BYTES_BEFORE_AUTH {
            let most = limit::WS_MESSAGE_BYTES_BEFORE_AUTH;
            let reason = format!("before sign-in a frame may have at most {most} bytes");
            return Some(End::Close(Close { code: Code::TooLarge.close_code(), reason }));
        }
        self.tell(|dialect, out| dialect.on_frame(frame, out));
        None
    }
}
