//! The `orchestrate` dialect of `/ws/orchestrate/{job_id}`: `docs/protocol/orchestrate.md`.
//!
//! A connection shows one job. What a frame says stands in its event alone, so that whoever comes back is shown what
//! came since without the log being read from its beginning; the two exceptions are runs of other workflows and jobs
//! that ended badly, see [`show::Show`].

pub(crate) mod frames;
mod open;
mod show;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use headwater_core::code::{Code, Error};
use headwater_core::event::{Event, Seq};
use headwater_core::{Millis, Principal, RunId, limit};
use headwater_engine::engine::From;
use sha2::{Digest as _, Sha256};

use self::frames::{ClientFrame, ConnectionFrame, connected, pong, refused};
pub(super) use self::open::open;
use self::show::{Manner, Show};
use super::departures::Client;
use super::dialect::{Awaited, Close, Command, Dialect, Frame, Out, Reply, Target};
use crate::http::orchestrate::stamp;
use crate::wire::json;

/// The subprotocol's name; a client of the original names none.
pub const SUBPROTOCOL: &str = "headwater.orchestrate.v1";

/// What a client asks for in its address.
#[derive(Debug, Clone, Default)]
pub struct Asked {
    /// As it stands there: any text.
    pub job_id: String,
    /// Code is shown as it streams.
    pub stream: bool,
    /// Frames carry their numbers.
    pub numbered: bool,
    /// After which event; `None`: see [`Awaited::after`].
    pub after: Option<Seq>,
}

/// One connection of `/ws/orchestrate/{job_id}`.
#[derive(Debug)]
pub struct Orchestrate {
    /// The workflow that does jobs.
    workflow: Arc<str>,
    asked: Asked,
    signed_in: bool,
    bad_tokens: u32,
    /// What is shown, once there is something.
    show: Option<Show>,
}

impl Orchestrate {
    /// A fresh connection; `workflow` does jobs.
    #[must_use]
    pub fn new(workflow: Arc<str>, asked: Asked) -> Self {
        Self { workflow, asked, signed_in: false, bad_tokens: 0, show: None }
    }

    /// From now on somebody is signed in: his job is waited for.
    fn wait(&mut self, out: &mut Out) {
        self.signed_in = true;
        self.show = None;
        let asked = Awaited {
            run: RunId::parse(&self.asked.job_id).ok(),
            after: self.asked.after,
            whole_unless: Arc::clone(&self.workflow),
        };
        out.commands.push(Command::Await { tag: None, asked });
    }
}

impl Dialect for Orchestrate {
    fn name(&self) -> &'static str {
        "orchestrate"
    }

    fn on_open(&mut self, who: Option<&Principal>, out: &mut Out) {
        out.frames.push(connected(&self.asked.job_id, out.now));
        if who.is_some() {
            self.wait(out);
        }
    }

    fn client(&self, who: &Principal) -> Option<Client> {
        Some(client(who, b""))
    }

    fn on_frame(&mut self, frame: Frame<'_>, out: &mut Out) {
        // The original ignores what it does not know, and its clients count on that.
        let Frame::Text(text) = frame else { return };
        if text.trim() == "ping" {
            return out.frames.push(pong(out.now));
        }
        match serde_json::from_str(text) {
            Ok(ClientFrame::Ping) => out.frames.push(pong(out.now)),
            Ok(ClientFrame::Auth { token }) => {
                out.commands.push(Command::sign_in(None, &token.unwrap_or_default()));
            }
            Err(_) => {}
        }
    }

    fn on_reply(&mut self, reply: Reply, out: &mut Out) {
        match reply {
            Reply::SignedIn { changed, .. } => {
                self.bad_tokens = 0;
                out.frames.push(json(&ConnectionFrame::AuthSuccess { timestamp: stamp(out.now) }));
                if changed || !self.signed_in {
                    self.wait(out);
                }
            }
            Reply::NotSignedIn { error, .. } => {
                out.frames.push(auth_error(&error.message, out.now));
                self.bad_tokens += 1;
                if self.bad_tokens >= limit::AUTH_ATTEMPTS {
                    let code = Code::InvalidToken.close_code();
                    out.close =
                        Some(Close { code, reason: "too many tokens that are not valid here".into() });
                }
            }
            Reply::SignedOut { error } => out.frames.push(auth_error(&error.message, out.now)),
            Reply::Following { run: Ok((run, after)), .. } => {
                let manner = Manner { stream: self.asked.stream, numbered: self.asked.numbered };
                let job_id = self.asked.job_id.clone();
                self.show = Some(match &mut self.show {
                    // It was asked for once more, to be read from its beginning.
                    Some(_) => Show::whole(job_id, manner, after),
                    None if after == 0 || run.workflow != *self.workflow => {
                        Show::whole(job_id, manner, after)
                    }
                    None => Show::going_on(job_id, manner),
                });
            }
            Reply::Following { run: Err(error), .. } | Reply::Lost { error, .. } => {
                out.close = Some(Close { code: error.code.close_code(), reason: error.message });
            }
            Reply::Started { .. }
            | Reply::Stopped { .. }
            | Reply::Listed { .. }
            | Reply::Unfollowed { .. }
            // Commands that this dialect does not give.
            | Reply::TurnStopped { .. }
            | Reply::Room(_) => {}
        }
    }

    fn on_refused(&mut self, error: Error, out: &mut Out) {
        out.frames.push(refused(&self.asked.job_id, &error.message, out.now));
    }

    fn on_events(&mut self, run: &RunId, events: &[Arc<Event>], out: &mut Out) {
        let Some(show) = &mut self.show else { return };
        if let Some(before) = show.events(events, &mut out.frames) {
            // What the teams did stands before the position: once more, from the beginning.
            let (target, from) = (Target::Run(run.clone()), From::After(before));
            out.commands.push(Command::Follow { tag: None, target, from, whole: true, asked: false });
        }
    }

    fn position(&self, _: &RunId, seq: Seq) -> String {
        format!("connect again with after={seq}")
    }
}

/// What a client is called who may come back: a user, or of several programs of one user this one. Of one length,
/// whatever they call themselves.
fn client(who: &Principal, program: &[u8]) -> Client {
    let mut digest = Sha256::new();
    for part in [b"orchestrate".as_slice(), who.user.as_str().as_bytes(), program] {
        digest.update((part.len() as u64).to_be_bytes());
        digest.update(part);
    }
    digest.finalize().iter().map(|byte| format!("{byte:02x}")).collect::<String>().into()
}

fn auth_error(message: &str, now: Millis) -> String {
    json(&ConnectionFrame::AuthError { message, timestamp: stamp(now) })
}
