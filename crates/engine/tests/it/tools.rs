//! The tools at work: called by a model, or read from a person's words.

use std::sync::Arc;

use headwater_core::event::{Body, Event, Outcome, Stage};
use headwater_core::port::desk::{Appointment, AppointmentStatus, Desk, NewAppointment};
use headwater_core::port::provider::{FinishReason, Role};
use headwater_core::{Principal, RunId};
use headwater_engine::assistant::{Assistant, SHIPPED};
use headwater_engine::engine::From;
use headwater_engine::tools::workshop::{long_moment, slot_name, slot_time};
use headwater_engine::{Clock, StartRun};
use serde_json::{Value, json};

use crate::house::{House, ann, ask_in, ending, failure, principal, rest, text};

/// A slot that is free: `YYYY-MM-DDTHH:MM`. The clock of a run is the wall's, so it is looked for.
pub(crate) fn free_slot() -> String {
    let shop = Assistant::parse(SHIPPED).unwrap().workshop.unwrap();
    let now = shop.local(Clock::default().wall());
    let days = (2..20).map(|n| now.date().checked_add(jiff::Span::new().days(n)).unwrap());
    let mut open = days.filter_map(|day| Some((day, shop.takes(day, now).ok()?)));
    let (day, hours) = open.next().unwrap();
    slot_name(*shop.slots(day, hours, now).get(1).unwrap())
}

pub(crate) fn booking(slot: &str) -> String {
    let (date, time) = slot.split_once('T').unwrap();
    json!({"date": date, "time": time, "service": "Oil change"}).to_string()
}

pub(crate) async fn booked(house: &House, who: &Principal) -> Vec<Appointment> {
    let all = house.store.appointments(&who.user, "0000", "9999-12-31T23:59", 100).await.unwrap();
    all.into_iter().filter(|a| a.status == AppointmentStatus::Booked).collect()
}

pub(crate) async fn start(house: &House, who: &Principal, said: &str) -> RunId {
    house.engine.start(who, ask_in("assist", said, "s")).await.unwrap().run
}

pub(crate) async fn log(house: &House, who: &Principal, run: &RunId) -> Vec<Arc<Event>> {
    let mut follow = house.engine.follow(who, run, &From::After(0)).await.unwrap();
    let log = rest(&mut follow).await;
    assert_eq!(ending(&log, 1), Outcome::Completed, "{log:#?}");
    log
}

/// Says it, and the model is not asked.
pub(crate) async fn says(house: &mut House, who: &Principal, said: &str) -> String {
    let run = start(house, who, said).await;
    let mut follow = house.engine.follow(who, &run, &From::After(0)).await.unwrap();
    let log = tokio::select! {
        log = rest(&mut follow) => log,
        act = house.cues.next() => panic!("{said} went to the model: {:?}", act.request.messages.last()),
    };
    assert_eq!(ending(&log, 1), Outcome::Completed, "{log:#?}");
    text(&log)
}

pub(crate) fn returned(log: &[Arc<Event>]) -> Vec<(String, bool, Value)> {
    let of = |e: &Arc<Event>| match &e.body {
        Body::ToolReturned { name, ok, result, .. } => Some((name.clone(), *ok, result.clone())),
        _ => None,
    };
    log.iter().filter_map(of).collect()
}

