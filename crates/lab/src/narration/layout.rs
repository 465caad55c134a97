//! Where the words of a narration stand: in a column for each process, or behind its name.

use unicode_width::UnicodeWidthStr;

use crate::scenario::Role;

/// A narrower terminal gets lines.
const WIDE: usize = 100;
/// A column that is narrower than this breaks a sentence too often.
const COLUMN: usize = 24;
/// What stands before the columns: the time and two blanks.
const TIME: usize = 11;
/// What stands before the further lines of a sentence in a column.
const INDENT: &str = "  ";

/// How lines are laid out.
#[derive(Debug)]
pub(super) enum Layout {
    /// A column for each process, all of one width.
    Lanes { roles: Vec<String>, column: usize },
    /// The name of the process, padded to this width, before what it did.
    Lines { name: usize },
}

impl Layout {
    pub(super) fn new(roles: Vec<Role>, width: usize) -> Self {
        let roles: Vec<String> = roles.iter().map(Role::to_string).collect();
        let between = 3 * roles.len().saturating_sub(1);
        let column = width.saturating_sub(TIME + between) / roles.len().max(1);
        if width >= WIDE && column >= COLUMN {
            return Self::Lanes { roles, column };
        }
        let name = roles.iter().map(|role| role.width()).max().unwrap_or_default();
        Self::Lines { name }
    }

    /// What stands above.
    pub(super) fn heading(&self) -> Vec<String> {
        match self {
            Self::Lines { .. } => Vec::new(),
            Self::Lanes { roles, column } => {
                let names: Vec<&str> = roles.iter().map(String::as_str).collect();
                vec![row("", &names, *column)]
            }
        }
    }

    /// What a process did, so many milliseconds after the beginning.
    pub(super) fn entry(&self, since: i64, who: &str, says: &str) -> Vec<String> {
        let time = format!("{:>8}", seconds(since));
        match self {
            Self::Lines { name } => vec![format!("{time}  {}  {says}", padded(who, *name))],
            Self::Lanes { roles, column } => match roles.iter().position(|role| role == who) {
                None => vec![format!("{time}   {who}: {says}")],
                Some(lane) => {
                    let lines = wrapped(says, *column - INDENT.len());
                    let rows = lines.iter().enumerate().map(|(number, line)| {
                        let (time, indent) = if number == 0 { (time.as_str(), "") } else { ("", INDENT) };
                        let cell = format!("{indent}{line}");
                        let mut cells = vec![""; roles.len()];
                        cells[lane] = &cell;
                        row(time, &cells, *column)
                    });
                    rows.collect()
                }
            },
        }
    }
}

/// `12.345s`
fn seconds(millis: i64) -> String {
    let sign = if millis < 0 { "-" } else { "" };
    let millis = millis.unsigned_abs();
    format!("{sign}{}.{:03}s", millis / 1000, millis % 1000)
}

fn row(time: &str, cells: &[&str], column: usize) -> String {
    let cells: Vec<String> = cells.iter().map(|cell| padded(cell, column)).collect();
    let line = format!("{}{}", padded(time, TIME), cells.join(" │ "));
    line.trim_end().to_owned()
}

fn padded(text: &str, width: usize) -> String {
    let blanks = width.saturating_sub(text.width());
    format!("{text}{}", " ".repeat(blanks))
}

/// The words in lines of at most this width. A word that is longer gets a line of its own, cut where it has to be.
fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        for piece in pieces(word, width) {
            let line = lines.last_mut().expect("there is always one");
            match line.is_empty() {
                true => line.push_str(&piece),
                false if line.width() + 1 + piece.width() <= width => {
                    line.push(' ');
                    line.push_str(&piece);
                }
                false => lines.push(piece),
            }
        }
    }
    lines
}

/// A word in pieces that fit.
fn pieces(word: &str, width: usize) -> Vec<String> {
    let mut pieces = vec![String::new()];
    for c in word.chars() {
        let piece = pieces.last_mut().expect("there is always one");
        let mut longer = piece.clone();
        longer.push(c);
        match longer.width() <= width.max(2) {
            true => *piece = longer,
            false => pieces.push(c.to_string()),
        }
    }
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_wrapped_by_the_columns_that_they_take() {
        assert_eq!(wrapped("KIM v2 is parked", 10), ["KIM v2 is", "parked"]);
        assert_eq!(wrapped("주문 취소를 보관", 9), ["주문", "취소를", "보관"]);
        assert_eq!(wrapped("abcdefghijkl x", 5), ["abcde", "fghij", "kl x"]);
        assert_eq!(wrapped("", 5), [""]);
    }

    #[test]
    fn a_narrow_terminal_gets_lines() {
        let roles = vec![Role::Order(1), Role::Delivery(1)];
        assert!(matches!(Layout::new(roles.clone(), 99), Layout::Lines { name: 10 }));
        assert!(matches!(
            Layout::new(roles.clone(), 100),
            Layout::Lanes { column: 43, .. }
        ));
        let many = (1..=6).map(Role::Delivery).collect();
        assert!(
            matches!(Layout::new(many, 120), Layout::Lines { .. }),
            "columns would be too narrow"
        );
    }
}
