//! Carries tools out: the workshop's rules over the store's desk. Whoever asks, a model, the parser or a
//! route, meets the same rules.

use headwater_core::port::SharedStore;
use headwater_core::port::desk::{Appointment, AppointmentStatus, NewAppointment};
use headwater_core::port::store::StoreError;
use headwater_core::{Error, Millis, RunId, UserId, limit};
use jiff::civil::{Date, DateTime};
use jiff::{Span, Unit};
use serde_json::{Value, json};
use tokio::sync::Mutex;

use super::Tool;
use super::arguments::{Booking, Cancelling, History, Pricing, Slots, date, note, read, time};
use super::done::Done;
use super::workshop::{No, Service, Workshop, clock, long_date, slot_name, slot_time, weekday};
use crate::engine::store_failed;
use crate::mask::is_masked;

/// After every slot there is.
const EVER: &str = "9999-12-31T23:59";
/// Years back that appointments are looked for.
const YEARS_BACK: i64 = 2;
/// Appointments of one person that are read to count or to find among them. Who has more, cancelled ones
/// too, in the time that is looked at, is told so.
const READ: usize = 1_000;

/// A label is nobody's vehicle. Refused, not left out: the person believes that he has named it.
const VEHICLE_HIDDEN: &str = "The vehicle's number is not kept between messages. Ask for it once more and book \
    when the person's answer is there, or leave `vehicle` out and say that the number is missing.";

/// For whom, and when.
#[derive(Clone)]
pub struct Case {
    /// Where appointments are kept.
    pub store: SharedStore,
    /// Whose they are; never what a model says.
    pub owner: UserId,
    /// He has no account: a calendar that whoever comes can fill is nobody's.
    pub guest: bool,
    /// The run that makes them.
    pub run: RunId,
    /// When it was asked.
    pub now: Millis,
    /// The vehicle that the client named.
    pub vehicle: Option<String>,
    /// The vehicle's number in what the person said just now, as he said it: a model may know its label only.
    pub said: Option<String>,
    /// The customer number that the client named.
    pub customer: Option<String>,
}

/// Why a tool has no result of its own: it was refused, or the store failed.
enum Stop {
    Refused(Done),
    Failed(Error),
}

impl From<Done> for Stop {
    fn from(done: Done) -> Self {
        Self::Refused(done)
    }
}

impl From<No> for Stop {
    fn from(no: No) -> Self {
        Self::Refused(no.into())
    }
}

impl From<StoreError> for Stop {
    fn from(error: StoreError) -> Self {
        Self::Failed(store_failed(error))
    }
}

fn settled(done: Result<Done, Stop>) -> Result<Done, Error> {
    match done {
        Ok(done) | Err(Stop::Refused(done)) => Ok(done),
        Err(Stop::Failed(error)) => Err(error),
    }
}

/// A person's appointments: those ahead by slot, those that are past newest first.
struct Kept {
    ahead: Vec<Appointment>,
    past: Vec<Appointment>,
    truncated: bool,
}

/// Whoever carries tools out for one workshop.
#[derive(Debug)]
pub struct Clerk {
    workshop: Workshop,
    /// One booking at a time: the count of a person's appointments must hold until his next one is made.
    /// (The capacity of a slot is the store's own, and holds over nodes.)
    booking: Mutex<()>,
}

impl Clerk {
    /// For this workshop.
    #[must_use]
    pub fn new(workshop: Workshop) -> Self {
        Self { workshop, booking: Mutex::default() }
    }

    /// Its rules.
    #[must_use]
    pub fn workshop(&self) -> &Workshop {
        &self.workshop
    }

    /// Carries a tool out.
    ///
    /// # Errors
    /// Where the store failed. Everything else is a result.
    pub async fn carry_out(&self, case: &Case, tool: Tool, arguments: &Value) -> Result<Done, Error> {
        let now = self.workshop.local(case.now);
        let done = match tool {
            Tool::CheckAvailableSlots => self.slots(case, now, arguments).await,
            Tool::BookAppointment => self.book(case, now, arguments).await,
            Tool::GetServiceHistory => self.history(case, now, arguments).await,
            Tool::CancelAppointment => match read::<Cancelling>(arguments) {
                Ok(wanted) => self.cancel(&case.store, &case.owner, now, &wanted.appointment_id).await,
                Err(done) => Err(done.into()),
            },
            Tool::GetServicePricing => self.pricing(arguments),
        };
        settled(done)
    }

