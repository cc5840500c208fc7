//! Appointments, questions that wait for a person, and opinions, in memory.

use std::collections::BTreeMap;

use async_trait::async_trait;
use headwater_core::port::desk::{
    Appointment, AppointmentStatus, Desk, Escalation, Feedback, NewAppointment, gravity,
};
use headwater_core::port::store::StoreError;
use headwater_core::{Millis, UserId, limit};

use super::MemoryStore;
use crate::rules;

/// Everything on the desk, in the order in which it came.
#[derive(Debug, Default)]
pub(super) struct Papers {
    appointments: Vec<(UserId, Appointment)>,
    escalations: Vec<Escalation>,
    feedback: BTreeMap<(UserId, String), Feedback>,
}

impl Papers {
    fn book(&mut self, new: NewAppointment, capacity: usize) -> Result<Option<Appointment>, StoreError> {
        let booked = || self.appointments.iter().filter(|(_, a)| a.status == AppointmentStatus::Booked);
        let same =
            booked().find(|(owner, a)| *owner == new.owner && a.slot == new.slot && a.service == new.service);
        if let Some((_, same)) = same {
            return Ok(Some(same.clone()));
        }
        if booked().filter(|(_, a)| a.slot == new.slot).count() >= capacity {
            return Ok(None);
        }
        let taken = |id: &str| Ok::<_, StoreError>(self.appointments.iter().any(|(_, a)| a.id == id));
        let id = rules::free_name(&new.id, taken)?;
        let id = id.ok_or_else(|| StoreError(rules::no_name_left(&new.id)))?;
        let appointment = Appointment {
            id,
            slot: new.slot,
            service: new.service,
            vehicle: new.vehicle,
            notes: new.notes,
            status: AppointmentStatus::Booked,
            created_at: new.at,
        };
        self.appointments.push((new.owner, appointment.clone()));
        Ok(Some(appointment))
    }

    fn cancel(&mut self, owner: &UserId, id: &str) -> Option<Appointment> {
        let (_, appointment) = self.appointments.iter_mut().find(|(o, a)| o == owner && a.id == id)?;
        appointment.status = AppointmentStatus::Cancelled;
        Some(appointment.clone())
    }

    fn appointments(&self, owner: &UserId, from: &str, until: &str, limit: usize) -> Vec<Appointment> {
        let within = |a: &Appointment| from <= a.slot.as_str() && a.slot.as_str() < until;
        let mine = self.appointments.iter().filter(|(o, a)| o == owner && within(a));
        let mut mine: Vec<Appointment> = mine.map(|(_, a)| a.clone()).collect();
        // Keeps those of one slot in the order of making.
        mine.sort_by(|a, b| a.slot.cmp(&b.slot));
        mine.truncate(limit);
        mine
    }

    fn taken(&self, from: &str, until: &str) -> Vec<(String, usize)> {
        let mut taken = BTreeMap::<&str, usize>::new();
        for (_, a) in &self.appointments {
            let slot = a.slot.as_str();
            if a.status == AppointmentStatus::Booked && from <= slot && slot < until {
                *taken.entry(slot).or_default() += 1;
            }
        }
        taken.into_iter().map(|(slot, booked)| (slot.to_owned(), booked)).collect()
    }

    fn escalate(&mut self, new: Escalation) -> Result<Escalation, StoreError> {
        let open = self.escalations.iter().filter(|e| e.closed_at.is_none());
        if let Some(waiting) = open.clone().find(|e| e.owner == new.owner && e.session == new.session) {
            let id = waiting.id.clone();
            let kept = self.escalations.iter_mut().find(|e| e.id == id);
            let Some(kept) = kept else { return Err(StoreError("an escalation went away".into())) };
            if gravity(&new.reason) > gravity(&kept.reason) {
                (kept.reason, kept.run) = (new.reason, new.run);
            }
            return Ok(kept.clone());
        }
        let mut of_owner: Vec<_> = open.filter(|e| e.owner == new.owner).collect();
        if of_owner.len() >= limit::ESCALATIONS_PER_USER {
            of_owner.sort_by_key(|e| e.created_at);
            return of_owner.pop().cloned().ok_or_else(|| StoreError("an escalation went away".into()));
        }
        if self.escalations.iter().any(|e| e.id == new.id) {
            return Err(StoreError(format!("there is an escalation {} already", new.id)));
        }
        let new = Escalation { closed_at: None, ..new };
        self.escalations.push(new.clone());
        Ok(new)
    }

