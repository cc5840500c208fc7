//! One host as the operator wants it: a shipped row, or `[providers.NAME]`.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use headwater_core::port::provider::Effort;
use headwater_providers::host::Timeouts;
use headwater_providers::preset::{Format, PRESETS, Preset};
use secrecy::SecretString;
use serde::Deserialize;
use serde_json::{Map, Value};

/// Seconds: the longest that anything may take.
const DAY: u64 = 86_400;

/// A host as the operator wants it.
#[derive(Debug, Clone)]
pub(crate) struct HostRow {
    pub name: String,
    /// What it begins with, where it is one of the shipped.
    pub preset: Option<&'static Preset>,
    pub format: Format,
    /// Where it is, and whether that is another place than the preset's.
    pub base_url: String,
    /// By its customary variable: not necessarily to a server of the same make.
    pub moved: bool,
    /// Where its key stands.
    pub key: KeyFrom,
    /// The model that is asked where none is named.
    pub model: Option<String>,
    pub tools: bool,
    pub allow_private: bool,
    pub ca_file: Option<PathBuf>,
    /// Their values are not shown by `Debug`: some are keys.
    pub headers: BTreeMap<String, SecretString>,
    pub streams_per_connection: Option<usize>,
    pub reasoning: Option<Effort>,
    pub extra: Map<String, Value>,
    pub timeouts: Timeouts,
}

/// Where a host's key stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum KeyFrom {
    /// It needs none, and none was named.
    Nowhere,
    /// In a variable of the environment; whether the host is of no use without it.
    Env(String, bool),
    /// In a file.
    File(PathBuf),
}

/// `[providers.NAME]` as it is typed.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ProviderTable {
    preset: Option<String>,
    format: Option<String>,
    base_url: Option<String>,
    key_env: Option<String>,
    key_file: Option<PathBuf>,
    model: Option<String>,
    tools: Option<bool>,
    allow_private: Option<bool>,
    ca_file: Option<PathBuf>,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    streams_per_connection: Option<usize>,
    reasoning: Option<Effort>,
    #[serde(default)]
    extra: Map<String, Value>,
    #[serde(default)]
    timeouts: TimeoutTable,
}

/// How long to wait for what, in seconds; [`Timeouts`] says for what.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct TimeoutTable {
    connect: Option<u64>,
    first_byte: Option<u64>,
    first_token: Option<u64>,
    idle: Option<u64>,
    progress: Option<u64>,
    whole: Option<u64>,
    usage: Option<u64>,
}

impl TimeoutTable {
    fn over(self, mut all: Timeouts) -> Result<Timeouts, String> {
        let typed = [
            ("connect", self.connect, &mut all.connect),
            ("first_byte", self.first_byte, &mut all.first_byte),
            ("first_token", self.first_token, &mut all.first_token),
            ("idle", self.idle, &mut all.idle),
            ("progress", self.progress, &mut all.progress),
            ("whole", self.whole, &mut all.whole),
            ("usage", self.usage, &mut all.usage),
        ];
        for (name, seconds, place) in typed {
            match seconds {
                None => {}
                Some(seconds @ 1..=DAY) => *place = Duration::from_secs(seconds),
                Some(_) => return Err(format!("`timeouts.{name}` must be from 1 to {DAY} seconds")),
            }
        }
        Ok(all)
    }
}

impl HostRow {
    /// Where the key should stand that this host needs and that is not there; a sentence.
    pub(crate) fn key_missing(&self, env: &dyn Fn(&str) -> Option<String>) -> Option<String> {
        match &self.key {
            KeyFrom::Env(name, true) if env(name).is_none_or(|key| key.trim().is_empty()) => {
                Some(format!("provider {} needs {name} in the environment", self.name))
            }
            KeyFrom::File(file) if !file.exists() => Some(format!(
                "provider {} needs its key in {}, which is not there",
                self.name,
                file.display()
            )),
            KeyFrom::Nowhere | KeyFrom::Env(..) | KeyFrom::File(_) => None,
        }
    }

    pub(super) fn of_preset(preset: &'static Preset, env: &impl Fn(&str) -> Option<String>) -> Self {
        let moved = preset.base_url_env.and_then(env).map(|url| preset.address(url));
        let key = match preset.key_env {
            "" => KeyFrom::Nowhere,
            // A host of one's own may need no key; the vendor's always does.
            name => KeyFrom::Env(name.to_owned(), preset.needs_key && moved.is_none()),
        };
        Self {
            name: preset.name.to_owned(),
            preset: Some(preset),
            format: preset.format,
            moved: moved.is_some(),
            base_url: moved.unwrap_or_else(|| preset.base_url.to_owned()),
            key,
            model: Some(preset.model.to_owned()).filter(|m| !m.is_empty()),
            tools: preset.tools,
            allow_private: false,
            ca_file: None,
            headers: BTreeMap::new(),
            streams_per_connection: None,
            reasoning: None,
            extra: Map::new(),
            timeouts: Timeouts::default(),
        }
    }

