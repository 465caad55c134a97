//! What `mall doctor` has found out, and how it is printed.

use shop::text;
use shop::text::Text;

use crate::exit::Exit;

/// Everything that was found out.
#[derive(Debug, Default)]
pub struct Report {
    pub fine: Vec<Text>,
    pub faults: Vec<Fault>,
    /// What could not be looked at, and why.
    pub unseen: Vec<Text>,
}

/// Something that is wrong.
#[derive(Debug, PartialEq, Eq)]
pub struct Fault {
    pub what: Text,
    /// What helps.
    pub remedy: Text,
}

impl Report {
    pub fn fine(&mut self, what: impl Into<Text>) {
        self.fine.push(what.into());
    }

    pub fn wrong(&mut self, what: impl Into<Text>, remedy: impl Into<Text>) {
        self.faults.push(Fault {
            what: what.into(),
            remedy: remedy.into(),
        });
    }

    pub fn unseen(&mut self, what: impl Into<Text>) {
        self.unseen.push(what.into());
    }

    pub fn lines(&self) -> Text {
        let mut text = Text::default();
        for what in &self.fine {
            text += text!("ok     {what}\n", "ok     {what}\n"; what);
        }
        for what in &self.unseen {
            text += text!("?      {what}\n", "?      {what}\n"; what);
        }
        for Fault { what, remedy } in &self.faults {
            text += text!(
                "WRONG  {what}\n       remedy: {remedy}\n",
                "WRONG  {what}\n       해결책: {remedy}\n";
                what, remedy
            );
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
        let Text { english, korean } = report.lines();
        assert_eq!(english, "ok     a\n?      b\nWRONG  c\n       remedy: d\n");
        assert_eq!(korean, "ok     a\n?      b\nWRONG  c\n       해결책: d\n");
    }
}
