//! Both READMEs, followed as a reader would: each command in its terminal, one after the other, and each expected output
//! waited for.
//!
//! ```text
//!   README.md ─▶ text.rs: blocks ─▶ walk.rs: terminals, processes, requests ─▶ said.rs: what was said against what was expected
//! ```
//!
//! What a README writes for that:
//! * A block ```` ```sh ```` is a list of commands. Its comments `# terminal 2` say where they are typed; a comment with Ctrl-C
//!   ends what runs there first.
//! * A block ```` ```console ```` is what is expected in the terminal of the commands before it, or in those that its comment
//!   names. `…` stands for anything.
//! * Other blocks are pictures.
//!
//! The ports are free ones instead of the usual, a modification takes less than ten seconds, and on Kafka and MariaDB topic,
//! group and database have names of their own. Everything else is typed as it stands.

mod said;
mod text;
mod walk;

use crate::support::stack::Stack;
use text::{Block, Readme};
use walk::Walk;

/// The locales of the readers.
const ENGLISH: &str = "C.UTF-8";
const KOREAN: &str = "ko_KR.UTF-8";

#[test]
fn both_languages_give_the_same_commands() {
    let (english, korean) = (Readme::read("README.md"), Readme::read("README.ko.md"));
    let typed = |readme: &Readme| -> Vec<String> { readme.blocks.iter().flat_map(Block::outline).collect() };
    let (english, korean) = (typed(&english), typed(&korean));
    for (english, korean) in english.iter().zip(&korean) {
        assert_eq!(english, korean);
    }
    assert_eq!(english.len(), korean.len());
    assert!(english.len() > 50, "the commands were found: {english:?}");
}

#[test]
fn the_readme_on_the_embedded_default() {
    let readme = Readme::read("README.md");
    let mut walk = Walk::new(Stack::embedded, ENGLISH);
    readme.before_exports().for_each(|block| walk.follow(block));
    walk.end();
}

/// What is said in Korean is said by the same program, whatever the stack.
#[test]
fn the_korean_readme_on_the_embedded_default() {
    let readme = Readme::read("README.ko.md");
    let mut walk = Walk::new(Stack::embedded, KOREAN);
    readme.before_exports().for_each(|block| walk.follow(block));
    walk.end();
}

/// The section on Kafka sends the reader through everything before it once more.
#[test]
fn the_readme_on_kafka_and_mariadb() {
    let readme = Readme::read("README.md");
    let mut walk = Walk::new(Stack::real, ENGLISH);
    walk.follow(readme.exports());
    readme.before_exports().for_each(|block| walk.follow(block));
    readme.behind_exports().for_each(|block| walk.follow(block));
    walk.end();
}
