//! `kafka-console-producer`: appends the lines of its input to a topic.

mod options;
mod reader;

use std::io::{BufRead, IsTerminal, Write};
use std::time::Duration;

use bytes::Bytes;
use keylane_log::{EventLog, NewRecord};

use super::ToolError;
use super::args::Given;
use crate::adapters::log::{OpenFor, explained, open_log};
use crate::config::Storage;
use crate::console;
use crate::exit::Exit;

use reader::Reader;

pub use options::{OPTIONS, check, properties};

/// How many lines are appended at once at most, where the input holds as many.
const BATCH: usize = 500;

/// Appends line by line until the input ends.
pub fn run(given: &Given, storage: &Storage) -> Result<Exit, ToolError> {
    let topic = given.last("topic").unwrap_or_default();
    let reader = options::reader(given)?;
    let patience = options::patience(given)?;
    let log = open_log(storage, OpenFor::Writing)
        .map_err(|error| ToolError::Other(explained(&error, storage)))?
        .ok_or(ToolError::Other("There is no log".into()))?;
    if storage.bootstrap_server.is_none() {
        // Brokers create a missing topic by default.
        log.create_topic(topic, 1)
            .map_err(|error| ToolError::Other(error.to_string()))?;
    }
    let producer = Producer {
        log: log.as_ref(),
        topic,
        patience,
        one_at_a_time: given.has("sync"),
        storage,
    };
    producer.run(&reader).map(|()| Exit::DONE).map_err(ToolError::Other)
}

struct Producer<'a> {
    log: &'a dyn EventLog,
    topic: &'a str,
    patience: Duration,
    /// Whether each record is waited for before the next one, and one that fails ends the tool.
    one_at_a_time: bool,
    storage: &'a Storage,
}

impl Producer<'_> {
    /// Appends line by line. A line that is no record ends the tool, but everything before it is appended.
    fn run(&self, reader: &Reader) -> Result<(), String> {
        let mut input = std::io::BufReader::new(std::io::stdin().lock());
        let prompt = std::io::stdin().is_terminal();
        let (mut number, mut batch) = (0, Vec::new());
        loop {
            if prompt {
                let _ = write!(std::io::stdout(), ">").and_then(|()| std::io::stdout().flush());
            }
            let mut line = Vec::new();
            let read = input
                .read_until(b'\n', &mut line)
                .map_err(|error| format!("Can't read the input: {error}"))?;
            if read == 0 {
                return self.append(std::mem::take(&mut batch));
            }
            for line in lines(&line) {
                number += 1;
                if self.one_at_a_time {
                    self.append(std::mem::take(&mut batch))?;
                }
                match reader.parse(&String::from_utf8_lossy(line), number) {
                    Ok(record) => batch.push(record),
                    Err(sentence) => {
                        self.append(batch)?;
                        return Err(format!("org.apache.kafka.common.KafkaException: {sentence}"));
                    }
                }
            }
            // A line that is typed is appended at once. Lines from a pipe are appended in batches, and none waits for the rest
            // of the one behind it.
            if batch.len() >= BATCH || !input.buffer().contains(&b'\n') {
                self.append(std::mem::take(&mut batch))?;
            }
        }
    }

    /// Appends records, and reports those that could not be appended. As in Kafka's tool, that ends the tool only where
    /// each record is waited for.
    fn append(&self, records: Vec<NewRecord>) -> Result<(), String> {
        if records.is_empty() {
            return Ok(());
        }
        let length = |bytes: &Option<Bytes>| {
            bytes
                .as_ref()
                .map_or("null".into(), |bytes| format!("{} bytes", bytes.len()))
        };
        let shapes: Vec<_> = records
            .iter()
            .map(|record| (length(&record.key), length(&record.value)))
            .collect();
        let answers = self.log.append(self.topic, records, self.patience);
        for ((key, value), answer) in shapes.iter().zip(answers) {
            let Err(error) = answer else { continue };
            let why = explained(&error, self.storage);
            if self.one_at_a_time {
                return Err(format!("java.util.concurrent.ExecutionException: {why}"));
            }
            console::say(&format!(
                "ERROR Error when sending message to topic {} with key: {key}, value: {value} with error: {why}",
                self.topic
            ));
        }
        Ok(())
    }
}

/// The lines of what was read up to a line feed. As in Java, a carriage return without one ends a line too.
fn lines(read: &[u8]) -> impl Iterator<Item = &[u8]> {
    let read = read.strip_suffix(b"\n").unwrap_or(read);
    let read = read.strip_suffix(b"\r").unwrap_or(read);
    read.split(|byte| *byte == b'\r')
}
