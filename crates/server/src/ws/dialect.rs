//! What a dialect is: the protocol spoken on a connection, as a pure codec.
//!
//! A dialect turns frames into [`Command`]s and a run's events into frames. It sees neither a socket, nor
//! the clock, nor the engine; [`super::connection`] carries out what it decides and tells it what came of
//! it. All of its answers go into the caller's [`Out`].

use std::sync::Arc;
use std::time::Duration;

use headwater_core::event::{Event, Outcome, Seq};
use headwater_core::run::Run;
use headwater_core::{Error, MessageId, Millis, Principal, RunId, SessionId, UserId};
use headwater_engine::{StartRun, Started, engine::From, engine::StoppedTurn};

use super::rooms::{RoomCommand, RoomReply};

use super::departures::Client;

/// One frame of a client.
#[derive(Debug, Clone, Copy)]
pub enum Frame<'a> {
    /// Text, at most `limit::WS_MESSAGE_BYTES`.
    Text(&'a str),
    /// Bytes, as many.
    Binary(&'a [u8]),
}

/// A name for what is asked, given back with the answer; none where it needs none. In the native protocol
/// it is the JSON of the client's `id`.
pub type Tag = Option<Arc<str>>;

/// Which run is meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// This one.
    Run(RunId),
    /// The newest of a session.
    Newest(SessionId),
}

/// A run that may not be there yet.
#[derive(Debug, Clone)]
pub struct Awaited {
    /// Which; `None` where what was named cannot be anybody's, which is waited for alike.
    pub run: Option<RunId>,
    /// After which event; `None`: where this client was if he was here a moment ago, otherwise the beginning.
    pub after: Option<Seq>,
    /// Of another workflow than this the log is read from its beginning all the same, as for [`Command::Follow`].
    pub whole_unless: Arc<str>,
}

/// What a client wants done.
#[derive(Debug, Clone)]
pub enum Command {
    /// Find out whose token this is. Carried out before the next frame is read.
    SignIn {
        /// Comes back with the reply.
        tag: Tag,
        /// Without `Bearer `.
        token: String,
    },
    /// Make a run. Carried out in the order in which they were asked.
    Start {
        /// Comes back with the reply.
        tag: Tag,
        /// The dialect's own note, which comes back too: replies need not come in the order of asking.
        mark: u64,
        /// What is asked.
        ask: Box<StartRun>,
    },
    /// Hand out a run's events from a position on.
    Follow {
        /// Comes back with the reply.
        tag: Tag,
        /// Which run.
        target: Target,
        /// After which event; checked against the log.
        from: From,
        /// Hand out the log from its beginning all the same: the dialect needs what stands before the
        /// position to encode what stands after it.
        whole: bool,
        /// A client asked for it, and not the dialect for something else that the client asked for: counts
        /// among what the client may ask for.
        asked: bool,
    },
    /// Hand out a run's events as soon as there is such a run for this user; until then nothing is said, for
    /// [`headwater_core::limit::RUN_AWAITED`] at most. One for each connection: the newest counts.
    Await {
        /// Comes back with the reply, which is [`Reply::Following`]. Who waits in vain is closed with the reason.
        tag: Tag,
        /// For what.
        asked: Awaited,
    },
    /// Stop handing out a run's events; the run goes on. In order with starts and follows.
    Unfollow {
        /// Comes back with the reply.
        tag: Tag,
        /// Which run.
        run: RunId,
    },
    /// Stop a run.
    Stop {
        /// Comes back with the reply.
        tag: Tag,
        /// Which run.
        run: RunId,
    },
    /// Stop a run by the client's own name for its turn.
    StopTurn {
        /// Comes back with the reply.
        tag: Tag,
        /// In this session; without one in whichever used the name last.
        session: Option<SessionId>,
        /// The name.
        message: MessageId,
    },
    /// Something in the rooms where the sockets of a session meet. In order among themselves, and behind nothing else.
    Room(RoomCommand),
    /// List runs, newest first.
    List {
        /// Comes back with the reply.
        tag: Tag,
        /// Whose session, where it is another's.
        owner: Option<UserId>,
        /// Of this session only.
        session: Option<SessionId>,
        /// Older than this one only.
        before: Option<RunId>,
        /// The most.
        limit: usize,
    },
}

impl Command {
    /// A sign-in with a token as it was sent: people paste whole headers.
    #[must_use]
    pub fn sign_in(tag: Tag, token: &str) -> Self {
        let token = token.strip_prefix("Bearer ").unwrap_or(token).trim().to_owned();
        Self::SignIn { tag, token }
    }

    /// Whether it is carried out after those of its kind that were asked for before it.
    #[must_use]
    pub fn is_ordered(&self) -> bool {
        match self {
            Self::Start { .. } | Self::Follow { .. } | Self::Unfollow { .. } => true,
            Self::SignIn { .. }
            | Self::Await { .. }
            | Self::Stop { .. }
            | Self::StopTurn { .. }
            | Self::Room(_)
            | Self::List { .. } => false,
        }
    }
}

