//! `headwater ask`: one answer, streamed to the terminal, by the providers of the settings and without a server.

use std::io::{IsTerminal, Read, Write};
use std::time::{Duration, Instant};

use futures_util::StreamExt;
use headwater_core::limit;
use headwater_core::port::provider::{
    Delta, Effort, FinishReason, ModelRequest, PromptMessage, ProviderError, ProviderErrorKind, Role,
    SharedProvider, Usage,
};

use headwater_providers::metrics::Metrics;

use crate::args::AskArgs;
use crate::logs::say;
use crate::settings::{DEFAULT, answering_of, environment};
use crate::{Failure, logs, provider};

/// Asks, and writes the answer to standard output as it comes; everything else goes to standard error.
pub(crate) fn ask(args: &AskArgs) -> Result<(), Failure> {
    let asked = args.who.asked()?;
    let answering = answering_of(&asked).map_err(Failure::Usage)?;
    let question = match args.question.as_str() {
        "-" => from_stdin()?,
        text => text.to_owned(),
    };
    if question.trim().is_empty() {
        return Err(Failure::Usage(vec!["the question is empty".to_owned()]));
    }
    if question.len() > limit::MESSAGE_BYTES
        || args.system.as_ref().is_some_and(|s| s.len() > limit::SYSTEM_BYTES)
    {
        let (question, system) = (limit::MESSAGE_BYTES, limit::SYSTEM_BYTES);
        return Err(Failure::Usage(vec![format!(
            "at most {question} bytes of question and {system} of --system"
        )]));
    }
    if args.temperature.is_some_and(|t| !(0.0..=2.0).contains(&t)) {
        return Err(Failure::Usage(vec!["--temperature: must be from 0 to 2".to_owned()]));
    }
    let alias = args.model.as_deref().unwrap_or(DEFAULT);
    let answering = answering.only(alias).ok_or_else(|| {
        let all: Vec<_> = answering.aliases.iter().map(|a| a.name.as_str()).collect();
        Failure::Usage(vec![format!(
            "--model: nothing of that name is configured; there is: {}",
            all.join(", ")
        )])
    })?;
    let missing = answering.missing_keys(&environment);
    if !missing.is_empty() {
        return Err(Failure::Usage(missing));
    }
    let reasoning = match args.reasoning.as_deref().map(|word| (word, Effort::parse(word))) {
        None => None,
        Some((_, Some(effort))) => Some(effort),
        Some((word, None)) => {
            let words: Vec<_> = Effort::ALL.iter().map(|e| e.as_str()).collect();
            return Err(Failure::Usage(vec![format!(
                "--reasoning: one of {}, not `{word}`",
                words.join(", ")
            )]));
        }
    };
    let system = args.system.iter().map(|text| PromptMessage::new(Role::System, text));
    let request = ModelRequest {
        messages: system.chain([PromptMessage::new(Role::User, question)]).collect(),
        max_tokens: args.max_tokens.unwrap_or(limit::ANSWER_TOKENS),
        temperature: args.temperature,
        reasoning,
        ..ModelRequest::default()
    };
    logs::start(&asked.one("log").0.replace("info", "warn"));
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|e| Failure::Failed(format!("no threads can be started: {e}")))?;
    let done = runtime.block_on(async {
        let models = provider::open(&answering, &asked, &Metrics::default()).await?;
        let provider = models.find(args.model.as_deref()).map_err(|e| Failure::Usage(vec![e.message]))?;
        let stopped = tokio::signal::ctrl_c();
        tokio::select! {
            done = answer(provider, request, args.thinking) => done,
            // Dropping the answer closes the connection upstream: nothing is paid for that nobody reads.
            _ = stopped => Err(Failure::Failed("stopped; the provider was told".to_owned())),
        }
    });
    runtime.shutdown_timeout(Duration::from_millis(200));
    done
}

fn from_stdin() -> Result<String, Failure> {
    let mut text = String::new();
    let most = limit::MESSAGE_BYTES as u64;
    std::io::stdin().lock().take(most + 1).read_to_string(&mut text).map_err(Failure::of)?;
    if text.len() as u64 > most {
        return Err(Failure::Usage(vec![format!("standard input has more than {most} bytes")]));
    }
    Ok(text)
}

