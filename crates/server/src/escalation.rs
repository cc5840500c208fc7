//! An escalation as the original's clients know it: in `complete` and in the answer of `POST /api/v1/chat`.

use headwater_core::event::Body;
use schemars::JsonSchema;
use serde::Serialize;

/// The keys in the original's order; what nobody knows is null.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct EscalationView {
    escalation_id: String,
    status: String,
    /// Minutes.
    estimated_wait_time: Option<u64>,
    agent_name: Option<String>,
    message: String,
}

impl EscalationView {
    /// What is shown of this event, where it is one.
    #[must_use]
    pub fn of(body: &Body) -> Option<Self> {
        // The reason is for the operator: the original does not tell it.
        let Body::Escalated { escalation_id, status, reason: _, estimated_wait_time, agent_name, message } =
            body
        else {
            return None;
        };
        Some(Self {
            escalation_id: escalation_id.clone(),
            status: status.clone(),
            estimated_wait_time: *estimated_wait_time,
            agent_name: agent_name.clone(),
            message: message.clone(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_keys_come_in_the_order_of_the_contract() {
        let body = Body::Escalated {
            escalation_id: "ESC-1".into(),
            status: "queued".into(),
            reason: "user_request".into(),
            estimated_wait_time: None,
            agent_name: None,
            message: "Somebody comes.".into(),
        };
        let json = serde_json::to_string(&EscalationView::of(&body).unwrap()).unwrap();
        assert_eq!(
            json,
            r#"{"escalation_id":"ESC-1","status":"queued","estimated_wait_time":null,"agent_name":null,"message":"Somebody comes."}"#
        );
        assert_eq!(EscalationView::of(&Body::Token { text: "x".into() }), None);
    }
}
