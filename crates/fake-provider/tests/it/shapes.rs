//! The same answer in other shapes: cut at every byte, with marks, line ends, pings, compressed.

use std::io::Read as _;

use headwater_fake_provider::{Fake, Format, LineEnd, Script, Tool};
use serde_json::json;

use crate::client::{Answer, ask, events};

async fn shaped(format: Format, script: Script) -> Answer {
    let fake = Fake::start(script).await.unwrap();
    let answer = ask(&fake, format).await;
    assert_eq!((answer.status, answer.end), (200, Ok(true)));
    answer
}

// Planted fault: a piece taken behind its end; the bytes were then not the same.
#[tokio::test]
async fn writes_are_of_the_size_that_was_asked_for_and_say_the_same() {
    let tools = vec![Tool { name: "weather".into(), arguments: json!({"city": "Köln"}) }];
    let script = Script { reasoning: 5, tools, ..Script::default() };
    for format in Format::ALL {
        let whole = shaped(format, script.clone()).await;
        for size in [1, 2, 7] {
            let cut = shaped(format, Script { bytes_per_write: size, ..script.clone() }).await;
            assert_eq!(cut.body(), whole.body(), "{format:?}");
            assert!(cut.pieces.iter().all(|p| p.len() <= size as usize));
            assert!(
                size > 2 || cut.pieces.iter().any(|p| std::str::from_utf8(p).is_err()),
                "inside a letter"
            );
        }
        // An event a write, where there is no size.
        let slow = shaped(format, Script { gap_ms: 1, ..script.clone() }).await;
        assert!(slow.pieces.len() > 20 && slow.body() == whole.body());
    }
}

#[tokio::test]
async fn marks_line_ends_pings_and_compression_change_no_event() {
    for format in Format::ALL {
        let plain = events(&shaped(format, Script::default()).await.text());
        let marked = shaped(format, Script { bom: true, ..Script::default() }).await;
        assert!(marked.body().starts_with(b"\xef\xbb\xbf"));
        assert_eq!(events(&marked.text()), plain);
        for (end, crlf) in [(LineEnd::Lf, false), (LineEnd::Crlf, true)] {
            let text = shaped(format, Script { line_end: Some(end), ..Script::default() }).await.text();
            assert_eq!((text.contains("\r\n"), text.replace("\r\n", "").contains('\n')), (crlf, !crlf));
            assert_eq!(events(&text), plain);
        }
        let pinged = shaped(format, Script { pings: 3, ..Script::default() }).await.text();
        match format {
            Format::Anthropic => {
                assert!(pinged.starts_with(&"event: ping\ndata: {\"type\":\"ping\"}\n\n".repeat(3)))
            }
            Format::Ollama => assert!(pinged.starts_with('{')),
            _ => {
                assert!(pinged.starts_with(':'), "{pinged}");
                assert_eq!(events(&pinged), plain);
            }
        }
        let packed = shaped(format, Script { gzip: true, gap_ms: 1, ..Script::default() }).await;
        assert!(packed.head.contains("content-encoding: gzip") && packed.pieces.len() > 10);
        // Planted fault: not flushed with each event; nothing could then be read before the end.
        let half = packed.pieces[..packed.pieces.len() / 2].concat();
        let mut early = Vec::new();
        let _ = flate2::read::GzDecoder::new(&half[..]).read_to_end(&mut early);
        assert!(String::from_utf8_lossy(&early).contains("river"), "{format:?}");
        let mut text = String::new();
        flate2::read::GzDecoder::new(&packed.body()[..]).read_to_string(&mut text).unwrap();
        assert_eq!(events(&text), plain);
    }
}

#[tokio::test]
async fn several_tokens_an_event_and_alternating_calls() {
    let together = Script { tokens_per_event: 5, tokens: 12, ..Script::default() };
    let text = shaped(Format::Ollama, together.clone()).await.text();
    assert_eq!(events(&text).len(), 4);
    assert!(Script { tokens_per_event: 1, ..together.clone() }.said() == together.said());

    let tool = |name: &str| Tool { name: name.into(), arguments: json!({"city": name}) };
    let script = Script { tools: vec![tool("a"), tool("b")], interleave: true, ..Script::default() };
    let text = shaped(Format::OpenAi, script.clone()).await.text();
    let order: Vec<_> = events(&text)
        .into_iter()
        .filter_map(|(_, data)| {
            let chunk: serde_json::Value = serde_json::from_str(&data).ok()?;
            chunk.pointer("/choices/0/delta/tool_calls/0/index")?.as_u64()
        })
        .collect();
    assert_eq!(order, [0, 1, 0, 1, 0, 1, 0, 1]);
    let text = shaped(Format::Responses, script).await.text();
    assert!(text.contains("response.completed"));
}

#[tokio::test]
async fn a_gap_is_waited_for() {
    let script = Script { burst: 8, gap_ms: 5, tokens: 24, ..Script::default() };
    let fake = Fake::start(script).await.unwrap();
    let answer = ask(&fake, Format::OpenAi).await;
    assert_eq!(answer.end, Ok(true));
    let call = fake.calls().last().unwrap().clone();
    // Two gaps of eight times five milliseconds lie between, however fast the machine is.
    assert!(call.ended_us.unwrap() - call.asked_us >= 80_000);
}
