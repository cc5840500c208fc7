//! Stands in for `crate::tutor` until that is merged: the same names, so that the merge is an edit of `use` lines.
//! To be removed with the merge.

#![allow(missing_docs, clippy::missing_errors_doc, clippy::must_use_candidate, clippy::unused_async)]

pub mod emotion {
    use headwater_core::event::{Emotion, Readiness};
    use headwater_core::port::SharedEmbedder;
    use headwater_core::port::provider::SharedProvider;

    /// How somebody feels, from his words.
    pub struct Feelings {
        embedder: Option<SharedEmbedder>,
    }

    impl Feelings {
        /// With an embedder, or without.
        pub async fn prepare(embedder: Option<SharedEmbedder>) -> Self {
            Self { embedder }
        }

        pub async fn of(&self, text: &str) -> Option<Emotion> {
            if let Some(embedder) = &self.embedder {
                embedder.embed(vec![text.to_owned()]).await.ok()?;
            }
            word(text)
        }
    }

    fn word(text: &str) -> Option<Emotion> {
        let text = text.to_lowercase();
        let (primary, valence, readiness) = if text.contains("confus") || text.contains("lost") {
            ("confusion", -0.3, Readiness::LowReadiness)
        } else if text.contains("love") {
            ("joy", 0.8, Readiness::OptimalReadiness)
        } else {
            return None;
        };
        Some(Emotion { primary: primary.to_owned(), arousal: 0.5, valence, readiness })
    }

    pub async fn asked(_provider: &SharedProvider, text: &str) -> Option<Emotion> {
        word(text)
    }
}

pub mod ability {
    use headwater_core::event::Emotion;
    use headwater_core::port::SharedStore;
    use headwater_core::port::records::Expect;
    use headwater_core::run::Message;
    use headwater_core::{Error, Millis, UserId};
    use serde::{Deserialize, Serialize};

    #[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
    pub struct Ability {
        pub theta: f64,
        pub confidence: f64,
        pub turns: u32,
    }

    impl Default for Ability {
        fn default() -> Self {
            Self { theta: 0.5, confidence: 0.0, turns: 0 }
        }
    }

    pub struct Evidence(f64);

    impl Evidence {
        pub fn of(message: &str, _earlier: &[Message], _emotion: Option<&Emotion>) -> Self {
            Self(if message.contains("I understand") { 1.0 } else { 0.0 })
        }
    }

    impl Ability {
        pub fn learn(&self, seen: &Evidence, _difficulty: f64) -> Self {
            let theta = (self.theta + 0.1 * seen.0).clamp(0.0, 1.0);
            Self { theta, confidence: (self.confidence + 0.05).min(1.0), turns: self.turns + 1 }
        }
    }

    /// Of its records.
    pub const KIND: &str = "ability";

    pub async fn load(store: &SharedStore, owner: &UserId, subject: &str) -> Result<Ability, Error> {
        let record = store.record(owner, "ability", subject).await.map_err(crate::engine::store_failed)?;
        Ok(record.and_then(|r| serde_json::from_str(&r.value).ok()).unwrap_or_default())
    }

    pub async fn learned(
        store: &SharedStore,
        owner: &UserId,
        subject: &str,
        learn: impl Fn(&Ability) -> Ability + Send,
        at: Millis,
    ) -> Result<Ability, Error> {
        loop {
            let record =
                store.record(owner, "ability", subject).await.map_err(crate::engine::store_failed)?;
            let expect = record.as_ref().map_or(Expect::Absent, |r| Expect::Version(r.version));
            let before = record.and_then(|r| serde_json::from_str(&r.value).ok()).unwrap_or_default();
            let after = learn(&before);
            let value = serde_json::to_string(&after).unwrap_or_default();
            let put = store.put_record(owner, "ability", (subject, &value), expect, at).await;
            if put.map_err(crate::engine::store_failed)?.is_some() {
                return Ok(after);
            }
        }
    }
}

pub mod difficulty {
    use headwater_core::event::Emotion;

    use super::ability::Ability;

    #[derive(Debug, Clone, Copy, PartialEq)]
    pub struct Difficulty {
        pub value: f64,
    }

    impl Difficulty {
        pub fn label(&self) -> &'static str {
            match self.value {
                v if v < 0.3 => "Beginner",
                v if v < 0.5 => "Easy",
                v if v < 0.7 => "Moderate",
                v if v < 0.85 => "Challenging",
                _ => "Expert",
            }
        }

        pub fn instruction(&self) -> &'static str {
            match self.label() {
                "Beginner" => "Assume no knowledge; use short sentences and everyday examples.",
                "Easy" => "Explain each term when it first comes up, with a simple example.",
                "Moderate" => "Assume the basics; explain what goes beyond them.",
                "Challenging" => "Assume solid knowledge; go into the reasons.",
                _ => "Speak as to a specialist.",
            }
        }
    }

    pub fn difficulty(ability: &Ability, emotion: Option<&Emotion>) -> Difficulty {
        let shift = match emotion.map(|e| e.primary.as_str()) {
            Some("confusion") => -0.1,
            Some("joy") => 0.05,
            _ => 0.0,
        };
        Difficulty { value: (ability.theta * 0.75 + shift).clamp(0.0, 1.0) }
    }
}

pub mod category {
    use crate::assistant::words::{occurs, stems};

    /// Categories with the words that speak for each.
    #[derive(Debug, Clone, PartialEq)]
    pub struct Categories {
        rows: Vec<(String, Vec<Vec<String>>)>,
        fallback: String,
    }

    impl Categories {
        pub fn new(rows: impl IntoIterator<Item = (String, Vec<String>)>, fallback: &str) -> Self {
            let stemmed =
                |(name, words): (String, Vec<String>)| (name, words.iter().map(|w| stems(w)).collect());
            Self { rows: rows.into_iter().map(stemmed).collect(), fallback: fallback.to_owned() }
        }

        pub fn of(&self, text: &str) -> &str {
            let text = stems(text);
            let mut best: (&str, usize) = (&self.fallback, 0);
            for (name, words) in &self.rows {
                let found = words.iter().filter(|w| occurs(w, &text)).count();
                if found > best.1 {
                    best = (name, found);
                }
            }
            best.0
        }
    }
}
