//! Who answers: makes the providers, the lists of them and the embedder that the settings ask for.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use headwater_core::limit;
use headwater_core::port::provider::Price;
use headwater_core::port::{SharedEmbedder, SharedProvider};
use headwater_engine::models::Models;
use headwater_providers::chain::{Chain, Healths, Link as ChainLink};
use headwater_providers::host::{Host, HostConfig};
use headwater_providers::metrics::Metrics;
use headwater_providers::price::PriceTable;
use headwater_providers::scripted::Scripted;

use crate::Failure;
use crate::logs::say;
use crate::settings::{Alias, Answering, Asked, BUILT_IN, DEFAULT, HostRow, KeyFrom, Link, environment};

/// The models under their aliases.
pub(crate) async fn open(answering: &Answering, asked: &Asked, metrics: &Metrics) -> Result<Models, Failure> {
    let opened =
        Opening { answering, prices: prices(answering)?, metrics, healths: Healths::new(metrics.clone()) };
    let mut made = BTreeMap::new();
    for link in answering.aliases.iter().flat_map(|alias| &alias.links) {
        if !made.contains_key(&link.provider) {
            made.insert(link.provider.clone(), opened.provider(&link.provider, asked).await?);
        }
    }
    let mut models = match answering.default_alias() {
        Some(alias) => Models::new(opened.chain(alias, &made)?),
        // A model that a list names is not loaded twice.
        None => match made.get(BUILT_IN[0]) {
            Some(local) => Models::new(Arc::clone(local)),
            None => Models::new(opened.fallen_back(asked).await?),
        },
    };
    for alias in answering.aliases.iter().filter(|alias| alias.name != DEFAULT) {
        models = models.and(&alias.name, opened.chain(alias, &made)?);
    }
    Ok(models)
}

/// What everything is made with.
struct Opening<'a> {
    answering: &'a Answering,
    prices: PriceTable,
    metrics: &'a Metrics,
    healths: Healths,
}

impl Opening<'_> {
    async fn provider(&self, name: &str, asked: &Asked) -> Result<SharedProvider, Failure> {
        match (name, self.answering.hosts.get(name)) {
            (_, Some(row)) => {
                let mut config = host_config(row).map_err(Failure::Usage)?;
                config.metrics = self.metrics.clone();
                config.price = price(&self.prices, row, &config.model);
                let host = Host::new(config).map_err(|e| Failure::Usage(vec![e.message]))?;
                Ok(Arc::new(host))
            }
            ("local", None) => local(asked).await.map_err(Failure::Failed),
            (_, None) => scripted(),
        }
    }

    /// The local model, and the script where it is not there.
    async fn fallen_back(&self, asked: &Asked) -> Result<SharedProvider, Failure> {
        match local(asked).await {
            Ok(provider) => Ok(provider),
            Err(why) => {
                say(&format!("no local model, so the scripted provider answers with fixed text: {why}"));
                scripted()
            }
        }
    }

    fn chain(
        &self,
        alias: &Alias,
        made: &BTreeMap<String, SharedProvider>,
    ) -> Result<SharedProvider, Failure> {
        // A process of one's own has nobody to be asked again, and says nothing that could be seen twice.
        if let [Link { provider, model: None }] = alias.links.as_slice()
            && !self.answering.hosts.contains_key(provider)
            && let Some(only) = made.get(provider)
        {
            return Ok(Arc::clone(only));
        }
        let links = alias.links.iter().filter_map(|link| {
            let provider = Arc::clone(made.get(&link.provider)?);
            let own = provider.info().model;
            let model = link.model.as_ref().unwrap_or(&own);
            let price = match self.answering.hosts.get(&link.provider) {
                Some(row) => price(&self.prices, row, model),
                None => self.prices.price(&link.provider, model),
            };
            Some(ChainLink {
                model: link.model.clone(),
                reasoning: alias.reasoning,
                extra: alias.extra.clone(),
                price,
                ..ChainLink::to(provider)
            })
        });
        let chain = Chain::new(&alias.name, links.collect(), &self.healths);
        let chain = chain.map_err(|why| Failure::Usage(vec![why]))?;
        // Whoever gives a host longer than all links have together means it.
        let hosts = alias.links.iter().filter_map(|link| self.answering.hosts.get(&link.provider));
        let longest = hosts.map(|row| row.timeouts.first_token).max().unwrap_or_default();
        Ok(Arc::new(chain.first_word(longest.max(limit::CHAIN_FIRST_WORD))))
    }
}

