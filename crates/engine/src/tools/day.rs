//! Which day a person means. Pure: today is an argument.

use jiff::civil::{Date, Weekday};
use jiff::{Span, ToSpan};

use super::text::{Text, digits, number};
use super::workshop::{long_date, weekday};

/// A day, read from a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Day {
    /// The day.
    pub date: Date,
    /// How it was read, where it could have been read otherwise; a sentence.
    pub note: Option<String>,
}

/// What is wrong with the day that was named; a sentence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NoDay(pub String);

type Found = Option<Result<Day, NoDay>>;

const MONTHS: [&str; 12] = [
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
];
const WEEKDAYS: [(&str, Weekday); 7] = [
    ("monday", Weekday::Monday),
    ("tuesday", Weekday::Tuesday),
    ("wednesday", Weekday::Wednesday),
    ("thursday", Weekday::Thursday),
    ("friday", Weekday::Friday),
    ("saturday", Weekday::Saturday),
    ("sunday", Weekday::Sunday),
];
/// Short forms that are words of their own ("sun", "sat", "wed", "mon") need one of these in front.
const BEFORE_SHORT: [&str; 7] = ["on", "next", "this", "for", "until", "by", "coming"];

/// The one day that a text names. `day_first`: how 12/03 is read.
pub(super) fn find(text: &mut Text, today: Date, day_first: bool) -> Found {
    let first = explicit(text, today, day_first).or_else(|| relative(text, today));
    let named = named_weekday(text, today, first.is_none());
    let day = match (first, named) {
        (None, None) => return None,
        (None, Some((day, _))) => Ok(day),
        (Some(first), None) => first,
        (Some(Err(no)), Some(_)) => Err(no),
        (Some(Ok(day)), Some((_, said))) if day.date.weekday() == said => Ok(day),
        (Some(Ok(day)), Some((_, said))) => {
            let is = weekday(day.date.weekday());
            Err(NoDay(format!("{} is a {is}, not a {}.", long_date(day.date), weekday(said))))
        }
    };
    // "Monday or Tuesday": to take the first would be to choose for him.
    let more = explicit(text, today, day_first)
        .or_else(|| relative(text, today))
        .or_else(|| named_weekday(text, today, true).map(|(day, _)| Ok(day)));
    match (&day, more) {
        (Ok(day), Some(Ok(other))) if other.date != day.date => {
            Some(Err(NoDay("You named more than one day.".to_owned())))
        }
        _ => Some(day),
    }
}

/// 2026-12-03, 12/03, 3.12.2026, 3 December, Dec 3rd 2026, the 3rd.
fn explicit(text: &mut Text, today: Date, day_first: bool) -> Found {
    for i in 0..text.len() {
        let Some(word) = text.at(i) else { continue };
        if let Some(found) = numeric(word, today, day_first) {
            text.take(i, 1);
            return Some(found);
        }
        if let Some((found, count)) = with_month(text, i, today) {
            text.take(i, count);
            return Some(found);
        }
    }
    for i in 0..text.len() {
        // "the 3rd": the next one there is.
        if let Some(day) = text.at(i).and_then(|w| ordinal(w).filter(|_| digits(w).is_none()))
            && text.before(i, 1) == Some("the")
            && let Some(date) = next_of_month(today, day)
        {
            text.take(i, 1);
            return Some(Ok(Day { date, note: None }));
        }
    }
    None
}

/// A day in digits alone.
fn numeric(word: &str, today: Date, day_first: bool) -> Found {
    let separator = ['/', '-', '.'].into_iter().find(|c| word.contains(*c))?;
    let parts: Vec<i64> = word.split(separator).map(digits).collect::<Option<_>>()?;
    match (parts.as_slice(), separator) {
        (&[year, month, day], _) if year >= 1000 => Some(exactly(year, month, day, word)),
        (&[a, b, year], _) => {
            let year = if year < 100 { year + 2000 } else { year };
            // With points it is written day first wherever it is written.
            either(a, b, Some(year), today, day_first || separator == '.', separator != '.', word)
        }
        // 10.30 is a time, and 3-4 is a range.
        (&[a, b], '/') => either(a, b, None, today, day_first, true, word),
        _ => None,
    }
}

