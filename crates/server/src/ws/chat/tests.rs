//! Frames in, frames out: no socket, no clock, no engine.

use headwater_core::event::{Body, Failure, Outcome, Source, Stage};
use headwater_core::run::{Run, Tail};
use headwater_core::{Millis, Principal, UserId};
use headwater_engine::Started;
use serde_json::json;

use super::frames::word;
use super::*;

struct Client {
    chat: Chat,
    out: Out,
    answered: u64,
}

fn run(id: &str) -> RunId {
    RunId::parse(id).unwrap()
}

fn session(id: &str) -> SessionId {
    SessionId::parse(id).unwrap()
}

fn event(seq: Seq, body: Body) -> Arc<Event> {
    Arc::new(Event { seq, at: Millis(0), body })
}

fn token(seq: Seq, text: &str) -> Arc<Event> {
    event(seq, Body::Token { text: text.into() })
}

fn ended(seq: Seq, outcome: Outcome) -> Arc<Event> {
    let failed = matches!(outcome, Outcome::Failed | Outcome::Interrupted);
    let error = failed.then(|| Failure {
        code: "provider_failed".into(),
        message: "it broke".into(),
        recoverable: true,
        retry_after: None,
    });
    event(seq, Body::RunEnded { outcome, finish_reason: None, error, usage: None })
}

/// A whole turn of nine events and `n` tokens.
fn turn(tokens: &[&str], outcome: Outcome) -> Vec<Arc<Event>> {
    let mut log = vec![
        event(1, Body::RunStarted { session_id: session("s"), workflow: "assist".into() }),
        event(2, Body::StageStarted { stage: Stage::Start }),
        event(3, Body::StageStarted { stage: Stage::Route }),
        event(4, Body::Routed { agent: "specs".into(), intent: "SPECS".into(), confidence: 0.92 }),
        event(5, Body::StageStarted { stage: Stage::Retrieve }),
    ];
    let source = |name: &str| Source { source: name.into(), heading: "H".into(), score: 0.9 };
    log.push(event(6, Body::Retrieved { sources: vec![source("a.md"), source("b.md"), source("a.md")] }));
    log.push(event(7, Body::StageStarted { stage: Stage::Generate }));
    log.push(event(
        8,
        Body::ModelStarted {
            provider: "p".into(),
            model: "m".into(),
            label: None,
            estimated_input_tokens: None,
            team: None,
        },
    ));
    log.extend((9..).zip(tokens).map(|(seq, text)| token(seq, text)));
    log.push(ended(9 + tokens.len() as Seq, outcome));
    log
}

impl Client {
    fn new(signed_in: bool, partial: bool) -> Self {
        let chat = Chat::new("assist".into(), session("made"), signed_in, partial);
        Self { chat, out: Out::default(), answered: 0 }
    }

    fn says(&mut self, frame: &str) -> &mut Self {
        self.chat.on_frame(Frame::Text(frame), &mut self.out);
        self
    }

    fn told(&mut self, reply: Reply) -> &mut Self {
        self.chat.on_reply(reply, &mut self.out);
        self
    }

    fn started(&mut self, id: &str) -> &mut Self {
        let started = Started { run: run(id), session: session("s"), joined: false };
        self.start_came(Ok(started))
    }

    /// What came of the oldest message that nothing has come of.
    fn start_came(&mut self, started: Result<Started, Error>) -> &mut Self {
        let mark = self.answered;
        self.answered += 1;
        self.told(Reply::Started { tag: None, mark, started })
    }

    /// What a client asked for itself.
    fn resumed(&mut self, target: Target, id: &str, after: Seq) -> &mut Self {
        self.follows(Some(RESUME.into()), target, id, after)
    }

    fn following(&mut self, target: Target, id: &str, after: Seq) -> &mut Self {
        self.follows(None, target, id, after)
    }

    fn follows(
        &mut self,
        tag: super::super::dialect::Tag,
        target: Target,
        id: &str,
        after: Seq,
    ) -> &mut Self {
        let run = Run {
            id: run(id),
            owner: UserId::parse("ann").unwrap(),
            session: session("s"),
            message_id: None,
            workflow: "assist".into(),
            provider: None,
            model: None,
            created_at: Millis(0),
            hidden: false,
            tail: Tail { seq: 99, term: 1, outcome: None },
        };
        self.told(Reply::Following { tag, target, run: Ok((run, after)) })
    }

