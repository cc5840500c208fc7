//! A script as the body of an answer: its steps in time, in pieces of the size that was asked for, with
//! what goes wrong at its place.

use std::collections::VecDeque;
use std::io::Write as _;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use futures_util::Stream;
use hyper::body::Frame;
use serde_json::json;
use tokio::time::{Instant, sleep_until};

use crate::failure::Failure;
use crate::format::{About, Encoder, Format, Frames, words};
use crate::pace::Pace;
use crate::record::Watch;
use crate::script::Script;
use crate::socket::Linger;
use crate::steps::Step;

/// The connection is broken off on purpose.
#[derive(Debug)]
pub(crate) struct Cut;

impl std::fmt::Display for Cut {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the script cuts the connection here")
    }
}

impl std::error::Error for Cut {}

/// How a body goes out.
#[derive(Debug, Clone, Copy)]
enum Exit {
    /// The body ends as it should.
    Whole,
    /// The connection breaks.
    Broken { reset: bool },
    /// Nothing more comes.
    Silent { ping: Option<Duration> },
}

pub(crate) struct Player {
    script: Arc<Script>,
    steps: Box<dyn Iterator<Item = Step> + Send>,
    /// The next step, while its time has not come.
    held: Option<Step>,
    failure: Option<Failure>,
    encoder: Box<dyn Encoder>,
    frames: Frames,
    ready: VecDeque<Bytes>,
    gzip: Option<GzEncoder<Vec<u8>>>,
    /// When the next delta is due, and the next ping.
    due: Instant,
    ping_due: Option<Instant>,
    pace: Pace,
    deltas: u32,
    exit: Option<Exit>,
    begun: bool,
    linger: Linger,
    watch: Watch,
}

impl Player {
    pub(crate) fn new(format: Format, about: About, linger: Linger, watch: Watch) -> Self {
        let script = Arc::clone(&about.script);
        let now = Instant::now();
        let every = Some(script.ping_every_ms).filter(|ms| *ms > 0);
        Self {
            steps: script.steps(format),
            held: None,
            failure: script.failure.clone(),
            frames: format.frames(&script),
            encoder: format.encoder(about),
            ready: VecDeque::new(),
            gzip: script.gzip.then(|| GzEncoder::new(Vec::new(), Compression::default())),
            due: now + Duration::from_millis(script.first_token_ms),
            ping_due: every.map(|ms| now + Duration::from_millis(ms)),
            pace: Pace::of(&script),
            deltas: 0,
            exit: None,
            begun: false,
            linger,
            watch,
            script,
        }
    }

