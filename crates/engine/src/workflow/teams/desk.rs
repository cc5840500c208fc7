//! A team at work, or a phase: how what its model says becomes events.

use headwater_core::event::{Body, TeamStatus};
use headwater_core::port::provider::{FinishReason, ModelRequest, SharedProvider};
use headwater_core::{Code, Error, limit};
use tokio::time::Instant;

use super::code::{Piece, Reader};
use super::file::Team;
use super::thoughts::Paragraphs;
use crate::meter::Meter;
use crate::workflow::answer::{self, Speaks, begin, hear};
use crate::writer::{Emitter, words};

/// Says what a team, or the job as a whole, thinks and does.
pub(super) struct Teller {
    pub emit: Emitter,
    /// Whose it is; `None` for the job.
    pub team: Option<String>,
    steps: u32,
}

impl Teller {
    /// With an account of its own.
    pub(super) fn new(emit: &Emitter, team: Option<String>) -> Self {
        Self { emit: emit.part(), team, steps: 0 }
    }

    fn thought(&mut self, text: String) -> Body {
        self.steps += 1;
        let (id, team, step) = (uuid::Uuid::new_v4().to_string(), self.team.clone(), self.steps);
        Body::Thought { id, team, step, mode: None, text, confidence: None }
    }

    pub(super) async fn thinks(&mut self, text: impl Into<String> + Send) {
        let thought = self.thought(text.into());
        self.emit.emit(thought).await;
    }

    async fn think_all(&mut self, texts: impl IntoIterator<Item = String> + Send) {
        let texts: Vec<_> = texts.into_iter().collect();
        for text in texts {
            self.thinks(text).await;
        }
    }
}

/// A team's desk: who works there, and what lies on it.
pub(super) struct Desk<'a> {
    pub team: &'a Team,
    pub provider: SharedProvider,
    /// Whether the team's own model is not there, and the default one works in its place.
    pub stands_in: bool,
    /// Who really answered last.
    pub model: Option<String>,
    pub teller: Teller,
    /// The code up to now; of a team that failed, what it had written.
    pub code: String,
    pub reason: FinishReason,
    pub failed: Option<Error>,
    /// Whether its code is final.
    pub done: bool,
    pub began: Instant,
}

impl Desk<'_> {
    pub(super) async fn turn_to(&self, status: TeamStatus) {
        self.teller.emit.emit(Body::TeamChanged { team: self.team.name.clone(), status }).await;
    }

    /// Asks a model for code, and says it as it comes. What was written before it failed is given with the error.
    pub(super) async fn write(
        &mut self,
        provider: &SharedProvider,
        request: &ModelRequest,
    ) -> Result<(String, FinishReason), (String, Error)> {
        let none = |error| (String::new(), error);
        let asked = Instant::now();
        let (who, prompt, deltas) = begin(provider, request, self.teller.emit.meter()).await.map_err(none)?;
        self.model = Some(who.model.clone());
        self.teller.emit.emit(answer::introduced(&who, prompt, Some(&self.team.name))).await;
        let mut voice = Writing::new(&self.team.name, &mut self.teller, asked);
        let heard = hear(&who, deltas, None, false, &mut voice).await;
        let declined = std::mem::take(&mut voice.declined);
        let code = voice.finish().await;
        let failed = |code, words: String| Error::new(code, format!("{}: {words}", who.provider));
        match heard {
            Err(error) => Err((code, error)),
            Ok(heard) if heard.reason == FinishReason::Refusal => {
                let end = declined.floor_char_boundary(DECLINED_BYTES);
                let words = match declined[..end].trim() {
                    "" => "the model declined".to_owned(),
                    words => format!("the model declined: {words}"),
                };
                Err((code, failed(Code::ProviderRefused, words)))
            }
            Ok(heard) if heard.reason == FinishReason::ContentFilter => Err((
                code,
                failed(Code::ProviderRefused, "the provider withheld the rest of the answer".to_owned()),
            )),
            Ok(_) if code.trim().is_empty() => {
                Err((code, failed(Code::ProviderFailed, "the model wrote no code".to_owned())))
            }
            Ok(heard) => Ok((code, heard.reason)),
        }
    }
}

/// Bytes of a refusal that an error repeats: one or two sentences.
const DECLINED_BYTES: usize = 400;

/// How a team's answer is passed on: code as code, everything else as thoughts.
struct Writing<'a> {
    team: &'a str,
    teller: &'a mut Teller,
    reader: Reader,
    reasoning: Paragraphs,
    prose: Paragraphs,
    /// Whether the model has said anything of its thinking.
    thought: bool,
    generating: bool,
    bytes: usize,
    declined: String,
    /// When the model was asked.
    asked: Instant,
}

impl<'a> Writing<'a> {
    fn new(team: &'a str, teller: &'a mut Teller, asked: Instant) -> Self {
        Self {
            team,
            teller,
            reader: Reader::default(),
            reasoning: Paragraphs::default(),
            prose: Paragraphs::default(),
            thought: false,
            generating: false,
            bytes: 0,
            declined: String::new(),
            asked,
        }
    }

    async fn generate(&mut self) {
        self.generating = true;
        let (team, status) = (self.team.to_owned(), TeamStatus::Generating);
        self.teller.emit.emit(Body::TeamChanged { team, status }).await;
    }

