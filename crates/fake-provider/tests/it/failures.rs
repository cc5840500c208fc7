//! Each failure as a client sees it, on each format, before the first delta and behind the third.

use std::io;

use headwater_fake_provider::{Ended, Failure, Fake, Format, Script};
use serde_json::{Value, json};
use tokio::net::TcpStream;

use crate::client::{Answer, Reader, ask, ask_model, asked, events, get, joined, read, send, values};

/// The deltas' words, whatever the format; broken events have none.
fn words(format: Format, answer: &Answer) -> String {
    let data = events(&answer.text()).into_iter().filter_map(|(_, d)| serde_json::from_str(&d).ok());
    let values: Vec<Value> = data.collect();
    joined(&values, text_in(format))
}

fn text_in(format: Format) -> &'static str {
    match format {
        Format::Anthropic => "/delta/text",
        Format::OpenAi => "/choices/0/delta/content",
        Format::Responses => "/delta",
        Format::Gemini => "/candidates/0/content/parts/0/text",
        Format::Ollama => "/message/content",
    }
}

/// What each format ends with.
fn terminal(format: Format, text: &str) -> bool {
    text.contains(match format {
        Format::Anthropic => "message_stop",
        Format::OpenAi => "[DONE]",
        Format::Responses => "response.completed",
        Format::Gemini => "finishReason",
        Format::Ollama => "done_reason",
    })
}

async fn failing(format: Format, failure: Failure) -> Answer {
    let fake = Fake::start(Script::failing(failure)).await.unwrap();
    let answer = ask(&fake, format).await;
    fake.wait_for(|calls| calls.open == 0).await;
    let call = fake.calls().last().unwrap().clone();
    assert_eq!(call.ended, Some(Ended::Itself));
    answer
}

#[tokio::test]
async fn statuses_are_in_each_formats_words_and_say_when_to_come_again() {
    for format in Format::ALL {
        for status in [400, 401, 404, 429, 500, 503, 529] {
            let failure = Failure::Status {
                status,
                retry_after: Some(7),
                retry_after_ms: Some(6500),
                message: Some("no".into()),
            };
            let answer = failing(format, failure).await;
            assert_eq!(answer.status, status);
            assert!(
                answer.head.contains("retry-after: 7\n") && answer.head.contains("retry-after-ms: 6500\n")
            );
            let said = answer.json();
            let (kind, message) = match format {
                Format::Ollama => (Some(&Value::Null), &said["error"]),
                Format::Gemini => (said.pointer("/error/status"), &said["error"]["message"]),
                _ => (said.pointer("/error/type"), &said["error"]["message"]),
            };
            assert!(kind.is_some() && message == "no", "{said}");
        }
    }
    let anthropic = failing(Format::Anthropic, Failure::status(529)).await.json();
    assert_eq!(anthropic["error"], json!({"type": "overloaded_error", "message": "Overloaded"}));
    let gemini = failing(Format::Gemini, Failure::status(429)).await.json();
    assert_eq!(gemini["error"]["status"], "RESOURCE_EXHAUSTED");
}

// Planted faults: the failure looked for behind the step instead of before it (a delta too many); the
// terminal said after the error.
#[tokio::test]
async fn errors_in_the_stream_come_behind_so_many_deltas_in_each_formats_words() {
    for format in Format::ALL {
        for after in [0, 3, u32::MAX] {
            let answer = failing(format, Failure::error_after(after)).await;
            let text = answer.text();
            assert_eq!((answer.status, answer.end), (200, Ok(true)));
            assert_eq!(words(format, &answer), Script::default().said_in(after), "{format:?}");
            assert!(!terminal(format, &text), "{text}");
            let values = values(&text);
            let error = match format {
                Format::Responses => &values[values.len() - 2]["message"],
                Format::Ollama => &values[values.len() - 1]["error"],
                _ => &values[values.len() - 1]["error"]["message"],
            };
            assert_eq!(error, "Overloaded", "{format:?} {text}");
            if after == 0 {
                assert!(values.len() <= 2, "{format:?}: the error is the first event: {text}");
            }
        }
        let answer = failing(format, Failure::ErrorField { after: 2 }).await;
        assert_eq!(words(format, &answer), Script::default().said_in(2));
        assert!(
            answer.text().lines().any(|l| l.starts_with("error: {")) && !terminal(format, &answer.text())
        );
    }
}

