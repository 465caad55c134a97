//! Where the value of each option came from.

use std::ffi::{OsStr, OsString};

use clap::parser::ValueSource;
use clap::{ArgMatches, Command};

use super::command_token::{COMMAND_TOKEN, raw_command_token};
use super::file::ConfigFile;
use super::masked::{MASK, SECRET_OPTIONS};
use super::options::CourseValue;
use super::shown::shown;
use crate::console::columns;

/// Where a value came from. A later one of these wins over an earlier one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Origin {
    /// Nobody gave a value.
    Default,
    /// The configuration file.
    File,
    /// A `MALL_…` variable.
    Environment,
    /// The command line.
    CommandLine,
}

/// Where the value of the option `id` (snake case) came from.
pub fn origin_of(matches: &ArgMatches, file: &ConfigFile, id: &str) -> Origin {
    match matches.value_source(id) {
        Some(ValueSource::CommandLine) => Origin::CommandLine,
        Some(ValueSource::EnvVariable) => Origin::Environment,
        _ if file.gives(&id.replace('_', "-")) => Origin::File,
        _ => Origin::Default,
    }
}

/// The part of the command line that a child is given.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct PassedOn {
    /// The child's arguments, which every user of this machine can read.
    pub words: Vec<OsString>,
    /// The child's variables, which other users can't read. Secrets are passed on here.
    pub variables: Vec<(OsString, OsString)>,
}

impl PassedOn {
    /// Gives the child these options, each written `--name=value`, instead of what it was given for them before.
    pub fn replace(&mut self, options: Vec<OsString>) {
        let name = |word: &OsString| word.to_string_lossy().split('=').next().unwrap_or_default().to_owned();
        let names: Vec<String> = options.iter().map(name).collect();
        self.words.retain(|word| !names.contains(&name(word)));
        self.words.extend(options);
    }
}

/// The options that were given to `command` on the command line, as far as the command `known` has them too and makes use of
/// them: an option that has no effect on a command is hidden there.
pub fn passed_on(command: &Command, matches: &ArgMatches, known: &Command) -> PassedOn {
    let used = known.get_arguments().filter(|arg| !arg.is_hide_set());
    let theirs: Vec<_> = used.map(clap::Arg::get_id).collect();
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
        if let (true, Some(variable)) = (SECRET_OPTIONS.contains(&long), arg.get_env()) {
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

/// The values of an option, one a line, which is how its variable holds them.
fn lines(matches: &ArgMatches, id: &str) -> OsString {
    let values: Vec<_> = matches.get_raw(id).into_iter().flatten().collect();
    values.join(OsStr::new("\n"))
}

/// A line for each option: its name, its value with secrets masked, and where that came from. `course` is what `--course`
/// decided.
pub fn listing(command: &Command, matches: &ArgMatches, file: &ConfigFile, course: &[CourseValue]) -> String {
    let mut rows = Vec::new();
    for arg in command.get_arguments() {
        let (id, Some(long)) = (arg.get_id().as_str(), arg.get_long()) else {
            continue;
        };
        if matches!(long, "help" | "version") {
            continue;
        }
        rows.push(match course.iter().find(|course| course.option == long) {
            Some(course) => [long.to_owned(), course.value.to_owned(), "--course".into()],
            None => [
                long.to_owned(),
                value_of(matches, id, long),
                source_of(matches, file, id, arg),
            ],
        });
    }
    if raw_command_token().is_some() {
        rows.push([COMMAND_TOKEN, MASK, "environment"].map(str::to_owned));
    }
    let width = |column: usize| rows.iter().map(|row| columns::width(&row[column])).max().unwrap_or(0);
    let (name, value) = (width(0), width(1));
    rows.iter()
        .map(|[a, b, c]| format!("{}  {}  {c}\n", columns::left(a, name), columns::left(b, value)))
        .collect()
}

fn value_of(matches: &ArgMatches, id: &str, long: &str) -> String {
    // A flag has no raw value, whether it was given or not.
    let values = matches.get_raw(id).into_iter().flatten();
    let values: Vec<_> = values.map(|value| shown(long, &value.to_string_lossy())).collect();
    match (values.is_empty(), matches.value_source(id)) {
        (true, Some(ValueSource::CommandLine)) => "true".into(),
        (true, _) => "-".into(),
        (false, _) => values.join(" "),
    }
}

fn source_of(matches: &ArgMatches, file: &ConfigFile, id: &str, arg: &clap::Arg) -> String {
    match origin_of(matches, file, id) {
        Origin::CommandLine => "command line".into(),
        Origin::Environment => arg
            .get_env()
            .map_or_else(String::new, |name| name.to_string_lossy().into_owned()),
        Origin::File => file.path.display().to_string(),
        Origin::Default => "default".into(),
    }
}
