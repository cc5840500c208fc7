//! Why and how a connection ends.

use headwater_core::code::Code;

use super::dialect::Close;

/// Why a connection ends.
pub(super) enum End {
    /// The client closed, or is gone.
    Gone,
    /// We close.
    Close(Close),
}

/// The server is about to stop.
pub(super) fn stopping_close() -> Close {
    Close { code: Code::Draining.close_code(), reason: "this server is about to stop; connect again".into() }
}

/// A frame that cannot be read ends the connection; the client is told why.
pub(super) fn broken(error: axum::Error) -> End {
    use axum::extract::ws::close_code;
    let text = error.to_string();
    let close = |code, reason: &str| End::Close(Close { code, reason: reason.to_owned() });
    if text.contains("too long") || text.contains("too big") || text.contains("too large") {
        return close(Code::TooLarge.close_code(), "a frame is longer than a frame may be");
    }
    if text.to_lowercase().contains("utf-8") {
        return close(close_code::INVALID, "text that is no UTF-8");
    }
    if text.contains("protocol") {
        return close(close_code::PROTOCOL, "not a WebSocket frame as RFC 6455 wants it");
    }
    End::Gone
}
