//! Lines of JSON that are not written by the log: what a process says besides, and what its children write.
//!
//! With `--log json` everything on stderr is one JSON object a line, from the first line of a process to its last.

use std::sync::OnceLock;

use serde_json::{Map, Value};
use tracing::Level;

use crate::clock;

/// The role under which this process writes JSON. Empty in a process that writes plain text.
static ROLE: OnceLock<String> = OnceLock::new();

/// The target of lines that no log call wrote.
const TARGET: &str = "mall::said";

/// Makes everything that this process says from now on a line of JSON with this role in it. The first call counts.
pub fn speak_json(role: &str) {
    let _ = ROLE.set(role.to_owned());
}

/// A sentence the way this process writes: as it is, or as a line of JSON.
pub fn spoken(sentence: &str) -> String {
    match ROLE.get() {
        Some(role) => line(Level::WARN, role, TARGET, Map::from_iter([message(sentence)])),
        None => sentence.to_owned(),
    }
}

/// A line of JSON with the fields that every line has, and `fields`.
pub fn line(level: Level, role: &str, target: &str, fields: Map<String, Value>) -> String {
    let mut object = Map::new();
    object.insert("timestamp".into(), Value::from(clock::now().0.max(0)));
    object.insert("level".into(), Value::from(level.as_str()));
    object.insert("role".into(), Value::from(role));
    object.insert("target".into(), Value::from(target));
    object.extend(fields);
    Value::Object(object).to_string()
}

/// A child's line as JSON that names the child's role: the object that the child wrote, or its text as a message (a panic,
/// or what a library prints by itself).
pub fn line_of_child(role: &str, line: &[u8]) -> String {
    let text = String::from_utf8_lossy(line);
    match serde_json::from_str(&text) {
        Ok(Value::Object(mut object)) => {
            object.insert("role".into(), Value::from(role));
            Value::Object(object).to_string()
        }
        _ => self::line(Level::WARN, role, TARGET, Map::from_iter([message(&text)])),
    }
}

/// The field that holds a line's text.
pub fn message(text: &str) -> (String, Value) {
    ("message".into(), Value::from(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_a_child_says_becomes_json_with_its_role() {
        let said = |line: &[u8]| -> Value { serde_json::from_str(&line_of_child("delivery-1", line)).expect("JSON") };
        let own = said(br#"{"level":"INFO","role":"delivery","message":"m"}"#);
        assert_eq!((&own["role"], &own["message"]), (&"delivery-1".into(), &"m".into()));
        for text in [
            "thread 'main' panicked at src/x.rs:1:2",
            "",
            "{\"half\": ",
            "[1]",
            "7",
            "\"quoted\"\tand more",
        ] {
            let wrapped = said(text.as_bytes());
            assert_eq!(
                (&wrapped["role"], &wrapped["message"]),
                (&"delivery-1".into(), &text.into())
            );
            assert_eq!(wrapped["level"], "WARN");
        }
        assert_eq!(said(&[b'a', 0xff])["message"], "a\u{fffd}");
    }
}
