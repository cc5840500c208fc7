//! The model that comes with the product: small, in this process, without a key.
//!
//! [`Local`] answers, [`MiniLm`] turns text into vectors, [`weights`] says where their files are.
//! Both compute on threads of their own; nothing here blocks an async thread except the two `open`s,
//! which belong on a blocking one.

mod attention;
mod bert;
mod chat;
mod door;
mod embed;
mod gguf;
mod kv;
mod llama;
mod matrix;
mod sample;
mod scheduler;
mod simd;
mod text;
mod tokenizer;
pub mod weights;

#[cfg(test)]
mod tests;
#[cfg(test)]
mod tiny;

use std::hash::{BuildHasher, RandomState};
use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use headwater_core::limit::local as limit;
use headwater_core::port::provider::{
    ContextBudget, Deltas, ModelRequest, PromptMessage, Provider, ProviderError, ProviderErrorKind,
    ProviderInfo,
};
use tokio::sync::oneshot;

pub use embed::MiniLm;

use chat::Template;
use door::{Answer, Ask, Door, Job};
use llama::Llama;
use scheduler::Scheduler;
use tokenizer::Tokenizer;

/// The provider `local`: a Llama-style model from a GGUF file. Dropping it ends its thread once the
/// answers that run have ended.
pub struct Local {
    info: ProviderInfo,
    tokenizer: Arc<Tokenizer>,
    template: Template,
    context: usize,
    door: Arc<Door>,
}

/// How the model may use the machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LocalOptions {
    /// Threads for reading prompts, 1 to 4. Words are always written by one: reading the weights is
    /// what that waits for.
    pub prompt_threads: usize,
}

impl Default for LocalOptions {
    /// Two, or one on a machine that has no second core.
    fn default() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Self { prompt_threads: cores.min(2) }
    }
}

impl Local {
    /// Reads a GGUF file (the default one of [`weights`], or a person's own of the llama architecture)
    /// and starts the thread that computes. Blocks for about half a second.
    ///
    /// # Errors
    /// `Unavailable`, saying in one line what is wrong with the file.
    pub fn open(path: &Path, options: LocalOptions) -> Result<Self, ProviderError> {
        let (model, tokenizer, template) = load(path)?;
        let tokenizer = Arc::new(tokenizer);
        let info = ProviderInfo {
            name: "local".to_owned(),
            model: model.shape.name.clone(),
            label: Some("tiny local model".to_owned()),
            can_classify: false,
            can_call_tools: false,
            budget: ContextBudget { retrieval_tokens: 250, history_tokens: 150 },
            price: None,
        };
        let context = model.shape.context;
        let door = Arc::new(Door::default());
        let stopped = |e: &dyn std::fmt::Display| {
            ProviderError::new(
                ProviderErrorKind::Unavailable,
                format!("the local model cannot start a thread ({e})"),
            )
        };
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(options.prompt_threads.clamp(1, 4))
            .thread_name(|i| format!("model-prompt-{i}"))
            .build()
            .map_err(|e| stopped(&e))?;
        let scheduler = Scheduler::new(model, Arc::clone(&tokenizer), Arc::clone(&door), pool);
        std::thread::Builder::new()
            .name("model".to_owned())
            .spawn(move || scheduler.run())
            .map_err(|e| stopped(&e))?;
        Ok(Self { info, tokenizer, template, context, door })
    }
}

/// Reads all of a model file.
fn load(path: &Path) -> Result<(Llama, Tokenizer, Template), ProviderError> {
    let mut file = gguf::Model::open(path)?;
    let tokenizer = Tokenizer::build(&file)?;
    let template = Template::find(&file, &tokenizer)?;
    Ok((Llama::load(&mut file, path)?, tokenizer, template))
}

impl Drop for Local {
    fn drop(&mut self) {
        self.door.close();
    }
}

#[async_trait]
impl Provider for Local {
    fn info(&self) -> ProviderInfo {
        self.info.clone()
    }

    fn count_tokens(&self, text: &str) -> usize {
        let mut tokens = Vec::new();
        match self.tokenizer.encode(text, &mut tokens) {
            Ok(()) => tokens.len(),
            Err(_) => text.len(),
        }
    }

    fn backlog(&self) -> usize {
        self.door.inbox.lock().jobs.len()
    }

    async fn warm(&self, prefix: &[PromptMessage]) {
        let Ok(prompt) = self.template.write(&self.tokenizer, prefix, false) else { return };
        if prompt.is_empty() || prompt.len() > limit::KEPT_TOKENS {
            return;
        }
        let (done, finished) = oneshot::channel();
        if self.door.hand_in(Job::Warm { prompt, done }).is_ok() {
            let _ = finished.await;
        }
    }

    async fn generate(&self, request: ModelRequest) -> Result<Deltas, ProviderError> {
        let refused = |why: String| Err(ProviderError::new(ProviderErrorKind::Refused, why));
        if let Some(model) = request.model.as_ref().filter(|m| **m != self.info.model) {
            return refused(format!("the local model is `{}`, not `{:.80}`", self.info.model, model));
        }
        if request.stop.len() > limit::STOPS || request.stop.iter().any(|s| s.len() > limit::STOP_BYTES) {
            return refused(format!("at most {} stop texts of {} bytes", limit::STOPS, limit::STOP_BYTES));
        }
        // A token is at least a byte of some text, and rarely fewer than two: what is far beyond the
        // context is refused before time goes into counting it exactly.
        let bytes: usize = request.messages.iter().map(|m| m.content.len()).sum();
        if bytes > self.context * 32 {
            return refused(format!(
                "the prompt has {bytes} bytes; the local model reads {} tokens",
                self.context
            ));
        }
        let prompt = self.template.write(&self.tokenizer, &request.messages, true)?;
        if prompt.len() >= self.context {
            return refused(format!(
                "the prompt has {} tokens; the local model reads fewer than {}",
                prompt.len(),
                self.context
            ));
        }
        let (out, answer) = Answer::new(Arc::clone(&self.door));
        let wanted = usize::try_from(request.max_tokens.max(1)).unwrap_or(usize::MAX);
        self.door.hand_in(Job::Ask(Ask {
            max_tokens: wanted.min(self.context - prompt.len()),
            prompt,
            temperature: request.temperature.unwrap_or(0.0),
            stops: request.stop,
            seed: RandomState::new().hash_one(0u8),
            out,
        }))?;
        Ok(Deltas::new(answer))
    }
}