async fn answer(provider: &SharedProvider, request: ModelRequest, thinking: bool) -> Result<(), Failure> {
    let info = provider.info();
    let failed = |e: ProviderError| Failure::Failed(format!("{}: {}", info.name, e.message));
    let began = Instant::now();
    let mut deltas = provider.generate(request).await.map_err(failed)?;
    let (name, model, price) = match deltas.by() {
        Some(by) => (by.provider.clone(), by.model.clone(), by.price),
        None => (info.name.clone(), info.model.clone(), info.price),
    };
    let (mut first, mut shown) = (None, Shown::default());
    while let Some(delta) = deltas.next().await {
        let delta = delta.inspect_err(|_| shown.close()).map_err(failed)?;
        if delta.is_visible() {
            first.get_or_insert_with(|| began.elapsed());
        }
        match delta {
            Delta::Text(text) | Delta::Refusal(text) => shown.text(&text).map_err(Failure::of)?,
            Delta::Reasoning(text) if thinking => shown.thought(&text),
            Delta::Citation(source) => shown.source(source.url.or(source.title)),
            Delta::End { reason, mut usage } => {
                shown.close();
                usage.cost_usd = usage.cost_usd.or_else(|| price?.of(&usage));
                say(&summary(&name, &model, reason, &usage, first, began.elapsed()));
                return Ok(());
            }
            Delta::Reasoning(_) | Delta::Replay(_) | Delta::Usage(_) | Delta::ToolCall(_) => {}
        }
    }
    shown.close();
    Err(failed(ProviderError::new(ProviderErrorKind::Interrupted, "the answer broke off")))
}

/// Who said it, why he ended, what it took.
fn summary(
    name: &str,
    model: &str,
    reason: FinishReason,
    usage: &Usage,
    first: Option<Duration>,
    whole: Duration,
) -> String {
    let mut parts = vec![format!("{model} of {name}")];
    if let (Some(input), Some(output)) = (usage.input_tokens, usage.output_tokens) {
        parts.push(format!("{input} tokens in, {output} out"));
    }
    if let Some(cost) = usage.cost_usd {
        parts.push(format!("${:.6}", cost.dollars()));
    }
    if let Some(first) = first {
        parts.push(format!(
            "first word after {:.2} s, all after {:.2} s",
            first.as_secs_f64(),
            whole.as_secs_f64()
        ));
    }
    match reason {
        FinishReason::Stop => {}
        FinishReason::Length => parts.push("cut at --max-tokens".to_owned()),
        FinishReason::ContentFilter => parts.push("the provider withheld the rest".to_owned()),
        FinishReason::Refusal => parts.push("the model declined".to_owned()),
        FinishReason::ToolCalls | FinishReason::Other => {
            parts.push("ended for a reason of its own".to_owned())
        }
    }
    parts.join("; ")
}

/// Without control characters but line ends and tabs.
fn harmless(text: &str) -> String {
    text.chars().filter(|c| !c.is_control() || matches!(c, '\n' | '\t')).collect()
}

/// What stands on the two streams.
#[derive(Debug, Default)]
struct Shown {
    thinking: bool,
    /// Whether the answer's last line is open.
    open: bool,
}

impl Shown {
    fn text(&mut self, text: &str) -> std::io::Result<()> {
        self.end_thought();
        let mut out = std::io::stdout().lock();
        // A model's text may hold what moves a terminal's cursor or sets its title; a file gets it as it is.
        match out.is_terminal() {
            true => out.write_all(harmless(text).as_bytes())?,
            false => out.write_all(text.as_bytes())?,
        }
        self.open = !text.ends_with('\n');
        // Token by token is the point.
        out.flush()
    }

    fn thought(&mut self, text: &str) {
        let mut err = std::io::stderr().lock();
        let dim = if err.is_terminal() { "\x1b[2m" } else { "" };
        let plain = if err.is_terminal() { "\x1b[0m" } else { "" };
        self.thinking = true;
        let _ = write!(err, "{dim}{}{plain}", harmless(text));
    }

    fn source(&mut self, source: Option<String>) {
        if let Some(source) = source {
            self.end_thought();
            say(&format!("source: {}", harmless(&source)));
        }
    }

    fn end_thought(&mut self) {
        if std::mem::take(&mut self.thinking) {
            let _ = writeln!(std::io::stderr().lock());
        }
    }

    fn close(&mut self) {
        self.end_thought();
        if std::mem::take(&mut self.open) {
            let _ = writeln!(std::io::stdout().lock());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_model_cannot_move_the_terminal() {
        assert_eq!(harmless("a\x1b]0;owned\x07b\x1b[2J\n\tc\u{9b}1m"), "a]0;ownedb[2J\n\tc1m");
    }

    #[test]
    fn the_summary_says_who_how_much_and_why() {
        let usage = Usage::of(12, 7);
        let second = Duration::from_secs(1);
        let line = summary("groq", "m", FinishReason::Length, &usage, Some(second / 4), second);
        assert_eq!(
            line,
            "m of groq; 12 tokens in, 7 out; first word after 0.25 s, all after 1.00 s; cut at --max-tokens"
        );
    }
}
