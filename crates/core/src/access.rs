//! Who may see what.

use crate::id::UserId;

/// Somebody who has shown who he is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Principal {
    /// Names the user in every store call; what he owns is found under it and nowhere else.
    pub user: UserId,
    /// As in his token; may be empty.
    pub email: String,
    /// As in his token; may be empty.
    pub name: String,
    /// He has no account, and cost nothing to become: what the caps of a user would bound, he may not.
    pub guest: bool,
}

impl Principal {
    /// Whether he may see and stop what `owner` has. What he may not see does not exist for him: the
    /// caller answers with the same code as for an unknown id.
    #[must_use]
    pub fn may(&self, owner: &UserId) -> bool {
        self.user == *owner
    }
}
