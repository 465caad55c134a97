//! Java's regular expressions in the dialect of `fancy-regex`. What has another meaning there is translated, and what Java
//! doesn't know, or nothing here does, is refused: an expression never matches other names than it would in Java.

use std::fmt;
use std::iter::Peekable;
use std::str::Chars;

/// Classes that Java calls `\p{Name}`, and the names that other dialects have for them.
const POSIX: [(&str, &str); 13] = [
    ("Lower", "lower"),
    ("Upper", "upper"),
    ("ASCII", "ascii"),
    ("Alpha", "alpha"),
    ("Digit", "digit"),
    ("Alnum", "alnum"),
    ("Punct", "punct"),
    ("Graph", "graph"),
    ("Print", "print"),
    ("Blank", "blank"),
    ("Cntrl", "cntrl"),
    ("XDigit", "xdigit"),
    ("Space", "space"),
];

/// What may stand between `(?` and the group's text, besides flags and names.
const GROUPS: [&str; 6] = [":", "=", "!", ">", "<=", "<!"];

/// Why an expression is not taken.
#[derive(Debug, PartialEq, Eq)]
pub enum PatternError {
    /// It is no regular expression.
    Invalid(String),
    /// Java knows what is not supported here.
    Unsupported(String),
}

impl From<&str> for PatternError {
    fn from(why: &str) -> Self {
        Self::Invalid(why.to_owned())
    }
}

impl fmt::Display for PatternError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Invalid(why) => f.write_str(why),
            Self::Unsupported(what) => write!(f, "{what} is not supported in patterns here"),
        }
    }
}

type Result<T, E = PatternError> = std::result::Result<T, E>;

/// Translates a Java expression.
///
/// # Errors
/// Says what of it is no Java, or is not supported.
pub fn translated(expression: &str) -> Result<String> {
    let mut translator = Translator {
        rest: expression.chars().peekable(),
        out: String::new(),
        can_repeat: false,
    };
    while let Some(c) = translator.rest.next() {
        translator.outside(c)?;
    }
    Ok(translator.out)
}

struct Translator<'a> {
    rest: Peekable<Chars<'a>>,
    out: String,
    /// Whether a quantifier may follow: there is something in front of it that has none yet.
    can_repeat: bool,
}

