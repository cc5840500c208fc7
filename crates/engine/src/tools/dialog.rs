//! For models that call no tools: reads from the conversation what the person wants done, asks for what is
//! missing, and says what to run. Pure and deterministic: the open request is read anew in every turn from
//! the person's texts and from how the answers between them ended.
//!
//! An answer that leaves a request open ends with one of the sentences of [`Question`]. The turns back from
//! the last one that all end so are one request; any other answer closed it.

use headwater_core::Millis;
use jiff::civil::{Date, DateTime, Time};
use serde_json::{Value, json};

use super::arguments::Part;
use super::hear::{Heard, hear};
use super::say::{self, Question};
use super::wish::Wish;
use super::workshop::{Workshop, clock};
use super::{Done, Tool};
use crate::mask::Kind;

/// A turn of the conversation: what the person said, and the answer.
#[derive(Debug, Clone, Copy)]
pub struct Exchange<'a> {
    /// The person.
    pub said: &'a str,
    /// When.
    pub at: Millis,
    /// The answer; empty where there was none.
    pub answer: &'a str,
}

/// What is known of a wish.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Request {
    wish: Option<Wish>,
    services: Vec<String>,
    date: Option<Date>,
    no_day: Option<String>,
    time: Option<Time>,
    part: Option<Part>,
    number: Option<String>,
    vehicle: Option<String>,
    /// The vehicle's number was said in a turn that was kept masked.
    hidden: bool,
    pick: Option<usize>,
    notes: Vec<String>,
    dropped: bool,
}

/// What to do for a person.
#[derive(Debug, Clone, PartialEq)]
pub enum Step {
    /// Say this; nothing is to be run.
    Say(String),
    /// Run this, and ask [`Request::after`] what then.
    Run(Tool, Value),
}

