//! `kafka-console-consumer`: prints the records of a topic.

use std::io::Write;
use std::time::{Duration, Instant};

use keylane_log::{LogError, Offset, Partition, Record};

use super::ToolError;
use super::args::{Given, Opt};
use super::format::{RecordFormat, check_deserializer};
use super::pattern::TopicPattern;
use super::properties::{OwnProperties, isolation_level};
use super::renamed::Renamed;
use super::source::{Member, Membership, Scan, Start, Topics, Wanted};
use crate::adapters::log::{OpenFor, explained, no_log_yet, open_log};
use crate::config::Storage;
use crate::console;
use crate::exit::Exit;
use crate::shutdown::StopSignal;

pub const OPTIONS: [Opt; 18] = [
    Opt::value("topic", "topic", "The topic to consume on."),
    Opt::value("include", "pattern", "A regular expression of the topics to consume."),
    Opt::flag(
        "from-beginning",
        "Start with the earliest message, if the group has no offset yet.",
    ),
    Opt::value("partition", "partition", "The partition to consume from."),
    Opt::value(
        "offset",
        "offset",
        "The offset to begin with: a number, 'earliest' or 'latest' (the default).",
    ),
    Opt::value(
        "group",
        "group id",
        "The consumer group; without one, nothing is committed.",
    ),
    Opt::value(
        "max-messages",
        "num",
        "The number of messages to consume before exiting.",
    ),
    Opt::value("timeout-ms", "ms", "Exit if no message is available for this long."),
    Opt::repeated(
        "property",
        "prop",
        "print.key=true, print.timestamp, print.partition, print.offset, print.headers, \
                  print.value, key.separator, line.separator, headers.separator, null.literal.",
    ),
    Opt::repeated("formatter-property", "prop", "The same."),
    Opt::value("formatter", "class", "Only DefaultMessageFormatter."),
    Opt::repeated("consumer-property", "k=v", "A property of the Kafka client."),
    Opt::repeated("command-property", "k=v", "The same."),
    Opt::value("consumer.config", "FILE", "Properties of the Kafka client, one a line."),
    Opt::value("key-deserializer", "class", "Only String and ByteArray."),
    Opt::value("value-deserializer", "class", "Only String and ByteArray."),
    Opt::value(
        "isolation-level",
        "level",
        "read_uncommitted (the default) or read_committed.",
    ),
    Opt::flag("skip-message-on-error", "Accepted; there is nothing to skip."),
];

const RENAMED: Renamed = Renamed {
    pairs: &[
        ("consumer-property", "command-property"),
        ("consumer.config", "command-config"),
        ("property", "formatter-property"),
    ],
    warning: "Option",
    newer_first: false,
};

/// How long records are waited for before the log is asked again.
const POLL_TIMEOUT: Duration = Duration::from_millis(20);

/// How long until a warning is repeated while the same thing is still wrong.
const WARNING_INTERVAL: Duration = Duration::from_secs(10);

/// Refuses options that contradict each other.
pub fn check(given: &Given) -> Result<(), ToolError> {
    if given.has("topic") == given.has("include") {
        return Err(ToolError::Usage(
            "Exactly one of the following arguments is required: [topic], [include]".into(),
        ));
    }
    RENAMED.refuse_both(given)?;
    RENAMED.warn(given);
    Ok(())
}

/// Prints records until as many as asked for are printed, none has come for too long, or a signal comes.
pub fn run(given: &Given, storage: &Storage) -> Result<Exit, ToolError> {
    let mut storage = storage.clone();
    if let Some(level) = given.last("isolation-level") {
        storage.kafka_property.push(isolation_level(level)?);
    }
    let properties = OwnProperties::take_from(&mut storage)?;
    let (wanted, group) = wanted(given, &properties)?;
    let limits = StopConditions {
        messages: given
            .number::<i64>("max-messages")
            .map_err(ToolError::Other)?
            .and_then(|n| u64::try_from(n).ok()),
        silence: given
            .number::<i64>("timeout-ms")
            .map_err(ToolError::Other)?
            .and_then(|n| u64::try_from(n).ok())
            .map(Duration::from_millis),
    };
    let signal = StopSignal::listen().map_err(|error| ToolError::Other(error.to_string()))?;
    let mut printer = Printer {
        format: format(given).map_err(ToolError::Usage)?,
        printed: 0,
    };
    let ended = consume(&storage, &wanted, group.as_ref(), &limits, &signal, &mut printer);
    let exit = match ended {
        Ok(()) => signal.exit().unwrap_or(Exit::DONE),
        Err(sentence) => {
            console::say(&sentence);
            Exit::NO
        }
    };
    console::say(&format!("Processed a total of {} messages", printer.printed));
    Ok(exit)
}

