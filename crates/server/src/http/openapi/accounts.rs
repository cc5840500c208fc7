//! Signing in and out.

use serde_json::{Value, json};

use super::operation::{Book, get, post};
use super::shapes::{LogIn, LogOut, Refresh, Register};
use crate::http::auth_routes::{Granted, LoggedOut, Me, Ticket};

const SIGN_IN: &str =
    "Authentication required · Invalid token · Invalid access token (it is a refresh token)";

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
            .refuses(429, "Too many new accounts; try again in N s · Too many people are signing in; try again in a moment"),
    );
    book.add(
        post("/api/v1/auth/login", "login", "Sign in")
            .open()
            .takes::<LogIn>(json!({ "email": "bob@example.com", "password": "correct horse" }))
            .gives::<Granted>(200, "You are signed in.", tokens())
            .refuses(401, "Invalid email or password")
            .refuses(422, "A field is missing or not as it must be.")
            .refuses(
                429,
                "Too many attempts to sign in; try again in N s · Too many wrong passwords; try again in N s (five in a row, \
                 wherever they were sent) · Too many people are signing in; try again in a moment",
            ),
    );
    book.add(
        post("/api/v1/auth/refresh", "refresh", "Get new tokens for a refresh token")
            .about(
                "It is used up: keep the new one. The last one may be sent again for 10 seconds and gets the same pair; any \
                 other second use ends the whole sign-in.",
            )
            .open()
            .takes::<Refresh>(json!({ "refresh_token": "eyJ0…" }))
            .gives::<Granted>(200, "New tokens.", tokens())
            .refuses(401, "Invalid token (also for one that was used before) · Invalid refresh token (it is an access token) · User not found")
            .refuses(422, "The field is missing or too long."),
    );
    book.add(
        get("/api/v1/auth/me", "me", "Who a token belongs to")
            .gives::<Me>(
                200,
                "What the token says.",
                json!({ "user_id": "30fc…", "email": "bob@example.com", "name": "Bob" }),
            )
            .refuses(401, SIGN_IN),
    );
    book.add(
        post("/api/v1/auth/logout", "logout", "Sign out")
            .about(
                "The tokens of this sign-in are no longer good, and connections that were opened with them are closed. The body \
                 may be left out.",
            )
            .may_take::<LogOut>(json!({ "everywhere": false }))
            .gives::<LoggedOut>(200, "You are signed out.", json!({ "message": "Logged out" }))
            .refuses(401, SIGN_IN)
            .refuses(422, "`everywhere` is neither true nor false."),
    );
    book.add(
        post("/api/v1/auth/guest", "guest", "Sign in without an account")
            .about("Only where the operator allows it; `GET /health` then says `anonymous_chat: true`.")
            .open()
            .gives::<Granted>(200, "You are signed in as a guest.", tokens())
            .refuses(404, "Not Found: guests may not come here.")
            .refuses(429, "Too many new accounts; try again in N s"),
    );
    book.add(
        post("/api/ws-ticket", "ws_ticket", "Get a ticket for one WebSocket")
            .about(
                "A browser cannot send a header with a WebSocket, and a token in an address ends up in logs. A ticket \
                 is good once and for some seconds.",
            )
            .gives::<Ticket>(200, "Open `/ws?ticket=…` or `/ws/chat?ticket=…`.", json!({ "ticket": "Zm9v…", "expires_in": 30 }))
            .refuses(401, SIGN_IN)
            .refuses(429, "Too many tickets wait for their connections; try again in a moment"),
    );
}
