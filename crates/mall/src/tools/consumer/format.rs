//! How the console consumer prints a record: byte for byte as Kafka's `DefaultMessageFormatter` does.

use bytes::Bytes;
use keylane_log::Record;

use super::deserializer::Deserializer;

/// A part of a record that is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Column {
    Timestamp,
    Partition,
    Offset,
    Delivery,
    Epoch,
    Headers,
    Key,
    Value,
}

/// The columns in the order in which they are printed, with the names of the properties that switch them on.
const COLUMNS: [(&str, Column); 8] = [
    ("print.timestamp", Column::Timestamp),
    ("print.partition", Column::Partition),
    ("print.offset", Column::Offset),
    ("print.delivery", Column::Delivery),
    ("print.epoch", Column::Epoch),
    ("print.headers", Column::Headers),
    ("print.key", Column::Key),
    ("print.value", Column::Value),
];

/// Which parts of a record are printed, and what separates them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordFormat {
    /// The columns that are switched on.
    columns: Vec<Column>,
    key_separator: Vec<u8>,
    line_separator: Vec<u8>,
    headers_separator: Vec<u8>,
    null: Vec<u8>,
    of_keys: Deserializer,
    of_values: Deserializer,
    of_headers: Deserializer,
}

impl Default for RecordFormat {
    fn default() -> Self {
        Self {
            columns: vec![Column::Value],
            key_separator: b"\t".to_vec(),
            line_separator: b"\n".to_vec(),
            headers_separator: b",".to_vec(),
            null: b"null".to_vec(),
            of_keys: Deserializer::ByteArray,
            of_values: Deserializer::ByteArray,
            of_headers: Deserializer::ByteArray,
        }
    }
}

impl RecordFormat {
    /// The format that these properties describe (`print.key`, `true`), the last of a name if there are several. Unknown
    /// ones are ignored, as Kafka does.
    ///
    /// # Errors
    /// Names what Kafka has and is not supported here.
    pub fn with(properties: &[(String, String)]) -> Result<Self, String> {
        let mut format = Self::default();
        for (name, value) in properties {
            format.set(name, value)?;
        }
        Ok(format)
    }

    fn set(&mut self, name: &str, value: &str) -> Result<(), String> {
        if let Some((_, column)) = COLUMNS.iter().find(|(known, _)| *known == name) {
            self.columns.retain(|known| known != column);
            if value.trim().eq_ignore_ascii_case("true") {
                self.columns.push(*column);
            }
            return Ok(());
        }
        let configures = ["key", "value", "headers"].map(|side| format!("{side}.deserializer."));
        if configures.iter().any(|prefix| name.starts_with(prefix)) {
            return Err(format!(
                "the property {name} is not supported here: deserializers have no properties"
            ));
        }
        match name {
            "key.separator" => self.key_separator = value.into(),
            "line.separator" => self.line_separator = value.into(),
            "headers.separator" => self.headers_separator = value.into(),
            "null.literal" => self.null = value.into(),
            "key.deserializer" => self.of_keys = Deserializer::named(value)?,
            "value.deserializer" => self.of_values = Deserializer::named(value)?,
            "headers.deserializer" => self.of_headers = Deserializer::named(value)?,
            _ => {}
        }
        Ok(())
    }

    /// Appends the record to `out`.
    ///
    /// # Errors
    /// Says why a deserializer does not take it. What comes before that part is appended all the same, as Kafka's tool does.
    pub fn write(&self, record: &Record, out: &mut Vec<u8>) -> Result<(), String> {
        let mut columns = COLUMNS
            .iter()
            .map(|(_, column)| *column)
            .filter(|column| self.columns.contains(column))
            .peekable();
        while let Some(column) = columns.next() {
            self.write_column(column, record, out)?;
            out.extend(match columns.peek() {
                Some(_) => &self.key_separator,
                None => &self.line_separator,
            });
        }
        Ok(())
    }

