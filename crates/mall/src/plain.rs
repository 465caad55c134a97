//! Text of others on its way to a person. Names and values may hold what a terminal obeys: codes that hide or forge lines,
//! and marks that turn the direction of writing around. They are shown, never obeyed.
//!
//! Everything that is printed goes through here, but for the records of the console consumer, which are raw as Kafka's are.

use std::borrow::Cow;

/// On one line, whatever it holds: for a value, or a line of a log.
pub fn line(text: &str) -> Cow<'_, str> {
    escaped(text, is_obeyed)
}

/// With its line breaks and tabs: for what was put together out of lines.
pub fn lines(text: &str) -> Cow<'_, str> {
    escaped(text, |c| is_obeyed(c) && c != '\n' && c != '\t')
}

fn escaped(text: &str, is_meant: impl Fn(char) -> bool) -> Cow<'_, str> {
    if !text.contains(&is_meant) {
        return text.into();
    }
    let shown = |c: char| match is_meant(c) {
        true => c.escape_default().to_string(),
        false => c.to_string(),
    };
    text.chars().map(shown).collect()
}

/// Whether a terminal does something else with a character than to draw it: the controls of ASCII and of Latin-1, separators of
/// lines and paragraphs, and what sets the direction of writing.
fn is_obeyed(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_terminal_obeys_is_shown_instead() {
        let text = "a\x1b[2Jb\u{9b}31mc\x7fd\u{202e}e\rf\u{2066}g";
        assert_eq!(lines(text), "a\\u{1b}[2Jb\\u{9b}31mc\\u{7f}d\\u{202e}e\\rf\\u{2066}g");
        assert_eq!(line("a\tb\nc"), "a\\tb\\nc");
    }

    #[test]
    fn what_is_drawn_stays() {
        for text in ["부산 🏠 é", "two\nlines\tand a tab", "👨\u{200d}👩\u{200d}👧"] {
            assert_eq!(lines(text), text);
        }
    }
}
