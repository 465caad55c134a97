//! Makes a list smaller while it keeps what it was chosen for (delta debugging, Zeller 1999).
//!
//! # Invariants
//! * The list that is returned is the one that was tested last with success, so it still has what is wanted.

/// Removes as much as possible of `items`, first in large pieces and then one by one, while `holds` says so of the rest.
/// Stops after `budget` tests.
pub fn shrink<T: Clone>(items: Vec<T>, budget: &mut usize, mut holds: impl FnMut(&[T]) -> bool) -> Vec<T> {
    let mut kept = items;
    let mut piece = kept.len().div_ceil(2);
    while piece > 0 {
        let mut removed = false;
        let mut at = kept.len();
        // From the end, since what comes later depends on what came before.
        while at > 0 {
            if *budget == 0 {
                return kept;
            }
            *budget -= 1;
            let from = at.saturating_sub(piece);
            let rest = [&kept[..from], &kept[at..]].concat();
            if holds(&rest) {
                kept = rest;
                removed = true;
            }
            at = from;
        }
        if piece == 1 && !removed {
            return kept;
        }
        piece = if piece > 1 { piece / 2 } else { 1 };
        if kept.is_empty() {
            return kept;
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_left_but_what_is_needed() {
        let needs = |wanted: &'static [u32]| move |items: &[u32]| wanted.iter().all(|want| items.contains(want));
        for wanted in [&[][..], &[7], &[3, 99], &[0, 50, 51, 99]] {
            let mut budget = 10_000;
            assert_eq!(shrink((0..100).collect(), &mut budget, needs(wanted)), wanted);
            assert!(budget > 9_000, "{budget} of 10000 are left");
        }
    }

    #[test]
    fn it_stops_with_the_last_that_held() {
        let mut budget = 3;
        let left = shrink((0..100_u32).collect(), &mut budget, |items| items.contains(&42));
        assert!(left.contains(&42) && left.len() < 100, "{left:?}");
        assert_eq!(budget, 0);
    }
}
