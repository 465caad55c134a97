//! `mall doctor`: looks at what the mall stands on, and says what is wrong there and what helps. It changes nothing.
//!
//! ```text
//!   place: data folder, turnstiles, ports ─┐
//!   log: broker, topic, records, group ────┼─▶ Report ─▶ lines and an exit code
//!   database: reachable, its clock, writes ┤
//!   roles that run: what they say themselves┘
//! ```

mod database;
mod log;
mod place;
mod records;
mod roles;

use std::fmt::Write;

use anyhow::Result;

use crate::config::{Ports, RoleOptions};
use crate::exit::Exit;
use crate::tools;

/// Clocks that differ by more make times in logs and retention misleading.
const SKEW_MS: i64 = 5_000;

/// What was found.
#[derive(Debug, Default)]
struct Report {
    fine: Vec<String>,
    wrong: Vec<Wrong>,
    /// What could not be looked at, and why.
    unseen: Vec<String>,
}

/// Something that is wrong.
#[derive(Debug, PartialEq, Eq)]
struct Wrong {
    what: String,
    remedy: String,
}

/// Looks at everything that the mall would use with these options.
pub fn run(ports: &Ports, options: &RoleOptions) -> Result<Exit> {
    let mut report = Report::default();
    place::look(ports, options, &mut report);
    log::look(options, &mut report);
    if let Some(url) = &options.storage.database_url {
        database::look(url, &mut report)?;
    }
    // Nobody reading is no reason to fail.
    let _ = tools::print(&report.lines());
    Ok(report.exit())
}

impl Report {
    fn fine(&mut self, what: impl Into<String>) {
        self.fine.push(what.into());
    }

    fn wrong(&mut self, what: impl Into<String>, remedy: impl Into<String>) {
        self.wrong.push(Wrong {
            what: what.into(),
            remedy: remedy.into(),
        });
    }

    fn unseen(&mut self, what: impl Into<String>) {
        self.unseen.push(what.into());
    }

    fn lines(&self) -> String {
        let mut text = String::new();
        for what in &self.fine {
            let _ = writeln!(text, "ok     {what}");
        }
        for what in &self.unseen {
            let _ = writeln!(text, "?      {what}");
        }
        for Wrong { what, remedy } in &self.wrong {
            let _ = writeln!(text, "WRONG  {what}\n       remedy: {remedy}");
        }
        text
    }

    /// What is wrong weighs more than what could not be seen.
    fn exit(&self) -> Exit {
        match (self.wrong.is_empty(), self.unseen.is_empty()) {
            (false, _) => Exit::NO,
            (true, false) => Exit::COULD_NOT,
            (true, true) => Exit::DONE,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_weighs_more_than_what_could_not_be_seen() {
        let mut report = Report::default();
        report.fine("a");
        assert_eq!(report.exit(), Exit::DONE);
        report.unseen("b");
        assert_eq!(report.exit(), Exit::COULD_NOT);
        report.wrong("c", "d");
        assert_eq!(report.exit(), Exit::NO);
        assert_eq!(report.lines(), "ok     a\n?      b\nWRONG  c\n       remedy: d\n");
    }
}
