//! The scenarios that are part of the program.

macro_rules! scenarios {
    ($($file:literal)*) => {
        /// The files, each with its name and its text: the course's experiments, then the anomalies by their numbers.
        pub const FILES: &[(&str, &str)] = &[
            $(($file, include_str!(concat!("../../../../scenarios/", $file))),)*
        ];
    };
}

scenarios! {
    "lesson-1-one-partition.lab"
    "lesson-2-two-partitions.lab"
    "lesson-3-key.lab"
    "a01-missing-key.lab"
    "a02-mixed-partitioners.lab"
    "a03-key-spelt-in-two-ways.lab"
    "a04-partition-growth.lab"
    "a05-stale-metadata.lab"
    "a06-new-partition-read-from-its-end.lab"
    "a07-reordering-by-retries.lab"
    "a08-hole-after-a-timeout.lab"
    "a09-overtaking-at-a-full-queue.lab"
    "a10-dual-write.lab"
    "a11-competing-relays.lab"
    "a12-numbers-committed-late.lab"
    "a13-repeating-relay.lab"
    "a14-refused-event-passed-over.lab"
    "a15-lost-update.lab"
    "a16-clock-skew.lab"
    "a17-commit-before-processing.lab"
    "a18-redelivery.lab"
    "a19-highest-offset.lab"
    "a19-task-for-each-record.lab"
    "a20-stale-buffer.lab"
    "a21-zombie.lab"
    "a22-returned-partition.lab"
    "a23-eager-rebalancing.lab"
    "a24-poison-event.lab"
    "a25-resurrection.lab"
    "a26-removed-event.lab"
    "a27-two-active-sites.lab"
    "a28-kafka-transaction.lab"
    "a29-events-of-the-consumer.lab"
    "a30-head-of-line-blocking.lab"
    "a31-hot-key.lab"
    "a32-forgotten-instance.lab"
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn the_list_names_each_file_of_the_folder() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scenarios");
        let entries = std::fs::read_dir(folder).expect("the folder of scenarios");
        let mut there: Vec<String> = entries
            .map(|entry| entry.expect("an entry").file_name().into_string().expect("a name"))
            .collect();
        there.sort_by_key(|name| (!name.starts_with("lesson"), name.clone()));
        let listed: Vec<&str> = FILES.iter().map(|(file, _)| *file).collect();
        assert_eq!(listed, there, "the list in {} is the folder, lessons first", file!());
    }
}
