//! Every setting: its name in the TOML file, from which follow its environment variable and its default,
//! and what becomes of it. File, environment, flag, in that order; the later wins. What was typed
//! ([`Asked`]) and what is used ([`Settings`]) are two types: between them stands every check, and all
//! that is wrong is said at once.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io::Write;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use headwater_core::limit;
use headwater_engine::Unwatched;
use headwater_providers::preset::PRESETS;
use headwater_store::Durability;

use crate::Failure;
use crate::args::ServeArgs;
use crate::logs;
use crate::provider::missing_key;

/// A setting: name, default as text, help.
struct Row(&'static str, &'static str, &'static str);

/// Every setting there is.
const ROWS: &[Row] = &[
    Row(
        "listen",
        "127.0.0.1:8000",
        "where to listen, [SURFACE=]ADDR:PORT; a list in the file, commas in the environment; port 0 is any free one",
    ),
    Row("data", "data", "the folder for everything that is kept"),
    Row(
        "durability",
        "full",
        "`full`: an answered write survives a loss of power; `process_safe`: it survives a crash of the process only, and saves a disk sync each flush",
    ),
    Row(
        "retention_days",
        "",
        "how many days the messages and logs of runs that ended are kept, 1 to 3650; without it for ever",
    ),
    Row(
        "provider",
        "",
        "who answers, in every workflow: local, scripted or a host; without it `local`, and `scripted` where the model is not there",
    ),
    Row("model", "", "the host's model to ask; each host has a default"),
    Row("models", "models", "the folder with the local model and the embeddings, as `make model` fills it"),
    Row("model_file", "", "a GGUF file of the llama architecture to use as local model"),
    Row(
        "assistant",
        "",
        "a TOML file with an assistant (docs/assistants.md), its documents beside it; without it the shipped one",
    ),
    Row(
        "knowledge",
        "",
        "a folder with manifest.toml and the documents that the assistant knows; without it the shipped ones",
    ),
    Row(
        "unwatched",
        "continue",
        "what a run does that nobody watches: `continue`, or `stop` after unwatched_seconds",
    ),
    Row(
        "unwatched_seconds",
        "60",
        "how long nobody may watch before `unwatched = \"stop\"` stops a run, 1 to 86400",
    ),
    Row("run_seconds", "900", "how long a run may take, 1 to 86400"),
    Row("runs_per_user", "16", "live runs of one user, 1 to 2000"),
    Row(
        "drain_seconds",
        "30",
        "how long a stopping server waits for live runs before it ends them as interrupted, 0 to 3600",
    ),
    Row(
        "log",
        "info",
        "what is logged to standard error: error, warn, info, debug, trace, or a filter by module",
    ),
];

const PREFIX: &str = "HEADWATER_";
/// Other people's variables that begin like ours: the scripted provider's, and the tests'.
const NOT_OURS: [&str; 2] = ["HEADWATER_SCRIPTED_", "HEADWATER_RECORDINGS"];

/// A value as it was typed, and where.
#[derive(Debug, Clone)]
struct Typed {
    values: Vec<String>,
    from: String,
}

/// What was asked for, by whatever way.
#[derive(Debug, Default)]
pub(crate) struct Asked {
    values: BTreeMap<&'static str, Typed>,
}

/// What is used.
#[derive(Debug)]
pub(crate) struct Settings {
    pub listen: Vec<SocketAddr>,
    pub data: PathBuf,
    pub durability: Durability,
    pub retention: Option<Duration>,
    pub provider: Option<String>,
    pub model: Option<String>,
    pub models: PathBuf,
    pub model_file: Option<PathBuf>,
    pub assistant: Option<PathBuf>,
    pub engine: headwater_engine::Settings,
    pub drain: Duration,
    pub log: String,
}

fn env_name(row: &Row) -> String {
    format!("{PREFIX}{}", row.0.to_uppercase())
}

/// Lists every setting on standard output.
pub(crate) fn print() -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    for row in ROWS {
        let default = if row.1.is_empty() { "none" } else { row.1 };
        writeln!(out, "{} ({}; default: {default})\n    {}", row.0, env_name(row), row.2)
            .map_err(Failure::of)?;
    }
    Ok(())
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
            .and_then(|text| text.parse().map_err(|e: toml::de::Error| e.to_string()))
        {
            Ok(table) => table,
            Err(why) => return problems.push(format!("the file {shown} cannot be read: {why}")),
        };
        for (name, value) in table {
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

    /// Value and where it stands; the default stands in the table.
    fn one(&self, name: &str) -> (String, String) {
        match self.values.get(name) {
            Some(typed) => (typed.values.join(","), typed.from.clone()),
            None => (default(name).to_owned(), name.to_owned()),
        }
    }

    fn some(&self, name: &str) -> Option<String> {
        Some(self.one(name).0).filter(|v| !v.is_empty())
    }
}

fn default(name: &str) -> &'static str {
    ROWS.iter().find(|row| row.0 == name).map_or("", |row| row.1)
}

