//! A workshop's calendar and price list, as rules over civil time: pure, so that a test can ask for any day.

use headwater_core::Millis;
use jiff::civil::{Date, DateTime, Time, Weekday};
use jiff::tz::TimeZone;
use jiff::{Span, Timestamp};

use crate::assistant::words::{occurs, stems};

/// When a workshop is open on a weekday.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hours {
    /// The first slot begins.
    pub opens: Time,
    /// The last slot is over by then.
    pub closes: Time,
}

impl Hours {
    /// How long it is open, in minutes.
    #[must_use]
    pub fn minutes(&self) -> i64 {
        minute_of(self.closes) - minute_of(self.opens)
    }
}

/// Something that is done to a car.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Service {
    /// What it is called in appointments and answers.
    pub name: String,
    /// How people call it, the name among them; stems of words.
    pub(crate) words: Vec<Vec<String>>,
    /// With its currency.
    pub price: String,
    /// How long it takes; `None` cannot be booked here.
    pub minutes: Option<i64>,
    /// Meant only where no other service is named ("a service").
    pub general: bool,
}

/// A workshop; checked: it is open on some day, a slot fits there, and it has a service.
#[derive(Debug, Clone, PartialEq)]
pub struct Workshop {
    /// Its clock.
    pub zone: TimeZone,
    /// Monday first; `None` is closed.
    pub hours: [Option<Hours>; 7],
    /// How long a slot is. One appointment takes one bay for one slot.
    pub slot_minutes: i64,
    /// Appointments at the same time.
    pub bays: usize,
    /// How far ahead it takes appointments, in days.
    pub days_ahead: i64,
    /// How long before an appointment it can be cancelled without charge, in hours; 0 is always.
    pub cancel_hours: i64,
    /// Whether 12/03 is the 12th of March.
    pub day_first: bool,
    /// Said after a price; may be empty.
    pub price_note: String,
    /// The price list.
    pub services: Vec<Service>,
}

/// Why a day or a time cannot be had.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct No {
    /// For programs: `past`, `too_far`, `closed`, `no_slot`.
    pub why: &'static str,
    /// For people.
    pub words: String,
}

impl Workshop {
    /// A moment on the workshop's clock.
    #[must_use]
    pub fn local(&self, at: Millis) -> DateTime {
        let moment = Timestamp::from_millisecond(at.0).unwrap_or(Timestamp::UNIX_EPOCH);
        self.zone.to_datetime(moment)
    }

    /// When it is open that day.
    #[must_use]
    pub fn open(&self, date: Date) -> Option<Hours> {
        let day = usize::try_from(date.weekday().to_monday_zero_offset()).unwrap_or_default();
        self.hours.get(day).copied().flatten()
    }

    /// Whether appointments can be made for that day at all.
    ///
    /// # Errors
    /// Why not.
    pub fn takes(&self, date: Date, now: DateTime) -> Result<Hours, No> {
        let no = |why, words| Err(No { why, words });
        if date < now.date() {
            return no("past", format!("{} is in the past.", long_date(date)));
        }
        if self.last_day(now).is_none_or(|last| date > last) {
            let days = self.days_ahead;
            let words = format!(
                "{} is too far ahead: appointments are made at most {days} days ahead.",
                long_date(date)
            );
            return no("too_far", words);
        }
        match self.open(date) {
            Some(hours) => Ok(hours),
            None => no("closed", format!("The workshop is closed on {}s.", weekday(date.weekday()))),
        }
    }

    /// The last day for which appointments are taken.
    #[must_use]
    pub fn last_day(&self, now: DateTime) -> Option<Date> {
        now.date().checked_add(Span::new().try_days(self.days_ahead).ok()?).ok()
    }

    /// The slots of an open day that have not begun, in order.
    #[must_use]
    pub fn slots(&self, date: Date, hours: Hours, now: DateTime) -> Vec<DateTime> {
        let (opens, closes) = (minute_of(hours.opens), minute_of(hours.closes));
        let most = (closes - opens) / self.slot_minutes.max(1);
        let slot = |n: i64| {
            let minute = opens + n * self.slot_minutes;
            let time =
                Time::new(i8::try_from(minute / 60).ok()?, i8::try_from(minute % 60).ok()?, 0, 0).ok()?;
            Some(date.to_datetime(time)).filter(|slot| *slot > now)
        };
        (0..most).filter_map(slot).collect()
    }

    /// Whether a slot begins then.
    ///
    /// # Errors
    /// Why not.
    pub fn takes_at(&self, at: DateTime, now: DateTime) -> Result<(), No> {
        let hours = self.takes(at.date(), now)?;
        if at <= now {
            return Err(No { why: "past", words: format!("{} is in the past.", long_moment(at)) });
        }
        let slots = self.slots(at.date(), hours, now);
        if slots.contains(&at) {
            return Ok(());
        }
        let times: Vec<_> = slots.iter().map(|s| clock(s.time())).collect();
        let words = if times.is_empty() {
            format!("No more appointments begin on {}.", long_date(at.date()))
        } else {
            format!("No appointment begins at {}; they begin at {}.", clock(at.time()), list(&times, "and"))
        };
        Err(No { why: "no_slot", words })
    }

