//! Frames in, frames out: no socket, no clock, no engine.

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

#[test]
fn who_comes_is_greeted() {
    let greeting = r#"{"type":"connect","data":{"user_id":"ann","connection_id":"c1","timestamp":5,"features":{"streaming":true,"stop_generation":true,"reasoning":true,"emotion":true,"context":true,"code_detection":true,"sessions":true,"offline_queue":true}}}"#;
    assert_eq!(Client::new().raw(), [greeting]);
}

#[test]
fn a_lesson_has_the_originals_frames_with_their_keys_in_order() {
    let mut client = Client::ready();
    let mut log = lesson();
    log.push(token(7, "Because\n"));
    log.push(token(8, "```py\nx"));
    log.push(token(9, "\n```\n"));
    log.push(event(10, Body::AbilityLearned { subject: "biology".into(), ability: 0.625, confidence: 0.5 }));
    log.push(ended(11, Outcome::Completed, None));
    client.asks().sees("r", &log);
    let ids = r#""message_id":"m","session_id":"s","timestamp":"#;
    let content = "Because\\n```py\\nx\\n```\\n";
    assert_eq!(
        client.raw(),
        [
            format!(
                r#"{{"type":"stream_start","data":{{{ids}1002,"ai_message_id":"r","metadata":{{"provider":"gemini","category":"research","estimated_tokens":40}},"seq":2}}}}"#
            ),
            format!(
                r#"{{"type":"context_info","data":{{{ids}1003,"context":{{"recent_messages_used":4,"relevant_messages_used":1,"semantic_search_enabled":true,"rag_enabled":true,"rag_sources":["a.md","b.md"]}},"seq":3}}}}"#
            ),
            format!(
                r#"{{"type":"emotion_update","data":{{{ids}1004,"emotion":{{"primary_emotion":"curiosity","arousal":0.5,"valence":0.25,"learning_readiness":"high_readiness"}},"seq":4}}}}"#
            ),
            format!(
                r#"{{"type":"thinking_chunk","data":{{{ids}1005,"reasoning_step":{{"step_number":1,"thinking_mode":"creative","description":"A leaf","confidence":0.75,"timestamp":1005}},"seq":5}}}}"#
            ),
            format!(
                r#"{{"type":"content_chunk","data":{{{ids}1007,"content":"Because\n","chunk_index":0,"is_code":false,"seq":7}}}}"#
            ),
            format!(
                r#"{{"type":"content_chunk","data":{{{ids}1008,"content":"```py\nx","chunk_index":1,"is_code":true,"seq":8}}}}"#
            ),
            format!(
                r#"{{"type":"content_chunk","data":{{{ids}1009,"content":"\n```\n","chunk_index":2,"is_code":true,"seq":9}}}}"#
            ),
            format!(
                r#"{{"type":"stream_complete","data":{{{ids}1011,"ai_message_id":"r","full_content":"{content}","metadata":{{"provider_used":"groq","response_time_ms":10,"tokens_used":42,"cost":0.0,"cost_unknown":true,"ability_updated":{{"subject":"biology","new_ability":0.625,"confidence":0.5}}}},"seq":11}}}}"#
            ),
        ]
    );
    assert!(client.tutor.turns.is_empty());
}

// Planted fault: two of the words one.
#[test]
fn readiness_has_the_originals_five_words() {
    for (readiness, word) in [
        (Readiness::OptimalReadiness, "optimal_readiness"),
        (Readiness::HighReadiness, "high_readiness"),
        (Readiness::ModerateReadiness, "moderate_readiness"),
        (Readiness::LowReadiness, "low_readiness"),
        (Readiness::NotReady, "not_ready"),
    ] {
        let mut client = Client::ready();
        let emotion = Emotion { primary: "fear".into(), arousal: 0.5, valence: -0.5, readiness };
        client.asks().sees("r", &[begun(1), model(2), event(3, Body::Felt { emotion })]);
        let frame = client.frames().pop().unwrap();
        assert_eq!(frame["data"]["emotion"]["learning_readiness"], word);
    }
    // And the three ways to think; a step without a measure says so.
    for (mode, word) in [
        (ThinkingMode::Analytical, "analytical"),
        (ThinkingMode::Creative, "creative"),
        (ThinkingMode::Metacognitive, "metacognitive"),
    ] {
        let mut client = Client::ready();
        let thought = Body::Thought {
            id: "t".into(),
            team: None,
            step: 3,
            mode: Some(mode),
            text: "a".into(),
            confidence: None,
        };
        client.asks().sees("r", &[begun(1), model(2), event(3, thought)]);
        let step = client.frames().pop().unwrap()["data"]["reasoning_step"].take();
        assert_eq!((&step["step_number"], &step["thinking_mode"]), (&json!(3), &json!(word)));
        assert_eq!(step["confidence"], Value::Null);
    }
}

