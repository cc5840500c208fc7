//! `[workshop]` as it is typed, and its checks; all that is wrong is said at once.

use std::collections::{BTreeMap, HashMap};

use headwater_core::limit;
use jiff::civil::Time;
use jiff::tz::{Offset, TimeZone};
use serde::Deserialize;

use super::words::stems;
use crate::tools::{Hours, Service, Workshop};

const WEEKDAYS: [&str; 7] = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"];
const ZONE_RULE: &str = "use a name such as \"Europe/Berlin\" or an offset such as \"+02:00\"";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TypedWorkshop {
    zone: String,
    slot_minutes: i64,
    bays: usize,
    days_ahead: i64,
    #[serde(default)]
    cancel_hours: i64,
    #[serde(default = "month_first")]
    dates: String,
    #[serde(default)]
    price_note: String,
    hours: BTreeMap<String, String>,
    #[serde(default)]
    service: Vec<TypedService>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TypedService {
    name: String,
    #[serde(default)]
    aliases: Vec<String>,
    price: TypedPrice,
    currency: Option<String>,
    minutes: Option<i64>,
    #[serde(default)]
    general: bool,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum TypedPrice {
    Number(f64),
    Text(String),
}

fn month_first() -> String {
    "month_first".to_owned()
}

impl TypedWorkshop {
    /// The workshop, where nothing is wrong with it.
    pub(super) fn check(&self, problems: &mut Vec<String>) -> Option<Workshop> {
        let before = problems.len();
        let mut need = |ok: bool, problem: String| {
            if !ok {
                problems.push(problem);
            }
        };
        let zone = zone(&self.zone);
        need(zone.is_some(), format!("workshop.zone \"{}\" is not known: {ZONE_RULE}", self.zone));
        let (slot, days) = (self.slot_minutes, self.days_ahead);
        need((5..=1440).contains(&slot), format!("workshop.slot_minutes is {slot}: use 5 to 1440"));
        need((1..=1000).contains(&self.bays), format!("workshop.bays is {}: use 1 to 1000", self.bays));
        let most = limit::WORKSHOP_DAYS;
        let far = usize::try_from(days).is_ok_and(|d| (1..=most).contains(&d));
        need(far, format!("workshop.days_ahead is {days}: use 1 to {most}"));
        let notice = self.cancel_hours;
        need((0..=720).contains(&notice), format!("workshop.cancel_hours is {notice}: use 0 to 720"));
        let dates = matches!(self.dates.as_str(), "day_first" | "month_first");
        need(dates, format!("workshop.dates is \"{}\": use day_first or month_first", self.dates));
        let hours = self.check_hours(&mut need);
        let services = self.check_services(&mut need);
        (problems.len() == before).then_some(())?;
        Some(Workshop {
            zone: zone?,
            hours,
            slot_minutes: self.slot_minutes,
            bays: self.bays,
            days_ahead: self.days_ahead,
            cancel_hours: self.cancel_hours,
            day_first: self.dates == "day_first",
            price_note: self.price_note.trim().to_owned(),
            services,
        })
    }

    fn check_hours(&self, need: &mut impl FnMut(bool, String)) -> [Option<Hours>; 7] {
        for name in self.hours.keys() {
            let known = WEEKDAYS.contains(&name.as_str());
            need(known, format!("workshop.hours: \"{name}\" is no weekday such as monday"));
        }
        need(!self.hours.is_empty(), "workshop.hours is empty: the workshop is never open".to_owned());
        WEEKDAYS.map(|day| {
            let text = self.hours.get(day)?;
            let hours = hours(text);
            match hours {
                None => need(
                    false,
                    format!(
                        "workshop.hours.{day} is \"{text}\": use opening and closing such as \"08:00-18:00\""
                    ),
                ),
                Some(h) => need(
                    h.minutes() >= self.slot_minutes,
                    format!("workshop.hours.{day}: not one slot of {} minutes fits in", self.slot_minutes),
                ),
            }
            hours
        })
    }

    fn check_services(&self, need: &mut impl FnMut(bool, String)) -> Vec<Service> {
        let most = limit::SERVICES;
        need(!self.service.is_empty(), "there is no [[workshop.service]]".to_owned());
        need(self.service.len() <= most, format!("there are more than {most} [[workshop.service]]"));
        let general = self.service.iter().filter(|s| s.general).count();
        need(general <= 1, "more than one [[workshop.service]] is `general`".to_owned());
        let mut seen: HashMap<Vec<String>, &str> = HashMap::new();
        let mut services = Vec::new();
        for service in &self.service {
            let at = format!("workshop service \"{}\"", service.name);
            let named = (1..=64).contains(&service.name.trim().len());
            need(named, format!("{at}: `name` must have 1 to 64 bytes"));
            let mut words = Vec::new();
            for alias in std::iter::once(&service.name).chain(&service.aliases) {
                let stems = stems(alias);
                need(!stems.is_empty(), format!("{at}: \"{alias}\" has no letter or digit"));
                // Who asks for it would get the one or the other by chance.
                if let Some(other) = seen.insert(stems.clone(), &service.name) {
                    need(false, format!("{at}: \"{alias}\" stands twice, also for \"{other}\""));
                }
                words.push(stems);
            }
            let minutes = service.minutes;
            need(
                minutes.is_none_or(|m| (1..=self.slot_minutes).contains(&m)),
                format!(
                    "{at}: takes {} minutes, and a slot has {}: make slots longer, or leave `minutes` out for a \
                     service that cannot be booked here",
                    minutes.unwrap_or_default(),
                    self.slot_minutes
                ),
            );
            let price = service.price(&at, need);
            services.push(Service {
                name: service.name.trim().to_owned(),
                words,
                price,
                minutes,
                general: service.general,
            });
        }
        services
    }
}

impl TypedService {
    fn price(&self, at: &str, need: &mut impl FnMut(bool, String)) -> String {
        let currency = self.currency.as_deref().map(str::trim).filter(|c| !c.is_empty());
        match (&self.price, currency) {
            (TypedPrice::Number(n), Some(currency)) => {
                need(n.is_finite() && *n >= 0.0, format!("{at}: price {n} is no price"));
                if n.fract() == 0.0 { format!("{n:.0} {currency}") } else { format!("{n:.2} {currency}") }
            }
            (TypedPrice::Number(n), None) => {
                need(false, format!("{at}: price {n} needs a `currency`, or write a text such as \"$89\""));
                String::new()
            }
            (TypedPrice::Text(text), None) => {
                let said =
                    text.chars().any(|c| !c.is_ascii_digit() && !c.is_whitespace() && c != '.' && c != ',');
                need(
                    said && text.len() <= 64,
                    format!("{at}: price \"{text}\" must name its currency, in at most 64 bytes"),
                );
                text.trim().to_owned()
            }
            (TypedPrice::Text(_), Some(_)) => {
                need(false, format!("{at}: `currency` belongs to a price that is a number"));
                String::new()
            }
        }
    }
}

fn zone(text: &str) -> Option<TimeZone> {
    let offset = |sign: i32, rest: &str| {
        let (hours, minutes) = rest.split_once(':')?;
        let two =
            |t: &str| t.parse::<i32>().ok().filter(|_| t.len() == 2 && t.bytes().all(|b| b.is_ascii_digit()));
        let (hours, minutes) = (two(hours)?, two(minutes)?);
        (hours <= 14 && minutes < 60).then_some(())?;
        Offset::from_seconds(sign * (hours * 3600 + minutes * 60)).ok().map(TimeZone::fixed)
    };
    match text.split_at_checked(1) {
        Some(("+", rest)) => offset(1, rest),
        Some(("-", rest)) => offset(-1, rest),
        _ => TimeZone::get(text).ok(),
    }
}

fn hours(text: &str) -> Option<Hours> {
    let (opens, closes) = text.split_once('-')?;
    let clock = |t: &str| Time::strptime("%H:%M", t.trim()).ok();
    let hours = Hours { opens: clock(opens)?, closes: clock(closes)? };
    (hours.opens < hours.closes).then_some(hours)
}
