//! What a person wants done, by his words. Questions about how things are done are no wishes: they belong
//! to the knowledge base.

use super::text::Text;

/// What is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wish {
    /// An appointment.
    Book,
    /// To know when there is room.
    Slots,
    /// To have no appointment any more.
    Cancel,
    /// To have it at another time.
    Move,
    /// To know his appointments.
    History,
    /// To know what it costs.
    Price,
}

/// What else the words hold that decides between wishes.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Beside {
    /// A day or a time.
    pub when: bool,
    /// An appointment's number.
    pub number: bool,
    /// A service of the price list.
    pub service: bool,
}

/// Asks how, not for.
const ASKS_HOW: &[&str] = &[
    "how do",
    "how can",
    "how to",
    "how often",
    "how long",
    "how early",
    "how late",
    "how far",
    "what do i need",
    "what do you need",
    "what should",
    "what must",
    "what happens",
    "what if",
    "when should",
    "when must",
    "when do i need",
    "when do i have",
    "do i have to",
    "do i need",
    "must i",
    "should i",
    "can an appointment",
    "can appointments",
    "is it free",
    "without charge",
    "free of charge",
    "what is the policy",
    "why",
];
const HISTORY: &[&str] = &[
    "service history",
    "repair history",
    "maintenance history",
    "my history",
    "my appointments",
    "my bookings",
    "my visits",
    "when is my appointment",
    "when is my next appointment",
    "when is my booking",
    "when was my last",
    "my last service",
    "my next appointment",
    "my upcoming",
    "do i have an appointment",
    "do i have any appointment",
    "do i have appointments",
    "do i have any booking",
    "have i booked",
    "did i book",
    "what is booked",
    "past appointments",
    "previous appointments",
    "past services",
    "previous services",
    "upcoming appointments",
    "show my appointment",
    "list my appointment",
    "what time is my appointment",
    "what day is my appointment",
    "is my appointment",
];
const CANCEL: &[&str] = &["cancel", "canceling", "cancelling", "call off"];
const REMOVE: &[&str] = &["delete", "remove", "drop"];
const MOVE: &[&str] = &[
    "reschedule",
    "rescheduling",
    "postpone",
    "rebook",
    "move my appointment",
    "move the appointment",
    "move my booking",
    "change my appointment",
    "change the appointment",
    "change my booking",
    "change the date",
    "change the time",
    "move it to",
];
const PRICE: &[&str] =
    &["price", "prices", "pricing", "cost", "costs", "quote", "price list", "do you charge"];
const SLOTS: &[&str] = &[
    "slot",
    "slots",
    "availability",
    "openings",
    "free time",
    "free times",
    "free day",
    "free days",
    "free appointment",
    "free appointments",
    "anything free",
    "something free",
    "anything available",
    "time available",
    "times available",
    "available time",
    "available times",
    "available appointment",
    "available appointments",
    "appointments available",
    "appointment available",
    "next available",
    "earliest appointment",
    "earliest time",
    "when can i come",
    "when can i bring",
    "when could i",
    "do you have time",
    "what times",
    "which times",
    "which days",
];
const SLOTS_THAT_DAY: &[&str] =
    &["are you open", "is the workshop open", "available", "free", "any room", "do you have"];
const BOOK: &[&str] = &[
    "booking for",
    "booking on",
    "booking at",
    "make a booking",
    "want a booking",
    "need a booking",
    "reserve",
    "sign me up",
    "put me down",
    "book me",
    "arrange a visit",
    "arrange an appointment",
    "arrange a service",
    "set up an appointment",
    "fix an appointment",
    "see a mechanic",
];
const COME: &[&str] = &[
    "come in",
    "come by",
    "bring it in",
    "bring it",
    "bring my car",
    "bring the car",
    "drop it off",
    "drop off",
    "drop my car",
];
const GET: &[&str] =
    &["need", "want", "like", "get", "make", "have", "arrange", "please", "new", "another", "take"];
const NEEDS: &[&str] = &[
    "i need",
    "i want",
    "i'd like",
    "i would like",
    "we need",
    "we'd like",
    "can i get",
    "could i get",
    "can i have",
    "could i have",
];
const WONDERS: &[&str] =
    &["know", "interval", "how", "often", "when", "what", "which", "why", "where", "does", "is", "are"];
/// In front of "book" it is a thing, not a deed.
const A_BOOK: &[&str] =
    &["the", "a", "service", "log", "owner's", "maintenance", "my", "this", "which", "in"];

pub(super) fn find(text: &Text, beside: Beside) -> Option<Wish> {
    let line = text.line();
    let says = |phrases: &[&str]| phrases.iter().any(|p| line.contains(&format!(" {p} ")));
    if says(ASKS_HOW) && !beside.number {
        return None;
    }
    let about = says(&["appointment", "appointments", "booking", "visit"]) || beside.number;
    // "Cancel" alone may mean anything, and what is cancelled is gone.
    let that = about || beside.when || beside.service || says(&["it", "that", "this", "mine"]);
    if (that && says(CANCEL)) || (about && says(REMOVE)) {
        return Some(Wish::Cancel);
    }
    if says(MOVE) {
        return Some(Wish::Move);
    }
    if says(HISTORY) {
        return Some(Wish::History);
    }
    let priced = says(PRICE) || (says(&["how much"]) && beside.service);
    let booked =
        books(text) || says(BOOK) || (beside.when && says(COME)) || (about && (beside.when || says(GET)));
    // "Book me in for Tuesday, whatever it costs."
    if priced && !(booked && beside.when) {
        return Some(Wish::Price);
    }
    let asks_room = says(SLOTS) || (beside.when && says(SLOTS_THAT_DAY));
    if asks_room && !(booked && beside.when && !says(SLOTS)) {
        return Some(Wish::Slots);
    }
    let needs = beside.service && says(NEEDS) && !says(WONDERS);
    (booked || needs || (beside.service && beside.when && !says(WONDERS))).then_some(Wish::Book)
}

/// Whether the text asks about something instead of answering; `when`: it names a day or a time all the same.
pub(super) fn asks(text: &Text, when: bool) -> bool {
    const FIRST: [&str; 12] =
        ["what", "which", "why", "how", "when", "where", "who", "does", "do", "is", "are", "should"];
    let line = text.line();
    let how = ASKS_HOW.iter().any(|p| line.contains(&format!(" {p} ")));
    how || (!when && text.words.first().is_some_and(|w| FIRST.contains(&w.as_str())))
}

/// Whether "book" or "schedule" is a deed here.
fn books(text: &Text) -> bool {
    (0..text.len()).any(|i| {
        let before = text.before(i, 1);
        match text.words.get(i).map(String::as_str) {
            Some("book") => !before.is_some_and(|w| A_BOOK.contains(&w)),
            Some("schedule") => {
                let after = text.words.get(i + 1).map(String::as_str);
                let deed =
                    matches!(before, None | Some("to" | "please" | "you" | "i" | "and" | "let's" | "me"));
                deed && after.is_some_and(|w| w != "for" || before.is_some())
            }
            _ => false,
        }
    })
}
