//! A job from its brief to its code: plan, write side by side, review, refine.

use futures_util::future::join_all;
use headwater_core::event::{Body, TeamStatus};
use headwater_core::port::provider::{
    FinishReason, ModelRequest, PromptMessage, Provider, Role, SharedProvider, Usage,
};
use headwater_core::{Error, limit};
use tokio::sync::Mutex;
use tokio::time::Instant;

use super::Teams;
use super::desk::{Desk, Teller, consult};
use super::file::{Framework, Phase, Voice as How};
use super::thoughts::{count, used};
use super::words::Word;
use crate::mask::{Kinds, mask};
use crate::workflow::answer::{Voice, estimate};
use crate::workflow::prompt::is_tiny;
use crate::writer::{Emitter, Finished, failure};

/// Bytes of answer text in one event: a frame that every client takes.
const PIECE_BYTES: usize = 4 * 1024;
/// Phases on the wire.
const PLANNER: &str = "planner";
const REVIEWER: &str = "reviewer";
const REFINER: &str = "refiner";

/// A job at work.
pub(super) struct Work<'a> {
    pub teams: &'a Teams,
    pub emit: &'a Emitter,
    pub brief: &'a str,
    pub framework: &'a Framework,
    /// Lines.
    pub style: String,
    /// Lines.
    pub workspace: String,
    /// What the client allows, where it says so.
    pub max_tokens: Option<u32>,
    /// What the answer has, team by team as they come to their end; whether it has anything.
    pub answer: Mutex<(Voice<'a>, bool)>,
}

impl<'a> Work<'a> {
    /// Does it. Every team's end is told before this returns.
    pub(super) async fn run(&self, mut desks: Vec<Desk<'a>>) -> Result<Finished, Error> {
        let mut teller = Teller::new(self.emit, None);
        let plan = self.plan(&mut teller).await;
        join_all(desks.iter_mut().map(|desk| self.draft(desk, &plan))).await;
        self.improve(&mut desks, &mut teller, &plan).await;
        for desk in desks.iter_mut().filter(|d| d.failed.is_none() && !d.done) {
            self.complete(desk).await;
        }
        let failed: Vec<_> = desks.iter().filter_map(|d| Some((&d.team.name, d.failed.as_ref()?))).collect();
        let Some((_, first)) = failed.first() else {
            let cut = desks.iter().any(|d| d.reason == FinishReason::Length);
            let reason = if cut { FinishReason::Length } else { FinishReason::Stop };
            return Ok(Finished { reason, usage: self.emit.meter().total().unwrap_or_default() });
        };
        let words: Vec<_> = failed.iter().map(|(team, e)| format!("team `{team}`: {}", e.message)).collect();
        let retry_after = failed.iter().filter_map(|(_, e)| e.retry_after).max();
        Err(Error { retry_after, ..Error::new(first.code, words.join("; ")) })
    }

    /// What the planner says; empty where there is none, or where it failed: the teams do without.
    async fn plan(&self, teller: &mut Teller) -> String {
        let Some(planner) = &self.teams.file.planner else { return String::new() };
        self.phase(PLANNER, TeamStatus::Thinking, None).await;
        let provider = self.teams.phase_provider(planner);
        let request = self.phase_request(planner, &provider, "", "");
        match consult(&provider, &request, teller).await {
            Ok(plan) => {
                self.phase(PLANNER, TeamStatus::Complete, None).await;
                plan
            }
            Err(error) => {
                self.phase(PLANNER, TeamStatus::Error, None).await;
                teller
                    .thinks(format!("There is no plan: {}. The teams work without one.", shown(&error)))
                    .await;
                String::new()
            }
        }
    }