fn split(name: &str, text: &str) -> Vec<String> {
    if name == "listen" {
        text.split(',').map(|s| s.trim().to_owned()).collect()
    } else {
        vec![text.to_owned()]
    }
}

/// The data folder alone, for commands that need nothing else.
pub(crate) fn data_folder(asked: &Asked) -> PathBuf {
    asked.one("data").0.into()
}

impl Settings {
    /// Everything that `serve` uses; all that is wrong, at once.
    pub(crate) fn of(args: &ServeArgs) -> Result<Self, Failure> {
        let listen = (!args.listen.is_empty()).then(|| args.listen.join(","));
        let flags = [
            ("listen", listen),
            ("data", args.data.clone()),
            ("provider", args.provider.clone()),
            ("models", args.models.clone()),
        ];
        let asked =
            Asked::gather(args.config.as_deref(), std::env::vars_os(), &flags).map_err(Failure::Usage)?;
        let missing = asked.some("provider").and_then(|name| {
            let key = missing_key(&name)?;
            Some(format!("{}: provider {name} needs {key} in the environment", asked.one("provider").1))
        });
        match (Self::check(&asked), missing) {
            (Ok(settings), None) => Ok(settings),
            (Ok(_), Some(missing)) => Err(Failure::Usage(vec![missing])),
            (Err(problems), missing) => Err(Failure::Usage(problems.into_iter().chain(missing).collect())),
        }
    }

    fn check(asked: &Asked) -> Result<Self, Vec<String>> {
        let mut problems = Vec::new();
        let typed = asked.values.get("listen");
        let listen_from = typed.map_or("listen", |t| t.from.as_str());
        let listen = match typed {
            Some(typed) => typed.values.clone(),
            None => vec![default("listen").to_owned()],
        };
        let listen =
            listen.iter().filter_map(|text| note(listen_from, address(text), &mut problems)).collect();

        let (word, from) = asked.one("durability");
        let durability = match word.as_str() {
            "full" => Durability::Full,
            "process_safe" => Durability::ProcessSafe,
            _ => {
                problems.push(format!("{from}: must be full or process_safe, not `{word}`"));
                Durability::Full
            }
        };
        let provider = asked.some("provider");
        if let Some(name) = &provider
            && !known_providers().contains(&name.as_str())
        {
            let from = asked.one("provider").1;
            problems.push(format!(
                "{from}: there is no provider `{name}`; there are: {}",
                known_providers().join(", ")
            ));
        }
        let mut seconds = |name, least, most| {
            let (text, from) = asked.one(name);
            let read = text.parse::<u64>().ok().filter(|n| (least..=most).contains(n));
            let read =
                read.ok_or_else(|| format!("must be a whole number from {least} to {most}, not `{text}`"));
            note(&from, read, &mut problems).unwrap_or(least)
        };
        let grace = Duration::from_secs(seconds("unwatched_seconds", 1, 86_400));
        let run_time = Duration::from_secs(seconds("run_seconds", 1, 86_400));
        let runs_per_user = usize::try_from(seconds("runs_per_user", 1, limit::RUNS as u64)).unwrap_or(1);
        let drain = Duration::from_secs(seconds("drain_seconds", 0, 3_600));
        let retention = asked.some("retention_days").map(|_| seconds("retention_days", 1, 3_650));
        let retention = retention.map(|days| Duration::from_secs(days * 86_400));
        let (word, from) = asked.one("unwatched");
        let unwatched = match word.as_str() {
            "continue" => Unwatched::Continue,
            "stop" => Unwatched::StopAfter(grace),
            _ => {
                problems.push(format!("{from}: must be continue or stop, not `{word}`"));
                Unwatched::Continue
            }
        };
        let (log, from) = asked.one("log");
        note(&from, logs::check(&log), &mut problems);
        let engine = headwater_engine::Settings { unwatched, run_time, runs_per_user, ..Default::default() };
        let settings = Self {
            listen,
            data: data_folder(asked),
            durability,
            retention,
            provider,
            model: asked.some("model"),
            models: asked.one("models").0.into(),
            model_file: asked.some("model_file").map(PathBuf::from),
            assistant: asked.some("assistant").map(PathBuf::from),
            engine,
            drain,
            log,
        };
        if problems.is_empty() { Ok(settings) } else { Err(problems) }
    }
}

