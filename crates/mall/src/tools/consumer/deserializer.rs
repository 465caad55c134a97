//! How the bytes of a key, a value or a header become text, as with Kafka's deserializers of these names.

/// A deserializer that there is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deserializer {
    /// The bytes as they are.
    ByteArray,
    /// UTF-8. What is none becomes U+FFFD.
    String,
    /// Printable characters of ASCII, and other bytes by their numbers (`\x0A`).
    Bytes,
    Short,
    Integer,
    Long,
    Boolean,
}

const PACKAGE: &str = "org.apache.kafka.common.serialization.";

const KNOWN: [(&str, Deserializer); 7] = [
    ("StringDeserializer", Deserializer::String),
    ("ByteArrayDeserializer", Deserializer::ByteArray),
    ("BytesDeserializer", Deserializer::Bytes),
    ("ShortDeserializer", Deserializer::Short),
    ("IntegerDeserializer", Deserializer::Integer),
    ("LongDeserializer", Deserializer::Long),
    ("BooleanDeserializer", Deserializer::Boolean),
];

impl Deserializer {
    /// The deserializer of this class.
    ///
    /// # Errors
    /// Says which there are.
    pub fn named(class: &str) -> Result<Self, String> {
        let name = class.strip_prefix(PACKAGE).unwrap_or_default();
        let known = KNOWN.iter().find(|(known, _)| *known == name);
        known.map(|(_, deserializer)| *deserializer).ok_or_else(|| {
            let names = KNOWN.map(|(name, _)| name).join(", ");
            format!("the deserializer {class} is not supported here; in {PACKAGE} there are {names}")
        })
    }

    /// The text of these bytes.
    ///
    /// # Errors
    /// Says that they are none of what is expected, in Kafka's words.
    pub fn text(self, bytes: &[u8]) -> Result<Vec<u8>, String> {
        Ok(match self {
            Self::ByteArray => bytes.to_vec(),
            Self::String => String::from_utf8_lossy(bytes).into_owned().into_bytes(),
            Self::Bytes => bytes.iter().flat_map(|byte| escaped(*byte)).collect(),
            Self::Short => i16::from_be_bytes(sized(bytes, "Short")?).to_string().into_bytes(),
            Self::Integer => i32::from_be_bytes(sized(bytes, "Integer")?).to_string().into_bytes(),
            Self::Long => i64::from_be_bytes(sized(bytes, "Long")?).to_string().into_bytes(),
            Self::Boolean => match sized::<1>(bytes, "Boolean")? {
                [0] => b"false".to_vec(),
                [1] => b"true".to_vec(),
                [other] => return Err(format!("Unexpected byte received by BooleanDeserializer: {other}")),
            },
        })
    }
}

fn sized<const SIZE: usize>(bytes: &[u8], name: &str) -> Result<[u8; SIZE], String> {
    bytes
        .try_into()
        .map_err(|_| format!("Size of data received by {name}Deserializer is not {SIZE}"))
}

fn escaped(byte: u8) -> Vec<u8> {
    match byte {
        b'\\' => b"\\x5C".to_vec(),
        b' '..=b'~' => vec![byte],
        _ => format!("\\x{byte:02X}").into_bytes(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(class: &str, bytes: &[u8]) -> Result<String, String> {
        let deserializer = Deserializer::named(&format!("{PACKAGE}{class}Deserializer")).expect("known");
        deserializer
            .text(bytes)
            .map(|text| String::from_utf8(text).expect("text"))
    }

    #[test]
    fn numbers_are_big_endian_and_of_one_size() {
        assert_eq!(text("Integer", b"abcd").as_deref(), Ok("1633837924"));
        assert_eq!(text("Long", &[0xFF; 8]).as_deref(), Ok("-1"));
        assert_eq!(text("Short", &[1, 0]).as_deref(), Ok("256"));
        let error = text("Long", b"abcd").expect_err("too short");
        assert_eq!(error, "Size of data received by LongDeserializer is not 8");
        assert_eq!(text("Boolean", &[1]).as_deref(), Ok("true"));
        assert!(text("Boolean", &[2]).is_err());
    }

    #[test]
    fn bytes_that_are_no_text_are_told_by_their_numbers_or_replaced() {
        assert_eq!(text("Bytes", b"a\\\n\xff").as_deref(), Ok("a\\x5C\\x0A\\xFF"));
        assert_eq!(text("String", b"a\xff").as_deref(), Ok("a\u{FFFD}"));
    }

    #[test]
    fn only_whole_names_are_known() {
        for class in ["StringDeserializer", "org.example.StringDeserializer", "Nope"] {
            let error = Deserializer::named(class).expect_err(class);
            assert!(error.contains(class), "{error}");
        }
    }
}
