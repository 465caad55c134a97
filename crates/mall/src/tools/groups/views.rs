//! The tables of `--describe`.

use std::collections::{BTreeMap, BTreeSet};

use keylane_log::{GroupInfo, GroupMember, Offset, TopicPartition};

use super::table::{Column, table};

/// What stands for a value that is not there.
const MISSING: &str = "-";

/// The end of each partition, where it is known.
pub type Ends = BTreeMap<TopicPartition, Offset>;

/// A row for each partition: those of the members with most partitions first, and those without a member last.
pub fn offsets(group: &str, info: &GroupInfo, ends: &Ends, verbose: bool) -> String {
    let mut members: Vec<_> = info.members.iter().collect();
    members.sort_by_key(|member| std::cmp::Reverse(member.partitions.len()));
    let owned = |member| {
        let member: &GroupMember = member;
        member.partitions.iter().map(move |partition| (partition, Some(member)))
    };
    let mut rows: Vec<_> = members.into_iter().flat_map(owned).collect();
    let taken: BTreeSet<_> = rows.iter().map(|(partition, _)| *partition).collect();
    let free = info.commits.keys().filter(|partition| !taken.contains(partition));
    rows.extend(free.map(|partition| (partition, None)));
    if rows.is_empty() {
        return String::new();
    }
    let cells = rows.into_iter().map(|(partition, member)| {
        let number = |offset: &Offset| offset.0 as i64;
        let (current, end) = (info.commits.get(partition).map(number), ends.get(partition).map(number));
        let lag = current.zip(end).map(|(current, end)| end - current);
        let mut cells = vec![
            group.to_owned(),
            partition.topic.to_string(),
            partition.partition.to_string(),
        ];
        if verbose {
            cells.push(or_missing(info.leader_epochs.get(partition)));
        }
        cells.extend([current, end, lag].iter().map(|number| or_missing(number.as_ref())));
        let named = member.map(|member| [&member.id, &member.host, &member.client]);
        cells.extend(named.map_or([MISSING; 3].map(str::to_owned), |named| named.map(String::clone)));
        cells
    });
    table(&offset_columns(verbose), &cells.collect::<Vec<_>>())
}

fn offset_columns(verbose: bool) -> Vec<Column> {
    let epoch = verbose.then(|| Column::fixed("LEADER-EPOCH", 15));
    let place = [
        Column::names("GROUP"),
        Column::names("TOPIC"),
        Column::fixed("PARTITION", 10),
    ];
    let rest = [
        Column::fixed("CURRENT-OFFSET", 15),
        Column::fixed("LOG-END-OFFSET", 15),
        Column::fixed("LAG", 15),
        Column::names("CONSUMER-ID"),
        Column::names("HOST"),
        Column::open("CLIENT-ID"),
    ];
    place.into_iter().chain(epoch).chain(rest).collect()
}

fn or_missing(value: Option<&impl ToString>) -> String {
    value.map_or(MISSING.to_owned(), ToString::to_string)
}

/// A row for each member. Who has a static name is shown with it.
pub fn members(group: &str, info: &GroupInfo, verbose: bool) -> String {
    let with_instance = info.members.iter().any(|member| member.instance.is_some());
    let mut columns = vec![Column::names("GROUP"), Column::names("CONSUMER-ID")];
    if with_instance {
        columns.push(Column::growing("GROUP-INSTANCE-ID", 17));
    }
    columns.extend([
        Column::names("HOST"),
        Column::names("CLIENT-ID"),
        Column::fixed("#PARTITIONS", 15),
    ]);
    columns.extend(match verbose {
        true => vec![
            Column::fixed("CURRENT-EPOCH", 15),
            Column::growing("CURRENT-ASSIGNMENT", 20),
            Column::fixed("TARGET-EPOCH", 15),
            Column::growing("TARGET-ASSIGNMENT", 20),
        ],
        // The row ends with a blank, as if something followed.
        false => vec![Column::open("")],
    });
    let cells = info.members.iter().map(|member| {
        let mut cells = vec![group.to_owned(), member.id.clone()];
        if with_instance {
            cells.push(member.instance.clone().unwrap_or_default());
        }
        cells.extend([
            member.host.clone(),
            member.client.clone(),
            member.partitions.len().to_string(),
        ]);
        match verbose {
            true => cells.extend(assignments(member)),
            false => cells.push(String::new()),
        }
        cells
    });
    table(&columns, &cells.collect::<Vec<_>>())
}

/// The last columns of a member, each time an epoch, which nobody tells us, and partitions.
fn assignments(member: &GroupMember) -> [String; 4] {
    let target = member.target.as_deref().unwrap_or_default();
    let missing = || MISSING.to_owned();
    [missing(), by_topic(&member.partitions), missing(), by_topic(target)]
}

