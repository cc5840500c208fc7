//! What is heard in a person's words, and the calendar's rules, as tables.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use headwater_core::Millis;
use jiff::civil::{Date, DateTime, date, datetime};
use jiff::tz::TimeZone;

use super::dialog::{Exchange, Step, understand};
use super::hear::{Heard, hear};
use super::say::Question;
use super::wish::Wish;
use super::workshop::{clock, slot_name};
use super::*;
use crate::assistant::{Assistant, SHIPPED};

fn shop() -> Workshop {
    Assistant::parse(SHIPPED).unwrap_or_else(|p| panic!("{}", p.join("\n"))).workshop.expect("a workshop")
}

/// A Wednesday.
const NOW: DateTime = datetime(2026, 12, 2, 10, 30, 0, 0);

fn millis(at: DateTime) -> Millis {
    Millis(at.to_zoned(TimeZone::UTC).unwrap().timestamp().as_millisecond())
}

fn heard(text: &str) -> Heard {
    hear(text, NOW, &shop(), false)
}

#[test]
fn days() {
    let today = NOW.date();
    let in_days = |n: i64| today.checked_add(jiff::Span::new().days(n)).unwrap();
    let table: &[(&str, Date)] = &[
        ("on 2026-12-03", date(2026, 12, 3)),
        ("2026/12/3", date(2026, 12, 3)),
        ("3 December", date(2026, 12, 3)),
        ("the 3rd of December", date(2026, 12, 3)),
        ("Dec 3rd, please", date(2026, 12, 3)),
        ("December the 3rd", date(2026, 12, 3)),
        ("December 3, 2026", date(2026, 12, 3)),
        ("3 dec 2026 at 10", date(2026, 12, 3)),
        ("sept. 1st", date(2027, 9, 1)),
        ("1 December", date(2027, 12, 1)),
        ("5 may", date(2027, 5, 5)),
        ("12/25", date(2026, 12, 25)),
        ("25/12", date(2026, 12, 25)),
        ("25/12/26", date(2026, 12, 25)),
        ("3.12.2026", date(2026, 12, 3)),
        ("29 February", date(2028, 2, 29)),
        ("on the 15th", date(2026, 12, 15)),
        ("the 1st", date(2027, 1, 1)),
        ("the 31st", date(2026, 12, 31)),
        ("today", today),
        ("tomorrow morning", in_days(1)),
        ("the day after tomorrow", in_days(2)),
        ("yesterday", in_days(-1)),
        ("in two days", in_days(2)),
        ("in 3 days", in_days(3)),
        ("in a week", in_days(7)),
        ("in a couple of weeks", in_days(14)),
        ("two weeks from now", in_days(14)),
        ("in a month", date(2027, 1, 2)),
        ("Monday", date(2026, 12, 7)),
        ("on thursdays", date(2026, 12, 3)),
        ("Thursday", date(2026, 12, 3)),
        ("Wednesday", date(2026, 12, 9)),
        ("this Wednesday", today),
        ("this Friday", date(2026, 12, 4)),
        ("next Tuesday", date(2026, 12, 8)),
        ("next Friday", date(2026, 12, 11)),
        ("Friday next week", date(2026, 12, 11)),
        ("next week on Monday", date(2026, 12, 7)),
        ("tue", date(2026, 12, 8)),
        ("on sat", date(2026, 12, 5)),
        ("Sat", date(2026, 12, 5)),
        ("at the weekend", date(2026, 12, 5)),
        ("Thursday 3 December", date(2026, 12, 3)),
        ("tomorrow, Thursday", date(2026, 12, 3)),
        ("2026-12-03T10:00", date(2026, 12, 3)),
    ];
    for (text, date) in table {
        let heard = heard(text);
        assert_eq!(heard.day.as_ref().map(|d| d.date), Some(*date), "{text}: {heard:?}");
    }
    for text in [
        "10,000 km",
        "the sun visor",
        "it sat there",
        "I may come",
        "march on",
        "30 psi",
        "10.30",
        "in 2 hours",
        "next week",
        "the second one",
        "wed to it for so long",
        "",
    ] {
        assert_eq!(heard(text).day, None, "{text}");
    }
}

