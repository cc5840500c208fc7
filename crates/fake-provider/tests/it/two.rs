//! HTTP/2, in the clear and with TLS.

use std::sync::Arc;

use bytes::Bytes;
use headwater_fake_provider::{Ended, Failure, Fake, Format, Http, Options, Script};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::client::conn::http2::{self, SendRequest};
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore, crypto::aws_lc_rs};

use crate::client::{ask, asked, values};

type Client = SendRequest<Full<Bytes>>;

/// A connection, which lives as long as the tasks.
async fn connect(
    tasks: &mut JoinSet<()>,
    io: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
) -> Client {
    let (client, connection) = http2::handshake(TokioExecutor::new(), TokioIo::new(io)).await.unwrap();
    tasks.spawn(async move {
        let _ = connection.await;
    });
    client
}

fn request(fake: &Fake, format: Format) -> Request<Full<Bytes>> {
    let (path, body) = asked(format, "m", true);
    Request::post(format!("{}{path}", fake.origin()))
        .header("anthropic-version", "2023-06-01")
        .body(Full::new(Bytes::from(body.to_string())))
        .unwrap()
}

async fn text(answer: Response<Incoming>) -> String {
    String::from_utf8(answer.into_body().collect().await.unwrap().to_bytes().to_vec()).unwrap()
}

#[tokio::test]
async fn http_two_in_the_clear_with_every_format() {
    let fake = Fake::start(Script::default()).await.unwrap();
    let mut tasks = JoinSet::new();
    let mut client = connect(&mut tasks, TcpStream::connect(fake.address()).await.unwrap()).await;
    for format in Format::ALL {
        let answer = client.send_request(request(&fake, format)).await.unwrap();
        assert!(values(&text(answer).await).len() > 20);
    }
    let calls = fake.calls();
    assert!(calls.calls.iter().all(|c| c.http == "2" && c.connection == 1 && c.ended == Some(Ended::Itself)));
    // The same port, the older version.
    assert_eq!(ask(&fake, Format::OpenAi).await.status, 200);
    assert_eq!(fake.calls().last().unwrap().http, "1.1");
}

// Planted fault: the limit not announced; all hundred and one streams were then open at once.
#[tokio::test]
async fn a_connection_carries_a_hundred_streams_and_the_next_one_waits() {
    let fake = Fake::start(Script::failing(Failure::Stall { after: 1, ping_ms: 0 })).await.unwrap();
    let mut tasks = JoinSet::new();
    let client = connect(&mut tasks, TcpStream::connect(fake.address()).await.unwrap()).await;
    // The limit is known with the first answer.
    let mut first = client.clone();
    let first = first.send_request(request(&fake, Format::OpenAi)).await.unwrap();
    let mut asked = JoinSet::new();
    for _ in 0..100 {
        let (mut client, request) = (client.clone(), request(&fake, Format::OpenAi));
        asked.spawn(async move { client.send_request(request).await.unwrap() });
    }
    let mut answers = vec![first];
    while answers.len() < 100 {
        answers.push(asked.join_next().await.unwrap().unwrap());
    }
    fake.wait_for(|calls| calls.open == 100).await;
    assert_eq!((fake.read(|calls| (calls.answers, calls.most_open)), asked.len()), ((100, 100), 1));
    // One leaves: the host sees it, and the one that waited comes in.
    answers.pop();
    answers.push(asked.join_next().await.unwrap().unwrap());
    fake.wait_for(|calls| calls.answers == 101 && calls.open == 100).await;
    let left = fake.read(|calls| calls.calls.iter().filter(|c| c.ended == Some(Ended::Left)).count());
    assert_eq!((left, fake.read(|calls| calls.most_open)), (1, 100));
    drop(answers);
    fake.wait_for(|calls| calls.open == 0).await;
    assert_eq!(fake.read(|calls| calls.open_connections), 1);
}

#[tokio::test]
async fn a_stream_that_is_reset_leaves_the_others_alone() {
    let fake = Fake::start(Script { gap_ms: 1, tokens: 60, ..Script::default() }).await.unwrap();
    let mut tasks = JoinSet::new();
    let mut client = connect(&mut tasks, TcpStream::connect(fake.address()).await.unwrap()).await;
    let good = client.send_request(request(&fake, Format::Anthropic)).await.unwrap();
    for failure in [Failure::Reset { after: 1 }, Failure::Cut { after: 1 }] {
        fake.next(Script::failing(failure), 1);
        let answer = client.send_request(request(&fake, Format::Gemini)).await.unwrap();
        assert!(answer.into_body().collect().await.is_err());
    }
    fake.next(Script::failing(Failure::Drop), 1);
    assert!(client.send_request(request(&fake, Format::Gemini)).await.is_err());
    assert!(text(good).await.contains("message_stop"));
    assert_eq!(fake.read(|calls| calls.connections), 1);
}

#[tokio::test]
async fn tls_agrees_on_the_version_and_its_certificate_is_given_out() {
    for (http, agreed) in [(Http::Both, &b"h2"[..]), (Http::One, b"http/1.1")] {
        let options = Options { tls: true, http, ..Options::default() };
        let fake = Fake::start_with(options).await.unwrap();
        let mut roots = RootCertStore::empty();
        let pem = fake.certificate().unwrap();
        roots.add(CertificateDer::from_pem_slice(pem.as_bytes()).unwrap()).unwrap();
        let mut config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        let stream = TcpStream::connect(fake.address()).await.unwrap();
        let connector = TlsConnector::from(Arc::new(config));
        let stream = connector.connect(ServerName::try_from("localhost").unwrap(), stream).await.unwrap();
        assert_eq!(stream.get_ref().1.alpn_protocol(), Some(agreed));
        if http == Http::Both {
            let mut tasks = JoinSet::new();
            let mut client = connect(&mut tasks, stream).await;
            let answer = client.send_request(request(&fake, Format::OpenAi)).await.unwrap();
            assert!(text(answer).await.ends_with("data: [DONE]\n\n"));
            assert!(fake.base_url(Format::OpenAi).starts_with("https://localhost:"));
        }
    }
}
