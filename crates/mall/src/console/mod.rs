//! What a command writes to its user: results on stdout, everything else on stderr.
//!
//! # Invariants
//! * Text of others never reaches a terminal as it is ([`escape`]), except for the records that the console consumer
//!   prints, which are raw, as Kafka's are.
//! * A reader that has gone away (a closed pipe, a supervisor that was killed) is no reason to fail, and never a panic, as it
//!   would be with `println!` and `eprintln!`.

pub mod columns;
pub mod escape;
pub mod json;

use std::io::{self, Write};

/// Writes a result to stdout, all of it at once. The error says only that nobody reads any more: a caller with more to print
/// can stop, and any other may ignore it.
pub fn print(text: &str) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    stdout.write_all(escape::lines(text).as_bytes())?;
    stdout.flush()
}

/// Writes text that is not the result (a warning, a hint) to stderr as it is laid out.
pub fn print_error(text: &str) {
    let _ = io::stderr().lock().write_all(escape::lines(text).as_bytes());
}

/// Writes a sentence to stderr, as a line of its own: plain, or as JSON in a process that writes its log as JSON.
pub fn say(sentence: &str) {
    let line = json::spoken(sentence);
    let _ = writeln!(io::stderr().lock(), "{}", escape::lines(&line));
}

/// The program as a person calls it where this process was started: `./mall` in a checkout.
pub fn mall() -> &'static str {
    match std::env::var_os("MALL_CHECKOUT") {
        Some(_) => "./mall",
        None => "mall",
    }
}

/// A word as a shell takes it: in quotes if it holds anything but what no shell gives a meaning to.
pub fn shell_word(word: &str) -> String {
    let plain = |c: char| c.is_alphanumeric() || "/._-+=:,@%".contains(c);
    match !word.is_empty() && word.chars().all(plain) {
        true => word.to_owned(),
        false => format!("'{}'", word.replace('\'', r"'\''")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_for_a_shell_is_quoted_where_it_must_be() {
        let words = ["/tmp/mall-data", "/tmp/my data", "it's", "", "$HOME", "자료"];
        let shown = words.map(shell_word);
        assert_eq!(
            shown,
            [
                "/tmp/mall-data",
                "'/tmp/my data'",
                r"'it'\''s'",
                "''",
                "'$HOME'",
                "자료"
            ]
        );
    }
}