/// What the last text asks of the workshop; `None` where it asks for nothing that a tool can do. `earlier`:
/// the turns before it, oldest first.
#[must_use]
pub fn understand(shop: &Workshop, earlier: &[Exchange<'_>], said: &str, at: Millis) -> Option<Request> {
    let open = earlier.iter().rev().take_while(|turn| Question::ending(turn.answer).is_some()).count();
    let turns = earlier.get(earlier.len() - open..).unwrap_or_default();
    let mut request = Request::default();
    let mut after = None;
    for turn in turns {
        request.hear(shop, turn.said, turn.at, after);
        after = Question::ending(turn.answer);
    }
    let heard = request.hear(shop, said, at, after);
    let wanted = heard.wish.is_some() || (after.is_some() && heard.fills());
    (wanted && request.wish.is_some()).then_some(request)
}

impl Request {
    /// Takes in one text, said in answer to a question or to none.
    fn hear(&mut self, shop: &Workshop, said: &str, at: Millis, after: Option<Question>) -> Heard {
        match after {
            Some(Question::OtherDay) => (self.date, self.time, self.part) = (None, None, None),
            Some(Question::OtherTime) => self.time = None,
            Some(Question::Service) => self.services.clear(),
            _ => {}
        }
        let asked_time = matches!(after, Some(Question::Time | Question::OtherTime | Question::Offer));
        let heard = hear(said, shop.local(at), shop, asked_time);
        self.dropped = heard.no && after.is_some() && !(heard.day.is_some() || heard.time.is_some());
        let chooses = heard.yes || heard.day.is_some() || heard.time.is_some() || heard.pick.is_some();
        if matches!(after, Some(Question::Offer | Question::BookIt)) && chooses && heard.wish.is_none() {
            self.wish = Some(Wish::Book);
        }
        // "Cancel" in the middle of a booking ends the booking.
        if let Some(wish) = heard.wish.filter(|_| !self.dropped) {
            let same_visit = |w| matches!(w, Wish::Book | Wish::Slots | Wish::Price | Wish::Move);
            if !self.wish.is_some_and(|old| same_visit(old) && same_visit(wish)) {
                *self = Self::default();
            }
            self.wish = Some(wish);
        }
        self.notes.clear();
        if let Some(day) = &heard.day {
            self.date = Some(day.date);
            self.notes.extend(day.note.clone());
        }
        self.no_day = heard.no_day.clone().map(|no| no.0);
        if self.no_day.is_some() {
            self.date = None;
        }
        self.time = heard.time.or(self.time);
        self.part = heard.part.or(self.part);
        if !heard.services.is_empty() {
            self.services.clone_from(&heard.services);
        }
        self.number = heard.number.clone().or(self.number.take());
        self.vehicle = heard.vehicle.clone().or(self.vehicle.take());
        // Asked for once more, "yes" is to go on without it.
        let without = after == Some(Question::Vehicle) && heard.yes;
        self.hidden = !without && (self.hidden || said.contains(Kind::Vin.label()));
        self.pick = heard.pick;
        heard
    }

    /// The same where the client says which vehicle it is: its number need not be asked for.
    #[must_use]
    pub fn with_vehicle(self) -> Self {
        Self { hidden: false, ..self }
    }

    /// The tools without which this cannot be done.
    #[must_use]
    pub fn needs(&self) -> &'static [Tool] {
        match self.wish {
            Some(Wish::Book | Wish::Move) => &[Tool::BookAppointment, Tool::CheckAvailableSlots],
            Some(Wish::Slots) => &[Tool::CheckAvailableSlots],
            Some(Wish::Cancel) => &[Tool::CancelAppointment, Tool::GetServiceHistory],
            Some(Wish::History) => &[Tool::GetServiceHistory],
            Some(Wish::Price) => &[Tool::GetServicePricing],
            None => &[],
        }
    }

    /// What is done first.
    #[must_use]
    pub fn begin(&self, shop: &Workshop, now: DateTime) -> Step {
        if self.dropped {
            return Step::Say(match self.wish {
                Some(Wish::Cancel) => say::NOTHING_CANCELLED.to_owned(),
                _ => say::NOTHING_BOOKED.to_owned(),
            });
        }
        match self.wish {
            Some(Wish::Cancel) => match &self.number {
                Some(number) => Step::Run(Tool::CancelAppointment, json!({ "appointment_id": number })),
                // What is cancelled is gone: a day that could not be read is not passed over.
                None if self.no_day.is_some() => Step::Say(self.ask(Question::Which)),
                None => Step::Run(Tool::GetServiceHistory, json!({})),
            },
            Some(Wish::History) => Step::Run(Tool::GetServiceHistory, json!({})),
            Some(Wish::Price) => match self.services.as_slice() {
                [one] => Step::Run(Tool::GetServicePricing, json!({ "service": one })),
                _ => Step::Run(Tool::GetServicePricing, json!({})),
            },
            Some(Wish::Slots) => match self.date {
                Some(date) => self.look(date),
                None => Step::Say(self.ask(Question::Look)),
            },
            Some(Wish::Move) if self.date.is_none() => {
                Step::Say(format!("{} {}", say::MOVING, self.ask(Question::Day)))
            }
            Some(Wish::Book | Wish::Move) | None => self.book(shop, now),
        }
    }

    fn book(&self, shop: &Workshop, now: DateTime) -> Step {
        let service = match self.services.as_slice() {
            [one] => one,
            several => {
                let bookable = shop.services.iter().filter(|s| s.minutes.is_some()).map(|s| s.name.as_str());
                let bookable: Vec<_> = bookable.collect();
                return Step::Say(say::which_service(&bookable, !several.is_empty(), &self.notes));
            }
        };
        let Some(date) = self.date else { return Step::Say(self.ask(Question::Day)) };
        // A day that cannot be had needs no time.
        let (Some(time), Ok(_)) = (self.time, shop.takes(date, now)) else { return self.look(date) };
        if self.hidden && self.vehicle.is_none() {
            return Step::Say(format!("{} {}", say::VEHICLE_HIDDEN, self.ask(Question::Vehicle)));
        }
        let mut arguments = json!({"date": date.to_string(), "time": clock(time), "service": service});
        if let (Some(vehicle), Value::Object(arguments)) = (&self.vehicle, &mut arguments) {
            arguments.insert("vehicle".to_owned(), vehicle.as_str().into());
        }
        Step::Run(Tool::BookAppointment, arguments)
    }

    fn look(&self, date: Date) -> Step {
        let mut arguments = json!({ "date": date.to_string() });
        if let (Some(part), Value::Object(arguments)) = (self.part, &mut arguments) {
            arguments.insert("part_of_day".to_owned(), part.word().into());
        }
        Step::Run(Tool::CheckAvailableSlots, arguments)
    }

    fn ask(&self, question: Question) -> String {
        say::sentences(self.notes.iter().chain(&self.no_day).map(String::as_str), question.text())
    }

    /// What is done after a tool has returned.
    #[must_use]
    pub fn after(&self, tool: Tool, done: &Done) -> Step {
        let looked_to_cancel = tool == Tool::GetServiceHistory && self.wish == Some(Wish::Cancel);
        let told = match tool {
            Tool::GetServiceHistory if looked_to_cancel => match self.meant(done).as_slice() {
                [one] => {
                    let number = one.get("appointment_id").cloned().unwrap_or_default();
                    return Step::Run(Tool::CancelAppointment, json!({ "appointment_id": number }));
                }
                several => say::which_appointment(several),
            },
            Tool::CheckAvailableSlots => say::slots(done),
            Tool::BookAppointment => say::booking(done),
            Tool::GetServiceHistory => say::history(done),
            Tool::CancelAppointment => say::cancelling(done),
            Tool::GetServicePricing => say::pricing(done, &self.services),
        };
        let moved =
            (self.wish == Some(Wish::Move) && tool == Tool::BookAppointment && done.ok).then_some(say::MOVED);
        Step::Say(say::sentences(self.notes.iter().map(String::as_str).chain(moved), &told))
    }

    /// Which of the appointments ahead are meant.
    fn meant<'a>(&self, done: &'a Done) -> Vec<&'a Value> {
        let ahead =
            done.result.get("upcoming").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        if let Some(pick) = self.pick {
            let at = if pick == usize::MAX { ahead.len().saturating_sub(1) } else { pick };
            return ahead.get(at).into_iter().collect();
        }
        let text = |a: &'a Value, key| a.get(key).and_then(Value::as_str).unwrap_or_default();
        let on = |a: &'a Value| self.date.is_none_or(|date| text(a, "slot").starts_with(&date.to_string()));
        let at = |a: &'a Value| self.time.is_none_or(|time| text(a, "slot").ends_with(&clock(time)));
        let of =
            |a: &'a Value| self.services.is_empty() || self.services.iter().any(|s| s == text(a, "service"));
        let fits: Vec<_> = ahead.iter().filter(|a| on(a) && at(a) && of(a)).collect();
        // What fits nothing is asked about with the whole list.
        if fits.is_empty() && ahead.len() > 1 { ahead.iter().collect() } else { fits }
    }
}
