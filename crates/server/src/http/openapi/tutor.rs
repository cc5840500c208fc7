//! The tutor over HTTP. What stands under `/tutor` here is without that on the tutor's own listener.

use serde_json::{Value, json};

use super::operation::{Book, get, post};
use super::shapes::{LogIn, LogOut, Refresh, TutorAsk, TutorRegister};
use crate::http::auth_routes::{LoggedOut, Shown};
use crate::http::tutor::{Answered, Granted, Health, History, Providers};

const SIGN_IN: &str =
    "Authentication required · Invalid token · Invalid access token (it is a refresh token)";

fn tokens() -> Value {
    json!({
        "access_token": "eyJ0…", "refresh_token": "eyJ0…", "token_type": "Bearer", "expires_in": 1800,
        "user": { "id": "30fc…", "email": "bob@example.com", "name": "Bob" },
    })
}

pub(super) fn describe(book: &mut Book) {
    book.group("Tutor");
    accounts(book);
    book.add(
        post("/tutor/api/v1/chat", "tutor_chat", "Ask the tutor, and wait for the whole answer")
            .about(
                "The same run as the socket's: the same `message_id` in the same session, or without one in whichever used it \
                 last, gets the answer that is being made, or was. It goes on when the client goes away.",
            )
            .takes::<TutorAsk>(json!({
                "message": "Explain photosynthesis", "session_id": "biology-1", "message_id": "m1",
                "context": { "subject": "biology" },
            }))
            .gives::<Answered>(200, "The answer. One that was stopped says `outcome: cancelled`.", answer())
            .refuses(401, &format!("{SIGN_IN} · Token expired (while you waited; the run goes on)"))
            .refuses(409, "The message id came before with something else.")
            .refuses(422, "A field is missing or not as it must be · Message is required")
            .refuses(
                429,
                "Rate limit exceeded. Please slow down. · you have N live answers, which is the limit · this server has as many \
                 live answers as it may have",
            )
            .refuses(500, "AI generation failed: …")
            .refuses(503, "AI generation failed: … (another try may do) · this server is about to stop; try again in a moment"),
    );
    book.add(
        get("/tutor/api/v1/chat/history/{session_id}", "tutor_history", "What was said in a session")
            .about("The newest 250 questions with their answers, oldest first; `truncated` where there are older ones.")
            .part("session_id", "The session.")
            .query("owner", json!({ "type": "string" }), "Whose session it is, where another shares it with you.")
            .query("limit", json!({ "type": "integer", "minimum": 1, "maximum": 250, "default": 250 }), "The most questions, each with its answer.")
            .query("before", json!({ "type": "string" }), "Only what is older than this run: the `run_id` of the oldest message that you have.")
            .gives::<History>(200, "The messages.", json!({
                "session_id": "biology-1",
                "messages": [{
                    "id": "run_af52…", "role": "assistant", "content": "Plants make sugar from light.",
                    "timestamp": "2026-11-21T16:21:16.123Z", "emotion_state": null, "provider_used": "gemini",
                    "response_time_ms": 1840, "cost": 0.0021, "run_id": "run_af52…",
                    "ability_updated": { "subject": "biology", "new_ability": 0.53, "confidence": 0.2 },
                }],
                "total_messages": 2, "session_started": "2026-11-21T16:21:14.283Z", "total_cost": 0.0021,
            }))
            .refuses(401, SIGN_IN)
            .refuses(404, "Session not found")
            .refuses(422, "`limit` must be 1 to 250"),
    );
    book.add(get("/tutor/api/health", "tutor_health", "Whether the server lives").open().gives::<Health>(
        200,
        "It does.",
        json!({ "status": "ok", "provider": "gemini" }),
    ));
    book.add(get("/api/v1/providers", "providers", "Who may answer").open().gives::<Providers>(
        200,
        "Names, the default one first.",
        json!({ "providers": [{ "name": "gemini", "label": null }], "count": 1 }),
    ));
}

fn accounts(book: &mut Book) {
    book.add(
        post("/api/auth/register", "tutor_register", "Make an account")
            .about("The same accounts as the chat's, with the tutor's rule for passwords.")
            .open()
            .takes::<TutorRegister>(
                json!({ "email": "bob@example.com", "password": "Correct-horse-1", "name": "Bob" }),
            )
            .gives::<Granted>(201, "You are signed in.", tokens())
            .refuses(400, "Email already registered · Weak password: it needs …")
            .refuses(422, "A field is missing or not as it must be.")
            .refuses(429, "Too many new accounts; try again in N s · Too many people are signing in; try again in a moment"),
    );
    book.add(
        post("/api/auth/login", "tutor_login", "Sign in")
            .open()
            .takes::<LogIn>(json!({ "email": "bob@example.com", "password": "Correct-horse-1" }))
            .gives::<Granted>(200, "You are signed in.", tokens())
            .refuses(401, "Invalid email or password")
            .refuses(422, "A field is missing or not as it must be.")
            .refuses(423, "Too many wrong passwords; try again in N s (five in a row, wherever they were sent)")
            .refuses(429, "Too many attempts to sign in; try again in N s · Too many people are signing in; try again in a moment"),
    );
    book.add(
        post("/api/auth/refresh", "tutor_refresh", "Get new tokens for a refresh token")
            .about("As `POST /api/v1/auth/refresh`: it is used up by it.")
            .open()
            .takes::<Refresh>(json!({ "refresh_token": "eyJ0…" }))
            .gives::<Granted>(200, "New tokens.", tokens())
            .refuses(401, "Invalid token (also for one that was used before) · Invalid refresh token (it is an access token) · User not found")
            .refuses(422, "The field is missing or too long."),
    );
    book.add(
        post("/api/auth/logout", "tutor_logout", "Sign out")
            .about("As `POST /api/v1/auth/logout`: the tokens of this sign-in are no longer good.")
            .may_take::<LogOut>(json!({ "everywhere": false }))
            .gives::<LoggedOut>(200, "You are signed out.", json!({ "message": "Logged out" }))
            .refuses(401, SIGN_IN)
            .refuses(422, "`everywhere` is neither true nor false."),
    );
    book.add(
        get("/api/auth/me", "tutor_me", "Who a token belongs to")
            .gives::<Shown>(
                200,
                "What the token says.",
                json!({ "id": "30fc…", "email": "bob@example.com", "name": "Bob" }),
            )
            .refuses(401, SIGN_IN),
    );
}

fn answer() -> Value {
    json!({
        "session_id": "biology-1", "message": "Plants make sugar from light.",
        "emotion_state": { "primary_emotion": "curiosity", "arousal": 0.5, "valence": 0.4, "learning_readiness": "high_readiness" },
        "provider_used": "gemini", "response_time_ms": 1840, "timestamp": "2026-11-21T16:21:16.123Z",
        "category_detected": "general", "tokens_used": 912, "cost": 0.0021,
        "context_retrieved": {
            "recent_messages_used": 4, "relevant_messages_used": 1, "semantic_search_enabled": true, "rag_enabled": false,
        },
        "ability_info": {
            "ability_level": 0.52, "recommended_difficulty": 0.39, "cognitive_load": 0.34, "flow_state_score": 0.72,
        },
        "ability_updated": true, "cached": false,
        "suggested_questions": [{
            "question": "Can you ask me a question about photosynthesis?",
            "rationale": "Practises the same once more.", "difficulty_delta": 0.0, "category": "general",
        }],
        "run_id": "run_af52…",
    })
}
