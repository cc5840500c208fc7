//! What is known of uploads: their state, for whoever sent them, and their places under the caps.

use std::collections::{BTreeMap, VecDeque};
use std::fs::{File, OpenOptions};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use headwater_core::{Code, Error, Millis, UserId, limit};
use parking_lot::Mutex;

use crate::clock::Clock;

/// How far an upload is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// Its bytes are coming.
    Receiving,
    /// Its text is being read, or waits for that.
    Reading,
    /// Its passages are given their meaning and stored.
    Indexing,
    /// It can be found.
    Done,
    /// It was not stored.
    Failed,
}

impl Stage {
    /// The word on the wire.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Receiving => "receiving",
            Self::Reading => "reading",
            Self::Indexing => "indexing",
            Self::Done => "done",
            Self::Failed => "failed",
        }
    }

    fn is_over(self) -> bool {
        matches!(self, Self::Done | Self::Failed)
    }
}

/// What can be asked of an upload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct State {
    /// The file's name; empty until it is known.
    pub filename: String,
    /// How far it is.
    pub stage: Stage,
    /// Passages that have their meaning.
    pub done: usize,
    /// Passages that there are; 0 until they are counted.
    pub total: usize,
    /// Why it failed.
    pub detail: Option<String>,
}

type Key = (UserId, String);

#[derive(Debug, Default)]
struct Known {
    states: BTreeMap<Key, State>,
    /// Those that are over and when, the oldest first.
    over: VecDeque<(Key, Millis)>,
}

/// Every upload that is known.
#[derive(Debug)]
pub(super) struct Board {
    known: Mutex<Known>,
    clock: Clock,
}

impl Board {
    pub(super) fn new(clock: Clock) -> Self {
        Self { known: Mutex::default(), clock }
    }

    pub(super) fn state(&self, who: &UserId, id: &str) -> Option<State> {
        let mut known = self.known.lock();
        forget(&mut known, self.clock.steady());
        known.states.get(&(who.clone(), id.to_owned())).cloned()
    }

    /// Takes a place for an upload.
    pub(super) fn begin(self: &Arc<Self>, who: &UserId, id: String) -> Result<Upload, Error> {
        let mut known = self.known.lock();
        forget(&mut known, self.clock.steady());
        let key = (who.clone(), id);
        if known.states.contains_key(&key) {
            return Err(Error::new(Code::MessageIdReused, "There is an upload of this id already"));
        }
        let live = |state: &&State| !state.stage.is_over();
        let of_user = known.states.iter().filter(|((owner, _), _)| owner == who);
        if of_user.map(|(_, state)| state).filter(live).count() >= limit::UPLOADS_PER_USER {
            let most = limit::UPLOADS_PER_USER;
            let why = format!("{most} uploads of yours are under way; try again when one of them is done");
            return Err(Error::new(Code::RateLimited, why));
        }
        if known.states.values().filter(live).count() >= limit::UPLOADS {
            return Err(Error::new(
                Code::RateLimited,
                "Too many uploads are under way; try again in a moment",
            ));
        }
        let state =
            State { filename: String::new(), stage: Stage::Receiving, done: 0, total: 0, detail: None };
        known.states.insert(key.clone(), state);
        Ok(Upload { board: Arc::clone(self), key, file: None })
    }
}

/// Forgets the ends that are too old or too many.
fn forget(known: &mut Known, now: Millis) {
    while let Some((key, at)) = known.over.front() {
        if at.until(now) < limit::UPLOAD_NEWS && known.over.len() <= limit::UPLOADS_KEPT {
            break;
        }
        known.states.remove(key);
        known.over.pop_front();
    }
}

/// An upload that is under way. Dropped before its end it has failed; its file goes with it.
#[derive(Debug)]
pub struct Upload {
    board: Arc<Board>,
    key: Key,
    file: Option<PathBuf>,
}

