//! Every setting: its name in the TOML file, from which follow its environment variable and its default,
//! and what becomes of it. File, environment, flag, in that order; the later wins. What was typed
//! ([`Asked`]) and what is used ([`Settings`]) are two types: between them stands every check, and all
//! that is wrong is said at once.

mod answering;
mod asked;
mod listening;
mod rows;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use headwater_core::limit;
use headwater_engine::Unwatched;
use headwater_providers::webhook::WebhookConfig;
use headwater_server::app::{Dialects, Surface};
use headwater_server::http::metrics::MetricsFor;
use headwater_store::Durability;

use crate::Failure;
use crate::args::ServeArgs;
use crate::facing::Facing;
use crate::sign_in::SignIn;
use crate::{handoff, logs};

pub(crate) use self::answering::{Alias, Answering, BUILT_IN, DEFAULT, HostRow, KeyFrom, Link};
pub(crate) use self::asked::{Asked, note};
#[cfg(test)]
pub(crate) use self::rows::default;
pub(crate) use self::rows::print;

/// What is used.
#[derive(Debug)]
pub(crate) struct Settings {
    pub listen: Vec<(Surface, SocketAddr)>,
    pub data: PathBuf,
    pub durability: Durability,
    pub retention: Option<Duration>,
    pub answering: Answering,
    /// What was typed, for what is looked up when it is needed.
    pub asked: Asked,
    pub assistant: Option<PathBuf>,
    /// Files of more assistants beside it.
    pub assistants: Vec<PathBuf>,
    pub dialects: Dialects,
    pub teams: Option<PathBuf>,
    pub tutor: Option<PathBuf>,
    pub engine: headwater_engine::Settings,
    pub drain: Duration,
    pub metrics_for: MetricsFor,
    pub sign_in: SignIn,
    pub facing: Facing,
    pub handoff: Option<WebhookConfig>,
    pub log: String,
}

/// The data folder alone, for commands that need nothing else.
pub(crate) fn data_folder(asked: &Asked) -> PathBuf {
    asked.one("data").0.into()
}

impl Settings {
    /// Everything that `serve` uses; all that is wrong, at once.
    pub(crate) fn of(args: &ServeArgs) -> Result<Self, Failure> {
        let asked = args.asked().map_err(Failure::Usage)?;
        Self::check(&asked, &environment).map_err(Failure::Usage)
    }

    fn check(asked: &Asked, env: &Env<'_>) -> Result<Self, Vec<String>> {
        let mut problems = Vec::new();
        let listen = listening::read(asked, &mut problems);
        let durability = asked.word(
            "durability",
            &[("full", Durability::Full), ("process_safe", Durability::ProcessSafe)],
            &mut problems,
        );
        let answering = Answering::read(asked, env, &mut problems);
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
        let unwatched = asked.word(
            "unwatched",
            &[("continue", Unwatched::Continue), ("stop", Unwatched::StopAfter(grace))],
            &mut problems,
        );
        let metrics_for = asked.word(
            "metrics",
            &[("local", MetricsFor::Local), ("open", MetricsFor::Everybody), ("off", MetricsFor::Nobody)],
            &mut problems,
        );
        let dialects = listening::dialects(asked, &listen, &mut problems);
        let sign_in = SignIn::of(|name| asked.one(name), &mut problems);
        let facing = Facing::read(asked, &mut problems);
        asked.word("tools", &[("on", true), ("off", false)], &mut problems);
        let (log, from) = asked.one("log");
        note(&from, logs::check(&log), &mut problems);
        let [url, private, secret] =
            ["", "_allow_private", "_secret"].map(|rest| asked.one(&format!("handoff_webhook{rest}")));
        let handoff = handoff::check(url, private, secret, &mut problems);
        let (starts, lessons) = (facing.starts, facing.lessons);
        let engine = headwater_engine::Settings {
            unwatched,
            run_time,
            runs_per_user,
            starts,
            lessons,
            ..Default::default()
        };
        let settings = Self {
            listen,
            data: data_folder(asked),
            durability,
            retention,
            answering,
            asked: asked.clone(),
            assistant: asked.some("assistant").map(PathBuf::from),
            assistants: asked.all("assistants").0.into_iter().map(PathBuf::from).collect(),
            dialects,
            teams: asked.some("teams").map(PathBuf::from),
            tutor: asked.some("tutor").map(PathBuf::from),
            engine,
            drain,
            metrics_for,
            sign_in,
            facing,
            handoff,
            log,
        };
        if problems.is_empty() { Ok(settings) } else { Err(problems) }
    }
}

