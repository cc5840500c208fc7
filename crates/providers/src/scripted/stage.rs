//! A provider whose every delta a test says by hand. It never sleeps: the test waits for what
//! happened, not for time to pass.
//!
//! ```
//! # use headwater_providers::scripted::stage::Stage;
//! # use headwater_core::port::provider::*;
//! # use futures_util::StreamExt;
//! # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
//! let (stage, mut cues) = Stage::new();
//! let request = ModelRequest { max_tokens: 9, ..ModelRequest::default() };
//! let mut deltas = stage.generate(request).await.unwrap();
//! let mut act = cues.next().await;
//! assert!(act.say("Hello").await);
//! act.end().await;
//! assert_eq!(deltas.next().await, Some(Ok(Delta::Text("Hello".into()))));
//! # });
//! ```

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use futures_util::stream;
use headwater_core::port::provider::{
    By, Citation, ContextBudget, Delta, Deltas, FinishReason, ModelRequest, Provider, ProviderError,
    ProviderErrorKind, ProviderInfo, ToolCall, Usage,
};
use parking_lot::Mutex;
use tokio::sync::mpsc;

/// Calls that may wait for the test to take them, and deltas for the reader to poll.
const QUEUE: usize = 64;

/// The provider; see the module. Give it to the code under test.
#[derive(Debug)]
pub struct Stage {
    calls: AtomicUsize,
    acts: mpsc::Sender<Act>,
    refusal: Mutex<Option<ProviderError>>,
    by: Mutex<Option<By>>,
    info: ProviderInfo,
}

/// The test's side: the calls, in order.
#[derive(Debug)]
pub struct Cues {
    acts: mpsc::Receiver<Act>,
}

/// One call of the provider, which the test answers as it likes. Dropping it without
/// [`end`](Self::end) or [`fail`](Self::fail) is a connection that breaks off.
#[derive(Debug)]
pub struct Act {
    /// What was asked.
    pub request: ModelRequest,
    deltas: mpsc::Sender<Result<Delta, ProviderError>>,
    said: u64,
}

impl Stage {
    /// A provider and the test's side of it.
    pub fn new() -> (Arc<Self>, Cues) {
        let info = ProviderInfo {
            name: "stage".to_owned(),
            model: "stage".to_owned(),
            label: Some("scripted".to_owned()),
            can_classify: false,
            can_call_tools: false,
            budget: ContextBudget { retrieval_tokens: 1000, history_tokens: 1000 },
            price: None,
        };
        Self::with_info(info)
    }

    /// The same, but it may be offered tools and call them.
    pub fn calling_tools() -> (Arc<Self>, Cues) {
        let (plain, _) = Self::new();
        Self::with_info(ProviderInfo { can_call_tools: true, ..plain.info.clone() })
    }

    /// The same under another name, e.g. one that may classify.
    pub fn with_info(info: ProviderInfo) -> (Arc<Self>, Cues) {
        let (sender, acts) = mpsc::channel(QUEUE);
        let stage = Self {
            calls: AtomicUsize::new(0),
            acts: sender,
            refusal: Mutex::new(None),
            by: Mutex::new(None),
            info,
        };
        (Arc::new(stage), Cues { acts })
    }

    /// Times that [`Provider::generate`] was called.
    pub fn calls(&self) -> usize {
        self.calls.load(Ordering::SeqCst)
    }

    /// Makes the next call fail before it starts.
    pub fn refuse_next(&self, error: ProviderError) {
        *self.refusal.lock() = Some(error);
    }

    /// Answers as somebody else from now on, as a list of providers does of which another has gone on.
    pub fn speak_as(&self, by: Option<By>) {
        *self.by.lock() = by;
    }
}

#[async_trait]
impl Provider for Stage {
    fn info(&self) -> ProviderInfo {
        self.info.clone()
    }

    fn count_tokens(&self, text: &str) -> usize {
        text.split_whitespace().count()
    }

    async fn generate(&self, request: ModelRequest) -> Result<Deltas, ProviderError> {
        self.calls.fetch_add(1, Ordering::SeqCst);
        if let Some(error) = self.refusal.lock().take() {
            return Err(error);
        }
        let (sender, deltas) = mpsc::channel(QUEUE);
        let act = Act { request, deltas: sender, said: 0 };
        self.acts
            .try_send(act)
            .map_err(|_| ProviderError::new(ProviderErrorKind::Unavailable, "nobody is on the stage"))?;
        let deltas = Deltas::new(stream::unfold(Some(deltas), |deltas| async move {
            let mut deltas = deltas?;
            let item = deltas.recv().await.unwrap_or_else(|| {
                Err(ProviderError::new(ProviderErrorKind::Interrupted, "the stage was left"))
            });
            let more = matches!(item, Ok(ref delta) if !matches!(delta, Delta::End { .. }));
            Some((item, more.then_some(deltas)))
        }));
        let by = self.by.lock().clone();
        Ok(match by {
            Some(by) => deltas.said_by(by),
            None => deltas,
        })
    }
}

