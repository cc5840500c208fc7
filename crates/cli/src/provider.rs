//! Who answers: makes the provider and the embedder that the settings ask for.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use headwater_core::port::{SharedEmbedder, SharedProvider};
use headwater_providers::host::{Host, HostConfig};
use headwater_providers::preset::{PRESETS, Preset};
use headwater_providers::scripted::Scripted;

use crate::Failure;
use crate::logs::say;
use crate::settings::Settings;

/// The provider of every workflow, and the embedder where its files are there.
pub(crate) async fn choose(settings: &Settings) -> Result<(SharedProvider, Option<SharedEmbedder>), Failure> {
    let provider = match settings.provider.as_deref() {
        Some("scripted") => scripted()?,
        Some("local") => local(settings).await.map_err(Failure::Failed)?,
        Some(name) => host(name, settings)?,
        None => match local(settings).await {
            Ok(provider) => provider,
            Err(why) => {
                say(&format!("no local model, so the scripted provider answers with fixed text: {why}"));
                scripted()?
            }
        },
    };
    if settings.provider.is_none() {
        for preset in PRESETS.iter().filter(|p| key_of(p).is_some()) {
            say(&format!("{} is set; `--provider {}` answers with it", preset.key_env, preset.name));
        }
    }
    let embedder = match embedder(settings.models.clone()).await {
        Ok(embedder) => Some(embedder),
        Err(why) => {
            say(&format!("no embeddings, so the knowledge base is searched by words alone: {why}"));
            None
        }
    };
    let info = provider.info();
    let label = info.label.map(|l| format!(" ({l})")).unwrap_or_default();
    say(&format!("model: {} of provider {}{label}", info.model, info.name));
    Ok((provider, embedder))
}

fn key_of(preset: &Preset) -> Option<String> {
    std::env::var(preset.key_env).ok().filter(|key| !key.trim().is_empty())
}

fn base_url_of(preset: &Preset) -> Option<String> {
    preset.base_url_env.and_then(|name| std::env::var(name).ok()).filter(|url| !url.trim().is_empty())
}

/// The name of the key that this provider needs and does not have. A host of one's own may need none; the
/// vendor's always does.
pub(crate) fn missing_key(name: &str) -> Option<&'static str> {
    let preset = Preset::find(name)?;
    (preset.needs_key && key_of(preset).is_none() && base_url_of(preset).is_none()).then_some(preset.key_env)
}

fn host(name: &str, settings: &Settings) -> Result<SharedProvider, Failure> {
    let Some(preset) = Preset::find(name) else {
        return Err(Failure::Usage(vec![format!("there is no provider `{name}`")]));
    };
    let mut config = HostConfig::of_preset(preset, key_of(preset).map(Into::into), base_url_of(preset));
    if let Some(model) = &settings.model {
        config.model.clone_from(model);
    }
    config.tools &= settings.tools;
    let provider = Host::new(config).map_err(|e| Failure::Usage(vec![e.message]))?;
    Ok(Arc::new(provider))
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

#[cfg(feature = "local")]
async fn local(settings: &Settings) -> Result<SharedProvider, String> {
    use headwater_providers::local::weights::locate_model;
    use headwater_providers::local::{Local, LocalOptions};

    let (models, file) = (settings.models.clone(), settings.model_file.clone());
    let open = move || {
        let path = file.map_or_else(|| locate_model(&models), Ok)?;
        say(&format!("loading the model {}", path.display()));
        Local::open(&path, LocalOptions::default())
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
async fn local(_: &Settings) -> Result<SharedProvider, String> {
    Err("this program was built without the feature `local`".to_owned())
}

#[cfg(not(feature = "local"))]
pub(crate) async fn embedder(_: std::path::PathBuf) -> Result<SharedEmbedder, String> {
    Err("this program was built without the feature `local`".to_owned())
}