/// Says who answers, and whose keys are there and not used.
pub(crate) fn announce(models: &Models, answering: &Answering) {
    if answering.default_alias().is_none() {
        for host in answering.hosts.values() {
            if let KeyFrom::Env(name, _) = &host.key
                && std::env::var(name).is_ok_and(|key| !key.trim().is_empty())
            {
                say(&format!("{name} is set; `--provider {}` answers with it", host.name));
            }
        }
    }
    for missing in answering.missing_keys(&environment) {
        say(&format!(
            "NO KEY: {missing}. The server starts all the same; what asks this provider is refused"
        ));
    }
    let info = models.default_one().info();
    let label = info.label.map(|l| format!(" ({l})")).unwrap_or_default();
    say(&format!("model: {} of provider {}{label}", info.model, info.name));
    for alias in &answering.aliases {
        if alias.links.len() > 1 || alias.name != DEFAULT {
            let links: Vec<_> = alias.links.iter().map(Link::to_string).collect();
            say(&format!("alias {}: {}", alias.name, links.join(", then ")));
        }
    }
}

/// The embedder where its files are there.
pub(crate) async fn search_by_meaning(asked: &Asked) -> Option<SharedEmbedder> {
    embedder(models_folder(asked))
        .await
        .inspect_err(|why| {
            say(&format!("no embeddings, so the knowledge base is searched by words alone: {why}"));
        })
        .ok()
}

/// The host of this row, asked for this model; for checks. Counts nothing.
pub(crate) fn host(row: &HostRow, model: Option<&str>) -> Result<Host, String> {
    let mut config = host_config(row).map_err(|problems| problems.join("; "))?;
    if let Some(model) = model {
        model.clone_into(&mut config.model);
    }
    Host::new(config).map_err(|e| e.message)
}

/// Where and how a host is asked; reads its key.
fn host_config(row: &HostRow) -> Result<HostConfig, Vec<String>> {
    let key_missing = row.key_missing(&environment);
    let key = match &row.key {
        KeyFrom::Nowhere => None,
        KeyFrom::Env(name, _) => std::env::var(name)
            .ok()
            .filter(|key| !key.trim().is_empty())
            .map(|key| key.trim().to_owned().into()),
        KeyFrom::File(_) if key_missing.is_some() => None,
        KeyFrom::File(file) => {
            let read = headwater_providers::key::from_file(file).map_err(|why| vec![why])?;
            if let Some(warning) = read.warning {
                say(&warning);
            }
            Some(read.key)
        }
    };
    // A server that a customary variable points to is asked in the way that all servers know; whoever names the
    // vendor's preset in a table means the vendor's way.
    let wire = match row.preset {
        Some(preset) if preset.format == row.format => preset.wire(row.moved && !preset.is_at(&row.base_url)),
        _ => row.format.wire(),
    };
    let mut config = HostConfig {
        key,
        key_missing,
        model: row.model.clone().unwrap_or_default(),
        tools: row.tools,
        headers: row.headers.iter().map(|(name, value)| (name.clone(), value.clone())).collect(),
        effort: row.reasoning,
        extra: row.extra.clone(),
        allow_private: row.allow_private,
        ca_file: row.ca_file.clone(),
        timeouts: row.timeouts,
        ..HostConfig::new(&row.name, wire, &row.base_url)
    };
    if let Some(streams) = row.streams_per_connection {
        config.streams_per_connection = streams;
    }
    let problems = config.problems();
    if problems.is_empty() { Ok(config) } else { Err(problems) }
}

/// What a host's model costs: by its own name, else as at the vendor whose host it is like, also elsewhere.
pub(crate) fn price(table: &PriceTable, row: &HostRow, model: &str) -> Option<Price> {
    let vendor = row.preset.map(|p| p.prices);
    table.price(&row.name, model).or_else(|| table.price(vendor?, model))
}

