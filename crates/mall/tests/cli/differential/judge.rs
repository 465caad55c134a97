//! Whether our tool did what was expected of it.

use super::row::Expect;
use super::world::Outcome;

/// What is wrong with ours; none if it is as expected.
pub fn complaint(expect: &Expect, theirs: &Outcome, ours: &Outcome) -> Option<String> {
    let wrong = match expect {
        Expect::Same => difference(theirs, ours),
        Expect::Refused(name) => {
            let named = ours.ended.err.contains(name);
            let refused = ours.ended.code == Some(64) && named;
            match refused {
                false => Some(format!("should be refused by the name {name}")),
                true => ours
                    .has_changed
                    .then(|| "was refused, and has changed something".to_owned()),
            }
        }
        Expect::Says(text, code) => {
            let said = ours.ended.out.contains(text) || ours.ended.err.contains(text);
            (!said || ours.ended.code != Some(*code)).then(|| format!("should say {text:?} and end with {code}"))
        }
        Expect::Absent => None,
    };
    wrong.map(|wrong| {
        format!(
            "{wrong}\n--- Java's: {}--- ours: {}",
            shown(theirs, ours),
            shown(ours, theirs)
        )
    })
}

fn difference(theirs: &Outcome, ours: &Outcome) -> Option<String> {
    let differs = |what: &str| Some(format!("{what} differs"));
    if ours.ended.code != theirs.ended.code {
        return differs("the exit code");
    }
    if ours.ended.out != theirs.ended.out {
        return differs("the output");
    }
    if ours.state != theirs.state {
        return differs("what is there afterwards");
    }
    if ours.file != theirs.file {
        return differs("the file");
    }
    let reason = usage_error(&theirs.ended.err);
    if reason.is_some() && reason != usage_error(&ours.ended.err) {
        return differs("the reason");
    }
    let silent = ours.ended.code != Some(0) && ours.ended.out.is_empty() && ours.ended.err.is_empty();
    silent.then(|| "it failed without a word".to_owned())
}

/// The sentence above a table of options.
fn usage_error(err: &str) -> Option<&str> {
    let mut lines = err.lines();
    let sentence = lines.next()?;
    lines.any(|line| line.starts_with("Option  ")).then_some(sentence)
}

fn shown(outcome: &Outcome, other: &Outcome) -> String {
    let err: Vec<_> = outcome.ended.err.lines().take(3).collect();
    let file = outcome.file.as_ref().map(|text| format!("file: {text}\n"));
    let state = (outcome.state != other.state).then(|| format!("afterwards: {:#?}\n", outcome.state));
    format!(
        "code {:?}\n{}err: {}\n{}{}",
        outcome.ended.code,
        outcome.ended.out,
        err.join("\n     "),
        file.unwrap_or_default(),
        state.unwrap_or_default()
    )
}
