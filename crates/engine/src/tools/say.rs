//! Results in plain sentences. Every figure comes from the result; no model is asked to rephrase it, because
//! a small one would invent. A sentence that waits for an answer is a [`Question`] and stands at the end.

use jiff::civil::Date;
use serde_json::Value;

use super::Done;
use super::workshop::{clock, list, long_date, long_moment, slot_time};

pub(super) const NOTHING_BOOKED: &str = "All right, nothing was booked.";
pub(super) const NOTHING_CANCELLED: &str = "All right, nothing was cancelled.";
pub(super) const MOVING: &str =
    "I move an appointment by booking a new one; afterwards you can cancel the old one.";
pub(super) const MOVED: &str =
    "Your other appointments stay as they are; say “cancel” and a number to cancel one.";
pub(super) const VEHICLE_HIDDEN: &str = "Your vehicle's number is not kept between messages.";
/// Appointments that stand in one sentence.
const LISTED: usize = 10;

/// What an answer may wait for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Question {
    /// Which service.
    Service,
    /// Which day.
    Day,
    /// At what time.
    Time,
    /// Another day: the one that was named cannot be had.
    OtherDay,
    /// Another time of the same day.
    OtherTime,
    /// Which day to look at.
    Look,
    /// Which of these slots.
    Offer,
    /// Which appointment is to be cancelled.
    Which,
    /// The vehicle's number, which was said and is not kept.
    Vehicle,
    /// Whether to book what a price was asked for.
    BookIt,
}

impl Question {
    const ALL: [Self; 10] = [
        Self::Service,
        Self::Day,
        Self::Time,
        Self::OtherDay,
        Self::OtherTime,
        Self::Look,
        Self::Offer,
        Self::Which,
        Self::Vehicle,
        Self::BookIt,
    ];

    /// Its words. They are how an open request is found again in a later turn: change them, and requests
    /// that are open at that moment are forgotten.
    #[must_use]
    pub fn text(self) -> &'static str {
        match self {
            Self::Service => "Which service would you like?",
            Self::Day => "Which day would you like?",
            Self::Time => "What time would you like?",
            Self::OtherDay => "Which other day would you like?",
            Self::OtherTime => "Which other time would you like?",
            Self::Look => "Which day shall I look at?",
            Self::Offer => "Which of these would you like to book?",
            Self::Which => "Which one shall I cancel?",
            Self::Vehicle => "Please give it once more, or say “yes” to book without it.",
            Self::BookIt => "Would you like to book it?",
        }
    }

    /// The question with which an answer ends.
    #[must_use]
    pub fn ending(answer: &str) -> Option<Self> {
        let answer = answer.trim_end();
        Self::ALL.into_iter().find(|q| answer.ends_with(q.text()))
    }
}

/// These, then that, with spaces between.
pub(super) fn sentences<'a>(first: impl Iterator<Item = &'a str>, last: &str) -> String {
    let mut all: Vec<&str> = first.collect();
    // What asks stands last.
    let at = if Question::ending(last).is_some() { all.len() } else { 0 };
    if at == 0 && !last.is_empty() {
        // Said first: what was done; then how it was understood.
        all.insert(0, last);
    } else {
        all.push(last);
    }
    all.join(" ")
}

pub(super) fn which_service(bookable: &[&str], several: bool, notes: &[String]) -> String {
    let one = if several { "One appointment is for one service. " } else { "" };
    let asked = format!("{one}I can book: {}. {}", list(bookable, "and"), Question::Service.text());
    sentences(notes.iter().map(String::as_str), &asked)
}

pub(super) fn slots(done: &Done) -> String {
    let next = next_free(done);
    if !done.ok {
        return format!("{}{next} {}", message(done), Question::OtherDay.text());
    }
    let day = text(done, "date").parse::<Date>().map(long_date).unwrap_or_default();
    let part = done.result.get("part_of_day").and_then(Value::as_str);
    let part = part.map(|p| format!(" in the {p}")).unwrap_or_default();
    let times = times(done);
    if times.is_empty() {
        return format!("Nothing is free on {day}{part}.{next} {}", Question::OtherDay.text());
    }
    format!("Free on {day}{part}: {}. {}", list(&times, "and"), Question::Offer.text())
}

