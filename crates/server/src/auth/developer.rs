//! Who works on an application, on the machine of the server, and signs in nowhere.

use headwater_core::{Millis, Principal, UserId};

use super::Auth;
use super::token::{Identity, SignIn, digest};

/// No account has such an id, as no guest's is one.
const DEVELOPER: &str = "guest_development";

impl Auth {
    /// The one user whom everybody is who says nothing, where the operator has allowed that: whoever asks has looked
    /// at that, and at where the request comes from. The same after a restart.
    #[must_use]
    pub fn developer(&self) -> Option<Identity> {
        let user = UserId::parse(DEVELOPER).ok()?;
        let sign_in = SignIn(digest(&["development", DEVELOPER]));
        let who = Principal { user, email: String::new(), name: "Developer".to_owned(), guest: true };
        let sid = sign_in.to_string();
        Some(Identity { who, sid, sign_in, issued: Millis(i64::MAX), expires: None, outside: false })
    }
}
