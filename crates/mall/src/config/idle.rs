//! Options that have no effect. They are refused where the user must have meant something else, and warned of where a role
//! merely does not use them.
//!
//! ```text
//!  because of another option   --session-timeout with group.protocol=consumer   refused
//!  in this role                mall order --modify-delay 1s                     warned of: all roles may get the same options
//!  in no role                  MALL_DATABSE_URL                                 refused, with the name that was meant
//! ```

use anyhow::Result;
use clap::{ArgMatches, Command};
use shop::spelling::distance;

use super::command_token::COMMAND_TOKEN;
use super::file::ConfigFile;
use super::masked::MASK;
use super::options::{Guard, RoleOptions};
use super::origin::{Origin, origin_of};
use crate::exit::Usage;

/// For each command the ids of the options that have no effect on it.
const IDLE: [(&str, &[&str]); 7] = [
    (
        "order",
        &[
            "group",
            "guard",
            "lanes",
            "gap_deadline",
            "modify_delay",
            "modify_delay_customer",
            "session_timeout",
            "order_url",
            "delivery_url",
            "read_only",
        ],
    ),
    ("delivery", &["delivery_url", "read_only"]),
    (
        "gateway",
        &[
            "partitions",
            "key",
            "guard",
            "lanes",
            "gap_deadline",
            "course",
            "mixed",
            "modify_delay",
            "modify_delay_customer",
            "log_retention",
            "session_timeout",
        ],
    ),
    ("sql", &["bootstrap_server", "kafka_property", "kafka_config"]),
    ("parked", &["bootstrap_server", "kafka_property", "kafka_config"]),
    ("reset", &["kafka_property", "kafka_config"]),
    ("audit", &["database_url"]),
];

/// What options say on the command `gateway`, which only reads and creates nothing.
const READ_ONLY: [(&str, &str); 2] = [
    ("topic", "Topic of order and delivery events, which the page shows"),
    (
        "database_url",
        "MySQL or MariaDB, instead of the embedded database, which the page shows",
    ),
];

/// The commands with the options hidden that have no effect on them. They are still accepted. What is left says what it does there.
pub fn hide_idle_options(command: Command) -> Command {
    let command = IDLE.into_iter().fold(command, |command, (name, ids)| {
        command.mut_subcommand(name, |subcommand| hide(subcommand, ids))
    });
    command.mut_subcommand("gateway", |gateway| {
        READ_ONLY
            .into_iter()
            .fold(gateway, |gateway, (id, help)| gateway.mut_arg(id, |arg| arg.help(help)))
    })
}

fn hide(command: Command, ids: &[&str]) -> Command {
    let command = command.mut_args(|arg| match ids.contains(&arg.get_id().as_str()) {
        true => arg.hide(true),
        false => arg,
    });
    command.mut_subcommands(|subcommand| hide(subcommand, ids))
}

/// A sentence about each option on the command line that has no effect on this command.
pub fn idle_options(command: &str, given: &ArgMatches) -> Vec<String> {
    let ids = IDLE
        .into_iter()
        .find(|(name, _)| *name == command)
        .map_or(&[][..], |(_, ids)| ids);
    // A command within a command (mall parked list) holds the options of both.
    let given = given.subcommand().map_or(given, |(_, given)| given);
    let stands = |id: &&&str| {
        given.try_contains_id(id).is_ok() && given.value_source(id) == Some(clap::parser::ValueSource::CommandLine)
    };
    let option = |id: &&str| format!("--{} does nothing for mall {command}", id.replace('_', "-"));
    ids.iter().filter(stands).map(option).collect()
}

/// Refuses options that have no effect because of another option.
pub fn refuse_idle_options(options: &RoleOptions, given: &ArgMatches, file: &ConfigFile) -> Result<()> {
    let storage = &options.storage;
    let kafka = storage.bootstrap_server.is_some();
    let origin = |id: &str| origin_of(given, file, id);
    let typed = |id: &str| origin(id) == Origin::CommandLine;
    if kafka && origin("session_timeout") > Origin::Default && storage.has_newer_protocol() {
        return refuse(
            "--session-timeout does nothing with group.protocol=consumer, where the brokers decide \
             (group.consumer.session.timeout.ms)",
        );
    }
    // A file may serve several runs, and hold options that this one does not use.
    if kafka && origin("log_retention") > Origin::Default && origin("log_retention") >= origin("bootstrap_server") {
        return refuse(
            "--log-retention does nothing with --bootstrap-server: it is the embedded log's; in Kafka the topic has \
             retention.ms",
        );
    }
    for option in ["kafka-property", "kafka-config"] {
        if !kafka && typed(&option.replace('-', "_")) {
            return refuse(&format!(
                "--{option} does nothing without --bootstrap-server, which names the Kafka that it is for"
            ));
        }
    }
    if options.guard == Guard::Off && typed("gap_deadline") {
        return refuse("--gap-deadline does nothing with --guard off, where no event waits for another");
    }
    Ok(())
}

fn refuse(sentence: &str) -> Result<()> {
    Err(Usage(sentence.to_owned()).into())
}

/// Variables that the program and its scripts use, and that are no options.
const OTHER_VARIABLES: [&str; 5] = [
    "MALL_SUPERVISED",
    "MALL_COLOURED",
    "MALL_CHECKOUT",
    "MALL_CONFIG",
    COMMAND_TOKEN,
];

/// Refuses a variable whose name is nearly that of an option, since its value would be ignored. Variables of other programs
/// may begin with MALL_ too (Kubernetes names some after a service), so names that are not similar are left alone.
pub fn refuse_misspelt_variables(command: &Command, variables: impl Iterator<Item = String>) -> Result<()> {
    let mut known: Vec<String> = OTHER_VARIABLES.map(str::to_owned).to_vec();
    collect(command, &mut known);
    for variable in variables.filter(|name| name.starts_with("MALL_") && !known.contains(name)) {
        let near = |name: &&String| distance(&variable, name) <= 2;
        if let Some(meant) = known.iter().filter(near).min_by_key(|name| distance(&variable, name)) {
            let sentence = format!("there is no option for the variable {variable}; did you mean {meant}?");
            return Err(Usage(sentence).into());
        }
    }
    Ok(())
}

fn collect(command: &Command, known: &mut Vec<String>) {
    let names = command.get_arguments().filter_map(|arg| arg.get_env());
    known.extend(names.map(|name| name.to_string_lossy().into_owned()));
    command
        .get_subcommands()
        .for_each(|subcommand| collect(subcommand, known));
}

/// An unknown word of the command line as it may be shown. Only the name of an option, or a misspelt command, is repeated.
pub(super) fn misplaced(word: &str, commands: &[String]) -> String {
    let name = word.split('=').next().unwrap_or_default();
    let is_option = name.strip_prefix("--").is_some_and(|rest| {
        !rest.is_empty() && rest.len() <= 40 && rest.chars().all(|c| c.is_ascii_lowercase() || matches!(c, '-' | '.'))
    });
    let is_nearly_a_command = commands.iter().any(|command| distance(word, command) <= 3);
    match is_option || is_nearly_a_command {
        true => format!("\"{name}\""),
        // If the name of an option was forgotten, the word may be the secret itself.
        false => format!("a word ({MASK}: it may be a secret)"),
    }
}
