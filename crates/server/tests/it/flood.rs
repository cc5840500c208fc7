//! Sockets that send too much, too often, or never to an end: bounded, closed, and told why, in a close frame
//! that arrives while they still send.

use std::time::Duration;

use headwater_core::limit;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::house::House;

/// A socket by hand, on which nothing is checked before it is sent.
struct Raw(TcpStream);

impl Raw {
    async fn open(house: &House, path: &str) -> Self {
        let mut stream = TcpStream::connect(house.address).await.unwrap();
        let ask = format!(
            "GET {path}?token={} HTTP/1.1\r\nhost: x\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\
             sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
            house.token("ann")
        );
        stream.write_all(ask.as_bytes()).await.unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(stream.read_u8().await.unwrap());
        }
        let head = String::from_utf8(head).unwrap();
        assert!(head.starts_with("HTTP/1.1 101 ") && head.contains("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="), "{head}");
        Self(stream)
    }

    /// Sends this again and again until nobody takes it, and reads meanwhile: the close frame.
    async fn flood(self, bytes: Vec<u8>, most: usize) -> Option<(u16, String)> {
        let (mut from, mut to) = self.0.into_split();
        let sending = async {
            let mut sent = 0;
            while sent < most && to.write_all(&bytes).await.is_ok() {
                sent += bytes.len();
            }
            // Not closed: who floods does not leave.
            std::future::pending::<()>().await;
        };
        let reading = async {
            let mut all = Vec::new();
            let _ = from.read_to_end(&mut all).await;
            all
        };
        let all = tokio::select! {
            () = sending => unreachable!(),
            all = tokio::time::timeout(Duration::from_secs(60), reading) => all.expect("never closed"),
        };
        closes(&all)
    }
}

/// The close frame at the end of what a server sent.
fn closes(mut bytes: &[u8]) -> Option<(u16, String)> {
    while let [first, second, rest @ ..] = bytes {
        let (length, rest) = match second {
            126 => (usize::from(u16::from_be_bytes([rest[0], rest[1]])), &rest[2..]),
            short => (usize::from(*short), rest),
        };
        if *first == 0x88 {
            let code = u16::from_be_bytes([rest[0], rest[1]]);
            return Some((code, String::from_utf8(rest[2..length].to_vec()).unwrap()));
        }
        bytes = &rest[length..];
    }
    None
}

const PING: &[u8] = &[0x89, 0x80, 1, 2, 3, 4];
const FIRST: &[u8] = &[0x01, 0x81, 0, 0, 0, 0, b'x'];
const NOTHING_MORE: &[u8] = &[0x00, 0x80, 0, 0, 0, 0];

// Planted faults: no `discard`, where the reset overtook the close frame; and the size of a frame not given to
// the library, which then waited for all of it.
#[tokio::test]
async fn a_message_of_64_megabytes_is_refused_by_its_head() {
    let house = House::new().await;
    let too_large = Some((1009, "a frame is longer than a frame may be".to_owned()));
    for path in ["/ws", "/ws/chat"] {
        for size in [64 * 1024 * 1024, limit::WS_MESSAGE_BYTES as u64 + 1] {
            let head = [&[0x81, 0xff][..], &size.to_be_bytes(), &[0, 0, 0, 0]].concat();
            let mut raw = Raw::open(&house, path).await;
            raw.0.write_all(&head).await.unwrap();
            assert_eq!(raw.flood(Vec::new(), 0).await, too_large);
            let mut raw = Raw::open(&house, path).await;
            raw.0.write_all(&head).await.unwrap();
            assert_eq!(raw.flood(vec![b'x'; 64 * 1024], size as usize).await, too_large);
        }
    }
}

// Who hears nothing until he has said everything still finds the close frame.
#[tokio::test]
async fn a_close_frame_is_there_for_whoever_sends_first_and_reads_then() {
    let house = House::new().await;
    let mut raw = Raw::open(&house, "/ws").await;
    raw.0.write_all(&[0x81, 0xff, 0, 0, 0, 0, 4, 0, 0, 0, 0, 0, 0, 0]).await.unwrap();
    for _ in 0..256 {
        raw.0.write_all(&[b'x'; 64 * 1024]).await.unwrap();
    }
    raw.0.shutdown().await.unwrap();
    let mut all = Vec::new();
    raw.0.read_to_end(&mut all).await.unwrap();
    assert_eq!(closes(&all).map(|close| close.0), Some(1009));
}

#[tokio::test]
async fn floods_of_frames_that_nobody_sees_are_policy_violations() {
    let house = House::new().await;
    for (first, rest, why) in [
        (PING, PING, "too many pings in too short a time"),
        (FIRST, NOTHING_MORE, "too many frames in too short a time"),
    ] {
        let mut raw = Raw::open(&house, "/ws/chat").await;
        raw.0.write_all(first).await.unwrap();
        let told = raw.flood(rest.repeat(100), 10_000_000 * rest.len()).await;
        assert_eq!(told, Some((1008, why.into())));
    }
    assert_eq!(house.gate.turned_away()[5], ("floods", 2));
    // Others are unharmed.
    let mut other = house.socket("/ws").await;
    other.say(r#"{"type":"ping"}"#).await;
    assert_eq!(other.hear().await["type"], "pong");
}

#[tokio::test]
async fn a_message_in_fragments_ends_within_ten_seconds() {
    let house = House::new().await;
    let mut raw = Raw::open(&house, "/ws").await;
    tokio::time::pause();
    let began = tokio::time::Instant::now();
    raw.0.write_all(FIRST).await.unwrap();
    raw.0.write_all(NOTHING_MORE).await.unwrap();
    let told = raw.flood(Vec::new(), 0).await;
    assert_eq!(told, Some((1008, "a message in fragments took too long".into())));
    assert!(began.elapsed() < limit::WS_FRAGMENTS_TIME + 2 * limit::CLOSE_TIME);
}

#[tokio::test]
async fn what_is_no_frame_is_told_so() {
    let house = House::new().await;
    for (bytes, code) in [
        // Reserved bits, a reserved opcode, a control frame in fragments, one that is too long, no mask, a
        // continuation of nothing, text that is no UTF-8, a close code that nobody may send.
        (&[0xf1, 0x80, 0, 0, 0, 0][..], 1002),
        (&[0x83, 0x80, 0, 0, 0, 0], 1002),
        (&[0x09, 0x80, 0, 0, 0, 0], 1002),
        (&[0x89, 0xfe, 0, 200, 0, 0, 0, 0], 1002),
        (&[0x81, 0x01, b'x'], 1002),
        (&[0x80, 0x80, 0, 0, 0, 0], 1002),
        (&[0x81, 0x82, 0, 0, 0, 0, 0xc3, 0x28], 1007),
        (&[0x88, 0x82, 0, 0, 0, 0, 0x03, 0xed], 1002),
    ] {
        let mut raw = Raw::open(&house, "/ws/chat").await;
        raw.0.write_all(bytes).await.unwrap();
        // What the heads promise; the library looks at some of them only then.
        let told = raw.flood(vec![0; 256], 256).await;
        assert_eq!(told.map(|t| t.0), Some(code), "{bytes:02x?}");
    }
}