/// What models cost: the shipped table, and the operator's own over it.
pub(crate) fn prices(answering: &Answering) -> Result<PriceTable, Failure> {
    let shipped = PriceTable::embedded();
    let Some(file) = &answering.prices else { return Ok(shipped) };
    let shown = file.display();
    let mut text = String::new();
    std::fs::File::open(file)
        .and_then(|opened| opened.take(limit::PRICES_BYTES as u64 + 1).read_to_string(&mut text))
        .map_err(|why| Failure::Usage(vec![format!("prices: {shown} cannot be read: {why}")]))?;
    let own = PriceTable::read(&text).map_err(|problems| {
        Failure::Usage(problems.into_iter().map(|p| format!("prices: {shown}: {p}")).collect())
    })?;
    Ok(shipped.and(own))
}

fn models_folder(asked: &Asked) -> PathBuf {
    asked.one("models").0.into()
}

/// Its length and pace come from the environment, for tests.
fn scripted() -> Result<SharedProvider, Failure> {
    let number = |name: &str, least: u64, most: u64| match std::env::var(name) {
        Err(_) => Ok(None),
        Ok(text) => match text.parse::<u64>() {
            Ok(n) if (least..=most).contains(&n) => Ok(Some(n)),
            _ => Err(Failure::Usage(vec![format!(
                "{name}: must be a whole number from {least} to {most}, not `{text}`"
            )])),
        },
    };
    let mut scripted = Scripted::default();
    if let Some(tokens) = number("HEADWATER_SCRIPTED_TOKENS", 1, 1_000_000)? {
        scripted.tokens = usize::try_from(tokens).unwrap_or(usize::MAX);
    }
    if let Some(gap) = number("HEADWATER_SCRIPTED_GAP_MS", 0, 60_000)? {
        scripted.gap = Duration::from_millis(gap);
    }
    Ok(Arc::new(scripted))
}

/// The file of the local model.
#[cfg(feature = "local")]
pub(crate) fn local_file(asked: &Asked) -> Result<PathBuf, String> {
    use headwater_providers::local::weights::locate_model;

    let named = asked.some("model_file").map(PathBuf::from);
    named.map_or_else(|| locate_model(&models_folder(asked)).map_err(|e| e.message), Ok)
}

/// The folder of the embeddings.
#[cfg(feature = "local")]
pub(crate) fn embeddings_folder(asked: &Asked) -> Result<PathBuf, String> {
    use headwater_providers::local::weights::locate_embeddings;

    locate_embeddings(&models_folder(asked)).map_err(|e| e.message)
}

#[cfg(feature = "local")]
async fn local(asked: &Asked) -> Result<SharedProvider, String> {
    use headwater_providers::local::{Local, LocalOptions};

    let file = local_file(asked)?;
    let open = move || {
        say(&format!("loading the model {}", file.display()));
        Local::open(&file, LocalOptions::default())
    };
    blocking(open).await.map(|local| Arc::new(local) as SharedProvider)
}

#[cfg(feature = "local")]
pub(crate) async fn embedder(models: std::path::PathBuf) -> Result<SharedEmbedder, String> {
    use headwater_providers::local::MiniLm;
    use headwater_providers::local::weights::locate_embeddings;

    let open = move || {
        locate_embeddings(&models).and_then(|folder: std::path::PathBuf| MiniLm::open(Path::new(&folder)))
    };
    blocking(open).await.map(|embedder| Arc::new(embedder) as SharedEmbedder)
}

#[cfg(feature = "local")]
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, headwater_core::port::provider::ProviderError> + Send + 'static,
) -> Result<T, String> {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done.map_err(|e| e.message),
        Err(e) => Err(e.to_string()),
    }
}

#[cfg(not(feature = "local"))]
const WITHOUT: &str = "this program was built without the feature `local`";

#[cfg(not(feature = "local"))]
pub(crate) fn local_file(_: &Asked) -> Result<PathBuf, String> {
    Err(WITHOUT.to_owned())
}

#[cfg(not(feature = "local"))]
pub(crate) fn embeddings_folder(_: &Asked) -> Result<PathBuf, String> {
    Err(WITHOUT.to_owned())
}

#[cfg(not(feature = "local"))]
async fn local(_: &Asked) -> Result<SharedProvider, String> {
    Err(WITHOUT.to_owned())
}

#[cfg(not(feature = "local"))]
pub(crate) async fn embedder(_: std::path::PathBuf) -> Result<SharedEmbedder, String> {
    Err(WITHOUT.to_owned())
}
