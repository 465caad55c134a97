//! Columns of a table that line up on a terminal, whatever script their cells are written in.

use unicode_width::UnicodeWidthStr;

/// How many cells of a terminal a text takes: most Korean, Chinese and Japanese characters and symbols take two, and marks
/// that combine with the character before them take none.
pub fn width(text: &str) -> usize {
    text.width()
}

/// The text with blanks behind it up to this width.
pub fn left(text: &str, to: usize) -> String {
    format!("{text}{}", blanks(text, to))
}

/// The text with blanks before it up to this width, as numbers are written.
pub fn right(text: &str, to: usize) -> String {
    format!("{}{text}", blanks(text, to))
}

fn blanks(text: &str, to: usize) -> String {
    " ".repeat(to.saturating_sub(width(text)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wide_character_takes_two_cells_and_a_combining_mark_none() {
        for (text, cells) in [("abc", 3), ("서울", 4), ("e\u{301}", 1), ("🏠", 2)] {
            assert_eq!(width(text), cells, "{text}");
        }
        assert_eq!((left("서울", 5), right("서울", 5)), ("서울 ".into(), " 서울".into()));
        assert_eq!(left("longer", 3), "longer");
    }
}
