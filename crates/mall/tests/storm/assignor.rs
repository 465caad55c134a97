//! The ways in which a group shares out its partitions.

/// How the members of the group get their partitions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Assignor {
    /// Java's default: everybody gives everything back at each change.
    Range,
    /// Only what moves is given back.
    CooperativeSticky,
    /// The broker decides (KIP-848).
    Broker,
}

impl Assignor {
    /// Those that a storm takes: its own, or all of them if `MALL_TEST_STORM=all`.
    pub fn of_storm(own: Self) -> Vec<Self> {
        match std::env::var("MALL_TEST_STORM").as_deref() {
            Ok("all") => vec![Self::Range, Self::CooperativeSticky, Self::Broker],
            Ok(other) => panic!("MALL_TEST_STORM={other}: allowed is `all`, or nothing"),
            Err(_) => vec![own],
        }
    }

    /// What a delivery instance is told. The broker of the tests has sessions of 10 s where it decides.
    pub fn options(self) -> &'static [&'static str] {
        match self {
            Self::Range => &[
                "--session-timeout",
                "6s",
                "--kafka-property",
                "partition.assignment.strategy=range",
            ],
            Self::CooperativeSticky => &[
                "--session-timeout",
                "6s",
                "--kafka-property",
                "partition.assignment.strategy=cooperative-sticky",
            ],
            Self::Broker => &["--kafka-property", "group.protocol=consumer"],
        }
    }

    /// What a Java consumer of the same group is told.
    pub fn of_java(self) -> &'static str {
        match self {
            Self::Range => "partition.assignment.strategy=org.apache.kafka.clients.consumer.RangeAssignor",
            Self::CooperativeSticky => {
                "partition.assignment.strategy=org.apache.kafka.clients.consumer.CooperativeStickyAssignor"
            }
            Self::Broker => "group.protocol=consumer",
        }
    }
}
