//! A switch of the modes of a mall that runs. Pure.

use std::ffi::OsString;

use clap::ValueEnum;
use shop::text;
use shop::text::Text;

use crate::config::{Guard, KeyMode, lanes};
use crate::modes::Modes;

/// The modes that were switched; what is none stays as the options say.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Switch {
    key: Option<KeyMode>,
    guard: Option<Guard>,
    lanes: Option<usize>,
}

impl Switch {
    /// Reads the modes as a person has named them.
    pub fn new(key: Option<String>, guard: Option<String>, wanted_lanes: Option<usize>) -> Result<Self, Text> {
        let switch = Self {
            key: key.map(|key| one_of("key", &key)).transpose()?,
            guard: guard.map(|guard| one_of("guard", &guard)).transpose()?,
            lanes: wanted_lanes.map(checked).transpose()?,
        };
        match switch == Self::default() {
            true => Err(text!(
                "nothing to switch; allowed: key, guard, lanes",
                "바꿀 모드가 없음. 가능한 모드: key, guard, lanes"
            )),
            false => Ok(switch),
        }
    }

    /// Adds a later switch to this one.
    pub fn add(&mut self, later: Self) {
        self.key = later.key.or(self.key);
        self.guard = later.guard.or(self.guard);
        self.lanes = later.lanes.or(self.lanes);
    }

    /// The modes in which a mall runs that was started in `modes`.
    pub fn on(self, modes: Modes) -> Modes {
        Modes {
            key: self.key.unwrap_or(modes.key),
            guard: self.guard.unwrap_or(modes.guard),
            lanes: self.lanes.unwrap_or(modes.lanes),
        }
    }

    /// The options of a role of this kind that differ from those that it was started with.
    pub fn words_of(self, kind: &str) -> Vec<OsString> {
        let key = self.key.map(|key| format!("--key={}", key.name()));
        let guard = self.guard.map(|guard| format!("--guard={}", guard.name()));
        let lanes = self.lanes.map(|lanes| format!("--lanes={lanes}"));
        let words = match kind {
            // The order service only chooses the key of its events.
            "order" => vec![key],
            "delivery" | "up" => vec![key, guard, lanes],
            _ => Vec::new(),
        };
        words.into_iter().flatten().map(OsString::from).collect()
    }

    /// The same for people: `--key none --lanes 1`.
    pub fn flags(self) -> String {
        let words = self.words_of("up");
        let words: Vec<String> = words
            .iter()
            .map(|word| word.to_string_lossy().replacen('=', " ", 1))
            .collect();
        words.join(" ")
    }
}

fn one_of<T: ValueEnum>(name: &str, value: &str) -> Result<T, Text> {
    T::from_str(value, false).map_err(|_| {
        let names: Vec<String> = T::value_variants()
            .iter()
            .filter_map(|variant| Some(variant.to_possible_value()?.get_name().to_owned()))
            .collect();
        let names = names.join(", ");
        text!(
            "{name} {value}: one of {names} is allowed",
            "{name} {value}: 가능한 값은 {names}"
        )
    })
}

fn checked(wanted: usize) -> Result<usize, Text> {
    lanes(&wanted.to_string()).map_err(|why| text!("lanes {wanted}: {why}", "lanes {wanted}: {why}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn switch(key: Option<&str>, guard: Option<&str>, lanes: Option<usize>) -> Result<Switch, String> {
        let switch = Switch::new(key.map(str::to_owned), guard.map(str::to_owned), lanes);
        switch.map_err(|why| why.english)
    }

    #[test]
    fn what_can_t_be_switched_to_is_refused_with_what_is_allowed() {
        assert_eq!(
            switch(Some("customer"), None, None),
            Err("key customer: one of order-id, none is allowed".to_owned())
        );
        assert_eq!(
            switch(None, Some("on"), None),
            Err("guard on: one of version, off is allowed".to_owned())
        );
        assert!(switch(None, None, Some(0)).is_err());
        assert!(switch(None, None, None).is_err());
    }

    #[test]
    fn later_switches_add_up_and_each_role_gets_its_own() {
        let mut all = switch(Some("none"), None, Some(1)).expect("good");
        all.add(switch(None, Some("off"), None).expect("good"));
        all.add(switch(Some("order-id"), None, None).expect("good"));
        assert_eq!(all.flags(), "--key order-id --guard off --lanes 1");
        assert_eq!(all.words_of("order"), ["--key=order-id"]);
        assert_eq!(all.words_of("delivery"), ["--key=order-id", "--guard=off", "--lanes=1"]);
        assert!(all.words_of("gateway").is_empty());
    }
}
