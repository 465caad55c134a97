//! The offsets of a reset as lines of CSV: what `--export` prints and `--from-file` reads.

use std::collections::BTreeMap;
use std::path::Path;

use keylane_log::{Offset, Partition, TopicPartition};

/// The planned offsets of each group. They may lie outside of the log.
pub type PlanFile = BTreeMap<String, BTreeMap<TopicPartition, i64>>;

/// Reads a plan. Its lines are `topic,partition,offset` if a single group was named, or else
/// `group,topic,partition,offset`, which a single group may have as well.
pub fn read(path: &Path, groups: &[String]) -> Result<PlanFile, String> {
    let text = std::fs::read_to_string(path)
        .map_err(|_| format!("java.io.IOException: Unable to read file {}", path.display()))?;
    parse(&text, groups).map_err(|why| format!("{}: {why}", path.display()))
}

fn parse(text: &str, groups: &[String]) -> Result<PlanFile, String> {
    let lines: Vec<&str> = text.trim_end_matches(['\n', '\r']).split('\n').collect();
    let single = match (groups, place(&cells(lines[0]))) {
        ([group], Some(_)) => Some(group),
        _ => None,
    };
    let form = match single {
        Some(_) => "topic,partition,offset",
        None => "group,topic,partition,offset",
    };
    let mut plan = PlanFile::new();
    for (number, line) in (1..).zip(lines) {
        let cells = cells(line);
        let planned = match (single, &cells[..]) {
            (Some(group), _) => place(&cells).map(|place| (group.clone(), place)),
            (None, [group, rest @ ..]) => place(rest).map(|place| (group.clone(), place)),
            (None, []) => None,
        };
        let (group, (partition, offset)) =
            planned.ok_or_else(|| format!("line {number} is \"{line}\"; {form} is allowed"))?;
        plan.entry(group).or_default().insert(partition, offset);
    }
    Ok(plan)
}

/// A partition and an offset.
fn place(cells: &[String]) -> Option<(TopicPartition, i64)> {
    let [topic, partition, offset] = cells else {
        return None;
    };
    let partition = Partition(partition.trim().parse().ok()?);
    Some((
        TopicPartition::new(topic.as_str(), partition),
        offset.trim().parse().ok()?,
    ))
}

/// The cells of a line. Those in quotes may hold commas, and quotes that stand twice.
fn cells(line: &str) -> Vec<String> {
    let mut cells = vec![String::new()];
    let mut quoted = false;
    let mut chars = line.trim_end_matches('\r').chars().peekable();
    while let Some(c) = chars.next() {
        let cell = cells.last_mut().expect("there is a first cell");
        match c {
            '"' if quoted && chars.next_if_eq(&'"').is_some() => cell.push('"'),
            '"' => quoted = !quoted,
            ',' if !quoted => cells.push(String::new()),
            c => cell.push(c),
        }
    }
    cells
}

/// The lines of a plan. The group stands in each of them unless a single one was named.
pub fn export(plan: &BTreeMap<String, BTreeMap<TopicPartition, Offset>>, single: bool) -> String {
    let mut text = String::new();
    for (group, positions) in plan {
        for (TopicPartition { topic, partition }, offset) in positions {
            if !single {
                text.push_str(&quoted(group));
                text.push(',');
            }
            text.push_str(&format!("{},{partition},{offset}\n", quoted(topic)));
        }
    }
    text
}

/// The longest cell that Kafka's tool leaves without quotes.
const MAX_PLAIN: usize = 24;

/// A cell, in quotes if Kafka's tool puts it into quotes: if it is long, or has a character that does not come after the comma
/// in ASCII.
fn quoted(cell: &str) -> String {
    match cell.chars().count() <= MAX_PLAIN && cell.chars().all(|c| c > ',') {
        true => cell.to_owned(),
        false => format!("\"{}\"", cell.replace('"', "\"\"")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(group: &str, topic: &str, partition: u32, offset: i64) -> (String, TopicPartition, i64) {
        (group.into(), TopicPartition::new(topic, Partition(partition)), offset)
    }

    fn parsed(text: &str, groups: &[&str]) -> Result<Vec<(String, TopicPartition, i64)>, String> {
        let groups: Vec<_> = groups.iter().map(|group| (*group).to_owned()).collect();
        let plan = parse(text, &groups)?;
        let flat = |(group, offsets): (String, BTreeMap<TopicPartition, i64>)| {
            let of_group = offsets.into_iter();
            of_group.map(move |(partition, offset)| (group.clone(), partition, offset))
        };
        Ok(plan.into_iter().flat_map(flat).collect())
    }

    #[test]
    fn a_plan_is_read_as_it_is_written() {
        assert_eq!(
            parsed("t,0,1\r\nt,1,0\n\n", &["g"]),
            Ok(vec![of("g", "t", 0, 1), of("g", "t", 1, 0)])
        );
        assert_eq!(parsed("\"a,\"\"b\",t,0,2\n", &["g"]), Ok(vec![of("a,\"b", "t", 0, 2)]));
        assert_eq!(parsed("g,t,0,-2", &["g", "h"]), Ok(vec![of("g", "t", 0, -2)]));
        for (text, groups, says) in [
            (
                "x\n",
                &["g"][..],
                "line 1 is \"x\"; group,topic,partition,offset is allowed",
            ),
            (
                "t,0,1\nt,0\n",
                &["g"],
                "line 2 is \"t,0\"; topic,partition,offset is allowed",
            ),
            (
                "t,0,1",
                &["g", "h"],
                "line 1 is \"t,0,1\"; group,topic,partition,offset is allowed",
            ),
            ("", &["g"], "line 1 is \"\"; group,topic,partition,offset is allowed"),
        ] {
            assert_eq!(parsed(text, groups), Err(says.to_owned()));
        }
    }

    #[test]
    fn an_export_can_be_read_again() {
        let positions: BTreeMap<_, _> = [(TopicPartition::new("t", Partition(1)), Offset(7))].into();
        let plan = BTreeMap::from([("a, b".to_owned(), positions)]);
        assert_eq!(export(&plan, true), "t,1,7\n");
        assert_eq!(export(&plan, false), "\"a, b\",t,1,7\n");
        assert_eq!(quoted(&"x".repeat(24)).len(), 24);
        assert_eq!(quoted(&"x".repeat(25)).len(), 27);
        assert_eq!(
            parsed(&export(&plan, false), &["a, b"]),
            Ok(vec![of("a, b", "t", 1, 7)])
        );
    }
}
