//! The blocks of a README: commands with their terminals, and what is expected of them.

use std::collections::BTreeSet;
use std::path::Path;

/// Commands that are not followed, since they build, test, or need Docker.
const LEFT_OUT: [&str; 2] = ["./test", "docker"];

/// A README's blocks, without those that are left out.
pub struct Readme {
    pub blocks: Vec<Block>,
}

/// A block that is followed.
#[derive(Debug)]
pub struct Block {
    /// Where it begins: the file and its line.
    pub place: String,
    pub what: What,
}

#[derive(Debug)]
pub enum What {
    /// What is typed, one after the other.
    Typed(Vec<Typed>),
    /// What is expected, in one of these terminals. None are named if it is the terminal of the block before.
    Expected {
        terminals: BTreeSet<u32>,
        lines: Vec<String>,
    },
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Typed {
    /// Ctrl-C in this terminal.
    Interrupt(u32),
    /// The words of a command in this terminal.
    Command(u32, Vec<String>),
    /// A variable, set in every terminal.
    Export(String, String),
}

impl Readme {
    #[track_caller]
    pub fn read(name: &str) -> Self {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(name);
        let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let blocks = fenced(&text).into_iter().filter(|(_, _, lines)| !left_out(lines));
        let blocks = blocks.filter_map(|(line, language, lines)| {
            let place = format!("{name}:{line}");
            let what = match language {
                "sh" => What::Typed(typed(&place, &lines)),
                "console" => expected(&lines),
                _ => return None,
            };
            Some(Block { place, what })
        });
        Self {
            blocks: blocks.collect(),
        }
    }

    /// The block that sets variables in every terminal.
    pub fn exports(&self) -> &Block {
        &self.blocks[self.exports_at()]
    }

    pub fn before_exports(&self) -> impl Iterator<Item = &Block> {
        self.blocks[..self.exports_at()].iter()
    }

    pub fn behind_exports(&self) -> impl Iterator<Item = &Block> {
        self.blocks[self.exports_at() + 1..].iter()
    }

    fn exports_at(&self) -> usize {
        let exports =
            |block: &Block| matches!(&block.what, What::Typed(typed) if matches!(typed[..], [Typed::Export(..), ..]));
        self.blocks.iter().position(exports).expect("a block with variables")
    }
}

impl Block {
    /// What is the same in each language: every command, and where how many lines are expected.
    pub fn outline(&self) -> Vec<String> {
        match &self.what {
            What::Typed(typed) => typed.iter().map(|typed| format!("{typed:?}")).collect(),
            What::Expected { terminals, lines } => vec![format!("{} lines in {terminals:?}", lines.len())],
        }
    }
}

/// The fenced blocks: the line at which each begins, its language and its lines.
fn fenced(text: &str) -> Vec<(usize, &str, Vec<&str>)> {
    let mut blocks = Vec::new();
    let mut open: Option<(usize, &str, Vec<&str>)> = None;
    for (index, line) in text.lines().enumerate() {
        match (line.strip_prefix("```"), &mut open) {
            (Some(language), None) => open = Some((index + 1, language, Vec::new())),
            (Some(_), Some(_)) => blocks.extend(open.take()),
            (None, Some((_, _, lines))) => lines.push(line),
            (None, None) => {}
        }
    }
    blocks
}

fn left_out(lines: &[&str]) -> bool {
    let begins = |line: &&str| LEFT_OUT.contains(&line.split(' ').next().unwrap_or_default());
    lines.iter().any(begins)
}

fn expected(lines: &[&str]) -> What {
    let (header, lines) = match lines {
        [header, lines @ ..] if header.starts_with('#') => (*header, lines),
        lines => ("", lines),
    };
    What::Expected {
        terminals: terminals(header).collect(),
        lines: lines.iter().map(|line| (*line).to_owned()).collect(),
    }
}

#[track_caller]
fn typed(place: &str, lines: &[&str]) -> Vec<Typed> {
    let mut terminal = None;
    let mut typed = Vec::new();
    for line in lines {
        if let Some(comment) = line.strip_prefix('#') {
            terminal = terminals(comment).next();
            if comment.contains("Ctrl-C") {
                typed.extend(terminal.map(Typed::Interrupt));
            }
            continue;
        }
        typed.push(match words(line).as_slice() {
            [export, variable] if export == "export" => {
                let (name, value) = variable.split_once('=').expect("a value");
                Typed::Export(name.to_owned(), value.to_owned())
            }
            words => {
                let terminal = terminal.unwrap_or_else(|| panic!("{place}: in which terminal is {line:?} typed?"));
                Typed::Command(terminal, words.to_vec())
            }
        });
    }
    typed
}

/// The numbers in a comment, up to its colon.
fn terminals(comment: &str) -> impl Iterator<Item = u32> {
    let names = comment.split(':').next().unwrap_or_default();
    names
        .split(|c: char| !c.is_ascii_digit())
        .filter_map(|number| number.parse().ok())
}

/// The words of a command as a shell splits them; quotes hold words together, and a comment ends the line.
fn words(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    let (mut word, mut quote) = (None::<String>, None);
    for c in line.chars() {
        match (c, quote) {
            ('\'' | '"', None) => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            (c, Some(end)) if c == end => quote = None,
            (' ', None) => words.extend(word.take()),
            ('#', None) if word.is_none() => break,
            (c, _) => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    words
}

mod tests {
    use super::*;

    #[test]
    fn a_line_is_split_as_a_shell_does() {
        assert_eq!(words("a  'b \"c' d=\"e f\"  # g"), ["a", "b \"c", "d=e f"]);
    }

    #[test]
    fn a_comment_names_terminals_and_may_end_what_runs_there() {
        assert_eq!(terminals(" terminals 2 and 5: 7").collect::<Vec<_>>(), [2, 5]);
        let lines = [
            "# terminal 1: Ctrl-C, then",
            "./mall order",
            "# 터미널 4: 고객",
            "http :8081/",
        ];
        let command = |terminal, words: &[&str]| Typed::Command(terminal, words.iter().map(|w| (*w).into()).collect());
        assert_eq!(
            typed("here", &lines),
            [
                Typed::Interrupt(1),
                command(1, &["./mall", "order"]),
                command(4, &["http", ":8081/"])
            ]
        );
    }
}
