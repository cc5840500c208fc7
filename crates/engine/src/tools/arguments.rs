//! What a tool is given: the object that a model wrote, checked. What breaks the rules is told in words that
//! a model can mend.

use headwater_core::limit;
use jiff::civil::{Date, Time};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::done::Done;

/// Bytes of unreadable arguments that are kept in the log, to see what a model wrote.
const UNREADABLE_BYTES: usize = 512;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Slots {
    pub date: String,
    #[serde(default)]
    pub part_of_day: Option<Part>,
}

/// Half a working day.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Part {
    /// Before noon.
    Morning,
    /// From noon.
    Afternoon,
}

impl Part {
    /// Whether a time is in it.
    #[must_use]
    pub fn has(self, time: Time) -> bool {
        (time.hour() < 12) == (self == Self::Morning)
    }

    /// The word for it.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Morning => "morning",
            Self::Afternoon => "afternoon",
        }
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Booking {
    pub date: String,
    pub time: String,
    pub service: String,
    #[serde(default)]
    pub vehicle: Option<String>,
    #[serde(default)]
    pub notes: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct History {}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Cancelling {
    pub appointment_id: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Pricing {
    #[serde(default)]
    pub service: Option<String>,
}

/// The object that a model wrote. Nothing and `null` are how some hosts write "no arguments".
///
/// # Errors
/// What goes into the log in its place, where it is none.
pub fn object(written: &str) -> Result<Value, Value> {
    let written = written.trim();
    if written.is_empty() || written == "null" {
        return Ok(json!({}));
    }
    match serde_json::from_str::<Value>(written) {
        Ok(object @ Value::Object(_)) => Ok(object),
        _ => {
            let end = written.floor_char_boundary(UNREADABLE_BYTES);
            Err(json!({ "unreadable": written.get(..end).unwrap_or_default() }))
        }
    }
}

/// The result for arguments that are no object.
#[must_use]
pub fn unreadable() -> Done {
    Done::no("bad_arguments", "The arguments are not one JSON object; write them anew.")
}

pub(super) fn read<T: DeserializeOwned>(arguments: &Value) -> Result<T, Done> {
    T::deserialize(arguments)
        .map_err(|e| Done::no("bad_arguments", format!("The arguments are not as they should be: {e}.")))
}

pub(super) fn date(text: &str) -> Result<Date, Done> {
    let bad = || Done::no("bad_arguments", "`date` must be a day that exists, as YYYY-MM-DD.");
    Some(text.trim())
        .filter(|t| t.len() == 10)
        .and_then(|t| Date::strptime("%Y-%m-%d", t).ok())
        .ok_or_else(bad)
}

pub(super) fn time(text: &str) -> Result<Time, Done> {
    let bad = || Done::no("bad_arguments", "`time` must be HH:MM with 24 hours.");
    Some(text.trim()).filter(|t| t.len() <= 5).and_then(|t| Time::strptime("%H:%M", t).ok()).ok_or_else(bad)
}

/// A text for the appointment, without control characters; `None` where nothing is left.
pub(super) fn note(field: &str, text: Option<&str>) -> Result<Option<String>, Done> {
    let Some(text) = text else { return Ok(None) };
    if text.len() > limit::APPOINTMENT_TEXT_BYTES {
        let most = limit::APPOINTMENT_TEXT_BYTES;
        return Err(Done::no("bad_arguments", format!("`{field}` is longer than {most} bytes; shorten it.")));
    }
    let clean: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    Ok(Some(clean.trim().to_owned()).filter(|t| !t.is_empty()))
}