    /// Asks, and is followed from the beginning.
    fn asks(&mut self, id: &str) -> &mut Self {
        self.says(r#"{"type":"message","message":"hi","session_id":"s"}"#).started(id);
        self.following(Target::Run(run(id)), id, 0);
        self.commands();
        self
    }

    fn sees(&mut self, id: &str, events: &[Arc<Event>]) -> &mut Self {
        self.chat.on_events(&run(id), events, &mut self.out);
        self
    }

    fn frames(&mut self) -> Vec<String> {
        std::mem::take(&mut self.out.frames)
    }

    fn commands(&mut self) -> Vec<Command> {
        std::mem::take(&mut self.out.commands)
    }

    /// The error codes among the frames.
    fn codes(&mut self) -> Vec<String> {
        let code = |f: &String| serde_json::from_str::<Value>(f).unwrap()["code"].as_str().map(str::to_owned);
        self.frames().iter().filter_map(code).collect()
    }
}

fn text_of(frames: &[String]) -> String {
    let token = |f: &String| serde_json::from_str::<Value>(f).unwrap()["token"].as_str().map(str::to_owned);
    frames.iter().filter_map(token).collect()
}

#[test]
fn a_turn_has_the_originals_frames_with_their_keys_in_order() {
    let mut client = Client::new(true, true);
    client.asks("r").sees("r", &turn(&["128", " hp"], Outcome::Completed));
    assert_eq!(
        client.frames(),
        [
            r#"{"type":"progress","step":"starting","message":"Processing your question...","run_id":"r","seq":2}"#,
            r#"{"type":"progress","step":"agent_routing","message":"Routing to the right expert...","run_id":"r","seq":3}"#,
            r#"{"type":"progress","step":"rag_retrieval","message":"Searching knowledge base...","run_id":"r","seq":5}"#,
            r#"{"type":"progress","step":"generating","message":"Generating response...","run_id":"r","seq":7}"#,
            r#"{"type":"token","token":"128","partial_response":"128","run_id":"r","seq":9}"#,
            r#"{"type":"token","token":" hp","partial_response":"128 hp","run_id":"r","seq":10}"#,
            r#"{"type":"complete","response":"128 hp","session_id":"s","metadata":{"agent":"specs","confidence":0.92,"context":{"sources":["a.md","b.md"],"classified_intent":"SPECS","confidence":0.92,"agent":"specs"}},"run_id":"r","seq":11}"#,
        ]
    );
}

#[test]
fn endings_that_are_not_whole_say_so_after_the_original_keys() {
    let mut client = Client::new(true, false);
    client.asks("r").sees("r", &turn(&["part"], Outcome::Cancelled));
    let last = client.frames().pop().unwrap();
    assert!(last.starts_with(r#"{"type":"complete","response":"part","session_id":"s","#), "{last}");
    assert!(last.ends_with(r#""run_id":"r","seq":10,"outcome":"cancelled"}"#), "{last}");
    client.asks("q").sees("q", &turn(&["part"], Outcome::Interrupted));
    let last = client.frames().pop().unwrap();
    let expected = r#"{"type":"error","error":"it broke","code":"PROCESSING_ERROR","run_id":"q","seq":10,"outcome":"interrupted","partial_response":"part","recoverable":true}"#;
    assert_eq!(last, expected);
}

#[test]
fn before_sign_in_everything_is_refused_but_auth_and_ping() {
    let mut client = Client::new(false, true);
    // Refused before the message is looked at.
    client.says(r#"{"type":"message","message":""}"#).says(r#"{"type":"stop"}"#);
    client.says(r#"{"type":"resume","session_id":"s","after":0}"#);
    assert_eq!(client.codes(), ["AUTH_REQUIRED"; 3]);
    assert_eq!(client.says(r#"{"type":"ping"}"#).frames(), [r#"{"type":"pong"}"#]);
    client.says(r#"{"type":"auth","token":"Bearer abc"}"#);
    assert!(matches!(&client.commands()[..], [Command::SignIn { token, .. }] if token == "abc"));
    let who = Principal {
        user: UserId::parse("u1").unwrap(),
        email: "a@b".into(),
        name: "Ann".into(),
        guest: false,
    };
    client.told(Reply::SignedIn { tag: None, who, changed: false });
    let expected = r#"{"type":"auth_success","message":"Authentication successful","user":{"id":"u1","email":"a@b","name":"Ann"}}"#;
    assert_eq!(client.frames(), [expected]);
    assert_eq!(client.says(r#"{"type":"message","message":" "}"#).codes(), ["EMPTY_MESSAGE"]);
    assert_eq!(client.says(r#"{"type":"message"}"#).codes(), ["EMPTY_MESSAGE"]);
}

#[test]
fn bad_tokens_may_be_corrected_but_not_for_ever() {
    let mut client = Client::new(false, true);
    for n in 1..=limit::AUTH_ATTEMPTS {
        let error = Error::new(Code::InvalidToken, "no");
        client.told(Reply::NotSignedIn { tag: None, error });
        assert_eq!(client.frames(), [r#"{"type":"auth_error","message":"Invalid token"}"#]);
        assert_eq!(client.out.close.is_some(), n == limit::AUTH_ATTEMPTS);
    }
}

#[test]
fn what_is_no_frame_is_refused_and_the_socket_stays_open() {
    let mut client = Client::new(true, true);
    for bad in [
        "ping",
        "{",
        "[]",
        "7",
        "null",
        r#"{"type":"message","message":7}"#,
        r#"{"type":"resume","after":-1,"session_id":"s"}"#,
        r#"{"type":"resume","after":1}"#,
    ] {
        assert_eq!(client.says(bad).codes(), ["INVALID_MESSAGE"], "{bad}");
    }
    client.chat.on_frame(Frame::Binary(b"{}"), &mut client.out);
    assert_eq!(client.codes(), ["INVALID_MESSAGE"]);
    for unknown in [r#"{"type":"typing"}"#, r#"{"message":"x"}"#, r#"{"type":5}"#] {
        assert_eq!(client.says(unknown).codes(), ["UNKNOWN_TYPE"], "{unknown}");
    }
    assert!(client.out.close.is_none());
}

// Planted fault: `>=` for `>` in the bound: one waits less than the contract says.
#[test]
fn one_streams_eight_wait_and_the_next_is_refused() {
    let mut client = Client::new(true, true);
    for n in 0..9 {
        client.says(&json!({"type": "message", "message": "hi", "message_id": format!("m{n}")}).to_string());
    }
    assert_eq!(client.codes(), [""; 0]);
    assert_eq!(client.commands().len(), 9);
    client.says(r#"{"type":"message","message":"hi","message_id":"m9"}"#);
    let frame = client.frames().pop().unwrap();
    assert!(frame.contains(r#""code":"QUEUE_FULL""#) && frame.contains(r#""message_id":"m9""#), "{frame}");
    // They are shown one after the other, in order, whatever events come.
    for n in 0..9 {
        client.started(&format!("r{n}"));
    }
    for n in 0..9 {
        let id = format!("r{n}");
        let follows = client.commands();
        assert!(
            matches!(&follows[..], [Command::Follow { target: Target::Run(r), .. }] if r.as_str() == id),
            "{follows:?}"
        );
        client.following(Target::Run(run(&id)), &id, 0);
        client.sees(&id, &turn(&["x"], Outcome::Completed));
        assert_eq!(client.frames().len(), 6);
    }
    assert!(client.commands().is_empty());
}

#[test]
fn a_stop_means_what_streams_and_waits_for_what_is_being_made() {
    let mut client = Client::new(true, true);
    client.says(r#"{"type":"stop"}"#);
    assert!(client.commands().is_empty() && client.frames().is_empty());
    client.says(r#"{"type":"message","message":"hi"}"#).says(r#"{"type":"stop"}"#);
    assert!(matches!(&client.commands()[..], [Command::Start { .. }]));
    client.started("r");
    let commands = client.commands();
    assert!(
        matches!(&commands[..], [Command::Stop { run: r, .. }, Command::Follow { .. }] if r.as_str() == "r")
    );
    client.following(Target::Run(run("r")), "r", 0).says(r#"{"type":"stop"}"#);
    assert!(matches!(&client.commands()[..], [Command::Stop { run: r, .. }] if r.as_str() == "r"));
    // Pressed twice is pressed once.
    assert!(client.says(r#"{"type":"stop"}"#).commands().is_empty());
    client.says(r#"{"type":"stop","run_id":"other"}"#);
    assert!(matches!(&client.commands()[..], [Command::Stop { run: r, .. }] if r.as_str() == "other"));
}

// Planted fault: text before the position is not remembered: `partial_response` then begins in the middle.
#[test]
fn a_resumed_answer_shows_the_rest_and_repeats_the_whole_only_in_partial_response() {
    let log = turn(&["a", "b", "c"], Outcome::Completed);
    for after in 0..=12 {
        let mut client = Client::new(true, true);
        client.says(&json!({"type": "resume", "session_id": "s", "after": after}).to_string());
        let [Command::Follow { target, whole: true, .. }] = &client.commands()[..] else {
            panic!("no follow")
        };
        let target = target.clone();
        client.following(target, "r", after).sees("r", &log);
        let frames = client.frames();
        assert_eq!(text_of(&frames), "abc"[after.saturating_sub(8).min(3) as usize..], "after {after}");
        assert!(frames.last().unwrap().contains(r#""response":"abc""#), "after {after}: {frames:?}");
        assert!(
            frames
                .iter()
                .filter(|f| f.contains(r#""type":"token""#))
                .all(|f| f.contains(r#""partial_response":"a"#))
        );
    }
}

#[test]
fn resuming_what_is_shown_begins_it_anew_and_another_waits_its_turn() {
    let mut client = Client::new(true, true);
    let log = turn(&["a", "b"], Outcome::Completed);
    client.asks("r").sees("r", &log[..9]);
    client.frames();
    client.says(r#"{"type":"resume","run_id":"r","after":8}"#).commands();
    client.resumed(Target::Run(run("r")), "r", 8).sees("r", &log[..9]);
    assert_eq!(text_of(&client.frames()), "a");
    // Another one is let go of and followed again when this one is over.
    client.says(r#"{"type":"resume","session_id":"t","after":9}"#).commands();
    client.resumed(Target::Newest(session("t")), "q", 9);
    assert!(matches!(&client.commands()[..], [Command::Unfollow { run: r, .. }] if r.as_str() == "q"));
    client.sees("q", &log);
    assert!(client.frames().is_empty());
    client.sees("r", &log[9..]);
    assert!(matches!(&client.commands()[..], [Command::Follow { from: From::After(9), .. }]));
    client.following(Target::Run(run("q")), "q", 9).frames();
    assert_eq!(text_of(&client.sees("q", &log).frames()), "b");
}

#[test]
fn what_cannot_be_followed_is_told_and_does_not_hold_up_the_next() {
    let mut client = Client::new(true, true);
    let refused = |code| Err(Error::new(code, "no"));
    client.told(Reply::Following {
        tag: None,
        target: Target::Newest(session("x")),
        run: refused(Code::NotFound),
    });
    assert_eq!(client.codes(), ["NOT_FOUND"]);
    client.asks("r");
    // A bad position for what is shown leaves it as it is.
    client.told(Reply::Following {
        tag: None,
        target: Target::Run(run("r")),
        run: refused(Code::CursorAhead),
    });
    assert_eq!(client.codes(), ["CURSOR_AHEAD"]);
    client.says(r#"{"type":"message","message":"next"}"#).started("q").commands();
    client.told(Reply::Lost { run: run("r"), error: Error::new(Code::StoreFailed, "broken") });
    assert_eq!(client.codes(), ["PROCESSING_ERROR"]);
    assert!(
        matches!(&client.commands()[..], [Command::Follow { target: Target::Run(r), .. }] if r.as_str() == "q")
    );
    client.says(r#"{"type":"message","message":"x","message_id":"m"}"#);
    client.start_came(Err(Error::new(Code::TooManyRuns, "no")));
    let frames = client.frames();
    assert!(frames[0].contains("TOO_MANY_RUNS") && frames[0].contains(r#""message_id":"m""#), "{frames:?}");
}

// Planted fault: the seconds left out.
#[test]
fn who_is_too_fast_is_told_when_to_come_back_after_the_originals_keys() {
    let mut client = Client::new(true, true);
    client.says(r#"{"type":"message","message":"x","message_id":"m"}"#);
    let wait = std::time::Duration::from_millis(4_200);
    client.start_came(Err(Error::too_fast("questions", wait)));
    assert_eq!(
        client.frames(),
        [concat!(
            r#"{"type":"error","error":"Too many questions; try again in 5 s","code":"RATE_LIMITED","#,
            r#""message_id":"m","retry_after":5}"#
        )]
    );
    client.chat.on_refused(Error::too_fast("messages", wait), &mut client.out);
    client.told(Reply::Lost { run: run("r"), error: Error::too_fast("messages", wait) });
    assert!(client.frames().iter().all(|frame| frame.ends_with(r#""retry_after":5}"#)));
    // Where nobody knows when, nothing is said.
    client.chat.on_refused(Error::new(Code::RateLimited, "no"), &mut client.out);
    assert_eq!(client.frames(), [r#"{"type":"error","error":"no","code":"RATE_LIMITED"}"#]);
}

#[test]
fn a_viewer_that_is_behind_gets_fewer_frames_with_the_same_text() {
    let words: Vec<String> = (0..200).map(|n| format!("{n} ")).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let log = turn(&words, Outcome::Completed);
    let mut client = Client::new(true, true);
    client.asks("r").sees("r", &log);
    let frames = client.frames();
    assert_eq!(frames.len(), 4 + 1 + 1);
    assert_eq!(text_of(&frames), words.concat());
    assert!(frames[4].contains(r#""seq":208"#), "{}", frames[4]);
    // One at a time each keeps its own, until the answer is long.
    client.asks("q");
    for event in &log {
        client.sees("q", std::slice::from_ref(event));
    }
    assert_eq!(client.frames().len(), 4 + 200 + 1);
    client.asks("p").sees("p", &[token(1, &"x".repeat(limit::MERGE_PARTIAL_ABOVE + 1))]);
    client.frames();
    client.sees("p", &[token(2, "a"), token(3, "b")]);
    assert_eq!(text_of(&client.frames()[..1]), "ab");
}

// Planted faults: a frame for each thought of a viewer that is behind; thoughts told to who did not ask.
#[test]
fn a_viewer_that_is_behind_gets_fewer_thoughts_too() {
    let mut log = turn(&[], Outcome::Completed);
    let end = log.pop().unwrap();
    log.extend((9..209).map(|seq| event(seq, Body::Reasoning { text: format!("{seq} ") })));
    log.push(Arc::new(Event { seq: 209, ..(*end).clone() }));
    let thoughts = |frames: &[String]| -> Vec<Value> {
        let frames = frames.iter().map(|f| serde_json::from_str::<Value>(f).unwrap());
        frames.filter(|f| f["type"] == "reasoning").collect()
    };
    let mut client = Client::new(true, true);
    client.says(r#"{"type":"auth","token":"t","detail":true}"#).commands();
    client.asks("r").sees("r", &log);
    let merged = thoughts(&client.frames());
    assert_eq!(merged.len(), 1, "{merged:?}");
    assert_eq!(merged[0]["seq"], 208);
    assert_eq!(merged[0]["text"], (9..209).map(|seq| format!("{seq} ")).collect::<String>());
    // One at a time each keeps its own; and nobody else is told any.
    client.asks("q");
    for event in &log {
        client.sees("q", std::slice::from_ref(event));
    }
    assert_eq!(thoughts(&client.frames()).len(), 200);
    let mut plain = Client::new(true, true);
    plain.asks("r").sees("r", &log);
    assert_eq!(thoughts(&plain.frames()), [] as [Value; 0]);
}

#[test]
fn a_client_may_do_without_the_repetition() {
    let mut client = Client::new(true, true);
    client.says(r#"{"type":"auth","token":"t","partial":false}"#).commands();
    client.asks("r").sees("r", &turn(&["a", "b"], Outcome::Completed));
    let frames = client.frames();
    assert!(frames[5].contains(r#""token":"b","partial_response":"""#), "{frames:?}");
    assert!(frames[6].contains(r#""response":"ab""#));
}

#[test]
fn somebody_else_on_the_same_socket_sees_nothing_of_the_first() {
    let mut client = Client::new(true, true);
    client.asks("r").says(r#"{"type":"message","message":"waits"}"#).commands();
    let who = Principal {
        user: UserId::parse("eve").unwrap(),
        email: String::new(),
        name: String::new(),
        guest: false,
    };
    client.told(Reply::SignedIn { tag: None, who, changed: true }).frames();
    client.sees("r", &turn(&["secret"], Outcome::Completed));
    assert!(client.frames().is_empty());
}

#[test]
fn every_code_has_a_word_of_this_dialect() {
    for code in Code::ALL {
        assert!(word(code).bytes().all(|b| b.is_ascii_uppercase() || b == b'_'));
    }
}

// Planted fault: resumes under way are not counted: forty pipelined ones are all taken.
#[test]
fn resumes_are_bounded_as_messages_are() {
    let mut client = Client::new(true, true);
    for n in 0..40 {
        client.says(&json!({"type": "resume", "run_id": format!("r{n}"), "after": 0}).to_string());
    }
    assert_eq!(client.commands().len(), 9);
    assert_eq!(client.codes(), ["QUEUE_FULL"; 31]);
}

#[test]
fn a_message_without_a_session_has_the_connections_or_its_ids() {
    let mut client = Client::new(true, true);
    let mut session_of = |frame: &str| match &client.says(frame).commands()[..] {
        [Command::Start { ask, .. }] => ask.session.clone(),
        other => panic!("{other:?}"),
    };
    assert_eq!(session_of(r#"{"type":"message","message":"hi"}"#), Some(session("made")));
    assert_eq!(session_of(r#"{"type":"message","message":"hi","session_id":""}"#), Some(session("made")));
    assert_eq!(session_of(r#"{"type":"message","message":"hi","session_id":"s"}"#), Some(session("s")));
    assert_eq!(session_of(r#"{"type":"message","message":"hi","message_id":"m"}"#), None);
}

// Planted fault: `customer_id` left out.
#[test]
fn a_message_may_say_for_whom_it_is() {
    let mut client = Client::new(true, true);
    client.says(
        r#"{"type":"message","message":"hi","session_id":null,"customer_id":"c-1","vehicle_id":"v-1"}"#,
    );
    let commands = client.commands();
    let [Command::Start { ask, .. }] = &commands[..] else { panic!("{commands:?}") };
    assert_eq!((ask.customer_id.as_deref(), ask.vehicle_id.as_deref()), (Some("c-1"), Some("v-1")));
    assert_eq!(ask.session, Some(session("made")), "as the seed's client says that it has none");
}

// Planted fault: paired by order. The refusal was then told of `first`, which was given up.
#[test]
fn a_refusal_that_overtakes_is_told_of_its_own_message() {
    let mut client = Client::new(true, true);
    client.says(r#"{"type":"message","message":"a","message_id":"first"}"#);
    client.says(r#"{"type":"message","message":"b","message_id":"second"}"#).commands();
    let slow = Error::new(Code::RateLimited, "wait");
    client.told(Reply::Started { tag: None, mark: 1, started: Err(slow) });
    let frames = client.frames();
    assert!(frames[0].contains(r#""message_id":"second""#), "{frames:?}");
    client.started("r");
    assert!(matches!(&client.commands()[..], [Command::Follow { asked: false, .. }]));
}

// Planted fault: resumes never counted down. The tenth was then refused, and every message after it.
#[test]
fn resumes_that_were_answered_take_no_room() {
    let mut client = Client::new(true, true);
    for _ in 0..3 * limit::QUEUED_TURNS {
        client.says(r#"{"type":"resume","run_id":"r"}"#);
        let commands = client.commands();
        assert!(matches!(&commands[..], [Command::Follow { asked: true, .. }]), "{commands:?}");
        client.resumed(Target::Run(run("r")), "r", 0);
        client.sees("r", &turn(&["a"], Outcome::Completed));
        client.frames();
    }
    client.says(r#"{"type":"resume","run_id":"gone"}"#).commands();
    let reply =
        |target| Reply::Following { tag: Some(RESUME.into()), target, run: Err(Error::not_found("Run")) };
    client.told(reply(Target::Run(run("gone"))));
    assert_eq!(client.codes(), ["NOT_FOUND"]);
    assert_eq!(client.chat.waits(), 0);
}