    /// Calls an appointment off by its number, by the rules of the tool.
    ///
    /// # Errors
    /// Where the store failed.
    pub async fn call_off(
        &self,
        store: &SharedStore,
        owner: &UserId,
        now: Millis,
        id: &str,
    ) -> Result<Done, Error> {
        settled(self.cancel(store, owner, self.workshop.local(now), id).await)
    }

    /// A person's appointments, by slot, cancelled ones too: those ahead, and of the past ones the newest, at
    /// most `most` together; and whether there are more.
    ///
    /// # Errors
    /// Where the store failed.
    pub async fn appointments(
        &self,
        store: &SharedStore,
        owner: &UserId,
        now: Millis,
        most: usize,
    ) -> Result<(Vec<Value>, bool), Error> {
        let now = self.workshop.local(now);
        let kept = self.kept(store, owner, now, most, |_| true).await.map_err(store_failed)?;
        let told = kept.past.iter().rev().chain(&kept.ahead).map(|a| {
            let mut told = self.told(a, now);
            if let Value::Object(told) = &mut told {
                told.insert("notes".to_owned(), a.notes.as_str().into());
                told.insert("created_at".to_owned(), a.created_at.0.into());
            }
            told
        });
        Ok((told.collect(), kept.truncated))
    }

    async fn kept(
        &self,
        store: &SharedStore,
        owner: &UserId,
        now: DateTime,
        most: usize,
        wanted: fn(&Appointment) -> bool,
    ) -> Result<Kept, StoreError> {
        let today = slot_name(now);
        let mut ahead = store.appointments(owner, &today, EVER, READ).await?;
        let mut past = store.appointments(owner, &years_back(now), &today, READ).await?;
        let complete = ahead.len() < READ && past.len() < READ;
        ahead.retain(wanted);
        past.retain(wanted);
        let truncated = !complete || past.len() + ahead.len() > most;
        ahead.truncate(most);
        past.reverse();
        past.truncate(most - ahead.len());
        Ok(Kept { ahead, past, truncated })
    }

    async fn slots(&self, case: &Case, now: DateTime, arguments: &Value) -> Result<Done, Stop> {
        let wanted: Slots = read(arguments)?;
        let day = date(&wanted.date)?;
        let hours = match self.workshop.takes(day, now) {
            Ok(hours) => hours,
            Err(no) => {
                let next = self.next_free(case, now, day).await?;
                return Ok(Done::from(no).with("next_free", next));
            }
        };
        let mut free = self.free(case, now, day, hours).await?;
        if let Some(part) = wanted.part_of_day {
            free.retain(|slot| part.has(slot.time()));
        }
        let names: Vec<_> = free.iter().map(|s| slot_name(*s)).collect();
        let mut done = Done::yes(json!({
            "date": day.to_string(), "weekday": weekday(day.weekday()), "slots": names,
            "slot_minutes": self.workshop.slot_minutes,
        }));
        if let Some(part) = wanted.part_of_day {
            done = done.with("part_of_day", part.word().into());
        }
        if names.is_empty() {
            let next = self.next_free(case, now, day).await?;
            done = done.with("next_free", next);
        }
        Ok(done)
    }

    /// The free slots of an open day.
    async fn free(
        &self,
        case: &Case,
        now: DateTime,
        day: Date,
        hours: super::Hours,
    ) -> Result<Vec<DateTime>, Stop> {
        let (from, until) = (format!("{day}T00:00"), format!("{day}T24:00"));
        let taken = case.store.taken(&from, &until).await?;
        let full = |slot: &DateTime| {
            let name = slot_name(*slot);
            taken.iter().any(|(taken, count)| *taken == name && *count >= self.workshop.bays)
        };
        let slots = self.workshop.slots(day, hours, now);
        Ok(slots.into_iter().filter(|slot| !full(slot)).collect())
    }

