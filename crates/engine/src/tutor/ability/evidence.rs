//! What a turn shows of somebody's ability, read from his words: little, and only what he says plainly.
//!
//! Nobody checks here whether an answer is right. "I got it" is a claim, an explanation is an attempt, and both count for
//! less than a marked exercise would; a message without such signs shows nothing, which is the usual case.

use std::collections::HashSet;

use headwater_core::event::Emotion;
use headwater_core::limit;
use headwater_core::port::provider::Role;
use headwater_core::run::Message;

use crate::assistant::words::stems;
use crate::stop_words::is_stop_word;
use crate::tutor::plain::{Clause, Phrases, clauses, phrases, spoken};

/// What a turn shows.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Evidence {
    /// How well he did, 0 to 1.
    pub score: f64,
    /// How much that says, 0 (nothing) to 1 (a marked answer).
    pub weight: f64,
    /// What it was read from.
    pub signs: Vec<Sign>,
}

/// Something that shows a little.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sign {
    /// "I got it."
    Understood,
    /// "I don't get it."
    NotUnderstood,
    /// He answered the tutor's question with a reason.
    Explained,
    /// He asks what he asked before.
    AskedAgain,
    /// He asks on from what he was told.
    Deeper,
    /// He asks on from what he had asked on from.
    DeeperStill,
    /// He feels as people do whom something became clear.
    FeelsAble,
    /// He feels as people do who do not manage.
    FeelsUnable,
}

impl Sign {
    /// How well that is, and how much it says.
    fn worth(self) -> (f64, f64) {
        match self {
            Self::Understood => (1.0, 0.5),
            Self::NotUnderstood => (0.0, 0.5),
            Self::Explained => (0.75, 0.3),
            Self::AskedAgain => (0.2, 0.35),
            Self::Deeper => (0.75, 0.15),
            Self::DeeperStill => (0.8, 0.25),
            Self::FeelsAble => (0.8, 0.15),
            Self::FeelsUnable => (0.25, 0.15),
        }
    }
}

static UNDERSTOOD: Phrases = Phrases::new(|| {
    phrases(
        "i understand, i understood, i get it, i got it, got it, i get this, i get that, makes sense, \
         make sense now, i see now, now i see, it clicked, clear now, all clear, i figured it out, i \
         solved it, i can do it now, i can do this now, that was easy, i know this already, i already \
         know, i managed, i got it right, i know how",
    )
});
static NOT_UNDERSTOOD: Phrases = Phrases::new(|| {
    phrases(
        "dont understand, do not understand, didnt understand, did not understand, dont get it, do not \
         get it, dont get this, dont get that, dont get how, dont get why, dont get what, do not get how, \
         do not get why, dont know how, do not know how, dont know what, cant follow, cannot follow, cant \
         solve, cannot solve, dont follow, im lost, i am lost, im confused, i am confused, still \
         confused, makes no sense, doesnt make sense, does not make sense, im stuck, i am stuck, i have \
         no idea, you lost me, over my head",
    )
});
/// As stems, what may stand before "don't get it" for it to be the person's own: whoever else does not get it is another.
const OWN: [&str; 14] = [
    "i", "we", "stil", "just", "really", "but", "and", "honestly", "sorry", "also", "simply", "actually",
    "no", "wel",
];
/// Before it, as stems: then he does not say so, he supposes or wishes it.
const SUPPOSED: [&str; 16] = [
    "if", "whether", "until", "til", "unles", "want", "need", "hop", "wish", "help", "would", "should",
    "befor", "mak", "almost", "explain",
];
/// Behind it, as stems: then he says something else.
const OTHERWISE: [&str; 5] = ["wrong", "from", "of", "confus", "mix"];
/// Beginnings of phrases that leave out who it is.
const BARE: [&str; 7] = ["dont", "do", "didnt", "did", "cant", "cannot", "got"];
static REASONS: Phrases = Phrases::new(|| {
    phrases(
        "because, since, therefore, thus, hence, so, means, equals, then, which gives, follows, as a \
         result",
    )
});
static ONWARD: Phrases = Phrases::new(|| {
    phrases(
        "what if, what about, how about, what happens, why, how would, how come, would it, does it also, \
         does that mean, in that case, and if, suppose, is there also, could we, so then",
    )
});

/// Below this many words of content two questions are alike by chance.
const CONTENT_LEAST: usize = 3;
/// Share of their words that two questions have in common which are one.
const SAME: f64 = 0.6;
/// Words of an explanation at least.
const EXPLANATION_WORDS: usize = 6;

