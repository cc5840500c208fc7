//! Where the server listens and with what, and what is set of single dialects.

use std::net::SocketAddr;
use std::time::Duration;

use headwater_engine::Period;
use headwater_server::app::{Dialects, Surface};

use super::{Asked, note};

/// Where the originals of these surfaces listened.
const ORIGINAL: [(Surface, u16); 2] = [(Surface::Tutor, 8001), (Surface::Orchestrate, 8888)];
/// The most generations that can be set; far beyond anybody.
const MOST_GENERATIONS: u64 = 1_000_000_000;

/// Every listener: those that were typed, and with `compat` those of the originals beside them.
pub(super) fn read(asked: &Asked, problems: &mut Vec<String>) -> Vec<(Surface, SocketAddr)> {
    let (listen, from) = asked.all("listen");
    let mut all: Vec<_> = listen.iter().filter_map(|text| note(&from, address(text), problems)).collect();
    if asked.word("compat", &[("off", false), ("on", true)], problems) {
        // On the address of the first listener: whoever serves the outside serves it whole.
        let host = all.first().map(|(_, address)| address.ip());
        for (surface, port) in ORIGINAL {
            if let Some(host) = host
                && !all.iter().any(|(typed, _)| *typed == surface)
            {
                all.push((surface, SocketAddr::new(host, port)));
            }
        }
    }
    // What is wrong with an address is said already.
    if all.len() >= listen.len() && !all.iter().any(|(on, _)| *on == Surface::Main) {
        problems.push(format!(
            "{from}: no address serves the surface `main`, which has the pages, `/health` and what scripts wait for; name one beside these, such as `127.0.0.1:8000`"
        ));
    }
    for (n, (_, address)) in all.iter().enumerate() {
        if address.port() != 0 && all.iter().take(n).any(|(_, before)| before == address) {
            problems.push(format!("{from}: {address} is listened on twice"));
        }
    }
    all
}

/// `[SURFACE=]ADDR:PORT`; an address without one is of the main surface.
fn address(text: &str) -> Result<(Surface, SocketAddr), String> {
    let (word, address) = text.split_once('=').unwrap_or((Surface::Main.as_str(), text));
    let surface = Surface::parse(word).ok_or_else(|| {
        let known: Vec<_> = Surface::ALL.into_iter().map(Surface::as_str).collect();
        format!("there is no surface `{word}`; there are: {}", known.join(", "))
    })?;
    let parsed = address
        .parse()
        .or_else(|_| address.replacen("localhost:", "127.0.0.1:", 1).parse())
        .map_err(|_| format!("`{address}` is no address such as 127.0.0.1:8000 or [::1]:8000"))?;
    Ok((surface, parsed))
}

/// What is set of single dialects.
pub(super) fn dialects(
    asked: &Asked,
    listen: &[(Surface, SocketAddr)],
    problems: &mut Vec<String>,
) -> Dialects {
    let development = asked.word("development", &[("off", false), ("on", true)], problems);
    let outside = listen.iter().find(|(_, address)| !address.ip().is_loopback());
    if let (true, Some((_, address))) = (development, outside) {
        let from = asked.one("development").1;
        problems.push(format!(
            "{from}: whoever reaches this server could be anybody he says; that is for this machine alone, and {address} is not"
        ));
    }
    let grace = number(asked, "ai_stream_grace_seconds", 86_400, problems);
    let generations = match asked.one("generations_per_user") {
        (text, _) if text == "off" => u64::MAX,
        _ => number(asked, "generations_per_user", MOST_GENERATIONS, problems),
    };
    let generations_per = asked.word(
        "generations_per",
        &[("ever", Period::Ever), ("day", Period::Day), ("month", Period::Month)],
        problems,
    );
    Dialects {
        development,
        ai_stream_grace: Duration::from_secs(grace),
        generations,
        generations_per,
        ..Dialects::default()
    }
}