#[test]
fn a_doubtful_day_is_read_aloud_and_an_impossible_one_is_asked_for_again() {
    let note = |text| heard(text).day.unwrap().note;
    assert_eq!(note("12/03").as_deref(), Some("I read 12/03 as Thursday, 3 December 2026."));
    assert_eq!(note("next Friday").as_deref(), Some("I read “next Friday” as Friday, 11 December 2026."));
    for text in ["12/12", "25/12", "3 December", "Friday", "next Tuesday", "2026-12-03", "03.12.2026"] {
        assert_eq!(note(text), None, "{text}");
    }
    let mut european = shop();
    european.day_first = true;
    assert_eq!(hear("12/03", NOW, &european, false).day.unwrap().date, date(2027, 3, 12));
    for (text, words) in [
        ("31 February", "There is no 31 february in the calendar."),
        ("2026-13-01", "There is no 2026-13-01 in the calendar."),
        ("13/13", "There is no 13/13 in the calendar."),
        ("Friday 3 December", "Thursday, 3 December 2026 is a Thursday, not a Friday."),
        ("Monday or Tuesday", "You named more than one day."),
        ("3 or 4 December or 5 December", "You named more than one day."),
    ] {
        assert_eq!(heard(text).no_day.map(|no| no.0).as_deref(), Some(words), "{text}");
    }
}

#[test]
fn times() {
    for (text, time) in [
        ("at 10:00", "10:00"),
        ("10:30 please", "10:30"),
        ("10am", "10:00"),
        ("at 10 a.m.", "10:00"),
        ("2 pm", "14:00"),
        ("2:30pm", "14:30"),
        ("12 pm", "12:00"),
        ("12 am", "00:00"),
        ("at 3", "15:00"),
        ("at 8", "08:00"),
        ("at 10.30", "10:30"),
        ("at ten", "10:00"),
        ("ten o'clock", "10:00"),
        ("10 o’clock", "10:00"),
        ("half past nine", "09:30"),
        ("a quarter past 9", "09:15"),
        ("quarter to ten", "09:45"),
        ("quarter to one", "12:45"),
        ("ten thirty", "10:30"),
        ("noon", "12:00"),
        ("at midday", "12:00"),
        ("14h", "14:00"),
        ("14h30", "14:30"),
        ("3 December at 10", "10:00"),
        ("tomorrow @ 2", "14:00"),
        ("at 4 in the afternoon", "16:00"),
        ("2026-12-03T10:00", "10:00"),
        ("around 11", "11:00"),
    ] {
        assert_eq!(heard(text).time.map(clock).as_deref(), Some(time), "{text}");
    }
    for text in [
        "in the morning",
        "3 December",
        "at 10,000 km",
        "at 10 km",
        "25:00",
        "10:75",
        "before noon",
        "after 2pm",
        "in 2 days",
        "APT-20261203100000",
        "I am here",
        "10",
        "half of it",
    ] {
        assert_eq!(heard(text).time, None, "{text}");
    }
    let part = |text| heard(text).part.map(|p| p.word());
    assert_eq!(part("tomorrow morning"), Some("morning"));
    assert_eq!(part("before noon"), Some("morning"));
    assert_eq!(part("after 2pm"), Some("afternoon"));
    assert_eq!(part("in the evening"), Some("afternoon"));
    // Where a time was asked for, a bare number is one.
    for (text, time) in [
        ("10", "10:00"),
        ("ten please", "10:00"),
        ("2", "14:00"),
        ("10.30", "10:30"),
        ("the 10:00 one", "10:00"),
    ] {
        let heard = hear(text, NOW, &shop(), true);
        assert_eq!(heard.time.map(clock).as_deref(), Some(time), "{text}");
    }
}

