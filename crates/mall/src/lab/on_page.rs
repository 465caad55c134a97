//! The scenarios for the live page: what there is, and the history of a run, which happens in memory.
//!
//! # Invariants
//! * Only scenarios of this program are run, and only in simulated worlds: nothing else on the machine is touched.

use lab::scenario::{Head, Run, WorldName};
use serde_json::{Value, json};
use shop::spelling::nearest;
use web::gateway::scenarios::{NoRun, Scenarios};

use super::found::{Found, shipped};
use super::worlds;
use crate::history::{Recording, guess};
use crate::verify::report::both;

/// The scenarios, for the gateway.
pub fn scenarios() -> Scenarios {
    let all = shipped();
    Scenarios {
        list: std::sync::Arc::new(json!({ "scenarios": all.iter().map(listed).collect::<Vec<_>>() })),
        run: std::sync::Arc::new(move |name, run| history(&all, name, run)),
    }
}

/// A scenario as the page lists it. Its answer is told behind its run.
fn listed(found: &Found) -> Value {
    let head = &found.scenario.head;
    let choice = |choice: guess::Choice| json!({"id": choice.id, "says": both(&choice.says)});
    let world = simulated(head);
    let runs = head.runs.iter().filter(|_| world.is_some()).copied();
    json!({
        "name": found.name,
        "title": both(&head.title),
        "anomalies": head.anomalies,
        "lesson": head.lesson,
        "explanation": both(&head.explain),
        "question": both(&head.question),
        "worlds": head.worlds.iter().copied().map(WorldName::word).collect::<Vec<_>>(),
        "world": world.map(WorldName::word),
        "runs": runs.map(Run::word).collect::<Vec<_>>(),
        "described": head.described.as_ref().map(both),
        "asks": both(&guess::asks(&found.scenario)),
        "choices": guess::choices(&found.scenario).into_iter().map(choice).collect::<Vec<_>>(),
    })
}

/// The simulated world in which it can be shown; none if there is none.
fn simulated(head: &Head) -> Option<WorldName> {
    let simulated = [WorldName::Simulated, WorldName::SimulatedKafka];
    simulated.into_iter().find(|world| head.worlds.contains(world))
}

/// The history of a run.
fn history(all: &[Found], name: &str, wanted: Option<&str>) -> Result<Vec<u8>, NoRun> {
    let Some(found) = all.iter().find(|found| found.name == name) else {
        return Err(NoRun::Unknown(unknown(all, name)));
    };
    let head = &found.scenario.head;
    let Some(world) = simulated(head) else {
        let why = head
            .described
            .as_ref()
            .map_or("no simulated world can show it", |why| &why.english);
        return Err(NoRun::Without(format!("The scenario {name} has no run: {why}")));
    };
    let run = match wanted {
        None => head.runs.first().copied(),
        Some(word) => Run::named(word).filter(|run| head.runs.contains(run)),
    };
    let run = run.ok_or_else(|| {
        let runs: Vec<&str> = head.runs.iter().map(|run| run.word()).collect();
        let asked = wanted.unwrap_or_default();
        NoRun::Without(format!(
            "The scenario {name} has no run {asked:?}; allowed: run={}.",
            runs.join(", run=")
        ))
    })?;
    recorded(found, run, world).map_err(|why| NoRun::Failed(format!("The scenario {name} could not be run: {why}.")))
}

fn recorded(found: &Found, run: Run, world: WorldName) -> Result<Vec<u8>, String> {
    let mut made = worlds::world(world, &found.scenario.setup(run), None).map_err(|trouble| trouble.to_string())?;
    let mut recording = Recording::begin(found, run, world, Vec::new()).map_err(|error| error.to_string())?;
    let mut done = Ok(());
    let report = lab::run::run(&found.scenario, run, made.as_mut(), &mut |told| {
        if done.is_ok() {
            done = recording.take(told);
        }
    });
    let ended = done.and_then(|()| recording.end(&report));
    ended.map_err(|error| error.to_string())
}

