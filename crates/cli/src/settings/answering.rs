//! Who may be asked for an answer: hosts, changed or added by `[providers.NAME]`, and lists of them, one after
//! the other, by `provider` and by `[aliases.NAME]`. What is wrong is said all at once; nothing is connected.

mod host;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::path::PathBuf;

use headwater_core::limit;
use headwater_core::port::provider::Effort;
use headwater_engine::models::is_alias;
use headwater_providers::preset::PRESETS;
use serde::Deserialize;
use serde_json::{Map, Value};

use self::host::ProviderTable;
pub(crate) use self::host::{HostRow, KeyFrom};
use super::Asked;

/// The alias of whom a run asks that names nobody.
pub(crate) const DEFAULT: &str = "default";

/// Providers that are no hosts.
pub(crate) const BUILT_IN: [&str; 2] = ["local", "scripted"];

/// Bytes of a name.
const NAMES: usize = limit::MODEL_ALIAS_BYTES;
/// Providers of one list.
const LINKS: usize = limit::CHAIN_LINKS;

/// Whom to ask, and of him which model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Link {
    /// A host's name, `local` or `scripted`.
    pub provider: String,
    /// His default where it is not named.
    pub model: Option<String>,
}

impl Link {
    /// `provider` or `provider/model`; a model may have slashes of its own.
    fn parse(text: &str) -> Option<Self> {
        let (provider, model) = match text.split_once('/') {
            None => (text, None),
            Some((provider, model)) => (provider, Some(model.trim().to_owned())),
        };
        let provider = provider.trim().to_owned();
        let ok = !provider.is_empty() && model.as_ref().is_none_or(|m| !m.is_empty() && m.len() <= 256);
        ok.then_some(Self { provider, model })
    }
}

impl std::fmt::Display for Link {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.model {
            None => f.write_str(&self.provider),
            Some(model) => write!(f, "{}/{model}", self.provider),
        }
    }
}

/// Whom runs ask under one name: the first, and where he fails before his first word, the next.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Alias {
    pub name: String,
    pub links: Vec<Link>,
    pub reasoning: Option<Effort>,
    pub extra: Map<String, Value>,
}

/// Everything that is known about who answers.
#[derive(Debug, Clone, Default)]
pub(crate) struct Answering {
    /// Every host that there is, shipped and the operator's own, by name.
    pub hosts: BTreeMap<String, HostRow>,
    /// The lists, [`DEFAULT`] among them unless nobody named one.
    pub aliases: Vec<Alias>,
    /// Price tables that stand over the shipped one.
    pub prices: Option<PathBuf>,
}

/// `[aliases.NAME]` as it is typed.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct AliasTable {
    r#use: Vec<String>,
    reasoning: Option<Effort>,
    #[serde(default)]
    extra: Map<String, Value>,
}

