//! Frames in, frames out: no socket, no clock, no engine.

mod asking;
mod coming_back;
mod frames;
mod rooms;
mod stopping;

use headwater_core::Millis;
use headwater_core::event::{Body, Emotion, Failure, Outcome, Readiness, Source, ThinkingMode};
use headwater_core::port::bus::{Happening, Notice};
use headwater_core::port::provider::Usage;
use headwater_core::run::Tail;
use headwater_engine::ask::{Lesson, Special};
use serde_json::json;

use super::*;
use crate::ws::presence::Socket;
use crate::ws::rooms::{RoomReply, SessionOf};

struct Client {
    tutor: Tutor,
    out: Out,
}

const ASK: &str =
    r#"{"type":"chat_stream","data":{"message_id":"m","session_id":"s","message":"Why is grass green?"}}"#;
const STOP: &str = r#"{"type":"stop_generation","data":{"message_id":"m","session_id":"s"}}"#;

fn run(id: &str) -> RunId {
    RunId::parse(id).unwrap()
}

fn session(id: &str) -> SessionId {
    SessionId::parse(id).unwrap()
}

fn own(id: &str) -> SessionOf {
    SessionOf { owner: None, session: session(id) }
}

fn user(id: &str) -> UserId {
    UserId::parse(id).unwrap()
}

fn event(seq: Seq, body: Body) -> Arc<Event> {
    Arc::new(Event { seq, at: Millis(1_000 + i64::try_from(seq).unwrap()), body })
}

fn token(seq: Seq, text: &str) -> Arc<Event> {
    event(seq, Body::Token { text: text.into() })
}

fn ended(seq: Seq, outcome: Outcome, error: Option<Code>) -> Arc<Event> {
    let error = error.map(|code| Failure {
        code: code.as_str().into(),
        message: "it broke".into(),
        recoverable: code.retryable(),
        retry_after: None,
    });
    event(seq, Body::RunEnded { outcome, finish_reason: None, error, usage: Some(Usage::of(30, 12)) })
}

fn model(seq: Seq) -> Arc<Event> {
    let (provider, model) = ("groq".to_owned(), "m".to_owned());
    event(
        seq,
        Body::ModelStarted { provider, model, label: None, estimated_input_tokens: Some(9), team: None },
    )
}

fn begun(seq: Seq) -> Arc<Event> {
    event(seq, Body::RunStarted { session_id: session("s"), workflow: "tutor".into() })
}

/// The beginning of a lesson.
fn lesson() -> Vec<Arc<Event>> {
    let source = |name: &str| Source { source: name.into(), heading: "H".into(), score: 0.9 };
    let emotion = Emotion {
        primary: "curiosity".into(),
        arousal: 0.5,
        valence: 0.25,
        readiness: Readiness::HighReadiness,
    };
    vec![
        begun(1),
        event(
            2,
            Body::Categorized {
                category: "research".into(),
                provider: "gemini".into(),
                estimated_tokens: Some(40),
            },
        ),
        event(
            3,
            Body::ContextGathered {
                recent_messages: 4,
                relevant_messages: 1,
                semantic_search: true,
                rag: true,
                sources: vec![source("a.md"), source("b.md"), source("a.md")],
            },
        ),
        event(4, Body::Felt { emotion }),
        event(
            5,
            Body::Thought {
                id: "t1".into(),
                team: None,
                step: 1,
                mode: Some(ThinkingMode::Creative),
                text: "A leaf".into(),
                confidence: Some(0.75),
            },
        ),
        model(6),
    ]
}

fn frames_of(raw: Vec<String>) -> Vec<Value> {
    raw.iter().map(|f| serde_json::from_str(f).unwrap()).collect()
}

impl Client {
    fn new() -> Self {
        Self::away(vec![])
    }

    fn away(left: Vec<(RunId, Seq)>) -> Self {
        let tutor = Tutor::new("tutor".into(), "c1".into());
        let mut client = Self { tutor, out: Out { now: Millis(5), ..Out::default() } };
        let who = Principal { user: user("ann"), email: String::new(), name: String::new(), guest: false };
        client.tutor.on_open(Some(&who), &mut client.out);
        client.tutor.on_left(&left, &mut client.out);
        client
    }

    /// One that greeted already.
    fn ready() -> Self {
        let mut client = Self::new();
        client.raw();
        client
    }

    fn says(&mut self, frame: &str) -> &mut Self {
        self.tutor.on_frame(Frame::Text(frame), &mut self.out);
        self
    }

    fn told(&mut self, mut reply: Reply) -> &mut Self {
        // It comes of the last time that it was asked for.
        let newest =
            |of: &RunId| self.tutor.turns.iter().find(|t| t.run == *of).and_then(|t| t.awaits.clone());
        if let Reply::Following { tag: tag @ None, target: Target::Run(run), .. } = &mut reply {
            *tag = newest(run);
        }
        self.tutor.on_reply(reply, &mut self.out);
        self
    }

    fn started(&mut self, mark: u64, id: &str) -> &mut Self {
        let started = Started { run: run(id), session: session("s"), joined: false };
        self.told(Reply::Started { tag: None, mark, started: Ok(started) })
    }

    fn follows(&mut self, id: &str, message: Option<&str>) -> &mut Self {
        let found = Run {
            id: run(id),
            owner: user("ann"),
            session: session("s"),
            message_id: message.map(|m| MessageId::parse(m).unwrap()),
            workflow: "tutor".into(),
            provider: None,
            model: None,
            created_at: Millis(0),
            hidden: false,
            tail: Tail { seq: 99, term: 1, outcome: None },
        };
        self.told(Reply::Following { tag: None, target: Target::Run(run(id)), run: Ok((found, 0)) })
    }

    /// Asks as `m` and follows `r`.
    fn asks(&mut self) -> &mut Self {
        self.says(ASK).started(0, "r").follows("r", Some("m"));
        self.commands();
        self
    }

    fn sees(&mut self, id: &str, events: &[Arc<Event>]) -> &mut Self {
        self.tutor.on_events(&run(id), events, &mut self.out);
        self
    }

    fn raw(&mut self) -> Vec<String> {
        std::mem::take(&mut self.out.frames)
    }

    fn frames(&mut self) -> Vec<Value> {
        frames_of(self.raw())
    }

    fn types(&mut self) -> Vec<String> {
        self.frames().iter().map(|f| f["type"].as_str().unwrap().to_owned()).collect()
    }

    fn commands(&mut self) -> Vec<Command> {
        std::mem::take(&mut self.out.commands)
    }
}