/// `a` and `b` are day and month, or month and day.
fn either(
    a: i64,
    b: i64,
    year: Option<i64>,
    today: Date,
    day_first: bool,
    doubtful: bool,
    word: &str,
) -> Found {
    let dated = |day: i64, month: i64| match year {
        Some(year) => date(year, month, day),
        None => next_date(today, month, day),
    };
    let (first, second) = if day_first { (dated(a, b), dated(b, a)) } else { (dated(b, a), dated(a, b)) };
    Some(match (first, second) {
        (Some(read), Some(other)) if doubtful && read != other => {
            Ok(Day { date: read, note: Some(format!("I read {word} as {}.", long_date(read))) })
        }
        (Some(date), _) | (None, Some(date)) => Ok(Day { date, note: None }),
        (None, None) => Err(no_such(word)),
    })
}

/// A day with the name of its month, and how many words it takes.
fn with_month(text: &Text, i: usize, today: Date) -> Option<(Result<Day, NoDay>, usize)> {
    let month_at = |i: usize| text.at(i).and_then(month);
    let day_at = |i: usize| text.at(i).and_then(ordinal);
    let of = usize::from(text.at(i + 1) == Some("of"));
    let (day, month, mut count) = match (day_at(i), month_at(i + 1 + of), month_at(i)) {
        (Some(day), Some(month), _) => (day, month, 2 + of),
        (_, _, Some(month)) => {
            let the = usize::from(text.at(i + 1) == Some("the"));
            (day_at(i + 1 + the)?, month, 2 + the)
        }
        _ => return None,
    };
    let year = text.at(i + count).and_then(digits).filter(|y| (2000..=2999).contains(y));
    count += usize::from(year.is_some());
    let said: Vec<_> = (i..i + count).filter_map(|i| text.at(i)).collect();
    let date = match year {
        Some(year) => date(year, month, day),
        None => next_date(today, month, day),
    };
    let day = date.map(|date| Day { date, note: None });
    Some((day.ok_or_else(|| no_such(&said.join(" "))), count))
}

/// Today, tomorrow, in two days, a week from now.
fn relative(text: &mut Text, today: Date) -> Found {
    let after = |span: Span| today.checked_add(span).ok();
    for i in 0..text.len() {
        let (date, from, count) = match text.at(i).map(|w| w.strip_suffix("'s").unwrap_or(w)) {
            Some("today" | "tonight") => (Some(today), i, 1),
            Some("yesterday") => (after((-1).day()), i, 1),
            Some("tomorrow") => {
                let later = text.before(i, 1) == Some("after") && text.before(i, 2) == Some("day");
                if later { (after(2.days()), i - 2, 3) } else { (after(1.day()), i, 1) }
            }
            Some("overmorrow") => (after(2.days()), i, 1),
            Some("in") => match amount(text, i + 1) {
                Some((span, count)) => (today.checked_add(span).ok(), i, count + 1),
                None => continue,
            },
            Some(_) => match amount(text, i) {
                Some((span, count))
                    if text.at(i + count) == Some("from")
                        && matches!(text.at(i + count + 1), Some("now" | "today")) =>
                {
                    (today.checked_add(span).ok(), i, count + 2)
                }
                _ => continue,
            },
            None => continue,
        };
        text.take(from, count);
        return Some(date.map(|date| Day { date, note: None }).ok_or_else(|| no_such("that day")));
    }
    None
}

/// "two days", "a week": how far, and how many words.
fn amount(text: &Text, i: usize) -> Option<(Span, usize)> {
    let (many, count) = match text.at(i)? {
        "a" | "an" if text.at(i + 1) == Some("couple") => (2, 2 + usize::from(text.at(i + 2) == Some("of"))),
        "a" | "an" => (1, 1),
        word => (number(word)?, 1),
    };
    let span = match text.at(i + count)? {
        "day" | "days" => Span::new().try_days(many),
        "week" | "weeks" => Span::new().try_weeks(many),
        "fortnight" => Span::new().try_weeks(2 * many),
        "month" | "months" => Span::new().try_months(many),
        _ => return None,
    };
    Some((span.ok()?, count + 1))
}

