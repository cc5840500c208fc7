//! Frames in, frames out: no socket, no clock, no engine. What was observed of the original stands here byte for
//! byte, up to our keys behind its own.

use headwater_core::event::{Failure, Stage};
use headwater_core::run::{Run, Tail};
use headwater_core::{Code, Millis, SessionId, UserId};
use headwater_engine::{Period, Started};
use serde_json::json;

use super::*;

struct Client {
    dialect: AiStream,
    out: Out,
}

fn run(id: &str) -> RunId {
    RunId::parse(id).unwrap()
}

fn event(seq: Seq, body: Body) -> Arc<Event> {
    Arc::new(Event { seq, at: Millis(0), body })
}

fn token(seq: Seq, text: &str) -> Arc<Event> {
    event(seq, Body::Token { text: text.into() })
}

fn ended(seq: Seq, outcome: Outcome) -> Arc<Event> {
    event(seq, Body::RunEnded { outcome, finish_reason: None, error: None, usage: None })
}

fn failed(seq: Seq, code: &str, message: &str) -> Arc<Event> {
    let (code, message) = (code.to_owned(), message.to_owned());
    let error = Some(Failure { code, message, recoverable: true, retry_after: None });
    event(seq, Body::RunEnded { outcome: Outcome::Failed, finish_reason: None, error, usage: None })
}

/// What stands before the first word.
fn head() -> Vec<Arc<Event>> {
    let session_id = SessionId::parse("s").unwrap();
    let model = Body::ModelStarted {
        provider: "p".into(),
        model: "m".into(),
        label: None,
        estimated_input_tokens: None,
        team: None,
    };
    vec![
        event(1, Body::RunStarted { session_id, workflow: "generate".into() }),
        event(2, Body::StageStarted { stage: Stage::Generate }),
        event(3, model),
        event(4, Body::Reasoning { text: "hm".into() }),
    ]
}

fn quota() -> Quota {
    Quota { of: "generations", most: 50, per: Period::Ever }
}

impl Client {
    fn new() -> Self {
        let terms = Terms { grace: Duration::ZERO, quota: quota() };
        Self { dialect: AiStream::new("test-user-123".into(), terms), out: Out::default() }
    }

    fn says(&mut self, frame: &str) -> &mut Self {
        self.dialect.on_frame(Frame::Text(frame), &mut self.out);
        self
    }

    fn asks(&mut self, prompt: &str) -> &mut Self {
        self.says(&json!({ "action": "generate", "prompt": prompt }).to_string())
    }

    fn told(&mut self, reply: Reply) -> &mut Self {
        self.dialect.on_reply(reply, &mut self.out);
        self
    }

    fn came_of(&mut self, mark: u64, started: Result<&str, Error>) -> &mut Self {
        let session = SessionId::parse("s").unwrap();
        let started = started.map(|id| Started { run: run(id), session, joined: false });
        self.told(Reply::Started { tag: None, mark, started })
    }

    fn following(&mut self, id: &str, after: Seq) -> &mut Self {
        let found = Run {
            id: run(id),
            owner: UserId::parse("ann").unwrap(),
            session: SessionId::parse("s").unwrap(),
            message_id: None,
            workflow: "generate".into(),
            provider: None,
            model: None,
            created_at: Millis(0),
            hidden: false,
            tail: Tail { seq: 99, term: 1, outcome: None },
        };
        self.told(Reply::Following { tag: None, target: Target::Run(run(id)), run: Ok((found, after)) })
    }

    /// Asks for the run of this mark, and is followed from the beginning.
    fn begins(&mut self, mark: u64, id: &str) -> &mut Self {
        self.asks("Hi").came_of(mark, Ok(id)).following(id, 0);
        self.commands();
        self
    }

    fn sees(&mut self, id: &str, events: &[Arc<Event>]) -> &mut Self {
        self.dialect.on_events(&run(id), events, &mut self.out);
        self
    }

    fn hears(&mut self) -> Vec<String> {
        std::mem::take(&mut self.out.frames)
    }

    fn commands(&mut self) -> Vec<Command> {
        std::mem::take(&mut self.out.commands)
    }

