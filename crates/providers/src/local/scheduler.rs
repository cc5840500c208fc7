//! The one thread that computes. Streams take turns: in each round one of those that still read
//! their prompt gets one chunk, and all that write get one word each, in one pass over the weights.

use std::collections::VecDeque;
use std::sync::Arc;

use headwater_core::port::provider::{Delta, FinishReason, ProviderError, ProviderErrorKind, Usage};
use tokio::sync::{mpsc, oneshot};

use super::door::{Ask, Door, Job};
use super::kv::{Kept, Kv};
use super::llama::{Lane, Llama};
use super::sample::Sampler;
use super::text::{Repeats, TextOut};
use super::tokenizer::Tokenizer;
use headwater_core::limit::local as limit;

/// What the thread owns.
pub(super) struct Scheduler {
    model: Llama,
    tokenizer: Arc<Tokenizer>,
    door: Arc<Door>,
    /// Where prompts are computed, on one thread or two.
    pool: rayon::ThreadPool,
    streams: VecDeque<Stream>,
    kept: Kept,
}

/// A job that has its turn.
struct Stream {
    prompt: Vec<u32>,
    kv: Kv,
    work: Work,
}

enum Work {
    Answer(Box<Writing>),
    /// `None` once it is done.
    Warm(Option<oneshot::Sender<()>>),
}

struct Writing {
    out: mpsc::Sender<Result<Delta, ProviderError>>,
    sampler: Sampler,
    text: TextOut,
    repeats: Repeats,
    /// Chosen and not computed yet; `None` while the prompt is read.
    next: Option<u32>,
    max_tokens: usize,
    written: usize,
    ended: bool,
}

impl Stream {
    fn reads(&self) -> bool {
        self.kv.len() < self.prompt.len()
    }

    fn is_over(&self) -> bool {
        match &self.work {
            Work::Answer(w) => w.ended || w.out.is_closed(),
            Work::Warm(done) => done.as_ref().is_none_or(oneshot::Sender::is_closed),
        }
    }

    /// Whether a step could hand over what it makes: one text and one end.
    fn has_room(&self) -> bool {
        match &self.work {
            Work::Answer(w) => w.out.capacity() >= 2,
            Work::Warm(_) => true,
        }
    }
}

impl Drop for Scheduler {
    /// However the thread ends, nobody waits for it in vain.
    fn drop(&mut self) {
        let mut inbox = self.door.inbox.lock();
        inbox.dead = true;
        inbox.jobs.clear();
    }
}

impl Scheduler {
    pub(super) fn new(
        model: Llama,
        tokenizer: Arc<Tokenizer>,
        door: Arc<Door>,
        pool: rayon::ThreadPool,
    ) -> Self {
        Self { model, tokenizer, door, pool, streams: VecDeque::new(), kept: Kept::default() }
    }

    /// Works until the door is closed and all streams have ended.
    pub(super) fn run(mut self) {
        while self.admit() {
            self.read_one();
            self.write_all();
            self.put_away();
        }
    }

    /// Takes in what waits, sleeps while nothing can go on; `false` when it is time to end.
    fn admit(&mut self) -> bool {
        loop {
            let job = {
                let mut inbox = self.door.inbox.lock();
                loop {
                    inbox.jobs.retain(|j| !j.is_abandoned());
                    if self.streams.len() < limit::STREAMS
                        && let Some(job) = inbox.jobs.pop_front()
                    {
                        break Some(job);
                    }
                    if self.streams.iter().any(|s| s.is_over() || s.has_room()) {
                        break None;
                    }
                    if inbox.closed && self.streams.is_empty() {
                        return false;
                    }
                    self.door.bell.wait(&mut inbox);
                }
            };
            match job {
                Some(job) => self.begin(job),
                None => break,
            }
        }
        self.put_away();
        true
    }

    fn begin(&mut self, job: Job) {
        let (prompt, work) = match job {
            Job::Ask(Ask { prompt, max_tokens, temperature, stops, seed, out }) => {
                let writing = Writing {
                    out,
                    sampler: Sampler::new(temperature, seed),
                    text: TextOut::new(stops),
                    repeats: Repeats::default(),
                    next: None,
                    max_tokens,
                    written: 0,
                    ended: false,
                };
                (prompt, Work::Answer(Box::new(writing)))
            }
            Job::Warm { done, prompt } if self.kept.is_warm(&prompt) => {
                let _ = done.send(());
                return;
            }
            Job::Warm { prompt, done } => (prompt, Work::Warm(Some(done))),
        };
        let mut kv = self.kept.longest(&prompt).unwrap_or_else(|| self.model.empty());
        let more = match &work {
            Work::Answer(w) => w.max_tokens.min(256),
            Work::Warm(_) => 0,
        };
        kv.reserve(prompt.len() - kv.len() + more);
        self.streams.push_back(Stream { prompt, kv, work });
    }

