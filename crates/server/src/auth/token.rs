//! Access and refresh tokens: JWTs, HS256, signed with the key of this installation; and tokens that were
//! made outside.
//!
//! The library checks the signature and nothing more. The claims are judged here, with the time as an
//! argument.

use std::fmt;

use headwater_core::code::{Code, Error};
use headwater_core::{Millis, Principal, UserId, limit};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::keys::{Issuer, Key, Outside};
use super::secret::Secret;

/// Seconds that an access token lives (contract: 30 minutes).
pub const ACCESS_SECONDS: i64 = 30 * 60;
/// Seconds that a refresh token lives (contract: 7 days).
pub const REFRESH_SECONDS: i64 = 7 * 24 * 60 * 60;
/// Bytes of a token that is looked at: what fits in an `auth` frame before sign-in. Longer ones are refused
/// before anything of them is decoded.
pub const TOKEN_BYTES: usize = limit::WS_MESSAGE_BYTES_BEFORE_AUTH;

/// Who makes our tokens, and for whom.
pub const ISSUER: &str = "headwater";
/// Seconds by which another machine's clock may be ahead of ours, for `nbf` and `iat`. An expiry is exact.
const LEEWAY: f64 = 30.0;

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

    fn seconds(self) -> i64 {
        match self {
            Self::Access => ACCESS_SECONDS,
            Self::Refresh => REFRESH_SECONDS,
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

/// Which sign-in a token belongs to, as a digest of user, issuer and `sid`: nobody's sign-in can be named by
/// another's token, and its length is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SignIn(pub [u8; 16]);

impl fmt::Display for SignIn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// What a good token says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// Who.
    pub who: Principal,
    /// By which sign-in: the same for an access token, the refresh token beside it, and what comes of it.
    pub sign_in: SignIn,
    /// The sign-in as it stands in the token; of a token without `sid`, a name made of it alone.
    pub sid: String,
    /// When the token was made; the beginning of time where it does not say.
    pub issued: Millis,
    /// When it runs out; `None` for a guest of one connection, who has no token.
    pub expires: Option<Millis>,
    /// Made outside: who signs in there again may come back with the same `sid`.
    pub outside: bool,
}

/// What a pair of tokens is made of. The same gives the same pair, byte for byte.
#[derive(Debug, Clone, Copy)]
pub struct Issue<'a> {
    /// Who.
    pub who: &'a Principal,
    /// Which sign-in.
    pub sid: &'a str,
    /// When; of one sign-in always later than the pair before.
    pub at: Millis,
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
    sid: &'a str,
    /// `iat` in milliseconds: a second is too coarse to tell a token from the one that replaces it.
    at: i64,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    guest: bool,
}

/// The claims that we read. Tokens made elsewhere with our key may lack `iss`, `aud`, `jti`, `sid` and `at`; a
/// claim that is there counts. Times may have fractions, as the tutor's have; a time in quotes is none.
#[derive(Deserialize)]
struct Read {
    sub: String,
    email: Option<String>,
    name: Option<String>,
    r#type: Option<String>,
    exp: f64,
    iat: Option<f64>,
    nbf: Option<f64>,
    iss: Option<String>,
    aud: Option<Audience>,
    jti: Option<String>,
    sid: Option<String>,
    at: Option<i64>,
    #[serde(default)]
    guest: bool,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Audience {
    One(String),
    Many(Vec<String>),
}

impl Audience {
    fn has(&self, us: &str) -> bool {
        match self {
            Self::One(one) => one == us,
            Self::Many(many) => many.iter().any(|one| one == us),
        }
    }
}

impl Read {
    /// Whether it is good at this time.
    fn is_current(&self, now: Millis) -> bool {
        let now = seconds(now);
        let soon = |at: f64| at <= now + LEEWAY;
        // A token from the future would outlive the sign-out that is to end it.
        let made = self.iat.is_none_or(soon) && self.at.is_none_or(|at| soon(seconds(Millis(at))));
        // Also from when it was made: a sign-out is remembered no longer than this.
        let most = limit::TOKEN_TIME.as_secs_f64();
        let short = self.exp <= now + most && self.iat.is_none_or(|iat| self.exp <= iat + most);
        now < self.exp && short && self.nbf.is_none_or(soon) && made
    }

