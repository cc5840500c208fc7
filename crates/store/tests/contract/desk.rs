//! Appointments, questions that wait for a person, opinions.

use std::sync::Arc;

use headwater_core::port::SharedStore;
use headwater_core::port::desk::{Appointment, AppointmentStatus, Escalation, Feedback, NewAppointment};
use headwater_core::{Millis, limit};

use crate::given::{File, run_id, session_id, user_id};

clauses! {
    an_appointment_is_as_it_was_asked_for
    a_slot_takes_as_many_as_there_is_room_for
    asking_for_the_same_appointment_again_is_the_one_there_is
    of_many_that_want_the_last_place_one_gets_it
    a_taken_name_is_counted_on
    a_name_that_cannot_be_counted_on_is_refused
    an_appointment_is_called_off_once
    appointments_come_by_slot
    taken_slots_are_counted_for_everybody
    appointments_of_another_do_not_exist
    a_session_waits_once
    who_waits_longest_comes_first
    an_escalation_is_closed_once
    of_one_owner_only_so_many_wait
    escalations_of_two_do_not_mix
    an_opinion_replaces_the_one_before
    opinions_of_another_do_not_exist
    of_one_owner_so_many_opinions_are_kept
}

pub(crate) fn appointment(owner: &str, slot: &str, service: &str) -> NewAppointment {
    NewAppointment {
        id: "APT-20260310095958".into(),
        owner: user_id(owner),
        slot: slot.into(),
        service: service.into(),
        vehicle: Some("GenAuto X1 \"\\\0'".into()),
        notes: "brakes squeal; 😀".into(),
        run: run_id("r"),
        at: Millis(7),
    }
}

async fn booked(store: &SharedStore, new: NewAppointment) -> Appointment {
    store.book(new, 100).await.unwrap().unwrap()
}

async fn ids(store: &SharedStore, owner: &str) -> Vec<String> {
    let all = store.appointments(&user_id(owner), "", "~", 1_000).await.unwrap();
    all.into_iter().map(|a| a.id).collect()
}

async fn an_appointment_is_as_it_was_asked_for(store: SharedStore) {
    let made = booked(&store, appointment("u", "2026-03-12T09:00", "oil")).await;
    assert_eq!((made.id.as_str(), made.slot.as_str()), ("APT-20260310095958", "2026-03-12T09:00"));
    assert_eq!((made.service.as_str(), made.status), ("oil", AppointmentStatus::Booked));
    assert_eq!(made.vehicle.as_deref(), Some("GenAuto X1 \"\\\0'"));
    assert_eq!((made.notes.as_str(), made.created_at), ("brakes squeal; 😀", Millis(7)));
    assert_eq!(store.appointments(&user_id("u"), "2026", "2027", 10).await.unwrap(), [made]);
    let none = NewAppointment { vehicle: None, ..appointment("u", "2026-03-12T10:00", "oil") };
    assert_eq!(booked(&store, none).await.vehicle, None);
}

/// Planted once: cancelled ones counted as well, and those of every slot.
async fn a_slot_takes_as_many_as_there_is_room_for(store: SharedStore) {
    let slot = "2026-03-12T09:00";
    for n in 0..3 {
        let user = format!("u{n}");
        let made = store.book(appointment(&user, slot, "oil"), 2).await.unwrap();
        assert_eq!(made.is_some(), n < 2, "{n}");
    }
    assert!(store.book(appointment("u2", "2026-03-12T10:00", "oil"), 2).await.unwrap().is_some());
    assert!(store.book(appointment("u3", slot, "oil"), 0).await.unwrap().is_none());
    let first = ids(&store, "u0").await;
    store.cancel_appointment(&user_id("u0"), &first[0]).await.unwrap().unwrap();
    assert!(store.book(appointment("u2", slot, "oil"), 2).await.unwrap().is_some(), "a place is free again");
    assert!(store.book(appointment("u0", slot, "oil"), 2).await.unwrap().is_none());
    assert!(store.book(appointment("u0", slot, "oil"), 3).await.unwrap().is_some());
}

async fn asking_for_the_same_appointment_again_is_the_one_there_is(store: SharedStore) {
    let slot = "2026-03-12T09:00";
    let made = store.book(appointment("u", slot, "oil"), 1).await.unwrap().unwrap();
    let again = NewAppointment { notes: "other".into(), at: Millis(9), ..appointment("u", slot, "oil") };
    assert_eq!(store.book(again.clone(), 1).await.unwrap(), Some(made.clone()), "also where it is full");
    assert_eq!(ids(&store, "u").await.len(), 1);
    // Another service, slot or owner is another appointment.
    assert!(store.book(appointment("u", slot, "tyres"), 1).await.unwrap().is_none());
    assert_ne!(booked(&store, appointment("u", slot, "tyres")).await.id, made.id);
    assert_ne!(booked(&store, appointment("v", slot, "oil")).await.id, made.id);
    // One that was called off is not the one there is.
    store.cancel_appointment(&user_id("u"), &made.id).await.unwrap().unwrap();
    let anew = booked(&store, again).await;
    assert!(anew.id != made.id && anew.notes == "other" && anew.status == AppointmentStatus::Booked);
}

