//! What is masked and what is not, in tables; and that a text in pieces is masked like the whole one.

#![allow(clippy::unwrap_used)]
use headwater_core::limit;
use proptest::prelude::*;

use super::*;
use crate::assistant::SHIPPED_DOCUMENTS;

/// A sentence and what becomes of it.
const MASKED: &[(&str, &str)] = &[
    // e-mail
    ("Write to bob@example.com today", "Write to [EMAIL] today"),
    ("bob.smith+cars@mail.example.co.uk", "[EMAIL]"),
    ("mail: BOB_SMITH@EXAMPLE.ORG.", "mail: [EMAIL]."),
    ("<ann@example.de>, <jo@example.fr>", "<[EMAIL]>, <[EMAIL]>"),
    ("o'brien@example.ie?", "[EMAIL]?"),
    ("müller@exämple.de", "[EMAIL]"),
    ("email=ann@example.com&x=1", "email=[EMAIL]&x=1"),
    ("mailto:ann@example.com", "mailto:[EMAIL]"),
    ("**ann@example.com**", "**[EMAIL]**"),
    ("我的邮箱是ann@example.com谢谢", "我的邮箱是[EMAIL]谢谢"),
    ("a@b@example.com", "a@[EMAIL]"),
    ("+15551234567@example.com", "[EMAIL]"),
    ("ann@example.com,bob@example.com", "[EMAIL],[EMAIL]"),
    ("user_1@sub-domain.example.io", "[EMAIL]"),
    // telephone, international
    ("Call +1 555 123 4567 now", "Call [PHONE] now"),
    ("+1-555-123-4567", "[PHONE]"),
    ("+1 (555) 123-4567.", "[PHONE]."),
    ("+15551234567", "[PHONE]"),
    ("Germany: +49 30 1234567", "Germany: [PHONE]"),
    ("+49 (0)30 123 45 67", "[PHONE]"),
    ("+49 151 12345678, evenings", "[PHONE], evenings"),
    ("UK +44 20 7946 0958", "UK [PHONE]"),
    ("+44 (0)20 7946 0958", "[PHONE]"),
    ("France +33 6 12 34 56 78", "France [PHONE]"),
    ("+33612345678", "[PHONE]"),
    ("Spain +34 612 345 678", "Spain [PHONE]"),
    ("Italy +39 06 1234 5678", "Italy [PHONE]"),
    ("Brazil +55 11 91234-5678", "Brazil [PHONE]"),
    ("+55 (11) 91234-5678", "[PHONE]"),
    ("India +91 98765 43210", "India [PHONE]"),
    ("China +86 138 1234 5678", "China [PHONE]"),
    ("Japan +81 3-1234-5678", "Japan [PHONE]"),
    ("Australia +61 412 345 678", "Australia [PHONE]"),
    ("Mexico +52 55 1234 5678", "Mexico [PHONE]"),
    ("Russia +7 912 345-67-89", "Russia [PHONE]"),
    ("0049 30 1234567", "[PHONE]"),
    ("(+49 30 1234567)", "([PHONE])"),
    // telephone, at home
    ("My number is 555-123-4567", "My number is [PHONE]"),
    ("(555) 123-4567 or 555.123.4567", "[PHONE] or [PHONE]"),
    ("(555)123-4567", "[PHONE]"),
    ("(555-234-4567)", "([PHONE])"),
    ("1-800-555-0199", "[PHONE]"),
    ("reach me at 5552345678", "reach me at [PHONE]"),
    ("555 234 5678 ext. 12", "[PHONE] ext. 12"),
    ("555-234-5678x12", "[PHONE]x12"),
    ("tel:5552345678", "tel:[PHONE]"),
    ("Bob,555-234-5678,12", "Bob,[PHONE],12"),
    ("Berlin 030 1234567", "Berlin [PHONE]"),
    ("030/1234567", "[PHONE]"),
    ("(030) 123 45 67", "[PHONE]"),
    ("mobil 0151-12345678", "mobil [PHONE]"),
    ("020 7946 0958", "[PHONE]"),
    ("07700 900123", "[PHONE]"),
    ("06 12 34 56 78", "[PHONE]"),
    ("06.12.34.56.78", "[PHONE]"),
    ("0412 345 678", "[PHONE]"),
    ("03-1234-5678", "[PHONE]"),
    ("(11) 91234-5678", "[PHONE]"),
    ("98765 43210", "[PHONE]"),
    ("138 1234 5678", "[PHONE]"),
    ("我的电话是13812345678谢谢", "我的电话是[PHONE]谢谢"),
    ("8 (912) 345-67-89", "[PHONE]"),
    ("call 612 345 678", "call [PHONE]"),
    ("my phone is 555-0132", "my phone is [PHONE]"),
    ("Tel. 12 34 56 78", "Tel. [PHONE]"),
    // cards
    ("card 4111 1111 1111 1111", "card [CARD]"),
    ("4111-1111-1111-1111.", "[CARD]."),
    ("4111111111111111", "[CARD]"),
    ("Visa 4111 1111 1111 1111 12/27 123", "Visa [CARD] 12/27 123"),
    ("Amex 3782 822463 10005", "Amex [CARD]"),
    ("378282246310005", "[CARD]"),
    ("Mastercard 5555 5555 5555 4444", "Mastercard [CARD]"),
    ("2223003122003222", "[CARD]"),
    ("Discover 6011-1111-1111-1117", "Discover [CARD]"),
    ("JCB 3530111333300000", "JCB [CARD]"),
    ("Diners 3056 930902 5904", "Diners [CARD]"),
    ("CARD-4111-1111-1111-1111", "CARD-[CARD]"),
    ("4111 - 1111 - 1111 - 1111", "[CARD]"),
    ("4111111111111111,12/27", "[CARD],12/27"),
    // social security
    ("SSN 123-45-6789", "SSN [SSN]"),
    ("it is 123 45 6789.", "it is [SSN]."),
    ("my ssn is 123456789", "my ssn is [SSN]"),
    ("social security number: 219099999", "social security number: [SSN]"),
    // vehicles
    ("VIN 1HGCM82633A004352", "VIN [VIN]"),
    ("wvwzzz1jz3w386752", "[VIN]"),
    ("(WBA3A5C57CF256651)", "([VIN])"),
    ("VIN:JTDKB20U093123456.", "VIN:[VIN]."),
    ("My VIN is 9BWZZZ377VT004251 and I live here", "My VIN is [VIN] and I live here"),
    ("1M8GDM9AXKP042788", "[VIN]"),
    // several
    ("I am ann@example.com, 555-234-5678, card 4111 1111 1111 1111", "I am [EMAIL], [PHONE], card [CARD]"),
    ("555-234-5678 123-45-6789", "[PHONE] [SSN]"),
    ("In 2024 555 234 5678", "In 2024 [PHONE]"),
];

