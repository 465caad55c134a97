//! Which roles there are, and where they are heard. Pure.
//!
//! ```text
//!   crew of this mall up   name, address, state, process ─┐
//!   members of the group   name, modes, address ──────────┼─▶ roles, and places to listen at
//!   holder of the lease    key, process of the relay ─────┤
//!   who answers            state, name of the process ────┘
//! ```

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};

use web::BaseUrl;
use web::live::{Role, RoleState};

use crate::config::{Guard, KeyMode};
use crate::modes::{Modes, Publisher, Seen};
use crate::supervised::words::{Member, State};

/// The order service's name.
const ORDER: &str = "order";
/// How many roles are listened to at most. The others are shown as the group tells of them.
const MOST: usize = 64;
/// How many roles are shown at most.
const SHOWN: usize = 200;

/// What is known of the roles.
pub struct Finding {
    order: BaseUrl,
    /// The address that the gateway listens on.
    listen: IpAddr,
    crew: Vec<Member>,
    members: Vec<Seen>,
    /// Those that the group has lost and that are still heard, such as a frozen one, which may write once it wakes.
    lost: Vec<Seen>,
    relay: Option<Publisher>,
    heard: BTreeMap<String, Heard>,
}

/// What was heard of a role.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Heard {
    /// What it does.
    pub state: RoleState,
    /// The name of its process in the apply history, once it has told that.
    pub instance: Option<String>,
}

impl Finding {
    pub fn new(order: BaseUrl, listen: IpAddr) -> Self {
        Self {
            order,
            listen,
            crew: Vec::new(),
            members: Vec::new(),
            lost: Vec::new(),
            relay: None,
            heard: BTreeMap::new(),
        }
    }

    /// Notes whom the supervisor runs.
    pub fn crew(&mut self, crew: Vec<Member>) {
        self.crew = crew;
    }

    /// Notes who is in the group. Who is in it no more is still known while it is heard.
    pub fn members(&mut self, members: Vec<Seen>) {
        let before = std::mem::replace(&mut self.members, members);
        self.lost.extend(before);
        let (members, heard) = (&self.members, &self.heard);
        let mut known: BTreeSet<String> = members.iter().map(|member| member.name.clone()).collect();
        self.lost.retain(|lost| {
            let state = heard.get(&lost.name).map(|heard| heard.state);
            let is_heard = matches!(
                state,
                Some(RoleState::Serving | RoleState::Frozen | RoleState::Stopping)
            );
            is_heard && known.insert(lost.name.clone())
        });
        let known: BTreeSet<String> = self.deliveries().into_iter().collect();
        self.heard.retain(|name, _| name == ORDER || known.contains(name));
    }

    /// Notes who publishes the orders' journal; none if nobody does.
    pub fn relay(&mut self, relay: Option<Publisher>) {
        self.relay = relay;
    }

    /// Notes what a role that is listened to does.
    pub fn heard(&mut self, name: &str, state: RoleState) {
        match self.heard.get_mut(name) {
            Some(heard) => heard.state = state,
            None => {
                let heard = Heard { state, instance: None };
                self.heard.insert(name.to_owned(), heard);
            }
        }
    }

    /// Notes the name of a role's process.
    pub fn instance(&mut self, name: &str, instance: Option<String>) {
        if let Some(heard) = self.heard.get_mut(name) {
            heard.instance = instance;
        }
    }

    /// Where to listen, and to whom: names and addresses.
    pub fn places(&self) -> Vec<(String, String)> {
        let order = (ORDER.to_owned(), self.order.authority().to_owned());
        let deliveries = self.deliveries().into_iter();
        let deliveries = deliveries.filter_map(|name| Some((name.clone(), self.address(&name)?)));
        std::iter::once(order).chain(deliveries).take(MOST).collect()
    }

    /// The names of all delivery instances, the crew first.
    fn deliveries(&self) -> Vec<String> {
        let crew = self.crew.iter().filter(|member| member.kind == "delivery");
        let mut names: Vec<String> = crew.map(|member| member.name.clone()).collect();
        let others = self.members.iter().chain(&self.lost);
        let mut others: Vec<String> = others.map(|member| member.name.clone()).collect();
        others.sort();
        for name in others {
            if !names.contains(&name) && names.len() < SHOWN {
                names.push(name);
            }
        }
        names
    }

