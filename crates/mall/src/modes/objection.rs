//! What speaks against an instance that wants to join those that are there already. Pure: it is given what they tell of
//! themselves.

use std::collections::BTreeMap;

use keylane_log::GroupMember;
use shop::domain::Source;
use shop::text;
use shop::text::Text;

use super::{Modes, Publisher, Seen};
use crate::config::KeyMode;

/// How many names a sentence lists.
const LISTED: usize = 5;

/// A delivery instance that wants to join a group.
#[derive(Debug, Clone)]
pub struct Joining {
    pub group: String,
    /// The name as the group will show it; none if the instances have yet to get their names (`mall up` asks before it starts
    /// them).
    pub name: Option<String>,
    /// What a member of that name is to this instance.
    pub past: Past,
    pub modes: Modes,
    /// Whether other modes in the group are meant (`--mixed`).
    pub mixed: bool,
}

/// What a member with the same name as the joining instance is to that instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Past {
    /// Another instance.
    Other,
    /// An earlier process of this very instance, which has ended but is still listed in the group.
    Ended,
    /// Its own past as a static member. The group gives the place to this instance, and goes on showing the modes of the one
    /// that had it first.
    Static,
}

/// The reason why an instance is not let in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Objection {
    /// Another instance has the name.
    Name { group: String, name: String, host: String },
    /// Others of the group work in other modes.
    Modes {
        group: String,
        own: Modes,
        others: Vec<(String, Modes)>,
    },
    /// The order service that publishes does so with another key.
    Key {
        own: KeyMode,
        other: KeyMode,
        process: Option<u32>,
    },
}

/// What speaks against joining a group with these members. A member that tells of no modes is not objected to.
pub fn to_joining(joining: &Joining, members: &[GroupMember]) -> Option<Objection> {
    let group = &joining.group;
    let known = members.iter().filter_map(|member| {
        let seen = Seen::parse(&member.client);
        Some((seen.name, seen.modes?, &member.host))
    });
    let is_own = |name: &String| Some(name) == joining.name.as_ref();
    let is_over = |name: &String, modes: Modes| match joining.past {
        Past::Other => false,
        Past::Ended => is_own(name),
        Past::Static => is_own(name) && !joining.modes.differ_from(modes),
    };
    let known = known.filter(|(name, modes, _)| !is_over(name, *modes));
    let known: Vec<(String, Modes, &String)> = known.collect();
    let of_the_name = known.iter().find(|(name, ..)| is_own(name));
    if let (Past::Other, Some((name, _, host))) = (joining.past, of_the_name) {
        return Some(Objection::Name {
            group: group.clone(),
            name: name.clone(),
            host: host.trim_start_matches('/').to_owned(),
        });
    }
    let others = known
        .into_iter()
        .filter(|(_, modes, _)| joining.modes.differ_from(*modes));
    let others: Vec<_> = others.map(|(name, modes, _)| (name, modes)).collect();
    (!joining.mixed && !others.is_empty()).then(|| Objection::Modes {
        group: group.clone(),
        own: joining.modes,
        others,
    })
}

/// What speaks against publishing with the key `own` while `holder` has the lease.
pub fn to_publishing(own: KeyMode, holder: &str) -> Option<Objection> {
    let publisher = Publisher::parse(holder);
    let other = publisher.key.filter(|other| *other != own)?;
    Some(Objection::Key {
        own,
        other,
        process: publisher.process,
    })
}

impl Objection {
    /// Who is there, with what.
    pub fn who(&self) -> String {
        match self {
            Self::Name { group, name, host } => format!("group {group} has an instance {name} already (on {host})"),
            Self::Modes { group, others, .. } => format!("group {group} has {}", listed(others).english),
            Self::Key { other, process, .. } => {
                let process = process.map_or_else(String::new, |process| format!(" (process {process})"));
                format!(
                    "another order service{process} publishes this journal with --key {}",
                    other.name()
                )
            }
        }
    }

    /// The sentence with which the instance is refused: who is there, what would come of it, and what to do.
    pub fn sentence(&self) -> String {
        let who = self.who();
        match self {
            Self::Name { .. } => format!(
                "{who}, and two of one name can't be told apart: give this one another --name (mall up: another --delivery-port), or stop \
                 the other"
            ),
            Self::Modes { own, others, .. } => format!(
                "{who}, and this instance would have {}: what becomes of an event would depend on which of them gets it. Stop \
                 {} (in a terminal that was forgotten?), start this one {}, or add --mixed if different ones are meant",
                own.flags(Source::Deliveries),
                names(others.iter().map(|(name, _)| name.as_str())).english,
                as_they_do(others)
            ),
            Self::Key { own, .. } => format!(
                "{who}, and this one would with --key {}: an order's events would have a key or none, depending on who \
                 publishes them. Stop the other (in a terminal that was forgotten?), start this one with the same key, or \
                 add --mixed if different ones are meant",
                own.name()
            ),
        }
    }
}

/// The options with which the instance would fit in.
fn as_they_do(others: &[(String, Modes)]) -> String {
    let mut flags: Vec<String> = others
        .iter()
        .map(|(_, modes)| modes.flags(Source::Deliveries))
        .collect();
    flags.dedup();
    match &flags[..] {
        [one] => format!("with {one} as well"),
        _ => "in the modes of those that stay".to_owned(),
    }
}

