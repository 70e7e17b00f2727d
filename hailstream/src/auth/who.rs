//! Who makes a request, once that is known; it stands among the request's extensions.

use super::credentials::Key;
use super::roles::Role;
use crate::audit::Actor;
use crate::doors::Origin;
use model::Access;
use std::sync::Arc;

/// Whoever has shown a key.
#[derive(Debug, Clone)]
pub(crate) struct Who(pub(crate) Arc<Key>);

impl Who {
    /// The role of the key.
    pub(crate) fn role(&self) -> Role {
        self.0.role
    }

    /// Whether the role may do that.
    pub(crate) fn may(&self, access: Access) -> bool {
        self.0.role.may(access)
    }
}

/// Who does something, as the audit log writes it.
pub(crate) fn actor(who: Option<&Who>, origin: Option<&Origin>) -> Actor {
    Actor {
        key: who.map(|who| who.0.id.clone()),
        user: who.map(|who| who.0.user.clone()),
        role: who.map(|who| who.role().name().to_owned()),
        address: origin.map(|origin| origin.address.to_string()),
    }
}
