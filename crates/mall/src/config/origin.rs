//! Where each value came from.

use std::ffi::{OsStr, OsString};

use clap::parser::ValueSource;
use clap::{ArgMatches, Command};

use super::{File, shown};

/// Where a value came from; a later one wins over an earlier.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Origin {
    /// Nobody gave it.
    Default,
    /// The configuration file.
    File,
    /// A `MALL_…` variable.
    Environment,
    /// The command line.
    CommandLine,
}

/// Where the value of the option `id` (snake case) came from.
pub fn origin_of(matches: &ArgMatches, file: &File, id: &str) -> Origin {
    match matches.value_source(id) {
        Some(ValueSource::CommandLine) => Origin::CommandLine,
        Some(ValueSource::EnvVariable) => Origin::Environment,
        _ if file.gives(&id.replace('_', "-")) => Origin::File,
        _ => Origin::Default,
    }
}

/// What a child is given of the command line.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct PassedOn {
    /// Its arguments, which everybody on this machine can read.
    pub words: Vec<OsString>,
    /// Its variables, which nobody else can read: the secrets.
    pub variables: Vec<(OsString, OsString)>,
}

/// The options of `command` that stood on the command line, to be passed on to another one that knows `known`.
pub fn passed_on(command: &Command, matches: &ArgMatches, known: &Command) -> PassedOn {
    let theirs: Vec<_> = known.get_arguments().map(clap::Arg::get_id).collect();
    let given = |id: &str| matches.value_source(id) == Some(ValueSource::CommandLine);
    let mut passed = PassedOn::default();
    for arg in command.get_arguments().filter(|arg| theirs.contains(&arg.get_id())) {
        let (id, Some(long)) = (arg.get_id().as_str(), arg.get_long()) else {
            continue;
        };
        if !given(id) {
            continue;
        }
        if !arg.get_action().takes_values() {
            passed.words.push(format!("--{long}").into());
            continue;
        }
        if let (true, Some(variable)) = (super::SECRET.contains(&long), arg.get_env()) {
            passed.variables.push((variable.to_owned(), lines(matches, id)));
            continue;
        }
        for value in matches.get_raw(id).into_iter().flatten() {
            let mut word = OsString::from(format!("--{long}="));
            word.push(value);
            passed.words.push(word);
        }
    }
    passed
}

/// The values of an option, one a line, as its variable has them.
fn lines(matches: &ArgMatches, id: &str) -> OsString {
    let values: Vec<_> = matches.get_raw(id).into_iter().flatten().collect();
    values.join(OsStr::new("\n"))
}

/// One line per option: name, value (secrets masked), origin. `course`: what --course decided.
pub fn listing(command: &Command, matches: &ArgMatches, file: &File, course: &[(&str, &str)]) -> String {
    let mut rows = Vec::new();
    for arg in command.get_arguments() {
        let (id, Some(long)) = (arg.get_id().as_str(), arg.get_long()) else {
            continue;
        };
        if matches!(long, "help" | "version") {
            continue;
        }
        rows.push(match course.iter().find(|(option, _)| *option == long) {
            Some((_, value)) => [long.to_owned(), (*value).to_owned(), "--course".into()],
            None => [
                long.to_owned(),
                value_of(matches, id, long),
                source_of(matches, file, id, arg),
            ],
        });
    }
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let (name, value) = (width(0), width(1));
    rows.iter()
        .map(|[a, b, c]| format!("{a:name$}  {b:value$}  {c}\n"))
        .collect()
}

fn value_of(matches: &ArgMatches, id: &str, long: &str) -> String {
    // A flag that nobody gave has no raw value.
    let values = matches.get_raw(id).into_iter().flatten();
    let values: Vec<_> = values.map(|value| shown(long, &value.to_string_lossy())).collect();
    match (values.is_empty(), matches.value_source(id)) {
        (true, Some(ValueSource::CommandLine)) => "true".into(),
        (true, _) => "-".into(),
        (false, _) => values.join(" "),
    }
}

fn source_of(matches: &ArgMatches, file: &File, id: &str, arg: &clap::Arg) -> String {
    match origin_of(matches, file, id) {
        Origin::CommandLine => "command line".into(),
        Origin::Environment => arg
            .get_env()
            .map_or_else(String::new, |name| name.to_string_lossy().into_owned()),
        Origin::File => file.path.display().to_string(),
        Origin::Default => "default".into(),
    }
}
