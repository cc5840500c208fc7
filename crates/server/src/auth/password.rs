//! Password hashes: Argon2id, a few at once, as PHC strings.

use std::sync::Arc;

use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{Error as HashError, PasswordHasher, PasswordVerifier};
use argon2::{Algorithm, Argon2, Params, Version};
use headwater_core::limit;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// KiB of memory of one hash; with [`PASSES`] the first of OWASP's recommendations.
const MEMORY_KIB: u32 = 19 * 1024;
/// Passes over that memory.
const PASSES: u32 = 2;
/// How many hashes may wait for their turn, for each that runs. At some 30 ms a hash the last of the line
/// waits about a second; whoever comes after that is told to try again instead of waiting for minutes.
const WAITING_EACH: usize = 16;

/// Stands in for the hash of somebody who does not exist, so that the answer takes as long. Not a hash of
/// anything; its parameters are those of every other.
const NOBODY: &str =
    "$argon2id$v=19$m=19456,t=2,p=1$aGVhZHdhdGVyLW5vYm9keQ$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

/// Why there is no answer about a password.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PasswordError {
    /// Too many wait already; trying again helps.
    Busy,
    /// The hash could not be computed, or what is stored is no hash.
    Failed,
}

/// Hashes and checks passwords, off the runtime's threads, at most [`limit::PASSWORD_HASHES_AT_ONCE`] at a
/// time. Callers keep a password within [`limit::PASSWORD_BYTES`].
#[derive(Debug, Clone)]
pub struct Passwords {
    running: Arc<Semaphore>,
    places: Arc<Semaphore>,
}

impl Default for Passwords {
    fn default() -> Self {
        Self::new(limit::PASSWORD_HASHES_AT_ONCE)
    }
}

impl Passwords {
    /// At most so many hashes at once, and [`WAITING_EACH`] times as many in line.
    fn new(at_once: usize) -> Self {
        let places = at_once.saturating_mul(1 + WAITING_EACH);
        Self { running: Arc::new(Semaphore::new(at_once)), places: Arc::new(Semaphore::new(places)) }
    }

    /// The PHC string of a new password, with fresh salt.
    ///
    /// # Errors
    /// [`PasswordError`].
    pub async fn hash(&self, password: String) -> Result<String, PasswordError> {
        self.run(move || {
            let made: PasswordHash =
                argon2()?.hash_password(password.as_bytes()).map_err(|_| PasswordError::Failed)?;
            Ok(made.to_string())
        })
        .await
    }

    /// Whether the password is the one of this PHC string; for `None` (there is no such user) takes as long
    /// and says no.
    ///
    /// # Errors
    /// [`PasswordError`]; a stored text that is no Argon2 hash is [`PasswordError::Failed`].
    pub async fn check(&self, password: String, stored: Option<String>) -> Result<bool, PasswordError> {
        self.run(move || {
            let hash =
                PasswordHash::new(stored.as_deref().unwrap_or(NOBODY)).map_err(|_| PasswordError::Failed)?;
            match argon2()?.verify_password(password.as_bytes(), &hash) {
                // Nobody's hash fits no password; were it ever to, it would still be nobody's.
                Ok(()) => Ok(stored.is_some()),
                Err(HashError::PasswordInvalid) => Ok(false),
                Err(_) => Err(PasswordError::Failed),
            }
        })
        .await
    }

    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, PasswordError> + Send + 'static,
    ) -> Result<T, PasswordError> {
        let place = Arc::clone(&self.places).try_acquire_owned().map_err(|_| PasswordError::Busy)?;
        let turn = Arc::clone(&self.running).acquire_owned().await.map_err(|_| PasswordError::Failed)?;
        // The permits go with the work: a caller that leaves does not take the bound on memory with it.
        let held: (OwnedSemaphorePermit, OwnedSemaphorePermit) = (place, turn);
        let done = tokio::task::spawn_blocking(move || {
            let _held = held;
            work()
        });
        done.await.map_err(|_| PasswordError::Failed)?
    }
}

fn argon2() -> Result<Argon2<'static>, PasswordError> {
    let params = Params::new(MEMORY_KIB, PASSES, 1, None).map_err(|_| PasswordError::Failed)?;
    Ok(Argon2::new(Algorithm::Argon2id, Version::V0x13, params))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::task::Poll;

    #[tokio::test]
    async fn a_password_fits_its_own_hash_only() {
        let passwords = Passwords::default();
        let hash = passwords.hash("correct horse".into()).await.unwrap();
        assert!(hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{hash}");
        assert_eq!(passwords.check("correct horse".into(), Some(hash.clone())).await, Ok(true));
        assert_eq!(passwords.check("correct horsf".into(), Some(hash.clone())).await, Ok(false));
        assert_ne!(passwords.hash("correct horse".into()).await.unwrap(), hash, "salt");
    }

    #[tokio::test]
    async fn long_passwords_are_not_cut() {
        let passwords = Passwords::default();
        let long = "a".repeat(*limit::PASSWORD_BYTES.end());
        let hash = passwords.hash(long.clone()).await.unwrap();
        // 72 bytes is where the original's library stopped looking.
        assert_eq!(passwords.check(long[..72].to_owned(), Some(hash.clone())).await, Ok(false));
        assert_eq!(passwords.check(long, Some(hash)).await, Ok(true));
    }

    // Fault planted once: a short-cut `Ok(false)` for `None`; the permit was then never taken.
    #[tokio::test]
    async fn nobody_costs_what_everybody_costs() {
        let known = Passwords::default().hash("x".into()).await.unwrap();
        let cost = |phc: &str| {
            let hash = PasswordHash::new(phc).unwrap();
            (hash.algorithm.to_string(), hash.version, hash.params.to_string(), hash.hash.unwrap().len())
        };
        assert_eq!(cost(NOBODY), cost(&known));
        assert_eq!(Passwords::default().check("x".into(), None).await, Ok(false));
        // And it is computed: without a turn there is no answer.
        let none = Passwords::new(1);
        let _turn = Arc::clone(&none.running).try_acquire_owned().unwrap();
        let waiting = none.check("x".into(), None);
        tokio::pin!(waiting);
        assert!(futures_util::poll!(&mut waiting).is_pending());
    }

    #[tokio::test]
    async fn what_is_no_hash_is_an_error_and_not_a_wrong_password() {
        let checked = Passwords::default().check("x".into(), Some("plain".into())).await;
        assert_eq!(checked, Err(PasswordError::Failed));
    }

    // Fault planted once: the place was released before the work; the line then had no end.
    #[tokio::test]
    async fn the_line_has_an_end() {
        let passwords = Passwords::new(1);
        let _turn = Arc::clone(&passwords.running).try_acquire_owned().unwrap();
        let mut line: Vec<_> = (0..=WAITING_EACH).map(|_| Box::pin(passwords.hash("x".into()))).collect();
        for waiting in &mut line {
            assert!(futures_util::poll!(waiting).is_pending());
        }
        let mut late = Box::pin(passwords.hash("x".into()));
        assert_eq!(futures_util::poll!(&mut late), Poll::Ready(Err(PasswordError::Busy)));
        // Whoever leaves the line makes room in it.
        line.pop();
        let mut next = Box::pin(passwords.hash("x".into()));
        assert!(futures_util::poll!(&mut next).is_pending());
    }
}
