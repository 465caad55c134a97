//! The modes of a running mall: what `--key`, `--guard` and `--lanes` say. They decide whether an order's events keep their
//! order, so each role publishes its own where the others look:
//!
//! ```text
//!   delivery instance   client id in its group         delivery-1,key=none,guard=off,lanes=1,at=127.0.0.1:8082
//!   relay               holder of the journal's lease  key=none/PID-TIME
//! ```
//!
//! Everything in here is pure. A client id or a holder that says nothing of modes belongs to another program, or to an older
//! version of this one.

pub mod objection;

use std::net::SocketAddr;
use std::str::FromStr;

use clap::ValueEnum;
use keylane_log::Timestamp;
use shop::domain::Source;
use shop::text;
use shop::text::Text;

use crate::config::{Guard, KeyMode, RoleOptions};

/// The modes of a role.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Modes {
    pub key: KeyMode,
    pub guard: Guard,
    pub lanes: usize,
}

impl Modes {
    pub fn of(options: &RoleOptions) -> Self {
        Self {
            key: options.key,
            guard: options.guard,
            lanes: options.lanes,
        }
    }

    /// The modes that concern a service, each with its value. The order service only chooses the key of its events.
    pub fn labels(self, source: Source) -> Vec<(&'static str, String)> {
        let key = ("key", self.key.name().to_owned());
        match source {
            Source::Orders => vec![key],
            Source::Deliveries => vec![
                key,
                ("guard", self.guard.name().to_owned()),
                ("lanes", self.lanes.to_string()),
            ],
        }
    }

    /// The modes as options of the command line.
    pub fn flags(self, source: Source) -> String {
        let flag = |(mode, value): (&str, String)| format!("--{mode} {value}");
        let flags: Vec<String> = self.labels(source).into_iter().map(flag).collect();
        flags.join(" ")
    }

    /// What the modes mean for the events of an order.
    pub fn meaning(self, source: Source) -> Text {
        let key = match self.key {
            KeyMode::OrderId => text!(
                "an order's events share a partition",
                "한 주문의 이벤트가 한 파티션에 모임"
            ),
            KeyMode::None => text!(
                "an order's events go to the partitions in turn",
                "한 주문의 이벤트가 파티션에 번갈아 적재됨"
            ),
        };
        if source == Source::Orders {
            return key;
        }
        let guard = match self.guard {
            Guard::Version => text!(" and take effect once and in order, ", ", 한 번씩 순서대로 반영됨, "),
            Guard::Off => text!(" and take effect as they come, ", ", 도착하는 대로 반영됨, "),
        };
        let lanes = match self.lanes {
            1 => text!("one record at a time", "한 번에 레코드 하나"),
            many => text!("up to {many} orders at a time", "동시에 주문 {many}건까지"),
        };
        key + guard + lanes
    }

    /// The modes of a delivery instance, and where it is reached, as part of its client id.
    pub fn note(self, at: SocketAddr) -> String {
        let part = |(mode, value): (&str, String)| format!("{mode}={value}");
        let parts: Vec<String> = self.labels(Source::Deliveries).into_iter().map(part).collect();
        format!("{},at={at}", parts.join(","))
    }

    /// Whether events would be handled otherwise in the other modes. How many orders an instance handles at once makes no
    /// difference for the events of one order, but that it handles one record after the other does.
    pub fn differ_from(self, other: Self) -> bool {
        (self.key, self.guard, self.lanes == 1) != (other.key, other.guard, other.lanes == 1)
    }
}

/// A member of a group, as its client id describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// The instance's name; of a foreign member the whole client id.
    pub name: String,
    /// None if the client id tells of no modes.
    pub modes: Option<Modes>,
    /// Where the instance is reached; none if the client id doesn't tell.
    pub at: Option<SocketAddr>,
}

impl Seen {
    /// Reads a client id. A name may hold anything, so the modes are what stands at the end, before the address if there is one.
    pub fn parse(client: &str) -> Self {
        let (front, at) = match client.rsplit_once(",at=") {
            Some((front, at)) => (front, at.parse().ok()),
            None => (client, None),
        };
        let parts: Vec<&str> = match at {
            Some(_) => front.rsplitn(4, ',').collect(),
            None => client.rsplitn(4, ',').collect(),
        };
        let modes = match parts[..] {
            [lanes, guard, key, _] => modes(key, guard, lanes),
            _ => None,
        };
        let name = match modes {
            Some(_) => parts[3],
            None => client,
        };
        Self {
            name: name.to_owned(),
            modes,
            at: at.filter(|_| modes.is_some()),
        }
    }
}

fn modes(key: &str, guard: &str, lanes: &str) -> Option<Modes> {
    Some(Modes {
        key: KeyMode::from_str(key.strip_prefix("key=")?, false).ok()?,
        guard: Guard::from_str(guard.strip_prefix("guard=")?, false).ok()?,
        lanes: lanes.strip_prefix("lanes=")?.parse().ok()?,
    })
}

