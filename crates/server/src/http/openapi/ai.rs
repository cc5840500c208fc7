//! `ai_stream`: its socket, and the HTTP beside it.

use schemars::JsonSchema;
use serde_json::json;

use headwater_core::limit;

use super::operation::{Book, Operation, get, post};
use crate::http::ai::{Expansion, Health, Limits, Outline};
use crate::ws::ai_stream::frames::{ClientFrame, ServerFrame};

const SIGN_IN: &str = "Authentication required · Invalid token · Token expired (while you waited)";

#[expect(dead_code, reason = "describes the wire; nothing is made of it")]
#[derive(JsonSchema)]
struct OutlineAsk {
    /// At most 32768 bytes.
    #[schemars(length(min = 1, max = limit::MESSAGE_BYTES))]
    input_text: String,
    #[serde(default = "three")]
    #[schemars(range(min = 1, max = limit::OUTLINE_LEVELS))]
    max_levels: i64,
}

fn three() -> i64 {
    3
}

#[expect(dead_code, reason = "describes the wire; nothing is made of it")]
#[derive(JsonSchema)]
struct ExpansionAsk {
    /// The point that is to get points below it; at most 4096 bytes.
    #[schemars(length(min = 1, max = limit::BULLET_BYTES))]
    bullet_text: String,
    /// The points beside it, which are not to be repeated.
    #[serde(default)]
    #[schemars(length(max = limit::BULLETS))]
    siblings: Vec<String>,
    /// What stands above it; at most 8192 bytes.
    #[serde(default)]
    #[schemars(length(max = limit::PARENT_BYTES))]
    parent_context: Option<String>,
}

pub(super) fn describe(book: &mut Book) {
    book.group("AI stream");
    let (client, server) = (book.asked::<ClientFrame>(), book.given::<ServerFrame<'static>>());
    book.add(
        get("/ws/ai/stream", "ws_ai_stream", "Stream answers over a WebSocket")
            .about(
                "Without a good token the handshake is refused: 403 with an empty body. A connection serves any number of answers, \
                 one after the other, and listens while one streams. Closing it ends the answer, and the call to the model.",
            )
            .signed_in_by(json!([{ "bearer": [] }, { "token": [] }, { "ticket": [] }]))
            .query("token", json!({ "type": "string" }), "An access token.")
            .query("ticket", json!({ "type": "string" }), "From `POST /api/ws-ticket`.")
            .socket(json!({
                "description": "Text frames, one JSON object each. For each `generate` the server sends `chunk` frames, then one \
                    `done` or one `error`. A second `generate` waits for the first, at most eight do.",
                "documentation": "/docs/ai_stream.md",
                "client": client,
                "server": server,
                "example": [
                    "→ {\"action\":\"generate\",\"prompt\":\"Say hello.\",\"system\":\"Be short.\"}",
                    "← {\"type\":\"chunk\",\"text\":\"Hello\",\"run_id\":\"run_af52…\",\"seq\":4}",
                    "← {\"type\":\"done\",\"user_id\":\"me\",\"run_id\":\"run_af52…\",\"seq\":6}",
                ],
            }))
            .refuses(400, "It is no handshake of a WebSocket; the sentence says why.")
            .gives_nothing(403, "No good token. Or, with a sentence: Origin not allowed")
            .refuses(426, "Only WebSockets are served here · Only version 13 of WebSocket is spoken")
            .refuses(429, "Too many connections from your address on which nobody has signed in; sign in or close some and try again"),
    );
    book.add(asks(
        post("/api/ai/generate", "ai_generate", "Turn a text into an outline")
            .about("The model is asked for JSON. What is below `max_levels` is left out.")
            .takes::<OutlineAsk>(json!({ "input_text": "Bread needs flour and water. Bake it.", "max_levels": 2 }))
            .gives::<Outline>(
                200,
                "The outline.",
                json!({ "bullets": [{ "text": "Ingredients", "children": [{ "text": "Flour", "children": [] }] }], "tokens_used": 312 }),
            ),
    ));
    book.add(asks(
        post("/api/ai/expand", "ai_expand", "Find points below a point")
            .takes::<ExpansionAsk>(
                json!({ "bullet_text": "Ingredients", "siblings": ["Method"], "parent_context": "Bread" }),
            )
            .gives::<Expansion>(
                200,
                "The points.",
                json!({ "children": ["Flour", "Water", "Salt"], "tokens_used": 187 }),
            ),
    ));
    book.add(
        get("/api/user/limits", "generation_limits", "How many generations you have left")
            .about("Counted on the socket and on both routes, when an answer is really begun.")
            .gives::<Limits>(
                200,
                "The numbers.",
                json!({ "ai_generations_used": 12, "ai_generations_limit": 50, "remaining": 38 }),
            )
            .refuses(401, SIGN_IN),
    );
    book.add(
        get("/api/health", "ai_health", "Whether the server lives, as the original of ai_stream says it")
            .open()
            .gives::<Health>(
                200,
                "It lives.",
                json!({ "status": "healthy", "version": "0.1.0", "provider": { "name": "local", "model": "SmolLM2-135M", "label": "tiny local model" } }),
            ),
    );
}

/// What both say that ask the model.
fn asks(operation: Operation) -> Operation {
    operation
        .refuses(401, SIGN_IN)
        .refuses(409, "The generation was stopped")
        .refuses(422, "A field is missing or not as it must be.")
        .refuses(
            429,
            "All N generations of yours are used; … · Too many questions; try again in N s · you have N live answers, which is the limit",
        )
        .refuses(500, "Failed to parse AI response: …")
        .refuses(
            503,
            "API key not configured · Rate limit exceeded: … · Connection error: … · API error: … · this server is about to stop; try again in a moment",
        )
}