impl Upload {
    /// The id of the document that it will be.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.key.1
    }

    /// Whose it is.
    #[must_use]
    pub fn owner(&self) -> &UserId {
        &self.key.0
    }

    /// Where its file is kept.
    #[must_use]
    pub fn file(&self) -> Option<&Path> {
        self.file.as_deref()
    }

    /// Makes the file at `path` and keeps it as long as this lives. Made at once and not on another thread:
    /// a file that is made after its upload broke off would stay.
    pub(super) fn keep(&mut self, path: PathBuf) -> std::io::Result<File> {
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let file = options.open(&path)?;
        self.file = Some(path);
        Ok(file)
    }

    /// The file's name has been read.
    pub fn named(&self, filename: &str) {
        self.change(|state| filename.clone_into(&mut state.filename));
    }

    pub(super) fn reached(&self, stage: Stage) {
        self.change(|state| state.stage = stage);
    }

    pub(super) fn counted(&self, done: usize, total: usize) {
        self.change(|state| (state.done, state.total) = (done, total));
    }

    pub(super) fn done(self) {
        self.change(|state| state.stage = Stage::Done);
    }

    /// It ends without a document, for this reason.
    pub fn failed(self, why: &str) {
        self.change(|state| {
            state.stage = Stage::Failed;
            state.detail = Some(why.to_owned());
        });
    }

    fn change(&self, how: impl FnOnce(&mut State)) {
        if let Some(state) = self.board.known.lock().states.get_mut(&self.key) {
            how(state);
        }
    }
}

impl Drop for Upload {
    fn drop(&mut self) {
        if let Some(file) = &self.file {
            // What cannot be removed now is removed at the next start.
            let _ = std::fs::remove_file(file);
        }
        let mut known = self.board.known.lock();
        if let Some(state) = known.states.get_mut(&self.key)
            && !state.stage.is_over()
        {
            state.stage = Stage::Failed;
            state.detail = Some("The upload broke off".to_owned());
        }
        let now = self.board.clock.steady();
        known.over.push_back((self.key.clone(), now));
        forget(&mut known, now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(name: &str) -> UserId {
        UserId::parse(name).unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn places_are_few_and_come_back() {
        let board = Arc::new(Board::new(Clock::default()));
        let ann = user("ann");
        let begin = |who: &UserId, n: usize| board.begin(who, format!("u{n}"));
        let mut held: Vec<_> = (0..limit::UPLOADS_PER_USER).map(|n| begin(&ann, n).unwrap()).collect();
        assert_eq!(begin(&ann, 9).unwrap_err().code, Code::RateLimited);
        // Another's are his own.
        held.push(begin(&user("ben"), 0).unwrap());
        held.remove(0).done();
        assert_eq!(begin(&ann, 0).unwrap_err().code, Code::MessageIdReused);
        held.push(begin(&ann, 9).unwrap());
        let others = limit::UPLOADS - held.len();
        for n in 0..others {
            held.push(begin(&user(&format!("user{n}")), 0).unwrap());
        }
        assert_eq!(begin(&user("last"), 0).unwrap_err().code, Code::RateLimited);
        drop(held);
        assert!(begin(&user("last"), 0).is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn an_end_is_news_for_a_while_and_only_for_its_owner() {
        let board = Arc::new(Board::new(Clock::default()));
        let ann = user("ann");
        let upload = board.begin(&ann, "u".into()).unwrap();
        upload.named("a.txt");
        upload.reached(Stage::Indexing);
        upload.counted(16, 20);
        let state = board.state(&ann, "u").unwrap();
        assert_eq!((state.stage, state.done, state.total), (Stage::Indexing, 16, 20));
        assert_eq!(board.state(&user("ben"), "u"), None);
        drop(upload);
        let state = board.state(&ann, "u").unwrap();
        assert_eq!((state.stage, state.detail.as_deref()), (Stage::Failed, Some("The upload broke off")));
        tokio::time::advance(limit::UPLOAD_NEWS).await;
        assert_eq!(board.state(&ann, "u"), None);
        // And there are never too many of them.
        for n in 0..limit::UPLOADS_KEPT + 50 {
            board.begin(&ann, n.to_string()).unwrap().done();
        }
        assert_eq!(board.known.lock().states.len(), limit::UPLOADS_KEPT);
        assert_eq!(board.state(&ann, "0"), None);
    }
}
