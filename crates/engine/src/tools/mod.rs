//! What an agent can do besides answering: look for a free slot, book it, call it off, tell what there was
//! and what it costs. Executed for real, over the store's [`Desk`](headwater_core::port::desk::Desk).
//!
//! A tool is data ([`Tool`]: name, words for a model, schema of its arguments) and what [`Clerk`] does for
//! it by the rules of a [`Workshop`]. Who wants it done is a model that calls tools, or for other models
//! [`dialog`], which reads the person's words itself. Both are answered by the same results: an object,
//! `ok` or not, with words. A refusal is a result, never a failure of the run.

pub mod arguments;
pub mod clerk;
pub mod day;
pub mod dialog;
pub mod done;
pub mod hear;
pub mod hour;
pub mod say;
#[cfg(test)]
mod tests;
mod text;
mod wish;
pub mod workshop;

use headwater_core::port::provider::ToolSpec;
use serde_json::{Value, json};

pub use clerk::{Case, Clerk};
pub use done::Done;
pub use workshop::{Hours, Service, Workshop};

/// A tool.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Tool {
    /// Which slots of a day are free.
    CheckAvailableSlots,
    /// Makes an appointment.
    BookAppointment,
    /// The person's appointments, ahead and past.
    GetServiceHistory,
    /// Calls an appointment off.
    CancelAppointment,
    /// What a service costs.
    GetServicePricing,
}

impl Tool {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::CheckAvailableSlots,
        Self::BookAppointment,
        Self::GetServiceHistory,
        Self::CancelAppointment,
        Self::GetServicePricing,
    ];

    /// Its name, in configurations and for models (contract).
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::CheckAvailableSlots => "check_available_slots",
            Self::BookAppointment => "book_appointment",
            Self::GetServiceHistory => "get_service_history",
            Self::CancelAppointment => "cancel_appointment",
            Self::GetServicePricing => "get_service_pricing",
        }
    }

    /// The tool of this name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|t| t.name() == name)
    }

    /// As a model is offered it, for this workshop.
    #[must_use]
    pub fn spec(self, workshop: &Workshop) -> ToolSpec {
        let names = |bookable: bool| -> Vec<&str> {
            let wanted = workshop.services.iter().filter(|s| !bookable || s.minutes.is_some());
            wanted.map(|s| s.name.as_str()).collect()
        };
        let date = json!({"type": "string", "description": "YYYY-MM-DD"});
        let (description, properties, required): (&str, Value, Value) = match self {
            Self::CheckAvailableSlots => (
                "Lists the free slots of one day at the workshop. Call it before you offer a time.",
                json!({"date": date, "part_of_day": {"type": "string", "enum": ["morning", "afternoon"]}}),
                json!(["date"]),
            ),
            Self::BookAppointment => (
                "Books an appointment for the person who asks. Call it only when service, date and time are known.",
                json!({
                    "date": date,
                    "time": {"type": "string", "description": "HH:MM, 24 hours; the beginning of a free slot"},
                    "service": {"type": "string", "enum": names(true)},
                    "vehicle": {"type": "string", "description": "license plate, VIN or name of the car, if it was said; [VIN] where that stands in its place"},
                    "notes": {"type": "string", "description": "what the workshop should know, if anything was said"},
                }),
                json!(["date", "time", "service"]),
            ),
            Self::GetServiceHistory => (
                "Lists the person's own appointments: those ahead and those that are past.",
                json!({}),
                json!([]),
            ),
            Self::CancelAppointment => (
                "Cancels one of the person's own appointments.",
                json!({"appointment_id": {"type": "string", "description": "APT- and 14 digits"}}),
                json!(["appointment_id"]),
            ),
            Self::GetServicePricing => (
                "Tells what a service costs; without a service, the whole price list.",
                json!({"service": {"type": "string", "enum": names(false)}}),
                json!([]),
            ),
        };
        ToolSpec {
            name: self.name().to_owned(),
            description: description.to_owned(),
            parameters: json!({
                "type": "object", "properties": properties, "required": required, "additionalProperties": false,
            }),
        }
    }
}