/// The name under which this process holds the lease of a relay, unlike that of any other process.
pub fn holder(key: KeyMode, now: Timestamp) -> String {
    format!("key={}/{}-{}", key.name(), std::process::id(), now.0)
}

/// A process that holds the lease of a relay, as the holder's name describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Publisher {
    /// None if the holder's name tells of no key.
    pub key: Option<KeyMode>,
    /// The number of the process on its machine.
    pub process: Option<u32>,
}

impl Publisher {
    /// Reads the name of a holder.
    pub fn parse(holder: &str) -> Self {
        let (key, rest) = match holder.split_once('/') {
            Some((key, rest)) => (key.strip_prefix("key="), rest),
            None => (None, holder),
        };
        let process = rest.split('-').next().unwrap_or_default();
        Self {
            key: key.and_then(|key| <KeyMode as ValueEnum>::from_str(key, false).ok()),
            process: u32::from_str(process).ok(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const COURSE: Modes = Modes {
        key: KeyMode::None,
        guard: Guard::Off,
        lanes: 1,
    };
    const DEFAULT: Modes = Modes {
        key: KeyMode::OrderId,
        guard: Guard::Version,
        lanes: 64,
    };

    #[test]
    fn a_client_id_tells_name_and_modes_whatever_the_name_is() {
        for name in ["delivery-1", "a,b", "a,key=none,guard=off,lanes=1", "서울 1", ""] {
            for (modes, at) in [(COURSE, "127.0.0.1:8082"), (DEFAULT, "[::1]:65535")] {
                let at = at.parse().expect("an address");
                let note = modes.note(at);
                let seen = Seen::parse(&format!("{name},{note}"));
                assert_eq!((seen.name.as_str(), seen.modes, seen.at), (name, Some(modes), Some(at)));
                let older = note.split(",at=").next().expect("modes");
                let seen = Seen::parse(&format!("{name},{older}"));
                assert_eq!((seen.name.as_str(), seen.modes, seen.at), (name, Some(modes), None));
            }
        }
    }

    #[test]
    fn a_client_id_of_another_program_is_a_name() {
        let others = [
            "delivery-1",
            "console-consumer",
            "a,b,c,d",
            "x,key=none,guard=off,lanes=many",
            "x,key=,guard=off,lanes=1",
            "key=none,guard=off,lanes=1",
            "delivery-1,at=127.0.0.1:8082",
            "x,key=none,guard=off,lanes=1,at=somewhere",
            "",
        ];
        for client in others {
            let seen = Seen::parse(client);
            assert_eq!((seen.name.as_str(), seen.modes, seen.at), (client, None, None));
        }
    }

    #[test]
    fn the_modes_of_the_course_are_shown_in_each_form() {
        let at = SocketAddr::from(([127, 0, 0, 1], 8082));
        assert_eq!(COURSE.note(at), "key=none,guard=off,lanes=1,at=127.0.0.1:8082");
        assert_eq!(COURSE.flags(Source::Deliveries), "--key none --guard off --lanes 1");
        assert_eq!(COURSE.flags(Source::Orders), "--key none");
        assert_eq!(
            COURSE.meaning(Source::Deliveries).english,
            "an order's events go to the partitions in turn and take effect as they come, one record at a time"
        );
        assert_eq!(
            DEFAULT.meaning(Source::Deliveries).english,
            "an order's events share a partition and take effect once and in order, up to 64 orders at a time"
        );
        assert_eq!(
            DEFAULT.meaning(Source::Orders).english,
            "an order's events share a partition"
        );
    }

    #[test]
    fn more_orders_at_once_are_no_other_mode_but_one_record_at_a_time_is() {
        let lanes = |lanes| Modes { lanes, ..DEFAULT };
        assert!(!DEFAULT.differ_from(lanes(128)));
        assert!(DEFAULT.differ_from(lanes(1)) && lanes(1).differ_from(DEFAULT));
        assert!(DEFAULT.differ_from(Modes {
            guard: Guard::Off,
            ..DEFAULT
        }));
        assert!(DEFAULT.differ_from(Modes {
            key: KeyMode::None,
            ..DEFAULT
        }));
    }

    #[test]
    fn the_holder_of_a_lease_tells_its_key_and_its_process() {
        let ours = Publisher::parse(&holder(KeyMode::None, Timestamp(7)));
        let process = Some(std::process::id());
        assert_eq!(
            ours,
            Publisher {
                key: Some(KeyMode::None),
                process
            }
        );
        for (older, process) in [("123-1700000000000", Some(123)), ("relay-1", None), ("", None)] {
            assert_eq!(Publisher::parse(older), Publisher { key: None, process });
        }
    }
}
