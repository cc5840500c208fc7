//! The shipped trees, walked; what the guide says; and trees with mistakes.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
use super::tree_check::{self, TypedTree};
use super::*;

fn shipped() -> Assistant {
    Assistant::parse(SHIPPED).unwrap_or_else(|p| panic!("{}", p.join("\n")))
}

/// Where a conversation ends: tree, node.
fn at(said: &[&str]) -> Option<(String, String)> {
    let assistant = shipped();
    let (now, before) = said.split_last()?;
    assistant.place(before, now).map(|p| (p.tree.name.clone(), p.node.name.clone()))
}

// Planted fault: a tree that begins with a question for a fact.
#[test]
fn conversations_lead_to_their_advice() {
    type Row<'a> = (&'a [&'a str], Option<(&'a str, &'a str)>);
    let table: &[Row<'_>] = &[
        (&["My car won't start"], Some(("starting", "what"))),
        (&["My car won’t start, the lights are dim"], Some(("starting", "empty"))),
        (&["My car won't start", "it clicks", "fast"], Some(("starting", "weak"))),
        (&["The engine does not start. The starter turns.", "yes"], Some(("starting", "pump"))),
        (
            &["The engine does not start. The starter turns.", "No idea, the tank is low"],
            Some(("starting", "fuel")),
        ),
        (&["The battery is dead"], Some(("starting", "empty"))),
        (&["The check engine light is on. Can I drive on?"], Some(("engine-light", "how"))),
        (
            &["The check engine light is on", "What if it starts to flash?"],
            Some(("engine-light", "flashing")),
        ),
        (&["The engine light is flashing"], Some(("engine-light", "flashing"))),
        (&["An amber motor symbol stays on in my dashboard"], Some(("engine-light", "steady"))),
        (&["There is smoke coming from the hood"], Some(("overheating", "smoke"))),
        (&["There is blue smoke from the exhaust"], Some(("overheating", "blue"))),
        (&["The engine is overheating", "only the gauge"], Some(("overheating", "hot"))),
        (&["White vapor is coming out of the front of the car"], Some(("overheating", "steam"))),
        (&["my brake has a problem"], Some(("brakes", "what"))),
        (&["My brakes squeal. What does that mean?"], Some(("brakes", "squealing"))),
        (&["My brakes squeal", "yes"], Some(("brakes", "harmless"))),
        (&["My brakes squeal", "no, always"], Some(("brakes", "worn"))),
        (&["My brakes are squealing", "Can I still drive if it becomes a grinding sound?"], None),
        (&["There's a grinding noise when braking"], Some(("brakes", "grinding"))),
        (&["The red brake light is on", "no"], Some(("brakes", "fluid"))),
        (&["I hear a strange knocking over bumps"], Some(("noises", "bumps"))),
        (&["There is a noise", "louder with speed"], Some(("noises", "speed"))),
        // Another problem, another tree; and none where nothing is reported.
        (&["My car won't start", "My brakes squeal"], Some(("brakes", "squealing"))),
        (&["My car won't start", "How long is the warranty?"], None),
        (&["My car won't start", "How long is the warranty?", "it clicks"], None),
        (&["My brakes squeal", "yes", "no"], None),
        (&["What does the battery light mean?"], None),
        (&["How do I fix a squeaking brake?"], None),
        (&["What brakes does it have?"], None),
        (&["When should the brake fluid be replaced?"], None),
        (&["Why does the car pull to one side?"], None),
        (&["Hello"], None),
        (&[""], None),
    ];
    let wrong: Vec<_> = table
        .iter()
        .map(|(said, wanted)| (said, wanted.map(|(t, n)| (t.to_owned(), n.to_owned())), at(said)))
        .filter(|(_, wanted, found)| wanted != found)
        .collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

// Planted fault: the words of an answer not used up, so that one "yes" answers both questions.
#[test]
fn a_word_answers_one_question_only() {
    let yes_no = |yes: &str| {
        format!(
            "question = \"?\"\nanswers = [{{ words = [\"yes\"], to = \"{yes}\" }}, {{ words = [\"no\"], to = \"l\" }}]\n"
        )
    };
    let text = format!(
        "name = \"a\"\ntitle = \"A\"\ndescription = \"A\"\ndefault = \"fix\"\nknowledge = \"k\"\n\
         [[agent]]\nname = \"fix\"\nintent = \"FIX\"\ntitle = \"Fix\"\nprompt = \"Fix.\"\n\
         [[tree]]\nname = \"t\"\ntitle = \"T\"\nwords = [\"lamp\"]\nstart = \"p\"\n\
         [[tree.node]]\nname = \"p\"\n{}[[tree.node]]\nname = \"q\"\n{}\
         [[tree.node]]\nname = \"l\"\ntext = \"L\"\n[[tree.node]]\nname = \"m\"\ntext = \"M\"\n",
        yes_no("q"),
        yes_no("m")
    );
    let assistant = Assistant::parse(&text).unwrap();
    for (said, node) in [("yes", "q"), ("yes, yes", "q"), ("yes, and then no", "l")] {
        let place = assistant.place(&["The lamp is dark"], said);
        assert_eq!(place.map(|p| p.node.name.as_str()), Some(node), "{said}");
    }
    let twice = assistant.place(&["The lamp is dark", "yes"], "yes").map(|p| p.node.name.as_str());
    assert_eq!(twice, Some("m"));
}

/// Retrieval answers what asks for a fact: no labelled question of the other agents meets a tree.
#[test]
fn questions_for_facts_meet_no_tree() {
    let assistant = shipped();
    for line in include_str!("../../assets/eval/routing.tsv").lines() {
        let (agent, question) = line.split_once('\t').unwrap();
        if agent != "troubleshoot" || question.ends_with('?') && !question.contains(". ") {
            assert_eq!(assistant.place(&[], question), None, "{question}");
        }
    }
}

/// Every figure and name of the trees stands in the guide.
#[test]
fn the_trees_say_what_the_guide_says() {
    let (_, guide) = SHIPPED_DOCUMENTS.iter().find(|(name, _)| *name == "troubleshooting_guide.md").unwrap();
    let telling = |w: &&str| {
        w.len() > 3
            && !["workshop", "check", "then", "have", "checked", "probably", "again", "start"].contains(w)
    };
    let guide: std::collections::HashSet<String> = stems(guide).into_iter().collect();
    for tree in &shipped().trees {
        for node in tree.nodes.iter().filter(|n| n.question.is_none()) {
            let all: Vec<&str> = words(&node.text).filter(telling).collect();
            let known = all.iter().filter(|w| guide.contains(&stems(w)[0])).count();
            assert!(known * 10 >= all.len() * 8, "{}, {}: {:?}", tree.name, node.name, node.text);
            for figure in all.iter().filter(|w| w.chars().any(|c| c.is_ascii_digit())) {
                assert!(guide.contains(&stems(figure)[0]), "{figure} of {} is not in the guide", node.name);
            }
        }
    }
}

#[test]
fn a_dangerous_leaf_says_to_stand() {
    let assistant = shipped();
    for text in [
        "There's a grinding noise when braking",
        "The brake pedal feels spongy",
        "Flames come out, there is smoke",
    ] {
        let place = assistant.place(&[], text).unwrap();
        assert!(place.node.stop && place.node.say().ends_with("Do not drive on."), "{text}");
    }
    // Short enough for a prompt, and for a person.
    for tree in &assistant.trees {
        assert!(tree.nodes.iter().all(|n| tree.passage(n).len() < 1_500), "{}", tree.name);
    }
}

fn problems(text: &str) -> Vec<String> {
    #[derive(serde::Deserialize)]
    struct File {
        tree: Vec<TypedTree>,
    }
    tree_check::problems(&toml::from_str::<File>(text).unwrap().tree, &["fix"])
}

#[test]
fn everything_that_is_wrong_with_trees_is_said_at_once() {
    let good = "[[tree]]\nname = \"a\"\ntitle = \"A\"\nwords = [\"x\"]\nstart = \"q\"\n\
                [[tree.node]]\nname = \"q\"\nquestion = \"?\"\n\
                answers = [{ words = [\"yes\"], to = \"l\" }, { words = [\"no\"], to = \"m\" }]\n\
                [[tree.node]]\nname = \"l\"\ntext = \"L\"\n[[tree.node]]\nname = \"m\"\ntext = \"M\"\n";
    assert_eq!(problems(good), Vec::<String>::new());
    for (from, to, about) in [
        ("to = \"l\"", "to = \"z\"", "\"z\", which is no node"),
        ("to = \"l\"", "to = \"q\"", "circle at \"q\""),
        ("to = \"l\"", "to = \"m\"", "node \"l\": no answer leads to it"),
        ("start = \"q\"", "start = \"z\"", "`start` is \"z\""),
        ("text = \"L\"", "text = \"\"", "dead end"),
        ("text = \"L\"", "text = \"L\"\nanswers = [{ words = [\"a\"], to = \"m\" }]", "no `question`"),
        ("[\"no\"]", "[\"Yes\"]", "\"Yes\" stands twice"),
        ("[\"no\"]", "[]", "`words` is empty"),
        ("[\"no\"]", "[\"?\"]", "no letter or digit"),
        (", { words = [\"no\"], to = \"m\" }", "", "fewer than two"),
        ("name = \"l\"", "name = \"L L\"", "a name is"),
        ("name = \"m\"", "name = \"l\"", "node \"l\" stands twice"),
        ("title = \"A\"", "title = \"\"", "`title` is empty"),
        ("title = \"A\"", "title = \"A\"\nagents = [\"cook\"]", "no agent \"cook\""),
        ("question = \"?\"", "question = \"?\"\nstop = true", "`stop` belongs"),
        ("text = \"L\"", &format!("text = \"{}\"", "long ".repeat(200)), "use at most"),
    ] {
        let text = good.replace(from, to);
        assert!(text != good, "{from}");
        let problems = problems(&text);
        assert!(problems.iter().any(|p| p.contains(about)), "{about}: {problems:#?}");
        assert!(problems.iter().all(|p| p.starts_with("tree \"a\"")), "{problems:#?}");
    }
    let twice = format!("{good}{}", good.replace("\"x\"", "\"X\", \"y\""));
    let problems = problems(&twice);
    assert_eq!(problems.len(), 2, "{problems:#?}");
    let round = good.replace(
        "text = \"L\"",
        "question = \"?\"\nanswers = [{ words = [\"a\"], to = \"q\" }, { words = [\"b\"], to = \"m\" }]",
    );
    assert!(self::problems(&round).iter().any(|p| p.contains("circle")), "{:#?}", self::problems(&round));
}
