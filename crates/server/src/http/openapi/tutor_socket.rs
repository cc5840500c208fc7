//! The tutor's socket.

use serde_json::json;

use super::operation::{Book, get};

pub(super) fn describe(book: &mut Book) {
    book.group("Tutor");
    book.add(
        get("/api/ws", "ws_tutor", "The tutor over a WebSocket")
            .about(
                "Refused with 403 without a good token. Any number of answers stream side by side; stop one by the `message_id` \
                 of its question, from any socket of yours. Who joins a session gets its answers too, and hears who types.",
            )
            .signed_in_by(json!([{ "bearer": [] }, { "token": [] }, { "ticket": [] }]))
            .query("token", json!({ "type": "string" }), "An access token.")
            .query("ticket", json!({ "type": "string" }), "From `POST /api/ws-ticket`.")
            .socket(json!({
                "description": "Text frames, one JSON object each: `type` and `data`. The client sends `chat_stream`, \
                    `stop_generation`, `ping`, `join_session`, `leave_session`, `user_typing`, `message_sent`, `get_health`. For \
                    each question the server sends `stream_start`, `content_chunk` and more, then one of `stream_complete`, \
                    `stream_error`, `generation_stopped`.",
                "example": [
                    "← {\"type\":\"connect\",\"data\":{\"user_id\":\"ann\",\"connection_id\":\"6f1c…\",\"timestamp\":1795248162377,\"features\":{…}}}",
                    "→ {\"type\":\"chat_stream\",\"data\":{\"message_id\":\"m1\",\"session_id\":\"bio\",\"message\":\"Explain photosynthesis\"}}",
                    "← {\"type\":\"stream_start\",\"data\":{\"message_id\":\"m1\",\"session_id\":\"bio\",\"timestamp\":…,\"ai_message_id\":\"run_af52…\",\"metadata\":{…},\"seq\":2}}",
                    "← {\"type\":\"content_chunk\",\"data\":{\"message_id\":\"m1\",…,\"content\":\"Plants \",\"chunk_index\":0,\"is_code\":false,\"seq\":7}}",
                    "→ {\"type\":\"stop_generation\",\"data\":{\"message_id\":\"m1\"}}",
                    "← {\"type\":\"stop_acknowledged\",\"data\":{\"message_id\":\"m1\",…}}",
                    "← {\"type\":\"generation_stopped\",\"data\":{\"message_id\":\"m1\",…,\"reason\":\"user_cancelled\",\"partial_content\":\"Plants \",…}}",
                ],
            }))
            .refuses(400, "It is no handshake of a WebSocket; the sentence says why.")
            .refuses(403, "A good access token is needed: ?token=… · Origin not allowed")
            .refuses(426, "Only WebSockets are served here · Only version 13 of WebSocket is spoken")
            .refuses(
                429,
                "Too many connections from your address on which nobody has signed in; sign in or close some and try again",
            ),
    );
}
