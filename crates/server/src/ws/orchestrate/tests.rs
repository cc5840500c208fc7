//! Frames in, frames out: no socket, no clock, no engine.

use headwater_core::UserId;
use headwater_core::event::{Body, Failure, Outcome, TeamPlan, TeamStatus};
use headwater_core::port::provider::Usage;
use headwater_core::run::{Run, Tail};
use headwater_core::{Millis, SessionId};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

const JOB: &str = "run_1";
/// 2025-12-01T10:00:00.000Z
const NOON: i64 = 1_764_583_200_000;

struct Client {
    dialect: Orchestrate,
    out: Out,
}

fn ann() -> Principal {
    let user = UserId::parse("ann").unwrap();
    Principal { user, email: String::new(), name: String::new(), guest: false }
}

impl Client {
    fn new(asked: Asked) -> Self {
        let asked = Asked { job_id: JOB.into(), ..asked };
        Self {
            dialect: Orchestrate::new("teams".into(), asked),
            out: Out { now: Millis(NOON), ..Out::default() },
        }
    }

    /// Signed in, connected, and shown a run of this workflow after an event.
    fn following(asked: Asked, workflow: &str, after: Seq) -> Self {
        let mut client = Self::new(asked);
        client.dialect.on_open(Some(&ann()), &mut client.out);
        client.follows(workflow, after);
        client.frames();
        client.out.commands.clear();
        client
    }

    fn follows(&mut self, workflow: &str, after: Seq) {
        let run = Run {
            id: RunId::parse(JOB).unwrap(),
            owner: UserId::parse("ann").unwrap(),
            session: SessionId::parse("s").unwrap(),
            message_id: None,
            workflow: workflow.into(),
            provider: None,
            model: None,
            created_at: Millis(0),
            hidden: false,
            tail: Tail { seq: 99, term: 1, outcome: None },
        };
        let target = Target::Run(run.id.clone());
        let reply = Reply::Following { tag: None, target, run: Ok((run, after)) };
        self.dialect.on_reply(reply, &mut self.out);
    }

    fn frames(&mut self) -> Vec<Value> {
        self.out.frames.drain(..).map(|frame| serde_json::from_str(&frame).unwrap()).collect()
    }

    fn shown(&mut self, events: &[Arc<Event>]) -> Vec<Value> {
        self.dialect.on_events(&RunId::parse(JOB).unwrap(), events, &mut self.out);
        self.frames()
    }
}

fn log(bodies: Vec<Body>) -> Vec<Arc<Event>> {
    (1..).zip(bodies).map(|(seq, body)| Arc::new(Event { seq, at: Millis(NOON + 1), body })).collect()
}

fn plan(team: &str) -> TeamPlan {
    TeamPlan { team: team.into(), provider: team.into(), model: format!("{team}-1"), label: None }
}

fn started() -> Vec<Body> {
    let teams = vec![plan("anthropic"), plan("google")];
    vec![
        Body::RunStarted { session_id: SessionId::parse("s").unwrap(), workflow: "teams".into() },
        Body::JobStarted {
            brief: "a form".into(),
            framework: "react".into(),
            teams,
            workspace: None,
            style: None,
        },
    ]
}

fn changed(team: &str, status: TeamStatus) -> Body {
    Body::TeamChanged { team: team.into(), status }
}

fn thought(team: &str, text: &str) -> Body {
    let (id, text) = (format!("id-of-{text}"), text.to_owned());
    Body::Thought { id, team: Some(team.into()), step: 1, mode: None, text, confidence: None }
}

fn delta(team: &str, text: &str) -> Body {
    Body::CodeDelta { team: team.into(), text: text.into() }
}

fn code(team: &str, code: &str) -> Body {
    Body::CodeGenerated { team: team.into(), code: code.into(), tokens: 7, usage: None, draft: false }
}

fn draft(team: &str, code: &str) -> Body {
    Body::CodeGenerated { team: team.into(), code: code.into(), tokens: 3, usage: None, draft: true }
}

fn failed(team: &str) -> Body {
    Body::TeamFailed { team: team.into(), error: failure("API rate limit exceeded") }
}

fn failure(message: &str) -> Failure {
    Failure { code: "provider_busy".into(), message: message.into(), recoverable: true, retry_after: None }
}

