//! What was typed, wherever it was typed.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use super::rows::{PREFIX, ROWS, default, env_name};

/// Other people's variables that begin like ours: the scripted provider's, and the tests'.
const NOT_OURS: [&str; 2] = ["HEADWATER_SCRIPTED_", "HEADWATER_RECORDINGS"];

/// Tables of the file that are no settings of one value.
const TABLES: [&str; 2] = ["providers", "aliases"];
/// Entries of one of them: more is a mistake.
const TABLE_ENTRIES: usize = 256;

/// A value as it was typed, and where.
#[derive(Clone)]
struct Typed {
    values: Vec<String>,
    from: String,
}

/// What was asked for, by whatever way.
#[derive(Default, Clone)]
pub(crate) struct Asked {
    values: BTreeMap<&'static str, Typed>,
    /// The file's tables, such as `[providers.NAME]`; each is read by whom it concerns.
    tables: toml::Table,
}

/// Where values stand, and none of them: some are secrets.
impl std::fmt::Debug for Asked {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_map().entries(self.values.iter().map(|(name, typed)| (name, &typed.from))).finish()
    }
}

impl Asked {
    /// Gathers file, environment and flags.
    pub(crate) fn gather(
        file: Option<&Path>,
        env: impl Iterator<Item = (OsString, OsString)>,
        flags: &[(&'static str, Option<String>)],
    ) -> Result<Self, Vec<String>> {
        let (mut asked, mut problems) = (Self::default(), Vec::new());
        let env: BTreeMap<String, OsString> = env
            .filter_map(|(k, v)| Some((k.into_string().ok()?, v)))
            .filter(|(k, _)| k.starts_with(PREFIX) && !NOT_OURS.iter().any(|n| k.starts_with(n)))
            .collect();
        // The file may be named in the environment; that name is no setting in the file itself.
        let named = env.get("HEADWATER_CONFIG").map(PathBuf::from);
        if let Some(file) = file.map(Path::to_owned).or(named) {
            asked.add_file(&file, &mut problems);
        }
        for (name, value) in &env {
            match ROWS.iter().find(|row| env_name(row) == *name) {
                _ if name == "HEADWATER_CONFIG" => {}
                None => problems.push(format!("{name} in the environment: there is no such setting")),
                Some(row) => match value.to_str() {
                    None => problems.push(format!("{name} in the environment: it is no UTF-8")),
                    // An empty variable is how shells say "not set".
                    Some("") => {}
                    Some(text) => asked.put(row.0, split(row.0, text), name.clone()),
                },
            }
        }
        for (name, value) in flags {
            if let Some(text) = value {
                asked.put(name, split(name, text), format!("--{name}"));
            }
        }
        if problems.is_empty() { Ok(asked) } else { Err(problems) }
    }

    fn put(&mut self, name: &'static str, values: Vec<String>, from: String) {
        self.values.insert(name, Typed { values, from });
    }

    fn add_file(&mut self, file: &Path, problems: &mut Vec<String>) {
        let shown = file.display();
        let table: toml::Table = match std::fs::read_to_string(file)
            .map_err(|e| e.to_string())
            .and_then(|text| text.parse().map_err(|e: toml::de::Error| unreadable(&text, &e)))
        {
            Ok(table) => table,
            Err(why) => return problems.push(format!("the file {shown} cannot be read: {why}")),
        };
        for (name, value) in table {
            if TABLES.contains(&name.as_str()) && value.is_table() {
                self.tables.insert(name, value);
                continue;
            }
            let Some(row) = ROWS.iter().find(|row| row.0 == name) else {
                problems.push(format!("{name} in {shown}: there is no such setting"));
                continue;
            };
            let scalar = |v: &toml::Value| match v {
                toml::Value::String(s) => Some(s.clone()),
                toml::Value::Integer(n) => Some(n.to_string()),
                _ => None,
            };
            let values = match &value {
                toml::Value::Array(list) => list.iter().map(scalar).collect(),
                one => scalar(one).map(|v| vec![v]),
            };
            match values {
                Some(values) => self.put(row.0, values, format!("{name} in {shown}")),
                None => problems
                    .push(format!("{name} in {shown}: must be a text, a whole number, or a list of them")),
            }
        }
    }

    /// The named entries of a table of the file: `[name.ENTRY]`.
    pub(crate) fn table(&self, name: &str, problems: &mut Vec<String>) -> Vec<(String, toml::Value)> {
        let Some(toml::Value::Table(entries)) = self.tables.get(name) else { return Vec::new() };
        if entries.len() > TABLE_ENTRIES {
            problems.push(format!("[{name}]: has more than {TABLE_ENTRIES} entries"));
        }
        entries.iter().take(TABLE_ENTRIES).map(|(name, value)| (name.clone(), value.clone())).collect()
    }

    /// Value and where it stands; the default stands in the table.
    pub(crate) fn one(&self, name: &str) -> (String, String) {
        match self.values.get(name) {
            Some(typed) => (typed.values.join(","), typed.from.clone()),
            None => (default(name).to_owned(), name.to_owned()),
        }
    }

    /// Whether somebody typed it, be it the default.
    pub(crate) fn typed(&self, name: &str) -> bool {
        self.values.contains_key(name)
    }

    /// Each value of a list; none for an empty one.
    pub(crate) fn all(&self, name: &str) -> (Vec<String>, String) {
        let (text, from) = self.one(name);
        (text.split(',').map(str::trim).filter(|v| !v.is_empty()).map(str::to_owned).collect(), from)
    }

    /// What one of these words stands for; another word is a problem, and the first stands for it.
    pub(crate) fn word<T: Copy>(&self, name: &str, words: &[(&str, T)], problems: &mut Vec<String>) -> T {
        let (typed, from) = self.one(name);
        let known = words.iter().find(|(word, _)| *word == typed);
        if known.is_none() {
            let all: Vec<_> = words.iter().map(|(word, _)| *word).collect();
            problems.push(format!("{from}: must be one of {}, not `{typed}`", all.join(", ")));
        }
        known.unwrap_or(&words[0]).1
    }

    pub(crate) fn some(&self, name: &str) -> Option<String> {
        Some(self.one(name).0).filter(|v| !v.is_empty())
    }
}

/// Where and why a file is no TOML; without the line itself, in which a key may stand.
fn unreadable(text: &str, error: &toml::de::Error) -> String {
    let at = error.span().map_or(0, |span| span.start);
    let line = text.get(..at).map_or(0, |before| before.matches('\n').count()) + 1;
    format!("line {line}: {}", error.message().trim())
}

pub(crate) fn split(name: &str, text: &str) -> Vec<String> {
    if matches!(name, "listen" | "jwt_keys" | "provider" | "assistants") {
        text.split(',').map(|s| s.trim().to_owned()).collect()
    } else {
        vec![text.to_owned()]
    }
}

pub(crate) fn note<T>(from: &str, read: Result<T, String>, problems: &mut Vec<String>) -> Option<T> {
    read.map_err(|why| problems.push(format!("{from}: {why}"))).ok()
}
