//! How long is waited for what, and by whom: a host's clocks run while somebody waits for it, and stand while
//! its reader is busy with what it has said.

use headwater_core::limit;
use headwater_core::port::provider::{ProviderError, ProviderErrorKind};
use tokio::time::{Duration, Instant};

/// How long to wait for what; each default is the one of [`limit`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timeouts {
    /// For a connection, its TLS included.
    pub connect: Duration,
    /// From the request to the response's head.
    pub first_byte: Duration,
    /// From the request to the first delta that a person sees; what a model thinks is one.
    pub first_token: Duration,
    /// Between two pieces of the body; comments and pings are pieces.
    pub idle: Duration,
    /// Between two deltas; comments and pings are none.
    pub progress: Duration,
    /// From the request to the end.
    pub whole: Duration,
    /// From the reason of the end, or the last word behind it, to the usage, which need not come.
    pub usage: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            connect: limit::PROVIDER_CONNECT,
            first_byte: limit::PROVIDER_FIRST_BYTE,
            first_token: limit::PROVIDER_FIRST_TOKEN,
            idle: limit::PROVIDER_IDLE,
            progress: limit::PROVIDER_PROGRESS,
            whole: limit::PROVIDER_WHOLE,
            usage: limit::PROVIDER_USAGE,
        }
    }
}

/// What did not come in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Missing {
    FirstToken,
    Bytes,
    Progress,
    End,
    Usage,
}

/// The clocks of one body. It has no timer of its own: it says when to look again.
#[derive(Debug)]
pub(super) struct Clocks {
    timeouts: Timeouts,
    asked: Instant,
    /// Since when no byte has come.
    heard: Instant,
    /// Since when nothing has come out.
    moved: Instant,
    /// Whether a person has seen something.
    spoken: bool,
    /// When the reason of the end came, or the last word behind it.
    finished: Option<Instant>,
    /// Whether the answer went on behind such a reason.
    went_on: bool,
}

impl Clocks {
    pub(super) fn new(timeouts: Timeouts, asked: Instant) -> Self {
        Self { timeouts, asked, heard: asked, moved: asked, spoken: false, finished: None, went_on: false }
    }

    /// Somebody waits for the host, from now on.
    pub(super) fn waiting(&mut self, now: Instant) {
        (self.heard, self.moved) = (now, now);
    }

    pub(super) fn heard(&mut self, now: Instant) {
        self.heard = now;
    }

    /// Something of the answer has come, even if it cannot be said yet.
    pub(super) fn moved(&mut self, now: Instant) {
        self.moved = now;
        self.spoken = true;
    }

    pub(super) fn spoken(&mut self) {
        self.spoken = true;
    }

    /// Whether the host has given its reason by now, and whether more of the answer came with this piece of it.
    /// A reason may be taken back, and some hosts go on talking behind it: only who has nothing more to say is
    /// waited for shortly.
    pub(super) fn finished(&mut self, has: bool, more: bool, now: Instant) {
        match (self.finished, has) {
            (None, true) => self.finished = Some(now),
            (Some(_), true) if more => (self.finished, self.went_on) = (Some(now), true),
            (Some(_), false) => {
                self.finished = None;
                self.moved(now);
            }
            (None, false) | (Some(_), true) => {}
        }
    }

    /// What will be missing first, and when.
    pub(super) fn next(&self) -> (Instant, Missing) {
        let Timeouts { first_token, idle, progress, whole, usage, .. } = self.timeouts;
        let end = (after(self.asked, whole), Missing::End);
        if let Some(at) = self.finished {
            let usage = (after(at, usage), Missing::Usage);
            // Who goes on behind his reason has no more time than others.
            return if self.went_on && end.0 < usage.0 { end } else { usage };
        }
        let word = match self.spoken {
            true => (after(self.moved, progress), Missing::Progress),
            false => (after(self.asked, first_token), Missing::FirstToken),
        };
        [word, end].into_iter().fold((after(self.heard, idle), Missing::Bytes), |first, other| {
            if other.0 < first.0 { other } else { first }
        })
    }

    /// The words for it.
    pub(super) fn error(&self, missing: Missing) -> ProviderError {
        let Timeouts { first_token, idle, progress, whole, usage, .. } = self.timeouts;
        let words = match missing {
            Missing::FirstToken => {
                format!("the provider did not begin its answer within {}", said(first_token))
            }
            Missing::Bytes => format!("the provider fell silent: nothing came for {}", said(idle)),
            Missing::Progress => {
                format!("the provider is there but does not go on: no word for {}", said(progress))
            }
            Missing::End => format!("the provider did not finish its answer within {}", said(whole)),
            Missing::Usage => format!("the provider did not report the usage within {}", said(usage)),
        };
        ProviderError::new(ProviderErrorKind::Timeout, words)
    }
}

/// A time for people.
pub(crate) fn said(time: Duration) -> String {
    match time.as_secs() {
        s if s >= 120 && s.is_multiple_of(60) && time.subsec_millis() == 0 => format!("{} min", s / 60),
        _ => format!("{} s", time.as_secs_f64()),
    }
}

/// An operator may wait longer than a clock can count.
fn after(from: Instant, time: Duration) -> Instant {
    let far = || from + Duration::from_secs(60 * 60 * 24 * 365);
    from.checked_add(time).unwrap_or_else(far)
}
