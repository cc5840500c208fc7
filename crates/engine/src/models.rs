//! Which models there are: one that answers where nobody says otherwise, and others by name.
//!
//! A name is an alias of the operator's configuration. Who stands behind it (one provider, or several of which the
//! next answers where the first cannot) is the provider's own matter.

use std::collections::BTreeMap;
use std::sync::Arc;

use headwater_core::code::{Code, Error};
use headwater_core::limit;
use headwater_core::port::provider::{Provider, ProviderInfo, SharedProvider};

/// The models of a workflow. Cheap to clone.
#[derive(Clone)]
pub struct Models {
    default: SharedProvider,
    named: BTreeMap<String, SharedProvider>,
}

/// A model as it is listed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// What clients ask for.
    pub alias: String,
    /// Whether it answers where nobody says otherwise.
    pub default: bool,
    /// Who answers.
    pub info: ProviderInfo,
}

impl Models {
    /// The alias of whoever answers where nobody says otherwise. It can be given to another by that name.
    pub const DEFAULT: &'static str = "default";

    /// This one, and no other yet.
    #[must_use]
    pub fn new(default: SharedProvider) -> Self {
        Self { default, named: BTreeMap::new() }
    }

    /// The same, and this one by that name.
    #[must_use]
    pub fn and(mut self, alias: impl Into<String>, provider: SharedProvider) -> Self {
        self.named.insert(alias.into(), provider);
        self
    }

    /// Who answers where nobody says otherwise.
    #[must_use]
    pub fn default_one(&self) -> &SharedProvider {
        &self.default
    }

    /// The one of that name; the default where none is named.
    ///
    /// # Errors
    /// [`Code::UnknownModel`], with the names that there are.
    pub fn find(&self, alias: Option<&str>) -> Result<&SharedProvider, Error> {
        let Some(alias) = alias else { return Ok(&self.default) };
        match self.named.get(alias) {
            Some(provider) => Ok(provider),
            None if alias == Self::DEFAULT => Ok(&self.default),
            None => {
                let known = self.list().into_iter().map(|m| m.alias).collect::<Vec<_>>().join(", ");
                Err(Error::new(
                    Code::UnknownModel,
                    format!("there is no model of that name; there are: {known}"),
                ))
            }
        }
    }

    /// Whether there is one of that name.
    #[must_use]
    pub fn has(&self, alias: &str) -> bool {
        alias == Self::DEFAULT || self.named.contains_key(alias)
    }

    /// All of them: the default first, then by name.
    #[must_use]
    pub fn list(&self) -> Vec<Listed> {
        let named = self.named.iter().map(|(alias, provider)| Listed {
            alias: alias.clone(),
            default: Arc::ptr_eq(provider, &self.default),
            info: provider.info(),
        });
        let mut list: Vec<_> = named.collect();
        // Where the default has a name of its own, it is not listed twice.
        if !list.iter().any(|m| m.default || m.alias == Self::DEFAULT) {
            let info = self.default.info();
            list.push(Listed { alias: Self::DEFAULT.to_owned(), default: true, info });
        }
        list.sort_by_key(|m| !m.default);
        list
    }

    /// Every provider, the default first.
    pub(crate) fn providers(&self) -> impl Iterator<Item = &SharedProvider> {
        std::iter::once(&self.default).chain(self.named.values())
    }
}

/// Whether it can be a name at all, of a model or of a provider: 1 to [`limit::MODEL_ALIAS_BYTES`] of `a-z`, `0-9`,
/// `-`, `_` and `.`. Names stand in addresses, metrics and logs.
#[must_use]
pub fn is_alias(text: &str) -> bool {
    let fine = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'-' | b'_' | b'.');
    (1..=limit::MODEL_ALIAS_BYTES).contains(&text.len()) && text.bytes().all(fine)
}

impl From<SharedProvider> for Models {
    fn from(default: SharedProvider) -> Self {
        Self::new(default)
    }
}

impl<P: Provider> From<Arc<P>> for Models {
    fn from(default: Arc<P>) -> Self {
        Self::new(default)
    }
}

impl std::fmt::Debug for Models {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Models").field("named", &self.named.keys()).finish_non_exhaustive()
    }
}
