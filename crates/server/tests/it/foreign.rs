//! Eve tries what is Ann's, by its right name, in every way in which something can be named; and tries what
//! nobody has. She must get the same answer, byte for byte up to the name: what is not yours does not exist.
//!
//! To add a way, add a line to [`ROUTES`] or [`FRAMES`]; to add a kind of thing, a field of [`Things`] and its
//! `{name}` in [`Things::put`].

use headwater_core::Millis;
use headwater_core::port::desk::{Desk, Feedback, NewAppointment};
use headwater_core::port::sharing::Sharing;
use headwater_core::port::store::{NewChunk, NewDocument, Store};
use headwater_engine::StartRun;
use headwater_providers::scripted::stage::Act;
use headwater_server::app::Surface;
use headwater_server::wire;

use crate::house::{Given, House, principal};
use crate::lessons;

/// What Ann's own answer must be, so that a row cannot pass because its route does not exist.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Own {
    /// Another one than for what nobody has.
    Differs,
    /// The same: the answer says nothing about the thing, or the name is one of each user's own.
    Same,
    /// Not asked: the route may not be there yet, or answers its owner with silence.
    Open,
}
use Own::{Differs, Open, Same};

/// Method, address and body; `{run}` and the like stand for names. What ends or removes something stands last.
const ROUTES: &[(&str, &str, &str, Own)] = &[
    ("GET", "/api/runs/{run}", "", Differs),
    ("GET", "/api/runs/{run}/events", "", Differs),
    ("GET", "/api/runs/{run}/events?after=1", "", Differs),
    ("GET", "/api/runs/{run}/events?after=999", "", Differs),
    ("GET", "/api/runs/{run}/events?after={cursor}", "", Differs),
    ("GET", "/api/runs?session_id={session}", "", Differs),
    ("GET", "/api/runs?session_id={session}&owner=ann", "", Differs),
    ("GET", "/api/runs?before={run}", "", Differs),
    ("GET", "/api/v1/chat/history/{session}", "", Differs),
    ("GET", "/api/v1/chat/history/{session}?owner=ann", "", Differs),
    ("POST", "/api/v1/chat", r#"{"message":"and then?","session_id":"{session}"}"#, Differs),
    ("GET", "/tutor/api/v1/chat/history/{session}", "", Differs),
    ("GET", "/tutor/api/v1/chat/history/{session}?owner=ann", "", Differs),
    // Ann's only session with a tutor is not there before this row has made it.
    (
        "POST",
        "/tutor/api/v1/chat",
        r#"{"message":"hi","session_id":"{session}","message_id":"{message}"}"#,
        Differs,
    ),
    (
        "POST",
        "/api/runs",
        r#"{"workflow":"generate","message":"hi","session_id":"{session}","message_id":"{message}"}"#,
        Differs,
    ),
    (
        "POST",
        "/api/runs",
        r#"{"workflow":"generate","message":"another","session_id":"{session}","message_id":"{message}"}"#,
        Differs,
    ),
    (
        "POST",
        "/api/v1/documents/search",
        r#"{"query":"lantern","source":"{document}","min_score":0}"#,
        Differs,
    ),
    ("GET", "/api/v1/documents/uploads/{upload}", "", Differs),
    ("POST", "/api/v1/documents/ingest-text", r#"{"text":"Eve's own text.","source":"{document}"}"#, Same),
    ("POST", "/api/v1/feedback", r#"{"message_id":"{run}","sentiment":"negative"}"#, Same),
    ("GET", "/api/sessions/{session}/members", "", Differs),
    ("PUT", "/api/sessions/{session}/members/dan", "", Differs),
    ("GET", "/api/runs/{run}/members", "", Differs),
    ("PUT", "/api/runs/{run}/members/dan", "", Differs),
    ("DELETE", "/api/sessions/{session}/members/dan?owner=ann", "", Differs),
    ("DELETE", "/api/sessions/{session}/members/bob", "", Differs),
    ("DELETE", "/api/runs/{run}/members/dan", "", Differs),
    ("GET", "/api/shared", "", Same),
    ("DELETE", "/api/v1/appointments/{appointment}", "", Differs),
    ("DELETE", "/api/v1/documents/{document}", "", Differs),
    ("GET", "/api/orchestrate/status/{run}", "", Differs),
    ("GET", "/api/orchestrate/job/{run}", "", Differs),
    ("POST", "/api/orchestrate/generate/{run}", "", Differs),
    ("POST", "/api/runs/{run}/stop", "", Differs),
    ("DELETE", "/api/orchestrate/job/{run}", "", Differs),
];

/// Route and frame. The first frame that comes back is compared.
const FRAMES: &[(&str, &str, Own)] = &[
    ("/ws", r#"{"type":"follow","run_id":"{run}"}"#, Differs),
    ("/ws", r#"{"type":"follow","run_id":"{run}","after":1}"#, Differs),
    ("/ws", r#"{"type":"follow","run_id":"{run}","after":999}"#, Differs),
    ("/ws", r#"{"type":"follow","run_id":"{run}","cursor":"{cursor}"}"#, Differs),
    ("/ws", r#"{"type":"unfollow","run_id":"{run}"}"#, Same),
    ("/ws", r#"{"type":"list","session_id":"{session}"}"#, Differs),
    ("/ws", r#"{"type":"list","session_id":"{session}","owner":"ann"}"#, Differs),
    ("/ws", r#"{"type":"list","before":"{run}"}"#, Differs),
    (
        "/ws",
        r#"{"type":"start","run":{"workflow":"generate","message":"hi","session_id":"{session}","message_id":"{message}"}}"#,
        Differs,
    ),
    ("/ws/ai/stream", r#"{"action":"resume","run_id":"{run}"}"#, Differs),
    ("/ws/ai/stream", r#"{"action":"resume","run_id":"{run}","after":1}"#, Differs),
    ("/ws/ai/stream", r#"{"action":"resume","run_id":"{run}","after":999}"#, Differs),
    ("/ws/chat", r#"{"type":"resume","run_id":"{run}","after":1}"#, Differs),
    ("/ws/chat", r#"{"type":"resume","session_id":"{session}"}"#, Differs),
    ("/ws/chat", r#"{"type":"resume","run_id":"{run}","after":999}"#, Differs),
    (
        "/ws/chat",
        r#"{"type":"message","message":"hi","session_id":"{session}","message_id":"{message}"}"#,
        Differs,
    ),
    // The first frame is `connected` for everybody; what follows: `orchestrate/returns.rs`.
    ("/ws/orchestrate/{run}", "ping", Same),
    ("/ws", r#"{"type":"stop","run_id":"{run}"}"#, Differs),
    // Done for Ann without a word.
    ("/ws/chat", r#"{"type":"stop","run_id":"{run}"}"#, Open),
    (
        "/api/ws",
        r#"{"type":"chat_stream","data":{"message_id":"{message}","session_id":"{session}","message":"hi"}}"#,
        Differs,
    ),
    ("/api/ws", r#"{"type":"stop_generation","data":{"message_id":"{run}"}}"#, Differs),
    ("/api/ws", r#"{"type":"stop_generation","data":{"message_id":"{message}"}}"#, Differs),
    // Over by now, which is answered like nothing.
    (
        "/api/ws",
        r#"{"type":"stop_generation","data":{"message_id":"{message}","session_id":"{session}"}}"#,
        Open,
    ),
    // A session is entered under its name, and what is said in one's own has no answer; that Ann hears nothing of it is
    // asked behind all rows.
    ("/api/ws", r#"{"type":"join_session","data":{"session_id":"{session}"}}"#, Open),
    ("/api/ws", r#"{"type":"join_session","data":{"session_id":"{session}","owner":"ann"}}"#, Open),
    (
        "/api/ws",
        r#"{"type":"user_typing","data":{"session_id":"{session}","owner":"ann","isTyping":true}}"#,
        Open,
    ),
    (
        "/api/ws",
        r#"{"type":"chat_stream","data":{"message_id":"x","session_id":"{session}","owner":"ann","message":"hi"}}"#,
        Open,
    ),
    ("/api/ws", r#"{"type":"leave_session","data":{"session_id":"{session}"}}"#, Open),
    ("/api/ws", r#"{"type":"user_typing","data":{"session_id":"{session}","isTyping":true}}"#, Open),
    ("/api/ws", r#"{"type":"message_sent","data":{"sessionId":"{session}","userId":"ann"}}"#, Open),
    ("/api/ws", r#"{"type":"get_health","data":{}}"#, Open),
];

/// The names of somebody's things.
struct Things {
    run: String,
    session: String,
    message: String,
    cursor: String,
    document: String,
    appointment: String,
    upload: String,
}

impl Things {
    /// Names that nobody has, of the same form.
    fn nobodys() -> Self {
        let run = "run_00000000-0000-4000-8000-000000000000".to_owned();
        Self {
            cursor: wire::cursor(&headwater_core::RunId::parse(&run).unwrap(), 1),
            run,
            session: "nobodys-session".into(),
            message: "nobodys-message".into(),
            document: "nobodys.md".into(),
            appointment: "APT-20990101000000".into(),
            upload: "00000000-0000-4000-8000-000000000000".into(),
        }
    }

    fn names(&self) -> [(&'static str, &str); 7] {
        [
            ("{run}", &self.run),
            ("{session}", &self.session),
            ("{message}", &self.message),
            ("{cursor}", &self.cursor),
            ("{document}", &self.document),
            ("{appointment}", &self.appointment),
            ("{upload}", &self.upload),
        ]
    }

    fn put(&self, template: &str) -> String {
        self.names().iter().fold(template.to_owned(), |text, (slot, name)| text.replace(slot, name))
    }

    /// The reverse, and what is new in every answer taken out.
    fn mask(&self, answer: &str) -> String {
        let text = self.names().iter().fold(answer.to_owned(), |text, (slot, name)| text.replace(name, slot));
        let text =
            ["\"timestamp\":\"", "\"response_time_ms\":"].iter().fold(text, |text, key| timeless(&text, key));
        // Words of their own: ids that were made just now, and times.
        let split = |c: char| !(c.is_ascii_alphanumeric() || c == '_' || c == '-');
        let fresh = |word: &str| {
            let id = ["run_", "ses_"].iter().any(|kind| word.starts_with(kind) && word.len() == 40);
            let asked = word.starts_with("ESC-") && word.len() == 20;
            let uuid = word.len() == 36 && word.bytes().filter(|b| *b == b'-').count() == 4;
            id || asked || uuid || word.len() == 13 && word.bytes().all(|b| b.is_ascii_digit())
        };
        text.split_inclusive(split)
            .map(|word| {
                let bare = word.trim_end_matches(split);
                if fresh(bare) { word.replace(bare, "(fresh)") } else { word.to_owned() }
            })
            .collect()
    }
}

/// Without the values of this key.
fn timeless(text: &str, key: &str) -> String {
    let mut pieces = text.split(key);
    let first = pieces.next().unwrap_or_default().to_owned();
    pieces.fold(first, |text, piece| {
        let rest = piece.find(['"', ',', '}']).map_or("", |end| &piece[end..]);
        text + key + "(time)" + rest
    })
}

/// Everything of Ann's; her newest run streams.
async fn anns(house: &mut House) -> (Things, Act) {
    let ann = principal("ann");
    let ask = |message: &str| StartRun {
        workflow: "assist".into(),
        message: "What is the engine power?".into(),
        session: Some(headwater_core::SessionId::parse("anns-session").unwrap()),
        message_id: Some(headwater_core::MessageId::parse(message).unwrap()),
        ..StartRun::default()
    };
    let started = house.engine.start(&ann, ask("anns-older")).await.unwrap();
    let mut act = house.cues.next().await;
    act.say("the secret").await;
    act.end().await;
    let mut follow =
        house.engine.follow(&ann, &started.run, &headwater_engine::engine::From::After(0)).await.unwrap();
    while !matches!(follow.next().await.unwrap(), headwater_engine::Followed::End) {}
    let run = house.engine.start(&ann, ask("anns-message")).await.unwrap().run;
    let mut act = house.cues.next().await;
    act.say("the secret").await;
    let document = NewDocument {
        id: "anns-id".into(),
        owner: Some(ann.user.clone()),
        source: "anns.md".into(),
        document_type: "manual".into(),
        digest: "d".into(),
        metadata: "{}".into(),
        embedder: String::new(),
        chunks: vec![NewChunk { heading: String::new(), content: "the secret lantern".into(), vector: None }],
        at: Millis(1),
    };
    house.store.put_document(document).await.unwrap();
    let appointment = NewAppointment {
        id: "APT-20300101100000".into(),
        owner: ann.user.clone(),
        slot: "2030-01-01T10:00".into(),
        service: "oil_change".into(),
        vehicle: Some("the secret".into()),
        notes: String::new(),
        run: run.clone(),
        at: Millis(1),
    };
    house.store.book(appointment, 9).await.unwrap().unwrap();
    let things = Things {
        cursor: wire::cursor(&run, 1),
        run: run.as_str().to_owned(),
        session: "anns-session".into(),
        message: "anns-message".into(),
        document: "anns.md".into(),
        appointment: "APT-20300101100000".into(),
        upload: upload(house).await,
    };
    // Bob sees it; Eve is a third.
    house.engine.share(&ann, &started.session, &principal("bob").user).await.unwrap();
    let opinion = Feedback {
        owner: ann.user.clone(),
        message_id: things.run.clone(),
        positive: true,
        comment: Some("the secret".into()),
        at: Millis(1),
    };
    house.store.give_feedback(opinion).await.unwrap();
    (things, act)
}

/// A file of Ann's, and the name of its upload.
async fn upload(house: &House) -> String {
    let body = "--b\r\ncontent-disposition: form-data; name=\"file\"; filename=\"hers.txt\"\r\n\r\nthe secret\r\n--b--\r\n";
    let request = house.http("POST", "/api/v1/documents/upload").body(body);
    let answer = request.header("content-type", "multipart/form-data; boundary=b").send().await.unwrap();
    let made: serde_json::Value = answer.json().await.unwrap();
    made["document_id"].as_str().unwrap().to_owned()
}

/// Status, headers and body, as `user` gets them. A model that is asked meanwhile says how much it was told:
/// an answer shows whether somebody else's conversation was in its prompt.
async fn ask(house: &mut House, user: &str, row: &(&str, &str, &str, Own), things: &Things) -> String {
    let (method, path, body, _) = row;
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let url = format!("http://{}{}", house.address, things.put(path));
    let mut request = client.request(method.parse().unwrap(), url).bearer_auth(house.token(user));
    if !body.is_empty() {
        request = request.header("content-type", "application/json").body(things.put(body));
    }
    let answered = async {
        let mut answer = request.send().await.unwrap();
        let mut headers: Vec<String> = answer
            .headers()
            .iter()
            .filter(|(name, _)| {
                !matches!(name.as_str(), "x-request-id" | "x-response-time" | "date" | "content-length")
            })
            .map(|(name, value)| format!("{name}: {value:?}"))
            .collect();
        headers.sort();
        let status = answer.status();
        // Of a live run's stream the beginning is enough.
        let stream = headers.iter().any(|h| h.contains("event-stream"));
        let body = match stream {
            true => answer.chunk().await.unwrap().unwrap_or_default(),
            false => answer.bytes().await.unwrap(),
        };
        format!("{status}\n{}\n\n{}", headers.join("\n"), String::from_utf8_lossy(&body))
    };
    let mut answered = std::pin::pin!(answered);
    loop {
        tokio::select! {
            answer = &mut answered => return things.mask(&answer),
            act = house.cues.next() => reply(act).await,
        }
    }
}

async fn reply(mut act: Act) {
    act.say(format!("told {} things", act.request.messages.len())).await;
    act.end().await;
}

async fn say(house: &mut House, user: &str, row: &(&str, &str, Own), things: &Things) -> String {
    let (path, frame, _) = row;
    let mut socket = house.stranger(&format!("{}?token={}", things.put(path), house.token(user))).await;
    if *path == "/api/ws" {
        socket.raw().await; // It greets.
    }
    socket.say(&things.put(frame)).await;
    if ["leave_session", "user_typing", "message_sent"].iter().any(|silent| frame.contains(silent)) {
        socket.say(r#"{"type":"ping","data":{}}"#).await;
    }
    let answer = {
        let mut answered = std::pin::pin!(socket.raw());
        loop {
            tokio::select! {
                answer = &mut answered => break answer,
                act = house.cues.next() => reply(act).await,
            }
        }
    };
    while let Some(act) = house.cues.try_next() {
        reply(act).await;
    }
    things.mask(&answer)
}

// Planted faults, each found by its rows: the owner not part of the store's question for a run; the position
// checked before the owner (409 in place of 404); the message id found in another's session; the history of
// another's session in the prompt.
#[tokio::test]
async fn what_is_anns_does_not_exist_for_eve() {
    let mut house = lessons::given(Surface::Main, Given::default()).await;
    let (anns, mut act) = anns(&mut house).await;
    let nobodys = Things::nobodys();
    let mut listening = house.socket("/api/ws").await;
    listening.say(r#"{"type":"join_session","data":{"session_id":"anns-session"}}"#).await;
    listening.until("session_joined").await;
    // Each row by somebody new, so that what one has made is not in the next one's answer.
    let (eve, mallory) = (|n: usize| format!("eve{n}"), |n: usize| format!("mallory{n}"));
    for (n, row) in ROUTES.iter().enumerate() {
        let tried = ask(&mut house, &eve(n), row, &anns).await;
        let nothing = ask(&mut house, &mallory(n), row, &nobodys).await;
        assert_eq!(tried, nothing, "{row:?}");
        assert!(!tried.contains("secret"), "{row:?}: {tried}");
    }
    for (n, row) in FRAMES.iter().enumerate() {
        let tried = say(&mut house, &eve(100 + n), row, &anns).await;
        let nothing = say(&mut house, &mallory(100 + n), row, &nobodys).await;
        assert_eq!(tried, nothing, "{row:?}");
        assert!(!tried.contains("secret"), "{row:?}: {tried}");
    }
    // Nobody came into her session, or said anything there.
    listening.say(r#"{"type":"ping","data":{}}"#).await;
    loop {
        let heard = listening.hear().await;
        assert!(heard["data"].get("user_id").is_none(), "{heard}");
        if heard["type"] == "pong" {
            break;
        }
    }
    // And nothing of hers has changed.
    assert!(act.say("more").await && !act.is_cancelled());
    let ann = principal("ann").user;
    assert_eq!(house.store.documents(Some(&ann)).await.unwrap().len(), 2);
    let booked = house.store.appointments(&ann, "2030", "2031", 9).await.unwrap();
    assert_eq!(booked[0].status, headwater_core::port::desk::AppointmentStatus::Booked);
    assert!(house.store.feedback(&ann, &anns.run).await.unwrap().unwrap().positive);
    let session = headwater_core::SessionId::parse(&anns.session).unwrap();
    assert_eq!(house.store.members(&ann, &session).await.unwrap(), [principal("bob").user]);

    // Ann herself is answered otherwise: the rows mean something.
    for (n, row) in FRAMES.iter().enumerate().filter(|(_, row)| row.2 != Open) {
        let own = say(&mut house, "ann", row, &anns).await;
        let nothing = say(&mut house, &mallory(200 + n), row, &nobodys).await;
        agrees(row.2, &own, &nothing, row);
    }
    drop(act);
    for (n, row) in ROUTES.iter().enumerate().filter(|(_, row)| row.3 != Open) {
        let own = ask(&mut house, "ann", row, &anns).await;
        let nothing = ask(&mut house, &mallory(300 + n), row, &nobodys).await;
        agrees(row.3, &own, &nothing, row);
    }
}

fn agrees(own: Own, answer: &str, nothing: &str, row: &dyn std::fmt::Debug) {
    match own {
        Differs => assert_ne!(answer, nothing, "{row:?}"),
        Same | Open => assert_eq!(answer, nothing, "{row:?}"),
    }
}
