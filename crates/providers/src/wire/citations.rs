//! Where an answer comes from, each place once: hosts name a page again with every sentence, and some repeat
//! the whole list with every event.

use headwater_core::limit::{CITATION_BYTES, CITATIONS};
use headwater_core::port::provider::{Citation, Delta};

/// The places that one answer has named, and the passages that were quoted of them.
#[derive(Debug, Default)]
pub(crate) struct Citations(Vec<(Option<String>, Option<String>)>);

impl Citations {
    /// Says a place, unless it was said before. What comes back are the places that were not said though
    /// they were new: nameless ones, those with an endless address, and what is beyond the cap.
    pub(crate) fn cite(&mut self, citation: Citation, out: &mut Vec<Delta>) -> u64 {
        self.say(citation, false, out)
    }

    /// Says a passage, unless it was said before: for hosts that quote, where one place is named with every
    /// passage of it. What was quoted needs no place. The rest is as in [`Citations::cite`].
    pub(crate) fn quote(&mut self, citation: Citation, out: &mut Vec<Delta>) -> u64 {
        self.say(citation, true, out)
    }

    fn say(&mut self, mut citation: Citation, quoted: bool, out: &mut Vec<Delta>) -> u64 {
        for text in [&mut citation.url, &mut citation.title, &mut citation.quote] {
            text.take_if(|t| t.trim().is_empty());
        }
        for text in [&mut citation.title, &mut citation.quote].into_iter().flatten() {
            text.truncate(text.floor_char_boundary(CITATION_BYTES));
        }
        let place = citation.url.as_ref().or(citation.title.as_ref());
        let quote = citation.quote.as_ref().filter(|_| quoted);
        // Half an address is another one.
        if place.or(quote).is_none() || place.is_some_and(|p| p.len() > CITATION_BYTES) {
            return 1;
        }
        if self.0.iter().any(|(p, q)| (p.as_ref(), q.as_ref()) == (place, quote)) {
            return 0;
        }
        if self.0.len() == CITATIONS {
            return 1;
        }
        self.0.push((place.cloned(), quote.cloned()));
        out.push(Delta::Citation(citation));
        0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(url: &str) -> Citation {
        Citation { url: Some(url.into()), title: Some("T".into()), quote: None }
    }

    #[test]
    fn a_place_is_said_once_and_there_is_an_end_to_places() {
        let (mut citations, mut out) = (Citations::default(), Vec::new());
        assert_eq!(citations.cite(page("https://a"), &mut out), 0);
        assert_eq!(citations.cite(page("https://a"), &mut out), 0);
        assert_eq!(
            citations.cite(Citation { title: Some("a.pdf".into()), ..Citation::default() }, &mut out),
            0
        );
        assert_eq!(out.len(), 2);
        assert_eq!(citations.cite(Citation { url: Some(" ".into()), ..Citation::default() }, &mut out), 1);
        assert_eq!(citations.cite(page(&"x".repeat(CITATION_BYTES + 1)), &mut out), 1);
        for n in 0..CITATIONS {
            citations.cite(page(&n.to_string()), &mut out);
        }
        assert_eq!(out.len(), CITATIONS);
        let long = Citation { title: Some("ü".repeat(CITATION_BYTES)), ..page("https://b") };
        let (mut citations, mut out) = (Citations::default(), Vec::new());
        citations.cite(long, &mut out);
        let Some(Delta::Citation(cut)) = out.first() else { panic!("{out:?}") };
        assert!(cut.title.as_ref().is_some_and(|t| t.len() <= CITATION_BYTES));
    }
}