pub(super) fn booking(done: &Done) -> String {
    if done.ok {
        let at = slot_time(text(done, "slot")).map(long_moment).unwrap_or_default();
        let price = done.result.get("price").and_then(Value::as_str);
        let price = price.map(|p| format!(" Price: {p}.")).unwrap_or_default();
        let (service, number) = (text(done, "service"), text(done, "appointment_id"));
        return format!("Booked: {service} on {at}. Your appointment number is {number}.{price}");
    }
    let (message, times) = (message(done), times(done));
    match done.error() {
        Some("full") if !times.is_empty() => {
            format!("{message} Still free that day: {}. {}", list(&times, "and"), Question::OtherTime.text())
        }
        Some("full") => format!("{message}{} {}", next_free(done), Question::OtherDay.text()),
        Some("no_slot") => format!("{message} {}", Question::OtherTime.text()),
        Some("past" | "too_far" | "closed") => format!("{message} {}", Question::OtherDay.text()),
        Some("not_bookable" | "unknown_service") => format!("{message} {}", Question::Service.text()),
        _ => message.to_owned(),
    }
}

pub(super) fn history(done: &Done) -> String {
    let part =
        |key: &str| done.result.get(key).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let (ahead, past) = (part("upcoming"), part("past"));
    let lines = |all: &[Value]| all.iter().take(LISTED).map(line).collect::<Vec<_>>().join("; ");
    let ahead = match ahead {
        [] => "You have no appointment ahead.".to_owned(),
        all => format!("Ahead: {}.", lines(all)),
    };
    let past = match past {
        [] => "There is no past appointment of yours here.".to_owned(),
        all => format!("Past: {}.", lines(all)),
    };
    format!("{ahead} {past}")
}

pub(super) fn which_appointment(several: &[&Value]) -> String {
    match several {
        [] => "You have no such appointment ahead, so there is nothing to cancel.".to_owned(),
        several => {
            let lines: Vec<_> = several.iter().take(LISTED).map(|a| line(a)).collect();
            format!("You have: {}. {}", lines.join("; "), Question::Which.text())
        }
    }
}

pub(super) fn cancelling(done: &Done) -> String {
    if !done.ok {
        return message(done).to_owned();
    }
    let at = slot_time(text(done, "slot")).map(long_moment).unwrap_or_default();
    let late = done.result.get("free_of_charge") == Some(&Value::Bool(false));
    let late = if late { " It was so near that the workshop may charge for it." } else { "" };
    format!("Cancelled: {} on {at} ({}).{late}", text(done, "service"), text(done, "appointment_id"))
}

/// `wanted`: the services that were asked about; none is the whole list.
pub(super) fn pricing(done: &Done, wanted: &[String]) -> String {
    if !done.ok {
        return message(done).to_owned();
    }
    let all = done.result.get("services").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let name = |s: &Value| s.get("service").and_then(Value::as_str).unwrap_or_default().to_owned();
    let shown: Vec<_> = all.iter().filter(|s| wanted.is_empty() || wanted.contains(&name(s))).collect();
    let priced = |s: &&Value| {
        let minutes = s.get("minutes").and_then(Value::as_u64);
        let minutes = minutes.map(|m| format!(" (about {m} minutes)")).unwrap_or_default();
        format!("{} {}{minutes}", name(s), s.get("price").and_then(Value::as_str).unwrap_or_default())
    };
    let prices: Vec<_> = shown.iter().map(priced).collect();
    let note = text(done, "note");
    let note = if note.is_empty() { String::new() } else { format!(" {note}") };
    let bookable = matches!(shown.as_slice(), [one] if one.get("bookable") == Some(&Value::Bool(true)));
    let ask = if bookable { format!(" {}", Question::BookIt.text()) } else { String::new() };
    format!("Prices: {}.{note}{ask}", prices.join("; "))
}

/// An appointment in one line.
fn line(appointment: &Value) -> String {
    let text = |key| appointment.get(key).and_then(Value::as_str).unwrap_or_default();
    let at = slot_time(text("slot")).map(long_moment).unwrap_or_default();
    format!("{} on {at} ({})", text("service"), text("appointment_id"))
}

/// The times of the free slots.
fn times(done: &Done) -> Vec<String> {
    let slots = done.result.get("slots").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    slots.iter().filter_map(|s| Some(clock(slot_time(s.as_str()?)?.time()))).collect()
}

/// ` The next free time is …`, where there is one.
fn next_free(done: &Done) -> String {
    let next = done.result.get("next_free").and_then(Value::as_str).and_then(slot_time);
    next.map(|at| format!(" The next free time is {}.", long_moment(at))).unwrap_or_default()
}

fn message(done: &Done) -> &str {
    text(done, "message")
}

fn text<'a>(done: &'a Done, key: &str) -> &'a str {
    done.result.get(key).and_then(Value::as_str).unwrap_or_default()
}