/// Sentences that stay as they are.
const KEPT: &[&str] = &[
    "",
    "The engine makes 128/116 hp.",
    "128 hp with gasoline, 116 hp with ethanol",
    "Service every 10,000 km or 12 months",
    "0W-20 or 5W-30 oil",
    "Tires 205/55 R16 and 205/55 R17 91V",
    "4,199 mm long, 1,760 mm wide, 1,568 mm high",
    "4.199 mm × 1.760 mm × 1.568 mm",
    "On 2026-12-03 at 10:30",
    "03.12.2026, 12/03/2026, 3/12/26",
    "2026-12-03T10:30:00Z",
    "2026-12-03 10:30 2026-12-04 11:30",
    "from 09.00-17.00 and 08:00-18:00",
    "It costs $1,234.56 or 1.234,56 €",
    "1 234 567,00 EUR",
    "a price of 12 500 000",
    "Your appointment APT-20261121103000 is booked",
    "20261121103000",
    "Escalation ESC-9F86D081884C7D65 is queued",
    "ESC-20261121103000",
    "the years 2019-2024 and 2024/2025",
    "part number 04152-31090",
    "filter 90915-10003",
    "5Q0 615 301 F and 06A 115 561 B",
    "Bosch 0 261 230 374",
    "BMW 11 42 7 953 129",
    "15400-PLM-A02",
    "A 000 989 69 05",
    "version 1.2.3 of 10.15.7 and v2.0.0-rc.1",
    "192.168.100.200:8080 and 127.0.0.1",
    "10.0.0.0/8 and 255.255.255.255",
    "2001:db8::1234:5678",
    "DOT 4 brake fluid, CR2032, F21 15 A, R-1234yf",
    "32 psi (2.2 bar), 36 psi (2.5 bar)",
    "between 80 and 120 km/h",
    "1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16",
    "10 20 30 40 50 60 70 80 90 100",
    "rows 100 200 300 400 500 600 700",
    "2,651 1,760 1,568 373 420",
    "call 112 or 911",
    "Call within 10 000 000 km",
    "call us 09.00-17.00",
    "order 5552345678",
    "invoice #5552345678",
    "ticket 12345678",
    "ISBN 978-3-16-148410-0",
    "EAN 4006381333931x",
    "1795248090954 and 1795248090",
    "550e8400-e29b-41d4-a716-446655440000",
    "run_af52aa1c9d3e4b8f9012345678901234",
    "sha256:9f86d081884c7d659a2feaa0c55ad015",
    "me@localhost or @handle",
    "3 @ 4.50 each",
    "react@18.2.0 and pkg@1.0.0-rc.1",
    "look at a@b",
    "Kubernetes(1), C++11, 16GB, 1080p",
    "The wheel bolts need 120 Nm. 5 of them.",
    "ABCDEFGHJKLMNPRST",
    "12345678901234567",
    "understandability extraordinarily",
    "ABCDEFGH-12345678",
    "SERIALNUMBERONE17",
    "7 - 3 = 4, 10 - 12 - 14",
    "+5 °C to +30 °C, -20 °C",
    "(1) first (2) second (3) third",
    "1234 5678 9012 3456",
    "4111 1111 1111 1112",
    "000-12-3456, 666-12-3456, 123-00-4567",
    "123-45-678, 12-345-6789",
    "1/2/3/4/5/6/7/8/9/10/11/12",
    "3.14159265358979323846",
    "1e10, 6.022e23",
    "5551234567890123456789012345678901234567890",
    "⚠️ **SAFETY WARNING**: Stop.",
    "[EMAIL] [PHONE] [CARD] [SSN] [VIN]",
];