    /// A team's first code.
    async fn draft(&self, desk: &mut Desk<'_>, plan: &str) {
        desk.began = Instant::now();
        self.phase(&desk.team.name, TeamStatus::Thinking, None).await;
        desk.turn_to(TeamStatus::Thinking).await;
        let request = self.request(desk, plan);
        self.opening(desk, &request, plan).await;
        let provider = desk.provider.clone();
        match desk.write(&provider, &request).await {
            Ok((code, reason)) => {
                (desk.code, desk.reason) = (code, reason);
                if self.teams.file.refiner.is_some() {
                    self.generated(desk, true).await;
                } else {
                    self.complete(desk).await;
                }
                self.phase(&desk.team.name, TeamStatus::Complete, None).await;
            }
            Err((code, error)) => {
                desk.code = code;
                self.fail(desk, error).await;
                self.phase(&desk.team.name, TeamStatus::Error, None).await;
            }
        }
    }

    /// What is known before the model is asked.
    async fn opening(&self, desk: &mut Desk<'_>, request: &ModelRequest, plan: &str) {
        let info = desk.provider.info();
        if desk.stands_in {
            let label = info.label.as_ref().map(|label| format!(" ({label})")).unwrap_or_default();
            let (alias, model) = (&desk.team.model, &info.model);
            let words = format!(
                "No model is configured under the name `{alias}`: the default model {model}{label} works for this team."
            );
            desk.teller.thinks(words).await;
        }
        let lines = |text: &str| text.lines().count() as u64;
        let asks = &self.teams.file.request;
        let says = |word| match is_tiny(&*desk.provider) {
            true => asks.tiny.says(word),
            false => asks.full.says(word) || desk.team.prompt.says(word),
        };
        let mut given = vec![count(self.brief.split_whitespace().count() as u64, "word")];
        let mut left = Vec::new();
        let wishes = [
            (Word::Style, &*self.style, count(lines(&self.style), "preference")),
            (Word::Workspace, &*self.workspace, count(lines(&self.workspace), "fact") + " about the project"),
            (Word::Plan, plan, "the plan".to_owned()),
        ];
        for (word, _, words) in wishes.into_iter().filter(|(_, text, _)| !text.is_empty()) {
            if says(word) { &mut given } else { &mut left }.push(words);
        }
        let words = format!(
            "Asks {} of {} for {} code: a brief of {}, about {} of prompt.",
            info.model,
            info.name,
            self.framework.title,
            given.join(", "),
            count(estimate(&desk.provider, request), "token"),
        );
        desk.teller.thinks(words).await;
        if !left.is_empty() {
            desk.teller.thinks(format!("The prompt has no place for {}.", left.join(", "))).await;
        }
    }

