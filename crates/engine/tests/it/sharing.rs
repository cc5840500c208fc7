//! Sessions that are shared: what a member sees, and what he cannot.

use headwater_core::code::Code;
use headwater_core::event::Outcome;
use headwater_core::port::store::Store;
use headwater_core::{Principal, RunId, SessionId, limit};
use headwater_engine::engine::From;

use crate::house::{House, ann, ask, ask_in, ending, principal, rest, text};

fn session(name: &str) -> SessionId {
    SessionId::parse(name).unwrap()
}

/// A run of this user's in a session, which has ended with this answer.
async fn told(house: &mut House, who: &Principal, name: &str, question: &str, answer: &str) -> RunId {
    let ask = headwater_engine::StartRun { session: Some(session(name)), ..ask("generate", question) };
    let run = house.engine.start(who, ask).await.unwrap().run;
    let mut act = house.cues.next().await;
    act.say(answer).await;
    act.end().await;
    let mut follow = house.engine.follow(who, &run, &From::After(0)).await.unwrap();
    assert_eq!(ending(&rest(&mut follow).await, 1), Outcome::Completed);
    run
}

/// What was said in Ann's session of that name.
async fn said(house: &House, who: &Principal, name: &str) -> Vec<String> {
    let messages =
        house.engine.history(who, Some(&ann().user), &session(name), 100).await.unwrap_or_default();
    messages.into_iter().map(|message| message.content).collect()
}

/// The runs of Ann's session of that name.
async fn listed(house: &House, who: &Principal, name: &str, before: Option<&RunId>) -> Vec<RunId> {
    let runs = house.engine.runs(who, Some(&ann().user), Some(&session(name)), before, 9).await;
    runs.unwrap_or_default().into_iter().map(|run| run.id).collect()
}

fn code<T>(result: Result<T, headwater_core::Error>) -> Code {
    match result {
        Err(error) => error.code,
        Ok(_) => panic!("it was done"),
    }
}

// Planted faults: a session's runs asked of the member himself alone; a run that is not shared taken for a place in the
// list.
#[tokio::test(start_paused = true)]
async fn a_member_reads_what_the_owner_reads() {
    let mut house = House::new();
    let (bob, eve) = (principal("bob"), principal("eve"));
    let first = told(&mut house, &ann(), "s", "one?", "1").await;
    let second = told(&mut house, &ann(), "s", "two?", "2").await;
    let other = told(&mut house, &ann(), "t", "three?", "3").await;
    told(&mut house, &eve, "u", "hers?", "4").await;

    assert_eq!(code(house.engine.newest_run(&bob, &session("s")).await), Code::NotFound);
    house.engine.share(&ann(), &session("s"), &bob.user).await.unwrap();
    house.engine.share(&ann(), &session("s"), &bob.user).await.unwrap();

    for who in [&ann(), &bob] {
        assert_eq!(said(&house, who, "s").await, ["one?", "1", "two?", "2"]);
        assert_eq!(listed(&house, who, "s", None).await, [second.clone(), first.clone()]);
        assert_eq!(listed(&house, who, "s", Some(&second)).await, std::slice::from_ref(&first));
        assert!(listed(&house, who, "s", Some(&first)).await.is_empty());
        let retold = async |before| {
            let told = house.engine.retell(who, Some(&ann().user), &session("s"), before, 9).await.unwrap();
            told.turns.into_iter().map(|turn| turn.run.id).collect::<Vec<_>>()
        };
        assert_eq!(retold(None).await, [first.clone(), second.clone()]);
        assert_eq!(retold(Some(&second)).await, std::slice::from_ref(&first));
        let mut follow = house.engine.follow(who, &first, &From::After(0)).await.unwrap();
        assert_eq!(text(&rest(&mut follow).await), "1");
    }
    // What is not shared is as if it were not, also as a place in a list.
    for before in [&other, &RunId::parse("run_none").unwrap()] {
        let told =
            house.engine.retell(&bob, Some(&ann().user), &session("s"), Some(before), 9).await.unwrap();
        assert!(told.turns.is_empty());
    }
    // The name alone is one of his own, which he does not have.
    assert_eq!(code(house.engine.newest_run(&bob, &session("s")).await), Code::NotFound);
    assert!(house.engine.runs(&bob, None, Some(&session("s")), None, 9).await.unwrap().is_empty());
    assert!(house.engine.history(&bob, None, &session("s"), 9).await.unwrap().is_empty());
    assert_eq!(code(house.engine.retell(&bob, None, &session("s"), None, 9).await), Code::NotFound);
    assert_eq!(code(house.engine.runs(&bob, Some(&ann().user), None, None, 9).await), Code::InvalidRequest);
    assert!(said(&house, &bob, "t").await.is_empty() && listed(&house, &bob, "t", None).await.is_empty());
    assert!(listed(&house, &bob, "s", Some(&other)).await.is_empty());
    assert_eq!(code(house.engine.run(&bob, &other).await), Code::NotFound);
    assert!(said(&house, &eve, "s").await.is_empty() && listed(&house, &eve, "s", None).await.is_empty());
    // His list of all runs is of his own.
    assert!(house.engine.runs(&bob, None, None, None, 9).await.unwrap().is_empty());
    let shared = house.engine.shared_with(&bob, 9).await.unwrap();
    assert_eq!((shared.len(), &shared[0].owner, shared[0].session.as_str()), (1, &ann().user, "s"));

    house.engine.unshare(&ann(), None, &session("s"), &bob.user).await.unwrap();
    assert!(said(&house, &bob, "s").await.is_empty() && listed(&house, &bob, "s", None).await.is_empty());
    assert_eq!(code(house.engine.run(&bob, &first).await), Code::NotFound);
}

