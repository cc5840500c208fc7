//! The teams as data: who works on a job, for which frameworks, with which words and in which phases.
//!
//! As with an assistant, what is typed and what is used are two families of types; see [`TeamsFile::parse`].

use headwater_core::limit;
use headwater_core::port::provider::Effort;
use serde::Deserialize;

use super::words::{Template, Word};

/// The configuration that ships with the product.
pub const SHIPPED: &str = include_str!("../../../assets/teams.toml");

/// Checked teams. There is at least one, and the default framework exists.
#[derive(Debug, Clone, PartialEq)]
pub struct TeamsFile {
    /// The name of the workflow: lower-case letters, digits, `-` and `_`.
    pub name: String,
    /// The heading of the page.
    pub title: String,
    /// One or two sentences for the page.
    pub description: String,
    /// Briefs that the page offers to a newcomer.
    pub suggestions: Vec<String>,
    /// Whether a team whose model is not configured works with the default one, and says so.
    pub fallback: bool,
    /// How a model is asked.
    pub(super) request: Request,
    /// The default one first.
    pub(super) frameworks: Vec<Framework>,
    /// In the order in which they are shown.
    pub(super) teams: Vec<Team>,
    pub(super) planner: Option<Phase>,
    pub(super) reviewer: Option<Phase>,
    pub(super) refiner: Option<Refiner>,
}

/// How a team's model is asked.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Request {
    pub full: Template,
    /// For a tiny model.
    pub tiny: Template,
    pub tiny_max_tokens: u32,
}

/// What the code is for.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Framework {
    pub name: String,
    pub title: String,
    pub prompt: String,
    /// What stands behind the fence in the answer, so that a page can colour it.
    #[serde(default)]
    pub language: String,
}

/// A team.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Team {
    pub name: String,
    pub title: String,
    /// Its model's alias.
    pub model: String,
    pub prompt: Template,
    pub voice: Voice,
}

/// A step before or after the teams' work.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Phase {
    pub model: Option<String>,
    pub prompt: Template,
    pub voice: Voice,
}

/// Teams' code, made better.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Refiner {
    /// By the team's own model, where none is named.
    pub phase: Phase,
    pub rounds: u32,
}

/// How a model answers.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Voice {
    pub max_tokens: u32,
    pub temperature: Option<f32>,
    pub reasoning: Option<Effort>,
}

impl TeamsFile {
    /// Reads and checks a file of teams.
    ///
    /// # Errors
    /// Every problem that the file has, each as one line for the person who wrote it. A file that is no TOML, or has
    /// an unknown key or a value of the wrong type, gives that one problem, since nothing after it can be trusted.
    pub fn parse(text: &str) -> Result<Self, Vec<String>> {
        let typed: TypedFile = toml::from_str(text).map_err(|e| vec![e.to_string().trim_end().to_owned()])?;
        typed.check()
    }

    /// The models that the file names and that are not there, each as one line for the person who wrote it. A team's
    /// is not among them where the default one stands in for it.
    #[must_use]
    pub fn missing_models(&self, is_there: impl Fn(&str) -> bool) -> Vec<String> {
        let teams = self.teams.iter().filter(|_| !self.fallback);
        let teams = teams.map(|team| (format!("team \"{}\"", team.name), Some(&team.model)));
        let phases = [
            ("[planner]", self.planner.as_ref()),
            ("[reviewer]", self.reviewer.as_ref()),
            ("[refiner]", self.refiner.as_ref().map(|r| &r.phase)),
        ];
        let phases =
            phases.into_iter().filter_map(|(at, phase)| Some((at.to_owned(), phase?.model.as_ref())));
        teams
            .chain(phases)
            .filter_map(|(at, alias)| Some((at, alias.filter(|a| !is_there(a))?)))
            .map(|(at, alias)| format!("{at}: no model is configured under the name \"{alias}\""))
            .collect()
    }

    /// The names of the frameworks, the default first.
    pub fn frameworks(&self) -> impl Iterator<Item = &str> {
        self.frameworks.iter().map(|f| f.name.as_str())
    }

    /// The names of the teams, in the order in which they are shown.
    pub fn teams(&self) -> impl Iterator<Item = &str> {
        self.teams.iter().map(|t| t.name.as_str())
    }