    /// The first free slot from a day on, or from today where that is past; null where there is none.
    async fn next_free(&self, case: &Case, now: DateTime, from: Date) -> Result<Value, Stop> {
        let shop = &self.workshop;
        let Some(last) = shop.last_day(now) else { return Ok(Value::Null) };
        let first = if from > last { now.date() } else { from.max(now.date()) };
        let taken = case.store.taken(&format!("{first}T00:00"), &format!("{last}T24:00")).await?;
        let full: std::collections::HashSet<_> =
            taken.iter().filter(|(_, count)| *count >= shop.bays).map(|(slot, _)| slot.as_str()).collect();
        let mut day = first;
        while day <= last {
            if let Ok(hours) = shop.takes(day, now) {
                let mut slots = shop.slots(day, hours, now).into_iter().map(slot_name);
                if let Some(free) = slots.find(|name| !full.contains(name.as_str())) {
                    return Ok(free.into());
                }
            }
            let Ok(next) = day.tomorrow() else { break };
            day = next;
        }
        Ok(Value::Null)
    }

    async fn book(&self, case: &Case, now: DateTime, arguments: &Value) -> Result<Done, Stop> {
        if case.guest {
            let words = "Appointments are made for people with an account. Please register or sign in, and ask again.";
            return Err(Done::no("guest", words).into());
        }
        let wanted: Booking = read(arguments)?;
        let at = date(&wanted.date)?.to_datetime(time(&wanted.time)?);
        let service = self.one_service(&wanted.service)?;
        if service.minutes.is_none() {
            let words = format!("{} cannot be booked here; please ask the workshop.", service.name);
            return Err(Done::no("not_bookable", words).into());
        }
        let named = note("vehicle", wanted.vehicle.as_deref())?;
        let hidden = named.as_deref().is_some_and(is_masked);
        let known = || case.said.clone().or_else(|| case.vehicle.clone());
        let vehicle = named.filter(|_| !hidden).or_else(known);
        if hidden && vehicle.is_none() {
            return Err(Done::no("vehicle_hidden", VEHICLE_HIDDEN).into());
        }
        let mut notes = note("notes", wanted.notes.as_deref())?.unwrap_or_default();
        if let Some(customer) = &case.customer {
            let gap = if notes.is_empty() { "" } else { "; " };
            notes = format!("{notes}{gap}customer {customer}");
        }
        self.workshop.takes_at(at, now)?;
        let slot = slot_name(at);
        let _one_at_a_time = self.booking.lock().await;
        let mine = case.store.appointments(&case.owner, &slot_name(now), EVER, READ).await?;
        let ahead = || mine.iter().filter(|a| a.status == AppointmentStatus::Booked);
        // Asked twice is made once, also by whoever has as many as he may.
        let again = ahead().any(|a| a.slot == slot && a.service == service.name);
        if !again && (ahead().count() >= limit::APPOINTMENTS_OPEN || mine.len() >= READ) {
            let most = limit::APPOINTMENTS_OPEN;
            let words =
                format!("You have {most} appointments ahead, and more cannot be made; cancel one first.");
            return Err(Done::no("too_many", words).into());
        }
        let new = NewAppointment {
            id: format!("APT-{}", now.strftime("%Y%m%d%H%M%S")),
            owner: case.owner.clone(),
            slot: slot.clone(),
            service: service.name.clone(),
            vehicle,
            notes,
            run: case.run.clone(),
            at: case.now,
        };
        let Some(made) = case.store.book(new, self.workshop.bays).await? else {
            let hours = self.workshop.takes(at.date(), now)?;
            let free = self.free(case, now, at.date(), hours).await?;
            let free: Vec<_> = free.into_iter().map(slot_name).collect();
            let words = format!("{} at {} is taken.", long_date(at.date()), clock(at.time()));
            let mut done = Done::no("full", words).with("slots", json!(free));
            if free.is_empty() {
                let next = self.next_free(case, now, at.date()).await?;
                done = done.with("next_free", next);
            }
            return Err(done.into());
        };
        Ok(Done::yes(self.told(&made, now)))
    }

    /// The one service that a model or a person means.
    fn one_service(&self, text: &str) -> Result<&Service, Stop> {
        if let Some(service) = self.workshop.service(text) {
            return Ok(service);
        }
        let all = || self.workshop.services.iter().map(|s| s.name.as_str()).collect::<Vec<_>>();
        match self.workshop.named(text).as_slice() {
            [one] => Ok(*one),
            [] => {
                let no = Done::no("unknown_service", "There is no service of that name.");
                Err(no.with("services", json!(all())).into())
            }
            several => {
                let names: Vec<_> = several.iter().map(|s| s.name.as_str()).collect();
                let no = Done::no("unknown_service", "One appointment is for one service.");
                Err(no.with("services", json!(names)).into())
            }
        }
    }

