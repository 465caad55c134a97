//! The command line: which command, with which options.

use std::ffi::OsString;
use std::time::Duration;

use anyhow::{Context, Result};
use clap::error::ErrorKind;
use clap::{ArgMatches, Args, Command, CommandFactory, FromArgMatches, Parser, Subcommand};
use tokio_util::sync::CancellationToken;

use crate::audit::{self, AuditArgs};
use crate::config::{self, ConfigFile, CourseValue, DeliveryOptions, Ports, RoleOptions, Settings, Storage};
use crate::console::json;
use crate::exit::Exit;
use crate::lab::{self, LabCommand};
use crate::net::{FIRST_DELIVERY_PORT, GATEWAY_PORT, ORDER_PORT, Port};
use crate::parked::ParkedCommand;
use crate::timeline::{self, TimelineArgs};
use crate::verify::{self, VerifyArgs};
use crate::{console, data_dir, doctor, parked, reset, roles, shutdown, sql, supervisor, tools};

/// The mall: orders and deliveries over an event log, in one binary. Without a command it runs the whole mall here.
#[derive(Debug, Parser)]
#[command(name = "mall", version, about, after_help = EXAMPLES, max_term_width = 110, subcommand_required = true,
          override_usage = "mall [COMMAND] [OPTIONS]   (mall alone is mall up)")]
struct Cli {
    #[command(subcommand)]
    command: Commands,
}

/// How much longer than `--shutdown-timeout` a role may take to stop before it gives up what is left to do.
const OVERTIME: Duration = Duration::from_secs(2);

const EXAMPLES: &str = "\
Examples:
  mall                                        the whole mall on this machine
  http :8081/orders customerId=2000 productId=100 productName=RADIO qty=3 address=PUSAN
  mall kafka-console-consumer --topic kafka.scaling --from-beginning
  mall sql \"select * from Delivery_table;\"
  mall up --bootstrap-server localhost:9092 --database-url mysql://root:1234@localhost:3306/my-database

Every option of a role can also be given as MALL_… in the environment (MALL_MODIFY_DELAY=1s) or in mall.toml
(modify-delay = \"1s\"); mall config prints the values in use, and where they came from.

Exit codes: 0 done, 1 the answer is no, 2 could not do it, 64 wrong usage; the kafka-* commands keep Kafka's.";

#[derive(Debug, Subcommand)]
enum Commands {
    /// Starts the order service, delivery instances and the gateway, and keeps them running
    Up(UpArgs),
    /// Runs the order service and its outbox relay
    Order(RoleArgs),
    /// Runs one delivery instance
    Delivery(DeliveryArgs),
    /// Runs the gateway: one address for both services, and the live page
    Gateway(RoleArgs),
    /// Creates, grows and shows topics, as Kafka's tool does
    #[command(disable_help_flag = true)]
    KafkaTopics(ToolArgs),
    /// Shows consumer groups, their members and lag, and sets their offsets, as Kafka's tool does
    #[command(disable_help_flag = true)]
    KafkaConsumerGroups(ToolArgs),
    /// Shows the records of a topic, as Kafka's tool does
    #[command(disable_help_flag = true)]
    KafkaConsoleConsumer(ToolArgs),
    /// Appends lines of its input to a topic, as Kafka's tool does
    #[command(disable_help_flag = true)]
    KafkaConsoleProducer(ToolArgs),
    /// Shows what a select, show tables or desc finds in the database; read-only
    #[command(after_help = "Example:\n  mall sql \"select * from Delivery_table where orderId = 1;\"")]
    Sql(SqlArgs),
    /// Shows parked events and dead letters, and marks a parked event to be retried or discarded by an instance
    #[command(
        subcommand,
        after_help = "Example:\n  mall parked list\n  mall parked retry 6\n  mall parked discard 6 2"
    )]
    Parked(ParkedCommand),
    /// Starts over: removes the embedded log and databases, so that the next order is number 1 again
    Reset(ResetArgs),
    /// Finds out whether the events of each key stand in one partition of a topic, and in their order
    Audit(AuditArgs),
    /// Finds out whether the events of every order took effect once and in order, and names what went wrong
    Verify(VerifyArgs),
    /// Shows everything that is known of one order, by time, and marks where its order broke
    Timeline(TimelineArgs),
    /// Shows how the events of an order go wrong, and how that is cured, by scenarios that run by themselves
    #[command(
        subcommand,
        after_help = "Example:\n  mall lab list\n  mall lab explain zombie\n  mall lab run zombie"
    )]
    Lab(LabCommand),
    /// Says what is wrong with everything that the mall depends on, and what helps; takes the options of mall up
    #[command(after_help = "Exit codes: 0 nothing is wrong, 1 something is, 2 could not look.")]
    Doctor(UpArgs),
    /// Prints every option's value and where it came from
    Config(UpArgs),
    /// Prints a completion script for a shell
    #[command(after_help = "Example:\n  mall completions bash > ~/.local/share/bash-completion/completions/mall")]
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
}

