//! Whose pages may open sockets here and read our answers: our own, and those that the operator names.
//!
//! A browser opens a WebSocket to anywhere for any page; only the `Origin` that it sends tells whose page
//! that was. Who sends none is no browser, and shows a token like everybody: there are no cookies here that
//! a foreign page could ride on.

use std::fmt;
use std::str::FromStr;

use axum::http::HeaderMap;
use axum::http::header::{HOST, ORIGIN};

/// Scheme, host and port, as browsers write them: lower case, no path, nobody's name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    scheme: String,
    host: String,
    port: Option<u16>,
}

impl FromStr for Origin {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || {
            format!(
                "`{text}` is no origin such as https://app.example.org or http://localhost:5173: lower case, without a path; other letters than ASCII as browsers send them (xn--…)"
            )
        };
        let (scheme, rest) = text.split_once("://").ok_or_else(wrong)?;
        let scheme_fits = scheme.starts_with(|c: char| c.is_ascii_lowercase())
            && scheme.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"+-.".contains(&b));
        let (host, port) = split_port(rest).ok_or_else(wrong)?;
        if !scheme_fits || !host_fits(host) {
            return Err(wrong());
        }
        let port = port.or_else(|| default_port(scheme));
        Ok(Self { scheme: scheme.to_owned(), host: host.to_owned(), port })
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", self.scheme, self.host)?;
        match self.port.filter(|port| Some(*port) != default_port(&self.scheme)) {
            Some(port) => write!(f, ":{port}"),
            None => Ok(()),
        }
    }
}

fn default_port(scheme: &str) -> Option<u16> {
    match scheme {
        "http" | "ws" => Some(80),
        "https" | "wss" => Some(443),
        _ => None,
    }
}

/// `host[:port]`, of which the host may be `[…]`.
fn split_port(text: &str) -> Option<(&str, Option<u16>)> {
    let at = match text.rfind(']') {
        Some(end) => end + 1,
        None => text.find(':').unwrap_or(text.len()),
    };
    let (host, rest) = text.split_at_checked(at)?;
    let port = match rest.strip_prefix(':') {
        None if rest.is_empty() => None,
        None => return None,
        Some(digits) => {
            // As a number is written, and not otherwise: no sign, no zero in front.
            let port: u16 = digits.parse().ok()?;
            Some((port > 0 && port.to_string() == digits).then_some(port)?)
        }
    };
    Some((host, port))
}

fn host_fits(host: &str) -> bool {
    let inside = host.strip_prefix('[').and_then(|h| h.strip_suffix(']'));
    match inside {
        Some(v6) => v6.parse::<std::net::Ipv6Addr>().is_ok(),
        None => {
            let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-._".contains(&b);
            (1..=253).contains(&host.len()) && host.bytes().all(allowed)
        }
    }
}

/// Who may.
#[derive(Debug, Clone, Default)]
pub struct Origins {
    /// Beside our own.
    pub named: Vec<Origin>,
    /// Everybody: `*` was asked for by name.
    pub all: bool,
}

/// What a request's `Origin` comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// There is none.
    None,
    /// One that may.
    Allowed,
    /// One that may not, or nothing that a browser sends.
    Refused,
}

impl Origins {
    /// Of a request that came over an encrypted connection, or not. Our own origin is that of the `Host` that
    /// was asked for: a page of ours asks the server that it came from.
    #[must_use]
    pub fn judge(&self, headers: &HeaderMap, encrypted: bool) -> Verdict {
        if self.all && headers.contains_key(ORIGIN) {
            return Verdict::Allowed;
        }
        self.judge_by_name(headers, encrypted)
    }