fn number(asked: &Asked, name: &str, most: u64, problems: &mut Vec<String>) -> u64 {
    let (text, from) = asked.one(name);
    let read = text.parse().ok().filter(|n| *n <= most);
    let read = read.ok_or_else(|| format!("must be a whole number from 0 to {most}, not `{text}`"));
    note(&from, read, problems).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use headwater_core::limit;

    use super::*;

    fn asked(flags: &[(&'static str, &str)]) -> Asked {
        let flags: Vec<_> = flags.iter().map(|(name, text)| (*name, Some((*text).to_owned()))).collect();
        Asked::gather(None, std::iter::empty(), &flags).unwrap()
    }

    fn at(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    #[test]
    fn every_way_to_say_an_address() {
        assert_eq!(address("main=0.0.0.0:1"), Ok((Surface::Main, at("0.0.0.0:1"))));
        assert_eq!(address("tutor=[::1]:0"), Ok((Surface::Tutor, at("[::1]:0"))));
        assert_eq!(address("localhost:80"), Ok((Surface::Main, at("127.0.0.1:80"))));
        assert!(address("8000").is_err());
        assert!(address("chat=127.0.0.1:1").unwrap_err().contains("main, tutor, orchestrate"));
    }

    #[test]
    fn compat_opens_the_originals_ports_beside_what_was_typed() {
        let read = |flags: &[(&'static str, &str)]| {
            let mut problems = Vec::new();
            let all = read(&asked(flags), &mut problems);
            assert!(problems.is_empty(), "{problems:?}");
            all
        };
        assert_eq!(read(&[]), [(Surface::Main, at("127.0.0.1:8000"))]);
        assert_eq!(
            read(&[("compat", "on")]),
            [
                (Surface::Main, at("127.0.0.1:8000")),
                (Surface::Tutor, at("127.0.0.1:8001")),
                (Surface::Orchestrate, at("127.0.0.1:8888")),
            ]
        );
        assert_eq!(
            read(&[("compat", "on"), ("listen", "0.0.0.0:80,tutor=0.0.0.0:81")]),
            [
                (Surface::Main, at("0.0.0.0:80")),
                (Surface::Tutor, at("0.0.0.0:81")),
                (Surface::Orchestrate, at("0.0.0.0:8888")),
            ]
        );
        let mut problems = Vec::new();
        super::read(&asked(&[("listen", "127.0.0.1:1,tutor=127.0.0.1:1")]), &mut problems);
        assert!(problems[0].contains("twice"), "{problems:?}");
    }

    // Planted fault: a server that serves one system alone, and never says that it listens.
    #[test]
    fn there_is_always_a_main_listener() {
        for flags in [
            &[("listen", "orchestrate=127.0.0.1:1")][..],
            &[("listen", "orchestrate=127.0.0.1:1,tutor=127.0.0.1:2"), ("compat", "on")],
        ] {
            let mut problems = Vec::new();
            super::read(&asked(flags), &mut problems);
            assert!(
                problems.len() == 1 && problems[0].contains("no address serves the surface `main`"),
                "{problems:?}"
            );
        }
        let mut problems = Vec::new();
        super::read(&asked(&[("listen", "main=nowhere,tutor=127.0.0.1:2")]), &mut problems);
        assert_eq!(problems.len(), 1, "{problems:?}");
    }

    #[test]
    fn development_is_for_this_machine_alone() {
        let check = |listen: &str| {
            let asked = asked(&[("development", "on"), ("listen", listen)]);
            let mut problems = Vec::new();
            let listen = read(&asked, &mut problems);
            (dialects(&asked, &listen, &mut problems).development, problems)
        };
        assert_eq!(check("127.0.0.1:1,tutor=[::1]:2"), (true, vec![]));
        let (_, problems) = check("127.0.0.1:1,orchestrate=0.0.0.0:2");
        assert!(problems[0].contains("this machine alone"), "{problems:?}");
    }

    #[test]
    fn the_quota_is_a_number_or_off() {
        let generations = |text: &str| {
            let asked = asked(&[("generations_per_user", text)]);
            let mut problems = Vec::new();
            let used = dialects(&asked, &[], &mut problems).generations;
            problems.is_empty().then_some(used)
        };
        assert_eq!(generations("7"), Some(7));
        assert_eq!(generations("off"), Some(u64::MAX));
        assert_eq!(generations("many"), None);
        assert_eq!(dialects(&asked(&[]), &[], &mut Vec::new()).generations, limit::GENERATIONS);
    }
}
