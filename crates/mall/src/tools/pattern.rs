//! Topic names and patterns: what of Java's regular expressions is used for topics, literals, `.`, `.*`, `|`.

/// Whether the whole of `name` matches `pattern`. As in Kafka's tools a comma means `|`, and quotes around are dropped.
pub fn matches(pattern: &str, name: &str) -> bool {
    let pattern = pattern.trim_matches(['"', '\'']);
    let name: Vec<char> = name.chars().collect();
    pattern.split([',', '|']).any(|part| {
        let part: Vec<char> = part.trim().chars().collect();
        whole(&part, &name)
    })
}

fn whole(pattern: &[char], name: &[char]) -> bool {
    let (escaped, rest) = match pattern {
        [] => return name.is_empty(),
        ['\\', c, rest @ ..] => (Some(*c), rest),
        ['.', rest @ ..] => (None, rest),
        [c, rest @ ..] => (Some(*c), rest),
    };
    let one = |c: &char| escaped.is_none_or(|wanted| wanted == *c);
    match rest {
        ['*', rest @ ..] => (0..=name.iter().take_while(|c| one(c)).count()).any(|n| whole(rest, &name[n..])),
        ['+', rest @ ..] => (1..=name.iter().take_while(|c| one(c)).count()).any(|n| whole(rest, &name[n..])),
        _ => name.first().is_some_and(one) && whole(rest, &name[1..]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn literals_dots_stars_and_alternatives() {
        for (pattern, name) in [
            ("kafka.scaling", "kafka.scaling"),
            ("kafka.*", "kafka.scaling"),
            ("a|b", "b"),
            ("a,b", "a"),
            ("kafka\\.scaling", "kafka.scaling"),
            (".+", "x"),
        ] {
            assert!(matches(pattern, name), "{pattern} {name}");
        }
        for (pattern, name) in [
            ("kafka", "kafka.scaling"),
            ("kafka\\.s", "kafkaxs"),
            (".+", ""),
            ("a|b", "ab"),
        ] {
            assert!(!matches(pattern, name), "{pattern} {name}");
        }
    }
}
