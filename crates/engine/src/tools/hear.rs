//! Everything that one text says about a visit to the workshop. Pure: when it was said is an argument.

use jiff::civil::{DateTime, Time};

use super::arguments::Part;
use super::day::{self, Day, NoDay};
use super::hour;
use super::text::Text;
use super::wish::{self, Beside, Wish};
use super::workshop::Workshop;

/// What was heard.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Heard {
    /// What is wanted, where that is said.
    pub wish: Option<Wish>,
    /// Which day.
    pub day: Option<Day>,
    /// What is wrong with the day that was named.
    pub no_day: Option<NoDay>,
    /// At what time.
    pub time: Option<Time>,
    /// Which half of the day.
    pub part: Option<Part>,
    /// The services that were named, by their names.
    pub services: Vec<String>,
    /// An appointment's number.
    pub number: Option<String>,
    /// A license plate or a vehicle's number.
    pub vehicle: Option<String>,
    /// Which of a list, from 0; `usize::MAX` is the last.
    pub pick: Option<usize>,
    /// Consent, or that nothing is wanted any more.
    pub yes: bool,
    /// See `yes`.
    pub no: bool,
    /// It asks about something, and answers nothing.
    pub asks: bool,
}

/// A vehicle identification number has so many characters (ISO 3779).
const VIN: usize = 17;
const YES: &[&str] = &[
    "yes",
    "yeah",
    "yep",
    "sure",
    "ok",
    "okay",
    "please do",
    "go ahead",
    "yes please",
    "do it",
    "book it",
    "that works",
];
const NO: &[&str] = &[
    "no",
    "nope",
    "no thanks",
    "no thank you",
    "never mind",
    "nevermind",
    "forget it",
    "forget about it",
    "stop",
    "cancel",
    "cancel it",
    "cancel that",
    "nothing",
    "none",
    "not now",
    "leave it",
];

impl Heard {
    /// Whether it says anything that a request could be waiting for.
    #[must_use]
    pub fn fills(&self) -> bool {
        !self.asks && self.says_something()
    }

    fn says_something(&self) -> bool {
        self.day.is_some()
            || self.no_day.is_some()
            || self.time.is_some()
            || self.part.is_some()
            || !self.services.is_empty()
            || self.number.is_some()
            || self.pick.is_some()
            || self.vehicle.is_some()
            || self.yes
            || self.no
    }
}

/// Reads a text that was said at `at`. `asked_time`: a time had been asked for.
#[must_use]
pub fn hear(said: &str, at: DateTime, shop: &Workshop, asked_time: bool) -> Heard {
    let mut text = Text::new(said);
    let line = text.line();
    let whole = |phrases: &[&str]| phrases.iter().any(|p| line.trim() == *p);
    let begins = |words: &[&str]| words.iter().any(|w| line.starts_with(&format!(" {w} ")));
    let (number, vehicle) = (number(&mut text), vehicle(&mut text));
    let services: Vec<_> = shop.named(&line).into_iter().map(|s| s.name.clone()).collect();
    let pick = pick(&mut text);
    let (day, no_day) = match day::find(&mut text, at.date(), shop.day_first) {
        Some(Ok(day)) => (Some(day), None),
        Some(Err(no)) => (None, Some(no)),
        None => (None, None),
    };
    let hour = hour::find(&mut text, shop.day_span(), asked_time);
    let when = day.is_some() || no_day.is_some() || hour.time.is_some() || hour.part.is_some();
    let wish = wish::find(&text, Beside { when, number: number.is_some(), service: !services.is_empty() });
    let no = whole(NO) || (text.len() <= 4 && begins(&["no", "nope", "never mind"]));
    let yes = whole(YES) || begins(&["yes", "yeah", "sure", "ok", "okay"]);
    let asks = wish::asks(&text, when);
    Heard {
        wish,
        day,
        no_day,
        time: hour.time,
        part: hour.part,
        services,
        number,
        vehicle,
        pick,
        yes,
        no,
        asks,
    }
}

/// APT- and 14 digits, with or without the hyphen.
fn number(text: &mut Text) -> Option<String> {
    (0..text.len()).find_map(|i| {
        let digits = text.at(i)?.strip_prefix("apt")?.trim_start_matches('-').to_owned();
        (digits.len() == 14 && digits.bytes().all(|b| b.is_ascii_digit())).then_some(())?;
        text.take(i, 1);
        Some(format!("APT-{digits}"))
    })
}

/// A vehicle's number by its form, or what follows "plate".
fn vehicle(text: &mut Text) -> Option<String> {
    let form = |w: &str| w.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    let mixed = |w: &str| w.bytes().any(|b| b.is_ascii_digit()) && w.bytes().any(|b| b.is_ascii_alphabetic());
    for i in 0..text.len() {
        let Some(word) = text.at(i) else { continue };
        let vin = word.len() == VIN && form(word) && mixed(word) && !word.contains(['i', 'o', 'q', '-']);
        let named = matches!(text.before(i, 1), Some("plate" | "registration"))
            || matches!(text.before(i, 1), Some("is" | "number"))
                && matches!(text.before(i, 2), Some("plate" | "registration"));
        let plate = named && (4..=10).contains(&word.len()) && form(word) && mixed(word);
        if vin || plate {
            let found = word.to_uppercase();
            text.take(i, 1);
            return Some(found);
        }
    }
    None
}

/// The first one, the second, the last one.
fn pick(text: &mut Text) -> Option<usize> {
    const PLACES: [&str; 5] = ["first", "second", "third", "fourth", "fifth"];
    let short = text.len() <= 4;
    (0..text.len()).find_map(|i| {
        let word = text.at(i)?;
        let place =
            PLACES.iter().position(|p| *p == word).or_else(|| (word == "last").then_some(usize::MAX))?;
        let one = matches!(text.at(i + 1), Some("one" | "appointment" | "slot" | "time"));
        let dated = text.at(i + 1) == Some("of");
        ((one || short) && !dated).then_some(())?;
        text.take(i, 1);
        Some(place)
    })
}