#[derive(Debug, Args)]
struct UpArgs {
    #[command(flatten)]
    ports: Ports,
    #[command(flatten)]
    options: RoleOptions,
}

#[derive(Debug, Args)]
struct RoleArgs {
    #[command(flatten)]
    port: PortArg,
    #[command(flatten)]
    options: RoleOptions,
}

#[derive(Debug, Args)]
struct DeliveryArgs {
    #[command(flatten)]
    port: PortArg,
    #[command(flatten)]
    instance: DeliveryOptions,
    #[command(flatten)]
    options: RoleOptions,
}

#[derive(Debug, Args)]
struct PortArg {
    /// Port to listen on [default: order 8081, delivery the first free one from 8082 on, gateway 8088]
    #[arg(long, env = "MALL_PORT", value_parser = config::port)]
    port: Option<u16>,
}

#[derive(Debug, Args)]
struct ToolArgs {
    /// The options of Kafka's tool of this name (--help lists them)
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "OPTIONS")]
    _words: Vec<OsString>,
}

#[derive(Debug, Args)]
struct SqlArgs {
    /// The statement
    statement: String,
    #[command(flatten)]
    storage: Storage,
}

#[derive(Debug, Args)]
struct ResetArgs {
    /// Does not ask for confirmation
    #[arg(long, short)]
    yes: bool,
    /// Removes nothing, and replaces a file of the data folder that is gone or was replaced by an older copy
    #[arg(long)]
    accept_loss: bool,
    #[command(flatten)]
    storage: Storage,
}

/// Runs the command that the command line names. The first word is the program's name.
pub fn run(words: Vec<OsString>) -> Result<Exit> {
    let words = with_command(words);
    let name = words.get(1).and_then(|word| word.to_str()).unwrap_or_default();
    if let Some(tool) = tools::named(name) {
        return Ok(tools::run(tool, &words[2..], || storage_of(&words[..1])));
    }
    speak_as_asked(name, &words, None);
    let file = ConfigFile::find(&words)?;
    speak_as_asked(name, &words, Some(&file));
    let mut command = command(&file);
    let matches = match command.try_get_matches_from_mut(&words) {
        Ok(matches) => matches,
        Err(error) if matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) => {
            return written(error.print());
        }
        Err(error) => return Err(config::usage_of(&error, &file, &words, &names(&command)).into()),
    };
    let variables = std::env::vars_os().filter_map(|(name, _)| name.into_string().ok());
    config::refuse_misspelt_variables(&command, variables)?;
    dispatch(command, &matches, &file)
}

/// Makes a role, or the supervisor, write nothing but JSON with `--log json`, from its first line to its last.
fn speak_as_asked(name: &str, words: &[OsString], file: Option<&ConfigFile>) {
    let role = match name {
        "up" => "mall",
        "order" | "delivery" | "gateway" => name,
        _ => return,
    };
    if config::wants_json(words, file) {
        json::speak_json(role);
    }
}

