//! Listens to a role for as long as it is there, and comes back where it was.

use std::io::{Error, ErrorKind};
use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::Arc;
use std::time::Duration;

use observe::{Observation, What};
use web::live::RoleState;

use super::gathering::{Gathering, lock};
use crate::observations::{Observations, Told, is_silence};
use crate::probe;

/// The pause between two tries.
const PAUSE: Duration = Duration::from_millis(300);
/// How long nothing may come until it is looked whether the gathering goes on.
const PATIENCE: Duration = Duration::from_millis(500);
/// After so many times of nothing the role is asked whether it answers at all.
const QUIET: u32 = 4;
/// How long it may take for that answer.
const ANSWER: Duration = Duration::from_secs(1);

/// Listens to the role of this name at this place until nobody wants that any more.
pub fn follow(gathering: &Arc<Gathering>, name: &str, place: &str) {
    let mut after = "0".to_owned();
    while gathering.goes_on() && is_there(gathering, name, place) {
        let state = match listen(gathering, name, place, &mut after) {
            Ok(state) => state,
            Err(error) if is_silence(&error) => RoleState::Frozen,
            Err(_) => RoleState::Away,
        };
        let was_heard = after != "0";
        gathering.hears(name, if was_heard { state } else { RoleState::Starting });
        gathering.pause(PAUSE);
    }
    lock(&gathering.heard).remove(&(name.to_owned(), place.to_owned()));
}

fn is_there(gathering: &Gathering, name: &str, place: &str) -> bool {
    let places = lock(&gathering.finding).places();
    places.iter().any(|(known, at)| known == name && at == place)
}

/// Listens until the stream ends. Answers with what the role does then.
fn listen(gathering: &Gathering, name: &str, place: &str, after: &mut String) -> std::io::Result<RoleState> {
    let address = place.to_socket_addrs()?.next().ok_or(ErrorKind::NotFound)?;
    let mut stream = Observations::of(address, after, Some(PATIENCE))?;
    let (mut quiet, mut stopped) = (0, false);
    while let Some(told) = stream.next()? {
        if !gathering.goes_on() {
            break;
        }
        quiet = if matches!(told, Told::Nothing) { quiet + 1 } else { 0 };
        match told {
            Told::Is(other) if other != name => {
                return Err(Error::new(ErrorKind::InvalidData, format!("{other} answers there")));
            }
            Told::Is(_) => gathering.hears(name, RoleState::Serving),
            Told::Seen(seen) => {
                stream.last().unwrap_or("0").clone_into(after);
                stopped = matches!(seen.what, What::Stopped);
                gathering.take(name, seen, stopped);
            }
            Told::Missed(many) => {
                gathering.session.tell(|picture| picture.missed(name.into(), many));
            }
            Told::Nothing if quiet % QUIET == 0 && !stopped => gathering.hears(name, answers(address)),
            Told::Nothing => {}
        }
    }
    Ok(if stopped { RoleState::Stopped } else { RoleState::Away })
}

/// Whether a role answers at all.
fn answers(address: SocketAddr) -> RoleState {
    match probe::get(address, "/livez", ANSWER) {
        Err(error) if is_silence(&error) => RoleState::Frozen,
        _ => RoleState::Serving,
    }
}

impl Gathering {
    fn hears(&self, name: &str, state: RoleState) {
        lock(&self.finding).heard(name, state);
    }

    fn take(&self, name: &str, seen: Observation, stopped: bool) {
        {
            let mut finding = lock(&self.finding);
            if let What::Started { instance } = &seen.what {
                finding.instance(name, instance.clone());
            }
            finding.heard(
                name,
                if stopped {
                    RoleState::Stopping
                } else {
                    RoleState::Serving
                },
            );
        }
        match seen.at < self.begun {
            true => self.remember(name, seen),
            false => drop(self.session.tell(|picture| picture.heard(&seen))),
        }
    }
}