// Planted fault: the owner of what a member may see taken for whoever may stop it.
#[tokio::test(start_paused = true)]
async fn a_member_stops_changes_and_shares_nothing() {
    let mut house = House::new();
    let bob = principal("bob");
    let started = house.engine.start(&ann(), ask_in("generate", "hi", "s")).await.unwrap();
    let mut act = house.cues.next().await;
    let s = session("s");
    house.engine.share(&ann(), &s, &bob.user).await.unwrap();
    assert_eq!(code(house.engine.stop(&bob, &started.run).await), Code::NotFound);
    assert_eq!(code(house.engine.own_run(&bob, &started.run).await), Code::NotFound);
    assert_eq!(code(house.engine.members(&bob, &s).await), Code::NotFound);
    assert_eq!(code(house.engine.share(&bob, &s, &principal("eve").user).await), Code::NotFound);
    assert_eq!(code(house.engine.unshare(&bob, None, &s, &bob.user).await), Code::NotFound);
    let anns = Some(&ann().user);
    house.engine.share(&ann(), &s, &principal("eve").user).await.unwrap();
    assert_eq!(code(house.engine.unshare(&bob, anns, &s, &principal("eve").user).await), Code::NotFound);
    // Himself he takes out, once.
    house.engine.unshare(&principal("eve"), anns, &s, &principal("eve").user).await.unwrap();
    assert_eq!(
        code(house.engine.unshare(&principal("eve"), anns, &s, &principal("eve").user).await),
        Code::NotFound
    );
    assert_eq!(house.engine.members(&ann(), &s).await.unwrap(), std::slice::from_ref(&bob.user));
    assert!(!house.store.hide_run(&bob.user, &started.run).await.unwrap());
    assert!(act.say("more").await && !act.is_cancelled(), "it goes on");

    // He follows it while it lives, and who is out meanwhile sees it to its end.
    let mut follow = house.engine.follow(&bob, &started.run, &From::After(0)).await.unwrap();
    house.engine.unshare(&ann(), None, &s, &bob.user).await.unwrap();
    act.end().await;
    assert_eq!(text(&rest(&mut follow).await), "more");
    assert_eq!(code(house.engine.follow(&bob, &started.run, &From::After(0)).await), Code::NotFound);
}

// Planted fault: the prompt's history read as the history route's; Ann's words were told to the model for Bob.
#[tokio::test(start_paused = true)]
async fn what_a_member_sends_is_in_a_session_of_his_own() {
    let mut house = House::new();
    let bob = principal("bob");
    let first = told(&mut house, &ann(), "s", "one?", "1").await;
    house.engine.share(&ann(), &session("s"), &bob.user).await.unwrap();
    let started = house.engine.start(&bob, ask_in("assist", "And what of the engine?", "s")).await.unwrap();
    let mut act = house.cues.next().await;
    assert!(act.request.messages.iter().all(|message| !message.content.contains("one?")));
    act.say("his").await;
    act.end().await;
    let mut follow = house.engine.follow(&bob, &started.run, &From::After(0)).await.unwrap();
    rest(&mut follow).await;
    let own: Vec<_> = house.engine.history(&bob, None, &session("s"), 9).await.unwrap();
    assert_eq!(
        own.iter().map(|m| m.content.as_str()).collect::<Vec<_>>(),
        ["And what of the engine?", "his"]
    );
    assert_eq!(house.engine.newest_run(&bob, &session("s")).await.unwrap().id, started.run);
    for who in [&ann(), &bob] {
        assert_eq!(listed(&house, who, "s", None).await, std::slice::from_ref(&first));
        assert_eq!(said(&house, who, "s").await, ["one?", "1"]);
    }
    house.engine.run(&bob, &first).await.unwrap();
}

// Planted fault: guests let in; their ids are anybody's once their token has run out.
#[tokio::test(start_paused = true)]
async fn what_cannot_be_shared_is_refused() {
    let mut house = House::new();
    told(&mut house, &ann(), "s", "one?", "1").await;
    let (s, bob) = (session("s"), principal("bob"));
    let guest = headwater_engine::ask::new_guest();
    let refused = async |who: &Principal, member: &str| {
        let member = headwater_core::UserId::parse(member).unwrap();
        house.engine.share(who, &s, &member).await.unwrap_err()
    };
    assert_eq!(refused(&ann(), "ann").await.code, Code::InvalidRequest);
    assert_eq!(refused(&ann(), guest.as_str()).await.code, Code::InvalidRequest);
    let visiting = Principal { guest: true, ..ann() };
    assert_eq!(refused(&visiting, "bob").await.code, Code::InvalidRequest);
    // Before anything is said about the other: whose session it is.
    assert_eq!(refused(&bob, "bob").await.code, Code::NotFound);
    assert_eq!(refused(&bob, guest.as_str()).await.code, Code::NotFound);
    for n in 0..limit::MEMBERS {
        let member = principal(&format!("m{n}")).user;
        house.engine.share(&ann(), &s, &member).await.unwrap();
    }
    let error = refused(&ann(), "bob").await;
    assert!(error.code == Code::InvalidRequest && error.message.contains("200"), "{}", error.message);
    assert_eq!(code(house.engine.unshare(&ann(), None, &s, &bob.user).await), Code::NotFound);
    assert_eq!(house.engine.members(&ann(), &s).await.unwrap().len(), limit::MEMBERS);
}
