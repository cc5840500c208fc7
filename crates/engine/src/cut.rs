//! Cuts a text into passages. All sizes are characters; no passage is longer than its size.

use headwater_core::limit;
use unicode_segmentation::UnicodeSegmentation as _;

/// How a text is cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Strategy {
    /// Every so many characters, wherever that is.
    Fixed,
    /// On paragraphs, lines, sentences, words: the first of these that gives pieces which fit.
    Recursive,
    /// At headings, whose path is kept; what is longer than a passage as [`Strategy::Recursive`].
    Markdown,
    /// Whole sentences, as many as fit.
    Sentence,
}

impl Strategy {
    /// Every strategy.
    pub const ALL: [Self; 4] = [Self::Fixed, Self::Recursive, Self::Markdown, Self::Sentence];

    /// The strategy of a name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|s| s.as_str() == name)
    }

    /// Its name on the wire.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Fixed => "fixed",
            Self::Recursive => "recursive",
            Self::Markdown => "markdown",
            Self::Sentence => "sentence",
        }
    }
}

/// Strategy and measures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cutting {
    /// How.
    pub strategy: Strategy,
    /// The most characters of a passage.
    pub size: usize,
    /// The most characters that neighbours share; less than `size`. Sections of Markdown share none.
    pub overlap: usize,
}

impl Cutting {
    /// This strategy with the usual measures.
    #[must_use]
    pub fn usual(strategy: Strategy) -> Self {
        Self { strategy, size: limit::CHUNK_CHARS, overlap: limit::CHUNK_OVERLAP }
    }
}

/// A passage before it has a meaning.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Section {
    /// The headings above it, joined by ` > `.
    pub heading: String,
    /// The text.
    pub content: String,
}

/// There would be more passages than [`limit::DOCUMENT_CHUNKS`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TooMany;

/// Cuts a text. A text that is not blank gives at least one passage.
///
/// # Errors
/// [`TooMany`].
pub fn cut(text: &str, cutting: Cutting) -> Result<Vec<Section>, TooMany> {
    let mut out = Pieces::default();
    let unix = text.contains('\r').then(|| text.replace("\r\n", "\n"));
    let text = unix.as_deref().unwrap_or(text);
    match cutting.strategy {
        Strategy::Markdown => sections(text, cutting, &mut out)?,
        Strategy::Fixed => fixed(text, cutting, &mut out)?,
        Strategy::Recursive => recursive(text, cutting, &mut out)?,
        Strategy::Sentence => sentences(text, cutting, &mut out)?,
    }
    if out.0.is_empty() && !text.trim().is_empty() {
        // Headings and nothing under them: they are the text.
        recursive(text, cutting, &mut out)?;
    }
    Ok(out.0)
}

#[derive(Default)]
struct Pieces(Vec<Section>);

impl Pieces {
    fn push(&mut self, heading: &str, content: &str) -> Result<(), TooMany> {
        let content = content.trim();
        if content.is_empty() {
            return Ok(());
        }
        if self.0.len() == limit::DOCUMENT_CHUNKS {
            return Err(TooMany);
        }
        self.0.push(Section { heading: heading.to_owned(), content: content.to_owned() });
        Ok(())
    }
}

fn fixed(text: &str, cutting: Cutting, out: &mut Pieces) -> Result<(), TooMany> {
    let text = Chars::of(text);
    let mut from = 0;
    while from < text.len() {
        let to = (from + cutting.size).min(text.len());
        out.push("", text.slice(from, to))?;
        if to == text.len() {
            break;
        }
        from += step(cutting);
    }
    Ok(())
}

/// How far apart two passages begin that share all they may. Never zero, whatever a caller asks for.
fn step(cutting: Cutting) -> usize {
    cutting.size.saturating_sub(cutting.overlap).max(1)
}

fn recursive(text: &str, cutting: Cutting, out: &mut Pieces) -> Result<(), TooMany> {
    under("", text, cutting, out)
}

/// Cuts from the beginning, each time at the best place of a window that is one passage long. Looks at no
/// character more than a few times, whatever the text: a library that was used here before took minutes for
/// a megabyte on one line.
fn under(heading: &str, text: &str, cutting: Cutting, out: &mut Pieces) -> Result<(), TooMany> {
    let text = Chars::of(text);
    let mut from = 0;
    while from < text.len() {
        let most = (from + cutting.size).min(text.len());
        let to = if most == text.len() { most } else { text.end(from, most) };
        out.push(heading, text.slice(from, to))?;
        if to == text.len() {
            break;
        }
        from = text.begin(from + step(cutting).min(to - from), to);
    }
    Ok(())
}

/// A text whose characters can be counted off. Positions are characters.
struct Chars<'a> {
    text: &'a str,
    borders: Vec<usize>,
}

impl<'a> Chars<'a> {
    fn of(text: &'a str) -> Self {
        let text = text.trim();
        Self { text, borders: text.char_indices().map(|(at, _)| at).chain([text.len()]).collect() }
    }

