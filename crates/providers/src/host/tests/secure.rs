//! TLS, HTTP/2 and many answers at once, against a host that says what it sees.

use std::collections::HashSet;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;

use super::seeing::{Secure, Seen, secure};
use super::*;

fn word() -> Bytes {
    Bytes::from_static(b"data: {\"choices\":[{\"delta\":{\"content\":\"a\"}}]}\n\n")
}

fn trusting(port: u16, folder: &tempfile::TempDir) -> HostConfig {
    let ca_file = Some(folder.path().join("ca.pem"));
    HostConfig { ca_file, ..config(&format!("https://localhost:{port}/v1")) }
}

/// An HTTP/2 host, and a provider that trusts it.
pub(super) async fn one(change: impl FnOnce(&mut HostConfig)) -> (Secure, tempfile::TempDir, Host) {
    let (secure, port, folder) = secure(&["h2", "http/1.1"], 100, word(), None).await;
    let mut config = trusting(port, &folder);
    change(&mut config);
    (secure, folder, Host::new(config).unwrap())
}

async fn first(deltas: &mut Deltas) {
    assert_eq!(deltas.next().await, Some(Ok(Delta::Text("a".into()))));
}

// Planted faults: the streams of a connection not counted; the place not given back.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_long_answers_run_at_once_whatever_a_connection_allows() {
    let (mut host, folder, provider) = one(|_| ()).await;
    let mut answers = Vec::new();
    for asked in futures_util::future::join_all((0..250).map(|_| provider.generate(request()))).await {
        answers.push(asked.unwrap());
    }
    // All of them have begun while none has ended.
    for answer in &mut answers {
        first(answer).await;
    }
    assert_eq!(provider.pool.open(), [80, 80, 80, 10]);
    let mut connections = HashSet::new();
    for _ in 0..250 {
        let Some(Seen::Request(address, "h2")) = host.seen.recv().await else { panic!("no request") };
        connections.insert(address);
    }
    assert_eq!(connections.len(), 4);
    // A place that is free again is taken first.
    answers.drain(..30);
    for _ in 0..30 {
        assert_eq!(host.seen.recv().await, Some(Seen::Left));
    }
    let mut next = provider.generate(request()).await.unwrap();
    first(&mut next).await;
    let Some(Seen::Request(address, _)) = host.seen.recv().await else { panic!("no request") };
    assert!(connections.contains(&address));
    drop((answers, next));
    for _ in 0..221 {
        assert_eq!(host.seen.recv().await, Some(Seen::Left));
    }
    assert_eq!(provider.pool.open(), [0; 4]);
    drop(folder);
}

// Planted fault: the place not given back.
#[tokio::test]
async fn dropping_an_answer_ends_it_at_the_host_and_leaves_its_neighbours() {
    let (mut host, _folder, provider) = one(|_| ()).await;
    let mut kept = provider.generate(request()).await.unwrap();
    let mut dropped = provider.generate(request()).await.unwrap();
    first(&mut kept).await;
    first(&mut dropped).await;
    let (one, other) = (host.seen.recv().await.unwrap(), host.seen.recv().await.unwrap());
    assert_eq!(one, other, "two connections");
    drop(dropped);
    assert_eq!(host.seen.recv().await, Some(Seen::Left));
    assert_eq!(provider.pool.open(), [1]);
    let mut third = provider.generate(request()).await.unwrap();
    first(&mut third).await;
    assert_eq!(host.seen.recv().await, Some(one));
}

#[tokio::test]
async fn a_request_that_is_not_wanted_before_its_head_is_given_up() {
    let (mut host, port, folder) = secure(&["h2"], 100, Bytes::new(), None).await;
    let provider = Host::new(trusting(port, &folder)).unwrap();
    let asked = spawn(async move { provider.generate(request()).await.map(drop) });
    assert!(matches!(host.seen.recv().await, Some(Seen::Request(_, "h2"))));
    asked.abort();
    assert_eq!(host.seen.recv().await, Some(Seen::Left));
}

#[tokio::test]
async fn a_host_that_speaks_only_the_old_way_gets_a_connection_for_each() {
    let (mut host, port, folder) = secure(&["http/1.1"], 1, word(), None).await;
    let provider = Host::new(trusting(port, &folder)).unwrap();
    let mut answers = Vec::new();
    let mut connections = HashSet::new();
    for _ in 0..3 {
        let mut answer = provider.generate(request()).await.unwrap();
        first(&mut answer).await;
        answers.push(answer);
        let Some(Seen::Request(address, "h1")) = host.seen.recv().await else { panic!("no request") };
        connections.insert(address);
    }
    assert_eq!(connections.len(), 3);
    drop(answers.pop());
    assert_eq!(host.seen.recv().await, Some(Seen::Left));
}

// Planted fault: the file read and not used.
#[tokio::test]
async fn a_certificate_of_ones_own_is_trusted_only_if_it_is_named() {
    let (_host, port, folder) = secure(&["h2"], 100, word(), None).await;
    let stranger = HostConfig { ca_file: None, ..trusting(port, &folder) };
    let error = Host::new(stranger).unwrap().generate(request()).await.err().unwrap();
    assert!(
        error.message.contains("certificate is not trusted") && error.message.contains("ca_file"),
        "{error}"
    );
    // The right authority, another name.
    let other = HostConfig { base_url: format!("https://127.0.0.1:{port}/v1"), ..trusting(port, &folder) };
    let error = Host::new(other).unwrap().generate(request()).await.err().unwrap();
    assert!(error.message.contains("not for this name"), "{error}");
    for (text, words) in
        [("nothing", "holds no certificate"), ("-----BEGIN CERTIFICATE-----\n!", "are no PEM")]
    {
        std::fs::write(folder.path().join("ca.pem"), text).unwrap();
        let error = Host::new(trusting(port, &folder)).unwrap_err();
        assert!(error.message.contains(words), "{error}");
    }
    std::fs::remove_file(folder.path().join("ca.pem")).unwrap();
    assert!(Host::new(trusting(port, &folder)).unwrap_err().message.contains("cannot be read"));
}

