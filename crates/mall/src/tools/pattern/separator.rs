//! A separator that Kafka takes as a regular expression.

use fancy_regex::Regex;

use super::java;

/// What stands between pieces of a text.
#[derive(Debug, Clone)]
pub struct Separator(Regex);

impl Separator {
    /// Reads a regular expression of Java.
    ///
    /// # Errors
    /// Says why it is none, or what of it is not supported.
    pub fn parse(expression: &str) -> Result<Self, String> {
        let translated = java::translated(expression).map_err(|error| format!("{expression}: {error}"))?;
        Regex::new(&translated)
            .map(Self)
            .map_err(|error| format!("{expression}: {error}"))
    }

    /// The pieces as Java's `split` has them: empty ones at the end don't count, unless there is nothing else.
    pub fn split<'a>(&self, text: &'a str) -> Vec<&'a str> {
        let mut pieces: Vec<&str> = self.0.split(text).map_while(Result::ok).collect();
        let found = self.0.find(text).ok().flatten();
        // An empty match in front separates nothing.
        if pieces.len() > 1 && found.is_some_and(|first| first.end() == 0) {
            pieces.remove(0);
        }
        if found.is_some() {
            while pieces.last().is_some_and(|piece| piece.is_empty()) {
                pieces.pop();
            }
        }
        pieces
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split<'a>(separator: &str, text: &'a str) -> Vec<&'a str> {
        Separator::parse(separator).expect("an expression").split(text)
    }

    #[test]
    fn pieces_are_javas() {
        assert_eq!(split(",", "a,b"), ["a", "b"]);
        assert_eq!(split(",", ",a,,b,,"), ["", "a", "", "b"]);
        assert_eq!(split(",", ""), [""]);
        assert_eq!(split(",", ",,"), [""; 0]);
        assert_eq!(split("|", "ab"), ["a", "b"]);
        assert_eq!(split("[;|]", "a;b|c"), ["a", "b", "c"]);
        assert!(Separator::parse("(").is_err());
    }
}
