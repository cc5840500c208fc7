//! The words for a request that nobody answered.

use std::time::Duration;

use headwater_core::limit;
use headwater_core::port::provider::{ProviderError, ProviderErrorKind};

use super::plan::Tried;

/// One failure for all of them. `name` says which provider a link is.
pub(super) fn failure(
    alias: &str,
    links: usize,
    tried: &[Tried],
    name: impl Fn(usize) -> String,
) -> ProviderError {
    let errors: Vec<&ProviderError> = tried.iter().filter_map(|t| t.error.as_ref()).collect();
    let message = match (links, tried) {
        // Whose failure it is says who passes it on, as for a provider without a chain.
        (1, [Tried { times, error: Some(error), .. }]) => format!("{}{}", error.message, asked(*times)),
        (_, []) => format!("no model of `{alias}` can be offered tools"),
        _ => {
            let room = limit::CHAIN_FAILURE_BYTES / tried.len().max(1);
            let parts: Vec<String> = tried
                .iter()
                .map(|t| match &t.error {
                    Some(error) => {
                        format!("{}: {}{}", name(t.link), cut(&error.message, room), asked(t.times))
                    }
                    None => format!("{}: left alone, it kept failing", name(t.link)),
                })
                .collect();
            format!("no model of `{alias}` answered ({})", parts.join("; "))
        }
    };
    let retry_after = errors.iter().filter_map(|e| e.retry_after).min();
    let retry_after = retry_after.map(|wait: Duration| wait.min(limit::RETRY_AFTER_TOLD));
    ProviderError { kind: kind(&errors), message, retry_after }
}

/// The kind that helps most. Where one is only busy, coming back later helps, whatever the others say; where
/// one failed in passing, trying again may; only where all refused, nothing does.
fn kind(errors: &[&ProviderError]) -> ProviderErrorKind {
    use ProviderErrorKind as Kind;
    let kinds = || errors.iter().rev().map(|e| e.kind);
    kinds()
        .find(|k| *k == Kind::Busy)
        .or_else(|| kinds().find(|k| !matches!(k, Kind::KeyMissing | Kind::Refused)))
        // That a key is missing says what is to be done only where nobody else could be asked.
        .or_else(|| kinds().find(|k| *k != Kind::KeyMissing))
        .or_else(|| kinds().next())
        .unwrap_or(Kind::Refused)
}

fn asked(times: u32) -> String {
    if times > 1 { format!(" (asked {times} times)") } else { String::new() }
}

fn cut(words: &str, room: usize) -> String {
    if words.len() <= room {
        return words.to_owned();
    }
    format!("{}…", &words[..words.floor_char_boundary(room)])
}

#[cfg(test)]
mod tests {
    use super::*;
    use ProviderErrorKind::*;

    fn tried(of: &[(u32, Option<ProviderErrorKind>)]) -> Vec<Tried> {
        let one = |(link, (times, kind)): (usize, &(u32, Option<ProviderErrorKind>))| Tried {
            link,
            times: *times,
            error: kind.map(|k| ProviderError::new(k, format!("{k:?}"))),
        };
        of.iter().enumerate().map(one).collect()
    }

    fn told(tried: &[Tried]) -> ProviderError {
        failure("smart", tried.len(), tried, |link| format!("p{link}"))
    }

    #[test]
    fn the_words_tell_of_each_link_and_are_bounded() {
        let error = told(&tried(&[(3, Some(Failed)), (0, None), (1, Some(Refused))]));
        assert_eq!(
            error.message,
            "no model of `smart` answered (p0: Failed (asked 3 times); p1: left alone, it kept failing; p2: Refused)"
        );
        assert_eq!(told(&tried(&[(3, Some(Busy))])).message, "Busy (asked 3 times)");
        let mut long = tried(&[(1, Some(Failed)); limit::CHAIN_LINKS]);
        long.iter_mut().for_each(|t| t.error.as_mut().unwrap().message = "é".repeat(9_000));
        let error = told(&long);
        assert!(error.message.len() < limit::CHAIN_FAILURE_BYTES + 200, "{}", error.message.len());
    }

    #[test]
    fn the_kind_is_the_one_that_helps_most_and_the_wait_the_shortest() {
        for (kinds, helps) in [
            (&[Busy, Refused, Failed][..], Busy),
            (&[Refused, Timeout, Unavailable], Unavailable),
            (&[Timeout, Refused], Timeout),
            (&[Refused, Refused], Refused),
            (&[KeyMissing, Timeout], Timeout),
            (&[KeyMissing, Refused], Refused),
            (&[KeyMissing, KeyMissing], KeyMissing),
        ] {
            let all: Vec<_> = kinds.iter().map(|k| (1, Some(*k))).collect();
            assert_eq!(told(&tried(&all)).kind, helps);
        }
        let mut two = tried(&[(1, Some(Busy)), (1, Some(Busy))]);
        for (t, wait) in two.iter_mut().zip([90, 30]) {
            t.error.as_mut().unwrap().retry_after = Some(Duration::from_secs(wait));
        }
        assert_eq!(told(&two).retry_after, Some(Duration::from_secs(30)));
    }
}