    fn write_column(&self, column: Column, record: &Record, out: &mut Vec<u8>) -> Result<(), String> {
        match column {
            Column::Timestamp => out.extend(format!("{}:{}", record.timestamp_type, record.timestamp.0).into_bytes()),
            Column::Partition => out.extend(format!("Partition:{}", record.partition).into_bytes()),
            Column::Offset => out.extend(format!("Offset:{}", record.offset).into_bytes()),
            // Only a share group counts deliveries, and Kafka's tool passes no epoch on.
            Column::Delivery => out.extend(b"Delivery:NOT_PRESENT"),
            Column::Epoch => out.extend(b"Epoch:NOT_PRESENT"),
            Column::Headers => self.write_headers(record, out)?,
            Column::Key => out.extend(self.text(self.of_keys, record.key.as_ref())?),
            Column::Value => out.extend(self.text(self.of_values, record.value.as_ref())?),
        }
        Ok(())
    }

    fn write_headers(&self, record: &Record, out: &mut Vec<u8>) -> Result<(), String> {
        if record.headers.is_empty() {
            out.extend(b"NO_HEADERS");
        }
        for (number, header) in record.headers.iter().enumerate() {
            if number > 0 {
                out.extend(&self.headers_separator);
            }
            out.extend(header.name.as_bytes());
            out.push(b':');
            out.extend(self.text(self.of_headers, header.value.as_ref())?);
        }
        Ok(())
    }

    /// The text of a part of a record. A missing part is printed as the null literal, which passes through the deserializer
    /// too, as in Kafka's tool.
    fn text(&self, deserializer: Deserializer, bytes: Option<&Bytes>) -> Result<Vec<u8>, String> {
        deserializer.text(bytes.map_or(&self.null, |bytes| &bytes[..]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use keylane_log::{Header, Offset, Partition, Timestamp, TimestampType};

    fn record() -> Record {
        Record {
            topic: "t".into(),
            partition: Partition(1),
            offset: Offset(7),
            timestamp: Timestamp(5),
            timestamp_type: TimestampType::CreateTime,
            key: Some(Bytes::from("k")),
            value: None,
            headers: vec![
                Header::text("a", "1"),
                Header {
                    name: "b".into(),
                    value: None,
                },
            ],
        }
    }

    fn printed(properties: &[(&str, &str)], record: &Record) -> Result<String, String> {
        let properties: Vec<_> = properties
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        let mut out = Vec::new();
        RecordFormat::with(&properties)?.write(record, &mut out)?;
        Ok(String::from_utf8(out).expect("text"))
    }

    #[test]
    fn columns_stand_in_kafkas_order() {
        let all = ["value", "key", "headers", "offset", "partition", "timestamp", "epoch"];
        let all = all.map(|column| format!("print.{column}"));
        let all: Vec<_> = all.iter().map(|name| (name.as_str(), "TRUE ")).collect();
        assert_eq!(
            printed(&all, &record()).as_deref(),
            Ok("CreateTime:5\tPartition:1\tOffset:7\tEpoch:NOT_PRESENT\ta:1,b:null\tk\tnull\n")
        );
    }

    #[test]
    fn separators_are_taken_as_they_are() {
        let properties = [
            ("print.key", "true"),
            ("key.separator", ","),
            ("line.separator", "|"),
            ("null.literal", "-"),
        ];
        assert_eq!(printed(&properties, &record()).as_deref(), Ok("k,-|"));
        let key_alone = [("print.key", "true"), ("print.value", "false")];
        assert_eq!(printed(&key_alone, &record()).as_deref(), Ok("k\n"));
    }

    #[test]
    fn a_record_without_headers_says_so() {
        let mut record = record();
        record.headers.clear();
        assert_eq!(
            printed(&[("print.headers", "true")], &record).as_deref(),
            Ok("NO_HEADERS\tnull\n")
        );
    }

    #[test]
    fn a_deserializer_with_properties_of_its_own_is_refused() {
        let error = printed(&[("key.deserializer.encoding", "x")], &record()).expect_err("refused");
        assert!(error.contains("key.deserializer.encoding"), "{error}");
    }
}
