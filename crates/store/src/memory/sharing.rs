//! Who sees another's sessions, and what messages mean, in memory.

use async_trait::async_trait;
use headwater_core::port::provider::Role;
use headwater_core::port::recall::{Recall, RecallQuery};
use headwater_core::port::sharing::{Shared, Sharing};
use headwater_core::port::store::StoreError;
use headwater_core::run::{Message, Run};
use headwater_core::{Millis, RunId, SessionId, UserId, limit};

use super::MemoryStore;

/// A session that somebody beside its owner sees.
#[derive(Debug)]
pub(super) struct Share {
    owner: UserId,
    session: SessionId,
    member: UserId,
    at: Millis,
}

#[async_trait]
impl Sharing for MemoryStore {
    async fn share(
        &self,
        owner: &UserId,
        session: &SessionId,
        member: &UserId,
        at: Millis,
    ) -> Result<bool, StoreError> {
        self.write_with(|kept| {
            let of = |share: &&Share| share.owner == *owner && share.session == *session;
            let there = kept.shares.iter().filter(of).any(|share| share.member == *member);
            let full = kept.shares.iter().filter(of).count() >= limit::MEMBERS;
            if owner == member || !kept.logs.has_session(owner, session) || (full && !there) {
                return false;
            }
            if !there {
                kept.shares.push(Share {
                    owner: owner.clone(),
                    session: session.clone(),
                    member: member.clone(),
                    at,
                });
            }
            true
        })
    }

    async fn unshare(
        &self,
        owner: &UserId,
        session: &SessionId,
        member: &UserId,
    ) -> Result<bool, StoreError> {
        self.write_with(|kept| {
            let before = kept.shares.len();
            kept.shares.retain(|s| s.owner != *owner || s.session != *session || s.member != *member);
            kept.shares.len() < before
        })
    }

    async fn members(&self, owner: &UserId, session: &SessionId) -> Result<Vec<UserId>, StoreError> {
        self.read_with(|kept| {
            let of = kept.shares.iter().filter(|s| s.owner == *owner && s.session == *session);
            let mut members: Vec<_> = of.map(|s| s.member.clone()).collect();
            members.sort();
            members
        })
    }

    async fn shared_with(&self, who: &UserId, limit: usize) -> Result<Vec<Shared>, StoreError> {
        self.read_with(|kept| {
            let with = kept.shares.iter().rev().filter(|share| share.member == *who).take(limit);
            with.map(|s| Shared { owner: s.owner.clone(), session: s.session.clone(), at: s.at }).collect()
        })
    }

    async fn sees(&self, who: &UserId, owner: &UserId, session: &SessionId) -> Result<bool, StoreError> {
        self.read_with(|kept| {
            let shared = |s: &Share| s.member == *who && s.owner == *owner && s.session == *session;
            kept.logs.has_session(owner, session) && (who == owner || kept.shares.iter().any(shared))
        })
    }

    async fn visible_run(&self, who: &UserId, run: &RunId) -> Result<Option<Run>, StoreError> {
        self.read_with(|kept| {
            let run = kept.logs.any_run(run)?;
            let shared = |s: &Share| s.member == *who && s.owner == run.owner && s.session == run.session;
            (run.owner == *who || kept.shares.iter().any(shared)).then_some(run)
        })
    }
}

#[async_trait]
impl Recall for MemoryStore {
    async fn remember(
        &self,
        run: &RunId,
        embedder: &str,
        meanings: Vec<(Role, Vec<f32>)>,
    ) -> Result<(), StoreError> {
        self.write_with(|kept| kept.logs.remember(run, embedder, meanings))
    }

    async fn recall(&self, query: RecallQuery) -> Result<Vec<(Message, f64)>, StoreError> {
        self.read_with(|kept| kept.logs.recall(&query))
    }
}
