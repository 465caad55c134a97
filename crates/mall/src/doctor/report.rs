//! What `mall doctor` has found out, and how it is printed.

use std::fmt::Write;

use crate::exit::Exit;

/// Everything that was found out.
#[derive(Debug, Default)]
pub struct Report {
    pub fine: Vec<String>,
    pub faults: Vec<Fault>,
    /// What could not be looked at, and why.
    pub unseen: Vec<String>,
}

/// Something that is wrong.
#[derive(Debug, PartialEq, Eq)]
pub struct Fault {
    pub what: String,
    /// What helps.
    pub remedy: String,
}

impl Report {
    pub fn fine(&mut self, what: impl Into<String>) {
        self.fine.push(what.into());
    }

    pub fn wrong(&mut self, what: impl Into<String>, remedy: impl Into<String>) {
        self.faults.push(Fault {
            what: what.into(),
            remedy: remedy.into(),
        });
    }

    pub fn unseen(&mut self, what: impl Into<String>) {
        self.unseen.push(what.into());
    }

    pub fn lines(&self) -> String {
        let mut text = String::new();
        for what in &self.fine {
            let _ = writeln!(text, "ok     {what}");
        }
        for what in &self.unseen {
            let _ = writeln!(text, "?      {what}");
        }
        for Fault { what, remedy } in &self.faults {
            let _ = writeln!(text, "WRONG  {what}\n       remedy: {remedy}");
        }
        text
    }

    /// The exit code. A fault counts for more than something that could not be looked at.
    pub fn exit(&self) -> Exit {
        match (self.faults.is_empty(), self.unseen.is_empty()) {
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