#[tokio::test]
async fn an_end_without_the_terminal_is_a_whole_body_and_a_cut_is_none() {
    for format in Format::ALL {
        for after in [0, 3, u32::MAX] {
            for (failure, end) in [(Failure::End { after }, Ok(true)), (Failure::Cut { after }, Ok(false))] {
                let answer = failing(format, failure).await;
                assert_eq!((answer.status, answer.end), (200, end));
                assert_eq!(words(format, &answer), Script::default().said_in(after), "{format:?}");
                assert!(!terminal(format, &answer.text()));
            }
        }
    }
}

// Planted fault: no zero linger; the client then saw an end instead of a reset.
#[tokio::test]
async fn a_reset_comes_in_the_middle_of_an_event() {
    for format in Format::ALL {
        for after in [1, 3] {
            let answer = failing(format, Failure::Reset { after }).await;
            assert_eq!(answer.end, Err(io::ErrorKind::ConnectionReset), "{format:?}");
            let text = answer.text();
            assert!(!text.ends_with('\n') && !text.is_empty(), "{text}");
            // What came before the half is there.
            let before = events(&text).len() - 1;
            let whole: String = words(format, &answer);
            assert!(before >= after as usize && whole == Script::default().said_in(after), "{whole}");
        }
    }
}

#[tokio::test]
async fn broken_and_huge_events_stand_between_good_ones() {
    for format in Format::ALL {
        for after in [0, 3] {
            let answer = failing(format, Failure::Malformed { after }).await;
            let broken = |d: &str| d != "[DONE]" && serde_json::from_str::<Value>(d).is_err();
            assert_eq!(events(&answer.text()).iter().filter(|(_, d)| broken(d)).count(), 1);
            assert_eq!(words(format, &answer), Script::default().said());
            assert!(terminal(format, &answer.text()));

            let answer = failing(format, Failure::Huge { after, bytes: 2 << 20 }).await;
            let text = answer.text();
            assert_eq!(
                events(&text).iter().filter(|(_, d)| d.len() > 2 << 20).count(),
                1 + usize::from(format == Format::Responses) * 4
            );
            assert!(terminal(format, &text));
        }
    }
}

#[tokio::test]
async fn who_is_dropped_refused_or_kept_waiting_hears_nothing() {
    let fake = Fake::start(Script::default()).await.unwrap();
    for format in Format::ALL {
        fake.next(Script::failing(Failure::Drop), 1);
        let answer = ask(&fake, format).await;
        assert_eq!((answer.status, answer.end), (0, Err(io::ErrorKind::ConnectionReset)));

        fake.next(Script::failing(Failure::Hang), 1);
        let (path, body) = asked(format, "m", true);
        let stream = send(&fake, "POST", &path, "", &body.to_string()).await;
        fake.wait_for(|calls| calls.open == 1).await;
        assert_eq!(stream.try_read(&mut [0; 1]).unwrap_err().kind(), io::ErrorKind::WouldBlock);
        drop(stream);
        fake.wait_for(|calls| calls.open == 0).await;
        let call = fake.calls().last().unwrap().clone();
        assert_eq!((call.ended, call.bytes, call.status), (Some(Ended::Left), 0, None));
    }
    fake.refuse(2);
    for _ in 0..2 {
        let answer = ask(&fake, Format::OpenAi).await;
        assert!(answer.status == 0 && !matches!(answer.end, Ok(true)), "{answer:?}");
    }
    assert_eq!(fake.read(|calls| calls.refused), 2);
    assert_eq!(ask(&fake, Format::OpenAi).await.end, Ok(true));
    fake.close().await;
    let refused = TcpStream::connect(fake.address()).await.unwrap_err();
    assert_eq!(refused.kind(), io::ErrorKind::ConnectionRefused);
}

