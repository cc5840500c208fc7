//! What a model is shown of the knowledge base: how much, and how it stands there (contract of `chat`).

use headwater_core::Millis;
use headwater_core::port::provider::{ContextBudget, Provider as _, ProviderInfo};
use headwater_engine::assistant::{Assistant, SHIPPED};
use headwater_engine::retrieve::Passage;
use headwater_engine::workflow::prompt::{Asked, fitting, messages};
use headwater_providers::scripted::stage::Stage;

fn passage(source: &str, content: &str, score: f64) -> Passage {
    Passage {
        source: source.into(),
        document_type: "manual".into(),
        document_id: "d".into(),
        index: 0,
        heading: String::new(),
        content: content.into(),
        score,
        metadata: "{}".into(),
        indexed_at: Millis(0),
    }
}

#[test]
fn five_passages_of_half_a_score_and_three_thousand_tokens() {
    let retrieval = Assistant::parse(SHIPPED).unwrap().retrieval;
    assert_eq!((retrieval.top_k, retrieval.min_score, retrieval.max_context_tokens), (5, 0.5, 3_000));
}

// Planted fault: the score in whole numbers.
#[test]
fn passages_stand_under_their_source_and_relevance_with_a_line_between_them() {
    let (stage, _) = Stage::new();
    let passages = [passage("a.md", "1,760 mm.", 0.8666), passage("b.md", "4,199 mm.", 0.5)];
    let (instructions, question) = ("Be kind.", "How wide is it?");
    let asked =
        Asked { instructions, earlier: &[], points_back: false, passages: &passages, question, tools: false };
    let said = messages(stage.as_ref(), &asked).pop().unwrap().content;
    let context =
        "[Source: a.md, Relevance: 0.87]\n1,760 mm.\n\n---\n\n[Source: b.md, Relevance: 0.50]\n4,199 mm.";
    assert_eq!(said, format!("{context}\n\nUsing only the text above, answer: How wide is it?"));
}

// Planted fault: the file's budget left out.
#[test]
fn what_is_found_is_cut_to_the_smaller_of_both_budgets() {
    let stage = |retrieval_tokens| {
        let budget = ContextBudget { retrieval_tokens, history_tokens: 1_000 };
        Stage::with_info(ProviderInfo { budget, ..Stage::new().0.info() }).0
    };
    let words = "word ".repeat(700);
    let large = stage(100_000);
    let each = large.count_tokens(&words) + 16;
    let many: Vec<_> = (0..99).map(|n| passage(&n.to_string(), &words, 0.9)).collect();
    assert_eq!(fitting(large.as_ref(), many.clone(), 3 * each).len(), 3);
    assert_eq!(fitting(large.as_ref(), many.clone(), 3 * each - 1).len(), 2);
    assert_eq!(fitting(stage(2 * each + 1).as_ref(), many.clone(), 3_000_000).len(), 2);
    // The best one is better than none.
    assert_eq!(fitting(large.as_ref(), many, 10).len(), 1);
}
