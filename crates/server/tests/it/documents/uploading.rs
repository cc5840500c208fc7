//! Uploads on the wire: slowly, in the smallest pieces, too large, broken off, too many.

use std::time::Duration;

use headwater_core::limit;
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::{BORDER, ROOT, form};
use crate::house::House;

impl House {
    /// A connection on which an upload of Ann's of this length has begun.
    async fn begin_upload(&self, path: &str, length: usize) -> TcpStream {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        let head = format!(
            "POST {ROOT}{path} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {}\r\n\
             content-type: multipart/form-data; boundary={BORDER}\r\ncontent-length: {length}\r\n\r\n",
            self.token("ann")
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        stream
    }
}

/// Everything up to the end of the connection, or of the first answer.
async fn answered(stream: &mut TcpStream) -> String {
    let mut all = Vec::new();
    let mut piece = [0; 4096];
    let reading = async {
        while let Ok(n @ 1..) = stream.read(&mut piece).await {
            all.extend_from_slice(&piece[..n]);
            if all.ends_with(b"}") {
                break;
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(60), reading).await.expect("an answer");
    String::from_utf8(all).unwrap()
}

#[tokio::test]
async fn an_upload_in_pieces_of_one_byte() {
    let house = House::new().await;
    let body =
        form(&[("document_type", None, b"faq"), ("file", Some("p.txt"), b"The pangolin \r\n--rolls up.")]);
    let mut stream = house.begin_upload("/upload", body.len()).await;
    stream.set_nodelay(true).unwrap();
    for byte in body {
        stream.write_all(&[byte]).await.unwrap();
        tokio::task::yield_now().await;
    }
    let answer = answered(&mut stream).await;
    assert!(answer.starts_with("HTTP/1.1 200 ") && answer.contains(r#""document_type":"faq""#), "{answer}");
    assert_eq!(house.found("ann", "pangolin").await, ["p.txt"]);
}

// Planted fault: no `remove_file` in the upload's drop; the file then stayed.
#[tokio::test]
async fn an_upload_that_breaks_off_leaves_nothing() {
    let house = House::new().await;
    let id = uuid::Uuid::new_v4().to_string();
    let body = form(&[("file", Some("a.txt"), b"half of it")]);
    let mut stream = house.begin_upload(&format!("/upload?document_id={id}"), body.len()).await;
    stream.write_all(&body[..body.len() - 20]).await.unwrap();
    let state = house.until(&id, "receiving").await;
    assert_eq!(state["detail"], Value::Null);
    drop(stream);
    let state = house.until(&id, "failed").await;
    assert_eq!(state["detail"], "The upload broke off");
    assert_eq!(house.files(), 0);
    assert_eq!(house.get("ann", "/stats").await["total_sources"], 0);
    // A form that ends before its last border is none.
    let short = &body[..body.len() - 8];
    let mut stream = house.begin_upload("/upload", short.len()).await;
    stream.write_all(short).await.unwrap();
    let answer = answered(&mut stream).await;
    assert!(answer.starts_with("HTTP/1.1 400 ") && answer.contains("error parsing the body"), "{answer}");
}

// Planted fault: nothing discarded; the answer was then lost to a reset.
#[tokio::test]
async fn too_large_is_said_to_whoever_writes_it_all_first() {
    let house = House::new().await;
    let large = vec![b'a'; 51 * 1024 * 1024];
    let mib = 1024 * 1024;
    // With its length said before, and without.
    for length in [Some(51 * mib), None] {
        let mut stream = TcpStream::connect(house.address).await.unwrap();
        let length =
            length.map_or("transfer-encoding: chunked".to_owned(), |n| format!("content-length: {n}"));
        let head = format!(
            "POST {ROOT}/upload HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {}\r\n\
             content-type: multipart/form-data; boundary={BORDER}\r\n{length}\r\n\r\n",
            house.token("ann")
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        let first = format!(
            "--{BORDER}\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.txt\"\r\n\r\n"
        );
        if length.starts_with("transfer") {
            stream.write_all(format!("{:x}\r\n{first}\r\n", first.len()).as_bytes()).await.unwrap();
            for piece in large.chunks(mib) {
                stream.write_all(format!("{:x}\r\n", piece.len()).as_bytes()).await.unwrap();
                stream.write_all(piece).await.unwrap();
                stream.write_all(b"\r\n").await.unwrap();
            }
            stream.write_all(b"0\r\n\r\n").await.unwrap();
        } else {
            stream.write_all(&large).await.unwrap();
        }
        let answer = answered(&mut stream).await;
        assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
        assert!(
            answer.contains("File too large (max 50MB)") && answer.contains("connection: close"),
            "{answer}"
        );
        assert_eq!(house.files(), 0);
    }
}

// Planted fault: the token asked for by an extractor; the 401 was then lost to a reset.
#[tokio::test]
async fn who_has_not_signed_in_hears_so_also_when_he_writes_it_all_first() {
    let house = House::new().await;
    let large = vec![b'a'; 20 * 1024 * 1024];
    for path in ["/upload", "/ingest-text"] {
        let mut stream = TcpStream::connect(house.address).await.unwrap();
        let head = format!(
            "POST {ROOT}{path} HTTP/1.1\r\nhost: x\r\ncontent-type: multipart/form-data; boundary={BORDER}\r\n\
             content-length: {}\r\n\r\n",
            large.len()
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        stream.write_all(&large).await.unwrap();
        let answer = answered(&mut stream).await;
        assert!(answer.starts_with("HTTP/1.1 401 ") && answer.contains("connection: close"), "{answer}");
        assert!(answer.ends_with(r#"{"detail":"Authentication required"}"#), "{answer}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_upload_has_to_keep_coming() {
    let house = House::new().await;
    let body = form(&[("file", Some("a.txt"), b"half of it")]);
    let mut stream = house.begin_upload("/upload", body.len()).await;
    stream.write_all(&body[..40]).await.unwrap();
    let answer = answered(&mut stream).await;
    assert!(answer.starts_with("HTTP/1.1 408 ") && answer.contains("The upload stood still"), "{answer}");
    assert_eq!(house.files(), 0);
}

#[tokio::test]
async fn a_place_is_only_for_so_many() {
    let house = House::new().await;
    let body = form(&[("file", Some("a.txt"), b"half of it")]);
    let mut held = Vec::new();
    for _ in 0..limit::UPLOADS_PER_USER {
        let id = uuid::Uuid::new_v4().to_string();
        held.push(house.begin_upload(&format!("/upload?document_id={id}"), body.len()).await);
        house.until(&id, "receiving").await;
    }
    let answer = house.upload(&[("file", Some("b.txt"), b"one more")]).await;
    answer.refuses(429, "4 uploads of yours are under way; try again when one of them is done");
    assert_eq!(answer.headers["retry-after"], "5");
    house.upload_to("/upload", "ben", &[("file", Some("b.txt"), b"mine")]).await.good();
    for mut stream in held {
        stream.write_all(&body).await.unwrap();
        assert!(answered(&mut stream).await.starts_with("HTTP/1.1 200 "));
    }
    house.upload(&[("file", Some("b.txt"), b"one more")]).await.good();
    house.draining.cancel();
}