    /// The pieces, as a stream that says by its end how it ended.
    pub(crate) fn stream(self) -> impl Stream<Item = Result<Frame<Bytes>, Cut>> + Send + 'static {
        futures_util::stream::unfold(Some(self), async |player| {
            let mut player = player?;
            match player.next().await {
                Some(Ok(piece)) => Some((Ok(Frame::data(piece)), Some(player))),
                Some(Err(cut)) => Some((Err(cut), None)),
                None => None,
            }
        })
    }

    async fn next(&mut self) -> Option<Result<Bytes, Cut>> {
        loop {
            if let Some(piece) = self.ready.pop_front() {
                if self.script.bytes_per_write > 0 {
                    // What was given before is written, and this by itself.
                    tokio::task::yield_now().await;
                }
                self.watch.wrote(piece.len(), self.deltas);
                return Some(Ok(piece));
            }
            match self.exit {
                None => self.fill().await,
                Some(Exit::Whole) => {
                    if !self.close_gzip() {
                        self.watch.end();
                        return None;
                    }
                }
                Some(Exit::Broken { reset }) => {
                    tokio::task::yield_now().await;
                    if reset {
                        self.linger.reset();
                    }
                    self.watch.end();
                    return Some(Err(Cut));
                }
                Some(Exit::Silent { ping: None }) => std::future::pending().await,
                Some(Exit::Silent { ping: Some(every) }) => {
                    tokio::time::sleep(every).await;
                    self.encoder.ping(&mut self.frames);
                    self.gather();
                }
            }
        }
    }

    /// Makes the next pieces, or finds that there are no more.
    async fn fill(&mut self) {
        if !std::mem::replace(&mut self.begun, true) {
            if self.script.bom {
                self.write(b"\xef\xbb\xbf".to_vec());
            }
            for _ in 0..self.script.pings {
                self.encoder.ping(&mut self.frames);
            }
            return self.gather();
        }
        let Some(step) = self.held.take().or_else(|| self.steps.next()) else {
            self.exit = Some(Exit::Whole);
            return;
        };
        let timed = step.is_delta() || step == Step::Finish && self.deltas == 0;
        if timed && !self.wait().await {
            self.held = Some(step);
            return self.gather();
        }
        let last = step == Step::Finish;
        let now = self
            .failure
            .as_ref()
            .and_then(Failure::after)
            .is_some_and(|after| last || after == 0 || (step.is_delta() && self.deltas >= after));
        if now && let Some(failure) = self.failure.take() {
            return self.fail(&failure, step);
        }
        self.say(&step);
    }

    /// Waits for the next delta's time; false, where a ping comes first.
    async fn wait(&mut self) -> bool {
        if let Some((ping, every)) = self.ping_due.zip(Some(Duration::from_millis(self.script.ping_every_ms)))
            && ping < self.due
        {
            sleep_until(ping).await;
            self.ping_due = Some(ping + every);
            self.encoder.ping(&mut self.frames);
            return false;
        }
        if self.due > Instant::now() {
            sleep_until(self.due).await;
        }
        true
    }

    fn say(&mut self, step: &Step) {
        if step.is_delta() {
            self.deltas += 1;
            self.due = (self.due + self.pace.next()).max(Instant::now());
        }
        self.encoder.step(step, &mut self.frames);
        self.gather();
    }

    fn fail(&mut self, failure: &Failure, step: Step) {
        let mut exit = Some(Exit::Whole);
        match failure {
            Failure::Error { status, .. } => {
                self.encoder.error(*status, words(*status), &mut self.frames);
            }
            Failure::ErrorField { .. } => {
                let error = json!({"code": 500, "message": words(500), "type": "server_error"});
                self.frames.error_field(&error);
            }
            Failure::End { .. } => {}
            Failure::Cut { .. } => exit = Some(Exit::Broken { reset: false }),
            Failure::Reset { .. } => {
                exit = Some(Exit::Broken { reset: true });
                self.encoder.step(&step, &mut self.frames);
                if let Some(mut event) = self.frames.pop() {
                    event.truncate(event.len() / 2);
                    self.write(event);
                }
                while self.frames.pop().is_some() {}
            }
            Failure::Stall { ping_ms, .. } => {
                let ping = Some(*ping_ms).filter(|ms| *ms > 0).map(Duration::from_millis);
                exit = Some(Exit::Silent { ping });
            }
            Failure::Malformed { .. } => {
                self.frames.say(r#"{"broken": "#);
                self.held = Some(step);
                exit = None;
            }
            Failure::Huge { bytes, .. } => {
                let huge = Step::Text("x".repeat(*bytes as usize));
                self.encoder.step(&huge, &mut self.frames);
                self.held = Some(step);
                exit = None;
            }
            // Those were before the stream.
            Failure::Status { .. } | Failure::Hang | Failure::Drop => exit = None,
        }
        self.gather();
        self.exit = exit;
    }

    /// Takes the events that the encoder made.
    fn gather(&mut self) {
        while let Some(event) = self.frames.pop() {
            self.write(event);
        }
    }

    fn write(&mut self, event: Vec<u8>) {
        let event = match &mut self.gzip {
            // Flushed, or a reader would get the words when the answer is over.
            Some(gzip) => match gzip.write_all(&event).and_then(|()| gzip.flush()) {
                Ok(()) => std::mem::take(gzip.get_mut()),
                Err(_) => return,
            },
            None => event,
        };
        self.cut(event.into());
    }

    fn cut(&mut self, mut event: Bytes) {
        let size = self.script.bytes_per_write as usize;
        while size > 0 && event.len() > size {
            self.ready.push_back(event.split_to(size));
        }
        if !event.is_empty() {
            self.ready.push_back(event);
        }
    }

    /// Writes what a compressed body ends with; false, where nothing is left to be written.
    fn close_gzip(&mut self) -> bool {
        let Some(rest) = self.gzip.take().and_then(|gzip| gzip.finish().ok()) else { return false };
        self.cut(rest.into());
        true
    }
}
