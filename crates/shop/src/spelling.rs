//! Finds out which name a misspelt one stands for.

/// How many letters must be changed, added or removed to turn one word into the other (the Levenshtein distance).
pub fn distance(one: &str, other: &str) -> usize {
    let other: Vec<char> = other.chars().collect();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (i, a) in one.chars().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        for (j, b) in other.iter().enumerate() {
            let changed = diagonal + usize::from(a != *b);
            diagonal = row[j + 1];
            row[j + 1] = changed.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[other.len()]
}

/// Which of these names a misspelt one most likely stands for; none if it is like none of them.
pub fn nearest<'a>(word: &str, names: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let word = word.to_lowercase();
    let distances = names
        .into_iter()
        .map(|name| (distance(&word, &name.to_lowercase()), name));
    let (distance, name) = distances.min_by_key(|(distance, _)| *distance)?;
    (distance <= word.chars().count().div_ceil(2).min(3)).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances() {
        assert_eq!(distance("topic", "topic"), 0);
        assert_eq!(distance("dealy", "delay"), 2);
        assert_eq!(distance("", "abc"), 3);
    }

    #[test]
    fn the_nearest_name_is_one_that_is_near() {
        let names = ["freeze", "release", "retry"];
        assert_eq!(nearest("freze", names), Some("freeze"));
        assert_eq!(nearest("Relaese", names), Some("release"));
        assert_eq!(nearest("pot", names), None);
        assert_eq!(nearest("x", []), None);
    }
}
