//! Where a workflow says what happens, and what masking holds back of it.

use std::sync::Arc;

use headwater_core::event::Body;
use headwater_core::limit;
use headwater_core::port::provider::Citation;
use parking_lot::Mutex;
use tokio::sync::mpsc;

use crate::mask::{Kinds, Window, mask, mask_json};
use crate::meter::Meter;

/// Where a workflow says what happens; waits when the writer is behind.
#[derive(Debug, Clone)]
pub struct Emitter {
    to: mpsc::Sender<Body>,
    kinds: Kinds,
    window: Arc<Mutex<Spoken>>,
    meter: Meter,
}

/// The queue between a workflow and its writer.
#[must_use]
pub fn queue() -> (Emitter, mpsc::Receiver<Body>) {
    let (to, said) = mpsc::channel(limit::WRITER_QUEUE);
    let window = Arc::new(Mutex::new(Spoken::new(Kinds::NONE)));
    (Emitter { to, kinds: Kinds::NONE, window, meter: Meter::default() }, said)
}

impl Emitter {
    /// The same, with everything of these kinds masked before it is an event: here, so that no workflow
    /// and no tool can forget it.
    #[must_use]
    pub fn masking(self, kinds: Kinds) -> Self {
        Self { kinds, window: Arc::new(Mutex::new(Spoken::new(kinds))), ..self }
    }

    /// Says that this happened. After the run was stopped it goes nowhere; the workflow is dropped then.
    ///
    /// Of a text, what may still become an address or a number is held back until the next letters tell, or
    /// until something else happens.
    pub async fn emit(&self, mut body: Body) {
        match &mut body {
            Body::Token { text } => return self.say(Speech::Answer, text).await,
            Body::Reasoning { text } => return self.say(Speech::Thought, text).await,
            Body::Cited { citation } => mask_citation(citation, self.kinds),
            Body::Thought { text, .. } => *text = mask(text, self.kinds).into_owned(),
            Body::ToolCalled { arguments: value, .. } | Body::ToolReturned { result: value, .. } => {
                mask_json(value, self.kinds);
            }
            _ => {}
        }
        self.rest().await;
        let _ = self.to.send(body).await;
    }

    /// Says that something happened beside the text, which goes on: what is held back of it stays held back, or
    /// half a number would be said in front of this and half behind. Only for what holds no text of a person's.
    pub async fn aside(&self, body: Body) {
        let _ = self.to.send(body).await;
    }

    /// The same for who is dropped and cannot wait: what he had heard and not said yet. It goes nowhere where the queue is
    /// full, as what was on its way then does.
    pub(crate) fn emit_last(&self, mut body: Body) {
        if let Body::Thought { text, .. } = &mut body {
            *text = mask(text, self.kinds).into_owned();
        }
        let _ = self.to.try_send(body);
    }

    async fn say(&self, speech: Speech, piece: &str) {
        loop {
            // A place first: what is said and what is held back part in one step, or a stop between the
            // two would leave a hole.
            let Ok(place) = self.to.reserve().await else { return };
            let mut window = self.window.lock();
            // A thought is over where the answer goes on, and the other way round: what is held back of one
            // must neither come after the other nor be joined with it.
            if let Some(rest) = window.turn_to(speech) {
                place.send(rest);
                continue;
            }
            let text = window.window.push(piece);
            if !text.is_empty() {
                place.send(speech.body(text));
            }
            return;
        }
    }

    /// Says what is held back: the text goes no further.
    pub async fn rest(&self) {
        let Ok(place) = self.to.reserve().await else { return };
        if let Some(body) = self.window.lock().finish() {
            place.send(body);
        }
    }

    /// The same for a part of the work that goes on beside others: what its models use has an account of its own.
    #[must_use]
    pub fn part(&self) -> Self {
        Self { meter: self.meter.part(), ..self.clone() }
    }

    /// Where the workflow says what its models use.
    #[must_use]
    pub fn meter(&self) -> &Meter {
        &self.meter
    }

    /// For the writer: what is held back, and what was used, when the work is dropped.
    #[must_use]
    pub fn held(&self) -> Held {
        Held { window: Arc::clone(&self.window), meter: self.meter.clone() }
    }
}

/// What a workflow leaves behind when it is dropped.
#[derive(Debug, Clone)]
pub struct Held {
    window: Arc<Mutex<Spoken>>,
    pub(super) meter: Meter,
}

impl Held {
    pub(super) fn finish(&self) -> Option<Body> {
        self.window.lock().finish()
    }
}

/// What comes in pieces.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Speech {
    Answer,
    Thought,
}

impl Speech {
    fn body(self, text: String) -> Body {
        match self {
            Self::Answer => Body::Token { text },
            Self::Thought => Body::Reasoning { text },
        }
    }
}

/// The window over what is said at the moment: the answer, or what is thought before it.
#[derive(Debug)]
struct Spoken {
    window: Window,
    speech: Speech,
}

impl Spoken {
    fn new(kinds: Kinds) -> Self {
        Self { window: Window::new(kinds), speech: Speech::Answer }
    }

    /// What comes next is this. Gives what is held back of the other, which has to be said first.
    fn turn_to(&mut self, speech: Speech) -> Option<Body> {
        if self.speech == speech {
            return None;
        }
        let rest = self.finish();
        self.speech = speech;
        rest
    }

    fn finish(&mut self) -> Option<Body> {
        let text = self.window.finish();
        (!text.is_empty()).then(|| self.speech.body(text))
    }
}

/// Its texts come whole. An address with somebody's number in it leads nowhere afterwards, and says so.
fn mask_citation(citation: &mut Citation, kinds: Kinds) {
    let Citation { url, title, quote } = citation;
    for text in [url, title, quote].into_iter().flatten() {
        *text = mask(text, kinds).into_owned();
    }
}
