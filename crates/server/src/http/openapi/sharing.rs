//! Who sees a session beside its owner; what that means stands in `docs/protocol/native.md`.

use serde_json::json;

use super::operation::{Book, Operation, delete, get, put};
use crate::http::sharing::{Members, SharedList};

const SIGN_IN: &str = "`auth_required` · `invalid_token`";
const NO_SESSION: &str = "`not_found`: there is no such session, or it is not yours.";
const NO_RUN: &str = "`not_found`: there is no such run, or it is not yours.";
const NO_MEMBER: &str = "`not_found`: there is no such session, or it is not yours; or he was no member.";
const NO_MEMBER_OF_RUN: &str = "`not_found`: there is no such run, or it is not yours; or he was no member.";
const REFUSED: &str =
    "`invalid_request`: it is your own id, a guest's or none, you are a guest, or there are 200 members.";
const USER: &str = "The other's id: `user.id` of his sign-in, the `sub` of his token.";

fn listed(op: Operation) -> Operation {
    op.native()
        .gives::<Members>(200, "By name.", json!({ "session_id": "tea", "members": ["4be0…", "9c21…"] }))
        .refuses(401, SIGN_IN)
}

fn changed(op: Operation, what: &'static str) -> Operation {
    op.native().part("user_id", USER).gives_nothing(204, what).refuses(401, SIGN_IN)
}

pub(super) fn describe(book: &mut Book) {
    book.group("Sharing");
    book.add(
        listed(get("/api/sessions/{session_id}/members", "list_members", "Who sees a session of yours"))
            .part("session_id", "The session's name.")
            .refuses(404, NO_SESSION),
    );
    let one = "/api/sessions/{session_id}/members/{user_id}";
    book.add(
        changed(put(one, "share_session", "Let somebody see a session of yours"), "He sees it.")
            .about("Its runs and what is said in it, now and later. Twice is once.")
            .part("session_id", "The session's name.")
            .refuses(404, NO_SESSION)
            .refuses(422, REFUSED),
    );
    book.add(
        changed(delete(one, "unshare_session", "Let him see it no more"), "He sees it no more.")
            .about("Whoever follows one of its runs at that moment sees that run to its end. A member takes himself out by his own id \
                 and `owner`.")
            .part("session_id", "The session's name.")
            .query("owner", json!({ "type": "string" }), "Whose session it is, where you are its member.")
            .refuses(404, NO_MEMBER),
    );
    book.add(
        listed(get(
            "/api/runs/{run_id}/members",
            "list_members_of_run",
            "Who sees the session of a run of yours",
        ))
        .part("run_id", "`run_…`")
        .refuses(404, NO_RUN),
    );
    let one = "/api/runs/{run_id}/members/{user_id}";
    book.add(
        changed(put(one, "share_run", "Let somebody see a run of yours"), "He sees it.")
            .about("It shares the run's session, with all of its runs. A job is alone in its session.")
            .part("run_id", "`run_…`")
            .refuses(404, NO_RUN)
            .refuses(422, REFUSED),
    );
    book.add(
        changed(delete(one, "unshare_run", "Let him see the run's session no more"), "He sees it no more.")
            .part("run_id", "`run_…`")
            .refuses(404, NO_MEMBER_OF_RUN),
    );
    book.add(
        get("/api/shared", "list_shared", "Sessions of others that you see")
            .about("The last shared first.")
            .native()
            .gives::<SharedList>(
                200,
                "What is shared with you.",
                json!({ "sessions": [
                    { "session_id": "tea", "owner_id": "4be0…", "shared_at": 1_795_248_036_735_u64 },
                ] }),
            )
            .refuses(401, SIGN_IN),
    );
}