#[test]
fn wishes() {
    use Wish::{Book, Cancel, History, Move, Price, Slots};
    for (text, wish) in [
        ("schedule an appointment", Some(Book)),
        ("I want to book a service", Some(Book)),
        ("booking for Monday morning", Some(Book)),
        ("I need an appointment for an oil change", Some(Book)),
        ("Can you book me in for tomorrow at 10?", Some(Book)),
        ("Can I bring my car in on Friday?", Some(Book)),
        ("I'd like an oil change", Some(Book)),
        ("oil change tomorrow at 10", Some(Book)),
        ("I want to arrange a visit at the dealership", Some(Book)),
        ("Book an oil change for Tuesday at 10, whatever the price", Some(Book)),
        ("Is there an appointment on Monday?", Some(Book)),
        ("Do you have available slots tomorrow?", Some(Slots)),
        ("Are there any slots for a visit next week?", Some(Slots)),
        ("When can I come?", Some(Slots)),
        ("Is anything free on Friday?", Some(Slots)),
        ("Are you open on Sunday?", Some(Slots)),
        ("What times are available on 3 December?", Some(Slots)),
        ("Please cancel my appointment", Some(Cancel)),
        ("cancel APT-20261203100000", Some(Cancel)),
        ("call off my booking on Friday", Some(Cancel)),
        ("delete my appointment", Some(Cancel)),
        ("cancel it please", Some(Cancel)),
        ("cancel", None),
        ("cancel the cruise control", None),
        ("Can I reschedule my appointment to Friday?", Some(Move)),
        ("Move my appointment to Tuesday", Some(Move)),
        ("Show me my service history", Some(History)),
        ("When is my next appointment?", Some(History)),
        ("Do I have an appointment?", Some(History)),
        ("what did I book?", Some(History)),
        ("How much does a service cost?", Some(Price)),
        ("What is the price of an oil change?", Some(Price)),
        ("How much is a wheel alignment?", Some(Price)),
        ("price list", Some(Price)),
        // Of these the knowledge base knows, not the workshop.
        ("How do I book an appointment?", None),
        ("How often should I change the oil?", None),
        ("What do I need to book a service?", None),
        ("When is the next service due?", None),
        ("How often does the car need a service?", None),
        ("When should the brake fluid be replaced?", None),
        ("What oil does the engine need for an oil change?", None),
        ("When do I replace the spark plugs?", None),
        ("What is the service interval?", None),
        ("What is the maintenance schedule?", None),
        ("Where is the service book?", None),
        ("When must the timing belt be changed?", None),
        ("Which coolant do I need at the next inspection?", None),
        ("What does the 20,000 km maintenance include?", None),
        ("Is my car overdue for maintenance?", None),
        ("How often are the tires rotated?", None),
        ("What if I need to cancel it?", None),
        ("Can an appointment be cancelled without charge?", None),
        ("How much oil does the engine take?", None),
        ("DOT 4 brake fluid interval", None),
        ("spark plugs 40,000 km", None),
        ("timing belt replacement", None),
        ("What is the engine power?", None),
        ("Hello", None),
    ] {
        assert_eq!(heard(text).wish, wish, "{text}");
    }
}

