//! Files of properties in Java's form: `name=value`, `name: value` or `name value`, comments with `#` or `!`, lines that a
//! backslash continues, and escapes (`\t`, `\u00e9`, `\:`).
//!
//! Java reads such a file as Latin-1, and so is one read here that is no UTF-8. A byte order mark at its beginning is no part
//! of the first name.

/// The properties, in the order in which they stand there.
///
/// # Errors
/// The number of the line, from 1 on, that holds a wrong `\u` escape or no name.
pub fn parse(bytes: &[u8]) -> Result<Vec<(String, String)>, usize> {
    let text = match std::str::from_utf8(bytes) {
        Ok(text) => text.to_owned(),
        Err(_) => bytes.iter().map(|byte| char::from(*byte)).collect(),
    };
    let text = text.strip_prefix('\u{FEFF}').unwrap_or(&text);
    let lines = logical_lines(text);
    let property = |(number, line): &(usize, String)| property(line).ok_or(*number);
    lines.iter().map(property).collect()
}

/// The lines with those that continue them, without comments and empty ones, each with its number.
fn logical_lines(text: &str) -> Vec<(usize, String)> {
    let text = text.replace("\r\n", "\n").replace('\r', "\n");
    let mut lines: Vec<(usize, String)> = Vec::new();
    let mut continues = false;
    for (number, line) in (1..).zip(text.split('\n')) {
        let line = line.trim_start_matches(is_blank);
        if !continues && (line.is_empty() || line.starts_with(['#', '!'])) {
            continue;
        }
        let backslashes = line.chars().rev().take_while(|c| *c == '\\').count();
        let is_continued = backslashes % 2 == 1;
        let line = if is_continued { &line[..line.len() - 1] } else { line };
        match lines.last_mut().filter(|_| continues) {
            Some((_, begun)) => begun.push_str(line),
            None => lines.push((number, line.to_owned())),
        }
        continues = is_continued;
    }
    lines
}

fn is_blank(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\u{C}')
}

/// The name and the value; none if there is no name, or a wrong escape.
fn property(line: &str) -> Option<(String, String)> {
    let end = end_of_name(line);
    let (name, rest) = line.split_at(end);
    let rest = rest.trim_start_matches(is_blank);
    let rest = rest.strip_prefix(['=', ':']).unwrap_or(rest);
    let name = unescaped(name)?;
    let value = unescaped(rest.trim_start_matches(is_blank))?;
    (!name.is_empty()).then_some((name, value))
}

/// Where the name ends: at the first blank, equals sign or colon that no backslash stands before.
fn end_of_name(line: &str) -> usize {
    let mut is_escaped = false;
    for (at, c) in line.char_indices() {
        match c {
            _ if is_escaped => is_escaped = false,
            '\\' => is_escaped = true,
            '=' | ':' => return at,
            c if is_blank(c) => return at,
            _ => {}
        }
    }
    line.len()
}

fn unescaped(text: &str) -> Option<String> {
    let mut units = Vec::new();
    let mut rest = text.chars();
    while let Some(c) = rest.next() {
        let c = match c {
            '\\' => match rest.next() {
                Some('u') => {
                    let digits: String = rest.by_ref().take(4).collect();
                    let is_number = digits.len() == 4 && digits.chars().all(|c| c.is_ascii_hexdigit());
                    units.push(u16::from_str_radix(&digits, 16).ok().filter(|_| is_number)?);
                    continue;
                }
                Some('t') => '\t',
                Some('n') => '\n',
                Some('r') => '\r',
                Some('f') => '\u{C}',
                Some(other) => other,
                None => continue,
            },
            c => c,
        };
        units.extend(c.encode_utf16(&mut [0; 2]).iter());
    }
    Some(String::from_utf16_lossy(&units))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn no_text_is_too_much(bytes in prop::collection::vec(any::<u8>(), 0..60), text in "[a-b=: \\\\u0\n\r#!\u{FEFF}]{0,40}") {
            let _ = parse(&bytes);
            if let Ok(properties) = parse(text.as_bytes()) {
                prop_assert!(properties.iter().all(|(name, _)| !name.is_empty()));
            }
        }

        #[test]
        fn a_plain_property_comes_back(name in "[a-z][a-z.]{0,9}", value in "[a-zA-Z0-9:=/;\"]{0,12}") {
            let read = parse(format!("{name} = {value}\n").as_bytes());
            // Only the first separator is one.
            prop_assert_eq!(read, Ok(vec![(name, value)]));
        }
    }

    fn read(text: &str) -> Vec<(String, String)> {
        parse(text.as_bytes()).expect("properties")
    }

    fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        pairs.iter().map(owned).collect()
    }

    #[test]
    fn separators_are_equals_signs_colons_and_blanks() {
        let text = "a=1\nb:2\nc 3\n d \t= 4\ne : =5\nf\ng=\nh\\:i\\ j=k\n";
        let expected = [
            ("a", "1"),
            ("b", "2"),
            ("c", "3"),
            ("d", "4"),
            ("e", "=5"),
            ("f", ""),
            ("g", ""),
            ("h:i j", "k"),
        ];
        assert_eq!(read(text), pairs(&expected));
    }

    #[test]
    fn lines_go_on_behind_a_backslash_and_comments_do_not_count() {
        let text = "\u{FEFF}# comment \\\na=1\\\n   2\\\r\n\t3\n\n  ! comment\nb=x\\\\\nc=\\\n# no comment\n";
        assert_eq!(read(text), pairs(&[("a", "123"), ("b", "x\\"), ("c", "# no comment")]));
    }

    #[test]
    fn escapes_stand_for_characters() {
        assert_eq!(read("a=\\t\\u00e9\\ud83d\\ude00\\q \n"), pairs(&[("a", "\té😀q ")]));
        assert_eq!(parse(b"a=b\n\nc=\\u00g0\n"), Err(3));
        assert_eq!(parse(b"=b\n"), Err(1));
        assert_eq!(parse(b"a=\xe9"), Ok(pairs(&[("a", "é")])), "Latin-1");
    }
}