#[test]
fn what_is_asked_for_is_a_lesson() {
    let mut client = Client::ready();
    client.says(
        r#"{"type":"chat_stream","timestamp":1,"data":{"message_id":"m","session_id":"s","message":"hi","user_id":"eve",
            "context":{"subject":"biology","enable_reasoning":true,"enable_rag":false}}}"#,
    );
    let [Command::Start { mark: 0, ask, .. }] = &client.commands()[..] else { panic!() };
    assert_eq!((ask.workflow.as_str(), ask.message.as_str()), ("tutor", "hi"));
    assert_eq!((ask.session.clone(), ask.owner.clone()), (Some(session("s")), None));
    assert_eq!(ask.message_id, Some(MessageId::parse("m").unwrap()));
    let lesson = Lesson { subject: Some("biology".into()), reasoning: true, rag: false };
    assert_eq!(ask.special, Special::Lesson(lesson));
    // The same frame again before the run is made asks for nothing.
    client.says(
        r#"{"type":"chat_stream","data":{"message_id":"m","session_id":"s","message":"hi",
            "context":{"subject":"biology","enable_reasoning":true}}}"#,
    );
    assert!(client.commands().is_empty() && client.raw().is_empty());
}

#[test]
fn a_chat_stream_that_is_not_whole_ends_at_once() {
    for (data, ids) in [
        ("{}", ["unknown", "unknown"]),
        (r#"{"message_id":"m","message":"hi"}"#, ["m", "unknown"]),
        (r#"{"message_id":"m","session_id":"s"}"#, ["m", "s"]),
        (r#"{"message_id":"m","session_id":"s","message":""}"#, ["m", "s"]),
        (r#"{"message_id":7,"session_id":"s","message":"hi"}"#, ["unknown", "s"]),
        ("7", ["unknown", "unknown"]),
        ("null", ["unknown", "unknown"]),
    ] {
        let mut client = Client::ready();
        client.says(&format!(r#"{{"type":"chat_stream","data":{data}}}"#));
        let frame = format!(
            r#"{{"type":"stream_error","data":{{"message_id":"{}","session_id":"{}","timestamp":5,"error":{{"code":"INVALID_MESSAGE_FORMAT","message":"Missing required fields: message_id, session_id, or message","details":{{"code":"invalid_request"}},"recoverable":false}},"partial_content":""}}}}"#,
            ids[0], ids[1]
        );
        assert_eq!(client.raw(), [frame], "{data}");
        assert!(client.commands().is_empty());
    }
    for (field, value) in [
        ("message_id", json!("x".repeat(129))),
        ("session_id", json!("a\nb")),
        ("context", json!([])),
        ("context", json!({"enable_rag": "yes"})),
        ("context", json!({"subject": "x".repeat(limit::SUBJECT_BYTES + 1)})),
        ("after", json!(-1)),
    ] {
        let mut data = json!({"message_id": "m", "session_id": "s", "message": "hi"});
        data[field] = value;
        let mut client = Client::ready();
        client.says(&json!({"type": "chat_stream", "data": data}).to_string());
        let frames = client.frames();
        assert_eq!(frames[0]["data"]["error"]["code"], "INVALID_MESSAGE_FORMAT", "{field}");
        assert!(client.commands().is_empty());
    }
}

#[test]
fn other_frames_that_cannot_be_read_are_refused_and_unknown_types_ignored() {
    let mut client = Client::ready();
    for bad in ["ping", "[]", "7", r#"{"data":{}}"#, r#"{"type":5,"data":{}}"#, r#"{"type":"ping","data":7}"#]
    {
        let frames = client.says(bad).frames();
        assert_eq!(
            (&frames[0]["type"], &frames[0]["data"]["code"]),
            (&json!("error"), &json!("INVALID_MESSAGE_FORMAT")),
            "{bad}"
        );
    }
    for bad in ["stop_generation", "join_session", "leave_session", "user_typing", "message_sent"] {
        let frames = client.says(&json!({"type": bad, "data": {}}).to_string()).frames();
        assert_eq!(frames[0]["type"], "error", "{bad}");
    }
    client.tutor.on_frame(Frame::Binary(b"{}"), &mut client.out);
    assert_eq!(client.types(), ["error"]);
    client.says(r#"{"type":"presence_query","data":{}}"#).says(r#"{"type":"","data":{}}"#);
    assert!(client.raw().is_empty() && client.commands().is_empty() && client.out.close.is_none());
    assert_eq!(
        client.says(r#"{"type":"ping","data":{}}"#).raw(),
        [r#"{"type":"pong","data":{"timestamp":5}}"#]
    );
    assert_eq!(client.says(r#"{"type":"ping"}"#).types(), ["pong"]);
}

// Planted faults: the acknowledgement behind the ending; a stop acknowledged at once, with text behind it.
#[test]
fn a_stop_is_acknowledged_in_front_of_the_ending_and_behind_all_text() {
    let mut client = Client::ready();
    client.asks().sees("r", &lesson());
    client.sees("r", &[token(7, "part")]).raw();
    client.says(STOP).says(STOP);
    let stops = client.commands();
    assert!(matches!(&stops[..], [Command::Stop { run, .. }] if run.as_str() == "r"), "{stops:?}");
    client.sees("r", &[token(8, " more"), ended(9, Outcome::Cancelled, None)]);
    client.told(Reply::Stopped { tag: None, run: run("r"), outcome: Ok(Outcome::Cancelled) });
    let raw = client.raw();
    assert_eq!(
        raw[1..],
        [
            r#"{"type":"stop_acknowledged","data":{"message_id":"m","session_id":"s","timestamp":5}}"#,
            r#"{"type":"stop_acknowledged","data":{"message_id":"m","session_id":"s","timestamp":5}}"#,
            r#"{"type":"generation_stopped","data":{"message_id":"m","session_id":"s","timestamp":1009,"ai_message_id":"r","reason":"user_cancelled","partial_content":"part more","metadata":{"tokens_used":42,"cost":0.0,"cost_unknown":true,"stopped_at_ms":8},"seq":9}}"#,
        ]
    );
}

#[test]
fn a_stop_before_the_run_is_made_waits_for_it() {
    let mut client = Client::ready();
    client.says(ASK).says(r#"{"type":"stop_generation","data":{"message_id":"m"}}"#);
    assert!(matches!(&client.commands()[..], [Command::Start { .. }]));
    client.started(0, "r");
    let commands = client.commands();
    assert!(matches!(&commands[..], [Command::Follow { .. }, Command::Stop { .. }]), "{commands:?}");
    // It is stopped before it is followed: nothing is said until its ending is read.
    client.told(Reply::Stopped { tag: None, run: run("r"), outcome: Ok(Outcome::Cancelled) });
    assert!(client.raw().is_empty());
    client.follows("r", Some("m")).sees("r", &[begun(1), ended(2, Outcome::Cancelled, None)]);
    assert_eq!(client.types(), ["stream_start", "stop_acknowledged", "generation_stopped"]);
    // And where no run comes of it, nothing is left to be stopped.
    client.says(ASK).says(STOP).commands();
    client.told(Reply::Started { tag: None, mark: 1, started: Err(Error::new(Code::Draining, "soon")) });
    let frames = client.frames();
    assert_eq!(frames[0]["data"]["already_completed"], true);
    assert_eq!(frames[1]["data"]["error"]["code"], "INTERNAL_ERROR");
}

#[test]
fn a_stop_of_what_is_not_shown_here_goes_by_its_name() {
    let mut client = Client::ready();
    let asked = |client: &mut Client| {
        let commands = client.says(STOP).commands();
        let [Command::StopTurn { session: Some(s), message, .. }] = &commands[..] else {
            panic!("{commands:?}")
        };
        (Some(s.clone()), message.clone())
    };
    let (s, m) = asked(&mut client);
    let turn = |already| {
        Ok(StoppedTurn { run: run("r"), session: session("s"), outcome: Outcome::Cancelled, already })
    };
    client.told(Reply::TurnStopped { tag: None, session: s.clone(), message: m.clone(), turn: turn(false) });
    assert_eq!(
        client.raw(),
        [r#"{"type":"stop_acknowledged","data":{"message_id":"m","session_id":"s","timestamp":5}}"#]
    );
    assert!(matches!(&client.commands()[..], [Command::Follow { whole: true, .. }]));
    // Of its log only the ending is shown.
    client.follows("r", Some("m"));
    client.sees("r", &[begun(1), model(2), token(3, "a"), ended(4, Outcome::Cancelled, None)]);
    let frames = client.frames();
    assert_eq!((frames.len(), &frames[0]["type"]), (1, &json!("generation_stopped")));
    assert_eq!(frames[0]["data"]["partial_content"], "a");
    // What is over, what nobody has and what is another's get the same answer.
    let done = r#"{"type":"stop_acknowledged","data":{"message_id":"m","session_id":"s","timestamp":5,"already_completed":true}}"#;
    let nothing = Err(Error::not_found("Message"));
    for turn in [turn(true), nothing] {
        client.told(Reply::TurnStopped { tag: None, session: s.clone(), message: m.clone(), turn });
        assert_eq!(client.raw(), [done]);
        assert!(client.commands().is_empty());
    }
    let broken = Err(Error::new(Code::StoreFailed, "the disk"));
    client.told(Reply::TurnStopped { tag: None, session: s, message: m, turn: broken });
    assert_eq!(client.frames()[0]["data"]["code"], "DATABASE_ERROR");
}

// Planted faults: the run's ending forgotten (it came twice); a stop's word left until behind the ending.
#[test]
fn a_stop_by_its_name_is_acknowledged_once_in_front_of_the_one_ending() {
    let name = MessageId::parse("m").unwrap();
    let stopped = |already| Reply::TurnStopped {
        tag: None,
        session: Some(session("s")),
        message: name.clone(),
        turn: Ok(StoppedTurn { run: run("r"), session: session("s"), outcome: Outcome::Cancelled, already }),
    };
    let log = [begun(1), model(2), token(3, "a"), ended(4, Outcome::Cancelled, None)];
    let notice = Notice { user: user("ann"), connection: String::new(), what: Happening::Run(run("r")) };
    let heard = Reply::Room(RoomReply::Heard { session: own("s"), notice });
    // Resumed, or watched: stopped before it is followed, and known by its name then.
    for away in [true, false] {
        let mut client = Client::away(if away { vec![(run("r"), 2)] } else { vec![] });
        client.raw();
        if !away {
            client.told(heard.clone());
        }
        client.commands();
        let stops = client.says(STOP).commands();
        assert!(matches!(&stops[..], [Command::StopTurn { .. }]), "{stops:?}");
        client.follows("r", Some("m")).told(stopped(false));
        assert!(client.raw().is_empty(), "its text is still to come");
        let kinds = client.sees("r", &log).types();
        assert_eq!(kinds[kinds.len() - 3..], ["content_chunk", "stop_acknowledged", "generation_stopped"]);
        assert!(client.commands().is_empty());
    }
    // Two in a row from a window that shows nothing of it; the second hears of it behind the ending.
    for between in [true, false] {
        let mut client = Client::ready();
        client.says(STOP).says(STOP).commands();
        client.told(stopped(false));
        if !between {
            client.told(stopped(false));
        }
        assert_eq!(client.commands().len(), 1);
        client.follows("r", Some("m")).sees("r", &log);
        if between {
            client.told(stopped(false));
        }
        let mut kinds = client.types();
        kinds.sort();
        assert_eq!(kinds, ["generation_stopped", "stop_acknowledged", "stop_acknowledged"]);
        // The room's word comes last: it was shown.
        client.told(heard.clone());
        assert!(client.commands().is_empty());
    }
    // What came to its own end instead.
    let mut client = Client::ready();
    client.says(STOP).commands();
    let turn =
        StoppedTurn { run: run("r"), session: session("s"), outcome: Outcome::Completed, already: false };
    client.told(Reply::TurnStopped { tag: None, session: None, message: name, turn: Ok(turn) });
    assert_eq!(client.frames()[0]["data"]["already_completed"], true);
}

#[test]
fn a_run_that_its_room_showed_to_its_end_is_not_shown_again_when_its_start_is_told() {
    let mut client = Client::ready();
    client.says(ASK).says(STOP).commands();
    let live = Ok(Some(run("r")));
    client.told(Reply::Room(RoomReply::Joined { session: own("s"), live }));
    client.follows("r", Some("m")).sees("r", &[begun(1), ended(2, Outcome::Cancelled, None)]);
    client.raw();
    client.commands();
    client.started(0, "r");
    assert_eq!((client.types(), client.commands().len()), (vec!["stop_acknowledged".to_owned()], 0));
}

#[test]
fn a_stop_that_crosses_the_end_is_acknowledged_as_late() {
    let mut client = Client::ready();
    client.asks().says(STOP).commands();
    client.sees("r", &[begun(1), model(2), token(3, "all"), ended(4, Outcome::Completed, None)]);
    let frames = client.frames();
    assert_eq!(frames[2]["data"]["already_completed"], true);
    assert_eq!(frames[3]["type"], "stream_complete");
}

#[test]
fn another_s_answer_is_not_stopped() {
    let mut client = Client::ready();
    let live = Ok(Some(run("r")));
    client.told(Reply::Room(RoomReply::Joined { session: own("s"), live }));
    client.follows("r", Some("m")).commands();
    client.says(STOP).commands();
    client.told(Reply::Stopped { tag: None, run: run("r"), outcome: Err(Error::not_found("Run")) });
    let frame = client.frames().pop().unwrap();
    assert_eq!((&frame["type"], &frame["data"]["code"]), (&json!("error"), &json!("UNAUTHORIZED")));
    client.sees("r", &[begun(1), model(2), token(3, "a")]);
    assert_eq!(client.types(), ["stream_start", "content_chunk"], "it goes on");
}

#[test]
fn endings_have_the_originals_words() {
    for (outcome, code, kind, word, recoverable) in [
        (Outcome::Failed, Some(Code::ProviderUnavailable), "stream_error", "AI_PROVIDER_UNAVAILABLE", true),
        (Outcome::Failed, Some(Code::ProviderTimeout), "stream_error", "GENERATION_TIMEOUT", true),
        (Outcome::Failed, Some(Code::TooLarge), "stream_error", "TOKEN_LIMIT_EXCEEDED", false),
        (Outcome::Failed, Some(Code::StoreFailed), "stream_error", "DATABASE_ERROR", true),
        (Outcome::Failed, None, "stream_error", "INTERNAL_ERROR", false),
        (Outcome::Interrupted, Some(Code::Interrupted), "stream_error", "INTERNAL_ERROR", true),
        (Outcome::Interrupted, None, "stream_error", "INTERNAL_ERROR", true),
        (Outcome::Failed, Some(Code::RunTimeout), "generation_stopped", "timeout", true),
    ] {
        let mut client = Client::ready();
        client.asks().sees("r", &[begun(1), model(2), token(3, "part"), ended(4, outcome, code)]);
        let frame = client.frames().pop().unwrap();
        assert_eq!(frame["type"], kind, "{code:?}");
        assert_eq!(frame["data"]["partial_content"], "part");
        if kind == "stream_error" {
            let error = &frame["data"]["error"];
            assert_eq!(
                (&error["code"], &error["recoverable"]),
                (&json!(word), &json!(recoverable)),
                "{code:?}"
            );
            if word == "AI_PROVIDER_UNAVAILABLE" {
                assert_eq!(error["message"], "AI generation failed: it broke");
            }
        } else {
            assert_eq!(frame["data"]["reason"], word);
        }
    }
}

#[test]
fn every_stream_begins_with_its_start_and_ends_once_whatever_the_workflow() {
    let routed = event(2, Body::Routed { agent: "a".into(), intent: "SPECS".into(), confidence: 0.9 });
    for (log, provider, category) in [
        (vec![begun(1), ended(2, Outcome::Failed, Some(Code::Internal))], "none", "general"),
        (vec![begun(1), token(2, "a"), ended(3, Outcome::Completed, None)], "none", "general"),
        (vec![begun(1), model(2), token(3, "a"), ended(4, Outcome::Completed, None)], "groq", "general"),
        (vec![begun(1), routed, model(3), ended(4, Outcome::Completed, None)], "groq", "specs"),
    ] {
        let mut client = Client::ready();
        // A run that was made elsewhere, without a name of a client's.
        client.told(Reply::Room(RoomReply::Joined { session: own("s"), live: Ok(Some(run("r"))) }));
        client.raw();
        client.follows("r", None).sees("r", &log);
        let frames = client.frames();
        assert_eq!(frames[0]["type"], "stream_start");
        assert_eq!(frames[0]["data"]["message_id"], "r");
        assert_eq!(frames[0]["data"]["metadata"]["provider"], provider);
        assert_eq!(frames[0]["data"]["metadata"]["category"], category);
        let endings = frames
            .iter()
            .filter(|f| matches!(f["type"].as_str().unwrap(), "stream_complete" | "stream_error"));
        assert_eq!(endings.count(), 1);
        assert!(frames.iter().all(|f| f["data"]["message_id"] == "r" && f["data"]["session_id"] == "s"));
        assert!(frames.iter().all(|f| f["data"]["timestamp"].is_i64()));
    }
}

// Planted fault: a joined run shown again to the socket that follows it.
#[test]
fn the_same_message_again_does_nothing_where_its_run_is_shown() {
    let mut client = Client::ready();
    client.asks().sees("r", &lesson()).raw();
    client.says(ASK).commands();
    client.started(1, "r");
    assert!(client.commands().is_empty() && client.raw().is_empty());
    // Nor does the room's word on it, which may come first as well.
    let notice = Notice { user: user("ann"), connection: String::new(), what: Happening::Run(run("q")) };
    client.told(Reply::Room(RoomReply::Heard { session: own("s"), notice }));
    assert_eq!(client.commands().len(), 1);
    client
        .says(r#"{"type":"chat_stream","data":{"message_id":"n","session_id":"s","message":"hi"}}"#)
        .commands();
    client.started(2, "q");
    assert!(client.commands().is_empty());
}

// Planted faults: nothing done where the run is shown; what comes of the earlier log shown as well.
#[test]
fn who_says_where_he_is_begins_anew_there_where_the_run_is_shown_too() {
    let again = r#"{"type":"chat_stream","data":{"message_id":"m","session_id":"s","message":"Why is grass green?","after":7}}"#;
    let log = [lesson(), vec![token(7, "a"), token(8, "b")]].concat();
    let mut client = Client::ready();
    client.asks().sees("r", &log).raw();
    client.says(again).commands();
    client.started(1, "r");
    let commands = client.commands();
    assert!(matches!(&commands[..], [Command::Follow { from: From::After(7), whole: true, .. }]));
    // What the log says that was followed until now is not looked at.
    client.sees("r", &[token(9, "c")]);
    assert!(client.raw().is_empty());
    client.follows("r", Some("m")).sees("r", &[log, vec![token(9, "c")]].concat());
    let frames = client.frames();
    let said: String = frames.iter().map(|f| f["data"]["content"].as_str().unwrap()).collect();
    assert_eq!(said, "bc");
    // It may be said while the run is being made.
    let mut client = Client::ready();
    client.says(ASK).says(again).commands();
    client.started(0, "r");
    assert!(matches!(&client.commands()[..], [Command::Follow { from: From::After(7), .. }]));
}

// Planted faults: every frame of an event with its number; the ending's on the text in front of it.
#[test]
fn after_every_number_that_a_client_has_comes_exactly_what_he_has_not() {
    let text = ["a\n```py\n", "x\n```\nb ", "c\n\n    d\n", "e\n```\nf\n```\ng", "\n``", "`h"];
    let mut log = vec![begun(1)];
    log.extend((2..).zip(text).map(|(seq, text)| token(seq, text)));
    log.push(ended(8, Outcome::Completed, None));
    for size in [1, 3, 20] {
        let mut client = Client::ready();
        client.asks();
        for batch in log.chunks(size) {
            client.sees("r", batch);
        }
        let frames = client.frames();
        assert!(frames.iter().any(|f| f["data"].get("seq").is_none()), "{size}: no event has two frames");
        for cut in 0..frames.len() {
            let said = |frames: &[Value]| -> String {
                frames.iter().filter_map(|f| f["data"]["content"].as_str()).collect()
            };
            // What he has behind his last number comes again, and is thrown away.
            let had = frames[..=cut].iter().rposition(|f| f["data"].get("seq").is_some()).unwrap();
            let after = frames[had]["data"]["seq"].as_u64().unwrap();
            let mut next = Client::ready();
            let ask = json!({"message_id": "m", "session_id": "s", "message": "Why?", "after": after});
            next.says(&json!({"type": "chat_stream", "data": ask}).to_string()).started(0, "r");
            next.follows("r", Some("m")).sees("r", &log);
            let rest = next.frames();
            let whole = said(&frames[..=had]) + &said(&rest);
            assert_eq!(whole, text.concat(), "{size}: cut behind {cut}");
            assert_eq!(rest.last().unwrap()["data"]["full_content"], whole.as_str());
        }
    }
}

// Planted faults: all of a session's streams let go of; nothing let go of.
#[test]
fn who_leaves_a_session_is_shown_no_more_of_it_but_what_he_asked_for() {
    let watched = |id: &str| {
        let notice = Notice { user: user("ann"), connection: String::new(), what: Happening::Run(run(id)) };
        Reply::Room(RoomReply::Heard { session: own("s"), notice })
    };
    let mut client = Client::ready();
    client.asks().told(watched("q")).told(watched("t"));
    client.follows("q", Some("n")).follows("t", Some("o"));
    client.says(r#"{"type":"stop_generation","data":{"message_id":"o"}}"#).commands();
    client.says(r#"{"type":"leave_session","data":{"session_id":"other"}}"#);
    assert_eq!(client.commands().len(), 1);
    client.says(r#"{"type":"leave_session","data":{"session_id":"s"}}"#);
    let commands = client.commands();
    let [Command::Unfollow { run: gone, .. }, Command::Room(RoomCommand::Leave(_))] = &commands[..] else {
        panic!("{commands:?}")
    };
    assert_eq!(gone.as_str(), "q");
    client.sees("q", &[begun(1), model(2)]);
    assert!(client.raw().is_empty());
    client.sees("r", &[begun(1), model(2)]).sees("t", &[begun(1), ended(2, Outcome::Cancelled, None)]);
    assert_eq!(client.types(), ["stream_start", "stream_start", "stop_acknowledged", "generation_stopped"]);
}

// Planted fault: the second taken for the first again.
#[test]
fn another_question_under_the_name_of_one_that_is_being_made_is_refused() {
    let mut client = Client::ready();
    client.says(ASK).commands();
    for other in [
        r#"{"type":"chat_stream","data":{"message_id":"m","session_id":"s","message":"Why is it blue?"}}"#,
        r#"{"type":"chat_stream","data":{"message_id":"m","session_id":"s","message":"Why is grass green?","context":{"enable_rag":true}}}"#,
    ] {
        let frames = client.says(other).frames();
        assert_eq!(frames[0]["data"]["error"]["details"]["code"], "message_id_reused");
        assert!(client.commands().is_empty());
    }
}

// Planted faults: what was seen counted as sent; the held beginning of a line lost at the position.
#[test]
fn who_was_away_gets_what_came_since() {
    let mut client = Client::away(vec![(run("r"), 8)]);
    assert_eq!(client.types(), ["connect"]);
    let commands = client.commands();
    assert!(
        matches!(&commands[..], [Command::Follow { from: From::After(8), whole: true, .. }]),
        "{commands:?}"
    );
    client.follows("r", Some("m"));
    let mut log = lesson();
    log.extend([
        token(7, "a\n"),
        token(8, "b\n``"),
        token(9, "`rs\nc"),
        token(10, "\n```"),
        ended(11, Outcome::Completed, None),
    ]);
    client.sees("r", &log);
    let frames = client.frames();
    let kinds: Vec<_> = frames.iter().map(|f| f["type"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["content_chunk", "content_chunk", "stream_complete"]);
    assert_eq!(frames[0]["data"]["content"], "```rs\nc");
    assert_eq!((&frames[0]["data"]["chunk_index"], &frames[0]["data"]["is_code"]), (&json!(0), &json!(true)));
    assert_eq!(frames[2]["data"]["full_content"], "a\nb\n```rs\nc\n```");
    // Who had everything is told nothing.
    let mut client = Client::away(vec![(run("r"), 11)]);
    client.raw();
    client.follows("r", Some("m")).sees("r", &log);
    assert!(client.raw().is_empty() && client.tutor.turns.is_empty());
}

// Planted faults: a run that its room showed first not marked as asked for; one that was left let go of in silence.
#[test]
fn who_waits_for_an_answer_is_told_that_it_cannot_be_read() {
    let lost = || Reply::Following {
        tag: None,
        target: Target::Run(run("r")),
        run: Err(Error::new(Code::StoreFailed, "the disk")),
    };
    let notice = Notice { user: user("ann"), connection: String::new(), what: Happening::Run(run("r")) };
    let heard = || Reply::Room(RoomReply::Heard { session: own("s"), notice: notice.clone() });
    let mut client = Client::ready();
    client.says(ASK).told(heard()).started(0, "r").told(lost());
    let frames = client.frames();
    assert_eq!((frames.len(), &frames[0]["data"]["error"]["code"]), (1, &json!("DATABASE_ERROR")));
    assert_eq!(frames[0]["data"]["message_id"], "m");
    let mut client = Client::away(vec![(run("r"), 3)]);
    client.raw();
    client.told(lost());
    let frames = client.frames();
    assert_eq!((&frames[0]["type"], &frames[0]["data"]["message_id"]), (&json!("stream_error"), &json!("r")));
    // What only others asked for is let go of.
    let mut client = Client::ready();
    assert!(client.told(heard()).told(lost()).raw().is_empty());
}

#[test]
fn a_client_may_say_after_which_event_it_goes_on() {
    let mut client = Client::ready();
    client
        .says(r#"{"type":"chat_stream","data":{"message_id":"m","session_id":"s","message":"hi","after":7}}"#)
        .commands();
    client.started(0, "r");
    assert!(matches!(&client.commands()[..], [Command::Follow { from: From::After(7), .. }]));
    client.told(Reply::Following {
        tag: None,
        target: Target::Run(run("r")),
        run: Err(Error::new(Code::CursorAhead, "beyond the end")),
    });
    let frame = client.frames().pop().unwrap();
    assert_eq!(frame["data"]["error"]["details"]["code"], "cursor_ahead");
    assert_eq!((&frame["data"]["message_id"], &frame["data"]["session_id"]), (&json!("m"), &json!("s")));
}

#[test]
fn refusals_of_a_question_end_its_stream_but_too_many_are_told_apart() {
    for (code, word) in [
        (Code::ReadOnly, "UNAUTHORIZED"),
        (Code::TooManyRuns, "RATE_LIMIT_EXCEEDED"),
        (Code::TooLarge, "TOKEN_LIMIT_EXCEEDED"),
        (Code::MessageIdReused, "INVALID_MESSAGE_FORMAT"),
        (Code::StoreFailed, "DATABASE_ERROR"),
    ] {
        let mut client = Client::ready();
        client.says(ASK).told(Reply::Started { tag: None, mark: 0, started: Err(Error::new(code, "no")) });
        let frame = client.frames().pop().unwrap();
        assert_eq!((&frame["type"], &frame["data"]["error"]["code"]), (&json!("stream_error"), &json!(word)));
        assert_eq!((&frame["data"]["message_id"], &frame["data"]["session_id"]), (&json!("m"), &json!("s")));
    }
    let mut client = Client::ready();
    let wait = Error::too_fast("messages", std::time::Duration::from_secs(3));
    client.says(ASK).told(Reply::Started { tag: None, mark: 0, started: Err(wait) });
    let expected = r#"{"type":"error","data":{"message":"Rate limit exceeded. Please slow down.","code":"RATE_LIMIT_EXCEEDED","message_id":"m","session_id":"s","retry_after":3}}"#;
    assert_eq!(client.raw(), [expected]);
}

#[test]
fn what_is_said_in_a_room_is_passed_on() {
    let mut client = Client::ready();
    client.says(r#"{"type":"join_session","data":{"session_id":"s"}}"#);
    client.says(r#"{"type":"user_typing","data":{"session_id":"s","isTyping":true}}"#);
    client.says(r#"{"type":"message_sent","data":{"sessionId":"s","userId":"eve"}}"#);
    client
        .says(r#"{"type":"leave_session","data":{"session_id":"s"}}"#)
        .says(r#"{"type":"get_health","data":{}}"#);
    let commands = client.commands();
    assert!(
        matches!(
            &commands[..],
            [
                Command::Room(RoomCommand::Join(_)),
                Command::Room(RoomCommand::Tell { what: Happening::Typing(true), .. }),
                Command::Room(RoomCommand::Tell { what: Happening::Sent, .. }),
                Command::Room(RoomCommand::Leave(_)),
                Command::Room(RoomCommand::Sockets),
            ]
        ),
        "{commands:?}"
    );
    client.told(Reply::Room(RoomReply::Joined { session: own("s"), live: Ok(None) }));
    for what in [Happening::Joined, Happening::Typing(false), Happening::Sent, Happening::Left] {
        let notice = Notice { user: user("bob"), connection: "c2".into(), what };
        client.told(Reply::Room(RoomReply::Heard { session: own("s"), notice }));
    }
    let socket = Socket {
        id: "c1".into(),
        since: Millis(4),
        rooms: vec![headwater_core::port::Room {
            owner: headwater_core::UserId::parse("ann").unwrap(),
            session: session("s"),
        }],
    };
    client.told(Reply::Room(RoomReply::Sockets(vec![socket])));
    assert_eq!(
        client.raw(),
        [
            r#"{"type":"session_joined","data":{"session_id":"s","timestamp":5}}"#,
            r#"{"type":"user_joined","data":{"user_id":"bob","session_id":"s","timestamp":5}}"#,
            r#"{"type":"typing_indicator","data":{"user_id":"bob","isTyping":false,"session_id":"s","timestamp":5}}"#,
            r#"{"type":"session_update","data":{"session_id":"s","user_id":"bob","action":"message_sent","timestamp":5}}"#,
            r#"{"type":"user_left","data":{"user_id":"bob","session_id":"s","timestamp":5}}"#,
            r#"{"type":"health_info","data":{"connections":[{"connection_id":"c1","connected_at":4,"sessions":["s"]}],"timestamp":5}}"#,
        ]
    );
    let error = Error::new(Code::QueueFull, "leave one");
    client.told(Reply::Room(RoomReply::Joined { session: own("s"), live: Err(error) }));
    assert_eq!(client.types(), ["error"]);
}

#[test]
fn the_text_is_the_same_however_it_is_merged() {
    let text: Vec<String> =
        (0..200).map(|n| format!("w{n}\n{}", ["", "```\n", "    ", "1. "][n % 4])).collect();
    let whole: String = text.concat();
    let mut log = lesson();
    log.extend((7..).zip(&text).map(|(seq, text)| token(seq, text)));
    log.push(ended(207, Outcome::Completed, None));
    let mut told = Vec::new();
    for size in [1, 3, 300] {
        let mut client = Client::ready();
        client.asks();
        for batch in log.chunks(size) {
            client.sees("r", batch);
        }
        let frames = client.frames();
        let chunks: Vec<_> = frames.iter().filter(|f| f["type"] == "content_chunk").collect();
        for (n, chunk) in chunks.iter().enumerate() {
            assert_eq!(chunk["data"]["chunk_index"], n);
        }
        let mut verdicts = Vec::new();
        for chunk in &chunks {
            let code = chunk["data"]["is_code"].as_bool().unwrap();
            verdicts.extend(chunk["data"]["content"].as_str().unwrap().chars().map(|c| (c, code)));
        }
        assert_eq!(verdicts.iter().map(|(c, _)| *c).collect::<String>(), whole);
        assert_eq!(frames.last().unwrap()["data"]["full_content"], whole.as_str());
        told.push((chunks.len(), verdicts));
    }
    assert!(told[2].0 < told[0].0, "who is behind gets fewer frames");
    assert!(told.iter().all(|(_, verdicts)| *verdicts == told[0].1));
}

#[test]
fn every_code_has_a_word_of_the_original() {
    let words = [
        "INVALID_MESSAGE_FORMAT",
        "SESSION_NOT_FOUND",
        "RATE_LIMIT_EXCEEDED",
        "UNAUTHORIZED",
        "AI_PROVIDER_UNAVAILABLE",
        "DATABASE_ERROR",
        "INTERNAL_ERROR",
        "GENERATION_TIMEOUT",
        "TOKEN_LIMIT_EXCEEDED",
    ];
    for code in Code::ALL {
        assert!(words.contains(&word(code)), "{code}");
    }
}
