//! Prints the result of an audit: as lines for people, or as a JSON object.

use std::fmt::Write;

use lab::audit::{Audit, Conclusion, Explanation, Findings, MAX_KEYS, Question};
use serde_json::json;

/// Lines for people: each kind of trouble with its first examples, then the answer.
pub fn text(topic: &str, asked: &Question, audit: &Audit, answer: Conclusion) -> String {
    let partitions = asked.partitions;
    let mut text = format!(
        "{topic}: {partitions} partition(s), {} records, {} keys, {} versions\n",
        audit.records, audit.keys, audit.versions
    );
    for (name, counted, findings) in troubles(audit) {
        if findings.count > 0 {
            let _ = writeln!(text, "{name}: {} {counted}", findings.count);
            findings
                .examples
                .iter()
                .for_each(|example| text += &format!("  {example}\n"));
            let more = findings.count - findings.examples.len() as u64;
            if more > 0 {
                let _ = writeln!(text, "  and {more} more");
            }
        }
        if name == "misplaced" && findings.count > 0 {
            let _ = writeln!(text, "  {}", explained(audit.explanation, partitions));
        }
    }
    notes(asked, audit)
        .iter()
        .for_each(|note| text += &format!("note: {note}\n"));
    text += match answer {
        Conclusion::Kept => "the order of each key is kept\n",
        Conclusion::Endangered => "the order of some keys is lost or in danger\n",
        Conclusion::Unknown if audit.versions == 0 => {
            "it can't be told whether the order of each key is kept: no versions were compared\n"
        }
        Conclusion::Unknown => {
            "it can't be told whether the order of each key is kept; what could be compared is in order\n"
        }
    };
    text
}

/// The same as a JSON object.
pub fn json(topic: &str, asked: &Question, audit: &Audit, answer: Conclusion) -> String {
    let partitions = asked.partitions;
    let mut found = json!({
        "topic": topic,
        "partitions": partitions,
        "records": audit.records,
        "keys": audit.keys,
        "versions": audit.versions,
        "answer": match answer {
            Conclusion::Kept => "kept",
            Conclusion::Endangered => "endangered",
            Conclusion::Unknown => "unknown",
        },
        "notes": notes(asked, audit),
    });
    for (name, _, findings) in troubles(audit) {
        found[name] = json!({ "count": findings.count, "examples": findings.examples });
    }
    if audit.misplaced.count > 0 {
        found["misplaced"]["explanation"] = json!(explained(audit.explanation, partitions));
    }
    format!("{found}\n")
}

/// The kinds of trouble: a name, what was counted, and what was found.
fn troubles(audit: &Audit) -> [(&'static str, &'static str, &Findings); 5] {
    [
        ("split-key", "key(s) with records in several partitions", &audit.split),
        (
            "backwards",
            "version(s) behind a higher one of the same key",
            &audit.backwards,
        ),
        (
            "repeated",
            "version(s) that stand there twice, as delivery at least once allows",
            &audit.repeated,
        ),
        (
            "keyless",
            "record(s) without a key, which may go to any partition",
            &audit.keyless,
        ),
        (
            "misplaced",
            "record(s) where Java's partitioner (murmur2) would not put them now",
            &audit.misplaced,
        ),
    ]
}

fn explained(explanation: Option<Explanation>, partitions: u32) -> String {
    match explanation {
        Some(Explanation::Grown(before)) => format!(
            "all of them stand where they belong in a topic of {before} partition(s): it has {partitions} now, and later \
             records of these keys go elsewhere"
        ),
        Some(Explanation::Crc32) => "all of them stand where librdkafka's own partitioner (CRC32) puts them: set \
                                     partitioner=murmur2_random in that producer"
            .to_owned(),
        None => "either the topic has grown since, or their producer uses another partitioner".to_owned(),
    }
}

/// What was not compared, and why.
fn notes(asked: &Question, audit: &Audit) -> Vec<String> {
    let mut notes = Vec::new();
    if audit.records == 0 {
        notes.push(
            "the topic holds no record, so nothing was compared; check --topic, and --data or --bootstrap-server"
                .to_owned(),
        );
    }
    if audit.unidentified > 0 {
        notes.push(format!(
            "in {} record(s) no key was found where --key says ({}): they were not compared",
            audit.unidentified, asked.key
        ));
    }
    if audit.unversioned > 0 {
        notes.push(format!(
            "in {} record(s) no version was found where --version says ({}): only their partitions were compared",
            audit.unversioned, asked.version
        ));
    }
    if audit.unremembered > 0 {
        notes.push(format!(
            "more than {MAX_KEYS} keys: {} record(s) of others were not compared",
            audit.unremembered
        ));
    }
    if audit.too_old > 0 {
        notes.push(format!(
            "{} version(s) far below the highest were not compared",
            audit.too_old
        ));
    }
    notes
}