    /// Whether this key's owner made it for us.
    fn is_of(&self, issuer: &Issuer) -> bool {
        match issuer {
            Issuer::Own => {
                self.iss.as_ref().is_none_or(|iss| iss == ISSUER)
                    && self.aud.as_ref().is_none_or(|aud| aud.has(ISSUER))
            }
            Issuer::Outside { name, audience } => {
                self.iss.as_ref() == Some(name) && self.aud.as_ref().is_some_and(|aud| aud.has(audience))
            }
        }
    }

    fn issued(&self) -> Millis {
        #[expect(clippy::cast_possible_truncation, reason = "a time that has been compared with ours")]
        let whole = |seconds: f64| (seconds * 1000.0) as i64;
        Millis(self.at.unwrap_or_else(|| self.iat.map_or(i64::MIN, whole)))
    }
}

/// Makes and reads tokens. Printing it shows no key.
pub struct Tokens {
    sign: EncodingKey,
    /// Ours first; a token is of the first whose signature it has.
    keys: Vec<Key>,
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
        Self { sign: EncodingKey::from_secret(secret.bytes()), keys: vec![Key::own(secret)] }
    }

    /// And tokens that were made with the key before this one.
    #[must_use]
    pub fn and_before(mut self, secret: &Secret) -> Self {
        self.keys.push(Key::own(secret));
        self
    }

    /// And access tokens that somebody else makes.
    #[must_use]
    pub fn and_outside(mut self, outside: Outside) -> Self {
        self.keys.extend(outside.keys);
        self
    }

    /// An access token of a sign-in of its own, and the seconds that it lives.
    ///
    /// # Errors
    /// [`Code::Internal`] where it cannot be signed, which does not happen with a key of ours.
    pub fn access(&self, who: &Principal, now: Millis) -> Result<(String, i64), Error> {
        let sid = new_sign_in();
        Ok((self.make(Issue { who, sid: &sid, at: now }, Kind::Access)?, ACCESS_SECONDS))
    }

    /// A refresh token of a sign-in of its own, good for new tokens and nothing else.
    ///
    /// # Errors
    /// As [`Tokens::access`].
    pub fn refresh(&self, who: &Principal, now: Millis) -> Result<String, Error> {
        let sid = new_sign_in();
        self.make(Issue { who, sid: &sid, at: now }, Kind::Refresh)
    }

    /// An access and a refresh token that belong together.
    ///
    /// # Errors
    /// As [`Tokens::access`].
    pub fn pair(&self, issue: Issue<'_>) -> Result<(String, String), Error> {
        Ok((self.make(issue, Kind::Access)?, self.make(issue, Kind::Refresh)?))
    }

    /// Whose access token this is.
    ///
    /// # Errors
    /// [`Code::InvalidToken`]: "Invalid token" for one that is not ours or not any more, "Invalid access
    /// token" for one of the other kind. Never says which check failed.
    pub fn read_access(&self, token: &str, now: Millis) -> Result<Identity, Error> {
        self.read(token, Kind::Access, now)
    }

    /// Whose refresh token this is.
    ///
    /// # Errors
    /// As [`Tokens::read_access`], with "Invalid refresh token".
    pub fn read_refresh(&self, token: &str, now: Millis) -> Result<Identity, Error> {
        self.read(token, Kind::Refresh, now)
    }

    fn make(&self, issue: Issue<'_>, kind: Kind) -> Result<String, Error> {
        let Issue { who, sid, at } = issue;
        let iat = at.0.div_euclid(1000);
        let claims = Written {
            sub: who.user.as_str(),
            email: &who.email,
            name: &who.name,
            r#type: kind.as_str(),
            exp: iat.saturating_add(kind.seconds()),
            iat,
            iss: ISSUER,
            aud: ISSUER,
            jti: SignIn(digest(&["jti", sid, kind.as_str(), &at.0.to_string()])).to_string(),
            sid,
            at: at.0,
            guest: who.guest,
        };
        jsonwebtoken::encode(&Header::new(Algorithm::HS256), &claims, &self.sign)
            .map_err(|_| Error::new(Code::Internal, "a token could not be signed"))
    }

