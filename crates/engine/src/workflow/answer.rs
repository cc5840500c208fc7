//! The last stage of every workflow: ask the model, say what it says.

use futures_util::StreamExt;
use headwater_core::code::{Code, Error};
use headwater_core::event::{Body, Stage};
use headwater_core::port::provider::{
    Delta, ModelRequest, ProviderError, ProviderErrorKind, ProviderInfo, SharedProvider,
};

use crate::writer::{Emitter, Finished};

/// Asks the model and says its answer, text by text. `lead` is said first.
pub(super) async fn generate(
    provider: &SharedProvider,
    request: ModelRequest,
    lead: Option<String>,
    emit: &Emitter,
) -> Result<Finished, Error> {
    let info = provider.info();
    emit.emit(Body::StageStarted { stage: Stage::Generate }).await;
    let model = request.model.clone().unwrap_or_else(|| info.model.clone());
    let mut deltas = provider.generate(request).await.map_err(|e| failed(&info, e))?;
    emit.emit(Body::ModelStarted { provider: info.name.clone(), model, label: info.label.clone() }).await;
    if let Some(text) = lead {
        emit.emit(Body::Token { text }).await;
    }
    while let Some(delta) = deltas.next().await {
        match delta.map_err(|e| failed(&info, e))? {
            Delta::Text(text) if text.is_empty() => {}
            Delta::Text(text) => emit.emit(Body::Token { text }).await,
            Delta::ToolCall(_) => {}
            Delta::End { reason, usage } => return Ok(Finished { reason, usage }),
        }
    }
    let broken = ProviderError::new(ProviderErrorKind::Interrupted, "the answer broke off");
    Err(failed(&info, broken))
}

/// A provider's failure in the words of the table.
pub(super) fn failed(info: &ProviderInfo, error: ProviderError) -> Error {
    let code = match error.kind {
        ProviderErrorKind::Unavailable => Code::ProviderUnavailable,
        ProviderErrorKind::Busy => Code::ProviderBusy,
        ProviderErrorKind::Refused => Code::ProviderRefused,
        ProviderErrorKind::Timeout => Code::ProviderTimeout,
        ProviderErrorKind::Interrupted => Code::ProviderInterrupted,
        ProviderErrorKind::Failed => Code::ProviderFailed,
    };
    Error::new(code, format!("{}: {}", info.name, error.message))
}