    /// The same, where `*` names nobody.
    #[must_use]
    pub fn judge_by_name(&self, headers: &HeaderMap, encrypted: bool) -> Verdict {
        let mut sent = headers.get_all(ORIGIN).iter();
        let (first, more) = (sent.next(), sent.next());
        let Some(first) = first else { return Verdict::None };
        if more.is_some() {
            return Verdict::Refused;
        }
        let Some(origin) = first.to_str().ok().and_then(|text| text.parse::<Origin>().ok()) else {
            return Verdict::Refused;
        };
        if self.named.contains(&origin) || ours(headers, encrypted).is_some_and(|own| own == origin) {
            Verdict::Allowed
        } else {
            Verdict::Refused
        }
    }
}

/// The origin of a page that was fetched from where this request was sent.
fn ours(headers: &HeaderMap, encrypted: bool) -> Option<Origin> {
    let mut hosts = headers.get_all(HOST).iter();
    let (Some(host), None) = (hosts.next(), hosts.next()) else { return None };
    let scheme = if encrypted { "https" } else { "http" };
    format!("{scheme}://{}", host.to_str().ok()?.to_ascii_lowercase()).parse().ok()
}

/// Whether this server was asked for by an address, as `localhost`, or by a name without a dot: names that no
/// stranger can have in the public system of names. A page of a stranger whose own name leads here for a while
/// ("rebinding") asks by that name, and is otherwise indistinguishable from somebody on this machine.
pub(crate) fn near_by_name(headers: &HeaderMap) -> bool {
    let mut hosts = headers.get_all(HOST).iter();
    let (Some(host), None) = (hosts.next(), hosts.next()) else { return false };
    let Some((host, _)) = host.to_str().ok().and_then(split_port) else { return false };
    match host.strip_prefix('[').and_then(|h| h.strip_suffix(']')) {
        Some(v6) => v6.parse::<std::net::Ipv6Addr>().is_ok(),
        None => host.parse::<std::net::Ipv4Addr>().is_ok() || !(host.is_empty() || host.contains('.')),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;

    fn judge(origins: &Origins, host: &str, sent: &[&[u8]], encrypted: bool) -> Verdict {
        let mut headers = HeaderMap::new();
        headers.insert(HOST, host.parse().unwrap());
        for origin in sent {
            headers.append(ORIGIN, HeaderValue::from_bytes(origin).unwrap());
        }
        origins.judge(&headers, encrypted)
    }

    fn named() -> Origins {
        let named = ["https://app.example.org", "http://localhost:5173", "https://xn--exmple-cua.org"];
        Origins { named: named.map(|o| o.parse().unwrap()).to_vec(), all: false }
    }

    // Planted faults: the host compared with `ends_with`, the port not compared, the scheme not compared; each
    // lets rows of this table through.
    #[test]
    fn the_table_of_tricks() {
        use Verdict::{Allowed, Refused};
        let table: &[(&str, Verdict)] = &[
            // What is named, and our own (the host is chat.example.org, over plain HTTP).
            ("https://app.example.org", Allowed),
            ("https://app.example.org:443", Allowed),
            ("http://localhost:5173", Allowed),
            ("https://xn--exmple-cua.org", Allowed),
            ("http://chat.example.org", Allowed),
            ("http://chat.example.org:80", Allowed),
            // Somebody else, or nobody.
            ("null", Refused),
            ("", Refused),
            ("*", Refused),
            ("https://evil.example", Refused),
            ("file://", Refused),
            // Scheme.
            ("http://app.example.org", Refused),
            ("https://chat.example.org", Refused),
            ("wss://app.example.org", Refused),
            // Port.
            ("https://app.example.org:8443", Refused),
            ("https://app.example.org:0443", Refused),
            ("https://app.example.org:", Refused),
            ("https://app.example.org:+443", Refused),
            ("https://app.example.org:65979", Refused),
            ("http://localhost", Refused),
            ("http://localhost:51730", Refused),
            ("http://127.0.0.1:5173", Refused),
            ("http://chat.example.org:8000", Refused),
            // Prefix and suffix.
            ("https://app.example.org.evil.example", Refused),
            ("https://evilapp.example.org", Refused),
            ("https://sub.app.example.org", Refused),
            ("https://example.org", Refused),
            ("https://app.example.or", Refused),
            ("https://appxexample.org", Refused),
            ("https://app.example.org.", Refused),
            ("https://chat.example.org.evil.example", Refused),
            // What URLs allow and origins do not.
            ("https://app.example.org/", Refused),
            ("https://app.example.org/path", Refused),
            ("https://app.example.org@evil.example", Refused),
            ("https://evil.example@app.example.org", Refused),
            ("https://evil.example#https://app.example.org", Refused),
            ("https://evil.example?https://app.example.org", Refused),
            ("https://app.example.org https://evil.example", Refused),
            ("https://app.example.org, https://evil.example", Refused),
            ("https://app.example.org%00.evil.example", Refused),
            ("https://app.example.org\t", Refused),
            // Case: browsers send lower case; who does not is none.
            ("HTTPS://app.example.org", Refused),
            ("https://APP.example.org", Refused),
            // Letters that look alike, and their encoding.
            ("https://app.ex\u{e4}mple.org", Refused),
            ("https://ex\u{e4}mple.org", Refused),
            ("https://\u{430}pp.example.org", Refused),
            ("https://xn--pp-8kc.example.org", Refused),
            ("https://app\u{3002}example.org", Refused),
            // Addresses in other clothes.
            ("http://[::1]:5173", Refused),
            ("http://2130706433:5173", Refused),
        ];
        for (origin, verdict) in table {
            assert_eq!(
                judge(&named(), "chat.example.org", &[origin.as_bytes()], false),
                *verdict,
                "{origin:?}"
            );
        }
    }

    #[test]
    fn none_several_and_everybody() {
        assert_eq!(judge(&named(), "x", &[], false), Verdict::None);
        let good: &[u8] = b"https://app.example.org";
        assert_eq!(judge(&named(), "x", &[good, good], false), Verdict::Refused);
        assert_eq!(judge(&named(), "x", &[good, b"https://evil.example"], false), Verdict::Refused);
        let all = Origins { named: vec![], all: true };
        assert_eq!(judge(&all, "x", &[b"null"], false), Verdict::Allowed);
        // Nothing is allowed by itself but our own; localhost least of all.
        let strict = Origins::default();
        for origin in ["http://localhost", "http://localhost:3000", "http://127.0.0.1"] {
            assert_eq!(judge(&strict, "127.0.0.1:8000", &[origin.as_bytes()], false), Verdict::Refused);
        }
        assert_eq!(judge(&strict, "127.0.0.1:8000", &[b"http://127.0.0.1:8000"], false), Verdict::Allowed);
        assert_eq!(
            judge(&strict, "Chat.Example.org", &[b"https://chat.example.org"], true),
            Verdict::Allowed
        );
        assert_eq!(judge(&strict, "chat.example.org", &[b"http://chat.example.org"], true), Verdict::Refused);
        assert_eq!(judge(&strict, "[::1]:8000", &[b"http://[::1]:8000"], false), Verdict::Allowed);
        assert_eq!(judge(&strict, "evil/chat", &[b"http://evil"], false), Verdict::Refused);
    }

    #[test]
    fn two_hosts_are_none_of_ours() {
        let mut headers = HeaderMap::new();
        headers.append(HOST, "a".parse().unwrap());
        headers.append(HOST, "b".parse().unwrap());
        headers.insert(ORIGIN, "http://a".parse().unwrap());
        assert_eq!(Origins::default().judge(&headers, false), Verdict::Refused);
    }

    #[test]
    fn schemes_of_apps_and_what_is_shown() {
        for same in ["https://a.b", "http://a.b:8080", "capacitor://localhost", "chrome-extension://abcdef"] {
            assert_eq!(same.parse::<Origin>().unwrap().to_string(), same);
        }
        assert_eq!("https://a.b:443".parse::<Origin>().unwrap().to_string(), "https://a.b");
        for wrong in ["a.b", "https://", "https://a.b/", "https://A.b", "://a", "null", "https://\u{e4}.org"]
        {
            assert!(wrong.parse::<Origin>().is_err(), "{wrong}");
        }
    }
}
