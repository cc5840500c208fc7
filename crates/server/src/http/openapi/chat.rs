//! The assistant: its socket, its plain requests, and what hangs on its answers.

use serde_json::json;

use super::operation::{Book, delete, get, post};
use super::shapes::{ChatAsk, Opinion};
use crate::http::chat::{Answered, History};
use crate::http::{appointments, feedback};
use crate::ws::chat::frames::{ClientFrame, ServerFrame};

const SIGN_IN: &str =
    "Authentication required · Invalid token · Invalid access token (it is a refresh token)";

pub(super) fn describe(book: &mut Book) {
    book.group("Chat");
    let (client, server) = (book.asked::<ClientFrame>(), book.given::<ServerFrame<'static>>());
    book.add(
        get("/ws/chat", "ws_chat", "Chat over a WebSocket")
            .about(
                "Accepted with a good token, with a bad one and with none; unauthenticated it is closed with 4401 after five \
                 minutes. When the token runs out, or its owner signs out, it gets `TOKEN_EXPIRED` and is closed with 4401. Who \
                 asks too often is told `RATE_LIMITED` and `retry_after`, and stays connected. A connection serves any number of turns, and listens while an answer streams.",
            )
            .signed_in_by(json!([{ "bearer": [] }, { "token": [] }, { "ticket": [] }, {}]))
            .query("token", json!({ "type": "string" }), "An access token. A bad one leaves the connection unauthenticated.")
            .query("ticket", json!({ "type": "string" }), "From `POST /api/ws-ticket`.")
            .query("detail", json!({ "type": "boolean", "default": false }), "`true`: `reasoning` frames come too, and `complete` says who answered.")
            .query("partial", json!({ "type": "boolean", "default": true }), "`false`: `partial_response` is empty in token frames.")
            .socket(json!({
                "description": "Text frames, one JSON object each. The server sends `auth_success` or `auth_error`; for each \
                    turn four `progress` frames, `token` frames, then one `complete` or one `error`; and `pong`. Frames of a \
                    run carry `run_id` and `seq`: after a lost connection, send `resume` with both.",
                "documentation": "/docs/chat.md",
                "client": client,
                "server": server,
                "example": [
                    "→ {\"type\":\"auth\",\"token\":\"eyJ0…\"}",
                    "← {\"type\":\"auth_success\",\"message\":\"Authentication successful\",\"user\":{…}}",
                    "→ {\"type\":\"message\",\"message\":\"What is the engine power?\",\"session_id\":\"car\"}",
                    "← {\"type\":\"progress\",\"step\":\"starting\",\"message\":\"Processing your question...\",\"run_id\":\"run_af52…\",\"seq\":2}",
                    "← {\"type\":\"token\",\"token\":\"128\",\"partial_response\":\"128\",\"run_id\":\"run_af52…\",\"seq\":9}",
                    "← {\"type\":\"complete\",\"response\":\"128 hp\",\"session_id\":\"car\",\"metadata\":{…},\"run_id\":\"run_af52…\",\"seq\":14}",
                ],
            }))
            .refuses(400, "It is no handshake of a WebSocket; the sentence says why.")
            .refuses(403, "Origin not allowed")
            .refuses(426, "Only WebSockets are served here · Only version 13 of WebSocket is spoken")
            .refuses(
                429,
                "Too many connections from your address on which nobody has signed in; sign in or close some and try again",
            ),
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
            .refuses(401, &format!("{SIGN_IN} · Token expired (while you waited; the run goes on)"))
            .refuses(422, "A field is missing or not as it must be · Message is required")
            .refuses(
                429,
                "Too many questions; try again in N s · Too many questions from your address; try again in N s · you have N \
                 live answers, which is the limit · this server has as many live answers as it may have",
            )
            .refuses(500, "Failed to process message: …")
            .refuses(503, "this server is about to stop; try again in a moment"),
    );
    book.add(
        get("/api/v1/chat/history/{session_id}", "chat_history", "The messages of a session")
            .about("The newest 500, oldest first; `truncated` where there are older ones. A session that is not there, or not yours, is \
                 empty.")
            .part("session_id", "The session.")
            .query("owner", json!({ "type": "string" }), "Whose session it is, where another shares it with you.")
            .gives::<History>(
                200,
                "The messages.",
                json!({ "session_id": "car", "messages": [
                    { "role": "user", "content": "Engine power?", "run_id": "run_af52…", "outcome": "completed", "at": 1_795_248_162_377_u64 },
                    { "role": "assistant", "content": "128 hp.", "run_id": "run_af52…", "outcome": "completed", "at": 1_795_248_162_528_u64 },
                ]}),
            )
            .refuses(401, SIGN_IN),
    );

    book.group("Desk");
    book.add(
        post("/api/v1/feedback", "feedback", "Say what you think of an answer")
            .about("In place of what you thought of the same answer before.")
            .takes::<Opinion>(json!({ "message_id": "run_af52…", "sentiment": "positive", "comment": "Short and right." }))
            .gives::<feedback::Recorded>(
                200,
                "It is kept.",
                json!({ "status": "success", "message": "Feedback recorded", "message_id": "run_af52…", "sentiment": "positive" }),
            )
            .refuses(401, SIGN_IN)
            .refuses(422, "A field is missing or not as it must be."),
    );
    let mut listed = appointment("booked");
    listed["notes"] = json!("");
    listed["created_at"] = json!(1_796_207_400_000_u64);
    let mut cancelled = appointment("cancelled");
    cancelled["free_of_charge"] = json!(true);
    book.add(
        get("/api/v1/appointments", "appointments", "Your appointments")
            .about("Those that the assistant made for you, cancelled ones too: all that are ahead, and the newest of two years.")
            .gives::<appointments::Listed>(
                200,
                "The appointments.",
                json!({ "appointments": [listed] }),
            )
            .refuses(401, SIGN_IN),
    );
    book.add(
        delete("/api/v1/appointments/{appointment_id}", "cancel_appointment", "Call an appointment off")
            .about("Its slot is free again. Twice is once.")
            .part("appointment_id", "`APT-…`")
            .gives::<appointments::Cancelled>(
                200,
                "It is called off.",
                json!({ "message": "Appointment cancelled", "appointment": cancelled }),
            )
            .refuses(401, SIGN_IN)
            .refuses(404, "Appointment not found")
            .refuses(409, "That appointment has begun already and cannot be cancelled."),
    );
}

fn appointment(status: &str) -> serde_json::Value {
    json!({
        "appointment_id": "APT-20261123093000", "slot": "2026-11-24T09:00", "service": "Oil change",
        "status": status, "upcoming": true, "weekday": "Tuesday", "price": "from $89",
    })
}