/// What came of a command.
#[derive(Debug, Clone)]
pub enum Reply {
    /// The token is good.
    SignedIn {
        /// As it was given.
        tag: Tag,
        /// Whose it is.
        who: Principal,
        /// Somebody else was signed in before: nothing of his is followed any more.
        changed: bool,
    },
    /// The token is not good here; who was signed in before still is.
    NotSignedIn {
        /// As it was given.
        tag: Tag,
        /// Why.
        error: Error,
    },
    /// Whoever was signed in is not any more: his token ran out, or he signed out. The connection is closed
    /// after what is said to this.
    SignedOut {
        /// Why.
        error: Error,
    },
    /// Of [`Command::Start`].
    Started {
        /// As it was given.
        tag: Tag,
        /// As it was given.
        mark: u64,
        /// The run.
        started: Result<Started, Error>,
    },
    /// Of [`Command::Follow`].
    Following {
        /// As it was given.
        tag: Tag,
        /// As it was given.
        target: Target,
        /// The run, and after which event it is followed.
        run: Result<(Run, Seq), Error>,
    },
    /// Of [`Command::Unfollow`].
    Unfollowed {
        /// As it was given.
        tag: Tag,
        /// As it was given.
        run: RunId,
    },
    /// Of [`Command::Stop`]; where the run is followed here, after its last event.
    Stopped {
        /// As it was given.
        tag: Tag,
        /// As it was given.
        run: RunId,
        /// How the run ended; nothing follows that ending.
        outcome: Result<Outcome, Error>,
    },
    /// Of [`Command::StopTurn`], at once: where the run is followed here, its last events may still come.
    TurnStopped {
        /// As it was given.
        tag: Tag,
        /// As it was given.
        session: Option<SessionId>,
        /// As it was given.
        message: MessageId,
        /// What became of it.
        turn: Result<StoppedTurn, Error>,
    },
    /// Of [`Command::Room`], and what others do in the rooms that were joined.
    Room(RoomReply),
    /// Of [`Command::List`].
    Listed {
        /// As it was given.
        tag: Tag,
        /// Newest first.
        runs: Result<Vec<Run>, Error>,
    },
    /// Following came to a bad end: the log cannot be read any further for now.
    Lost {
        /// Which run.
        run: RunId,
        /// Why.
        error: Error,
    },
}

/// Why a connection is closed by us.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Close {
    /// As in RFC 6455 or `core/code.rs`.
    pub code: u16,
    /// At most 123 bytes.
    pub reason: String,
}

/// Where a dialect puts its answers, and the time at which it does; emptied by the connection after every call.
#[derive(Debug, Default)]
pub struct Out {
    /// When the dialect is called: some protocols put the time into their frames.
    pub now: Millis,
    /// To be sent, in order.
    pub frames: Vec<String>,
    /// To be carried out, in order.
    pub commands: Vec<Command>,
    /// Close the connection after the frames.
    pub close: Option<Close>,
}

/// A protocol; see the module.
pub trait Dialect: Send {
    /// Its name, for logs and metrics.
    fn name(&self) -> &'static str;

    /// The connection is open; `who` where the handshake said it. Before any frame is read.
    fn on_open(&mut self, _who: Option<&Principal>, _out: &mut Out) {}

    /// Who this client is for whom it is remembered how far he was, once he is signed in; where a dialect remembers.
    fn client(&self, _who: &Principal) -> Option<Client> {
        None
    }

    /// For how long this client's runs wait for his next socket with this dialect, which goes on with them; where they do.
    fn goes_on_within(&self) -> Option<Duration> {
        None
    }

    /// Another socket of this client's left these runs after these events: here they go on.
    fn on_left(&mut self, _left: &[(RunId, Seq)], _out: &mut Out) {}

    /// A frame came in.
    fn on_frame(&mut self, frame: Frame<'_>, out: &mut Out);

    /// A command was carried out.
    fn on_reply(&mut self, reply: Reply, out: &mut Out);

    /// The connection itself is refused something, or is about to be closed for this: it is said.
    fn on_refused(&mut self, error: Error, out: &mut Out);

    /// The next events of a followed run, in order, none twice: all that there are, up to a batch. More
    /// than `limit::MERGE_ABOVE` tokens and thoughts mean that this viewer is behind; a dialect whose frames may merge
    /// then merges.
    fn on_events(&mut self, run: &RunId, events: &[Arc<Event>], out: &mut Out);

    /// Nothing happened in a followed run for `limit::HEARTBEAT`.
    fn on_heartbeat(&mut self, _run: &RunId, _out: &mut Out) {}

    /// How a client that is cut off is told where to go on, at most 123 bytes.
    fn position(&self, run: &RunId, seq: Seq) -> String;
}
