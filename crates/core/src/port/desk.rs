//! The part of the store that belongs to the people's side of an assistant: appointments, questions that
//! wait for a person, and what people thought of answers. A part of [`super::Store`], with its contract:
//! durable before it returns, whole or not at all, owners are part of the key.

use async_trait::async_trait;

use super::store::StoreError;
use crate::id::{RunId, SessionId, UserId};
use crate::time::Millis;

/// An appointment to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewAppointment {
    /// What it is to be called, `APT-YYYYMMDDHHMMSS`; where that name is taken the store counts its last
    /// two fields on, second by second, until it finds a free one.
    pub id: String,
    /// Whose it is.
    pub owner: UserId,
    /// When it begins, `YYYY-MM-DDTHH:MM` on the workshop's clock: sorts as text.
    pub slot: String,
    /// What is to be done, a name of the price list.
    pub service: String,
    /// The vehicle, where the person named one.
    pub vehicle: Option<String>,
    /// Anything else that was said.
    pub notes: String,
    /// The run that made it.
    pub run: RunId,
    /// Now.
    pub at: Millis,
}

/// Whether an appointment still holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AppointmentStatus {
    /// It holds.
    Booked,
    /// It was called off; its slot is free again.
    Cancelled,
}

/// An appointment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Appointment {
    /// `APT-YYYYMMDDHHMMSS`; unique in the store.
    pub id: String,
    /// When it begins, as in [`NewAppointment`].
    pub slot: String,
    /// What is to be done.
    pub service: String,
    /// The vehicle.
    pub vehicle: Option<String>,
    /// Anything else that was said.
    pub notes: String,
    /// Whether it holds.
    pub status: AppointmentStatus,
    /// When it was made.
    pub created_at: Millis,
}

/// A question that waits for a person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Escalation {
    /// `ESC-…`; unique in the store.
    pub id: String,
    /// Who waits.
    pub owner: UserId,
    /// In which conversation.
    pub session: SessionId,
    /// Since which run.
    pub run: RunId,
    /// Why: `low_confidence`, `user_request`, `sensitive_topic`, `safety_concern`.
    pub reason: String,
    /// Since when.
    pub created_at: Millis,
    /// When it was taken off the queue; `None` while it waits.
    pub closed_at: Option<Millis>,
}

/// How grave a reason is: a danger comes before a matter for people, a wish, a doubt.
#[must_use]
pub fn gravity(reason: &str) -> u8 {
    match reason {
        "safety_concern" => 3,
        "sensitive_topic" => 2,
        "user_request" => 1,
        _ => 0,
    }
}

/// What somebody thought of an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Feedback {
    /// Who.
    pub owner: UserId,
    /// Of which message: the client's name for it, or a run's id.
    pub message_id: String,
    /// `true` is good.
    pub positive: bool,
    /// In his own words.
    pub comment: Option<String>,
    /// When.
    pub at: Millis,
}

/// Keeps appointments, escalations and feedback; see the module.
#[async_trait]
pub trait Desk: Send + Sync {
    /// Makes an appointment, unless `capacity` of them are booked in the slot already (`None`). The same
    /// owner, slot and service again is the appointment that there is.
    async fn book(&self, new: NewAppointment, capacity: usize) -> Result<Option<Appointment>, StoreError>;

    /// Calls this owner's appointment off; `None` where he has none of that name. Twice is once.
    async fn cancel_appointment(&self, owner: &UserId, id: &str) -> Result<Option<Appointment>, StoreError>;

    /// This owner's appointments with `from <= slot < until`, cancelled ones too, by slot, at most `limit`
    /// (the earliest).
    async fn appointments(
        &self,
        owner: &UserId,
        from: &str,
        until: &str,
        limit: usize,
    ) -> Result<Vec<Appointment>, StoreError>;

    /// How many appointments of anybody are booked in each slot with `from <= slot < until`, by slot;
    /// slots without one are left out.
    async fn taken(&self, from: &str, until: &str) -> Result<Vec<(String, usize)>, StoreError>;

    /// Puts a question on the queue and gives back the one that waits. Where one of the same owner and
    /// session waits already it stays that one; where the new reason is graver ([`gravity`]) it gets that
    /// reason and that run. An owner of whom `limit::ESCALATIONS_PER_USER` wait in other sessions gets the
    /// newest of those back.
    async fn escalate(&self, new: Escalation) -> Result<Escalation, StoreError>;

    /// What waits, of everybody, longest first, at most `limit`. For the operator.
    async fn waiting(&self, limit: usize) -> Result<Vec<Escalation>, StoreError>;

    /// What has waited since then or less long, longest first, the newest `limit` of it: what is still news.
    async fn waiting_since(&self, since: Millis, limit: usize) -> Result<Vec<Escalation>, StoreError>;

    /// Takes a question off the queue; `false` where none of that name waits. For the operator.
    async fn close_escalation(&self, id: &str, at: Millis) -> Result<bool, StoreError>;

    /// Keeps what somebody thought, in place of what he thought of the same message before. Of one owner at most
    /// [`crate::limit::FEEDBACK_PER_USER`] are kept: beyond that the oldest go, never the one that is given; of
    /// one time those whose message's name sorts first.
    async fn give_feedback(&self, feedback: Feedback) -> Result<(), StoreError>;

    /// What this owner thought of a message.
    async fn feedback(&self, owner: &UserId, message_id: &str) -> Result<Option<Feedback>, StoreError>;

    /// How many good and bad opinions there are, of everybody. For the operator.
    async fn feedback_counts(&self) -> Result<(u64, u64), StoreError>;
}