/// When the tool stops by itself.
struct StopConditions {
    messages: Option<u64>,
    silence: Option<Duration>,
}

/// Where the records come from. It is opened once there is a log.
enum RecordSource {
    NotOpen,
    Scan(Scan),
    Member(Member),
}

fn consume(
    storage: &Storage,
    wanted: &Wanted,
    group: Option<&Membership>,
    limits: &StopConditions,
    signal: &StopSignal,
    printer: &mut Printer,
) -> Result<(), String> {
    let mut source = RecordSource::NotOpen;
    let mut warning = Warning::default();
    let mut last = Instant::now();
    while signal.exit().is_none() {
        let records = match step(&mut source, storage, wanted, group) {
            Ok(records) => records,
            Err(error @ LogError::Unavailable(_)) => {
                warning.say(&explained(&error, storage));
                Vec::new()
            }
            Err(error) => return Err(error.to_string()),
        };
        let left = limits.messages.map(|max| max.saturating_sub(printer.printed));
        let some = records
            .len()
            .min(left.map_or(usize::MAX, |left| usize::try_from(left).unwrap_or(usize::MAX)));
        if printer.print(&records[..some], &mut source).is_err() {
            console::say("Unable to write to standard out, closing consumer.");
            break;
        }
        if limits.messages.is_some_and(|max| printer.printed >= max) {
            break;
        }
        if !records.is_empty() {
            last = Instant::now();
        } else if limits.silence.is_some_and(|silence| last.elapsed() >= silence) {
            console::say(
                "Error processing message, terminating consumer process: \norg.apache.kafka.common.errors.TimeoutException",
            );
            break;
        } else {
            std::thread::sleep(POLL_TIMEOUT);
        }
    }
    match source {
        RecordSource::Member(member) => member.leave().map_err(|error| error.to_string()),
        RecordSource::NotOpen | RecordSource::Scan(_) => Ok(()),
    }
}

/// Reads once from the source, which is opened first if need be.
fn step(
    source: &mut RecordSource,
    storage: &Storage,
    wanted: &Wanted,
    group: Option<&Membership>,
) -> Result<Vec<Record>, LogError> {
    if let RecordSource::NotOpen = source {
        let Some(log) = open_log(storage, OpenFor::Reading)? else {
            return Err(LogError::Unavailable(format!(
                "{}; waiting for it",
                no_log_yet(storage)
            )));
        };
        *source = match group {
            None => RecordSource::Scan(Scan::new(log, wanted.clone())),
            Some(group) => {
                // A member of a group writes its positions into the log.
                let log = open_log(storage, OpenFor::Writing)?.unwrap_or(log);
                RecordSource::Member(Member::join(log.as_ref(), wanted, group)?)
            }
        };
    }
    match source {
        RecordSource::NotOpen => Ok(Vec::new()),
        RecordSource::Scan(scan) => scan.step(),
        RecordSource::Member(member) => member.step(POLL_TIMEOUT),
    }
}

/// A warning that is repeated only now and then while nothing changes.
#[derive(Default)]
struct Warning {
    last: Option<(String, Instant)>,
}

impl Warning {
    fn say(&mut self, sentence: &str) {
        let fresh = |(said, when): &(String, Instant)| said == sentence && when.elapsed() < WARNING_INTERVAL;
        if !self.last.as_ref().is_some_and(fresh) {
            console::say(&format!("WARN {sentence}"));
            self.last = Some((sentence.to_owned(), Instant::now()));
        }
    }
}

struct Printer {
    format: RecordFormat,
    printed: u64,
}

