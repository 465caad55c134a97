//! The table of `docs/anomalies.md` says of each anomaly by which scenario it is shown and where, and what cures it. These two
//! columns are made from the scenario files.

use std::path::Path;

use lab::scenario::{Scenario, name_of};

use crate::shipped::shipped;

const CATALOGUE: &str = "../../docs/anomalies.md";

#[test]
fn the_table_says_what_the_scenarios_say() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(CATALOGUE);
    let text = std::fs::read_to_string(&path).expect("the catalogue");
    let made = with_table(&text, &shipped());
    if std::env::var_os("UPDATE_CATALOGUE").is_some() {
        std::fs::write(&path, made).expect("the catalogue can be written");
        return;
    }
    let differ = text.lines().zip(made.lines()).find(|(old, new)| old != new);
    assert_eq!(
        differ, None,
        "UPDATE_CATALOGUE=1 cargo test -p lab --test scenario catalogue writes the table anew"
    );
}

#[test]
fn a_row_is_made_of_what_a_person_wrote_and_of_the_scenarios() {
    let scenario = |text: &str| lab::scenario::parse("x.lab", text).expect("a scenario");
    let shown = scenario("title en Z\nanomaly 7\nworlds simulated real\ncure en the fence\n\nexpect clean\n");
    let told = scenario("title en D\nanomaly 8\ndescribed en Nothing\n  copies.\ncure en one writer\n");
    let scenarios = [("a07-zombie.lab".to_owned(), shown), ("a08-sites.lab".to_owned(), told)];
    let number = |n: u32| format!("A{n}");
    let row = |n: u32| {
        made(
            &format!("| {} | [Name](#name) | Kafka | old | old |", number(n)),
            &scenarios,
        )
    };
    assert_eq!(
        row(7),
        format!(
            "| {} | [Name](#name) | Kafka | [zombie](../scenarios/a07-zombie.lab): simulated, real | the fence |",
            number(7)
        )
    );
    let described = "[described](../scenarios/a08-sites.lab)";
    assert_eq!(
        row(8),
        format!("| {} | [Name](#name) | Kafka | {described} | one writer |", number(8))
    );
    assert_eq!(row(9), format!("| {} | [Name](#name) | Kafka | | |", number(9)));
    let untouched = "| number | name | by hand | scenario | cure |";
    assert_eq!(made(untouched, &scenarios), untouched);
}

fn with_table(text: &str, scenarios: &[(String, Scenario)]) -> String {
    text.lines().map(|line| made(line, scenarios) + "\n").collect()
}

/// A line of the document, with its last two cells made anew if it is the row of an anomaly.
fn made(line: &str, scenarios: &[(String, Scenario)]) -> String {
    let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
    let number = cells[0].strip_prefix('A').and_then(|number| number.parse::<u32>().ok());
    let (Some(number), 5) = (number, cells.len()) else {
        return line.to_owned();
    };
    let of_number = || {
        scenarios
            .iter()
            .filter(|(_, scenario)| scenario.head.anomalies.contains(&number))
    };
    let shown: Vec<String> = of_number().map(|(file, scenario)| shown(file, scenario)).collect();
    let mut cures: Vec<&str> = of_number()
        .map(|(_, scenario)| scenario.head.cure.english.as_str())
        .collect();
    cures.dedup();
    let blank = |text: String| {
        if text.is_empty() {
            " ".to_owned()
        } else {
            format!(" {text} ")
        }
    };
    let (shown, cures) = (blank(shown.join("; ")), blank(cures.join("; ")));
    format!("| {} | {} | {} |{shown}|{cures}|", cells[0], cells[1], cells[2])
}

fn shown(file: &str, scenario: &Scenario) -> String {
    let head = &scenario.head;
    match &head.described {
        Some(_) => format!("[described](../scenarios/{file})"),
        None => {
            let worlds: Vec<&str> = head.worlds.iter().map(|world| world.word()).collect();
            format!("[{}](../scenarios/{file}): {}", name_of(file), worlds.join(", "))
        }
    }
}
