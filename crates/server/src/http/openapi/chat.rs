//! The assistant: its socket, its plain requests, and what hangs on its answers.

use serde_json::json;

use super::operation::{Book, delete, get, post};
use super::shapes::{AppointmentCancelled, Appointments, ChatAsk, ChatClientFrame, Opinion, OpinionKept};
use crate::http::chat::{Answered, History};

pub(super) fn describe(book: &mut Book) {
    book.group("Chat");
    let client = book.asked::<ChatClientFrame>();
    book.add(
        get("/ws/chat", "ws_chat", "Chat over a WebSocket")
            .about(
                "Accepted with a good token, with a bad one and with none; unauthenticated it is closed with 4401 after five \
                 minutes. A connection serves any number of turns, and listens while an answer streams.",
            )
            .signed_in_by(json!([{ "bearer": [] }, { "token": [] }, { "ticket": [] }, {}]))
            .query("token", json!({ "type": "string" }), "An access token. A bad one leaves the connection unauthenticated.")
            .query("ticket", json!({ "type": "string" }), "From `POST /api/ws-ticket`.")
            .query("partial", json!({ "type": "boolean", "default": true }), "`false`: `partial_response` is empty in token frames.")
            .socket(json!({
                "description": "Text frames, one JSON object each. The server sends `auth_success` or `auth_error`; for each \
                    turn four `progress` frames, `token` frames, then one `complete` or one `error`; and `pong`. Frames of a \
                    run carry `run_id` and `seq`: after a lost connection, send `resume` with both.",
                "documentation": "/docs/chat.md",
                "client": client,
                "example": [
                    "→ {\"type\":\"auth\",\"token\":\"eyJ0…\"}",
                    "← {\"type\":\"auth_success\",\"message\":\"Authentication successful\",\"user\":{…}}",
                    "→ {\"type\":\"message\",\"message\":\"What is the engine power?\",\"session_id\":\"car\"}",
                    "← {\"type\":\"progress\",\"step\":\"starting\",\"message\":\"Processing your question...\",\"run_id\":\"run_af52…\",\"seq\":2}",
                    "← {\"type\":\"token\",\"token\":\"128\",\"partial_response\":\"128\",\"run_id\":\"run_af52…\",\"seq\":9}",
                    "← {\"type\":\"complete\",\"response\":\"128 hp\",\"session_id\":\"car\",\"metadata\":{…},\"run_id\":\"run_af52…\",\"seq\":14}",
                ],
            }))
            .refuses(403, "Pages of this origin may not open connections here.")
            .refuses(429, "You have as many connections as allowed."),
    );
    book.add(
        post("/api/v1/chat", "chat", "Ask, and wait for the whole answer")
            .about("The same run as the socket's. It goes on when the client goes away; its answer is then in the history.")
            .takes::<ChatAsk>(json!({ "message": "How often is the service?", "session_id": "car" }))
            .gives::<Answered>(
                200,
                "The answer. A run that was stopped has `outcome: cancelled` in its metadata.",
                json!({
                    "response": "Every 10,000 km or 12 months.", "session_id": "car", "agent_used": "maintenance",
                    "metadata": { "classified_intent": "MAINTENANCE", "confidence": 0.92, "agent": "maintenance" },
                    "run_id": "run_0144…",
                }),
            )
            .refuses(401, "Authentication required · Invalid token")
            .refuses(422, "A field is missing or not as it must be; the message is empty.")
            .refuses(429, "You have as many live runs as allowed, or ask too often.")
            .refuses(500, "Failed to process message: …")
            .refuses(503, "The server is about to stop."),
    );
    book.add(
        get("/api/v1/chat/history/{session_id}", "chat_history", "The messages of a session")
            .about("The newest 500, oldest first. A session that is not there, or not yours, is empty.")
            .part("session_id", "The session.")
            .gives::<History>(
                200,
                "The messages.",
                json!({ "session_id": "car", "messages": [
                    { "role": "user", "content": "Engine power?", "run_id": "run_af52…", "outcome": "completed", "at": 1_795_248_162_377_u64 },
                    { "role": "assistant", "content": "128 hp.", "run_id": "run_af52…", "outcome": "completed", "at": 1_795_248_162_528_u64 },
                ]}),
            )
            .refuses(401, "Authentication required · Invalid token"),
    );

    book.group("Desk");
    book.add(
        post("/api/v1/feedback", "feedback", "Say what you think of an answer")
            .about("In place of what you thought of the same answer before.")
            .takes::<Opinion>(json!({ "message_id": "run_af52…", "sentiment": "positive", "comment": "Short and right." }))
            .gives::<OpinionKept>(
                200,
                "It is kept.",
                json!({ "status": "success", "message": "Feedback recorded", "message_id": "run_af52…", "sentiment": "positive" }),
            )
            .refuses(401, "Authentication required · Invalid token")
            .refuses(422, "A field is missing or not as it must be."),
    );
    book.add(
        get("/api/v1/appointments", "appointments", "Your appointments")
            .about("Those that the assistant made for you, cancelled ones too, by slot.")
            .gives::<Appointments>(
                200,
                "The appointments.",
                json!({ "appointments": [appointment("booked")] }),
            )
            .refuses(401, "Authentication required · Invalid token"),
    );
    book.add(
        delete("/api/v1/appointments/{appointment_id}", "cancel_appointment", "Call an appointment off")
            .about("Its slot is free again. Twice is once.")
            .part("appointment_id", "`APT-…`")
            .gives::<AppointmentCancelled>(
                200,
                "It is called off.",
                json!({ "message": "Appointment cancelled", "appointment": appointment("cancelled") }),
            )
            .refuses(401, "Authentication required · Invalid token")
            .refuses(404, "Appointment not found")
            .refuses(409, "It has begun: there is nothing to call off."),
    );
}

fn appointment(status: &str) -> serde_json::Value {
    json!({
        "appointment_id": "APT-20261123093000", "slot": "2026-11-24T09:00", "service": "Oil change",
        "status": status, "upcoming": true, "weekday": "Tuesday", "price": "$80",
    })
}
