//! The words of a line: how they are cut, quoted, and counted in.

use std::fmt;
use std::time::Duration;

/// Gives each variant the word by which files name it: a list of all words, a way back, and `Display`.
macro_rules! words {
    ($kind:ty { $($variant:path = $word:literal),+ $(,)? }) => {
        impl $kind {
            /// The words by which files name them.
            pub const WORDS: &[&str] = &[$($word),+];

            /// What a word names, if it names anything.
            pub fn named(word: &str) -> Option<Self> {
                match word {
                    $($word => Some($variant),)+
                    _ => None,
                }
            }

            /// The word in files.
            pub fn word(self) -> &'static str {
                match self {
                    $($variant => $word,)+
                }
            }
        }

        impl ::std::fmt::Display for $kind {
            fn fmt(&self, f: &mut ::std::fmt::Formatter<'_>) -> ::std::fmt::Result {
                f.pad(self.word())
            }
        }
    };
}
pub(super) use words;

/// A duration of whole milliseconds, in the largest unit that divides it: `200ms`, `10s`, `5m`, `1h`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Span(pub(super) Duration);

impl Span {
    /// Reads what `Display` writes.
    pub(super) fn parse(word: &str) -> Option<Duration> {
        let digits = word.bytes().take_while(u8::is_ascii_digit).count();
        let (count, unit) = word.split_at(digits);
        let millis = UNITS.iter().find(|(name, _)| *name == unit)?.1;
        let millis = count.parse::<u64>().ok()?.checked_mul(millis)?;
        (millis <= LONGEST).then(|| Duration::from_millis(millis))
    }
}

const UNITS: [(&str, u64); 4] = [("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1)];

/// A year, in milliseconds: nothing in a scenario lasts longer.
const LONGEST: u64 = 365 * 24 * 3_600_000;

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let millis = u64::try_from(self.0.as_millis()).unwrap_or(LONGEST);
        let fits = |(_, unit): &&(&str, u64)| millis.is_multiple_of(*unit) && (millis > 0 || *unit == 1000);
        let (name, unit) = UNITS.iter().find(fits).unwrap_or(&UNITS[3]);
        write!(f, "{}{name}", millis / unit)
    }
}

/// A word as it has to be written: in quotes if it would be cut otherwise.
pub(super) struct Quoted<'a>(pub(super) &'a str);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plain = |c: char| !c.is_whitespace() && !c.is_control() && !matches!(c, '"' | '#' | '\\' | '=');
        if !self.0.is_empty() && self.0.chars().all(plain) {
            return f.write_str(self.0);
        }
        f.write_str("\"")?;
        for c in self.0.chars() {
            match c {
                '"' | '\\' => write!(f, "\\{c}")?,
                '\n' => f.write_str("\\n")?,
                '\t' => f.write_str("\\t")?,
                '\r' => f.write_str("\\r")?,
                c => write!(f, "{c}")?,
            }
        }
        f.write_str("\"")
    }
}

/// Cuts a line at its blanks, up to `#`. What stands in quotes is one word, in which `\n`, `\t` and `\r` are as in Rust, and any
/// other character behind a backslash stands for itself. `"x"*250` repeats what is quoted.
///
/// # Errors
/// A sentence about what can't be cut.
pub(super) fn cut(line: &str) -> Result<Vec<String>, String> {
    let mut words = Vec::new();
    let mut rest = line.trim_start();
    while !rest.is_empty() && !rest.starts_with('#') {
        let (word, behind) = one_word(rest)?;
        words.push(word);
        rest = behind.trim_start();
    }
    Ok(words)
}

/// The first word of a text that begins with one, and what stands behind it.
fn one_word(text: &str) -> Result<(String, &str), String> {
    let mut word = String::new();
    let mut rest = text;
    while let Some(c) = rest.chars().next().filter(|c| !c.is_whitespace()) {
        if c == '"' {
            let (quoted, behind) = unquoted(&rest[1..])?;
            let (times, behind) = times(behind)?;
            word += &quoted.repeat(times);
            rest = behind;
        } else {
            word.push(c);
            rest = &rest[c.len_utf8()..];
        }
    }
    Ok((word, rest))
}

/// What stands before the closing quotes, and what behind them.
fn unquoted(text: &str) -> Result<(String, &str), String> {
    let mut quoted = String::new();
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return Ok((quoted, &text[at + 1..])),
            '\\' => match chars.next() {
                Some((_, 'n')) => quoted.push('\n'),
                Some((_, 't')) => quoted.push('\t'),
                Some((_, 'r')) => quoted.push('\r'),
                Some((_, c)) => quoted.push(c),
                None => break,
            },
            c => quoted.push(c),
        }
    }
    Err("the quotes are not closed".to_owned())
}

/// How often the quoted text is repeated, and what stands behind that.
fn times(text: &str) -> Result<(usize, &str), String> {
    let Some(count) = text.strip_prefix('*') else {
        return Ok((1, text));
    };
    let digits = count.bytes().take_while(u8::is_ascii_digit).count();
    match count[..digits].parse() {
        Ok(times @ 1..=MOST_TIMES) => Ok((times, &count[digits..])),
        _ => Err(format!("behind \"…\"* stands a number from 1 to {MOST_TIMES}")),
    }
}

/// No record of a scenario has to be larger than this.
const MOST_TIMES: usize = 100_000;