async fn of_many_that_want_the_last_place_one_gets_it(store: SharedStore) {
    let mut all = tokio::task::JoinSet::new();
    for n in 0..60 {
        let store = Arc::clone(&store);
        let new = appointment(&format!("u{}", n % 30), "2026-03-12T09:00", "oil");
        all.spawn(async move { (new.owner.clone(), store.book(new, 4).await.unwrap()) });
    }
    let mut got: Vec<_> = all.join_all().await.into_iter().filter_map(|(o, a)| Some((o, a?.id))).collect();
    assert!(got.len() <= 8, "four owners, each at most twice the same");
    got.sort();
    got.dedup();
    assert_eq!(got.len(), 4);
    assert_eq!(store.taken("", "~").await.unwrap(), [("2026-03-12T09:00".to_owned(), 4)]);
}

async fn a_taken_name_is_counted_on(store: SharedStore) {
    let mut names = Vec::new();
    for n in 0..4 {
        names.push(booked(&store, appointment(&format!("u{n}"), "2026-03-12T09:00", "oil")).await.id);
    }
    let expected = ["APT-20260310095958", "APT-20260310095959", "APT-20260310090000", "APT-20260310090001"];
    assert_eq!(names, expected, "its last two fields, and no other");
    let other = NewAppointment { id: "APT-20260310090001".into(), ..appointment("u", "2026", "oil") };
    assert_eq!(booked(&store, other).await.id, "APT-20260310090002");
    // A name stays taken when its appointment was called off.
    store.cancel_appointment(&user_id("u0"), expected[0]).await.unwrap().unwrap();
    let other = booked(&store, appointment("u", "2026-04", "oil")).await;
    assert_eq!(other.id, "APT-20260310090003");
}

async fn a_name_that_cannot_be_counted_on_is_refused(store: SharedStore) {
    for name in ["", "x", "é", "APT-9999", "APT-+1+2", "ééé"] {
        let named = |owner| NewAppointment { id: name.into(), ..appointment(owner, "2026", name) };
        booked(&store, named("u")).await;
        assert!(store.book(named("v"), 100).await.is_err(), "{name}");
        assert!(ids(&store, "v").await.is_empty());
    }
}

async fn an_appointment_is_called_off_once(store: SharedStore) {
    let made = booked(&store, appointment("u", "2026-03-12T09:00", "oil")).await;
    let off = Appointment { status: AppointmentStatus::Cancelled, ..made.clone() };
    for _ in 0..2 {
        let said = store.cancel_appointment(&user_id("u"), &made.id).await.unwrap();
        assert_eq!(said, Some(off.clone()));
    }
    assert_eq!(store.appointments(&user_id("u"), "2026", "2027", 10).await.unwrap(), [off]);
    assert!(store.taken("", "~").await.unwrap().is_empty());
    assert_eq!(store.cancel_appointment(&user_id("u"), "APT-none").await.unwrap(), None);
}

async fn appointments_come_by_slot(store: SharedStore) {
    let u = user_id("u");
    for slot in ["2026-03-12T09:00", "2026-03-11T16:00", "2026-03-13T08:00", "2026-03-12T08:59"] {
        booked(&store, appointment("u", slot, "oil")).await;
    }
    booked(&store, appointment("u", "2026-03-12T09:00", "a second")).await;
    let slots = |all: Vec<Appointment>| all.into_iter().map(|a| a.slot[8..].to_owned()).collect::<Vec<_>>();
    let all = store.appointments(&u, "2026-03-12", "2026-03-13", 10).await.unwrap();
    assert_eq!(all.last().map(|a| a.service.as_str()), Some("a second"), "of one slot by their making");
    assert_eq!(slots(all), ["12T08:59", "12T09:00", "12T09:00"]);
    let exact = store.appointments(&u, "2026-03-12T09:00", "2026-03-13T08:00", 10).await.unwrap();
    assert_eq!(slots(exact), ["12T09:00", "12T09:00"], "from is in, until is not");
    let two = store.appointments(&u, "", "~", 2).await.unwrap();
    assert_eq!(slots(two), ["11T16:00", "12T08:59"], "the earliest");
    assert!(store.appointments(&u, "", "~", 0).await.unwrap().is_empty());
    assert!(store.appointments(&u, "2027", "2026", 10).await.unwrap().is_empty());
}

