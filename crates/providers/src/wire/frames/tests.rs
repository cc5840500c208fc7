//! Lines and events in every way that a network cuts them. Planted faults: a line that is decoded as it comes
//! (broken letters), half a line taken for one, a cap that counts what waits instead of one line.

use super::*;

async fn read(framing: Framing, pieces: Vec<Result<Bytes, BodyError>>) -> Vec<Result<Frame, BodyError>> {
    frames(stream::iter(pieces), framing).collect().await
}

fn cut(body: &[u8], piece: usize) -> Vec<Result<Bytes, BodyError>> {
    body.chunks(piece.max(1)).map(|c| Ok(Bytes::copy_from_slice(c))).collect()
}

fn line(data: &str) -> Result<Frame, BodyError> {
    Ok(Frame { event: None, data: data.to_owned() })
}

async fn lines_of(body: &[u8], piece: usize) -> Vec<Result<Frame, BodyError>> {
    read(Framing::Lines, cut(body, piece)).await
}

#[tokio::test]
async fn lines_are_the_same_however_they_are_cut() {
    let plain = "{\"a\":\"Ünï 水 🚗\"}\n\n{\"b\":2}\n  \n{\"c\":\"\\n\"}\n";
    let expected = vec![line("{\"a\":\"Ünï 水 🚗\"}"), line("{\"b\":2}"), line("{\"c\":\"\\n\"}")];
    for body in [plain.to_owned(), plain.replace('\n', "\r\n"), format!("\u{FEFF}{plain}")] {
        for piece in 1..=body.len() {
            assert_eq!(lines_of(body.as_bytes(), piece).await, expected, "{piece} bytes at a time");
        }
    }
    assert_eq!(lines_of(b"", 1).await, vec![]);
    assert_eq!(lines_of("\u{FEFF}\n".as_bytes(), 1).await, vec![]);
    // The mark stands before the first line alone: elsewhere it is what the host wrote.
    assert_eq!(lines_of("1\n\u{FEFF}2\n".as_bytes(), 2).await, vec![line("1"), line("\u{FEFF}2")]);
    assert_eq!(lines_of(b"1\n\xFF\n2\n", 2).await, vec![line("1"), Err(BodyError::NotText)]);
}

#[tokio::test]
async fn a_last_line_without_its_end_is_one_only_if_it_is_a_whole_object() {
    let last = "{\"done\":true,\"text\":\"} 水\"}";
    let body = format!("{{\"a\":1}}\n{last}");
    for end in "{\"a\":1}\n".len()..body.len() {
        for piece in [1, 7, body.len()] {
            assert_eq!(lines_of(&body.as_bytes()[..end], piece).await, vec![line("{\"a\":1}")], "{end}");
        }
    }
    for whole in [body.clone(), body + "\r", format!("\u{FEFF}{{\"a\":1}}\n{last} ")] {
        assert_eq!(lines_of(whole.as_bytes(), 3).await, vec![line("{\"a\":1}"), line(last)]);
    }
    // Part of a number is a number, and part of a text may be anything: only objects say where they end.
    for other in ["12", "null", "[1]", "\"a\"", "oops", "{\"a\":1}{", "\u{FEFF}"] {
        assert_eq!(lines_of(other.as_bytes(), 2).await, vec![], "{other}");
    }
    assert_eq!(lines_of("\u{FEFF}{}".as_bytes(), 1).await, vec![line("{}")]);
    // A connection that broke ends nothing.
    let broken = vec![Ok(Bytes::from_static(b"1\n{\"done\":true}")), Err(BodyError::Broken)];
    assert_eq!(read(Framing::Lines, broken).await, vec![line("1"), Err(BodyError::Broken)]);
}

#[tokio::test]
async fn one_line_is_bounded_and_a_body_of_many_is_not() {
    let long = |bytes: usize| format!("{}\n", "x".repeat(bytes));
    for piece in [4096, 3 * FRAME_BYTES] {
        let out = lines_of(long(FRAME_BYTES - 1).as_bytes(), piece).await;
        assert_eq!(out.len(), 1);
        assert!(out[0].is_ok());
        for tail in ["\n1\n", ""] {
            let body = format!("1\n{}{tail}", "x".repeat(FRAME_BYTES + 1));
            assert_eq!(lines_of(body.as_bytes(), piece).await, vec![line("1"), Err(BodyError::TooLarge)]);
        }
        let many = long(1000).repeat(3 * FRAME_BYTES / 1000);
        assert!(lines_of(many.as_bytes(), piece).await.iter().all(Result::is_ok));
    }
}

