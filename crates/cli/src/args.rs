//! What can be typed behind `headwater`. Settings are looked up in [`crate::settings`]; a flag is one way
//! to give them.

use std::path::PathBuf;

use clap::{Args as Group, Parser, Subcommand};
use headwater_core::limit;

use crate::Failure;
use crate::settings::Asked;

/// Streams AI answers as durable, numbered logs.
#[derive(Debug, Parser)]
#[command(name = "headwater", version, about, long_about = None, arg_required_else_help = true)]
pub(crate) struct Args {
    #[command(subcommand)]
    pub command: Command,
}

/// What is to be done.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run the server; the last line on standard output is its address.
    Serve(ServeArgs),
    /// Print an access token of the data folder's secret; the server may run meanwhile.
    Token(TokenArgs),
    /// Copy the database to a file; the server may run meanwhile.
    Backup(BackupArgs),
    /// Put a backup in the place of the database, which is kept beside it; no server may run.
    Restore(RestoreArgs),
    /// Read the whole database and say whether it is sound; the server may run meanwhile.
    Check(CheckArgs),
    /// Stream one answer to the terminal, without a server.
    Ask(AskArgs),
    /// List who is configured to answer, and whether he does.
    Models(ModelsArgs),
    /// Look whether a server could start here and answer, and say what to do where not.
    Doctor(DoctorArgs),
    /// Measure how well questions find their passages; see docs/evaluation.md.
    Eval(EvalArgs),
    /// Read a document's text in a process of its own; the server calls this for uploads.
    #[command(hide = true)]
    Extract(ExtractArgs),
    /// Run a host that says what a script says, for tests of front-ends; see docs/testing.md.
    FakeProvider(FakeProviderArgs),
    /// List every setting with its environment variable, its default and what it does.
    Settings,
}

/// Flags of `serve`. Each is a setting that can stand in the file or the environment as well.
#[derive(Debug, Default, Group)]
pub(crate) struct ServeArgs {
    /// Where to listen, [SURFACE=]ADDR:PORT; may be repeated; port 0 is any free one
    #[arg(long, value_name = "[SURFACE=]ADDR:PORT")]
    pub listen: Vec<String>,
    /// Open the ports of the originals too: 8001 for the tutor, 8888 for orchestrate
    #[arg(long)]
    pub compat: bool,
    /// Let in whoever connects from this machine, as the originals did; see `headwater settings`
    #[arg(long)]
    pub development: bool,
    /// The folder for everything that is kept
    #[arg(long, value_name = "DIR")]
    pub data: Option<String>,
    /// A TOML file of settings
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Who answers: local, scripted or a host, as NAME or NAME/MODEL; several with commas, one after the other
    #[arg(long, value_name = "NAME")]
    pub provider: Option<String>,
    /// The folder with the local model and the embeddings
    #[arg(long, value_name = "DIR")]
    pub models: Option<String>,
}

impl ServeArgs {
    /// What file, environment and these flags say.
    pub(crate) fn asked(&self) -> Result<Asked, Vec<String>> {
        let listen = (!self.listen.is_empty()).then(|| self.listen.join(","));
        let flags = [
            ("listen", listen),
            ("compat", self.compat.then(|| "on".to_owned())),
            ("development", self.development.then(|| "on".to_owned())),
            ("data", self.data.clone()),
            ("provider", self.provider.clone()),
            ("models", self.models.clone()),
        ];
        Asked::gather(self.config.as_deref(), std::env::vars_os(), &flags)
    }
}

/// Who is asked, for commands that ask without a server.
#[derive(Debug, Default, Group)]
pub(crate) struct WhoArgs {
    /// Who answers: local, scripted or a host, as NAME or NAME/MODEL; several with commas, one after the other
    #[arg(long, value_name = "NAME")]
    pub provider: Option<String>,
    /// The folder with the local model
    #[arg(long, value_name = "DIR")]
    pub models: Option<String>,
    /// A TOML file of settings
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
}

impl WhoArgs {
    /// What file, environment and these flags say.
    pub(crate) fn asked(&self) -> Result<Asked, Failure> {
        let flags = [("provider", self.provider.clone()), ("models", self.models.clone())];
        Asked::gather(self.config.as_deref(), std::env::vars_os(), &flags).map_err(Failure::Usage)
    }
}

/// Flags of `ask`.
#[derive(Debug, Group)]
pub(crate) struct AskArgs {
    /// What is asked; `-` reads it from standard input
    #[arg(value_name = "QUESTION")]
    pub question: String,
    #[command(flatten)]
    pub who: WhoArgs,
    /// An alias of the settings; without it the default
    #[arg(long, value_name = "ALIAS")]
    pub model: Option<String>,
    /// Instructions for the model
    #[arg(long, value_name = "TEXT")]
    pub system: Option<String>,
    /// The most tokens of the answer
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=i64::from(limit::ANSWER_TOKENS_MAX)))]
    pub max_tokens: Option<u32>,
    /// 0 is greedy
    #[arg(long, value_name = "T")]
    pub temperature: Option<f32>,
    /// How much the model is to think: none, minimal, low, medium, high
    #[arg(long, value_name = "EFFORT")]
    pub reasoning: Option<String>,
    /// Show on standard error what the model thinks
    #[arg(long)]
    pub thinking: bool,
}

