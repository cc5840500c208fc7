//! Whose tokens are good: the settings about them, and what becomes of them.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use headwater_core::port::SharedStore;
use headwater_engine::Clock;
use headwater_server::auth::keys::Outside;
use headwater_server::auth::secret::{BEFORE, Secret};
use headwater_server::auth::{Auth, Rules};

use crate::Failure;
use crate::logs::say;

/// What is used of the settings about signing in.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct SignIn {
    /// Whether somebody without an account may chat.
    pub guests: bool,
    /// Tokens that somebody else makes: `iss`, `aud`, the files of the keys.
    pub outside: Option<(String, String, Vec<PathBuf>)>,
}

impl SignIn {
    /// Reads them; `one` gives value and place of a setting.
    pub(crate) fn of(one: impl Fn(&str) -> (String, String), problems: &mut Vec<String>) -> Self {
        let (word, from) = one("anonymous_chat");
        let guests = match word.as_str() {
            "on" => true,
            "off" => false,
            _ => {
                problems.push(format!("{from}: must be on or off, not `{word}`"));
                false
            }
        };
        let [issuer, audience, keys] = ["jwt_issuer", "jwt_audience", "jwt_keys"].map(&one);
        let files: Vec<PathBuf> =
            keys.0.split(',').map(str::trim).filter(|f| !f.is_empty()).map(PathBuf::from).collect();
        let missing: Vec<&str> = [
            ("jwt_issuer", issuer.0.is_empty()),
            ("jwt_audience", audience.0.is_empty()),
            ("jwt_keys", files.is_empty()),
        ]
        .into_iter()
        .filter_map(|(name, missing)| missing.then_some(name))
        .collect();
        let outside = match missing.len() {
            3 => None,
            0 => Some((issuer.0, audience.0, files)),
            _ => {
                problems.push(format!(
                    "jwt_issuer, jwt_audience and jwt_keys belong together: there is no {}",
                    missing.join(", no ")
                ));
                None
            }
        };
        if outside.as_ref().is_some_and(|(issuer, ..)| issuer == headwater_server::auth::token::ISSUER) {
            problems.push(format!(
                "{}: that is this server's own name; tokens of another have another",
                issuer.1
            ));
        }
        Self { guests, outside }
    }
}

/// Everything that signs people in, with the sign-outs of before.
pub(crate) async fn open(
    settings: &SignIn,
    data: &Path,
    secret: &Secret,
    store: SharedStore,
) -> Result<Arc<Auth>, Failure> {
    let before = Secret::load_before(data).map_err(Failure::of)?;
    if before.is_some() {
        say(&format!("tokens of the key before this one are good too; to end that, remove {BEFORE}"));
    }
    let outside = match &settings.outside {
        Some((issuer, audience, files)) => {
            let outside = Outside::load(issuer, audience, files).map_err(Failure::Usage)?;
            say(&format!("tokens of {issuer} are good here: whoever makes them can sign in as anybody"));
            Some(outside)
        }
        None => None,
    };
    if settings.guests {
        say("anonymous chat is ON: anybody who reaches this server can ask its model, without an account");
    }
    let rules = Rules { before, outside, guests: settings.guests };
    let auth = Auth::with_rules(secret, store, Clock::default(), rules);
    auth.load().await.map_err(Failure::of)?;
    Ok(Arc::new(auth))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(values: &[(&str, &str)]) -> (SignIn, Vec<String>) {
        let mut problems = Vec::new();
        let one = |name: &str| {
            let default = if name == "anonymous_chat" { "off" } else { "" };
            let value = values.iter().find(|(n, _)| *n == name).map_or(default, |(_, v)| v);
            (value.to_owned(), name.to_owned())
        };
        (SignIn::of(one, &mut problems), problems)
    }

    #[test]
    fn an_issuer_is_named_whole_or_not_at_all() {
        assert_eq!(read(&[]), (SignIn::default(), Vec::new()));
        let all = [("jwt_issuer", "shop"), ("jwt_audience", "chat"), ("jwt_keys", "now.pem, before.pem")];
        let files = vec!["now.pem".into(), "before.pem".into()];
        assert_eq!(read(&all).0.outside, Some(("shop".into(), "chat".into(), files)));
        for n in 0..3 {
            let (used, problems) = read(&all[n..=n]);
            assert_eq!((used.outside, problems.len()), (None, 1));
        }
        let own = [("jwt_issuer", "headwater"), all[1], all[2], ("anonymous_chat", "yes")];
        assert_eq!(read(&own).1.len(), 2);
        assert!(read(&[("anonymous_chat", "on")]).0.guests);
    }
}
