//! The binary `headwater`: the only place that names backends.
//!
//! Exit codes: 0 it did what was asked, 1 it failed, 2 bad usage or configuration.

mod args;
mod ask;
mod backup;
mod certificate;
mod doctor;
mod eval;
mod facing;
mod fake_provider;
mod handoff;
mod knowledge;
mod logs;
mod models;
mod provider;
mod serve;
mod settings;
mod sign_in;
mod token;
mod workflows;

use std::process::ExitCode;

use clap::Parser;

use self::args::{Args, Command};

/// Why the program ends without having done what was asked.
#[derive(Debug)]
enum Failure {
    /// Usage or configuration is wrong: everything that is, a line each.
    Usage(Vec<String>),
    /// Something that was right did not work.
    Failed(String),
}

impl Failure {
    /// It did not work, because of this.
    fn of(what: impl std::fmt::Display) -> Self {
        Self::Failed(what.to_string())
    }
}

fn main() -> ExitCode {
    // Usage errors end with 2 and help with 0 by themselves.
    let args = Args::parse();
    let done = match args.command {
        Command::Serve(asked) => serve::serve(asked),
        Command::Token(asked) => token::token(&asked),
        Command::Backup(asked) => backup::backup(&asked),
        Command::Restore(asked) => backup::restore(&asked),
        Command::Check(asked) => backup::check(&asked),
        Command::Ask(asked) => ask::ask(&asked),
        Command::Models(asked) => models::models(&asked),
        Command::Doctor(asked) => doctor::doctor(&asked),
        Command::Eval(asked) => eval::eval(&asked),
        // Before anything else is started: it bounds itself first.
        Command::Extract(asked) => return headwater_extract::child_main(&asked.format, &asked.path),
        Command::FakeProvider(asked) => fake_provider::fake_provider(&asked),
        Command::Settings => settings::print(),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure::Usage(problems)) => {
            for problem in problems {
                logs::say(&format!("error: {problem}"));
            }
            logs::say("`headwater settings` lists every setting, `headwater help` every command");
            ExitCode::from(2)
        }
        Err(Failure::Failed(why)) => {
            logs::say(&format!("error: {why}"));
            ExitCode::FAILURE
        }
    }
}