fn dispatch(command: Command, matches: &ArgMatches, file: &ConfigFile) -> Result<Exit> {
    let (name, given) = matches.subcommand().context("no command was given")?;
    let definition = command.find_subcommand(name).context("an unknown command")?;
    let idle = config::idle_options(name, given);
    if !matches!(name, "order" | "delivery" | "gateway") {
        idle.iter()
            .for_each(|sentence| console::say(&format!("mall: {sentence}")));
    }
    match Cli::from_arg_matches(matches)
        .map_err(|error| config::usage_of(&error, file, &[], &names(&command)))?
        .command
    {
        Commands::Up(args) => {
            let options = checked(args.options, given, file)?;
            let others = |role: &str| config::passed_on(definition, given, &role_command(&command, role));
            supervisor::run(&args.ports, &options, &others)
        }
        Commands::Order(args) => {
            let options = checked(args.options, given, file)?;
            let port = args.port.or(Port::Fixed(ORDER_PORT));
            role(Settings::new(options, port, idle), roles::order::run)
        }
        Commands::Delivery(args) => {
            let options = checked(args.options, given, file)?;
            let port = args.port.or(Port::FirstFreeFrom(FIRST_DELIVERY_PORT));
            let settings = Settings::new(options, port, idle).named(args.instance.name);
            role(settings, roles::delivery::run)
        }
        Commands::Gateway(args) => {
            let options = checked(args.options, given, file)?;
            let port = args.port.or(Port::Fixed(GATEWAY_PORT));
            role(Settings::new(options, port, idle), roles::gateway::run)
        }
        Commands::Sql(args) => sql::run(&args.storage, &args.statement),
        Commands::Audit(args) => audit::run(&args),
        Commands::Verify(args) => verify::run(&args),
        Commands::Timeline(args) => timeline::run(&args),
        Commands::Parked(command) => parked::run(command),
        Commands::Lab(command) => lab::run(command),
        Commands::Reset(args) if args.accept_loss => reset::accept_loss(&args.storage, args.yes),
        Commands::Reset(args) => reset::run(&args.storage, args.yes),
        Commands::Doctor(args) => doctor::run(&args.ports, &checked(args.options, given, file)?),
        Commands::Config(args) => {
            let options = checked(args.options, given, file)?;
            print(&config::listing(
                definition,
                given,
                file,
                &decided_by_course(&options, given, file),
            ))
        }
        Commands::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut command.clone(), "mall", &mut script);
            print(&String::from_utf8_lossy(&script))
        }
        Commands::KafkaTopics(_)
        | Commands::KafkaConsumerGroups(_)
        | Commands::KafkaConsoleConsumer(_)
        | Commands::KafkaConsoleProducer(_) => {
            anyhow::bail!("Kafka's tools read their command line themselves")
        }
    }
}

/// Runs a role until it has stopped.
fn role<F>(settings: Settings, run: impl FnOnce(Settings, CancellationToken) -> F) -> Result<Exit>
where
    F: Future<Output = Result<()>>,
{
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("can't start the asynchronous runtime")?;
    let deadline = settings.options.shutdown_timeout + OVERTIME;
    let result = runtime.block_on(async {
        let shutdown = shutdown::token()?;
        let overdue = overdue(shutdown.clone(), deadline);
        tokio::select! {
            result = run(settings, shutdown) => result,
            () = overdue => {
                tracing::warn!("not everything was finished within {deadline:?}; what was left will be done after the next start");
                Ok(())
            }
        }
    });
    // A thread that still waits, for example for a name to be resolved, must not keep the process alive.
    runtime.shutdown_background();
    result.map(|()| Exit::DONE)
}

/// Ends when a role has taken too long to stop. Its parts stop one after the other, each with a deadline of its own; this is
/// the deadline for all of them together.
async fn overdue(shutdown: CancellationToken, deadline: Duration) {
    shutdown.cancelled().await;
    tokio::time::sleep(deadline).await;
}

impl PortArg {
    /// The port that was given, or else the default.
    fn or(&self, default: Port) -> Port {
        self.port.map_or(default, Port::Fixed)
    }
}

/// The options, after the checks that concern several of them, and with the values of the course.
fn checked(mut options: RoleOptions, given: &ArgMatches, file: &ConfigFile) -> Result<RoleOptions> {
    options.check()?;
    options.follow_course(&decided_by_course(&options, given, file));
    config::refuse_idle_options(&options, given, file)?;
    Ok(options)
}

/// The values that `--course` decides: of the options that were not given in a place that counts at least as much.
fn decided_by_course(options: &RoleOptions, given: &ArgMatches, file: &ConfigFile) -> Vec<CourseValue> {
    let course = config::origin_of(given, file, "course");
    let open = |option: &str| options.course && config::origin_of(given, file, option) < course;
    config::COURSE
        .into_iter()
        .filter(|course| open(course.option))
        .collect()
}

