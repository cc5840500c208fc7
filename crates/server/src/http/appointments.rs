//! A person's own appointments at the workshop: what the chat's tools made, to be seen and called off.

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::routing::{delete, get};
use axum::{Json, Router};
use headwater_core::limit;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use super::openapi::Appointment;
use super::refusal::Refusal;
use crate::app::App;
use crate::auth::SignedIn;

/// The routes.
pub fn routes() -> Router<App> {
    Router::new()
        .route("/api/v1/appointments", get(list))
        .route("/api/v1/appointments/{appointment_id}", delete(cancel))
}

/// Your appointments.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Appointments")]
pub(super) struct Listed {
    /// By slot: all that are ahead, and the newest of the last two years; 100 together.
    #[schemars(with = "Vec<Appointment>")]
    appointments: Vec<Value>,
    /// Only where it is so: there are more than these.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    truncated: bool,
}

async fn list(State(app): State<App>, SignedIn(who): SignedIn) -> Result<Json<Listed>, Refusal> {
    let Some(clerk) = app.engine.clerk(&app.chat) else {
        // An assistant without a workshop makes none.
        return Ok(Json(Listed { appointments: Vec::new(), truncated: false }));
    };
    let now = app.engine.clock().wall();
    let (appointments, truncated) =
        clerk.appointments(app.engine.store(), &who.user, now, limit::APPOINTMENTS_PAGE).await?;
    Ok(Json(Listed { appointments, truncated }))
}

/// An appointment was called off.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "AppointmentCancelled")]
pub(super) struct Cancelled {
    /// `Appointment cancelled`
    message: &'static str,
    #[schemars(with = "Appointment")]
    appointment: Value,
}

async fn cancel(
    State(app): State<App>,
    SignedIn(who): SignedIn,
    path: Result<Path<String>, PathRejection>,
) -> Result<Json<Cancelled>, Refusal> {
    // What is not there and what is another's are answered with the same bytes.
    let unknown = || Refusal::new(StatusCode::NOT_FOUND, "Appointment not found");
    let Path(id) = path.map_err(|_| unknown())?;
    let clerk = app.engine.clerk(&app.chat).ok_or_else(unknown)?;
    let now = app.engine.clock().wall();
    let done = clerk.call_off(app.engine.store(), &who.user, now, &id).await?;
    match done.error() {
        None => Ok(Json(Cancelled { message: "Appointment cancelled", appointment: done.result })),
        Some("past") => {
            let words = done.result.get("message").and_then(Value::as_str).unwrap_or_default();
            Err(Refusal::new(StatusCode::CONFLICT, words.to_owned()))
        }
        Some(_) => Err(unknown()),
    }
}
