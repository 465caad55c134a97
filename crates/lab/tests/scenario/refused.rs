//! What is refused, and in which words.

use lab::scenario::parse;

/// What is said of a scenario with these lines.
#[track_caller]
fn said(lines: &str) -> String {
    parse("own.lab", lines).expect_err("it makes no sense").to_string()
}

#[test]
fn a_misspelt_word_names_the_one_that_is_meant() {
    assert_eq!(
        said("place KIM\nfreze delivery-1"),
        "own.lab:2: found \"freze\", did you mean freeze?"
    );
    assert_eq!(
        said("guard versoin"),
        "own.lab:1: found \"versoin\", did you mean version? Expected guard: version or off"
    );
    let lacks = "a naive consumer has no guard, no lanes and no gap deadline; leave it out, or take consumer keylane";
    assert_eq!(
        said("broken consumer no-drain\nbroken guard version\nplace KIM\nexpect clean"),
        format!("own.lab:2: guard version does nothing here: {lacks}")
    );
    assert_eq!(
        said("consumer no-drain\nplace KIM\nstart delivery-2 lanes 1\nexpect clean"),
        format!("own.lab:3: in the broken run, {lacks}")
    );
    assert!(
        said("place KIM\nexpect inverison KIM").starts_with("own.lab:2: found \"inverison\", did you mean inversion?")
    );
    assert!(said("place KIM adress=SEOUL").contains("found \"adress=SEOUL\", did you mean address?"));
}

#[test]
fn a_line_says_what_should_stand_where_something_else_does() {
    assert_eq!(
        said("place"),
        "own.lab:1: the line ends. Expected the name of an order, in capital letters, such as KIM"
    );
    assert_eq!(
        said("lanes 0"),
        "own.lab:1: found \"0\". Expected lanes: a number from 1 to 1000"
    );
    assert_eq!(
        said("settle now"),
        "own.lab:1: found \"now\". Expected the end of the line"
    );
    assert_eq!(
        said("modify-delay 10"),
        "own.lab:1: found \"10\". Expected modify-delay: a time such as 200ms, 10s or 1h"
    );
    assert_eq!(
        said("place KIM address=\"SEOUL"),
        "own.lab:1: the quotes are not closed"
    );
    assert!(said("place KIM qty=many").ends_with("Expected a number behind qty="));
    assert!(said("place KIM\nmodify KIM").ends_with("Expected what is modified, such as address=SEOUL"));
    assert!(said("settle\nlanes 2").contains("the mall is set up before the first one"));
    assert!(said("  more text").contains("there is none before it"));
    assert!(said("broken worlds simulated").contains("found \"worlds\""));
}

#[test]
fn what_cant_be_meant_is_refused_in_the_run_in_which_it_cant() {
    assert_eq!(
        said("fixed place KIM\nexpect delivery KIM \"DELIVERY STARTED\""),
        "own.lab:2: in the broken run, no order KIM has been placed"
    );
    assert!(said("place KIM\ncancel KMI").ends_with("no order KMI has been placed; did you mean KIM?"));
    assert!(said("place KIM\nplace KIM").ends_with("KIM has been placed already"));
    assert_eq!(
        said("place KIM\nhold KIM v2\nsettle\nexpect clean"),
        "own.lab:3: in the broken run, KIM v2 is still held where the mall has to come to rest; release it"
    );
    assert!(
        said("place KIM\nhold KIM v2\nexpect clean").starts_with("own.lab:2: in the broken run, KIM v2 is still held")
    );
    assert!(said("place KIM\nhold KIM v2\nrelease KIM v3").ends_with("KIM v3 is not held; held is: KIM v2"));
    assert!(said("place KIM\nhold KIM v2\nhold KIM v2").ends_with("KIM v2 is held already"));
    assert!(said("freeze delivery-2").ends_with("delivery-2 doesn't run; start it"));
    assert!(said("wake delivery-1").ends_with("delivery-1 runs already"));
    assert!(said("freeze delivery-1\nstop delivery-1").ends_with("delivery-1 is frozen; wake or kill it"));
    assert!(said("place KIM\nhold KIM v2 in delivery-7").contains("there is no delivery-7"));
    assert!(said("partitions 4\ngrow 4").ends_with("grow needs more than 4, which the topic has already"));
    assert!(said("seek P0@0").ends_with("only while no delivery instance runs"));
    assert!(said("deliveries 0\nseek P1@0").ends_with("the topic has 1 partitions, counted from P0"));
    assert!(said("expect refused").ends_with("only a request, retry or discard of the line before can be refused"));
    assert_eq!(
        said("place KIM\nfixed expect clean"),
        "own.lab:2: in the broken run, nothing is expected; expect clean, for example"
    );
    assert!(said("described en Why\nplace KIM").ends_with("nothing that could be run"));
}
