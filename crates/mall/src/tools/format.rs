//! How the console consumer prints a record: byte for byte as Kafka's `DefaultMessageFormatter` does.

use keylane_log::Record;

/// Which parts of a record are printed, and what separates them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordFormat {
    timestamp: bool,
    partition: bool,
    offset: bool,
    headers: bool,
    key: bool,
    value: bool,
    key_separator: Vec<u8>,
    line_separator: Vec<u8>,
    headers_separator: Vec<u8>,
    null: Vec<u8>,
}

impl Default for RecordFormat {
    fn default() -> Self {
        Self {
            timestamp: false,
            partition: false,
            offset: false,
            headers: false,
            key: false,
            value: true,
            key_separator: b"\t".to_vec(),
            line_separator: b"\n".to_vec(),
            headers_separator: b",".to_vec(),
            null: b"null".to_vec(),
        }
    }
}

impl RecordFormat {
    /// The format that these properties describe (`print.key=true`). Unknown ones are ignored, as Kafka does.
    pub fn with(properties: &[String]) -> Result<Self, String> {
        let mut format = Self::default();
        for property in properties.iter().flat_map(|property| switches(property)) {
            let (name, value) = property.split_once('=').unwrap_or((property, ""));
            format.set(name, value)?;
        }
        Ok(format)
    }

    fn set(&mut self, name: &str, value: &str) -> Result<(), String> {
        let on = value.trim().eq_ignore_ascii_case("true");
        match name {
            "print.timestamp" => self.timestamp = on,
            "print.partition" => self.partition = on,
            "print.offset" => self.offset = on,
            "print.headers" => self.headers = on,
            "print.key" => self.key = on,
            "print.value" => self.value = on,
            "key.separator" => self.key_separator = value.into(),
            "line.separator" => self.line_separator = value.into(),
            "headers.separator" => self.headers_separator = value.into(),
            "null.literal" => self.null = value.into(),
            "key.deserializer" | "value.deserializer" | "headers.deserializer" => check_deserializer(value)?,
            _ => {}
        }
        Ok(())
    }

    /// Appends the record to `out`.
    pub fn write(&self, record: &Record, out: &mut Vec<u8>) {
        let mut columns = Vec::new();
        if self.timestamp {
            columns.push(format!("{}:{}", record.timestamp_type, record.timestamp.0).into_bytes());
        }
        if self.partition {
            columns.push(format!("Partition:{}", record.partition).into_bytes());
        }
        if self.offset {
            columns.push(format!("Offset:{}", record.offset).into_bytes());
        }
        if self.headers {
            columns.push(self.headers_of(record));
        }
        if self.key {
            columns.push(record.key.as_deref().unwrap_or(&self.null).to_vec());
        }
        if self.value {
            columns.push(record.value.as_deref().unwrap_or(&self.null).to_vec());
        }
        if !columns.is_empty() {
            out.extend(columns.join(&self.key_separator[..]));
            out.extend(&self.line_separator);
        }
    }

    fn headers_of(&self, record: &Record) -> Vec<u8> {
        if record.headers.is_empty() {
            return b"NO_HEADERS".to_vec();
        }
        let headers: Vec<_> = record
            .headers
            .iter()
            .map(|header| {
                let value = header.value.as_deref().unwrap_or(&self.null);
                [header.name.as_bytes(), b":", value].concat()
            })
            .collect();
        headers.join(&self.headers_separator[..])
    }
}

/// The properties in one option: `print.key=true,print.offset=true` counts as two.
fn switches(property: &str) -> Vec<&str> {
    let is_switch = |part: &&str| part.starts_with("print.") && part.contains('=');
    let parts: Vec<_> = property.split(',').collect();
    if parts.iter().all(is_switch) {
        parts
    } else {
        vec![property]
    }
}

/// Refuses every deserializer but those that show the bytes as they are.
pub fn check_deserializer(class: &str) -> Result<(), String> {
    let plain = ["StringDeserializer", "ByteArrayDeserializer", "BytesDeserializer"];
    match plain.iter().any(|known| class.ends_with(known)) {
        true => Ok(()),
        false => Err(format!(
            "The deserializer {class} is not supported here; there are {}",
            plain.join(", ")
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
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

    fn printed(properties: &[&str], record: &Record) -> String {
        let properties: Vec<_> = properties.iter().map(|text| (*text).to_owned()).collect();
        let mut out = Vec::new();
        RecordFormat::with(&properties).expect("good").write(record, &mut out);
        String::from_utf8(out).expect("text")
    }

    #[test]
    fn columns_stand_in_kafkas_order() {
        let all = [
            "print.value=true,print.key=true,print.headers=true,print.offset=true,print.partition=true",
            "print.timestamp=TRUE",
        ];
        assert_eq!(
            printed(&all, &record()),
            "CreateTime:5\tPartition:1\tOffset:7\ta:1,b:null\tk\tnull\n"
        );
    }

    #[test]
    fn separators_are_taken_as_they_are() {
        let properties = [
            "print.key=true",
            "key.separator=,",
            "line.separator=|",
            "null.literal=-",
        ];
        assert_eq!(printed(&properties, &record()), "k,-|");
        assert_eq!(printed(&["print.key=true", "print.value=false"], &record()), "k\n");
    }

    #[test]
    fn a_record_without_headers_says_so() {
        let mut record = record();
        record.headers.clear();
        assert_eq!(printed(&["print.headers=true"], &record), "NO_HEADERS\tnull\n");
    }
}