impl Cues {
    /// Waits for the next call.
    ///
    /// # Panics
    /// If the provider was dropped: a test that waits for a call that cannot come is wrong.
    #[allow(clippy::panic, reason = "this is a test's own side, and a hang would say less")]
    pub async fn next(&mut self) -> Act {
        match self.acts.recv().await {
            Some(act) => act,
            None => panic!("the provider was dropped; no call can come"),
        }
    }

    /// The next call, if there was one already.
    pub fn try_next(&mut self) -> Option<Act> {
        self.acts.try_recv().ok()
    }
}

impl Act {
    /// Says a piece of text (not empty); waits while the reader is far behind. `false` if the reader has gone.
    pub async fn say(&mut self, text: impl Into<String>) -> bool {
        self.said += 1;
        self.deltas.send(Ok(Delta::Text(text.into()))).await.is_ok()
    }

    /// Thinks a piece of text (not empty). `false` if the reader has gone.
    pub async fn think(&mut self, text: impl Into<String>) -> bool {
        self.give(Delta::Reasoning(text.into())).await
    }

    /// Says where what it said comes from. `false` if the reader has gone.
    pub async fn cite(&mut self, citation: Citation) -> bool {
        self.give(Delta::Citation(citation)).await
    }

    /// Reports what was used so far. `false` if the reader has gone.
    pub async fn report(&mut self, usage: Usage) -> bool {
        self.give(Delta::Usage(usage)).await
    }

    /// Gives any delta. `false` if the reader has gone.
    pub async fn give(&mut self, delta: Delta) -> bool {
        self.deltas.send(Ok(delta)).await.is_ok()
    }

    /// Calls a tool with these arguments, JSON or not. End with [`FinishReason::ToolCalls`]. `false` if the
    /// reader has gone.
    pub async fn call(&mut self, id: &str, name: &str, arguments: &str) -> bool {
        let call = ToolCall { id: id.into(), name: name.into(), arguments: arguments.into() };
        self.deltas.send(Ok(Delta::ToolCall(call))).await.is_ok()
    }

    /// Ends the answer as a provider does. `false` if the reader has gone.
    pub async fn end(self) -> bool {
        self.end_with(FinishReason::Stop).await
    }

    /// Ends the answer for this reason. `false` if the reader has gone.
    pub async fn end_with(self, reason: FinishReason) -> bool {
        let usage = Usage::of(1, self.said);
        self.end_using(reason, usage).await
    }

    /// Ends the answer for this reason, having used this. `false` if the reader has gone.
    pub async fn end_using(self, reason: FinishReason, usage: Usage) -> bool {
        self.deltas.send(Ok(Delta::End { reason, usage })).await.is_ok()
    }

    /// Fails in mid-answer. `false` if the reader has gone.
    pub async fn fail(self, kind: ProviderErrorKind, message: &str) -> bool {
        self.fail_with(ProviderError::new(kind, message)).await
    }

    /// The same with everything that such a failure can say.
    pub async fn fail_with(self, error: ProviderError) -> bool {
        self.deltas.send(Err(error)).await.is_ok()
    }

    /// Whether the stream was dropped, which is how a provider is cancelled.
    pub fn is_cancelled(&self) -> bool {
        self.deltas.is_closed()
    }

    /// Waits until the stream is dropped. Holding the act and waiting here is a provider that hangs.
    pub async fn cancelled(&self) {
        self.deltas.closed().await;
    }
}

#[cfg(test)]
mod tests {
    use futures_util::StreamExt;

    use super::*;

    fn request() -> ModelRequest {
        ModelRequest::default()
    }

    #[tokio::test]
    async fn an_act_that_is_left_breaks_off_and_a_failure_is_the_last_item() {
        let (stage, mut cues) = Stage::new();
        let mut deltas = stage.generate(request()).await.unwrap();
        drop(cues.next().await);
        assert_eq!(deltas.next().await.unwrap().unwrap_err().kind, ProviderErrorKind::Interrupted);
        assert!(deltas.next().await.is_none());
        let mut deltas = stage.generate(request()).await.unwrap();
        cues.next().await.fail(ProviderErrorKind::Busy, "later").await;
        assert_eq!(deltas.next().await.unwrap().unwrap_err().message, "later");
        assert!(deltas.next().await.is_none());
        assert_eq!(stage.calls(), 2);
    }

    #[tokio::test]
    async fn dropping_the_stream_is_seen_and_refusals_come_once() {
        let (stage, mut cues) = Stage::new();
        let deltas = stage.generate(request()).await.unwrap();
        let mut act = cues.next().await;
        assert!(act.say("a").await && !act.is_cancelled());
        drop(deltas);
        act.cancelled().await;
        assert!(!act.say("b").await);
        stage.refuse_next(ProviderError::new(ProviderErrorKind::Refused, "no"));
        assert!(stage.generate(request()).await.is_err());
        assert!(stage.generate(request()).await.is_ok());
        assert!(cues.try_next().is_some() && cues.try_next().is_none());
    }
}