fn ended(outcome: Outcome) -> Body {
    let usage = Some(Usage::of(3, 4));
    Body::RunEnded { outcome, finish_reason: None, error: None, usage }
}

fn kinds(frames: &[Value]) -> Vec<String> {
    let word = |frame: &Value| {
        let status = frame["data"]["status"].as_str().map_or(String::new(), |s| format!(" {s}"));
        let team = frame["team"].as_str().unwrap_or_default();
        format!("{} {team}{status}", frame["type"].as_str().unwrap())
    };
    frames.iter().map(word).collect()
}

/// The original's frames, keys and all, of a job in which one team fails.
// Planted faults: `error` before its status; code shown that another round is to better.
#[test]
fn the_transcript_of_a_job_in_which_one_team_fails() {
    let mut client = Client::new(Asked::default());
    client.dialect.on_open(Some(&ann()), &mut client.out);
    assert_eq!(
        client.out.frames,
        [r#"{"type":"connected","job_id":"run_1","timestamp":"2025-12-01T10:00:00.000Z"}"#]
    );
    assert!(matches!(&client.out.commands[..], [Command::Await { asked, .. }]
        if asked.run.as_ref().is_some_and(|run| run.as_str() == JOB) && asked.after.is_none()));
    client.out.frames.clear();
    client.follows("teams", 0);
    use TeamStatus::{Complete, Error, Generating, Pending, Thinking};
    let mut bodies = started();
    bodies.extend([
        changed("anthropic", Pending),
        changed("anthropic", Thinking),
        changed("google", Thinking),
        thought("anthropic", "Reading"),
        changed("anthropic", Generating),
        delta("anthropic", "<form"),
        delta("google", "<div"),
        changed("google", Error),
        thought("anthropic", "Writing"),
        failed("google"),
        thought("google", "Failed"),
        delta("anthropic", "/>"),
        draft("anthropic", "<form"),
        changed("anthropic", Complete),
        code("anthropic", "<form/>"),
        thought("anthropic", "Done"),
        Body::Token { text: "<form/>".into() },
        ended(Outcome::Completed),
    ]);
    client.dialect.on_events(&RunId::parse(JOB).unwrap(), &log(bodies), &mut client.out);
    let head = r#""timestamp":"2025-12-01T10:00:00.001Z","job_id":"run_1"}"#;
    let status = |team: &str, status: &str| {
        format!(r#"{{"type":"status_change","team":"{team}","data":{{"status":"{status}"}},{head}"#)
    };
    let thought = |team: &str, text: &str| {
        format!(
            r#"{{"type":"thought_added","team":"{team}","data":{{"id":"id-of-{text}","text":"{text}","timestamp":"2025-12-01T10:00:00.001Z","team":"{team}"}},{head}"#
        )
    };
    assert_eq!(
        client.out.frames,
        [
            status("anthropic", "thinking"),
            status("google", "thinking"),
            thought("anthropic", "Reading"),
            status("anthropic", "generating"),
            thought("anthropic", "Writing"),
            status("google", "error"),
            format!(
                r#"{{"type":"error","team":"google","data":{{"error":"API rate limit exceeded","status":"error"}},{head}"#
            ),
            thought("google", "Failed"),
            status("anthropic", "complete"),
            format!(
                r#"{{"type":"code_generated","team":"anthropic","data":{{"code":"<form/>","token_count":7}},{head}"#
            ),
            thought("anthropic", "Done"),
        ]
    );
}

#[test]
fn phases_and_code_as_it_streams_for_who_asks() {
    let mut bodies = started();
    let phase =
        |phase: &str, status, iteration| Body::PhaseChanged { phase: phase.into(), status, iteration };
    bodies.extend([
        phase("planner", TeamStatus::Thinking, None),
        phase("planner", TeamStatus::Complete, None),
        delta("google", "a"),
        delta("google", "b"),
        phase("refiner", TeamStatus::Generating, Some(2)),
    ]);
    let events = log(bodies);
    let asked = Asked { stream: true, numbered: true, ..Asked::default() };
    let frames = Client::following(asked, "teams", 0).shown(&events);
    let at = "2025-12-01T10:00:00.001Z";
    let phase = |seq: u64, data: Value| json!({"type": "phase_change", "team": "workflow", "data": data, "timestamp": at, "job_id": JOB, "seq": seq});
    let delta = |seq: u64, text: &str| json!({"type": "code_delta", "team": "google", "data": {"text": text, "seq": seq}, "timestamp": at, "job_id": JOB, "seq": seq});
    assert_eq!(
        frames,
        [
            phase(3, json!({"phase": "planner", "status": "thinking"})),
            phase(4, json!({"phase": "planner", "status": "complete"})),
            delta(5, "a"),
            delta(6, "b"),
            phase(7, json!({"phase": "refiner", "status": "generating", "refinement_iteration": 2})),
        ]
    );
    // Who does not ask gets neither pieces nor numbers.
    let frames = Client::following(Asked::default(), "teams", 0).shown(&events);
    assert_eq!(frames.len(), 3);
    assert!(frames.iter().all(|frame| frame.get("seq").is_none()));
}

// Planted fault: told of teams that had ended as well.
#[test]
fn what_a_cut_off_job_left_unfinished_is_told() {
    let mut bodies = started();
    bodies.extend([changed("anthropic", TeamStatus::Complete), changed("google", TeamStatus::Generating)]);
    bodies.push(ended(Outcome::Cancelled));
    let events = log(bodies);
    let frames = Client::following(Asked::default(), "teams", 0).shown(&events);
    assert_eq!(kinds(&frames[2..]), ["status_change google error", "error google error"]);
    assert_eq!(frames[3]["data"]["error"], "Job cancelled");
    // Who has seen the beginning already has the log read once more, and gets the end alone.
    let mut client = Client::following(Asked::default(), "teams", 4);
    assert!(client.shown(&events[4..]).is_empty());
    assert!(matches!(&client.out.commands[..], [Command::Follow { from: From::After(4), whole: true, .. }]));
    client.follows("teams", 4);
    assert_eq!(kinds(&client.shown(&events)), ["status_change google error", "error google error"]);
    // Interrupted without a word of its own.
    let mut bodies = started();
    bodies.push(ended(Outcome::Interrupted));
    let frames = Client::following(Asked::default(), "teams", 0).shown(&log(bodies));
    assert_eq!(frames.len(), 4);
    assert!(frames[1]["data"]["error"].as_str().unwrap().starts_with("the server stopped"));
}

fn plain(outcome: Outcome) -> Vec<Arc<Event>> {
    log(vec![
        Body::RunStarted { session_id: SessionId::parse("s").unwrap(), workflow: "generate".into() },
        Body::ModelStarted {
            provider: "p".into(),
            model: "m".into(),
            label: None,
            estimated_input_tokens: None,
            team: None,
        },
        Body::Token { text: "Hel".into() },
        Body::Token { text: "lo".into() },
        ended(outcome),
    ])
}

#[test]
fn a_run_without_teams_is_one_team_whose_code_is_the_text() {
    let asked = Asked { stream: true, ..Asked::default() };
    let frames = Client::following(asked.clone(), "generate", 0).shown(&plain(Outcome::Completed));
    assert_eq!(
        kinds(&frames),
        [
            "status_change generate generating",
            "code_delta generate",
            "code_delta generate",
            "status_change generate complete",
            "code_generated generate",
        ]
    );
    assert_eq!(frames[4]["data"], json!({"code": "Hello", "token_count": 4}));
    // Resumed in the middle it is read from its beginning, and the code is whole.
    let frames = Client::following(asked.clone(), "generate", 3).shown(&plain(Outcome::Completed));
    assert_eq!(frames[0]["data"], json!({"text": "lo", "seq": 4}));
    assert_eq!(frames[2]["data"]["code"], "Hello");
    let frames = Client::following(asked, "generate", 4).shown(&plain(Outcome::Failed));
    assert_eq!(kinds(&frames), ["status_change generate error", "error generate error"]);
}

#[test]
fn pings_of_both_kinds_and_silence_for_the_rest() {
    let mut client = Client::following(Asked::default(), "teams", 0);
    for frame in ["ping", " ping\n", r#"{"type":"ping"}"#, r#"{"type":"ping","x":1}"#] {
        client.dialect.on_frame(Frame::Text(frame), &mut client.out);
        assert_eq!(
            client.out.frames,
            [r#"{"type":"pong","timestamp":"2025-12-01T10:00:00.000Z"}"#],
            "{frame}"
        );
        client.out.frames.clear();
    }
    for frame in ["hello", "{oops", "", "[]", "\"ping\"", "{}", r#"{"type":"stop"}"#, r#"{"type":5}"#, "PING"]
    {
        client.dialect.on_frame(Frame::Text(frame), &mut client.out);
    }
    client.dialect.on_frame(Frame::Binary(b"ping"), &mut client.out);
    assert!(client.out.frames.is_empty() && client.out.commands.is_empty() && client.out.close.is_none());
}

#[test]
fn a_stranger_is_connected_and_shown_nothing_until_he_signs_in() {
    let mut client = Client::new(Asked { after: Some(3), ..Asked::default() });
    client.dialect.on_open(None, &mut client.out);
    assert_eq!(client.frames()[0]["type"], "connected");
    assert!(client.out.commands.is_empty());
    client.dialect.on_frame(Frame::Text(r#"{"type":"auth","token":"Bearer t"}"#), &mut client.out);
    assert!(matches!(&client.out.commands[..], [Command::SignIn { token, .. }] if token == "t"));
    client.out.commands.clear();
    client.dialect.on_reply(Reply::SignedIn { tag: None, who: ann(), changed: false }, &mut client.out);
    assert_eq!(client.frames()[0]["type"], "auth_success");
    assert!(matches!(&client.out.commands[..], [Command::Await { asked, .. }] if asked.after == Some(3)));
    // Again, as the same: what is shown goes on.
    client.out.commands.clear();
    client.dialect.on_reply(Reply::SignedIn { tag: None, who: ann(), changed: false }, &mut client.out);
    assert!(client.out.commands.is_empty());
    client.frames();
    for n in 1..=limit::AUTH_ATTEMPTS {
        let error = Error::new(Code::InvalidToken, "Invalid token");
        client.dialect.on_reply(Reply::NotSignedIn { tag: None, error }, &mut client.out);
        assert_eq!(client.out.close.is_some(), n == limit::AUTH_ATTEMPTS);
    }
    assert_eq!(client.frames()[0]["message"], "Invalid token");
    assert_eq!(client.out.close.unwrap().code, 4401);
}

#[test]
fn what_is_no_id_is_waited_for_like_any_other() {
    let mut client = Client::new(Asked::default());
    client.dialect.asked.job_id = "no such job/\"".into();
    client.dialect.on_open(Some(&ann()), &mut client.out);
    assert_eq!(client.frames()[0]["job_id"], "no such job/\"");
    assert!(matches!(&client.out.commands[..], [Command::Await { asked, .. }] if asked.run.is_none()));
}

proptest! {
    // Planted fault: deltas of two teams joined.
    #[test]
    fn merging_changes_frames_and_never_text_or_order(teams in prop::collection::vec(0..3u8, 0..40)) {
        let mut bodies = started();
        bodies.extend(teams.iter().enumerate().map(|(n, team)| match team {
            0 => delta("anthropic", &format!("{n} ")),
            1 => delta("google", &format!("{n} ")),
            _ => thought("google", &n.to_string()),
        }));
        let events = log(bodies);
        let asked = Asked { stream: true, numbered: true, ..Asked::default() };
        let whole = Client::following(asked.clone(), "teams", 0).shown(&events);
        let mut single = Client::following(asked, "teams", 0);
        let mut frames = Vec::new();
        for event in &events {
            frames.extend(single.shown(std::slice::from_ref(event)));
        }
        // Joined again, each frame says the same in the same order.
        let joined = |frames: &[Value]| {
            let mut all: Vec<(String, String, u64)> = Vec::new();
            for frame in frames {
                let key = format!("{} {}", frame["type"], frame["team"]);
                let text = frame["data"]["text"].as_str().unwrap().to_owned();
                let seq = frame["seq"].as_u64().unwrap();
                assert!(frame["data"].get("seq").is_none_or(|own| own == seq));
                match all.last_mut() {
                    Some((before, words, last)) if *before == key && key.contains("delta") => {
                        words.push_str(&text);
                        *last = seq;
                    }
                    _ => all.push((key, text, seq)),
                }
            }
            all
        };
        prop_assert_eq!(joined(&whole), joined(&frames));
        let deltas = teams.iter().filter(|team| **team < 2).count();
        if deltas > limit::MERGE_ABOVE {
            prop_assert_eq!(joined(&whole).len(), whole.len(), "as few as can be");
        } else {
            prop_assert_eq!(whole.len(), frames.len());
        }
    }
}
