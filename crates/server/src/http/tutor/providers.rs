//! Who may answer: names and what a person should know, as in `/health` for anybody.

use axum::Json;
use axum::extract::State;
use schemars::JsonSchema;
use serde::Serialize;

use crate::app::App;

/// Who may answer.
#[derive(Serialize, JsonSchema)]
pub(in crate::http) struct Providers {
    /// The default one first, none twice.
    providers: Vec<ProviderName>,
    /// How many there are.
    count: usize,
}

#[derive(Serialize, JsonSchema)]
struct ProviderName {
    /// As `provider_used` says it.
    name: String,
    /// What a person should know of it.
    label: Option<String>,
}

pub(super) async fn list(State(app): State<App>) -> Json<Providers> {
    let mut providers: Vec<ProviderName> = Vec::new();
    for listed in app.engine.models() {
        let (name, label) = (listed.info.name, listed.info.label);
        // Several aliases may lead to one.
        if !providers.iter().any(|known| known.name == name) {
            providers.push(ProviderName { name, label });
        }
    }
    Json(Providers { count: providers.len(), providers })
}
