//! Why and how a connection ends.

use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt, StreamExt};
use headwater_core::code::Code;
use headwater_core::limit;
use tokio::time::Instant;
use tokio_tungstenite::tungstenite::Error as Broken;
use tokio_tungstenite::tungstenite::error::{CapacityError, ProtocolError};
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

use super::dialect::Close;
use super::flood::{Flood, discard};
use super::upgrade::{CloseFrame, Message, WebSocket};

/// The most bytes that a close frame's reason may have (RFC 6455, 5.5).
const REASON_BYTES: usize = 123;

/// Why a connection ends.
pub(super) enum End {
    /// The client closed, or is gone.
    Gone,
    /// We close.
    Close(Close),
}

/// The server is about to stop; `position`: where a client goes on that is cut off.
pub(super) fn stopping_close(position: Option<String>) -> Close {
    let sentence = || "this server is about to stop; connect again".to_owned();
    // A position that was cut would be none.
    let reason = position.filter(|text| text.len() <= REASON_BYTES).unwrap_or_else(sentence);
    Close { code: Code::Draining.close_code(), reason }
}

/// Closes, so that the client hears why: its own close frame is waited for, or, where nothing it sends is read
/// any more, that it stops sending.
pub(super) async fn part(
    close: Close,
    mut sink: SplitSink<WebSocket, Message>,
    mut stream: SplitStream<WebSocket>,
) {
    let frame = CloseFrame { code: close.code.into(), reason: fitting(close.reason).into() };
    let goodbye = async {
        sink.send(Message::Close(Some(frame))).await.ok()?;
        // Until the client's own close frame, so that ours is not overtaken by a reset.
        loop {
            match stream.next().await? {
                Ok(Message::Close(_)) => return Some(()),
                Ok(_) => {}
                Err(_) => return None,
            }
        }
    };
    let began = Instant::now();
    let answered = tokio::time::timeout(limit::CLOSE_TIME, goodbye).await;
    // Nor by a reset for what cannot be read, or is not read any more.
    if let (Ok(None), Ok(mut socket)) = (answered, stream.reunite(sink)) {
        let left = limit::CLOSE_TIME.saturating_sub(began.elapsed());
        discard(socket.get_mut().inner(), left).await;
    }
}

/// As much of a reason as a close frame may hold.
fn fitting(mut reason: String) -> String {
    while reason.len() > REASON_BYTES {
        reason.pop();
    }
    reason
}

/// Whether a client was cut off for sending too much in too short a time.
pub(super) fn flood(error: &Broken) -> Option<Flood> {
    let Broken::Io(error) = error else { return None };
    error.get_ref()?.downcast_ref().copied()
}

/// A frame that cannot be read ends the connection; the client is told why.
pub(super) fn broken(error: &Broken) -> End {
    let close = |code, reason: &str| End::Close(Close { code, reason: reason.to_owned() });
    if let Some(flood) = flood(error) {
        return close(CloseCode::Policy.into(), &flood.to_string());
    }
    match error {
        Broken::Capacity(CapacityError::MessageTooLong { .. }) => {
            close(Code::TooLarge.close_code(), "a frame is longer than a frame may be")
        }
        Broken::Utf8(_) => close(CloseCode::Invalid.into(), "text that is no UTF-8"),
        Broken::Protocol(ProtocolError::ResetWithoutClosingHandshake) => End::Gone,
        Broken::Protocol(_) => {
            close(CloseCode::Protocol.into(), "not a WebSocket frame as RFC 6455 wants it")
        }
        _ => End::Gone,
    }
}