/// Partitions as `topic:0,1`, the topics separated by semicolons.
fn by_topic(partitions: &[TopicPartition]) -> String {
    let mut topics: BTreeMap<&str, Vec<u32>> = BTreeMap::new();
    for partition in partitions {
        topics.entry(&partition.topic).or_default().push(partition.partition.0);
    }
    let shown = |(topic, mut numbers): (&str, Vec<u32>)| {
        numbers.sort_unstable();
        let numbers: Vec<_> = numbers.iter().map(u32::to_string).collect();
        format!("{topic}:{}", numbers.join(","))
    };
    match topics.is_empty() {
        true => MISSING.to_owned(),
        false => topics.into_iter().map(shown).collect::<Vec<_>>().join(";"),
    }
}

/// One row.
pub fn state(group: &str, info: &GroupInfo, verbose: bool) -> String {
    let coordinator = info.coordinator.as_ref();
    let coordinator = coordinator.map(|broker| format!("{}  ({})", broker.address, broker.node));
    let mut columns = vec![
        Column::names("GROUP"),
        Column::growing("COORDINATOR (ID)", 25),
        Column::fixed("ASSIGNMENT-STRATEGY", 20),
        Column::fixed("STATE", 20),
    ];
    let mut row = vec![
        group.to_owned(),
        or_missing(coordinator.as_ref()),
        or_missing(info.assignor.as_ref()),
        info.state.to_string(),
    ];
    if verbose {
        columns.extend([
            Column::fixed("GROUP-EPOCH", 15),
            Column::fixed("TARGET-ASSIGNMENT-EPOCH", 25),
        ]);
        row.extend([MISSING, MISSING].map(str::to_owned));
    }
    columns.push(Column::open("#MEMBERS"));
    row.push(info.members.len().to_string());
    table(&columns, &[row])
}

#[cfg(test)]
mod tests {
    use keylane_log::Partition;

    use super::*;
    use crate::tools::groups::examples::{group, member};

    #[test]
    fn the_busiest_come_first_and_what_nobody_reads_last() {
        let info = group(vec![member("a", &[1]), member("b", &[0, 2])]);
        let ends = (0..3).map(|number| (TopicPartition::new("t", Partition(number)), Offset(5)));
        let text = offsets("g", &info, &ends.collect(), false);
        let rows: Vec<Vec<&str>> = text
            .lines()
            .skip(2)
            .map(|line| line.split_whitespace().collect())
            .collect();
        assert_eq!(rows[0], ["g", "t", "0", "3", "5", "2", "b", "/h", "c"]);
        assert_eq!(rows[1], ["g", "t", "2", "-", "5", "-", "b", "/h", "c"]);
        assert_eq!(rows[2], ["g", "t", "1", "-", "5", "-", "a", "/h", "c"]);
        assert_eq!(rows[3], ["g", "t", "3", "9", "-", "-", "-", "-", "-"]);
        assert_eq!(
            offsets(
                "g",
                &GroupInfo {
                    commits: Ends::new(),
                    ..group(Vec::new())
                },
                &Ends::new(),
                false
            ),
            ""
        );
    }

    #[test]
    fn more_is_told_if_asked_for() {
        let mut info = group(vec![member("a", &[2, 1]), member("b", &[])]);
        let cells = |text: &str| -> Vec<Vec<String>> {
            let words = |line: &str| line.split_whitespace().map(str::to_owned).collect();
            text.lines().skip(1).map(words).collect()
        };
        let offsets = cells(&offsets("g", &info, &Ends::new(), true));
        assert_eq!(offsets[0][3], "LEADER-EPOCH");
        assert_eq!(offsets[3][..5], ["g", "t", "0", "4", "3"]);
        assert_eq!(offsets[4][..5], ["g", "t", "3", "-", "9"]);

        info.members[0].instance = Some("one".into());
        info.members[0].target = Some(info.members[0].partitions.clone());
        let members = cells(&members("g", &info, true));
        assert_eq!(
            members[0].join(" "),
            "GROUP CONSUMER-ID GROUP-INSTANCE-ID HOST CLIENT-ID #PARTITIONS CURRENT-EPOCH \
            CURRENT-ASSIGNMENT TARGET-EPOCH TARGET-ASSIGNMENT"
        );
        assert_eq!(
            members[1],
            ["g", "a", "one", "/h", "c", "2", "-", "t:1,2", "-", "t:1,2"]
        );
        assert_eq!(members[2], ["g", "b", "/h", "c", "0", "-", "-", "-", "-"]);
        let state = cells(&state("g", &info, true));
        assert_eq!(state[1], ["g", "-", "-", "Stable", "-", "-", "2"]);
    }
}
