//! The token for the page's commands. It is no option, since every user of the machine can read a command line.

use std::ffi::OsString;

use anyhow::Result;
use web::gateway::door::Token;

use crate::exit::Usage;

/// The variable that holds it.
pub const COMMAND_TOKEN: &str = "MALL_COMMAND_TOKEN";

/// The token; none if none was given.
///
/// # Errors
/// It is no good as a token. The sentence doesn't repeat it.
pub fn command_token() -> Result<Option<Token>> {
    Ok(read(std::env::var_os(COMMAND_TOKEN))?)
}

/// The token as it was given, to be passed on.
pub fn raw_command_token() -> Option<OsString> {
    std::env::var_os(COMMAND_TOKEN)
}

fn read(given: Option<OsString>) -> Result<Option<Token>, Usage> {
    let Some(given) = given else { return Ok(None) };
    let (length, text) = (given.len(), given.into_string().unwrap_or_default());
    let token = text.parse().map_err(|allowed| {
        Usage(format!(
            "{COMMAND_TOKEN} in the environment, which has {length} characters, can't be the token for commands; {allowed}"
        ))
    })?;
    Ok(Some(token))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_that_is_no_good_is_refused_with_what_is_allowed_and_not_shown() {
        assert!(read(None).expect("none").is_none());
        assert!(read(Some("0123456789abcdef".into())).expect("good").is_some());
        let Usage(why) = read(Some("hunter2".into())).expect_err("too short");
        assert!(
            why.contains("which has 7 characters") && why.contains("16 to 256") && !why.contains("hunter2"),
            "{why}"
        );
    }
}
