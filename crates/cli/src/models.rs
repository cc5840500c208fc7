//! `headwater models`: who is configured, and whether he answers.

use std::collections::BTreeSet;
use std::io::Write;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use headwater_providers::openai::LOADED;
use headwater_providers::price::undated;
use serde_json::{Value, json};

use crate::args::ModelsArgs;
use crate::settings::{Answering, Asked, BUILT_IN, HostRow, KeyFrom, Link, answering_of};
use crate::{Failure, provider};

/// Names of a host's list that are shown.
const SHOWN: usize = 8;

/// One line of the list.
struct Line {
    provider: String,
    model: String,
    address: String,
    key: String,
    price: Option<String>,
    /// Whether a run may ask it; who is merely there may fail.
    used: bool,
    /// What came of asking the host for its models; `None` where nobody asked.
    answers: Option<Result<Listed, String>>,
}

/// Prints the lists and the hosts in them.
pub(crate) fn models(args: &ModelsArgs) -> Result<(), Failure> {
    let asked = args.who.asked()?;
    let answering = answering_of(&asked).map_err(Failure::Usage)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|e| Failure::Failed(format!("no threads can be started: {e}")))?;
    let lines = runtime.block_on(lines(&answering, &asked, !args.no_check))?;
    let text = if args.json { as_json(&answering, &lines) } else { as_text(&answering, &lines) };
    std::io::stdout().lock().write_all(text.as_bytes()).map_err(Failure::of)?;
    let asked: Vec<_> = lines.iter().filter(|line| line.used).collect();
    let wrong = asked.iter().filter(|line| matches!(line.answers, Some(Err(_)))).count();
    if wrong > 0 { Err(Failure::Failed(format!("{wrong} of {} do not answer", asked.len()))) } else { Ok(()) }
}

/// Whom to list: everybody in a list, everybody whose key is there, and the operator's own.
fn wanted(answering: &Answering) -> BTreeSet<(String, Option<String>)> {
    let links = answering.aliases.iter().flat_map(|alias| &alias.links);
    let mut wanted: BTreeSet<_> =
        links.map(|Link { provider, model }| (provider.clone(), model.clone())).collect();
    for host in answering.hosts.values() {
        let own = host.preset.is_none_or(|p| p.name != host.name);
        let has_key =
            matches!(&host.key, KeyFrom::Env(name, _) if std::env::var(name).is_ok_and(|k| !k.is_empty()));
        if (own || host.moved || has_key) && !wanted.iter().any(|(name, _)| *name == host.name) {
            wanted.insert((host.name.clone(), None));
        }
    }
    if answering.default_alias().is_none() {
        wanted.insert((BUILT_IN[0].to_owned(), None));
    }
    wanted
}

async fn lines(answering: &Answering, asked: &Asked, check: bool) -> Result<Vec<Line>, Failure> {
    let prices = provider::prices(answering)?;
    let mut lines = Vec::new();
    let mut asking = FuturesUnordered::new();
    for (name, model) in wanted(answering) {
        let at = lines.len();
        match answering.hosts.get(&name) {
            None => lines.push(built_in(&name, asked)),
            Some(row) => {
                let model = model.or_else(|| row.model.clone()).unwrap_or_default();
                lines.push(Line {
                    price: provider::price(&prices, row, &model).map(|p| per_million(&p)),
                    provider: name,
                    address: row.base_url.clone(),
                    key: key(row),
                    model: model.clone(),
                    used: answering.used().any(|used| used.name == row.name),
                    answers: None,
                });
                if check {
                    asking.push(async move { (at, answers(row, &model).await) });
                }
            }
        }
    }
    while let Some((at, answer)) = asking.next().await {
        if let Some(line) = lines.get_mut(at) {
            line.answers = Some(answer);
        }
    }
    drop(asking);
    Ok(lines)
}

/// What a host that answers says of our model.
pub(crate) enum Listed {
    /// It is in its list, or there is none to be in.
    There(String),
    /// It is not. A list is a hint: some leave out other names of the same model.
    Missing(String),
}

/// Asks a host for its list, and whether our model is in it.
pub(crate) async fn answers(row: &HostRow, model: &str) -> Result<Listed, String> {
    let host = provider::host(row, (!model.is_empty()).then_some(model))?;
    let names = host.models().await.map_err(|e| e.message)?;
    let any = model.is_empty() || model == LOADED;
    Ok(match names.len() {
        0 => Listed::There("answers, and lists no models".to_owned()),
        1 if any || is_listed(&names, model) => Listed::There("answers, 1 model".to_owned()),
        n if any || is_listed(&names, model) => Listed::There(format!("answers, {n} models")),
        n => {
            let some: Vec<_> = names.iter().take(SHOWN).map(String::as_str).collect();
            let dots = if n > SHOWN { ", …" } else { "" };
            Listed::Missing(format!(
                "answers, but lists no model `{model}`; it has {}{dots}",
                some.join(", ")
            ))
        }
    })
}