impl Answering {
    /// Reads it. `env` is the environment: a preset's customary variable may move its host.
    pub(super) fn read(
        asked: &Asked,
        env: &dyn Fn(&str) -> Option<String>,
        problems: &mut Vec<String>,
    ) -> Self {
        let env = |name: &str| env(name).filter(|value| !value.trim().is_empty());
        let mut hosts: BTreeMap<String, HostRow> =
            PRESETS.iter().map(|p| (p.name.to_owned(), HostRow::of_preset(p, &env))).collect();
        for (name, value) in asked.table("providers", problems) {
            let from = format!("[providers.{name}]");
            match plain_name(&name, "provider").and_then(|()| typed::<ProviderTable>(value)) {
                Err(why) => problems.push(format!("{from}: {why}")),
                Ok(table) => match HostRow::of_table(&name, table, &env) {
                    Ok(row) => drop(hosts.insert(name, row)),
                    Err(why) => problems.extend(why.into_iter().map(|w| format!("{from}: {w}"))),
                },
            }
        }
        let mut aliases = Vec::new();
        for (name, value) in asked.table("aliases", problems) {
            let from = format!("[aliases.{name}]");
            match plain_name(&name, "alias").and_then(|()| typed::<AliasTable>(value)) {
                Err(why) => problems.push(format!("{from}: {why}")),
                Ok(AliasTable { r#use, reasoning, extra }) => {
                    let links = links(&r#use, &format!("{from} use"), &hosts, problems);
                    aliases.push(Alias { name, links, reasoning, extra });
                }
            }
        }
        let mut this = Self { hosts, aliases, prices: asked.some("prices").map(PathBuf::from) };
        this.add_default(asked, problems);
        if asked.one("tools").0 == "off" {
            this.hosts.values_mut().for_each(|host| host.tools = false);
        }
        this
    }

    /// `provider` and `model`: what a run asks that names nothing.
    fn add_default(&mut self, asked: &Asked, problems: &mut Vec<String>) {
        let (named, from) = asked.all("provider");
        let model = asked.some("model");
        if named.is_empty() {
            if model.is_some() {
                let from = asked.one("model").1;
                problems.push(format!("{from}: says which model of `provider`, and there is no `provider`"));
            }
            return;
        }
        if self.aliases.iter().any(|a| a.name == DEFAULT) {
            problems.push(format!(
                "{from}: [aliases.{DEFAULT}] says already whom a run asks; leave one of them out"
            ));
            return;
        }
        let mut links = links(&named, &from, &self.hosts, problems);
        match (links.as_mut_slice(), model) {
            (_, None) => {}
            ([only], Some(model)) if only.model.is_none() => only.model = Some(model),
            (_, Some(_)) => problems.push(format!(
                "{}: goes with one provider without a model; in a list say provider/model",
                asked.one("model").1
            )),
        }
        self.aliases.push(Alias { name: DEFAULT.to_owned(), links, reasoning: None, extra: Map::new() });
    }

    /// The list that a run asks which names nothing; `None`: the local model, or the script where there is none.
    pub(crate) fn default_alias(&self) -> Option<&Alias> {
        self.aliases.iter().find(|a| a.name == DEFAULT)
    }

    /// The same with one of its lists alone; `None` where there is none of that name.
    pub(crate) fn only(&self, alias: &str) -> Option<Self> {
        let found = self.aliases.iter().find(|a| a.name == alias).cloned();
        // Without a list the default is the model of this process.
        if found.is_none() && alias != DEFAULT {
            return None;
        }
        Some(Self { aliases: found.into_iter().collect(), ..self.clone() })
    }

    /// Hosts that some list names.
    pub(crate) fn used(&self) -> impl Iterator<Item = &HostRow> {
        self.hosts
            .values()
            .filter(|host| self.aliases.iter().flat_map(|a| &a.links).any(|link| link.provider == host.name))
    }

    /// Keys that hosts need which some list names, and that are not there. They keep no server from starting: such
    /// a host refuses what it is asked.
    pub(crate) fn missing_keys(&self, env: &dyn Fn(&str) -> Option<String>) -> Vec<String> {
        self.used().filter_map(|host| host.key_missing(env)).collect()
    }
}

fn links(
    named: &[String],
    from: &str,
    hosts: &BTreeMap<String, HostRow>,
    problems: &mut Vec<String>,
) -> Vec<Link> {
    if named.is_empty() || named.len() > LINKS {
        problems.push(format!("{from}: must name one to {LINKS} providers"));
    }
    let mut links = Vec::new();
    for text in named.iter().take(LINKS) {
        let Some(link) = Link::parse(text) else {
            problems.push(format!("{from}: `{text}` is neither a provider nor provider/model"));
            continue;
        };
        match hosts.get(&link.provider) {
            Some(host) if link.model.is_none() && host.model.is_none() => problems
                .push(format!("{from}: `{text}` has no model of its own to fall to; say {text}/MODEL")),
            None if !BUILT_IN.contains(&link.provider.as_str()) => {
                let all: Vec<_> = BUILT_IN.into_iter().chain(hosts.keys().map(String::as_str)).collect();
                problems.push(format!(
                    "{from}: there is no provider `{}`; there are: {}",
                    link.provider,
                    all.join(", ")
                ));
            }
            _ if links.contains(&link) => problems.push(format!("{from}: `{text}` stands there twice")),
            _ => {}
        }
        links.push(link);
    }
    links
}

/// The engine's rule for a name, in words for the operator.
fn plain_name(name: &str, what: &str) -> Result<(), String> {
    if !is_alias(name) {
        return Err(format!("the name of this {what} must be 1 to {NAMES} of a-z, 0-9, `-`, `_` and `.`"));
    }
    if what == "provider" && BUILT_IN.contains(&name) {
        return Err(format!("`{name}` is built in; choose another name"));
    }
    Ok(())
}

fn typed<T: for<'de> Deserialize<'de>>(value: toml::Value) -> Result<T, String> {
    value.try_into().map_err(|e: toml::de::Error| {
        // A value of the wrong type is quoted by the parser, and may be a key.
        let said = e.message().trim();
        match said.strip_prefix("invalid type: ").and_then(|rest| rest.rsplit_once(", expected ")) {
            Some((_, expected)) => format!("a value of another type than {expected}"),
            None => said.to_owned(),
        }
    })
}