// Planted faults: the text before a call thrown away; the result told to nobody; usage of the last round only.
#[tokio::test(start_paused = true)]
async fn a_model_books_for_real_and_twice_is_once() {
    let mut house = House::calling();
    let slot = free_slot();
    let mut numbers = Vec::new();
    for _ in 0..2 {
        let run = start(&house, &ann(), "Book an oil change for me").await;
        let mut act = house.cues.next().await;
        let names: Vec<_> = act.request.tools.iter().map(|t| t.name.as_str()).collect();
        assert_eq!(names.len(), 5, "{names:?}");
        assert!(act.request.messages[0].content.contains("At the workshop it is"), "{:?}", act.request);
        act.say("One moment.").await;
        act.call("c1", "book_appointment", &booking(&slot)).await;
        act.end_with(FinishReason::ToolCalls).await;
        let mut act = house.cues.next().await;
        let [.., called, answer] = act.request.messages.as_slice() else { panic!("no messages") };
        assert_eq!((called.role, called.content.as_str()), (Role::Assistant, "One moment."));
        assert_eq!((answer.role, answer.tool_call_id.as_ref()), (Role::Tool, Some(&called.tool_calls[0].id)));
        let told: Value = serde_json::from_str(&answer.content).unwrap();
        assert_eq!((&told["ok"], &told["slot"]), (&json!(true), &json!(slot)), "{told}");
        numbers.push(told["appointment_id"].as_str().unwrap().to_owned());
        act.say("Booked.").await;
        act.end().await;
        let log = log(&house, &ann(), &run).await;
        assert_eq!(text(&log), "One moment.\n\nBooked.");
        let stages = log.iter().filter(|e| matches!(e.body, Body::StageStarted { .. })).count();
        assert_eq!((stages, returned(&log).len()), (4, 1));
        let Body::RunEnded { usage: Some(usage), .. } = &log.last().unwrap().body else { panic!("no usage") };
        assert_eq!((usage.input_tokens, usage.output_tokens), (Some(2), Some(2)));
    }
    assert_eq!(numbers[0], numbers[1]);
    assert!(numbers[0].len() == 18 && numbers[0].starts_with("APT-"), "{numbers:?}");
    let kept = booked(&house, &ann()).await;
    assert_eq!(
        (kept.len(), kept[0].slot.as_str(), kept[0].service.as_str()),
        (1, slot.as_str(), "Oil change")
    );
}