/// Flags of `models`.
#[derive(Debug, Group)]
pub(crate) struct ModelsArgs {
    #[command(flatten)]
    pub who: WhoArgs,
    /// Contact nobody
    #[arg(long)]
    pub no_check: bool,
    /// Print the list as JSON
    #[arg(long)]
    pub json: bool,
}

/// Flags of `doctor`.
#[derive(Debug, Group)]
pub(crate) struct DoctorArgs {
    #[command(flatten)]
    pub serve: ServeArgs,
    /// Contact no host
    #[arg(long)]
    pub offline: bool,
}

/// Flags of `token`.
#[derive(Debug, Group)]
pub(crate) struct TokenArgs {
    /// Whose token: any name of at most 128 bytes; he needs no account
    #[arg(long, value_name = "ID")]
    pub user: String,
    /// His address, as it stands in the token
    #[arg(long, value_name = "E", default_value = "")]
    pub email: String,
    /// His name, as it stands in the token
    #[arg(long, value_name = "N", default_value = "")]
    pub name: String,
    /// The folder whose secret signs it
    #[arg(long, value_name = "DIR")]
    pub data: Option<String>,
    /// A TOML file of settings
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
}

/// Flags of `backup`.
#[derive(Debug, Group)]
pub(crate) struct BackupArgs {
    /// The file to be made; it has everything but secret.key
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// Replace the file where there is one
    #[arg(long)]
    pub force: bool,
    /// The folder whose database is copied
    #[arg(long, value_name = "DIR")]
    pub data: Option<String>,
    /// A TOML file of settings
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
}

/// Flags of `restore`.
#[derive(Debug, Group)]
pub(crate) struct RestoreArgs {
    /// The backup; it is left as it is
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// The folder that gets it; made where there is none
    #[arg(long, value_name = "DIR")]
    pub data: Option<String>,
    /// A TOML file of settings
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
}

/// Flags of `check`.
#[derive(Debug, Group)]
pub(crate) struct CheckArgs {
    /// The folder whose database is read
    #[arg(long, value_name = "DIR")]
    pub data: Option<String>,
    /// A TOML file of settings
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// A backup to be read instead
    #[arg(long, value_name = "FILE", conflicts_with_all = ["data", "config"])]
    pub file: Option<PathBuf>,
}

/// Flags of `eval`.
#[derive(Debug, Group)]
pub(crate) struct EvalArgs {
    /// How many passages of each answer are looked at
    #[arg(long, value_name = "K", default_value_t = 5, value_parser = clap::value_parser!(u8).range(1..=20))]
    pub k: u8,
    /// Search by words alone, as the server does without its models
    #[arg(long)]
    pub no_embeddings: bool,
    /// Print the figures as JSON
    #[arg(long)]
    pub json: bool,
    /// Labelled questions, a JSON object a line; without it the shipped ones
    #[arg(long, value_name = "FILE", requires = "knowledge")]
    pub questions: Option<PathBuf>,
    /// The folder with manifest.toml and the documents that the questions are about
    #[arg(long, value_name = "DIR", requires = "questions")]
    pub knowledge: Option<PathBuf>,
    /// The folder with the embeddings, as `make model` fills it
    #[arg(long, value_name = "DIR", default_value = "models")]
    pub models: PathBuf,
}

/// What `extract` is called with.
#[derive(Debug, Group)]
pub(crate) struct ExtractArgs {
    /// pdf, docx, txt or md
    pub format: String,
    /// The file
    pub path: PathBuf,
}

/// Flags of `fake-provider`. What they do not say, the file of `--script` says.
#[derive(Debug, Group)]
pub(crate) struct FakeProviderArgs {
    /// Where to listen; port 0 is any free one
    #[arg(long, value_name = "ADDR:PORT", default_value = "127.0.0.1:0")]
    pub listen: std::net::SocketAddr,
    /// Say only how this format is reached; it speaks all: anthropic, openai, responses, gemini, ollama
    #[arg(long, value_name = "NAME")]
    pub format: Option<String>,
    /// A JSON file of knobs
    #[arg(long, value_name = "FILE")]
    pub script: Option<PathBuf>,
    /// Words of an answer
    #[arg(long, value_name = "N")]
    pub tokens: Option<u32>,
    /// What is said, instead of made-up words
    #[arg(long, value_name = "WORDS", conflicts_with = "tokens")]
    pub text: Option<String>,
    /// Words of reasoning before it
    #[arg(long, value_name = "N")]
    pub reasoning: Option<u32>,
    /// Milliseconds to the first token
    #[arg(long, value_name = "MS")]
    pub first_token_ms: Option<u64>,
    /// Milliseconds from a token to the next
    #[arg(long, value_name = "MS")]
    pub gap_ms: Option<u64>,
    /// What goes wrong, as in a model's name: 429, error-after-3, 503-times-2
    #[arg(long, value_name = "HOW")]
    pub fail: Option<String>,
    /// Speak TLS, with a certificate that it makes; GET /_fake/certificate gives it out
    #[arg(long)]
    pub tls: bool,
    /// Streams that one HTTP/2 connection may have open
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub streams: u32,
}
