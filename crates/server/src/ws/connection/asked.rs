//! What a connection's dialect asks for: how it is carried out, and what comes of it.

use std::collections::VecDeque;
use std::task::{Context, Poll};

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use headwater_core::code::Code;
use headwater_core::limit;

use super::super::awaited::awaited;
use super::super::commands::{Done, follow, list, no_room, refused, start, stop, stop_turn, too_many};
use super::super::dialect::{Close, Command, Reply, Target};
use super::Connection;

impl Connection {
    pub(super) fn carry_out(&mut self, command: Command) {
        if let Command::SignIn { tag, token } = command {
            return self.sign_in(tag, &token);
        }
        let (engine, Some(who)) = (self.around.engine.clone(), self.who.clone()) else {
            return; // A dialect asks for nothing on behalf of nobody.
        };
        if let Err(error) = self.allowed(&command, &who)
            && let Some(reply) = refused(&command, error)
        {
            return self.tell(|dialect, out| dialect.on_reply(reply, out));
        }
        // Two lanes, each with its own room: stops that wait for a disk take none from the turn that a
        // dialect shows next.
        let lane = match &command {
            Command::Room(_) => self.around.rooms.as_ref().map_or(0, |rooms| rooms.waiting()),
            command if command.is_ordered() => self.ordered.len(),
            _ => self.busy.len(),
        };
        // Follows that a dialect adds by itself are as many as what it shows, and go together: of all that a
        // client left none is refused.
        let added = matches!(command, Command::Follow { asked: false, .. });
        let most = if added { limit::COMMANDS + limit::FOLLOWS } else { limit::COMMANDS };
        if lane >= most
            && let Some(reply) = refused(&command, no_room())
        {
            return self.tell(|dialect, out| dialect.on_reply(reply, out));
        }
        match command {
            Command::SignIn { .. } => {}
            Command::Await { tag, asked } => {
                let remembers = self.around.remembers.clone();
                self.away.get_or_insert_default().awaited =
                    Some(awaited(engine, who, remembers, tag, asked).boxed());
            }
            Command::Start { tag, mark, ask } => {
                self.ordered.push_back(start(engine, who, tag, mark, *ask).boxed());
            }
            Command::Follow { tag, target, from, whole, asked: _ } => {
                self.ordered.push_back(follow(engine, who, tag, target, from, whole).boxed());
            }
            Command::Unfollow { tag, run } => {
                self.ordered.push_back(std::future::ready(Done::Unfollow { tag, run }).boxed());
            }
            Command::Stop { tag, run } => self.busy.push(stop(engine, who, tag, run).boxed()),
            Command::StopTurn { tag, session, message } => {
                self.busy.push(stop_turn(engine, who, tag, session, message).boxed());
            }
            Command::Room(command) => self.in_room(command),
            Command::List { tag, owner, session, before, limit } => {
                self.busy.push(list(engine, who, tag, (owner, session), before, limit).boxed());
            }
        }
    }

    pub(super) fn on_done(&mut self, done: Done) {
        match done {
            Done::Reply(Reply::Stopped { tag, run, outcome: Ok(outcome) })
                if self.views.iter().any(|v| v.follow.run() == &run) =>
            {
                self.stopped.push((run.clone(), Reply::Stopped { tag, run, outcome: Ok(outcome) }));
            }
            Done::Reply(reply) => {
                if let Reply::Following { target: Target::Run(run), run: Err(error), .. } = &reply
                    && error.code == Code::NotFound
                {
                    self.arrived(run);
                }
                self.tell(|dialect, out| dialect.on_reply(reply, out));
            }
            Done::Follow { reply, follow } => {
                self.arrived(follow.run());
                // Following what is followed already begins anew from the position that was asked for.
                self.views.retain(|v| v.follow.run() != follow.run());
                if self.views.len() >= limit::FOLLOWS {
                    return self.tell(|dialect, out| dialect.on_reply(too_many(reply), out));
                }
                self.follow(*follow, &reply);
                self.tell(|dialect, out| dialect.on_reply(reply, out));
            }
            Done::Awaited { reply, follow, arrival } => {
                self.follow(*follow, &reply);
                if let Some(arrival) = arrival {
                    arrival.settled();
                }
                self.tell(|dialect, out| dialect.on_reply(reply, out));
            }
            Done::InVain(error) => {
                self.out.close = Some(Close { code: error.code.close_code(), reason: error.message });
            }
            Done::Unfollow { tag, run } => {
                self.views.retain(|v| v.follow.run() != &run);
                self.acknowledge(&run);
                self.tell(|dialect, out| dialect.on_reply(Reply::Unfollowed { tag, run }, out));
            }
        }
    }
}

/// The first alone makes progress; those behind it wait for it.
pub(super) fn poll_first(
    ordered: &mut VecDeque<BoxFuture<'static, Done>>,
    cx: &mut Context<'_>,
) -> Poll<Done> {
    ordered.front_mut().map_or(Poll::Pending, |first| first.poll_unpin(cx))
}