    fn of_crew(&self, name: &str) -> Option<&Member> {
        self.crew.iter().find(|member| member.name == name)
    }

    /// Where a delivery instance may be listened to; none if nobody tells, or that is no place to connect to.
    fn address(&self, name: &str) -> Option<String> {
        if let Some(member) = self.of_crew(name) {
            return Some(member.url.trim_start_matches("http://").to_owned());
        }
        let at = self.member(name)?.at.filter(|at| self.is_ours(*at))?;
        Some(at.to_string())
    }

    fn member(&self, name: &str) -> Option<&Seen> {
        let mut members = self.members.iter().chain(&self.lost);
        members.find(|member| member.name == name)
    }

    fn is_ours(&self, at: SocketAddr) -> bool {
        at.ip().is_loopback() || at.ip() == self.listen
    }

    /// All roles.
    pub fn roles(&self) -> Vec<Role> {
        let gateway = self
            .crew
            .iter()
            .filter(|member| member.kind == "gateway")
            .map(|member| Role {
                name: member.name.clone(),
                kind: "gateway",
                url: Some(member.url.clone()),
                supervised: true,
                state: RoleState::Serving,
                modes: None,
                instance: None,
                pid: member.pid,
            });
        let deliveries = self.deliveries().into_iter().map(|name| self.delivery(name));
        std::iter::once(self.order_service())
            .chain(deliveries)
            .chain(gateway)
            .collect()
    }

    fn order_service(&self) -> Role {
        let member = self.of_crew(ORDER);
        let publisher = self.relay.as_ref();
        let key = publisher.and_then(|publisher| publisher.key);
        Role {
            name: ORDER.to_owned(),
            kind: "order",
            url: Some(self.order.as_str().to_owned()),
            supervised: member.is_some(),
            state: self.state(ORDER, publisher.is_some()),
            modes: key.map(|key| web::live::Modes {
                key: key.name(),
                guard: None,
                lanes: None,
            }),
            instance: None,
            pid: match member {
                Some(member) => member.pid,
                None => publisher.and_then(|publisher| publisher.process),
            },
        }
    }

    fn delivery(&self, name: String) -> Role {
        let member = self.member(&name);
        let crew = self.of_crew(&name);
        let instance = self.heard.get(&name).and_then(|heard| heard.instance.clone());
        let process = instance
            .as_deref()
            .and_then(|instance| instance.rsplit('/').next()?.parse().ok());
        let told = member.and_then(|member| member.at).map(|at| format!("http://{at}"));
        Role {
            kind: "delivery",
            url: crew.map(|crew| crew.url.clone()).or(told),
            supervised: crew.is_some(),
            state: self.state(&name, member.is_some()),
            modes: member.and_then(|member| member.modes).map(shown),
            pid: match crew {
                Some(crew) => crew.pid,
                None => process,
            },
            instance,
            name,
        }
    }

    /// What a role does. `is_known` says that others tell of it.
    fn state(&self, name: &str, is_known: bool) -> RoleState {
        let heard = self.heard.get(name).map(|heard| heard.state);
        match self.of_crew(name).map(|member| member.state) {
            Some(State::Frozen) => RoleState::Frozen,
            Some(State::Stopped) => RoleState::Stopped,
            Some(State::Stopping) => RoleState::Stopping,
            Some(State::Starting) => RoleState::Starting,
            Some(State::Serving) => heard.unwrap_or(RoleState::Starting),
            None => match heard {
                None | Some(RoleState::Starting) if is_known => RoleState::Unheard,
                heard => heard.unwrap_or(RoleState::Away),
            },
        }
    }
}

