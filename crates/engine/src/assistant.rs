//! An assistant as data: who answers, from which knowledge, with which words and warnings.
//!
//! Someone makes a new assistant by writing a TOML file (`docs/assistants.md`), never by writing Rust. What is typed
//! in the file and what the engine uses are two families of types: the `Typed…` ones mirror the file, the public
//! ones exist only after every check has passed, so no later code asks "what if there is no agent?".
//!
//! Everything here is pure: the router and the safety look-up see the text and nothing else, so the same question
//! always goes the same way, and a test can hold them to it.

use std::collections::HashSet;

use serde::Deserialize;

/// The configuration of the assistant that ships with the product.
pub const SHIPPED: &str = include_str!("../assets/assist.toml");

/// The manifest of the shipped knowledge base; see [`Knowledge::parse`].
pub const SHIPPED_MANIFEST: &str = include_str!("../assets/knowledge/manifest.toml");

/// The shipped documents, file name and text, for an installation that has no folder of its own.
pub const SHIPPED_DOCUMENTS: [(&str, &str); 6] = [
    ("specs_genautox1_2024.md", include_str!("../assets/knowledge/specs_genautox1_2024.md")),
    ("maintenance_guide_genautox1.md", include_str!("../assets/knowledge/maintenance_guide_genautox1.md")),
    ("troubleshooting_guide.md", include_str!("../assets/knowledge/troubleshooting_guide.md")),
    ("features_guide_genautox1.md", include_str!("../assets/knowledge/features_guide_genautox1.md")),
    ("faq_genautox1.md", include_str!("../assets/knowledge/faq_genautox1.md")),
    ("safety_manual_genautox1.md", include_str!("../assets/knowledge/safety_manual_genautox1.md")),
];

/// What one unit of weight stands against when confidence is measured: a lone hint of weight 1 gives 0.67,
/// a lone strong word of weight 3 gives 0.86. Evidence for another agent lowers it further.
const DOUBT: f64 = 0.5;

/// The largest weight of a routing word; above it one word would silence any number of others.
const MAX_WEIGHT: f64 = 100.0;

/// What a name may be; told to the person whose file breaks it.
const NAME_RULE: &str = "a name is 1 to 32 lower-case letters, digits, - and _";

/// The placeholder in [`Safety`]'s format.
const TEXT: &str = "{text}";

/// A checked assistant. It has at least one agent, and its default agent exists.
#[derive(Debug, Clone, PartialEq)]
pub struct Assistant {
    /// The name of the workflow: lower-case letters, digits, `-` and `_`.
    pub name: String,
    /// The heading of the page.
    pub title: String,
    /// One or two sentences for the page.
    pub description: String,
    /// The manifest of the documents, relative to the assistant's file.
    pub knowledge: String,
    /// Questions that the page offers to a newcomer.
    pub suggestions: Vec<String>,
    /// How a model that can be trusted chooses the agent. Without it only the router decides.
    pub classifier: Option<Classifier>,
    /// How much of the knowledge base an answer sees.
    pub retrieval: Retrieval,
    /// How an answer is generated.
    pub answer: Answer,
    agents: Vec<Agent>,
    default: usize,
    safety: Option<Safety>,
}

/// The model's part in choosing an agent.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Classifier {
    /// The instruction; it names every agent's intent, and the model answers with one of them.
    pub prompt: String,
}

/// How much of the knowledge base an answer sees. A model's own token budget may lower it.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Retrieval {
    /// The most passages, 1 to 20.
    pub top_k: usize,
    /// The least relevance of a passage, 0 to 1.
    pub min_score: f64,
    /// The most tokens of passages in the prompt.
    pub max_context_tokens: usize,
}

impl Default for Retrieval {
    fn default() -> Self {
        Self { top_k: 5, min_score: 0.5, max_context_tokens: 3000 }
    }
}

/// How an answer is generated.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Answer {
    /// The most tokens of an answer.
    pub max_tokens: usize,
    /// 0 is greedy: the same question gets the same answer.
    pub temperature: f64,
}

impl Default for Answer {
    fn default() -> Self {
        Self { max_tokens: 160, temperature: 0.0 }
    }
}