/// Where log and databases are according to environment and file, for the tools that read their command line themselves.
fn storage_of(program: &[OsString]) -> Result<Storage> {
    let words: Vec<_> = program.iter().cloned().chain(["config".into()]).collect();
    let file = ConfigFile::find(&words)?;
    let matches = command(&file).try_get_matches_from(&words);
    let matches = matches.map_err(|error| config::usage_of(&error, &file, &words, &[]))?;
    match Cli::from_arg_matches(&matches)?.command {
        Commands::Config(args) => Ok(args.options.storage),
        _ => anyhow::bail!("no configuration"),
    }
}

/// The command line's definition, with the values of the file and the place of the data folder as defaults.
fn command(file: &ConfigFile) -> Command {
    let command = config::hide_idle_options(Cli::command());
    file.as_defaults(with_data(command, &data_dir::default_place().into_os_string()))
}

fn with_data(command: Command, data: &OsString) -> Command {
    let command = command.mut_args(|arg| match arg.get_id() == "data" {
        true => arg.default_value(data.clone()),
        // A value in the environment may be a secret.
        false => arg.hide_env_values(true),
    });
    command.mut_subcommands(|subcommand| with_data(subcommand, data))
}

/// The names of all commands and of the commands within them.
fn names(command: &Command) -> Vec<String> {
    let below = command.get_subcommands();
    below
        .flat_map(|command| std::iter::once(command.get_name().to_owned()).chain(names(command)))
        .collect()
}

fn role_command(command: &Command, role: &str) -> Command {
    command
        .find_subcommand(role)
        .cloned()
        .unwrap_or_else(|| Command::new("none"))
}

/// `mall` and `mall --partitions 2` mean `mall up …`.
fn with_command(mut words: Vec<OsString>) -> Vec<OsString> {
    let own = ["-h", "--help", "-V", "--version"];
    let first = words.get(1).and_then(|word| word.to_str());
    if first.is_none_or(|word| word.starts_with('-') && !own.contains(&word)) {
        words.insert(1.min(words.len()), "up".into());
    }
    words
}

fn print(text: &str) -> Result<Exit> {
    use std::io::Write;
    written(std::io::stdout().lock().write_all(text.as_bytes()))
}

/// How a command ends whose output was written so. A reader that has read enough and closed the pipe is no failure.
fn written(result: std::io::Result<()>) -> Result<Exit> {
    match result {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Err(error).context("can't write the output"),
        _ => Ok(Exit::DONE),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(words: &[&str]) -> Vec<OsString> {
        words.iter().map(OsString::from).collect()
    }

    #[test]
    fn the_definition_is_sound() {
        command(&ConfigFile::default()).debug_assert();
    }

    #[test]
    fn no_command_means_up() {
        assert_eq!(with_command(words(&["mall"])), words(&["mall", "up"]));
        assert_eq!(
            with_command(words(&["mall", "--course"])),
            words(&["mall", "up", "--course"])
        );
        assert_eq!(with_command(words(&["mall", "--help"])), words(&["mall", "--help"]));
        assert_eq!(with_command(words(&["mall", "sql"])), words(&["mall", "sql"]));
    }

    #[test]
    fn what_stood_on_the_command_line_is_passed_on() {
        let command = command(&ConfigFile::default());
        let given = words(&[
            "mall",
            "up",
            "--deliveries=2",
            "--modify-delay",
            "1s",
            "--course",
            "--kafka-property=a=b",
            "--kafka-property=sasl.password=x=y",
        ]);
        let matches = command.clone().try_get_matches_from(given).expect("good");
        let (_, given) = matches.subcommand().expect("up");
        let up = role_command(&command, "up");
        let passed = config::passed_on(&up, given, &role_command(&command, "delivery"));
        assert_eq!(passed.words, words(&["--course", "--modify-delay=1s"]));
        let secret = (
            OsString::from("MALL_KAFKA_PROPERTY"),
            OsString::from("a=b\nsasl.password=x=y"),
        );
        assert_eq!(passed.variables, [secret], "where nobody else can read it");
        let passed = config::passed_on(&up, given, &role_command(&command, "gateway"));
        let none: Vec<OsString> = Vec::new();
        assert_eq!(
            (passed.words, passed.variables.len()),
            (none, 1),
            "a gateway only looks at what is there"
        );
    }
}