    async fn history(&self, case: &Case, now: DateTime, arguments: &Value) -> Result<Done, Stop> {
        let History {} = read(arguments)?;
        let booked = |a: &Appointment| a.status == AppointmentStatus::Booked;
        let kept = self.kept(&case.store, &case.owner, now, limit::APPOINTMENTS_TOLD, booked).await?;
        let told = |all: &[Appointment]| all.iter().map(|a| self.told(a, now)).collect::<Vec<_>>();
        let mut done = Done::yes(json!({ "upcoming": told(&kept.ahead), "past": told(&kept.past) }));
        if kept.truncated {
            done = done.with("truncated", true.into());
        }
        Ok(done)
    }

    async fn cancel(
        &self,
        store: &SharedStore,
        owner: &UserId,
        now: DateTime,
        id: &str,
    ) -> Result<Done, Stop> {
        let id = id.trim().to_ascii_uppercase();
        let unknown = || Stop::from(Done::no("not_found", "You have no appointment of that number."));
        if id.len() > limit::ID_BYTES {
            return Err(unknown());
        }
        let mine = store.appointments(owner, &years_back(now), EVER, READ).await?;
        let found = mine.iter().find(|a| a.id == id).ok_or_else(unknown)?;
        let at = slot_time(&found.slot);
        // What has begun is history, and history is not rewritten.
        if at.is_some_and(|at| at <= now) && found.status == AppointmentStatus::Booked {
            return Err(
                Done::no("past", "That appointment has begun already and cannot be cancelled.").into()
            );
        }
        let cancelled = store.cancel_appointment(owner, &id).await?.ok_or_else(unknown)?;
        let hours = self.workshop.cancel_hours;
        let left = at.and_then(|at| now.until((Unit::Hour, at)).ok());
        let late = hours > 0 && left.is_some_and(|left: Span| i64::from(left.get_hours()) < hours);
        Ok(Done::yes(self.told(&cancelled, now)).with("free_of_charge", (!late).into()))
    }

    fn pricing(&self, arguments: &Value) -> Result<Done, Stop> {
        let wanted: Pricing = read(arguments)?;
        let services = match wanted.service.as_deref().map(str::trim).filter(|s| !s.is_empty()) {
            Some(name) => vec![self.one_service(name)?],
            None => self.workshop.services.iter().collect(),
        };
        let told = services.iter().map(|s| {
            let mut told = json!({"service": s.name, "price": s.price, "bookable": s.minutes.is_some()});
            if let (Some(minutes), Value::Object(told)) = (s.minutes, &mut told) {
                told.insert("minutes".to_owned(), minutes.into());
            }
            told
        });
        let told: Vec<_> = told.collect();
        Ok(Done::yes(json!({ "services": told, "note": self.workshop.price_note })))
    }

    /// An appointment as it is told.
    fn told(&self, appointment: &Appointment, now: DateTime) -> Value {
        let at = slot_time(&appointment.slot);
        let status = match appointment.status {
            AppointmentStatus::Booked => "booked",
            AppointmentStatus::Cancelled => "cancelled",
        };
        let mut told = json!({
            "appointment_id": appointment.id, "slot": appointment.slot, "service": appointment.service,
            "status": status, "upcoming": at.is_some_and(|at| at > now),
        });
        if let Value::Object(told) = &mut told {
            if let Some(at) = at {
                told.insert("weekday".to_owned(), weekday(at.date().weekday()).into());
            }
            if let Some(service) = self.workshop.service(&appointment.service) {
                told.insert("price".to_owned(), service.price.as_str().into());
            }
            if let Some(vehicle) = &appointment.vehicle {
                told.insert("vehicle".to_owned(), vehicle.as_str().into());
            }
        }
        told
    }
}

/// The beginning of what is looked at.
fn years_back(now: DateTime) -> String {
    let from = Span::new().try_years(-YEARS_BACK).ok().and_then(|span| now.checked_add(span).ok());
    slot_name(from.unwrap_or(DateTime::ZERO))
}
