//! `kafka-console-producer`: appends the lines of its input to a topic.

use std::io::{BufRead, IsTerminal, Write};
use std::time::Duration;

use bytes::Bytes;
use keylane_log::{EventLog, Header, NewRecord};

use super::ToolError;
use super::args::{Given, Opt};
use super::properties::compression;
use super::renamed::Renamed;
use crate::adapters::log::{OpenFor, explained, open_log};
use crate::config::Storage;
use crate::exit::Exit;
use crate::{clock, console};

pub const OPTIONS: [Opt; 11] = [
    Opt::value("topic", "topic", "REQUIRED: The topic to produce messages to."),
    Opt::repeated(
        "property",
        "prop",
        "parse.key=true, parse.headers=true, key.separator, headers.delimiter, \
                  headers.separator, headers.key.separator, ignore.error, null.marker.",
    ),
    Opt::repeated("reader-property", "prop", "The same."),
    Opt::repeated("producer-property", "k=v", "A property of the Kafka client."),
    Opt::repeated("command-property", "k=v", "The same."),
    Opt::value("producer.config", "FILE", "Properties of the Kafka client, one a line."),
    Opt::flag("sync", "Accepted: each message is waited for."),
    Opt::value("request-required-acks", "acks", "Only all (the default)."),
    Opt::optional(
        "compression-codec",
        "codec",
        "gzip",
        "How Kafka's records are compressed: none, gzip (if no codec is given), snappy, lz4 or zstd.",
    ),
    Opt::value("timeout", "ms", "Accepted: nothing is held back."),
    Opt::value(
        "max-block-ms",
        "ms",
        "How long a message may wait for the log (default: 60000).",
    ),
];

const RENAMED: Renamed = Renamed {
    pairs: &[
        ("producer-property", "command-property"),
        ("producer.config", "command-config"),
        ("property", "reader-property"),
    ],
    warning: "Warning:",
    newer_first: true,
};

/// How many lines are appended at once at most, where the input holds as many.
const BATCH: usize = 500;

/// Refuses options that are missing or contradict each other.
pub fn check(given: &Given) -> Result<(), ToolError> {
    if !given.has("topic") {
        return Err(ToolError::Usage("Missing required argument \"[topic]\"".into()));
    }
    RENAMED.refuse_both(given)?;
    RENAMED.warn(given);
    Ok(())
}

/// Appends line by line until the input ends.
pub fn run(given: &Given, storage: &Storage) -> Result<Exit, ToolError> {
    let topic = given.last("topic").unwrap_or_default();
    let reader =
        Reader::with(&[given.all("property"), given.all("reader-property")].concat()).map_err(ToolError::Other)?;
    if given
        .last("request-required-acks")
        .is_some_and(|acks| !matches!(acks, "all" | "-1"))
    {
        return Err(ToolError::Usage("--request-required-acks: allowed is all (-1)".into()));
    }
    let patience = given
        .number::<u64>("max-block-ms")
        .map_err(ToolError::Other)?
        .unwrap_or(60_000);
    let storage = &with_compression(given, storage)?;
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
        patience: Duration::from_millis(patience),
        storage,
    };
    producer.run(&reader).map(|()| Exit::DONE).map_err(ToolError::Other)
}

/// Where the log is, with the codec that was given as a property of the Kafka client.
fn with_compression(given: &Given, storage: &Storage) -> Result<Storage, ToolError> {
    let mut storage = storage.clone();
    let Some(codec) = given.last("compression-codec") else {
        return Ok(storage);
    };
    let compression = compression(codec)?;
    match (&storage.bootstrap_server, codec) {
        (Some(_), _) => storage.kafka_property.push(compression),
        (None, "none") => {}
        (None, _) => {
            return Err(ToolError::Refused(format!(
                "--compression-codec {codec} needs --bootstrap-server: the embedded log stores records as they are"
            )));
        }
    }
    Ok(storage)
}

