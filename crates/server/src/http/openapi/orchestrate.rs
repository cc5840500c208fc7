//! The routes of `orchestrate`; what they mean stands in `docs/protocol/orchestrate.md`.

use headwater_core::limit;
use serde_json::{Value, json};

use super::operation::{Book, delete, get, post};
use super::shapes::Brief;
use crate::http::orchestrate::shapes::{
    About, Alive, Done, HistoryView, JobStatus, JobView, ModelsView, StatusView, Taken,
};
use crate::ws::orchestrate::SUBPROTOCOL;
use crate::ws::orchestrate::frames::{ClientFrame, ConnectionFrame, JobFrame};

const SIGN_IN: &str = "`{\"error\":\"Unauthorized\"}`";
const NO_JOB: &str = "Job not found: there is none of that name, it is not yours, or it was cancelled.";
const TOO_MANY: &str = "`{\"error\":\"Rate limit exceeded. Please try again later.\"}`";

fn team() -> Value {
    json!({
        "anthropic": {
            "team": "anthropic", "status": "complete",
            "thoughts": [{ "id": "0dc1…", "text": "The form has two fields.", "timestamp": "2026-11-21T01:45:47.690Z", "team": "anthropic" }],
            "generated_code": "export function Form() {…}", "model_used": "claude-sonnet-4-5", "token_count": 1500,
            "error_message": null,
        },
    })
}

fn line() -> Value {
    json!({ "job_id": "run_8cab…", "status": "complete", "brief_summary": "A login form", "total_tokens": 1500, "estimated_cost": 0.0225 })
}

