//! `GET /api/orchestrate/models`: who may write code here.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::State;
use headwater_core::port::provider::Price;

use super::caller::Caller;
use super::shapes::{ModelEntry, ModelsView};
use crate::app::App;

/// Prices of an answer's million tokens, in millionths of a dollar, below and above which a model is called fast and
/// premium: the original's own three of each vendor lie on three sides of them.
const FAST_BELOW: u64 = 6_000_000;
const PREMIUM_FROM: u64 = 20_000_000;

/// By team, and by provider where one is no team's. Where a provider is and what its key is, is nobody's business.
pub(super) async fn list(State(app): State<App>, Caller(_): Caller) -> Json<BTreeMap<String, ModelsView>> {
    let listed = app.engine.models();
    let plans = app.engine.lineup(&app.dialects.teams);
    let mut all: BTreeMap<String, ModelsView> = BTreeMap::new();
    for plan in &plans {
        let known = listed.iter().find(|one| one.info.name == plan.provider && one.info.model == plan.model);
        let price = known.and_then(|one| one.info.price);
        let own = entry(&plan.model, plan.label.as_deref(), price);
        let view = ModelsView { models: vec![own], default: plan.model.clone(), team: true };
        let view = all.entry(plan.team.clone()).or_insert(view);
        for one in listed.iter().filter(|one| one.info.name == plan.provider) {
            add(view, entry(&one.info.model, one.info.label.as_deref(), one.info.price));
        }
    }
    for one in listed.iter().filter(|one| !plans.iter().any(|plan| plan.provider == one.info.name)) {
        let default = one.info.model.clone();
        let view = all.entry(one.info.name.clone()).or_insert(ModelsView {
            models: Vec::new(),
            default,
            team: false,
        });
        add(view, entry(&one.info.model, one.info.label.as_deref(), one.info.price));
    }
    Json(all)
}

/// Several aliases may lead to one model.
fn add(view: &mut ModelsView, model: ModelEntry) {
    if !view.models.iter().any(|other| other.id == model.id) {
        view.models.push(model);
    }
}

fn entry(model: &str, label: Option<&str>, price: Option<Price>) -> ModelEntry {
    let name = label.map_or_else(|| model.to_owned(), |label| format!("{model} ({label})"));
    let tier = match price {
        _ if label.is_some() => "local",
        Some(price) if price.output < FAST_BELOW => "fast",
        Some(price) if price.output >= PREMIUM_FROM => "premium",
        Some(_) | None => "standard",
    };
    ModelEntry { id: model.to_owned(), name, tier }
}