    /// One chunk of one prompt; the next round's turn is another's.
    fn read_one(&mut self) {
        let Some(at) = self.streams.iter().position(|s| s.reads() && s.has_room() && !s.is_over()) else {
            return;
        };
        let Some(mut stream) = self.streams.remove(at) else { return };
        let size = if self.streams.is_empty() { limit::CHUNK_ALONE } else { limit::CHUNK_SHARED };
        let from = stream.kv.len();
        let to = stream.prompt.len().min(from + size);
        let result = {
            let Stream { prompt, kv, work } = &mut stream;
            let gone: &(dyn Fn() -> bool + Sync) = match work {
                Work::Answer(w) => &|| w.out.is_closed(),
                Work::Warm(_) => &|| false,
            };
            let model = &self.model;
            self.pool.install(|| model.pass(&mut [Lane { kv, tokens: &prompt[from..to] }], gone))
        };
        match result {
            Err(error) => stream.fail(&error),
            Ok(Some(logits)) if !stream.reads() => {
                stream.took(&self.tokenizer, logits.first().map_or(&[], |l| l))
            }
            Ok(_) => {}
        }
        self.streams.push_back(stream);
    }

    /// One word for each stream that writes and whose reader keeps up.
    fn write_all(&mut self) {
        let mut turn: Vec<&mut Stream> = self
            .streams
            .iter_mut()
            .filter(|s| !s.reads() && !s.is_over() && s.has_room() && matches!(s.work, Work::Answer(_)))
            .collect();
        let tokens: Vec<[u32; 1]> = turn
            .iter()
            .map(|s| match &s.work {
                Work::Answer(w) => [w.next.unwrap_or(0)],
                Work::Warm(_) => [0],
            })
            .collect();
        if turn.is_empty() {
            return;
        }
        let result = {
            let mut lanes: Vec<Lane<'_>> =
                turn.iter_mut().zip(&tokens).map(|(s, t)| Lane { kv: &mut s.kv, tokens: t }).collect();
            self.model.pass(&mut lanes, &|| false)
        };
        match result {
            Ok(all) => {
                for (stream, logits) in turn.into_iter().zip(all.into_iter().flatten()) {
                    stream.took(&self.tokenizer, &logits);
                }
            }
            Err(error) => turn.into_iter().for_each(|s| s.fail(&error)),
        }
    }

    /// Lets go of what is over, and keeps what it computed.
    fn put_away(&mut self) {
        for _ in 0..self.streams.len() {
            let Some(stream) = self.streams.pop_front() else { break };
            if stream.is_over() {
                let warmed = matches!(stream.work, Work::Warm(_));
                self.kept.keep(stream.kv, warmed);
            } else {
                self.streams.push_back(stream);
            }
        }
    }
}

impl Stream {
    /// Takes what a pass said about the next word.
    fn took(&mut self, tokenizer: &Tokenizer, logits: &[f32]) {
        let input = self.prompt.len();
        match &mut self.work {
            Work::Answer(w) => w.took(tokenizer, logits, input),
            Work::Warm(done) => {
                if let Some(done) = done.take() {
                    let _ = done.send(());
                }
            }
        }
    }

    fn fail(&mut self, error: &candle_core::Error) {
        tracing::error!(%error, "the local model failed");
        // Half a pass may be in there: it must not be kept.
        self.kv.truncate(0);
        match &mut self.work {
            Work::Answer(w) => {
                let error =
                    ProviderError::new(ProviderErrorKind::Failed, "the local model failed at this prompt");
                let _ = w.out.try_send(Err(error));
                w.ended = true;
            }
            Work::Warm(done) => *done = None,
        }
    }
}

impl Writing {
    fn took(&mut self, tokenizer: &Tokenizer, logits: &[f32], input: usize) {
        let token = self.sampler.choose(logits);
        if tokenizer.is_end(token) {
            return self.end(FinishReason::Stop, input);
        }
        self.written += 1;
        let (text, stopped) = self.text.push(tokenizer.bytes(token));
        self.say(text);
        if stopped {
            self.end(FinishReason::Stop, input);
        } else if self.repeats.push(token) {
            self.end(FinishReason::Other, input);
        } else if self.written >= self.max_tokens {
            self.end(FinishReason::Length, input);
        } else {
            self.next = Some(token);
        }
    }

    fn say(&mut self, text: String) {
        // There is room, or this stream would not have had its turn; and if the reader left, nobody minds.
        if !text.is_empty() {
            let _ = self.out.try_send(Ok(Delta::Text(text)));
        }
    }

    fn end(&mut self, reason: FinishReason, input: usize) {
        let held = self.text.finish();
        self.say(held);
        let usage = Usage::of(input as u64, self.written as u64);
        let _ = self.out.try_send(Ok(Delta::End { reason, usage }));
        self.ended = true;
    }
}
