//! What people may ask of the engine besides a run's events.

use headwater_core::code::Code;
use headwater_engine::engine::From;

use crate::house::{House, ann, ask_in};

#[tokio::test(start_paused = true)]
async fn runs_are_listed_newest_first_by_session_and_page() {
    let mut house = House::new();
    let mut made = Vec::new();
    for n in 0..6 {
        let session = if n % 2 == 0 { "even" } else { "odd" };
        made.push(house.engine.start(&ann(), ask_in("generate", "hi", session)).await.unwrap().run);
        house.cues.next().await.end().await;
    }
    made.reverse();
    let ids = |runs: Vec<headwater_core::run::Run>| runs.into_iter().map(|r| r.id).collect::<Vec<_>>();
    assert_eq!(ids(house.engine.runs(&ann(), None, None, None, 10).await.unwrap()), made);
    assert_eq!(ids(house.engine.runs(&ann(), None, None, Some(&made[1]), 2).await.unwrap()), made[2..4]);
    let odd = headwater_core::SessionId::parse("odd").unwrap();
    assert_eq!(house.engine.runs(&ann(), None, Some(&odd), None, 10).await.unwrap().len(), 3);
    assert_eq!(house.engine.newest_run(&ann(), &odd).await.unwrap().id, made[0]);
}

#[tokio::test(start_paused = true)]
async fn a_log_can_be_read_in_pages() {
    let mut house = House::new();
    let (run, mut act) = house.begin().await;
    for n in 0..1_500 {
        act.say(format!("{n} ")).await;
    }
    act.end().await;
    let log = house.log(&run).await;
    let (mut paged, mut pages) = (Vec::new(), 0);
    loop {
        let after = paged.last().map_or(0, |e: &std::sync::Arc<headwater_core::event::Event>| e.seq);
        let (_, page) = house.engine.page(&ann(), &run, &From::After(after)).await.unwrap();
        if page.is_empty() {
            break;
        }
        paged.extend(page);
        pages += 1;
    }
    assert_eq!(paged, log);
    assert!(pages >= 3);
    house.store.faults().fail_reads(1);
    assert_eq!(house.engine.page(&ann(), &run, &From::After(0)).await.unwrap_err().code, Code::StoreFailed);
}