async fn taken_slots_are_counted_for_everybody(store: SharedStore) {
    for (owner, slot) in [("u", "b"), ("v", "b"), ("u", "a"), ("w", "c"), ("x", "d")] {
        booked(&store, appointment(owner, slot, "oil")).await;
    }
    let w = ids(&store, "w").await;
    store.cancel_appointment(&user_id("w"), &w[0]).await.unwrap().unwrap();
    let taken = store.taken("a", "d").await.unwrap();
    assert_eq!(taken, [("a".to_owned(), 1), ("b".to_owned(), 2)]);
}

/// Planted once: the owner left out of the cancellation. The other's appointment was called off.
async fn appointments_of_another_do_not_exist(store: SharedStore) {
    let made = booked(&store, appointment("u", "2026-03-12T09:00", "oil")).await;
    assert_eq!(store.cancel_appointment(&user_id("v"), &made.id).await.unwrap(), None);
    assert!(ids(&store, "v").await.is_empty());
    assert_eq!(store.appointments(&user_id("u"), "", "~", 10).await.unwrap(), [made]);
}

pub(crate) fn escalation(id: &str, owner: &str, session: &str, at: i64) -> Escalation {
    Escalation {
        id: id.into(),
        owner: user_id(owner),
        session: session_id(session),
        run: run_id("r"),
        reason: "user_request".into(),
        created_at: Millis(at),
        closed_at: None,
    }
}

/// Planted once: closed ones looked at as well. The session could never wait again.
async fn a_session_waits_once(store: SharedStore) {
    let first = escalation("ESC-1", "u", "s", 5);
    assert_eq!(store.escalate(first.clone()).await.unwrap(), first);
    let mut again = escalation("ESC-2", "u", "s", 6);
    again.run = run_id("another");
    assert_eq!(store.escalate(again.clone()).await.unwrap(), first, "the one that waits");
    assert_eq!(store.waiting(10).await.unwrap(), std::slice::from_ref(&first));
    // A danger is news, also where somebody waits already; a doubt after it is none.
    again.reason = "safety_concern".into();
    let graver = Escalation { reason: again.reason.clone(), run: again.run.clone(), ..first.clone() };
    assert_eq!(store.escalate(again.clone()).await.unwrap(), graver);
    assert_eq!(store.escalate(first).await.unwrap(), graver);
    assert_eq!(store.waiting(10).await.unwrap(), [graver]);
    assert!(store.close_escalation("ESC-1", Millis(9)).await.unwrap());
    assert_eq!(store.escalate(again.clone()).await.unwrap(), again);
    assert!(store.escalate(escalation("ESC-2", "u", "other", 7)).await.is_err(), "a name is used once");
    assert_eq!(store.waiting(10).await.unwrap(), [again]);
}

async fn who_waits_longest_comes_first(store: SharedStore) {
    for (id, at) in [("c", 5), ("a", 9), ("b", 1), ("d", 5)] {
        store.escalate(escalation(id, "u", id, at)).await.unwrap();
    }
    let names = |all: Vec<Escalation>| all.into_iter().map(|e| e.id).collect::<Vec<_>>();
    assert_eq!(names(store.waiting(10).await.unwrap()), ["b", "c", "d", "a"]);
    assert_eq!(names(store.waiting(2).await.unwrap()), ["b", "c"]);
    assert!(store.waiting(0).await.unwrap().is_empty());
    assert_eq!(names(store.waiting_since(Millis(5), 10).await.unwrap()), ["c", "d", "a"]);
    assert_eq!(names(store.waiting_since(Millis(6), 10).await.unwrap()), ["a"]);
    assert_eq!(names(store.waiting_since(Millis(5), 2).await.unwrap()), ["d", "a"], "the newest");
}

/// Planted once: the owner's number not asked for.
async fn of_one_owner_only_so_many_wait(store: SharedStore) {
    let most = limit::ESCALATIONS_PER_USER;
    for n in 0..most {
        let name = format!("e{n}");
        store.escalate(escalation(&name, "u", &name, n as i64)).await.unwrap();
    }
    let last = format!("e{}", most - 1);
    assert_eq!(store.escalate(escalation("more", "u", "more", 99)).await.unwrap().id, last);
    assert_eq!(store.waiting(2 * most).await.unwrap().len(), most);
    assert_eq!(store.escalate(escalation("other", "v", "s", 99)).await.unwrap().id, "other");
    assert!(store.close_escalation("e0", Millis(100)).await.unwrap());
    assert_eq!(store.escalate(escalation("more", "u", "more", 101)).await.unwrap().id, "more");
}

async fn an_escalation_is_closed_once(store: SharedStore) {
    store.escalate(escalation("a", "u", "s", 1)).await.unwrap();
    assert!(!store.close_escalation("b", Millis(2)).await.unwrap());
    assert!(store.close_escalation("a", Millis(2)).await.unwrap());
    assert!(!store.close_escalation("a", Millis(3)).await.unwrap());
    assert!(store.waiting(10).await.unwrap().is_empty());
}

