//! Names of things. An id is checked once, where it comes in, and believed afterwards.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::limit;

/// Why a text is no id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IdError {
    /// It is empty.
    Empty,
    /// It is longer than [`limit::ID_BYTES`].
    TooLong,
    /// It has a control character, or (for a [`RunId`]) anything but letters, digits, `_` and `-`.
    Character,
}

impl fmt::Display for IdError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("an id may not be empty"),
            Self::TooLong => write!(f, "an id may have at most {} bytes", limit::ID_BYTES),
            Self::Character => f.write_str("an id has a character that is not allowed in it"),
        }
    }
}

impl std::error::Error for IdError {}

fn check(text: &str, allowed: fn(char) -> bool) -> Result<(), IdError> {
    if text.is_empty() {
        return Err(IdError::Empty);
    }
    if text.len() > limit::ID_BYTES {
        return Err(IdError::TooLong);
    }
    if text.chars().all(allowed) { Ok(()) } else { Err(IdError::Character) }
}

fn printable(c: char) -> bool {
    !c.is_control()
}

fn url_safe(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_' || c == '-'
}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $allowed:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(Arc<str>);

        impl $name {
            /// Checks a text that came from outside.
            ///
            /// # Errors
            /// [`IdError`] says which rule it breaks.
            pub fn parse(text: &str) -> Result<Self, IdError> {
                check(text, $allowed).map(|()| Self(text.into()))
            }

            /// The text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl TryFrom<String> for $name {
            type Error = IdError;
            fn try_from(text: String) -> Result<Self, IdError> {
                Self::parse(&text)
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> Self {
                id.0.as_ref().to_owned()
            }
        }

        impl schemars::JsonSchema for $name {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($name).into()
            }
            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                schemars::json_schema!({ "type": "string", "minLength": 1, "maxLength": limit::ID_BYTES })
            }
        }
    };
}

id!(
    /// Names a run; made by the engine, unguessable, safe in a URL.
    RunId,
    url_safe
);
id!(
    /// Names a session; the client's own word or made by the engine. Unique for one owner only.
    SessionId,
    printable
);
id!(
    /// Names a user: the `sub` of a token.
    UserId,
    printable
);
id!(
    /// A client's own name for a turn: its idempotency key, unique within one owner's session.
    MessageId,
    printable
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_bounded_and_printable() {
        assert!(SessionId::parse("python-session-1").is_ok());
        assert!(SessionId::parse("Größe 車").is_ok());
        assert_eq!(SessionId::parse(""), Err(IdError::Empty));
        assert_eq!(SessionId::parse("a\nb"), Err(IdError::Character));
        assert_eq!(SessionId::parse(&"x".repeat(limit::ID_BYTES + 1)), Err(IdError::TooLong));
        assert_eq!(RunId::parse("../etc"), Err(IdError::Character));
        assert!(serde_json::from_str::<RunId>("\"a b\"").is_err());
    }
}