    fn read(&self, token: &str, kind: Kind, now: Millis) -> Result<Identity, Error> {
        let invalid = || Error::new(Code::InvalidToken, "Invalid token");
        if token.len() > TOKEN_BYTES {
            return Err(invalid());
        }
        let read = |key: &Key| {
            let read = jsonwebtoken::decode::<Read>(token, &key.check, &key.validation).ok()?;
            Some((read, key.issuer.clone()))
        };
        let (read, issuer) = self.keys.iter().find_map(read).ok_or_else(invalid)?;
        // What `crit` names must be understood, and we understand nothing (RFC 7515, 4.1.11).
        if read.header.crit.is_some() {
            return Err(invalid());
        }
        let claims = read.claims;
        if !(claims.is_current(now) && claims.is_of(&issuer)) {
            return Err(invalid());
        }
        let outside = issuer != Issuer::Own;
        // Others need not know our kinds; but they make no refresh tokens, and what they call otherwise is
        // no access token.
        let right = match claims.r#type.as_deref() {
            None => outside && kind == Kind::Access,
            Some(word) => word == kind.as_str() && (kind == Kind::Access || !outside),
        };
        if !right {
            return Err(Error::new(Code::InvalidToken, kind.mismatch()));
        }
        // Nobody makes a token for who may be anybody.
        if claims.sub.starts_with(super::development::PREFIX) {
            return Err(invalid());
        }
        let who = Principal {
            user: UserId::parse(&claims.sub).map_err(|_| invalid())?,
            email: claims.email.clone().unwrap_or_default(),
            name: claims.name.clone().unwrap_or_default(),
            guest: claims.guest && !outside,
        };
        let space = if outside { claims.iss.as_deref().unwrap_or_default() } else { "" };
        // What a token without `sid` and `jti` says is signed, and so its only name; its signature is not
        // one, since some algorithms have several for one text.
        let (by, name) = match (&claims.sid, &claims.jti) {
            (Some(sid), _) => ("sid", sid.as_str()),
            (None, Some(jti)) => ("jti", jti.as_str()),
            (None, None) => ("token", token.rsplit_once('.').map_or(token, |(signed, _)| signed)),
        };
        let sign_in = SignIn(digest(&["sign-in", space, who.user.as_str(), by, name]));
        #[expect(clippy::cast_possible_truncation, reason = "compared with now")]
        let expires = Some(Millis((claims.exp * 1000.0) as i64));
        Ok(Identity {
            sign_in,
            sid: claims.sid.clone().unwrap_or_else(|| sign_in.to_string()),
            issued: claims.issued(),
            expires,
            outside,
            who,
        })
    }
}

/// A fresh name for a sign-in, that nobody can guess.
#[must_use]
pub fn new_sign_in() -> String {
    uuid::Uuid::new_v4().simple().to_string()
}

/// A short name for these words; their lengths count, so that no two lists share one.
pub(super) fn digest(words: &[&str]) -> [u8; 16] {
    let mut hash = Sha256::new();
    for word in words {
        hash.update((word.len() as u64).to_le_bytes());
        hash.update(word.as_bytes());
    }
    let whole: [u8; 32] = hash.finalize().into();
    let mut short = [0; 16];
    short.copy_from_slice(&whole[..16]);
    short
}

/// Seconds since 1970 with their fraction; exact for every year that matters.
#[expect(clippy::cast_precision_loss, reason = "below 2^53, see Millis")]
fn seconds(at: Millis) -> f64 {
    at.0 as f64 / 1000.0
}

#[cfg(test)]
#[path = "token_tests.rs"]
mod tests;