async fn escalations_of_two_do_not_mix(store: SharedStore) {
    let of_u = store.escalate(escalation("a", "u", "s", 1)).await.unwrap();
    let of_v = store.escalate(escalation("b", "v", "s", 2)).await.unwrap();
    assert_eq!((of_u.id.as_str(), of_v.id.as_str()), ("a", "b"), "the same session's name, another session");
    assert!(store.close_escalation("a", Millis(2)).await.unwrap());
    assert_eq!(store.waiting(10).await.unwrap(), [of_v]);
}

fn opinion(owner: &str, message: &str, positive: bool) -> Feedback {
    let comment = (!positive).then(|| "wrong ' \0 😀".to_owned());
    Feedback { owner: user_id(owner), message_id: message.into(), positive, comment, at: Millis(3) }
}

async fn an_opinion_replaces_the_one_before(store: SharedStore) {
    assert_eq!(store.feedback_counts().await.unwrap(), (0, 0));
    for (positive, counts) in [(true, (1, 0)), (false, (0, 1)), (false, (0, 1)), (true, (1, 0))] {
        let given = opinion("u", "m", positive);
        store.give_feedback(given.clone()).await.unwrap();
        assert_eq!(store.feedback(&user_id("u"), "m").await.unwrap(), Some(given));
        assert_eq!(store.feedback_counts().await.unwrap(), counts);
    }
    store.give_feedback(opinion("u", "n", false)).await.unwrap();
    assert_eq!(store.feedback_counts().await.unwrap(), (1, 1));
}

async fn opinions_of_another_do_not_exist(store: SharedStore) {
    store.give_feedback(opinion("u", "m", true)).await.unwrap();
    assert_eq!(store.feedback(&user_id("v"), "m").await.unwrap(), None);
    store.give_feedback(opinion("v", "m", false)).await.unwrap();
    assert_eq!(store.feedback(&user_id("u"), "m").await.unwrap(), Some(opinion("u", "m", true)));
    assert_eq!(store.feedback_counts().await.unwrap(), (1, 1));
}

/// Planted twice: nothing forgotten; and the owner not asked for, where another's opinion went.
async fn of_one_owner_so_many_opinions_are_kept(store: SharedStore) {
    let given = |n: usize, at: usize| Feedback {
        at: Millis(i64::try_from(at).unwrap()),
        ..opinion("u", &format!("m{n:05}"), true)
    };
    store.give_feedback(Feedback { at: Millis(0), ..opinion("v", "m", false) }).await.unwrap();
    let most = limit::FEEDBACK_PER_USER;
    let mut all = tokio::task::JoinSet::new();
    for n in 0..most {
        let (store, given) = (Arc::clone(&store), given(n, 10 + n / 2));
        all.spawn(async move { store.give_feedback(given).await.unwrap() });
    }
    all.join_all().await;
    let there = async |n: usize| store.feedback(&user_id("u"), &format!("m{n:05}")).await.unwrap().is_some();
    let good = u64::try_from(most).unwrap();
    assert_eq!(store.feedback_counts().await.unwrap(), (good, 1));
    // In place of one that is there: nothing goes, and it is no longer the oldest.
    store.give_feedback(given(0, 1_000_000)).await.unwrap();
    assert_eq!(store.feedback_counts().await.unwrap(), (good, 1));
    // A new one, older than all: what goes is the oldest of the others.
    store.give_feedback(given(most, 1)).await.unwrap();
    assert_eq!(store.feedback_counts().await.unwrap(), (good, 1));
    assert!(there(0).await && !there(1).await && there(2).await && there(most).await);
    store.give_feedback(given(most + 1, 2_000_000)).await.unwrap();
    assert!(!there(most).await && there(2).await && there(most + 1).await);
    store.give_feedback(given(most + 2, 2_000_000)).await.unwrap();
    assert!(!there(2).await && there(3).await, "of one time by its name");
}

#[tokio::test]
async fn a_booking_survives_reopening() {
    let file = File::new();
    let store: SharedStore = Arc::new(file.open());
    let made = booked(&store, appointment("u", "2026-03-12T09:00", "oil")).await;
    let waits = store.escalate(escalation("a", "u", "s", 1)).await.unwrap();
    store.give_feedback(opinion("u", "m", false)).await.unwrap();
    drop(store);
    let store: SharedStore = Arc::new(file.open());
    assert_eq!(store.appointments(&user_id("u"), "", "~", 10).await.unwrap(), [made]);
    assert_eq!(store.waiting(10).await.unwrap(), [waits]);
    assert_eq!(store.feedback(&user_id("u"), "m").await.unwrap(), Some(opinion("u", "m", false)));
    assert!(store.book(appointment("v", "2026-03-12T09:00", "oil"), 1).await.unwrap().is_none());
}
