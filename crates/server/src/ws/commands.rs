//! A connection's commands, each as a future of its own: none keeps the connection from hearing the next.

use headwater_core::cursor::check_position;
use headwater_core::event::Seq;
use headwater_core::run::Run;
use headwater_core::{Error, Principal, RunId, SessionId};
use headwater_engine::engine::From;
use headwater_engine::{Engine, Follow, StartRun};

use super::dialect::{Reply, Tag, Target};

/// A command that was carried out.
pub(super) enum Done {
    /// The dialect is told.
    Reply(Reply),
    /// The dialect is told, and events come from here on.
    Follow { reply: Reply, follow: Box<Follow> },
    /// The dialect is told, and events come from here no more.
    Unfollow { tag: Tag, run: RunId },
}

pub(super) async fn start(engine: Engine, who: Principal, tag: Tag, ask: StartRun) -> Done {
    Done::Reply(Reply::Started { tag, started: engine.start(&who, ask).await })
}

pub(super) async fn stop(engine: Engine, who: Principal, tag: Tag, run: RunId) -> Done {
    let outcome = engine.stop(&who, &run).await;
    Done::Reply(Reply::Stopped { tag, run, outcome })
}

pub(super) async fn list(
    engine: Engine,
    who: Principal,
    tag: Tag,
    session: Option<SessionId>,
    before: Option<RunId>,
    limit: usize,
) -> Done {
    let runs = engine.runs(&who, session.as_ref(), before.as_ref(), limit).await;
    Done::Reply(Reply::Listed { tag, runs })
}

pub(super) async fn follow(
    engine: Engine,
    who: Principal,
    tag: Tag,
    target: Target,
    from: From,
    whole: bool,
) -> Done {
    match begin(&engine, &who, &target, from, whole).await {
        Ok((run, after, follow)) => Done::Follow {
            reply: Reply::Following { tag, target, run: Ok((run, after)) },
            follow: Box::new(follow),
        },
        Err(error) => Done::Reply(Reply::Following { tag, target, run: Err(error) }),
    }
}

async fn begin(
    engine: &Engine,
    who: &Principal,
    target: &Target,
    from: From,
    whole: bool,
) -> Result<(Run, Seq, Follow), Error> {
    let run = match target {
        Target::Run(run) => engine.run(who, run).await?,
        Target::Newest(session) => engine.newest_run(who, session).await?,
    };
    let after = match &from {
        From::After(seq) => check_position(*seq, run.tail.seq)?,
        From::Cursor(cursor) => cursor.position_in(&run.id, run.tail)?,
    };
    let follow = engine.follow(who, &run.id, &From::After(if whole { 0 } else { after })).await?;
    Ok((run, after, follow))
}
