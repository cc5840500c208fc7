//! How somebody shows who he is when he opens a WebSocket, and what is agreed on with him there.
//!
//! Of several ways the first that is there counts, alone: a ticket, a bearer among the protocols, the header
//! `Authorization: Bearer`, a token in the address. A way that is there and not good is not made up for by the
//! next one: what a client means must not hang on what else a proxy or a page has added.

use axum::http::header::{AUTHORIZATION, ORIGIN, SEC_WEBSOCKET_PROTOCOL};
use axum::http::{HeaderMap, HeaderValue};
use base64::Engine as _;
use base64::alphabet::URL_SAFE;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use headwater_core::code::Code;
use headwater_core::limit;

use super::{Asked, Handshake};
use crate::auth::Auth;
use crate::auth::token::{Identity, TOKEN_BYTES};

/// In front of a token in base64url. Any token can be sent so.
const ENCODED: &str = "base64url.bearer.";
/// In front of a token as it is: a JWT has no character that a protocol's name may not have.
const PLAIN: &str = "bearer.";

/// `=` is no character of a protocol's name, but some libraries send it.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &URL_SAFE,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// What is done with a protocol that is not known here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Others {
    /// It is agreed to: clients of the original choose freely.
    Taken,
    /// It is not.
    Left,
}

/// Who shows himself in this handshake; `None` for nobody, and for whoever shows something that is not good.
pub(super) fn shown(headers: &HeaderMap, asked: &Asked, auth: &Auth) -> Option<Identity> {
    if let Some(ticket) = asked.get("ticket") {
        return auth.redeem(ticket, headers.get(ORIGIN).map(HeaderValue::as_bytes));
    }
    if let Some(bearer) = protocols(headers).find(|p| is_bearer(p)) {
        return auth.identify(&token(bearer)?).ok();
    }
    if headers.contains_key(AUTHORIZATION) {
        match auth.bearer(headers) {
            Ok(identity) => return Some(identity),
            // Another scheme is somebody else's, of a proxy for example.
            Err(error) if error.code == Code::AuthRequired => {}
            Err(_) => return None,
        }
    }
    auth.identify(asked.get("token")?).ok()
}

/// The token that a client shows by the way that counts, whether it is good or not; `None` for a ticket too.
pub(super) fn shown_token(headers: &HeaderMap, asked: &Asked) -> Option<String> {
    if asked.get("ticket").is_some() {
        return None;
    }
    if let Some(bearer) = protocols(headers).find(|p| is_bearer(p)) {
        return token(bearer);
    }
    crate::auth::shown_bearer(headers).or_else(|| asked.get("token").map(str::to_owned))
}

/// Answers the protocols of a client: with this dialect's name; else with the first that is no token, where
/// others are taken; else, where the client named nothing but tokens, with the first of them, because a
/// browser drops a connection on which none of its protocols was agreed to.
pub(super) fn agree(shake: &mut Handshake, own: &str, others: Others) {
    let asked = &shake.protocols;
    let chosen = if asked.iter().all(|p| is_bearer(p)) {
        asked.first()
    } else if asked.iter().any(|p| p == own) || others == Others::Left {
        asked.iter().find(|p| *p == own)
    } else {
        asked.iter().find(|p| !is_bearer(p))
    };
    // A name with a character that it may not have is not agreed to.
    if let Some(protocol) = chosen.and_then(|p| HeaderValue::from_str(p).ok()) {
        shake.upgrade.speak(protocol);
    }
}

/// The protocols that a client names, in its order.
pub(super) fn protocols(headers: &HeaderMap) -> impl Iterator<Item = &str> {
    let lines = headers.get_all(SEC_WEBSOCKET_PROTOCOL).into_iter();
    let names = lines.filter_map(|line| line.to_str().ok()).flat_map(|line| line.split(','));
    names.map(str::trim).take(limit::SUBPROTOCOLS)
}

pub(super) fn is_bearer(protocol: &str) -> bool {
    protocol.starts_with(ENCODED) || protocol.starts_with(PLAIN)
}

fn token(protocol: &str) -> Option<String> {
    match protocol.strip_prefix(ENCODED) {
        // A third longer than what it stands for.
        Some(encoded) if encoded.len() <= TOKEN_BYTES / 3 * 4 + 4 => {
            String::from_utf8(BASE64.decode(encoded).ok()?).ok()
        }
        Some(_) => None,
        None => protocol.strip_prefix(PLAIN).map(str::to_owned),
    }
}
