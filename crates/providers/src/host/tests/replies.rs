//! What comes instead of a stream, what is counted, and the list of models.

use super::*;

/// A reply of this head and body.
fn reply(status: &str, headers: &str, body: &str) -> String {
    format!("HTTP/1.1 {status}\r\n{headers}content-length: {}\r\n\r\n{body}", body.len())
}

async fn failure(answer: String) -> ProviderError {
    let (provider, _host) = host(answer).await;
    provider.generate(request()).await.err().unwrap()
}

// Planted fault: a reply of HTML given to the decoder, which then says that the host broke off.
#[tokio::test]
async fn what_is_no_stream_is_said_to_be_none() {
    use ProviderErrorKind::{Busy, Failed, Refused};
    let json = "content-type: application/json; charset=utf-8\r\n";
    for (answer, kind, words) in [
        (
            reply("200 OK", json, r#"{"error":{"message":"no credit","code":402}}"#),
            Refused,
            "the provider reported an error: no credit",
        ),
        (
            reply("200 OK", json, r#"[{"error":{"message":"slow","code":429}}]"#),
            Busy,
            "the provider reported an error: slow",
        ),
        (reply("200 OK", json, r#"{"choices":[]}"#), Failed, "one document and not with a stream"),
        (reply("200 OK", json, "{"), Failed, "one document and not with a stream"),
        (reply("200 OK", "Content-Type: text/html\r\n", "<html>"), Failed, "a web page"),
        (
            reply("200 OK", "content-type: text/event-stream\r\ncontent-encoding: gzip\r\n", "\x1f"),
            Failed,
            "packed its answer",
        ),
        (
            reply("302 Found", "location: http://127.0.0.1:1/\r\n", ""),
            Failed,
            "the provider answered 302: it sends us to another address",
        ),
        (reply("500 Oh", "content-encoding: br\r\n", "{"), Failed, "the provider answered 500"),
    ] {
        let error = failure(answer.clone()).await;
        assert_eq!(error.kind, kind, "{answer}");
        assert!(error.message.contains(words), "{error}");
    }
}

#[tokio::test]
async fn a_failure_names_its_request_and_how_long_to_wait() {
    let headers = "request-id: req_7\r\nretry-after: 7\r\nretry-after-ms: 250\r\n";
    let error = failure(reply("529 Full", headers, r#"{"error":{"message":"full"}}"#)).await;
    assert_eq!(error.message, "the provider answered 529: full (try again after 7 s) (request req_7)");
    assert_eq!(error.retry_after, Some(Duration::from_millis(250)));
    // One in the stream, too.
    let body = "data: {\"error\":{\"message\":\"oh\"}}\n\n";
    let (provider, _host) = host(reply("200 OK", "x-request-id: r9\r\n", body)).await;
    let mut deltas = provider.generate(request()).await.unwrap();
    let error = deltas.next().await.unwrap().unwrap_err();
    assert_eq!(error.message, "the provider reported an error: oh (request r9)");
}

fn counted(metrics: &crate::metrics::Metrics) -> Vec<String> {
    let mut registry = prometheus_client::registry::Registry::default();
    metrics.register(&mut registry);
    let mut text = String::new();
    prometheus_client::encoding::text::encode(&mut text, &registry).unwrap();
    let lines = text
        .lines()
        .filter(|l| l.contains("{provider="))
        .map(|l| l.replace("headwater_provider_", "").replace("provider=\"test\"", "").replace("{,", "{"));
    let mut lines: Vec<_> = lines.collect();
    lines.sort();
    lines
}

// Planted fault: an answer that nobody wanted any more counted as completed.
#[tokio::test]
async fn every_request_is_counted_once_by_how_it_ended() {
    let (provider, _host) = host(ok(&plain())).await;
    gather(provider.generate(request()).await.unwrap()).await;
    let lines = ["requests_total{outcome=\"completed\"} 1", "skipped_total{} 2", "streams{} 0"];
    assert_eq!(counted(&provider.config.metrics), lines);

    let (provider, _host) = host(ok(&plain())).await;
    let mut deltas = provider.generate(request()).await.unwrap();
    deltas.next().await.unwrap().unwrap();
    assert_eq!(counted(&provider.config.metrics), ["streams{} 1"]);
    assert_eq!(provider.pool.open(), [1]);
    drop(deltas);
    assert_eq!(counted(&provider.config.metrics), ["requests_total{outcome=\"dropped\"} 1", "streams{} 0"]);
    assert_eq!(provider.pool.open(), [0]);

    let (provider, _host) = host(reply("429 Slow", "", "")).await;
    provider.generate(request()).await.err().unwrap();
    assert_eq!(counted(&provider.config.metrics), ["requests_total{outcome=\"busy\"} 1"]);
    let (provider, _host) = host(ok("data: {\"choices\":[]}\n\n")).await;
    let out = gather(provider.generate(request()).await.unwrap()).await;
    assert_eq!(out.ending, Ending::Error(ProviderErrorKind::Interrupted));
    assert_eq!(
        counted(&provider.config.metrics),
        ["requests_total{outcome=\"interrupted\"} 1", "streams{} 0"]
    );
}

/// A host that takes one request without a body and answers so; then it hands over the connection.
async fn listing(answer: String) -> (Host, tokio::task::JoinHandle<(String, TcpStream)>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let config = config(&format!("http://{}/v1", listener.local_addr().unwrap()));
    let task = spawn(async move {
        let (mut socket, _) = listener.accept().await.unwrap();
        let mut request = Vec::new();
        while !request.ends_with(b"\r\n\r\n") {
            request.push(socket.read_u8().await.unwrap());
        }
        socket.write_all(answer.as_bytes()).await.unwrap();
        (String::from_utf8(request).unwrap(), socket)
    });
    (Host::new(config).unwrap(), task)
}

#[tokio::test]
async fn models_are_listed_or_it_is_said_what_is_wrong() {
    let list = r#"{"object":"list","data":[{"id":"a"},{"id":"b/c"}]}"#;
    let (provider, host) = listing(reply("200 OK", "content-type: application/json\r\n", list)).await;
    assert_eq!(provider.models().await.unwrap(), ["a", "b/c"]);
    let (sent, _socket) = host.await.unwrap();
    assert!(sent.starts_with("GET /v1/models HTTP/1.1\r\n"), "{sent}");
    assert!(sent.contains("authorization: Bearer sk-secret\r\n"), "{sent}");
    for (answer, words) in [
        (
            reply("401 No", "", "wrong key sk-secret"),
            "the provider answered 401: the key is missing or wrong",
        ),
        (reply("200 OK", "content-type: text/html\r\n", "<html>"), "a web page"),
        (reply("200 OK", "", "hello"), "is not JSON"),
        ("HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n{".into(), "broke off"),
    ] {
        let (provider, host) = listing(answer).await;
        let asked = provider.models();
        let closed = async { drop(host.await) };
        let error = tokio::join!(asked, closed).0.unwrap_err();
        assert!(error.message.contains(words), "{error}");
    }
}

// Planted fault: the list waited for without a limit.
#[tokio::test(start_paused = true)]
async fn a_host_that_lists_nothing_is_not_waited_for_long() {
    let (provider, host) = listing(String::new()).await;
    let start = tokio::time::Instant::now();
    let error = provider.models().await.unwrap_err();
    assert_eq!(error.message, "the provider did not list its models within 10 s");
    assert_eq!(start.elapsed().as_secs(), 10);
    host.abort();
}

#[tokio::test(start_paused = true)]
async fn a_host_that_does_not_begin_is_not_waited_for_for_ever() {
    let (provider, _host) = host(String::new()).await;
    let error = provider.generate(request()).await.err().unwrap();
    assert_eq!(error.kind, ProviderErrorKind::Timeout);
    assert_eq!(error.message, "the provider did not begin to answer within 2 min");
}