/// A weekday: the next one; "next Tuesday" is the one of next week, "this" the one of this week.
fn named_weekday(text: &mut Text, today: Date, alone: bool) -> Option<(Day, Weekday)> {
    for i in 0..text.len() {
        let Some(said) = text.at(i).and_then(|word| weekday_of(word, text.before(i, 1), text.len())) else {
            if alone && text.at(i) == Some("weekend") {
                text.take(i, 1);
                let date = coming(today, Weekday::Saturday)?;
                return Some((Day { date, note: None }, Weekday::Saturday));
            }
            continue;
        };
        let word = text.words.get(i).cloned().unwrap_or_default();
        let next_week = text.at(i + 1) == Some("next") && text.at(i + 2) == Some("week")
            || text.before(i, 1) == Some("week") && text.before(i, 2) == Some("next")
            || text.before(i, 1) == Some("on")
                && text.before(i, 2) == Some("week")
                && text.before(i, 3) == Some("next");
        let before = text.before(i, 1).map(str::to_owned);
        text.take(i, 1);
        let soon = coming(today, said)?;
        let date = match before.as_deref() {
            _ if next_week => in_next_week(today, said)?,
            Some("next") => in_next_week(today, said)?,
            Some("this") if today.weekday() == said => today,
            _ => soon,
        };
        let doubtful = before.as_deref() == Some("next") && date != soon;
        let named = format!(
            "{}{}",
            word.get(..1).unwrap_or_default().to_uppercase(),
            word.get(1..).unwrap_or_default()
        );
        let note = doubtful.then(|| format!("I read “next {named}” as {}.", long_date(date)));
        return Some((Day { date, note }, said));
    }
    None
}

fn weekday_of(word: &str, before: Option<&str>, words: usize) -> Option<Weekday> {
    let word = word.strip_suffix("'s").unwrap_or(word);
    if let Some((_, day)) =
        WEEKDAYS.iter().find(|(name, _)| *name == word || word.strip_suffix('s') == Some(*name))
    {
        return Some(*day);
    }
    let short = match word {
        "tues" | "tue" => Some(Weekday::Tuesday),
        "thur" | "thurs" | "thu" => Some(Weekday::Thursday),
        "fri" => Some(Weekday::Friday),
        _ => None,
    };
    let word_of_its_own = match word {
        "mon" => Some(Weekday::Monday),
        "wed" | "weds" => Some(Weekday::Wednesday),
        "sat" => Some(Weekday::Saturday),
        "sun" => Some(Weekday::Sunday),
        _ => None,
    };
    let meant = words <= 2 || before.is_some_and(|b| BEFORE_SHORT.contains(&b));
    short.or(word_of_its_own.filter(|_| meant))
}

/// The next such weekday after today.
fn coming(today: Date, day: Weekday) -> Option<Date> {
    let ahead = i64::from(today.weekday().until(day));
    today.checked_add(if ahead == 0 { 7.days() } else { ahead.days() }).ok()
}

/// The one in the week that begins with the next Monday.
fn in_next_week(today: Date, day: Weekday) -> Option<Date> {
    let monday = today.checked_add((7 - i64::from(today.weekday().to_monday_zero_offset())).days()).ok()?;
    monday.checked_add(i64::from(day.to_monday_zero_offset()).days()).ok()
}

/// The month of this name or its first three letters.
fn month(word: &str) -> Option<i64> {
    let short = |name: &&str| {
        word == *name
            || (word.len() == 3 && name.starts_with(word))
            || (word == "sept" && *name == "september")
    };
    MONTHS.iter().position(short).and_then(|n| i64::try_from(n + 1).ok())
}

/// 3, 3rd, third … up to 31.
fn ordinal(word: &str) -> Option<i64> {
    const SPELLED: [&str; 10] =
        ["first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth"];
    let spelled = SPELLED.iter().position(|w| *w == word).and_then(|n| i64::try_from(n + 1).ok());
    let bare = ["st", "nd", "rd", "th"].iter().find_map(|end| word.strip_suffix(end)).unwrap_or(word);
    spelled.or_else(|| digits(bare)).filter(|day| (1..=99).contains(day))
}

fn date(year: i64, month: i64, day: i64) -> Option<Date> {
    Date::new(i16::try_from(year).ok()?, i8::try_from(month).ok()?, i8::try_from(day).ok()?).ok()
}

/// This year's, or where that is past, the next there is (29 February can be years ahead).
fn next_date(today: Date, month: i64, day: i64) -> Option<Date> {
    let year = i64::from(today.year());
    (year..=year + 8).filter_map(|year| date(year, month, day)).find(|date| *date >= today)
}

fn next_of_month(today: Date, day: i64) -> Option<Date> {
    let month = |ahead: i64| {
        let month = i64::from(today.month()) - 1 + ahead;
        date(i64::from(today.year()) + month / 12, month % 12 + 1, day)
    };
    (0..=3).filter_map(month).find(|date| *date >= today)
}

fn exactly(year: i64, month: i64, day: i64, word: &str) -> Result<Day, NoDay> {
    date(year, month, day).map(|date| Day { date, note: None }).ok_or_else(|| no_such(word))
}

fn no_such(said: &str) -> NoDay {
    NoDay(format!("There is no {said} in the calendar."))
}
