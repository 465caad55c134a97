//! `kafka-console-consumer`: prints the records of a topic.

mod deserializer;
mod format;
mod options;
mod own_properties;
mod source;

use std::io::Write;
use std::time::{Duration, Instant};

use keylane_log::{LogError, Record};

use super::ToolError;
use super::args::Given;
use super::properties::isolation_level;
use crate::adapters::log::{OpenFor, explained, no_log_yet, open_log};
use crate::config::{Storage, topic};
use crate::console;
use crate::exit::Exit;
use crate::shutdown::StopSignal;

use format::RecordFormat;
use options::StopConditions;
use own_properties::OwnProperties;
use source::{Member, Membership, Scan, Topics, Wanted};

pub use options::{OPTIONS, check};

/// How long records are waited for before the log is asked again.
const POLL_TIMEOUT: Duration = Duration::from_millis(20);

/// How long until a warning is repeated while the same thing is still wrong.
const WARNING_INTERVAL: Duration = Duration::from_secs(10);

/// Prints records until as many as asked for are printed, none has come for too long, or a signal comes.
pub fn run(given: &Given, storage: &Storage) -> Result<Exit, ToolError> {
    let mut storage = storage.clone();
    if let Some(level) = given.last("isolation-level") {
        storage.kafka_property.push(isolation_level(level)?);
    }
    let properties = OwnProperties::take_from(&mut storage);
    let (wanted, group) = options::wanted(given, &properties)?;
    let limits = options::stop_conditions(given)?;
    let mut printer = Printer {
        format: options::format(given)?,
        skip_errors: given.has("skip-message-on-error"),
        printed: 0,
    };
    let signal = StopSignal::listen().map_err(|error| ToolError::Other(error.to_string()))?;
    let ended = match &wanted.topics {
        Topics::Named(name) if topic(name).is_err() => {
            console::say(&format!("{TERMINATING}InvalidTopicException: Invalid topics: [{name}]"));
            Ok(())
        }
        _ => consume(&storage, &wanted, group.as_ref(), &limits, &signal, &mut printer),
    };
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

/// How Kafka's tool begins its message about an error that ends it. It exits with 0 even so.
const TERMINATING: &str = "Error processing message, terminating consumer process: \norg.apache.kafka.common.errors.";

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
        match printer.print(&records[..some], &mut source) {
            Ok(()) => {}
            Err(PrintError::Closed) => {
                console::say("Unable to write to standard out, closing consumer.");
                break;
            }
            Err(PrintError::Record(why)) => {
                leave(source)?;
                return Err(format!("Unknown error when running consumer: \n{why}"));
            }
        }
        if limits.messages.is_some_and(|max| printer.printed >= max) {
            break;
        }
        if !records.is_empty() {
            last = Instant::now();
        } else if limits.silence.is_some_and(|silence| last.elapsed() >= silence) {
            console::say(&format!("{TERMINATING}TimeoutException"));
            break;
        } else {
            std::thread::sleep(POLL_TIMEOUT);
        }
    }
    leave(source)
}

fn leave(source: RecordSource) -> Result<(), String> {
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
    /// How records are printed; none if they are only counted.
    format: Option<RecordFormat>,
    skip_errors: bool,
    printed: u64,
}

/// Why printing ended.
enum PrintError {
    /// Nobody reads the output any more.
    Closed,
    /// A record can't be printed.
    Record(String),
}

impl Printer {
    fn print(&mut self, records: &[Record], source: &mut RecordSource) -> Result<(), PrintError> {
        if records.is_empty() {
            return Ok(());
        }
        let mut bytes = Vec::new();
        let (mut ended, mut handled) = (Ok(()), 0);
        for record in records {
            handled += 1;
            ended = self.add(record, &mut bytes);
            if ended.is_err() {
                break;
            }
        }
        let mut stdout = std::io::stdout().lock();
        let written = stdout.write_all(&bytes).and_then(|()| stdout.flush());
        // What was not written is neither counted nor committed, so that whoever comes next reads it.
        written.map_err(|_| PrintError::Closed)?;
        self.printed += handled as u64;
        if let RecordSource::Member(member) = source {
            records[..handled].iter().for_each(|record| member.done(record));
        }
        ended
    }

    fn add(&self, record: &Record, bytes: &mut Vec<u8>) -> Result<(), PrintError> {
        let Some(format) = &self.format else {
            return Ok(());
        };
        match format.write(record, bytes) {
            Err(why) if self.skip_errors => {
                console::say(&format!("Error processing message, skipping this message: \n{why}"));
                Ok(())
            }
            written => written.map_err(PrintError::Record),
        }
    }
}