fn known_providers() -> Vec<&'static str> {
    ["local", "scripted"].into_iter().chain(PRESETS.iter().map(|p| p.name)).collect()
}

fn note<T>(from: &str, read: Result<T, String>, problems: &mut Vec<String>) -> Option<T> {
    read.map_err(|why| problems.push(format!("{from}: {why}"))).ok()
}

/// `[SURFACE=]ADDR:PORT`. There is one surface today: `main`, which is what an address without one means.
fn address(text: &str) -> Result<SocketAddr, String> {
    let (surface, address) = text.split_once('=').unwrap_or(("main", text));
    if surface != "main" {
        return Err(format!("there is no surface `{surface}`; there is: main"));
    }
    address
        .parse()
        .or_else(|_| address.replacen("localhost:", "127.0.0.1:", 1).parse())
        .map_err(|_| format!("`{address}` is no address such as 127.0.0.1:8000 or [::1]:8000"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(
        file: &str,
        env: &[(&str, &str)],
        flags: &[(&'static str, Option<String>)],
    ) -> Result<Settings, Vec<String>> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("headwater.toml");
        std::fs::write(&path, file).unwrap();
        let env = env.iter().map(|(k, v)| (OsString::from(k), OsString::from(v))).collect::<Vec<_>>();
        let asked = Asked::gather(Some(&path), env.into_iter(), flags)?;
        Settings::check(&asked)
    }

    #[test]
    fn defaults_can_be_used_and_agree_with_the_limits() {
        let used = ask("", &[], &[]).unwrap();
        assert_eq!(used.listen, ["127.0.0.1:8000".parse().unwrap()]);
        assert!(matches!(used.durability, Durability::Full));
        assert_eq!(used.engine.run_time, limit::RUN_TIME);
        assert_eq!(used.engine.runs_per_user, limit::RUNS_PER_USER);
        assert_eq!(used.drain, limit::DRAIN);
        assert_eq!((used.provider, used.model, used.model_file), (None, None, None));
        assert_eq!(used.retention, None);
    }

    #[test]
    fn file_then_environment_then_flag() {
        let file = "data = \"of-file\"\nmodels = \"of-file\"\nlog = \"warn\"\nrun_seconds = 5\n";
        let env = [("HEADWATER_DATA", "of-env"), ("HEADWATER_MODELS", "of-env"), ("HEADWATER_LOG", "")];
        let used = ask(file, &env, &[("data", Some("of-flag".into()))]).unwrap();
        assert_eq!(used.data, Path::new("of-flag"));
        assert_eq!(used.models, Path::new("of-env"));
        assert_eq!(used.log, "warn");
        assert_eq!(used.engine.run_time, Duration::from_secs(5));
    }

    #[test]
    fn retention_is_days_or_for_ever() {
        let days = |text: &str| ask(&format!("retention_days = {text}\n"), &[], &[]).map(|s| s.retention);
        assert_eq!(days("30").unwrap(), Some(Duration::from_secs(30 * 86_400)));
        assert_eq!(days("\"\"").unwrap(), None);
        for wrong in ["0", "3651", "-1", "\"a year\""] {
            let problems = days(wrong).unwrap_err();
            assert!(problems.len() == 1 && problems[0].contains("1 to 3650"), "{problems:?}");
        }
    }

    #[test]
    fn everything_that_is_wrong_is_said_at_once() {
        let file = "durability = \"maybe\"\nunwatched = \"x\"\ndrain_seconds = -1\nlisten = [\"nowhere\", \"tutor=[::1]:0\"]\nprovider = \"nobody\"\n";
        let problems = ask(file, &[], &[]).unwrap_err();
        assert_eq!(problems.len(), 6, "{problems:#?}");
        let problems = ask(
            "dta = 1\n",
            &[("HEADWATER_DTA", "x"), ("HEADWATER_SCRIPTED_TOKENS", "9"), ("HEADWATER_RECORDINGS", "x")],
            &[],
        )
        .unwrap_err();
        assert_eq!(problems.len(), 2, "{problems:#?}");
        assert!(problems.iter().all(|p| p.to_lowercase().contains("dta") && p.contains("no such setting")));
    }

    #[test]
    fn every_way_to_say_an_address() {
        assert_eq!(address("main=0.0.0.0:1"), Ok("0.0.0.0:1".parse().unwrap()));
        assert_eq!(address("[::1]:0"), Ok("[::1]:0".parse().unwrap()));
        assert_eq!(address("localhost:80"), Ok("127.0.0.1:80".parse().unwrap()));
        assert!(address("8000").is_err());
    }
}
