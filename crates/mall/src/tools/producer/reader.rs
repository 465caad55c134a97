//! How a line of the console producer's input becomes a record.

use bytes::Bytes;
use keylane_log::{Header, NewRecord};

use crate::clock;
use crate::tools::pattern::Separator;

/// How a line becomes a record, as in Kafka's `LineMessageReader`.
#[derive(Debug)]
pub struct Reader {
    parse_key: bool,
    parse_headers: bool,
    ignore_error: bool,
    key_separator: String,
    headers_delimiter: String,
    headers_separator: String,
    /// The same as the regular expression that Kafka's tool takes it for.
    between_headers: Separator,
    header_key_separator: String,
    null_marker: Option<String>,
}

impl Reader {
    /// The reader that nothing was said about.
    fn plain(between_headers: Separator) -> Self {
        Self {
            between_headers,
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
    /// The reader that these properties describe, the last of a name if there are several.
    ///
    /// # Errors
    /// Names separators that may not be equal, or one that is no regular expression.
    pub fn with(properties: &[(String, String)]) -> Result<Self, String> {
        let headers = properties.iter().rev().find(|(name, _)| name == "headers.separator");
        let headers = headers.map_or(",", |(_, separator)| separator);
        let mut reader = Self::plain(Separator::parse(headers)?);
        for (name, value) in properties {
            let on = value.trim().eq_ignore_ascii_case("true");
            match name.as_str() {
                "parse.key" => reader.parse_key = on,
                "parse.headers" => reader.parse_headers = on,
                "ignore.error" => reader.ignore_error = on,
                "key.separator" => reader.key_separator.clone_from(value),
                "headers.delimiter" => reader.headers_delimiter.clone_from(value),
                "headers.separator" => reader.headers_separator.clone_from(value),
                "headers.key.separator" => reader.header_key_separator.clone_from(value),
                "null.marker" => reader.null_marker = Some(value.clone()),
                _ => {}
            }
        }
        reader.check()?;
        Ok(reader)
    }

    /// Refuses equal separators, also where nothing is separated by them, as Kafka's tool does.
    fn check(&self) -> Result<(), String> {
        let key = ("key.separator", &*self.key_separator);
        let delimiter = ("headers.delimiter", &*self.headers_delimiter);
        let separator = ("headers.separator", &*self.headers_separator);
        let inner = ("headers.key.separator", &*self.header_key_separator);
        let mut pairs = vec![(delimiter, separator), (delimiter, inner), (separator, inner)];
        if let Some(marker) = self.null_marker.as_deref() {
            pairs.extend([key, separator, delimiter, inner].map(|other| (("null.marker", marker), other)));
        }
        match pairs.iter().find(|((_, one), (_, other))| one == other) {
            Some(((one, _), (other, _))) => Err(format!("{one} and {other} may not be equal")),
            None => Ok(()),
        }
    }

    /// The record that a line stands for. `number` counts the lines from 1 on.
    ///
    /// # Errors
    /// Says what the line lacks, in Kafka's words.
    pub fn parse(&self, line: &str, number: u64) -> Result<NewRecord, String> {
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
        let pairs = self.between_headers.split(text);
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
        let pair = |text: &&str| {
            let (name, value) = text.split_once('=').expect("a property");
            (name.to_owned(), value.to_owned())
        };
        Reader::with(&properties.iter().map(pair).collect::<Vec<_>>())
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
        let reader = super::Reader::with(&[("parse.headers".into(), "true".into())]).expect("good");
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
        for equal in ["headers.separator=:", "headers.delimiter=,", "null.marker=:"] {
            assert!(reader(&[equal]).is_err(), "{equal}");
        }
    }
}