impl Translator<'_> {
    /// Takes one step outside of character classes.
    fn outside(&mut self, c: char) -> Result<()> {
        match c {
            '*' | '+' | '?' => return self.quantifier(c),
            '{' => return self.counted(),
            '(' => return self.group(),
            '[' => self.class()?,
            '\\' => self.escape(false)?,
            '|' => {
                self.out.push(c);
                self.can_repeat = false;
                return Ok(());
            }
            ']' | '}' => self.literal(c),
            _ => self.out.push(c),
        }
        self.can_repeat = true;
        Ok(())
    }

    fn literal(&mut self, c: char) {
        // With a backslash, others such as < have a meaning of their own.
        if r"\.+*?()|[]{}^$#&-~".contains(c) {
            self.out.push('\\');
        }
        self.out.push(c);
    }

    fn quantifier(&mut self, c: char) -> Result<()> {
        if !std::mem::take(&mut self.can_repeat) {
            return Err(PatternError::Invalid(format!("Dangling meta character '{c}'")));
        }
        self.out.push(c);
        self.reluctant_or_possessive();
        Ok(())
    }

    fn reluctant_or_possessive(&mut self) {
        self.out.extend(self.rest.next_if(|next| matches!(next, '?' | '+')));
    }

    /// `{n}`, `{n,}` or `{n,m}`.
    fn counted(&mut self) -> Result<()> {
        let inside = self.until('}').ok_or("Unclosed counted closure")?;
        let (from, to) = inside.split_once(',').unwrap_or((&inside, ""));
        let is_number = |text: &str| text.chars().all(|c| c.is_ascii_digit());
        if from.is_empty() || !is_number(from) || !is_number(to) || !std::mem::take(&mut self.can_repeat) {
            return Err("Illegal repetition".into());
        }
        self.out.push_str(&format!("{{{inside}}}"));
        self.reluctant_or_possessive();
        Ok(())
    }

    /// The text up to a character, which is taken as well.
    fn until(&mut self, end: char) -> Option<String> {
        let mut text = String::new();
        loop {
            match self.rest.next()? {
                c if c == end => return Some(text),
                c => text.push(c),
            }
        }
    }

    /// What follows an opening parenthesis.
    fn group(&mut self) -> Result<()> {
        self.out.push('(');
        self.can_repeat = false;
        if self.rest.next_if_eq(&'?').is_none() {
            return Ok(());
        }
        let ahead: String = self.rest.clone().take(2).collect();
        if let Some(kind) = GROUPS.iter().find(|kind| ahead.starts_with(**kind)) {
            self.out.push('?');
            self.out.push_str(kind);
            self.rest.nth(kind.len() - 1);
            return Ok(());
        }
        if self.rest.next_if_eq(&'<').is_some() {
            let name = self.until('>').ok_or("named capturing group is missing trailing '>'")?;
            let legal =
                name.starts_with(|c: char| c.is_ascii_alphabetic()) && name.chars().all(|c| c.is_ascii_alphanumeric());
            self.out.push_str(&format!("?<{name}>"));
            return legal
                .then_some(())
                .ok_or("a group's name has letters and digits, a letter first".into());
        }
        self.flags()
    }

    /// `(?i)` or `(?i:…)`. The flags that concern what is no letter of a topic's name are left out.
    fn flags(&mut self) -> Result<()> {
        let mut flags = String::from("?");
        loop {
            match self.rest.next() {
                Some(c @ ('i' | 'm' | 's' | '-')) => flags.push(c),
                Some('d' | 'u' | 'U') => {}
                Some(c @ (':' | ')')) => {
                    let flags = flags.trim_end_matches('-');
                    // A group that sets nothing is an empty one.
                    self.out.push_str(if flags == "?" && c == ')' { "?:" } else { flags });
                    self.out.push(c);
                    return Ok(());
                }
                Some('x') => return Err(PatternError::Unsupported("(?x)".into())),
                Some(_) => return Err("Unknown inline modifier".into()),
                None => return Err("Unknown inline modifier".into()),
            }
        }
    }

    /// A character class, from behind its opening bracket to its end.
    fn class(&mut self) -> Result<()> {
        self.out.push('[');
        self.out.extend(self.rest.next_if_eq(&'^'));
        let mut empty = true;
        loop {
            match self.rest.next().ok_or("Unclosed character class")? {
                ']' if !empty => break,
                // Elsewhere a class such as [:alpha:] begins so.
                '[' if self.rest.peek() == Some(&':') => {
                    return Err(PatternError::Unsupported("[: in a character class".into()));
                }
                '[' => self.class()?,
                '\\' => self.escape(true)?,
                '&' if self.rest.next_if_eq(&'&').is_some() => self.out.push_str("&&"),
                '-' if self.rest.peek() == Some(&'-') => {
                    return Err(PatternError::Unsupported("-- in a character class".into()));
                }
                '-' => self.out.push('-'),
                c => self.literal(c),
            }
            empty = false;
        }
        self.out.push(']');
        Ok(())
    }

    /// What follows a backslash.
    fn escape(&mut self, in_class: bool) -> Result<()> {
        let c = self
            .rest
            .next()
            .ok_or("Unexpected internal error: a backslash at the end")?;
        match c {
            'Q' => self.quoted(),
            'd' | 'D' | 'w' | 'W' | 's' | 'S' | 't' | 'n' | 'r' | 'f' => self.out.extend(['\\', c]),
            'b' | 'B' | 'A' | 'z' | '1'..='9' if !in_class => self.out.extend(['\\', c]),
            'Z' if !in_class => self.out.push_str("\\z"),
            'p' | 'P' => return self.property(c == 'P', in_class),
            'h' => self.set("\\t\\x20", false, in_class),
            'H' => self.set("\\t\\x20", true, in_class),
            'v' => self.set("\\n\\x0B\\f\\r", false, in_class),
            'V' => self.set("\\n\\x0B\\f\\r", true, in_class),
            'x' | 'u' => return self.code(if c == 'x' { 2 } else { 4 }),
            'k' if !in_class && self.rest.peek() == Some(&'<') => self.out.push_str("\\k"),
            'a' | 'e' | 'c' | 'G' | 'X' | 'R' | 'N' | '0' => return Err(PatternError::Unsupported(format!("\\{c}"))),
            'a'..='z' | 'A'..='Z' | '0'..='9' => return Err("Illegal/unsupported escape sequence".into()),
            _ => self.literal(c),
        }
        Ok(())
    }

    /// Text between `\Q` and `\E` stands for itself.
    fn quoted(&mut self) {
        while let Some(c) = self.rest.next() {
            if c == '\\' && self.rest.next_if_eq(&'E').is_some() {
                return;
            }
            self.literal(c);
        }
    }

    /// A set of characters, inside of another one or alone.
    fn set(&mut self, set: &str, negated: bool, in_class: bool) {
        let text = match (negated, in_class) {
            (false, true) => set.to_owned(),
            (false, false) => format!("[{set}]"),
            (true, _) => format!("[^{set}]"),
        };
        self.out.push_str(&text);
    }

    /// `\p{Name}`, or `\pL` with a single letter.
    fn property(&mut self, negated: bool, in_class: bool) -> Result<()> {
        let name = match self.rest.next() {
            Some('{') => self.until('}').ok_or("Unclosed character family")?,
            Some(letter) => letter.to_string(),
            None => return Err("Unknown character property".into()),
        };
        let posix = POSIX.iter().find(|(java, _)| *java == name);
        let text = match (posix, negated) {
            (Some((_, name)), false) => format!("[:{name}:]"),
            (Some((_, name)), true) => format!("[:^{name}:]"),
            (None, false) => format!("\\p{{{name}}}"),
            (None, true) => format!("\\P{{{name}}}"),
        };
        match posix.is_some() && !in_class {
            true => self.out.push_str(&format!("[{text}]")),
            false => self.out.push_str(&text),
        }
        Ok(())
    }

    /// A character by its number: `\x2e`, `\x{2e}` or `\u002e`.
    fn code(&mut self, digits: usize) -> Result<()> {
        let text = match digits == 2 && self.rest.next_if_eq(&'{').is_some() {
            true => self.until('}').ok_or("Unclosed hexadecimal escape sequence")?,
            false => self.rest.by_ref().take(digits).collect::<String>(),
        };
        let is_hexadecimal = text.chars().all(|c| c.is_ascii_hexdigit());
        let code = u32::from_str_radix(&text, 16).ok().filter(|_| is_hexadecimal);
        let c = code
            .and_then(char::from_u32)
            .ok_or("Illegal hexadecimal escape sequence")?;
        self.literal(c);
        Ok(())
    }
}
