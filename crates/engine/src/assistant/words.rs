//! Words and their forms: how the router and the safety rules find them in a text.

use std::collections::HashSet;

/// Whether the phrase stands in the text, word for word.
pub(crate) fn occurs(phrase: &[String], text: &[String]) -> bool {
    !phrase.is_empty() && text.windows(phrase.len()).any(|w| w == phrase)
}

/// Of each group's phrases those that stand in the text other than inside a longer one of another group:
/// "check engine" is a warning light, and its "engine" does not speak for who knows engines.
pub(crate) fn standing_alone<'a>(
    text: &[String],
    groups: &[Vec<&'a [String]>],
) -> Vec<HashSet<&'a [String]>> {
    let mut found: Vec<(usize, usize, &[String])> = Vec::new();
    for (group, phrases) in groups.iter().enumerate() {
        for phrase in phrases.iter().filter(|p| !p.is_empty()) {
            let places = text.windows(phrase.len()).enumerate().filter(|(_, w)| w == phrase);
            found.extend(places.map(|(at, _)| (group, at, *phrase)));
        }
    }
    let inside = |(group, at, phrase): (usize, usize, &[String])| {
        let within = |(other, start, longer): &(usize, usize, &[String])| {
            let longer =
                longer.len() > phrase.len() && *start <= at && at + phrase.len() <= start + longer.len();
            longer && *other != group
        };
        found.iter().any(within)
    };
    let mut alone = vec![HashSet::new(); groups.len()];
    for place in found.iter().filter(|place| !inside(**place)) {
        alone[place.0].insert(place.2);
    }
    alone
}

pub(super) fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !c.is_alphanumeric() && c != '\'' && c != '’')
        .filter(|w| w.chars().any(char::is_alphanumeric))
}

pub(crate) fn stems(text: &str) -> Vec<String> {
    words(text).map(stem).collect()
}

/// Brings the forms of an English word together: brake, brakes, braked and braking are one.
///
/// It need not be right, only the same for the file's words and for the reader's. It never joins two words
/// or looks inside one: a misfire is not a fire.
fn stem(word: &str) -> String {
    let mut w = word.to_lowercase().replace(['\'', '’'], "");
    if !w.is_ascii() {
        return w;
    }
    if w.len() > 4 && w.ends_with("ies") {
        w.truncate(w.len() - 3);
        w.push('y');
    } else if w.len() > 4 && ["sses", "xes", "ches", "shes", "zzes"].iter().any(|e| w.ends_with(e)) {
        w.truncate(w.len() - 2);
    } else if w.len() > 3
        && w.ends_with('s')
        && !w.ends_with("ss")
        && !w.ends_with("us")
        && !w.ends_with("is")
    {
        w.pop();
    }
    for ending in ["ing", "ed"] {
        if let Some(rest) = w.strip_suffix(ending)
            && rest.len() >= 3
            && rest.contains(['a', 'e', 'i', 'o', 'u', 'y'])
        {
            w.truncate(rest.len());
            break;
        }
    }
    if w.len() > 3 && w.ends_with('e') {
        w.pop();
    }
    // "stopped" and "stop": the doubled letter goes wherever it stands, so both sides agree on "stall" as well.
    let mut last = w.bytes().rev();
    if w.len() > 3 && last.next() == last.next() {
        w.pop();
    }
    w
}
