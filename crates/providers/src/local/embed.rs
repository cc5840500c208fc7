//! [`MiniLm`]: text into vectors, on a thread of its own. Calls take turns batch by batch, so that a
//! person's question does not wait until a whole book is indexed.

use std::collections::VecDeque;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};

use async_trait::async_trait;
use headwater_core::port::embedder::Embedder;
use headwater_core::port::provider::{ProviderError, ProviderErrorKind};
use tokenizers::{Tokenizer, TruncationParams};
use tokio::sync::oneshot;

use super::bert::Bert;
use headwater_core::limit::local as limit;

/// The embedder: all-MiniLM-L6-v2. Dropping it ends its thread.
pub struct MiniLm {
    width: usize,
    tokenizer: Arc<Tokenizer>,
    calls: SyncSender<Texts>,
}

type Vectors = Result<Vec<Vec<f32>>, ProviderError>;

/// One call of `embed`.
struct Call {
    /// The texts that have no vector yet, in order.
    left: VecDeque<Vec<u32>>,
    done: Vec<Vec<f32>>,
    reply: oneshot::Sender<Vectors>,
}

/// What the thread gets.
struct Texts {
    texts: Vec<String>,
    reply: oneshot::Sender<Vectors>,
}

fn unavailable(why: impl std::fmt::Display) -> ProviderError {
    ProviderError::new(ProviderErrorKind::Unavailable, format!("the embedding model cannot be used: {why}"))
}

impl MiniLm {
    /// Reads `model.safetensors` and `tokenizer.json` in `folder` (see
    /// [`weights`](super::weights)) and starts the thread. Blocks for about 0.2 s.
    ///
    /// # Errors
    /// `Unavailable`, saying in one line what is wrong.
    pub fn open(folder: &Path) -> Result<Self, ProviderError> {
        let bert = Bert::load(&folder.join("model.safetensors"))?;
        let mut tokenizer = Tokenizer::from_file(folder.join("tokenizer.json"))
            .map_err(|_| unavailable("tokenizer.json cannot be read"))?;
        // The file asks for 128 tokens, filled up; the model was trained on 256, and nothing here wants filling.
        let max_length = limit::EMBED_TOKENS.min(bert.context());
        tokenizer
            .with_truncation(Some(TruncationParams { max_length, ..TruncationParams::default() }))
            .map_err(|_| unavailable("its tokenizer cannot cut"))?;
        tokenizer.with_padding(None);
        if tokenizer.get_vocab_size(true) > bert.vocabulary() {
            return Err(unavailable("tokenizer.json knows more words than the model"));
        }
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(1)
            .thread_name(|_| "embed-compute".to_owned())
            .build()
            .map_err(unavailable)?;
        let width = bert.width;
        let tokenizer = Arc::new(tokenizer);
        let counting = Arc::clone(&tokenizer);
        let (calls, received) = sync_channel(limit::EMBED_WAITING);
        std::thread::Builder::new()
            .name("embed".to_owned())
            // Inside a pool of one: the library then splits its products over that one thread only.
            .spawn(move || pool.install(move || run(&bert, &tokenizer, &received)))
            .map_err(unavailable)?;
        Ok(Self { width, tokenizer: counting, calls })
    }
}

#[async_trait]
impl Embedder for MiniLm {
    fn id(&self) -> &str {
        "all-minilm-l6-v2"
    }

    fn dimensions(&self) -> usize {
        self.width
    }

    fn count_tokens(&self, text: &str) -> usize {
        // As `begin` spells it, so that what is counted is what is read.
        let end = text.floor_char_boundary(limit::EMBED_BYTES);
        self.tokenizer.encode_fast(&text[..end], true).map_or(0, |encoded| encoded.len())
    }

    async fn embed(&self, texts: Vec<String>) -> Vectors {
        if texts.len() > limit::EMBED_TEXTS {
            let why = format!("{} texts at once; at most {} are taken", texts.len(), limit::EMBED_TEXTS);
            return Err(ProviderError::new(ProviderErrorKind::Refused, why));
        }
        let (reply, answer) = oneshot::channel();
        self.calls.try_send(Texts { texts, reply }).map_err(|e| match e {
            TrySendError::Full(_) => ProviderError::new(
                ProviderErrorKind::Busy,
                "the embedding model has too many texts waiting; try again soon",
            ),
            TrySendError::Disconnected(_) => unavailable("its thread has ended"),
        })?;
        answer.await.map_err(|_| unavailable("its thread has ended"))?
    }
}

/// Works until the last sender is dropped and nothing is left to do.
fn run(bert: &Bert, tokenizer: &Tokenizer, received: &Receiver<Texts>) {
    let mut turn: VecDeque<Call> = VecDeque::new();
    loop {
        if turn.is_empty() {
            match received.recv() {
                Ok(texts) => turn.extend(begin(tokenizer, texts)),
                Err(_) => return,
            }
        }
        while turn.len() < limit::EMBED_WAITING
            && let Ok(texts) = received.try_recv()
        {
            turn.extend(begin(tokenizer, texts));
        }
        let Some(mut call) = turn.pop_front() else { continue };
        if call.reply.is_closed() {
            continue;
        }
        match step(bert, &mut call) {
            Ok(()) if call.left.is_empty() => {
                let _ = call.reply.send(Ok(call.done));
            }
            Ok(()) => turn.push_back(call),
            Err(error) => {
                tracing::error!(%error, "the embedding model failed");
                let _ = call
                    .reply
                    .send(Err(ProviderError::new(ProviderErrorKind::Failed, "the embedding model failed")));
            }
        }
    }
}

fn begin(tokenizer: &Tokenizer, Texts { texts, reply }: Texts) -> Option<Call> {
    let tokens = texts
        .iter()
        .map(|text| {
            let end = text.floor_char_boundary(limit::EMBED_BYTES);
            tokenizer.encode_fast(&text[..end], true).map(|e| e.get_ids().to_vec())
        })
        .collect::<Result<VecDeque<_>, _>>();
    match tokens {
        Ok(left) if left.is_empty() => {
            let _ = reply.send(Ok(Vec::new()));
            None
        }
        Ok(left) => Some(Call { done: Vec::with_capacity(left.len()), left, reply }),
        Err(_) => {
            let _ =
                reply.send(Err(ProviderError::new(ProviderErrorKind::Failed, "a text cannot be spelled")));
            None
        }
    }
}

/// One batch of a call.
fn step(bert: &Bert, call: &mut Call) -> candle_core::Result<()> {
    let (mut batch, mut tokens) = (Vec::new(), 0);
    while let Some(next) = call.left.front() {
        tokens += next.len();
        if !batch.is_empty() && tokens > limit::EMBED_BATCH_TOKENS {
            break;
        }
        batch.extend(call.left.pop_front());
    }
    call.done.extend(bert.embed(&batch)?);
    Ok(())
}
