//! The settings of a server that faces the internet: TLS, proxies, origins, and what one address and one user
//! may. Their rows stand in the table of [`crate::settings`] with the others.

use std::path::{Path, PathBuf};

use headwater_core::limit;
use headwater_core::rate::Rate;
use headwater_server::edge::Limits;
use headwater_server::edge::tls::Tls;
use headwater_server::gate::address::Told;
use headwater_server::gate::{Origins, Proxies, Rules};

use crate::settings::{Asked, note};

/// The highest number that a cap may have; far beyond a machine.
const MOST: u32 = 1_000_000;
/// How a cap says that there is none.
const OFF: &str = "off";

/// What is used; see the module.
#[derive(Debug)]
pub(crate) struct Facing {
    /// Certificate and key, read and found good.
    pub tls: Option<Tls>,
    pub rules: Rules,
    pub limits: Limits,
    /// Runs that one user may start; the engine's.
    pub starts: Option<Rate>,
    /// And lessons: as many as runs where the operator has said how many, otherwise their own default.
    pub lessons: Option<Rate>,
}

impl Facing {
    /// Reads them all; what is wrong goes to `problems`.
    pub(crate) fn read(asked: &Asked, problems: &mut Vec<String>) -> Self {
        let tls = tls(asked, problems);
        let proxies =
            Proxies { networks: list(asked, "trusted_proxies", problems), told: told(asked, problems) };
        let mut caps = Caps { asked, problems };
        let connections = caps.number("connections", false).unwrap_or(1);
        let limits = Limits { connections: size(connections), ..Limits::default() };
        let starts = caps.rate("starts_per_minute", limit::STARTS);
        let lessons = if asked.typed("starts_per_minute") { starts } else { Some(limit::LESSONS) };
        let rules = Rules {
            proxies,
            origins: Origins::default(),
            connections_per_address: caps.number("connections_per_address", true).map(size),
            connections_per_user: caps.number("connections_per_user", true).map(size),
            unauthenticated_per_address: caps.number("unauthenticated_per_address", true).map(size),
            connects: caps.rate("connects_per_second", limit::CONNECTS),
            requests: caps.rate("requests_per_second", limit::REQUESTS),
            messages: caps.rate("messages_per_minute", limit::MESSAGES),
            messages_per_address: caps.rate("messages_per_minute_per_address", limit::MESSAGES_PER_ADDRESS),
            starts_per_address: caps.rate("starts_per_minute_per_address", limit::STARTS_PER_ADDRESS),
            sign_ins: caps.rate("sign_ins_per_minute", limit::SIGN_INS),
            registrations: caps.rate("registrations_per_minute", limit::REGISTRATIONS),
        };
        let rules = Rules { origins: origins(asked, problems), ..rules };
        Self { tls, rules, limits, starts, lessons }
    }

    /// `http` or `https`.
    pub(crate) fn scheme(&self) -> &'static str {
        if self.tls.is_some() { "https" } else { "http" }
    }
}

fn size(n: u32) -> usize {
    usize::try_from(n).unwrap_or(usize::MAX)
}

/// Both or none; read here, so that a bad file is one problem among the others.
fn tls(asked: &Asked, problems: &mut Vec<String>) -> Option<Tls> {
    let file = |name| asked.some(name).map(PathBuf::from);
    match (file("tls_cert"), file("tls_key")) {
        (None, None) => None,
        (Some(cert), Some(key)) => {
            let from = asked.one("tls_cert").1;
            note(&from, Tls::load(Path::new(&cert), Path::new(&key)), problems)
        }
        (Some(_), None) => {
            problems.push("tls_cert is given and tls_key is not: both are needed".to_owned());
            None
        }
        (None, Some(_)) => {
            problems.push("tls_key is given and tls_cert is not: both are needed".to_owned());
            None
        }
    }
}

fn told(asked: &Asked, problems: &mut Vec<String>) -> Told {
    let (word, from) = asked.one("forwarded_header");
    match word.to_ascii_lowercase().as_str() {
        "x-forwarded-for" => Told::XForwardedFor,
        "forwarded" => Told::Forwarded,
        _ => {
            problems.push(format!("{from}: must be x-forwarded-for or forwarded, not `{word}`"));
            Told::default()
        }
    }
}

fn list<T: std::str::FromStr<Err = String>>(asked: &Asked, name: &str, problems: &mut Vec<String>) -> Vec<T> {
    let (values, from) = asked.all(name);
    values.iter().filter_map(|text| note(&from, text.parse(), problems)).collect()
}

fn origins(asked: &Asked, problems: &mut Vec<String>) -> Origins {
    let (values, from) = asked.all("origins");
    let (all, named): (Vec<_>, Vec<_>) = values.into_iter().partition(|text| text == "*");
    let named = named.iter().filter_map(|text| note(&from, text.parse(), problems)).collect();
    Origins { named, all: !all.is_empty() }
}

struct Caps<'a> {
    asked: &'a Asked,
    problems: &'a mut Vec<String>,
}