/// A specialist.
#[derive(Debug, Clone, PartialEq)]
pub struct Agent {
    /// What clients see as `agent`.
    pub name: String,
    /// The upper-case word that the classifier answers with; what clients see as `classified_intent`.
    pub intent: String,
    /// The name for the page.
    pub title: String,
    /// The system prompt.
    pub prompt: String,
    words: Vec<RouteWord>,
}

/// A word or phrase that speaks for an agent.
#[derive(Debug, Clone, PartialEq)]
struct RouteWord {
    text: String,
    stems: Vec<String>,
    weight: f64,
}

/// The warnings that stand before an answer.
#[derive(Debug, Clone, PartialEq)]
struct Safety {
    format: String,
    rules: Vec<SafetyRule>,
}

#[derive(Debug, Clone, PartialEq)]
struct SafetyRule {
    words: Vec<Vec<String>>,
    agents: Vec<String>,
    text: String,
}

/// Where a question goes, and why.
#[derive(Debug, Clone, PartialEq)]
pub struct Routed<'a> {
    /// Who answers.
    pub agent: &'a Agent,
    /// The agent's intent, in upper case.
    pub intent: &'a str,
    /// How sure the router is, 0 to 1: the agent's score against all scores and a constant doubt. 0 when no word matched.
    pub confidence: f64,
    /// The words of the agent that were found, as the file spells them. Empty when the default agent was taken.
    pub matched: Vec<&'a str>,
}

impl Assistant {
    /// Reads and checks an assistant's file.
    ///
    /// # Errors
    /// Every problem that the file has, each as one line for the person who wrote it. A file that is no TOML, or has
    /// an unknown key or a value of the wrong type, gives that one problem, since nothing after it can be trusted.
    pub fn parse(text: &str) -> Result<Self, Vec<String>> {
        let typed: TypedAssistant =
            toml::from_str(text).map_err(|e| vec![e.to_string().trim_end().to_owned()])?;
        typed.check()
    }

    /// The specialists, in the order of the file. Never empty.
    #[must_use]
    pub fn agents(&self) -> &[Agent] {
        &self.agents
    }

    /// The specialist of this name.
    #[must_use]
    pub fn agent(&self, name: &str) -> Option<&Agent> {
        self.agents.iter().find(|a| a.name == name)
    }

    /// Who answers when nothing points anywhere.
    #[must_use]
    pub fn default_agent(&self) -> &Agent {
        &self.agents[self.default]
    }

    /// Chooses the specialist by the words of the text alone; of equal scores the earlier agent of the file wins.
    #[must_use]
    pub fn route(&self, text: &str) -> Routed<'_> {
        let stems = stems(text);
        let (mut best, mut best_score, mut total) = (None, 0.0, 0.0);
        for agent in &self.agents {
            let score: f64 = agent.found_in(&stems).iter().map(|w| w.weight).sum();
            total += score;
            if score > best_score {
                (best, best_score) = (Some(agent), score);
            }
        }
        let agent = best.unwrap_or_else(|| self.default_agent());
        Routed {
            agent,
            intent: &agent.intent,
            confidence: best_score / (total + DOUBT),
            matched: agent.found_in(&stems).iter().map(|w| w.text.as_str()).collect(),
        }
    }

    /// Reads a classifier's reply: the agent whose intent it names, if it names exactly one.
    #[must_use]
    pub fn classified(&self, reply: &str) -> Option<&Agent> {
        let words: HashSet<String> = words(reply).map(str::to_uppercase).collect();
        let mut named = self.agents.iter().filter(|a| words.contains(&a.intent));
        let first = named.next()?;
        named.next().is_none().then_some(first)
    }

    /// The warning of the first safety rule whose words are in the text, whichever agent answers.
    #[must_use]
    pub fn safety(&self, text: &str) -> Option<&str> {
        self.rule(text, None).map(|r| r.text.as_str())
    }

    /// What an answer of this agent begins with, formatted, where a safety rule of that agent matches.
    #[must_use]
    pub fn safety_prefix(&self, agent: &str, text: &str) -> Option<String> {
        let format = &self.safety.as_ref()?.format;
        self.rule(text, Some(agent)).map(|r| format.replace(TEXT, &r.text))
    }

    /// An answer without the warning that it may begin with. A prompt shows earlier answers so: a small
    /// model takes a warning for the way in which answers begin.
    #[must_use]
    pub fn unwarned<'a>(&self, answer: &'a str) -> &'a str {
        let Some(safety) = &self.safety else { return answer };
        let prefixes = safety.rules.iter().map(|r| safety.format.replace(TEXT, &r.text));
        prefixes.filter_map(|p| answer.strip_prefix(p.as_str())).next().unwrap_or(answer)
    }

    fn rule(&self, text: &str, agent: Option<&str>) -> Option<&SafetyRule> {
        let stems = stems(text);
        let applies = |r: &&SafetyRule| match agent {
            Some(name) => r.agents.is_empty() || r.agents.iter().any(|a| a == name),
            None => true,
        };
        let rules = self.safety.as_ref()?.rules.iter();
        rules.filter(applies).find(|r| r.words.iter().any(|w| occurs(w, &stems)))
    }
}

