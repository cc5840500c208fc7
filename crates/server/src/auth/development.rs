//! Whoever says who he is, while an operator works on an application of his own on his own machine: the operator has
//! switched it on, and who asks is a program on this machine. Nobody else is believed.
//!
//! The user that comes of it is in a namespace of its own, which no account and no token can name: who may call
//! himself anything is never somebody whom another way of signing in knows.

use axum::http::header::{FORWARDED, VIA};
use axum::http::request::Parts;
use headwater_core::{Millis, Principal, UserId};

use super::Auth;
use super::token::{Identity, SignIn, TOKEN_BYTES, digest};
use crate::app::App;
use crate::edge::ConnInfo;
use crate::gate::ClientAddress;
use crate::gate::address::Reached;
use crate::gate::origin::{Verdict, near_by_name};

/// What every id of such a user begins with.
pub(super) const PREFIX: &str = "development:";

/// Whether this request comes from a program on this machine, and that is enough: the operator has said so. A proxy
/// on this machine speaks for anybody, trusted or not, a page that a stranger's name leads here speaks for him, and so does
/// a page of his that sends its requests here.
pub(crate) fn is_at_home(parts: &Parts, app: &App) -> bool {
    let headers = &parts.headers;
    let proxied = [FORWARDED.as_str(), VIA.as_str(), "x-forwarded-for", "x-forwarded-host", "x-real-ip"];
    let peer = parts.extensions.get::<ConnInfo>().is_some_and(|conn| is_loopback(conn.peer.ip()));
    let client = parts.extensions.get::<ClientAddress>().is_none_or(|address| is_loopback(address.0));
    let direct = parts.extensions.get::<Reached>().is_none_or(|reached| !reached.proxied);
    app.dialects.development
        && peer
        && client
        && direct
        && near_by_name(headers)
        && !is_a_strangers_page(parts, app)
        && !proxied.iter().any(|name| headers.contains_key(*name))
}

/// A browser on this machine sends what any page in it wants sent. `*` may read answers, and is nobody all the same.
fn is_a_strangers_page(parts: &Parts, app: &App) -> bool {
    let encrypted = parts.extensions.get::<Reached>().is_some_and(|reached| reached.encrypted);
    match app.gate.rules().origins.judge_by_name(&parts.headers, encrypted) {
        Verdict::Allowed => false,
        Verdict::Refused => true,
        // Links and pictures have no origin; a browser says where they stand.
        Verdict::None => parts
            .headers
            .get_all("sec-fetch-site")
            .iter()
            .any(|site| !matches!(site.as_bytes(), b"same-origin" | b"none")),
    }
}

fn is_loopback(address: std::net::IpAddr) -> bool {
    address.to_canonical().is_loopback()
}

/// Who this is, by a token that is nothing but his name; the name is [`Principal::name`]. `None` for a blank one, for
/// one that is too long, and for a JWT: one that is not good any more must not become somebody else.
pub(crate) fn identity(token: &str) -> Option<Identity> {
    if token.trim().is_empty() || token.len() > TOKEN_BYTES || jsonwebtoken::decode_header(token).is_ok() {
        return None;
    }
    // A digest, because a name may have what an id may not, and because ids stand in logs.
    let sign_in = SignIn(digest(&["development", token]));
    let user = UserId::parse(&format!("{PREFIX}{sign_in}")).ok()?;
    Some(Identity {
        who: Principal { user, email: String::new(), name: token.to_owned(), guest: false },
        sid: sign_in.to_string(),
        sign_in,
        issued: Millis(i64::MAX),
        expires: None,
        outside: false,
    })
}

impl Auth {
    /// The one user whom everybody is who says nothing, where a protocol's client never says anything. The same after
    /// a restart. Whoever asks for him has looked at [`is_at_home`].
    pub(crate) fn developer(&self) -> Option<Identity> {
        let user = UserId::parse(&format!("{PREFIX}everybody")).ok()?;
        let sign_in = SignIn(digest(&["development", user.as_str()]));
        let who = Principal { user, email: String::new(), name: "Developer".to_owned(), guest: true };
        let sid = sign_in.to_string();
        Some(Identity { who, sid, sign_in, issued: Millis(i64::MAX), expires: None, outside: false })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_a_user_of_its_own_and_a_jwt_is_no_name() {
        let ann = identity("ann").unwrap();
        assert_eq!((ann.who.name.as_str(), ann.expires), ("ann", None));
        assert!(ann.who.user.as_str().starts_with(PREFIX), "{}", ann.who.user);
        assert_eq!(identity("ann"), Some(ann.clone()));
        for other in ["Ann", " ann", "usér x", "a\u{0}b", &"x".repeat(TOKEN_BYTES)] {
            let other = identity(other).unwrap();
            assert_ne!(other.who.user, ann.who.user);
        }
        let jwt = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiJhbm4ifQ.c2lnbmF0dXJl";
        for nobody in ["", "  ", "\t", &"x".repeat(TOKEN_BYTES + 1), jwt] {
            assert_eq!(identity(nobody), None, "{nobody}");
        }
    }
}