    fn one_start(&mut self) -> StartRun {
        match self.commands().as_slice() {
            [Command::Start { ask, .. }] => (**ask).clone(),
            other => panic!("not one start: {other:?}"),
        }
    }
}

fn error(message: &str) -> String {
    json!({ "type": "error", "message": message }).to_string().replace(
        &format!("{{\"message\":{},\"type\":\"error\"}}", json!(message)),
        &format!("{{\"type\":\"error\",\"message\":{}}}", json!(message)),
    )
}

#[test]
fn the_originals_frames_byte_for_byte() {
    for (frame, answer) in [
        (r#"{"action":"ping"}"#, r#"{"type":"pong"}"#),
        ("{}", r#"{"type":"error","message":"Unknown action: None"}"#),
        (r#"{"action":"x"}"#, r#"{"type":"error","message":"Unknown action: x"}"#),
        (r#"{"action":null}"#, r#"{"type":"error","message":"Unknown action: None"}"#),
        (r#"{"action":5}"#, r#"{"type":"error","message":"Unknown action: 5"}"#),
        (r#"{"action":2.5}"#, r#"{"type":"error","message":"Unknown action: 2.5"}"#),
        (r#"{"action":true}"#, r#"{"type":"error","message":"Unknown action: True"}"#),
        (r#"{"action":""}"#, r#"{"type":"error","message":"Unknown action: "}"#),
        (r#"{"action":"Ping"}"#, r#"{"type":"error","message":"Unknown action: Ping"}"#),
        (
            r#"{"action":["a",null,{"b":false,"it's":"\n"}]}"#,
            r#"{"type":"error","message":"Unknown action: ['a', None, {'b': False, \"it's\": '\\n'}]"}"#,
        ),
        (
            r#"{"action":"generate"}"#,
            r#"{"type":"error","message":"Prompt is required for generate action"}"#,
        ),
        (
            r#"{"action":"generate","prompt":""}"#,
            r#"{"type":"error","message":"Prompt is required for generate action"}"#,
        ),
    ] {
        let mut client = Client::new();
        assert_eq!(client.says(frame).hears(), [answer], "{frame}");
        assert!(client.commands().is_empty() && client.out.close.is_none(), "{frame}");
    }
}

#[test]
fn what_is_no_object_is_answered_and_the_socket_stays() {
    let mut client = Client::new();
    for (frame, got) in [
        ("ping", "text that is no JSON"),
        ("{nonsense", "text that is no JSON"),
        ("", "text that is no JSON"),
        ("[]", "a JSON list"),
        ("\"ping\"", "JSON that is no object"),
        ("null", "JSON that is no object"),
    ] {
        let want =
            format!("Expected one JSON object as text, such as {{\"action\":\"ping\"}}; this was {got}");
        assert_eq!(client.says(frame).hears(), [error(&want)], "{frame}");
    }
    client.dialect.on_frame(Frame::Binary(br#"{"action":"ping"}"#), &mut client.out);
    assert!(client.hears()[0].contains("this was a binary frame"));
    assert!(client.out.close.is_none());
    assert_eq!(client.says(r#"{"action":"ping"}"#).hears(), [r#"{"type":"pong"}"#]);
}

#[test]
fn an_answer_from_its_frame_to_done() {
    let mut client = Client::new();
    let ask = client.asks("Hi").one_start();
    assert_eq!((ask.workflow.as_str(), ask.message.as_str(), ask.max_tokens), ("generate", "Hi", Some(4096)));
    assert_eq!(ask.system.as_deref(), Some("You are a helpful assistant."));
    assert_eq!((ask.session, ask.message_id), (None, None), "it knows nothing of the answers before it");
    assert_eq!(ask.unwatched, Some(Unwatched::StopAfter(Duration::ZERO)));
    assert_eq!(ask.quota, Some(quota()));
    client.came_of(0, Ok("run_1"));
    let followed = client.commands();
    assert!(
        matches!(&followed[..], [Command::Follow { target: Target::Run(r), from: From::After(0), asked: false, .. }] if *r == run("run_1"))
    );
    client.following("run_1", 0).sees("run_1", &head());
    assert!(client.hears().is_empty(), "how it comes to be is not told");
    client.sees("run_1", &[token(5, "tok "), token(6, "é\n")]).sees("run_1", &[ended(7, Outcome::Completed)]);
    assert_eq!(
        client.hears(),
        [
            r#"{"type":"chunk","text":"tok ","run_id":"run_1","seq":5}"#,
            r#"{"type":"chunk","text":"é\n","run_id":"run_1","seq":6}"#,
            r#"{"type":"done","user_id":"test-user-123","run_id":"run_1","seq":7}"#,
        ]
    );
    // And the next one on the same socket.
    assert_eq!(client.asks("And?").one_start().message, "And?");
}

#[test]
fn prompts_systems_and_numbers_as_clients_send_them() {
    for (fields, prompt, system, max_tokens) in [
        (json!({"prompt": "p", "system": null}), "p", SYSTEM, 4096),
        (json!({"prompt": "p", "system": " "}), "p", SYSTEM, 4096),
        (json!({"prompt": "p", "system": "Be short."}), "p", "Be short.", 4096),
        (json!({"prompt": " p ", "max_tokens": null}), " p ", SYSTEM, 4096),
        (json!({"prompt": "p", "max_tokens": 5, "other": []}), "p", SYSTEM, 5),
        (json!({"prompt": 42}), "42", SYSTEM, 4096),
        (json!({"prompt": 2.5}), "2.5", SYSTEM, 4096),
        (json!({"prompt": true}), "True", SYSTEM, 4096),
    ] {
        let mut client = Client::new();
        let mut frame = fields.clone();
        frame["action"] = json!("generate");
        let ask = client.says(&frame.to_string()).one_start();
        assert_eq!(
            (ask.message.as_str(), ask.system.as_deref(), ask.max_tokens),
            (prompt, Some(system), Some(max_tokens)),
            "{fields}"
        );
    }
    let long = "x".repeat(limit::MESSAGE_BYTES + 1);
    let number = "`max_tokens` must be a whole number from 1 to 32768";
    for (fields, why) in [
        (json!({"prompt": null}), PROMPT_REQUIRED),
        (json!({"prompt": "  "}), PROMPT_REQUIRED),
        (json!({"prompt": 0}), PROMPT_REQUIRED),
        (json!({"prompt": false}), PROMPT_REQUIRED),
        (json!({"prompt": []}), PROMPT_REQUIRED),
        (json!({"prompt": {}}), PROMPT_REQUIRED),
        (json!({"prompt": ["a"]}), "`prompt` must be a text"),
        (json!({"prompt": {"a": 1}}), "`prompt` must be a text"),
        (json!({"prompt": long}), "The prompt is longer than 32768 bytes; shorten it"),
        (json!({"prompt": "p", "system": long}), "`system` is longer than 16384 bytes; shorten it"),
        (json!({"prompt": "p", "system": 5}), "`system` must be a text or null"),
        (json!({"prompt": "p", "max_tokens": 0}), number),
        (json!({"prompt": "p", "max_tokens": -1}), number),
        (json!({"prompt": "p", "max_tokens": 1.5}), number),
        (json!({"prompt": "p", "max_tokens": "9"}), number),
        (json!({"prompt": "p", "max_tokens": 32769}), number),
    ] {
        let mut client = Client::new();
        let mut frame = fields.clone();
        frame["action"] = json!("generate");
        assert_eq!(client.says(&frame.to_string()).hears(), [error(why)]);
        assert!(client.commands().is_empty(), "{why}");
    }
}

// Planted fault: every failure "API error".
#[test]
fn every_failure_in_the_originals_words() {
    for (code, message) in [
        ("key_missing", "API key not configured"),
        ("provider_busy", "Rate limit exceeded: p: no"),
        ("provider_unavailable", "Connection error: p: no"),
        ("provider_timeout", "Connection error: p: no"),
        ("provider_interrupted", "Connection error: p: no"),
        ("interrupted", "Connection error: p: no"),
        ("provider_refused", "API error: p: no"),
        ("provider_failed", "API error: p: no"),
        ("run_timeout", "API error: p: no"),
        ("internal", "API error: p: no"),
        ("of_a_later_version", "API error: p: no"),
    ] {
        let mut client = Client::new();
        client.begins(0, "run_1").sees("run_1", &[token(1, "half ")]);
        client.hears();
        client.sees("run_1", &[failed(2, code, "p: no")]);
        let want = format!(r#"{{"type":"error","message":"{message}","run_id":"run_1","seq":2}}"#);
        assert_eq!(client.hears(), [want], "{code}: one error, and no `done`");
        assert_eq!(client.asks("again").commands().len(), 1, "the next one begins");
    }
    // And what is refused before a run is there.
    let used = Error { retry_after: Some(9), ..Error::new(Code::RateLimited, "all used") };
    for (refused, frame) in [
        (used, r#"{"type":"error","message":"Rate limit exceeded: all used","retry_after":9}"#.to_owned()),
        (Error::new(Code::EmptyMessage, "x"), error(PROMPT_REQUIRED)),
        (Error::new(Code::Draining, "about to stop"), error("about to stop")),
        (Error::new(Code::StoreFailed, "no disk"), error("API error: no disk")),
    ] {
        let mut client = Client::new();
        client.asks("a").asks("b").commands();
        assert_eq!(client.came_of(0, Err(refused)).hears(), [frame]);
        assert_eq!(client.one_start().message, "b", "and the next one has its turn");
    }
}

// Planted faults: nine wait; the second made at once.
#[test]
fn eight_wait_and_are_answered_in_order() {
    let mut client = Client::new();
    client.begins(0, "run_0");
    for n in 1..=8 {
        client.asks(&n.to_string());
    }
    assert!(client.commands().is_empty() && client.hears().is_empty());
    client.says(r#"{"action":"ping"}"#);
    assert_eq!(client.hears(), [r#"{"type":"pong"}"#], "at once, also while one streams");
    let refused = client.asks("9").hears();
    assert_eq!(refused, [error("8 requests wait on this connection already; wait for an answer")]);
    for n in 1..=8u64 {
        client.sees(&format!("run_{}", n - 1), &[token(1, "x"), ended(2, Outcome::Completed)]);
        let frames = client.hears();
        assert!(frames[0].contains("chunk") && frames[1].contains("done"), "{frames:?}");
        assert_eq!(client.one_start().message, n.to_string());
        client.came_of(n, Ok(&format!("run_{n}"))).following(&format!("run_{n}"), 0);
        client.commands();
    }
}

#[test]
fn a_stop_ends_what_streams_and_done_says_so() {
    let mut client = Client::new();
    assert!(client.says(r#"{"action":"stop"}"#).hears().is_empty() && client.commands().is_empty());
    client.begins(0, "run_1").sees("run_1", &[token(1, "half ")]).asks("next");
    client.hears();
    client.says(r#"{"action":"stop"}"#).says(r#"{"action":"stop"}"#);
    assert!(matches!(&client.commands()[..], [Command::Stop { run: r, .. }] if *r == run("run_1")), "once");
    client.told(Reply::Stopped { tag: None, run: run("run_1"), outcome: Ok(Outcome::Cancelled) });
    client.sees("run_1", &[ended(2, Outcome::Cancelled)]);
    assert_eq!(
        client.hears(),
        [r#"{"type":"done","user_id":"test-user-123","run_id":"run_1","seq":2,"stopped":true}"#]
    );
    // What waited goes on; and a stop that comes before its run is there waits for it.
    assert_eq!(client.one_start().message, "next");
    client.says(r#"{"action":"stop"}"#);
    assert!(client.commands().is_empty());
    client.came_of(1, Ok("run_2"));
    let commands = client.commands();
    assert!(matches!(&commands[..], [Command::Follow { .. }, Command::Stop { .. }]), "{commands:?}");
    // A stop that could not be carried out may be asked for again.
    let error = Error::new(Code::StoreFailed, "no disk");
    client.told(Reply::Stopped { tag: None, run: run("run_2"), outcome: Err(error) });
    assert_eq!(client.hears(), [r#"{"type":"error","message":"API error: no disk"}"#]);
    assert_eq!(client.says(r#"{"action":"stop"}"#).commands().len(), 1);
}

// Planted faults: `<` in place of `<=`, which shows the last chunk twice; no ending for whoever has had everything.
#[test]
fn resume_brings_what_is_missing_then_what_comes() {
    let mut client = Client::new();
    client.says(r#"{"action":"resume","run_id":"run_1","after":6}"#);
    let asked = client.commands();
    assert!(
        matches!(&asked[..], [Command::Follow { from: From::After(6), whole: true, asked: true, .. }]),
        "{asked:?}"
    );
    let mut log = head();
    log.extend([token(5, "a"), token(6, "b"), token(7, "c")]);
    client.following("run_1", 6).sees("run_1", &log);
    assert_eq!(client.hears(), [r#"{"type":"chunk","text":"c","run_id":"run_1","seq":7}"#]);
    client.sees("run_1", &[token(8, "d"), ended(9, Outcome::Completed)]);
    assert_eq!(client.hears().len(), 2);
    // After the ending it is shown again: a resume is always answered.
    client.says(r#"{"action":"resume","run_id":"run_1","after":9}"#).following("run_1", 9);
    log.extend([token(8, "d"), ended(9, Outcome::Completed)]);
    client.sees("run_1", &log);
    assert_eq!(client.hears(), [r#"{"type":"done","user_id":"test-user-123","run_id":"run_1","seq":9}"#]);
    client.commands();

    for (frame, why) in [
        (r#"{"action":"resume"}"#, "`run_id` is required for resume action"),
        (r#"{"action":"resume","run_id":"../x"}"#, "Run not found"),
        (r#"{"action":"resume","run_id":5}"#, "Run not found"),
        (r#"{"action":"resume","run_id":"r","after":-1}"#, "`after` must be the number of an event, from 0"),
        (r#"{"action":"resume","run_id":"r","after":"1"}"#, "`after` must be the number of an event, from 0"),
    ] {
        assert_eq!(client.says(frame).hears(), [error(why)], "{frame}");
        assert!(client.commands().is_empty());
    }
    // Somebody else's, or nobody's; and the next one has its turn.
    client.says(r#"{"action":"resume","run_id":"run_9"}"#).asks("next").commands();
    let none = Err(Error::not_found("Run"));
    client.told(Reply::Following { tag: None, target: Target::Run(run("run_9")), run: none });
    assert_eq!(client.hears(), [error("Run not found")]);
    assert_eq!(client.one_start().message, "next");
}

#[test]
fn a_slow_viewer_gets_fewer_frames_and_the_same_text() {
    let mut client = Client::new();
    client.begins(0, "run_1");
    let many: Vec<_> = (1..=limit::MERGE_ABOVE as u64 + 1).map(|seq| token(seq, "ab ")).collect();
    client.sees("run_1", &many);
    let frames = client.hears();
    let [frame] = &frames[..] else { panic!("{} frames", frames.len()) };
    let frame: Value = serde_json::from_str(frame).unwrap();
    assert_eq!(frame["text"], "ab ".repeat(many.len()));
    assert_eq!(frame["seq"], many.len());
}

#[test]
fn what_cannot_be_read_any_further_ends_with_an_error() {
    let mut client = Client::new();
    client.begins(0, "run_1").asks("next");
    client.told(Reply::Lost { run: run("run_1"), error: Error::new(Code::StoreFailed, "no disk") });
    assert_eq!(client.hears(), [r#"{"type":"error","message":"API error: no disk","run_id":"run_1"}"#]);
    assert_eq!(client.one_start().message, "next");
    client.told(Reply::SignedOut { error: Error::new(Code::TokenExpired, "Token expired") });
    assert_eq!(client.hears(), [error("Token expired")]);
    assert_eq!(client.dialect.position(&run("run_1"), 5), "resume run_1 after 5");
}

#[test]
fn what_is_said_back_is_bounded() {
    for action in
        [json!("é".repeat(60_000)), json!(vec![vec!["x"; 9]; 5_000]), json!({"k".repeat(50_000): 1})]
    {
        let mut client = Client::new();
        let [frame] = &client.says(&json!({ "action": action }).to_string()).hears()[..] else { panic!() };
        assert!(frame.len() < 2_000, "{}", frame.len());
    }
}
