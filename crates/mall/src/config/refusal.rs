//! Says why a command line was refused: option, value, source, and what is allowed.

use std::error::Error as _;

use clap::error::{ContextKind, ContextValue, ErrorKind};

use super::{File, shown};
use crate::exit::Usage;

/// clap's error in our words where it is about a value (clap would show a secret, and call every source an argument).
pub fn usage_of(error: &clap::Error, file: &File, words: &[std::ffi::OsString]) -> Usage {
    value_refused(error, file, words).unwrap_or_else(|| {
        let text = error.render().to_string();
        Usage(text.trim().trim_start_matches("error: ").to_owned())
    })
}

fn value_refused(error: &clap::Error, file: &File, words: &[std::ffi::OsString]) -> Option<Usage> {
    if !matches!(error.kind(), ErrorKind::ValueValidation | ErrorKind::InvalidValue) {
        return None;
    }
    let arg = text(error.get(ContextKind::InvalidArg)?)?;
    let option = arg.split([' ', '=']).next()?.trim_start_matches("--").to_owned();
    let value = text(error.get(ContextKind::InvalidValue)?)?;
    if value.is_empty() {
        return None;
    }
    let allowed = match error.get(ContextKind::ValidValue) {
        Some(ContextValue::Strings(values)) => format!("allowed: {}", values.join(", ")),
        _ => error.source().map_or_else(String::new, ToString::to_string),
    };
    let source = source(&option, file, words);
    Some(Usage(format!(
        "--{option}{source}: \"{}\" is wrong; {allowed}",
        shown(&option, &value)
    )))
}

fn source(option: &str, file: &File, words: &[std::ffi::OsString]) -> String {
    let long = format!("--{option}");
    let on_command_line = words
        .iter()
        .filter_map(|word| word.to_str())
        .any(|word| word == long || word.strip_prefix(&long).is_some_and(|rest| rest.starts_with('=')));
    let variable = format!("MALL_{}", option.replace('-', "_").to_uppercase());
    if on_command_line {
        String::new()
    } else if std::env::var_os(&variable).is_some() {
        format!(" (from {variable} in the environment)")
    } else if file.gives(option) {
        format!(" (from {})", file.path.display())
    } else {
        String::new()
    }
}

fn text(value: &ContextValue) -> Option<String> {
    match value {
        ContextValue::String(text) => Some(text.clone()),
        _ => None,
    }
}
