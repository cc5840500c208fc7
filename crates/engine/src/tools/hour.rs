//! Which time of the day a person means. Pure.

use jiff::civil::Time;

use super::arguments::Part;
use super::text::{Text, digits, number};

/// A time, or a part of the day.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Hour {
    /// The time, to the minute.
    pub time: Option<Time>,
    /// The half of the day.
    pub part: Option<Part>,
}

/// Units that make a number no time: "at 10 km".
const UNITS: [&str; 16] = [
    "km",
    "kilometers",
    "kilometres",
    "miles",
    "mi",
    "percent",
    "psi",
    "bar",
    "liters",
    "litres",
    "minutes",
    "hours",
    "days",
    "weeks",
    "months",
    "years",
];
/// Words that make a time a border and no time.
const BORDERS: [&str; 7] = ["before", "after", "until", "till", "from", "between", "by"];

/// The time that a text names. `open`: the first and last minute of the day at which anything happens, to
/// know what "at 3" means. `asked`: a time was asked for, so that a bare number is one.
pub(super) fn find(text: &mut Text, open: (i64, i64), asked: bool) -> Hour {
    let mut part = part_of_day(text);
    for i in 0..text.len() {
        let Some((read, from, count)) = read(text, i, asked) else { continue };
        let border = text.before(from, 1).filter(|w| BORDERS.contains(w)).map(str::to_owned);
        text.take(from, count);
        let Some(time) = settle(read, part, open) else { continue };
        match border.as_deref() {
            // "Before noon" is a wish for a slot, not for this one.
            Some("before" | "until" | "till" | "by") if time.hour() <= 12 => {
                part = part.or(Some(Part::Morning))
            }
            Some("after" | "from") if time.hour() >= 12 => part = part.or(Some(Part::Afternoon)),
            Some(_) => {}
            None => return Hour { time: Some(time), part },
        }
    }
    Hour { time: None, part }
}

/// Hour and minute as they were said.
#[derive(Debug, Clone, Copy)]
struct Read {
    hour: i64,
    minute: i64,
    /// `Some(true)` for p.m., `Some(false)` for a.m. or 24 hours.
    late: Option<bool>,
}

/// A time that begins at this word: what it says, where it begins, and how many words it takes.
fn read(text: &Text, i: usize, asked: bool) -> Option<(Read, usize, usize)> {
    let word = text.at(i)?;
    let plain = |hour, minute, late| Read { hour, minute, late };
    match word {
        "noon" | "midday" => return Some((plain(12, 0, Some(true)), i, 1)),
        "midnight" => return Some((plain(0, 0, Some(false)), i, 1)),
        "half" | "quarter" => return quarters(text, i),
        _ => {}
    }
    let announced = matches!(
        text.before(i, 1),
        Some("at" | "by" | "around" | "about" | "after" | "before" | "until" | "till" | "from")
    );
    let (bare, mut late) = half_of_day(word);
    let (bare, mut count) = (bare.strip_suffix('h').filter(|b| digits(b).is_some()).unwrap_or(bare), 1);
    if late.is_none()
        && let Some(next) = text.at(i + 1)
        && let ("", found @ Some(_)) = half_of_day(next)
    {
        (late, count) = (found, 2);
    }
    let marked = late.is_some() || bare.len() < word.len();
    let split = bare.split_once(':').or_else(|| bare.split_once('h'));
    let split = split.or_else(|| bare.split_once('.').filter(|_| announced || marked || asked));
    if let Some((hour, minute)) = split {
        let (hour, minute) = (digits(hour)?, digits(minute).filter(|_| minute.len() == 2)?);
        let whole_day = (hour > 12 || bare.starts_with('0')).then_some(false);
        return Some((plain(hour, minute, late.or(whole_day)), i, count));
    }
    let hour = number(bare)?;
    if matches!(text.at(i + count), Some("o'clock" | "oclock")) {
        return Some((plain(hour, 0, late), i, count + 1));
    }
    if text.at(i + count).is_some_and(|next| UNITS.contains(&next)) {
        return None;
    }
    // "ten thirty"
    let minute = text.at(i + count).and_then(|next| match next {
        "fifteen" => Some(15),
        "thirty" => Some(30),
        "forty-five" => Some(45),
        _ => None,
    });
    let short = asked && text.len() <= 5;
    match minute {
        Some(minute) if digits(bare).is_none() || announced => {
            Some((plain(hour, minute, late), i, count + 1))
        }
        _ if marked || announced || short => Some((plain(hour, 0, late), i, count)),
        _ => None,
    }
}

/// Half past nine, quarter to ten.
fn quarters(text: &Text, i: usize) -> Option<(Read, usize, usize)> {
    let minutes = if text.at(i)? == "half" { 30 } else { 15 };
    let (word, late) = half_of_day(text.at(i + 2)?);
    let hour = number(word)?;
    let (hour, minute) = match text.at(i + 1)? {
        "past" | "after" => (hour, minutes),
        "to" | "before" if minutes == 15 => (if hour == 1 { 12 } else { hour - 1 }, 45),
        _ => return None,
    };
    let from = if i > 0 && text.before(i, 1) == Some("a") { i - 1 } else { i };
    Some((Read { hour, minute, late }, from, i + 3 - from))
}

/// `10am` → `10`, before noon.
fn half_of_day(word: &str) -> (&str, Option<bool>) {
    for (ending, late) in [("a.m", false), ("p.m", true), ("am", false), ("pm", true)] {
        if let Some(rest) = word.strip_suffix(ending)
            && (rest.is_empty() || rest.ends_with(|c: char| c.is_ascii_digit()) || number(rest).is_some())
        {
            return (rest, Some(late));
        }
    }
    (word, None)
}

fn part_of_day(text: &Text) -> Option<Part> {
    (0..text.len()).find_map(|i| match text.at(i)? {
        "morning" | "mornings" | "forenoon" => Some(Part::Morning),
        "afternoon" | "afternoons" | "evening" | "evenings" => Some(Part::Afternoon),
        _ => None,
    })
}

/// "At 3" is three in the afternoon where nothing happens at three in the morning.
fn settle(read: Read, part: Option<Part>, (first, last): (i64, i64)) -> Option<Time> {
    let Read { hour, minute, late } = read;
    let hour = match late {
        Some(true) if hour < 12 => hour + 12,
        Some(false) if hour == 12 => 0,
        Some(_) => hour,
        None if hour < 12 && part == Some(Part::Afternoon) => hour + 12,
        None => {
            let at = hour * 60 + minute;
            if hour >= 1 && at < first && at + 12 * 60 < last { hour + 12 } else { hour }
        }
    };
    Time::new(i8::try_from(hour).ok()?, i8::try_from(minute).ok()?, 0, 0).ok()
}