fn masked(text: &str) -> String {
    mask(text, Kinds::ALL).into_owned()
}

#[test]
fn what_belongs_to_a_person_is_masked() {
    assert!(MASKED.len() >= 60);
    let wrong: Vec<_> = MASKED.iter().filter(|(text, wanted)| masked(text) != *wanted).collect();
    let wrong: Vec<_> = wrong.iter().map(|(text, wanted)| (text, wanted, masked(text))).collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn ordinary_sentences_stay_as_they_are() {
    assert!(KEPT.len() >= 60);
    let wrong: Vec<_> = KEPT.iter().filter(|text| masked(text) != **text).map(|t| masked(t)).collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// The shipped documents, line by line, and every labelled question.
fn corpus() -> Vec<String> {
    let documents = SHIPPED_DOCUMENTS.iter().map(|(_, text)| (*text).to_owned());
    let questions = include_str!("../../assets/eval/questions.jsonl").lines().map(str::to_owned);
    let routed = include_str!("../../assets/eval/routing.tsv").lines().map(str::to_owned);
    documents.chain(questions).chain(routed).collect()
}

#[test]
fn the_shipped_documents_and_questions_stay_as_they_are() {
    for text in corpus() {
        assert!(masked(&text) == text, "{text}");
    }
}

#[test]
fn masking_twice_is_masking_once() {
    for (text, wanted) in MASKED {
        assert_eq!(masked(wanted), *wanted, "{text}");
    }
}

#[test]
fn only_what_was_asked_for_is_masked() {
    let text = "ann@example.com 555-234-5678";
    assert_eq!(mask(text, Kinds::NONE), text);
    assert_eq!(mask(text, Kinds::NONE.with(Kind::Email)), "[EMAIL] 555-234-5678");
    assert_eq!(mask(text, Kinds::NONE.with(Kind::Phone)), "ann@example.com [PHONE]");
    let all = Kind::ALL.into_iter().fold(Kinds::NONE, Kinds::with);
    assert_eq!(all, Kinds::ALL);
}

#[test]
fn only_texts_in_json_are_masked() {
    let mut value =
        serde_json::json!({"to": "ann@example.com", "n": 5552345678u64, "all": ["1M8GDM9AXKP042788"]});
    mask_json(&mut value, Kinds::ALL);
    assert_eq!(value, serde_json::json!({"to": "[EMAIL]", "n": 5552345678u64, "all": ["[VIN]"]}));
}

/// In pieces that end where a bit is set. Also says how much was held back at most.
fn in_pieces(text: &str, cuts: impl Fn(usize) -> bool) -> (String, usize) {
    let (mut window, mut said, mut piece, mut most) =
        (Window::new(Kinds::ALL), String::new(), String::new(), 0);
    for (n, c) in text.chars().enumerate() {
        piece.push(c);
        if cuts(n) {
            said.push_str(&window.push(&std::mem::take(&mut piece)));
            most = most.max(window.held());
        }
    }
    said.push_str(&window.push(&piece));
    said.push_str(&window.finish());
    (said, most)
}

// Planted faults: a candidate said as soon as a space comes; the letters behind the last candidate said with
// it; the context forgotten between pieces.
#[test]
fn every_table_entry_is_masked_alike_in_any_two_pieces_and_letter_by_letter() {
    let texts = MASKED.iter().map(|(text, _)| *text).chain(KEPT.iter().copied());
    for text in texts {
        let whole = masked(text);
        for cut in 0..text.chars().count() {
            assert_eq!(in_pieces(text, |n| n == cut).0, whole, "{text:?} cut after {cut}");
        }
        assert_eq!(in_pieces(text, |_| true).0, whole, "{text:?}");
    }
}

/// Texts made of what the detectors look at, and of the table's own entries.
fn text() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        4 => proptest::sample::select(MASKED).prop_map(|(t, _)| t.to_owned()),
        2 => proptest::sample::select(KEPT).prop_map(str::to_owned),
        6 => "[0-9]{1,5}",
        3 => "[-. /()+@#,:_]{1,3}",
        2 => "[a-zA-ZäIOQé是]{1,9}",
        1 => "[A-HJ-NPR-Z0-9]{16,18}",
        1 => "[0-9a-z.@-]{100,400}",
        1 => "([0-9]{1,4}[ -]){5,40}",
    ];
    let joined =
        proptest::collection::vec((piece, proptest::sample::select(&["", " ", "\n", ", "][..])), 0..12);
    joined.prop_map(|list| list.into_iter().map(|(a, b)| a + b).collect())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1500))]

    #[test]
    fn any_split_gives_what_the_whole_gives(text in text(), seed in any::<u64>(), often in 1u64..9) {
        let cuts = |n: usize| {
            (seed ^ (n as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15)).rotate_left(23).wrapping_mul(0xd134_2543_de82_ef95) >> 33
        };
        let (said, most) = in_pieces(&text, |n| cuts(n).is_multiple_of(often));
        prop_assert_eq!(said, masked(&text));
        prop_assert!(most <= limit::MASK_HELD_BYTES, "{} bytes held back", most);
        prop_assert!(in_pieces(&text, |_| true).1 <= limit::MASK_HELD_BYTES);
    }

    #[test]
    fn any_text_at_all_is_taken(text in any::<String>()) {
        prop_assert_eq!(in_pieces(&text, |_| true).0, masked(&text));
    }
}

