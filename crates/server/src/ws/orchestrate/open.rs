//! How a connection of `/ws/orchestrate/{job_id}` begins: what its address says, and who its client is.

use axum::extract::Path;
use axum::extract::rejection::PathRejection;
use axum::http::HeaderMap;
use axum::http::header::USER_AGENT;
use axum::response::Response;
use headwater_core::event::Seq;

use super::{Asked, Orchestrate, SUBPROTOCOL, client};
use crate::http::orchestrate::{developer, is_shown};
use crate::ws::departures::Client;
use crate::ws::{Handshake, open_for, sign_in};

/// Opens one.
pub(in crate::ws) async fn open(
    path: Result<Path<String>, PathRejection>,
    headers: HeaderMap,
    mut shake: Handshake,
) -> Response {
    sign_in::agree(&mut shake, SUBPROTOCOL, sign_in::Others::Taken);
    let asked = &shake.asked;
    let yes = |name: &str| matches!(asked.get(name), Some("true" | "1"));
    let after = asked.get("after").and_then(|text| text.parse::<Seq>().ok());
    let asked = Asked {
        job_id: path.map(|Path(text)| text).unwrap_or_default(),
        stream: asked.get("stream").is_some_and(|what| what.split(',').any(|word| word == "code")),
        numbered: after.is_some() || yes("seq"),
        after: if yes("replay") { Some(0) } else { after },
    };
    if shake.who.is_none() && !shows_a_token(&shake, &headers) {
        shake.who = developer(&shake.app, shake.at_home);
    }
    let client = Some(known(&shake, &headers));
    let dialect = Orchestrate::new(shake.app.dialects.teams.clone(), asked);
    open_for(shake, Box::new(dialect), client)
}

/// Whoever shows a token that is not good is nobody, and not the developer.
fn shows_a_token(shake: &Handshake, headers: &HeaderMap) -> bool {
    let in_address = ["token", "ticket"].iter().any(|name| shake.asked.get(name).is_some());
    in_address || is_shown(headers) || shake.protocols.iter().any(|p| sign_in::is_bearer(p))
}

/// Who it is that may come back: a user; of the developers, who are one user, a program on an address. Whoever signs
/// in later is known then.
fn known(shake: &Handshake, headers: &HeaderMap) -> Client {
    let Some(who) = &shake.who else { return Client::from("") };
    if who.expires.is_some() {
        return client(&who.who, b"");
    }
    let agent = headers.get(USER_AGENT).map(|agent| agent.as_bytes()).unwrap_or_default();
    client(&who.who, &[shake.conn.peer.ip().to_string().as_bytes(), b" ", agent].concat())
}
