//! Makes text of others harmless before a person reads it on a terminal.
//!
//! Names and values may hold characters that a terminal obeys: control codes that hide or forge lines, and marks that turn
//! the direction of writing around. They are shown as escapes (`\u{1b}`) instead.

use std::borrow::Cow;

/// The text on one line, with its line breaks and tabs escaped too: for a value, or a line of a log.
pub fn line(text: &str) -> Cow<'_, str> {
    escaped(text, is_obeyed_by_terminals)
}

/// The text with its line breaks and tabs as they are: for text that was laid out in lines.
pub fn lines(text: &str) -> Cow<'_, str> {
    escaped(text, |c| is_obeyed_by_terminals(c) && c != '\n' && c != '\t')
}

fn escaped(text: &str, is_escaped: impl Fn(char) -> bool) -> Cow<'_, str> {
    if !text.contains(&is_escaped) {
        return text.into();
    }
    let shown = |c: char| match is_escaped(c) {
        true => c.escape_default().to_string(),
        false => c.to_string(),
    };
    text.chars().map(shown).collect()
}

/// Whether a terminal does something else with this character than draw it. That holds for the control characters of ASCII
/// and Latin-1, the separators of lines and paragraphs, and the marks that set the direction of writing.
fn is_obeyed_by_terminals(c: char) -> bool {
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
