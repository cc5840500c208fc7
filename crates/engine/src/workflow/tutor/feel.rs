//! How the person feels, beside everything else. No answer waits for it, and where nobody knows nothing is said.

use headwater_core::event::{Body, Emotion};
use parking_lot::Mutex;

use super::{Plan, Tutor};
use crate::tutor::emotion;
use crate::writer::Emitter;

/// What is known of it by now.
#[derive(Default)]
pub(super) struct Felt(Mutex<Option<Emotion>>);

impl Felt {
    pub(super) fn known(&self) -> Option<Emotion> {
        self.0.lock().clone()
    }
}

impl Tutor {
    pub(super) async fn feel(&self, plan: &Plan<'_>, felt: &Felt, emit: &Emitter) {
        // The turn's own embedding goes first: somebody waits for that one.
        tokio::task::yield_now().await;
        let by_model = match self.file.emotion_model.as_deref() {
            Some(alias) => emotion::asked(self.answering(Some(alias)), &plan.asked, emit.meter()).await,
            None => None,
        };
        let emotion = match by_model {
            Some(emotion) => Some(emotion),
            None => self.feelings().of(&plan.asked).await,
        };
        let Some(emotion) = emotion else { return };
        *felt.0.lock() = Some(emotion.clone());
        // Not into the middle of a word that masking still looks at.
        emit.aside(Body::Felt { emotion }).await;
    }
}
