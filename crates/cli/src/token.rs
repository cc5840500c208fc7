//! `headwater token`: an access token for scripts and for trying things out.

use std::io::Write;

use headwater_core::{Principal, UserId, limit};
use headwater_engine::Clock;
use headwater_server::auth::secret::Secret;
use headwater_server::auth::token::Tokens;

use crate::Failure;
use crate::args::TokenArgs;
use crate::settings::{Asked, data_folder};

/// Prints the token as the last line of standard output.
pub(crate) fn token(args: &TokenArgs) -> Result<(), Failure> {
    let mut problems = Vec::new();
    let user = UserId::parse(&args.user).map_err(|e| problems.push(format!("--user: {e}"))).ok();
    for (flag, text, most) in
        [("--email", &args.email, limit::EMAIL_BYTES), ("--name", &args.name, limit::NAME_BYTES)]
    {
        if text.len() > most {
            problems.push(format!("{flag}: at most {most} bytes"));
        }
    }
    let asked = Asked::gather(args.config.as_deref(), std::env::vars_os(), &[("data", args.data.clone())]);
    let data = match asked {
        Ok(asked) => Some(data_folder(&asked)),
        Err(more) => {
            problems.extend(more);
            None
        }
    };
    let (Some(user), Some(data), true) = (user, data, problems.is_empty()) else {
        return Err(Failure::Usage(problems));
    };
    std::fs::create_dir_all(&data)
        .map_err(|e| Failure::Failed(format!("the data folder {} cannot be made: {e}", data.display())))?;
    let secret = Secret::load_or_create(&data).map_err(Failure::of)?;
    let who = Principal { user, email: args.email.clone(), name: args.name.clone(), guest: false };
    let (token, _) = Tokens::new(&secret).access(&who, Clock::default().wall()).map_err(Failure::of)?;
    writeln!(std::io::stdout().lock(), "{token}").map_err(Failure::of)
}