/// Instances with their modes; those in the same modes together.
pub fn listed(instances: &[(String, Modes)]) -> Text {
    let mut by_modes: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    for (name, modes) in instances {
        by_modes.entry(modes.flags(Source::Deliveries)).or_default().push(name);
    }
    let shown = by_modes.into_iter().map(|(flags, of_these)| {
        let names = names(of_these.into_iter());
        text!("{names} with {flags}", "{names}({flags})"; names)
    });
    Text::joined(&shown.collect::<Vec<_>>(), text!(" and ", ", "))
}

/// A list of names that does not grow without end.
pub fn names<'a>(names: impl ExactSizeIterator<Item = &'a str>) -> Text {
    let more = names.len().saturating_sub(LISTED);
    let mut shown: Vec<Text> = names.take(LISTED).map(Text::from).collect();
    if more > 0 {
        shown.push(text!("{more} more", "외 {more}개"));
    }
    Text::joined(&shown, ", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Guard;

    const COURSE: Modes = Modes {
        key: KeyMode::None,
        guard: Guard::Off,
        lanes: 1,
    };
    const KEYED: Modes = Modes {
        key: KeyMode::OrderId,
        ..COURSE
    };

    fn member(client: &str) -> GroupMember {
        GroupMember {
            id: format!("{client}-1"),
            client: client.to_owned(),
            instance: None,
            host: "/127.0.0.1".to_owned(),
            partitions: Vec::new(),
            target: None,
        }
    }

    fn instance(name: &str, modes: Modes) -> GroupMember {
        let at = std::net::SocketAddr::from(([127, 0, 0, 1], 8082));
        member(&format!("{name},{}", modes.note(at)))
    }

    fn joining(name: Option<&str>, modes: Modes) -> Joining {
        Joining {
            group: "delivery".into(),
            name: name.map(str::to_owned),
            past: Past::Other,
            modes,
            mixed: false,
        }
    }

    #[test]
    fn other_modes_are_objected_to_unless_they_are_meant() {
        let there = [instance("delivery-2", COURSE)];
        let mut keyed = joining(Some("delivery-1"), KEYED);
        let sentence = to_joining(&keyed, &there).expect("an objection").sentence();
        assert_eq!(
            sentence,
            "group delivery has delivery-2 with --key none --guard off --lanes 1, and this instance would have --key order-id \
             --guard off --lanes 1: what becomes of an event would depend on which of them gets it. Stop delivery-2 (in a \
             terminal that was forgotten?), start this one with --key none --guard off --lanes 1 as well, or add --mixed if different ones are meant"
        );
        keyed.mixed = true;
        assert_eq!(to_joining(&keyed, &there), None);
        assert_eq!(to_joining(&joining(Some("delivery-1"), COURSE), &there), None);
        assert_eq!(to_joining(&joining(Some("delivery-1"), COURSE), &[]), None);
    }

    #[test]
    fn a_name_is_taken_whatever_the_modes() {
        let there = [instance("delivery-1", COURSE)];
        for mixed in [false, true] {
            let same = Joining {
                mixed,
                ..joining(Some("delivery-1"), COURSE)
            };
            let objection = to_joining(&same, &there).expect("an objection");
            assert!(matches!(&objection, Objection::Name { host, .. } if host == "127.0.0.1"));
            assert!(objection.sentence().contains("--name"), "{objection:?}");
        }
        let again = |past, modes| {
            let again = Joining {
                past,
                ..joining(Some("delivery-1"), modes)
            };
            to_joining(&again, &there)
        };
        assert_eq!(again(Past::Ended, COURSE), None);
        assert_eq!(again(Past::Ended, KEYED), None);
        assert_eq!(again(Past::Static, COURSE), None);
        // The group would go on showing the modes of before.
        assert!(matches!(again(Past::Static, KEYED), Some(Objection::Modes { .. })));
        assert_eq!(to_joining(&joining(None, COURSE), &there), None, "has no name yet");
        assert_eq!(to_joining(&joining(Some("delivery-11"), COURSE), &there), None);
    }

    #[test]
    fn members_that_tell_no_modes_are_not_objected_to() {
        let there = [member("console-consumer"), member("delivery-1"), member("")];
        assert_eq!(to_joining(&joining(Some("delivery-1"), KEYED), &there), None);
    }

    #[test]
    fn many_others_are_told_in_few_words() {
        let mut there: Vec<_> = (1..=8).map(|n| instance(&format!("delivery-{n}"), COURSE)).collect();
        let lanes = Modes { lanes: 8, ..COURSE };
        there.push(instance("fast", lanes));
        let who = to_joining(&joining(Some("new"), KEYED), &there).map(|objection| objection.who());
        assert_eq!(
            who.as_deref(),
            Some(
                "group delivery has delivery-1, delivery-2, delivery-3, delivery-4, delivery-5, 3 more with --key none --guard \
                 off --lanes 1 and fast with --key none --guard off --lanes 8"
            )
        );
    }

    #[test]
    fn another_key_of_the_order_service_is_objected_to() {
        let sentence = |own, holder| to_publishing(own, holder).map(|objection| objection.sentence());
        let refused = sentence(KeyMode::OrderId, "key=none/1234-1700000000000").expect("an objection");
        assert!(
            refused.starts_with(
                "another order service (process 1234) publishes this journal with --key none, and this one would with --key \
                 order-id: "
            ),
            "{refused}"
        );
        assert_eq!(sentence(KeyMode::None, "key=none/1234-1700000000000"), None);
        assert_eq!(
            sentence(KeyMode::None, "1234-1700000000000"),
            None,
            "of an older version"
        );
    }
}