    /// The services that a text names, in the order of the list: of overlapping names the longest, and the
    /// general one only where there is no other.
    #[must_use]
    pub fn named(&self, text: &str) -> Vec<&Service> {
        let text = stems(text);
        let mut hits: Vec<(usize, &Service)> = Vec::new();
        for service in &self.services {
            let longest = service.words.iter().filter(|w| occurs(w, &text)).map(Vec::len).max();
            hits.extend(longest.map(|n| (n, service)));
        }
        // "Brake fluid" is not "brake" as well: what stands inside another service's words does not count.
        let inside = |service: &Service| {
            let own = service.words.iter().filter(|w| occurs(w, &text));
            let others = || hits.iter().filter(|(_, s)| s.name != service.name).flat_map(|(_, s)| &s.words);
            own.clone().all(|w| others().any(|o| o.len() > w.len() && occurs(w, o) && occurs(o, &text)))
        };
        let mut named: Vec<_> = hits.iter().filter(|(_, s)| !inside(s)).map(|(_, s)| *s).collect();
        if named.iter().any(|s| !s.general) {
            named.retain(|s| !s.general);
        }
        named
    }

    /// The service of exactly this name.
    #[must_use]
    pub fn service(&self, name: &str) -> Option<&Service> {
        self.services.iter().find(|s| s.name.eq_ignore_ascii_case(name.trim()))
    }

    /// The earliest and the latest minute of a day at which anything happens here.
    #[must_use]
    pub fn day_span(&self) -> (i64, i64) {
        let open = || self.hours.iter().flatten();
        let first = open().map(|h| minute_of(h.opens)).min().unwrap_or(0);
        (first, open().map(|h| minute_of(h.closes)).max().unwrap_or(24 * 60))
    }

    /// What a model has to know before it calls a tool.
    #[must_use]
    pub fn briefing(&self, now: DateTime) -> String {
        let days = (0i8..).zip(&self.hours).filter_map(|(day, hours)| {
            let (day, hours) = (Weekday::from_monday_zero_offset(day).ok()?, hours.as_ref()?);
            Some(format!("{} {}-{}", weekday(day), clock(hours.opens), clock(hours.closes)))
        });
        let days: Vec<_> = days.collect();
        format!(
            "At the workshop it is {}, {} ({}). It is open: {}. Use the tools for free slots, appointments and prices; \
             never invent a slot, a price or an appointment's number. Ask for a date, a time or a service that is missing.",
            long_date(now.date()),
            clock(now.time()),
            now.date(),
            days.join(", ")
        )
    }
}

/// `YYYY-MM-DDTHH:MM`: sorts as text.
#[must_use]
pub fn slot_name(at: DateTime) -> String {
    at.strftime("%Y-%m-%dT%H:%M").to_string()
}

/// The moment of a slot's name.
#[must_use]
pub fn slot_time(name: &str) -> Option<DateTime> {
    DateTime::strptime("%Y-%m-%dT%H:%M", name).ok()
}

/// `Thursday, 3 December 2026`
#[must_use]
pub fn long_date(date: Date) -> String {
    date.strftime("%A, %-d %B %Y").to_string()
}

/// `Thursday, 3 December 2026 at 10:00`
#[must_use]
pub fn long_moment(at: DateTime) -> String {
    format!("{} at {}", long_date(at.date()), clock(at.time()))
}

/// `10:00`
#[must_use]
pub fn clock(time: Time) -> String {
    time.strftime("%H:%M").to_string()
}

/// `Thursday`
#[must_use]
pub fn weekday(day: Weekday) -> &'static str {
    match day {
        Weekday::Monday => "Monday",
        Weekday::Tuesday => "Tuesday",
        Weekday::Wednesday => "Wednesday",
        Weekday::Thursday => "Thursday",
        Weekday::Friday => "Friday",
        Weekday::Saturday => "Saturday",
        Weekday::Sunday => "Sunday",
    }
}

/// `a, b and c`
#[must_use]
pub fn list<T: AsRef<str>>(items: &[T], and: &str) -> String {
    match items {
        [] => String::new(),
        [one] => one.as_ref().to_owned(),
        [first @ .., last] => {
            let first: Vec<_> = first.iter().map(AsRef::as_ref).collect();
            format!("{} {and} {}", first.join(", "), last.as_ref())
        }
    }
}

fn minute_of(time: Time) -> i64 {
    i64::from(time.hour()) * 60 + i64::from(time.minute())
}