    /// Reviews and refines, where that is configured and there is something to refine.
    async fn improve(&self, desks: &mut [Desk<'a>], teller: &mut Teller, plan: &str) {
        let Some(reviewer) = &self.teams.file.reviewer else { return };
        let rounds = self.teams.file.refiner.as_ref().map_or(1, |refiner| refiner.rounds);
        for round in 1..=rounds {
            if desks.iter().all(|d| d.failed.is_some()) {
                return;
            }
            let Some(notes) = self.review(reviewer, desks, teller, round).await else { return };
            let Some(refiner) = &self.teams.file.refiner else {
                return self.say(&format!("## Review\n\n{notes}")).await;
            };
            self.phase(REFINER, TeamStatus::Generating, Some(round)).await;
            let left = desks.iter_mut().filter(|d| d.failed.is_none());
            let last = round == rounds;
            let done = join_all(left.map(|d| self.refine(&refiner.phase, d, (plan, &notes), last))).await;
            let status = if done.contains(&false) { TeamStatus::Error } else { TeamStatus::Complete };
            self.phase(REFINER, status, Some(round)).await;
        }
    }

    /// The reviewer's notes on all code.
    async fn review(
        &self,
        phase: &Phase,
        desks: &[Desk<'a>],
        teller: &mut Teller,
        round: u32,
    ) -> Option<String> {
        self.phase(REVIEWER, TeamStatus::Thinking, Some(round)).await;
        let all: Vec<_> = desks
            .iter()
            .filter(|d| d.failed.is_none())
            .map(|d| format!("### {}\n\n{}", d.team.name, fenced("", &d.code)))
            .collect();
        let provider = self.teams.phase_provider(phase);
        let request = self.phase_request(phase, &provider, &all.join("\n\n"), "");
        match consult(&provider, &request, teller).await {
            Ok(notes) => {
                self.phase(REVIEWER, TeamStatus::Complete, Some(round)).await;
                Some(notes)
            }
            Err(error) => {
                self.phase(REVIEWER, TeamStatus::Error, Some(round)).await;
                teller
                    .thinks(format!("There is no review: {}. The code stays as it is.", shown(&error)))
                    .await;
                None
            }
        }
    }

    /// A team's code, made better; whether it was. Where it was not, the code stays as it is.
    async fn refine(
        &self,
        phase: &Phase,
        desk: &mut Desk<'_>,
        (plan, notes): (&str, &str),
        last: bool,
    ) -> bool {
        let provider = match &phase.model {
            Some(_) => self.teams.phase_provider(phase),
            None => desk.provider.clone(),
        };
        let mut request = self.phase_request(phase, &provider, &desk.code, notes);
        // It is the team's work: in the team's words, whoever does it.
        let system = desk.team.prompt.fill(|word| self.value(word, plan, "", ""));
        request.messages.insert(0, PromptMessage::new(Role::System, system));
        let refined = match desk.write(&provider, &request).await {
            Ok((code, reason)) => {
                (desk.code, desk.reason) = (code, reason);
                true
            }
            Err((_, error)) => {
                let words = format!("The refinement failed: {}. The code before it stays.", shown(&error));
                desk.teller.thinks(words).await;
                false
            }
        };
        match (last, refined) {
            (true, _) => self.complete(desk).await,
            // Whoever showed its pieces as they came has to know that they are not the code.
            (false, _) => self.generated(desk, true).await,
        }
        refined
    }

    /// A team's code is final.
    async fn complete(&self, desk: &mut Desk<'_>) {
        desk.done = true;
        desk.turn_to(TeamStatus::Complete).await;
        self.generated(desk, false).await;
        let code = fenced(&self.framework.language, &desk.code);
        self.say(&format!("{}\n\n{code}", self.heading(desk))).await;
    }

    /// A team's code is whole, for now or for good.
    async fn generated(&self, desk: &mut Desk<'_>, draft: bool) {
        let usage = desk.teller.emit.meter().total();
        let tokens = tokens(usage.as_ref(), desk);
        let (team, code) = (desk.team.name.clone(), desk.code.clone());
        desk.teller.emit.emit(Body::CodeGenerated { team, code, tokens, usage, draft }).await;
        let lines = count(desk.code.lines().count() as u64, "line");
        let seconds = desk.began.elapsed().as_secs_f64();
        let cut = match desk.reason {
            FinishReason::Length => " The answer ended at its token limit: the code may be cut off.",
            _ => "",
        };
        let words = format!("The code has {lines}{}, after {seconds:.1} s.{cut}", used(usage.as_ref()));
        desk.teller.thinks(words).await;
    }

    /// A team's work ends here; the others go on.
    async fn fail(&self, desk: &mut Desk<'_>, error: Error) {
        // A host may quote what it was asked.
        let error = Error { message: mask(&error.message, Kinds::ALL).into_owned(), ..error };
        desk.turn_to(TeamStatus::Error).await;
        let (team, failure) = (desk.team.name.clone(), failure(error.clone()));
        desk.teller.emit.emit(Body::TeamFailed { team, error: failure }).await;
        let (seconds, message) = (desk.began.elapsed().as_secs_f64(), &error.message);
        let written = match desk.code.lines().count() as u64 {
            0 => "Nothing was written.".to_owned(),
            n => format!("{} had been written.", count(n, "line")),
        };
        let usage = used(desk.teller.emit.meter().total().as_ref());
        desk.teller
            .thinks(format!("The work failed after {seconds:.1} s{usage}: {message}. {written}"))
            .await;
        let mut section = format!("{}\n\nThis team failed: {message}.", self.heading(desk));
        if !desk.code.is_empty() {
            section += &format!(" It had written:\n\n{}", fenced(&self.framework.language, &desk.code));
        }
        desk.failed = Some(error);
        self.say(&section).await;
    }

    fn heading(&self, desk: &Desk<'_>) -> String {
        let plan = self.teams.planned(desk.team);
        let label = plan.label.map(|label| format!(", {label}")).unwrap_or_default();
        let model = desk.model.as_ref().unwrap_or(&plan.model);
        format!("## {} ({model}{label})", desk.team.title)
    }

    /// Says a part of the answer, which no other team's part comes into.
    async fn say(&self, section: &str) {
        let mut answer = self.answer.lock().await;
        let gap = if std::mem::replace(&mut answer.1, true) { "\n\n" } else { "" };
        let text = format!("{gap}{section}");
        let mut rest = text.as_str();
        while !rest.is_empty() {
            let most = rest.floor_char_boundary(PIECE_BYTES.min(rest.len()));
            let at =
                if most == rest.len() { most } else { rest[..most].rfind('\n').map_or(most, |at| at + 1) };
            let (piece, after) = rest.split_at(at);
            answer.0.say(piece.to_owned()).await;
            rest = after;
        }
    }

    /// Where phases are configured, each one is told.
    async fn phase(&self, phase: &str, status: TeamStatus, iteration: Option<u32>) {
        if self.teams.file.has_phases() {
            self.emit.emit(Body::PhaseChanged { phase: phase.to_owned(), status, iteration }).await;
        }
    }

    fn value<'b>(&'b self, word: Word, plan: &'b str, code: &'b str, notes: &'b str) -> &'b str {
        match word {
            Word::Brief => self.brief,
            Word::Framework => &self.framework.title,
            Word::Instructions => self.framework.prompt.trim(),
            Word::Style => &self.style,
            Word::Workspace => &self.workspace,
            Word::Plan => plan,
            Word::Code => code,
            Word::Notes => notes,
        }
    }

    /// What a team's model is asked for first. A tiny one is lost in more than a sentence.
    fn request(&self, desk: &Desk<'_>, plan: &str) -> ModelRequest {
        let value = |word| self.value(word, plan, "", "");
        let request = &self.teams.file.request;
        let messages = if is_tiny(&*desk.provider) {
            vec![PromptMessage::new(Role::User, request.tiny.fill(value))]
        } else {
            let system = PromptMessage::new(Role::System, desk.team.prompt.fill(value));
            vec![system, PromptMessage::new(Role::User, request.full.fill(value))]
        };
        self.asked(&*desk.provider, desk.team.voice, messages)
    }

    fn phase_request(
        &self,
        phase: &Phase,
        provider: &SharedProvider,
        code: &str,
        notes: &str,
    ) -> ModelRequest {
        let prompt = phase.prompt.fill(|word| self.value(word, "", code, notes));
        self.asked(&**provider, phase.voice, vec![PromptMessage::new(Role::User, prompt)])
    }

    fn asked(&self, provider: &dyn Provider, how: How, messages: Vec<PromptMessage>) -> ModelRequest {
        let most = if is_tiny(provider) {
            self.teams.file.request.tiny_max_tokens
        } else {
            limit::ANSWER_TOKENS_MAX
        };
        ModelRequest {
            messages,
            max_tokens: how.max_tokens.min(most).min(self.max_tokens.unwrap_or(most)),
            temperature: how.temperature,
            reasoning: how.reasoning,
            ..ModelRequest::default()
        }
    }
}

/// What a team's model wrote, in tokens.
fn tokens(usage: Option<&Usage>, desk: &Desk<'_>) -> u64 {
    let counted = || desk.provider.count_tokens(&desk.code) as u64;
    usage.and_then(|usage| usage.output_tokens).unwrap_or_else(counted)
}

/// An error for the log, without what belongs to a person.
fn shown(error: &Error) -> String {
    mask(error.message.trim_end_matches('.'), Kinds::ALL).into_owned()
}

/// Code in a fence that nothing in it closes.
fn fenced(language: &str, code: &str) -> String {
    let runs = code.split(|c| c != '`').map(str::len).max().unwrap_or_default();
    let fence = "`".repeat(3.max(runs + 1));
    format!("{fence}{language}\n{code}\n{fence}")
}