struct Producer<'a> {
    log: &'a dyn EventLog,
    topic: &'a str,
    patience: Duration,
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
                self.append(std::mem::take(&mut batch));
                return Ok(());
            }
            for line in lines(&line) {
                number += 1;
                match reader.parse(&String::from_utf8_lossy(line), number) {
                    Ok(record) => batch.push(record),
                    Err(sentence) => {
                        self.append(batch);
                        return Err(format!("org.apache.kafka.common.KafkaException: {sentence}"));
                    }
                }
            }
            // A line that is typed is appended at once; lines from a pipe are appended in batches.
            if batch.len() >= BATCH || input.buffer().is_empty() {
                self.append(std::mem::take(&mut batch));
            }
        }
    }

    /// Appends records, and reports those that could not be appended. As in Kafka's tool, that does not end the tool.
    fn append(&self, records: Vec<NewRecord>) {
        if records.is_empty() {
            return;
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
            if let Err(error) = answer {
                console::say(&format!(
                    "ERROR Error when sending message to topic {} with key: {key}, value: {value} with error: {}",
                    self.topic,
                    explained(&error, self.storage)
                ));
            }
        }
    }
}

/// The lines of what was read up to a line feed. As in Java, a carriage return without one ends a line too.
fn lines(read: &[u8]) -> impl Iterator<Item = &[u8]> {
    let read = read.strip_suffix(b"\n").unwrap_or(read);
    let read = read.strip_suffix(b"\r").unwrap_or(read);
    read.split(|byte| *byte == b'\r')
}

/// How a line becomes a record, as in Kafka's `LineMessageReader`.
#[derive(Debug)]
struct Reader {
    parse_key: bool,
    parse_headers: bool,
    ignore_error: bool,
    key_separator: String,
    headers_delimiter: String,
    headers_separator: String,
    header_key_separator: String,
    null_marker: Option<String>,
}

impl Default for Reader {
    fn default() -> Self {
        Self {
            parse_key: false,
            parse_headers: false,
            ignore_error: false,
            key_separator: "\t".into(),
            headers_delimiter: "\t".into(),
            headers_separator: ",".into(),
            header_key_separator: ":".into(),
            null_marker: None,
        }
    }
}

impl Reader {
    fn with(properties: &[String]) -> Result<Self, String> {
        let mut reader = Self::default();
        for property in properties {
            let (name, value) = property.split_once('=').unwrap_or((property, ""));
            let on = value.trim().eq_ignore_ascii_case("true");
            match name {
                "parse.key" => reader.parse_key = on,
                "parse.headers" => reader.parse_headers = on,
                "ignore.error" => reader.ignore_error = on,
                "key.separator" => reader.key_separator = value.into(),
                "headers.delimiter" => reader.headers_delimiter = value.into(),
                "headers.separator" => reader.headers_separator = value.into(),
                "headers.key.separator" => reader.header_key_separator = value.into(),
                "null.marker" => reader.null_marker = Some(value.into()),
                _ => {}
            }
        }
        reader.check()?;
        Ok(reader)
    }

    fn check(&self) -> Result<(), String> {
        let names = [
            ("null.marker", self.null_marker.as_deref()),
            ("key.separator", self.parse_key.then_some(&*self.key_separator)),
            (
                "headers.delimiter",
                self.parse_headers.then_some(&*self.headers_delimiter),
            ),
            (
                "headers.separator",
                self.parse_headers.then_some(&*self.headers_separator),
            ),
            (
                "headers.key.separator",
                self.parse_headers.then_some(&*self.header_key_separator),
            ),
        ];
        for (index, (name, value)) in names.iter().enumerate() {
            if name != &"null.marker" && value.is_some_and(str::is_empty) {
                return Err(format!("{name} may not be empty"));
            }
            let same = names[index + 1..]
                .iter()
                .find(|(_, other)| value.is_some() && other == value);
            // The separator behind the headers may be the one behind the key as well, as both are tabs by default.
            if let Some((other, _)) =
                same.filter(|(other, _)| (*name, *other) != ("key.separator", "headers.delimiter"))
            {
                return Err(format!("{name} and {other} may not be equal"));
            }
        }
        Ok(())
    }

