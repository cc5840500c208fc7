//! The whole server over hosts that fail in every way that hosts do, on every format: what a viewer sees, who is
//! asked how often, and that a host hears of it when nobody wants its answer any more.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use headwater_core::limit;
use headwater_core::port::SharedProvider;
use headwater_engine::Settings;
use headwater_fake_provider::{Ended, Failure, Fake, Format as Spoken, Options, Script};
use headwater_providers::chain::{Chain, Healths, Link};
use headwater_providers::host::{Host, HostConfig, Timeouts};
use headwater_providers::metrics::Metrics;
use headwater_providers::preset::Format;
use serde_json::{Value, json};

use crate::house::{Given, House, open_gate};

/// Deltas before what fails in the middle.
const AFTER: u32 = 3;

const FORMATS: [(&str, Spoken); 5] = [
    ("anthropic", Spoken::Anthropic),
    ("openai", Spoken::OpenAi),
    ("responses", Spoken::Responses),
    ("gemini", Spoken::Gemini),
    ("ollama", Spoken::Ollama),
];

/// Where this format is at the fake: what one configures.
fn base_url(fake: &Fake, spoken: Spoken) -> String {
    match spoken {
        // Without the version, as everybody who speaks it says it.
        Spoken::Anthropic => fake.origin(),
        _ => fake.base_url(spoken),
    }
}

fn host(name: &str, fake: &Fake, (format, spoken): (&str, Spoken)) -> HostConfig {
    let wire = Format::parse(format).unwrap().wire();
    // Short where a test waits for it, long everywhere else.
    let short = Duration::from_millis(250);
    let timeouts = Timeouts {
        first_byte: 20 * short,
        first_token: short,
        idle: 2 * short,
        progress: 3 * short,
        ..Timeouts::default()
    };
    HostConfig { model: "fake-model".into(), timeouts, ..HostConfig::new(name, wire, base_url(fake, spoken)) }
}

fn provider(config: HostConfig) -> SharedProvider {
    Arc::new(Host::new(config).unwrap())
}

/// Two hosts under one name, each asked once.
fn one_after_the_other(first: HostConfig, second: HostConfig) -> SharedProvider {
    in_turn(first, 0, second)
}

/// The same, where the first is asked so many times once more.
fn in_turn(first: HostConfig, retries: u32, second: HostConfig) -> SharedProvider {
    let link = |config, retries| Link { retries, ..Link::to(provider(config)) };
    let links = vec![link(first, retries), link(second, 0)];
    Arc::new(Chain::new("default", links, &Healths::new(Metrics::default())).unwrap())
}

fn asked(fake: &Fake) -> usize {
    fake.read(|calls| calls.for_answers().count())
}

async fn house_of(provider: SharedProvider) -> House {
    let settings = Settings { runs_per_user: 1_000, starts: None, ..Settings::default() };
    House::given(Given { gate: open_gate(), settings, provider: Some(provider), ..Given::default() }).await
}

async fn start(house: &House, message_id: &str) -> String {
    let ask = json!({"workflow": "generate", "message": "go", "message_id": message_id, "max_tokens": 4096});
    let answer = house.http("POST", "/api/runs").json(&ask).send().await.unwrap();
    assert!(answer.status().is_success(), "{}", answer.status());
    answer.json::<Value>().await.unwrap()["run_id"].as_str().unwrap().to_owned()
}

/// The whole log of a run, read live to its end.
async fn log(house: &House, run: &str) -> Vec<Value> {
    let path = format!("/api/runs/{run}/events?after=0");
    let body = house.http("GET", &path).send().await.unwrap().text().await.unwrap();
    body.lines().filter_map(|l| l.strip_prefix("data: ")).map(|l| serde_json::from_str(l).unwrap()).collect()
}

fn text(log: &[Value]) -> String {
    log.iter().filter(|e| e["type"] == "token").map(|e| e["text"].as_str().unwrap()).collect()
}