/// The modes of a delivery instance as they are shown.
pub fn shown(modes: Modes) -> web::live::Modes {
    let (key, guard): (KeyMode, Guard) = (modes.key, modes.guard);
    web::live::Modes {
        key: key.name(),
        guard: Some(guard.name()),
        lanes: Some(modes.lanes),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finding() -> Finding {
        let order = "http://127.0.0.1:8081".parse().expect("an address");
        Finding::new(order, "192.0.2.7".parse().expect("an address"))
    }

    fn seen(name: &str, at: &str) -> Seen {
        Seen::parse(&format!("{name},key=none,guard=off,lanes=1,at={at}"))
    }

    fn member(name: &str, state: State) -> Member {
        Member {
            name: name.to_owned(),
            kind: if name == ORDER { ORDER } else { "delivery" }.to_owned(),
            url: "http://127.0.0.1:9".to_owned(),
            state,
            pid: Some(7),
        }
    }

    fn states(finding: &Finding) -> Vec<(String, RoleState)> {
        finding
            .roles()
            .into_iter()
            .map(|role| (role.name, role.state))
            .collect()
    }

    #[test]
    fn only_places_of_this_machine_are_connected_to() {
        let mut finding = finding();
        finding.members(vec![
            seen("here", "127.0.0.1:8082"),
            seen("listening", "192.0.2.7:8082"),
            seen("elsewhere", "192.0.2.8:80"),
            Seen::parse("console-consumer"),
        ]);
        let names: Vec<String> = finding.places().into_iter().map(|(name, _)| name).collect();
        assert_eq!(names, ["order", "here", "listening"]);
        finding.heard("here", RoleState::Serving);
        let unheard = |name: &str| (name.to_owned(), RoleState::Unheard);
        assert_eq!(
            states(&finding),
            [
                ("order".to_owned(), RoleState::Away),
                unheard("console-consumer"),
                unheard("elsewhere"),
                ("here".to_owned(), RoleState::Serving),
                unheard("listening"),
            ]
        );
        let elsewhere = &finding.roles()[2];
        assert_eq!(elsewhere.url.as_deref(), Some("http://192.0.2.8:80"));
        assert_eq!(elsewhere.modes.as_ref().map(|modes| modes.key), Some("none"));
        // The group takes a frozen instance for dead, and it is still there.
        finding.heard("here", RoleState::Frozen);
        finding.members(Vec::new());
        let away = ("order".to_owned(), RoleState::Away);
        assert_eq!(states(&finding), [away.clone(), ("here".to_owned(), RoleState::Frozen)]);
        assert_eq!(finding.places()[1].1, "127.0.0.1:8082");
        finding.heard("here", RoleState::Away);
        finding.members(Vec::new());
        assert_eq!(states(&finding), [away]);
    }

    #[test]
    fn the_supervisor_knows_best_what_its_crew_does() {
        let mut finding = finding();
        finding.crew(vec![
            member(ORDER, State::Serving),
            member("delivery-1", State::Frozen),
            member("delivery-2", State::Serving),
        ]);
        finding.members(vec![
            seen("delivery-1", "127.0.0.1:1"),
            seen("delivery-2", "127.0.0.1:2"),
        ]);
        finding.heard(ORDER, RoleState::Serving);
        finding.heard("delivery-1", RoleState::Serving);
        let expected = [
            (ORDER, RoleState::Serving),
            ("delivery-1", RoleState::Frozen),
            ("delivery-2", RoleState::Starting),
        ];
        let expected = expected.map(|(name, state)| (name.to_owned(), state));
        assert_eq!(states(&finding), expected);
        assert_eq!(finding.places()[1].1, "127.0.0.1:9", "as the supervisor says");
        assert!(
            finding
                .roles()
                .iter()
                .all(|role| role.supervised && role.pid == Some(7))
        );
    }

    #[test]
    fn a_process_is_known_by_its_lease_and_by_its_own_word() {
        let mut finding = finding();
        finding.relay(Some(Publisher::parse("key=none/4711-170")));
        assert_eq!(finding.roles()[0].pid, Some(4711));
        assert_eq!(finding.roles()[0].state, RoleState::Unheard);
        finding.members(vec![seen("delivery-1", "127.0.0.1:1")]);
        finding.heard("delivery-1", RoleState::Serving);
        finding.instance("delivery-1", Some("delivery-1/4712".to_owned()));
        assert_eq!(finding.roles()[1].pid, Some(4712));
    }

    #[test]
    fn a_crowd_is_shown_in_part() {
        let mut finding = finding();
        finding.members(
            (0..1000)
                .map(|number| seen(&format!("d{number}"), "127.0.0.1:1"))
                .collect(),
        );
        assert_eq!(finding.places().len(), MOST);
        assert_eq!(finding.roles().len(), SHOWN + 1);
    }
}
