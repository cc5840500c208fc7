//! The embedded pages: a table made at build time, looked up by the whole path. Nothing is read from disk,
//! so there is no path to climb out of.

use std::collections::HashMap;
use std::sync::LazyLock;

use axum::Router;
use axum::body::Body;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG, IF_NONE_MATCH};
use axum::http::{HeaderMap, HeaderValue, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use sha2::{Digest as _, Sha256};

use super::refusal::Refusal;

/// Path and bytes of every file, sorted by path.
static EMBEDDED: &[(&str, &[u8])] = include!(concat!(env!("OUT_DIR"), "/embedded.rs"));

/// Names by content never change; names that stay are asked for each time.
const FOR_EVER: &str = "public, max-age=31536000, immutable";
const ASK_FIRST: &str = "no-cache";

/// Something that is served whole, with a tag of its content.
pub(super) struct Asset {
    bytes: &'static [u8],
    kind: &'static str,
    cache: &'static str,
    etag: HeaderValue,
}

static ASSETS: LazyLock<HashMap<&'static str, Asset>> =
    LazyLock::new(|| EMBEDDED.iter().map(|(path, bytes)| (*path, asset(path, bytes))).collect());

/// Bytes under this path, whose ending says their kind.
pub(super) fn asset(path: &str, bytes: &'static [u8]) -> Asset {
    let cache = if path.starts_with("/assets/") { FOR_EVER } else { ASK_FIRST };
    Asset { bytes, kind: kind(path), cache, etag: etag(bytes) }
}

/// A strong tag: of the bytes themselves.
fn etag(bytes: &[u8]) -> HeaderValue {
    let hex: String = Sha256::digest(bytes).iter().take(16).map(|b| format!("{b:02x}")).collect();
    // Hexadecimal in quotes is a legal header; an empty tag would only cost a download.
    HeaderValue::from_str(&format!("\"{hex}\"")).unwrap_or(HeaderValue::from_static("\"\""))
}

fn kind(path: &str) -> &'static str {
    match path.rsplit_once('.').map_or("", |(_, end)| end) {
        "html" => "text/html; charset=utf-8",
        "js" | "mjs" => "text/javascript; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "ico" => "image/x-icon",
        "woff2" => "font/woff2",
        "json" | "map" => "application/json",
        "md" | "txt" => "text/plain; charset=utf-8",
        _ => "application/octet-stream",
    }
}

/// The pages, what they are made of at `/assets/…`, the protocols' descriptions, and the licences of what the
/// pages contain at `/THIRD_PARTY.md`.
pub fn routes<S>() -> Router<S>
where
    S: Clone + Send + Sync + 'static,
{
    Router::new()
        .route("/", get(|headers: HeaderMap| async move { serve("/index.html", &headers) }))
        .route("/ws/test", get(|headers: HeaderMap| async move { serve("/ws-test.html", &headers) }))
        .route("/ws/ai/test", get(|headers: HeaderMap| async move { serve("/ai-test.html", &headers) }))
        .route("/tutor/test", get(|headers: HeaderMap| async move { serve("/tutor-test.html", &headers) }))
        .route(
            "/orchestrate/test",
            get(|headers: HeaderMap| async move { serve("/orchestrate-test.html", &headers) }),
        )
        .route("/docs", get(|headers: HeaderMap| async move { serve("/docs.html", &headers) }))
        .route("/docs/native.md", get(|headers: HeaderMap| async move { serve("/docs/native.md", &headers) }))
        .route("/docs/chat.md", get(|headers: HeaderMap| async move { serve("/docs/chat.md", &headers) }))
        .route(
            "/docs/ai_stream.md",
            get(|headers: HeaderMap| async move { serve("/docs/ai_stream.md", &headers) }),
        )
        .route("/docs/tutor.md", get(|headers: HeaderMap| async move { serve("/docs/tutor.md", &headers) }))
        .route(
            "/docs/orchestrate.md",
            get(|headers: HeaderMap| async move { serve("/docs/orchestrate.md", &headers) }),
        )
        .route("/knowledge", get(|headers: HeaderMap| async move { serve("/knowledge.html", &headers) }))
        .route("/THIRD_PARTY.md", get(|headers: HeaderMap| async move { serve("/THIRD_PARTY.md", &headers) }))
        .route(
            "/assets/{*file}",
            get(|uri: Uri, headers: HeaderMap| async move { serve(uri.path(), &headers) }),
        )
}

fn serve(path: &str, headers: &HeaderMap) -> Response {
    let Some(asset) = ASSETS.get(path) else {
        return Refusal::new(StatusCode::NOT_FOUND, "Not Found").into_response();
    };
    answer(asset, headers)
}

/// The whole of it, or that it is still what the client has.
pub(super) fn answer(asset: &Asset, headers: &HeaderMap) -> Response {
    let about = [(ETAG, asset.etag.clone()), (CACHE_CONTROL, HeaderValue::from_static(asset.cache))];
    if matches_tag(headers, &asset.etag) {
        return (StatusCode::NOT_MODIFIED, about).into_response();
    }
    let kind = [(CONTENT_TYPE, HeaderValue::from_static(asset.kind))];
    (about, kind, Body::from(asset.bytes)).into_response()
}

