//! Each clock of the driver, in paused time.

use std::convert::Infallible;

use futures_util::stream;
use headwater_core::port::provider::{FinishReason, ProviderErrorKind};
use tokio::time::{Duration, sleep};

use super::*;
use crate::openai::OpenAi;
use crate::wire::Wire;

const SECOND: Duration = Duration::from_secs(1);
const PING: &str = ": still here\n\n";

fn said(text: &str) -> String {
    format!("data: {{\"choices\":[{{\"delta\":{{\"content\":\"{text}\"}}}}]}}\n\n")
}

fn calling(arguments: &str) -> String {
    format!(
        "data: {{\"choices\":[{{\"delta\":{{\"tool_calls\":[{{\"index\":0,\"function\":{{\"arguments\":\"{arguments}\"}}}}]}}}}]}}\n\n"
    )
}

fn clocks() -> Timeouts {
    Timeouts {
        first_token: 20 * SECOND,
        idle: 5 * SECOND,
        progress: 10 * SECOND,
        whole: 60 * SECOND,
        usage: 2 * SECOND,
        ..Timeouts::default()
    }
}

/// A host that says each of these after so many seconds, and then nothing for ever.
fn host(script: Vec<(u64, String)>) -> Reading {
    read(script, clocks())
}

fn read(script: Vec<(u64, String)>, timeouts: Timeouts) -> Reading {
    read_as(&OpenAi::default(), script, timeouts)
}

fn read_as(wire: &dyn Wire, script: Vec<(u64, String)>, timeouts: Timeouts) -> Reading {
    let said = stream::iter(script).then(|(seconds, text)| async move {
        sleep(seconds as u32 * SECOND).await;
        Ok::<_, Infallible>(Bytes::from(text))
    });
    deltas(said.chain(stream::pending()), wire.framing(), wire.decoder(), timeouts, Instant::now())
}

/// What came out, the words of the error, and the seconds that it took.
async fn outcome(mut reading: Reading) -> (String, String, u64) {
    let start = Instant::now();
    let mut text = String::new();
    loop {
        match reading.next().await {
            Some(Ok(Delta::Text(piece))) => text.push_str(&piece),
            Some(Ok(Delta::End { .. })) => return (text, "end".into(), start.elapsed().as_secs()),
            Some(Ok(Delta::Replay(_))) => {}
            Some(Ok(other)) => panic!("{other:?}"),
            Some(Err(error)) => {
                assert_eq!(error.kind, ProviderErrorKind::Timeout, "{error}");
                assert!(reading.next().await.is_none(), "something after the error");
                return (text, error.message, start.elapsed().as_secs());
            }
            None => panic!("no ending"),
        }
    }
}

fn every(seconds: u64, times: usize, text: &str) -> Vec<(u64, String)> {
    vec![(seconds, text.to_owned()); times]
}

// Planted faults: the first token's clock begun anew by a ping; the idle clock not.
#[tokio::test(start_paused = true)]
async fn pings_keep_a_stream_alive_but_are_no_first_token() {
    let (text, words, took) = outcome(host(every(3, 30, PING))).await;
    assert_eq!((text.as_str(), took), ("", 20));
    assert_eq!(words, "the provider did not begin its answer within 20 s");
    // Without them it is dead after the idle time.
    let (_, words, took) = outcome(host(every(3, 2, PING))).await;
    assert_eq!((words.as_str(), took), ("the provider fell silent: nothing came for 5 s", 6 + 5));
}

// Planted fault: the progress clock begun anew by a ping.
#[tokio::test(start_paused = true)]
async fn a_host_that_only_pings_in_the_middle_does_not_go_on() {
    let script = [every(1, 3, &said("a")), every(2, 30, PING)].concat();
    let (text, words, took) = outcome(host(script)).await;
    assert_eq!((text.as_str(), took), ("aaa", 3 + 10));
    assert_eq!(words, "the provider is there but does not go on: no word for 10 s");
    // A word in between begins it anew.
    let script = [every(1, 1, &said("a")), every(3, 3, PING), every(1, 1, &said("b")), every(3, 9, PING)];
    let (text, _, took) = outcome(host(script.concat())).await;
    assert_eq!((text.as_str(), took), ("ab", 1 + 9 + 1 + 10));
}

// Planted fault: what is gathered of a call not taken for progress.
#[tokio::test(start_paused = true)]
async fn a_long_call_of_a_tool_is_progress_although_nothing_comes_out() {
    let script = [every(1, 1, &said("a")), every(4, 10, &calling("xyz")), every(4, 9, PING)].concat();
    let (text, words, took) = outcome(host(script)).await;
    assert_eq!((text.as_str(), took), ("a", 1 + 40 + 10));
    assert!(words.contains("does not go on"), "{words}");
    // It is a beginning, too.
    let (_, _, took) = outcome(host([every(4, 10, &calling("xyz")), every(4, 9, PING)].concat())).await;
    assert_eq!(took, 40 + 10);
}