    fn len(&self) -> usize {
        self.borders.len() - 1
    }

    fn slice(&self, from: usize, to: usize) -> &'a str {
        &self.text[self.borders[from]..self.borders[to]]
    }

    /// The character that is so many bytes behind another.
    fn behind(&self, from: usize, bytes: usize) -> usize {
        self.borders.partition_point(|border| *border < self.borders[from] + bytes)
    }

    /// The best place to end a passage that begins at `from` and may reach to `most`: after the last
    /// paragraph, line, sentence, word, unless that wastes most of the passage.
    fn end(&self, from: usize, most: usize) -> usize {
        let window = self.slice(from, most);
        let least = from + (most - from) / 4;
        let good = |bytes: Option<usize>| {
            bytes.map(|bytes| self.behind(from, bytes)).filter(|to| *to > least && *to <= most)
        };
        let space = |c: char| c.is_whitespace();
        good(window.rfind("\n\n").map(|at| at + 2))
            .or_else(|| good(window.rfind('\n').map(|at| at + 1)))
            .or_else(|| good(window.split_sentence_bound_indices().last().map(|(at, _)| at)))
            .or_else(|| good(window.rfind(space).map(|at| at + 1)))
            .unwrap_or(most)
    }

    /// Where the next passage begins, between `least` and the end of the one before: with a sentence, with
    /// a word, or where it must.
    fn begin(&self, least: usize, end: usize) -> usize {
        let window = self.slice(least, end);
        let place = |bytes: usize| self.behind(least, bytes);
        let after_space = |at: usize| self.slice(at - 1, at).chars().all(char::is_whitespace);
        if window.is_empty() || after_space(least) {
            return least;
        }
        let sentence = window.split_sentence_bound_indices().nth(1).map(|(at, _)| place(at));
        let word = window.find(char::is_whitespace).map(|at| place(at + 1));
        sentence.or(word).filter(|at| *at < end).unwrap_or(least)
    }
}

fn sentences(text: &str, cutting: Cutting, out: &mut Pieces) -> Result<(), TooMany> {
    // Where each sentence begins and ends in bytes, and its length in characters.
    let mut all: Vec<(usize, usize, usize)> = Vec::new();
    for (at, sentence) in text.split_sentence_bound_indices() {
        all.push((at, at + sentence.len(), sentence.chars().count()));
    }
    let mut first = 0;
    while first < all.len() {
        let (mut next, mut long) = (first, 0);
        while next < all.len() && long + all[next].2 <= cutting.size {
            long += all[next].2;
            next += 1;
        }
        if next == first {
            // Longer than a passage by itself.
            under("", &text[all[first].0..all[first].1], cutting, out)?;
            first += 1;
            continue;
        }
        out.push("", &text[all[first].0..all[next - 1].1])?;
        if next == all.len() {
            break;
        }
        // The next one begins with the last sentences of this one that may be shared.
        let (mut begin, mut shared) = (next, 0);
        while begin > first + 1 && shared + all[begin - 1].2 <= cutting.overlap {
            begin -= 1;
            shared += all[begin].2;
        }
        // Sharing must leave room for something new, or it would go on for ever.
        first = if shared + all[next].2 <= cutting.size { begin } else { next };
    }
    Ok(())
}

fn sections(text: &str, cutting: Cutting, out: &mut Pieces) -> Result<(), TooMany> {
    let mut path: Vec<(usize, String)> = Vec::new();
    let mut body = String::new();
    let mut fenced = false;
    for line in text.lines() {
        if line.trim_start().starts_with("```") {
            fenced = !fenced;
        }
        match heading(line).filter(|_| !fenced) {
            Some((level, title)) => {
                close(&path, &mut body, cutting, out)?;
                path.retain(|(l, _)| *l < level);
                path.push((level, title.chars().take(HEADING_CHARS).collect()));
            }
            None => {
                body.push_str(line);
                body.push('\n');
            }
        }
    }
    close(&path, &mut body, cutting, out)
}

/// Characters of one heading that are kept: it is repeated with every passage under it.
const HEADING_CHARS: usize = 200;

fn heading(line: &str) -> Option<(usize, &str)> {
    let level = line.bytes().take_while(|b| *b == b'#').count();
    let title = line.get(level..)?;
    ((1..=6).contains(&level) && title.starts_with(' '))
        .then(|| (level, title.trim().trim_end_matches('#').trim()))
}