/// Every question of the labelled sets that the knowledge base answers stays there.
#[test]
fn labelled_knowledge_is_no_wish() {
    let a_wish = [
        "How much does a service cost?",
        "I want to arrange a visit at the dealership",
        "Please cancel my appointment",
    ];
    let mut wrong = Vec::new();
    for line in include_str!("../../assets/eval/questions.jsonl").lines() {
        let line: serde_json::Value = serde_json::from_str(line).unwrap();
        let question = line["question"].as_str().unwrap();
        if let Some(wish) = heard(question).wish
            && !a_wish.contains(&question)
        {
            wrong.push((question.to_owned(), wish));
        }
    }
    for line in include_str!("../../assets/eval/routing.tsv").lines() {
        let (agent, question) = line.split_once('\t').unwrap();
        if let Some(wish) = heard(question).wish.filter(|_| agent != "maintenance") {
            wrong.push((question.to_owned(), wish));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn services_numbers_and_vehicles() {
    let services = |text| heard(text).services;
    for (text, names) in [
        ("an oil change", vec!["Oil change"]),
        ("change my oil", vec!["Oil change"]),
        ("a service", vec!["Basic service"]),
        ("a brake service", vec!["Brake pad replacement"]),
        ("replace the brake fluid", vec!["Brake fluid change"]),
        ("new brake pads", vec!["Brake pad replacement"]),
        ("oil change and tire rotation", vec!["Oil change", "Tire rotation"]),
        ("a service with an oil change", vec!["Oil change"]),
        ("engine air filter", vec!["Engine air filter"]),
        ("a paint job", vec![]),
    ] {
        assert_eq!(services(text), names, "{text}");
    }
    assert_eq!(heard("cancel apt-20261203100000!").number.as_deref(), Some("APT-20261203100000"));
    assert_eq!(heard("APT-2026").number, None);
    assert_eq!(heard("it is 9BWZZZ377VT004251").vehicle.as_deref(), Some("9BWZZZ377VT004251"));
    assert_eq!(heard("my plate is ABC1D23").vehicle.as_deref(), Some("ABC1D23"));
    assert_eq!(heard("the license plate please").vehicle, None);
    assert_eq!(heard("the second one").pick, Some(1));
    assert_eq!(heard("last").pick, Some(usize::MAX));
    assert!(heard("never mind").no && heard("no, thanks").no && heard("yes please").yes);
    assert!(!heard("I know").no && !heard("no slot begins at that time of the day").no);
}

#[test]
fn nothing_that_is_said_breaks_it() {
    for text in [
        "",
        " ",
        "///",
        "12/",
        "/12",
        "2026--",
        "99/99/9999",
        "0/0",
        "at",
        "half",
        "half past",
        "quarter to",
        "in a",
        "in 9999 months",
        "next",
        "t",
        "2026-12-03t",
        "é",
        "10:é",
        "apt-",
        "APT-\u{0}",
        "ﬁfth of ümlaut",
        "in 9999 weeks from now",
        "9999-12-31",
        "the 99th",
        "99 december",
        "24:00",
        "at 99",
        "am",
        "pm",
        "a.m.",
    ] {
        for asked in [false, true] {
            let _ = hear(text, NOW, &shop(), asked);
            let _ = hear(text, DateTime::MAX, &shop(), asked);
            let _ = hear(text, DateTime::MIN, &shop(), asked);
        }
    }
    let long = "book tomorrow ".repeat(3000);
    assert!(heard(&long).wish.is_some());
}

#[test]
fn the_calendars_rules() {
    let shop = shop();
    let why = |at: DateTime| shop.takes_at(at, NOW).err().map(|no| no.why);
    assert_eq!(why(datetime(2026, 12, 3, 10, 0, 0, 0)), None);
    assert_eq!(why(datetime(2026, 12, 2, 8, 0, 0, 0)), Some("past"));
    assert_eq!(why(datetime(2026, 12, 2, 12, 0, 0, 0)), None);
    assert_eq!(why(datetime(2026, 12, 1, 10, 0, 0, 0)), Some("past"));
    assert_eq!(why(datetime(2026, 12, 6, 10, 0, 0, 0)), Some("closed"));
    assert_eq!(why(datetime(2026, 12, 3, 10, 30, 0, 0)), Some("no_slot"));
    assert_eq!(why(datetime(2026, 12, 3, 18, 0, 0, 0)), Some("no_slot"));
    assert_eq!(why(datetime(2027, 3, 2, 10, 0, 0, 0)), None);
    assert_eq!(why(datetime(2027, 3, 3, 10, 0, 0, 0)), Some("too_far"));
    assert_eq!(shop.takes(date(2026, 12, 1), NOW).unwrap_err().why, "past");
    let slots = |day: Date| {
        let hours = shop.takes(day, NOW).unwrap();
        shop.slots(day, hours, NOW).into_iter().map(slot_name).collect::<Vec<_>>()
    };
    assert_eq!(slots(date(2026, 12, 5)), ["2026-12-05T08:00", "2026-12-05T10:00"]);
    // What has begun today is not offered; the last slot is over when the workshop closes.
    assert_eq!(slots(NOW.date()), ["2026-12-02T12:00", "2026-12-02T14:00", "2026-12-02T16:00"]);
}

/// A conversation in which the person says these, with the answers' endings between; what is to be done.
fn talk(turns: &[(&str, &str)], said: &str) -> Option<Step> {
    let shop = shop();
    let at = millis(NOW);
    let earlier: Vec<_> = turns.iter().map(|(said, answer)| Exchange { said, at, answer }).collect();
    understand(&shop, &earlier, said, at).map(|request| request.begin(&shop, NOW))
}

fn run(tool: Tool, arguments: Value) -> Option<Step> {
    Some(Step::Run(tool, arguments))
}

#[test]
fn a_request_is_put_together_over_turns() {
    let (service, day, offer) = (Question::Service.text(), Question::Day.text(), Question::Offer.text());
    let book = |date: &str, time: &str, service: &str| {
        run(Tool::BookAppointment, json!({"date": date, "time": time, "service": service}))
    };
    assert_eq!(talk(&[], "Book an oil change tomorrow at 10"), book("2026-12-03", "10:00", "Oil change"));
    assert!(matches!(talk(&[], "I want an appointment"), Some(Step::Say(s)) if s.ends_with(service)));
    assert!(
        matches!(talk(&[("I want an appointment", service)], "oil change"), Some(Step::Say(s)) if s == day)
    );
    let two = [("I want an appointment", service), ("oil change", day)];
    // A day without a time: what is free is looked up and offered.
    assert_eq!(talk(&two, "Thursday"), run(Tool::CheckAvailableSlots, json!({"date": "2026-12-03"})));
    assert_eq!(
        talk(&two, "Thursday afternoon"),
        run(Tool::CheckAvailableSlots, json!({"date": "2026-12-03", "part_of_day": "afternoon"}))
    );
    let three = [two[0], two[1], ("Thursday", offer)];
    assert_eq!(talk(&three, "10"), book("2026-12-03", "10:00", "Oil change"));
    assert_eq!(talk(&three, "the 14:00 one"), book("2026-12-03", "14:00", "Oil change"));
    // A day that is closed: another day forgets the first one's time as well.
    let closed = [("Book an oil change on Sunday at 10", Question::OtherDay.text())];
    assert_eq!(talk(&closed, "Monday then"), run(Tool::CheckAvailableSlots, json!({"date": "2026-12-07"})));
    let full = [("Book an oil change on Monday at 10", Question::OtherTime.text())];
    assert_eq!(talk(&full, "12:00"), book("2026-12-07", "12:00", "Oil change"));
    // Slots, then one of them, then what for.
    let slots = [("Any slots tomorrow?", offer)];
    assert!(matches!(talk(&slots, "10:00"), Some(Step::Say(s)) if s.ends_with(service)));
    let slots = [slots[0], ("10:00", service)];
    assert_eq!(talk(&slots, "an oil change"), book("2026-12-03", "10:00", "Oil change"));
    // A price, then yes.
    let price = [("What does an oil change cost?", Question::BookIt.text())];
    assert!(matches!(talk(&price, "yes"), Some(Step::Say(s)) if s == day));
    assert_eq!(talk(&price, "yes, tomorrow at 10"), book("2026-12-03", "10:00", "Oil change"));
    assert_eq!(talk(&price, "no thanks"), Some(Step::Say("All right, nothing was booked.".into())));
    assert_eq!(talk(&two, "cancel"), Some(Step::Say("All right, nothing was booked.".into())));
    // An answer in between that asked nothing closed the request.
    let broken = [("I want an appointment", service), ("oil change", day), ("What oil?", "5W-30.")];
    assert_eq!(talk(&broken, "Thursday"), None);
    for asked in
        ["What oil does it need?", "What do I need for an oil change?", "How often should I change the oil?"]
    {
        assert_eq!(talk(&two, asked), None, "{asked}");
    }
    assert!(talk(&two, "Is Monday possible?").is_some());
    assert_eq!(talk(&[], "tomorrow at 10"), None);
    let doubtful = talk(&[], "Cancel my appointment on Monday or Tuesday");
    assert_eq!(doubtful, Some(Step::Say(format!("You named more than one day. {}", Question::Which.text()))));
    // The vehicle goes with it.
    assert_eq!(
        talk(&[("Book an oil change for plate ABC1D23", day)], "tomorrow at 10"),
        run(
            Tool::BookAppointment,
            json!({"date": "2026-12-03", "time": "10:00", "service": "Oil change", "vehicle": "ABC1D23"})
        )
    );
}

// Planted fault: the days of earlier texts read by today's date.
#[test]
fn tomorrow_is_read_by_the_day_on_which_it_was_said() {
    let shop = shop();
    let earlier = [Exchange {
        said: "Any slots tomorrow?",
        at: millis(datetime(2026, 12, 2, 23, 59, 0, 0)),
        answer: Question::Offer.text(),
    }];
    let now = datetime(2026, 12, 3, 0, 1, 0, 0);
    let request = understand(&shop, &earlier, "10:00 for an oil change", millis(now)).unwrap();
    let Step::Run(Tool::BookAppointment, arguments) = request.begin(&shop, now) else { panic!("no booking") };
    assert_eq!(arguments["date"], "2026-12-03");
}

#[test]
fn which_appointment_is_meant() {
    let one =
        |id: &str, slot: &str, service: &str| json!({"appointment_id": id, "slot": slot, "service": service});
    let done = Done {
        ok: true,
        result: json!({"upcoming": [
            one("APT-1", "2026-12-03T10:00", "Oil change"), one("APT-2", "2026-12-04T10:00", "Tire rotation"),
        ], "past": []}),
    };
    let at = millis(NOW);
    let after = |earlier: &[(&str, &str)], said: &str| {
        let earlier: Vec<_> = earlier.iter().map(|(said, answer)| Exchange { said, at, answer }).collect();
        let request = understand(&shop(), &earlier, said, at).unwrap();
        assert_eq!(request.begin(&shop(), NOW), Step::Run(Tool::GetServiceHistory, json!({})));
        request.after(Tool::GetServiceHistory, &done)
    };
    let cancels = |id: &str| Step::Run(Tool::CancelAppointment, json!({ "appointment_id": id }));
    assert!(
        matches!(after(&[], "cancel my appointment"), Step::Say(s) if s.ends_with(Question::Which.text()))
    );
    assert_eq!(after(&[], "cancel my appointment on Friday"), cancels("APT-2"));
    assert_eq!(after(&[], "cancel my oil change"), cancels("APT-1"));
    let asked = [("cancel my appointment", Question::Which.text())];
    assert_eq!(after(&asked, "the second one"), cancels("APT-2"));
    assert_eq!(after(&asked, "the oil change"), cancels("APT-1"));
    assert_eq!(after(&asked, "tomorrow's"), cancels("APT-1"));
}

#[test]
fn a_question_is_known_by_its_end_and_no_other() {
    for question in [Question::Service, Question::Which, Question::BookIt] {
        assert_eq!(Question::ending(&format!("Words. {}\n", question.text())), Some(question));
    }
    assert_eq!(Question::ending("Which day would you like? Or not."), None);
}

#[test]
fn a_model_is_offered_what_there_is() {
    let shop = shop();
    for tool in Tool::ALL {
        let spec = tool.spec(&shop);
        assert_eq!(Tool::parse(&spec.name), Some(tool));
        assert_eq!(spec.parameters["type"], "object");
        for name in spec.parameters["required"].as_array().unwrap() {
            assert!(spec.parameters["properties"].get(name.as_str().unwrap()).is_some(), "{spec:?}");
        }
    }
    let names = &Tool::BookAppointment.spec(&shop).parameters["properties"]["service"]["enum"];
    assert!(names.as_array().unwrap().iter().all(|n| n != "Timing belt replacement"));
    let briefing = shop.briefing(NOW);
    assert!(briefing.contains("Wednesday, 2 December 2026, 10:30 (2026-12-02)"), "{briefing}");
    assert!(briefing.contains("Saturday 08:00-12:00") && !briefing.contains("Sunday"), "{briefing}");
}