/// Held back is a bounded number of bytes, whatever is sent.
#[test]
fn what_never_ends_is_not_held_back_for_ever() {
    for endless in
        ["a", "1", "1 ", "12-", "(1) ", "a.", "a@", "a@b.", "ä", "+1 ", "55 ", "x@yy.zz-", "1234 5678 "]
    {
        let text = endless.repeat(4_000);
        let (said, most) = in_pieces(&text, |_| true);
        assert!(most <= limit::MASK_HELD_BYTES, "{endless:?}: {most}");
        assert_eq!(said, masked(&text));
    }
}

/// Words still stream: measured over the shipped documents, sent letter by letter and word by word.
#[test]
fn in_prose_only_the_word_that_is_being_written_is_held_back() {
    let (mut bytes, mut held, mut words, mut words_held) = (0usize, 0usize, 0usize, 0usize);
    for (_, text) in SHIPPED_DOCUMENTS {
        let mut window = Window::new(Kinds::ALL);
        for c in text.chars() {
            let _ = window.push(c.encode_utf8(&mut [0; 4]));
            bytes += 1;
            held += window.held();
        }
        let mut window = Window::new(Kinds::ALL);
        // As models send them: a word with the space before it.
        for word in text.split_inclusive(' ') {
            let _ = window.push(word);
            words += 1;
            words_held += window.held();
        }
    }
    let (letters, words) = (held as f64 / bytes as f64, words_held as f64 / words as f64);
    println!("held back on average: {letters:.2} bytes letter by letter, {words:.2} after a whole word");
    assert!(letters < 4.0 && words < 1.0, "{letters} {words}");
}
