//! The whole of the outside: every route over one state.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::FromRef;
use axum::{Extension, Router};
use headwater_core::limit;
use headwater_engine::documents::Documents;
use headwater_engine::{Engine, Period, Quota};
use tokio_util::sync::CancellationToken;

use crate::auth::Auth;
use crate::gate::Gate;
use crate::http::health::Readiness;
use crate::http::metrics::MetricsFor;
use crate::http::{
    ai, appointments, assets, auth_routes, chat, documents, feedback, health, layers, metrics, openapi,
    orchestrate, runs, sharing, tutor,
};
use crate::metrics::Metrics;
use crate::ws;
use crate::ws::ai_stream::Terms;
use crate::ws::departures::Departures;
use crate::ws::presence::Presence;

/// What every handler may need. Cheap to clone.
#[derive(Clone)]
pub struct App {
    /// Makes, follows and stops runs.
    pub engine: Engine,
    /// Signs people in.
    pub auth: Arc<Auth>,
    /// The workflow that answers the chat.
    pub chat: Arc<str>,
    /// Documents of people.
    pub documents: Documents,
    /// What is counted and timed.
    pub metrics: Metrics,
    /// Who may read it.
    pub metrics_for: MetricsFor,
    /// What the store last said of itself.
    pub readiness: Readiness,
    /// Who may come in, how often, and how many.
    pub gate: Arc<Gate>,
    /// What is set of single dialects.
    pub dialects: Dialects,
    /// How far clients were when their sockets left.
    pub departures: Arc<Departures>,
    /// Which sockets of a user are open.
    pub presence: Arc<Presence>,
    /// Cancelled when the server is about to stop: nothing new, and idle connections go.
    pub draining: CancellationToken,
}

/// What is set of single dialects.
#[derive(Debug, Clone)]
pub struct Dialects {
    /// The operator works on an application, on this machine alone: whoever connects from it may be anybody he says
    /// (`ai_stream`), and sees every job of whoever says nothing (`orchestrate`).
    pub development: bool,
    /// How long an answer of `ai_stream` goes on when its socket is gone.
    pub ai_stream_grace: Duration,
    /// Answers of `ai_stream` that one user may ask for.
    pub generations: u64,
    /// When those come back.
    pub generations_per: Period,
    /// The workflow that answers on the tutor's surface.
    pub tutor: Arc<str>,
    /// The workflow that does the jobs of `orchestrate`.
    pub teams: Arc<str>,
}

impl Dialects {
    /// What runs of `ai_stream` have.
    #[must_use]
    pub fn terms(&self) -> Terms {
        let quota = Quota { of: "generations", most: self.generations, per: self.generations_per };
        Terms { grace: self.ai_stream_grace, quota }
    }
}

impl Default for Dialects {
    fn default() -> Self {
        Self {
            development: false,
            ai_stream_grace: Duration::ZERO,
            generations: limit::GENERATIONS,
            generations_per: Period::Ever,
            tutor: "tutor".into(),
            teams: "teams".into(),
        }
    }
}

/// What a listener serves. Where two systems use one path for different things, each has its own on a surface of
/// its own, and the main one keeps the other's under a prefix.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Surface {
    /// Everything: the pages, `/ws`, chat and `ai_stream` at their places, `tutor` and `orchestrate` where they
    /// meet nobody, and the rest of the tutor under `/tutor`.
    Main,
    /// The tutor at its original places.
    Tutor,
    /// `orchestrate` at its original places.
    Orchestrate,
}

impl Surface {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Main, Self::Tutor, Self::Orchestrate];

    /// The word in settings.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Main => "main",
            Self::Tutor => "tutor",
            Self::Orchestrate => "orchestrate",
        }
    }

    /// What it serves, for whoever started it.
    #[must_use]
    pub fn serves(self) -> &'static str {
        match self {
            Self::Main => {
                "the pages, /ws, /api/runs, chat (/ws/chat, /api/v1), ai_stream (/ws/ai/stream, /api/ai), \
                 tutor (/api/ws, /tutor), orchestrate (/ws/orchestrate, /api/orchestrate)"
            }
            Self::Tutor => "the tutor: /api/ws, /api/auth, /api/v1/chat",
            Self::Orchestrate => "orchestrate: /ws/orchestrate, /api/orchestrate",
        }
    }

    /// The surface of that word, where it is one.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|surface| surface.as_str() == word)
    }
}

impl FromRef<App> for Arc<Auth> {
    fn from_ref(app: &App) -> Self {
        Self::clone(&app.auth)
    }
}

/// Every route of the main surface, dressed.
pub fn router(app: App) -> Router {
    surface(app, Surface::Main)
}

/// Every route of a surface, dressed.
pub fn surface(app: App, surface: Surface) -> Router {
    let routes = match surface {
        Surface::Main => Router::new()
            .merge(assets::routes())
            .merge(health::routes())
            .merge(openapi::routes())
            .merge(auth_routes::routes())
            .merge(chat::routes())
            .merge(appointments::routes())
            .merge(documents::routes())
            .merge(feedback::routes())
            .merge(metrics::routes())
            .merge(runs::routes())
            .merge(sharing::routes())
            .merge(ai::routes())
            .merge(tutor::routes())
            .nest("/tutor", tutor::own_routes())
            .merge(orchestrate::routes())
            .merge(ws::routes()),
        Surface::Tutor => Router::new()
            .merge(tutor::routes())
            .merge(tutor::own_routes())
            .merge(sharing::routes())
            .merge(metrics::routes())
            .merge(ws::tutor_routes()),
        Surface::Orchestrate => Router::new()
            .merge(orchestrate::routes())
            .merge(orchestrate::own_routes())
            .merge(sharing::routes())
            .merge(metrics::routes())
            .merge(ws::orchestrate_routes()),
    };
    let (gate, metrics) = (Arc::clone(&app.gate), app.metrics.clone());
    // Before the gate: what it refuses is said in the surface's words.
    layers::around_gated(routes, gate, metrics).layer(Extension(surface)).with_state(app)
}
