//! A run as Server-Sent Events. Written by hand: the byte form is part of the protocol, and some clients
//! break on what others ignore (`docs/protocol/native.md` says which).

use std::io;

use axum::body::{Body, Bytes};
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::http::{HeaderName, StatusCode};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use headwater_core::RunId;
use headwater_engine::engine::From as Position;
use headwater_engine::{Follow, Followed, View};
use tokio_util::sync::CancellationToken;

use super::runs::Fault;
use crate::app::App;
use crate::auth::standing::{Standing, expired};
use crate::auth::token::Identity;
use crate::wire;
use crate::ws::native::ServerFrame;

/// One comment line with one line feed. A blank line after it would make some decoders hand out an empty
/// event, because they remember the last `id:`.
const HEARTBEAT: &str = ": hb\n";

struct Reading {
    run: RunId,
    /// What was read before the answer began.
    first: Option<Followed>,
    follow: Follow,
    stopping: CancellationToken,
    standing: Standing,
    /// What was said was the last.
    over: bool,
}

/// Streams a run from a position. Where everything was read already and the run is over: 204, which tells
/// a browser's `EventSource` not to come back.
pub(super) async fn stream(
    app: &App,
    who: Identity,
    run: &RunId,
    from: &Position,
) -> Result<Response, Fault> {
    let View { run: found, after, mut follow } = app.engine.view(&who.who, run, from, false).await?;
    let anything = after < found.tail.seq;
    if found.tail.outcome.is_some() && !anything {
        return Ok(StatusCode::NO_CONTENT.into_response());
    }
    // What is there already is read before the head is sent: a log that cannot be read is answered with its
    // status and code, and not with a stream that breaks off. What is not there yet is not waited for.
    let first = if anything { Some(follow.next().await?) } else { None };
    let stopping = app.engine.tasks().stopping().clone();
    let standing = app.auth.standing(Some(who));
    let reading = Reading { run: run.clone(), first, follow, stopping, standing, over: false };
    let body = Body::from_stream(stream::unfold(reading, next));
    let headers = [
        (CONTENT_TYPE, "text/event-stream"),
        (CACHE_CONTROL, "no-cache, no-transform"),
        // Proxies of the nginx family would keep the tokens until the answer is whole.
        (HeaderName::from_static("x-accel-buffering"), "no"),
    ];
    Ok((headers, body).into_response())
}

/// The next piece of the body; the body ends with the run, or with the server: a client that comes back
/// with its last cursor loses nothing.
async fn next(mut reading: Reading) -> Option<(io::Result<Bytes>, Reading)> {
    if reading.over {
        return None;
    }
    let followed = match reading.first.take() {
        Some(first) => Ok(first),
        None => tokio::select! {
            followed = reading.follow.next() => followed,
            () = reading.stopping.cancelled() => return None,
            () = reading.standing.over() => {
                reading.over = true;
                return Some((Ok(Bytes::from(signed_out(&reading.run))), reading));
            }
        },
    };
    let text = match followed {
        Ok(Followed::Events(events)) => {
            let mut text = String::with_capacity(events.len() * 256);
            for event in &events {
                text.push_str("id: ");
                text.push_str(&wire::cursor(&reading.run, event.seq));
                text.push_str("\ndata: ");
                wire::push_event(&reading.run, event, &mut text);
                text.push_str("\n\n");
            }
            text
        }
        Ok(Followed::Heartbeat) => HEARTBEAT.to_owned(),
        Ok(Followed::End) => return None,
        Err(error) => {
            // The body breaks off, so that nobody takes it for whole; a client goes on after its last id.
            tracing::warn!(run = %reading.run, %error, "a stream breaks off");
            return Some((Err(io::Error::other(error)), reading));
        }
    };
    Some((Ok(Bytes::from(text)), reading))
}

/// The last piece for somebody who is not signed in any more: the frame that the protocol has for it over
/// `/ws`. Without a line `id:`, so that the last cursor stays what it is.
fn signed_out(run: &RunId) -> String {
    let frame = ServerFrame::Error { run_id: Some(run.clone()), error: expired().into() };
    format!("data: {}\n\n", wire::json(&frame))
}
