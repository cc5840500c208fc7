//! A marked key through everything that can go wrong: nothing that is said or logged may hold it.

use std::io::Write;
use std::sync::Mutex;

use tracing_subscriber::util::SubscriberInitExt as _;

use super::*;

const KEY: &str = "sk-canary-7Qx/9Lm+2Vb4Zt8Kd";
const HEADER: &str = "hdr-canary-5Rw1Ys6Tn3";

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// A provider with the marked key.
fn marked(base_url: &str) -> Host {
    let headers = vec![("x-gate".to_owned(), SecretString::from(HEADER.to_owned()))];
    Host::new(HostConfig { key: Some(KEY.to_owned().into()), headers, ..config(base_url) }).unwrap()
}

/// Asks it and says everything that came of it, as a log or a page would.
async fn said(provider: &Host) -> String {
    let mut said = format!("{provider:?}");
    match provider.generate(request()).await {
        Err(error) => said += &format!("{error} {error:?}"),
        Ok(mut deltas) => {
            said += &format!("{deltas:?}");
            while let Some(item) = deltas.next().await {
                said += &format!("{item:?}");
            }
        }
    }
    said
}

// Planted faults: the key's header not marked as sensitive; only the whole key replaced.
#[tokio::test]
async fn a_marked_key_is_nowhere() {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_writer(move || writer.clone())
        .finish();
    // Also what libraries say in the older way.
    let _ = subscriber.try_init();
    let mut all = String::new();
    let repeated = format!(
        "{KEY} {} sk%2Dcanary%2D7Qx%2F9Lm%2B2Vb4Zt8Kd sk-canary-7Qx%2F9Lm%2B2Vb4Zt8Kd {HEADER}",
        KEY.replace("9Lm", "***")
    );
    let body = format!("{{\"error\":{{\"message\":\"{repeated}\"}}}}");
    let sized = |head: &str, body: &str| {
        format!("HTTP/1.1 {head}\r\ncontent-length: {}\r\nx-request-id: {KEY}\r\n\r\n{body}", body.len())
    };
    let stream = format!("data: {{\"error\":{{\"message\":\"{repeated}\"}}}}\n\n");
    let mut answers: Vec<String> =
        ["400 No", "401 No", "403 No", "404 No", "429 Slow", "500 Oh", "529 Full", "302 There"]
            .iter()
            .flat_map(|status| [sized(status, &body), sized(status, &repeated)])
            .collect();
    answers.extend([
        sized("200 OK\r\ncontent-type: application/json", &body),
        sized("200 OK\r\ncontent-type: text/html", &body),
        sized("200 OK\r\ncontent-encoding: gzip", &body),
        sized("200 OK", &stream),
        sized("200 OK", &format!("event: error\n{stream}")),
        sized("200 OK", &format!("data: {repeated}\n\n")),
        sized("200 OK", ""),
        format!("HTTP/1.1 200 OK\r\ncontent-length: 99999\r\n\r\n{stream}"),
        format!(
            "HTTP/1.1 429 Slow\r\nretry-after: {KEY}\r\nlocation: http://x/{KEY}\r\ncontent-length: 0\r\n\r\n"
        ),
        format!("nonsense {KEY}\r\n\r\n"),
    ]);
    for answer in answers {
        let (provider, task) = host(answer).await;
        let provider = marked(&provider.base);
        let closed = async { drop(task.await) };
        let (outcome, ()) = tokio::join!(said(&provider), closed);
        all += &outcome;
    }
    // Nobody there; a name that nobody knows; one that leads to this machine; no TLS where TLS is spoken.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let silent = spawn(async move {
        loop {
            let (mut socket, _) = listener.accept().await.unwrap();
            let _ = socket.write_all(b"HTTP/1.1 400 No\r\n\r\n").await;
        }
    });
    all += &said(&marked(&format!("https://localhost:{port}"))).await;
    silent.abort();
    let _ = silent.await;
    all += &said(&marked(&format!("http://127.0.0.1:{port}"))).await;
    all += &said(&marked("https://nobody.invalid")).await;
    // Over HTTP/2, whose library logs every header.
    let (secure, _folder, provider) = super::secure::one(|config| {
        config.key = Some(KEY.to_owned().into());
        config.headers = vec![("x-gate".to_owned(), SecretString::from(HEADER.to_owned()))];
    })
    .await;
    let mut deltas = provider.generate(request()).await.unwrap();
    all += &format!("{:?}", deltas.next().await);
    drop(deltas);
    drop(secure);
    let logged = String::from_utf8_lossy(&log.0.lock().unwrap()).into_owned();
    assert!(logged.contains("reqwest") || logged.contains("hyper"), "nothing was logged");
    for (what, text) in [("said", &all), ("logged", &logged)] {
        for secret in [KEY, HEADER, "sk%2Dcanary"] {
            for part in secret.as_bytes().windows(10) {
                let part = std::str::from_utf8(part).unwrap();
                assert!(!text.contains(part), "{what}: {part} in {}", around(text, part));
            }
        }
    }
}

fn around<'a>(text: &'a str, part: &str) -> &'a str {
    let at = text.find(part).unwrap();
    let start = (0..=at.saturating_sub(200)).rev().find(|n| text.is_char_boundary(*n)).unwrap_or(0);
    let end = (at + 60..text.len()).find(|n| text.is_char_boundary(*n)).unwrap_or(text.len());
    &text[start..end]
}
