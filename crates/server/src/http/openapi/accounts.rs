//! Signing in and out.

use serde_json::{Value, json};

use super::operation::{Book, get, post};
use super::shapes::{Done, LogIn, Refresh, Register, Ticket};
use crate::http::auth_routes::{Granted, Me};

fn tokens() -> Value {
    json!({
        "access_token": "eyJ0…", "refresh_token": "eyJ0…", "token_type": "bearer", "expires_in": 1800,
        "user": { "id": "30fc…", "email": "bob@example.com", "name": "Bob" },
    })
}

pub(super) fn describe(book: &mut Book) {
    book.group("Accounts");
    book.add(
        post("/api/v1/auth/register", "register", "Make an account")
            .open()
            .takes::<Register>(
                json!({ "email": "bob@example.com", "password": "correct horse", "name": "Bob" }),
            )
            .gives::<Granted>(200, "You are signed in.", tokens())
            .refuses(400, "Email already registered")
            .refuses(422, "A field is missing or not as it must be.")
            .refuses(429, "Too many people sign in at this moment, or you try too often."),
    );
    book.add(
        post("/api/v1/auth/login", "login", "Sign in")
            .open()
            .takes::<LogIn>(json!({ "email": "bob@example.com", "password": "correct horse" }))
            .gives::<Granted>(200, "You are signed in.", tokens())
            .refuses(401, "Invalid email or password")
            .refuses(422, "A field is missing or not as it must be.")
            .refuses(429, "Too many people sign in at this moment, or you try too often."),
    );
    book.add(
        post("/api/v1/auth/refresh", "refresh", "Get new tokens for a refresh token")
            .open()
            .takes::<Refresh>(json!({ "refresh_token": "eyJ0…" }))
            .gives::<Granted>(200, "New tokens.", tokens())
            .refuses(401, "Invalid token · Invalid refresh token (it is an access token) · User not found")
            .refuses(422, "The field is missing."),
    );
    book.add(
        get("/api/v1/auth/me", "me", "Who a token belongs to")
            .gives::<Me>(
                200,
                "What the token says.",
                json!({ "user_id": "30fc…", "email": "bob@example.com", "name": "Bob" }),
            )
            .refuses(
                401,
                "Authentication required · Invalid token · Invalid access token (it is a refresh token)",
            ),
    );
    book.add(
        post("/api/v1/auth/logout", "logout", "Sign out")
            .about("The tokens that you have are no longer good, and connections that were opened with them are closed.")
            .gives::<Done>(200, "You are signed out.", json!({ "message": "Logged out" }))
            .refuses(401, "Authentication required · Invalid token"),
    );
    book.add(
        post("/api/v1/auth/guest", "guest", "Sign in without an account")
            .about("Only where the operator allows it; `GET /health` then says `anonymous_chat: true`.")
            .open()
            .gives::<Granted>(200, "You are signed in as a guest.", tokens())
            .refuses(404, "Guests are not allowed here.")
            .refuses(429, "Too many guests at this moment."),
    );
    book.add(
        post("/api/ws-ticket", "ws_ticket", "Get a ticket for one WebSocket")
            .about(
                "A browser cannot send a header with a WebSocket, and a token in an address ends up in logs. A ticket \
                 is good once and for some seconds.",
            )
            .gives::<Ticket>(200, "Open `/ws?ticket=…` or `/ws/chat?ticket=…`.", json!({ "ticket": "tkt_…", "expires_in": 30 }))
            .refuses(401, "Authentication required · Invalid token")
            .refuses(429, "Too many tickets that have not been used."),
    );
}
