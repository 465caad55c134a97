//! Reads a scenario from its text.

mod actions;
mod cursor;
mod expects;
mod settings;

use std::fmt;

use shop::text::Text;

use super::model::{Head, Line, Run, Scenario, Step, WorldName};
use super::words::cut;
use cursor::{Cursor, Mistake, Parsed};

/// Why a text is no scenario: the first thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParseError {
    /// The file's name, as it was given.
    pub file: String,
    /// The line, counted from 1.
    pub line: usize,
    /// What is wrong, in a sentence.
    pub says: String,
}

/// Reads a scenario. `file` is what errors call it.
///
/// # Errors
/// The first thing that is wrong: where, what stands there, and what should.
pub(super) fn read(file: &str, text: &str) -> Result<Scenario, ParseError> {
    let mut reader = Reader::default();
    for (number, line) in (1..).zip(text.lines()) {
        reader.line(number, line).map_err(|says| ParseError {
            file: file.to_owned(),
            line: number,
            says,
        })?;
    }
    let mut scenario = reader.scenario;
    scenario.head.complete();
    Ok(scenario)
}

/// What was read so far.
#[derive(Debug, Default)]
struct Reader {
    scenario: Scenario,
    /// The text that lines with a blank before them belong to.
    prose: Option<Prose>,
    /// How many empty lines came since that text's last line.
    empty: usize,
}

/// A text of the head, in one language.
#[derive(Debug, Clone, Copy)]
struct Prose {
    of: fn(&mut Head) -> &mut Text,
    korean: bool,
}

impl Reader {
    fn line(&mut self, number: usize, line: &str) -> Result<(), String> {
        if line.trim().is_empty() {
            self.empty += 1;
            return Ok(());
        }
        let empty = std::mem::take(&mut self.empty);
        if line.starts_with([' ', '\t']) {
            return self.more_prose(empty, line.trim());
        }
        if line.starts_with('#') {
            return Ok(());
        }
        self.prose = None;
        let words = match line.split_whitespace().next() {
            // What follows is text, which is not cut.
            Some(first) if PROSE.contains(&first) => line.split_whitespace().take(2).map(str::to_owned).collect(),
            _ => cut(line)?,
        };
        let (run, words) = match words.first().and_then(|word| Run::named(word)) {
            Some(run) => (Some(run), &words[1..]),
            None => (None, &words[..]),
        };
        let mut cursor = Cursor::over(words);
        let read = match run {
            None if self.is_head(&cursor) => self.head(&mut cursor, line),
            _ => self.command(run, number, &mut cursor).and_then(|()| cursor.end()),
        };
        read.map_err(|mistake| mistake.to_string())
    }

    fn is_head(&self, words: &Cursor<'_>) -> bool {
        words.peek().is_some_and(|word| HEADS.contains(&word))
    }

    /// A line of the head, whose first word has not been taken.
    fn head(&mut self, words: &mut Cursor<'_>, line: &str) -> Parsed<()> {
        let head = &mut self.scenario.head;
        if words.takes("anomaly") {
            while words.peek().is_some() || head.anomalies.is_empty() {
                head.anomalies.push(words.count("an anomaly's number", 1, 99)?);
            }
        } else if words.takes("lesson") {
            head.lesson = Some(words.count("an experiment of the course", 1, 99)?);
            words.end()?;
        } else if words.takes("worlds") {
            while words.peek().is_some() || head.worlds.is_empty() {
                head.worlds
                    .push(words.one_of("a world", WorldName::WORDS, WorldName::named)?);
            }
        } else if words.takes("runs") {
            while words.peek().is_some() || head.runs.is_empty() {
                head.runs.push(words.one_of("a run", Run::WORDS, Run::named)?);
            }
        } else {
            self.begin_prose(words, line)?;
        }
        Ok(())
    }

