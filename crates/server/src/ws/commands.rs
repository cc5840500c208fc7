//! A connection's commands, each as a future of its own: none keeps the connection from hearing the next.

use headwater_core::{Code, Error, MessageId, Principal, RunId, SessionId, UserId, limit};
use headwater_engine::engine::From;
use headwater_engine::{Engine, Follow, StartRun, View};

use super::departures::Arrival;
use super::dialect::{Command, Reply, Tag, Target};

/// A command that was carried out.
pub(super) enum Done {
    /// The dialect is told.
    Reply(Reply),
    /// The dialect is told, and events come from here on.
    Follow { reply: Reply, follow: Box<Follow> },
    /// The same, of a run that was waited for.
    Awaited { reply: Reply, follow: Box<Follow>, arrival: Option<Arrival> },
    /// What was waited for cannot be shown: the connection is closed for this.
    InVain(Error),
    /// The dialect is told, and events come from here no more.
    Unfollow { tag: Tag, run: RunId },
}

pub(super) async fn start(engine: Engine, who: Principal, tag: Tag, mark: u64, ask: StartRun) -> Done {
    Done::Reply(Reply::Started { tag, mark, started: engine.start(&who, ask).await })
}

pub(super) async fn stop(engine: Engine, who: Principal, tag: Tag, run: RunId) -> Done {
    let outcome = engine.stop(&who, &run).await;
    Done::Reply(Reply::Stopped { tag, run, outcome })
}

pub(super) async fn stop_turn(
    engine: Engine,
    who: Principal,
    tag: Tag,
    session: Option<SessionId>,
    message: MessageId,
) -> Done {
    let turn = engine.stop_turn(&who, session.as_ref(), &message).await;
    Done::Reply(Reply::TurnStopped { tag, session, message, turn })
}

pub(super) async fn list(
    engine: Engine,
    who: Principal,
    tag: Tag,
    (owner, session): (Option<UserId>, Option<SessionId>),
    before: Option<RunId>,
    limit: usize,
) -> Done {
    let runs = engine.runs(&who, owner.as_ref(), session.as_ref(), before.as_ref(), limit).await;
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
    let viewed = async {
        let run = match &target {
            Target::Run(run) => run.clone(),
            Target::Newest(session) => engine.newest_run(&who, session).await?.id,
        };
        engine.view(&who, &run, &from, whole).await
    };
    match viewed.await {
        Ok(View { run, after, follow }) => Done::Follow {
            reply: Reply::Following { tag, target, run: Ok((run, after)) },
            follow: Box::new(follow),
        },
        Err(error) => Done::Reply(Reply::Following { tag, target, run: Err(error) }),
    }
}

/// What is said where a lane is full.
pub(super) fn no_room() -> Error {
    let most = limit::COMMANDS;
    Error::new(Code::QueueFull, format!("{most} requests of this connection are under way; wait for one"))
}

/// The answer to a command that is not carried out, because of this. Letting go is never refused.
pub(super) fn refused(command: &Command, error: Error) -> Option<Reply> {
    Some(match command {
        Command::SignIn { .. } | Command::Await { .. } | Command::Unfollow { .. } => return None,
        Command::Start { tag, mark, .. } => {
            Reply::Started { tag: tag.clone(), mark: *mark, started: Err(error) }
        }
        Command::Follow { tag, target, .. } => {
            Reply::Following { tag: tag.clone(), target: target.clone(), run: Err(error) }
        }
        Command::Stop { tag, run } => {
            Reply::Stopped { tag: tag.clone(), run: run.clone(), outcome: Err(error) }
        }
        Command::StopTurn { tag, session, message } => {
            let (session, message) = (session.clone(), message.clone());
            Reply::TurnStopped { tag: tag.clone(), session, message, turn: Err(error) }
        }
        Command::Room(command) => Reply::Room(command.refused(error)?),
        Command::List { tag, .. } => Reply::Listed { tag: tag.clone(), runs: Err(error) },
    })
}

/// The answer to a follow that is one too many.
pub(super) fn too_many(reply: Reply) -> Reply {
    let most = limit::FOLLOWS;
    let error = Error::new(
        Code::QueueFull,
        format!(
            "{most} runs are followed on this connection already; wait until one of them has ended, or let go of one"
        ),
    );
    match reply {
        Reply::Following { tag, target, .. } => Reply::Following { tag, target, run: Err(error) },
        other => other,
    }
}