impl Agent {
    fn found_in<'a>(&'a self, text: &[String]) -> Vec<&'a RouteWord> {
        self.words.iter().filter(|w| occurs(&w.stems, text)).collect()
    }
}

/// The documents that an assistant answers from.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Knowledge {
    /// In the order of indexing.
    #[serde(rename = "document")]
    pub documents: Vec<Document>,
}

/// One document of a manifest.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Document {
    /// The file's name, beside the manifest; also the `source` that an answer cites.
    pub file: String,
    /// The document type that a search can ask for.
    #[serde(rename = "type")]
    pub kind: String,
    /// The name for the page.
    pub title: String,
}

impl Knowledge {
    /// Reads and checks a manifest.
    ///
    /// # Errors
    /// Every problem of the manifest, as [`Assistant::parse`] reports them.
    pub fn parse(text: &str) -> Result<Self, Vec<String>> {
        let manifest: Self = toml::from_str(text).map_err(|e| vec![e.to_string().trim_end().to_owned()])?;
        let (mut problems, mut seen) = (Vec::new(), HashSet::new());
        for d in &manifest.documents {
            // A manifest is somebody's file: it must not reach outside its folder.
            if d.file.is_empty() || d.file.starts_with('.') || d.file.contains(['/', '\\', ':', '\0']) {
                problems.push(format!("document \"{}\": `file` must be a plain file name", d.file));
            }
            if !seen.insert(&d.file) {
                problems.push(format!("document \"{}\" is listed twice", d.file));
            }
            if d.kind.trim().is_empty() || d.title.trim().is_empty() {
                problems.push(format!("document \"{}\": `type` and `title` must not be empty", d.file));
            }
        }
        if manifest.documents.is_empty() {
            problems.push("the manifest lists no document".to_owned());
        }
        if problems.is_empty() { Ok(manifest) } else { Err(problems) }
    }
}