#[tokio::test]
async fn events_come_with_their_names_and_break_with_their_body() {
    let body = ": hello\n\nevent: a\ndata: 1\n\ndata: {2}\n\nid: 3\n\ndata: half";
    let named = Frame { event: Some("a".into()), data: "1".into() };
    for body in [body.to_owned(), format!("\u{FEFF}{body}"), format!("\n\r\n{body}")] {
        for piece in [1, 2, body.len()] {
            let out = read(Framing::Events, cut(body.as_bytes(), piece)).await;
            assert_eq!(out, vec![Ok(named.clone()), line("{2}")], "{piece} {body:?}");
        }
    }
    assert_eq!(read(Framing::Events, vec![]).await, vec![]);
    assert_eq!(read(Framing::Events, vec![Err(BodyError::Broken)]).await, vec![Err(BodyError::Broken)]);
    let broken = vec![Ok(Bytes::from_static(b"data: 1\n\n")), Err(BodyError::Broken), Ok(Bytes::new())];
    assert_eq!(read(Framing::Events, broken).await, vec![line("1"), Err(BodyError::Broken)]);
}

#[tokio::test]
async fn a_document_in_place_of_events_is_refused_and_its_error_is_told() {
    let error = Frame { event: Some("error".into()), data: r#"{"error":{"code":404}}"#.into() };
    for (body, expected) in [
        (r#"{"error":{"code":404}}"#, Ok(error.clone())),
        ("\u{FEFF} \r\n[{\n \"error\": {\"code\": 404}\n}]\r\n", Ok(error)),
        ("[{\"candidates\":[]},\r\n{\"candidates\":[]}]", Err(BodyError::NotEvents)),
        ("{\"choices\":[],\"error\":null}", Err(BodyError::NotEvents)),
        ("[{\"candidates\":[", Err(BodyError::NotEvents)),
        ("{", Err(BodyError::NotEvents)),
    ] {
        for piece in [1, 7, body.len()] {
            let out = read(Framing::Events, cut(body.as_bytes(), piece)).await;
            assert_eq!(out, vec![expected.clone()], "{body}");
        }
    }
    let broken = vec![Ok(Bytes::from_static(b"{")), Err(BodyError::Broken)];
    assert_eq!(read(Framing::Events, broken).await, vec![Err(BodyError::Broken)]);
    let endless = cut(format!("[{}", "1,".repeat(FRAME_BYTES)).as_bytes(), 4096);
    assert_eq!(read(Framing::Events, endless).await, vec![Err(BodyError::NotEvents)]);
    let nothing = cut(&b" ".repeat(FRAME_BYTES + 2), 4096);
    assert_eq!(read(Framing::Events, nothing).await, vec![Err(BodyError::TooLarge)]);
}

/// What [`EventSize`] must say, byte by byte: whether any event is too large.
fn too_large(bytes: &[u8]) -> bool {
    let text = String::from_utf8_lossy(bytes).replace("\r\n", "\n").replace('\r', "\n");
    text.split("\n\n").any(|event| event.len() > FRAME_BYTES)
}

// Planted faults: a line end that was not counted as one across two pieces; the size kept over an empty line.
#[test]
fn an_events_size_is_counted_alike_in_pieces_and_whole() {
    let line = |n: usize, end: &str| format!("data: {}{end}", "x".repeat(n));
    let half = FRAME_BYTES / 2;
    for end in ["\n", "\r\n", "\r"] {
        let two = line(half, end) + &line(half - 100, end) + end;
        for (body, large) in [
            (two.clone(), false),
            (two.repeat(3), false),
            (line(half, end) + &line(half, end), true),
            (two.clone() + &line(FRAME_BYTES, end), true),
            (two + "\u{feff}" + &line(3, end), false),
        ] {
            assert_eq!(too_large(body.as_bytes()), large);
            for piece in [1 << 21, 4096, half, half + 7, 13, 1] {
                let mut size = EventSize::default();
                let allowed = body.as_bytes().chunks(piece).all(|piece| size.allows(piece));
                assert_eq!(allowed, !large, "{end:?} in pieces of {piece}");
            }
        }
    }
}