/// Where a variable of the environment is looked up.
pub(crate) type Env<'a> = dyn Fn(&str) -> Option<String> + 'a;

/// The environment of this process.
pub(crate) fn environment(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// Who answers, for commands that need nothing else; all that is wrong, at once.
pub(crate) fn answering_of(asked: &Asked) -> Result<Answering, Vec<String>> {
    let mut problems = Vec::new();
    let answering = Answering::read(asked, &environment, &mut problems);
    if problems.is_empty() { Ok(answering) } else { Err(problems) }
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;
    use std::path::Path;

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
        Settings::check(&asked, &|_| None)
    }

    #[test]
    fn defaults_can_be_used_and_agree_with_the_limits() {
        let used = ask("", &[], &[]).unwrap();
        assert_eq!(used.listen, [(Surface::Main, "127.0.0.1:8000".parse().unwrap())]);
        assert_eq!(used.dialects.generations, limit::GENERATIONS);
        assert!(matches!(used.durability, Durability::Full));
        assert_eq!(used.engine.run_time, limit::RUN_TIME);
        assert_eq!(used.engine.runs_per_user, limit::RUNS_PER_USER);
        assert_eq!(used.drain, limit::DRAIN);
        assert!(used.answering.default_alias().is_none());
        assert!(used.answering.hosts["openai"].tools);
        assert!(!ask("tools = \"off\"\n", &[], &[]).unwrap().answering.hosts["openai"].tools);
        assert_eq!(used.retention, None);
    }

    #[test]
    fn file_then_environment_then_flag() {
        let file = "data = \"of-file\"\nmodels = \"of-file\"\nlog = \"warn\"\nrun_seconds = 5\n";
        let env = [("HEADWATER_DATA", "of-env"), ("HEADWATER_MODELS", "of-env"), ("HEADWATER_LOG", "")];
        let used = ask(file, &env, &[("data", Some("of-flag".into()))]).unwrap();
        assert_eq!(used.data, Path::new("of-flag"));
        assert_eq!(used.asked.one("models").0, "of-env");
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
        let file = "durability = \"maybe\"\ntools = \"maybe\"\nunwatched = \"x\"\ndrain_seconds = -1\nlisten = [\"nowhere\", \"elsewhere=[::1]:0\"]\nprovider = \"nobody\"\n";
        let problems = ask(file, &[], &[]).unwrap_err();
        assert_eq!(problems.len(), 7, "{problems:#?}");
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
    fn a_webhook_is_checked_and_its_secret_is_shown_nowhere() {
        let secret = ("HEADWATER_HANDOFF_WEBHOOK_SECRET", "a-secret-of-20-bytes");
        let used = ask("handoff_webhook = \"https://example.com/x\"\n", &[secret], &[]).unwrap();
        assert!(used.handoff.as_ref().is_some_and(|h| h.secret.is_some() && !h.allow_private));
        assert!(!format!("{used:?}").contains("a-secret"));
        for file in [
            "handoff_webhook = \"http://example.com/x\"\n",
            "handoff_webhook = \"https://127.0.0.1/x\"\n",
            "handoff_webhook_allow_private = \"maybe\"\n",
            "handoff_webhook_secret = \"a-secret-of-20-bytes\"\n",
            "handoff_webhook = \"https://example.com/x\"\nhandoff_webhook_secret = \"a-secret\"\n",
        ] {
            let problems = ask(file, &[], &[]).unwrap_err();
            assert_eq!(problems.len(), 1, "{problems:?}");
            assert!(!problems[0].contains("a-secret"), "{problems:?}");
        }
        let file = "handoff_webhook = \"http://127.0.0.1:9/x\"\nhandoff_webhook_allow_private = \"yes\"\n";
        assert!(ask(file, &[], &[]).unwrap().handoff.is_some());
    }
}