// What is typed in the file.

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TypedAssistant {
    name: String,
    title: String,
    description: String,
    default: String,
    knowledge: String,
    #[serde(default)]
    suggestions: Vec<String>,
    classifier: Option<Classifier>,
    #[serde(default)]
    retrieval: Retrieval,
    #[serde(default)]
    answer: Answer,
    #[serde(default)]
    agent: Vec<TypedAgent>,
    safety: Option<TypedSafety>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TypedAgent {
    name: String,
    intent: String,
    title: String,
    prompt: String,
    #[serde(default)]
    words: Vec<TypedWords>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TypedWords {
    weight: f64,
    words: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TypedSafety {
    format: String,
    #[serde(default)]
    rule: Vec<TypedRule>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TypedRule {
    name: String,
    words: Vec<String>,
    #[serde(default)]
    agents: Vec<String>,
    text: String,
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
}

impl TypedAssistant {
    fn check(self) -> Result<Assistant, Vec<String>> {
        let mut problems = Problems::default();
        self.check_settings(&mut problems);
        self.check_agents(&mut problems);
        self.check_safety(&mut problems);
        if !problems.0.is_empty() {
            return Err(problems.0);
        }
        Ok(Assistant {
            default: self.agent.iter().position(|a| a.name == self.default).unwrap_or_default(),
            name: self.name,
            title: self.title,
            description: self.description,
            knowledge: self.knowledge,
            suggestions: self.suggestions,
            classifier: self.classifier,
            retrieval: self.retrieval,
            answer: self.answer,
            agents: self.agent.into_iter().map(TypedAgent::into_agent).collect(),
            safety: self.safety.map(TypedSafety::into_safety),
        })
    }

    fn check_settings(&self, p: &mut Problems) {
        p.need(is_name(&self.name), || format!("name \"{}\": {NAME_RULE}", self.name));
        for (key, value) in
            [("title", &self.title), ("description", &self.description), ("knowledge", &self.knowledge)]
        {
            p.need(!value.trim().is_empty(), || format!("`{key}` is empty"));
        }
        p.need(self.suggestions.iter().all(|s| !s.trim().is_empty()), || {
            "`suggestions` has an empty question".into()
        });
        p.need(self.suggestions.len() <= 12, || "`suggestions` has more than 12 questions".into());
        let r = &self.retrieval;
        p.need((1..=20).contains(&r.top_k), || format!("retrieval.top_k is {}: use 1 to 20", r.top_k));
        p.need((0.0..=1.0).contains(&r.min_score), || {
            format!("retrieval.min_score is {}: use 0 to 1", r.min_score)
        });
        let tokens = r.max_context_tokens;
        p.need((1..=200_000).contains(&tokens), || {
            format!("retrieval.max_context_tokens is {tokens}: use 1 to 200000")
        });
        let a = &self.answer;
        p.need((1..=100_000).contains(&a.max_tokens), || {
            format!("answer.max_tokens is {}: use 1 to 100000", a.max_tokens)
        });
        p.need((0.0..=2.0).contains(&a.temperature), || {
            format!("answer.temperature is {}: use 0 to 2", a.temperature)
        });
    }

    fn check_agents(&self, p: &mut Problems) {
        p.need(!self.agent.is_empty(), || "there is no [[agent]]".into());
        let (mut names, mut intents) = (HashSet::new(), HashSet::new());
        for agent in &self.agent {
            let at = format!("agent \"{}\"", agent.name);
            p.need(is_name(&agent.name), || format!("{at}: {NAME_RULE}"));
            p.need(names.insert(&agent.name), || format!("{at} stands twice"));
            p.need(is_intent(&agent.intent), || {
                format!("{at}: `intent` must be one word of upper-case letters")
            });
            p.need(intents.insert(&agent.intent), || {
                format!("{at}: another agent has the intent {}", agent.intent)
            });
            p.need(!agent.title.trim().is_empty(), || format!("{at}: `title` is empty"));
            p.need(!agent.prompt.trim().is_empty(), || format!("{at}: `prompt` is empty"));
            let mut seen = HashSet::new();
            for group in &agent.words {
                let w = group.weight;
                p.need(w > 0.0 && w <= MAX_WEIGHT, || {
                    format!("{at}: weight {w} is not above 0 and at most {MAX_WEIGHT}")
                });
                for word in &group.words {
                    let stems = stems(word);
                    p.need(!stems.is_empty(), || format!("{at}: \"{word}\" has no letter or digit"));
                    // It would count twice, silently.
                    p.need(seen.insert(stems), || {
                        format!("{at}: \"{word}\" stands twice, perhaps in another form")
                    });
                }
            }
        }
        p.need(names.contains(&self.default), || {
            format!("default \"{}\" is not the name of an agent", self.default)
        });
        if let Some(classifier) = &self.classifier {
            let found: HashSet<&str> = words(&classifier.prompt).collect();
            for agent in &self.agent {
                let intent = agent.intent.as_str();
                p.need(found.contains(intent), || {
                    format!("classifier.prompt does not name the intent {intent}")
                });
            }
        }
    }

    fn check_safety(&self, p: &mut Problems) {
        let Some(safety) = &self.safety else { return };
        p.need(safety.format.matches(TEXT).count() == 1, || {
            format!("safety.format must contain {TEXT} once")
        });
        let mut names = HashSet::new();
        for rule in &safety.rule {
            let at = format!("safety rule \"{}\"", rule.name);
            p.need(is_name(&rule.name), || format!("{at}: {NAME_RULE}"));
            p.need(names.insert(&rule.name), || format!("{at} stands twice"));
            p.need(!rule.text.trim().is_empty(), || format!("{at}: `text` is empty"));
            // A rule that can never match looks like protection and is none.
            let usable = !rule.words.is_empty() && rule.words.iter().all(|w| !stems(w).is_empty());
            p.need(usable, || format!("{at}: `words` needs at least one, and each needs a letter or digit"));
            for name in &rule.agents {
                p.need(self.agent.iter().any(|a| a.name == *name), || {
                    format!("{at}: there is no agent \"{name}\"")
                });
            }
        }
    }
}

impl TypedAgent {
    fn into_agent(self) -> Agent {
        let words = self.words.into_iter().flat_map(|group| {
            let weight = group.weight;
            group.words.into_iter().map(move |text| RouteWord { stems: stems(&text), text, weight })
        });
        let words = words.collect();
        Agent { name: self.name, intent: self.intent, title: self.title, prompt: self.prompt, words }
    }
}

impl TypedSafety {
    fn into_safety(self) -> Safety {
        let rule = |r: TypedRule| SafetyRule {
            words: r.words.iter().map(|w| stems(w)).collect(),
            agents: r.agents,
            text: r.text,
        };
        Safety { format: self.format, rules: self.rule.into_iter().map(rule).collect() }
    }
}

fn is_name(s: &str) -> bool {
    let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '_';
    (1..=32).contains(&s.len()) && s.chars().all(allowed)
}

fn is_intent(s: &str) -> bool {
    (1..=32).contains(&s.len()) && s.chars().all(|c| c.is_ascii_uppercase())
}

// Words and their forms.

/// Whether the phrase stands in the text, word for word.
fn occurs(phrase: &[String], text: &[String]) -> bool {
    !phrase.is_empty() && text.windows(phrase.len()).any(|w| w == phrase)
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !c.is_alphanumeric() && c != '\'' && c != '’')
        .filter(|w| w.chars().any(char::is_alphanumeric))
}

fn stems(text: &str) -> Vec<String> {
    words(text).map(stem).collect()
}

/// Brings the forms of an English word together: brake, brakes, braked and braking are one.
///
/// It need not be right, only the same for the file's words and for the reader's. It never joins two words
/// or looks inside one: a misfire is not a fire.
fn stem(word: &str) -> String {
    let mut w = word.to_lowercase().replace(['\'', '’'], "");
    if !w.is_ascii() {
        return w;
    }
    if w.len() > 4 && w.ends_with("ies") {
        w.truncate(w.len() - 3);
        w.push('y');
    } else if w.len() > 4 && ["sses", "xes", "ches", "shes", "zzes"].iter().any(|e| w.ends_with(e)) {
        w.truncate(w.len() - 2);
    } else if w.len() > 3
        && w.ends_with('s')
        && !w.ends_with("ss")
        && !w.ends_with("us")
        && !w.ends_with("is")
    {
        w.pop();
    }
    for ending in ["ing", "ed"] {
        if let Some(rest) = w.strip_suffix(ending)
            && rest.len() >= 3
            && rest.contains(['a', 'e', 'i', 'o', 'u', 'y'])
        {
            w.truncate(rest.len());
            break;
        }
    }
    if w.len() > 3 && w.ends_with('e') {
        w.pop();
    }
    // "stopped" and "stop": the doubled letter goes wherever it stands, so both sides agree on "stall" as well.
    let mut last = w.bytes().rev();
    if w.len() > 3 && last.next() == last.next() {
        w.pop();
    }
    w
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    fn shipped() -> Assistant {
        Assistant::parse(SHIPPED).unwrap_or_else(|p| panic!("{}", p.join("\n")))
    }

    /// Every labelled question, and the questions of the retrieval set that stand on their own.
    fn labelled(a: &Assistant) -> Vec<(String, String)> {
        let line = |l: &str| l.split_once('\t').map(|(agent, q)| (q.to_owned(), agent.to_owned()));
        let mut all: Vec<_> = include_str!("../assets/eval/routing.tsv").lines().filter_map(line).collect();
        assert!(all.len() >= 60, "only {} labelled questions", all.len());
        for q in eval() {
            if q["kind"] == "keyword" {
                continue; // a bare figure says nothing about who should answer
            }
            let agent =
                a.agents().iter().find(|a| q["intent"] == a.intent.as_str()).expect("an intent of an agent");
            // A follow-up is routed by the question alone only when it says enough; the set has none that must.
            if q["previous"].is_null() {
                all.push((q["question"].as_str().expect("a question").to_owned(), agent.name.clone()));
            }
        }
        all
    }

    fn eval() -> Vec<serde_json::Value> {
        let lines = include_str!("../assets/eval/questions.jsonl").lines();
        lines.map(|l| serde_json::from_str(l).expect("JSON")).collect()
    }

    #[test]
    fn labelled_questions_go_to_their_agent() {
        let a = shipped();
        let mut wrong = Vec::new();
        for line in include_str!("../assets/eval/routing.tsv").lines() {
            let (agent, question) = line.split_once('\t').expect("a tab");
            let routed = a.route(question);
            if routed.agent.name != agent {
                wrong.push(format!("{question:?} went to {} by {:?}", routed.agent.name, routed.matched));
            }
        }
        assert!(wrong.is_empty(), "{wrong:#?}");
    }

    /// The retrieval set is phrased to avoid the obvious words, so a few misses are honest; a drop is not.
    #[test]
    fn most_paraphrased_questions_go_to_their_agent() {
        let a = shipped();
        let all = labelled(&a);
        let missed: Vec<_> = all.iter().filter(|(q, agent)| a.route(q).agent.name != *agent).collect();
        assert!(missed.len() * 20 <= all.len(), "{} of {}: {missed:#?}", missed.len(), all.len());
    }

    #[test]
    fn confidence_is_measured() {
        let a = shipped();
        let nothing = a.route("Hello");
        assert_eq!((nothing.intent, nothing.confidence, nothing.matched.len()), ("SPECS", 0.0, 0));
        let sure = a.route("My car won't start and there is smoke").confidence;
        let torn = a.route("Schedule an appointment because of a problem with the smoke").confidence;
        assert!(sure > 0.9 && sure < 1.0 && torn < 0.7, "{sure} {torn}");
    }

    #[test]
    fn a_reply_counts_when_it_names_one_intent() {
        let a = shipped();
        let name = |reply| a.classified(reply).map(|a| a.name.as_str());
        assert_eq!(name("MAINTENANCE"), Some("maintenance"));
        assert_eq!(name(" Specs.\n"), Some("specs"));
        assert_eq!(name("SPECS or TROUBLESHOOT"), None);
        assert_eq!(name("I cannot say"), None);
    }

    #[test]
    fn safety_words_match_in_any_form_and_never_inside_another_word() {
        let a = shipped();
        for text in [
            "my brake has a problem",
            "BRAKES!",
            "while braking",
            "it braked late",
            "the brake's pad",
            "handbrake",
        ] {
            assert!(a.safety(text).is_some_and(|t| t.starts_with("Brake issues")), "{text}");
        }
        for text in
            ["smoking hood", "fires", "steers badly", "the steering", "airbags", "air bag", "it is on fire."]
        {
            assert!(a.safety(text).is_some(), "{text}");
        }
        for text in
            ["the engine misfires", "a firewall", "How heavy is it?", "breaking in", "campfire", "steam", ""]
        {
            assert_eq!(a.safety(text), None, "{text}");
        }
        assert!(a.safety("smoke and fire at the brake").is_some_and(|t| t.contains("fire can kill")));
    }

    #[test]
    fn the_prefix_is_as_observed_and_only_for_its_agents() {
        let a = shipped();
        let text = "my brake has a problem";
        assert_eq!(
            a.safety_prefix("troubleshoot", text).as_deref(),
            Some(
                "⚠️ **SAFETY WARNING**: Brake issues can be life-threatening. If you're unsure about your brakes, do \
                 not drive the vehicle.\n\n"
            )
        );
        assert_eq!(a.safety_prefix("specs", "What brakes does it have?"), None);
        let warned = format!("{}Check the pads.", a.safety_prefix("troubleshoot", text).unwrap());
        assert_eq!(a.unwarned(&warned), "Check the pads.");
        assert_eq!(a.unwarned("⚠️ **SAFETY WARNING**: other"), "⚠️ **SAFETY WARNING**: other");
    }

    /// The route decides whether a warning is shown, so a vague sentence about a dangerous part must reach it.
    #[test]
    fn a_vague_danger_is_routed_to_its_warning() {
        let a = shipped();
        for text in [
            "The pedal goes soft when I brake",
            "Steering feels heavy",
            "I can't brake",
            "airbag came out",
            "fire!",
        ] {
            let agent = &a.route(text).agent.name;
            assert!(a.safety_prefix(agent, text).is_some(), "{text} went to {agent}");
        }
    }

    #[test]
    fn every_problem_is_reported_at_once() {
        let text = SHIPPED
            .replace("name = \"assist\"", "name = \"As sist\"")
            .replace("default = \"specs\"", "default = \"nobody\"")
            .replace("top_k = 5", "top_k = 0")
            .replace("temperature = 0.0", "temperature = nan")
            .replace("weight = 5\nwords = [\n  \"app", "weight = -1\nwords = [\n  \"app")
            .replace("\"smoke\", \"flame\"", "\"smoke\", \"Smoking\", \"?\"")
            .replace("{text}", "");
        let problems = Assistant::parse(&text).unwrap_err();
        let about = ["As sist", "nobody", "top_k", "temperature", "weight -1", "Smoking", "\"?\"", "{text}"];
        assert_eq!(problems.len(), about.len(), "{problems:#?}");
        for word in about {
            assert!(problems.iter().any(|p| p.contains(word)), "{word}: {problems:#?}");
        }
    }

    #[test]
    fn unknown_keys_are_refused_by_name() {
        let problems = Assistant::parse(&SHIPPED.replace("top_k", "topk")).unwrap_err();
        assert!(problems[0].contains("topk"), "{problems:?}");
        assert!(Assistant::parse("").is_err());
        assert!(Knowledge::parse("[[document]]\nfile = \"../x\"\ntype = \"a\"\ntitle = \"b\"").is_err());
    }

    /// The local model has 60 tokens for a constant prompt; English has about 4.2 letters a token there.
    #[test]
    fn prompts_are_short_enough_for_the_local_model() {
        for agent in shipped().agents() {
            assert!(agent.prompt.len() <= 250, "{} has {}", agent.name, agent.prompt.len());
        }
    }

    #[test]
    fn the_manifest_lists_the_shipped_documents_in_order() {
        let manifest = Knowledge::parse(SHIPPED_MANIFEST).expect("a manifest");
        let files: Vec<_> = manifest.documents.iter().map(|d| d.file.as_str()).collect();
        assert_eq!(files, SHIPPED_DOCUMENTS.map(|(name, _)| name));
    }

    /// A document that is edited must not leave a labelled question without its passage.
    #[test]
    fn labelled_passages_exist_and_hold_the_answers() {
        let section = |source: &str, heading: &str| -> Option<String> {
            let (_, text) = SHIPPED_DOCUMENTS.iter().find(|(name, _)| *name == source)?;
            let (_, rest) = text.split_once(&format!("\n### {heading}\n"))?;
            rest.split("\n#").next().map(|body| format!("{heading}\n{body}").to_lowercase())
        };
        for q in eval() {
            let mut passages = String::new();
            for r in q["relevant"].as_array().expect("passages") {
                let (source, heading) =
                    (r["source"].as_str().expect("source"), r["heading"].as_str().expect("heading"));
                passages +=
                    &section(source, heading).unwrap_or_else(|| panic!("{source} has no \"{heading}\""));
            }
            for answer in q["answer_contains"].as_array().expect("answers") {
                let answer = answer.as_str().expect("text").to_lowercase();
                assert!(passages.contains(&answer), "{answer:?} is not in the passages of {}", q["question"]);
            }
        }
    }
}
