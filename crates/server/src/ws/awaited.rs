//! Waiting for a run that may not be there yet, and for the moment from which a client can be shown it.

use std::sync::Arc;

use futures_util::StreamExt;
use headwater_core::run::Run;
use headwater_core::{Code, Error, Principal, RunId, limit};
use headwater_engine::Engine;
use headwater_engine::engine::{From, View};
use tokio::time::{Instant, sleep, sleep_until, timeout};

use super::commands::Done;
use super::departures::{Arrival, Client, Departures};
use super::dialect::{Awaited, Reply, Tag, Target};

/// Carries [`super::dialect::Command::Await`] out. Dropping it gives up, and what was found of the client's earlier
/// socket goes to his next one.
pub(super) async fn awaited(
    engine: Engine,
    who: Principal,
    remembers: Option<(Arc<Departures>, Client)>,
    tag: Tag,
    asked: Awaited,
) -> Done {
    let came = Instant::now();
    let mut arrival = match (&asked.run, &remembers) {
        (Some(run), Some((departures, client))) => {
            Some(departures.arrive(client, run, limit::RETURN_WITHIN, came))
        }
        _ => None,
    };
    match shown(&engine, &who, asked, arrival.as_mut(), came).await {
        Ok(View { run, after, follow }) => Done::Awaited {
            reply: Reply::Following { tag, target: Target::Run(run.id.clone()), run: Ok((run, after)) },
            follow: Box::new(follow),
            arrival,
        },
        Err(error) => Done::InVain(error),
    }
}

async fn shown(
    engine: &Engine,
    who: &Principal,
    Awaited { run, after, whole_unless }: Awaited,
    arrival: Option<&mut Arrival>,
    came: Instant,
) -> Result<View, Error> {
    let Some(run) = run else {
        sleep(limit::RUN_AWAITED).await;
        return Err(in_vain());
    };
    let there = timeout(limit::RUN_AWAITED, visible(engine, who, &run, arrival.as_deref())).await;
    let found = there.unwrap_or_else(|_| Err(in_vain()))?;
    let after = match (after, arrival) {
        (Some(after), arrival) => {
            // He says himself where he is: what is remembered of him is old.
            let _ = arrival.map(|arrival| arrival.decide(Instant::now()));
            after
        }
        (None, Some(arrival)) => {
            sleep_until(came + limit::RETURN_SETTLES).await;
            arrival.decide(Instant::now())
        }
        (None, None) => 0,
    };
    let whole = after > 0 && *found.workflow != *whole_unless;
    engine.view(who, &run, &From::After(after), whole).await
}

/// Waits until this user sees the run. What he may not see, what is not there and what was deleted take the same; but who
/// was being shown it a moment ago is told how it ended, as if he had stayed.
async fn visible(
    engine: &Engine,
    who: &Principal,
    run: &RunId,
    arrival: Option<&Arrival>,
) -> Result<Run, Error> {
    loop {
        // Registered before the look: a run that comes to be between the two is heard of.
        let mut hints = engine.bus().subscribe(run);
        match engine.run(who, run).await {
            Ok(found) if !found.hidden => return Ok(found),
            Ok(found) if arrival.is_some_and(|arrival| arrival.was_here(Instant::now())) => return Ok(found),
            Ok(_) => {}
            Err(error) if error.code == Code::NotFound => {}
            Err(error) => return Err(error),
        }
        // Another's run may hint a hundred times a second: that is no reason to look as often.
        sleep(limit::AWAITED_LOOK_LEAST).await;
        let _ = timeout(limit::AWAITED_LOOK, hints.next()).await;
    }
}

fn in_vain() -> Error {
    Error::new(Code::NotFound, "there is no such job; start one and connect with its id")
}