impl Evidence {
    /// What a person's message shows. `earlier` is the conversation before it, oldest first, of which the last
    /// [`limit::HISTORY_MESSAGES`] count; `emotion` how he seems to feel.
    #[must_use]
    pub fn of(message: &str, earlier: &[Message], emotion: Option<&Emotion>) -> Self {
        let said = spoken(message);
        let clauses = clauses(&said);
        let earlier = &earlier[earlier.len().saturating_sub(limit::HISTORY_MESSAGES)..];
        let lost = clauses.iter().any(|c| says(c, &NOT_UNDERSTOOD));
        // Whoever says both says that a part of it is dark to him; that part is what the next turn is about.
        let clear = !lost && clauses.iter().any(|c| !c.asks && says(c, &UNDERSTOOD));
        let again = asked_again(&said, earlier);
        let mut signs = Vec::new();
        if lost {
            signs.push(Sign::NotUnderstood);
        }
        if clear {
            signs.push(Sign::Understood);
        }
        if again {
            signs.push(Sign::AskedAgain);
        }
        if !lost && explains(&clauses, earlier) {
            signs.push(Sign::Explained);
        }
        if !lost && !again {
            signs.extend(deeper(&said, &clauses, earlier));
        }
        // How he feels was read from the same words; it counts only where they said nothing plainer.
        if !lost && !clear {
            signs.extend(emotion.and_then(felt));
        }
        Self::made_of(signs)
    }

    /// Signs put together: the score is their mean by weight, and together they say more than each, never all.
    fn made_of(signs: Vec<Sign>) -> Self {
        let worths: Vec<(f64, f64)> = signs.iter().map(|sign| sign.worth()).collect();
        let sum: f64 = worths.iter().map(|(_, weight)| weight).sum();
        if sum <= 0.0 {
            return Self::default();
        }
        let score = worths.iter().map(|(score, weight)| score * weight).sum::<f64>() / sum;
        let missing: f64 = worths.iter().map(|(_, weight)| 1.0 - weight).product();
        Self { score, weight: 1.0 - missing, signs }
    }
}

/// Whether one of the phrases stands in the clause as the person's own plain word.
fn says(clause: &Clause, phrases: &[Vec<String>]) -> bool {
    let is = |word: Option<&String>, list: &[&str]| word.is_some_and(|w| list.contains(&w.as_str()));
    phrases.iter().any(|phrase| {
        clause.places(phrase).any(|at| {
            let before = &clause.stems[..at];
            let own = before.is_empty() || is(before.last(), &OWN) || !is(phrase.first(), &BARE);
            let supposed = before.iter().any(|w| SUPPOSED.contains(&w.as_str()));
            let otherwise = is(clause.stems.get(at + phrase.len()), &OTHERWISE);
            own && !supposed && !otherwise && !clause.is_negated(at)
        })
    })
}

/// Words that a text is about, as stems.
fn content(text: &str) -> HashSet<String> {
    let words = text.split(|c: char| !c.is_alphanumeric() && c != '\'' && c != '’');
    words.filter(|w| !w.is_empty() && !is_stop_word(w)).flat_map(stems).collect()
}

fn of_role(earlier: &[Message], role: Role) -> impl DoubleEndedIterator<Item = &Message> {
    earlier.iter().filter(move |m| m.role == role)
}

/// Whether the message asks what an earlier one asked.
fn asked_again(said: &str, earlier: &[Message]) -> bool {
    let now = content(said);
    if now.len() < CONTENT_LEAST {
        return false;
    }
    of_role(earlier, Role::User).any(|m| {
        let then = content(&spoken(&m.content));
        let (both, any) = (now.intersection(&then).count(), now.union(&then).count());
        then.len() >= CONTENT_LEAST && both as f64 >= SAME * any as f64
    })
}

/// Whether the message answers a question of the tutor's with a reason.
fn explains(clauses: &[Clause], earlier: &[Message]) -> bool {
    let asked = earlier.last().is_some_and(|m| {
        m.role == Role::Assistant && self::clauses(&spoken(&m.content)).last().is_some_and(|c| c.asks)
    });
    let words = clauses.iter().map(|c| c.stems.len()).sum::<usize>();
    let reason = |c: &Clause| c.has_any(&REASONS);
    asked && words >= EXPLANATION_WORDS && clauses.iter().all(|c| !c.asks) && clauses.iter().any(reason)
}

/// Whether the message asks on from the answer before it, and that one's question did so too.
fn deeper(said: &str, clauses: &[Clause], earlier: &[Message]) -> Option<Sign> {
    if !clauses.iter().any(|c| c.asks) || !clauses.iter().any(|c| c.has_any(&ONWARD)) {
        return None;
    }
    let mut answers = of_role(earlier, Role::Assistant).rev().map(|m| content(&spoken(&m.content)));
    let mut questions = of_role(earlier, Role::User).rev().map(|m| content(&spoken(&m.content)));
    let common = |a: &HashSet<String>, b: &HashSet<String>| a.intersection(b).next().is_some();
    if !common(&content(said), &answers.next()?) {
        return None;
    }
    let (before, its_ground) = (questions.next(), answers.next());
    let still = before.zip(its_ground).is_some_and(|(question, answer)| common(&question, &answer));
    Some(if still { Sign::DeeperStill } else { Sign::Deeper })
}

