//! Says why a command line was refused: the option, the value and its source, and what is allowed.

use std::error::Error as _;
use std::ffi::OsString;

use clap::error::{ContextKind, ContextValue, ErrorKind};

use super::file::ConfigFile;
use super::idle;
use super::masked::MASK;
use super::shown::shown;
use crate::exit::Usage;

/// The sentence for an error of clap. Errors about a value or an unknown word get a sentence of our own, because clap would
/// show a secret, and would call a variable an argument. `commands` are the names of all commands.
pub fn usage_of(error: &clap::Error, file: &ConfigFile, words: &[OsString], commands: &[String]) -> Usage {
    let in_our_words = match error.kind() {
        ErrorKind::ValueValidation | ErrorKind::InvalidValue => value_refused(error, file, words),
        ErrorKind::UnknownArgument | ErrorKind::InvalidSubcommand => Some(misplaced(error, words, commands)),
        ErrorKind::TooManyValues | ErrorKind::WrongNumberOfValues | ErrorKind::TooFewValues => too_many(error),
        _ => None,
    };
    in_our_words.unwrap_or_else(|| {
        let text = error.render().to_string();
        Usage(without_values(text.trim().trim_start_matches("error: "), words))
    })
}

fn value_refused(error: &clap::Error, file: &ConfigFile, words: &[OsString]) -> Option<Usage> {
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
    let option = match option.starts_with('<') {
        true => option,
        false => format!("--{option}"),
    };
    Some(Usage(format!(
        "{option}{source}: \"{}\" is wrong; {allowed}",
        shown(option.trim_start_matches("--"), &value)
    )))
}

fn misplaced(error: &clap::Error, words: &[OsString], commands: &[String]) -> Usage {
    let word = [ContextKind::InvalidArg, ContextKind::InvalidSubcommand]
        .into_iter()
        .find_map(|kind| text(error.get(kind)?))
        .unwrap_or_default();
    let suggested = [ContextKind::SuggestedArg, ContextKind::SuggestedSubcommand]
        .into_iter()
        .find_map(|kind| match error.get(kind)? {
            ContextValue::String(name) => Some(name.clone()),
            ContextValue::Strings(names) => names.first().cloned(),
            _ => None,
        });
    if words.get(1).is_some_and(|command| command == "sql") && !word.starts_with('-') {
        return Usage("mall sql takes the statement as one word; put it in quotes: mall sql \"select …\"".to_owned());
    }
    let word = idle::misplaced(&word, commands);
    let hint = match suggested.filter(|_| !word.contains(MASK)) {
        Some(name) => format!("did you mean {name}?"),
        None => "mall --help lists the commands, and mall COMMAND --help their options".to_owned(),
    };
    Usage(format!("{word} is no command and no option here; {hint}"))
}

fn too_many(error: &clap::Error) -> Option<Usage> {
    let option = text(error.get(ContextKind::InvalidArg)?)?;
    let option = option.split([' ', '=']).next().unwrap_or_default().to_owned();
    Some(Usage(format!(
        "{option} was given another number of values than it takes"
    )))
}

/// A sentence in which every value of the command line that may be a secret is masked.
pub fn without_values(text: &str, words: &[OsString]) -> String {
    let values = words
        .iter()
        .filter_map(|word| word.to_str())
        .map(|word| match word.strip_prefix('-') {
            Some(option) => option.split_once('=').map_or("", |(_, value)| value),
            None => word,
        });
    let secret = values.filter(|value| value.contains(['@', '=']) || value.contains("://"));
    secret.fold(text.to_owned(), |text, value| text.replace(value, MASK))
}

fn source(option: &str, file: &ConfigFile, words: &[OsString]) -> String {
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