fn unknown(all: &[Found], name: &str) -> String {
    let near = match nearest(name, all.iter().map(|found| found.name.as_str())) {
        Some(near) => format!("did you mean {near}?"),
        None => "GET /live/scenarios lists them.".to_owned(),
    };
    format!("There is no scenario {name:?}; {near}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(name: &str, run: &str) -> Vec<Value> {
        let written = history(&shipped(), name, Some(run)).expect(name);
        let text = String::from_utf8(written).expect("text");
        text.lines()
            .map(|line| serde_json::from_str(line).expect(line))
            .collect()
    }

    /// What was told last under this name.
    fn last<'a>(lines: &'a [Value], event: &str) -> &'a Value {
        let last = lines.iter().rev().find(|line| line["event"] == event);
        &last.unwrap_or_else(|| panic!("no {event}"))["data"]
    }

    #[test]
    fn a_run_goes_wrong_and_its_cure_does_not() {
        let broken = lines("missing-key", "broken");
        assert_eq!(broken[0]["run"], "broken");
        assert_eq!(broken[1]["event"], "snapshot");
        assert_eq!(broken[1]["data"]["partitions"][1]["end"], 0);
        let verdict = last(&broken, "verdict");
        assert_eq!(
            (&verdict["state"], &verdict["underWay"]),
            (&"harm".into(), &false.into())
        );
        let row = &last(&broken, "deliveries")[0];
        assert_eq!(row["expected"]["status"], "DELIVERY CANCELLED");
        assert_eq!(
            (&row["actual"]["status"], &row["inFlight"]),
            (&"DELIVERY MODIFIED".into(), &false.into())
        );
        let outcome = last(&broken, "outcome");
        assert_eq!((&outcome["came"], &outcome["harm"]), (&json!(["1"]), &true.into()));
        let fixed = lines("missing-key", "fixed");
        assert_eq!(last(&fixed, "verdict")["state"], "ordered");
        assert_eq!(last(&fixed, "outcome")["came"], json!(["2"]));
    }

    #[test]
    fn every_run_comes_out_as_its_scenario_expects_with_one_choice_that_came_true() {
        for found in shipped() {
            for run in listed(&found)["runs"].as_array().expect("a list") {
                let run = run.as_str().expect("a word");
                let all = lines(&found.name, run);
                let outcome = last(&all, "outcome");
                let told = format!("{} {run}: {outcome}", found.name);
                assert_eq!(outcome["asExpected"], true, "{told}");
                assert_eq!(outcome["came"].as_array().map(Vec::len), Some(1), "{told}");
                let harm = last(&all, "verdict")["state"] == "harm";
                assert_eq!(outcome["harm"], harm, "{told}");
                let times: Vec<i64> = all[1..]
                    .iter()
                    .map(|line| line["at"].as_i64().expect("a time"))
                    .collect();
                assert!(times.is_sorted(), "{told}");
                let moments = all[1..].iter().map(|line| line["moment"].as_u64().expect("a number"));
                assert!(moments.is_sorted(), "{told}");
            }
        }
    }

    #[test]
    fn the_same_run_gives_the_same_bytes() {
        let all = shipped();
        let once = history(&all, "zombie", Some("broken")).expect("a history");
        assert!(once == history(&all, "zombie", Some("broken")).expect("a history"));
    }

    #[test]
    fn what_there_is_not_is_answered_with_what_there_is() {
        let all = shipped();
        let refused = |name: &str, run: &str| history(&all, name, Some(run)).expect_err(name);
        assert_eq!(
            refused("zombi", "broken"),
            NoRun::Unknown("There is no scenario \"zombi\"; did you mean zombie?".to_owned())
        );
        assert_eq!(
            refused("../../etc/passwd", "broken"),
            NoRun::Unknown("There is no scenario \"../../etc/passwd\"; GET /live/scenarios lists them.".to_owned())
        );
        assert_eq!(
            refused("lesson-1", "broken"),
            NoRun::Without("The scenario lesson-1 has no run \"broken\"; allowed: run=fixed.".to_owned())
        );
        let NoRun::Without(why) = refused("kafka-transaction", "broken") else {
            panic!("it has none")
        };
        assert!(why.contains("uses no Kafka transactions"), "{why}");
    }
}