/// Every way to fail, before the first token (0) or behind some.
fn failures(after: u32) -> Vec<Failure> {
    let mut all = vec![
        Failure::Error { after, status: 529 },
        Failure::ErrorField { after },
        Failure::End { after },
        Failure::Cut { after },
        Failure::Reset { after },
        Failure::Stall { after, ping_ms: 0 },
        // A ping says that somebody is there, not that he answers, nor that he goes on.
        Failure::Stall { after, ping_ms: 50 },
        Failure::Malformed { after },
        Failure::Huge { after, bytes: 2 << 20 },
    ];
    if after == 0 {
        all.extend([400, 401, 404, 429, 500, 503, 529].map(Failure::status));
        all.extend([Failure::Drop, Failure::Hang]);
    }
    all
}

/// What a format has no words for.
fn unknown_to(failure: &Failure, spoken: Spoken) -> bool {
    matches!((failure, spoken), (Failure::ErrorField { .. }, Spoken::Ollama))
        || matches!((failure, spoken), (Failure::Stall { ping_ms: 1.., .. }, Spoken::Ollama))
}

// Planted fault: a stand-in that is asked after the first token.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_failure_before_the_first_token_is_answered_by_the_next_host_and_none_after_it() {
    for format in FORMATS {
        let first = Fake::start(Script::default()).await.unwrap();
        let second = Fake::start(Script::saying("the stand-in")).await.unwrap();
        let script = Script::tokens(12);
        for after in [0, AFTER] {
            for failure in failures(after).into_iter().filter(|f| !unknown_to(f, format.1)) {
                let what = format!("{} {failure:?}", format.0);
                first.reset();
                second.reset();
                let mut config = host("a", &first, format);
                if matches!(failure, Failure::Hang) {
                    config.timeouts.first_byte = config.timeouts.first_token;
                }
                first.script(Script { failure: Some(failure), gap_ms: 1, ..script.clone() });
                second.script(Script::saying("the stand-in"));
                let chain = one_after_the_other(config, host("b", &second, format));
                let house = house_of(chain).await;
                let run = start(&house, "m").await;
                let log = log(&house, &run).await;
                let (end, named) =
                    (log.last().unwrap(), log.iter().find(|e| e["type"] == "model_started").unwrap());
                assert_eq!(asked(&first), 1, "{what}");
                if after == 0 {
                    assert_eq!(text(&log), "the stand-in", "{what}: {end}");
                    assert_eq!(
                        (&named["provider"], &end["outcome"]),
                        (&json!("b"), &json!("completed")),
                        "{what}"
                    );
                    assert_eq!(asked(&second), 1, "{what}");
                } else {
                    assert_eq!(text(&log), script.said_in(after), "{what}: {end}");
                    assert_eq!(
                        (&named["provider"], &end["outcome"]),
                        (&json!("a"), &json!("failed")),
                        "{what}"
                    );
                    assert_eq!(
                        (&end["error"]["recoverable"], asked(&second)),
                        (&json!(true), 0),
                        "{what}: {end}"
                    );
                    assert!(end["usage"]["output_tokens"].as_u64().is_some_and(|n| n > 0), "{what}: {end}");
                }
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_host_that_takes_no_connection_has_a_stand_in() {
    for format in FORMATS {
        for closed in [false, true] {
            let what = format!("{} {closed}", format.0);
            let first = Fake::start(Script::tokens(12)).await.unwrap();
            let second = Fake::start(Script::saying("the stand-in")).await.unwrap();
            let chain = one_after_the_other(host("a", &first, format), host("b", &second, format));
            match closed {
                true => first.close().await,
                false => first.refuse(1_000),
            }
            let house = house_of(chain).await;
            let log = log(&house, &start(&house, "m").await).await;
            assert_eq!(
                (text(&log).as_str(), asked(&first), asked(&second)),
                ("the stand-in", 0, 1),
                "{what}"
            );
            assert_eq!(log.last().unwrap()["outcome"], "completed", "{what}");
        }
    }
}

// Planted faults: the header in milliseconds not read; the wait forgotten.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_host_that_is_busy_for_a_moment_is_asked_once_more_when_it_has_passed() {
    // Longer than the pause that is made anyhow. The seconds, which the milliseconds go over, nobody waits for.
    let wait = limit::RETRY_FIRST + Duration::from_millis(50);
    let busy = Failure::Status {
        status: 429,
        retry_after: Some(3_600),
        retry_after_ms: Some(wait.as_millis().try_into().unwrap()),
        message: None,
    };
    let busy = Script { failure: Some(busy), ..Script::default() };
    for (format, for_good) in FORMATS.into_iter().zip([false, false, false, false, true]) {
        let first =
            Fake::start(if for_good { busy.clone() } else { Script::saying("the first") }).await.unwrap();
        let second = Fake::start(Script::saying("the stand-in")).await.unwrap();
        assert!(first.next(busy.clone(), 1));
        let house = house_of(in_turn(host("a", &first, format), 1, host("b", &second, format))).await;
        let log = log(&house, &start(&house, "m").await).await;
        let (said, second_asked) = if for_good { ("the stand-in", 1) } else { ("the first", 0) };
        let seen = (text(&log), asked(&first), asked(&second));
        assert_eq!(seen, (said.to_owned(), 2, second_asked), "{}", format.0);
        let paused = first.read(|calls| {
            let times: Vec<_> = calls.for_answers().map(|c| (c.asked_us, c.ended_us.unwrap())).collect();
            times[1].0 - times[0].1
        });
        // By the fake's own clock, which stands on the same machine: never less than was asked for.
        assert!(u128::from(paused) >= wait.as_micros(), "{}: {paused} us", format.0);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_of_every_format_comes_through_with_thoughts_usage_and_its_end() {
    for format in FORMATS {
        let script = Script { reasoning: 4, bytes_per_write: 7, ..Script::tokens(20) };
        let fake = Fake::start(script.clone()).await.unwrap();
        let house = house_of(provider(host("a", &fake, format))).await;
        let log = log(&house, &start(&house, "m").await).await;
        let end = log.last().unwrap();
        assert_eq!((text(&log), &end["outcome"]), (script.said(), &json!("completed")), "{}", format.0);
        let thought: String =
            log.iter().filter(|e| e["type"] == "reasoning").map(|e| e["text"].as_str().unwrap()).collect();
        assert_eq!(thought, script.thought(), "{}", format.0);
        assert_eq!(end["usage"]["input_tokens"], 25, "{}: {end}", format.0);
        assert!(end["usage"].get("estimated").is_none(), "{}: {end}", format.0);
    }
}

// Planted fault: the message id forgotten.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_double_submits_are_one_call() {
    let fake = Fake::start(Script { gap_ms: 2, ..Script::tokens(30) }).await.unwrap();
    let house = house_of(provider(host("a", &fake, FORMATS[1]))).await;
    let runs = join_all((0..100).map(|_| start(&house, "the same"))).await;
    assert!(runs.iter().all(|run| *run == runs[0]));
    assert_eq!(log(&house, &runs[0]).await.last().unwrap()["outcome"], "completed");
    assert_eq!(fake.read(|calls| calls.for_answers().count()), 1);
}

// Planted fault: one connection for all.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn answers_of_250_runs_stream_at_once_from_an_http_2_host_with_a_limit_of_100_and_each_stop_is_heard() {
    let script = Script { gap_ms: 100, ..Script::tokens(100_000) };
    let fake = Fake::start_with(Options { script, tls: true, ..Options::default() }).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let pem = folder.path().join("ca.pem");
    std::fs::write(&pem, fake.certificate().unwrap()).unwrap();
    let mut config = host("a", &fake, FORMATS[1]);
    (config.ca_file, config.timeouts) = (Some(pem), Timeouts::default());
    let house = house_of(provider(config)).await;
    // The first tells that the host speaks HTTP/2; before that whoever asks opens a connection of his own.
    let mut runs = vec![start(&house, "m0").await];
    fake.wait_for(|calls| calls.last().is_some_and(|c| c.deltas > 0)).await;
    let names: Vec<_> = (1..250).map(|n| format!("m{n}")).collect();
    runs.extend(join_all(names.iter().map(|name| start(&house, name))).await);
    fake.wait_for(|calls| calls.open == 250 && calls.for_answers().all(|c| c.deltas > 0)).await;
    fake.read(|calls| {
        assert!(calls.for_answers().all(|c| c.http == "2"));
        assert!(calls.connections < 250, "{} connections", calls.connections);
    });
    let stops = runs.iter().map(|run| house.http("POST", &format!("/api/runs/{run}/stop")).send());
    assert!(join_all(stops).await.into_iter().all(|answer| answer.unwrap().status().is_success()));
    fake.wait_for(|calls| calls.open == 0).await;
    fake.read(|calls| assert!(calls.for_answers().all(|c| c.ended == Some(Ended::Left))));
}