    /// Whether phases are told.
    pub(super) fn has_phases(&self) -> bool {
        self.planner.is_some() || self.reviewer.is_some() || self.refiner.is_some()
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TypedFile {
    name: String,
    title: String,
    description: String,
    #[serde(default)]
    suggestions: Vec<String>,
    default: String,
    #[serde(default)]
    fallback: bool,
    request: TypedRequest,
    #[serde(default)]
    framework: Vec<Framework>,
    #[serde(default)]
    team: Vec<TypedTeam>,
    planner: Option<TypedPhase>,
    reviewer: Option<TypedPhase>,
    refiner: Option<TypedRefiner>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TypedRequest {
    full: String,
    tiny: String,
    tiny_max_tokens: u32,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TypedTeam {
    name: String,
    title: String,
    model: String,
    prompt: String,
    max_tokens: u32,
    temperature: Option<f32>,
    reasoning: Option<Effort>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TypedPhase {
    model: Option<String>,
    prompt: String,
    max_tokens: u32,
    temperature: Option<f32>,
    reasoning: Option<Effort>,
}

/// [`TypedPhase`] with its rounds: the library cannot both flatten and refuse unknown keys.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TypedRefiner {
    model: Option<String>,
    prompt: String,
    max_tokens: u32,
    temperature: Option<f32>,
    reasoning: Option<Effort>,
    rounds: u32,
}

/// Names that phases have on the wire.
const TAKEN: [&str; 4] = ["planner", "reviewer", "refiner", "workflow"];
/// What a name may be; told to the person whose file breaks it.
const NAME_RULE: &str = "a name is 1 to 32 lower-case letters, digits, - and _";

fn is_name(name: &str) -> bool {
    let fine = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'-' | b'_');
    (1..=32).contains(&name.len()) && name.bytes().all(fine)
}

/// What is wrong with a file, one line each.
#[derive(Default)]
struct Problems(Vec<String>);

impl Problems {
    fn need(&mut self, ok: bool, problem: impl FnOnce() -> String) {
        if !ok {
            self.0.push(problem());
        }
    }

    fn template(&mut self, at: &str, text: &str, takes: &[Word], needs: &[Word]) -> Template {
        self.need(!text.trim().is_empty(), || format!("{at} is empty"));
        Template::read(text, takes, needs).unwrap_or_else(|problems| {
            self.0.extend(problems.into_iter().map(|p| format!("{at}: {p}")));
            Template::default()
        })
    }

    fn voice(&mut self, at: &str, voice: Voice) -> Voice {
        let most = limit::ANSWER_TOKENS_MAX;
        self.need((1..=most).contains(&voice.max_tokens), || {
            format!("{at}: `max_tokens` must be 1 to {most}")
        });
        let fine = voice.temperature.is_none_or(|t| (0.0..=2.0).contains(&t));
        self.need(fine, || format!("{at}: `temperature` must be 0 to 2"));
        voice
    }

    fn phase(&mut self, at: &str, typed: TypedPhase, needs: &[Word]) -> Phase {
        const ALWAYS: [Word; 5] =
            [Word::Brief, Word::Framework, Word::Instructions, Word::Style, Word::Workspace];
        let TypedPhase { model, prompt, max_tokens, temperature, reasoning } = typed;
        let takes: Vec<_> = ALWAYS.iter().chain(needs).copied().collect();
        let prompt = self.template(&format!("{at} prompt"), &prompt, &takes, needs);
        let voice = self.voice(at, Voice { max_tokens, temperature, reasoning });
        Phase { model, prompt, voice }
    }
}

impl TypedFile {
    fn check(self) -> Result<TeamsFile, Vec<String>> {
        let mut p = Problems::default();
        p.need(is_name(&self.name), || format!("name \"{}\": {NAME_RULE}", self.name));
        p.need(self.name != "generate", || {
            "name \"generate\" is that of another workflow; take another".to_owned()
        });
        for (key, value) in [("title", &self.title), ("description", &self.description)] {
            p.need(!value.trim().is_empty(), || format!("`{key}` is empty"));
        }
        let request = self.request.check(&mut p);
        let frameworks = check_frameworks(self.framework, &self.default, &mut p);
        let teams = check_teams(self.team, &mut p);
        let planner = self.planner.map(|typed| p.phase("[planner]", typed, &[Word::Brief]));
        let reviewer = self.reviewer.map(|typed| p.phase("[reviewer]", typed, &[Word::Brief, Word::Code]));
        let refiner = self.refiner.map(|typed| {
            let TypedRefiner { model, prompt, max_tokens, temperature, reasoning, rounds } = typed;
            let most = limit::REFINEMENTS;
            p.need((1..=most).contains(&rounds), || format!("[refiner]: `rounds` must be 1 to {most}"));
            let typed = TypedPhase { model, prompt, max_tokens, temperature, reasoning };
            let needs = [Word::Brief, Word::Code, Word::Notes];
            Refiner { phase: p.phase("[refiner]", typed, &needs), rounds }
        });
        p.need(refiner.is_none() || reviewer.is_some(), || {
            "[refiner]: it works by the notes of a reviewer; add a [reviewer]".to_owned()
        });
        if !p.0.is_empty() {
            return Err(p.0);
        }
        Ok(TeamsFile {
            name: self.name,
            title: self.title,
            description: self.description,
            suggestions: self.suggestions,
            fallback: self.fallback,
            request,
            frameworks,
            teams,
            planner,
            reviewer,
            refiner,
        })
    }
}

impl TypedRequest {
    fn check(self, p: &mut Problems) -> Request {
        let takes =
            [Word::Brief, Word::Framework, Word::Instructions, Word::Style, Word::Workspace, Word::Plan];
        let most = limit::ANSWER_TOKENS_MAX;
        p.need((1..=most).contains(&self.tiny_max_tokens), || {
            format!("[request]: `tiny_max_tokens` must be 1 to {most}")
        });
        Request {
            full: p.template("[request] full", &self.full, &takes, &[Word::Brief]),
            tiny: p.template("[request] tiny", &self.tiny, &takes, &[Word::Brief]),
            tiny_max_tokens: self.tiny_max_tokens,
        }
    }
}

/// The frameworks, the default first.
fn check_frameworks(mut frameworks: Vec<Framework>, default: &str, p: &mut Problems) -> Vec<Framework> {
    p.need(!frameworks.is_empty(), || "there is no [[framework]]".to_owned());
    let names: Vec<_> = frameworks.iter().map(|f| f.name.clone()).collect();
    for (n, framework) in frameworks.iter().enumerate() {
        let at = format!("framework \"{}\"", framework.name);
        p.need(is_name(&framework.name), || format!("{at}: {NAME_RULE}"));
        p.need(!names[..n].contains(&framework.name), || format!("{at} stands twice"));
        for (key, value) in [("title", &framework.title), ("prompt", &framework.prompt)] {
            p.need(!value.trim().is_empty(), || format!("{at}: `{key}` is empty"));
        }
    }
    match names.iter().position(|name| name == default) {
        Some(at) => frameworks[..=at].rotate_right(1),
        None => p.need(false, || format!("default is \"{default}\", which is no framework")),
    }
    frameworks
}

fn check_teams(typed: Vec<TypedTeam>, p: &mut Problems) -> Vec<Team> {
    let most = limit::TEAMS;
    p.need((1..=most).contains(&typed.len()), || format!("there must be 1 to {most} [[team]]"));
    let mut teams: Vec<Team> = Vec::new();
    for team in typed {
        let at = format!("team \"{}\"", team.name);
        p.need(is_name(&team.name), || format!("{at}: {NAME_RULE}"));
        p.need(!TAKEN.contains(&team.name.as_str()), || {
            format!("{at}: the name is that of a phase; take another")
        });
        p.need(teams.iter().all(|t| t.name != team.name), || format!("{at} stands twice"));
        p.need(!team.title.trim().is_empty(), || format!("{at}: `title` is empty"));
        p.need(crate::models::is_alias(&team.model), || {
            format!("{at}: `model` must be the alias of a model")
        });
        let TypedTeam { max_tokens, temperature, reasoning, .. } = team;
        teams.push(Team {
            prompt: p.template(
                &format!("{at} prompt"),
                &team.prompt,
                &[Word::Framework, Word::Instructions],
                &[],
            ),
            voice: p.voice(&at, Voice { max_tokens, temperature, reasoning }),
            name: team.name,
            title: team.title,
            model: team.model,
        });
    }
    teams
}

#[cfg(test)]
mod tests;