    pub(super) fn of_table(
        name: &str,
        mut table: ProviderTable,
        env: &impl Fn(&str) -> Option<String>,
    ) -> Result<Self, Vec<String>> {
        let mut problems = Vec::new();
        let of_name = table.preset.as_deref().or(Preset::find(name).map(|p| p.name));
        let preset = of_name.map(|n| Preset::find(n).ok_or_else(|| no_preset(n))).transpose();
        let preset = preset.unwrap_or_else(|why| {
            problems.push(why);
            None
        });
        let format =
            table.format.as_deref().map(|f| Format::parse(f).ok_or_else(|| no_format(f))).transpose();
        let format = format.unwrap_or_else(|why| {
            problems.push(why);
            None
        });
        let Some(format) = format.or(preset.map(|p| p.format)) else {
            problems.push("needs `preset`, or `format` with `base_url`".to_owned());
            return Err(problems);
        };
        let base = preset.map(|p| Self::of_preset(p, env));
        let moved = table.base_url.is_none() && base.as_ref().is_some_and(|b| b.moved);
        let Some(base_url) = table.base_url.clone().or_else(|| base.as_ref().map(|b| b.base_url.clone()))
        else {
            problems.push("needs `base_url`".to_owned());
            return Err(problems);
        };
        let elsewhere = table.base_url.is_some() && preset.is_some_and(|p| !p.is_at(&base_url));
        if let Some(name) = table.key_env.take_if(|name| !is_variable(name)) {
            // What is typed here by mistake may be the key itself.
            problems.push(format!(
                "`key_env` is the name of a variable, not {} letters of something else",
                name.len()
            ));
        }
        let key = match (table.key_env, table.key_file) {
            (Some(_), Some(_)) => {
                problems.push("`key_env` and `key_file` exclude each other".to_owned());
                KeyFrom::Nowhere
            }
            // Whoever names a variable means it.
            (Some(name), None) => KeyFrom::Env(name, true),
            (None, Some(file)) => KeyFrom::File(file),
            (None, None) => match base.as_ref().map(|b| b.key.clone()) {
                // A vendor's key goes to the vendor, unless somebody says otherwise.
                Some(KeyFrom::Env(..)) if elsewhere => KeyFrom::Nowhere,
                other => other.unwrap_or(KeyFrom::Nowhere),
            },
        };
        let timeouts = table.timeouts.over(Timeouts::default()).unwrap_or_else(|why| {
            problems.push(why);
            Timeouts::default()
        });
        if table.streams_per_connection.is_some_and(|n| !(1..=1_000).contains(&n)) {
            problems.push("`streams_per_connection` must be from 1 to 1000".to_owned());
        }
        let row = Self {
            name: name.to_owned(),
            preset,
            format,
            base_url,
            moved,
            key,
            model: table
                .model
                .filter(|m| !m.trim().is_empty())
                .or_else(|| base.as_ref().and_then(|b| b.model.clone())),
            tools: table.tools.unwrap_or_else(|| preset.is_none_or(|p| p.tools)),
            allow_private: table.allow_private.unwrap_or(false),
            ca_file: table.ca_file,
            headers: table.headers.into_iter().map(|(name, value)| (name, value.into())).collect(),
            streams_per_connection: table.streams_per_connection,
            reasoning: table.reasoning,
            extra: table.extra,
            timeouts,
        };
        if problems.is_empty() { Ok(row) } else { Err(problems) }
    }
}

fn is_variable(name: &str) -> bool {
    let plain = name.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_');
    plain && name.len() <= 64 && name.bytes().next().is_some_and(|b| !b.is_ascii_digit())
}

fn no_preset(name: &str) -> String {
    let all: Vec<_> = PRESETS.iter().map(|p| p.name).collect();
    format!("there is no preset `{name}`; there are: {}", all.join(", "))
}

fn no_format(name: &str) -> String {
    let all: Vec<_> = Format::ALL.iter().map(|(name, _)| *name).collect();
    format!("there is no format `{name}`; there are: {}", all.join(", "))
}
