//! Who asks on this surface: by his token, or in development whoever is on this machine.

use axum::extract::{Extension, FromRequestParts};
use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;
use headwater_core::Principal;
use headwater_core::code::{Code, Error};

use super::refusal::Refused;
use crate::app::App;
use crate::auth::token::Identity;
use crate::edge::ConnInfo;
use crate::gate::address::Reached;

/// Who asks.
pub(super) struct Caller(pub(super) Principal);

impl FromRequestParts<App> for Caller {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Refused> {
        if !is_shown(&parts.headers) {
            let conn = Extension::<ConnInfo>::from_request_parts(parts, app).await.ok();
            let reached = parts.extensions.get().copied();
            if let Some(Extension(conn)) = conn
                && let Some(developer) = developer(app, &conn, reached)
            {
                return Ok(Self(developer.who));
            }
            return Err(Error::new(Code::AuthRequired, "Authentication required").into());
        }
        Ok(Self(app.auth.bearer(&parts.headers)?.who))
    }
}

/// Whether somebody shows in the headers who he is, however well.
pub(crate) fn is_shown(headers: &HeaderMap) -> bool {
    headers.contains_key(AUTHORIZATION)
}

/// The one user whom everybody is who says nothing, on this machine and where the operator allows it. What came by a
/// proxy came from anywhere.
pub(crate) fn developer(app: &App, conn: &ConnInfo, reached: Option<Reached>) -> Option<Identity> {
    let here = conn.peer.ip().to_canonical().is_loopback() && !reached.is_some_and(|reached| reached.proxied);
    (app.dialects.development && here).then(|| app.auth.developer()).flatten()
}