#[tokio::test(start_paused = true)]
async fn an_answer_has_a_whole_time_however_well_it_goes() {
    let (text, words, took) = outcome(host(every(1, 100, &said("a")))).await;
    // What comes in that very moment is still read.
    assert_eq!((text.len(), took), (60, 60));
    assert_eq!(words, "the provider did not finish its answer within 60 s");
}

// Planted fault: the usage's clock begun anew by whatever comes.
#[tokio::test(start_paused = true)]
async fn the_usage_is_waited_for_a_little_and_need_not_come() {
    let reason = "data: {\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n";
    let more = "data: {\"something\":\"new\"}\n\n";
    let script = [every(1, 1, &said("a")), every(1, 1, reason), every(1, 20, more)].concat();
    assert_eq!(outcome(host(script)).await, ("a".into(), "end".into(), 2 + 2));
}

// Planted faults: the usage's clock begun once and for all; the whole time forgotten behind a reason.
#[tokio::test(start_paused = true)]
async fn what_is_said_behind_a_reason_is_waited_for_too_but_not_for_ever() {
    let reason = "data: {\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n";
    let script = [every(1, 1, &said("a")), every(1, 1, reason), every(1, 5, &said("b"))].concat();
    assert_eq!(outcome(host(script)).await, ("abbbbb".into(), "end".into(), 2 + 5 + 2));
    let script = [every(1, 1, reason), every(1, 100, &said("b"))].concat();
    let (text, words, took) = outcome(host(script)).await;
    assert_eq!((text.len(), took), (59, 60));
    assert_eq!(words, "the provider did not finish its answer within 60 s");
}

// Planted fault: a reason that was taken back counted on.
#[tokio::test(start_paused = true)]
async fn a_reason_that_is_taken_back_is_none() {
    let part = |part: &str, reason: &str| {
        format!("data: {{\"candidates\":[{{\"content\":{{\"parts\":[{part}]}}{reason}}}]}}\n\n")
    };
    let (text, code) = ("{\"text\":\"a\"}", "{\"executableCode\":{\"code\":\"1\"}}");
    let stop = ",\"finishReason\":\"STOP\"";
    for back in [part(text, ""), part(code, stop), part(code, "")] {
        let shown = if back.contains("text") { "aaa" } else { "aa" };
        let script = vec![(1, part(text, stop)), (1, back), (4, part(text, stop))];
        let reading = read_as(&crate::gemini::Gemini, script, clocks());
        assert_eq!(outcome(reading).await, (shown.into(), "end".into(), 6 + 2));
    }
}

// Planted fault: the clocks not begun anew when the reader comes back.
#[tokio::test(start_paused = true)]
async fn a_readers_own_pauses_are_not_the_hosts() {
    let script = [every(0, 3, &said("a")), every(4, 2, PING), every(1, 1, &said("b"))].concat();
    let mut reading = host(script);
    for _ in 0..3 {
        assert_eq!(reading.next().await, Some(Ok(Delta::Text("a".into()))));
        sleep(11 * SECOND).await;
    }
    assert_eq!(reading.next().await, Some(Ok(Delta::Text("b".into()))));
    sleep(11 * SECOND).await;
    let back = Instant::now();
    assert!(reading.next().await.unwrap().unwrap_err().message.contains("nothing came for 5 s"));
    assert_eq!(back.elapsed(), 5 * SECOND);
}

#[tokio::test(start_paused = true)]
async fn clocks_that_never_strike_are_no_trouble() {
    let never = Duration::MAX;
    let timeouts =
        Timeouts { first_token: never, idle: never, progress: never, whole: never, usage: never, ..clocks() };
    let script = [every(1_000, 3, &said("a")), every(1_000, 1, "data: [DONE]\n\n")].concat();
    assert_eq!(outcome(read(script, timeouts)).await, ("aaa".into(), "end".into(), 4_000));
}

#[tokio::test]
async fn an_answer_without_end_is_given_up() {
    let piece = Bytes::from(said(&"x".repeat(500_000)).repeat(20));
    let wire = OpenAi::default();
    let body = stream::repeat_with(move || Ok::<_, Infallible>(piece.clone()));
    let mut reading = deltas(body, wire.framing(), wire.decoder(), clocks(), Instant::now());
    let mut bytes = 0;
    let error = loop {
        match reading.next().await.unwrap() {
            Ok(Delta::Text(text)) => bytes += text.len() as u64,
            Ok(Delta::End { reason: FinishReason::Stop, .. }) => panic!("an end"),
            Ok(other) => panic!("{other:?}"),
            Err(error) => break error,
        }
    };
    assert_eq!(error.kind, ProviderErrorKind::Failed);
    assert!(bytes <= limit::PROVIDER_ANSWER_BYTES && bytes > limit::PROVIDER_ANSWER_BYTES / 2);
}