#[tokio::test]
async fn a_stall_keeps_the_connection_with_and_without_pings() {
    for format in Format::ALL {
        for ping_ms in [0, 1] {
            let fake = Fake::start(Script::failing(Failure::Stall { after: 2, ping_ms })).await.unwrap();
            let (path, body) = asked(format, "m", true);
            let stream = send(&fake, "POST", &path, "", &body.to_string()).await;
            fake.wait_for(|calls| calls.last().is_some_and(|c| c.deltas == 2)).await;
            let before = fake.calls().last().unwrap().bytes;
            // Lines of JSON have no way to say that somebody is there.
            if ping_ms > 0 && format != Format::Ollama {
                fake.wait_for(|calls| calls.last().is_some_and(|c| c.bytes > before + 30)).await;
            }
            let mut reader = Reader { stream, buffer: Vec::new() };
            while !String::from_utf8_lossy(&reader.buffer).contains("river") {
                assert_eq!(reader.more().await, Ok(true));
            }
            let pinged = ["ping\"}", "keepalive", "PROCESSING"].iter().any(|p| {
                String::from_utf8_lossy(&reader.buffer).matches(p).count()
                    > usize::from(format == Format::Anthropic)
            });
            drop(reader);
            fake.wait_for(|calls| calls.open == 0 && calls.open_connections == 0).await;
            let call = fake.calls().last().unwrap().clone();
            assert_eq!((call.ended, call.deltas), (Some(Ended::Left), 2));
            assert!(ping_ms > 0 || !pinged);
        }
    }
}

#[tokio::test]
async fn scripts_are_taken_in_turn_then_the_usual_one() {
    let fake = Fake::start(Script::saying("usual")).await.unwrap();
    assert!(fake.next(Script::failing(Failure::status(503)), 2) && fake.next(Script::saying("once"), 1));
    let mut seen = Vec::new();
    for _ in 0..5 {
        // A look at the list uses nothing up.
        assert_eq!(get(&fake, "/v1/models").await.status, 200);
        let answer = ask(&fake, Format::OpenAi).await;
        seen.push((
            answer.status,
            if answer.status == 200 { words(Format::OpenAi, &answer) } else { String::new() },
        ));
    }
    let ok = |text: &str| (200, text.to_owned());
    assert_eq!(seen, [(503, String::new()), (503, String::new()), ok("once"), ok("usual"), ok("usual")]);
    fake.script(Script::saying("other"));
    assert_eq!(words(Format::OpenAi, &ask(&fake, Format::OpenAi).await), "other");
    fake.reset();
    assert_eq!(words(Format::OpenAi, &ask(&fake, Format::OpenAi).await), "usual");
    assert!(!fake.next(Script::default(), usize::MAX));
}

#[tokio::test]
async fn a_model_or_a_header_brings_its_own_script() {
    let fake = Fake::start(Script::default()).await.unwrap();
    for (model, status) in [("fail-429", 429), ("fail-nonsense", 400), ("fake-tokens-x", 400), ("gpt-9", 200)]
    {
        assert_eq!(ask_model(&fake, Format::Anthropic, model).await.status, status, "{model}");
    }
    let statuses = async |n: usize| {
        let mut all = Vec::new();
        for _ in 0..n {
            all.push(ask_model(&fake, Format::Ollama, "fail-503-times-2").await.status);
        }
        all
    };
    assert_eq!(statuses(4).await, [503, 503, 200, 200]);
    let cut = ask_model(&fake, Format::Gemini, "fail-cut-after-2").await;
    assert_eq!((words(Format::Gemini, &cut), cut.end), (Script::default().said_in(2), Ok(false)));
    let said = ask_model(&fake, Format::Responses, "fake-tokens-3-reasoning-2").await;
    assert!(said.text().contains("reasoning_summary_text.delta"));

    let (path, body) = asked(Format::OpenAi, "fail-500", true);
    let header = "x-fake: {\"text\": \"from the header\"}\r\n";
    let answer = read(send(&fake, "POST", &path, header, &body.to_string()).await).await;
    assert_eq!(words(Format::OpenAi, &answer), "from the header");
    for header in ["x-fake: {\r\n", "x-fake: {\"tokenz\": 1}\r\n", "x-fake: {\"tokens\": 99999999}\r\n"] {
        assert_eq!(read(send(&fake, "POST", &path, header, &body.to_string()).await).await.status, 400);
    }
}