// Planted faults: the judge left out of the client; `localhost` taken for any name.
#[tokio::test]
async fn a_name_that_leads_here_is_connected_to_only_if_it_was_meant() {
    let (mut host, port, folder) = secure(&["h2"], 100, word(), None).await;
    let named = |allow_private| HostConfig {
        base_url: format!("https://{}:{port}/v1", hostname()),
        allow_private,
        ..trusting(port, &folder)
    };
    let error = Host::new(named(false)).unwrap().generate(request()).await.err().unwrap();
    assert_eq!(error.kind, ProviderErrorKind::Refused);
    assert!(error.message.contains("leads to a private address"), "{error}");
    assert!(host.seen.try_recv().is_err(), "it was connected to");
    // Now it comes as far as the certificate, which has another name; or is not listened for at that address.
    let error = Host::new(named(true)).unwrap().generate(request()).await.err().unwrap();
    assert_eq!(error.kind, ProviderErrorKind::Unavailable, "{error}");
    let unknown = HostConfig { base_url: "https://nobody.invalid/v1".into(), ..trusting(port, &folder) };
    let error = Host::new(unknown).unwrap().generate(request()).await.err().unwrap();
    assert_eq!(error.message, "the provider cannot be reached: its name is not known");
}

/// A name of this machine that is not `localhost`.
fn hostname() -> String {
    let name = std::fs::read_to_string("/etc/hostname").unwrap_or_default();
    if name.trim().is_empty() { "ip6-localhost".to_owned() } else { name.trim().to_owned() }
}

// Planted faults: a window as large as can be; a connection's no larger than one answer's.
#[tokio::test]
async fn a_reader_who_does_not_read_stops_the_host_and_not_his_neighbours() {
    let said = Arc::new(AtomicUsize::new(0));
    let piece = Bytes::from(format!("{}: {}\n\n", std::str::from_utf8(&word()).unwrap(), "x".repeat(8_000)));
    let (_host, port, folder) = secure(&["h2"], 100, piece, Some(said.clone())).await;
    let provider = Host::new(trusting(port, &folder)).unwrap();
    let mut stalled = Vec::new();
    for _ in 0..79 {
        let mut answer = provider.generate(request()).await.unwrap();
        first(&mut answer).await;
        stalled.push(answer);
    }
    let mut reader = provider.generate(request()).await.unwrap();
    assert_eq!(provider.pool.open(), [80]);
    for _ in 0..2_000 {
        first(&mut reader).await;
    }
    // What is read, and for each of the others our window and what the host's own library keeps ready.
    let ready = limit::PROVIDER_WINDOW as usize + 500_000;
    let most = 2_000 * 8_100 + 80 * ready;
    assert!(said.load(Ordering::Relaxed) < most, "{} of {most}", said.load(Ordering::Relaxed));
    drop(stalled);
}

/// Carries bytes both ways until it is told to stop; then it holds the connections and says nothing.
async fn between(port: u16) -> (u16, tokio::sync::watch::Sender<bool>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let own = listener.local_addr().unwrap().port();
    let (stop, stopped) = tokio::sync::watch::channel(false);
    spawn(async move {
        loop {
            let (mut near, _) = listener.accept().await.unwrap();
            let mut far = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
            let mut stopped = stopped.clone();
            spawn(async move {
                tokio::select! {
                    _ = tokio::io::copy_bidirectional(&mut near, &mut far) => {}
                    () = async { drop(stopped.wait_for(|s| *s).await) } => {}
                }
                std::future::pending::<()>().await;
            });
        }
    });
    (own, stop)
}

// Planted fault: no pings; the answer then ends after the idle time.
#[tokio::test]
async fn a_host_that_is_gone_without_a_word_is_noticed_before_the_idle_time() {
    let (_host, port, folder) = secure(&["h2"], 100, word(), None).await;
    let (port, stop) = between(port).await;
    let provider = Host::new(trusting(port, &folder)).unwrap();
    let mut answer = provider.generate(request()).await.unwrap();
    first(&mut answer).await;
    tokio::time::pause();
    stop.send(true).unwrap();
    let start = tokio::time::Instant::now();
    let error = answer.next().await.unwrap().unwrap_err();
    assert_eq!(error.kind, ProviderErrorKind::Interrupted, "{error}");
    assert!(start.elapsed() < limit::PROVIDER_IDLE);
}

// Planted fault: the neighbours not counted.
#[tokio::test]
async fn who_gets_no_answer_beside_others_is_told_of_the_setting() {
    let (mut host, port, folder) = secure(&["h2"], 1, word(), None).await;
    let provider = Host::new(trusting(port, &folder)).unwrap();
    let mut answer = provider.generate(request()).await.unwrap();
    first(&mut answer).await;
    host.seen.recv().await.unwrap();
    tokio::time::pause();
    let error = provider.generate(request()).await.err().unwrap();
    assert!(error.message.contains("1 more of its answers are on the same connection"), "{error}");
    assert!(error.message.contains("`streams_per_connection`"), "{error}");
    tokio::time::resume();
    // With it, both run.
    let config = HostConfig { streams_per_connection: 1, ..trusting(port, &folder) };
    let provider = Host::new(config).unwrap();
    let mut both = [provider.generate(request()).await.unwrap(), provider.generate(request()).await.unwrap()];
    for answer in &mut both {
        first(answer).await;
    }
    assert_eq!(provider.pool.open(), [1, 1]);
}
