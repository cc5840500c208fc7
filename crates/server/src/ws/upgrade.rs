//! From a request to a WebSocket (RFC 6455, 4.2). The framework has this too, but lets nothing come between
//! the library and the socket; here [`Guarded`] does.

use std::future::Future;

use axum::body::Body;
use axum::extract::FromRequestParts;
use axum::http::header::{
    CONNECTION, HeaderName, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_PROTOCOL,
    SEC_WEBSOCKET_VERSION, UPGRADE,
};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode};
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use headwater_core::limit;
use headwater_engine::Tasks;
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};

use super::flood::Guarded;
use crate::http::refusal::Refusal;

pub use tokio_tungstenite::tungstenite::Message;
pub use tokio_tungstenite::tungstenite::protocol::CloseFrame;

/// A socket whose messages are read and written.
pub type WebSocket = WebSocketStream<Guarded<TokioIo<Upgraded>>>;

/// A request that asks to become a WebSocket, as an extractor. What is wrong with it is a 400 in words, or
/// a 426 where it asks for another version.
pub struct WebSocketUpgrade {
    key: HeaderValue,
    coming: OnUpgrade,
    protocol: Option<HeaderValue>,
}

impl<S: Sync> FromRequestParts<S> for WebSocketUpgrade {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Response> {
        let wrong = |what: &'static str| Refusal::new(StatusCode::BAD_REQUEST, what).into_response();
        if parts.method != Method::GET {
            return Err(wrong("A WebSocket begins with GET"));
        }
        if !lists(&parts.headers, &CONNECTION, "upgrade") || !lists(&parts.headers, &UPGRADE, "websocket") {
            let mut answer =
                Refusal::new(StatusCode::UPGRADE_REQUIRED, "Only WebSockets are served here").into_response();
            answer.headers_mut().insert(UPGRADE, HeaderValue::from_static("websocket"));
            return Err(answer);
        }
        if !lists(&parts.headers, &SEC_WEBSOCKET_VERSION, "13") {
            let mut answer =
                Refusal::new(StatusCode::UPGRADE_REQUIRED, "Only version 13 of WebSocket is spoken");
            answer = answer.and_close();
            let mut answer = answer.into_response();
            answer.headers_mut().insert(SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
            return Err(answer);
        }
        let key = parts.headers.get(SEC_WEBSOCKET_KEY).filter(|key| is_key(key)).cloned();
        let key = key.ok_or_else(|| wrong("Sec-WebSocket-Key must be 16 bytes in base64"))?;
        let coming = parts.extensions.remove::<OnUpgrade>();
        let coming = coming.ok_or_else(|| wrong("This connection cannot become a WebSocket"))?;
        Ok(Self { key, coming, protocol: None })
    }
}

impl WebSocketUpgrade {
    /// Answers that this protocol is spoken, which must be one that the client asked for.
    pub fn speak(&mut self, protocol: HeaderValue) {
        self.protocol = Some(protocol);
    }

    /// The 101, and what becomes of the socket once it has been sent: a task of these, of this name.
    pub fn serve<F, Fut>(self, tasks: &Tasks, name: &'static str, serve: F) -> Response
    where
        F: FnOnce(WebSocket) -> Fut + Send + 'static,
        Fut: Future<Output = ()> + Send + 'static,
    {
        let (coming, spawner) = (self.coming, tasks.clone());
        tasks.spawn("upgrade", async move {
            let Ok(upgraded) = coming.await else { return };
            let guarded = Guarded::new(TokioIo::new(upgraded));
            let socket = WebSocketStream::from_raw_socket(guarded, Role::Server, Some(config())).await;
            // A task of its own: this one has the size of the way here, and an idle connection costs what its
            // task weighs.
            spawner.spawn(name, Box::pin(serve(socket)));
        });
        let mut answer = Response::new(Body::empty());
        *answer.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
        let headers = answer.headers_mut();
        headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
        headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
        if let Ok(accept) = HeaderValue::from_str(&derive_accept_key(self.key.as_bytes())) {
            headers.insert(SEC_WEBSOCKET_ACCEPT, accept);
        }
        if let Some(protocol) = self.protocol {
            headers.insert(SEC_WEBSOCKET_PROTOCOL, protocol);
        }
        answer
    }
}

/// The library's own sizes are for a few large sockets.
fn config() -> WebSocketConfig {
    WebSocketConfig::default()
        .read_buffer_size(limit::WS_READ_BUFFER)
        .write_buffer_size(limit::WS_WRITE_BUFFER)
        .max_write_buffer_size(limit::WS_WRITE_BUFFER_MAX)
        .max_message_size(Some(limit::WS_MESSAGE_BYTES))
        .max_frame_size(Some(limit::WS_MESSAGE_BYTES))
}

/// Whether one of the words in a header of this name is this one, in any case of letters.
fn lists(headers: &HeaderMap, name: &HeaderName, word: &str) -> bool {
    let values = headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).any(|item| item.trim().eq_ignore_ascii_case(word))
}

fn is_key(value: &HeaderValue) -> bool {
    STANDARD.decode(value.as_bytes()).is_ok_and(|bytes| bytes.len() == 16)
}
