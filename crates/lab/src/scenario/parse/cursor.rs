//! The words of one line, taken one after the other.

use shop::spelling::nearest;

use super::super::names::{EventName, Journal, Name, Role, Spot};
use super::super::words::Span;
use keylane_log::{Offset, Partition};
use std::fmt::Display;
use std::time::Duration;

/// What is wrong with a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in super::super) struct Mistake {
    /// What stands there: a word, or none if the line ends.
    pub(in super::super) found: Option<String>,
    /// What should stand there.
    pub(in super::super) expected: String,
    /// The word that is probably meant.
    pub(in super::super) meant: Option<String>,
}

pub(super) type Parsed<T> = Result<T, Mistake>;

/// The words of a line that have not been taken.
#[derive(Debug)]
pub(super) struct Cursor<'a> {
    words: &'a [String],
}

impl<'a> Cursor<'a> {
    pub(super) fn over(words: &'a [String]) -> Self {
        Self { words }
    }

    /// The next word, which stays.
    pub(super) fn peek(&self) -> Option<&'a str> {
        self.words.first().map(String::as_str)
    }

    /// Takes the next word if it is this one.
    pub(super) fn takes(&mut self, word: &str) -> bool {
        let is = self.peek() == Some(word);
        if is {
            self.words = &self.words[1..];
        }
        is
    }

    /// Takes the next word if it can be read as this.
    pub(super) fn takes_if<T>(&mut self, read: impl Fn(&str) -> Option<T>) -> Option<T> {
        let value = read(self.peek()?)?;
        self.words = &self.words[1..];
        Some(value)
    }

    /// Takes the next word, which has to be readable as what is expected.
    pub(super) fn read<T>(&mut self, expected: impl Display, read: impl Fn(&str) -> Option<T>) -> Parsed<T> {
        self.takes_if(read).ok_or_else(|| self.mistake(expected))
    }

    /// Takes the next word, which has to be one of these.
    pub(super) fn one_of<T>(&mut self, what: &str, words: &[&str], read: impl Fn(&str) -> Option<T>) -> Parsed<T> {
        self.takes_if(read).ok_or_else(|| self.not_among(what, words))
    }

    /// Takes this word.
    pub(super) fn expect(&mut self, word: &str) -> Parsed<()> {
        match self.takes(word) {
            true => Ok(()),
            false => Err(self.not_among("", &[word])),
        }
    }

    /// Nothing more may stand in the line.
    pub(super) fn end(&self) -> Parsed<()> {
        match self.peek() {
            None => Ok(()),
            Some(_) => Err(self.mistake("the end of the line")),
        }
    }

    /// Something else than the next word is expected.
    pub(super) fn mistake(&self, expected: impl Display) -> Mistake {
        Mistake {
            found: self.peek().map(str::to_owned),
            expected: expected.to_string(),
            meant: None,
        }
    }

    /// One of these words is expected, not the next one.
    pub(super) fn not_among(&self, what: &str, words: &[&str]) -> Mistake {
        let blank = if what.is_empty() { "" } else { ": " };
        let meant = self.peek().and_then(|word| nearest(word, words.iter().copied()));
        Mistake {
            meant: meant.map(str::to_owned),
            ..self.mistake(format!("{what}{blank}{}", listed(words)))
        }
    }

    pub(super) fn count<T: std::str::FromStr + PartialOrd + Display>(
        &mut self,
        what: &str,
        low: T,
        high: T,
    ) -> Parsed<T> {
        let expected = format!("{what}: a number from {low} to {high}");
        self.read(expected, |word| {
            word.parse().ok().filter(|n| (&low..=&high).contains(&n))
        })
    }

    pub(super) fn span(&mut self, what: &str) -> Parsed<Duration> {
        self.read(format!("{what}: a time such as 200ms, 10s or 1h"), Span::parse)
    }

    pub(super) fn name(&mut self) -> Parsed<Name> {
        self.read("the name of an order, in capital letters, such as KIM", Name::named)
    }

    pub(super) fn role(&mut self) -> Parsed<Role> {
        self.read("a process: order, order-2, delivery-1, …", Role::named)
    }

    /// `v2`
    pub(super) fn version(&mut self) -> Parsed<i64> {
        let version = |word: &str| word.strip_prefix('v')?.parse().ok().filter(|n| (1..=9999).contains(n));
        self.read("a version, such as v2", version)
    }

    /// `KIM v2`, `KIM delivery v2`
    pub(super) fn event(&mut self) -> Parsed<EventName> {
        let order = self.name()?;
        let of = match self.takes("delivery") {
            true => Journal::Deliveries,
            false => Journal::Orders,
        };
        let version = self.version()?;
        Ok(EventName { order, of, version })
    }

    /// `KIM v2`
    pub(super) fn order_event(&mut self) -> Parsed<EventName> {
        let order = self.name()?;
        let (of, version) = (Journal::Orders, self.version()?);
        Ok(EventName { order, of, version })
    }

    /// `P0`
    pub(super) fn partition(&mut self) -> Parsed<u32> {
        self.read("a partition, such as P0", partition)
    }

    /// `P0@3`
    pub(super) fn spot(&mut self) -> Parsed<Spot> {
        self.read("a place in the topic, such as P0@3", |word| {
            let (left, offset) = word.split_once('@')?;
            Some(Spot {
                partition: Partition(partition(left)?),
                offset: Offset(offset.parse().ok()?),
            })
        })
    }
}

/// Reads `P0`.
pub(super) fn partition(word: &str) -> Option<u32> {
    word.strip_prefix('P')?.parse().ok().filter(|n| *n < MOST_PARTITIONS)
}

/// More partitions than this help nobody to understand anything.
pub(super) const MOST_PARTITIONS: u32 = 1000;

/// `a`, `a or b`, `a, b or c`
fn listed(words: &[&str]) -> String {
    match words {
        [] => String::new(),
        [one] => (*one).to_owned(),
        [rest @ .., last] => format!("{} or {last}", rest.join(", ")),
    }
}