fn close(
    path: &[(usize, String)],
    body: &mut String,
    cutting: Cutting,
    out: &mut Pieces,
) -> Result<(), TooMany> {
    let content = std::mem::take(body);
    let content = content.trim();
    if content.is_empty() {
        return Ok(());
    }
    let heading = path.iter().map(|(_, t)| t.as_str()).collect::<Vec<_>>().join(" > ");
    if content.chars().count() <= cutting.size {
        out.push(&heading, content)
    } else {
        under(&heading, content, cutting, out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(strategy: Strategy, size: usize, overlap: usize, text: &str) -> Vec<Section> {
        cut(text, Cutting { strategy, size, overlap }).unwrap()
    }

    #[test]
    fn one_passage_a_section_with_its_path() {
        let text =
            "# Car\nIntro.\n## Engine\n128 hp.\n```\n# no heading\n```\n### Oil\n5W-30.\n## Wheels\nFour.\n";
        let cut = cut(text, Cutting::usual(Strategy::Markdown)).unwrap();
        let cut: Vec<_> = cut.into_iter().map(|s| (s.heading, s.content)).collect();
        assert_eq!(cut.len(), 4);
        assert_eq!(cut[0], ("Car".into(), "Intro.".into()));
        assert_eq!(cut[1].0, "Car > Engine");
        assert!(cut[1].1.contains("# no heading"));
        assert_eq!(cut[2], ("Car > Engine > Oil".into(), "5W-30.".into()));
        assert_eq!(cut[3], ("Car > Wheels".into(), "Four.".into()));
    }

    #[test]
    fn every_strategy_keeps_every_word_within_the_size() {
        let text =
            (0..300).map(|n| format!("Größe number {n} is here.")).collect::<Vec<_>>().join("\n") + "\n";
        for strategy in Strategy::ALL {
            for (size, overlap) in [(1_000, 200), (100, 0), (100, 99), (8_000, 7_999), (50_000, 10)] {
                let cut = of(strategy, size, overlap, &text);
                assert!(cut.iter().all(|s| s.content.chars().count() <= size), "{strategy:?} {size}");
                for n in 0..300 {
                    let word = format!(" {n} ");
                    let whole = cut.iter().any(|s| s.content.contains(&word));
                    // Where nothing is shared, a cut at a fixed place may go through a word.
                    assert!(whole || (strategy == Strategy::Fixed && overlap < 10), "{strategy:?} {n}");
                }
            }
        }
    }

    #[test]
    fn fixed_is_fixed() {
        let cut = of(Strategy::Fixed, 100, 20, &"0123456789".repeat(25));
        let lengths: Vec<_> = cut.iter().map(|s| s.content.len()).collect();
        assert_eq!(lengths, [100, 100, 90]);
        assert_eq!(cut[1].content[..20], cut[0].content[80..]);
    }

    #[test]
    fn sentences_stay_whole_and_are_shared_whole() {
        let text = "One is short. Two is short too. Three is as short. Four ends it.";
        let cut = of(Strategy::Sentence, 40, 20, text);
        let cut: Vec<_> = cut.iter().map(|s| s.content.as_str()).collect();
        assert_eq!(
            cut,
            [
                "One is short. Two is short too.",
                "Two is short too. Three is as short.",
                "Three is as short. Four ends it."
            ]
        );
        let long = format!("{} end. Then more.", "word ".repeat(60));
        let cut = of(Strategy::Sentence, 100, 20, &long);
        assert!(cut.len() >= 4 && cut.iter().all(|s| s.content.len() <= 100));
        assert_eq!(cut.last().unwrap().content, "Then more.");
    }

    #[test]
    fn recursive_prefers_paragraphs_then_lines_then_sentences_then_words() {
        let sixty = "word ".repeat(12);
        let cuts = |between: &str| {
            let text = format!("{}.{between}{}", sixty.trim(), "more ".repeat(30));
            of(Strategy::Recursive, 100, 0, &text)[0].content.len()
        };
        assert_eq!((cuts("\n\n"), cuts("\n"), cuts(" Then ")), (60, 60, 60));
        let words = of(Strategy::Recursive, 100, 20, &"word ".repeat(60));
        assert!(words.iter().all(|s| s.content.split(' ').all(|w| w == "word")), "{words:?}");
        // A paragraph that ends at once is no place to cut.
        let text = format!("A.\n\n{}", "word ".repeat(60));
        assert!(of(Strategy::Recursive, 100, 0, &text)[0].content.len() > 90);
        // And where there is no place at all, everywhere is one.
        assert_eq!(of(Strategy::Recursive, 100, 10, &"x".repeat(250)).len(), 3);
    }

    #[test]
    fn a_text_that_is_not_blank_gives_something_and_a_blank_one_nothing() {
        for strategy in Strategy::ALL {
            assert_eq!(of(strategy, 100, 20, "# Only a heading\n").len(), 1, "{strategy:?}");
            assert_eq!(of(strategy, 100, 20, " \n\t\n"), []);
            assert_eq!(of(strategy, 100, 20, ""), []);
        }
    }

    #[test]
    fn too_many_passages_are_refused_and_not_dropped() {
        let text = "word ".repeat(300_000);
        for strategy in Strategy::ALL {
            let cutting = Cutting { strategy, size: 100, overlap: 0 };
            assert_eq!(cut(&text, cutting), Err(TooMany), "{strategy:?}");
        }
    }
}
