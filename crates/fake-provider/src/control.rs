//! Scripts and records over HTTP, for tests that are not written in Rust. Behind `/_fake/`:
//!
//! ```text
//! POST script             the usual script from now on: the one of the start with these knobs over it
//! POST script?times=N     the script of the next N answers
//! GET  script             the usual script, with every knob
//! GET  calls[?bodies=no]  what was recorded
//! POST reset              as at the start
//! POST refuse?connections=N   the next N connections are closed as they are accepted
//! GET  certificate        the certificate, as PEM
//! ```

use std::sync::Arc;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::Response;
use hyper::header::{CONTENT_TYPE, HeaderValue};
use serde_json::{Value, json};

use crate::service::{Reply, Shared, json as reply};

pub(crate) fn answer(shared: &Shared, method: &str, what: &str, query: &str, body: &[u8]) -> Response<Reply> {
    let done = match (method, what) {
        ("POST", "script") => script(shared, query, body),
        ("GET", "script") => serde_json::to_value(&**shared.usual.lock()).map_err(|e| e.to_string()),
        ("GET", "calls") => calls(shared, query),
        ("POST", "reset") => {
            shared.reset();
            Ok(json!({}))
        }
        ("POST", "refuse") => number(query, "connections").and_then(|n| {
            *shared.refuse.lock() = n.ok_or("connections=N is missing in the query")?;
            Ok(json!({"connections": n}))
        }),
        ("GET", "certificate") => match &shared.certificate {
            Some(pem) => return text(pem),
            None => Err("there is no certificate without TLS".to_owned()),
        },
        _ => {
            let words = format!("{method} /_fake/{what} is none of ours; docs/testing.md lists them");
            return reply(404, &json!({"error": words}));
        }
    };
    match done {
        Ok(value) => reply(200, &value),
        Err(why) => reply(400, &json!({"error": why})),
    }
}

fn script(shared: &Shared, query: &str, body: &[u8]) -> Result<Value, String> {
    let knobs: Value = serde_json::from_slice(body).map_err(|e| format!("the body is no JSON: {e}"))?;
    let script = shared.first.with(&knobs)?;
    match number(query, "times")? {
        Some(times) => {
            let times = usize::try_from(times).unwrap_or(usize::MAX);
            let placed = shared.queue(script, times);
            placed.then(|| json!({"times": times})).ok_or_else(|| "too many scripts wait".to_owned())
        }
        None => {
            *shared.usual.lock() = Arc::new(script);
            Ok(json!({}))
        }
    }
}

fn calls(shared: &Shared, query: &str) -> Result<Value, String> {
    let now = shared.book.now();
    let mut calls = shared.book.read(Clone::clone);
    calls.now_us = now;
    if query.split('&').any(|q| q == "bodies=no") {
        for call in &mut calls.calls {
            call.body = Value::Null;
        }
    }
    serde_json::to_value(calls).map_err(|e| e.to_string())
}

fn number(query: &str, name: &str) -> Result<Option<u64>, String> {
    let found = query.split('&').find_map(|q| q.strip_prefix(name)?.strip_prefix('='));
    found.map(|n| n.parse().map_err(|_| format!("{name}={n} is no number"))).transpose()
}

fn text(words: &str) -> Response<Reply> {
    let body = Full::new(Bytes::from(words.to_owned())).map_err(|never| match never {});
    let mut response = Response::new(body.boxed_unsync());
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/x-pem-file"));
    response
}
