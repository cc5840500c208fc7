//! The native protocol's routes; what they mean stands in `docs/protocol/native.md`.

use headwater_core::limit;
use serde_json::{Value, json};

use super::operation::{Book, get, post};
use super::shapes::EventPage;
use crate::http::runs::{Listed, Models, StoppedBody};
use crate::wire::{RunView, StartBody, StartedBody};
use crate::ws::native::{ClientFrame, SUBPROTOCOL, ServerFrame};

const SIGN_IN: &str = "`auth_required` · `invalid_token`";
const NOT_SEEN: &str = "`not_found`: there is no such run, or it is neither yours nor shared with you.";
const NO_RUN: &str = "`not_found`: there is no such run, or it is not yours.";

fn run() -> Value {
    json!({
        "run_id": "run_d4e4…", "session_id": "tea", "message_id": "m1", "workflow": "generate", "status": "completed",
        "provider": "scripted", "model": "scripted", "created_at": 1_795_248_036_735_u64, "tail": 9,
    })
}

pub(super) fn describe(book: &mut Book) {
    book.group("Runs");
    book.add(
        post("/api/runs", "start_run", "Start a run")
            .about(
                "The answer comes when the run and the message are stored; the model may not have begun yet. A `message_id` makes \
                 sending twice sending once.",
            )
            .native()
            .takes::<StartBody>(json!({ "workflow": "assist", "message": "What is the engine power?", "message_id": "m1" }))
            .gives::<StartedBody>(201, "A run was made.", json!({ "run_id": "run_d4e4…", "session_id": "tea" }))
            .gives::<StartedBody>(
                200,
                "The run of the same `message_id` was found; nothing new was made.",
                json!({ "run_id": "run_d4e4…", "session_id": "tea" }),
            )
            .refuses(401, SIGN_IN)
            .refuses(409, "`message_id_reused`: the same `message_id` came with another content.")
                        .refuses(422, "`invalid_request` · `empty_message` · `unknown_workflow` · `unknown_model`")
            .refuses(413, "a field of it too")
            .refuses(429, "`too_many_runs`")
            .refuses(503, "`draining`"),
    );
    book.add(
        get("/api/runs", "list_runs", "Your runs, newest first")
            .native()
            .query("session_id", json!({ "type": "string" }), "Of this session only.")
            .query("owner", json!({ "type": "string" }), "Whose session it is, where another shares it with you.")
            .query("before", json!({ "type": "string" }), "Older than this run only: the last of the page before.")
            .query(
                "limit",
                json!({ "type": "integer", "minimum": 1, "maximum": limit::RUNS_PAGE, "default": limit::RUNS_PAGE_UNASKED }),
                "How many.",
            )
            .gives::<Listed>(200, "A page of runs.", json!({ "runs": [run()] }))
            .refuses(401, SIGN_IN)
            .refuses(422, "`invalid_request`"),
    );
    book.add(
        get("/api/runs/{run_id}", "show_run", "A run as it stands")
            .native()
            .part("run_id", "`run_…`")
            .gives::<RunView>(200, "The run.", run())
            .refuses(401, SIGN_IN)
            .refuses(404, NOT_SEEN),
    );
    book.add(
        get("/api/runs/{run_id}/events", "follow_run", "Follow a run's log, or read a page of it")
            .about(
                "A stream of Server-Sent Events that goes on while the run lives; one page for `Accept: application/json`. A stream \
                 that ends without `run_ended` is a lost connection: go on with the last `id` as `Last-Event-ID`.",
            )
            .native()
            .signed_in_by(json!([{ "bearer": [] }, { "token": [] }]))
            .part("run_id", "`run_…`")
            .query("after", json!({ "type": "string" }), "Begin after this number, or after the event of this cursor.")
            .query("token", json!({ "type": "string" }), "An access token, where no header can be sent.")
            .header("Last-Event-ID", "A cursor; wins over `after`.")
            .gives_text(200, "The events after the position.", "text/event-stream")
            .gives::<EventPage>(
                200,
                "",
                json!({
                    "events": [{ "run_id": "run_d4e4…", "seq": 8, "at": 1_795_248_036_862_u64, "type": "token", "text": "128 hp" }],
                    "status": "running", "tail": 8, "cursor": "AQAAAAAAAAAI…",
                }),
            )
            .gives_nothing(204, "The run is over, and nothing follows the position.")
            .refuses(400, "`cursor_invalid` · `cursor_foreign`")
            .refuses(401, SIGN_IN)
            .refuses(404, NOT_SEEN)
            .refuses(409, "`cursor_ahead`: the log has no such position yet.")
            .refuses(410, "`cursor_expired`: what follows is no longer kept."),
    );
    book.add(
        post("/api/runs/{run_id}/stop", "stop_run", "Stop a run")
            .about("The model's stream is closed at once; the answer comes when the ending is stored, and no text follows it.")
            .native()
            .part("run_id", "`run_…`")
            .gives::<StoppedBody>(
                200,
                "It is over; one that had ended has the outcome that it had.",
                json!({ "run_id": "run_d4e4…", "outcome": "cancelled" }),
            )
            .refuses(401, SIGN_IN)
            .refuses(404, NO_RUN),
    );
    book.add(
        get("/api/v1/models", "list_models", "The models that a run may name")
            .about("The default one first. An `alias` is what `model` in a start names; no address and no key is told.")
            .native()
            .gives::<Models>(
                200,
                "What is configured.",
                json!({ "models": [
                    { "alias": "default", "default": true, "provider": "local", "model": "SmolLM2-135M-Instruct",
                      "label": "tiny local model", "tools": false },
                ] }),
            )
            .refuses(401, SIGN_IN),
    );
    let (client, server) = (book.asked::<ClientFrame>(), book.given::<ServerFrame>());
    book.add(
        get("/ws", "ws_native", "The native protocol over a WebSocket")
            .about("Starts, follows, stops and lists runs on one connection. Never merges: each event keeps its number and its bytes.")
            .signed_in_by(json!([{ "bearer": [] }, { "token": [] }, { "ticket": [] }, {}]))
            .query("token", json!({ "type": "string" }), "An access token.")
            .query("ticket", json!({ "type": "string" }), "From `POST /api/ws-ticket`.")
            .header("Sec-WebSocket-Protocol", "`headwater.v1`; a client that offers none is served the same.")
            .socket(json!({
                "description": "Text frames, one JSON object each. A frame's `id`, of any JSON, comes back with its answers.",
                "documentation": "/docs/native.md",
                "subprotocol": SUBPROTOCOL,
                "client": client,
                "server": server,
                "example": [
                    "→ {\"type\":\"start\",\"id\":\"a\",\"run\":{\"workflow\":\"generate\",\"message\":\"hi\"}}",
                    "← {\"type\":\"started\",\"run_id\":\"run_aed7…\",\"session_id\":\"ses_…\",\"joined\":false,\"id\":\"a\"}",
                    "← {\"type\":\"following\",\"run\":{…},\"after\":0,\"id\":\"a\"}",
                    "← {\"type\":\"event\",\"cursor\":\"AQAA…\",\"event\":{\"run_id\":\"run_aed7…\",\"seq\":1,\"type\":\"run_started\",…}}",
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
}
