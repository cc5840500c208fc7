//! The webhook against a server of our own, and against addresses that it must not touch.

use headwater_core::{Millis, RunId, SessionId};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::*;

fn config(url: &str, allow_private: bool) -> WebhookConfig {
    let secret = Some(SecretString::from("0123456789abcdef"));
    WebhookConfig { url: url.into(), secret, allow_private }
}

fn notice() -> Notice {
    Notice {
        escalation_id: "ESC-1".into(),
        reason: "user_request".into(),
        session_id: SessionId::parse("s").unwrap(),
        run_id: RunId::parse("run_1").unwrap(),
        created_at: Millis(7),
        assistant: "assist".into(),
    }
}

/// Answers one request so, and gives the request.
async fn serve(listener: TcpListener, answer: &str) -> String {
    let (mut socket, _) = listener.accept().await.unwrap();
    let mut request = Vec::new();
    while !String::from_utf8_lossy(&request).ends_with('}') {
        let mut piece = [0; 1024];
        let n = socket.read(&mut piece).await.unwrap();
        assert!(n > 0, "cut off");
        request.extend_from_slice(&piece[..n]);
    }
    socket.write_all(answer.as_bytes()).await.unwrap();
    String::from_utf8(request).unwrap()
}

async fn told(answer: &str) -> (Result<(), HandoffError>, String) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://localhost:{}/hook?key=1", listener.local_addr().unwrap().port());
    let webhook = Webhook::new(config(&url, true)).unwrap();
    let notice = notice();
    let (result, request) = tokio::join!(webhook.tell(&notice), serve(listener, answer));
    (result, request)
}

// Planted faults: the body signed before it was whole; redirects followed.
#[tokio::test]
async fn a_notice_is_signed_json_without_a_message() {
    let (result, request) = told("HTTP/1.1 204 No Content\r\ncontent-length: 0\r\n\r\n").await;
    assert_eq!(result, Ok(()));
    let (head, body) = request.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("POST /hook?key=1 HTTP/1.1\r\n"), "{head}");
    let expected = r#"{"escalation_id":"ESC-1","reason":"user_request","session_id":"s","run_id":"run_1","created_at":7,"assistant":"assist"}"#;
    assert_eq!(body, expected);
    let signature = format!("{SIGNATURE}: sha256={}", hmac("0123456789abcdef", body.as_bytes()));
    assert!(head.contains(&signature), "{head}");
    assert!(head.to_lowercase().contains("content-type: application/json"));
}

#[test]
fn the_signature_is_that_of_the_standard() {
    // RFC 4231, test case 2.
    assert_eq!(
        hmac("Jefe", b"what do ya want for nothing?"),
        "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
    );
}

#[tokio::test]
async fn what_can_pass_is_tried_again_and_nothing_is_followed() {
    for (answer, retry) in [
        ("HTTP/1.1 503 Busy\r\ncontent-length: 0\r\n\r\n", true),
        ("HTTP/1.1 429 Slow\r\ncontent-length: 0\r\n\r\n", true),
        ("HTTP/1.1 404 No\r\ncontent-length: 0\r\n\r\n", false),
        ("HTTP/1.1 302 There\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 0\r\n\r\n", false),
    ] {
        let (result, _) = told(answer).await;
        let error = result.unwrap_err();
        assert_eq!(error.retry, retry, "{answer}");
        assert!(!error.message.contains("key=1") && !error.message.contains("0123456789"), "{error}");
    }
    // Nobody there.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    drop(listener);
    let error = Webhook::new(config(&url, true)).unwrap().tell(&notice()).await.unwrap_err();
    assert!(error.retry && error.message == REACH, "{error:?}");
}

// Planted fault: literal addresses not judged, since no name is looked up for them.
#[test]
fn private_addresses_are_refused_however_they_are_written() {
    for url in [
        "https://127.0.0.1/",
        "https://127.1/",
        "https://2130706433/",
        "https://0x7f000001/",
        "https://0177.0.0.1/",
        "https://[::1]/",
        "https://[::ffff:127.0.0.1]/",
        "https://169.254.169.254/latest",
        "https://10.0.0.8:8443/",
        "https://[fd00::1]/",
        "http://example.com/",
        "http://8.8.8.8/",
        "ftp://example.com/",
        "file:///etc/passwd",
        "https://user:pass@example.com/",
        "nonsense",
        "",
    ] {
        assert!(config(url, false).check().is_err(), "{url}");
    }
    assert!(config("http://8.8.8.8/", true).check().is_err(), "without encryption to the whole world");
    for (url, private) in [
        ("https://example.com/hook", false),
        ("https://8.8.8.8/", false),
        ("http://127.0.0.1:9/", true),
        ("https://192.168.0.2/", true),
    ] {
        assert_eq!(config(url, private).check(), Ok(()), "{url}");
    }
    let short =
        WebhookConfig { secret: Some("short".to_owned().into()), ..config("https://example.com/", false) };
    assert!(short.check().is_err());
}

// Planted fault: the name looked up again by the client, without the judge: the connection is then made.
#[tokio::test]
async fn a_name_that_leads_to_a_private_address_is_not_connected_to() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://localhost:{}/", listener.local_addr().unwrap().port());
    let error = Webhook::new(config(&url, false)).unwrap().tell(&notice()).await.unwrap_err();
    assert_eq!(error.message, REACH);
    let nobody = futures_util::poll!(std::pin::pin!(listener.accept()));
    assert!(nobody.is_pending(), "it was connected to");
}
