//! What the roles of a mall do, as its supervisor knows it. Each child notes its own state, and the gateway is told of changes.

use tokio::sync::watch;

use crate::supervised::words::{Member, State};

/// The roles of a mall. Copies are the same crew.
#[derive(Debug, Clone, Default)]
pub struct Crew(watch::Sender<Vec<Member>>);

impl Crew {
    /// Adds a role that has not been started yet.
    pub fn add(&self, member: Member) {
        self.0.send_modify(|members| members.push(member));
    }

    /// The roles as they are now, and whenever that changes.
    pub fn subscribe(&self) -> watch::Receiver<Vec<Member>> {
        self.0.subscribe()
    }

    /// The roles of this kind.
    pub fn of_kind(&self, kind: &str) -> Vec<Member> {
        let members = self.0.borrow();
        members.iter().filter(|member| member.kind == kind).cloned().collect()
    }

    /// Notes what a role does, and in which process.
    pub fn note(&self, name: &str, state: State, pid: Option<u32>) {
        self.change(name, |member| {
            member.state = state;
            member.pid = pid;
        });
    }

    /// Notes that a role serves, unless somebody has stopped or frozen it at once.
    pub fn note_ready(&self, name: &str, pid: Option<u32>) {
        self.change(name, |member| {
            if member.state == State::Starting {
                member.state = State::Serving;
                member.pid = pid;
            }
        });
    }

    /// Notes that a frozen role goes on.
    pub fn note_woken(&self, name: &str) {
        self.change(name, |member| {
            if member.state == State::Frozen {
                member.state = State::Serving;
            }
        });
    }

    fn change(&self, name: &str, change: impl FnOnce(&mut Member)) {
        self.0.send_if_modified(|members| {
            let Some(member) = members.iter_mut().find(|member| member.name == name) else {
                return false;
            };
            let before = member.clone();
            change(member);
            *member != before
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_role_that_was_frozen_before_it_served_is_not_said_to_serve() {
        let crew = Crew::default();
        crew.add(Member {
            name: "delivery-1".to_owned(),
            kind: "delivery".to_owned(),
            url: "http://127.0.0.1:8082".to_owned(),
            state: State::Starting,
            pid: None,
        });
        let state = || crew.of_kind("delivery")[0].state;
        crew.note("delivery-1", State::Frozen, Some(7));
        crew.note_ready("delivery-1", Some(7));
        assert_eq!(state(), State::Frozen);
        crew.note_woken("delivery-1");
        assert_eq!(state(), State::Serving);
        let mut seen = crew.subscribe();
        crew.note_woken("delivery-1");
        crew.note("nobody", State::Stopped, None);
        assert!(!seen.has_changed().expect("it is there"), "nothing has changed");
        crew.note("delivery-1", State::Stopped, None);
        assert_eq!(seen.borrow_and_update()[0].pid, None);
    }
}
