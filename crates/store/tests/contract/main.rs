//! The contract of `headwater_core::port::store`, clause by clause, against every backend; what only a
//! file can promise is in `sqlite`. Nothing here sleeps or measures time.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

/// Runs each clause against each backend.
macro_rules! clauses {
    ($($(#[$doc:meta])* $name:ident)*) => {
        mod memory {
            $($(#[$doc])* #[tokio::test] async fn $name() {
                super::$name(std::sync::Arc::new(headwater_store::MemoryStore::new())).await;
            })*
        }
        mod sqlite {
            $($(#[$doc])* #[tokio::test] async fn $name() {
                let file = $crate::given::File::new();
                super::$name(std::sync::Arc::new(file.open())).await;
            })*
        }
    };
}

mod desk;
mod desk_model;
mod expiry;
mod given;
mod knowledge;
mod log;
mod memory;
mod model;
mod pages;
mod recall;
mod records;
mod records_model;
mod runs;
mod sharing;
mod sqlite;
mod users;