impl Printer {
    fn print(&mut self, records: &[Record], source: &mut RecordSource) -> std::io::Result<()> {
        if records.is_empty() {
            return Ok(());
        }
        let mut bytes = Vec::new();
        for record in records {
            self.format.write(record, &mut bytes);
        }
        let mut stdout = std::io::stdout().lock();
        stdout.write_all(&bytes)?;
        stdout.flush()?;
        self.printed += records.len() as u64;
        if let RecordSource::Member(member) = source {
            records.iter().for_each(|record| member.done(record));
        }
        Ok(())
    }
}

/// What to read, and the group to read it as a member of.
fn wanted(given: &Given, properties: &OwnProperties) -> Result<(Wanted, Option<Membership>), ToolError> {
    let usage = |sentence: &str| Err(ToolError::Usage(sentence.to_owned()));
    let (topic, include) = (given.last("topic"), given.last("include"));
    let topics = match (topic, include) {
        (Some(name), None) => Topics::Named(name.to_owned()),
        (None, Some(pattern)) => Topics::Matching(TopicPattern::parse(pattern).map_err(ToolError::Usage)?),
        _ => return usage("Exactly one of the following arguments is required: [topic], [include]"),
    };
    let partition = given
        .number::<u32>("partition")
        .map_err(ToolError::Usage)?
        .map(Partition);
    if partition.is_some() && topic.is_none() {
        return usage("The topic is required when partition is specified.");
    }
    if given.has("offset") && partition.is_none() {
        return usage("The partition is required when offset is specified.");
    }
    if given.has("from-beginning") && given.has("offset") {
        return usage("Options from-beginning and offset cannot be specified together.");
    }
    let group = group(given, &properties.groups).map_err(ToolError::Usage)?;
    if group.is_some() && partition.is_some() {
        return usage("Options group and partition cannot be specified together.");
    }
    if given.has("from-beginning") && properties.reset.is_some_and(|reset| reset != Start::Earliest) {
        return Err(ToolError::Other(
            "Can't simultaneously specify --from-beginning and auto.offset.reset (latest), please remove one option"
                .into(),
        ));
    }
    let reset = match given.has("from-beginning") {
        true => Start::Earliest,
        false => properties.reset.unwrap_or(Start::Latest),
    };
    let start = match given.last("offset") {
        Some(text) => offset(text).map_err(ToolError::Usage)?,
        None => reset,
    };
    let wanted = Wanted {
        topics,
        partition,
        start,
        reset,
    };
    let commits = properties.commits.unwrap_or(true);
    Ok((wanted, group.map(|group| Membership { group, commits })))
}

fn offset(text: &str) -> Result<Start, String> {
    if text.eq_ignore_ascii_case("earliest") {
        return Ok(Start::Earliest);
    }
    if text.eq_ignore_ascii_case("latest") {
        return Ok(Start::Latest);
    }
    text.parse().map(|offset| Start::At(Offset(offset))).map_err(|_| {
        format!(
            "The provided offset value '{text}' is incorrect. Valid values are 'earliest', 'latest', or a non-negative \
             long."
        )
    })
}

/// The group that was given, in whatever places, if they all give the same.
fn group(given: &Given, properties: &[String]) -> Result<Option<String>, String> {
    let mut groups: Vec<&str> = given.last("group").into_iter().collect();
    for group in properties.iter().map(String::as_str) {
        if !groups.contains(&group) {
            groups.push(group);
        }
    }
    if groups.len() > 1 {
        return Err(format!(
            "The group ids provided in different places (directly using '--group', via '--consumer-property', or via \
             '--consumer.config') do not match. Detected group ids: '{}'",
            groups.join("', '")
        ));
    }
    Ok(groups.first().map(|group| (*group).to_owned()))
}

fn format(given: &Given) -> Result<RecordFormat, String> {
    if let Some(class) = given
        .last("formatter")
        .filter(|class| !class.ends_with("DefaultMessageFormatter"))
    {
        return Err(format!(
            "The formatter {class} is not supported here; there is DefaultMessageFormatter"
        ));
    }
    for option in ["key-deserializer", "value-deserializer"] {
        given.last(option).map_or(Ok(()), check_deserializer)?;
    }
    RecordFormat::with(&[given.all("property"), given.all("formatter-property")].concat())
}