impl Caps<'_> {
    /// `None`: there is no cap, which is said by name; a nought would be read as "nothing may".
    fn number(&mut self, name: &str, may_be_off: bool) -> Option<u32> {
        let (text, from) = self.asked.one(name);
        if may_be_off && text == OFF {
            return None;
        }
        let read = text.parse().ok().filter(|n| (1..=MOST).contains(n)).ok_or_else(|| {
            let or_off = if may_be_off { ", or off" } else { "" };
            format!("must be a whole number from 1 to {MOST}{or_off}, not `{text}`")
        });
        note(&from, read, self.problems)
    }

    /// As many as are asked for in the time of the default, and in its proportion at once.
    fn rate(&mut self, name: &str, default: Rate) -> Option<Rate> {
        let amount = self.number(name, true)?;
        let times = default.burst / default.amount.max(1);
        Some(Rate { amount, burst: amount.saturating_mul(times.max(1)), ..default })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::default;

    fn read(values: &[(&'static str, &str)]) -> Result<Facing, Vec<String>> {
        let flags: Vec<_> = values.iter().map(|(name, value)| (*name, Some((*value).to_owned()))).collect();
        let asked = Asked::gather(None, std::iter::empty(), &flags).unwrap();
        let mut problems = Vec::new();
        let facing = Facing::read(&asked, &mut problems);
        if problems.is_empty() { Ok(facing) } else { Err(problems) }
    }

    /// Every cap of this file, with the default that `core/limit.rs` has for it.
    fn caps() -> [(&'static str, usize); 12] {
        let amount = |rate: Rate| rate.amount as usize;
        [
            ("connections", limit::CONNECTIONS),
            ("connections_per_address", limit::CONNECTIONS_PER_ADDRESS),
            ("connections_per_user", limit::CONNECTIONS_PER_USER),
            ("unauthenticated_per_address", limit::UNAUTHENTICATED_PER_ADDRESS),
            ("connects_per_second", amount(limit::CONNECTS)),
            ("requests_per_second", amount(limit::REQUESTS)),
            ("messages_per_minute", amount(limit::MESSAGES)),
            ("messages_per_minute_per_address", amount(limit::MESSAGES_PER_ADDRESS)),
            ("starts_per_minute", amount(limit::STARTS)),
            ("starts_per_minute_per_address", amount(limit::STARTS_PER_ADDRESS)),
            ("sign_ins_per_minute", amount(limit::SIGN_INS)),
            ("registrations_per_minute", amount(limit::REGISTRATIONS)),
        ]
    }

    #[test]
    fn the_defaults_are_those_of_the_limits_and_of_the_page() {
        let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/operating.md");
        let page = std::fs::read_to_string(page).unwrap();
        for (name, is) in caps() {
            assert_eq!(default(name), is.to_string(), "{name}");
            let row = format!("| `{name}` | {is} |");
            assert!(page.contains(&row), "docs/operating.md has no row that begins with {row}");
        }
        for name in ["tls_cert", "tls_key", "trusted_proxies", "forwarded_header", "origins"] {
            assert!(page.contains(&format!("`{name}")), "docs/operating.md does not speak of {name}");
        }
        let facing = read(&[]).unwrap();
        let (used, usual) = (&facing.rules, Rules::default());
        assert_eq!((facing.starts, facing.lessons), (Some(limit::STARTS), Some(limit::LESSONS)));
        let row = format!("| with `starts_per_minute` | {} |", limit::LESSONS.amount);
        assert!(page.contains(&row), "docs/operating.md has no row that begins with {row}");
        assert_eq!(
            [used.connects, used.requests, used.messages, used.messages_per_address, used.sign_ins],
            [usual.connects, usual.requests, usual.messages, usual.messages_per_address, usual.sign_ins]
        );
        assert_eq!(
            [used.starts_per_address, used.registrations],
            [usual.starts_per_address, usual.registrations]
        );
        assert!(facing.tls.is_none() && !used.origins.all && used.proxies.networks.is_empty());
        assert_eq!(facing.scheme(), "http");
    }

    #[test]
    fn off_is_a_word_and_nought_is_none() {
        let facing = read(&[
            ("connections_per_user", "off"),
            ("starts_per_minute", "off"),
            ("sign_ins_per_minute", "30"),
        ]);
        let facing = facing.unwrap();
        assert_eq!((facing.rules.connections_per_user, facing.starts, facing.lessons), (None, None, None));
        // Planted fault: lessons never fewer than their default; `starts_per_minute = 5` let through 100.
        for amount in [5, 20, 101] {
            let facing = read(&[("starts_per_minute", &amount.to_string())]).unwrap();
            assert_eq!([facing.starts, facing.lessons], [Some(Rate::per_minute(amount, amount)); 2]);
        }
        assert_eq!(facing.rules.sign_ins, Some(Rate::per_minute(30, 60)));
        for (name, value) in
            [("starts_per_minute", "0"), ("connections", "off"), ("messages_per_minute", "-1")]
        {
            assert_eq!(read(&[(name, value)]).unwrap_err().len(), 1, "{name} = {value}");
        }
    }

    #[test]
    fn lists_and_what_is_wrong_in_them() {
        let facing = read(&[
            ("trusted_proxies", "10.0.0.0/8,::1"),
            ("origins", "https://a.example, http://localhost:5173"),
            ("forwarded_header", "Forwarded"),
        ]);
        let rules = facing.unwrap().rules;
        assert_eq!((rules.proxies.networks.len(), rules.origins.named.len()), (2, 2));
        assert!(read(&[("origins", "*")]).unwrap().rules.origins.all);
        let problems = read(&[
            ("trusted_proxies", "10.0.0.0/8,proxy.local"),
            ("origins", "a.example,https://a.example/"),
            ("forwarded_header", "via"),
            ("tls_cert", "cert.pem"),
        ])
        .unwrap_err();
        assert_eq!(problems.len(), 5, "{problems:#?}");
        let problems = read(&[("tls_cert", "no.pem"), ("tls_key", "no.pem")]).unwrap_err();
        assert!(problems.len() == 1 && problems[0].contains("no.pem"), "{problems:#?}");
    }
}
