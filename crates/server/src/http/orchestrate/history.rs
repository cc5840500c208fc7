//! `GET /api/orchestrate/history`: the jobs of a user.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Extension, FromRequestParts, Query, State};
use axum::http::request::Parts;
use headwater_core::event::Outcome;
use headwater_core::port::store::RunState;
use headwater_core::{Principal, limit};
use serde_json::{Value, json};

use super::caller::Caller;
use super::refusal::Refused;
use super::shapes::{HistoryView, JobStatus, Line};
use super::states::States;
use crate::app::App;
use crate::http::validate::{Problem, Problems, expected};

/// Which part of the list.
#[derive(Debug, PartialEq)]
pub(super) struct Page {
    limit: usize,
    offset: usize,
    /// From 1.
    page: usize,
    status: Option<String>,
}

impl<S: Send + Sync> FromRequestParts<S> for Page {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Refused> {
        let pairs: Vec<(String, String)> =
            Query::try_from_uri(&parts.uri).map(|Query(pairs)| pairs).unwrap_or_default();
        Ok(Self::of(&pairs)?)
    }
}

impl Page {
    /// `page` and `page_size` count where they are there, otherwise `offset` and `limit`.
    fn of(pairs: &[(String, String)]) -> Result<Self, Problems> {
        let said = |name: &str| pairs.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str());
        let number = |name: &'static str, least: usize, most: usize| {
            said(name).map(|text| whole(name, text, least, most)).transpose()
        };
        let limit = match number("page_size", 1, limit::RUNS_PAGE)? {
            Some(size) => size,
            None => number("limit", 1, limit::RUNS_PAGE)?.unwrap_or(limit::RUNS_PAGE_UNASKED),
        };
        let offset = number("offset", 0, usize::MAX / 2)?.unwrap_or_default();
        let page = number("page", 1, usize::MAX / 2 / limit::RUNS_PAGE)?;
        let offset = page.map_or(offset, |page| (page - 1) * limit);
        let status = said("status").map(str::to_owned);
        if let Some(status) = status.as_deref().filter(|status| !JobStatus::WORDS.contains(status)) {
            let expected = expected(&JobStatus::WORDS);
            let msg = format!("Input should be {expected}");
            let ctx = json!({ "expected": expected });
            return Err(Problem::of_query("literal_error", "status", msg, status, ctx).into());
        }
        Ok(Self { limit, offset, page: page.unwrap_or(offset / limit + 1), status })
    }
}

fn whole(name: &'static str, text: &str, least: usize, most: usize) -> Result<usize, Problem> {
    let Ok(number) = text.trim().parse::<i128>() else {
        let msg = "Input should be a valid integer, unable to parse string as an integer".to_owned();
        return Err(Problem::of_query("int_parsing", name, msg, text, Value::Null));
    };
    if number < least as i128 {
        let msg = format!("Input should be greater than or equal to {least}");
        return Err(Problem::of_query("greater_than_equal", name, msg, text, json!({ "ge": least })));
    }
    usize::try_from(number).ok().filter(|number| *number <= most).ok_or_else(|| {
        let msg = format!("Input should be less than or equal to {most}");
        Problem::of_query("less_than_equal", name, msg, text, json!({ "le": most }))
    })
}

pub(super) async fn list(
    State(app): State<App>,
    Extension(states): Extension<Arc<States>>,
    Caller(who): Caller,
    page: Page,
) -> Result<Json<HistoryView>, Refused> {
    let Page { limit, offset, page, status } = page;
    let (jobs, total, truncated) = match status {
        None => {
            let found =
                app.engine.runs_page(&who, &app.dialects.teams, RunState::Any, (offset, limit)).await?;
            let mut jobs = Vec::with_capacity(found.runs.len());
            for run in &found.runs {
                jobs.push(states.line(&app.engine, &who, run).await?);
            }
            (jobs, found.total, false)
        }
        Some(status) => search(&app, &states, &who, &status, (offset, limit)).await?,
    };
    Ok(Json(HistoryView { jobs, total, limit, offset, page, page_size: limit, truncated }))
}

/// Those of one status, which stands in the logs alone: a job that ended well may have a team that failed.
async fn search(
    app: &App,
    states: &States,
    who: &Principal,
    status: &str,
    (offset, limit): (usize, usize),
) -> Result<(Vec<Line>, usize, bool), Refused> {
    let among = match status {
        "complete" => RunState::Ended(Outcome::Completed),
        "error" => RunState::Any,
        _ => RunState::Live,
    };
    let (mut jobs, mut total, mut looked) = (Vec::new(), 0, 0);
    loop {
        let at = (looked, limit::RUNS_PAGE);
        let found = app.engine.runs_page(who, &app.dialects.teams, among, at).await?;
        for run in &found.runs {
            let line = states.line(&app.engine, who, run).await?;
            if line.status.as_str() == status {
                if (offset..offset.saturating_add(limit)).contains(&total) {
                    jobs.push(line);
                }
                total += 1;
            }
        }
        looked += found.runs.len();
        if found.runs.is_empty() || looked >= found.total {
            return Ok((jobs, total, false));
        }
        if looked >= limit::JOBS_SEARCHED {
            return Ok((jobs, total, true));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(query: &[(&str, &str)]) -> Result<Page, String> {
        let pairs: Vec<_> = query.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        Page::of(&pairs).map_err(|problems| problems.to_string())
    }

    #[test]
    fn pages_by_number_and_by_offset() {
        let at = |limit, offset, page| Ok(Page { limit, offset, page, status: None });
        assert_eq!(page(&[]), at(50, 0, 1));
        assert_eq!(page(&[("limit", "10"), ("offset", "25")]), at(10, 25, 3));
        assert_eq!(page(&[("page", "3"), ("page_size", "20"), ("offset", "7")]), at(20, 40, 3));
        assert_eq!(page(&[("page", "2"), ("limit", "5")]), at(5, 5, 2));
        assert_eq!(page(&[("status", "error")]).unwrap().status.as_deref(), Some("error"));
        for (query, said) in [
            (("limit", "0"), "limit: Input should be greater than or equal to 1"),
            (("limit", "101"), "limit: Input should be less than or equal to 100"),
            (("offset", "-1"), "offset: Input should be greater than or equal to 0"),
            (("page", "x"), "page: Input should be a valid integer, unable to parse string as an integer"),
            (("page", "99999999999999999999999999999"), "page: Input should be less than or equal to"),
            (("status", "lost"), "status: Input should be 'received', 'planning',"),
        ] {
            assert!(page(&[query]).unwrap_err().starts_with(said), "{query:?}");
        }
    }
}