// Planted fault: no bound on the rounds: this hangs.
#[tokio::test(start_paused = true)]
async fn a_model_that_calls_for_ever_is_ended_at_the_bound() {
    let mut house = House::calling();
    let most = headwater_core::limit::TOOL_ROUNDS;
    for speaks in [true, false] {
        let run = start(&house, &ann(), "Book an appointment").await;
        for round in 0..=most {
            let mut act = house.cues.next().await;
            assert_eq!(act.request.tools.is_empty(), round == most, "round {round}");
            if speaks && round == most {
                act.say("I gave up.").await;
            }
            act.call("same", "get_service_pricing", "{}").await;
            act.end_with(FinishReason::ToolCalls).await;
        }
        let mut follow = house.engine.follow(&ann(), &run, &From::After(0)).await.unwrap();
        let log = rest(&mut follow).await;
        assert!(house.cues.try_next().is_none());
        assert_eq!(returned(&log).len(), most);
        // Every call has a name of its own, though the model gave them all the same.
        let names: std::collections::HashSet<_> = log
            .iter()
            .filter_map(|e| if let Body::ToolCalled { call_id, .. } = &e.body { Some(call_id) } else { None })
            .collect();
        assert_eq!(names.len(), most);
        if speaks {
            assert_eq!((ending(&log, 1), text(&log).as_str()), (Outcome::Completed, "I gave up."));
        } else {
            assert_eq!((ending(&log, 1), failure(&log).as_str()), (Outcome::Failed, "provider_failed"));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn calls_at_once_are_bounded() {
    let mut house = House::calling();
    let run = start(&house, &ann(), "Book an appointment").await;
    let mut act = house.cues.next().await;
    for n in 0..=headwater_core::limit::TOOL_CALLS {
        act.call(&format!("c{n}"), "get_service_pricing", "{}").await;
    }
    let log = house.log(&run).await;
    assert_eq!((ending(&log, 1), failure(&log).as_str()), (Outcome::Failed, "provider_failed"));
    assert!(returned(&log).is_empty());
    act.cancelled().await;
}

// Planted fault: a broken call fails the run.
#[tokio::test(start_paused = true)]
async fn broken_calls_are_told_to_the_model() {
    let mut house = House::calling();
    let run = start(&house, &ann(), "Book an appointment").await;
    let mut act = house.cues.next().await;
    let broken = [
        ("book_appointment", "{\"date\": \"2026-", "bad_arguments"),
        ("book_appointment", "[1]", "bad_arguments"),
        ("book_appointment", "{\"date\": \"2026-12-03\"}", "bad_arguments"),
        ("check_available_slots", "{\"date\": \"31 December\"}", "bad_arguments"),
        ("check_available_slots", "{\"date\": \"2026-02-31\"}", "bad_arguments"),
        ("check_available_slots", "{\"date\": 7, \"x\": 1}", "bad_arguments"),
        ("launch_rocket", "{}", "unknown_tool"),
        ("get_service_pricing", "{\"service\": \"paint job\"}", "unknown_service"),
    ];
    for (n, (name, arguments, _)) in broken.iter().enumerate() {
        act.call(&format!("c{n}"), name, arguments).await;
    }
    act.end_with(FinishReason::ToolCalls).await;
    let mut act = house.cues.next().await;
    act.say("Sorry.").await;
    act.end().await;
    let log = log(&house, &ann(), &run).await;
    for ((name, arguments, error), (returned, ok, result)) in broken.iter().zip(returned(&log)) {
        assert_eq!(
            (*name, false, *error),
            (returned.as_str(), ok, result["error"].as_str().unwrap()),
            "{arguments}"
        );
        assert!(result["message"].as_str().unwrap().len() > 10);
    }
    let shown = log.iter().find_map(|e| match &e.body {
        Body::ToolCalled { arguments, .. } => Some(arguments.clone()),
        _ => None,
    });
    assert_eq!(shown, Some(json!({"unreadable": "{\"date\": \"2026-"})));
    assert!(booked(&house, &ann()).await.is_empty());
}

// Planted fault: capacity looked at and booked in two steps.
#[tokio::test(start_paused = true)]
async fn the_last_bay_goes_to_one_of_two() {
    let mut house = House::calling();
    let slot = free_slot();
    let run = start(&house, &ann(), "Book an oil change").await;
    let mut act = house.cues.next().await;
    act.call("c", "book_appointment", &booking(&slot)).await;
    act.end_with(FinishReason::ToolCalls).await;
    let mut act = house.cues.next().await;
    act.say("Booked.").await;
    act.end().await;
    log(&house, &ann(), &run).await;
    // One bay is left, and two want it at once.
    let mut acts = Vec::new();
    for user in ["bob", "cleo"] {
        start(&house, &principal(user), "Book an oil change").await;
        acts.push(house.cues.next().await);
    }
    for mut act in acts {
        act.call("c", "book_appointment", &booking(&slot)).await;
        act.end_with(FinishReason::ToolCalls).await;
    }
    let mut told = Vec::new();
    for _ in 0..2 {
        let act = house.cues.next().await;
        told.push(serde_json::from_str::<Value>(&act.request.messages.last().unwrap().content).unwrap());
        drop(act);
    }
    let yes = told.iter().filter(|t| t["ok"] == true).count();
    assert_eq!(yes, 1, "{told:#?}");
    let no = told.iter().find(|t| t["ok"] == false).unwrap();
    assert_eq!(no["error"], "full");
    assert!(!no["slots"].as_array().unwrap().contains(&json!(slot)));
    assert_eq!(house.store.taken(&slot, &format!("{slot}z")).await.unwrap(), [(slot.clone(), 2)]);
}

#[tokio::test(start_paused = true)]
async fn a_stop_ends_a_run_between_its_rounds() {
    let mut house = House::calling();
    let run = start(&house, &ann(), "Book an appointment").await;
    let mut act = house.cues.next().await;
    act.call("c", "get_service_pricing", "{}").await;
    act.end_with(FinishReason::ToolCalls).await;
    let act = house.cues.next().await;
    assert_eq!(house.engine.stop(&ann(), &run).await.unwrap(), Outcome::Cancelled);
    act.cancelled().await;
    assert_eq!(returned(&house.log(&run).await).len(), 1);
}

#[tokio::test(start_paused = true)]
async fn an_agent_without_tools_is_offered_none() {
    let mut house = House::calling();
    let run = start(&house, &ann(), "What is the engine power?").await;
    let mut act = house.cues.next().await;
    assert!(act.request.tools.is_empty() && !act.request.messages[0].content.contains("workshop it is"));
    act.say("128.").await;
    act.end().await;
    log(&house, &ann(), &run).await;
}

// Planted fault: the follow-up routed by its own words: it goes to the default agent, which has no tools.
#[tokio::test(start_paused = true)]
async fn a_short_answer_stays_with_who_asked() {
    for (said, stays) in [
        ("tomorrow at 10", true),
        ("yes", true),
        ("What is the engine power?", false),
        ("my brakes squeal since Monday", false),
    ] {
        let mut house = House::calling();
        let run = start(&house, &ann(), "Book an appointment").await;
        let mut act = house.cues.next().await;
        act.say("When?").await;
        act.end().await;
        log(&house, &ann(), &run).await;
        let run = start(&house, &ann(), said).await;
        let act = house.cues.next().await;
        assert_eq!(!act.request.tools.is_empty(), stays, "{said}");
        act.end().await;
        log(&house, &ann(), &run).await;
    }
}

#[tokio::test(start_paused = true)]
async fn without_a_calling_model_the_words_are_read() {
    let mut house = House::new();
    let slot = free_slot();
    let (date, time) = slot.split_once('T').unwrap();
    let me = ann();
    let answer = says(&mut house, &me, "I want to book an appointment").await;
    assert!(answer.ends_with("Which service would you like?"), "{answer}");
    assert_eq!(says(&mut house, &me, "an oil change").await, "Which day would you like?");
    let answer = says(&mut house, &me, date).await;
    assert!(answer.contains(time) && answer.ends_with("Which of these would you like to book?"), "{answer}");
    let run = start(&house, &me, time).await;
    let log = log(&house, &me, &run).await;
    let kept = booked(&house, &me).await;
    assert_eq!((kept.len(), kept[0].slot.as_str()), (1, slot.as_str()));
    let moment = long_moment(slot_time(&slot).unwrap());
    let number = &kept[0].id;
    assert_eq!(
        text(&log),
        format!("Booked: Oil change on {moment}. Your appointment number is {number}. Price: from $89.")
    );
    // It says who answered, goes through every stage, and comes in words.
    let stages: Vec<_> = log
        .iter()
        .filter_map(|e| if let Body::StageStarted { stage } = e.body { Some(stage) } else { None })
        .collect();
    assert_eq!(stages, [Stage::Start, Stage::Route, Stage::Retrieve, Stage::Generate]);
    let started = log.iter().find_map(|e| match &e.body {
        Body::ModelStarted { provider, model, label, .. } => {
            Some((provider.clone(), model.clone(), label.clone()))
        }
        _ => None,
    });
    assert_eq!(started, Some(("tools".into(), "parser".into(), Some("deterministic parser".into()))));
    assert!(log.iter().filter(|e| e.body.text().is_some()).count() > 5);
    assert_eq!(returned(&log).len(), 1);
    let answer = says(&mut house, &me, "When is my next appointment?").await;
    assert!(answer.contains(number) && answer.contains(&moment), "{answer}");
    let answer = says(&mut house, &me, "Cancel my appointment").await;
    assert_eq!(answer, format!("Cancelled: Oil change on {moment} ({number})."));
    assert!(booked(&house, &me).await.is_empty());
    let answer = says(&mut house, &me, "Cancel my appointment").await;
    assert!(answer.contains("nothing to cancel"), "{answer}");
    assert_eq!(
        says(&mut house, &me, "How much is an oil change?").await,
        "Prices: Oil change from $89 (about 45 minutes). The price depends on the mileage and on the dealer, who \
         tells you the full price before the work begins. Would you like to book it?"
    );
    assert_eq!(says(&mut house, &me, "yes please").await, "Which day would you like?");
    // A question of the same agent that asks for nothing of the kind goes to the model.
    let run = start(&house, &me, "How often should I change the oil?").await;
    let mut act = house.cues.next().await;
    assert!(act.request.tools.is_empty());
    act.say("Every 10,000 km.").await;
    act.end().await;
    self::log(&house, &me, &run).await;
}

#[tokio::test(start_paused = true)]
async fn refusals_are_words_and_go_on() {
    let mut house = House::new();
    let me = ann();
    let answer = says(&mut house, &me, "Book an oil change for yesterday at 10:00").await;
    assert!(
        answer.contains("is in the past.") && answer.ends_with("Which other day would you like?"),
        "{answer}"
    );
    let answer = says(&mut house, &me, "Sunday").await;
    assert!(answer.contains("closed on Sundays"), "{answer}");
    let slot = free_slot();
    let (date, _) = slot.split_once('T').unwrap();
    let answer = says(&mut house, &me, &format!("{date} at 10:15")).await;
    assert!(
        answer.contains("No appointment begins at 10:15") && answer.ends_with("time would you like?"),
        "{answer}"
    );
    let answer = says(&mut house, &me, "10:00").await;
    assert!(answer.starts_with("Booked: Oil change"), "{answer}");
    let answer = says(&mut house, &me, "Book a timing belt replacement").await;
    assert!(answer.ends_with("Which day would you like?"), "{answer}");
    let answer = says(&mut house, &me, &format!("{date} at 10:00")).await;
    assert!(answer.starts_with("Timing belt replacement cannot be booked here"), "{answer}");
    let answer = says(&mut house, &me, "In 80 weeks I need an appointment for an oil change").await;
    assert!(answer.contains("too far ahead"), "{answer}");
}

// Planted fault: guests not asked for.
#[tokio::test(start_paused = true)]
async fn a_guest_books_nothing() {
    let mut house = House::new();
    let guest = Principal { guest: true, ..ann() };
    let (date, time) = free_slot().split_once('T').map(|(d, t)| (d.to_owned(), t.to_owned())).unwrap();
    let answer = says(&mut house, &guest, &format!("Book oil change on {date} at {time}")).await;
    assert!(answer.contains("people with an account"), "{answer}");
    assert!(booked(&house, &guest).await.is_empty());
}

// Planted fault: the count of a person's appointments without the cap.
#[tokio::test(start_paused = true)]
async fn one_person_holds_only_so_many() {
    let mut house = House::new();
    let slot = free_slot();
    let (date, time) = slot.split_once('T').unwrap();
    let services =
        ["oil change", "brake inspection", "tire rotation", "wheel alignment", "spark plugs", "new battery"];
    let shop = Assistant::parse(SHIPPED).unwrap().workshop.unwrap();
    let day = slot_time(&slot).unwrap().date();
    let now = shop.local(Clock::default().wall());
    let slots = shop.slots(day, shop.takes(day, now).unwrap(), now);
    let next = slots.iter().map(|s| slot_name(*s)).find(|s| *s != slot).unwrap();
    let (_, other) = next.split_once('T').unwrap();
    for (n, service) in services.iter().enumerate() {
        // Two bays a slot: two and two and one.
        let (date, time) = match n {
            0 | 1 => (date.to_owned(), time),
            2 | 3 => (date.to_owned(), other),
            _ => {
                let mut day = day.tomorrow().unwrap();
                while shop.takes(day, now).is_err() {
                    day = day.tomorrow().unwrap();
                }
                (day.to_string(), "10:00")
            }
        };
        let answer = says(&mut house, &ann(), &format!("Book {service} on {date} at {time}")).await;
        let full = n == headwater_core::limit::APPOINTMENTS_OPEN;
        assert_eq!(answer.starts_with("Booked: "), !full, "{service}: {answer}");
        assert_eq!(answer.contains("cancel one first"), full, "{service}: {answer}");
    }
    // What he has already he may ask for again.
    let again = says(&mut house, &ann(), &format!("Book oil change on {date} at {time}")).await;
    assert!(again.starts_with("Booked: "), "{again}");
    assert_eq!(booked(&house, &ann()).await.len(), headwater_core::limit::APPOINTMENTS_OPEN);
}

// Planted fault: an appointment looked for by its number alone.
#[tokio::test(start_paused = true)]
async fn nobody_sees_or_cancels_anothers() {
    let mut house = House::new();
    let slot = free_slot();
    let (date, time) = slot.split_once('T').unwrap();
    let (me, eve) = (ann(), principal("eve"));
    says(&mut house, &me, &format!("Book an oil change on {date} at {time}")).await;
    let number = booked(&house, &me).await[0].id.clone();
    let unknown = says(&mut house, &eve, "cancel APT-19990101000000").await;
    assert_eq!(says(&mut house, &eve, &format!("cancel {number}")).await, unknown);
    let history = says(&mut house, &eve, "show my appointments").await;
    assert!(!history.contains("APT-"), "{history}");
    assert_eq!(booked(&house, &me).await.len(), 1);
}

// Planted fault: a past appointment cancelled.
#[tokio::test(start_paused = true)]
async fn what_has_begun_is_history_and_what_is_near_may_cost() {
    let mut house = House::new();
    let shop = Assistant::parse(SHIPPED).unwrap().workshop.unwrap();
    let now = shop.local(Clock::default().wall());
    let me = ann();
    for (id, hours) in [("APT-20200101000000", -30), ("APT-20200101000001", 20)] {
        let slot = slot_name(now.checked_add(jiff::Span::new().hours(hours)).unwrap());
        let new = NewAppointment {
            id: id.into(),
            owner: me.user.clone(),
            slot,
            service: "Oil change".into(),
            vehicle: None,
            notes: String::new(),
            run: RunId::parse("run_1").unwrap(),
            at: headwater_core::Millis(0),
        };
        house.store.book(new, 9).await.unwrap().unwrap();
    }
    let history = says(&mut house, &me, "Show my appointments").await;
    let (ahead, past) = history.split_once(" Past: ").unwrap();
    assert!(ahead.contains("APT-20200101000001") && past.contains("APT-20200101000000"), "{history}");
    let refused = says(&mut house, &me, "cancel APT-20200101000000").await;
    assert_eq!(refused, "That appointment has begun already and cannot be cancelled.");
    let cancelled = says(&mut house, &me, "cancel apt-20200101000001").await;
    assert!(cancelled.ends_with("the workshop may charge for it."), "{cancelled}");
    assert_eq!(booked(&house, &me).await.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_booking_is_for_the_clients_vehicle_unless_another_is_named() {
    let mut house = House::calling();
    let slot = free_slot();
    let ask = StartRun {
        vehicle_id: Some("car-7".into()),
        customer_id: Some("c-1".into()),
        ..ask_in("assist", "Book an oil change", "s")
    };
    house.engine.start(&ann(), ask).await.unwrap();
    let mut act = house.cues.next().await;
    act.call("c", "book_appointment", &booking(&slot)).await;
    act.end_with(FinishReason::ToolCalls).await;
    house.cues.next().await.end().await;
    let kept = booked(&house, &ann()).await;
    assert_eq!((kept[0].vehicle.as_deref(), kept[0].notes.as_str()), (Some("car-7"), "customer c-1"));
    for ask in [
        StartRun { vehicle_id: Some("x".repeat(200)), ..ask_in("assist", "hi", "s") },
        StartRun { customer_id: Some("a\nb".into()), ..ask_in("assist", "hi", "s") },
    ] {
        assert!(house.engine.start(&ann(), ask).await.is_err());
    }
}