/// What a feeling says of managing: fear and joy, for example, nothing.
fn felt(emotion: &Emotion) -> Option<Sign> {
    match emotion.primary.as_str() {
        "realization" | "pride" => Some(Sign::FeelsAble),
        "confusion" | "annoyance" | "disappointment" => Some(Sign::FeelsUnable),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use headwater_core::event::Readiness;
    use headwater_core::{Millis, RunId};

    use super::*;

    fn line(role: Role, content: &str) -> Message {
        Message {
            role,
            content: content.to_owned(),
            run: RunId::parse("r").unwrap(),
            outcome: None,
            at: Millis(0),
        }
    }

    fn signs(message: &str, earlier: &[Message]) -> Vec<Sign> {
        Evidence::of(message, earlier, None).signs
    }

    #[test]
    fn what_is_said_plainly() {
        for text in [
            "I got it, thanks!",
            "ok that makes sense",
            "Ah, I see now.",
            "now I understand it",
            "Got it.",
            "I figured it out by myself",
            "That was easy",
        ] {
            assert_eq!(signs(text, &[]), [Sign::Understood], "{text}");
        }
        for text in [
            "I don't get it",
            "I still don’t understand the second step",
            "sorry, I'm lost",
            "this makes no sense",
            "I am stuck on exercise 4",
            "you lost me",
            "But I do not understand why.",
            "I understand a, but I'm lost at b",
            "why do I not... I don't get it?",
            "that doesn't make sense",
        ] {
            assert_eq!(signs(text, &[]), [Sign::NotUnderstood], "{text}");
        }
    }

    /// Planted fault: negations and suppositions not looked at.
    #[test]
    fn what_is_not_said_is_not_heard() {
        for text in [
            "What is a derivative?",
            "Do I understand it right?",
            "does that make sense?",
            "I want to be sure that I get it",
            "If I understand correctly, x is 3",
            "help me until I got it",
            "My brother doesn't understand fractions",
            "you don't get it",
            "I got it wrong",
            "I don't think I understand",
            "I would say I got it from my mother",
            "I'm not lost",
            "explain so that I understand",
            "how do I make sense of this",
            "",
            "42",
            "```I don't get it```",
            "Write an essay about people who do not understand each other",
        ] {
            assert_eq!(signs(text, &[]), [], "{text}");
        }
        assert_eq!(Evidence::of("What is a derivative?", &[], None), Evidence::default());
    }

    #[test]
    fn asking_the_same_again() {
        let earlier = [
            line(Role::User, "How do I find the derivative of a product?"),
            line(Role::Assistant, "With the product rule."),
        ];
        assert_eq!(signs("so how do you find the derivative of a product", &earlier), [Sign::AskedAgain]);
        assert_eq!(signs("how do I find the integral of a quotient", &earlier), []);
        // Too short to be the same other than by chance.
        assert_eq!(signs("derivative?", &earlier), []);
    }

    #[test]
    fn answering_with_a_reason() {
        let asked = [line(Role::Assistant, "Good. Why is the slope negative here?")];
        let reason = "The slope is negative because y gets smaller to the right";
        assert_eq!(signs(reason, &asked), [Sign::Explained]);
        assert_eq!(signs(reason, &[line(Role::Assistant, "The slope is negative.")]), []);
        assert_eq!(signs("because it is", &asked), []);
        assert_eq!(signs("Is it because y gets smaller to the right side?", &asked), []);
    }

    #[test]
    fn asking_on() {
        let one = [
            line(Role::User, "What is a prime number?"),
            line(Role::Assistant, "A prime has exactly two divisors."),
        ];
        assert_eq!(signs("Why is 1 not a prime then?", &one), [Sign::Deeper]);
        assert_eq!(signs("Why is the sky blue?", &one), []);
        let mut two = one.to_vec();
        two.push(line(Role::User, "What about the divisors of 1?"));
        two.push(line(Role::Assistant, "It has one divisor only."));
        assert_eq!(signs("What if we counted one divisor twice?", &two), [Sign::DeeperStill]);
    }

    #[test]
    fn feelings_count_a_little_and_only_alone() {
        let feels = |label: &str| Emotion {
            primary: label.to_owned(),
            arousal: 0.5,
            valence: 0.0,
            readiness: Readiness::ModerateReadiness,
        };
        let of = |text: &str, label: &str| Evidence::of(text, &[], Some(&feels(label)));
        assert_eq!(of("hm, the sign again", "confusion").signs, [Sign::FeelsUnable]);
        assert_eq!(of("oh, so it is the slope", "realization").signs, [Sign::FeelsAble]);
        assert_eq!(of("I don't get it", "confusion").signs, [Sign::NotUnderstood]);
        assert_eq!(of("I am happy", "joy"), Evidence::default());
        assert!(of("hm, the sign again", "confusion").weight < 0.2);
    }

    #[test]
    fn signs_together_say_more_and_never_all() {
        let one = Evidence::made_of(vec![Sign::Understood]);
        let two = Evidence::made_of(vec![Sign::Understood, Sign::Explained]);
        assert!(two.weight > one.weight && two.weight < 1.0);
        assert!(two.score < one.score && two.score > 0.75);
    }

    #[test]
    fn a_long_message_and_a_long_conversation_are_bounded() {
        let long = "I don't get it because what if. ".repeat(2_000);
        let earlier: Vec<Message> = (0..500).map(|_| line(Role::User, &long)).collect();
        assert!(signs(&long, &earlier).contains(&Sign::NotUnderstood));
    }
}
