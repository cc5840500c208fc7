//! Who asks on this surface: by his token, or in development whoever is on this machine.

use axum::extract::FromRequestParts;
use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;
use headwater_core::Principal;
use headwater_core::code::{Code, Error};

use super::refusal::Refused;
use crate::app::App;
use crate::auth::development;
use crate::auth::token::Identity;

/// Who asks.
pub(super) struct Caller(pub(super) Principal);

impl FromRequestParts<App> for Caller {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Refused> {
        if !is_shown(&parts.headers) {
            if let Some(developer) = developer(app, development::is_at_home(parts, app)) {
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

/// The one user whom everybody is who says nothing; `at_home`: he is on this machine, where the operator allows it.
pub(crate) fn developer(app: &App, at_home: bool) -> Option<Identity> {
    at_home.then(|| app.auth.developer()).flatten()
}
