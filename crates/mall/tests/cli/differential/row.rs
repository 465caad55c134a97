//! The table: what is there before, the command lines, and what is expected of each.

/// Command lines that run one after the other on the same topics.
pub struct Story {
    /// What the lines have in common.
    pub name: &'static str,
    /// The topics that are there before the first line, with their numbers of partitions. Names begin with `%`.
    pub topics: &'static [(&'static str, u32)],
    /// The records that are there before the first line: topic, partition, key and value.
    pub records: &'static [(&'static str, u32, Option<&'static str>, &'static str)],
    /// The offsets that groups have committed before the first line: group, topic, partition and offset.
    pub commits: &'static [(&'static str, &'static str, u32, u64)],
    /// The command lines.
    pub rows: Vec<Row>,
}

/// A command line, and what is expected of it.
#[derive(Clone)]
pub struct Row {
    /// The tool and its options, without `--bootstrap-server`. Single quotes keep blanks together, `%` stands for the
    /// beginning of the names of this world's topics and groups, `<name>` for the path of a file.
    pub line: &'static str,
    /// What the tool reads on its standard input.
    pub input: &'static [u8],
    /// Files that are there for this line, and what they hold.
    pub files: Vec<(&'static str, &'static str)>,
    /// A file that the line writes, which is compared as well.
    pub writes: Option<&'static str>,
    /// Whether lines of output come in no order, as records of several partitions do.
    pub unordered: bool,
    /// Whether the output also tells of what is not this story's, which is then left out.
    pub crowded: bool,
    /// What is expected of our tool on Kafka.
    pub on_kafka: Expect,
    /// What is expected of our tool on the embedded log.
    pub on_embedded: Expect,
}

/// What is expected of our tool.
#[derive(Clone)]
pub enum Expect {
    /// The same output, exit code and effect as Java's tool.
    Same,
    /// It does nothing, says so by this name and ends with 64.
    Refused(&'static str),
    /// It differs in a way that is documented: its output or what it says contains this, and its exit code is this one.
    Says(&'static str, i32),
    /// The line makes no sense here and is not run.
    #[allow(dead_code)] // No table has such a line at the moment.
    Absent,
}

/// A line of which the same is expected as of Java's tool.
pub fn row(line: &'static str) -> Row {
    Row {
        line,
        input: b"",
        files: Vec::new(),
        writes: None,
        unordered: false,
        crowded: false,
        on_kafka: Expect::Same,
        on_embedded: Expect::Same,
    }
}

/// Lines of which the same is expected as of Java's tool.
pub fn rows(lines: &[&'static str]) -> Vec<Row> {
    lines.iter().copied().map(row).collect()
}

#[allow(dead_code)] // Not every table needs each of them.
impl Row {
    /// The line with this on its standard input.
    pub fn input(self, input: &'static str) -> Self {
        self.bytes(input.as_bytes())
    }

    /// The line with these bytes on its standard input.
    pub fn bytes(self, input: &'static [u8]) -> Self {
        Self { input, ..self }
    }

    /// The line with a file beside it, whose path it calls `<name>`.
    pub fn file(mut self, name: &'static str, text: &'static str) -> Self {
        self.files.push((name, text));
        self
    }

    /// The line writes the file that it calls `<name>`.
    pub fn writes(self, name: &'static str) -> Self {
        Self {
            writes: Some(name),
            ..self
        }
    }

    /// The lines of its output come in no order.
    pub fn unordered(self) -> Self {
        Self {
            unordered: true,
            ..self
        }
    }

    /// Its output also tells of what is not this story's.
    pub fn crowded(self) -> Self {
        Self { crowded: true, ..self }
    }

    /// Our tool refuses it by this name, wherever the log is.
    pub fn refused(self, name: &'static str) -> Self {
        self.kafka(Expect::Refused(name)).embedded(Expect::Refused(name))
    }

    /// Our tool differs wherever the log is.
    pub fn says(self, text: &'static str, code: i32) -> Self {
        self.kafka(Expect::Says(text, code)).embedded(Expect::Says(text, code))
    }

    /// What is expected on Kafka.
    pub fn kafka(self, on_kafka: Expect) -> Self {
        Self { on_kafka, ..self }
    }

    /// What is expected on the embedded log.
    pub fn embedded(self, on_embedded: Expect) -> Self {
        Self { on_embedded, ..self }
    }
}