/// `If-None-Match`: any of a list, weak ones too (RFC 9110, 13.1.2), or `*`.
fn matches_tag(headers: &HeaderMap, etag: &HeaderValue) -> bool {
    let lists = headers.get_all(IF_NONE_MATCH).iter().filter_map(|v| v.to_str().ok());
    let mut tags = lists.flat_map(|list| list.split(',')).map(str::trim);
    tags.any(|tag| tag == "*" || tag.strip_prefix("W/").unwrap_or(tag).as_bytes() == etag.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::body::to_bytes;
    use axum::http::Request;
    use tower::ServiceExt as _;

    async fn fetch(path: &str, tag: Option<&str>) -> (StatusCode, HeaderMap, String) {
        let mut request = Request::get(path).body(Body::empty()).unwrap();
        if let Some(tag) = tag {
            request.headers_mut().insert(IF_NONE_MATCH, tag.parse().unwrap());
        }
        let answer = crate::http::layers::around(routes::<()>(), crate::metrics::Metrics::default())
            .oneshot(request)
            .await
            .unwrap();
        let (parts, body) = answer.into_parts();
        let body = to_bytes(body, 1 << 20).await.unwrap();
        (parts.status, parts.headers, String::from_utf8_lossy(&body).into_owned())
    }

    #[tokio::test]
    async fn pages_are_whole_and_asked_for_each_time() {
        for (path, title) in [
            ("/", "<title>Headwater"),
            ("/ws/test", "<title>WebSocket Chat Test</title>"),
            ("/ws/ai/test", "<title>AI Stream Test</title>"),
            ("/tutor/test", "<title>Lesson Test</title>"),
            ("/orchestrate/test", "<title>Teams Test</title>"),
            ("/docs", "<title>API · Headwater</title>"),
            ("/knowledge", "<title>Knowledge · Headwater</title>"),
        ] {
            let (status, headers, body) = fetch(path, None).await;
            assert_eq!(status, 200);
            assert!(body.contains(title), "{path}");
            assert_eq!(headers[CONTENT_TYPE], "text/html; charset=utf-8");
            assert_eq!(headers[CACHE_CONTROL], "no-cache");
            assert!(headers["content-security-policy"].to_str().unwrap().starts_with("default-src 'none'; "));
            let tag = headers[ETAG].to_str().unwrap().to_owned();
            for same in [tag.clone(), format!("\"x\", W/{tag}"), "*".into()] {
                let (status, headers, body) = fetch(path, Some(&same)).await;
                assert_eq!((status.as_u16(), body.as_str()), (304, ""), "{same}");
                assert_eq!(headers[ETAG], *tag);
            }
            assert_eq!(fetch(path, Some("\"other\"")).await.0, 200);
        }
        assert!(fetch("/ws/test", None).await.2.contains("ws.onopen"));
    }

    #[tokio::test]
    async fn everything_a_page_asks_for_is_here_for_ever_and_of_its_kind() {
        for page in
            ["/", "/ws/test", "/ws/ai/test", "/tutor/test", "/orchestrate/test", "/docs", "/knowledge"]
        {
            let (_, _, html) = fetch(page, None).await;
            let named: Vec<_> = html.split('"').filter(|s| s.starts_with("/assets/")).collect();
            assert!(!named.is_empty());
            for path in named {
                let (status, headers, body) = fetch(path, None).await;
                assert_eq!(status, 200, "{path}");
                assert!(!body.is_empty());
                assert_eq!(headers[CACHE_CONTROL], FOR_EVER);
                assert_ne!(headers[CONTENT_TYPE], "application/octet-stream", "{path}");
                assert_eq!(headers["x-content-type-options"], "nosniff");
            }
        }
        for text in [
            "/THIRD_PARTY.md",
            "/docs/native.md",
            "/docs/chat.md",
            "/docs/ai_stream.md",
            "/docs/tutor.md",
            "/docs/orchestrate.md",
        ] {
            let (status, headers, _) = fetch(text, None).await;
            assert_eq!(
                (status.as_u16(), headers[CACHE_CONTROL].to_str().unwrap()),
                (200, "no-cache"),
                "{text}"
            );
        }
    }

    #[tokio::test]
    async fn what_is_not_in_the_table_does_not_exist() {
        for path in [
            "/assets/",
            "/assets/..",
            "/assets/../index.html",
            "/assets/%2e%2e/index.html",
            "/assets//etc/passwd",
            "/assets/..%2f..%2fCargo.toml",
            "/index.html",
            "/assets/nothing.js",
        ] {
            let (status, headers, body) = fetch(path, None).await;
            assert_eq!((status.as_u16(), body.as_str()), (404, r#"{"detail":"Not Found"}"#), "{path}");
            assert!(headers.get(CACHE_CONTROL).is_none());
        }
    }
}