    async fn pass(&mut self, pieces: Vec<Piece>) {
        for piece in pieces {
            match piece {
                Piece::Code(text) => {
                    let rest = [self.reasoning.finish(), self.prose.finish()];
                    self.teller.think_all(rest.into_iter().flatten()).await;
                    if !self.generating {
                        self.generate().await;
                        if !self.thought {
                            let after = self.asked.elapsed().as_secs_f64();
                            self.teller
                                .thinks(format!("The code begins, {after:.1} s after the model was asked."))
                                .await;
                        }
                    }
                    self.teller.emit.emit(Body::CodeDelta { team: self.team.to_owned(), text }).await;
                }
                Piece::Prose(text) => {
                    let rest = self.reasoning.finish();
                    self.teller.think_all(rest).await;
                    let whole = self.prose.push(&text);
                    self.teller.think_all(whole).await;
                }
                // The code is what comes after this.
                Piece::Anew => self.generate().await,
            }
        }
    }

    /// Says what is held back; gives the code.
    async fn finish(mut self) -> String {
        let mut out = Vec::new();
        let code = std::mem::take(&mut self.reader).finish(&mut out);
        self.pass(out).await;
        let rest = [self.reasoning.finish(), self.prose.finish()];
        self.teller.think_all(rest.into_iter().flatten()).await;
        code
    }

    fn weigh(&mut self, text: &str) -> Result<(), Error> {
        weigh(&mut self.bytes, text.len())
    }
}

/// A stop drops the work in the middle: what was heard and held back is kept, as everything that was written is.
impl Drop for Writing<'_> {
    fn drop(&mut self) {
        let mut last: Vec<_> = self.reasoning.finish().into_iter().collect();
        let mut pieces = Vec::new();
        std::mem::take(&mut self.reader).finish(&mut pieces);
        let mut code = String::new();
        for piece in pieces {
            match piece {
                Piece::Code(text) => code.push_str(&text),
                Piece::Prose(text) => last.extend(self.prose.push(&text)),
                Piece::Anew => {}
            }
        }
        last.extend(self.prose.finish());
        for text in last {
            let thought = self.teller.thought(text);
            self.teller.emit.emit_last(thought);
        }
        if !code.is_empty() {
            let team = self.team.to_owned();
            if !self.generating {
                let status = TeamStatus::Generating;
                self.teller.emit.emit_last(Body::TeamChanged { team: team.clone(), status });
            }
            self.teller.emit.emit_last(Body::CodeDelta { team, text: code });
        }
    }
}

/// What a model thinks is in the log as well: one that thinks without end fails alone.
fn weigh(bytes: &mut usize, more: usize) -> Result<(), Error> {
    *bytes += more;
    let most = limit::TEAM_ANSWER_BYTES;
    let words = || format!("the model's answer is longer than the {most} bytes that one of a job may have");
    if *bytes > most { Err(Error::new(Code::TooLarge, words())) } else { Ok(()) }
}

impl Speaks for Writing<'_> {
    fn meter(&self) -> &Meter {
        self.teller.emit.meter()
    }

    async fn say(&mut self, text: String) -> Result<(), Error> {
        self.weigh(&text)?;
        let mut out = Vec::new();
        self.reader.push(&text, &mut out);
        self.pass(out).await;
        Ok(())
    }

    async fn decline(&mut self, text: String) -> Result<(), Error> {
        self.weigh(&text)?;
        self.declined.push_str(&text);
        Ok(())
    }

    async fn tell(&mut self, body: Body) -> Result<(), Error> {
        weigh(&mut self.bytes, words(&body))?;
        match body {
            Body::Reasoning { text } => {
                self.thought = true;
                let whole = self.reasoning.push(&text);
                self.teller.think_all(whole).await;
            }
            other => self.teller.emit.emit(other).await,
        }
        Ok(())
    }
}

/// Asks a model for words, and says them as thoughts.
pub(super) async fn consult(
    provider: &SharedProvider,
    request: &ModelRequest,
    teller: &mut Teller,
) -> Result<String, Error> {
    let (who, prompt, deltas) = begin(provider, request, teller.emit.meter()).await?;
    teller.emit.emit(answer::introduced(&who, prompt, teller.team.as_deref())).await;
    let mut voice = Consulting {
        teller,
        text: String::new(),
        bytes: 0,
        reasoning: Paragraphs::default(),
        words: Paragraphs::default(),
    };
    let heard = hear(&who, deltas, None, false, &mut voice).await;
    let rest = [voice.reasoning.finish(), voice.words.finish()];
    voice.teller.think_all(rest.into_iter().flatten()).await;
    let text = voice.text.trim();
    if heard?.reason == FinishReason::Refusal || text.is_empty() {
        return Err(Error::new(
            Code::ProviderFailed,
            format!("{}: the model said nothing of use", who.provider),
        ));
    }
    Ok(text.to_owned())
}

/// How the words of a phase are passed on.
struct Consulting<'a> {
    teller: &'a mut Teller,
    text: String,
    bytes: usize,
    reasoning: Paragraphs,
    words: Paragraphs,
}

impl Speaks for Consulting<'_> {
    fn meter(&self) -> &Meter {
        self.teller.emit.meter()
    }

    async fn say(&mut self, text: String) -> Result<(), Error> {
        weigh(&mut self.bytes, text.len())?;
        self.text.push_str(&text);
        let mut whole: Vec<_> = self.reasoning.finish().into_iter().collect();
        whole.extend(self.words.push(&text));
        self.teller.think_all(whole).await;
        Ok(())
    }

    async fn decline(&mut self, text: String) -> Result<(), Error> {
        self.say(text).await
    }

    async fn tell(&mut self, body: Body) -> Result<(), Error> {
        weigh(&mut self.bytes, words(&body))?;
        match body {
            Body::Reasoning { text } => {
                let whole = self.reasoning.push(&text);
                self.teller.think_all(whole).await;
            }
            other => self.teller.emit.emit(other).await,
        }
        Ok(())
    }
}