    fn parse(&self, line: &str, number: u64) -> Result<NewRecord, String> {
        let mut rest = line;
        let headers = self.cut(
            self.parse_headers,
            &mut rest,
            &self.headers_delimiter,
            "headers delimiter",
            line,
            number,
        )?;
        let key = self.cut(
            self.parse_key,
            &mut rest,
            &self.key_separator,
            "key separator",
            line,
            number,
        )?;
        let bytes = |text: &str| (Some(text) != self.null_marker.as_deref()).then(|| Bytes::from(text.to_owned()));
        let headers = match headers {
            Some(headers) if Some(headers) != self.null_marker.as_deref() => self.headers(headers, number)?,
            _ => Vec::new(),
        };
        Ok(NewRecord {
            partition: None,
            timestamp: clock::now(),
            key: key.and_then(bytes),
            value: bytes(rest),
            headers,
        })
    }

    /// Cuts the text before `separator` off the front of `rest`.
    fn cut<'a>(
        &self,
        wanted: bool,
        rest: &mut &'a str,
        separator: &str,
        name: &str,
        line: &str,
        number: u64,
    ) -> Result<Option<&'a str>, String> {
        if !wanted {
            return Ok(None);
        }
        match rest.split_once(separator) {
            Some((front, back)) => {
                *rest = back;
                Ok(Some(front))
            }
            None if self.ignore_error => Ok(None),
            None => Err(format!("No {name} found on line number {number}: '{line}'")),
        }
    }

    fn headers(&self, text: &str, number: u64) -> Result<Vec<Header>, String> {
        let mut pairs: Vec<_> = text.split(&*self.headers_separator).collect();
        // As with Java's `split`, empty pieces at the end don't count, unless there is nothing else.
        while pairs.len() > 1 && pairs.last().is_some_and(|pair| pair.is_empty()) {
            pairs.pop();
        }
        pairs.into_iter().map(|pair| self.header(pair, number)).collect()
    }

    fn header(&self, pair: &str, number: u64) -> Result<Header, String> {
        let Some((name, value)) = pair.split_once(&*self.header_key_separator) else {
            return match self.ignore_error {
                true => Ok(Header {
                    name: pair.to_owned(),
                    value: None,
                }),
                false => Err(format!(
                    "No header key separator found in pair '{pair}' on line number {number}"
                )),
            };
        };
        if let Some(marker) = self.null_marker.as_deref().filter(|marker| *marker == name) {
            return Err(format!(
                "Header keys should not be equal to the null marker '{marker}' as they can't be null"
            ));
        }
        let value = (Some(value) != self.null_marker.as_deref()).then(|| Bytes::from(value.to_owned()));
        Ok(Header {
            name: name.to_owned(),
            value,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reader(properties: &[&str]) -> Result<Reader, String> {
        Reader::with(&properties.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn headers_key_and_value_are_cut_off_in_turn() {
        let reader = reader(&["parse.key=true", "parse.headers=true", "null.marker=NULL"]).expect("good");
        let record = reader.parse("h1:v1,h2:NULL\tk\tNULL", 1).expect("good");
        assert_eq!(record.key.as_deref(), Some(&b"k"[..]));
        assert_eq!(record.value, None);
        assert_eq!(record.headers[0], Header::text("h1", "v1"));
        assert_eq!(record.headers[1].value, None);
        assert!(reader.parse("NULL\tk\tv", 1).expect("good").headers.is_empty());
    }

    #[test]
    fn errors_are_kafkas() {
        let reader = reader(&["parse.key=true"]).expect("good");
        let error = reader.parse("no key", 3).expect_err("no key");
        assert_eq!(error, "No key separator found on line number 3: 'no key'");
        let reader = super::Reader::with(&["parse.headers=true".into()]).expect("good");
        let error = reader.parse("\tv", 3).expect_err("no header");
        assert_eq!(error, "No header key separator found in pair '' on line number 3");
    }

    #[test]
    fn errors_can_be_ignored() {
        let reader = reader(&["parse.key=true", "ignore.error=true"]).expect("good");
        let record = reader.parse("no key", 1).expect("good");
        assert_eq!((record.key, record.value.as_deref()), (None, Some(&b"no key"[..])));
    }

    #[test]
    fn separators_must_differ() {
        let error = reader(&["parse.key=true", "key.separator=x", "null.marker=x"]).expect_err("equal");
        assert_eq!(error, "null.marker and key.separator may not be equal");
        assert!(reader(&["parse.headers=true", "headers.separator=:"]).is_err());
    }
}