    fn waiting(&self, limit: usize) -> Vec<Escalation> {
        let mut open = self.open_since(Millis(i64::MIN));
        open.truncate(limit);
        open
    }

    fn waiting_since(&self, since: Millis, limit: usize) -> Vec<Escalation> {
        let mut open = self.open_since(since);
        open.drain(..open.len().saturating_sub(limit));
        open
    }

    /// Longest first.
    fn open_since(&self, since: Millis) -> Vec<Escalation> {
        let open = self.escalations.iter().filter(|e| e.closed_at.is_none() && e.created_at >= since);
        let mut open: Vec<_> = open.cloned().collect();
        open.sort_by_key(|e| e.created_at);
        open
    }

    fn close(&mut self, id: &str, at: Millis) -> bool {
        let open = self.escalations.iter_mut().find(|e| e.id == id && e.closed_at.is_none());
        open.map(|e| e.closed_at = Some(at)).is_some()
    }

    fn give(&mut self, new: Feedback) {
        let key = (new.owner.clone(), new.message_id.clone());
        self.feedback.insert(key.clone(), new);
        let from = (key.0.clone(), String::new());
        let mut own: Vec<_> =
            self.feedback.range(from..).take_while(|((owner, _), _)| *owner == key.0).collect();
        let more = own.len().saturating_sub(limit::FEEDBACK_PER_USER);
        if more == 0 {
            return;
        }
        own.retain(|(other, _)| **other != key);
        own.sort_by_key(|((_, message), given)| (given.at, message.clone()));
        let going: Vec<_> = own.into_iter().take(more).map(|(key, _)| key.clone()).collect();
        for key in going {
            self.feedback.remove(&key);
        }
    }

    fn counts(&self) -> (u64, u64) {
        let good = self.feedback.values().filter(|f| f.positive).count();
        (good as u64, (self.feedback.len() - good) as u64)
    }
}

#[async_trait]
impl Desk for MemoryStore {
    async fn book(&self, new: NewAppointment, capacity: usize) -> Result<Option<Appointment>, StoreError> {
        self.write_with(|kept| kept.papers.book(new, capacity))?
    }

    async fn cancel_appointment(&self, owner: &UserId, id: &str) -> Result<Option<Appointment>, StoreError> {
        self.write_with(|kept| kept.papers.cancel(owner, id))
    }

    async fn appointments(
        &self,
        owner: &UserId,
        from: &str,
        until: &str,
        limit: usize,
    ) -> Result<Vec<Appointment>, StoreError> {
        self.read_with(|kept| kept.papers.appointments(owner, from, until, limit))
    }

    async fn taken(&self, from: &str, until: &str) -> Result<Vec<(String, usize)>, StoreError> {
        self.read_with(|kept| kept.papers.taken(from, until))
    }

    async fn escalate(&self, new: Escalation) -> Result<Escalation, StoreError> {
        self.write_with(|kept| kept.papers.escalate(new))?
    }

    async fn waiting(&self, limit: usize) -> Result<Vec<Escalation>, StoreError> {
        self.read_with(|kept| kept.papers.waiting(limit))
    }

    async fn waiting_since(&self, since: Millis, limit: usize) -> Result<Vec<Escalation>, StoreError> {
        self.read_with(|kept| kept.papers.waiting_since(since, limit))
    }

    async fn close_escalation(&self, id: &str, at: Millis) -> Result<bool, StoreError> {
        self.write_with(|kept| kept.papers.close(id, at))
    }

    async fn give_feedback(&self, feedback: Feedback) -> Result<(), StoreError> {
        self.write_with(|kept| {
            kept.papers.give(feedback);
        })
    }

    async fn feedback(&self, owner: &UserId, message_id: &str) -> Result<Option<Feedback>, StoreError> {
        self.read_with(|kept| kept.papers.feedback.get(&(owner.clone(), message_id.to_owned())).cloned())
    }

    async fn feedback_counts(&self) -> Result<(u64, u64), StoreError> {
        self.read_with(|kept| kept.papers.counts())
    }
}