pub(super) fn describe(book: &mut Book) {
    book.group("Orchestrate");
    book.add(
        post("/api/orchestrate/brief", "start_job", "Give a job to the teams")
            .header("Idempotency-Key", "Sent twice under one key it is one job.")
            .takes::<Brief>(json!({ "brief": "A login form", "target_framework": "react", "include_teams": ["anthropic"] }))
            .gives::<Taken>(
                200,
                "It is stored, and begins.",
                json!({
                    "job_id": "run_8cab…", "status": "received", "brief_summary": "A login form", "teams": {},
                    "total_tokens": 0, "estimated_cost": 0.0, "workspace": null,
                }),
            )
            .refuses(401, SIGN_IN)
            .refuses(409, "The key was used for another brief.")
            .refuses(422, "A field is missing or not as it must be; an empty brief, a team that there is not.")
            .refuses(429, TOO_MANY)
            .refuses(503, "The server is about to stop."),
    );
    book.add(
        get("/api/orchestrate/status/{job_id}", "job_status", "How a job stands now")
            .about("True while it runs. Asking every two seconds is fine: it is not counted with other requests.")
            .part("job_id", "`run_…`")
            .gives::<StatusView>(
                200,
                "So far.",
                json!({ "job_id": "run_8cab…", "status": "awaiting", "progress": 75, "teams": team() }),
            )
            .refuses(401, SIGN_IN)
            .refuses(404, NO_JOB),
    );
    book.add(
        get("/api/orchestrate/job/{job_id}", "show_job", "A job with what it used")
            .part("job_id", "`run_…`")
            .gives::<JobView>(
                200,
                "So far.",
                json!({
                    "job_id": "run_8cab…", "status": "complete", "brief_summary": "A login form", "teams": team(),
                    "total_tokens": 1500, "estimated_cost": 0.0225, "workspace": null,
                }),
            )
            .refuses(401, SIGN_IN)
            .refuses(404, NO_JOB),
    );
    book.add(
        delete("/api/orchestrate/job/{job_id}", "cancel_job", "Cancel a job, or remove one that is over")
            .about("The streams of all its models are closed at once; the answer comes when the ending is stored.")
            .part("job_id", "`run_…`")
            .gives::<Done>(
                200,
                "It is gone.",
                json!({ "message": "Job cancelled", "job_id": "run_8cab…" }),
            )
            .refuses(401, SIGN_IN)
            .refuses(404, NO_JOB),
    );
    book.add(
        post("/api/orchestrate/generate/{job_id}", "generate_job", "Do a failed job once more")
            .about("A job that is at work or complete is left alone.")
            .part("job_id", "`run_…`")
            .gives::<Done>(
                200,
                "`run_id` names the job that does it, where there is one.",
                json!({ "message": "Generation triggered", "job_id": "run_8cab…", "run_id": "run_91fe…" }),
            )
            .refuses(401, SIGN_IN)
            .refuses(404, NO_JOB)
            .refuses(429, TOO_MANY),
    );
    let words = book.given::<JobStatus>();
    book.add(
        get("/api/orchestrate/history", "list_jobs", "Your jobs, newest first")
            .query("limit", json!({ "type": "integer", "minimum": 1, "maximum": limit::RUNS_PAGE, "default": limit::RUNS_PAGE_UNASKED }), "How many.")
            .query("offset", json!({ "type": "integer", "minimum": 0, "default": 0 }), "After how many.")
            .query("page", json!({ "type": "integer", "minimum": 1 }), "In place of `offset`.")
            .query("page_size", json!({ "type": "integer", "minimum": 1, "maximum": limit::RUNS_PAGE }), "In place of `limit`.")
            .query("status", words, "Of this status only.")
            .gives::<HistoryView>(
                200,
                "A page.",
                json!({ "jobs": [line()], "total": 1, "limit": 50, "offset": 0, "page": 1, "page_size": 50 }),
            )
            .refuses(401, SIGN_IN)
            .refuses(422, "A number that is none, or out of its bounds."),
    );
    book.add(
        get("/api/orchestrate/models", "list_team_models", "Which models the teams have")
            .gives::<std::collections::BTreeMap<String, ModelsView>>(
                200,
                "By team.",
                json!({ "anthropic": { "models": [{ "id": "claude-sonnet-4-5", "name": "claude-sonnet-4-5", "tier": "standard" }], "default": "claude-sonnet-4-5", "team": true } }),
            )
            .refuses(401, SIGN_IN),
    );
    let client = book.asked::<ClientFrame>();
    let server =
        json!({ "oneOf": [book.given::<ConnectionFrame<'static>>(), book.given::<JobFrame<'static>>()] });
    book.add(
        get("/ws/orchestrate/{job_id}", "ws_orchestrate", "A job as it happens, over a WebSocket")
            .signed_in_by(json!([{ "bearer": [] }, { "token": [] }, { "ticket": [] }, {}]))
            .part("job_id", "Any text; one that is no job's is waited for.")
            .query("token", json!({ "type": "string" }), "An access token.")
            .query("ticket", json!({ "type": "string" }), "From `POST /api/ws-ticket`.")
            .query("stream", json!({ "const": "code" }), "Code as it is written, too.")
            .query("after", json!({ "type": "integer", "minimum": 0 }), "Begin after this number; frames carry theirs.")
            .query("replay", json!({ "const": "1" }), "Begin at the beginning, whoever comes back.")
            .query("seq", json!({ "const": "1" }), "Frames carry their numbers.")
            .header("Sec-WebSocket-Protocol", "`headwater.orchestrate.v1`; a client that offers none is served the same.")
            .socket(json!({
                "description": "Text frames. What a client sends is `ping`, as JSON or as the bare word, and `auth`; the rest is ignored.",
                "documentation": "/docs/orchestrate.md",
                "subprotocol": SUBPROTOCOL,
                "client": client,
                "server": server,
                "example": [
                    "← {\"type\":\"connected\",\"job_id\":\"run_8cab…\",\"timestamp\":\"2026-11-21T01:45:47.659Z\"}",
                    "← {\"type\":\"status_change\",\"team\":\"anthropic\",\"data\":{\"status\":\"thinking\"},\"timestamp\":\"…\",\"job_id\":\"run_8cab…\"}",
                ],
            }))
            .refuses(400, "It is no handshake of a WebSocket; the sentence says why.")
            .refuses(403, "Origin not allowed")
            .refuses(426, "Only WebSockets are served here · Only version 13 of WebSocket is spoken")
            .refuses(429, "Too many connections from your address on which nobody has signed in; sign in or close some and try again"),
    );
    book.add(
        get("/ready", "ready_at_orchestrate", "Whether the server may be sent work, on the listener of `orchestrate`")
            .about("On that listener `/` and `/health` answer in this shape too; on the main one they are other routes.")
            .open()
            .gives::<Alive>(
                200,
                "It may.",
                json!({ "status": "ready", "timestamp": "2026-11-21T01:45:47.630Z" }),
            )
            .gives::<Alive>(
                503,
                "The database cannot be used, or the server is about to stop.",
                json!({ "status": "not_ready", "timestamp": "2026-11-21T01:45:47.630Z" }),
            ),
    );
    // Named here so that the document has its shape: its address is the pages' on the main listener.
    book.given::<About>();
}
