//! Access and refresh tokens: JWTs, HS256, signed with the key of this installation.
//!
//! The library checks the signature and nothing more: it would read the clock itself, allows 60 seconds
//! after the expiry and skips `nbf` by default. The claims are judged here, with the time as an argument.

use std::fmt;

use headwater_core::code::{Code, Error};
use headwater_core::{Millis, Principal, UserId, limit};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use serde::{Deserialize, Serialize};

use super::secret::Secret;

/// Seconds that an access token lives (contract: 30 minutes).
pub const ACCESS_SECONDS: i64 = 30 * 60;
/// Seconds that a refresh token lives (contract: 7 days).
pub const REFRESH_SECONDS: i64 = 7 * 24 * 60 * 60;
/// Bytes of a token that is looked at: what fits in an `auth` frame before sign-in. Longer ones are refused
/// before anything of them is decoded.
pub const TOKEN_BYTES: usize = limit::WS_MESSAGE_BYTES_BEFORE_AUTH;

/// Who makes our tokens, and for whom.
const ISSUER: &str = "headwater";
/// Seconds by which another machine's clock may be ahead of ours; for `nbf` only. An expiry is exact.
const NOT_BEFORE_LEEWAY: f64 = 30.0;

/// What a token may be used for. One kind never stands in for the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Access,
    Refresh,
}

impl Kind {
    fn as_str(self) -> &'static str {
        match self {
            Self::Access => "access",
            Self::Refresh => "refresh",
        }
    }

    /// The original's words for a token of the other kind.
    fn mismatch(self) -> &'static str {
        match self {
            Self::Access => "Invalid access token",
            Self::Refresh => "Invalid refresh token",
        }
    }
}

/// The claims that we write, in the original's order and then ours.
#[derive(Serialize)]
struct Written<'a> {
    sub: &'a str,
    email: &'a str,
    name: &'a str,
    r#type: &'static str,
    exp: i64,
    iat: i64,
    iss: &'static str,
    aud: &'static str,
    jti: String,
}

/// The claims that we read. Tokens made elsewhere with our key may lack `iss`, `aud` and `jti`; a claim
/// that is there counts. Times may have fractions, as the tutor's have; a time in quotes is none.
#[derive(Deserialize)]
struct Read {
    sub: String,
    email: Option<String>,
    name: Option<String>,
    r#type: Option<String>,
    exp: f64,
    #[serde(rename = "iat")]
    _iat: Option<f64>,
    nbf: Option<f64>,
    iss: Option<String>,
    aud: Option<Audience>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Audience {
    One(String),
    Many(Vec<String>),
}

impl Audience {
    fn has_us(&self) -> bool {
        match self {
            Self::One(one) => one == ISSUER,
            Self::Many(many) => many.iter().any(|one| one == ISSUER),
        }
    }
}

/// Makes and reads tokens. Printing it shows no key.
pub struct Tokens {
    sign: EncodingKey,
    check: DecodingKey,
    validation: Validation,
}

impl fmt::Debug for Tokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tokens(…)")
    }
}

impl Tokens {
    /// Tokens of this key.
    #[must_use]
    pub fn new(secret: &Secret) -> Self {
        // The one algorithm is ours and never the token's: `none` and a public key's algorithm are refused.
        let mut validation = Validation::new(Algorithm::HS256);
        validation.required_spec_claims.clear();
        validation.validate_exp = false;
        validation.validate_nbf = false;
        validation.validate_aud = false;
        Self {
            sign: EncodingKey::from_secret(secret.bytes()),
            check: DecodingKey::from_secret(secret.bytes()),
            validation,
        }
    }

    /// An access token, and the seconds that it lives.
    ///
    /// # Errors
    /// [`Code::Internal`] where it cannot be signed, which does not happen with a key of ours.
    pub fn access(&self, who: &Principal, now: Millis) -> Result<(String, i64), Error> {
        Ok((self.make(who, Kind::Access, ACCESS_SECONDS, now)?, ACCESS_SECONDS))
    }

    /// A refresh token, good for new tokens and nothing else.
    ///
    /// # Errors
    /// As [`Tokens::access`].
    pub fn refresh(&self, who: &Principal, now: Millis) -> Result<String, Error> {
        self.make(who, Kind::Refresh, REFRESH_SECONDS, now)
    }

    /// Whose access token this is.
    ///
    /// # Errors
    /// [`Code::InvalidToken`]: "Invalid token" for one that is not ours or not any more, "Invalid access
    /// token" for one of the other kind. Never says which check failed.
    pub fn read_access(&self, token: &str, now: Millis) -> Result<Principal, Error> {
        self.read(token, Kind::Access, now)
    }

    /// Whose refresh token this is.
    ///
    /// # Errors
    /// As [`Tokens::read_access`], with "Invalid refresh token".
    pub fn read_refresh(&self, token: &str, now: Millis) -> Result<Principal, Error> {
        self.read(token, Kind::Refresh, now)
    }

    fn make(&self, who: &Principal, kind: Kind, seconds: i64, now: Millis) -> Result<String, Error> {
        let iat = now.0.div_euclid(1000);
        let claims = Written {
            sub: who.user.as_str(),
            email: &who.email,
            name: &who.name,
            r#type: kind.as_str(),
            exp: iat.saturating_add(seconds),
            iat,
            iss: ISSUER,
            aud: ISSUER,
            jti: uuid::Uuid::new_v4().to_string(),
        };
        jsonwebtoken::encode(&Header::new(Algorithm::HS256), &claims, &self.sign)
            .map_err(|_| Error::new(Code::Internal, "a token could not be signed"))
    }

    fn read(&self, token: &str, kind: Kind, now: Millis) -> Result<Principal, Error> {
        let invalid = || Error::new(Code::InvalidToken, "Invalid token");
        if token.len() > TOKEN_BYTES {
            return Err(invalid());
        }
        let token =
            jsonwebtoken::decode::<Read>(token, &self.check, &self.validation).map_err(|_| invalid())?;
        // What `crit` names must be understood, and we understand nothing (RFC 7515, 4.1.11).
        if token.header.crit.is_some() {
            return Err(invalid());
        }
        let claims = token.claims;
        let now = seconds(now);
        let current = now < claims.exp && claims.nbf.is_none_or(|nbf| nbf <= now + NOT_BEFORE_LEEWAY);
        let ours = claims.iss.is_none_or(|iss| iss == ISSUER) && claims.aud.is_none_or(|aud| aud.has_us());
        if !(current && ours) {
            return Err(invalid());
        }
        if claims.r#type.as_deref() != Some(kind.as_str()) {
            return Err(Error::new(Code::InvalidToken, kind.mismatch()));
        }
        Ok(Principal {
            user: UserId::parse(&claims.sub).map_err(|_| invalid())?,
            email: claims.email.unwrap_or_default(),
            name: claims.name.unwrap_or_default(),
        })
    }
}

/// Seconds since 1970 with their fraction; exact for every year that matters.
#[expect(clippy::cast_precision_loss, reason = "below 2^53, see Millis")]
fn seconds(at: Millis) -> f64 {
    at.0 as f64 / 1000.0
}

#[cfg(test)]
#[path = "token_tests.rs"]
mod tests;