/// Whether a list has a model: by its name, by its name with a date behind it (as some list what they know
/// without), or by its name before a variant (`:free`).
fn is_listed(names: &[String], model: &str) -> bool {
    let base = model.split(':').next().unwrap_or(model);
    names.iter().any(|name| {
        let name = name.strip_suffix(":latest").unwrap_or(name);
        name == model || name == base || undated(name) == Some(model)
    })
}

fn built_in(name: &str, asked: &Asked) -> Line {
    let (model, answers) = match provider::local_file(asked) {
        _ if name == "scripted" => {
            ("scripted".to_owned(), Ok(Listed::There("fixed text, for tests".to_owned())))
        }
        Ok(file) => (file.display().to_string(), Ok(Listed::There("the file is there".to_owned()))),
        Err(why) => ("none".to_owned(), Err(why)),
    };
    Line {
        provider: name.to_owned(),
        model,
        address: "in this process".to_owned(),
        key: "needs none".to_owned(),
        price: None,
        used: true,
        answers: Some(answers),
    }
}

/// Where the key stands, never the key.
fn key(row: &HostRow) -> String {
    match &row.key {
        KeyFrom::Nowhere => "needs none".to_owned(),
        KeyFrom::File(file) => format!("in {}", file.display()),
        KeyFrom::Env(name, needed) => match std::env::var(name).is_ok_and(|k| !k.trim().is_empty()) {
            true => format!("{name} is set"),
            false if *needed => format!("{name} IS NOT SET"),
            false => format!("{name} is not set, which may do here"),
        },
    }
}

fn per_million(price: &headwater_core::port::provider::Price) -> String {
    let dollars = |micro: u64| {
        let text = format!("{:.6}", micro as f64 / 1e6);
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    };
    format!("${} in, ${} out per million tokens", dollars(price.input), dollars(price.output))
}

fn as_text(answering: &Answering, lines: &[Line]) -> String {
    let mut text = String::new();
    for alias in &answering.aliases {
        let links: Vec<_> = alias.links.iter().map(Link::to_string).collect();
        text.push_str(&format!("alias {}: {}\n", alias.name, links.join(", then ")));
    }
    if answering.default_alias().is_none() {
        text.push_str("alias default: local, or scripted where the model is not there\n");
    }
    for line in lines {
        let Line { provider, model, address, key, price, used, answers } = line;
        let used = if *used { "" } else { " (in no list)" };
        text.push_str(&format!(
            "\n{provider}{used}\n  model    {model}\n  address  {address}\n  key      {key}\n"
        ));
        let price = price.as_deref().unwrap_or("not known here; the setting `prices` can say it");
        text.push_str(&format!("  price    {price}\n"));
        match answers {
            None => text.push_str("  answers  nobody asked\n"),
            Some(Ok(Listed::There(what))) => text.push_str(&format!("  answers  yes: {what}\n")),
            Some(Ok(Listed::Missing(what))) => text.push_str(&format!("  answers  yes, BUT: {what}\n")),
            Some(Err(why)) => text.push_str(&format!("  answers  NO: {why}\n")),
        }
    }
    text
}

fn as_json(answering: &Answering, lines: &[Line]) -> String {
    let aliases: Vec<Value> = answering
        .aliases
        .iter()
        .map(|a| json!({"alias": a.name, "use": a.links.iter().map(Link::to_string).collect::<Vec<_>>()}))
        .collect();
    let hosts: Vec<Value> = lines
        .iter()
        .map(|l| {
            json!({
                "provider": l.provider, "model": l.model, "address": l.address, "key": l.key, "price": l.price, "used": l.used,
                "answers": l.answers.as_ref().map(Result::is_ok),
                "listed": l.answers.as_ref().map(|a| matches!(a, Ok(Listed::There(_)))),
                "words": l.answers.as_ref().map(|a| match a { Ok(Listed::There(w) | Listed::Missing(w)) | Err(w) => w }),
            })
        })
        .collect();
    format!("{:#}\n", json!({"aliases": aliases, "providers": hosts}))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_model_is_known_by_every_name_that_lists_have_for_it() {
        let names = ["claude-haiku-4-5-20251001", "qwen3:4b", "llama3:latest", "a/b"].map(str::to_owned);
        for known in ["claude-haiku-4-5", "claude-haiku-4-5-20251001", "qwen3:4b", "llama3", "a/b:free"] {
            assert!(is_listed(&names, known), "{known}");
        }
        for other in ["claude-haiku-4", "qwen3", "gpt-5"] {
            assert!(!is_listed(&names, other), "{other}");
        }
    }
}