    fn begin_prose(&mut self, words: &mut Cursor<'_>, line: &str) -> Parsed<()> {
        let of: fn(&mut Head) -> &mut Text = match words.takes_if(|word| Some(word.to_owned())).as_deref() {
            Some("title") => |head| &mut head.title,
            Some("described") => |head| head.described.get_or_insert_default(),
            Some("explain") => |head| &mut head.explain,
            Some("question") => |head| &mut head.question,
            Some("answer") => |head| &mut head.answer,
            _ => |head| &mut head.cure,
        };
        let korean = words.one_of("a language", &["en", "ko"], |word| match word {
            "en" => Some(false),
            "ko" => Some(true),
            _ => None,
        })?;
        let prose = Prose { of, korean };
        prose.text(&mut self.scenario.head).clear();
        self.prose = Some(prose);
        // What stands behind the language is text, with its quotes and blanks.
        let behind = line.trim_start_matches(|c: char| !c.is_whitespace()).trim_start();
        let text = behind.trim_start_matches(|c: char| !c.is_whitespace()).trim();
        prose.text(&mut self.scenario.head).push_str(text);
        Ok(())
    }

    fn more_prose(&mut self, empty: usize, line: &str) -> Result<(), String> {
        let Some(prose) = self.prose else {
            return Err(
                "a line with a blank before it belongs to a text (title, explain, question, answer, cure, described), \
                        and there is none before it"
                    .to_owned(),
            );
        };
        let text = prose.text(&mut self.scenario.head);
        if !text.is_empty() {
            text.push_str(if empty > 0 { "\n\n" } else { "\n" });
        }
        text.push_str(line);
        Ok(())
    }

    /// A line that sets the mall up, or a step. Its first word has not been taken.
    fn command(&mut self, run: Option<Run>, number: usize, words: &mut Cursor<'_>) -> Parsed<()> {
        let settings = settings::SETTINGS;
        let step = match words.peek() {
            Some("settle") => words.takes("settle").then_some(Step::Settle),
            Some("expect") => {
                words.takes("expect");
                Some(Step::Expect(expects::expectation(words)?))
            }
            Some("wait") => {
                words.takes("wait");
                words.expect("until")?;
                Some(Step::WaitUntil(expects::sight(words)?))
            }
            Some(word) if actions::ACTIONS.contains(&word) => {
                words.takes(word);
                Some(Step::Do(actions::action(word, words)?))
            }
            _ => None,
        };
        if let Some(says) = step {
            self.scenario.steps.push(Line { run, number, says });
            return Ok(());
        }
        let Some(command) = words.takes_if(|word| settings.iter().find(|setting| **setting == word)) else {
            return Err(words.not_among("a command", &all_commands(run)));
        };
        if !self.scenario.steps.is_empty() {
            return Err(Mistake {
                found: Some((*command).to_owned()),
                expected: "a step: the mall is set up before the first one".to_owned(),
                meant: None,
            });
        }
        let says = settings::setting(command, words)?;
        self.scenario.settings.push(Line { run, number, says });
        Ok(())
    }
}

impl Prose {
    fn text(self, head: &mut Head) -> &mut String {
        let text = (self.of)(head);
        match self.korean {
            true => &mut text.korean,
            false => &mut text.english,
        }
    }
}

/// The words with which a line of the head begins.
const HEADS: &[&str] = &[
    "title",
    "anomaly",
    "lesson",
    "worlds",
    "runs",
    "described",
    "explain",
    "question",
    "answer",
    "cure",
];

/// Those behind which a text follows.
const PROSE: &[&str] = &["title", "described", "explain", "question", "answer", "cure"];

/// All words that may stand here at the beginning of a line.
fn all_commands(run: Option<Run>) -> Vec<&'static str> {
    let heads = if run.is_none() { HEADS } else { &[] };
    let prefixes = if run.is_none() { Run::WORDS } else { &[] };
    [
        prefixes,
        heads,
        settings::SETTINGS,
        actions::ACTIONS,
        &["settle", "wait", "expect"],
    ]
    .concat()
}

/// A list of what is allowed that is longer, in bytes, is left out where one word is probably meant.
const LONG: usize = 100;

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.found {
            Some(word) => write!(f, "found {word:?}")?,
            None => f.write_str("the line ends")?,
        }
        match &self.meant {
            Some(meant) => write!(f, ", did you mean {meant}?")?,
            None => f.write_str(".")?,
        }
        match self.meant.is_some() && self.expected.len() > LONG {
            true => Ok(()),
            false => write!(f, " Expected {}", self.expected),
        }
    }
}

/// `a21-zombie.lab:12: found "freze", did you mean freeze? …`
impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.file, self.line, self.says)
    }
}

impl std::error::Error for ParseError {}
